# SPDX-License-Identifier: BSD-3-Clause
"""Guards, security groups and rates: what they cost a packet, also one made to cost much, beside OVS-DPDK; how exact
rates are; and who waits while others open connections or are scanned.

What a packet costs by itself is told by programs of one process: bench/turn, with and without each, and
bench/policy/security."""

import os
import statistics
import subprocess
import time

from figures import answer_text
from harness import FLOOD, Stint
from machine import WORKER_CORE, Refused
from peers.policy import ALLOWED, OvsGroups, StintGroups, rules
from scenarios.isolation import GUARANTEE, REFILL, SLICE_US, TIMEOUT_US, WINDOWS, latency
from scenarios.tunnel import turn_cycles

LIMIT_SECONDS = 1800
BARS = {
    "policy.guard_cycles": ("<=", 10),
    "policy.established_cycles": ("<=", 50),
    "policy.established_1000000_cycles": ("<=", 110),
    "policy.new_cycles": ("<=", 350),
    "policy.bytes_per_connection": ("<=", 96),
    "policy.random_headers_over_one_flow": ("<=", 1.5),
    "policy.update_ms": ("<=", 5),
    "policy.rate_error_percent": ("<=", 1),
    "policy.rate_loss": ("==", 0),
    "policy.isolation.worst_excess_slices": ("<=", 2),
    "policy.isolation.victim_loss": ("==", 0),
}
BINARIES = ("bench/turn", "bench/policy/security")
NOTES = {
    "policy.guard_cycles": "bench/turn, udp_guarded less udp: one MAC address",
    "policy.established_cycles": "10,000 connections, one side, bench/policy/security",
    "policy.new_cycles": "1,000 rules, bench/policy/security",
    "policy.random_headers_over_one_flow": "64 B to a port that takes one flow of them, in turns",
    "policy.update_ms": "one rule of 1,000, added or deleted while the port is flooded, client included",
    "policy.rate_error_percent": "the worst of the rates that the worker reaches",
    "policy.rate_loss": "of a VM's packets while it is held to its rate, but for a receiver's",
}

ADDED = {"guard_cycles": "udp_guarded", "turn.groups_added_cycles": "udp_groups"}
JUDGED = {"established_10000.cycles_p50": ("established_cycles", "cycles/packet"),
          "established_1000000.cycles_p50": ("established_1000000_cycles", "cycles/packet"),
          "new_1000_rules.cycles_p50": ("new_cycles", "cycles/packet"),
          "connection": ("bytes_per_connection", "bytes")}


