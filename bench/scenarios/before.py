# SPDX-License-Identifier: BSD-3-Clause
"""This version beside an earlier one, whose build folder STINT_BEFORE names: floods of two ports, and 64 VMs in pairs,
in turns of a fraction of a second."""

import contextlib
import functools
import os
import statistics

from harness import FLOOD, Stint
from machine import Refused

LIMIT_SECONDS = 900
BARS = {
    "before.64": ("<=", 1.03),
    "before.1500": ("<=", 1.03),
    "before.64_vms": ("<=", 1.03),
    "before.64k": ("<=", 1.03),
}
PAIRS = ["from=0-31 to=32-63 mode=closed window=64 size=64"]
LOADS = {  # ports, streams, options of the VMs
    "64": (2, [], f"attack=small {FLOOD}"),
    "1500": (2, [], f"attack=mtu {FLOOD}"),
    "64_vms": (64, PAIRS, "type=fe"),
    "64k": (2, [], f"attack=large {FLOOD}"),
}


def build_before():
    build = os.environ.get("STINT_BEFORE")
    if not build or not os.access(os.path.join(build, "stintd"), os.X_OK):
        raise Refused("STINT_BEFORE does not name a folder with a stintd to compare with")
    return build


def run(bench):
    number, seconds = (3, 0.1) if bench.quick else (7, 0.25)
    versions = (Stint, functools.partial(Stint, build=build_before()))
    for _ in bench.each_round():
        for name, (ports, streams, options) in LOADS.items():
            with contextlib.ExitStack() as stack:
                switches = [stack.enter_context(bench.switch(version, ports)) for version in versions]
                played = bench.play_in_turns([(switch, streams, options) for switch in switches], number, seconds)
            for now, then in played:
                bench.figures.add(f"before.{name}", now.cycles / then.cycles, "ratio")
                bench.figures.add(f"before.{name}.now", now.cycles, "cycles/packet")
                bench.figures.add(f"before.{name}.then", then.cycles, "cycles/packet")
            bench.say(f"{name}: " + ", ".join(f"{now.cycles:.0f}/{then.cycles:.0f}" for now, then in played)
                      + f" cycles/packet, {statistics.median(now.cycles / then.cycles for now, then in played):.3f}")
