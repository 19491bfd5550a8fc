#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/guests, as a person uses it: commands run in guests, and nothing of it stays, whatever happens."""
import pathlib
import signal
import subprocess
import sys

from world import ROOT, Stintd, is_running, run_tests

LOGS = ROOT / 'build/guest-logs'


def start(d, guests):
    return subprocess.Popen([ROOT / 'scripts/guests', '-n', str(guests), '--socket', d.socket], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def configuration(d):
    return d.call('config_get')['calls']


def lab_folder(d):
    return pathlib.Path(d.call('port_list')[0]['socket']).parent.parent


def commands_run_and_nothing_stays():
    with Stintd(args=['--no-huge']) as d:
        d.call('tenant_create', name='lab')
        before = configuration(d)
        with start(d, 2) as child:
            out, err = child.communicate('nobody true\nvm1 ping -c 1 10.0.0.2\n'
                                         'vm2 hostname; echo complaint >&2; exit 7\nvm1 true\n', timeout=240)
        assert child.returncode == 7, (child.returncode, err)
        assert '1 packets received' in out and 'vm2\n' in out, out
        for word in ('nobody: no such guest: vm1, vm2', 'complaint\n', 'vm2: exit status 7'):
            assert word in err, err
        # The network was made for them, the tenant was there.
        assert configuration(d) == before, configuration(d)


def a_signal_ends_all_of_it():
    with Stintd(args=['--no-huge']) as d:
        before = configuration(d)
        with start(d, 1) as child:
            child.stdin.write('vm1 echo here\n')
            child.stdin.flush()
            assert child.stdout.readline() == 'here\n'
            folder = lab_folder(d)
            pids = [int(path.read_text()) for path in folder.glob('libvirt/**/*.pid')]
            assert len(pids) >= 3, pids  # libvirtd, virtlogd, QEMU
            child.send_signal(signal.SIGTERM)
            _, err = child.communicate(timeout=120)
        assert child.returncode == 143, (child.returncode, err)
        assert not folder.exists() and configuration(d) == before, (configuration(d), err)
        left = [pid for pid in pids if is_running(pid)]
        assert not left, left


def a_guest_that_cannot_start_leaves_logs():
    with Stintd(args=['--no-huge']) as d:
        d.call('tenant_create', name='other')
        d.call('network_create', name='lab', tenant='other', vni=1)
        before = configuration(d)
        for log in LOGS.glob('*.log'):
            log.unlink()
        with start(d, 1) as child:
            _, err = child.communicate('vm1 true\n', timeout=240)
        assert child.returncode == 1, child.returncode
        assert "network 'lab' belongs to tenant 'other'" in err, err
        assert (LOGS / 'libvirtd.log').exists() and configuration(d) == before


if __name__ == '__main__':
    sys.exit(run_tests([commands_run_and_nothing_stays, a_signal_ends_all_of_it,
                        a_guest_that_cannot_start_leaves_logs]))
