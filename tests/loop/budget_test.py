#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Budgets of two VMs that flood each other: set while traffic flows, read back, watched and refused."""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import Testpmd, check_conservation, check_ledger, make_ports  # noqa: E402
from stintd import BUILD, RpcError, Stintd, run_tests, wait_for  # noqa: E402


LIMIT = 3  # percent: well below what testpmd makes a VM use


def used_us(d, vm):
    return d.call('budget_get', vm=vm)[0]['used_us']


def share(d, vm, seconds=1.0):
    """Percent of its worker's time that a VM uses now."""
    start, before = time.monotonic(), used_us(d, vm)
    time.sleep(seconds)
    after = used_us(d, vm)
    return (after - before) / 1e4 / (time.monotonic() - start)


def share_itself(d, vm, seconds):
    """The same without what others took from the worker's core meanwhile, which is billed to whom it served
    but forgiven beyond the clamp on debt. (Too little, if it was idle then.)"""
    start, before, lost = time.monotonic(), used_us(d, vm), lost_us(d)
    time.sleep(seconds)
    used, lost = used_us(d, vm) - before, lost_us(d) - lost
    return (used - lost) / 1e4 / (time.monotonic() - start)


def lost_us(d):
    return d.call('stats_workers')[0].get('lost_us', 0)


def refused(code, field, d, method, **params):
    try:
        d.call(method, **params)
    except RpcError as e:
        assert e.code == code, e
        assert field in str(e), e
        return str(e)
    raise AssertionError(f'{method} {params} was not refused')


def next_event(d, kind, vm, since, timeout=10):
    return wait_for(lambda: [e for e in d.call('events_list', since=since)
                             if e['type'] == kind and e['vm'] == vm], timeout, f'{kind} of {vm}')[0]


def next_number(d):
    return max((e['seq'] for e in d.call('events_list')), default=0) + 1


