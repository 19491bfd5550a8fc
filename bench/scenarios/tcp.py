# SPDX-License-Identifier: BSD-3-Clause
"""TCP packets of 64 KiB that two VMs hand over whole and receive whole: what a packet costs here and in each peer, in
turns, and how long a service of one takes."""

import contextlib
import functools
import statistics

from harness import FLOOD, Ovs, Stint, Testpmd
from overruns import Histogram

LIMIT_SECONDS = 600
BARS = {
    "tcp_local.vs_testpmd": ("<=", 0.7),
    "tcp_local.vs_ovs": ("<=", 0.4),
    "tcp_local.longest_packet_us": ("<=", 15),
}
PACKET = 65226
LARGE = f"attack=large {FLOOD}"
IN_TURNS = ((Stint, ""), (functools.partial(Testpmd, tso=True), ""), (functools.partial(Ovs, tso=True), "server=1"))
COMPARED = ("vs_testpmd", "vs_ovs")
ONE_PACKET_US = 5  # a slice that one packet exceeds


def compare_in_turns(bench):
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    with contextlib.ExitStack() as stack:
        switches = [stack.enter_context(bench.switch(peer, 2)) for peer, _ in IN_TURNS]
        played = bench.play_in_turns([(switch, [], f"{LARGE} {options}")
                                      for switch, (_, options) in zip(switches, IN_TURNS)], number, seconds)
    for plays in played:
        for switch, play in zip(switches, plays):
            bench.figures.add(f"tcp_local.{switch.name}.cycles_per_byte", play.cycles / PACKET, "cycles/byte")
        for name, other in zip(COMPARED, plays[1:]):
            bench.figures.add(f"tcp_local.{name}", plays[0].cycles / other.cycles, "ratio")
    bench.say("64 KiB in turns: " + ", ".join(
        f"{switch.name} {statistics.median(plays[i].cycles for plays in played) / PACKET:.3f}"
        for i, switch in enumerate(switches)) + " cycles/byte")


def read_services(switch):
    return [switch.call("histogram_get", vm=f"vm{i}", kind="service")["buckets"] for i in range(2)]


def measure_services(bench):
    """How long the service of a single packet takes."""
    services, before = Histogram(), []
    with bench.switch(Stint, 2) as switch:
        switch.call("scheduler_set", mode="time", slice_us=ONE_PACKET_US)
        bench.play(switch, [], vm_options=LARGE, on_start=lambda: before.extend(read_services(switch)),
                   on_end=lambda: [services.add(*pair) for pair in zip(before, read_services(switch))])
    for name, q in (("tcp_local.packet_p50_us", 0.5), ("tcp_local.longest_packet_us", 0.999)):
        bench.figures.add(name, services.quantile_us(q), "us")
    bench.figures.note("tcp_local.longest_packet_us", "p99.9 of services of one packet each")
    bench.say(f"a service of one packet: p50 {services.quantile_us(0.5):.1f} us, p99.9 {services.quantile_us(0.999):.1f} us")


def run(bench):
    for _ in bench.each_round():
        compare_in_turns(bench)
        measure_services(bench)
