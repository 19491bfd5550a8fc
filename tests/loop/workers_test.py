#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: packets cross from one's VM to the other's, while VMs and ports come, go and move."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import Testpmd, check_buffers, check_conservation, check_ledger, exchange, make_ports  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402


def two_workers():
    cores = sorted(os.sched_getaffinity(0))
    assert len(cores) >= 2, 'needs two cores'
    return Stintd(workers=','.join(str(c) for c in cores[-2:]))


def packets_cross():
    with two_workers() as d:
        make_ports(d)
        assert d.port('p0')['worker'] != d.port('p1')['worker']
        exchange(d, at_least=1000)


class Flood:
    """vm0 and vm1, each sending to the other as fast as testpmd can, at a worker each. Testpmd takes what they
    receive and drops it."""

    def __init__(self):
        self.d = two_workers()
        make_ports(self.d)
        self.pmd = Testpmd(self.d)
        for i in range(2):
            self.d.wait_state(f'p{i}', 'up')
        self.pmd.wait_ready()
        self.pmd.command('set fwd flowgen')
        self.pmd.command('start')
        self.wait_received()

    def received(self, port):
        return sum(q['tx_packets'] for q in self.d.counters(port)['queues'])

    def wait_received(self):
        """Both receive more than they have by now."""
        before = [self.received(f'p{i}') for i in range(2)]
        wait_for(lambda: all(self.received(f'p{i}') > before[i] + 100 for i in range(2)), 30, 'packets cross')

    def vms_come_and_go(self):
        for _ in range(200):
            self.d.call('vm_create', name='other', tenant='t')
            self.d.call('vm_delete', name='other')
        self.wait_received()

    def ports_come_and_go(self):
        """What was on its way to a port is never taken for what its successor gets."""
        d = self.d
        d.call('network_create', name='apart', tenant='t', vni=2)
        d.call('vm_create', name='other', tenant='t')
        for i in range(50):
            d.call('port_create', name='px', vm='other', network='n' if i % 2 else 'apart', socket=d.path('px.sock'))
            d.call('port_delete', name='px')
        d.call('vm_delete', name='other')
        d.call('network_delete', name='apart')
        self.wait_received()

    def vms_move(self):
        d = self.d
        cores = [w['worker'] for w in d.call('worker_list')]
        for i in range(40):
            d.call('vm_set', name=f'vm{i % 2}', worker=cores[i // 2 % 2])
            if i % 8 == 0:
                self.wait_received()
        assert d.port('p0')['worker'] == d.port('p1')['worker']
        d.call('vm_set', name='vm0', worker=cores[0])
        d.call('vm_set', name='vm1', worker=cores[1])
        self.wait_received()

    def a_port_changes_networks(self):
        d = self.d
        d.call('network_create', name='apart', tenant='t', vni=2)
        d.call('port_set', name='p1', network='apart')
        before = self.received('p1')
        time.sleep(0.3)
        assert self.received('p1') == before, 'nothing crosses networks'
        d.call('port_set', name='p1', network='n')
        d.call('network_delete', name='apart')
        self.wait_received()

    def all_is_accounted_for(self):
        self.pmd.command('stop')
        check_conservation(self.d)
        check_buffers(self.d)
        check_ledger(self.d)

    def close(self):
        try:
            self.pmd.close()
        finally:
            self.d.close()


def changes_under_traffic():
    flood = Flood()
    try:
        flood.vms_come_and_go()
        flood.ports_come_and_go()
        flood.vms_move()
        flood.a_port_changes_networks()
        flood.all_is_accounted_for()
    finally:
        flood.close()


if __name__ == '__main__':
    sys.exit(run_tests([packets_cross, changes_under_traffic]))
