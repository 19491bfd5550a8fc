# SPDX-License-Identifier: BSD-3-Clause
"""What accounting for time costs: 64 B packets switched in mode time against mode none, with equal demand.

All VMs are backlogged all the time (floods that cost the generator next to nothing), so the worker alone
decides. The modes take turns every fraction of a second while the traffic flows, A B B A, so that what the
machine does meanwhile meets both alike."""

import statistics
import time

from harness import Stint
from machine import WORKER_CORE

LIMIT_SECONDS = 600
BARS = {"overhead.percent": ("<=", 2)}
FLOOD = "rate=100000 ring=4096"
COUNTS = (2, 16)  # VMs; the bar is about the first
SETTLE_SECONDS = 0.01


def rate(switch, mode, seconds):
    """Packets per second of the worker's own clock in this mode."""
    def read():
        # The clock is read before and after the packets are counted: the middle is when that was.
        before = switch.call("stats_workers", worker=WORKER_CORE)[0]
        packets = sum(vm["packets"] for vm in switch.call("stats_vms"))
        after = switch.call("stats_workers", worker=WORKER_CORE)[0]
        return (before["cycles"] + after["cycles"]) / 2 / before["tsc_hz"], packets

    switch.call("scheduler_set", mode=mode)
    time.sleep(SETTLE_SECONDS)
    began, packets = read()
    time.sleep(seconds)
    ended, now_packets = read()
    return (now_packets - packets) / (ended - began)


def measure(bench, vms):
    """(packets per second in mode none, in mode time, what was lost in percent), medians of all turns."""
    turns, seconds = (6, 0.1) if bench.quick else (25, 0.2)
    rates, lost = {"none": [], "time": []}, []
    with bench.switch(Stint, vms) as switch:
        def take_turns():
            for _ in range(turns):
                quad = [(mode, rate(switch, mode, seconds)) for mode in ("none", "time", "time", "none")]
                for mode, value in quad:
                    rates[mode].append(value)
                by_mode = {mode: sum(v for m, v in quad if m == mode) for mode in rates}
                lost.append(100 * (1 - by_mode["time"] / by_mode["none"]))

        bench.play(switch, [], vms=[f"0-{vms - 1} socket={switch.socket} attack=small {FLOOD}"],
                   seconds=turns * 4 * (seconds + 0.1), on_start=take_turns)
    return statistics.median(rates["none"]), statistics.median(rates["time"]), statistics.median(lost)


def run(bench):
    for _ in bench.each_round():
        for vms in COUNTS:
            none, ours, lost = measure(bench, vms)
            bench.figures.add(f"overhead.{vms}_vms.none.mpps", none / 1e6, "Mpps")
            bench.figures.add(f"overhead.{vms}_vms.time.mpps", ours / 1e6, "Mpps")
            bench.figures.add(f"overhead.{vms}_vms_percent", lost, "%")
            if vms == COUNTS[0]:
                bench.figures.add("overhead.percent", lost, "%")
            bench.say(f"{vms} VMs: {none / 1e6:.2f} Mpps in mode none, {ours / 1e6:.2f} in mode time, {lost:.2f} % lost")
    bench.figures.note("overhead.percent", f"{COUNTS[0]} VMs, the median of A B B A turns")
