#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""libvirtd runs our hook: domains bring their ports and take them away, a start that cannot be is refused
with the reason, running domains outlive libvirtd and stintd. tests/loop/hook_test.py has the odd cases."""
import contextlib
import grp
import os
import pathlib
import pwd
import signal
import stat
import sys
import tempfile
import time

from world import ROOT, GuestError, Pings, World, loss, run_tests, wait_for

HOOK = ROOT / 'scripts/libvirt-hook-qemu'
EXAMPLE = ROOT / 'docs/examples/domain.xml'
QEMU_USER = 'libvirt-qemu'
RECOVERY_S = 60


def domains_bring_their_ports():
    with tempfile.TemporaryDirectory(prefix='stint-hook.') as folder, World(
            hooks=lambda stintd: [wrapper(pathlib.Path(folder), stintd)]) as w:
        w.patience = pathlib.Path(folder) / 'patience'
        w.network('blue')
        # The switch listens for a, QEMU listens for b.
        a = w.lab.define(name='a', tenant='acme', interfaces=[{'network': 'blue', 'ip': '10.0.0.1/24'}])
        b = w.lab.define(name='b', tenant='acme', interfaces=[{'network': 'blue', 'ip': '10.0.0.2/24',
                                                               'mode': 'server'}])
        for step in (the_example_is_a_domain, a_start_that_cannot_be_is_refused, without_stintd_only_others_start,
                     ports_come_with_domains, libvirtd_restarts, libvirtd_comes_back_to_less,
                     ports_go_with_domains, a_domain_that_was_killed_comes_back):
            start = time.monotonic()
            step(w, a, b)
            print(f'  {step.__name__} ({time.monotonic() - start:.1f} s)', flush=True)


def wrapper(folder, stintd):
    """A hook of the operator's that sets the environment of ours, as docs/operations.md advises."""
    path = folder / 'stint'
    path.write_text(f'#!/bin/sh\nSTINT_SOCKET={stintd.socket} STINT_HOOK_TIMEOUT=$(cat {folder}/patience) '
                    f'exec {HOOK} "$@"\n')
    path.chmod(0o755)
    (folder / 'patience').write_text('100')
    return path


@contextlib.contextmanager
def stintd_down(w):
    """Nobody waits for it to come back."""
    w.stintd.stop()
    w.patience.write_text('1')
    yield
    w.patience.write_text('100')
    w.stintd.start()


def ports(w):
    return {port['name']: port['mode'] for port in w.stintd.call('port_list')}


def configuration(w):
    return w.stintd.call('config_get')['calls']


def refusal(guest):
    """What virsh says where a domain does not start."""
    try:
        guest.virsh('start', guest.name)
    except GuestError as error:
        assert guest.state() == 'shut off', guest.state()
        return str(error)
    raise AssertionError(f'{guest.name} was started')


def the_example_is_a_domain(w, a, _):
    """Everything of it but KVM, which is not everywhere."""
    text = EXAMPLE.read_text()
    for word, instead in (("type='kvm'", "type='qemu'"), ("<cpu mode='host-passthrough'/>", '')):
        assert word in text
        text = text.replace(word, instead)
    path = w.lab.folder / 'example.xml'
    path.write_text(text)
    a.virsh('define', '--validate', str(path))
    kept = a.virsh('dumpxml', 'web1').stdout
    assert 'urn:stint:libvirt:1' in kept and 'network="blue"' in kept, kept
    a.virsh('undefine', 'web1')


def a_start_that_cannot_be_is_refused(w, *_):
    before = configuration(w)
    lost = w.lab.define(name='lost', tenant='acme', interfaces=[
        {'network': 'blue', 'ip': '10.0.0.8/24'}, {'network': 'nowhere', 'ip': '10.0.1.8/24'}])
    said = refusal(lost)
    assert "network 'nowhere' does not exist" in said, said
    stranger = w.lab.define(name='stranger', tenant='nobody', interfaces=[{'network': 'blue', 'ip': '10.0.0.9/24'}])
    said = refusal(stranger)
    assert "tenant 'nobody' does not exist" in said, said
    assert configuration(w) == before
    # What was missing is made; nothing else has to be put right.
    w.network('nowhere')
    lost.virsh('start', 'lost')
    assert ports(w) == {'lost-0': 'server', 'lost-1': 'server'}
    w.lab.destroy(lost)
    assert ports(w) == {}


