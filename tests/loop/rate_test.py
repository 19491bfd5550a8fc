#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Rates of ports, both ways, with testpmd's ports as guests: no more passes than they allow in the time that a test
takes, nothing that a guest sends is lost for it, and what it is sent beyond is counted."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from budget_test import refused  # noqa: E402
from paths_test import Testpmd, check_conservation, check_ledger, crossed, make_ports  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402
from workers_test import two_workers  # noqa: E402

PPS = 2000
BURST = 64  # packets that a bucket holds at least
BPS = 1000000
FRAME = 64
LONG_PACKET = 65536 * 8  # bits that a bucket holds at least
RATES = ('rate_bps', 'rate_pps', 'rate_in_bps', 'rate_in_pps')


def sent(d, port):
    return d.counters(port)['in']


def delivered(d, port):
    return sum(q['tx_packets'] for q in d.counters(port)['queues'])


def passed(count, seconds=1.0):
    """What is counted in some time, and the longest that this may have been."""
    start, before = time.monotonic(), count()
    time.sleep(seconds)
    return count() - before, time.monotonic() - start


class Scene:
    def __init__(self, mode, start=Stintd):
        self.d = start()
        make_ports(self.d)
        self.pmd = Testpmd(self.d)
        for i in range(2):
            self.d.wait_state(f'p{i}', 'up')
        self.pmd.wait_ready()
        self.pmd.command(f'set fwd {mode}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pmd.close()
        self.d.close()


def rates_are_kept_and_checked():
    with Stintd() as d:
        make_ports(d)
        given = {name: 1000 + i for i, name in enumerate(RATES)}
        assert all(d.port('p0')[name] == 0 for name in RATES)
        d.call('port_set', name='p0', **given)
        d.call('port_set', name='p1', rate_in_pps=7)
        assert {name: d.port('p0')[name] for name in RATES} == given
        assert [d.port('p1')[name] for name in RATES] == [0, 0, 0, 7]
        for name in RATES:
            for bad in (-1, 10**13, 'fast'):
                refused(-32602, name, d, 'port_set', name='p0', **{name: bad})
                refused(-32602, name, d, 'port_create', name='q', vm='vm0', network='n', socket=d.path('q.sock'),
                        **{name: bad})
        assert {name: d.port('p0')[name] for name in RATES} == given
        d.kill()
        d.start()
        assert {name: d.port('p0')[name] for name in RATES} == given
        d.call('port_set', name='p0', rate_bps=0, rate_in_pps=0)
        assert [d.port('p0')[name] for name in RATES] == [0, 1001, 1002, 0]


def what_a_guest_sends_waits():
    """Packets go to and fro, so the one limited port makes them wait in its ring, and none is lost."""
    with Scene('mac') as s:
        d = s.d
        wait_for(lambda: crossed(s.pmd) >= 10000, 60, 'packets cross')
        d.call('port_set', name='p0', rate_pps=PPS)
        drops = d.counters('p0')['drops']
        n, t = passed(lambda: sent(d, 'p0'))
        assert 0 < n <= PPS * t + BURST, (n, t)
        assert n >= PPS / 10, n
        d.call('port_set', name='p0', rate_pps=0, rate_bps=BPS)
        n, t = passed(lambda: sent(d, 'p0'), 2)
        assert 0 < n * FRAME * 8 <= BPS * t + LONG_PACKET + FRAME * 8, (n, t)
        assert d.counters('p0')['drops'] == drops, d.counters('p0')
        before = d.call('stats_workers')[0]['sleeps']
        wait_for(lambda: d.call('stats_workers')[0]['sleeps'] > before + 50, 60, 'the worker sleeps meanwhile')
        d.call('port_set', name='p0', rate_bps=0)
        wait_for(lambda: passed(lambda: sent(d, 'p0'), 0.5)[0] > 2 * PPS, 60, 'packets flow again')
        s.pmd.command('stop')
        check_conservation(d)
        check_ledger(d)


def what_a_guest_is_sent_is_dropped():
    with Scene('flowgen') as s:
        d = s.d
        s.pmd.command('start')
        wait_for(lambda: delivered(d, 'p1') > 10000, 60, 'packets come')
        d.call('port_set', name='p1', rate_in_pps=PPS)
        n, t = passed(lambda: delivered(d, 'p1'))
        # Ten milliseconds are queued at most, and a burst on top.
        assert 0 < n <= PPS * t + PPS / 100 + 1, (n, t)
        wait_for(lambda: d.counters('p1')['tx_drops'].get('receiver_rate', 0) > PPS, 60, 'drops are counted')
        assert d.counters('p0')['drops']['receiver_rate'] > 0
        other = delivered(d, 'p0')
        wait_for(lambda: delivered(d, 'p0') > other + 10 * PPS, 60, 'the other way is not limited')
        d.call('port_set', name='p1', rate_in_pps=0)
        wait_for(lambda: passed(lambda: delivered(d, 'p1'), 0.5)[0] > 2 * PPS, 60, 'packets flow again')
        s.pmd.command('stop')
        check_conservation(d)
        check_ledger(d)


def what_a_tenants_guests_are_sent_is_one_rate():
    """Two workers deliver to a guest each; the tenant's rate holds for both together, a VM's for itself."""
    with Scene('flowgen', two_workers) as s:
        d = s.d
        both = ('p0', 'p1')
        s.pmd.command('start')
        wait_for(lambda: min(delivered(d, p) for p in both) > 10000, 60, 'packets come')
        b = d.call('budget_set', tenant='t', rate_in_pps=PPS)
        assert b['rate_in_pps'] == PPS and b['rate_in_bps'] == 0, b
        n, t = passed(lambda: sum(delivered(d, p) for p in both))
        assert 0 < n <= PPS * t + PPS / 100 + 2, (n, t)
        wait_for(lambda: all(d.counters(p)['tx_drops'].get('receiver_rate', 0) > 0 for p in both), 60, 'both lose some')
        d.call('budget_set', tenant='t', rate_in_pps=0)
        d.call('vm_set', name='vm1', rate_in_bps=BPS)
        n, t = passed(lambda: sum(q['tx_bytes'] for q in d.counters('p1')['queues']))
        assert 0 < n * 8 <= BPS * t + BPS / 100 + FRAME * 8, (n, t)
        other = delivered(d, 'p0')
        wait_for(lambda: delivered(d, 'p0') > other + 10 * PPS, 60, 'the other VM is not limited')
        # They are in the configuration, and wrong ones are refused.
        for name in ('rate_in_bps', 'rate_in_pps'):
            for bad in (-1, 10**13, 'fast'):
                refused(-32602, name, d, 'budget_set', vm='vm1', **{name: bad})
                refused(-32602, name, d, 'tenant_create', name='u', **{name: bad})
        d.call('budget_set', tenant='t', rate_in_bps=10**12)
        s.pmd.command('stop')
        check_conservation(d)
        check_ledger(d)
        d.kill()
        d.start()
        assert d.call('vm_list', name='vm1')[0]['rate_in_bps'] == BPS
        assert d.call('tenant_list')[0]['rate_in_bps'] == 10**12


def a_tenant_has_one_rate_on_two_workers():
    """Each worker serves a VM that sends all the time. Together they send what one of them might alone."""
    with Scene('flowgen', two_workers) as s:
        d = s.d
        assert d.port('p0')['worker'] != d.port('p1')['worker']
        s.pmd.command('start')
        wait_for(lambda: min(sent(d, 'p0'), sent(d, 'p1')) > 10000, 60, 'both send')
        d.call('budget_set', tenant='t', rate_pps=PPS)
        n, t = passed(lambda: sent(d, 'p0') + sent(d, 'p1'), 2)
        # What is saved up, and what each worker has taken and not used.
        assert 0 < n <= PPS * t + BURST + 2 * PPS / 1000, (n, t)
        before = sent(d, 'p0'), sent(d, 'p1')
        drops = [d.counters(p)['drops'] for p in ('p0', 'p1')]
        wait_for(lambda: sent(d, 'p0') > before[0] + 100 and sent(d, 'p1') > before[1] + 100, 60, 'both have a part')
        assert [d.counters(p)['drops'] for p in ('p0', 'p1')] == drops
        # A VM that moves takes nothing with it.
        d.call('vm_set', name='vm0', worker=d.port('p1')['worker'])
        n, t = passed(lambda: sent(d, 'p0') + sent(d, 'p1'), 2)
        assert 0 < n <= PPS * t + BURST + 2 * PPS / 1000, (n, t)
        d.call('budget_set', tenant='t', rate_pps=0)
        wait_for(lambda: passed(lambda: sent(d, 'p0'), 0.5)[0] > 2 * PPS, 60, 'packets flow again')
        s.pmd.command('stop')
        check_conservation(d)
        check_ledger(d)


if __name__ == '__main__':
    sys.exit(run_tests([rates_are_kept_and_checked, what_a_guest_sends_waits, what_a_guest_is_sent_is_dropped,
                        a_tenant_has_one_rate_on_two_workers, what_a_tenants_guests_are_sent_is_one_rate]))
