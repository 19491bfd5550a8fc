#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Captures of a running switch, read back by tshark: what is in them, their limits, what is refused, and streams
whose readers go away."""
import base64
import os
import pathlib
import signal
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import TEST, Wiretap, ether  # noqa: E402
from netns import Guest, Parts, stream  # noqa: E402
from stintd import BUILD, RpcError, Stintd, run_tests, wait_for  # noqa: E402
from wire_test import UNDERLAY, Pair  # noqa: E402

MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02']
ADDRESSES = ['192.168.8.1', '192.168.8.2']
NOBODYS = '52:54:00:00:00:77'
RECEIVED, SENT = 1, 2  # directions, as flags of a packet
FIELDS = ['frame.interface_name', 'frame.packet_flags_direction', 'frame.len', 'frame.cap_len', 'frame.comment',
          'eth.type', 'frame.time_epoch', 'data.data', 'vxlan.vni', 'ip.dst']


class Packet:
    """A packet of a capture, as tshark tells of it."""

    def __init__(self, fields):
        (self.interface, direction, length, kept, self.comment, kind, self.time, self.data, self.vni,
         self.destination) = fields
        self.direction = int(direction, 0)
        self.length, self.kept = int(length), int(kept)
        self.is_test = kind == f'0x{TEST:04x}'

    @property
    def number(self):
        return int(self.data[:8], 16)


def read_back(path):
    done = subprocess.run(['tshark', '-n', '-r', path, '-T', 'fields', '-E', 'separator=;', '-E', 'occurrence=f',
                           *[a for f in FIELDS for a in ('-e', f)]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Packet(line.split(';')) for line in done.stdout.splitlines()]


def dropped_by_file(path):
    """What the file's statistics block counts: packets not captured for lack of time, and of room."""
    data, at, found = path.read_bytes(), 0, None
    while at < len(data):
        kind, size = struct.unpack_from('=II', data, at)
        assert size >= 12 and struct.unpack_from('=I', data, at + size - 4)[0] == size
        if kind == 5:
            options, where = {}, at + 20
            while where < at + size - 4:
                code, length = struct.unpack_from('=HH', data, where)
                options[code] = data[where + 4:where + 4 + length]
                where += 4 + (length + 3) // 4 * 4
            found = [struct.unpack('=Q', options[code])[0] for code in (5, 7)]
        at += size
    assert found is not None, f'{path} has no statistics'
    return found


class Hall(Parts):
    """Two guests in a network, and a folder for captures."""

    def set_up(self):
        self.d = self.keep(Stintd(args=['--capture-dir', self.make_folder()]))
        d = self.d
        d.call('tenant_create', name='acme')
        d.call('network_create', name='blue', tenant='acme', vni=100, mtu=1450)
        for i in (0, 1):
            d.call('vm_create', name=f'vm{i}', tenant='acme')
            d.call('port_create', name=f'p{i}', vm=f'vm{i}', network='blue', socket=d.path(f'p{i}.sock'), mode='client')
        self.guests = []
        self.taps = []

    def make_folder(self):
        """Its own, so that it can be there before the daemon."""
        self.folder = pathlib.Path(subprocess.run(['mktemp', '-d', '/tmp/stint-captures.XXXXXX'], check=True,
                                                  capture_output=True, text=True).stdout.strip())
        self.stack.callback(subprocess.run, ['rm', '-r', self.folder], check=True)
        return self.folder

    def plug_in(self):
        self.guests = [self.keep(Guest(self.d.path(f'p{i}.sock'), MACS[i], [f'{ADDRESSES[i]}/24'])) for i in (0, 1)]
        for i in (0, 1):
            self.d.wait_state(f'p{i}', 'up')
        self.guests[0].net.wait_ping(ADDRESSES[1])
        self.taps = [Wiretap(g.net, 'guest') for g in self.guests]
        return self

    def send(self, number, to=MACS[1], source=MACS[0], size=60):
        self.taps[0].send(ether(to, source, struct.pack('!I', number) + bytes(size - 18)))

    def send_until(self, condition, what, **options):
        """Sends numbered frames from guest 0 until something is so."""
        count = 0

        def is_so():
            nonlocal count
            self.send(count, **options)
            count += 1
            return condition()
        return wait_for(is_so, 60, what)

    def capture(self, name):
        return self.d.call('capture_list', name=name)[0]

    def start(self, name, **params):
        self.d.call('capture_create', name=name, file=name, **params)

    def wait_packets(self, name, n=1, **options):
        self.send_until(lambda: self.capture(name)['packets'] >= n, f'{name} has packets', **options)

    def finish(self, name):
        """Deletes the capture; returns its packets."""
        self.d.call('capture_delete', name=name)
        return read_back(self.folder / name)