def without_stintd_only_others_start(w, a, _):
    plain = w.lab.define(name='plain', memory_mib=96)
    with stintd_down(w):
        said = refusal(a)
        assert f'stintd does not answer at {w.stintd.socket}' in said and 'is it running?' in said, said
        plain.virsh('start', 'plain')
        assert plain.state() == 'running'
    assert ports(w) == {} and w.stintd.call('vm_list') == []
    w.lab.destroy(plain)


def ports_come_with_domains(w, a, b):
    w.lab.boot(a, b)
    assert ports(w) == {'a-0': 'server', 'b-0': 'client'}
    for guest in (a, b):
        vm = w.stintd.call('vm_list', name=guest.name)[0]
        assert vm['uuid'] == guest.virsh('domuuid', guest.name).stdout.strip() and vm['tenant'] == 'acme', vm
        w.stintd.wait_state(f'{guest.name}-0', 'up')
        assert w.stintd.port(f'{guest.name}-0')['mac'] == guest.interface()['mac']
    # QEMU is no superuser: the socket is made for it, and for nobody else.
    status = os.stat(a.interface()['socket'])
    assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_gid == grp.getgrnam(QEMU_USER).gr_gid
    assert pathlib.Path(f'/proc/{w.lab.qemu_pid(a)}').stat().st_uid == pwd.getpwnam(QEMU_USER).pw_uid
    assert loss(a.check(f'ping -c 5 -i 0.2 {b.ip()}')) == 0
    w.check_counters()


def libvirtd_restarts(w, a, b):
    before, uptime = configuration(w), a.uptime()
    pings = Pings(a, b.ip())
    pings.wait_answer()
    w.lab.restart_libvirt()
    assert (a.state(), b.state()) == ('running', 'running')
    pings.wait_answer()
    lost = pings.stop()
    assert not lost, f'lost: {lost}'
    assert configuration(w) == before and a.uptime() > uptime


def libvirtd_comes_back_to_less(w, a, b):
    uptime = a.uptime()
    # A port went away while libvirtd did: the domain gets it again.
    w.stintd.call('port_delete', name='a-0')
    w.lab.restart_libvirt()
    wait_for(lambda: set(ports(w)) == {'a-0', 'b-0'}, RECOVERY_S, 'the port is back')
    w.stintd.wait_state('a-0', 'up')
    assert loss(a.check(f'ping -c 3 -i 0.2 {b.ip()}')) == 0
    # stintd is down when libvirtd comes back: no reason to kill a guest.
    with stintd_down(w):
        w.lab.restart_libvirt()
        assert (a.state(), b.state()) == ('running', 'running')
    for guest in (a, b):
        w.stintd.wait_state(f'{guest.name}-0', 'up')
    wait_for(lambda: a.run(f'ping -c 1 -W 2 {b.ip()}').status == 0, RECOVERY_S, 'answers')
    assert a.uptime() > uptime


def ports_go_with_domains(w, a, b):
    b.start('poweroff -f')
    wait_for(lambda: b.state() == 'shut off', RECOVERY_S, 'b is off')
    wait_for(lambda: ports(w) == {'a-0': 'server'}, RECOVERY_S, "b's port is gone")
    assert [vm['name'] for vm in w.stintd.call('vm_list')] == ['a']
    socket = a.interface()['socket']
    os.kill(w.lab.qemu_pid(a), signal.SIGKILL)
    wait_for(lambda: a.state() == 'shut off', RECOVERY_S, 'libvirt notices')
    wait_for(lambda: not w.stintd.call('vm_list'), RECOVERY_S, "a's VM is gone")
    assert ports(w) == {} and not os.path.exists(socket)


def a_domain_that_was_killed_comes_back(w, a, b):
    w.lab.boot(a, b)
    assert ports(w) == {'a-0': 'server', 'b-0': 'client'}
    # It stops while stintd is away: what is left behind is no obstacle.
    with stintd_down(w):
        w.lab.destroy(a)
    assert 'a-0' in ports(w)
    w.lab.boot(a)
    wait_for(lambda: a.run(f'ping -c 1 -W 2 {b.ip()}').status == 0, RECOVERY_S, 'answers')
    w.lab.destroy(a, b)
    assert ports(w) == {} and w.stintd.call('vm_list') == []


if __name__ == '__main__':
    sys.exit(run_tests([domains_bring_their_ports]))
