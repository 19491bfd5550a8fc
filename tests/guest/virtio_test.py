#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux's own driver over every kind of ring that libvirt can ask for, with the switch as server and as
client. Each pair of guests talks, stintd dies and comes back where the kind survives that."""
import json
import sys

from world import IPERF_PORT, Pings, World, loss, ping, run_tests, wait_for

RECOVERY_S = 60


def pair(w, **interface):
    """Two guests of a network of their own, alike but for the address."""
    w.network('net')
    options = {'memory_mib': 160, 'vcpus': interface.get('queues', 1)}
    guests = [w.guest(name, {'network': 'net', 'ip': f'10.0.0.{i}/24', **interface}, **options)
              for i, name in enumerate('ab', 1)]
    w.boot(*guests)
    return guests


def talk(w, a, b):
    assert loss(a.check(f'ping -c 10 -i 0.1 {b.ip()}')) == 0
    assert loss(a.check(f'ping -c 10 -i 0.1 -s 1400 {b.ip()}')) == 0
    server = b.serve('iperf3 -s -1', IPERF_PORT)
    a.check(f'iperf3 -c {b.ip()} -t 1 -P 4')
    assert b.wait(server).status == 0
    w.check_counters()


def ride_out_a_crash(w, a, b):
    pings = Pings(a, b.ip())
    pings.wait_answer()
    w.stintd.kill()
    w.stintd.start()
    for port in ('a-0', 'b-0'):
        w.stintd.wait_state(port, 'up')
    pings.wait_answer()
    pings.stop()
    talk(w, a, b)


def two_queue_pairs():
    with World() as w:
        a, b = pair(w, queues=2)
        for guest in (a, b):
            assert 'Combined:\t2' in guest.check('ethtool -l eth0 | tail -3'), guest.check('ethtool -l eth0')
            assert w.stintd.port(f'{guest.name}-0')['queue_pairs_up'] == 2
        talk(w, a, b)
        used = [sum(q['rx_packets'] > 0 for q in w.stintd.counters(port)['queues']) for port in ('a-0', 'b-0')]
        assert 2 in used, f'queues that were used: {used}'
        a.check('ethtool -L eth0 combined 1')
        talk(w, a, b)
        a.check('ethtool -L eth0 combined 2')
        ride_out_a_crash(w, a, b)


def packed_rings():
    with World() as w:
        a, b = pair(w, packed='on')
        assert 'packed' in w.stintd.port('a-0')['state_text']
        talk(w, a, b)
        w.stintd.stop()
        w.stintd.start()
        wait_for(lambda: ping(a, b.ip(), count=1), RECOVERY_S, 'answers after a restart')
        ride_out_a_crash(w, a, b)


def no_mergeable_buffers_no_event_index():
    with World() as w:
        a, b = pair(w, mrg_rxbuf='off', event_idx='off')
        text = w.stintd.port('a-0')['state_text']
        assert 'mrg_rxbuf' not in text and 'event_idx' not in text, text
        talk(w, a, b)
        ride_out_a_crash(w, a, b)


def no_large_packets():
    """A guest that takes none is sent segments by the switch, at no cost to others' offloads."""
    with World() as w:
        w.network('blue')
        a = w.guest('a', {'network': 'blue', 'ip': '10.0.0.1/24'})
        b = w.guest('b', {'network': 'blue', 'ip': '10.0.0.2/24', 'guest_tso': 'off'})
        w.boot(a, b)
        assert 'guest_tso4' not in w.stintd.port('b-0')['features'], w.stintd.port('b-0')
        before = w.stintd.counters('b-0')
        server = b.serve('iperf3 -s -1', IPERF_PORT)
        report = json.loads(a.check(f'iperf3 -c {b.ip()} -t 2 -J'))
        assert report['end']['sum_received']['bytes'] > 1_000_000, report['end']
        assert b.wait(server).status == 0
        after = w.stintd.counters('b-0')
        packets, size = (after[key] - before[key] for key in ('tx_packets', 'tx_bytes'))
        assert packets and size <= 1514 * packets, (packets, size)
        sent = w.stintd.counters('a-0')
        assert 'receiver_no_offload' not in sent['drops'], sent
        # It came in larger ones than it went out in.
        assert sent['rx_packets'] < packets, (sent, packets)
        print(f"  {report['end']['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s", flush=True)
        w.check_counters()


def switch_as_client():
    with World() as w:
        # QEMU listens and waits for the switch; it cannot wait again, so the switch stays up here.
        a, b = pair(w, mode='server')
        talk(w, a, b)
        w.stintd.stop()
        w.stintd.start()
        wait_for(lambda: ping(a, b.ip(), count=1), RECOVERY_S, 'the switch connects again')
        talk(w, a, b)


if __name__ == '__main__':
    sys.exit(run_tests([two_queue_pairs, packed_rings, no_mergeable_buffers_no_event_index, no_large_packets,
                        switch_as_client]))
