# SPDX-License-Identifier: BSD-3-Clause
"""Our switch as it comes: ledger, learning, the anti-spoofing hook point and statistics on. All VMs are
in one network of one tenant, unless `tenants` says otherwise."""

import importlib
import os
import pathlib
import sys
import time

from machine import Refused, WORKER_CORE, all_cores
from peers import command_line

BATCH = 256  # calls at once
TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests"


def load_driver(build):
    """The tests' driver of the daemon, bound to the binaries in `build`."""
    os.environ["STINT_BUILD"] = str(build)
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    return importlib.import_module("stintd")


class Stint:
    name = "stint"
    warmup = None

    def __init__(self, tmp, ports, queue_pairs=1, huge=True, pairs=None, tenants=None, args=(), build=None):
        """tenants: {name: numbers of its VMs}, each with a network of its own; args: more for stintd; build: where
        it was built, if not with this version."""
        self.args = list(args)
        self.build = build
        self.prefix = []  # of the daemon's command
        self.network = {"mtu": 9000}  # parameters of all networks
        self.tenants = tenants or {"bench": range(ports)}
        self.driver = load_driver(os.environ.get("STINT_BUILD", "build"))
        self.ports = ports
        self.queue_pairs = queue_pairs
        self.huge = huge
        self.daemon = None
        self.socket = None
        self.before = None
        self.start_seconds = self.create_seconds = None
        self.commands = []

    def start(self):
        began = time.monotonic()
        args = ["--log-level", "warn", *self.args] + ([] if self.huge else ["--no-huge"])
        self.daemon = self._start_daemon(args)
        self.start_seconds = time.monotonic() - began
        self.commands = [command_line(["stintd", *self.daemon.process.args[len(self.prefix) + 1:]], self.daemon.folder)]
        self.socket = self.daemon.path("port-%d.sock")
        for vni, name in enumerate(self.tenants, 1):
            self._set_up("tenant_create", name=name)
            self._set_up("network_create", name=f"{name}-net", tenant=name, vni=vni, **self.network)
        began = time.monotonic()
        for name, numbers in self.tenants.items():
            for i in numbers:
                self.add_port(i, name)
        self.create_seconds = time.monotonic() - began
        # Packet memory comes with the VMs.
        if self.huge and self.ports and not self.call("version_get")["hugepages"]:
            raise Refused("stintd found no free hugepages")

    def _start_daemon(self, args):
        class Daemon(self.driver.Stintd):
            def start(self):
                try:
                    super().start()
                except BaseException:
                    self.close()  # the caller gets no object to close
                    raise

        with all_cores():  # it takes no core that it may not use, and pins its threads itself
            return Daemon(workers=str(WORKER_CORE), args=args, prefix=self.prefix, build=self.build)

    def add_port(self, number, tenant):
        """A VM of its own with one port."""
        self._set_up("vm_create", name=f"vm{number}", tenant=tenant)
        self._set_up("port_create", name=f"port{number}", vm=f"vm{number}", network=f"{tenant}-net",
                  socket=self.socket % number, queue_pairs=self.queue_pairs)

    def _set_up(self, method, **params):
        words = (f"{name}={value}" for name, value in params.items())
        self.commands.append(f"rpc> {command_line((method, *words), self.daemon.folder)}")
        self.call(method, **params)

    def _call_often(self, method, calls):
        """The same method, many times at once."""
        requests = [{"jsonrpc": "2.0", "id": i, "method": method, "params": params} for i, params in enumerate(calls)]
        for at in range(0, len(requests), BATCH):
            answers = self.daemon.ask(requests[at:at + BATCH])
            failed = [answer["error"] for answer in answers if "error" in answer]
            if failed:
                raise Refused(f"{method}: {failed[0]}")
        if requests:
            self.commands.append(f"rpc> {method}, {len(requests)} times")

    def call(self, method, **params):
        return self.daemon.call(method, **params)

    def mark(self):
        self.before = self.read()

    def read(self):
        """The ledger now, flat: cycles by row, packets, turns, services."""
        worker = self.call("stats_workers", worker=WORKER_CORE)[0]
        vms = self.call("stats_vms")
        read = {"elapsed": worker["cycles"], "busy_cycles": worker["busy_cycles"],
                "turns": worker["turns"], "sleeps": worker["sleeps"],
                "packets": sum(vm["packets"] for vm in vms), "services": sum(vm["services"] for vm in vms),
                "vms": sum(vm["cycles"] for vm in vms)}
        for row, cycles in worker["system"].items():
            read[f"system.{row}"] = cycles
        for vm in vms:
            for stage, cycles in vm["stages"].items():
                read[f"stage.{stage}"] = read.get(f"stage.{stage}", 0) + cycles
            read[f"vm.{vm['vm']}"] = vm["cycles"]
        return read

    def since_mark(self):
        """The same as read(), since mark()."""
        now = self.read()
        return {row: value - self.before.get(row, 0) for row, value in now.items()}

    def cycles_per_packet(self):
        """The time of all turns of the loop that found something to do, with looking for it: what other switches'
        polling threads give too, which count the iterations that had packets."""
        spent = self.since_mark()
        return spent["busy_cycles"] / spent["packets"] if spent["packets"] else None

    def counters(self):
        """The ports' packet counters, summed: in, forwarded, consumed, dropped and so on."""
        total = {}
        for port in self.call("stats_ports"):
            for name, value in port.items():
                if isinstance(value, int):
                    total[name] = total.get(name, 0) + value
            for reason, n in port["drops"].items():
                total[f"drop.{reason}"] = total.get(f"drop.{reason}", 0) + n
        return total

    def pids(self):
        return [self.daemon.process.pid]

    def stop(self):
        if self.daemon:
            self.daemon.close()
            self.daemon = None
