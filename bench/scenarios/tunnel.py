# SPDX-License-Identifier: BSD-3-Clause
"""VMs and other hosts: what VXLAN costs, beside OVS-DPDK's, and who waits for whom.

The wire is a virtio-user device of the switch, whose other end is the generator, which plays the VMs of this host and
those of the others in one loop. What the tunnel adds to a packet is told by whole turns of the loop in one process
(bench/turn): there the same way is measured without a tunnel, too."""

import os
import statistics
import subprocess

from figures import answer_text
from harness import FLOOD
from machine import WORKER_CORE, Refused
from peers.tunnel import THEIRS, OvsTunnel, StintTunnel
from scenarios.isolation import GUARANTEE, REFILL, SLICE_US, TIMEOUT_US, WINDOWS, latency

LIMIT_SECONDS = 1800
BARS = {
    "tunnel.encap.64.vs_ovs": (">=", 2),
    "tunnel.decap.64.vs_ovs": (">=", 2),
    "tunnel.encap_added_cycles": ("<=", 60),
    "tunnel.decap_added_cycles": ("<=", 90),
    "tunnel.v6_sum_added_cycles": ("<=", 25),
    "tunnel.macs10000_over_1": ("<=", 1.10),
    "tunnel.hold_loss": ("==", 0),
    "tunnel.wire_flood.victim_loss": ("==", 0),
    "tunnel.isolation.worst_excess_slices": ("<=", 2),
}
BINARIES = ("bench/turn",)

# What is added to what: {figure: (way, the way without)}.
ADDED = {
    "encap_added_cycles": ("to_wire", "to_wire_bare"),
    "decap_added_cycles": ("from_wire", "from_wire_bare"),
    "decap_sum_added_cycles": ("from_wire_sum", "from_wire"),
    "v6_sum_added_cycles": ("to_wire_1400_v6", "to_wire_1400"),
}
NOTES = {
    "tunnel.encap_added_cycles": "64 B over IPv4, bench/turn",
    "tunnel.decap_added_cycles": "64 B over IPv4 without outer checksum, bench/turn",
    "tunnel.decap_sum_added_cycles": "with one, which is verified",
    "tunnel.macs10000_over_1": "64 B to 10,000 addresses behind 256 hosts, over as many to one address, in turns",
    "tunnel.hold_loss": "of four VMs that send twice what the wire takes",
    "tunnel.wire_flood.victim_loss": "while another VM is flooded from the wire, and takes all of it, or has 5 % of "
                                     "the worker's time",
    "tunnel.v6_sum_added_cycles": "1,400 B over IPv6 with outer checksum, less over IPv4 without, bench/turn",
}
# As with floods, an end that looks all the time takes the ring's lines away from the switch for each packet.
SELDOM = "look_us=10"
FAR = f"vni=1 address={THEIRS}"
IN_TURNS = (StintTunnel, OvsTunnel)