def each_kind_has_its_packets():
    """A port's, a VM's and a network's packets, with their directions; drops with their reason."""
    with Hall() as hall:
        d = hall.plug_in().d
        ours = f'ether proto {TEST:#x}'
        hall.start('port', port='p1', filter=ours)
        hall.start('rx', vm='vm0', point='rx', filter=ours)
        hall.start('tx', vm='vm1', point='tx', filter=ours, snaplen=40)
        hall.start('net', network='blue', filter=ours)
        assert os.stat(hall.folder / 'port').st_mode & 0o777 == 0o600
        hall.wait_packets('tx', 20)
        text = subprocess.run([BUILD / 'stintctl', '-s', d.socket, 'capture', 'list'], capture_output=True, text=True,
                              check=True).stdout
        assert 'network blue' in text and 'running' in text, text

        got = hall.finish('tx')
        assert len(got) >= 20
        assert {(p.interface, p.direction, p.length, p.kept) for p in got} == {('p1', SENT, 60, 40)}, got
        numbers = [p.number for p in got]
        assert numbers == sorted(numbers)
        # What the port got was sent before, and captured there. More may have come since.
        for name, places in (('port', {('p1', SENT)}), ('rx', {('p0', RECEIVED)}),
                             ('net', {('p0', RECEIVED), ('p1', SENT)})):
            packets = hall.finish(name)
            assert {(p.interface, p.direction) for p in packets} == places, name
            assert {p.is_test for p in packets} == {True}
            assert {p.kept for p in packets} == {60}
            for place in places:
                here = [p.number for p in packets if (p.interface, p.direction) == place]
                assert here == sorted(set(here)) and set(numbers) <= set(here), (name, here)
            times = [float(p.time) for p in packets]
            assert times == sorted(times)
            assert dropped_by_file(hall.folder / name) == [0, 0]


def drops_say_why():
    with Hall() as hall:
        d = hall.plug_in().d
        d.call('port_set', name='p0', mac=MACS[0], mac_guard='on')
        hall.start('port', port='p0', point='drop')
        hall.start('spoofed', reason='spoofed_mac')
        hall.start('reserved', vm='vm0', reason='reserved_mac')
        before = d.counters('p0')['drops'].get('spoofed_mac', 0)
        hall.wait_packets('spoofed', 10, source=NOBODYS)
        hall.wait_packets('reserved', 5, to='01:80:c2:00:00:00')
        hall.taps[0].close()
        counted = {}

        def all_is_written():
            counted.update(d.counters('p0')['drops'])
            return hall.capture('spoofed')['packets'] == counted['spoofed_mac'] - before
        wait_for(all_is_written, 60, 'as many are captured as counted')
        spoofed = hall.finish('spoofed')
        assert len(spoofed) == counted['spoofed_mac'] - before
        assert {(p.interface, p.direction, p.comment) for p in spoofed} == {('p0', RECEIVED, 'dropped: spoofed_mac')}
        assert {p.comment for p in hall.finish('reserved')} == {'dropped: reserved_mac'}
        assert {'dropped: spoofed_mac', 'dropped: reserved_mac'} <= {p.comment for p in hall.finish('port')}


def limits_end_a_capture():
    with Hall() as hall:
        d = hall.plug_in().d
        hall.start('packets', port='p0', max_packets=5)
        hall.start('bytes', port='p0', max_bytes=8192)
        hall.start('seconds', port='p0', max_seconds=1)
        hall.start('gone', port='p1')
        for name in ('packets', 'bytes', 'seconds'):
            hall.send_until(lambda name=name: hall.capture(name)['state'] == 'ended', f'{name} ends')
            assert hall.capture(name)['state_text'] == f'ended: max_{name}'
        hall.wait_packets('gone')
        d.call('port_delete', name='p1')
        assert hall.capture('gone')['state_text'] == 'ended: what it was of is deleted'
        # The files are whole before the captures are deleted.
        wait_for(lambda: hall.capture('seconds')['bytes'] == (hall.folder / 'seconds').stat().st_size, 60, 'is whole')
        assert len(read_back(hall.folder / 'packets')) == 5
        assert hall.capture('packets')['packets'] == 5
        size = (hall.folder / 'bytes').stat().st_size
        assert 4096 < size <= 8192 and size == hall.capture('bytes')['bytes'], size
        for name in ('packets', 'bytes', 'seconds', 'gone'):
            assert dropped_by_file(hall.folder / name) == [0, 0], name
            assert len(read_back(hall.folder / name)) == hall.capture(name)['packets'], name
            d.call('capture_delete', name=name)
        assert d.call('capture_list') == []


