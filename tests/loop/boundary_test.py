#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The boundary to front ends: what one of them says costs its neighbours no packet, whatever it is, and neither
the process nor the host's resources are at its mercy."""
import json
import subprocess
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import check_buffers, check_conservation, check_ledger  # noqa: E402
from stintd import BUILD, Stintd, run_tests, wait_for  # noqa: E402

BYSTANDERS = BUILD / 'tests/loop/fe_bystanders'
MESSAGES = 3000


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
                assert seen['received'] == seen['sent'] > MESSAGES, (seen, d.call('stats_ports'))
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
        wait_for(lambda: d.open_files() <= files + 2, 10, f'files are back ({files} before)')
        assert d.read_log().count('refused') < 1000, 'the log is theirs'
        check_accounts(d)


if __name__ == '__main__':
    sys.exit(run_tests([*messages_cost_no_packet(), the_whole_protocol_wrongly]))
