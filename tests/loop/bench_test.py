#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The bench without measuring: what a figure says where nothing was answered, on switches that are not there, what
becomes of binaries that are older than their sources, and that the loop over turns counts packets that arrive."""
import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stintd import BUILD, ROOT, run_tests, wait_for  # noqa: E402

sys.path.insert(0, str(ROOT / 'bench'))
import turns  # noqa: E402
from generator import Session  # noqa: E402
from harness import Bench, Play  # noqa: E402
from machine import Refused  # noqa: E402


class Switch:
    ports = 2
    socket = 'port-%d'

    def call(self, *_args, **_params):
        pass

    def pids(self):
        return [os.getpid()]


class Fake(Bench):
    """Plays nothing: answers(peer, number of its play) says whether the load's requests were answered, or that they
    were, but all met a gap."""

    def __init__(self, name, answers):
        super().__init__(name, True, '', False)
        self.module = importlib.import_module(f'scenarios.{name}')
        self.answers = answers
        self.plays = {}
        self.said = []

    def each_round(self):
        yield 0

    def say(self, text):
        self.said.append(text)

    @contextlib.contextmanager
    def switch(self, peer, ports, **options):
        switch = Switch()
        switch.peer = peer.name
        yield switch

    def play(self, switch, streams, seconds=None, on_start=None, on_end=None, **_options):
        if on_start:
            on_start()
        if on_end:
            on_end()
        raw = {'total.rx_pps': 1000.0, 'tsc_hz': 1e9, 'seconds': 1.0}
        if streams:
            n = self.plays[switch.peer] = self.plays.get(switch.peer, 0) + 1
            answered = self.answers(switch.peer, n)
            stream = 'stream.' + streams[0].split()[0].removeprefix('name=')
            raw |= {f'{stream}.timeouts': 0 if answered else 3, f'{stream}.replies_per_s': 500.0 if answered else 0.0}
            for which in ('latency', 'clean') if answered == 'all' else ('latency',) if answered else ():
                raw |= {f'{stream}.{which}.{point}_us': 10.0 for point in ('p50', 'p99', 'p999')}
                raw[f'{stream}.{which}.samples'] = 500.0
        return Play(raw, 100.0)

    def play_in_turns(self, loads, number, seconds):
        return [[self.play(switch, streams) for switch, streams, _ in loads]]

    def judged(self):
        """{bar: its row}"""
        self.module.run(self)
        return {row['name']: row for row in self.figures.judge(self.module.BARS)}


def assert_missed(bars, *names):
    for name in names:
        assert bars[name]['met'] is False and bars[name]['no_answer'] == 'in 1 of 1 rounds', bars


def all_is_well_with_answers():
    for name in ('latency', 'idle', 'efficiency'):
        bench = Fake(name, lambda peer, n: 'all')
        bars = bench.judged()
        assert not any('no_answer' in bar for bar in bars.values()), bars
        assert not any('no answer' in text for text in bench.said), bench.said


def latency_without_answers():
    for silent in ('stint', 'testpmd_io'):
        bench = Fake('latency', lambda peer, n, silent=silent: peer != silent and 'all')
        assert_missed(bench.judged(), 'latency.p50_over_testpmd_us')
        assert bench.figures.rounds[f'latency.p99.{silent}_us'] == [None]
        assert bench.figures.rounds[f'latency.clean.p99.{silent}_us'] == [None]
        assert bench.figures.rounds[f'latency.{silent}.samples'] == [0]
        assert bench.figures.rounds[f'latency.{silent}.timeouts'] == [3]
        assert f'{silent}: p50 in us: no answer' in bench.said, bench.said


def idle_without_answers():
    bench = Fake('idle', lambda peer, n: peer != 'stint' and 'all')
    bars = bench.judged()
    assert_missed(bars, 'idle.first_packet_p99_us')
    assert 'no_answer' not in bars['idle.core_percent'], bars
    assert bench.figures.rounds['idle.first_packet_clean_p50_us.halting'] == [None]
    assert bench.figures.rounds['idle.first_packet_p99_us.ovs'] == [10]
    assert 'no answer' in bench.said[0], bench.said


def efficiency_without_answers():
    both = ('efficiency.per_core_ratio', 'efficiency.p99_excess_slices')
    # The silo and the shared worker by turns, then one after the other.
    silo = Fake('efficiency', lambda peer, n: n not in (1, 3) and 'all')
    assert_missed(silo.judged(), *both)
    shared = Fake('efficiency', lambda peer, n: n not in (2, 4) and 'all')
    assert_missed(shared.judged(), *both)
    assert shared.figures.rounds['efficiency.50.per_core_ratio'] == [1]
    for bench in silo, shared:
        assert 'no answer' in bench.said[0], bench.said


def answers_that_all_met_a_gap_are_answers():
    bench = Fake('efficiency', lambda peer, n: 'all' if n == 3 else 'gaps')
    bars = bench.judged()
    assert bars['efficiency.p99_excess_slices']['met'], bars
    bench = Fake('latency', lambda peer, n: 'gaps')
    bench.judged()
    assert bench.figures.rounds['latency.clean.p50.stint_us'] == [10]


class Sleeper:
    """A switch that only sleeps, and a generator that plays nothing."""

    SCRIPT = 'for i in 0 1 2; do echo phase turn$i; read go; echo measuring; echo measured; done; echo {} > "$0"'

    def __init__(self, name, log, folder):
        self.name = name
        self.log = log
        self.json = pathlib.Path(folder) / f'{name}.json'
        self.process = subprocess.Popen(['sleep', '100'])

    def pids(self):
        return [self.process.pid]

    def start(self):
        return Session(['sh', '-c', self.SCRIPT, str(self.json)], self.json)

    def state(self):
        return pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()[0]

    def mark(self):
        """A turn begins."""
        self.log.append(self.name)
        wait_for(lambda: self.other.state() == 'T', 60, 'the other is stopped')

    def cycles_per_packet(self):
        return self.state() != 'T'


def sides_take_turns_and_only_one_runs():
    log = []
    with tempfile.TemporaryDirectory(prefix='stint-test.') as folder, contextlib.ExitStack() as stack:
        a, b = switches = [Sleeper(name, log, folder) for name in 'ab']
        a.other, b.other = b, a
        for switch in switches:
            stack.callback(switch.process.wait)
            stack.callback(switch.process.kill)
        with contextlib.ExitStack() as inner:
            sides = [inner.enter_context(contextlib.closing(turns.Side(s, s.start))) for s in switches]
            turns.take_turns(sides, 2)
            assert ''.join(log) == 'ab' + 'ab' + 'ba', log
            assert all(side.cycles == [True] * 3 and side.figures == {} for side in sides), log
        wait_for(lambda: all(switch.state() == 'S' for switch in switches), 60, 'both go on')


def a_generator_that_dies_is_one_clear_line():
    with tempfile.TemporaryDirectory(prefix='stint-test.') as folder:
        path = pathlib.Path(folder) / 'figures.json'
        path.touch()
        for script, text in (('echo lost >&2; exit 3', 'failed (3): lost'), ('echo {} > "$0"', 'ended before')):
            session = Session(['sh', '-c', script, str(path)], path)
            session.child.wait(10)
            try:
                session.go()
                assert False, 'not refused'
            except Refused as e:
                assert text in str(e), e
        session.close()


def bench_run():
    """bench/run as a module."""
    loader = importlib.machinery.SourceFileLoader('bench_run', str(ROOT / 'bench' / 'run'))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('bench_run', loader))
    loader.exec_module(module)
    return module


def old_binaries_are_refused():
    check = bench_run().is_current
    with tempfile.TemporaryDirectory(prefix='stint-test.') as folder:
        top = pathlib.Path(folder)
        binaries = [top / 'build/stintd', top / 'build/bench/loadgen']
        (top / 'Makefile').write_text('$(BUILD)/stintd $(BUILD)/bench/loadgen: source; touch $@\n'
                                      '-include $(BUILD)/stintd.d\n')
        binaries[1].parent.mkdir(parents=True)
        (top / 'build/stintd.d').write_text('build/stintd: header\n')
        for path, age in ((top / 'source', 20), (top / 'header', 20), (binaries[0], 10), (binaries[1], 10)):
            path.touch()
            os.utime(path, (1_000_000_000 - age,) * 2)
        bench = Fake('latency', None)
        bench.build = str(top / 'build')
        assert check(bench, top) and bench.said == []
        os.utime(top / 'header')
        try:
            check(bench, top)
            assert False, 'not refused'
        except Refused as e:
            assert 'older than' in str(e) and 'make build loadgen' in str(e), e
        bench.force = True
        assert not check(bench, top) and 'older than' in bench.said[0], bench.said


def a_rate_out_of_reach_is_left_out():
    class Held(Fake):
        def play(self, switch, streams, on_start=None, on_end=None, **_options):
            switch.counters = lambda: {'drop.receiver_ring_full': 9, 'drop.bad_descriptor': self.dropped}
            on_start()
            self.dropped += 3
            on_end()
            return Play({'total.rx_pps': 900_000.0, 'vm.1.rx_pps': 900_000.0, 'tsc_hz': 1e9}, self.cycles)

    for cycles, rate, expected in ((1100.0, 1e6, None), (500.0, 1e6, 10), (1100.0, 0.9e6, 0), (1100.0, 0.45e6, 100)):
        bench = Held('policy', None)
        bench.dropped, bench.cycles = 1, cycles
        error, lost = bench.module.measure_rate(bench, 'rate_pps', rate, 'small', 1)
        assert lost == 3 and (error is expected or abs(error - expected) < 1e-9), (cycles, rate, error, lost)
        assert any('left out' in text for text in bench.said) == (error is None), bench.said


def judging_prints_what_is_read():
    bench = Fake('policy', None)
    bench.build = str(BUILD)
    found = bench.module.judged(bench)
    assert all(found[name] > 0 for name in bench.module.JUDGED), found


def turns_deliver_what_they_are_measured_by():
    done = subprocess.run([BUILD / 'bench/turn', '100'], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for way in ('64', 'udp', 'udp_guarded', 'udp_groups', 'to_wire', 'to_wire_bare', 'to_wire_1400', 'to_wire_1400_v6',
                'from_wire', 'from_wire_sum', 'from_wire_bare'):
        for name in ('min', 'p50'):
            assert re.search(rf'^turn\.{way}\.cycles_{name} [1-9][\d.]* cycles/packet$', done.stdout, re.M), done.stdout
    bad = subprocess.run([BUILD / 'bench/turn', 'many'], capture_output=True, text=True, timeout=60)
    assert bad.returncode == 2 and bad.stderr.startswith('usage: turn'), bad


if __name__ == '__main__':
    sys.exit(run_tests([all_is_well_with_answers, latency_without_answers, idle_without_answers,
                        efficiency_without_answers, answers_that_all_met_a_gap_are_answers,
                        sides_take_turns_and_only_one_runs,
                        a_generator_that_dies_is_one_clear_line,
                        old_binaries_are_refused, a_rate_out_of_reach_is_left_out,
                        judging_prints_what_is_read, turns_deliver_what_they_are_measured_by]))
