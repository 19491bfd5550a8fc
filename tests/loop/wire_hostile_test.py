#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What anybody on the wire can send to a switch: each packet is counted under its reason, none reaches a guest that
it is not for, and others' packets pass."""
import os
import pathlib
import random
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import BROADCAST, IPV4, IPV6, Wiretap, ether, ipv4, ipv6, mac, summed, udp, vxlan  # noqa: E402
from kernel_vxlan_test import MAC, Wire, check_counters, check_uplinks  # noqa: E402
from netns import interface_mac  # noqa: E402
from stintd import run_tests, wait_for  # noqa: E402

SENDER = '52:54:00:00:00:02'
AT_ONCE = 128
MEMORY_KB = 16 << 10
LEARNED = 1024


class Attacker:
    """Sends from the peer's place. What it sends bears a mark, and a number by which it is known again."""

    def __init__(self, w):
        self.w = w
        self.v6 = w.version == 6
        # The XDP program leaves to the kernel what is no VXLAN packet at first sight.
        self.is_filtered = w.driver == 'af_xdp'
        self.tap = w.keep(Wiretap(w.peer, 'wire'))
        self.guest = w.keep(Wiretap(w.guest.net, 'guest'))
        self.to = interface_mac(w.host, 'out')
        self.mark = os.urandom(8)
        self.number = 0
        self.allowed = set()
        self.expect_reached(lambda: self.wrapped(self.inner()))

    def inner(self, dst=MAC, src=SENDER, room=40, allowed=True):
        self.number += 1
        if allowed:
            self.allowed.add(self.number)
        return ether(dst, src, self.mark + struct.pack('!I', self.number) + bytes(room))

    def bad(self, **options):
        """A frame that is not to reach the guest."""
        return self.inner(allowed=False, **options)

    def outer(self, datagram, src=None, **options):
        """IP and Ethernet around the UDP packet as it is."""
        write, kind = (ipv6, IPV6) if self.v6 else (ipv4, IPV4)
        return ether(self.to, SENDER, write(src or self.w.theirs, self.w.ours, datagram, **options), kind)

    def around(self, datagram, src=None, **options):
        """The same, with the checksum that there has to be over IPv6."""
        if self.v6:
            datagram = summed(src or self.w.theirs, self.w.ours, datagram)
        return self.outer(datagram, src, **options)

    def wrapped(self, frame, vni=100, src=None, **options):
        return self.around(udp(vxlan(vni, frame, **options)), src)

    def numbers(self):
        """Those of the frames that the guest got since the last call, all of which it may get."""
        got = {struct.unpack('!I', f[22:26])[0] for f in self.guest.take() if f[14:22] == self.mark}
        assert got <= self.allowed, got - self.allowed
        return got

    def drops(self):
        counts = {}
        for s in self.w.d.call('stats_uplinks'):
            for reason, n in s['rx_drops'].items():
                counts[reason] = counts.get(reason, 0) + n
        return counts

    def expect(self, reason, frames):
        """All of the frames are dropped for this reason, and for no other but that of what is not for us at all.
        They are sent again if some were lost before they got to the switch."""
        before = self.drops()

        def grown():
            now = self.drops()
            return {r: n - before.get(r, 0) for r, n in now.items() if n > before.get(r, 0)}
        sent = 0
        while grown().get(reason, 0) < len(frames):
            if self.is_filtered and sent:
                break
            assert sent < 10 * len(frames), (reason, len(frames), sent, grown())
            for i in range(0, len(frames), AT_ONCE):
                for frame in frames[i:i + AT_ONCE]:
                    self.tap.send(frame)
                sent += len(frames[i:i + AT_ONCE])
                try:
                    wait_for(lambda: grown().get(reason, 0) >= sent, 0.1 if self.is_filtered else 10, reason)
                except TimeoutError:
                    pass
        # The others have arrived when a later one has.
        self.expect_reached(lambda: self.wrapped(self.inner()))
        rest = grown()
        # What is not for us has no upper end, because kernels send their own packets on this wire at any time.
        rest.pop('not_vxlan', None)
        assert rest.pop(reason, 0) <= sent, (reason, sent, grown())
        assert not rest, (reason, rest)

    def expect_reached(self, make):
        """The guest gets what make() makes, of which more is sent until some of it is there, however late."""
        first = self.number + 1

        def is_there():
            self.tap.send(make())
            return max(self.numbers(), default=0) >= first
        wait_for(is_there, 60, 'the packet reaches the guest')

    def check(self):
        """The guest got nothing else, nothing went back to the wire, and each packet is accounted for."""
        self.numbers()
        assert not [f for f in self.tap.take() if self.mark in f], 'a packet went back to the wire'
        check_counters(self.w.d)
        check_uplinks(self.w.d)


