# SPDX-License-Identifier: BSD-3-Clause
"""Runs the load generator and reads what it found."""

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


class Generator:
    def __init__(self, binary, tmp, huge):
        self.binary = binary
        self.tmp = tmp
        self.huge = huge

    def run(self, vms, streams, seconds, warmup=0.3, options=(), on_ready=None,
            on_start=None, on_end=None, phases=(), on_phase=None):
        """Plays `streams` between `vms` (lists of specification lines without their first word).
        on_ready is called when all ports are up, on_start and on_end when the measured time begins and ends;
        on_phase(name) before each of `phases`, while traffic flows. Returns the figures."""
        fd, path = tempfile.mkstemp(suffix=".json", dir=self.tmp)
        os.close(fd)
        command = [self.binary, "--core", str(GENERATOR_CORE), "--seconds", str(seconds), "--warmup", str(warmup),
                   "--huge", "yes" if self.huge else "no", "--json", path, *options]
        for what, lines in (("--vm", vms), ("--stream", streams), ("--phase", phases)):
            for line in lines:
                command += [what, line]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        try:
            for line in child.stdout:
                if line == "ready\n" and on_ready:
                    on_ready()
                if line == "measuring\n" and on_start:
                    on_start()
                if line == "measured\n" and on_end:
                    on_end()
                if line.startswith("phase "):
                    if on_phase:
                        on_phase(line.split()[1])
                    child.stdin.write("go\n")
                    child.stdin.flush()
            child.wait(GRACE)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode != 0:
            raise Refused(f"the load generator failed ({child.returncode}): {child.stderr.read().strip()}")
        with open(path) as f:
            figures = json.load(f)
        os.unlink(path)
        return figures

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
