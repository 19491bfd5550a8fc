# SPDX-License-Identifier: BSD-3-Clause
"""Switches with an uplink: a virtio-user device, whose other end is the load generator. Each is in a network namespace
of its own, where the kernel has the address of its VTEP.

A switch with an uplink has besides
    far         lines of the generator's: the wire, and the VMs of other hosts behind it
    connect()   opens the uplink, once its other end listens
"""

import importlib
import os
import sys

from machine import Refused
from peers.ovs import Ovs
from peers.stint import TESTS, Stint, load_driver

OURS = "10.9.0.1"
THEIRS = "10.9.0.2"  # a host's, and the way to the others
OTHERS = "10.8.0.0/16"
MAC = "02:53:ff:00:00:ff"
THEIR_MAC = "02:53:ff:00:00:01"  # bench/loadgen/wire.c
UNDERLAY_MTU = 1600
MTU = 1500
RING = 1024  # of the uplink
HOSTS = 256  # of OTHERS, at most
TABLE_SIZE = 131072


def load_netns():
    """The tests' network namespaces."""
    load_driver(os.environ.get("STINT_BUILD", "build"))
    if str(TESTS / "loop") not in sys.path:
        sys.path.insert(0, str(TESTS / "loop"))
    return importlib.import_module("netns")


def far_lines(ports, socket, options, far):
    """The wire, with its options, and the VMs `far`, whose lines are without type and wire."""
    number = ports + sum(map(how_many, far))
    lines = [f"{number} type=wire socket={socket} address={OURS} mac={MAC} {options}"]
    for line in far:
        vms, words = line.split(" ", 1)
        lines.append(f"{vms} type=remote wire={number} {words}")
    return lines


def how_many(line):
    """VMs that a line is about."""
    first, _, last = line.split(" ", 1)[0].partition("-")
    return int(last or first) - int(first) + 1


def far_mac(number):
    """The addresses that the generator's attack `macs` sends to (bench/loadgen/frame.c)."""
    return "02:99:" + number.to_bytes(4, "big").hex(":")


def other_host(number):
    """One of OTHERS."""
    return f"10.8.0.{number % HOSTS}"


def device(socket):
    return f"net_virtio_user0,path={socket},queues=1,queue_size={RING}"


class StintTunnel(Stint):
    """All networks are at one VTEP, and reach host THEIRS and those of OTHERS, which are beyond it."""
    name = "stint"

    def __init__(self, tmp, ports, far=(), macs=0, flooded=None, tx_wait_us=None, wire_options="", args=(), **options):
        """flooded: {tenant: so many hosts of OTHERS get its floods, beside THEIRS}; wire_options: for the generator's
        end of the wire; macs: so many addresses are known to be behind HOSTS other hosts, in turn."""
        super().__init__(tmp, ports, args=["--uplinks", *args], **options)
        self.network = {"mtu": MTU, **({"mac_table_size": TABLE_SIZE} if macs else {})}
        self.macs = macs
        self.far_vms = far
        self.flooded = flooded or {}
        self.wire_options = wire_options
        self.tx_wait_us = tx_wait_us
        self.nets = []

    def start(self):
        netns = load_netns()
        self.nets = [netns.Net()]
        self.nets.append(netns.Net())
        ours, theirs = self.nets
        netns.link(ours, "out", theirs, "in", UNDERLAY_MTU)
        ours.ip(f"link set out address {MAC}")
        theirs.ip(f"link set in address {THEIR_MAC}")
        ours.add(f"{OURS}/24", "out")
        theirs.add(f"{THEIRS}/24", "in")
        ours.ip(f"route add {OTHERS} via {THEIRS}")
        self.prefix = ours.prefix
        super().start()

    @property
    def wire(self):
        return self.daemon.path("wire.sock")

    @property
    def far(self):
        return far_lines(self.ports, self.wire, self.wire_options, self.far_vms)

    def connect(self):
        wait = {} if self.tx_wait_us is None else {"tx_wait_us": self.tx_wait_us}
        self._set_up("uplink_create", name="up0", device=device(self.wire), kernel_interface="out", mtu=UNDERLAY_MTU,
                     **wait)
        self._set_up("vtep_create", name="vtep0", uplink="up0", address=OURS)
        for tenant in self.tenants:
            self._set_up("network_set", name=f"{tenant}-net", vtep="vtep0")
            self._set_up("network_add_remote", network=f"{tenant}-net", address=THEIRS)
        self._add_flooded()
        self._add_addresses()
        self._wait_remotes()

    def _wait_remotes(self):
        try:
            self.driver.wait_for(lambda: {r["state"] for r in self.call("remote_list")} == {"up"}, 20, "remotes up")
        except TimeoutError as e:
            raise Refused(f"{e}: {self.call('remote_list')[:3]}") from e

    def _add_addresses(self):
        """To the first network."""
        network = f"{next(iter(self.tenants))}-net"
        self._call_often("fdb_add", [{"network": network, "mac": far_mac(i), "remote": other_host(i)}
                                     for i in range(self.macs)])

    def _add_flooded(self):
        self._call_often("network_add_remote", [{"network": f"{tenant}-net", "address": other_host(i)}
                                                for tenant, n in self.flooded.items() for i in range(n)])

    def lost(self):
        """Packets to the wire that were dropped, and those from there by port, so far."""
        ports = self.call("stats_ports")
        to_wire = sum(port["dropped"] for port in ports) + sum(q["tx_dropped"] for q in self.call("stats_uplinks"))
        return {"to_wire": to_wire, **{port["port"]: sum(port["wire_drops"].values()) for port in ports}}

    def read(self):
        """Packets from the wire count where they arrive."""
        read = super().read()
        read["packets"] += sum(port["wire_delivered"] for port in self.call("stats_ports"))
        return read

    def stop(self):
        super().stop()
        while self.nets:
            self.nets.pop().close()


class OvsTunnel(Ovs):
    """As its guide to userspace tunnels has it: the uplink and the VTEP's address are a bridge's of their own."""
    extra = " --single-file-segments"  # virtio-user has room for eight pieces of memory
    name = "ovs"

    def __init__(self, tmp, ports, far=(), wire_options="", **options):
        super().__init__(tmp, ports, **options)
        self.wire = os.path.join(self.dir, "wire.sock")
        self.far = far_lines(ports, self.wire, wire_options, far)
        self.net = None

    def start(self):
        self.net = load_netns().Net()
        self.prefix = self.net.prefix
        super().start()

    def connect(self):
        self._vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev",
                    f"other-config:hwaddr={MAC}", "--", "add-port", "br-phy", "wire0", "--", "set", "Interface",
                    "wire0", "type=dpdk", f"options:dpdk-devargs={device(self.wire)}")
        self.net.add(f"{OURS}/24", "br-phy")
        self.net.ip("link set br-phy up")
        self._vsctl("add-port", "br0", "vx", "--", "set", "Interface", "vx", "type=vxlan",
                    f"options:remote_ip={THEIRS}", f"options:local_ip={OURS}", "options:key=1")
        self._appctl("tnl/neigh/set", "br-phy", THEIRS, THEIR_MAC)

    def stop(self):
        super().stop()
        if self.net:
            self.net.close()
            self.net = None
