#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux' vxlan device as the other host, over a pair of virtual interfaces: packets of every kind cross, both
ways, and are right on the wire."""
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from netns import Guest, Net, link, stream  # noqa: E402
from paths_test import check_conservation, check_ledger  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402

MAC = '52:54:00:00:00:01'


class Wire:
    """A host with stintd, one guest, and a peer with a vxlan device of the kernel's, in one network."""

    def __init__(self, version=4, driver='af_xdp', mtu=1500, vtep=None):
        self.parts = []
        try:
            self.set_up(version, driver, mtu, vtep or {})
        except BaseException:
            self.close()
            raise

    def set_up(self, version, driver, mtu, vtep):
        self.host = self.keep(Net())
        self.peer = self.keep(Net())
        link(self.host, 'out', self.peer, 'wire', mtu)
        self.version = version
        self.driver = driver
        self.ours, self.theirs = ('10.9.0.1', '10.9.0.2') if version == 4 else ('fd09::1', 'fd09::2')
        length = 24 if version == 4 else 64
        self.host.add(f'{self.ours}/{length}', 'out')
        self.peer.add(f'{self.theirs}/{length}', 'wire')
        self.inner = mtu - (50 if version == 4 else 70)
        self.d = self.keep(Stintd(prefix=self.host.prefix, args=['--allow-blocking-uplinks']))
        self.d.call('uplink_create', name='up0', device=f'net_{driver}0,iface=out', mtu=mtu)
        self.d.call('vtep_create', name='t', uplink='up0', address=self.ours, **vtep)
        self.d.call('tenant_create', name='acme')
        self.d.call('network_create', name='blue', tenant='acme', vni=100, mtu=self.inner, vtep='t')
        self.d.call('network_add_remote', network='blue', address=self.theirs)
        self.guest = self.add_guest('vm', 'p', 'blue', MAC, ['192.168.7.1/24', 'fd07::1/64'])

    def add_guest(self, vm, port, network, mac, addresses):
        """A VM with a port and a guest behind it."""
        self.d.call('vm_create', name=vm, tenant='acme')
        self.d.call('port_create', name=port, vm=vm, network=network, socket=self.d.path(f'{port}.sock'), mode='client')
        return self.keep(Guest(self.d.path(f'{port}.sock'), mac, addresses, self.inner))

    def keep(self, part):
        self.parts.append(part)
        return part

    def add_vxlan(self, options=''):
        self.peer.ip(f'link add vx mtu {self.inner} type vxlan id 100 dstport 4789 local {self.theirs} '
                     f'remote {self.ours} {options}')
        self.peer.add('192.168.7.2/24', 'vx')
        self.peer.add('fd07::2/64', 'vx')
        self.peer.ip('link set vx up')

    def wait_up(self):
        wait_for(lambda: self.d.call('remote_list')[0]['state'] == 'up', 60, 'the remote is up')

    def close(self):
        for part in reversed(self.parts):
            part.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def check_sizes(w):
    """Packets from the smallest to the longest that fits arrive and are answered."""
    for size in [0, 1, 18, 64, 512, w.inner - 28]:
        w.guest.net.wait_ping('192.168.7.2', size=size, options=('-M', 'do'))
        w.peer.wait_ping('192.168.7.1', size=size, options=('-M', 'do'))
    w.guest.net.wait_ping('fd07::2', size=w.inner - 48)
    w.peer.wait_ping('fd07::1', size=w.inner - 48)


def check_stream(w):
    """A TCP stream crosses, both ways."""
    stream(w.peer, w.guest.net, '192.168.7.2')
    stream(w.guest.net, w.peer, '192.168.7.1')


class Capture:
    """What the peer receives on the wire, as tshark sees it."""

    def __init__(self, w):
        self.w = w
        self.file = w.d.path('wire.pcapng')
        self.process = subprocess.Popen(
            [*w.peer.prefix, 'dumpcap', '-q', '-i', 'wire', '-f', 'inbound and udp port 4789', '-w', self.file],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(lambda: os.path.exists(self.file), 60, 'dumpcap captures')

    def packets(self, *filters):
        """The packets of the capture that pass, a line each."""
        options = ['-o', 'udp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE']
        done = subprocess.run(['tshark', '-r', self.file, *options, '-Y', ' '.join(filters)], capture_output=True,
                              text=True, check=True)
        return done.stdout.splitlines()

    def check(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        assert self.packets('vxlan.vni == 100'), 'nothing was captured'
        bad = self.packets('_ws.malformed or udp.checksum.status == 0 or ip.checksum.status == 0 or '
                           'tcp.checksum.status == 0 or icmp.checksum.status == 0')
        assert not bad, bad[:10]


def check_all(w):
    w.add_vxlan()
    w.wait_up()
    capture = Capture(w)
    check_sizes(w)
    check_stream(w)
    capture.check()
    check_conservation(w.d)
    check_ledger(w.d)
    wait_for(lambda: not wire_lost(w.d), 60, 'packets from the wire are accounted for')


def wire_lost(d):
    return [c for c in d.call('stats_ports')
            if c['wire_in'] != c['wire_delivered'] + sum(c['wire_drops'].values())]


def over_ipv4():
    with Wire() as w:
        check_all(w)


def over_ipv6():
    with Wire(version=6) as w:
        check_all(w)


def with_sums():
    with Wire(vtep={'sum': 'on'}) as w:
        check_all(w)


def over_a_plain_socket():
    with Wire(driver='af_packet') as w:
        check_all(w)


if __name__ == '__main__':
    sys.exit(run_tests([over_ipv4, over_ipv6, with_sums, over_a_plain_socket]))
