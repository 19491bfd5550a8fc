# SPDX-License-Identifier: BSD-3-Clause
"""Backlogged VMs whose packets differ in cost by orders of magnitude: the shares of the worker's time that
they get over 100 ms, against their weights and limits.

An error is that of the VM which is furthest off what it should have of the time that all VMs used, in percent
of that. Shares are the ledger's own, read between two services; the windows follow each other."""

import statistics
import time

from harness import Stint
from machine import WORKER_CORE

LIMIT_SECONDS = 600
BARS = {
    "shares.equal_error_percent": ("<=", 3),
    "shares.weighted_error_percent": ("<=", 3),
    "shares.limit10_percent": ("within", (9.5, 10.5)),
}
WINDOW_SECONDS = 0.1
BUDGET_CALLS = 100
# Deep rings, so that nobody runs dry while the generator's core does something else.
FLOOD = "rate=100000 ring=32768"
EQUAL = ("small", "small", "large", "chain", "mixed", "alternate", "broadcast", "malformed")
WEIGHTED = (("small", 100), ("large", 200), ("chain", 400), ("small", 100), ("chain", 200), ("large", 400))
LIMITED = ("small", "large", "chain", "small")  # the first has a limit
LIMIT_PERCENT = 10


def read(switch):
    """(time passed, {VM: time used}), in cycles, from one moment."""
    worker = switch.call("stats_workers", worker=WORKER_CORE)[0]
    return worker["cycles"], {vm: sum(stages.values()) for vm, stages in worker["vms"].items()}


def watch(switch, n):
    """n windows: (time passed, {VM: time used in it})."""
    windows = []
    passed, used = read(switch)
    for _ in range(n):
        time.sleep(WINDOW_SECONDS)
        now_passed, now_used = read(switch)
        windows.append((now_passed - passed, {vm: now_used[vm] - used[vm] for vm in used}))
        passed, used = now_passed, now_used
    return windows


def time_budgets(switch):
    """How long it takes until budget_set is answered, in us, of calls that each change a weight. The answer says
    that the budget is in force."""
    took = []
    for i in range(BUDGET_CALLS):
        began = time.perf_counter()
        switch.call("budget_set", vm="vm0", weight=100 + i % 2)
        took.append(1e6 * (time.perf_counter() - began))
    return took


def flood(bench, kinds, budgets, then=None):
    """Windows during which VMs of these kinds are backlogged; budgets[i] is what is set for VM i. then(switch) is
    called after them, while they still are."""
    n = 10 if bench.quick else 50
    found = []
    with bench.switch(Stint, len(kinds)) as switch:
        switch.call("scheduler_set", mode="time")
        for i, budget in enumerate(budgets):
            if budget:
                switch.call("budget_set", vm=f"vm{i}", **budget)
        vms = [f"{i} socket={switch.socket} attack={kind} {FLOOD}" for i, kind in enumerate(kinds)]

        def start():
            found.extend(watch(switch, n))
            if then:
                then(switch)

        bench.play(switch, [], vms=vms, seconds=n * WINDOW_SECONDS * 1.5 + (1 if then else 0), on_start=start)
    return found


def errors(windows, weights):
    """Each window's largest error in percent; weights by number of the VM."""
    result = []
    for _, used in windows:
        total = sum(used.values())
        result.append(max(100 * abs(used[f"vm{i}"] / total * sum(weights) / weight - 1)
                          for i, weight in enumerate(weights)))
    return result


def note_errors(bench, name, windows, weights):
    """The median window counts: the machine's own gaps, billed to whoever is served then, are in the worst."""
    found = errors(windows, weights)
    bench.figures.add(f"shares.{name}_error_percent", statistics.median(found), "%")
    bench.figures.add(f"shares.{name}_error_worst_window_percent", max(found), "%")
    total = {vm: sum(used[vm] for _, used in windows) for vm in windows[0][1]}
    whole = errors([(0, total)], weights)[0]
    bench.figures.add(f"shares.{name}_error_long_run_percent", whole, "%")
    bench.figures.note(f"shares.{name}_error_percent", "of 100 ms windows the median one's worst VM")
    bench.say(f"{name}: off by {statistics.median(found):.2f} % in the median window of {len(found)}, "
              f"{max(found):.2f} % in the worst, {whole:.2f} % over all")


def run(bench):
    bench.figures.note("shares.budget_set_p50_us", f"{BUDGET_CALLS} calls while all VMs flood, each on a connection of "
                       "its own, client included")
    for _ in bench.each_round():
        took = []
        windows = flood(bench, EQUAL, [None] * len(EQUAL), lambda switch: took.extend(time_budgets(switch)))
        note_errors(bench, "equal", windows, [1] * len(EQUAL))
        bench.figures.add("shares.budget_set_p50_us", statistics.median(took), "us")
        bench.figures.add("shares.budget_set_max_us", max(took), "us")
        bench.say(f"budget_set is answered after {statistics.median(took):.0f} us, {max(took):.0f} at most")
        windows = flood(bench, [kind for kind, _ in WEIGHTED], [{"weight": weight} for _, weight in WEIGHTED])
        note_errors(bench, "weighted", windows, [weight for _, weight in WEIGHTED])
        windows = flood(bench, LIMITED, [{"limit_percent": LIMIT_PERCENT}] + [None] * (len(LIMITED) - 1))
        shares = [100 * used["vm0"] / passed for passed, used in windows]
        bench.figures.add("shares.limit10_percent", statistics.median(shares), "%")
        bench.figures.add("shares.limit10_highest_window_percent", max(shares), "%")
        bench.figures.add("shares.limit10_lowest_window_percent", min(shares), "%")
        bench.say(f"limited to {LIMIT_PERCENT} %: {statistics.median(shares):.2f} % in the median window, "
                  f"{min(shares):.2f} to {max(shares):.2f}")
