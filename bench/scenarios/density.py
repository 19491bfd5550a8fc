# SPDX-License-Identifier: BSD-3-Clause
"""2 to 64 VMs on one worker, in pairs and all to all: what a packet costs as their number grows, and what
a port costs that is attached and idle."""

from harness import Ovs, Stint

LIMIT_SECONDS = 1200
BARS = {
    "density.64_over_2": ("<=", 1.3),
    "density.idle_port_cycles": ("<=", 20),
}
COUNTS = (2, 4, 8, 16, 32, 64)
MOST = COUNTS[-1]
WINDOW = 64  # in flight from each VM; so little that it keeps the rings of all of them from overflowing
SIZE = 64
FRONT_END = "type=fe"  # the generator's own ring driver: DPDK has room for 32 of its ports only


def pairs(n):
    return [f"from=0-{n // 2 - 1} to={n // 2}-{n - 1} mode=closed window={WINDOW} size={SIZE}"]


def all_to_all(n):
    return [f"from=0-{n - 1} to=0-{n - 1} all=1 mode=closed window={WINDOW} size={SIZE}"]


def only_two():
    return [f"from=0 to=1 mode=closed window={WINDOW} size={SIZE}"]


def measure_growth(bench):
    """Cycles per packet for each number of VMs; a switch has just as many ports."""
    plays = {}
    for n in (2, MOST) if bench.quick else COUNTS:
        with bench.switch(Stint, n) as switch:
            for name, streams in (("pairs", pairs(n)), ("all", all_to_all(n))):
                plays[name, n] = bench.play(switch, streams, vm_options=FRONT_END)
                bench.add_rates(f"density.{name}.{n}.stint", plays[name, n])
        bench.say(f"stint, {n} VMs: {plays['pairs', n].cycles:.0f} and {plays['all', n].cycles:.0f} cycles/packet")
    for name in ("pairs", "all"):
        ratio = plays[name, MOST].cycles / plays[name, 2].cycles
        bench.figures.add(f"density.{name}.64_over_2", ratio, "ratio")


def compare_in_turns(bench):
    """Two VMs and 64, each with a switch of their own: in turns of a fraction of a second, as the host's other guests
    come and go."""
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    with bench.switch(Stint, 2) as few, bench.switch(Stint, MOST) as many:
        played = bench.play_in_turns([(few, pairs(2), FRONT_END), (many, pairs(MOST), FRONT_END)], number, seconds)
    for two, most in played:
        bench.figures.add("density.turns.2.cycles", two.cycles, "cycles/packet")
        bench.figures.add("density.turns.64.cycles", most.cycles, "cycles/packet")
        bench.figures.add("density.64_over_2", most.cycles / two.cycles, "ratio")
    bench.figures.note("density.64_over_2", "VMs in pairs, 64 B, in turns")
    bench.say("in turns, 2 and 64 VMs: " + ", ".join(f"{two.cycles:.0f}/{most.cycles:.0f}" for two, most in played)
              + " cycles/packet")


def loop_cycles_per_turn(play):
    """What a turn of the loop costs beside serving VMs."""
    spent = play.spent
    return (spent["system.poll"] + spent["system.control"] + spent["system.schedule"]) / spent["turns"]


def measure_idle_ports(bench):
    """The same two VMs talk, alone and with 62 idle ones attached."""
    alone, crowded = [], []
    for others, result in ((0, alone), (MOST - 2, crowded)):
        with bench.switch(Stint, 2 + others) as switch:
            play = bench.play(switch, only_two(), vm_options=FRONT_END)
        bench.add_rates(f"density.two_and_{others}_idle.stint", play)
        bench.figures.add(f"density.two_and_{others}_idle.loop_cycles_per_turn", loop_cycles_per_turn(play),
                          "cycles/turn")
        result.append(play)
    extra = loop_cycles_per_turn(crowded[0]) - loop_cycles_per_turn(alone[0])
    bench.figures.add("density.idle_port_cycles", max(0.0, extra) / (MOST - 2), "cycles/turn")
    bench.figures.add("density.idle_cost_percent", 100 * (crowded[0].cycles / alone[0].cycles - 1), "%")
    bench.say(f"an idle port costs {max(0.0, extra) / (MOST - 2):.1f} cycles/turn")


def measure_peer(bench):
    plays = {}
    for n in (2, MOST):
        with bench.switch(Ovs, n) as switch:
            for name, streams in (("pairs", pairs(n)), ("all", all_to_all(n))):
                plays[name, n] = bench.play(switch, streams, vm_options=FRONT_END)
                bench.add_rates(f"density.{name}.{n}.ovs", plays[name, n])
        bench.say(f"ovs, {n} VMs: {plays['pairs', n].cycles:.0f} and {plays['all', n].cycles:.0f} cycles/packet")


def run(bench):
    for _ in bench.each_round():
        compare_in_turns(bench)
        measure_growth(bench)
        measure_idle_ports(bench)
        measure_peer(bench)
