#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ARP and ND suppression between two hosts with stintd (as in wire_test): what guests' kernels ask for does not cross
the wire where the switch knows the answer, and what must be heard by all does."""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import BROADCAST, IPV4, IPV6, Wiretap, ether, mac  # noqa: E402
from stintd import run_tests, wait_for  # noqa: E402
from wire_test import MACS, OVERLAY, UNDERLAY, Pair, inner_of  # noqa: E402

ARP = 0x0806
OVERLAY6 = ['fd00:7::1', 'fd00:7::2']
NOBODYS = '192.168.7.99'


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)


class Suppressed(Pair):
    """Host 0's network suppresses; what its guest asks all for, and what crosses, is counted."""

    def set_up(self, seed=1):
        super().set_up(seed)
        self.crossed = []
        self.d = self.hosts[0].d
        self.guest = self.guests[0]
        for i in (0, 1):
            self.guests[i].add(f'{OVERLAY6[i]}/64', 'guest')
        self.relay.watch = self.note

    def note(self, side, frame):
        inner = inner_of(frame)
        if side == 0 and inner and inner[0] & 1:
            self.crossed.append(inner)

    def questions(self, address):
        """How many to all for this address have crossed."""
        is_v6 = ':' in address
        kind, at = (IPV6, 62) if is_v6 else (ARP, 38)
        target = packed(address)
        return len([f for f in self.crossed
                    if f[12:14] == struct.pack('!H', kind) and f[at:at + len(target)] == target])

    def neighbour(self, address):
        return [n for n in self.d.call('neighbour_list', network='blue') if n['address'] == address]

    def ask_anew(self, address):
        """The guest forgets the address and asks for it, until it has an answer from the far guest."""
        def is_answered():
            self.guest.ip(f'neigh flush to {address} dev guest')
            return self.guest.pings(address)
        wait_for(is_answered, 60, f'{address} is asked for')

    def is_spared(self, address):
        """Whether the switch answers, and nothing crosses."""
        crossed, answered = self.questions(address), self.d.counters('p')['suppressed']
        self.ask_anew(address)
        return self.questions(address) == crossed and self.d.counters('p')['suppressed'] > answered


def what_was_learned_is_not_asked_again():
    with Suppressed() as pair:
        # Without suppression, each question crosses.
        for address in (OVERLAY[1], OVERLAY6[1]):
            before = pair.questions(address)
            pair.ask_anew(address)
            assert pair.questions(address) > before, address
        assert pair.d.counters('p')['suppressed'] == 0
        assert pair.d.call('network_set', name='blue', suppress='learned')['suppress'] == 'learned'
        for address in (OVERLAY[1], OVERLAY6[1]):
            # The reply to the first question, which crosses, teaches the address.
            wait_for(lambda address=address: pair.ask_anew(address) or pair.neighbour(address), 60, 'it is learned')
            found = pair.neighbour(address)[0]
            assert found['mac'] == MACS[1] and not found['static'], found
            wait_for(lambda address=address: pair.is_spared(address), 60, f'questions for {address} are answered')
            found = pair.guest.ip(f'neigh show {address} dev guest')
            assert MACS[1] in found, found
        # The far guest asks as ever, and gets its answers.
        pair.guests[1].ip(f'neigh flush to {OVERLAY[0]} dev guest')
        pair.guests[1].wait_ping(OVERLAY[0])
        pair.check_counters()


def probes_cross():
    """Duplicate address detection finds the far guest, by both protocols."""
    with Suppressed() as pair:
        pair.d.call('network_set', name='blue', suppress='learned')
        for address in (OVERLAY[1], OVERLAY6[1]):
            wait_for(lambda address=address: pair.ask_anew(address) or pair.neighbour(address), 60, 'it is learned')
        tap = pair.keep(Wiretap(pair.guest, 'guest'))
        probe = ether(BROADCAST, MACS[0], struct.pack('!HHBBH', 1, IPV4, 6, 4, 1) + mac(MACS[0]) + bytes(10) +
                      packed(OVERLAY[1]), ARP)

        def is_told():
            tap.send(probe)
            return [f for f in tap.take() if f[12:14] == struct.pack('!H', ARP) and f[20:22] == b'\0\2' and
                    f[22:28] == mac(MACS[1]) and f[38:42] == bytes(4)]
        wait_for(is_told, 60, 'the far guest answers a probe')
        # The kernel itself, for an address that is taken.
        pair.guest.ip(f'addr add {OVERLAY6[1]}/64 dev guest')
        wait_for(lambda: 'dadfailed' in pair.guest.ip('addr show dev guest'), 60, 'the kernel notices')
        pair.guest.ip(f'addr del {OVERLAY6[1]}/64 dev guest')
        pair.check_counters()


def operators_know_better():
    """Static neighbours are answered for whatever packets say, and after a crash."""
    with Suppressed() as pair:
        d = pair.d
        d.call('network_set', name='blue', suppress='static')
        d.call('fdb_add', network='blue', mac=MACS[1], remote=UNDERLAY[1])
        for address in (OVERLAY[1], OVERLAY6[1]):
            pair.ask_anew(address)
            assert not pair.neighbour(address), 'it is learned'
            d.call('neighbour_add', network='blue', address=address, mac=MACS[1])
        for i in (0, 1):
            for address in (OVERLAY[1], OVERLAY6[1]):
                wait_for(lambda address=address: pair.is_spared(address), 60, f'questions for {address} are answered')
            if i == 0:
                d.kill()
                d.start()
                pair.hosts[0].wait_up()
                pair.wait_pings()
        # Others are asked for as ever.
        before = pair.questions(NOBODYS)
        pair.guest.pings(NOBODYS)
        wait_for(lambda: pair.guest.pings(NOBODYS) or pair.questions(NOBODYS) > before, 60, 'others are asked for')
        d.call('network_set', name='blue', suppress='off')
        before = pair.questions(OVERLAY[1])
        wait_for(lambda: pair.ask_anew(OVERLAY[1]) or pair.questions(OVERLAY[1]) > before, 60, 'questions cross again')
        pair.check_counters()


if __name__ == '__main__':
    sys.exit(run_tests([what_was_learned_is_not_asked_again, probes_cross, operators_know_better]))
