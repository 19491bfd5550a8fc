#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Front ends that break every rule (tests/loop/fe_hostile.c) on one port, while two others exchange
packets: the switch goes on, the others do not notice, files and buffers are back afterwards."""
import datetime
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import Testpmd, crossed, check_buffers, check_conservation, check_ledger, make_ports  # noqa: E402
from stintd import BUILD, Stintd, run_tests, wait_for  # noqa: E402

FRONT_END = BUILD / 'tests/loop/fe_hostile'


def progress(d):
    """Packets still reach both of the good ports. (That none is lost is boundary_test's to see.)"""
    before = [d.counters(f'p{i}')['tx_packets'] for i in range(2)]
    wait_for(lambda: all(d.counters(f'p{i}')['tx_packets'] > before[i] + 100 for i in range(2)), 60,
             'the other ports go on')


def may_see_page_faults():
    paranoid = pathlib.Path('/proc/sys/kernel/perf_event_paranoid')
    return paranoid.exists() and (os.geteuid() == 0 or int(paranoid.read_text()) <= 2)


def go_on(front_end):
    front_end.stdin.write('\n')
    front_end.stdin.flush()


class Scene:
    """Two good ports under traffic and one more, for the hostile front end."""

    def __init__(self):
        self.started = time.monotonic()
        self.d = Stintd()
        make_ports(self.d)
        self.d.call('vm_create', name='evil', tenant='t')
        self.d.call('port_create', name='evil', vm='evil', network='n',
                    socket=self.d.path('evil.sock'))
        self.pmd = Testpmd(self.d)
        for i in range(2):
            self.d.wait_state(f'p{i}', 'up')
        self.pmd.wait_ready()
        self.pmd.command('set fwd mac')
        wait_for(lambda: crossed(self.pmd) > 100, 60, 'packets cross')
        # The first connection ever makes what the library keeps for good.
        subprocess.run([FRONT_END, self.d.path('evil.sock'), 'kick_storm'], check=True, timeout=60)
        self.d.wait_state('evil', 'waiting')
        self.files = self.d.open_files()

    def a_broken_ring_may_come_back(self):
        """The state is about the rings that are there now."""
        d = self.d
        d.call('port_create', name='fresh', vm='evil', network='n', socket=d.path('fresh.sock'))
        with self.front_end('broken_ring_comes_back', 'fresh') as front_end:
            d.wait_state('fresh', 'down')
            assert 'index' in d.port('fresh')['state_text'], d.port('fresh')
            for _ in range(2):
                go_on(front_end)
                d.wait_state('fresh', 'up')
                time.sleep(2.5)  # broken rings are looked for once a second
                assert d.port('fresh')['state'] == 'up', d.port('fresh')
            go_on(front_end)
            assert front_end.wait(timeout=60) == 0
        d.wait_state('fresh', 'waiting')
        broken = [e for e in d.call('events_list') if e['type'] == 'ring_broken' and e['port'] == 'fresh']
        assert len(broken) == 1 and 'index' in broken[0]['state_text'], broken
        d.call('port_delete', name='fresh')
        progress(d)

    def going_on_with_bad_chains_is_an_event(self):
        """At once, then every ten seconds at most; who behaves has nothing to do with it."""
        d = self.d

        def told():
            return [e for e in d.call('events_list') if e['type'] == 'ring_hostile']

        def play_on():
            self.play('bad_descriptors')
            return told()

        if not told():  # a single run's chains may have come in two of the seconds that are looked at
            wait_for(play_on, 60, 'ring_hostile')
        before = d.counters('evil')['drops']
        time.sleep(2.2)  # what came so far is in the counters, and told or not
        n = len(told())
        wait_for(lambda: len(play_on()) > n, 60, 'it is told again')
        events = told()
        assert all(e['port'] == 'evil' and e['vm'] == 'evil' for e in events), events
        assert all(e['count'] == sum(e['reasons'].values()) > 5 for e in events), events
        assert 'bad_descriptor' in events[-1]['reasons'], events
        assert sum(e['reasons'].get('bad_descriptor', 0) for e in events) > before['bad_descriptor'], events
        times = [datetime.datetime.fromisoformat(e['time'].rstrip('Z')).timestamp() for e in events]
        assert all(b - a > 9 for a, b in zip(times, times[1:])), events

    def what_could_block_a_worker_is_refused(self):
        """Files whose operations may wait, for as long as a front end likes."""
        d = self.d
        for case, state, why in (('memory_on_disk', 'down', 'SET_MEM_TABLE: memory region 0'),
                                 ('call_is_a_timer', 'up', 'SET_VRING_CALL: ring 1: its call descriptor'),
                                 ('kick_is_a_timer', 'up', 'SET_VRING_KICK: ring 1: its kick descriptor')):
            with self.front_end(case) as front_end:
                wait_for(lambda: f'refused {why}' in d.port('evil')['state_text'], 60, case)
                assert d.port('evil')['state'] == state, d.port('evil')
                progress(d)
                go_on(front_end)
                assert front_end.wait(timeout=60) == 0
            d.wait_state('evil', 'waiting')

    def the_front_ends_mtu_is_shown(self):
        d = self.d
        with self.front_end('tells_its_mtu') as front_end:
            d.wait_state('evil', 'up')
            assert 'front_end_mtu' not in d.port('evil'), d.port('evil')
            go_on(front_end)
            wait_for(lambda: d.port('evil').get('front_end_mtu') == 1400, 60, 'the MTU')
            assert 'given mtu 1400, the network has 1500' in d.port('evil')['state_text'], d.port('evil')
            go_on(front_end)
            assert front_end.wait(timeout=60) == 0
        d.wait_state('evil', 'waiting')
        assert 'front_end_mtu' not in d.port('evil'), d.port('evil')

    def front_end(self, case, port='evil'):
        """One that waits to be told to go on."""
        return subprocess.Popen([FRONT_END, self.d.path(f'{port}.sock'), case], stdin=subprocess.PIPE, text=True)

    def play(self, case):
        d = self.d
        with subprocess.Popen([FRONT_END, d.path('evil.sock'), case], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as front_end:
            while front_end.poll() is None and d.process.poll() is None:
                progress(d)
            assert d.process.poll() is None, f'stintd died:\n{d.read_log()[-3000:]}'
            _, said = front_end.communicate(timeout=60)
        assert front_end.returncode == 0, said
        progress(d)
        d.wait_state('evil', 'waiting')
        wait_for(lambda: d.open_files() == self.files, 60,
                 f'files are back ({self.files} before)')

    def refusals_do_not_fill_the_log(self):
        """Front ends decide how often they come, not how long the log gets."""
        tens_of_seconds = (time.monotonic() - self.started) / 10
        lines = len(re.findall(r'evil\.sock: refused', self.d.read_log()))
        assert 1 <= lines <= 5 + tens_of_seconds + 1, lines
        port = self.d.port('evil')
        assert port['turned_away'] + port['refused_messages'] > 2 * lines, (port, lines)

    def close(self):
        self.pmd.close()
        self.d.close()


class Silent:
    """A front end that connects and shares no memory, as QEMU does where the guest's is private. A switch of its own:
    the event comes after half a minute."""

    def __init__(self):
        self.d = Stintd()
        make_ports(self.d)
        self.front_end = socket.socket(socket.AF_UNIX)
        self.front_end.connect(self.d.path('p0.sock'))

    def memory_that_is_not_shared_is_an_event(self):
        def told():
            return [e for e in self.d.call('events_list') if e['type'] == 'port_not_ready']
        port = self.d.port('p0')
        assert port['state'] == 'negotiating', port
        event = wait_for(told, 60, 'the event')[0]
        assert event['port'] == 'p0' and event['vm'] == 'vm0' and event['for_s'] >= 30, event
        port = self.d.port('p0')
        for text in (event['state_text'], port['state_text'], self.d.read_log()):
            assert 'is the guest\'s memory shared (<memoryBacking>)' in text, text
        assert port['state_s'] >= 30, port
        time.sleep(2.5)
        assert len(told()) == 1, told()
        self.front_end.close()
        self.d.wait_state('p0', 'waiting')
        self.d.close()


def tests():
    silent = Silent()
    scene = Scene()
    names = subprocess.run([FRONT_END, '--list'], check=True, capture_output=True,
                           text=True).stdout.split()
    for name in names:
        def test(name=name):
            scene.play(name)
        test.__name__ = name
        yield test

    yield scene.going_on_with_bad_chains_is_an_event
    yield scene.a_broken_ring_may_come_back
    yield scene.what_could_block_a_worker_is_refused
    yield scene.the_front_ends_mtu_is_shown
    yield scene.refusals_do_not_fill_the_log

    def afterwards_all_is_accounted_for():
        scene.pmd.command('stop')
        time.sleep(0.2)
        check_conservation(scene.d)
        check_buffers(scene.d)
        check_ledger(scene.d)
        assert scene.d.counters('evil')['drops'].get('bad_descriptor', 0) > 0
        # What was sent from pages that are not there is zeroes. Workers see such pages, where they may.
        assert scene.d.counters('evil')['drops'].get('bad_source_mac', 0) > 0
        assert ('cannot see page faults' in scene.d.read_log()) == (not may_see_page_faults())
        assert scene.d.stop() == 0
    yield afterwards_all_is_accounted_for
    scene.close()
    yield silent.memory_that_is_not_shared_is_an_event


if __name__ == '__main__':
    sys.exit(run_tests(tests()))
