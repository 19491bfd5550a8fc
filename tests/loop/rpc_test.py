#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as an operator's programs meet it: errors that name the field, a configuration that
survives, clients that misbehave, instances that collide."""
import grp
import json
import os
import pathlib
import pwd
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stintd import BUILD, ROOT, RpcError, Stintd, run_tests, wait_for  # noqa: E402


def receive_values(s, count, timeout=60):
    """Reads `count` JSON values from a stream."""
    s.settimeout(timeout)
    decoder, text, values = json.JSONDecoder(), '', []
    while len(values) < count:
        part = s.recv(1 << 16)
        if not part:
            raise ConnectionError(f'hung up after {values}')
        text += part.decode()
        while True:
            text = text.lstrip()
            try:
                value, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break
            values.append(value)
            text = text[end:]
    return values


def ask(s, data, count=1):
    s.sendall(data if isinstance(data, bytes) else json.dumps(data).encode())
    return receive_values(s, count)


def request(method, ident=1, **params):
    return {'jsonrpc': '2.0', 'id': ident, 'method': method, 'params': params}


def configuration(d):
    return d.call('config_get')['calls']


def populate(d):
    d.call('tenant_create', name='acme', weight=200)
    d.call('network_create', name='blue', tenant='acme', vni=10, mtu=9000)
    d.call('network_create', name='red', tenant='acme', vni=11)
    d.call('vm_create', name='web', tenant='acme', uuid='6d0b3c5e-0f5e-4d0f-9f5b-1f0f5a0c7a11')
    d.call('port_create', name='web0', vm='web', network='blue', socket=d.path('web0.sock'),
           socket_mode='0660', queue_pairs=2, mac='52:54:00:aa:bb:cc', offloads='checksum',
           coalesce='off')
    d.call('fdb_add', network='blue', mac='52:54:00:00:00:07', port='web0')
    d.call('network_set', name='red', suppress='learned')
    d.call('neighbour_add', network='red', address='10.1.0.7', mac='52:54:00:00:00:07')
    d.call('neighbour_add', network='blue', address='2001:db8::7', mac='52:54:00:00:00:07', router='on')


def guards_are_kept():
    """A guard is on where there is a mac, unless that is said, and what it is given stays through a restart."""
    with Stintd() as d:
        populate(d)
        port = d.port('web0')
        assert port['mac_guard'] == 'on' and 'addresses' not in port and 'guard_macs' not in port, port
        create = {'vm': 'web', 'network': 'blue', 'mac': '52:54:00:00:00:01'}
        assert d.call('port_create', name='open', socket=d.path('o'), mac_guard='off', **create)['mac_guard'] == 'off'
        assert d.call('port_set', name='open', mac='52:54:00:00:00:02')['mac_guard'] == 'off'
        assert d.call('port_create', name='plain', socket=d.path('p'), vm='web', network='blue',
                      addresses='10.1.0.0/24')['mac_guard'] == 'off'
        most = ','.join([f'10.0.{i}.0/24' for i in range(16)] + [f'2001:db8:{i:x}::/48' for i in range(1, 17)])
        macs = ','.join(f'52:54:00:00:01:0{i}' for i in range(7))
        for change, shown in (({'addresses': '10.1.0.5/32,2001:DB8::5,10.2.0.0/16,::/0'},
                               {'addresses': '10.1.0.5,2001:db8::5,10.2.0.0/16,::/0'}),
                              ({'guard_macs': '52:54:00:00:00:AA'}, {'guard_macs': '52:54:00:00:00:aa'}),
                              ({'allow_router': 'on', 'allow_link_local': 'off'},
                               {'allow_router': 'on', 'allow_link_local': 'off', 'allow_dhcp_server': 'off',
                                'allow_other_ethertypes': 'on', 'guard_macs': '52:54:00:00:00:aa'}),
                              ({'addresses': most, 'guard_macs': macs}, {'addresses': most, 'guard_macs': macs}),
                              ({'mac': '52:54:00:00:00:03'}, {'mac': '52:54:00:00:00:03', 'guard_macs': macs})):
            port = d.call('port_set', name='web0', **change)
            assert shown.items() <= port.items(), port
            before = d.call('config_get')
            d.kill()
            d.start()
            assert d.call('config_get') == before
            assert shown.items() <= d.port('web0').items(), d.port('web0')
        port = d.call('port_set', name='web0', mac='', guard_macs='', addresses='', mac_guard='off')
        assert not {'mac', 'guard_macs', 'addresses'} & port.keys() and port['mac_guard'] == 'off', port
        # What was written before there was more than a mac still means the same.
        restart_with_ports(d, mac='52:54:00:00:00:09', mac_guard='off')
        assert d.port('web0')['mac_guard'] == 'off'


def restart_with_ports(d, **params):
    """Restarts it with a configuration that says something else of all ports."""
    d.stop()
    config = json.loads(d.config.read_text())
    for call in config['calls']:
        if call['method'] == 'port_create':
            call['params'].update(params)
    d.config.write_text(json.dumps(config))
    d.start()


def refusals_name_the_field_and_change_nothing():
    with Stintd() as d:
        populate(d)
        d.call('tenant_create', name='umbrella')
        d.call('network_create', name='theirs', tenant='umbrella', vni=20)
        before = configuration(d)
        taken = d.path('a-file')
        pathlib.Path(taken).write_text('x')
        cases = [
            ('tenant_create', {'name': 'acme'}, -32002, 'name'),
            ('tenant_create', {'name': 'a b'}, -32602, 'name'),
            ('tenant_create', {'name': 'x' * 64}, -32602, 'name'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('p.sock'), 'mac_guard': 'on'},
             -32602, 'mac_guard'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('p.sock'), 'offloads': 'tso'},
             -32602, 'offloads'),
            ('port_set', {'name': 'web0', 'coalesce': 'perhaps'}, -32602, 'coalesce'),
            ('port_set', {'name': 'web0', 'mac': '', 'mac_guard': 'on'}, -32602, 'mac_guard'),
            ('port_set', {'name': 'web0', 'mac': ''}, -32602, 'mac_guard'),
            ('port_set', {'name': 'web0', 'guard_macs': '52:54:00:00:00:01,'}, -32602, 'guard_macs'),
            ('port_set', {'name': 'web0', 'guard_macs': '01:00:00:00:00:01'}, -32602, 'guard_macs'),
            ('port_set', {'name': 'web0', 'guard_macs': '52:54:00:AA:BB:CC'}, -32602, 'guard_macs'),
            ('port_set', {'name': 'web0', 'guard_macs': ','.join(f'52:54:00:00:00:0{i}' for i in range(8))}, -32602,
             'guard_macs'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('p'),
                             'guard_macs': '52:54:00:00:00:01'}, -32602, 'guard_macs'),
            *(('port_set', {'name': 'web0', 'network': 'red', 'addresses': bad}, -32602, 'addresses') for bad in (
                '10.0.0.0/33', '10.0.0.1/24', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/1/2', '10.0.0', ',10.0.0.1',
                '10.0.0.1,', '2001:db8::/129', '2001:db8::1/64', '224.0.0.1', 'ff02::1', '0.0.0.0', '::', '::1',
                '10.0.0.1,10.0.0.2,10.0.0.1/32', '2001:db8::1,2001:DB8:0::1', 'ten', '1' * 2000,
                ','.join(f'10.0.0.{i}' for i in range(17)), ','.join(f'2001:db8::{i}' for i in range(1, 18)))),
            ('port_set', {'name': 'web0', 'network': 'theirs', 'addresses': '10.0.0.1'}, -32602, 'network'),
            ('port_set', {'name': 'web0', 'allow_router': 'yes'}, -32602, 'allow_router'),
            ('tenant_create', {'name': '-x'}, -32602, 'name'),
            ('tenant_create', {'name': 5}, -32602, 'name'),
            ('tenant_create', {}, -32602, 'name'),
            ('tenant_create', {'name': 'b', 'colour': 1}, -32602, 'colour'),
            ('tenant_create', {'name': 'b', 'weight': 0}, -32602, 'weight'),
            ('tenant_create', {'name': 'b', 'weight': 1 << 70}, -32602, 'weight'),
            ('tenant_create', {'name': 'b', 'weight': 1.5}, -32602, 'weight'),
            ('tenant_delete', {'name': 'nobody'}, -32001, 'name'),
            ('tenant_delete', {'name': 'acme'}, -32003, 'name'),
            ('vm_create', {'name': 'v', 'tenant': 'nobody'}, -32001, 'tenant'),
            ('vm_create', {'name': 'v', 'tenant': 'acme', 'uuid': 'x'}, -32602, 'uuid'),
            ('vm_create', {'name': 'v', 'tenant': 'acme', 'worker': 999}, -32001, 'worker'),
            ('vm_delete', {'name': 'web'}, -32003, 'name'),
            ('network_create', {'name': 'n', 'tenant': 'acme', 'vni': 10}, -32002, 'vni'),
            ('network_create', {'name': 'n', 'tenant': 'acme', 'vni': 1 << 24}, -32602, 'vni'),
            ('network_create', {'name': 'n', 'tenant': 'acme', 'vni': 12, 'mtu': 9001}, -32602, 'mtu'),
            ('network_delete', {'name': 'blue'}, -32003, 'name'),
            ('network_set', {'name': 'nowhere', 'mtu': 1500}, -32001, 'name'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': 'relative'}, -32602, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': '/' + 'x' * 107}, -32602, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': '/none/such/dir/s'}, -32602, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': taken}, -32602, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('web0.sock')}, -32002, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': str(d.socket)}, -32003, 'socket'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('p'), 'group': 'no-such-group'}, -32602, 'group'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'blue', 'socket': d.path('p'), 'mac': '01:00:00:00:00:01'}, -32602, 'mac'),
            ('port_create', {'name': 'web0', 'vm': 'web', 'network': 'blue', 'socket': d.path('p')}, -32002, 'name'),
            ('port_create', {'name': 'p', 'vm': 'nobody', 'network': 'blue', 'socket': d.path('p')}, -32001, 'vm'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'nowhere', 'socket': d.path('p')}, -32001, 'network'),
            ('port_create', {'name': 'p', 'vm': 'web', 'network': 'theirs', 'socket': d.path('p')}, -32602, 'network'),
            ('port_set', {'name': 'web0', 'network': 'nowhere'}, -32001, 'network'),
            ('port_set', {'name': 'web0', 'network': 'theirs', 'mac_limit': 3}, -32602, 'network'),
            ('port_set', {'name': 'web0', 'network': 'theirs', 'mac': '52:54:00:00:00:77'}, -32602, 'network'),
            ('port_set', {'name': 'web0', 'network': 'nowhere', 'mac': '52:54:00:00:00:77'}, -32001, 'network'),
            ('fdb_add', {'network': 'blue', 'mac': '52:54:00:00:00:07', 'port': 'web0'}, -32002, 'mac'),
            ('fdb_add', {'network': 'red', 'mac': '52:54:00:00:00:08', 'port': 'web0'}, -32602, 'port'),
            ('fdb_add', {'network': 'blue', 'mac': 'ff:ff:ff:ff:ff:ff', 'port': 'web0'}, -32602, 'mac'),
            ('fdb_delete', {'network': 'blue', 'mac': '52:54:00:00:00:99'}, -32001, 'mac'),
            ('network_set', {'name': 'blue', 'suppress': 'on'}, -32602, 'suppress'),
            ('neighbour_add', {'network': 'blue', 'address': '2001:DB8::7', 'mac': '52:54:00:00:00:08'}, -32002, 'address'),
            ('neighbour_add', {'network': 'nowhere', 'address': '10.1.0.8', 'mac': '52:54:00:00:00:08'}, -32001, 'network'),
            ('neighbour_add', {'network': 'blue', 'address': '10.1.0', 'mac': '52:54:00:00:00:08'}, -32602, 'address'),
            ('neighbour_add', {'network': 'blue', 'address': '239.1.1.1', 'mac': '52:54:00:00:00:08'}, -32602, 'address'),
            ('neighbour_add', {'network': 'blue', 'address': '::ffff:10.1.0.8', 'mac': '52:54:00:00:00:08'}, -32602,
             'address'),
            ('neighbour_add', {'network': 'blue', 'address': '10.1.0.8', 'mac': 'ff:ff:ff:ff:ff:ff'}, -32602, 'mac'),
            ('neighbour_delete', {'network': 'blue', 'address': '10.1.0.8'}, -32001, 'address'),
            ('neighbour_list', {'network': 'nowhere'}, -32001, 'network'),
            ('log_set_level', {'level': 'loud'}, -32602, 'level'),
            ('config_load', {'file': '/none/such'}, -32001, 'file'),
            ('config_save', {'file': '/none/such/dir/x'}, -32603, 'file'),
        ]
        for method, params, code, field in cases:
            try:
                d.call(method, **params)
            except RpcError as e:
                assert e.code == code, (method, params, str(e))
                assert e.data and e.data['field'] == field, (method, params, e.data)
                assert field in str(e), (method, params, str(e))
            else:
                raise AssertionError(f'{method} {params} was done')
        assert configuration(d) == before
        assert not os.path.exists(d.path('p'))


def a_vm_joins_its_tenants_networks_only():
    with Stintd() as d:
        populate(d)
        d.call('tenant_create', name='umbrella')
        d.call('network_create', name='theirs', tenant='umbrella', vni=20)
        for method, params in (('port_create', {'name': 'p', 'vm': 'web', 'socket': d.path('p')}),
                               ('port_set', {'name': 'web0'})):
            try:
                d.call(method, network='theirs', **params)
            except RpcError as e:
                for word in ('theirs', 'umbrella', 'web', 'acme'):
                    assert f"'{word}'" in str(e), e
            else:
                raise AssertionError(f'{method} was done')
        assert d.call('port_set', name='web0', network='red')['network'] == 'red'
        # Nor by a configuration that says so.
        restart_with_ports(d, network='theirs')
        assert [p['state'] for p in d.call('port_list')] == ['refused']
        d.wait_log("network 'theirs' belongs to tenant 'umbrella'")


def requests_of_every_form():
    with Stintd() as d, d.connect() as s:
        # Several in one write, answered in order.
        both = json.dumps(request('version_get', 1)) + json.dumps(request('log_get_level', 'b'))
        answers = ask(s, both.encode(), 2)
        assert [a['id'] for a in answers] == [1, 'b']
        # Byte by byte.
        for byte in json.dumps(request('version_get', 2)).encode():
            s.sendall(bytes([byte]))
        assert receive_values(s, 1)[0]['id'] == 2
        # A batch with a notification in it: that one is done, not answered.
        batch = [request('log_get_level', 3), {'jsonrpc': '2.0', 'method': 'log_set_level',
                                               'params': {'level': 'warn'}},
                 request('log_get_level', 4), {'method': 'x'}]
        answers = ask(s, batch)[0]
        assert [a['id'] for a in answers] == [3, 4, None], answers
        assert answers[1]['result']['level'] == 'warn'
        assert answers[2]['error']['code'] == -32600
        assert ask(s, request('no_such_method'))[0]['error']['code'] == -32601
        assert ask(s, [])[0]['error']['code'] == -32600


def refused(d, data):
    """What a client gets that sends `data`: an error, then the end of the connection."""
    with d.connect() as s:
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = receive_values(s, 1)[0]
        assert s.recv(10) == b''
        return answer['error']['code']


def what_is_no_request():
    with Stintd() as d:
        assert refused(d, b'hello') == -32700
        assert refused(d, b'{"jsonrpc": "2.0", "id": 1, "method": "\xff\xfe"}') == -32700
        assert refused(d, b'{"a": 1, "a": 2}') == -32700
        assert refused(d, b'[' * 100) in (-32600, -32700)
        assert d.call('version_get')['pid'] == d.process.pid


def memory_kb(d):
    for line in open(f'/proc/{d.process.pid}/status', encoding='ascii'):
        if line.startswith('VmRSS'):
            return int(line.split()[1])
    return 0


def a_huge_request_is_cut_short():
    with Stintd() as d:
        before = memory_kb(d)
        with d.connect() as s:
            sent = 0
            try:
                s.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "')
                while sent < 100 << 20:
                    s.sendall(b'x' * (1 << 20))
                    sent += 1 << 20
            except (BrokenPipeError, ConnectionResetError, socket.timeout):
                pass
            assert sent < 20 << 20, 'it read on and on'
        assert memory_kb(d) - before < 20000
        d.call('version_get')


def slow_clients_hold_up_nobody():
    with Stintd() as d:
        silent = [d.connect() for _ in range(20)]
        for s in silent:
            s.sendall(b'{"jsonrpc": "2.0", "id": 1, "met')
        # One asks and asks, and never reads.
        greedy = d.connect()
        greedy.setblocking(False)
        for _ in range(20000):
            try:
                greedy.send(json.dumps(request('rpc.discover')).encode())
            except OSError:
                break
        start = time.monotonic()
        for _ in range(20):
            d.call('version_get')
        assert time.monotonic() - start < 5
        for s in [greedy, *silent]:
            s.close()
        d.call('version_get')


def events_have_numbers():
    with Stintd() as d, d.connect() as s:
        populate(d)
        wait_for(lambda: d.call('events_list'), 60, 'an event')
        answer, first, *_ = ask(s, request('events_subscribe', since=0), 2)
        assert answer['result']['subscribed']
        assert first['method'] == 'event'
        assert first['params']['type'] == 'port_state'
        d.call('port_create', name='web1', vm='web', network='red', socket=d.path('web1.sock'))
        seen = [first['params']]
        while seen[-1].get('port') != 'web1':
            seen += [v['params'] for v in receive_values(s, 1)]
        numbers = [e['seq'] for e in seen]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers


def configuration_survives():
    with Stintd() as d:
        d.wait_log(f'configuration {d.config}: not there, starting without')
        populate(d)
        assert d.port('web0')['coalesce'] == 'off'
        d.call('port_set', name='web0', mac_limit=7)
        assert d.port('web0')['coalesce'] == 'off', 'it was not mentioned'
        d.call('port_create', name='web1', vm='web', network='blue', socket=d.path('web1.sock'))
        assert d.port('web1')['coalesce'] == 'on'
        assert d.call('port_set', name='web1', coalesce='off')['coalesce'] == 'off'
        assert d.call('port_set', name='web0', coalesce='on')['coalesce'] == 'on'
        before = configuration(d)
        d.kill()
        assert os.path.exists(d.path('web0.sock')), 'the socket is left behind by a crash'
        d.start()
        assert configuration(d) == before
        assert d.port('web0')['state'] == 'waiting'
        assert d.stop() == 0
        assert not os.path.exists(d.path('web0.sock'))
        assert not d.socket.exists()
        d.start()
        assert configuration(d) == before


def killed_at_any_moment_the_file_is_whole():
    chance = random.Random(1)
    with Stintd() as d:
        d.call('tenant_create', name='t')
        done = []
        for round_ in range(5):
            stop = threading.Event()

            def create(round_=round_, stop=stop):
                i = 0
                while not stop.is_set():
                    name = f'n{round_}-{i}'
                    try:
                        d.call('network_create', name=name, tenant='t', vni=1 + round_ * 1000 + i,
                               mac_table_size=64)
                    except (OSError, RpcError):
                        return
                    done.append(name)
                    i += 1
            thread = threading.Thread(target=create)
            thread.start()
            time.sleep(0.05 + chance.random() * 0.2)
            d.kill()
            stop.set()
            thread.join()
            d.start()
            names = {c['params'].get('name') for c in d.call('config_get')['calls']}
            # All that was answered is there; what was not answered may be.
            assert set(done) <= names
        assert len(done) > 10


def one_bad_call_keeps_nothing_else_down():
    with Stintd() as d:
        populate(d)
        restart_with_ports(d, group='no-such-group')
        assert [p['state'] for p in d.call('port_list')] == ['refused']
        assert [n['name'] for n in d.call('network_list')] == ['blue', 'red']
        d.wait_log('no-such-group')
        d.call('tenant_create', name='another')
        kept = d.call('config_get')['calls']
        assert any(c['method'] == 'port_create' for c in kept), 'the refused call is lost'


def a_broken_file_is_refused_at_start():
    with Stintd() as d:
        d.stop()
        d.config.write_text('{"version": 1, "calls": [')
        run = subprocess.run([BUILD / 'stintd', '--socket', d.socket, '--config', d.config],
                             capture_output=True, text=True, timeout=30)
        assert run.returncode == 1
        assert str(d.config) in run.stderr and 'line' in run.stderr, run.stderr
        d.config.unlink()


def a_second_instance_is_refused():
    with Stintd() as d:
        run = subprocess.run([BUILD / 'stintd', '--socket', d.socket], capture_output=True,
                             text=True, timeout=30)
        assert run.returncode == 1
        assert str(d.socket) in run.stderr, run.stderr
        assert d.call('version_get')['pid'] == d.process.pid


def a_missing_folder_is_named():
    with tempfile.TemporaryDirectory(prefix='stint-test.') as folder:
        run = subprocess.run([BUILD / 'stintd', '--socket', f'{folder}/none/rpc.sock'], capture_output=True,
                             text=True, timeout=30)
        assert run.returncode == 1
        assert f'folder {folder}/none does not exist' in run.stderr, run.stderr


def bad_arguments_are_refused():
    for args, word in ((['--workers', '999'], '999'), (['--workers', 'x'], 'x'), (['--what'], 'what'),
                       (['extra'], 'extra'), (['--memory', '1'], '1'), (['--wake-latency', '-1'], '-1'), (['--log-level', 'x'], 'x'),
                       (['--socket', '/' + 'x' * 200], 'socket')):
        run = subprocess.run([BUILD / 'stintd', *args], capture_output=True, text=True, timeout=30)
        assert run.returncode == 2, (args, run)
        assert word in run.stderr, (args, run.stderr)
    assert 'Usage' in subprocess.run([BUILD / 'stintd', '--help'], capture_output=True, text=True,
                                     check=True).stdout
    assert 'stintd ' in subprocess.run([BUILD / 'stintd', '--version'], capture_output=True,
                                       text=True, check=True).stdout


def holds_the_wake_latency_while_it_lives():
    """Asked of the kernel, which tells the least of what everybody holds."""
    def held():
        with open('/dev/cpu_dma_latency', 'rb') as f:
            return int.from_bytes(f.read(4), sys.byteorder)

    if not os.path.exists('/dev/cpu_dma_latency'):
        with tempfile.TemporaryDirectory(prefix='stint-test.') as folder:
            run = subprocess.run([BUILD / 'stintd', '--socket', f'{folder}/rpc.sock', '--wake-latency', '17'],
                                 capture_output=True, text=True, timeout=30)
        assert run.returncode == 1 and '--wake-latency 17' in run.stderr, run
        return
    before = held()
    with Stintd(args=['--wake-latency', '17']) as d:
        assert held() == min(before, 17)
        d.wait_log('within 17 us')
        d.kill()
        assert held() == before


def stops_on_a_signal():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Stintd() as d:
            populate(d)
            d.process.send_signal(number)
            assert d.process.wait(timeout=20) == 0
            left = set(os.listdir(d.folder)) - {'config.json', 'stintd.log', 'rpc.sock.lock', 'rpc.sock.rings'}
            assert not left, left


def goes_on_after_a_hangup():
    with Stintd() as d:
        d.process.send_signal(signal.SIGHUP)
        d.wait_log('SIGHUP')
        assert d.call('version_get')['pid'] == d.process.pid


def runs_with_the_capabilities_there_are():
    """As containers have them: what is missing is named, with what it costs."""
    caps = 'chown,dac_override,fowner,setpcap,net_bind_service,kill'.split(',')
    prefix = ['setpriv', f"--bounding-set=-all,{','.join('+' + c for c in caps)}"]
    with Stintd(prefix=prefix) as d:
        log = d.wait_log()
        for name in ('CAP_IPC_LOCK', 'CAP_PERFMON'):
            assert f'without {name} ' in log, log
        assert 'CAP_CHOWN' not in log, log
        populate(d)
        assert d.port('web0')['state'] == 'waiting'
    with Stintd(prefix=['setpriv', '--bounding-set=-all']) as d:
        log = d.wait_log()
        assert log.count('without CAP_') == 5, log
        d.call('version_get')
    with Stintd(prefix=['setpriv', '--bounding-set=-all'], args=['--uplinks']) as d:
        log = d.wait_log()
        assert log.count('without CAP_') == 8, log
        for name in ('CAP_NET_ADMIN', 'CAP_BPF'):
            assert f'without {name} no VTEP can be made' in log, log


def nobody_who_reads_its_log_holds_it_up():
    """Standard error is a pipe that is full: it starts, answers and stops."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b'x' * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    with tempfile.TemporaryDirectory(prefix='stint-test.') as folder:
        path = f'{folder}/rpc.sock'
        with subprocess.Popen([BUILD / 'stintd', '--socket', path], stdin=subprocess.DEVNULL, stdout=writer,
                              stderr=writer) as process:
            try:
                def answers():
                    run = subprocess.run([BUILD / 'stintctl', '--socket', path, '--json', 'version', 'get'],
                                         capture_output=True, text=True, timeout=30)
                    return run.returncode == 0
                wait_for(answers, 60, 'it answers')
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(path)
                    for _ in range(1000):  # more lines than a buffer holds
                        assert 'result' in ask(s, request('tenant_create', name='t'))[0]
                        assert 'result' in ask(s, request('tenant_delete', name='t'))[0]
                assert answers()
                process.terminate()
                assert process.wait(timeout=20) == 0
            finally:
                process.kill()
    os.close(reader)
    os.close(writer)