class Scene:
    """vm0 and vm1, each sending to the other as fast as one core of testpmd can."""

    def __init__(self):
        self.d = Stintd()
        make_ports(self.d)
        self.pmd = Testpmd(self.d)
        for i in range(2):
            self.d.wait_state(f'p{i}', 'up')
        self.pmd.wait_ready()
        self.pmd.command('set fwd txonly')
        self.pmd.command('start')
        wait_for(lambda: self.d.counters('p0')['in'] > 1000, 60, 'packets come')

    def limits_hold_and_change_live(self):
        d = self.d
        self.is_unlimited()
        b = d.call('budget_set', vm='vm0', limit_percent=LIMIT)
        assert b['limit_percent'] == LIMIT and b['vm'] == 'vm0'
        time.sleep(0.1)
        # The exact figure is bench/run's to measure.
        limited = share_itself(d, 'vm0', 2)
        assert limited <= 1.1 * LIMIT, limited
        d.call('budget_set', vm='vm0', limit_percent=100)
        self.is_unlimited()
        # The same for the whole tenant.
        d.call('budget_set', tenant='t', limit_percent=LIMIT)
        time.sleep(0.1)
        both = share_itself(d, 'vm0', 1) + share_itself(d, 'vm1', 1)
        assert both <= 1.15 * LIMIT, both
        d.call('budget_set', tenant='t', limit_percent=100)

    def is_unlimited(self):
        """There is something to limit. How much vm0 sends is up to testpmd and the machine."""
        wait_for(lambda: share(self.d, 'vm0', 0.5) > 1.5 * LIMIT, 60, 'vm0 uses more than its limit')

    def a_shared_core_shows(self):
        """What else wants the worker's core takes it away from it, and the statistics say so."""
        d = self.d
        core = d.call('worker_list')[0]['worker']
        before = d.call('stats_workers')[0]
        with subprocess.Popen(['taskset', '-c', str(core), 'sh', '-c', 'while :; do :; done']) as other:
            try:
                wait_for(lambda: all(d.call('stats_workers')[0][key] > before[key] + more for key, more in
                                     (('preemptions', 5), ('lost_us', 5000))), 60, 'the core is taken away')
            finally:
                other.kill()

    def who_is_held_back_burns_no_core(self):
        """The worker sleeps until the limit lets somebody go on."""
        d = self.d
        d.call('budget_set', tenant='t', limit_percent=1)
        before = d.call('stats_workers')[0], self.d.counters('p0')['in']
        wait_for(lambda: d.call('stats_workers')[0]['sleeps'] > before[0]['sleeps'] + 50, 60, 'it sleeps')
        wait_for(lambda: d.counters('p0')['in'] > before[1], 60, 'packets come all the same')
        assert d.call('stats_workers')[0]['system']['idle'] > before[0]['system']['idle']
        d.call('budget_set', tenant='t', limit_percent=100)

    def rate_limits_hold(self):
        d = self.d
        d.call('budget_set', vm='vm0', rate_pps=1000)
        time.sleep(0.2)
        start, before = time.monotonic(), d.counters('p0')['in']
        time.sleep(1)
        rate = (d.counters('p0')['in'] - before) / (time.monotonic() - start)
        assert 0 < rate <= 1100, rate
        d.call('scheduler_set', mode='none')
        wait_for(lambda: self.packets(0.5) > 1000, 60, 'mode none limits nothing')
        d.call('scheduler_set', mode='time')
        d.call('budget_set', vm='vm0', rate_pps=0)

    def packets(self, seconds):
        """What vm0 sends in that time."""
        before = self.d.counters('p0')['in']
        time.sleep(seconds)
        return self.d.counters('p0')['in'] - before

    def guarantees_that_do_not_fit_are_refused(self):
        d = self.d
        d.call('budget_set', vm='vm0', guarantee_us=600)
        text = refused(-32004, 'guarantee_us', d, 'budget_set', vm='vm1', guarantee_us=400)
        assert '40.0 %' in text and '30.0 %' in text, text
        assert d.call('budget_get', vm='vm1')[0]['guarantee_us'] == 0
        refused(-32602, 'guarantee_us', d, 'budget_set', vm='vm1', guarantee_us=200,
                limit_percent=10)
        refused(-32602, 'weight', d, 'budget_set', vm='vm1', weight=0)
        worker = d.call('worker_list')[0]
        assert worker['guaranteed_percent'] == 60, worker
        d.call('budget_set', vm='vm1', guarantee_us=300)
        self.tenants_guarantees_count_too()
        for i in range(2):
            d.call('budget_set', vm=f'vm{i}', guarantee_us=0)

    def tenants_guarantees_count_too(self):
        """VMs have 90 % by now; a tenant's guarantee holds on each worker, beside those of VMs."""
        d = self.d
        refused(-32004, 'guarantee_us', d, 'budget_set', tenant='t', guarantee_us=10)
        refused(-32004, 'guarantee_us', d, 'tenant_set', name='t', guarantee_us=10)
        refused(-32004, 'guarantee_us', d, 'tenant_create', name='u', guarantee_us=10)
        assert d.call('budget_get', tenant='t')[0]['guarantee_us'] == 0
        d.call('budget_set', vm='vm1', guarantee_us=0)
        d.call('budget_set', tenant='t', guarantee_us=200)
        assert d.call('worker_list')[0]['guaranteed_percent'] == 80
        text = refused(-32004, 'guarantee_us', d, 'budget_set', vm='vm1', guarantee_us=150)
        assert '15.0 %' in text and '10.0 %' in text, text
        d.call('tenant_create', name='u', guarantee_us=50)
        text = refused(-32004, 'guarantee_us', d, 'vm_create', name='vm2', tenant='u',
                       guarantee_us=60)
        assert '6.0 %' in text and '5.0 %' in text, text
        d.call('tenant_delete', name='u')
        d.call('budget_set', tenant='t', guarantee_us=300)
        d.call('budget_set', tenant='t', guarantee_us=0)

    def use_can_be_read(self):
        d = self.d
        d.call('budget_set', vm='vm0', limit_percent=10)
        time.sleep(0.5)
        vm = d.call('stats_vms', vm='vm0')[0]
        assert vm['services'] > 100 and vm['throttled'] > 100 and vm['waited_us'] > 0, vm
        assert vm['longest_wait_us'] > 0 and vm['longest_service_us'] > 0
        assert vm['used_us'] >= vm['services'] * 0.1
        budgets = d.call('budget_get', tenant='t')
        assert [b.get('vm') for b in budgets] == [None, 'vm0', 'vm1']
        for key in 'used_us', 'waited_us':
            both = budgets[1][key] + budgets[2][key]  # of which each is rounded down
            assert 0 < both <= budgets[0][key] <= both + 1, (key, budgets)
        assert -5000 <= budgets[1]['balance_us'] <= 20, budgets[1]
        for kind in 'service', 'wait':
            h = d.call('histogram_get', vm='vm0', kind=kind)
            assert h['count'] > 100
            assert h['count'] == sum(b['count'] for b in h['buckets'])
            assert h['p50_us'] <= h['p99_us'] <= h['p999_us'] <= h['max_us'], h
            assert h['max_us'] > 0
        d.call('budget_set', vm='vm0', limit_percent=100)

    def top_shows_who_waits_and_who_owes(self):
        """The same numbers as in the statistics, over its interval."""
        before = {v['vm']: v for v in self.d.call('stats_vms')}
        command = [BUILD / 'stintctl', '-s', self.d.socket, 'top', '--once', '--interval', '0.5']
        top = json.loads(subprocess.run([*command, '--json'], check=True, capture_output=True, timeout=30).stdout)
        after = {v['vm']: v for v in self.d.call('stats_vms')}
        assert len(top['vms']) == 2, top
        for vm in top['vms']:
            then, now = before[vm['vm']], after[vm['vm']]
            for key in ('used_us', 'waited_us', 'overruns'):
                assert 0 <= vm[key] <= now[key] - then[key], (key, vm, then, now)
            for key in ('longest_service_us', 'longest_wait_us'):
                assert then[key] <= vm[key] <= now[key], (key, vm, then, now)
            assert vm['used_us'] > 0 and vm['waited_us'] > 0 and -5000 <= vm['balance_us'] <= 1000, vm
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        assert all(len(line) <= 100 for line in text.splitlines()), text
        for title in ('SHARE%', 'USED', 'WAITED', 'LONGEST', 'BALANCE', 'OVERRUNS'):
            assert title in text, text

    @staticmethod
    def one_service(bound):
        return bound['slice_us'] + bound['overrun_us'] + bound['pause_us']

    def the_bound_can_be_read(self):
        d = self.d
        refused(-32005, 'vm0', d, 'budget_get_bound', vm='vm0')
        d.call('budget_set', vm='vm0', guarantee_us=300)
        alone = d.call('budget_get_bound', vm='vm0')
        assert alone['slice_us'] == 20 and alone['overrun_us'] >= 0 and alone['pause_us'] > 0, alone
        assert abs(alone['bound_us'] - self.one_service(alone)) < 0.1, alone
        d.call('budget_set', vm='vm1', guarantee_us=100)
        two = d.call('budget_get_bound', vm='vm0')
        assert abs(two['bound_us'] - 2 * self.one_service(two)) < 0.1, two
        assert two['overrun_us'] <= max(v['longest_overrun_us'] for v in d.call('stats_vms'))
        assert 0 <= two['longest_wait_us'] <= two['bound_us'], two
        assert '2 services' in two['text'], two
        d.call('scheduler_set', mode='rate')
        refused(-32005, 'vm0', d, 'budget_get_bound', vm='vm0')
        d.call('scheduler_set', mode='time')
        for i in range(2):
            d.call('budget_set', vm=f'vm{i}', guarantee_us=0)

    def the_longest_times_begin_anew(self):
        d = self.d
        d.call('budget_set', vm='vm0', guarantee_us=300)
        wait_for(lambda: all(self.peaks()[key] > 0 for key in ('service', 'wait', 'pause', 'funded')), 60, 'traffic')
        self.pmd.command('stop')
        wait_for(self.is_quiet, 60, 'nothing is served any more')
        before = self.counts()
        assert d.call('stats_reset_peaks') is True
        assert not any(self.peaks().values()), self.peaks()
        assert self.counts() == before
        assert d.call('histogram_get', vm='vm0', kind='service')['max_us'] > 0
        self.pmd.command('start')
        wait_for(lambda: self.peaks()['service'] > 0 and self.peaks()['pause'] > 0, 60, 'traffic')
        d.call('budget_set', vm='vm0', guarantee_us=0)

    def counts(self):
        return [(v['services'], v['overruns'], v['waited_us'], v['used_us']) for v in self.d.call('stats_vms')]

    def is_quiet(self):
        before = self.counts()
        time.sleep(0.2)
        return self.counts() == before

    def peaks(self):
        """The longest times of all, in microseconds."""
        bound = self.d.call('budget_get_bound', vm='vm0')
        vms = self.d.call('stats_vms')
        return {'pause': bound['pause_us'], 'funded': bound['longest_wait_us'],
                **{what: max(v[f'longest_{what}_us'] for v in vms) for what in ('service', 'overrun', 'wait')}}

    def staying_over_a_budget_is_an_event(self):
        d = self.d
        time.sleep(2)  # what went before is over
        for change, back, reason in (({'limit_percent': 5}, {'limit_percent': 100}, 'limit'),
                                     ({'guarantee_us': 10}, {'guarantee_us': 0}, 'guarantee')):
            since = next_number(d)
            start = time.monotonic()
            d.call('budget_set', vm='vm0', **change)
            over = next_event(d, 'vm_over_budget', 'vm0', since)
            assert time.monotonic() - start > 1, 'at once'
            assert over['reason'] == reason and over['tenant'] == 't' and over['text'], over
            time.sleep(2)
            assert len(d.call('events_list', since=since)) == 1, d.call('events_list', since=since)
            start = time.monotonic()
            d.call('budget_set', vm='vm0', **back)
            within = next_event(d, 'vm_within_budget', 'vm0', since)
            assert time.monotonic() - start > 1, 'at once'
            assert within['seq'] == over['seq'] + 1, d.call('events_list', since=since)

    def afterwards_all_is_accounted_for(self):
        self.pmd.command('stop')
        time.sleep(0.2)
        check_conservation(self.d)
        check_ledger(self.d)
        assert self.d.stop() == 0

    def close(self):
        self.pmd.close()
        self.d.close()


def main():
    scene = Scene()
    try:
        return run_tests([scene.limits_hold_and_change_live, scene.who_is_held_back_burns_no_core,
                          scene.a_shared_core_shows,
                          scene.rate_limits_hold,
                          scene.guarantees_that_do_not_fit_are_refused, scene.use_can_be_read,
                          scene.top_shows_who_waits_and_who_owes,
                          scene.the_bound_can_be_read, scene.the_longest_times_begin_anew,
                          scene.staying_over_a_budget_is_an_event,
                          scene.afterwards_all_is_accounted_for])
    finally:
        scene.close()


if __name__ == '__main__':
    sys.exit(main())
