#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux' vxlan device as the other host, over a pair of virtual interfaces: packets of every kind cross, both
ways, and are right on the wire."""
import os
import pathlib
import signal
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import (BROADCAST, IPV4, TEST, Wiretap, checksum, ether, ipv4, udp, vxlan)  # noqa: E402
from netns import Guest, Net, Parts, interface_mac, link, stream  # noqa: E402
from paths_test import check_conservation, check_ledger  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402

MAC = '52:54:00:00:00:01'
MTU_1350 = struct.pack('!I', 1350)


class Wire(Parts):
    """A host with stintd, one guest, and a peer with a vxlan device of the kernel's, in one network."""

    def set_up(self, version=4, driver='af_xdp', mtu=1500, vtep=None, workers=None, uplink=None):
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
        self.d = self.keep(Stintd(workers, prefix=self.host.prefix, args=['--allow-blocking-uplinks']))
        self.d.call('uplink_create',
                    **{'name': 'up0', 'device': f'net_{driver}0,iface=out', 'mtu': mtu, **(uplink or {})})
        self.d.call('vtep_create', name='t', uplink='up0', address=self.ours, **(vtep or {}))
        self.d.call('tenant_create', name='acme')
        self.d.call('network_create', name='blue', tenant='acme', vni=100, mtu=self.inner, vtep='t')
        self.d.call('network_add_remote', network='blue', address=self.theirs)
        self.guest = self.add_guest('vm', 'p', 'blue', MAC, ['192.168.7.1/24', 'fd07::1/64'])

    def add_guest(self, vm, port, network, mac, addresses):
        """A VM with a port and a guest behind it."""
        self.d.call('vm_create', name=vm, tenant='acme')
        self.d.call('port_create', name=port, vm=vm, network=network, socket=self.d.path(f'{port}.sock'), mode='client')
        return self.keep(Guest(self.d.path(f'{port}.sock'), mac, addresses, self.inner))

    def add_red(self, mac, address):
        """Another network, whose guest is returned, with a device of the peer's that is down still: `vx2`."""
        self.d.call('network_create', name='red', tenant='acme', vni=200, mtu=self.inner, vtep='t')
        self.d.call('network_add_remote', network='red', address=self.theirs)
        self.add_device('vx2', 200)
        return self.add_guest('vm2', 'p2', 'red', mac, [address])

    def add_device(self, name, vni):
        self.peer.ip(f'link add {name} mtu {self.inner} type vxlan id {vni} dstport 4789 local {self.theirs} '
                     f'remote {self.ours}')

    def add_vxlan(self):
        self.add_device('vx', 100)
        self.peer.add('192.168.7.2/24', 'vx')
        self.peer.add('fd07::2/64', 'vx')
        self.peer.ip('link set vx up')

    def wait_up(self):
        wait_remotes(self.d)

    def connect(self):
        """The peer has a vxlan device, and the guest reaches it."""
        self.add_vxlan()
        self.wait_up()
        self.guest.net.wait_ping('192.168.7.2')


