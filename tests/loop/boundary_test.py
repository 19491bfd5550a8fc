#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The boundary to front ends: what one of them says costs its neighbours no packet, whatever it is, and neither
the process nor the host's resources are at its mercy."""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import check_buffers, check_conservation, check_ledger  # noqa: E402
from stintd import BUILD, RpcError, Stintd, run_tests, wait_for  # noqa: E402

BYSTANDERS = BUILD / 'tests/loop/fe_bystanders'
MESSAGES = 3000
MOST_PORTS = 1023  # vswitch/limits.h


def make_ports(d, *names):
    d.call('tenant_create', name='t')
    d.call('network_create', name='n', tenant='t', vni=1)
    for name in names:
        d.call('vm_create', name=name, tenant='t')
        d.call('port_create', name=name, vm=name, network='n', socket=d.path(name))


def play(d, *args):
    run = subprocess.run([BYSTANDERS, d.path('from'), d.path('to'), *args], capture_output=True, text=True,
                         timeout=400)
    assert d.process.poll() is None, f'stintd died:\n{d.read_log()[-3000:]}'
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def check_accounts(d):
    check_conservation(d)
    check_buffers(d)
    check_ledger(d)


def messages_cost_no_packet():
    """Each kind, one for each lot of packets on their way to the very port that it is about."""
    kinds = subprocess.run([BYSTANDERS, '--list'], check=True, capture_output=True, text=True).stdout.split()
    for kind in kinds:
        def test(kind=kind):
            with Stintd() as d:
                make_ports(d, 'from', 'to')
                seen = play(d, kind, str(MESSAGES))
                assert seen['received'] == seen['sent'] >= MESSAGES, (seen, d.call('stats_ports'))
                assert seen['strange'] == 0, seen
                check_accounts(d)
        test.__name__ = f'{kind}_costs_no_packet'
        yield test


def the_whole_protocol_wrongly():
    with Stintd() as d:
        evil = [f'evil{i}' for i in range(8)]
        make_ports(d, 'from', 'to', *evil)
        files = d.open_files()
        seen = play(d, 'misdeeds', *[d.path(name) for name in evil])
        assert seen['received'] == seen['sent'], (seen, d.call('stats_ports'))
        assert seen['refused'] > 10000 and seen['hung_up'] >= 8 * 3, seen
        for name in evil:
            d.wait_state(name, 'waiting')
        wait_for(lambda: d.open_files() <= files + 2, 60, f'files are back ({files} before)')
        assert d.read_log().count('refused') < 1000, 'the log is theirs'
        check_accounts(d)


SETUP = BUILD / 'tests/loop/fe_setup'


def who_sends_half_messages_holds_up_nobody():
    """Twenty of them, which come back as often as they can: others are set up all the same, and neither log nor
    events are theirs."""
    with Stintd() as d:
        evil = [f'evil{i}' for i in range(20)]
        make_ports(d, 'good', *evil)
        start = time.monotonic()
        with subprocess.Popen([SETUP, '--half', *[d.path(name) for name in evil]]) as half:
            try:
                wait_for(lambda: all(d.port(name)['connects'] > 12 for name in evil), 60, 'they come back')
                run = subprocess.run([SETUP, d.path('good'), '10'], capture_output=True, text=True, timeout=120)
                assert run.returncode == 0 and len(run.stdout.split()) == 10, run
                most = 10 + (time.monotonic() - start) / 5 + 1  # changes told of each
                events = [e for e in d.call('events_list') if e['type'] == 'port_state']
                for name in evil:
                    assert sum(e['port'] == name for e in events) <= most, name
                assert any(e.get('left_out', 0) > 0 for e in events) or most < 12, events[-3:]
                lines = d.read_log().splitlines()
                assert sum('evil' in line for line in lines) <= 20 * (2 * most + 10), len(lines)
                assert d.stop() == 0
            finally:
                half.kill()


def as_many_ports_as_stated():
    with Stintd() as d:
        make_ports(d)
        d.call('vm_create', name='v', tenant='t')
        for i in range(MOST_PORTS):
            d.call('port_create', name=f'p{i}', vm='v', network='n', socket=d.path(f's{i}'))
        try:
            d.call('port_create', name='more', vm='v', network='n', socket=d.path('more'))
        except RpcError as e:
            assert e.code == -32004 and str(MOST_PORTS) in str(e), e
        else:
            raise AssertionError('there is no limit')
        with subprocess.Popen([SETUP, '--crowd', d.path('s'), str(MOST_PORTS)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as crowd:
            assert crowd.stdout.readline() == 'ready\n'
            assert all(p['state'] == 'up' for p in d.call('port_list'))
            crowd.stdin.close()
        wait_for(lambda: all(p['state'] == 'waiting' for p in d.call('port_list')), 60, 'all are gone')
        assert d.stop() == 0


if __name__ == '__main__':
    sys.exit(run_tests([*messages_cost_no_packet(), the_whole_protocol_wrongly,
                        who_sends_half_messages_holds_up_nobody, as_many_ports_as_stated]))
