#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Keeps the bench honest: the load generator finds what it did wrong itself, what the switch drops and how
late packets are, and says in one line what is wrong with its specification."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from netns import Net, interface_mac, link  # noqa: E402
from stintd import BUILD, Stintd, run_tests, wait_for  # noqa: E402

LOADGEN = str(BUILD / 'bench' / 'loadgen')
CORE = str(min(os.sched_getaffinity(0)))
KINDS = ('missing', 'altered', 'duplicated', 'reordered')


def make_ports(d, n):
    d.call('tenant_create', name='t')
    d.call('network_create', name='n', tenant='t', vni=1)
    for i in range(n):
        d.call('vm_create', name=f'vm{i}', tenant='t')
        d.call('port_create', name=f'p{i}', vm=f'vm{i}', network='n', socket=d.path(f'p{i}.sock'))


def loadgen(*args, on_measuring=None, on_listening=None):
    """Runs it; returns its figures. on_listening connects the switch's uplink, where the generator has its other
    end."""
    with tempfile.NamedTemporaryFile(suffix='.json') as out:
        with subprocess.Popen([LOADGEN, '--core', CORE, '--huge', 'no', '--mem', '256', '--json', out.name, *args],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as child:
            try:
                for line in child.stdout:
                    if line == 'measuring\n' and on_measuring:
                        on_measuring()
                    if line == 'listening\n':
                        on_listening()
                        child.stdin.write('go\n')
                        child.stdin.flush()
                errors = child.stderr.read()
                child.wait(60)
            finally:
                child.kill()
        assert child.returncode == 0, errors
        return json.load(out)


def play(d, stream, *args, n=2, **callbacks):
    return loadgen('--vm', f'0-{n - 1} socket={d.path("p%d.sock")}', '--stream', f'name=s {stream}', *args, **callbacks)


def faults_are_found():
    """Each kind that the sender makes on purpose is found as often as it was made, and no other."""
    with Stintd() as d:
        make_ports(d, 2)
        f = play(d, 'from=0 to=1 mode=closed window=64 size=64+300+1400 check=1 faults=53 limit=20000 '
                 'timeout_us=5e6',
                 '--until-done', '--seconds', '20', '--warmup', '0')
        made = {kind: f[f'stream.s.made_{kind}'] for kind in KINDS}
        found = {kind: f[f'stream.s.{kind}'] for kind in KINDS}
        assert f['stream.s.sent'] == 40000, f
        assert all(made[kind] > 5 for kind in KINDS), made
        # Nothing but frames that make addresses known, before both ports are up.
        assert {reason for p in ('p0', 'p1') for reason in d.counters(p)['drops']} <= {'receiver_down'}
        # A packet that arrives altered is missing from its flow, too.
        made['missing'] += made['altered']
        assert found == made, (found, made)
        assert f['stream.s.received'] == 40000 - made['altered'], f
        assert f['stream.s.misdelivered'] == f['total.foreign'] == 0, f


def clean_traffic_is_clean():
    with Stintd() as d:
        make_ports(d, 2)
        f = play(d, 'from=0 to=1 mode=closed window=64 size=imix check=1 limit=20000 timeout_us=5e6',
                 '--until-done', '--seconds', '20', '--warmup', '0')
        assert f['stream.s.sent'] == f['stream.s.received'] == 40000, f
        assert all(f[f'stream.s.{kind}'] == 0 for kind in KINDS), f


def losses_are_those_of_the_switch():
    """Every fourth packet exceeds the network's MTU: the generator misses what the switch says it dropped."""
    with Stintd() as d:
        make_ports(d, 2)
        f = play(d, 'from=0 to=1 mode=open rate=50000 size=3000/2+64*3 check=1 limit=4000',
                 '--until-done', '--seconds', '20', '--warmup', '0')
        drops = d.counters('p0')['drops']
        assert drops.pop('over_mtu') == 1000, drops
        # Frames that make addresses known may be dropped too, before both ports are up: no stream's.
        assert 1000 <= f['stream.s.missing'] <= 1000 + sum(drops.values()), (f['stream.s.missing'], drops)
        assert f['stream.s.received'] == 4000 - f['stream.s.missing'], f
        assert f['stream.s.altered'] == f['stream.s.duplicated'] == f['stream.s.reordered'] == 0, f


def a_stall_is_in_all_latencies_that_it_delayed():
    """No coordinated omission: who was due while the switch stood still waited from then on."""
    with Stintd() as d:
        make_ports(d, 2)

        def stall():
            d.process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            d.process.send_signal(signal.SIGCONT)

        f = play(d, 'from=0 to=1 mode=request rate=1000 window=1 size=64 timeout_us=5e6',
                 '--seconds', '3', on_measuring=stall)
        # A third of them came during the stall; 30 % of all waited for more than a tenth of it. A switch that got little
        # of its core later makes them wait longer.
        assert f['stream.s.latency.max_us'] > 900_000, f
        assert f['stream.s.latency.p90_us'] > 300_000, f
        assert f['stream.s.latency.samples'] > 100, f


def a_bad_specification_gives_one_line():
    vm = ['--vm', '0-1 socket=/nonexistent/%d']
    for args, words in (
            (['--vm', '0-1 socket=/x rings=256'], 'rings'),
            (['--vm', 'a socket=/x'], 'vm: a'),
            (['--vm', '0 socket=/x ring=1e9'], 'ring: 1e9'),
            (['--vm', '0 socket'], 'socket'),
            ([*vm, '--stream', 'from=0 to=1 mode=often'], 'mode: often'),
            ([*vm, '--stream', 'from=0 to=1 size=64+6'], 'size: 6'),
            ([*vm, '--stream', 'from=0-1 to=2-4'], 'from and to'),
            ([*vm, '--stream', 'from=0 to=1 faults=100'], 'faults'),
            ([*vm, '--stream', 'name=t from=0 to=1 tso=1 check=1'], 'stream t: tso goes with neither check'),
            ([*vm, '--stream', 'from=0 to=1 tso=1 mode=request'], 'tso goes with neither check nor requests'),
            ([*vm, '--stream', 'from=0 to=1 tso=1'], 'VM 0 has no tso=1'),
            ([*vm, '--vm', '0 socket=/x tso=1', '--stream', 'from=0 to=1 tso=1'], 'VM 1 has no tso=1'),
            (['--vm', '0 socket=/x type=fe tso=1'], 'vm 0: only type=virtio'),
            (['--vm', '0 socket=/x attack=small tso=1'], 'vm 0: only type=virtio'),
            (['--vm', '0 type=wire socket=/x address=10.9.0.1'], 'VM 0: a wire needs address and mac'),
            (['--vm', '0 type=remote address=10.9.0.2 wire=1'], 'VM 0: a wire needs'),
            ([*vm, '--phase', 'p attacks=2'], 'attacks: 2'),
            ([*vm, '--seconds', '1s'], '1s'),
            (['--file', '/nonexistent/spec'], '/nonexistent/spec'),
            (['--what'], 'what')):
        done = subprocess.run([LOADGEN, *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2, (args, done)
        assert done.stderr.count('\n') == 1 and words in done.stderr, (args, done.stderr)
    done = subprocess.run([LOADGEN, '--core', CORE, '--huge', 'no', '--mem', '64', '--vm',
                           '0 socket=/nonexistent/s attack=unheard_of'], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and 'unheard_of' in done.stderr, done


def vms_of_other_hosts_are_played():
    """They are reached through the switch's uplink, and answer."""
    with contextlib.closing(Net()) as ours, contextlib.closing(Net()) as theirs:
        link(ours, 'out', theirs, 'in')
        ours.add('10.9.0.1/24', 'out')
        theirs.add('10.9.0.2/24', 'in')
        with Stintd(prefix=ours.prefix, args=['--uplinks']) as d:
            make_ports(d, 1)
            d.call('network_set', name='n', mtu=1450)

            def connect():
                d.call('uplink_create', name='up0', device=f'net_virtio_user0,path={d.path("wire.sock")}',
                       kernel_interface='out')
                d.call('vtep_create', name='v', uplink='up0', address='10.9.0.1')
                d.call('network_set', name='n', vtep='v')
                d.call('network_add_remote', network='n', address='10.9.0.2')
                wait_for(lambda: {r['state'] for r in d.call('remote_list')} == {'up'}, 60, 'the remote is up')
            wire = f'socket={d.path("wire.sock")} address=10.9.0.1 mac={interface_mac(ours, "out")}'
            f = play(d, 'from=0 to=1 mode=request window=4 size=64+300+1400 check=1 timeout_us=5e6',
                     '--vm', f'2 type=wire {wire}',
                     '--vm', '1 type=remote wire=2 vni=1 address=10.9.0.2', n=1, on_listening=connect)
            assert f['stream.s.replies_per_s'] > 0 and f['stream.s.timeouts'] == 0, f
            assert all(f[f'stream.s.{kind}'] == 0 for kind in (*KINDS, 'misdelivered')), f


def a_hostile_vm_with_a_broken_ring_comes_back():
    """However slow it is: its ring is left alone for longer than switches take."""
    with Stintd() as d:
        make_ports(d, 2)
        f = loadgen('--vm', f'0-1 socket={d.path("p%d.sock")} attack=index_jump rate=300', '--seconds', '5')
        assert f['attack.0.connects'] > 1 and f['attack.1.connects'] > 1, f


def main():
    return run_tests([a_bad_specification_gives_one_line, clean_traffic_is_clean, faults_are_found,
                      losses_are_those_of_the_switch, a_stall_is_in_all_latencies_that_it_delayed,
                      vms_of_other_hosts_are_played, a_hostile_vm_with_a_broken_ring_comes_back])


if __name__ == '__main__':
    sys.exit(main())
