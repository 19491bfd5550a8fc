#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux guests of one network on two hosts, with routers between that carry less than the hosts' links: what is sent
arrives, and the guests learn what fits."""
import contextlib
import pathlib
import sys

from world import ROOT, World, give_ipv6, ping, run_tests, send, wait_for

sys.path.append(str(pathlib.Path(ROOT, 'tests/loop')))
# pylint: disable=wrong-import-position
from netns import Net, link  # noqa: E402

MIB = 4
HOST_MTU = 1600
PATH_MTU = 1500
OVERHEAD = {4: 50, 6: 70}
LENGTH = {4: 24, 6: 64}


def underlay_address(version, subnet, number):
    return f'10.8.{subnet}.{number}' if version == 4 else f'fd08:0:0:{subnet}::{number or ""}'


def with_length(version, subnet, number):
    return f'{underlay_address(version, subnet, number)}/{LENGTH[version]}'


def make_underlay(stack):
    """Two hosts with a router each, and a link between the routers that has a smaller MTU. Returns the hosts."""
    hosts, routers = ([stack.enter_context(contextlib.closing(Net())) for _ in (0, 1)] for _ in (0, 1))
    link(routers[0], 'across', routers[1], 'across', PATH_MTU)
    for i in (0, 1):
        link(hosts[i], 'out', routers[i], 'in', HOST_MTU)
        routers[i].run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    for version in (4, 6):
        for i in (0, 1):
            hosts[i].add(with_length(version, i, 1), 'out')
            routers[i].add(with_length(version, i, 2), 'in')
            routers[i].add(with_length(version, 2, i + 1), 'across')
        for i in (0, 1):
            hosts[i].ip(f'-{version} route add default via {underlay_address(version, i, 2)}')
            routers[i].ip(f'-{version} route add {with_length(version, 1 - i, 0)} '
                          f'via {underlay_address(version, 2, 2 - i)}')
    return hosts


def connect(w, i, version):
    """Has the network use this version's VTEP, with the other host as its only remote."""
    w.stintd.call('network_set', name='blue', vtep=f't{version}')
    w.stintd.call('network_add_remote', network='blue', address=underlay_address(version, 1 - i, 1))


def start_host(stack, net, i):
    w = stack.enter_context(World(args=['--uplinks'], prefix=net.prefix))
    w.stintd.call('uplink_create', name='up0', device='net_af_xdp0,iface=out', mtu=HOST_MTU)
    for version in (4, 6):
        w.stintd.call('vtep_create', name=f't{version}', uplink='up0', address=underlay_address(version, i, 1))
    # The guests are to learn by themselves what fits.
    w.network('blue', vtep='t4', mtu=1500, mss_clamp='off')
    return w


def crosses(version, worlds, guests):
    """A router refuses the first full segments. The kernel hears of it, the switch of that, and the guest of this, once
    for each of its own versions: it sends shorter segments, and asks the other for such."""
    for i, w in enumerate(worlds):
        connect(w, i, version)
    for address in (guests[1].ip(), '-6 fd00::2'):
        wait_for(lambda address=address: ping(guests[0], address, 1), 120, 'the guests reach each other')
    before = worlds[0].stintd.counters('guest0-0')['consumed']
    for i in (0, 1):
        for address in (guests[1 - i].ip(), f'fd00::{2 - i}'):
            send(guests[i], guests[1 - i], address)
    mtu = worlds[0].stintd.call('remote_list', network='blue')[0]['mtu']
    assert mtu == PATH_MTU - OVERHEAD[version], mtu
    told = worlds[0].stintd.counters('guest0-0')['consumed'] - before
    assert told >= 2, told


def a_narrow_path_is_crossed():
    with contextlib.ExitStack() as stack:
        hosts = make_underlay(stack)
        worlds = [start_host(stack, net, i) for i, net in enumerate(hosts)]
        guests = [w.guest(f'guest{i}', {'network': 'blue', 'ip': f'10.0.0.{i + 1}/24'}) for i, w in enumerate(worlds)]
        for i, (w, guest) in enumerate(zip(worlds, guests)):
            w.boot(guest)
            give_ipv6(guest, i + 1)
            guest.check(f'dd if=/dev/urandom of=/tmp/sent bs=1M count={MIB}')
        for version in (4, 6):
            crosses(version, worlds, guests)
        for w in worlds:
            w.check_counters()


if __name__ == '__main__':
    sys.exit(run_tests([a_narrow_path_is_crossed]))
