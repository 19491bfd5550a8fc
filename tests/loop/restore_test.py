#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A restart never serves less than before, and what it cannot serve is seen, retried and removed."""
import json
import pathlib
import resource
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from memory_test import Hugepages  # noqa: E402
from stintd import BUILD, RpcError, Stintd, run_tests, wait_for  # noqa: E402


def populate(d, vms=2):
    d.call('tenant_create', name='t')
    d.call('network_create', name='n', tenant='t', vni=1)
    for i in range(vms):
        d.call('vm_create', name=f'v{i}', tenant='t')
        d.call('port_create', name=f'p{i}', vm=f'v{i}', network='n', socket=d.path(f'p{i}.sock'))


def restart_with(d, change):
    """Stops it, lets change(call) change each call of its configuration, and starts it again."""
    d.stop()
    config = json.loads(d.config.read_text())
    for call in config['calls']:
        change(call)
    d.config.write_text(json.dumps(config))
    d.start()


def fails(d, method, **params):
    try:
        d.call(method, **params)
    except RpcError:
        return
    raise AssertionError(f'{method} is not refused')


def events(d, kind):
    return [e for e in d.call('events_list') if e['type'] == kind]


def hugepages_come_and_go():
    """Of 30 VMs in ordinary memory, some find hugepages when it starts again, and none is lost."""
    with Hugepages(0), Stintd() as d:
        populate(d, 30)
        assert d.call('status_get')['packet_memory_huge'] == 0
        with Hugepages(80):
            d.stop()
            d.start()
            status = d.call('status_get')
            assert status['state'] == 'ok', status
            assert 0 < status['packet_memory_huge'] < status['packet_memory'], status
            assert len(d.call('port_list')) == 30
            assert d.call('version_get')['hugepages'] is True
            d.stop()
        d.start()
        assert d.call('status_get')['state'] == 'ok'
        assert len(d.call('vm_list')) == 30


def a_worker_that_is_not_there_is_stood_in_for():
    with Stintd() as d:
        populate(d)
        core = d.call('worker_list')[0]['worker']

        def pin(call):
            if call['method'] == 'vm_create' and call['params']['name'] == 'v1':
                call['params']['worker'] = 777
        restart_with(d, pin)
        vm = d.call('vm_list', name='v1')[0]
        assert vm['worker'] == core and vm['wanted_worker'] == 777, vm
        assert 'wanted_worker' not in d.call('vm_list', name='v0')[0]
        status = d.call('status_get')
        assert status['displaced'] == 1 and status['state'] == 'degraded', status
        told = events(d, 'vm_displaced')
        assert [(e['vm'], e['worker'], e['wanted_worker']) for e in told] == [('v1', core, 777)], told
        # The wish is kept, until another one is said.
        assert [c['params']['worker'] for c in d.call('config_get')['calls']
                if c['method'] == 'vm_create' and 'worker' in c['params']] == [777]
        d.call('vm_set', name='v1', worker=core)
        assert d.call('status_get')['state'] == 'ok'
        # Said by hand, it is a mistake.
        try:
            d.call('vm_create', name='v9', tenant='t', worker=777)
        except RpcError as e:
            assert e.code == -32001 and e.data['field'] == 'worker', e
        else:
            raise AssertionError('a worker that is not there was taken')


def what_was_refused_is_shown_retried_and_removed():
    with Stintd() as d:
        populate(d, 3)
        blocker = pathlib.Path(d.path('p1.sock'))

        def no_such_group(call):
            if call['method'] == 'port_create' and call['params']['name'] == 'p0':
                call['params']['group'] = 'no-such-group'
        d.stop()
        blocker.write_text('in the way')
        restart_with(d, no_such_group)
        ports = {p['name']: p for p in d.call('port_list')}
        assert ports['p2']['state'] == 'waiting' and 'refused' not in ports['p2'], ports
        for name, why in (('p0', 'no such group'), ('p1', 'a file that is not a socket is there')):
            assert ports[name]['state'] == 'refused' and why in ports[name]['refused'], ports[name]
            assert ports[name]['state_text'] == f"refused: {ports[name]['refused']}", ports[name]
            assert ports[name]['vm'] == f'v{name[1]}' and ports[name]['network'] == 'n', ports[name]
        assert d.call('port_list', vm='v0') == [ports['p0']]
        status = d.call('status_get')
        assert status['state'] == 'degraded' and status['refused'] == 2, status
        assert 'port p0: ' in status['reasons'][0] and 'no such group' in status['reasons'][0], status
        assert {e['name'] for e in events(d, 'object_refused')} == {'p0', 'p1'}
        # One is removed, the other one can be made now.
        d.call('port_delete', name='p0')
        blocker.unlink()
        assert d.call('config_retry') == {'done': 1, 'refused': 0}
        assert d.port('p1')['state'] == 'waiting'
        assert d.call('status_get')['state'] == 'ok'
        d.stop()
        d.start()
        assert {p['name'] for p in d.call('port_list')} == {'p1', 'p2'}


