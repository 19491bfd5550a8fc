# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd between vhost ports: it forwards port to port and switches nothing, so it is the bar."""

import contextlib
import glob
import os
import re
import subprocess
import time

from machine import GENERATOR_CORE, WORKER_CORE
from peers import Process, command_line, wait_for

MAX_PORTS = 32  # DPDK's own limit on devices
MEMORY_MB = 512


class Testpmd:
    mode = "io"
    warmup = None
    name = "testpmd_io"

    def __init__(self, tmp, ports, queue_pairs=1, huge=True, pairs=None, tso=False):
        assert ports <= MAX_PORTS and ports % 2 == 0 and pairs is None
        self.dir = tmp
        self.ports = ports
        self.queues = queue_pairs
        self.huge = huge
        self.tso = tso
        self.socket = os.path.join(tmp, self.name + "-%d.sock")
        self.process = None
        self.commands = []

    def _command(self):
        memory = ["--in-memory"] if self.huge else ["--no-huge", "--no-shconf"]
        vdevs = []
        for i in range(self.ports):
            vdevs += ["--vdev", f"net_vhost{i},iface={self.socket % i},queues={self.queues},tso={int(self.tso)}"]
        # Line by line: what it prints is waited for.
        return ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{GENERATOR_CORE},1@{WORKER_CORE}", "--no-pci",
                "--no-telemetry", f"--file-prefix=bench-{self.name}-{os.getpid()}", "-m", str(MEMORY_MB), *memory, *vdevs,
                "--", "-i", "--total-num-mbufs", str(16384 + 2048 * self.ports), "--forward-mode", self.mode,
                "--rxq", str(self.queues), "--txq", str(self.queues), "--nb-cores", "1", "--no-lsc-interrupt",
                "--disable-link-check"]

    def start(self):
        command = self._command()
        self.commands = [command_line(command, self.dir)]
        self.process = Process(command, os.path.join(self.dir, self.name + ".log"), stdin=subprocess.PIPE)
        last = self.socket % (self.ports - 1)
        wait_for("testpmd's sockets", lambda: os.path.exists(last), self.process)
        wait_for("testpmd's prompt", lambda: "testpmd>" in self.process.text(), self.process)
        for line in ("set record-core-cycles on", "start"):
            self._say(line)
            self.commands.append(f"testpmd> {line}")
        time.sleep(0.2)

    def _say(self, command):
        self.process.child.stdin.write((command + "\n").encode())
        self.process.child.stdin.flush()

    def mark(self):
        self._say("clear fwd stats all")

    def cycles_per_packet(self):
        before = len(self.process.text())
        self._say("show fwd stats all")
        pattern = re.compile(r"CPU cycles/packet=([\d.]+)")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            found = pattern.search(self.process.text(), before)
            if found:
                return float(found.group(1))
            time.sleep(0.02)
        return None

    def pids(self):
        return [self.process.child.pid]

    def stop(self):
        if self.process:
            with contextlib.suppress(BrokenPipeError):
                self._say("quit")
                self.process.child.stdin.close()
            self.process.stop()
            self.process = None
        for path in glob.glob(os.path.join(self.dir, self.name + "-*.sock")):
            os.unlink(path)


class Macswap(Testpmd):
    """The same, but touching each packet's header as a switch must."""
    mode = "macswap"
    name = "testpmd_macswap"
