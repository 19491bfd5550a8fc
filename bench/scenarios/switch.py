# SPDX-License-Identifier: BSD-3-Clause
"""Two VMs that send to each other as fast as the switch lets them, through ours and through each peer.

At 64 B one core cannot generate, receive and check as much as our worker can switch. So the bars are about
floods, which cost the generator next to nothing: each VM's transmit ring is full and its receive ring empty
whenever a switch looks, which makes every switch the bottleneck, and what arrived is counted by the VMs. Ours and
the peers of the bars are flooded in turns of a fraction of a second, so that no switch has the host's better minutes.
`closed` loads are packets that the generator writes, receives and checks one by one, 128 of each VM in
flight: the generator is the limit of the faster switches there, and what workers spend per packet counts."""

import contextlib
import statistics

from harness import ALL_PEERS, FLOOD, Ovs, Stint, Testpmd
from machine import PeerRefused, Refused

LIMIT_SECONDS = 1800
BARS = {
    "switch.64.vs_testpmd": (">=", 0.70),
    "switch.64.vs_ovs": (">=", 2.2),
    "switch.1500.vs_testpmd": (">=", 0.85),
    "switch.1500.vs_ovs": (">=", 1.8),
}
SIZES = ("64", "256", "512", "1024", "1500", "imix")
COMPARED = {Testpmd: "vs_testpmd", Ovs: "vs_ovs"}
QUICK_SIZES = ("64", "1500")


class Load:
    """A row of the scenario: what is played, under which name."""

    def __init__(self, name, size="64", vm="", stream="", flood=None):
        self.name = name
        # Both ways; less in flight than a ring holds, so that nothing is dropped.
        self.streams = [f"from=0 to=1 mode=closed window=128 size={size} {stream}"]
        self.vm = vm
        if flood:
            self.streams = []
            self.vm = f"attack={flood} {FLOOD}"


FLOODS = [Load("64", flood="small"), Load("1500", flood="mtu")]


IN_TURNS = (Stint, *COMPARED)


def check_both_ways(name, play):
    """A flood that stands still one way would be half the work."""
    rates = [play.raw[f"vm.{vm}.rx_pps"] for vm in (0, 1)]
    if min(rates) < max(rates) / 2:
        raise Refused(f"{name}: the VMs receive {rates[0] / 1e6:.2f} and {rates[1] / 1e6:.2f} Mpps")


def flood_in_turns(bench):
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    with contextlib.ExitStack() as stack:
        switches = [stack.enter_context(bench.switch(peer, 2)) for peer in IN_TURNS]
        for load in FLOODS:
            played = bench.play_in_turns([(switch, load.streams, load.vm) for switch in switches], number, seconds)
            for plays in played:
                for peer, play in zip(IN_TURNS, plays):
                    name = f"switch.{load.name}.{peer.name}"
                    check_both_ways(name, play)
                    bench.add_rates(name, play)
                    if peer in COMPARED:
                        bench.compare(f"switch.{load.name}.{COMPARED[peer]}", plays[0], play, "two ports, in turns")
            bench.say(f"flood of {load.name} B in {number} turns: " + ", ".join(
                f"{peer.name} {statistics.median(plays[i].pps for plays in played) / 1e6:.2f} Mpps"
                for i, peer in enumerate(IN_TURNS)))


def groups(bench):
    """(options of the switch, its loads): what shares a start of a switch."""
    sizes = QUICK_SIZES if bench.quick else SIZES
    plain = [Load(f"closed.{size}", size) for size in sizes]
    if bench.quick:
        return [({}, plain)]
    plain += [Load("closed.64.flows10000", stream="flows=10000"), Load("closed.64.packed", vm="packed=1")]
    return [
        ({}, plain),
        ({"queue_pairs": 2}, [Load("closed.64.queues2", vm="queues=2")]),
        ({"huge": False}, [Load("closed.64.nohuge")]),
    ]


def measure(bench, peer, options, loads):
    """{name of a load: its Play}"""
    plays = {}
    with bench.switch(peer, 2, **options) as switch:
        for load in loads:
            play = bench.play(switch, load.streams, vm_options=load.vm)
            if load in FLOODS:
                check_both_ways(peer.name, play)
            bench.add_rates(f"switch.{load.name}.{peer.name}", play)
            plays[load.name] = play
    bench.say(f"{peer.name}: " + ", ".join(f"{load} {play.pps / 1e6:.2f} Mpps" for load, play in plays.items()))
    return plays


def run(bench):
    for _ in bench.each_round():
        flood_in_turns(bench)
        for peer in ALL_PEERS if bench.full else ():
            if peer not in IN_TURNS:
                measure(bench, peer, {}, FLOODS)
        for options, loads in groups(bench):
            plays = {}
            for peer in ALL_PEERS:
                try:
                    plays[peer] = measure(bench, peer, options, loads)
                except PeerRefused as e:
                    # OVS does not promise to run without hugepages; it is left out where it does not.
                    if options.get("huge", True):
                        raise
                    bench.leave_out(f"{peer.name} without hugepages", e)
                    continue
                for load in plays[peer] if peer in COMPARED else ():
                    bench.compare(f"switch.{load}.{COMPARED[peer]}", plays[Stint][load], plays[peer][load], "two ports")
