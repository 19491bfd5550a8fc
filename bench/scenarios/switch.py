# SPDX-License-Identifier: BSD-3-Clause
"""Two VMs that send to each other as fast as the switch lets them, through ours and through each peer.

At 64 B one core cannot generate, receive and check as much as our worker can switch. So the bars are about
floods, which cost the generator next to nothing: each VM's transmit ring is full and its receive ring empty
whenever a switch looks, which makes every switch the bottleneck, and what arrived is counted by the VMs.
`closed` loads are packets that the generator writes, receives and checks one by one, 128 of each VM in
flight: the generator is the limit of the faster switches there, and what workers spend per packet counts."""

from harness import ALL_PEERS, Ovs, Stint, Testpmd
from machine import PeerRefused

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
FLOOD = "rate=100000 ring=1024"  # a step fills the rings again: ten times as often as anybody empties one


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


def groups(bench):
    """(options of the switch, its loads): what shares a start of a switch."""
    sizes = QUICK_SIZES if bench.quick else SIZES
    plain = FLOODS + [Load(f"closed.{size}", size) for size in sizes]
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
            bench.add_rates(f"switch.{load.name}.{peer.name}", play)
            plays[load.name] = play
    bench.say(f"{peer.name}: " + ", ".join(f"{load} {play.pps / 1e6:.2f} Mpps" for load, play in plays.items()))
    return plays


def run(bench):
    for _ in bench.each_round():
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
