#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Security groups: Linux guests in namespaces, whose TCP, UDP and ping pass where rules allow it, and nowhere else."""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import BROADCAST, IPV4, IPV6, Wiretap, ether, ipv4, ipv6, mac, udp  # noqa: E402
from kernel_vxlan_test import check_counters  # noqa: E402
from netns import Conversation, Guest, Parts  # noqa: E402
from stintd import RpcError, Stintd, run_tests, wait_for  # noqa: E402
from wire_test import OVERLAY, Pair  # noqa: E402

ARP = 0x0806
NAMES = ['web', 'app', 'other']
V4 = {name: f'10.1.0.{i + 1}' for i, name in enumerate(NAMES)}
V6 = {name: f'fd00:1::{i + 1}' for i, name in enumerate(NAMES)}
MACS = {name: f'52:54:00:00:00:0{i + 1}' for i, name in enumerate(NAMES)}


class Server:
    """Listens on TCP ports in a namespace, and takes what comes."""

    def __init__(self, net, ports, address='::'):
        def listen(port):
            s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.listen(64)
            return s
        self.sockets = net.inside(lambda: [listen(p) for p in ports])

    def close(self):
        for s in self.sockets:
            s.close()


def arp_reply(mac_address, address):
    return struct.pack('!HHBBH', 1, IPV4, 6, 4, 2) + mac(mac_address) + socket.inet_aton(address) + bytes(10)


def advertisement(src, dst, target):
    """A neighbour advertisement, without its checksum."""
    return ipv6(src, dst, bytes([136, 0, 0, 0]) + bytes(4) + socket.inet_pton(socket.AF_INET6, target), 58)


def connects(net, address, port, timeout=2):
    """Whether a TCP connection can be made."""
    def work():
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(timeout)
            try:
                s.connect((address, port))
            except (socket.timeout, OSError):
                return False
            return True
    return net.inside(work)


class Tenant(Parts):
    """One switch, one network, three guests, who know each other's MAC addresses from the start."""

    def set_up(self):
        self.d = self.keep(Stintd())
        self.d.call('tenant_create', name='acme')
        self.d.call('network_create', name='blue', tenant='acme', vni=100)
        self.guest = {}
        for name in NAMES:
            self.d.call('vm_create', name=name, tenant='acme')
            self.d.call('port_create', name=name, vm=name, network='blue', socket=self.d.path(f'{name}.sock'),
                        mode='client', mac=MACS[name])
            self.guest[name] = self.keep(Guest(self.d.path(f'{name}.sock'), MACS[name],
                                               [f'{V4[name]}/24', f'{V6[name]}/64'])).net
        for name in NAMES:
            self.d.wait_state(name, 'up', 60)
        for name in NAMES[1:]:
            for address in (V4, V6):
                self.guest[name].wait_ping(address['web'])
                self.guest['web'].wait_ping(address[name])

    def group(self, name, **options):
        return self.d.call('security_group_create', name=name, tenant='acme', **options)

    def rule(self, group, direction='ingress', **options):
        return self.d.call('security_rule_add', group=group, direction=direction, **options)['id']

    def enter(self, port, groups):
        assert self.d.call('port_set', name=port, security_groups=groups)['security_groups'] == groups

    def drops(self, port, reason='security_group'):
        return self.d.counters(port)['drops'].get(reason, 0)

    def stays_out(self, attempt, port):
        """The attempt fails, and packets of the port are dropped for its rules. A packet may take its time, so it is
        tried until one was counted."""
        before = self.drops(port)
        assert not attempt()
        wait_for(lambda: self.drops(port) > before or attempt(), 60, 'its packets are dropped')
        assert self.drops(port) > before


def replies_need_no_rule():
    """Without rules for what comes in, only answers do; pings and connections from inside go on."""
    with Tenant() as t:
        web, app = t.guest['web'], t.guest['app']
        t.keep(Server(app, [80]))
        t.keep(Server(web, [80]))
        assert connects(app, V4['web'], 80)
        t.group('g')
        t.enter('web', 'g')
        for address in (V4, V6):
            web.wait_ping(address['app'])
            assert connects(web, address['app'], 80, 20)
            t.stays_out(lambda address=address: app.pings(address['web']), 'app')
            t.stays_out(lambda address=address: connects(app, address['web'], 80), 'app')
        # A group without rules for what goes out: not even that.
        t.group('none', egress='none')
        t.enter('web', 'none')
        t.stays_out(lambda: web.pings(V4['app']), 'web')
        t.enter('web', '')
        app.wait_ping(V4['web'])
        check_counters(t.d)