def what_was_refused_does_not_come_back_twice():
    """Made by hand, it is one object, and one entry of the file."""
    with Stintd() as d:
        populate(d, 1)

        def of_nobody(call):
            if call['method'] == 'vm_create':
                call['params']['tenant'] = 'nobody'
        restart_with(d, of_nobody)
        assert [v['refused'] for v in d.call('vm_list')] == ["tenant 'nobody' does not exist"]
        assert d.port('p0')['refused'] == "vm 'v0' does not exist"
        d.call('vm_create', name='v0', tenant='t')
        assert [v['ports'] for v in d.call('vm_list')] == [0]
        assert d.call('config_retry') == {'done': 1, 'refused': 0}
        made = [(c['method'], c['params']['name']) for c in d.call('config_get')['calls']
                if c['method'] in ('vm_create', 'port_create')]
        assert sorted(made) == [('port_create', 'p0'), ('vm_create', 'v0')], made
        # Ghosts go when they are told to.
        restart_with(d, of_nobody)
        d.call('port_delete', name='p0')
        d.call('vm_delete', name='v0')
        d.stop()
        d.start()
        assert d.call('vm_list') == [] and d.call('port_list') == []


def refused_neighbours_can_be_deleted():
    """One by one, or with their network, which is refused as well; and none comes back in another of its name."""
    with Stintd() as d:
        d.call('tenant_create', name='t')
        d.call('network_create', name='n', tenant='t', vni=1)
        for address in ('10.1.0.1', '2001:db8::1'):
            d.call('neighbour_add', network='n', address=address, mac='52:54:00:00:00:01')

        def rename_tenant(call):
            if call['method'] == 'network_create':
                call['params']['tenant'] = 'nobody'
        restart_with(d, rename_tenant)
        assert d.call('status_get')['refused'] == 3
        assert d.call('neighbour_list') == []
        assert d.call('neighbour_delete', network='n', address='2001:DB8:0::1') is True
        assert d.call('status_get')['refused'] == 2
        fails(d, 'neighbour_delete', network='n', address='2001:db8::1')
        d.call('network_delete', name='n')
        assert d.call('status_get')['refused'] == 0
        d.call('network_create', name='n', tenant='t', vni=1)
        d.kill()
        d.start()
        assert d.call('neighbour_list') == []


def a_configuration_that_cannot_be_saved_is_saved_later():
    with Stintd() as d:
        populate(d, 1)
        # No file of the daemon may grow, as on a disk that is full.
        limits = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        try:
            d.call('tenant_create', name='late')
        except RpcError as e:
            assert 'in force, but not saved' in str(e), e
        else:
            raise AssertionError('it was saved')
        assert [t['name'] for t in d.call('tenant_list')] == ['t', 'late']
        status = d.call('status_get')
        assert status['config_saved'] is False and 'not saved' in ' '.join(status['reasons']), status
        assert len(events(d, 'config_unsaved')) == 1
        resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, limits)
        wait_for(lambda: d.call('status_get')['config_saved'], 60, 'it is saved')
        assert len(events(d, 'config_saved')) == 1
        d.kill()
        d.start()
        assert [t['name'] for t in d.call('tenant_list')] == ['t', 'late']


def a_folder_that_is_not_there_is_said_before_the_first_change():
    with Stintd() as d:
        config = d.path('later/config.json')
        d.stop()
        d.args += ['--config', config]
        d.start()
        status = d.call('status_get')
        assert status['state'] == 'degraded' and status['config_saved'] is False, status
        assert config in ' '.join(status['reasons']), status
        assert len(events(d, 'config_unsaved')) == 1
        pathlib.Path(config).parent.mkdir()
        wait_for(lambda: d.call('status_get')['state'] == 'ok', 60, 'it is saved')
        assert pathlib.Path(config).exists()