def what_is_refused():
    with Hall() as hall:
        d = hall.d
        ports = {'port': 'p0'}
        wrong = [
            ({}, 'port', 'has to be given'),
            ({**ports, 'vm': 'vm0'}, 'vm', 'port is given already'),
            ({'network': 'blue', 'uplink': 'up0'}, 'uplink', 'network is given already'),
            ({'port': 'nobody'}, 'port', "'nobody'"),
            ({'vm': 'nobody'}, 'vm', "'nobody'"),
            ({'network': 'nobody'}, 'network', "'nobody'"),
            ({'uplink': 'nobody'}, 'uplink', "'nobody'"),
            ({'reason': 'boredom'}, 'reason', "'boredom'"),
            ({'reason': 'bad_descriptor'}, 'reason', 'nothing to capture'),
            ({**ports, 'reason': 'spoofed_mac', 'point': 'rx'}, 'point', 'only be drop'),
            ({**ports, 'point': 'sideways'}, 'point', 'sideways'),
            ({**ports, 'filter': 'tcp port'}, 'filter', 'syntax error'),
            ({**ports, 'filter': 'ip6 protochain 6'}, 'filter', 'loops'),
            ({**ports, 'filter': 'host stint-capture-test.invalid'}, 'filter', 'unknown host'),
            ({**ports, 'snaplen': 13}, 'snaplen', 'snaplen'),
            ({**ports, 'max_seconds': 0}, 'max_seconds', 'max_seconds'),
            ({**ports, 'file': '../escape'}, 'file', '../escape'),
            ({**ports, 'file': '/etc/passwd'}, 'file', '/etc/passwd'),
            ({**ports, 'file': '.hidden'}, 'file', '.hidden'),
            ({**ports, 'file': 'sub/file'}, 'file', 'sub/file'),
            ({**ports, 'file': 'there'}, 'file', 'exists'),
            ({**ports, 'file': 'a-link'}, 'file', 'exists'),
        ]
        (hall.folder / 'there').write_text('mine')
        (hall.folder / 'a-link').symlink_to(hall.folder / 'elsewhere')
        files = d.open_files()
        for params, field, text in wrong:
            try:
                d.call('capture_create', name='c', **params)
                raise AssertionError(f'{params} was accepted')
            except RpcError as e:
                assert e.data['field'] == field and text in str(e), (params, str(e), e.data)
        assert d.call('capture_list') == [] and d.open_files() == files
        assert (hall.folder / 'there').read_text() == 'mine'
        assert sorted(p.name for p in hall.folder.iterdir()) == ['a-link', 'there']

        d.call('capture_create', name='c', file='c', **ports)
        for method, params, text in (('capture_create', {'name': 'c', **ports}, 'exists already'),
                                     ('capture_read', {'name': 'c'}, 'goes into file'),
                                     ('capture_delete', {'name': 'x'}, "'x' does not exist"),
                                     ('capture_read', {'name': 'x'}, "'x' does not exist")):
            try:
                d.call(method, **params)
                raise AssertionError(f'{method} {params} was accepted')
            except RpcError as e:
                assert e.data['field'] == 'name' and text in str(e), str(e)
        # Room for 16.
        for i in range(1, 16):
            d.call('capture_create', name=f'c{i}', file=f'c{i}', **ports)
        try:
            d.call('capture_create', name='more', **ports)
            raise AssertionError('one too many was accepted')
        except RpcError as e:
            assert e.data['field'] == 'name' and '16' in str(e), str(e)
        for i in range(1, 16):
            d.call('capture_delete', name=f'c{i}')
    with Stintd() as d:
        d.call('tenant_create', name='t')
        d.call('vm_create', name='vm', tenant='t')
        try:
            d.call('capture_create', name='c', vm='vm', file='c')
            raise AssertionError('a file was made, nobody knows where')
        except RpcError as e:
            assert e.data['field'] == 'file' and '--capture-dir' in str(e), str(e)


