# SPDX-License-Identifier: BSD-3-Clause
"""A stintd and guests on it, for the tests of this folder."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / 'scripts'), str(ROOT / 'tests')]

# pylint: disable=wrong-import-position
from guestlab import Lab  # noqa: E402
from stintd import RpcError, Stintd, run_tests, wait_for  # noqa: E402

__all__ = ['RpcError', 'World', 'loss', 'ping', 'run_tests', 'start_ping', 'wait_for']


class World:
    """Guests are named like their VMs and ports: guest 'a' has VM 'a' and ports 'a-0', 'a-1', ..."""

    def __init__(self, hooks=(), **stintd):
        self.stintd = Stintd(**stintd)
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

    def guest(self, name, *interfaces, tenant='acme', **options):
        """Defines a guest and makes its VM and ports; each interface names its network."""
        guest = self.lab.define(name=name, interfaces=list(interfaces), **options)
        self.stintd.call('vm_create', name=name, tenant=tenant)
        for index, interface in enumerate(guest.description['interfaces']):
            self.stintd.call('port_create', name=f'{name}-{index}', vm=name, network=interface['network'],
                             socket=interface['socket'], socket_mode='0666',
                             mode='server' if interface['mode'] == 'client' else 'client')
        return guest

    def boot(self, *guests):
        self.lab.boot(*guests)
        for guest in guests:
            for index in range(len(guest.description['interfaces'])):
                self.stintd.wait_state(f'{guest.name}-{index}', 'up')

    def check_counters(self):
        """Every packet that came in went somewhere that has a name."""
        for port in self.stintd.call('stats_ports'):
            assert port['in'] == port['forwarded'] + port['consumed'] + port['dropped'], port
            assert port['dropped'] == sum(port['drops'].values()), port

    def __enter__(self):
        return self

    def __exit__(self, *what):
        try:
            if what[0] is not None:
                print(self.stintd.read_log(), flush=True)
            self.lab.__exit__(*what)
        finally:
            self.stintd.close()


def loss(output):
    """Percent of packets lost, as ping says."""
    return int(re.search(r'(\d+)% packet loss', output).group(1))


def ping(guest, address, count=3, options=''):
    """True if at least one answer came."""
    return guest.run(f'ping -c {count} -W 2 {options} {address}').status == 0


def start_ping(guest, address):
    """Pings five times a second until stopped: returns a function that stops it and returns its output.
    Its numbers go on while the other side is away."""
    pid = guest.start(f'ping -i 0.2 -W 1 {address} > /tmp/ping 2>&1')

    def stop():
        guest.check('killall -INT ping')
        guest.wait(pid)
        return guest.check('cat /tmp/ping')
    return stop
