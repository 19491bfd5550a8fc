#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Offloads of Linux guests, switched off in every way that there is: by the port, by libvirt, in the guest. What
arrives is what was sent."""
import sys
import time

from world import World, give_ipv6, ping, run_tests, send, wait_for

MIB = 8
SENDERS = {  # what ethtool switches off
    'all offloads': '',
    'no segmentation': 'tso off',
    'no segmentation, of any kind': 'tso off gso off',
    'no checksums': 'tx off',
}


def mean_length(w, port, before):
    """Bytes a packet that the port was sent since."""
    after = w.stintd.counters(port)
    packets, size = (after[key] - before[key] for key in ('tx_packets', 'tx_bytes'))
    return size / packets


def each_offload_on_and_off():
    with World() as w:
        w.network('net')
        sender = w.guest('all', {'network': 'net', 'ip': '10.0.0.1/24'})
        receivers = [w.guest('checksum', {'network': 'net', 'ip': '10.0.0.2/24'}, port={'offloads': 'checksum'}),
                     w.guest('none', {'network': 'net', 'ip': '10.0.0.3/24'}, port={'offloads': 'none'}),
                     w.guest('libvirt', {'network': 'net', 'ip': '10.0.0.4/24', 'host_tso': 'off', 'guest_tso': 'off'}),
                     w.guest('whole', {'network': 'net', 'ip': '10.0.0.5/24'})]
        w.boot(sender, *receivers)
        for number, guest in enumerate((sender, *receivers), 1):
            give_ipv6(guest, number)
            guest.check(f'dd if=/dev/urandom of=/tmp/sent bs=1M count={MIB}')
        for number in (2, 3, 4, 5):
            wait_for(lambda address=f'fd00::{number}': ping(sender, address, 1, '-6'), 60, 'IPv6 works')
        features = {name: w.stintd.port(f'{name}-0')['features'] for name in ('all', 'checksum', 'none', 'libvirt')}
        assert {'csum', 'guest_csum', 'host_tso4', 'guest_tso6', 'host_ecn', 'guest_ecn'} <= set(features['all'])
        assert {'csum', 'guest_csum'} <= set(features['checksum'])
        assert not any('tso' in name or 'ecn' in name for name in features['checksum']), features
        assert not any('tso' in name or 'csum' in name for name in features['none']), features
        assert not any('tso' in name for name in features['libvirt']), features
        for what, switches in SENDERS.items():
            start = time.monotonic()
            if switches:
                sender.check(f'ethtool -K eth0 {switches}')
            for number, receiver in enumerate(receivers, 2):
                before = w.stintd.counters(f'{receiver.name}-0')
                for address in (receiver.ip(), f'fd00::{number}'):
                    send(sender, receiver, address)
                mean = mean_length(w, f'{receiver.name}-0', before)
                assert receiver.name == 'whole' or mean <= 1514, (what, receiver.name, mean)
            print(f'  {what} ({time.monotonic() - start:.1f} s)', flush=True)
        for receiver in receivers:
            for address in (sender.ip(), 'fd00::1'):
                send(receiver, sender, address)
        w.check_counters()


if __name__ == '__main__':
    sys.exit(run_tests([each_offload_on_and_off]))
