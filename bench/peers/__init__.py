# SPDX-License-Identifier: BSD-3-Clause
"""The switches that are measured side by side: ours and its peers, all driven the same way.

A peer is a class with
    name            what its figures are called
    __init__(tmp, ports, queue_pairs=1, huge=True, pairs=None)
    start(), stop() its processes; stop() leaves nothing behind
    socket          pattern of its sockets, %d is the port's number
    mark()          begins a measurement
    cycles_per_packet()   busy cycles of the worker per packet since mark(), None where unknown
    warmup          seconds that it takes to get going once traffic flows; None: as for all
    pids()          its processes
    commands        how it was started, lines of text
Those with an uplink have besides what peers/tunnel.py says.
"""

import os
import re
import shlex
import subprocess
import time

from machine import Refused


class Process:
    """A child with its output in a file, ended for certain."""

    def __init__(self, command, log, env=None, stdin=None):
        self.log = log
        self.command = command
        with open(log, "wb") as out:
            self.child = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env=env)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def check(self):
        if self.child.poll() is not None:
            tail = "\n".join(self.text().splitlines()[-5:])
            raise Refused(f"{self.command[0]} ended with {self.child.returncode}: {tail}")

    def stop(self, timeout=10):
        if self.child.poll() is not None:
            return
        self.child.terminate()
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def command_line(command, folder):
    """A command as a shell is given it, for people: the run's own folder is DIR, our process PID."""
    return re.sub(rf"-{os.getpid()}\b", "-PID", shlex.join(map(str, command)).replace(str(folder), "DIR"))


def wait_for(what, condition, process, timeout=20):
    """Waits until condition() is true; fails at once when the process ends."""
    end = time.monotonic() + timeout
    while not condition():
        process.check()
        if time.monotonic() > end:
            raise Refused(f"{what}: not within {timeout} s")
        time.sleep(0.02)
