#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""While two hosts talk, all that belongs to another network's tunnel is made and removed as fast as calls are answered:
no packet of theirs is lost, and nothing is left behind."""
import json
import pathlib
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kernel_vxlan_test import Wire, check_counters  # noqa: E402
from netns import link  # noqa: E402
from stintd import run_tests, wait_for  # noqa: E402

SECONDS = 4
WINDOW = 64  # datagrams under way: no queue of the kernel or of the guest's front end is ever full
LATE_S = 2
CALLS_AT_ONCE = 32
REMOTES = [f'10.9.0.{i}' for i in range(100, 116)]
MEMORY_KB = 16 << 10


class Numbers:
    """Numbered datagrams from the guest to the peer and back, in a thread, until finish()."""

    def __init__(self, w):
        self.w = w
        self.back = w.keep_socket(w.peer, '192.168.7.2')
        self.out = w.keep_socket(w.guest.net, '192.168.7.1')
        self.target = self.back.getsockname()
        self.sent = 0
        self.answered = 0
        self.missing = {}  # number: when it was sent
        self.is_draining = self.is_over = False
        self.threads = [threading.Thread(target=work) for work in (self.send, self.answer)]
        for thread in self.threads:
            thread.start()

    def answer(self):
        while not self.is_over:
            if select.select([self.back], [], [], 0.1)[0]:
                data, source = self.back.recvfrom(2048)
                self.back.sendto(data, source)

    def under_way(self):
        """Those of which nobody knows yet whether they are lost."""
        limit = time.monotonic() - LATE_S
        return sum(1 for sent in list(self.missing.values()) if sent > limit)

    def send(self):
        while not self.is_over:
            for _ in range(WINDOW - self.under_way() if not self.is_draining else 0):
                self.missing[self.sent] = time.monotonic()
                self.out.sendto(struct.pack('!Q', self.sent) + bytes(self.sent % 1000), self.target)
                self.sent += 1
            # The test's other threads and the switch are to have their turn.
            time.sleep(0.001)
            while select.select([self.out], [], [], 0)[0]:
                number, = struct.unpack('!Q', self.out.recv(2048)[:8])
                self.answered += self.missing.pop(number, None) is not None

    def wait_progress(self):
        before = self.answered
        wait_for(lambda: self.answered > before + WINDOW, 60, 'datagrams are answered')

    def finish(self):
        """How many were lost."""
        self.is_draining = True
        try:
            wait_for(lambda: not self.missing, 60, 'datagrams arrive')
        except TimeoutError:
            pass
        self.is_over = True
        for thread in self.threads:
            thread.join()
        return len(self.missing)


class ChangeWire(Wire):
    def set_up(self):
        super().set_up()
        self.d.call('network_create', name='red', tenant='acme', vni=200, mtu=1400)
        self.host.add('10.9.0.11/24', 'out')
        self.connect()

    def keep_socket(self, net, address):
        s = self.keep(net.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        s.bind((address, 0))
        return s

    def counted(self):
        """Packets that were dropped with a reason."""
        ports, uplinks = self.d.call('stats_ports'), self.d.call('stats_uplinks', uplink='up0')
        return sum(sum(p['drops'].values()) + sum(p['wire_drops'].values()) for p in ports) + \
            sum(u['tx_dropped'] + u['rx_dropped'] + u['device_missed'] + u['device_no_buffer'] + u['device_errors']
                for u in uplinks)


class Caller:
    """Calls by one connection, several at a time."""

    def __init__(self, d):
        self.socket = d.connect()
        self.rest = b''
        self.done = 0

    def calls(self, calls):
        """Makes them, one (method, parameters) after the other; all have to succeed."""
        for i in range(0, len(calls), CALLS_AT_ONCE):
            part = calls[i:i + CALLS_AT_ONCE]
            self.socket.sendall(b''.join(
                json.dumps({'jsonrpc': '2.0', 'id': n, 'method': method, 'params': params}).encode() + b'\n'
                for n, (method, params) in enumerate(part)))
            for method, params in part:
                answer = json.loads(self.read())
                assert 'error' not in answer, (method, params, answer)
                self.done += 1

    def read(self):
        """The next answer."""
        decoder = json.JSONDecoder()
        while True:
            try:
                text = self.rest.decode().lstrip()
                _, end = decoder.raw_decode(text)
                self.rest = text[end:].encode()
                return text[:end]
            except json.JSONDecodeError:
                part = self.socket.recv(1 << 20)
                if not part:
                    raise ConnectionError('stintd hung up') from None
                self.rest += part

    def close(self):
        self.socket.close()


def round_of_changes(uplink, address):
    """All of the other network's tunnel, made and removed again."""
    macs = [f'52:54:00:00:01:{i:02x}' for i in range(len(REMOTES))]
    yield 'vtep_create', dict(name='t2', uplink=uplink, address=address)
    yield 'network_set', dict(name='red', vtep='t2')
    for remote, mac in zip(REMOTES, macs):
        yield 'network_add_remote', dict(network='red', address=remote)
        yield 'fdb_add', dict(network='red', mac=mac, remote=remote)
    for remote, mac in zip(REMOTES, macs):
        yield 'fdb_delete', dict(network='red', mac=mac)
        yield 'network_remove_remote', dict(network='red', address=remote)
    # These go with the VTEP.
    yield 'network_add_remote', dict(network='red', address=REMOTES[0])
    yield 'fdb_add', dict(network='red', mac=macs[0], remote=REMOTES[1])
    yield 'network_set', dict(name='red', vtep='')
    yield 'vtep_delete', dict(name='t2')