def rules_open_what_they_say():
    with Tenant() as t:
        web, app, other = (t.guest[n] for n in NAMES)
        t.keep(Server(web, [79, 80, 90, 91]))
        t.group('g')
        t.enter('web', 'g')
        t.rule('g', protocol='tcp', port_min=80, port_max=90)
        for port, passes in ((79, False), (80, True), (90, True), (91, False)):
            assert connects(app, V4['web'], port, 20 if passes else 2) == passes, port
        t.stays_out(lambda: connects(app, V6['web'], 80), 'app')
        t.rule('g', protocol='tcp', port_min=80, ethertype='ipv6', remote_prefix=f'{V6["app"]}/128')
        assert connects(app, V6['web'], 80, 20)
        t.stays_out(lambda: connects(other, V6['web'], 80), 'other')
        # ICMP by type: an echo request comes in, and is answered.
        t.stays_out(lambda: app.pings(V4['web']), 'app')
        ping = t.rule('g', protocol='icmp', icmp_type=8)
        app.wait_ping(V4['web'])
        t.d.call('security_rule_delete', group='g', id=ping)
        t.stays_out(lambda: app.pings(V4['web']), 'app')
        # Members of a group, and a rule that drops before one that allows.
        t.group('clients')
        t.rule('g', protocol='icmp', remote_group='clients')
        t.stays_out(lambda: app.pings(V4['web']), 'app')
        t.d.call('security_group_add_address', group='clients', address=V4['app'])
        app.wait_ping(V4['web'])
        t.stays_out(lambda: other.pings(V4['web']), 'other')
        t.rule('g', action='drop', protocol='icmp', priority=2000, remote_prefix=V4['app'], id='no')
        t.stays_out(lambda: app.pings(V4['web']), 'app')
        t.d.call('security_rule_delete', group='g', id='no')
        app.wait_ping(V4['web'])
        t.d.call('security_group_remove_address', group='clients', address=V4['app'])
        t.stays_out(lambda: app.pings(V4['web']), 'app')
        check_counters(t.d)


def connections_are_judged_again():
    """When a rule goes, so do the connections that it allowed, and no other."""
    with Tenant() as t:
        t.group('g')
        t.enter('web', 'g')
        everybody = t.rule('g', protocol='tcp', remote_prefix=V4['app'])
        t.rule('g', protocol='tcp', remote_prefix=V4['other'])
        app = t.keep(Conversation(t.guest['web'], t.guest['app'], V4['web']))
        other = t.keep(Conversation(t.guest['web'], t.guest['other'], V4['web']))
        app.wait_progress()
        other.wait_progress()
        t.d.call('security_rule_delete', group='g', id=everybody)
        before = t.drops('app')
        wait_for(lambda: t.drops('app') > before, 60, 'the connection is cut')
        other.wait_progress()
        # Back again, it goes on.
        t.rule('g', protocol='tcp', remote_prefix=V4['app'])
        app.wait_progress()
        # So does one that a group's member had, when it is none any more.
        t.group('clients')
        t.d.call('security_group_add_address', group='clients', address=V4['app'])
        t.d.call('security_rule_add', group='g', direction='ingress', protocol='tcp', remote_group='clients')
        for rule in t.d.call('security_rule_list', group='g'):
            if rule.get('remote_prefix') == f'{V4["app"]}/32' or rule.get('remote_prefix') == V4['app']:
                t.d.call('security_rule_delete', group='g', id=rule['id'])
        app.wait_progress()
        t.d.call('security_group_remove_address', group='clients', address=V4['app'])
        before = t.drops('app')
        wait_for(lambda: t.drops('app') > before, 60, 'the connection is cut')
        t.d.call('security_group_add_address', group='clients', address=V4['app'])
        app.wait_progress()
        # Many changes that concern neither lose nothing.
        before = [t.drops('app'), t.drops('other')]
        for i in range(200):
            t.rule('g', protocol='udp', port_min=1000 + i, id=f'u{i}')
        for i in range(200):
            t.d.call('security_rule_delete', group='g', id=f'u{i}')
        app.wait_progress()
        other.wait_progress()
        assert [t.drops('app'), t.drops('other')] == before
        check_counters(t.d)