def management_has_descriptors_left():
    """Front ends are refused before JSON-RPC is, and that is said."""
    with Stintd(prefix=['prlimit', '--nofile=120:120']) as d:
        d.call('tenant_create', name='t')
        d.call('network_create', name='n', tenant='t', vni=1)
        d.call('vm_create', name='v', tenant='t')
        for i in range(30):
            d.call('port_create', name=f'p{i}', vm='v', network='n', socket=d.path(f'p{i}.sock'))
        front_ends = []
        for i in range(30):
            s = socket.socket(socket.AF_UNIX)
            s.connect(d.path(f'p{i}.sock'))
            front_ends.append(s)

        def refused():
            return [p for p in d.call('port_list') if 'no descriptors' in p['state_text']]
        wait_for(lambda: len(refused()) > 0 or all(p['connects'] for p in d.call('port_list')), 60, 'all came')
        more = []
        for i in range(30):
            for _ in range(3):
                s = socket.socket(socket.AF_UNIX)
                s.connect(d.path(f'p{i}.sock'))
                more.append(s)
        with d.connect() as a, d.connect() as b:
            assert ask(a, request('version_get'))[0]['result'] and ask(b, request('version_get'))[0]['result']
        for s in front_ends + more:
            s.close()
        for i in range(30):
            d.wait_state(f'p{i}', 'waiting')


