#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts with stintd, a guest each, one network, and a wire between them that may lose, double, delay and reorder
frames: what crosses arrives intact, is counted, and goes on when a switch is killed."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import BROADCAST, IPV4, TEST, Wiretap, ether, mac  # noqa: E402
from kernel_vxlan_test import check_counters, check_uplinks, wait_remotes  # noqa: E402
from netns import Conversation, Guest, Net, Parts, link, stream  # noqa: E402
from relay import Relay  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402

UNDERLAY = ['10.9.0.1', '10.9.0.2']
OVERLAY = ['192.168.7.1', '192.168.7.2']
MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02']
MOVING = '52:54:00:00:00:99'
DRIVERS = ['af_xdp', 'af_packet']
VXLAN_OVERHEAD = 50


class Host:
    """Number 0 or 1."""

    def __init__(self, parts, number, relay):
        self.number = number
        self.net = parts.keep(Net())
        link(self.net, 'out', relay, f'to{number}')
        self.net.add(f'{UNDERLAY[number]}/24', 'out')
        self.d = parts.keep(Stintd(prefix=self.net.prefix, args=['--allow-blocking-uplinks']))
        d = self.d
        d.call('uplink_create', name='up0', device=f'net_{DRIVERS[number]}0,iface=out')
        d.call('vtep_create', name='t', uplink='up0', address=UNDERLAY[number])
        d.call('tenant_create', name='acme')
        d.call('network_create', name='blue', tenant='acme', vni=100, mtu=1450, vtep='t')
        d.call('network_add_remote', network='blue', address=UNDERLAY[1 - number])
        d.call('vm_create', name='vm', tenant='acme')
        d.call('port_create', name='p', vm='vm', network='blue', socket=d.path('p.sock'), mode='client')
        self.guest = parts.keep(Guest(d.path('p.sock'), MACS[number], [f'{OVERLAY[number]}/24']))

    def place_of(self, address):
        """The port or the other host behind which an address is."""
        for e in self.d.call('fdb_list', network='blue'):
            if e['mac'] == address:
                return e.get('port') or e['remote']
        return None

    def wait_up(self):
        wait_remotes(self.d)
        self.d.wait_state('p', 'up', 60)


class Pair(Parts):
    def set_up(self, seed=1):
        self.middle = self.keep(Net())
        self.hosts = [Host(self, i, self.middle) for i in (0, 1)]
        self.relay = self.keep(Relay(self.middle, ['to0', 'to1'], seed))
        for h in self.hosts:
            h.wait_up()
        self.guests = [h.guest.net for h in self.hosts]
        self.wait_pings()

    def wait_pings(self):
        for i in (0, 1):
            self.guests[i].wait_ping(OVERLAY[1 - i])

    def streams(self, size):
        for i in (0, 1):
            stream(self.guests[i], self.guests[1 - i], OVERLAY[i], size)

    def check_counters(self):
        """What was sent, received and dropped adds up, in each switch and with what the wire carried."""
        for h in self.hosts:
            check_counters(h.d)
            check_uplinks(h.d)


def inner_of(frame):
    """The frame within, where it is VXLAN."""
    is_vxlan = frame[12:14] == struct.pack('!H', IPV4) and frame[23] == 17 and frame[36:38] == struct.pack('!H', 4789)
    return frame[VXLAN_OVERHEAD:] if is_vxlan else None


def number_in(frame):
    """The number of a frame of ours, which stands behind its type."""
    return struct.unpack('!I', frame[14:18])[0] if frame and frame[12:14] == struct.pack('!H', TEST) else None


def over_a_clean_wire():
    """Packets and streams cross, addresses are learned, and what was sent is what the wire carried."""
    carried = [0, 0]

    def count(side, frame):
        carried[side] += inner_of(frame) is not None

    with Pair() as pair:
        for i, h in enumerate(pair.hosts):
            wait_for(lambda h=h, i=i: h.place_of(MACS[1 - i]) == UNDERLAY[1 - i], 60, 'the far address is learned')
            wait_for(lambda h=h, i=i: h.place_of(MACS[i]) == 'p', 60, 'the near address is learned')
        before = [h.d.call('stats_uplinks')[0]['tx_packets'] for h in pair.hosts]
        pair.relay.watch = count
        pair.streams(2000000)
        pair.wait_pings()
        pair.check_counters()
        for i, h in enumerate(pair.hosts):
            # A packet of the guests' own accord may have come between.
            sent = h.d.call('stats_uplinks')[0]['tx_packets'] - before[i]
            assert carried[i] > 1000 and abs(sent - carried[i]) < 50, (sent, carried)


