#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd with two virtio-user ports as guests: packets cross the switch on every virtio path."""
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stintd import Stintd, run_tests, wait_for  # noqa: E402

MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02']


def make_ports(d, mode='server', pairs=1):
    d.call('tenant_create', name='t')
    d.call('network_create', name='n', tenant='t', vni=1)
    for i in range(2):
        d.call('vm_create', name=f'vm{i}', tenant='t')
        d.call('port_create', name=f'p{i}', vm=f'vm{i}', network='n', socket=d.path(f'p{i}.sock'),
               mode=mode, queue_pairs=pairs)


class Testpmd:
    """Two virtio-user ports; each sends bursts whose destination is the other one's address."""

    def __init__(self, d, options='', pairs=1):
        core = min(os.sched_getaffinity(0))
        vdevs = []
        for i in range(2):
            vdevs += ['--vdev', f'net_virtio_user{i},path={d.path(f"p{i}.sock")},mac={MACS[i]},'
                                f'queues={pairs},queue_size=256{options}']
        self.out = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            ['stdbuf', '-o0', 'dpdk-testpmd', '--lcores', f'0@{core},1@{core}', '--no-pci', '--no-huge', '-m', '256',
             '--no-shconf', '--no-telemetry', '--file-prefix', f'tp{os.getpid()}', *vdevs, '--', '-i',
             '--nb-cores=1', f'--rxq={pairs}', f'--txq={pairs}', '--total-num-mbufs=4096',
             '--no-mlockall', '--no-lsc-interrupt',
             f'--eth-peer=0,{MACS[1]}', f'--eth-peer=1,{MACS[0]}'],
            stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, text=True)

    def command(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def output(self):
        # Where testpmd writes next is not to be moved: the offset in the file is its, too.
        return os.pread(self.out.fileno(), os.fstat(self.out.fileno()).st_size, 0).decode(errors='replace')

    def wait_ready(self):
        try:
            wait_for(lambda: 'testpmd>' in self.output(), 60, 'testpmd is ready')
        except TimeoutError as e:
            raise AssertionError(f'{e}\n{self.output()[-3000:]}') from e

    def received(self):
        """Packets that each port received, as testpmd counts them."""
        before = len(re.findall(r'NIC statistics for port 1', self.output()))
        self.command('show port stats all')

        def counts():
            text = self.output()
            if len(re.findall(r'NIC statistics for port 1', text)) <= before:
                return None
            found = re.findall(r'RX-packets: (\d+)', text)
            return [int(n) for n in found[-2:]] if len(found) % 2 == 0 else None
        return wait_for(counts, 60, 'testpmd shows statistics')

    def forward(self, bursts):
        """Sends so many bursts from each port, which then go to and fro. To be repeated where they may have been
        lost on the way, as those are that meet a port whose rings are not there yet."""
        self.command('stop')
        self.command(f'start tx_first {bursts}')

    def close(self):
        try:
            self.command('stop')
            self.command('quit')
            self.process.wait(timeout=15)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.out.close()


def check_conservation(d):
    """in == forwarded + consumed + drops once nothing is on its way."""
    def odd():
        return [c for c in d.call('stats_ports')
                if c['in'] != c['forwarded'] + c['consumed'] + sum(c['drops'].values())]
    try:
        wait_for(lambda: not odd(), 60, 'counters are conserved')
    except TimeoutError as e:
        raise AssertionError(f'not conserved: {odd()}') from e


def check_buffers(d):
    """All of them are back once nothing is on its way."""
    wait_for(lambda: not any(vm['buffers_in_use'] for vm in d.call('stats_vms')), 60, 'buffers are back')


def check_ledger(d):
    for w in d.call('stats_workers'):
        rows = sum(w['system'].values()) + sum(sum(v.values()) for v in w['vms'].values())
        assert rows == w['cycles'], (rows, w['cycles'])


def crossed(pmd):
    """The packets that the port which received less of them has, some more sent if they have come to a halt."""
    before = pmd.received()
    time.sleep(0.1)
    after = pmd.received()
    if any(a == b for a, b in zip(after, before)):
        pmd.forward(4)
    return min(after)


def exchange(d, options='', pairs=1, at_least=10000):
    """txonly on both ports until each has received enough from the other."""
    pmd = Testpmd(d, options, pairs)
    try:
        for i in range(2):
            d.wait_state(f'p{i}', 'up')
        pmd.wait_ready()
        # mac: the destination is the other port's address, the source the port's own.
        pmd.command('set fwd mac')
        try:
            wait_for(lambda: crossed(pmd) >= at_least, 60, 'packets cross')
        except TimeoutError as e:
            raise AssertionError(f"{e}; {d.call('stats_ports')}\n{pmd.output()[-3000:]}") from e
        text = d.port('p0')['state_text']
        pmd.command('stop')
        time.sleep(0.1)
        check_conservation(d)
        check_buffers(d)
        check_ledger(d)
        return text
    finally:
        pmd.close()


def virtio_paths():
    """The options of virtio-user that make its paths, and a name for each."""
    for packed, mergeable, in_order, vectorized in itertools.product((0, 1), repeat=4):
        if vectorized and mergeable:
            continue  # the driver has no vectorized path with mergeable buffers
        if vectorized and not in_order and packed:
            continue  # its vectorized packed path needs in-order
        yield (f',packed_vq={packed},mrg_rxbuf={mergeable},in_order={in_order},vectorized={vectorized}',
               '_'.join(['packed' if packed else 'split', 'mrg' if mergeable else 'nomrg',
                         'inorder' if in_order else 'anyorder'] + (['vec'] if vectorized else [])))


def path_tests():
    """One test per virtio path, side and number of queue pairs."""
    for (options, name), mode, pairs in itertools.product(virtio_paths(), ('server', 'client'), (1, 2)):
        def test(options=options, name=name, mode=mode, pairs=pairs):
            with Stintd() as d:
                make_ports(d, mode, pairs)
                text = exchange(d, options + (',server=1' if mode == 'client' else ''), pairs)
                assert name.split('_')[0] in text, text
                assert ('mrg_rxbuf' in text) == ('_mrg' in name), text
                assert ('in_order' in text) == ('_inorder' in name), text
                assert f'{pairs} queue pair' in text, text
                for port in ('p0', 'p1'):
                    assert len(d.counters(port)['queues']) == pairs
        test.__name__ = f'path_{name}_{mode}_{pairs}'
        yield test


def switch_as_client():
    with Stintd() as d:
        make_ports(d, mode='client')
        exchange(d, ',server=1')
        for i in range(2):
            d.wait_state(f'p{i}', 'waiting')
        # The front end comes back under the same path: the switch connects by itself.
        exchange(d, ',server=1')


def front_end_reconnects():
    with Stintd() as d:
        make_ports(d)
        files = d.open_files()
        for _ in range(3):
            exchange(d, at_least=1000)
            for i in range(2):
                d.wait_state(f'p{i}', 'waiting')
        assert d.port('p0')['connects'] == 3
        assert d.open_files() == files, (files, d.open_files())


def addresses_age():
    """Learned ones are forgotten when they are silent for long, static ones stay."""
    with Stintd() as d:
        make_ports(d)
        d.call('fdb_add', network='n', mac='52:54:00:00:00:77', port='p0')
        exchange(d, at_least=1000)
        learned = {e['mac']: e['port'] for e in d.call('fdb_list') if not e['static']}
        assert learned == dict(zip(MACS, ('p0', 'p1'))), learned
        d.call('network_set', name='n', mac_ageing_s=1)
        wait_for(lambda: [e['mac'] for e in d.call('fdb_list')] == ['52:54:00:00:00:77'], 60, 'addresses are forgotten')
        wait_for(lambda: d.port('p1')['macs'] == 0, 60, 'they are counted no more')


if __name__ == '__main__':
    sys.exit(run_tests([*path_tests(), switch_as_client, front_end_reconnects, addresses_age]))
