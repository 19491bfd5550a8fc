#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The guard with virtio-user front ends: a guest that pretends to be another one reaches nobody, each attempt is
counted by its reason, and the switch learns nothing from it. tests/unit/policy/guard_test.c has many more attempts."""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import BROADCAST, IPV4, IPV6, TEST, Wiretap, checksum, ether, ipv4, ipv6, mac, udp  # noqa: E402
from kernel_vxlan_test import check_counters  # noqa: E402
from netns import Guest, Parts  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402

ARP, VLAN = 0x0806, 0x8100
MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02']
OTHER = '52:54:00:00:00:99'
IPS = ['10.1.0.5', '10.1.0.6']
IPS6 = ['2001:db8::5', '2001:db8::6']
REASONS = {'spoofed_mac', 'spoofed_ip', 'spoofed_arp', 'spoofed_nd', 'dhcp_server', 'router_advert', 'other_ethertype',
           'unreadable'}


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)


def arp(operation, sha, spa):
    return struct.pack('!HHBBH', 1, IPV4, 6, 4, operation) + mac(sha) + packed(spa) + mac(MACS[1]) + packed(IPS[1])


def icmp6(src, dst, kind, body):
    """With its checksum, so that a guest's kernel would believe it."""
    message = struct.pack('!BBH', kind, 0, 0) + body
    pseudo = packed(src) + packed(dst) + struct.pack('!II', len(message), socket.IPPROTO_ICMPV6)
    message = message[:2] + struct.pack('!H', checksum(pseudo + message)) + message[4:]
    head = ipv6(src, dst, message, socket.IPPROTO_ICMPV6)
    return head[:7] + b'\xff' + head[8:]


def option(kind, address):
    return bytes([kind, 1]) + mac(address)


def advertisement(target, address):
    return icmp6(IPS6[0], 'ff02::1', 136, b'\x20\0\0\0' + packed(target) + option(2, address))


def tagged(payload, kind, tags):
    """The type and payload of a frame with so many tags."""
    for _ in range(tags):
        kind, payload = VLAN, struct.pack('!HH', 5, kind) + payload
    return kind, payload


def behind_options(packet):
    """An IPv6 packet behind a header of destination options."""
    size, = struct.unpack('!H', packet[4:6])
    return packet[:4] + struct.pack('!HB', size + 8, 60) + packet[7:40] + packet[6:7] + b'\0\1\4\0\0\0\0' + packet[40:]


def router_advertisement():
    return icmp6('fe80::1', 'ff02::1', 134, b'\x40\0\x07\x08' + bytes(8))