def sockets_are_reachable_whatever_the_umask_is():
    with Stintd(prefix=['sh', '-c', 'umask 077; exec "$@"', 'sh']) as d:
        d.call('tenant_create', name='t')
        d.call('network_create', name='n', tenant='t', vni=1)
        d.call('vm_create', name='v', tenant='t')
        path = pathlib.Path(d.path('folder/p.sock'))
        d.call('port_create', name='p', vm='v', network='n', socket=str(path), socket_mode='0660')
        assert path.stat().st_mode & 0o777 == 0o660
        assert path.parent.stat().st_mode & 0o777 == 0o755
        path.unlink()
        wait_for(path.exists, 60, 'a socket that was removed is made again')
        assert path.stat().st_mode & 0o777 == 0o660


def keeps_few_privileges():
    with Stintd() as d:
        for task in os.listdir(f'/proc/{d.process.pid}/task'):
            status = open(f'/proc/{d.process.pid}/task/{task}/status', encoding='ascii').read()
            caps = int([line for line in status.splitlines() if line.startswith('CapEff')][0]
                       .split()[1], 16)
            # chown (0), dac_override (1), fowner (3), ipc_lock (14), perfmon (38)
            assert caps & ~(1 << 0 | 1 << 1 | 1 << 3 | 1 << 14 | 1 << 38) == 0, hex(caps)
            assert 'NoNewPrivs:\t1' in status