def kept_over_a_crash():
    with Tenant() as t:
        t.group('g', egress='none')
        t.group('clients')
        t.rule('g', protocol='icmp', remote_group='clients')
        t.rule('g', protocol='udp', port_min=53, action='drop', priority=7, id='dns')
        t.rule('g', direction='egress', ethertype='ipv6', protocol='58', icmp_type=128, icmp_code=0)
        gone = t.rule('g', protocol='tcp')
        t.d.call('security_rule_delete', group='g', id=gone)
        t.d.call('security_group_add_address', group='clients', address='10.1.0.2/32')
        t.d.call('security_group_add_address', group='clients', address='10.9.0.0/16')
        t.d.call('security_group_remove_address', group='clients', address='10.9.0.0/16')
        t.group('passing')
        t.d.call('security_group_delete', name='passing')
        t.enter('web', 'g,clients')
        t.d.call('vm_set', name='web', max_connections=64)
        asked = [('security_group_list', {}), ('security_rule_list', {}),
                 ('security_group_list_addresses', {'group': 'clients'})]
        before = [t.d.call(m, **p) for m, p in asked]
        t.d.kill()
        t.d.start()
        assert [t.d.call(m, **p) for m, p in asked] == before
        assert t.d.port('web')['security_groups'] == 'g,clients'
        assert t.d.call('vm_list', name='web')[0]['max_connections'] == 64
        for name in NAMES:
            t.d.wait_state(name, 'up', 60)
        t.guest['app'].wait_ping(V4['web'])
        t.stays_out(lambda: t.guest['other'].pings(V4['web']), 'other')


def floods_and_fragments():
    """A flood reaches those whose groups allow it; fragments go the way of their first."""
    with Tenant() as t:
        web, app, other = (t.guest[n] for n in NAMES)
        t.group('g')
        t.enter('web', 'g')
        t.rule('g', protocol='udp', port_min=7000)
        taps = {n: t.keep(Wiretap(t.guest[n], 'guest')) for n in NAMES}

        def got(name, text):
            return [f for f in taps[name].take() if text in f]

        def flood(port, text):
            return ether('ff:ff:ff:ff:ff:ff', MACS['app'],
                         ipv4(V4['app'], '10.1.0.255', udp(text, port=port)), IPV4)
        for port, passes in ((7001, False), (7000, True)):
            text = b'flooded to %d' % port
            frame = flood(port, text)

            def arrives(frame=frame, text=text):
                taps['app'].send(frame)
                return got('other', text)
            wait_for(arrives, 60, 'the other gets it')
            if passes:
                wait_for(lambda frame=frame, text=text: taps['app'].send(frame) or got('web', text), 60, 'web gets it')
            else:
                assert not got('web', text)
        # Too large for one frame: fragments.
        def asks(port, size):
            def work():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(b'x' * size, (V4['web'], port))
            app.inside(work)

        def bound():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((V4['web'], 7000))
            s.settimeout(0.5)
            return s
        server = web.inside(bound)

        def received():
            asks(7000, 4000)
            try:
                return len(server.recv(65536)) == 4000
            except socket.timeout:
                return False
        wait_for(received, 60, 'the datagram arrives in fragments')
        server.close()
        before = t.drops('app')
        wait_for(lambda: asks(7001, 4000) or t.drops('app') > before, 60, 'fragments are dropped')
        check_counters(t.d)
        assert other and before >= 0


def across_the_wire():
    """The receiver's groups hold for what comes through the tunnel, the sender's for what goes into it."""
    with Pair() as pair:
        near, far = pair.hosts
        far.d.call('security_group_create', name='g', tenant='acme')
        far.d.call('port_set', name='p', security_groups='g')
        # From inside, answers come back; from outside, nothing gets in.
        pair.guests[1].wait_ping(OVERLAY[0])

        def lost():
            return far.d.counters('p')['wire_drops'].get('security_group', 0)
        before = lost()
        assert not pair.guests[0].pings(OVERLAY[1])
        wait_for(lambda: lost() > before or pair.guests[0].pings(OVERLAY[1]), 60, 'it is dropped')
        assert lost() > before
        far.d.call('security_rule_add', group='g', direction='ingress', protocol='icmp')
        pair.guests[0].wait_ping(OVERLAY[1])
        far.d.call('security_rule_add', group='g', direction='ingress', protocol='tcp')
        pair.streams(1000000)
        near.d.call('security_group_create', name='none', tenant='acme', egress='none')
        near.d.call('port_set', name='p', security_groups='none')
        before = near.d.counters('p')['drops'].get('security_group', 0)
        assert not pair.guests[0].pings(OVERLAY[1])
        wait_for(lambda: near.d.counters('p')['drops'].get('security_group', 0) > before, 60, 'it does not get out')
        pair.check_counters()