def over_a_bad_wire():
    """With losses, doubles and delays, streams arrive as they were sent, and all is counted."""
    with Pair(seed=2) as pair:
        pair.relay.impair(loss=0.02, duplication=0.02, reordering=0.05, delay_s=0.001)
        pair.streams(400000)
        assert min(pair.relay.lost) > 0, pair.relay.lost
        pair.wait_pings()
        pair.relay.impair()
        pair.wait_pings()
        pair.check_counters()


def floods_cross_once():
    """A broadcast crosses the wire once, arrives once, and never comes back."""
    crossed = [{}, {}]

    def count(side, frame):
        number = number_in(inner_of(frame))
        if number is not None:
            crossed[side][number] = crossed[side].get(number, 0) + 1

    with Pair() as pair:
        taps = [Wiretap(g, 'guest') for g in pair.guests]
        arrived = [{}, {}]
        pair.relay.watch = count
        n = 0

        def send_more():
            nonlocal n
            for side in (0, 1):
                # To all, and to an address that nobody knows.
                for to in (BROADCAST, '52:54:00:00:77:77'):
                    taps[side].send(ether(to, MACS[side], struct.pack('!I', n) + bytes(42)))
                    n += 1
                for frame in taps[side].take():
                    number = number_in(frame)
                    if number is not None:
                        arrived[side][number] = arrived[side].get(number, 0) + 1
            return min(map(len, arrived)) >= 200
        wait_for(send_more, 60, 'floods arrive')
        for side in (0, 1):
            assert not set(crossed[0]) & set(crossed[1]), 'a flood came back'
            assert set(crossed[side].values()) == {1}, 'a flood crossed more than once'
            assert set(arrived[side].values()) == {1}, 'a flood arrived more than once'
            assert set(arrived[side]) <= set(crossed[1 - side]), 'a flood came back to its guest'
            taps[side].close()
        pair.check_counters()


def addresses_move():
    """An address that is seen behind another host is reached there from now on, and back again."""
    with Pair() as pair:
        taps = [Wiretap(g, 'guest') for g in pair.guests]
        places = [['p', UNDERLAY[1]], [UNDERLAY[0], 'p']]
        n = 0
        for home in (0, 1, 0):
            away = 1 - home

            def appears(home=home):
                taps[home].send(ether(BROADCAST, MOVING, bytes(46)))
                return all(h.place_of(MOVING) == places[i][home] for i, h in enumerate(pair.hosts))
            wait_for(appears, 60, f'the address is behind host {home}')

            def is_reached(home=home, away=away):
                nonlocal n
                n += 1
                taps[away].send(ether(MOVING, MACS[away], struct.pack('!I', n) + bytes(42)))
                return any(f[:6] == mac(MOVING) and number_in(f) for f in taps[home].take())
            wait_for(is_reached, 60, f'the address is reached behind host {home}')
            # What was under way has arrived when later packets have: now none goes to the old place.
            for tap in taps:
                tap.take()
            pair.wait_pings()
            assert not [f for f in taps[away].take() if f[:6] == mac(MOVING) and number_in(f)], 'it is reached at both'
        for tap in taps:
            tap.close()
        pair.check_counters()


def a_switch_is_killed():
    """The guests' connections go on when it is back. The host's own, by the same interface, go on meanwhile."""
    with Pair() as pair:
        guests = pair.keep(Conversation(pair.guests[1], pair.guests[0], OVERLAY[1]))
        hosts = pair.keep(Conversation(pair.hosts[1].net, pair.hosts[0].net, UNDERLAY[1]))
        guests.wait_progress()
        hosts.wait_progress()
        for h in (*pair.hosts, *pair.hosts):
            h.d.kill()
            hosts.wait_progress()
            h.d.start()
            hosts.wait_progress()
            h.wait_up()
            guests.wait_progress()
            pair.wait_pings()
        pair.streams(200000)
        pair.check_counters()


if __name__ == '__main__':
    sys.exit(run_tests([over_a_clean_wire, over_a_bad_wire, floods_cross_once, addresses_move, a_switch_is_killed]))
