#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""TCP from another host to a Linux guest: segments arrive merged, unless the port or the guest says otherwise, and what
arrives is what was sent."""
import contextlib
import hashlib
import os
import socket
import sys

from world import ROOT, World, ping, run_tests, wait_for

sys.path.insert(0, str(ROOT / 'tests/loop'))
from netns import Net, link  # noqa: E402

PORT = 5300
MTU = 1450
BYTES = 4 << 20
ADDRESSES = {'192.168.7.1': '192.168.7.2', 'fd07::1': 'fd07::2'}  # the guest's and the peer's


def send(net, address, data):
    def connect():
        return socket.create_connection((address, PORT), 120)
    with net.inside(connect) as s:
        s.settimeout(120)
        s.sendall(data)


class Tunnel:
    """A host with stintd and a guest, and a peer with a vxlan device of the kernel's."""

    def __init__(self, stack):
        def keep(part):
            stack.callback(part.close)
            return part
        self.host, self.peer = keep(Net()), keep(Net())
        link(self.host, 'out', self.peer, 'wire')
        self.host.add('10.9.0.1/24', 'out')
        self.peer.add('10.9.0.2/24', 'wire')
        self.w = stack.enter_context(World(prefix=self.host.prefix, args=['--uplinks']))
        d = self.w.stintd
        d.call('uplink_create', name='up0', device='net_af_xdp0,iface=out')
        d.call('vtep_create', name='t', uplink='up0', address='10.9.0.1')
        self.w.network('blue', mtu=MTU, vtep='t')
        d.call('network_add_remote', network='blue', address='10.9.0.2')
        self.add_vxlan()

    def add_vxlan(self):
        self.peer.ip(f'link add vx mtu {MTU} type vxlan id {self.w.vni} dstport 4789 local 10.9.0.2 remote 10.9.0.1')
        for address in ADDRESSES.values():
            self.peer.add(f'{address}/{64 if ":" in address else 24}', 'vx')
        self.peer.ip('link set vx up')

    def counters(self, guest):
        """Of a port, once what came from the wire is accounted for."""
        def settled():
            c = self.w.stintd.counters(f'{guest.name}-0')
            return c if c['wire_in'] == c['wire_delivered'] + sum(c['wire_drops'].values()) else None
        return wait_for(settled, 60, 'packets from the wire are accounted for')

    def send(self, guest, address):
        """Sends bytes to the guest, which has to get the same. Returns how many packets came, and how many the guest
        got as a part of another one."""
        data = os.urandom(BYTES)
        before = self.counters(guest)
        server = guest.serve(f"nc -l -p {PORT} -e sh -c 'cat > /tmp/got'", PORT)
        send(self.peer, address, data)
        assert guest.wait(server).status == 0
        assert guest.check('sha256sum < /tmp/got').split()[0] == hashlib.sha256(data).hexdigest(), address
        after = self.counters(guest)
        came, merged, got = (after[key] - before[key] for key in ('wire_delivered', 'wire_merged', 'tx_packets'))
        assert came - merged == got, (came, merged, got)
        return came, merged


def segments_arrive_merged():
    with contextlib.ExitStack() as stack:
        t = Tunnel(stack)
        merges = t.w.guest('merges', {'network': 'blue', 'ip': '192.168.7.1/24', 'mtu': MTU})
        t.w.boot(merges)
        merges.check('echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6 && ip -6 address add fd07::1/64 dev eth0')
        for peer in ADDRESSES.values():
            options = '-6' if ':' in peer else ''
            wait_for(lambda peer=peer, options=options: ping(merges, peer, 1, options), 60, 'the peer answers')
        features = set(t.w.stintd.port('merges-0')['features'])
        assert {'guest_csum', 'guest_tso4', 'guest_tso6', 'mrg_rxbuf'} <= features, features
        for coalesce in ('on', 'off', 'on'):
            t.w.stintd.call('port_set', name='merges-0', coalesce=coalesce)
            for address in ADDRESSES:
                came, merged = t.send(merges, address)
                print(f'  {address}, {coalesce}: {came} packets came, {merged} of them a part of another', flush=True)
                assert came > BYTES // MTU, came
                assert (merged > 0) == (coalesce == 'on'), (came, merged)
        t.w.check_counters()


if __name__ == '__main__':
    sys.exit(run_tests([segments_arrive_merged]))