def attempts():
    """(reason, frame) of each."""
    datagram = udp(b'forged', port=9)
    forged, forged6 = ipv4('10.1.0.1', IPS[1], datagram), ipv6('2001:db8::1', IPS6[1], datagram)
    payloads = [('spoofed_ip', IPV4, forged), ('spoofed_ip', IPV6, forged6),
                ('spoofed_ip', IPV6, behind_options(forged6)),
                ('spoofed_ip', IPV4, ipv4('10.1.0.1', IPS[1], bytes(64), fragment=0x2000)),
                ('spoofed_ip', IPV4, ipv4('10.1.0.1', IPS[1], bytes(64), fragment=100)),
                ('spoofed_ip', IPV4, ipv4('0.0.0.0', IPS[1], udp(b'', 68, 67))),
                ('spoofed_arp', ARP, arp(2, MACS[0], '10.1.0.1')), ('spoofed_arp', ARP, arp(1, MACS[0], IPS[1])),
                ('spoofed_arp', ARP, arp(2, OTHER, IPS[0])),
                ('spoofed_nd', IPV6, advertisement('2001:db8::1', MACS[0])),
                ('spoofed_nd', IPV6, advertisement(IPS6[0], OTHER)),
                ('spoofed_nd', IPV6, behind_options(advertisement('2001:db8::1', MACS[0]))),
                ('spoofed_nd', IPV6, icmp6(IPS6[0], 'ff02::1', 135, bytes(4) + packed(IPS6[1]) + option(1, OTHER))),
                ('dhcp_server', IPV4, ipv4(IPS[0], '255.255.255.255', udp(bytes(240), 67, 68))),
                ('dhcp_server', IPV6, ipv6('fe80::1', 'ff02::1', udp(bytes(40), 547, 546))),
                ('router_advert', IPV6, router_advertisement()),
                ('router_advert', IPV6, behind_options(router_advertisement())),
                ('unreadable', IPV4, forged[:16]), ('unreadable', ARP, arp(2, MACS[0], '10.1.0.1')[:20])]
    for reason, kind, payload in payloads:
        for tags in range(3):
            tagged_kind, tagged_payload = tagged(payload, kind, tags)
            yield reason, ether(BROADCAST, MACS[0], tagged_payload, tagged_kind)
    for kind, payload in ((IPV4, ipv4(IPS[0], IPS[1], datagram)), (ARP, arp(2, OTHER, IPS[0])), (TEST, b'forged' * 9)):
        yield 'spoofed_mac', ether(BROADCAST, OTHER, payload, kind)
    kind, payload = tagged(forged, IPV4, 3)
    yield 'unreadable', ether(BROADCAST, MACS[0], payload, kind)
    snap = b'\xaa\xaa\3\0\0\0' + struct.pack('!H', IPV4) + forged
    yield 'unreadable', ether(BROADCAST, MACS[0], snap, len(snap))


class Two(Parts):
    """Guest 0 has a guard with addresses, guest 1, the bystander, one without."""

    def set_up(self):
        self.d = self.keep(Stintd())
        d = self.d
        d.call('tenant_create', name='t')
        d.call('network_create', name='n', tenant='t', vni=1, suppress='learned')
        for i in (0, 1):
            d.call('vm_create', name=f'vm{i}', tenant='t')
            d.call('port_create', name=f'p{i}', vm=f'vm{i}', network='n', socket=d.path(f'p{i}'), mode='client',
                   mac=MACS[i], **({} if i else {'addresses': f'{IPS[0]},{IPS6[0]}'}))
        self.guests = [self.keep(Guest(d.path(f'p{i}'), MACS[i], [f'{IPS[i]}/24', f'{IPS6[i]}/64'])).net
                       for i in (0, 1)]
        for i in (0, 1):
            d.wait_state(f'p{i}', 'up')
        self.taps = [self.keep(Wiretap(guest, 'guest')) for guest in self.guests]
        self.seen = []
        self.barriers = 0

    def drops(self):
        return {reason: n for reason, n in self.d.counters('p0')['drops'].items() if reason in REASONS and n}

    def send_until(self, frame, condition, what):
        def attempt():
            self.taps[0].send(frame)
            return condition()
        wait_for(attempt, 60, what)

    def sees(self, frame):
        """Whether the bystander got it, some time; padding may have been added. Its kernel takes the outer tag off."""
        self.seen += self.taps[1].take()
        if frame[12:14] == struct.pack('!H', VLAN):
            frame = frame[:12] + frame[16:]
        return any(got[:len(frame)] == frame for got in self.seen)

    def passes(self, frame):
        self.send_until(frame, lambda: self.sees(frame), f'{frame.hex()} passes')

    def settle(self):
        """Lets everything arrive that was sent before."""
        self.barriers += 1
        self.passes(ether(BROADCAST, MACS[0], ipv4(IPS[0], IPS[1], udp(b'barrier %d' % self.barriers, port=9)), IPV4))

    def is_dropped(self, frame, reason):
        before = self.drops()
        self.send_until(frame, lambda: self.drops().get(reason, 0) > before.get(reason, 0), f'{frame.hex()}: {reason}')
        self.settle()
        others = [{**drops, reason: 0} for drops in (before, self.drops())]
        assert others[0] == others[1], (reason, others, frame.hex())