def turn_cycles(bench, loads):
    """{way: cycles per packet}, medians of one run of bench/turn."""
    command = ["taskset", "-c", str(WORKER_CORE), os.path.join(bench.build, "bench", "turn"), str(loads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Refused(f"bench/turn fails: {done.stdout[-300:]}{done.stderr[-300:]}")
    words = (line.split() for line in done.stdout.splitlines() if ".cycles_p50 " in line)
    return {name.split(".")[1]: float(value) for name, value, _ in words}


def measure_added(bench):
    number, loads = (3, 1500) if bench.quick else (7, 5000)
    for _ in range(number):
        cycles = turn_cycles(bench, loads)
        for way, value in cycles.items():
            bench.figures.add(f"tunnel.turn.{way}.cycles", value, "cycles/packet")
        for name, (way, without) in ADDED.items():
            bench.figures.add(f"tunnel.{name}", cycles[way] - cycles[without], "cycles/packet")
    found = {name: statistics.median(bench.figures.rounds[f"tunnel.{name}"][-number:]) for name in ADDED}
    bench.say("added cycles: " + ", ".join(f"{name.removesuffix('_added_cycles')} {value:.0f}"
                                           for name, value in found.items()))


# Packets of 64 B: {load: (options of the VM here, streams)}. The VM there is number 1.
LOADS = {
    "encap": (f"attack=small {FLOOD}", []),
    "decap": (f"attack=sink {FLOOD}", ["from=1 to=0 mode=saturate size=64"]),
}


def compare_in_turns(bench, name):
    """One VM here and one on another host, as fast as the switch lets them, through ours and OVS."""
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    options, streams = LOADS[name]
    wire = {"far": [f"1 {FAR}"], "wire_options": SELDOM}
    with bench.switch(StintTunnel, 1, **wire) as ours, bench.switch(OvsTunnel, 1, **wire) as ovs:
        played = bench.play_in_turns([(switch, streams, options) for switch in (ours, ovs)], number, seconds)
    for plays in played:
        for peer, play in zip(IN_TURNS, plays):
            bench.add_rates(f"tunnel.{name}.64.{peer.name}", play)
            # Where the generator finds nothing, it is not what is waited for.
            bench.figures.add(f"tunnel.{name}.64.{peer.name}.empty_polls_percent",
                              play.raw["generator.empty_polls_percent"], "%")
        bench.compare(f"tunnel.{name}.64.vs_ovs", *plays, "one port and one uplink, in turns")
    bench.say(f"{name} of 64 B in {number} turns: " + ", ".join(
        f"{peer.name} {statistics.median(plays[i].pps for plays in played) / 1e6:.2f} Mpps, "
        f"{statistics.median(plays[i].cycles or 0 for plays in played):.0f} cycles/packet"
        for i, peer in enumerate(IN_TURNS)))


MANY_MACS = 10000
MACS_RING = 16384  # a place for each


def compare_macs(bench):
    """A VM sends to one address on another host, and one to 10,000 on 256, in turns."""
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    counts = (1, MANY_MACS)
    with bench.switch(StintTunnel, 1, macs=1, wire_options=SELDOM) as one, \
            bench.switch(StintTunnel, 1, macs=MANY_MACS, wire_options=SELDOM) as many:
        played = bench.play_in_turns([(switch, [], f"attack=macs macs={macs} rate=100000 ring={MACS_RING}")
                                      for switch, macs in zip((one, many), counts)], number, seconds)
    for plays in played:
        for macs, play in zip(counts, plays):
            bench.figures.add(f"tunnel.macs{macs}.cycles", play.cycles, "cycles/packet")
        bench.figures.add(f"tunnel.macs{MANY_MACS}_over_1", plays[1].cycles / plays[0].cycles, "ratio")
    bench.say(f"one address and {MANY_MACS}, in turns: "
              + ", ".join(f"{one.cycles:.0f}/{many.cycles:.0f}" for one, many in played) + " cycles/packet")


SENDERS = 4
WIRE_PPS = 200_000  # so little that the generator can send twice as much, and check it
PATIENCE_US = 100_000  # longer than any gap of the generator's, which is a wire that stands still


def measure_hold(bench):
    """Four VMs send twice what the wire takes: what is over has to wait with them."""
    lost = []
    far = [f"{SENDERS}-{2 * SENDERS - 1} {FAR}"]
    stream = (f"name=hold from=0-{SENDERS - 1} to={SENDERS}-{2 * SENDERS - 1} mode=open size=64 check=1 "
              f"rate={2 * WIRE_PPS / SENDERS:.0f}")
    with bench.switch(StintTunnel, SENDERS, far=far, wire_options=f"rx_rate={WIRE_PPS}",
                      tx_wait_us=PATIENCE_US) as switch:
        def look():
            lost.append(switch.lost()["to_wire"])

        play = bench.play(switch, [stream], on_start=look, on_end=look)
    bench.figures.add("tunnel.hold.mpps", play.pps / 1e6, "Mpps")
    missing = play.raw["stream.hold.missing"]
    bench.say(f"four VMs on a wire of {WIRE_PPS / 1e6} Mpps: {play.pps / 1e6:.3f} arrive, {missing:.0f} are "
              f"missing, {lost[1] - lost[0]} are dropped")
    if play.pps < WIRE_PPS / 2:  # the generator, which is both ends, got less than half of its core
        bench.leave_out("hold_loss", f"the generator took {play.pps / 1e6:.3f} Mpps only")
        return
    bench.figures.add("tunnel.hold_loss", max(missing, lost[1] - lost[0]), "packets")


FLOOD_PPS = 2_000_000
VICTIM_PPS = 100_000
FLOODED_PERCENT = 5  # of the worker's time, less than all of the flood needs


def measure_wire_flood(bench):
    """Another host floods VM 0, and one sends to VM 1 meanwhile. In the first phase all begin: until both VMs' rings
    are up, the generator has packets for them that it sends at once."""
    seen = []
    streams = [f"name=flood from=2 to=0 mode=open rate={FLOOD_PPS} size=64",
               f"name=victim from=3 to=1 mode=open rate={VICTIM_PPS} size=64 check=1"]
    with bench.switch(StintTunnel, 2, far=[f"2-3 {FAR}"]) as switch:
        def begin(phase):
            switch.call("budget_set", vm="vm0", limit_percent=FLOODED_PERCENT if phase == "limited" else 100)
            seen.append(switch.lost())

        vms = [f"0 socket={switch.socket} attack=sink {FLOOD}", f"1 socket={switch.socket}", *switch.far]
        raw = bench.play_phases(switch, streams, vms, ["begin", "free", "limited"], begin, seconds=bench.seconds, warmup=0.1)
        seen.append(switch.lost())
    for phase, before, after in zip(("free", "limited"), seen[1:], seen[2:]):
        prefix = f"tunnel.wire_flood.{phase}"
        bench.figures.add(f"{prefix}.sent_mpps", raw[f"{phase}.stream.flood.tx_pps"] / 1e6, "Mpps")
        bench.figures.add(f"{prefix}.delivered_mpps", raw[f"{phase}.vm.0.rx_pps"] / 1e6, "Mpps")
        bench.figures.add(f"{prefix}.flooded_dropped", after["port0"] - before["port0"], "packets")
        bench.figures.add(f"{prefix}.victim_p99_us", raw.get(f"{phase}.stream.victim.latency.p99_us"), "us")
    missing, dropped = raw["stream.victim.missing"], seen[-1]["port1"] - seen[1]["port1"]
    arrived = raw["stream.victim.received"]
    bench.figures.add("tunnel.wire_flood.victim_loss", max(missing, dropped) if arrived else None, "packets")
    bench.say(f"flood of {raw['free.stream.flood.tx_pps'] / 1e6:.2f} Mpps from the wire: of {arrived:.0f} packets to "
              f"another VM {missing:.0f} are missing, {dropped} are dropped")


VICTIMS = len(WINDOWS)
HOSTS = 256
MODES = ("none", "time")


class Adversary:
    """Hostile VMs of this host, (kind of attack, how many, options) each, and what floods them from the wire. In the
    texts, `far` is a hostile VM of another host, `stranger` one in a network that is not here, `all` are those of this
    host. Floods of this host's go to so many other hosts."""

    def __init__(self, *parts, flood="", flooded=0):
        self.parts = parts
        self.vms = VICTIMS + sum(count for _, count, _ in parts)
        self.numbers = {"far": self.vms + VICTIMS, "stranger": self.vms + VICTIMS + 1,
                        "all": f"{VICTIMS}-{self.vms - 1}"}
        self.streams = [f"name=flood mode=open size=64 {flood.format(**self.numbers)}"] if flood else []
        self.flooded = {"hostile": flooded} if flooded else None

    def lines(self, socket):
        """The generator's VMs of this host, victims first."""
        lines, first = [f"0-{VICTIMS - 1} socket={socket}"], VICTIMS
        for kind, count, options in self.parts:
            lines.append(f"{first}-{first + count - 1} socket={socket} attack={kind} {options.format(**self.numbers)}")
            first += count
        return lines

    def far(self):
        """Those of other hosts: the victims' ends of their conversations first."""
        return [f"{self.vms}-{self.vms + VICTIMS - 1} vni=1 address={THEIRS}",
                f"{self.numbers['far']} vni=2 address={THEIRS}", f"{self.numbers['stranger']} vni=999 address={THEIRS}"]


BESIDE_PPS = 1_000_000  # from the wire, to a busy worker: more than it takes in would wait in the uplink's ring
TO_ALL_PPS = 100_000  # copied to all 16 hostile VMs
TO_FAR = f"{REFILL} peer={{far}}"
# Beside floods from the wire hostile VMs flood each other, so that the worker is busy.
LOCAL = (("small", 2, REFILL), ("sink", 2, REFILL))
ADVERSARIES = {
    "small": Adversary(("small", 4, TO_FAR)),
    "large": Adversary(("large", 4, f"{TO_FAR} ring=1024")),
    "broadcast": Adversary(("broadcast", 4, REFILL), flooded=HOSTS),
    "from_wire": Adversary(*LOCAL, flood=f"from={{far}} to={{all}} all=1 rate={BESIDE_PPS}"),
    "from_wire_to_all": Adversary(*LOCAL, ("sink", 12, REFILL), flood=f"from={{far}} to=broadcast rate={TO_ALL_PPS}"),
    "from_strangers": Adversary(*LOCAL, flood=f"from={{stranger}} to={{all}} all=1 rate={BESIDE_PPS}"),
}
QUICK = ("small", "from_wire")


def phases(number, adversary):
    """Alone comes first, when no ring of the adversary is full; the modes take turns in who is next."""
    order = [("alone", window) for window in WINDOWS]
    order += [(mode, window) for window in WINDOWS for mode in MODES[number % 2:] + MODES[:number % 2]]
    flood = "+flood" if adversary.streams else ""
    return [f"{mode}_{window} streams=w{window}{flood if mode != 'alone' else ''} attacks={int(mode != 'alone')}"
            for mode, window in order]


def measure_adversary(bench, name, number):
    """Returns {(mode, window): p99 in us} of requests to another host and back."""
    adversary = ADVERSARIES[name]
    streams = [f"name=w{window} from={i} to={adversary.vms + i} mode=request window={window} size=64 "
               f"timeout_us={TIMEOUT_US}" for i, window in enumerate(WINDOWS)]
    tenants = {"victim": range(VICTIMS), "hostile": range(VICTIMS, adversary.vms)}
    with bench.switch(StintTunnel, adversary.vms, tenants=tenants, far=adversary.far(),
                      flooded=adversary.flooded, tx_wait_us=PATIENCE_US) as switch:
        def begin(phase):
            switch.call("scheduler_set", mode="none" if phase.startswith("none") else "time", slice_us=SLICE_US)

        for i in range(VICTIMS):
            switch.call("budget_set", vm=f"vm{i}", **GUARANTEE)
        raw = bench.play_phases(switch, [*streams, *adversary.streams],
                                [*adversary.lines(switch.socket), *switch.far], phases(number, adversary), begin,
                                seconds=0.12 if bench.quick else 1.0, warmup=0.06 if bench.quick else 0.2)
    p99 = {}
    for mode in ("alone", *MODES):
        for window in WINDOWS:
            for point in ("p50", "p99", "p999"):
                bench.figures.add(f"tunnel.isolation.{name}.{mode}.{window}.{point}_us",
                                  latency(raw, mode, window, point), "us")
            p99[mode, window] = latency(raw, mode, window, "p99")
    bench.say(f"{name}: p99 in us with 1 / 16 outstanding: " + ", ".join(
        f"{mode} {' / '.join(answer_text(p99[mode, w], 0) for w in WINDOWS)}" for mode in ("alone", *MODES)))
    return p99


def measure_isolation(bench, number=0):
    """A VM of this host sends requests to one of another, beside hostile VMs of both."""
    excesses = []
    for name in QUICK if bench.quick else ADVERSARIES:
        if bench.late():
            bench.leave_out(f"{name} in round {number + 1}", "the time is up")
            continue
        p99 = measure_adversary(bench, name, number)
        for window in WINDOWS:
            alone, ours = p99["alone", window], p99["time", window]
            answered = alone is not None and ours is not None
            excesses.append(((ours - alone) / SLICE_US if answered else None, f"{name}, {window} outstanding"))
    if excesses:
        worst, who = max(excesses, key=lambda case: float("inf") if case[0] is None else case[0])
        bench.figures.add("tunnel.isolation.worst_excess_slices", worst, "slices")
        bench.figures.note("tunnel.isolation.worst_excess_slices", f"last round: {who}")


def run(bench):
    for name, text in NOTES.items():
        bench.figures.note(name, text)
    for number in bench.each_round():
        measure_added(bench)
        for name in LOADS:
            compare_in_turns(bench, name)
        compare_macs(bench)
        measure_hold(bench)
        measure_wire_flood(bench)
        measure_isolation(bench, number)