def runs_as_the_unit_says():
    """systemd is told when it is ready and when it stops, and the unit's capabilities are enough."""
    unit = (ROOT / 'docs/stintd.service.in').read_text()
    kept = re.search('^CapabilityBoundingSet=(.*)$', unit, re.M).group(1).lower().replace('cap_', '+').split()
    with tempfile.TemporaryDirectory(prefix='stint-unit.') as folder, socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f'{folder}/notify')
        notify.settimeout(60)
        with Stintd(prefix=['setpriv', f"--bounding-set=-all,{','.join(kept)}", '--no-new-privs'],
                    env={'NOTIFY_SOCKET': f'{folder}/notify'}) as d:
            assert notify.recv(100) == b'READY=1'
            populate(d)
            owner, group = pwd.getpwnam('nobody'), grp.getgrnam('nogroup')
            d.call('port_create', name='theirs', vm='web', network='blue', socket=f'{folder}/theirs', owner='nobody',
                   group='nogroup', socket_mode='0600')
            status = os.stat(f'{folder}/theirs')
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (owner.pw_uid, group.gr_gid, 0o600)
            assert d.stop() == 0
            assert notify.recv(100) == b'STOPPING=1'


def owners_may_be_numbers():
    with Stintd() as d:
        populate(d)
        d.call('port_create', name='theirs', vm='web', network='blue', socket=d.path('theirs'), owner='4711',
               group='4712')
        status = os.stat(d.path('theirs'))
        assert (status.st_uid, status.st_gid) == (4711, 4712)
        d.kill()
        d.start()
        assert (d.port('theirs')['owner'], d.port('theirs')['group']) == ('4711', '4712')
        for number in ('4294967295', '99999999999'):
            try:
                d.call('port_create', name='p', vm='web', network='blue', socket=d.path('p'), owner=number)
            except RpcError as e:
                assert e.data['field'] == 'owner' and number in str(e), e
            else:
                raise AssertionError(f'owner {number} was taken')


