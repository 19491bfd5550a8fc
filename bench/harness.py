# SPDX-License-Identifier: BSD-3-Clause
"""What scenarios are written with: starting switches one at a time, playing traffic through them, noting
figures. Everything that is started here is gone when the context managers end, however they end."""

import contextlib
import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import machine
import turns
from figures import Figures
from generator import Generator
from machine import GENERATOR_CORE, WORKER_CORE, PeerRefused, Refused, TooLong
from peers.ovs import Ovs, OvsDirect
from peers.stint import Stint
from peers.testpmd import Macswap, Testpmd

ALL_PEERS = (Stint, Testpmd, Macswap, Ovs, OvsDirect)
FLOOD = "rate=100000 ring=1024"  # a step fills the rings again: ten times as often as anybody empties one
HUGEPAGES_MB = 4096  # three switches and their generators at once
TURNS_MB = 384  # for each generator of those that take turns
SATURATED_PERCENT = 95
FOLDER = "/dev/shm"  # our switch saves its configuration with each change: no disk is to be waited for
QUICK_SECONDS = 53  # quick runs begin no round that would probably end later than this


class Play:
    """What one run of the generator through one switch gave."""

    def __init__(self, raw, cycles, spent=None):
        self.raw = raw  # the generator's figures by name
        self.cycles = cycles  # the switch's own, per packet; None where unknown
        self.spent = spent  # our ledger's rows during the run, None for peers
        self.pps = raw["total.rx_pps"]
        self.hz = raw["tsc_hz"]

    @property
    def busy_percent(self):
        """How much of its time the worker worked."""
        return min(100.0, 100 * self.cycles * self.pps / self.hz) if self.cycles else 0.0


