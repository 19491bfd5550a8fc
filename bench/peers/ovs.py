# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with DPDK, in directories of its own, set up as its guide on DPDK advises: one polling
thread alone on the worker's core, hugepages, vhost-user ports."""

import os
import re
import subprocess
import time

from machine import GENERATOR_CORE, WORKER_CORE, Refused
from peers import Process, command_line, wait_for

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
MEMORY_MB = 1024
NO_HUGE_MEMORY_MB = 2048  # more: without hugepages it does not try again with fewer buffers
NO_HUGE_WARMUP = 6  # seconds; touching all of it takes that long once VMs are there


class Ovs:
    """The bridge learns and forwards by itself (NORMAL), as our switch does."""
    name = "ovs"
    flows = None
    extra = ""  # for DPDK
    prefix = ()  # of the daemon's command

    def __init__(self, tmp, ports, queue_pairs=1, huge=True, pairs=None, tso=False):
        """tso: large packets pass, which OVS allows where it is the client: VMs are then to have server=1."""
        self.dir = os.path.join(tmp, self.name)
        self.ports = ports
        self.huge = huge
        self.tso = tso
        self.pairs = pairs or [(i, i + 1) for i in range(0, ports, 2)]
        self.socket = os.path.join(self.dir, "vhost-%d")
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_DBDIR=self.dir, OVS_LOGDIR=self.dir)
        self.commands = ["export OVS_RUNDIR=DIR OVS_DBDIR=DIR OVS_LOGDIR=DIR"]
        self.warmup = None if huge else NO_HUGE_WARMUP
        self.db = None
        self.daemon = None

    def _note(self, command):
        self.commands.append(command_line(command, self.dir))
        return command

    def _run(self, *command):
        done = subprocess.run(self._note(command), env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"{command[0]} fails: {self._why() or done.stderr.strip().replace(self.dir, 'DIR')}")

    def _why(self):
        """The last error that the daemon wrote, if any."""
        lines = self.daemon.text().splitlines() if self.daemon else []
        errors = [line for line in lines if re.search(r"\|(ERR|EMER)\||EAL: ", line)]
        return errors[-1].replace(self.dir, "DIR") if errors else ""

    def _vsctl(self, *args):
        self._run("ovs-vsctl", f"--db=unix:{self.dir}/db.sock", "--timeout=20", *args)

    def _appctl(self, *args):
        command = ["ovs-appctl", "-t", f"{self.dir}/vswitchd.ctl", *args]
        done = subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=20)
        return done.stdout

    def _start_database(self):
        os.makedirs(self.dir, exist_ok=True)
        conf = os.path.join(self.dir, "conf.db")
        if os.path.exists(conf):
            os.unlink(conf)
        self._run("ovsdb-tool", "create", conf, SCHEMA)
        self.db = Process(self._note(["ovsdb-server", conf, f"--remote=punix:{self.dir}/db.sock"]),
                          os.path.join(self.dir, "db.log"), env=self.env)
        wait_for("ovsdb-server", lambda: os.path.exists(f"{self.dir}/db.sock"), self.db)
        # EAL does not start with both, nor, without hugepages, with what OVS adds unless it finds --legacy-mem.
        memory = [f"other_config:dpdk-socket-mem={MEMORY_MB}"] if self.huge else []
        extra = self.extra if self.huge else f"{self.extra} --no-huge --legacy-mem -m {NO_HUGE_MEMORY_MB} --no-shconf"
        self._vsctl("--no-wait", "init")
        self._vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                    f"other_config:pmd-cpu-mask={1 << WORKER_CORE:#x}",
                    f"other_config:dpdk-lcore-mask={1 << GENERATOR_CORE:#x}",
                    "other_config:vhost-sock-dir=.", *memory,
                    *(["other_config:userspace-tso-enable=true"] if self.tso else []),
                    f"other_config:dpdk-extra=--no-pci --file-prefix=bench-ovs-{os.getpid()}{extra}")

    def start(self):
        self._start_database()
        command = self._note([VSWITCHD, f"unix:{self.dir}/db.sock", "-vconsole:warn", "--pidfile",
                              f"--unixctl={self.dir}/vswitchd.ctl"])
        self.daemon = Process([*self.prefix, *command], os.path.join(self.dir, "vswitchd.log"), env=self.env)
        add = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"]
        for i in range(self.ports):
            kind = ["type=dpdkvhostuserclient", f"options:vhost-server-path={self.socket % i}"] if self.tso else \
                ["type=dpdkvhostuser"]
            add += ["--", "add-port", "br0", f"vhost-{i}", "--", "set", "Interface", f"vhost-{i}", *kind,
                    f"ofport_request={i + 1}"]
        self._vsctl(*add)
        if not self.tso:
            last = self.socket % (self.ports - 1)
            wait_for("OVS's sockets", lambda: os.path.exists(last), self.daemon)
        if self.flows:
            self._set_flows()
        time.sleep(0.3)

    def _set_flows(self):
        bridge = f"unix:{self.dir}/br0.mgmt"
        self._run("ovs-ofctl", "del-flows", bridge)
        for a, b in self.pairs:
            for source, to in ((a, b), (b, a)):
                self._run("ovs-ofctl", "add-flow", bridge, f"in_port={source + 1},actions=output:{to + 1}")

    def mark(self):
        self._appctl("dpif-netdev/pmd-stats-clear")

    def cycles_per_packet(self):
        text = self._appctl("dpif-netdev/pmd-stats-show")
        found = re.search(r"avg processing cycles per packet: ([\d.]+)", text)
        return float(found.group(1)) if found else None

    def pids(self):
        return [self.daemon.child.pid, self.db.child.pid]

    def stop(self):
        for process in (self.daemon, self.db):
            if process:
                process.stop()
        self.daemon = self.db = None


class OvsDirect(Ovs):
    """The same, with flows that name the output port: no learning, no look-up of addresses."""
    name = "ovs_direct"
    flows = True