def the_read_only_socket_changes_nothing():
    with Stintd() as d:
        d.stop()
        other = d.folder / 'ro.sock'
        d.args = ['--readonly-socket', str(other)]
        d.start()
        main, d.socket = d.socket, other
        assert d.call('tenant_list') == []
        try:
            d.call('tenant_create', name='x')
        except RpcError as e:
            assert e.code == -32006
        else:
            raise AssertionError('it was done')
        d.socket = main
        assert d.call('tenant_list') == []


def many_objects_come_and_go():
    with Stintd() as d:
        d.call('tenant_create', name='t')
        d.call('network_create', name='n', tenant='t', vni=1)
        files = 0
        for round_ in range(3):
            # The first round opens what the vhost library keeps for good.
            if round_ == 1:
                files = d.open_files()
            for i in range(40):
                d.call('vm_create', name=f'v{i}', tenant='t')
                d.call('port_create', name=f'p{i}', vm=f'v{i}', network='n', socket=d.path(f'{i}.s'))
            assert d.call('network_list')[0]['ports'] == 40
            for i in range(40):
                d.call('port_delete', name=f'p{i}')
                d.call('vm_delete', name=f'v{i}')
        assert d.call('vm_list') == [] and d.call('port_list') == []
        wait_for(lambda: d.open_files() <= files, 60, 'files are back')


if __name__ == '__main__':
    sys.exit(run_tests([
        refusals_name_the_field_and_change_nothing, guards_are_kept, a_vm_joins_its_tenants_networks_only,
        requests_of_every_form, what_is_no_request,
        a_huge_request_is_cut_short, slow_clients_hold_up_nobody, events_have_numbers,
        configuration_survives, killed_at_any_moment_the_file_is_whole,
        one_bad_call_keeps_nothing_else_down, a_broken_file_is_refused_at_start,
        a_second_instance_is_refused, a_missing_folder_is_named, bad_arguments_are_refused,
        holds_the_wake_latency_while_it_lives, stops_on_a_signal, goes_on_after_a_hangup,
        runs_with_the_capabilities_there_are, nobody_who_reads_its_log_holds_it_up,
        management_has_descriptors_left, sockets_are_reachable_whatever_the_umask_is, keeps_few_privileges, runs_as_the_unit_says, owners_may_be_numbers,
        the_read_only_socket_changes_nothing, many_objects_come_and_go]))