class Bench:
    """One run of one scenario.

    quick, full     how thorough it is to be
    rounds          how often each measurement is to be repeated; quick runs stop when their time is up
    seconds         how long a measurement is to take
    figures         add() values to it; medians are made at the end
    """

    def __init__(self, scenario, quick, build, force, rounds=3):
        self.scenario = scenario
        self.quick = quick
        self.full = not quick
        self.rounds = rounds
        self.seconds = 0.4 if quick else 2.0
        self.build = build
        self.force = force
        self.trusted = True
        self.figures = Figures(scenario)
        self.rounds_begun = 0
        self.began = time.monotonic()
        self.tmp = None
        self.generators = {}
        self.compared = {}  # what compare() noted: {name: in which case}
        self.commands = {}  # how peers were started: {(peer, options): (ports, commands)}
        self.tsc_mhz = []  # as each meter of noise found it
        self.cut = None  # why the run ended before it was complete

    @contextlib.contextmanager
    def resources(self):
        """The hugepages and the folder for the run's files."""
        tempfile.tempdir = FOLDER if os.access(FOLDER, os.W_OK) else None
        self.tmp = tempfile.mkdtemp(prefix="stint-bench.")
        affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {GENERATOR_CORE})  # we and our children's control threads keep off the worker's
        steal = machine.steal_percent()[1]
        try:
            with machine.Hugepages(HUGEPAGES_MB):
                yield
            self.figures.add("noise.stolen_percent", machine.steal_percent(steal)[0], "%")
        finally:
            os.sched_setaffinity(0, affinity)
            shutil.rmtree(self.tmp, ignore_errors=True)
            tempfile.tempdir = None

    def say(self, text):
        """Progress, for who watches."""
        print(f"[{time.monotonic() - self.began:6.1f} s] {self.scenario}: {text}", file=sys.stderr, flush=True)

    def measure(self, scenario):
        """Runs a scenario. When its time is over before it is done, complete rounds stay, or what there is of the
        first."""
        try:
            scenario.run(self)
        except TooLong as e:
            whole = self.rounds_begun - 1
            kept = "the rounds before it count" if whole > 0 else "what that had measured until then counts"
            self.cut = f"{e}, in round {self.rounds_begun} of {self.rounds}; {kept}"
            if whole > 0:
                self.figures.forget_round()
        self.decide()

    def each_round(self):
        """Numbers the rounds. Before each, the noise of the worker's core is measured."""
        for n in range(self.rounds):
            spent = time.monotonic() - self.began
            if self.quick and n > 0 and spent * (n + 1) / n > QUICK_SECONDS:
                return
            self.rounds_begun = n + 1
            self.figures.begin_round()
            self.check_cores()
            noise = self.hiccup(0.3 if self.quick else 1.0)
            for name, unit in (("lost_percent", "%"), ("p99_us", "us"), ("p999_us", "us"), ("max_us", "us")):
                self.figures.add(f"noise.worker_core.{name}", noise[f"hiccup.{name}"], unit)
            self.say(f"round {n + 1} of {self.rounds}")
            yield n

    def late(self):
        """Whether a quick run should begin nothing more."""
        return self.quick and time.monotonic() - self.began > QUICK_SECONDS - 4

    def hiccup(self, seconds, both=False):
        """The noise of the worker's core, on which no switch may run now; with both, while the generator's is
        busy too."""
        found = self.generator().hiccup(WORKER_CORE, seconds, GENERATOR_CORE if both else None)
        self.tsc_mhz.append(found["hiccup.tsc_mhz"])
        return found

    def check_cores(self):
        """Refuses to go on where the cores are not ours alone."""
        try:
            machine.require_free_cores()
        except Refused as e:
            if not self.force:
                raise
            if self.trusted:
                self.say(f"WARNING: {e}; going on as told to, but do not believe the figures")
            self.trusted = False

    def generator(self, huge=True):
        if huge not in self.generators:
            self.generators[huge] = Generator(os.path.join(self.build, "bench", "loadgen"), self.tmp, huge)
        return self.generators[huge]

    @contextlib.contextmanager
    def switch(self, peer, ports, **options):
        """Starts `peer`, a class of peers/, with so many ports; it is stopped at the end. Raises PeerRefused where
        one other than ours does not start."""
        switch = peer(self.tmp, ports, **options)
        try:
            try:
                switch.start()
            except (OSError, RuntimeError, subprocess.SubprocessError, Refused) as e:
                kind = Refused if isinstance(switch, Stint) else PeerRefused
                raise kind(f"{switch.name} does not start: {e}") from e
            self._note_commands(switch, options)
            yield switch
        finally:
            switch.stop()

    def _note_commands(self, switch, options):
        """How it was started; where that differs by the number of ports only, with the fewest of them."""
        words = {name: " ".join(map(str, value)) if isinstance(value, (dict, list)) else value
                 for name, value in options.items()}
        key = (switch.name, ", ".join(f"{name}={value}" for name, value in words.items()))
        if switch.ports and (key not in self.commands or switch.ports < self.commands[key][0]):
            self.commands[key] = (switch.ports, switch.commands)  # to which connect() adds

    def about_commands(self):
        """The same as what JSON can hold."""
        return [{"peer": peer, "options": options, "ports": ports, "commands": commands}
                for (peer, options), (ports, commands) in self.commands.items()]

    def machine(self):
        return machine.describe(statistics.median(self.tsc_mhz) if self.tsc_mhz else None)

    def leave_out(self, what, why):
        """Says, here and in the results, that something is not measured."""
        self.say(f"{what} is left out: {why}")
        self.figures.leave_out(what, str(why))

    @staticmethod
    def _lines(switch, vm_options):
        """The generator's VMs: one on each port, and those of other hosts."""
        return [f"0-{switch.ports - 1} socket={switch.socket} {vm_options}", *getattr(switch, "far", ())]

    def play(self, switch, streams, vms=None, vm_options="", seconds=None, on_start=None, on_end=None, **options):
        """Plays traffic through a started switch. By default each of its ports is a VM, with `vm_options`.
        Returns a Play; its noise is noted."""
        found = {}

        def start():
            switch.mark()
            if on_start:
                on_start()

        def end():
            if on_end:
                on_end()  # first: what follows may take seconds
            found["cycles"] = switch.cycles_per_packet()
            if isinstance(switch, Stint):
                found["spent"] = switch.since_mark()

        if vms is None:
            vms = self._lines(switch, vm_options)
        if switch.warmup is not None:
            options.setdefault("warmup", switch.warmup)
        raw = self.generator(switch.huge).run(vms, streams, seconds or self.seconds, on_start=start, on_end=end,
                                              on_listening=getattr(switch, "connect", None), **options)
        self._note_noise(raw)
        return Play(raw, found.get("cycles"), found.get("spent"))

    def play_phases(self, switch, streams, vms, phases, on_phase, **options):
        """Plays several loads in one run, lines of `phases`: on_phase(name) before each. Returns the generator's
        figures by name, each phase's with the phase in front."""
        raw = self.generator(switch.huge).run(vms, streams, phases=phases, on_phase=on_phase,
                                              on_listening=getattr(switch, "connect", None), **options)
        for phase in phases:
            self._note_noise(raw, f"{phase.split()[0]}.")
        return raw

    def play_in_turns(self, loads, number, seconds, warmup=0.05):
        """Plays several loads, each (started switch, streams, options of its VMs) with a switch of its own, in so many
        turns of so many seconds each. Returns the turns, lists of a Play for each load."""
        with contextlib.ExitStack() as stack:
            sides = []
            for switch, streams, vm_options in loads:
                vms = self._lines(switch, vm_options)
                start = functools.partial(self.generator(switch.huge).start, vms, streams, seconds, warmup=warmup,
                                          phases=turns.phases(number), options=("--mem", str(TURNS_MB)))
                sides.append(stack.enter_context(contextlib.closing(turns.Side(switch, start))))
            turns.take_turns(sides, number)
            played = [[Play(side.figures_of(i), side.cycles[i]) for side in sides]
                      for i in range(1, number + 1)]
        for play in sum(played, []):
            self._note_noise(play.raw)
        return played

    def _note_noise(self, raw, prefix=""):
        for name, unit in (("lost_percent", "%"), ("longest_us", "us")):
            self.figures.add(f"noise.generator_core.{name}", raw[f"{prefix}noise.{name}"], unit)

    def compare(self, name, ours, other, what):
        """Notes how ours and another's packet rates and cycles per packet compare. Which of both the figure `name`
        is, is decided when the run is over."""
        if not other.pps:
            raise Refused(f"{name}: the other switch forwards nothing")
        known = ours.cycles and other.cycles
        self.figures.add(f"{name}.by_rate", ours.pps / other.pps, "ratio")
        self.figures.add(f"{name}.by_cycles", other.cycles / ours.cycles if known else None, "ratio")
        self.figures.add(f"{name}.less_busy_percent", min(ours.busy_percent, other.busy_percent), "%")
        self.compared[name] = what

    def decide(self):
        """Rates count where both switches were saturated in all rounds; otherwise what their workers spent per
        packet says more, and counts."""
        rounds = self.figures.rounds
        for name, what in self.compared.items():
            if f"{name}.less_busy_percent" not in rounds:
                continue  # compared in a round that was cut
            saturated = min(rounds[f"{name}.less_busy_percent"]) >= SATURATED_PERCENT
            for value in rounds[f"{name}.by_rate" if saturated else f"{name}.by_cycles"]:
                self.figures.add(name, value, "ratio")
            self.figures.note(name, f"from packet rates: both workers were saturated, {what}" if saturated else
                              f"from cycles per packet: the generator was the limit in some round, {what}")

    def add_rates(self, prefix, play):
        """The figures of a measurement of packet rate."""
        self.figures.add(f"{prefix}.mpps", play.pps / 1e6, "Mpps")
        if play.cycles:
            self.figures.add(f"{prefix}.cycles", play.cycles, "cycles/packet")
            self.figures.add(f"{prefix}.busy_percent", play.busy_percent, "%")