def truncated(a):
    """A packet of any length, whose headers still speak of the whole, or of what is left."""
    whole = a.wrapped(a.bad())
    a.expect('outer_malformed', [whole[:n] for n in range(14, len(whole))])
    header = 40 if a.v6 else 20
    ends = range(0, 8), range(8, 8 + 8), range(16, 16 + 14)
    datagram = udp(vxlan(100, a.bad()))
    cut = [[a.around(udp(datagram[8:n], length=n)[:n]) for n in end] for end in ends]
    # What has no room for the headers is for anybody, as UDP packets of other ports are.
    a.expect('not_vxlan', cut[0] + cut[1])
    a.expect('inner_malformed', cut[2])
    a.expect_reached(lambda: a.wrapped(a.inner(room=0)))
    # The length of the UDP packet is none of the IP packet's.
    wrong = [n for n in (0, 7, 8, 15, 16, 40, 65535) if n != len(datagram)]
    a.expect('outer_malformed', [a.around(udp(vxlan(100, a.bad()), length=n)) for n in wrong])
    if not a.v6:
        a.expect('outer_malformed', [a.around(datagram, length=n) for n in (0, 19, len(datagram) + header + 1, 65535)])


def sums(a):
    """Wrong checksums, and none where there has to be one."""
    good = udp(vxlan(100, a.bad()))
    wrong = []
    for value in (1, 0x1234, 0xffff):
        datagram = summed(a.w.theirs, a.w.ours, good)
        datagram = datagram[:6] + bytes(x ^ y for x, y in zip(datagram[6:8], struct.pack('!H', value))) + datagram[8:]
        if datagram[6:8] != bytes(2):
            wrong.append(a.outer(datagram))
    if a.v6:
        wrong.append(a.outer(good))
    else:
        frame = a.around(good)
        wrong += [frame[:24] + struct.pack('!H', value) + frame[26:] for value in (0, 0xffff, 0x0101)]
    a.expect('outer_bad_sum', wrong)
    a.expect_reached(lambda: a.outer(summed(a.w.theirs, a.w.ours, udp(vxlan(100, a.inner())))))


