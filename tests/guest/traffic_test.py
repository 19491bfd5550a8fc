#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests in two networks: who reaches whom, with which frames, and what it costs when nobody talks."""
import json
import os
import sys
import time

from world import IPERF_PORT, World, loss, ping, run_tests, wait_for

JUMBO_PAYLOAD = 8000


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        fields = stat.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def three_guests_of_two_networks():
    """Two guests of blue talk; one of red, with an address of the same subnet, is alone."""
    with World() as w:
        w.network('blue', mtu=9000)
        w.network('red', tenant='other', mtu=9000)
        a = w.guest('a', {'network': 'blue', 'ip': '10.0.0.1/24', 'mtu': 9000})
        b = w.guest('b', {'network': 'blue', 'ip': '10.0.0.2/24', 'mtu': 9000})
        c = w.guest('c', {'network': 'red', 'ip': '10.0.0.3/24', 'mtu': 9000}, tenant='other')
        w.boot(a, b, c)
        for step in (pings_answered, nothing_crosses_networks, jumbo_frames_pass, tagged_frames_pass,
                     iperf3_runs_both_ways, addresses_are_learned, the_path_mtu_is_adopted, idles_and_wakes):
            start = time.monotonic()
            step(w, a, b, c)
            w.check_counters()
            print(f'  {step.__name__} ({time.monotonic() - start:.1f} s)', flush=True)


def pings_answered(_, a, b, __):
    assert loss(a.check('ping -c 5 -i 0.2 10.0.0.2')) == 0
    assert loss(b.check('ping -c 5 -i 0.2 10.0.0.1')) == 0


def nothing_crosses_networks(w, a, b, c):
    before = w.stintd.counters('c-0')['tx_packets']
    assert not ping(a, '10.0.0.3', count=2)
    assert not ping(c, '10.0.0.1', count=2)
    # Not even with the address known, nor by broadcast.
    a.check(f"arp -s 10.0.0.3 {c.interface()['mac']}")
    assert not ping(a, '10.0.0.3', count=2)
    a.run('ping -c 2 -W 1 -b 10.0.0.255')
    assert w.stintd.counters('c-0')['tx_packets'] == before
    assert ping(a, b.ip())


def jumbo_frames_pass(w, a, b, _):
    assert w.stintd.port('a-0')['front_end_mtu'] == 9000, w.stintd.port('a-0')
    assert loss(a.check(f'ping -c 3 -i 0.2 -s {JUMBO_PAYLOAD} {b.ip()}')) == 0


def tagged_frames_pass(_, a, b, __):
    for guest, address in ((a, '10.9.0.1'), (b, '10.9.0.2')):
        guest.check('ip link add link eth0 name eth0.7 type vlan id 7 && ip link set eth0.7 up && '
                    f'ip address add {address}/24 dev eth0.7')
    pid = b.start('timeout 60 tcpdump -n -e -i eth0 -c 2 vlan 7 > /tmp/seen 2>&1')
    b.check("timeout 30 sh -c 'until grep -q listening /tmp/seen; do usleep 20000; done'")
    assert loss(a.check('ping -c 3 -i 0.2 10.9.0.2')) == 0
    b.wait(pid)
    seen = b.check('cat /tmp/seen')
    assert 'vlan 7' in seen, seen


def iperf3_runs_both_ways(w, a, b, _):
    for options, receiver in (('', 'b-0'), ('-R', 'a-0')):
        server = b.serve('iperf3 -s -1', IPERF_PORT)
        before = w.stintd.counters(receiver)
        report = json.loads(a.check(f'iperf3 -c {b.ip()} -t 2 -J {options}'))
        assert report['end']['sum_received']['bytes'] > 1_000_000, report['end']
        assert b.wait(server).status == 0
        after = w.stintd.counters(receiver)
        packets, size = (after[key] - before[key] for key in ('tx_packets', 'tx_bytes'))
        # Segments arrived as the sender made them: nobody cut them to the MTU on the way.
        assert size > 9100 * packets, f'{size / packets:.0f} bytes a packet'


def addresses_are_learned(w, a, b, _):
    learned = {entry['mac']: entry['port'] for entry in w.stintd.call('fdb_list', network='blue')}
    assert learned[a.interface()['mac']] == 'a-0', learned
    assert learned[b.interface()['mac']] == 'b-0', learned


def the_path_mtu_is_adopted(w, a, b, _):
    """Guests whose MTU is above the network's are told, and send shorter packets from then on."""
    for guest, address in ((a, 'fd00::1'), (b, 'fd00::2')):
        guest.check('echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6 && '
                    f'ip -6 address add {address}/64 dev eth0')
    wait_for(lambda: ping(a, 'fd00::2', 1, '-6'), 60, 'IPv6 works')
    w.stintd.call('network_set', name='blue', mtu=1400)
    told = []
    for address in (b.ip(), 'fd00::2'):
        for _ in range(2):
            before = w.stintd.counters('a-0')['consumed']
            server = b.serve('iperf3 -s -1', IPERF_PORT)
            report = json.loads(a.check(f'iperf3 -c {address} -t 1 -J'))
            assert report['end']['sum_received']['bytes'] > 1_000_000, report['end']
            assert b.wait(server).status == 0
            told.append(w.stintd.counters('a-0')['consumed'] - before)
    # Once for each address, before anything else gets through; a route knows it afterwards.
    assert told[0] > 0 and told[1] == 0 and told[2] > 0 and told[3] == 0, told
    w.stintd.call('network_set', name='blue', mtu=9000)


def idles_and_wakes(w, a, b, _):
    pid = w.stintd.process.pid
    time.sleep(1)
    before, start = cpu_seconds(pid), time.monotonic()
    time.sleep(4)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - start)
    assert share < 0.05, f'{share:.1%} of a core while idle'
    assert loss(a.check(f'ping -c 2 {b.ip()}')) == 0


if __name__ == '__main__':
    sys.exit(run_tests([three_guests_of_two_networks]))
