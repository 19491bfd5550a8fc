# SPDX-License-Identifier: BSD-3-Clause
"""What an idle switch with guests attached costs, and how late a packet is that comes after silence.

Ours with `--wake-latency 0` (an idle core polls in the kernel and does not halt) is what the bars are about; as it
comes, its core halts: figures `.halting`."""

import machine
from figures import answer_text
from generator import latency
from harness import Ovs, Stint, Testpmd
from machine import WORKER_CORE

LIMIT_SECONDS = 600
BARS = {
    "idle.core_percent": ("<", 5),
    "idle.first_packet_p99_us": ("<=", 60),
}
GUESTS = 16
# Packets so far apart that our worker sleeps before each; those that poll never do.
STREAMS = ["name=first from=0 to=1 mode=open rate=250 poisson=1 check=1 size=64"]


class CpuTime:
    """CPU time of a switch over the measured time."""

    def __init__(self, switch):
        self.switch = switch
        self.seconds = None

    def now(self):
        return sum(machine.cpu_seconds(pid) for pid in self.switch.pids())

    def start(self):
        self.seconds = -self.now()

    def end(self):
        self.seconds += self.now()


class Halting:
    """How much of the measured time the worker's core was halted, by the kernel's own count; None where it
    does not count."""

    def __init__(self):
        self.seconds = None

    def start(self):
        self.seconds = machine.halted_seconds(WORKER_CORE)

    def end(self):
        if self.seconds is not None:
            self.seconds = machine.halted_seconds(WORKER_CORE) - self.seconds


def measure(bench, peer, **options):
    """Returns (percent of a core while idle, the same with a packet now and then, percent of the idle time that the
    core was halted or None, the generator's figures)."""
    halting = Halting()

    def start():
        halting.start()
        silent.start()

    def end():
        silent.end()
        halting.end()

    with bench.switch(peer, GUESTS, **options) as switch:
        silent, rare = CpuTime(switch), CpuTime(switch)
        first = bench.play(switch, [], seconds=1 if bench.quick else 5, on_start=start, on_end=end).raw
        second = bench.play(switch, STREAMS, seconds=3 if bench.quick else 20, on_start=rare.start,
                            on_end=rare.end).raw
    halted = None if halting.seconds is None else 100 * halting.seconds / first["seconds"]
    return 100 * silent.seconds / first["seconds"], 100 * rare.seconds / second["seconds"], halted, second


VARIANTS = (  # (peer, behind the figures' names, options)
    (Stint, "", {"args": ["--wake-latency", "0"]}),
    (Stint, ".halting", {}),
    (Testpmd, f".{Testpmd.name}", {}),
    (Ovs, f".{Ovs.name}", {}),
)


def run(bench):
    for _ in bench.each_round():
        for peer, suffix, options in VARIANTS:
            silent, rare, halted, raw = measure(bench, peer, **options)
            bench.figures.add(f"idle.core_percent{suffix}", silent, "%")
            bench.figures.add(f"idle.rare_core_percent{suffix}", rare, "%")
            if halted is not None:
                bench.figures.add(f"idle.core_halted_percent{suffix}", halted, "%")
            for point in ("p50", "p99"):
                bench.figures.add(f"idle.first_packet_{point}_us{suffix}", latency(raw, "first", point), "us")
                bench.figures.add(f"idle.first_packet_clean_{point}_us{suffix}",
                                  latency(raw, "first", point, clean=True), "us")
            bench.say(f"{suffix.lstrip('.') or 'stint'}: {silent:.1f} % of a core, first packet "
                      f"p99 in us: {answer_text(latency(raw, 'first', 'p99'))}")
    for name in BARS:
        bench.figures.note(name, "with --wake-latency 0: the idle core polls in the kernel and does not halt")