def what_is_forged_reaches_nobody():
    with Two() as two:
        tried = list(attempts())
        assert len(tried) >= 60
        for reason, frame in tried:
            two.is_dropped(frame, reason)
        # What is sent last has passed all of them on their way.
        two.settle()
        for reason, frame in tried:
            assert not two.sees(frame), (reason, frame.hex())
        places = {entry['mac']: entry.get('port') for entry in two.d.call('fdb_list', network='n')}
        assert places[MACS[0]] == 'p0' and OTHER not in places, places
        known = {n['address']: n['mac'] for n in two.d.call('neighbour_list', network='n')}
        assert not known.keys() & {'10.1.0.1', '2001:db8::1'} and known.get(IPS[1], MACS[1]) == MACS[1], known
        check_counters(two.d)


def what_is_its_own_passes():
    """Both guests' kernels find each other, with their own ARP and neighbour discovery, and nothing is dropped."""
    with Two() as two:
        for address in (IPS[1], IPS6[1]):
            two.guests[0].wait_ping(address)
        for address in (IPS[0], IPS6[0]):
            two.guests[1].wait_ping(address)
        for tags in range(3):
            kind, payload = tagged(ipv4(IPS[0], IPS[1], udp(b'honest', port=9)), IPV4, tags)
            two.passes(ether(BROADCAST, MACS[0], payload, kind))
        for kind, payload in ((IPV4, ipv4('0.0.0.0', '255.255.255.255', udp(bytes(240), 68, 67))),
                              (ARP, arp(1, MACS[0], '0.0.0.0')), (TEST, b'honest' * 10)):
            two.passes(ether(BROADCAST, MACS[0], payload, kind))
        assert two.drops() == {}, two.drops()
        check_counters(two.d)


def guards_change_while_traffic_flows():
    with Two() as two:
        d, frame = two.d, ether(BROADCAST, MACS[0], ipv4('10.1.0.77', IPS[1], udp(b'first', port=9)), IPV4)
        two.is_dropped(frame, 'spoofed_ip')
        d.call('port_set', name='p0', addresses=f'{IPS[0]},10.1.0.64/26')
        two.passes(frame)
        d.call('port_set', name='p0', addresses=IPS[0])
        two.is_dropped(frame, 'spoofed_ip')
        advert = ether(BROADCAST, MACS[0], router_advertisement(), IPV6)
        two.is_dropped(advert, 'router_advert')
        d.call('port_set', name='p0', allow_router='on')
        two.passes(advert)
        d.call('port_set', name='p0', allow_other_ethertypes='off')
        two.is_dropped(ether(BROADCAST, MACS[0], b'other' * 10), 'other_ethertype')
        further = ether(BROADCAST, OTHER, ipv4(IPS[0], IPS[1], udp(b'further', port=9)), IPV4)
        two.is_dropped(further, 'spoofed_mac')
        d.call('port_set', name='p0', guard_macs=OTHER)
        two.passes(further)
        d.call('port_set', name='p0', guard_macs='')
        # The address that it may not have any more is forgotten with that.
        assert OTHER not in [entry['mac'] for entry in d.call('fdb_list', network='n')]
        two.is_dropped(further, 'spoofed_mac')
        d.call('port_set', name='p0', mac_guard='off')
        two.passes(ether(BROADCAST, OTHER, b'off' * 20))
        check_counters(d)


def what_is_for_others_is_not_received():
    with Two() as two:
        frame = ether(OTHER, MACS[0], b'to nobody' * 8)

        def unreceived():
            return two.d.counters('p0')['drops'].get('no_receiver', 0)
        before = unreceived()
        two.send_until(frame, lambda: unreceived() > before, 'nobody gets it')
        two.passes(ether(MACS[1], MACS[0], b'to it' * 12))
        assert not two.sees(frame)
        two.d.call('port_set', name='p1', mac_guard='off')
        two.passes(frame)
        check_counters(two.d)


if __name__ == '__main__':
    sys.exit(run_tests([what_is_forged_reaches_nobody, what_is_its_own_passes, guards_change_while_traffic_flows,
                        what_is_for_others_is_not_received]))
