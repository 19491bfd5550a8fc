#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests with a guard and security groups: ping, a TCP stream and DHCP pass where they are allowed, and only there."""
import sys

from world import FILE_PORT, World, ping, run_tests, send, wait_for

UDHCPD = 'interface eth0\nstart 10.0.0.50\nend 10.0.0.60\nlease_file /tmp/leases\npidfile /tmp/udhcpd.pid\n'


def dropped(w, port, reason):
    return w.stintd.counters(port)['drops'].get(reason, 0)


def policy_of_real_guests():
    with World() as w:
        w.network('blue')
        w.stintd.call('security_group_create', name='web', tenant='acme')
        a = w.guest('a', {'network': 'blue', 'ip': '10.0.0.1/24'})
        b = w.guest('b', {'network': 'blue', 'ip': '10.0.0.2/24'}, port={'security_groups': 'web'})
        w.boot(a, b)
        for step in (only_the_server_opens_connections, pings_are_allowed, a_stream_is_allowed,
                     another_address_is_forged, no_dhcp_server_unless_allowed):
            step(w, a, b)
            w.check_counters()
            print(f'  {step.__name__}', flush=True)


def allow(w, **rule):
    return w.stintd.call('security_rule_add', group='web', direction='ingress', **rule)['id']


def only_the_server_opens_connections(w, a, b):
    wait_for(lambda: ping(b, '10.0.0.1', 1), 60, 'answers come in')
    before = dropped(w, 'a-0', 'security_group')
    assert not ping(a, '10.0.0.2', 2)
    assert dropped(w, 'a-0', 'security_group') > before
    trace = w.stintd.call('packet_trace', port='a-0', src_mac=a.interface()['mac'], dst_mac=b.interface()['mac'],
                          src_ip='10.0.0.1', dst_ip='10.0.0.2', protocol='icmp')
    assert trace['verdict'] == 'drop' and trace['reason'] == 'security_group', trace


def pings_are_allowed(w, a, _):
    rule = allow(w, protocol='icmp', icmp_type=8)
    wait_for(lambda: ping(a, '10.0.0.2', 1), 60, 'an echo request comes in')
    w.stintd.call('security_rule_delete', group='web', id=rule)
    wait_for(lambda: not ping(a, '10.0.0.2', 1), 60, 'it does not any more')


def a_stream_is_allowed(w, a, b):
    a.check('head -c 3000000 /dev/urandom > /tmp/sent')
    server = b.serve(f"nc -l -p {FILE_PORT} -e sh -c 'cat > /tmp/got'", FILE_PORT)
    assert a.run(f'nc -w 2 10.0.0.2 {FILE_PORT} < /tmp/sent').status != 0
    b.run('killall nc')
    b.wait(server)
    allow(w, protocol='tcp', port_min=FILE_PORT, remote_prefix='10.0.0.1')
    send(a, b, '10.0.0.2')


def another_address_is_forged(w, a, b):
    w.stintd.call('port_set', name='a-0', mac=a.interface()['mac'], mac_guard='on', addresses='10.0.0.1')
    wait_for(lambda: ping(b, '10.0.0.1', 1), 60, 'its own address passes')
    a.check('ip address add 10.0.0.77/24 dev eth0')
    before = dropped(w, 'a-0', 'spoofed_ip') + dropped(w, 'a-0', 'spoofed_arp')
    assert not ping(b, '10.0.0.77', 2)
    a.run('ping -c 2 -W 1 -I 10.0.0.77 10.0.0.2')
    assert dropped(w, 'a-0', 'spoofed_ip') + dropped(w, 'a-0', 'spoofed_arp') > before
    a.check('ip address del 10.0.0.77/24 dev eth0')


def no_dhcp_server_unless_allowed(w, a, b):
    w.stintd.call('port_set', name='b-0', mac=b.interface()['mac'], mac_guard='on')
    allow(w, protocol='udp', port_min=67)
    b.check(f"printf '{UDHCPD}' > /tmp/udhcpd.conf && touch /tmp/leases && mkdir -p /var/run /var/lib/misc")
    b.start('udhcpd -f /tmp/udhcpd.conf > /tmp/udhcpd.log 2>&1')
    a.check("printf '#!/bin/sh\\n[ \"$1\" = bound ] && echo $ip > /tmp/lease\\nexit 0\\n' > /tmp/script && "
            'chmod +x /tmp/script')

    def asks():
        a.run('rm -f /tmp/lease; udhcpc -i eth0 -n -q -t 2 -T 1 -s /tmp/script', timeout=120)
        return a.run('cat /tmp/lease').status == 0
    wait_for(lambda: not asks() and dropped(w, 'b-0', 'dhcp_server') > 0, 120, 'its answers are dropped')
    w.stintd.call('port_set', name='b-0', allow_dhcp_server='on')
    wait_for(asks, 120, 'the client gets an address')
    assert a.check('cat /tmp/lease').startswith('10.0.0.5'), a.check('cat /tmp/lease')


if __name__ == '__main__':
    sys.exit(run_tests([policy_of_real_guests]))
