#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests, QEMU and stintd die and come back under traffic: the others go on, nothing is left behind."""
import os
import signal
import sys
import time

from world import Pings, RpcError, World, ping, run_tests, wait_for

RECOVERY_S = 60


def wait_answer(guest, address):
    wait_for(lambda: ping(guest, address, count=1), RECOVERY_S, f'{guest.name} reaches {address}')


def undisturbed(a, b, pings):
    """a's pings to b went on without a loss, and still do."""
    lost = pings.stop()
    assert not lost, f'lost: {lost}'
    wait_answer(a, b.ip())


def they_come_and_go():
    with World() as w:
        w.network('blue')
        guests = [w.guest(name, {'network': 'blue', 'ip': f'10.0.0.{i}/24'}, memory_mib=128)
                  for i, name in enumerate('abc', 1)]
        w.boot(*guests)
        for step in (a_guest_is_reset, qemu_is_killed, stintd_is_killed, stintd_is_stopped_and_started,
                     a_port_is_deleted):
            start = time.monotonic()
            step(w, *guests)
            w.check_counters()
            print(f'  {step.__name__} ({time.monotonic() - start:.1f} s)', flush=True)


def a_guest_is_reset(w, a, b, c):
    pings = Pings(a, b.ip())
    pings.wait_answer()
    c.start(f'ping -i 0.01 -s 1400 {a.ip()} > /dev/null')
    w.wait_sent('c-0', 100)
    c.reboot()
    wait_for(lambda: not c.answers(), RECOVERY_S, 'c is down')
    c.wait_ready()
    undisturbed(a, b, pings)
    w.stintd.wait_state('c-0', 'up')
    wait_answer(c, a.ip())


def qemu_is_killed(w, a, b, c):
    files = w.stintd.open_files()
    pings = Pings(a, b.ip())
    pings.wait_answer()
    flood = c.start(f'ping -i 0.01 -s 1400 {a.ip()} > /dev/null')
    w.wait_sent('c-0', 100)
    assert c.poll(flood) is None
    os.kill(w.lab.qemu_pid(c), signal.SIGKILL)
    w.stintd.wait_state('c-0', 'waiting')
    assert w.stintd.open_files() < files, 'memory and rings of the dead guest are still open'
    wait_for(lambda: c.state() == 'shut off', RECOVERY_S, 'libvirt notices')
    undisturbed(a, b, pings)
    w.boot(c)
    wait_answer(c, a.ip())
    assert w.stintd.open_files() == files


def stintd_is_killed(w, a, b, c):
    uptimes = [guest.uptime() for guest in (a, b, c)]
    pings = Pings(a, b.ip())
    pings.wait_answer()
    w.stintd.kill()
    time.sleep(0.5)  # the guests notice: pings go unanswered
    w.stintd.start()
    for guest in (a, b, c):
        w.stintd.wait_state(f'{guest.name}-0', 'up')
    # The same ping that was interrupted goes on: nobody was rebooted.
    pings.wait_answer()
    pings.stop()
    assert all(guest.uptime() > before for guest, before in zip((a, b, c), uptimes))
    wait_answer(c, a.ip())


def stintd_is_stopped_and_started(w, a, b, c):
    pings = Pings(a, b.ip())
    pings.wait_answer()
    assert w.stintd.stop() == 0
    w.stintd.start()
    for guest in (a, b, c):
        w.stintd.wait_state(f'{guest.name}-0', 'up')
    pings.wait_answer()
    pings.stop()


def a_port_is_deleted(w, a, b, c):
    pings = Pings(a, b.ip())
    pings.wait_answer()
    flood = c.start(f'ping -i 0.01 -s 1400 {a.ip()} > /dev/null')
    w.wait_sent('c-0', 100)
    w.stintd.call('port_delete', name='c-0')
    w.wait_sent('a-0', 3)
    assert c.poll(flood) is None
    undisturbed(a, b, pings)
    assert not ping(c, a.ip(), count=1)
    try:
        w.stintd.port('c-0')
        raise AssertionError('the port is still there')
    except (RpcError, IndexError):
        pass
    assert c.state() == 'running'
    # The same port again: QEMU reconnects by itself.
    w.stintd.call('port_create', name='c-0', vm='c', network='blue', socket=c.interface()['socket'],
                  socket_mode='0666')
    w.stintd.wait_state('c-0', 'up')
    wait_answer(c, a.ip())


if __name__ == '__main__':
    sys.exit(run_tests([they_come_and_go]))
