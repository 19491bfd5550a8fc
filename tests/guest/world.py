# SPDX-License-Identifier: BSD-3-Clause
"""A stintd and guests on it, for the tests of this folder."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / 'scripts'), str(ROOT / 'tests')]

# pylint: disable=wrong-import-position
from guestlab import Lab, is_running  # noqa: E402
from guestlab.guest import GuestError  # noqa: E402
from stintd import RpcError, Stintd, run_tests, wait_for  # noqa: E402

__all__ = ['FILE_PORT', 'IPERF_PORT', 'ROOT', 'GuestError', 'Pings', 'RpcError', 'Stintd', 'World', 'give_ipv6',
           'is_running', 'loss', 'ping', 'run_tests', 'send', 'wait_for']
IPERF_PORT = 5201
FILE_PORT = 5300


class World:
    """Guests are named like their VMs and ports: guest 'a' has VM 'a' and ports 'a-0', 'a-1', ..."""

    def __init__(self, hooks=(), args=(), **stintd):
        # Hugepages that others take and give back at the same time would make VMs fail now and then.
        self.stintd = Stintd(args=['--no-huge', *args], **stintd)
        self.vni = 1
        try:
            self.lab = Lab(hooks=hooks(self.stintd) if hooks else ())
        except BaseException:
            self.stintd.close()
            raise

    def network(self, name, tenant='acme', **options):
        if not any(t['name'] == tenant for t in self.stintd.call('tenant_list')):
            self.stintd.call('tenant_create', name=tenant)
        self.vni += 1
        self.stintd.call('network_create', name=name, tenant=tenant, vni=self.vni, **options)

    def guest(self, name, *interfaces, tenant='acme', port=None, **options):
        """Defines a guest and makes its VM and ports; each interface names its network, `port` is what else its ports
        are made with."""
        guest = self.lab.define(name=name, interfaces=list(interfaces), **options)
        self.stintd.call('vm_create', name=name, tenant=tenant)
        for index, interface in enumerate(guest.description['interfaces']):
            self.stintd.call('port_create', name=f'{name}-{index}', vm=name, network=interface['network'],
                             socket=interface['socket'], socket_mode='0666',
                             mode='server' if interface['mode'] == 'client' else 'client', **(port or {}))
        return guest

    def boot(self, *guests):
        self.lab.boot(*guests)
        for guest in guests:
            for index in range(len(guest.description['interfaces'])):
                self.stintd.wait_state(f'{guest.name}-{index}', 'up')

    def wait_sent(self, port, packets):
        """Returns when the guest behind the port has sent that many more packets."""
        before = self.stintd.counters(port)['in']
        wait_for(lambda: self.stintd.counters(port)['in'] >= before + packets, 60, f'{port} sends {packets} packets')

    def check_counters(self):
        """Every packet that came in went somewhere that has a name."""
        for port in self.stintd.call('stats_ports'):
            assert port['in'] == port['forwarded'] + port['consumed'] + port['dropped'], port
            assert port['dropped'] == sum(port['drops'].values()), port
        wait_for(lambda: not any(vm['buffers_in_use'] for vm in self.stintd.call('stats_vms')), 60, 'buffers are back')

    def __enter__(self):
        return self

    def __exit__(self, *what):
        try:
            self.lab.__exit__(*what)
        finally:
            if what[0] is not None:
                self.describe()
            self.stintd.close()

    def describe(self):
        """Prints what may explain a failure."""
        print(self.stintd.read_log(), flush=True)
        try:
            for port in self.stintd.call('stats_ports'):
                print({key: value for key, value in port.items() if value and key != 'queues'}, flush=True)
        except OSError as e:
            print(f'no statistics: {e}', flush=True)


def loss(output):
    """Percent of packets lost, as ping says."""
    return int(re.search(r'(\d+)% packet loss', output).group(1))


def ping(guest, address, count=3, options=''):
    """True if at least one answer came."""
    return guest.run(f'ping -c {count} -W 2 {options} {address}').status == 0


def give_ipv6(guest, number):
    guest.check('echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6 && '
                f'ip -6 address add fd00::{number}/64 dev eth0')


def send(sender, receiver, address):
    """Sends the sender's file, and compares what was received."""
    server = receiver.serve(f"nc -l -p {FILE_PORT} -e sh -c 'cat > /tmp/got'", FILE_PORT)
    sender.check(f'nc {address} {FILE_PORT} < /tmp/sent')
    assert receiver.wait(server).status == 0
    sent, got = (guest.check(f'sha256sum < /tmp/{name}') for guest, name in ((sender, 'sent'), (receiver, 'got')))
    assert sent == got, (sender.name, receiver.name, address)


class Pings:
    """Pings five times a second until stopped. The numbers go on while the other side is away."""

    def __init__(self, guest, address):
        self.guest = guest
        self.pid = guest.start(f'ping -i 0.2 -W 1 {address} > /tmp/ping 2>&1')

    def last(self):
        """The number of the last answer so far, -1 if there was none."""
        return max(answers(self.guest.check('tail -n 2 /tmp/ping')), default=-1)

    def wait_answer(self):
        before = self.last()
        wait_for(lambda: self.last() > before, 60, f'{self.guest.name} gets answers')

    def stop(self):
        """The numbers of those that were lost since the first answer: before that, addresses have to be resolved.
        What was sent after the last answer may still be under way."""
        self.guest.check('killall -INT ping')
        self.guest.wait(self.pid)
        answered = answers(self.guest.check('cat /tmp/ping'))
        return sorted(set(range(min(answered, default=0), max(answered, default=0))) - answered)


def answers(output):
    """The numbers of the pings that were answered."""
    return {int(number) for number in re.findall(r'seq=(\d+)', output)}
