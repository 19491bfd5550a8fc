# SPDX-License-Identifier: BSD-3-Clause
"""Runs the load generator and reads what it found."""

import contextlib
import json
import os
import subprocess
import tempfile

from machine import GENERATOR_CORE, Refused

GRACE = 60


def latency(raw, stream, point, clean=False):
    """A point of a stream's latencies in us, None where nothing was answered: the generator then has no figures of
    them. With `clean`, of those that no gap of its core touched, as far as there are any."""
    found = raw.get(f"stream.{stream}.latency.{point}_us")
    return raw.get(f"stream.{stream}.clean.{point}_us", found) if clean else found


class Session:
    """One run of the generator, step by step. To be closed."""

    def __init__(self, command, path):
        self.path = path
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True)

    def events(self):
        """What it says as it goes, in words: listening, ready, measuring, measured, and phase NAME. After the first and
        the last of these it waits for go()."""
        for line in self.child.stdout:
            words = line.split()
            if words and words[0] in ("listening", "ready", "measuring", "measured", "phase"):
                yield words

    def go(self):
        try:
            self.child.stdin.write("go\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            self.figures()  # says why it ended, if it failed
            raise Refused("the load generator ended before its time") from None

    def figures(self):
        """{name: value}, when the events have ended."""
        self.child.wait(GRACE)
        if self.child.returncode != 0:
            raise Refused(f"the load generator failed ({self.child.returncode}): {self.child.stderr.read().strip()}")
        with open(self.path) as f:
            return json.load(f)

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.unlink(self.path)


class Generator:
    def __init__(self, binary, tmp, huge):
        self.binary = binary
        self.tmp = tmp
        self.huge = huge

    def start(self, vms, streams, seconds, warmup=0.3, options=(), phases=()):
        """A Session of `streams` between `vms`; these and `phases` are lists of specification lines without their
        first word."""
        fd, path = tempfile.mkstemp(suffix=".json", dir=self.tmp)
        os.close(fd)
        command = [self.binary, "--core", str(GENERATOR_CORE), "--seconds", str(seconds), "--warmup", str(warmup),
                   "--huge", "yes" if self.huge else "no", "--json", path, *options]
        for what, lines in (("--vm", vms), ("--stream", streams), ("--phase", phases)):
            for line in lines:
                command += [what, line]
        return Session(command, path)

    def run(self, vms, streams, seconds, on_listening=None, on_ready=None, on_start=None, on_end=None, on_phase=None,
            **options):
        """A whole session. on_listening is called when a switch with an uplink is to connect it, on_ready when all
        ports are up, on_start and on_end when the measured time begins and ends; on_phase(name) before each of the
        phases, while traffic flows. Returns the figures."""
        react = {"listening": on_listening, "ready": on_ready, "measuring": on_start, "measured": on_end,
                 "phase": on_phase}
        with contextlib.closing(self.start(vms, streams, seconds, **options)) as session:
            for what, *names in session.events():
                if react[what]:
                    react[what](*names)
                if what in ("listening", "phase"):
                    session.go()
            return session.figures()

    def hiccup(self, core, seconds, beside=None):
        """The noise of an idle core: {name: value}; that of the core `beside` it is measured too, and thrown
        away: a machine that is itself a virtual one takes more away when more is used."""
        meters = [subprocess.Popen([self.binary, "--hiccup", "--core", str(c), "--seconds", str(seconds)],
                                   stdout=subprocess.PIPE, text=True)
                  for c in (core, beside) if c is not None]
        try:
            texts = [meter.communicate(timeout=seconds + GRACE)[0] for meter in meters]
        finally:
            for meter in meters:
                if meter.poll() is None:
                    meter.kill()
                    meter.wait()
        if any(meter.returncode for meter in meters):
            raise Refused("the hiccup meter failed")
        return {name: float(value) for name, value, _ in (line.split() for line in texts[0].splitlines())}
