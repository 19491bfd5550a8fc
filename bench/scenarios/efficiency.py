# SPDX-License-Identifier: BSD-3-Clause
"""Four VMs, each with a client, that send requests in bursts: one shared worker in mode time against a worker
for each, as one would have to have where tenants cannot be kept apart otherwise.

Within a burst, a quarter of the time, a VM has WINDOW requests outstanding and so asks for all of a worker; its
neighbour's burst begins while the last OVERLAP percent of its own are left. What counts is the requests that a
core serves. This machine has one core for workers, so one silo is measured: four of them serve four times as
much on four cores, and as much per core."""

import contextlib

from figures import answer_text
from generator import latency
from harness import Stint

LIMIT_SECONDS = 600
BARS = {
    "efficiency.per_core_ratio": (">=", 3),
    "efficiency.p99_excess_slices": ("<=", 2),
}
VMS = 4
SLICE_US = 20
PERIOD_US = 40_000
BURST_US = 10_000
OVERLAPS = (25, 50, 75, 100)
WINDOW = 16
# Requests and replies that cost the switch more than the generator, which has to play both of their ends.
SIZE = "4000/2"


def stream(vms, overlap):
    step = BURST_US * (100 - overlap) // 100
    return (f"name=burst from=0-{vms - 1} to={vms}-{2 * vms - 1} mode=request window={WINDOW} size={SIZE} "
            f"period_us={PERIOD_US} on_us={BURST_US} phase_step_us={step}")


@contextlib.contextmanager
def started(bench, vms):
    with bench.switch(Stint, 2 * vms) as switch:
        switch.call("scheduler_set", mode="time", slice_us=SLICE_US)
        yield switch


def compare_in_turns(bench):
    """The silo and the shared worker in turns of some periods, as the host's other guests come and go."""
    number, periods = (3, 5) if bench.quick else (7, 15)
    overlap = OVERLAPS[0]
    with started(bench, 1) as silo, started(bench, VMS) as shared:
        loads = [(silo, [stream(1, 0)], ""), (shared, [stream(VMS, overlap)], "")]
        played = bench.play_in_turns(loads, number, periods * PERIOD_US / 1e6)
    for plays in played:
        alone, together = (play.raw["stream.burst.replies_per_s"] for play in plays)
        bench.figures.add("efficiency.per_core_ratio", together / alone if alone and together else None, "ratio")
    bench.figures.note("efficiency.per_core_ratio", f"{overlap} % overlap, one worker for {VMS} VMs over one silo of "
                       "four, in turns")
    bench.say("in turns: requests per core over a silo's: " + ", ".join(
        answer_text(value, 2) for value in bench.figures.rounds["efficiency.per_core_ratio"][-number:]))


def measure(bench, vms, overlap=0):
    """(requests per second, their p99 in us or None when none was answered, how busy the worker was in percent)"""
    with started(bench, vms) as switch:
        play = bench.play(switch, [stream(vms, overlap)], seconds=0.8 if bench.quick else 4)
    p99 = latency(play.raw, "burst", "p99", clean=True)
    return play.raw["stream.burst.replies_per_s"], p99, play.busy_percent


def run(bench):
    figures = bench.figures
    for _ in bench.each_round():
        compare_in_turns(bench)
        alone, alone_p99, busy = measure(bench, 1)
        figures.add("efficiency.silo.requests_per_s", alone, "requests/s")
        figures.add("efficiency.silo.p99_us", alone_p99, "us")
        figures.add("efficiency.silo.busy_in_burst_percent", busy * PERIOD_US / BURST_US, "%")
        for overlap in OVERLAPS:
            shared, p99, busy = measure(bench, VMS, overlap)
            figures.add(f"efficiency.{overlap}.requests_per_s", shared, "requests/s")
            figures.add(f"efficiency.{overlap}.p99_us", p99, "us")
            figures.add(f"efficiency.{overlap}.busy_percent", busy, "%")
            answered = None not in (p99, alone_p99)
            ratio = shared / alone if answered else None
            excess = (p99 - alone_p99) / SLICE_US if answered else None
            figures.add(f"efficiency.{overlap}.per_core_ratio", ratio, "ratio")
            figures.add(f"efficiency.{overlap}.p99_excess_slices", excess, "slices")
            bench.say(f"{overlap} % overlap: requests per core over a silo's: {answer_text(ratio, 2)}, "
                      f"p99 in us: {answer_text(p99)} against {answer_text(alone_p99)}")
        figures.add("efficiency.p99_excess_slices",
                    figures.rounds[f"efficiency.{OVERLAPS[0]}.p99_excess_slices"][-1], "slices")