def killed_at_any_moment_nothing_answered_is_lost():
    """Changes of every kind, each answered, and no chance to write a whole file."""
    with Stintd() as d:
        populate(d)
        d.call('network_create', name='m', tenant='t', vni=2)
        d.call('fdb_add', network='n', mac='52:54:00:00:00:01', port='p0')
        d.call('fdb_add', network='n', mac='52:54:00:00:00:02', port='p1')
        d.call('fdb_add', network='n', mac='52:54:00:00:00:AB', port='p1')
        d.call('fdb_delete', network='n', mac='52:54:00:00:00:ab')
        d.call('network_create', name='gone', tenant='t', vni=3, suppress='static')
        d.call('network_set', name='m', suppress='learned')
        for n in ('n', 'm', 'gone'):
            d.call('neighbour_add', network=n, address='2001:DB8::1', mac='52:54:00:00:00:01', router='on')
        d.call('neighbour_add', network='m', address='10.1.0.1', mac='52:54:00:00:00:01')
        d.call('neighbour_delete', network='m', address='2001:db8:0::1')
        d.call('network_delete', name='gone')  # and its neighbours with it
        d.call('network_create', name='gone', tenant='t', vni=3)
        d.call('vm_set', name='v0', weight=7)
        d.call('budget_set', vm='v1', limit_percent=50)
        d.call('budget_set', tenant='t', weight=300)
        d.call('network_set', name='n', mtu=9000)
        d.call('scheduler_set', slice_us=30)
        d.call('port_set', name='p0', network='m')  # and its static entry is gone
        d.call('port_set', name='p0', network='n')
        d.call('port_delete', name='p1')
        d.call('vm_delete', name='v1')
        d.call('tenant_create', name='u')
        d.call('tenant_delete', name='u')
        for i in range(2):
            before = d.call('config_get')
            d.kill()
            d.start()
            assert d.call('config_get') == before, (before, d.call('config_get'))
            d.call('vm_set', name='v0', weight=8 + i)


def saving_by_hand_does_not_lose_what_follows():
    """The daemon's own file, whatever it is called; and after a file that was loaded in part."""
    with Stintd() as d:
        populate(d)
        other = d.config.with_name('linked.json')
        bad = d.config.with_name('bad.json')
        bad.write_text(json.dumps({'version': 1, 'calls': [
            {'method': 'tenant_create', 'params': {'name': 'loaded'}},
            {'method': 'tenant_create', 'params': {'name': 'loaded'}}]}))
        saves = [lambda: d.call('config_save'), lambda: d.call('config_save', file=str(d.config)),
                 lambda: d.call('config_save', file=str(d.config.parent / '.' / d.config.name)),
                 lambda: d.call('config_save', file=str(other)), lambda: fails(d, 'config_load', file=str(bad))]
        other.symlink_to(d.config.name)
        for i, save in enumerate(saves):
            save()
            d.call('tenant_create', name=f'after-{i}')
            before = d.call('config_get')
            d.kill()
            d.start()
            assert d.call('config_get') == before, (i, before, d.call('config_get'))
        assert any(t['name'] == 'loaded' for t in d.call('tenant_list'))


def a_journal_that_cannot_be_read_is_not_forgotten():
    """What was answered is in it: rather no switch than one without some VMs, and with the file written over."""
    with Stintd() as d:
        populate(d)
        d.kill()
        journal = d.config.with_name(d.config.name + '.journal')
        kept = journal.read_text()
        journal.unlink()
        journal.mkdir()
        run = subprocess.run([BUILD / 'stintd', '--socket', d.socket, '--config', d.config], capture_output=True,
                             text=True, timeout=30, check=False)
        assert run.returncode == 1 and str(journal) in run.stderr.splitlines()[-1], run.stderr
        journal.rmdir()
        journal.write_text(kept)
        d.start()
        assert {v['name'] for v in d.call('vm_list')} == {'v0', 'v1'}


def a_journal_of_another_file_is_left_aside():
    with Stintd() as d:
        populate(d)
        d.stop()
        backup = d.config.read_text()
        d.start()
        d.call('port_delete', name='p0')
        d.call('vm_delete', name='v0')
        d.kill()
        d.config.write_text(backup)
        d.start()
        assert {v['name'] for v in d.call('vm_list')} == {'v0', 'v1'}


if __name__ == '__main__':
    sys.exit(run_tests([hugepages_come_and_go, a_worker_that_is_not_there_is_stood_in_for,
                        what_was_refused_is_shown_retried_and_removed, what_was_refused_does_not_come_back_twice,
                        refused_neighbours_can_be_deleted,
                        a_configuration_that_cannot_be_saved_is_saved_later,
                        a_folder_that_is_not_there_is_said_before_the_first_change,
                        killed_at_any_moment_nothing_answered_is_lost, saving_by_hand_does_not_lose_what_follows,
                        a_journal_that_cannot_be_read_is_not_forgotten, a_journal_of_another_file_is_left_aside]))