def check_changes(w, make_round):
    """Rounds of changes while packets come and go."""
    d = w.d
    caller = w.keep(Caller(d))
    caller.calls(list(make_round()))
    config = d.call('config_get')
    counted = w.counted()
    numbers = Numbers(w)
    try:
        numbers.wait_progress()
        memory, files, done = d.memory_kb(), d.open_files(), caller.done
        start = time.monotonic()
        while time.monotonic() < start + SECONDS:
            caller.calls(list(make_round()))
        took = time.monotonic() - start
        numbers.wait_progress()
    finally:
        lost = numbers.finish()
    print(f'# {(caller.done - done) / took:.0f} changes and {numbers.answered / took:.0f} answers a second')
    assert lost <= w.counted() - counted, (lost, numbers.sent, d.call('stats_ports'), d.call('stats_uplinks'))
    assert d.call('config_get') == config
    wait_for(lambda: d.open_files() == files, 60, 'no file stays open')
    print(f'# memory grew by {d.memory_kb() - memory} KiB')
    assert d.memory_kb() < memory + MEMORY_KB, (memory, d.memory_kb())
    check_counters(d)


def of_remotes():
    """By the uplink that the others use."""
    with ChangeWire() as w:
        check_changes(w, lambda: round_of_changes('up0', '10.9.0.11'))
        assert len(w.d.call('remote_list')) == 1


def of_an_uplink(device):
    """By one of its own, which comes and goes as well."""
    with ChangeWire() as w:
        link(w.host, 'out2', w.peer, 'wire2')
        w.host.add('10.10.0.1/24', 'out2')

        def make_round():
            yield 'uplink_create', dict(name='up1', device=device, kernel_interface='out2')
            yield from round_of_changes('up1', '10.10.0.1')
            yield 'uplink_delete', dict(name='up1')
        check_changes(w, make_round)


def of_an_uplink_without_a_wire():
    of_an_uplink('net_ring0')


def of_an_uplink_by_a_plain_socket():
    of_an_uplink('net_af_packet1,iface=out2')


if __name__ == '__main__':
    sys.exit(run_tests([of_remotes, of_an_uplink_without_a_wire, of_an_uplink_by_a_plain_socket]))
