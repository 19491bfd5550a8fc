#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests, QEMU and stintd die and come back under traffic: the others go on, nothing is left behind."""
import os
import re
import signal
import sys
import time

from world import RpcError, World, loss, ping, run_tests, start_ping, wait_for

RECOVERY_S = 30


def answers_in(output):
    """The sequence numbers that were answered."""
    return [int(number) for number in re.findall(r'seq=(\d+)', output)]


def sent_in(output):
    return int(re.search(r'(\d+) packets transmitted', output).group(1))


def wait_answer(guest, address):
    wait_for(lambda: ping(guest, address, count=1), RECOVERY_S, f'{guest.name} reaches {address}')


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
    stop = start_ping(a, b.ip())
    c.reboot()
    wait_for(lambda: not c.answers(), RECOVERY_S, 'c is down')
    c.wait_ready()
    assert loss(stop()) == 0, 'a and b noticed'
    w.stintd.wait_state('c-0', 'up')
    wait_answer(c, a.ip())


def qemu_is_killed(w, a, b, c):
    files = w.stintd.open_files()
    stop = start_ping(a, b.ip())
    flood = c.start(f'ping -i 0.002 -s 1400 {a.ip()} > /dev/null')
    time.sleep(1)
    assert c.poll(flood) is None
    os.kill(w.lab.qemu_pid(c), signal.SIGKILL)
    w.stintd.wait_state('c-0', 'waiting')
    assert w.stintd.open_files() < files, 'memory and rings of the dead guest are still open'
    wait_for(lambda: c.state() == 'shut off', RECOVERY_S, 'libvirt notices')
    assert loss(stop()) == 0, 'a and b noticed'
    w.boot(c)
    wait_answer(c, a.ip())
    assert w.stintd.open_files() == files


def stintd_is_killed(w, a, b, c):
    uptimes = [guest.uptime() for guest in (a, b, c)]
    stop = start_ping(a, b.ip())
    time.sleep(1)
    w.stintd.kill()
    time.sleep(0.5)
    w.stintd.start()
    for guest in (a, b, c):
        w.stintd.wait_state(f'{guest.name}-0', 'up')
    wait_answer(a, b.ip())
    time.sleep(1)
    output = stop()
    # The same ping that was interrupted goes on: nobody was rebooted.
    assert sent_in(output) - 2 in answers_in(output), output
    assert all(guest.uptime() > before for guest, before in zip((a, b, c), uptimes))
    wait_answer(c, a.ip())


def stintd_is_stopped_and_started(w, a, b, c):
    stop = start_ping(a, b.ip())
    assert w.stintd.stop() == 0
    w.stintd.start()
    for guest in (a, b, c):
        w.stintd.wait_state(f'{guest.name}-0', 'up')
    wait_answer(a, b.ip())
    stop()


def a_port_is_deleted(w, a, b, c):
    stop = start_ping(a, b.ip())
    flood = c.start(f'ping -i 0.002 -s 1400 {a.ip()} > /dev/null')
    time.sleep(0.5)
    w.stintd.call('port_delete', name='c-0')
    time.sleep(0.5)
    assert c.poll(flood) is None
    assert loss(stop()) == 0, 'a and b noticed'
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