class Streaming:
    """stintctl capture -w -."""

    def __init__(self, hall, *options, **popen):
        self.process = subprocess.Popen([BUILD / 'stintctl', '-s', hall.d.socket, 'capture', '-w', '-', *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)


def streams_end_as_they_should():
    """At a limit, by an interrupt, with the reader of the pipe, and when stintctl is killed: nothing is left behind."""
    with Hall() as hall:
        d = hall.plug_in().d

        def no_capture():
            return d.call('capture_list') == []

        files = d.open_files()
        # A limit.
        s = Streaming(hall, '--port', 'p0', '--max-packets', '7', '--filter', f'ether proto {TEST:#x}')
        hall.send_until(lambda: s.process.poll() is not None, 'it ends at the limit')
        out, err = s.process.communicate()
        assert s.process.returncode == 0 and b'7 packets' in err and b'max_packets' in err, err
        path = hall.folder / 'streamed'
        path.write_bytes(out)
        assert [p.interface for p in read_back(path)] == ['p0'] * 7
        assert dropped_by_file(path) == [0, 0]
        assert no_capture()
        # Interrupted: the stream is whole.
        s = Streaming(hall, '--network', 'blue')
        hall.send_until(lambda: any(c['packets'] > 3 for c in d.call('capture_list')), 'packets are streamed')
        out, err = s.stop()
        assert s.process.returncode == 0 and b'by its reader' in err, err
        path.write_bytes(out)
        assert len(read_back(path)) > 3
        dropped_by_file(path)
        assert no_capture()
        # The pipe's reader has enough.
        s = Streaming(hall, '--port', 'p0')
        tshark = subprocess.Popen(['tshark', '-n', '-l', '-c', '3', '-r', '-'], stdin=s.process.stdout,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        s.process.stdout.close()
        hall.send_until(lambda: tshark.poll() is not None, 'tshark has what it wants')
        assert len(tshark.communicate()[0].splitlines()) == 3
        hall.send_until(lambda: s.process.poll() is not None, 'stintctl notices')
        assert s.process.returncode == 0, s.process.stderr.read()
        assert no_capture()
        # Killed, and nobody to delete the capture.
        s = Streaming(hall, '--port', 'p0')
        wait_for(lambda: d.call('capture_list'), 60, 'it captures')
        s.stop(signal.SIGKILL)
        wait_for(no_capture, 60, 'the capture is gone')
        # A pipe that is not read holds up nobody for good, and is waited for.
        s = Streaming(hall, '--port', 'p0', '--snaplen', '1500', '--max-seconds', '1')
        hall.send_until(lambda: any(c['state'] == 'ended' for c in d.call('capture_list')), 'it ends', size=1400)
        out, err = s.process.communicate(timeout=60)
        assert s.process.returncode == 0 and b'max_seconds' in err, err
        path.write_bytes(out)
        assert {p.kept for p in read_back(path) if p.is_test} == {1400}
        assert no_capture() and d.open_files() <= files
        refused = subprocess.run([BUILD / 'stintctl', '-s', d.socket, 'capture', '-w', '-', '--port', 'nobody'],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert refused.returncode == 1 and b"'nobody'" in refused.stderr and not refused.stdout


def traffic_goes_on():
    """Everything from a port's first packet to its last is captured or counted as not captured; streams arrive, and
    no packet is lost."""
    with Hall() as hall:
        d = hall.d
        hall.start('all', network='blue', max_seconds=3600)
        hall.plug_in()
        stream(hall.guests[0].net, hall.guests[1].net, ADDRESSES[0], 2000000)
        hall.taps.clear()
        for g in hall.guests:
            g.close()
        counters = [d.counters(f'p{i}') for i in (0, 1)]
        queues = [q for c in counters for q in c['queues']]
        sent, got = (sum(q[f'{way}_packets'] for q in queues) for way in ('rx', 'tx'))
        drops = [(c['drops'], c.get('tx_drops')) for c in counters]
        assert sent > 1000, queues

        def total():
            c = hall.capture('all')
            return c['packets'] + c['skipped'] + c['missed'] == sent + got
        try:
            wait_for(total, 60, 'all is captured or counted')
        except TimeoutError as e:
            raise AssertionError((hall.capture('all'), sent, got, drops)) from e
        c = hall.capture('all')
        packets = hall.finish('all')
        assert len(packets) == c['packets'] > 0
        assert dropped_by_file(hall.folder / 'all') == [c['skipped'], c['missed']]
        # The guests' kernels are faster than no ring: whatever was lost has a reason of the receiver's.
        for dropped, _ in drops:
            assert set(dropped) <= {'receiver_ring_full', 'receiver_down', 'no_receiver'}, drops
        system = d.call('stats_workers')[0]
        assert 0 < system['system']['capture'] <= system['cycles'] / 50 + system['tsc_hz'] / 1000, system


def an_uplink_has_outer_headers():
    with Pair() as pair:
        d = pair.hosts[0].d
        for point in ('rx', 'tx'):
            d.call('capture_create', name=point, uplink='up0', point=point, max_seconds=3600)
        pair.wait_pings()
        for point, direction, address in (('rx', RECEIVED, UNDERLAY[0]), ('tx', SENT, UNDERLAY[1])):
            path = d.folder / point
            answer = d.call('capture_read', name=point, end=True)
            assert answer['ended']
            path.write_bytes(base64.b64decode(answer['data']))
            packets = read_back(path)
            # The outer header comes first.
            tunnelled = [p for p in packets if p.vni]
            assert tunnelled and {(p.vni, p.destination) for p in tunnelled} == {('100', address)}
            assert {(p.interface, p.direction) for p in packets} == {('up0', direction)}
            d.call('capture_delete', name=point)


if __name__ == '__main__':
    sys.exit(run_tests([each_kind_has_its_packets, drops_say_why, limits_end_a_capture, what_is_refused,
                        streams_end_as_they_should, traffic_goes_on, an_uplink_has_outer_headers]))