def wait_remotes(d):
    """All are up."""
    wait_for(lambda: {r['state'] for r in d.call('remote_list')} == {'up'}, 60, 'the remotes are up')


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
        self.file = w.d.path('wire.pcapng')
        self.log = pathlib.Path(w.d.path('dumpcap.log'))
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                [*w.peer.prefix, 'dumpcap', '-q', '-i', 'wire', '-f', 'inbound and udp port 4789', '-w', self.file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        w.keep(self)
        wait_for(self.is_begun, 60, 'dumpcap captures')

    def is_begun(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text(errors='replace'))
        return os.path.exists(self.file)

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
        # The guest's kernel writes a TCP checksum of 0 as 0xffff (CSUM_MANGLED_0), which is as right to receivers.
        bad = self.packets('_ws.malformed or udp.checksum.status == 0 or ip.checksum.status == 0 or '
                           '(tcp.checksum.status == 0 and not tcp.checksum == 0xffff) or icmp.checksum.status == 0')
        assert not bad, bad[:10]

    def close(self):
        self.process.kill()
        self.process.wait()


def check_all(w):
    w.add_vxlan()
    w.wait_up()
    capture = Capture(w)
    check_sizes(w)
    check_stream(w)
    capture.check()
    check_counters(w.d)


def check_counters(d):
    """What guests sent and what came from the wire adds up, and so does the time that it took."""
    check_conservation(d)
    check_ledger(d)
    wait_for(lambda: not wire_lost(d), 60, 'packets from the wire are accounted for')


def wire_lost(d):
    return [c for c in d.call('stats_ports')
            if c['wire_in'] != c['wire_delivered'] + sum(c['wire_drops'].values())]


def check_uplinks(d):
    """Each packet that an uplink received was dropped for a reason, or was for one port."""
    def is_accounted():
        stats, ports = d.call('stats_uplinks'), d.call('stats_ports')
        return sum(s['rx_packets'] - s['rx_dropped'] for s in stats) == sum(p['wire_in'] for p in ports) and \
            all(s['rx_dropped'] == sum(s['rx_drops'].values()) for s in stats)
    wait_for(is_accounted, 60, "the uplink's packets are accounted for")


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


class Marker:
    """Frames with a number each, that are sent until they arrive, and looked for where they must not be."""

    def __init__(self, w):
        self.w = w
        self.number = 0
        self.taps = []

    def tap(self, net, interface):
        self.taps.append(self.w.keep(Wiretap(net, interface)))
        return self.taps[-1]

    def check(self, source, dst, src, receivers):
        """A frame from one place to an address arrives at these places, and at no other."""
        first = self.number + 1
        got = {tap: set() for tap in self.taps}

        def arrives():
            self.number += 1
            source.send(ether(dst, src, struct.pack('!I', self.number) + bytes(42)))
            for tap in self.taps:
                for frame in tap.take():
                    if frame[12:14] == struct.pack('!H', TEST):
                        got[tap].add(struct.unpack('!I', frame[14:18])[0])
            return all(max(got[tap], default=0) >= first + 4 for tap in receivers)
        wait_for(arrives, 60, f'frames to {dst} arrive')
        for tap in self.taps:
            late = {n for n in got[tap] if n >= first}
            assert (tap in receivers) == bool(late), (dst, self.taps.index(tap), late)


class TwoPeers(Wire):
    """The peer's end of the wire is a bridge, with another peer behind it."""

    def set_up(self):
        super().set_up()
        self.peer.ip('link add lan type bridge')
        self.peer.ip(f'addr del {self.theirs}/24 dev wire')
        self.peer.ip('link set wire master lan')
        self.peer.ip('link set lan up')
        self.peer.add(f'{self.theirs}/24', 'lan')
        self.second = self.keep(Net())
        link(self.peer, 'more', self.second, 'wire')
        self.peer.ip('link set more master lan')
        self.second.add('10.9.0.3/24', 'wire')
        self.d.call('network_add_remote', network='blue', address='10.9.0.3')
        # Head-end replication: an entry for each of the others.
        for net, local, others in ((self.peer, self.theirs, (self.ours, '10.9.0.3')),
                                   (self.second, '10.9.0.3', (self.ours, self.theirs))):
            net.ip(f'link add vx mtu {self.inner} type vxlan id 100 dstport 4789 local {local}')
            for other in others:
                net.run('bridge', 'fdb', 'append', '00:00:00:00:00:00', 'dev', 'vx', 'dst', other)
            net.ip('link set vx up')
        self.peer.add('192.168.7.2/24', 'vx')
        self.second.add('192.168.7.3/24', 'vx')
        self.wait_up()


def with_two_peers():
    """A broadcast reaches both, a packet to one of them that one alone."""
    with TwoPeers() as w:
        for address in ('192.168.7.2', '192.168.7.3'):
            w.guest.net.wait_ping(address)
        m = Marker(w)
        guest, first, second = m.tap(w.guest.net, 'guest'), m.tap(w.peer, 'vx'), m.tap(w.second, 'vx')
        macs = [interface_mac(net, 'vx') for net in (w.peer, w.second)]
        m.check(guest, BROADCAST, MAC, [first, second])
        m.check(guest, macs[0], MAC, [first])
        m.check(guest, macs[1], MAC, [second])
        m.check(guest, '52:54:00:00:77:77', MAC, [first, second])
        m.check(first, BROADCAST, macs[0], [guest, second])
        m.check(second, MAC, macs[1], [guest])
        places = {e['mac']: e.get('remote') for e in w.d.call('fdb_list')}
        assert places[macs[0]] == w.theirs and places[macs[1]] == '10.9.0.3', places
        stream(w.second, w.guest.net, '192.168.7.3')
        check_conservation(w.d)


def with_two_networks():
    """The same addresses in two networks, which never mix."""
    with Wire() as w:
        w.add_vxlan()
        other = w.add_red(MAC, '192.168.7.1/24')
        w.peer.ip(f'link set vx2 address {interface_mac(w.peer, "vx")} up')
        w.wait_up()
        m = Marker(w)
        blue, red = m.tap(w.guest.net, 'guest'), m.tap(other.net, 'guest')
        blue_peer, red_peer = m.tap(w.peer, 'vx'), m.tap(w.peer, 'vx2')
        far = interface_mac(w.peer, 'vx')
        for near, peer in ((blue, blue_peer), (red, red_peer)):
            for dst in (BROADCAST, far, '52:54:00:00:77:77'):
                m.check(near, dst, MAC, [peer])
            for dst in (BROADCAST, MAC, '52:54:00:00:77:78'):
                m.check(peer, dst, far, [near])
        assert {(e['network'], e['mac'], bool(e.get('remote'))) for e in w.d.call('fdb_list')} == \
            {(n, address, is_remote) for n in ('blue', 'red') for address, is_remote in ((MAC, False), (far, True))}
        check_conservation(w.d)


def congestion_marks():
    """They cross as RFC 6040 says, out of the tunnel's header and into it."""
    not_ect, ect_1, ect_0, ce = range(4)
    with Wire() as w:
        w.connect()
        wire, guest = w.keep(Wiretap(w.peer, 'wire')), w.keep(Wiretap(w.guest.net, 'guest'))
        switch, far = interface_mac(w.host, 'out'), interface_mac(w.peer, 'vx')

        def inner(mark):
            return ether(MAC, far, ipv4('192.168.7.2', '192.168.7.1', udp(b'a mark', port=9), tos=mark), IPV4)

        def arrives_as(inner_mark, outer_mark):
            """The mark of the packet that the guest gets."""
            def arrived():
                wire.send(ether(switch, '52:54:00:00:00:02',
                                ipv4(w.theirs, w.ours, udp(vxlan(100, inner(inner_mark))), tos=outer_mark), IPV4))
                return [f for f in guest.take() if f[42:48] == b'a mark']
            frames = wait_for(arrived, 60, 'the packet arrives')
            assert all(checksum(f[14:34]) == 0 for f in frames), 'the checksum is wrong'
            marks = {f[15] for f in frames}
            assert len(marks) == 1, marks
            return marks.pop()
        for inner_mark, outer_mark, want in ((ect_0, ce, ce), (ect_1, ce, ce), (ce, not_ect, ce), (ect_0, ect_1, ect_1),
                                             (ect_0, ect_0, ect_0), (not_ect, ect_0, not_ect), (ce, ce, ce)):
            got = arrives_as(inner_mark, outer_mark)
            assert got == want, (inner_mark, outer_mark, got)
            # What is on its way still is not to be taken for the next one's.
            w.guest.net.wait_ping('192.168.7.2')
            guest.take()

        def dropped():
            wire.send(ether(switch, '52:54:00:00:00:02',
                            ipv4(w.theirs, w.ours, udp(vxlan(100, inner(not_ect))), tos=ce), IPV4))
            return w.d.call('stats_uplinks')[0]['rx_drops'].get('ecn_ce_not_ect', 0) >= 5
        wait_for(dropped, 60, 'packets that cannot be marked are dropped')
        w.guest.net.wait_ping('192.168.7.2')
        assert not [f for f in guest.take() if f[42:48] == b'a mark']

        for mark in (not_ect, ect_1, ect_0, ce):
            def sent(mark=mark):
                guest.send(ether(far, MAC, ipv4('192.168.7.1', '192.168.7.2', udp(b'a mark', port=9), tos=mark), IPV4))
                return [f[15] & 3 for f in wire.take() if f.endswith(b'a mark') and f[50 + 15] == mark]
            marks = wait_for(sent, 60, 'the packet is sent')
            assert set(marks) == {mark}, (mark, marks)


def known_mtu(net, address):
    """What the kernel there knows about the path, None where that is nothing of its own."""
    words = net.run('ip', 'route', 'get', address).stdout.split()
    return int(words[words.index('mtu') + 1]) if 'mtu' in words else None


def guests_learn_the_mtu():
    """A packet that is too large for the path is answered, and the guest's kernel believes it."""
    with Wire() as w:
        w.connect()
        net = w.guest.net
        large = 1380  # with its headers, between the path's and the network's
        net.wait_ping('192.168.7.2', size=large, options=('-M', 'do'))
        net.wait_ping('fd07::2', size=large, options=('-M', 'do'))
        assert known_mtu(net, '192.168.7.2') is None
        w.host.ip(f'route add {w.theirs}/32 dev out mtu 1400')
        wait_for(lambda: w.d.call('remote_list')[0]['mtu'] == 1350, 60, "the path's MTU is known")
        answers = w.keep(Wiretap(net, 'guest'))
        for address, at, answer in (('192.168.7.2', 34, struct.pack('!BB', 3, 4)),
                                    ('fd07::2', 54, struct.pack('!BB', 2, 0))):
            def is_answered(address=address, at=at, answer=answer):
                net.run('ping', '-c', '1', '-W', '5', '-s', str(large), '-M', 'do', address, check=False)
                return [f for f in answers.take() if f[at:at + 2] == answer and f[at + 4:at + 8] == MTU_1350]
            wait_for(is_answered, 60, f'{address}: the packet is answered')
            wait_for(lambda address=address: known_mtu(net, address) == 1350, 60, f'{address}: the guest knows the MTU')
            done = net.run('ping', '-c', '1', '-W', '1', '-s', str(large), '-M', 'do', address, check=False)
            assert 'mtu' in done.stdout + done.stderr, done
            net.wait_ping(address, size=large)
        # Streams go on in smaller packets.
        check_stream(w)
        assert w.d.counters('p')['consumed'] > 0
        check_conservation(w.d)


if __name__ == '__main__':
    sys.exit(run_tests([over_ipv4, over_ipv6, with_sums, over_a_plain_socket, with_two_peers, with_two_networks,
                        congestion_marks, guests_learn_the_mtu]))