def judged(bench):
    """{figure of bench/policy/security: value}, of one run."""
    command = ["taskset", "-c", str(WORKER_CORE), os.path.join(bench.build, "bench", "policy", "security")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Refused(f"bench/policy/security fails: {done.stderr[-300:]}")
    words = (line.split() for line in done.stdout.splitlines())
    return {name.removeprefix("security."): float(value) for name, value, _ in words}


def measure_cycles(bench):
    number, loads = (3, 1500) if bench.quick else (7, 5000)
    for _ in range(number):
        cycles = turn_cycles(bench, loads)
        for name, way in ADDED.items():
            bench.figures.add(f"policy.{name}", cycles[way] - cycles["udp"], "cycles/packet")
    found = judged(bench)
    for name, (figure, unit) in JUDGED.items():
        bench.figures.add(f"policy.{figure}", found[name], unit)
    bench.say("cycles: " + ", ".join(
        f"{figure.removesuffix('_cycles')} {bench.figures.rounds[f'policy.{figure}'][-1]:.0f}"
        for figure in (*ADDED, *(figure for figure, _ in JUDGED.values()))))


# VM 0 sends to VM 1, whose port takes one of all flows. Packets are written anew in both cases.
FLOWS = {"one": "flows=1", "random": "flows=0"}


def flows_vms(switch, options):
    return [f"0 socket={switch.socket} attack=flows {options} {REFILL} ring=1024",
            f"1 socket={switch.socket} attack=sink {FLOOD}"]


def compare_flows(bench, peer, **options):
    """One flow and random headers through the same switch: A B, B A and so on."""
    number, seconds = (2, 0.2) if bench.quick else (8, 0.5)
    ratios = []
    with bench.switch(peer, 2, **options) as switch:
        for turn in range(number):
            cycles = {}
            for name in list(FLOWS)[::1 if turn % 2 == 0 else -1]:
                play = bench.play(switch, [], vms=flows_vms(switch, FLOWS[name]), seconds=seconds)
                if name == "one" and not play.pps:
                    raise Refused(f"{peer.name} forwards nothing of the flow that it allows")
                if not play.cycles:
                    raise Refused(f"{peer.name}: {name}: no packet was counted")
                cycles[name] = play.cycles
                bench.figures.add(f"policy.flows.{name}.{peer.name}.cycles", play.cycles, "cycles/packet")
            ratios.append(cycles["random"] / cycles["one"])
    ours = "" if peer is StintGroups else f".{peer.name}"
    for ratio in ratios:
        bench.figures.add(f"policy.random_headers_over_one_flow{ours}", ratio, "ratio")
    bench.say(f"{peer.name}: random headers over one flow: {statistics.median(ratios):.2f}")


RULES = 1000
UPDATES = 50


def time_updates(switch):
    """How long it takes until a rule is added or deleted, in ms: the answer says that it is in force."""
    took = []
    rule = {"group": "many", "direction": "ingress", "protocol": "tcp", "port_min": 443, "id": "extra"}
    for _ in range(UPDATES):
        for method, params in (("security_rule_add", rule),
                               ("security_rule_delete", {"group": "many", "id": "extra"})):
            began = time.perf_counter()
            switch.call(method, **params)
            took.append(1e3 * (time.perf_counter() - began))
    return took


def measure_updates(bench):
    took = []
    with bench.switch(StintGroups, 2, groups={"many": ("bench", (1,), rules(RULES - 1))}) as switch:
        play = bench.play(switch, [], vms=flows_vms(switch, "flows=1000"),
                          on_start=lambda: took.extend(time_updates(switch)))
    if not play.pps:
        raise Refused("no traffic flowed while rules changed")
    bench.figures.add("policy.update_ms", statistics.median(took), "ms")
    bench.figures.add("policy.update_max_ms", max(took), "ms")
    bench.say(f"a rule of {RULES} is in force after {statistics.median(took):.2f} ms, {max(took):.2f} at most")


# (what is set, its value, attack of the VM, bits of one of its packets); at low rates many small packets, so that the
# error of counting whole ones is small.
RATES = [("rate_bps", 1e6, "small", 512), ("rate_bps", 1e8, "small", 512), ("rate_bps", 1e9, "mtu", 12000),
         ("rate_bps", 5e9, "mtu", 12000), ("rate_bps", 2e10, "mtu", 12000),
         ("rate_pps", 1e3, "small", 1), ("rate_pps", 1e5, "small", 1), ("rate_pps", 1e6, "small", 1),
         ("rate_pps", 5e6, "small", 1)]
QUICK_RATES = RATES[:4:3] + RATES[5:7]


def measure_rate(bench, what, rate, attack, bits):
    """(error in percent, packets lost), the error None where the worker had no time for as much."""
    lost = []
    with bench.switch(Stint, 2) as switch:
        def look():
            lost.append(sum(n for name, n in switch.counters().items()
                            if name.startswith("drop.") and not name.startswith("drop.receiver")))

        switch.call("scheduler_set", mode="rate")
        switch.call("budget_set", vm="vm0", **{what: int(rate)})
        vms = [f"0 socket={switch.socket} attack={attack} {FLOOD}", f"1 socket={switch.socket} attack=sink {FLOOD}"]
        play = bench.play(switch, [], vms=vms, seconds=1.0 if bench.quick else 2.0, on_start=look, on_end=look)
    given = play.raw["vm.1.rx_pps"] * (bits if what == "rate_bps" else 1)
    error = 100 * abs(given / rate - 1)
    if error > 1 and given < rate and play.busy_percent >= 90:
        bench.leave_out(f"{what} {rate:g}", f"the worker, which is busy, reaches {given:.4g} only")
        error = None
    return error, lost[1] - lost[0]


def measure_rates(bench):
    found = {f"{what} {rate:g}": measure_rate(bench, what, rate, *load)
             for what, rate, *load in (QUICK_RATES if bench.quick else RATES)}
    errors = {name: error for name, (error, _) in found.items() if error is not None}
    for name, error in errors.items():
        bench.figures.add(f"policy.{name.replace(' ', '.')}.error_percent", error, "%")
    if errors:
        bench.figures.add("policy.rate_error_percent", max(errors.values()), "%")
    bench.figures.add("policy.rate_loss", sum(lost for _, lost in found.values()), "packets")
    bench.say("rates are off by: " + ", ".join(f"{name} {error:.2f} %" for name, error in errors.items()))


VICTIMS = 2 * len(WINDOWS)
MOST_CONNECTIONS = 524288  # of the VM that opens them
# Of two hostile VMs the first floods the second with random headers; in groups are these.
ADVERSARIES = {
    "opens": (VICTIMS,),  # a new connection for each packet, of the VM that sends
    "scanned": (VICTIMS + 1,),  # and what its groups do not allow
}


def isolate(bench, name):
    """Returns {(phase, window): (p99 in us, requests without an answer)} of victims that are in groups too."""
    groups = {"victims": ("victim", range(VICTIMS), [{"protocol": "udp"}]),
              "hostile": ("hostile", ADVERSARIES[name], ALLOWED)}
    tenants = {"victim": range(VICTIMS), "hostile": range(VICTIMS, VICTIMS + 2)}
    streams = [f"name=w{window} from={2 * i} to={2 * i + 1} mode=request window={window} size=64 "
               f"timeout_us={TIMEOUT_US}" for i, window in enumerate(WINDOWS)]
    phases = [f"{mode}_{window} streams=w{window} attacks={int(mode == 'time')}"
              for mode in ("alone", "time") for window in WINDOWS]
    seen = {}
    with bench.switch(StintGroups, VICTIMS + 2, tenants=tenants, groups=groups) as switch:
        switch.call("vm_set", name=f"vm{VICTIMS}", max_connections=MOST_CONNECTIONS)
        switch.call("scheduler_set", mode="time", slice_us=SLICE_US)
        for i in range(VICTIMS):
            switch.call("budget_set", vm=f"vm{i}", **GUARANTEE)
        vms = [f"0-{VICTIMS - 1} socket={switch.socket}",
               f"{VICTIMS} socket={switch.socket} attack=flows flows=0 {REFILL} ring=1024",
               f"{VICTIMS + 1} socket={switch.socket} attack=sink {REFILL}"]
        raw = bench.play_phases(switch, streams, vms, phases, lambda _phase: None, on_end=lambda: seen.update(switch.counters()),
                                seconds=0.12 if bench.quick else 1.0, warmup=0.06 if bench.quick else 0.2)
    refused = sum(seen.get(f"drop.{reason}", 0) for reason in ("security_group", "connections_full"))
    bench.figures.add(f"policy.isolation.{name}.refused", refused, "packets")
    bench.figures.add(f"policy.isolation.{name}.passed", seen["forwarded"], "packets")
    return {(mode, window): (latency(raw, mode, window, "p99"),
                             raw[f"{mode}_{window}.stream.w{window}.timeouts"])
            for mode in ("alone", "time") for window in WINDOWS}


def measure_isolation(bench):
    excesses, lost = [], 0
    for name in ADVERSARIES:
        found = isolate(bench, name)
        for (mode, window), (p99, missing) in found.items():
            bench.figures.add(f"policy.isolation.{name}.{mode}.{window}.p99_us", p99, "us")
            lost += missing
        for window in WINDOWS:
            alone, ours = found["alone", window][0], found["time", window][0]
            answered = alone is not None and ours is not None
            excesses.append(((ours - alone) / SLICE_US if answered else None, f"{name}, {window} outstanding"))
        bench.say(f"{name}: p99 in us with 1 / 16 outstanding: " + ", ".join(
            f"{mode} {' / '.join(answer_text(found[mode, w][0], 0) for w in WINDOWS)}" for mode in ("alone", "time")))
    worst, who = max(excesses, key=lambda case: float("inf") if case[0] is None else case[0])
    bench.figures.add("policy.isolation.worst_excess_slices", worst, "slices")
    bench.figures.note("policy.isolation.worst_excess_slices", f"last round: {who}")
    bench.figures.add("policy.isolation.victim_loss", lost, "requests")


def run(bench):
    for name, text in NOTES.items():
        bench.figures.note(name, text)
    for _ in bench.each_round():
        measure_cycles(bench)
        compare_flows(bench, StintGroups, groups={"one": ("bench", (1,), ALLOWED)})
        compare_flows(bench, OvsGroups)
        measure_updates(bench)
        measure_rates(bench)
        measure_isolation(bench)