def bad_input_by_name():
    with Stintd() as d:
        d.call('tenant_create', name='acme')
        d.call('tenant_create', name='rival')
        d.call('security_group_create', name='g', tenant='acme')
        d.call('security_group_create', name='theirs', tenant='rival')
        d.call('network_create', name='blue', tenant='acme', vni=100)
        d.call('vm_create', name='vm', tenant='acme')
        d.call('port_create', name='p', vm='vm', network='blue', socket=d.path('p.sock'))
        before = d.call('config_get')
        rule = dict(method='security_rule_add', group='g', direction='ingress')
        for field, says, call in (
                ('remote_prefix', '10.0.0.0/33', dict(rule, remote_prefix='10.0.0.0/33')),
                ('remote_prefix', 'bits behind', dict(rule, remote_prefix='10.0.0.1/8')),
                ('remote_prefix', 'ipv4', dict(rule, remote_prefix='fd00::/8')),
                ('remote_prefix', 'not an IP', dict(rule, remote_prefix='nonsense')),
                ('port_min', '90', dict(rule, protocol='tcp', port_min=90, port_max=80)),
                ('port_min', 'ports', dict(rule, protocol='icmp', port_min=1)),
                ('port_max', 'ports', dict(rule, port_max=1)),
                ('icmp_type', 'icmp', dict(rule, protocol='tcp', icmp_type=8)),
                ('icmp_code', 'icmp_type', dict(rule, protocol='icmp', icmp_code=1)),
                ('protocol', 'tpc', dict(rule, protocol='tpc')),
                ('protocol', '256', dict(rule, protocol='256')),
                ('protocol', 'ipv4', dict(rule, protocol='icmpv6')),
                ('remote_group', 'ghost', dict(rule, remote_group='ghost')),
                ('remote_group', 'rival', dict(rule, remote_group='theirs')),
                ('remote_group', 'remote_prefix', dict(rule, remote_group='g', remote_prefix='10.0.0.0/8')),
                ('group', 'ghost', dict(rule, group='ghost')),
                ('priority', '40000', dict(rule, priority=40000)),
                ('id', 'r1', dict(rule, id='r1')),
                ('security_groups', 'ghost', dict(method='port_set', name='p', security_groups='ghost')),
                ('security_groups', 'rival', dict(method='port_set', name='p', security_groups='theirs')),
                ('security_groups', 'twice', dict(method='port_set', name='p', security_groups='g,g')),
                ('security_groups', 'comma', dict(method='port_set', name='p', security_groups='g,')),
                ('max_connections', 'connections-memory',
                 dict(method='vm_set', name='vm', max_connections=1048576)),
                ('id', 'ghost', dict(method='security_rule_delete', group='g', id='ghost')),
                ('address', '10.0.0.1', dict(method='security_group_remove_address', group='g', address='10.0.0.1')),
                ('name', 'g', dict(method='security_group_create', name='g', tenant='acme')),
                ('tenant', 'ghost', dict(method='security_group_create', name='h', tenant='ghost'))):
            if call['method'] == 'vm_set':
                d.call('port_set', name='p', security_groups='g')
            try:
                d.call(call.pop('method'), **call)
            except RpcError as e:
                assert e.data['field'] == field and says in str(e), (field, says, e.data, str(e))
            else:
                raise AssertionError(f'{call} was not refused')
            if 'max_connections' in call:
                d.call('port_set', name='p', security_groups='')
        assert d.call('config_get') == before
        # A refused call changes nothing of what else it asks for.
        try:
            d.call('vm_set', name='vm', max_connections=64, worker=1000)
        except RpcError as e:
            assert e.data['field'] == 'worker', e.data
        assert d.call('config_get') == before
        # What is in use stays.
        d.call('port_set', name='p', security_groups='g')
        for method, name in (('security_group_delete', 'g'), ('tenant_delete', 'rival')):
            try:
                d.call(method, name=name)
            except RpcError as e:
                assert 'still has' in str(e), e
            else:
                raise AssertionError(f'{method} was not refused')


