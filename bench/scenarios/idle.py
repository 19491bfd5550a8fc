# SPDX-License-Identifier: BSD-3-Clause
"""What an idle switch with guests attached costs, and how late a packet is that comes after silence."""

import machine
from harness import Ovs, Stint, Testpmd

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


def measure(bench, peer):
    """Returns (percent of a core while idle, the same with a packet now and then, the generator's figures)."""
    with bench.switch(peer, GUESTS) as switch:
        silent, rare = CpuTime(switch), CpuTime(switch)
        first = bench.play(switch, [], seconds=1 if bench.quick else 5, on_start=silent.start, on_end=silent.end).raw
        second = bench.play(switch, STREAMS, seconds=3 if bench.quick else 20, on_start=rare.start,
                            on_end=rare.end).raw
    return 100 * silent.seconds / first["seconds"], 100 * rare.seconds / second["seconds"], second


def run(bench):
    for _ in bench.each_round():
        for peer in (Stint, Testpmd, Ovs):
            silent, rare, raw = measure(bench, peer)
            ours = peer is Stint
            suffix = "" if ours else f".{peer.name}"
            bench.figures.add(f"idle.core_percent{suffix}", silent, "%")
            bench.figures.add(f"idle.rare_core_percent{suffix}", rare, "%")
            for point in ("p50", "p99"):
                bench.figures.add(f"idle.first_packet_{point}_us{suffix}", raw[f"stream.first.latency.{point}_us"], "us")
                bench.figures.add(f"idle.first_packet_clean_{point}_us{suffix}", raw[f"stream.first.clean.{point}_us"],
                                  "us")
            bench.say(f"{peer.name}: {silent:.1f} % of a core, first packet "
                      f"p99 {raw['stream.first.latency.p99_us']:.1f} us")