def fragments(a):
    """The whole of it never comes together, not even in the kernel."""
    if not a.v6 and not a.is_filtered:
        return  # DPDK's driver for plain sockets has the kernel put those together
    datagram = udp(vxlan(100, a.bad()))
    first, second = datagram[:32], datagram[32:]
    if a.v6:
        header = struct.pack('!BBHI', 17, 0, 1, 77), struct.pack('!BBHI', 17, 0, 32, 77)
        parts = [a.outer(h + part, protocol=44) for h, part in zip(header, (first, second))]
    else:
        parts = [a.around(part, fragment=f) for part, f in ((first, 0x2000), (second, 32 // 8), (second, 0x2004))]
    a.expect('outer_fragment', parts)


def strangers(a):
    """Unknown networks and senders, of which one claims to be the switch itself."""
    numbers = [n for n in random.Random(1).sample(range(1 << 24), 4096) if n != 100]
    a.expect('unknown_vni', [a.wrapped(a.bad(), vni=n) for n in [0, 99, 101, 0xffffff, *numbers]])
    if a.v6:
        senders = ['fd09::77', a.w.ours, '::', '::1', 'ff02::1']
    else:
        senders = ['10.9.0.77', a.w.ours, '0.0.0.0', '127.0.0.1', '239.1.1.1', '255.255.255.255']
    a.expect('unknown_vtep', [a.wrapped(a.bad(), src=src) for src in senders])


def headers(a):
    """The header of VXLAN: without a VNI it is none; bits that are reserved are ignored (RFC 7348, 5)."""
    a.expect('vxlan_malformed', [a.wrapped(a.bad(), flags=f) for f in (0, 0xf7000000, 0x00ffffff)])
    for flags in (0x08000001, 0x0c000000, 0xffffffff):
        a.expect_reached(lambda flags=flags: a.wrapped(a.inner(), flags=flags, reserved=0xff))


def inner_frames(a):
    """From addresses that are none, to nobody here, or with a tunnel of their own, which is not looked into."""
    a.expect('inner_malformed', [a.wrapped(a.bad(src=src)) for src in
                                 (BROADCAST, '01:00:5e:01:01:01', '33:33:00:00:00:01', '00:00:00:00:00:00')])

    def is_known():
        a.tap.send(a.wrapped(a.inner()))
        return SENDER in [e['mac'] for e in a.w.d.call('fdb_list')]
    wait_for(is_known, 60, 'the sender is learned')
    # The address is behind the host that the packet comes from: it does not go back there.
    a.expect('no_receiver', [a.wrapped(a.bad(dst=SENDER))])

    def nested():
        within = a.around(udp(vxlan(100, a.bad())))
        return a.wrapped(mac(MAC) + mac(SENDER) + within[12:])
    for _ in range(20):
        a.tap.send(nested())
    a.expect_reached(lambda: a.wrapped(a.inner()))


def many_addresses(a):
    """Not all that a host sends from are learned."""
    def behind():
        """The addresses of which the host is known."""
        return [e for e in a.w.d.call('fdb_list') if e.get('remote')]

    def are_learned():
        for i in range(5 * LEARNED):
            a.tap.send(a.wrapped(a.inner(src=f'52:55:00:00:{i >> 8:02x}:{i & 255:02x}')))
            if i % AT_ONCE == 0:
                time.sleep(0.001)
        return len(behind()) > LEARNED / 2
    wait_for(are_learned, 60, 'addresses are learned')
    a.expect_reached(lambda: a.wrapped(a.inner()))
    assert len(behind()) <= LEARNED, len(behind())
    a.w.d.call('fdb_flush', network='blue')


def attack(a):
    for part in (truncated, sums, fragments, strangers, headers, inner_frames, many_addresses):
        part(a)
        a.check()


def is_harmless(version, driver):
    with Wire(version=version, driver=driver) as w:
        a = Attacker(w)
        attack(a)
        before, files = w.d.memory_kb(), w.d.open_files()
        attack(a)
        assert w.d.memory_kb() < before + MEMORY_KB, (before, w.d.memory_kb())
        wait_for(lambda: w.d.open_files() == files, 60, 'no file stays open')


def over_ipv4():
    """By a plain socket, where all that comes is the switch's to judge, so each packet has its reason."""
    is_harmless(4, 'af_packet')


def over_ipv6():
    is_harmless(6, 'af_packet')


def through_the_filter():
    is_harmless(4, 'af_xdp')


class Flood:
    """One frame, over and over, in a thread, until close()."""

    def __init__(self, tap, frame):
        self.is_over = False
        self.sent = 0

        def send():
            while not self.is_over:
                for _ in range(AT_ONCE):
                    tap.send(frame)
                self.sent += AT_ONCE
        self.thread = threading.Thread(target=send)
        self.thread.start()

    def close(self):
        self.is_over = True
        self.thread.join()


def is_the_receivers_expense():
    """A flood for one guest costs that guest packets, and no guest of another network."""
    with Wire() as w:
        d = w.d
        bystander = w.add_red('52:54:00:00:00:0a', '192.168.8.1/24')
        w.peer.add('192.168.8.2/24', 'vx2')
        w.peer.ip('link set vx2 up')
        w.wait_up()
        bystander.net.wait_ping('192.168.8.2')
        # So the guest's own share is what runs short.
        d.call('budget_set', vm='vm', limit_percent=1)
        a = Attacker(w)
        bystanders = w.keep(Wiretap(bystander.net, 'guest'))
        before = d.memory_kb()
        flood = Flood(a.tap, a.wrapped(a.inner(room=1300)))
        try:
            wait_for(lambda: d.counters('p')['wire_drops'].get('wire_backlog_full', 0) > 100, 60,
                     'the flood is too much')
            for size in (0, 56, 1000, w.inner - 28):
                bystander.net.wait_ping('192.168.8.2', size=size)
                w.peer.wait_ping('192.168.8.1', size=size)
        finally:
            flood.close()
        assert 'wire_backlog_full' not in d.counters('p2')['wire_drops'], d.counters('p2')
        assert not [f for f in bystanders.take() if a.mark in f], 'the flood reached another network'
        d.call('budget_set', vm='vm', limit_percent=100)
        a.expect_reached(lambda: a.wrapped(a.inner()))
        a.check()
        assert d.memory_kb() < before + MEMORY_KB, (before, d.memory_kb())


def floods_have_limits():
    """What is for all ports is limited by the network's rate where it comes from the wire, and by the port's where a
    guest sends it; what is for one is not."""
    with Wire(driver='af_packet') as w:
        a = Attacker(w)
        d = w.d
        d.call('network_set', name='blue', flood_pps=10)

        def are_limited():
            for _ in range(20):
                a.tap.send(a.wrapped(a.inner(dst=BROADCAST)))
            return a.drops().get('flood_limit', 0) > 10
        wait_for(are_limited, 60, 'floods from the wire are limited')
        a.expect_reached(lambda: a.wrapped(a.inner()))
        assert d.call('network_list', name='blue')[0]['flood_pps'] == 10
        d.call('port_set', name='p', bum_pps=10)

        def is_limited():
            for i in range(20):
                a.guest.send(ether(BROADCAST, MAC, struct.pack('!I', i) + bytes(40)))
            return d.counters('p')['drops'].get('flood_limit', 0) > 10
        wait_for(is_limited, 60, 'floods of the guest are limited')
        assert d.port('p')['bum_pps'] == 10
        a.expect_reached(lambda: a.wrapped(a.inner()))
        a.check()


def reserved_bits_may_be_refused():
    with Wire(driver='af_packet', vtep={'strict_reserved': 'on'}) as w:
        a = Attacker(w)
        a.expect('vxlan_malformed', [a.wrapped(a.bad(), flags=flags) for flags in (0x08000001, 0x0c000000)])
        a.expect('vxlan_malformed', [a.wrapped(a.bad(), reserved=1)])
        a.expect_reached(lambda: a.wrapped(a.inner()))
        a.check()


if __name__ == '__main__':
    sys.exit(run_tests([over_ipv4, over_ipv6, through_the_filter, is_the_receivers_expense, floods_have_limits,
                        reserved_bits_may_be_refused]))