def packets_are_explained():
    """What packet_trace says is what the datapath counts."""
    with Tenant() as t:
        t.group('g')
        t.enter('web', 'g')
        t.rule('g', protocol='tcp', port_min=443, id='https')
        t.d.call('port_set', name='app', addresses=f'{V4["app"]},{V6["app"]}')
        syn = dict(port='app', dst_mac=MACS['web'], src_ip=V4['app'], dst_ip=V4['web'], protocol='tcp', src_port=40000)
        trace = t.d.call('packet_trace', dst_port=443, **syn)
        assert trace['verdict'] == 'sent', trace
        assert any('rule https of group g (allow, ingress)' in s['why'] for s in trace['steps']), trace
        trace = t.d.call('packet_trace', dst_port=80, **syn)
        assert trace['verdict'] == 'drop' and trace['reason'] == 'security_group', trace
        assert not t.d.call('packet_trace', port='app', dst_mac='01:80:c2:00:00:00')['reason'] != 'reserved_mac'
        tap = t.keep(Wiretap(t.guest['app'], 'guest'))
        for reason, frame in (
                ('security_group', ether(MACS['web'], MACS['app'], ipv4(V4['app'], V4['web'], udp(b'hello')), IPV4)),
                ('spoofed_mac', ether(MACS['web'], MACS['other'], bytes(46))),
                ('spoofed_ip', ether(MACS['web'], MACS['app'], ipv4('10.1.0.99', V4['web'], udp(b'hello')), IPV4)),
                ('spoofed_arp', ether(BROADCAST, MACS['app'], arp_reply(MACS['other'], V4['app']), ARP)),
                ('spoofed_nd', ether(MACS['web'], MACS['app'], advertisement(V6['app'], V6['web'], V6['other']), IPV6)),
                ('dhcp_server', ether(MACS['web'], MACS['app'],
                                      ipv4(V4['app'], V4['web'], udp(b'offer', 67, 68)), IPV4)),
                ('router_advert', ether(MACS['web'], MACS['app'],
                                        ipv6(V6['app'], V6['web'], bytes([134]) + bytes(15), 58), IPV6)),
                ('unreadable', ether(MACS['web'], MACS['app'], b'\x45' + bytes(45), IPV4)),
                ('fragment_unknown', ether(MACS['web'], MACS['app'], ipv4(V4['app'], V4['web'], bytes(64), 17,
                                                                          fragment=100), IPV4)),
                ('no_receiver', ether('52:54:00:00:77:77', MACS['app'], bytes(46))),
                ('same_port', ether(MACS['app'], MACS['app'], bytes(46))),
                ('reserved_mac', ether('01:80:c2:00:00:00', MACS['app'], bytes(46))),
                ('bad_source_mac', ether(MACS['web'], '01:00:00:00:00:01', bytes(46)))):
            trace = t.d.call('packet_trace', port='app', hex=frame.hex())
            assert trace['verdict'] == 'drop' and trace['reason'] == reason, (reason, trace)
            before = t.drops('app', reason)
            wait_for(lambda frame=frame, reason=reason, before=before: tap.send(frame) or
                     t.drops('app', reason) > before, 60, f'{reason} is counted')
        # To nobody's address: no port with a guard gets it.
        trace = t.d.call('packet_trace', port='app', dst_mac='52:54:00:00:77:77')
        assert trace['verdict'] == 'drop' and trace['reason'] == 'no_receiver', trace
        # To all, each receiver by itself.
        trace = t.d.call('packet_trace', port='app', hex=ether('ff:ff:ff:ff:ff:ff', MACS['app'], ipv4(
            V4['app'], '10.1.0.255', udp(b'all')), IPV4).hex())
        told = {s['why'].split(':')[0]: s['verdict'] for s in trace['steps'] if s['step'] == 'deliver'}
        assert told == {'port web': 'drop', 'port other': 'ok'} and trace['verdict'] == 'sent', trace


if __name__ == '__main__':
    sys.exit(run_tests([replies_need_no_rule, rules_open_what_they_say, connections_are_judged_again, kept_over_a_crash,
                        floods_and_fragments, across_the_wire, bad_input_by_name, packets_are_explained]))
