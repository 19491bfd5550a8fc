#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: packets cross from one's VM to the other's, while VMs and ports come, go and move."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from budget_test import refused  # noqa: E402
from loadgen_test import loadgen  # noqa: E402
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
        wait_for(lambda: all(self.received(f'p{i}') > before[i] + 100 for i in range(2)), 60, 'packets cross')

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

    def what_was_measured_stays_when_a_vm_moves(self):
        """Its histogram is that of all workers; beside its bound is what it waited for where it is now."""
        d = self.d
        cores = [w['worker'] for w in d.call('worker_list')]
        for i in range(2):
            d.call('vm_set', name=f'vm{i}', worker=cores[0])
        d.call('budget_set', vm='vm0', guarantee_us=100)
        self.wait_received()  # nothing is on its way to the other worker any more
        d.call('stats_reset_peaks')
        wait_for(lambda: d.call('budget_get_bound', vm='vm0')['longest_wait_us'] > 0, 60, 'vm0 waits')
        self.pmd.command('stop')
        check_conservation(d)
        wait_for(self.is_quiet, 60, 'nothing is served any more')
        before = [self.histogram(kind) for kind in ('service', 'wait')]
        there = d.call('budget_get_bound', vm='vm0')
        assert there['worker'] == cores[0] and min(h['count'] for h in before) > 0, (there, before)
        d.call('vm_set', name='vm0', worker=cores[1])
        assert [self.histogram(kind) for kind in ('service', 'wait')] == before
        here = d.call('budget_get_bound', vm='vm0')
        assert here['worker'] == cores[1] and here['longest_wait_us'] == 0, here
        self.pmd.command('start')
        wait_for(lambda: self.histogram('service')['count'] > before[0]['count'] + 100, 60, 'it is served here')
        vm = d.call('stats_vms', vm='vm0')[0]
        assert vm['services'] - vm['interrupted'] <= self.histogram('service')['count'], vm
        d.call('budget_set', vm='vm0', guarantee_us=0)
        d.call('vm_set', name='vm1', worker=cores[1])
        d.call('vm_set', name='vm0', worker=cores[0])
        self.wait_received()

    def histogram(self, kind):
        h = self.d.call('histogram_get', vm='vm0', kind=kind)
        assert h['count'] == sum(b['count'] for b in h['buckets']), h
        return h

    def is_quiet(self):
        before = self.histogram('service')['count']
        time.sleep(0.2)
        return self.histogram('service')['count'] == before

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
        flood.what_was_measured_stays_when_a_vm_moves()
        flood.a_port_changes_networks()
        flood.all_is_accounted_for()
    finally:
        flood.close()


class Funded:
    """Four VMs on each of two workers, which flood each other with chains of 256 descriptors. The first of each
    worker has a guarantee, and next to no weight: without the guarantee it would get a three-hundredth."""

    GUARANTEE = 400  # us in a millisecond
    MOST_SECONDS = 12

    def __init__(self, d):
        self.d = d
        self.cores = [w['worker'] for w in d.call('worker_list')]
        d.call('tenant_create', name='t')
        for w, core in enumerate(self.cores):
            d.call('network_create', name=f'n{w}', tenant='t', vni=w + 1)
            for i in range(4 * w, 4 * w + 4):
                d.call('vm_create', name=f'vm{i}', tenant='t', worker=core)
                d.call('port_create', name=f'p{i}', vm=f'vm{i}', network=f'n{w}', socket=d.path(f'p{i}.sock'))
            d.call('vm_set', name=f'vm{4 * w}', weight=1, guarantee_us=self.GUARANTEE)

    def granted(self):
        return [w['guaranteed_percent'] for w in self.d.call('worker_list')]

    def check_admission(self):
        """What is granted on one worker leaves the other as it is."""
        d, (here, there) = self.d, self.cores
        d.call('budget_set', vm='vm1', guarantee_us=450)
        assert self.granted() == [85, 40], self.granted()
        wanted = {'name': 'x', 'tenant': 't', 'guarantee_us': 100}
        text = refused(-32004, 'guarantee_us', d, 'vm_create', **wanted, worker=here)
        assert '10.0 %' in text and '5.0 %' in text, text
        d.call('vm_create', **wanted, worker=there)
        assert self.granted() == [85, 50], self.granted()
        for more in ({}, {'weight': 7}):  # nothing of it is done
            text = refused(-32004, 'guarantee_us', d, 'vm_set', name='x', worker=here, **more)
            assert '10.0 %' in text and '5.0 %' in text, text
            vm = d.call('vm_list', name='x')[0]
            assert vm['worker'] == there and vm['weight'] == 100, vm
        # A tenant's guarantee is kept on all workers, so the fullest one says whether it fits.
        refused(-32004, 'guarantee_us', d, 'tenant_set', name='t', guarantee_us=60)
        d.call('vm_set', name='x', worker=here, guarantee_us=50)
        assert self.granted() == [90, 40], self.granted()
        d.call('vm_set', name='x', worker=there, guarantee_us=500)
        assert self.granted() == [85, 90], self.granted()
        refused(-32004, 'guarantee_us', d, 'vm_set', name='vm0', worker=there)
        d.call('vm_delete', name='x')
        d.call('budget_set', vm='vm1', guarantee_us=0)
        assert self.granted() == [40, 40], self.granted()

    def read(self):
        return {vm['vm']: vm for vm in self.d.call('stats_vms')}

    def watch(self):
        """Two readings, while everybody floods. They are further apart where the machine took the cores away from
        the workers so often that this shows: whom it hits is chance, which evens out."""
        wait_for(lambda: all(vm['services'] > 1000 for vm in self.read().values()), 60, 'all are served')
        self.before = self.read()
        end = time.monotonic() + self.MOST_SECONDS - 2
        while True:
            time.sleep(2)
            self.after = self.read()
            if time.monotonic() > end or all(self.has_guarantee(w) for w in range(2)):
                break

    def has_guarantee(self, w):
        """Whether, of the time that it had work, the VM had its guarantee at least."""
        used, waited = self.more(4 * w, 'used_us'), self.more(4 * w, 'waited_us')
        return used >= 0.9 * self.GUARANTEE / 1000 * (used + waited)

    def more(self, i, key):
        return self.after[f'vm{i}'][key] - self.before[f'vm{i}'][key]

    def check(self, w):
        """The VM had its guarantee, and never waited longer than the bound."""
        funded = 4 * w
        assert self.has_guarantee(w), (w, self.before, self.after)
        for i in range(funded + 1, funded + 4):
            assert self.more(i, 'used_us') > 0 and self.more(i, 'waited_us') > 0, (i, self.before, self.after)
        bound = self.d.call('budget_get_bound', vm=f'vm{funded}')
        assert bound['worker'] == self.cores[w] and '1 service,' in bound['text'], bound
        assert 0 < bound['longest_wait_us'] <= bound['bound_us'], bound


def guarantees_hold_on_each_worker():
    with two_workers() as d:
        funded = Funded(d)
        funded.check_admission()
        loadgen('--vm', f'0-7 socket={d.path("p%d.sock")} attack=chain rate=100000 ring=4096', '--seconds', str(Funded.MOST_SECONDS),
                on_measuring=funded.watch)
        for w in range(2):
            funded.check(w)
        check_conservation(d)
        check_ledger(d)


if __name__ == '__main__':
    sys.exit(run_tests([packets_cross, changes_under_traffic, guarantees_hold_on_each_worker]))
