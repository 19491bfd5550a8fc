#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Uplinks, VTEPs and remotes as operators manage them: what is refused, what survives a restart, what follows the
kernel's routes and neighbours."""
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from frames import Wiretap  # noqa: E402
from kernel_vxlan_test import Wire, wire_lost  # noqa: E402
from netns import Net, link  # noqa: E402
from stintd import BUILD, RpcError, Stintd, run_tests, wait_for  # noqa: E402


def refusal(d, method, **params):
    """Why a call is refused, with the field at fault."""
    try:
        d.call(method, **params)
    except RpcError as e:
        return (e.data or {}).get('field'), str(e)
    raise AssertionError(f'{method} {params}: not refused')


def told(d, kind):
    """Waits for an event of uplink up0."""
    wait_for(lambda: [e for e in d.call('events_list') if e['type'] == kind and e['uplink'] == 'up0'], 60, kind)


def without_uplinks():
    with Stintd() as d:
        field, text = refusal(d, 'uplink_create', name='up0', device='net_null0')
        assert 'stintd --uplinks' in text, text
        assert d.call('uplink_list') == d.call('vtep_list') == d.call('remote_list') == []


def is_refused():
    """Bad calls name what is wrong, and change nothing."""
    with Wire() as w:
        d = w.d
        before = d.call('config_get')
        cases = [
            ('device', 'net_af_xdp or', dict(method='uplink_create', name='u', device='net_memif0')),
            ('device', 'net_af_xdp or', dict(method='uplink_create', name='u', device='net_failsafe0,exec(false)')),
            ('device', 'finds no such device',
             dict(method='uplink_create', name='u', device='net_virtio_user0,path=/nowhere')),
            ('device', 'another uplink has', dict(method='uplink_create', name='u', device='net_af_xdp1,iface=out')),
            ('device', 'in use', dict(method='uplink_create', name='u', device='net_af_xdp0,iface=out')),
            ('name', 'exists', dict(method='uplink_create', name='up0', device='net_ring0')),
            ('kernel_interface', 'no such interface',
             dict(method='uplink_create', name='u', device='net_ring0', kernel_interface='nowhere')),
            ('kernel_interface', 'has no interface', dict(method='uplink_create', name='u', device='net_ring0')),
            ('address', 'no interface', dict(method='vtep_create', name='v', uplink='up0', address='10.9.0.77')),
            ('address', "is vtep 't'", dict(method='vtep_create', name='v', uplink='up0', address=w.ours)),
            ('address', 'not a host', dict(method='vtep_create', name='v', uplink='up0', address='239.1.1.1')),
            ('address', 'not a host', dict(method='vtep_create', name='v', uplink='up0', address='1.2.3')),
            ('address', "remote of vtep 't'", dict(method='vtep_create', name='v', uplink='up0', address=w.theirs)),
            ('uplink', 'does not exist', dict(method='vtep_create', name='v', uplink='u', address=w.ours)),
            ('mtu', '1450 at most', dict(method='network_set', name='blue', mtu=1451)),
            ('vtep', 'does not exist', dict(method='network_set', name='blue', vtep='v')),
            ('address', "is vtep 't'", dict(method='network_add_remote', network='blue', address=w.ours)),
            ('address', 'IPv4', dict(method='network_add_remote', network='blue', address='fd00::9')),
            ('address', 'already', dict(method='network_add_remote', network='blue', address=w.theirs)),
            ('address', 'has no remote', dict(method='network_remove_remote', network='blue', address='10.9.0.9')),
            ('remote', 'not the IP address',
             dict(method='fdb_add', network='blue', mac='52:54:00:00:00:09', remote='127.0.0.1')),
            ('port', 'exactly one', dict(method='fdb_add', network='blue', mac='52:54:00:00:00:09')),
            ('name', 'still has 1 network', dict(method='vtep_delete', name='t')),
            ('name', 'still has 1 VTEP', dict(method='uplink_delete', name='up0')),
        ]
        for field, text, call in cases:
            method = call.pop('method')
            got = refusal(d, method, **call)
            assert got[0] == field and text in got[1], (method, call, got)
        # What the kernel refuses is said of a parameter, too.
        taken = w.keep(w.host.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        taken.bind(('0.0.0.0', 4790))
        field, text = refusal(d, 'vtep_create', name='v', uplink='up0', address=w.ours, port=4790)
        assert field == 'port' and 'used by a program' in text, (field, text)
        link(w.host, 'side', w.peer, 'other')
        w.host.ip(f'link set side xdp obj {BUILD / "xdp/uplink.o"} sec xdp')
        field, text = refusal(d, 'uplink_create', name='u', device='net_af_xdp1,iface=side')
        assert field == 'device' and 'XDP program' in text, (field, text)
        assert d.call('config_get') == before
        # Nor has any of them ended what the uplink does.
        w.add_vxlan()
        w.wait_up()
        w.guest.net.wait_ping('192.168.7.2')


def survives_a_restart():
    """All of it is there again after a crash, and the guest talks on."""
    with Wire() as w:
        w.connect()
        d = w.d
        d.call('fdb_add', network='blue', mac='52:54:00:00:00:02', remote=w.theirs)
        d.call('network_add_remote', network='blue', address='10.9.0.3')
        d.call('network_remove_remote', network='blue', address='10.9.0.3')
        w.guest.net.wait_ping('192.168.7.2')
        before = {m: d.call(m) for m in ('vtep_list', 'network_list')}
        config = d.call('config_get')
        d.kill()
        d.start()
        assert d.call('config_get') == config
        assert d.call('status_get')['state'] == 'ok', d.call('status_get')
        for method, value in before.items():
            assert d.call(method) == value, method
        w.wait_up()
        w.guest.net.wait_ping('192.168.7.2')


def refused_parts_can_be_deleted():
    """Where the uplink cannot be opened at start, nothing that hangs on it can: all of it is shown, and can go."""
    with Wire() as w:
        d = w.d
        d.call('fdb_add', network='blue', mac='52:54:00:00:00:02', remote=w.theirs)
        d.call('port_delete', name='p')
        d.kill()
        w.host.ip('link set out name other')
        d.start()
        assert d.call('uplink_list')[0]['state'] == 'refused', d.call('uplink_list')
        assert d.call('status_get')['refused'] == 5, d.call('status_get')
        d.call('fdb_delete', network='blue', mac='52:54:00:00:00:02')
        d.call('network_remove_remote', network='blue', address=w.theirs)
        assert d.call('status_get')['refused'] == 3, d.call('status_get')
        d.kill()
        d.start()
        d.call('network_delete', name='blue')
        d.call('vtep_delete', name='t')
        d.call('uplink_delete', name='up0')
        assert d.call('status_get')['state'] == 'ok', d.call('status_get')
        # With a network goes what was to be added to it.
        w.host.ip('link set other name out')
        d.call('uplink_create', name='up0', device='net_af_packet0,iface=out')
        d.call('vtep_create', name='t', uplink='up0', address=w.ours)
        d.call('network_create', name='blue', tenant='acme', vni=100, mtu=1450, vtep='t')
        d.call('network_add_remote', network='blue', address=w.theirs)
        d.kill()
        w.host.ip('link set out name other')
        d.start()
        d.call('network_delete', name='blue')
        assert d.call('status_get')['refused'] == 2, d.call('status_get')


def starts_before_its_address():
    """At boot the daemon may be there before the network is: its configuration is in force all the same."""
    with Wire() as w:
        w.add_vxlan()
        w.wait_up()
        w.d.kill()
        w.host.ip(f'addr del {w.ours}/24 dev out')
        w.d.start()
        wait_for(lambda: w.d.call('remote_list')[0]['state'] == 'no_address', 60, 'the remote says why')
        status = w.d.call('status_get')
        assert (status['state'], status['refused'], status['vteps_without_address']) == ('degraded', 0, 1), status
        assert status['reasons'] == [f'vtep t: {w.ours} is no address of this host'], status
        w.host.add(f'{w.ours}/24', 'out')
        w.wait_up()
        assert w.d.call('status_get')['state'] == 'ok', w.d.call('status_get')
        w.guest.net.wait_ping('192.168.7.2')


def follows_the_underlay():
    """The remote's state says what the kernel knows, and packets follow it."""
    with Wire() as w:
        w.connect()

        def becomes(state, text):
            def is_so():
                r = w.d.call('remote_list')[0]
                return r['state'] == state and text in r['state_text']
            try:
                wait_for(is_so, 60, f'the remote is {state}: {text}')
            except TimeoutError as e:
                raise AssertionError(f'{e}: {w.d.call("remote_list")}') from e

        w.host.ip(f'addr del {w.ours}/24 dev out')
        becomes('no_address', w.ours)
        w.host.add(f'{w.ours}/24', 'out')
        becomes('up', f'via {w.theirs} dev out')
        w.guest.net.wait_ping('192.168.7.2')
        # The next hop changes, and the path's MTU with it.
        w.peer.add('10.9.0.254/24', 'wire')
        w.host.ip(f'route add {w.theirs}/32 via 10.9.0.254 dev out mtu 1400')
        becomes('up', 'via 10.9.0.254 dev out')
        wait_for(lambda: w.d.call('remote_list')[0]['mtu'] == 1350, 60, "the path's MTU is known")
        w.guest.net.wait_ping('192.168.7.2')
        w.host.ip(f'route del {w.theirs}/32')
        becomes('up', f'via {w.theirs} dev out')
        # The peer gets another address on the link.
        w.peer.ip('link set wire address 52:54:00:99:99:99')
        w.host.ip('neigh flush dev out')
        wait_for(lambda: w.d.call('remote_list')[0].get('mac') == '52:54:00:99:99:99', 60, 'the new address is known')
        w.guest.net.wait_ping('192.168.7.2')
        w.host.ip('link set out down')
        becomes('link_down', '')
        told(w.d, 'uplink_down')
        assert w.d.call('uplink_list')[0]['state'] == 'down'
        status = w.d.call('status_get')
        assert status['uplinks_down'] == 1 and 'uplink up0: down: no link' in status['reasons'], status
        shown = subprocess.run([BUILD / 'stintctl', '--socket', w.d.socket, 'status', 'get'], capture_output=True,
                               text=True, check=True).stdout
        assert 'uplink up0: down: no link' in shown, shown
        w.host.ip('link set out up')
        becomes('up', '')
        told(w.d, 'uplink_up')
        assert w.d.call('uplink_list')[0]['state'] == 'up'
        assert w.d.call('status_get')['state'] == 'ok', w.d.call('status_get')
        w.guest.net.wait_ping('192.168.7.2')


def learns_the_mtu_of_a_path():
    """A router tells that a packet was too long for its next link, and the switch its guest, which sends shorter
    ones from then on."""
    with Wire() as w:
        router, far = w.keep(Net()), w.keep(Net())
        link(w.host, 'side', router, 'near')
        link(router, 'far', far, 'wire')
        w.host.add('10.8.1.1/24', 'side')
        router.add('10.8.1.254/24', 'near')
        router.add('10.8.2.254/24', 'far')
        far.add('10.8.2.2/24', 'wire')
        w.host.ip('route add 10.8.2.0/24 via 10.8.1.254')
        far.ip('route add 10.8.1.0/24 via 10.8.2.254')
        router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
        d = w.d
        d.call('uplink_create', name='up1', device='net_af_packet1,iface=side')
        d.call('vtep_create', name='t1', uplink='up1', address='10.8.1.1')
        d.call('network_set', name='blue', vtep='t1')
        d.call('network_add_remote', network='blue', address='10.8.2.2')
        far.ip('link add vx mtu 1450 type vxlan id 100 dstport 4789 local 10.8.2.2 remote 10.8.1.1')
        far.add('192.168.7.2/24', 'vx')
        far.ip('link set vx up')
        w.guest.net.wait_ping('192.168.7.2', size=1400, options=('-M', 'do'))
        for net, name in ((router, 'far'), (far, 'wire')):
            net.ip(f'link set {name} mtu 1400')

        def is_known():
            w.guest.net.pings('192.168.7.2', size=1400, options=('-M', 'do'))
            return d.call('remote_list', network='blue')[0]['mtu'] == 1350
        wait_for(is_known, 60, "the path's MTU is known")

        def is_told():
            # The switch's answer is on standard output, what the guest's kernel knows by then on the other.
            done = w.guest.net.run('ping', '-c', '1', '-W', '1', '-s', '1400', '-M', 'do', '192.168.7.2', check=False)
            return 'mtu' in done.stdout + done.stderr
        wait_for(is_told, 60, 'the guest knows it')
        w.guest.net.wait_ping('192.168.7.2', size=1350 - 28, options=('-M', 'do'))


def keeps_tenants_out_of_the_host():
    """With a driver that takes nothing away from the kernel, the kernel gets the same packets: none of what is in
    them reaches the host."""
    with Wire(driver='af_packet') as w:
        w.add_vxlan()
        w.wait_up()
        held = w.keep(Wiretap(w.host, 'st4789'))
        for _ in range(5):
            w.guest.net.wait_ping('192.168.7.2')
            w.peer.wait_ping('192.168.7.1')
            w.peer.ip('neigh flush dev vx')  # so there are broadcasts too
        assert not held.take(), 'a frame got into the host'


def comes_and_goes():
    """The uplink is removed and made anew while a guest sends."""
    with Wire() as w:
        w.connect()
        for _ in range(3):
            w.d.call('network_set', name='blue', vtep='')
            w.d.call('vtep_delete', name='t')
            w.d.call('uplink_delete', name='up0')
            assert not w.guest.net.pings('192.168.7.2')
            w.d.call('uplink_create', name='up0', device='net_af_xdp0,iface=out')
            w.d.call('vtep_create', name='t', uplink='up0', address=w.ours)
            w.d.call('network_set', name='blue', vtep='t')
            w.d.call('network_add_remote', network='blue', address=w.theirs)
            w.wait_up()
            w.guest.net.wait_ping('192.168.7.2')
        wait_for(lambda: not wire_lost(w.d), 60, 'packets from the wire are accounted for')


def receives_where_it_is_told():
    """One of two workers takes the packets from both queues, and guarantees no more of its time than it can. The
    guest's is the other."""
    cores = sorted(os.sched_getaffinity(0))[-2:]
    device = 'net_af_packet0,iface=out,qpairs=2'
    with Wire(driver='af_packet', workers=','.join(map(str, cores)),
              uplink={'device': device, 'rx_workers': str(cores[0])}) as w:
        d = w.d
        d.call('vm_set', name='vm', worker=cores[1])
        w.add_vxlan()
        w.wait_up()
        w.guest.net.wait_ping('192.168.7.2')
        stats = d.call('stats_uplinks')
        assert [s['worker'] for s in stats] == cores and [s['rx_worker'] for s in stats] == [cores[0]] * 2, stats
        assert sum(s['rx_packets'] for s in stats), stats
        wait_for(lambda: not wire_lost(d), 60, 'packets from the wire are accounted for')
        # The one that receives has 80 % to guarantee, the other 90 %.
        d.call('vm_create', name='busy', tenant='acme', worker=cores[0])
        field, text = refusal(d, 'budget_set', vm='busy', guarantee_us=801, period_us=1000)
        assert field == 'guarantee_us' and '80.0 %' in text, text
        d.call('budget_set', vm='busy', guarantee_us=800, period_us=1000)
        d.call('budget_set', vm='vm', guarantee_us=900, period_us=1000)
        bad = {'rx_workers': 'x', 'core 1023 has no worker': '1023', f'core {cores[0]} twice': f'{cores[0]},{cores[0]}',
               f'core {cores[1]} guarantees 90 %': str(cores[1])}
        for why, value in bad.items():
            field, text = refusal(d, 'uplink_create', name='u', device='net_ring0', kernel_interface='out',
                                  rx_workers=value)
            assert field == 'rx_workers' and why in text, (field, text)
        d.stop()
        d.start()
        assert d.call('uplink_list')[0]['rx_workers'] == str(cores[0])


def learns_hosts():
    """With a group instead of a list of hosts, and vteps any, the hosts become known by their packets, and are
    forgotten with the network's VTEP."""
    with Wire() as w:
        d = w.d
        d.call('network_remove_remote', network='blue', address=w.theirs)
        d.call('network_set', name='blue', vteps='any')
        d.call('network_add_remote', network='blue', address='239.1.1.1')
        w.peer.ip(f'link add vx mtu 1450 type vxlan id 100 dstport 4789 local {w.theirs} group 239.1.1.1 dev wire')
        w.peer.add('192.168.7.2/24', 'vx')
        w.peer.ip('link set vx up')
        w.peer.wait_ping('192.168.7.1')  # its first packet is one to the group
        w.guest.net.wait_ping('192.168.7.2')

        def is_learned():
            w.guest.net.pings('192.168.7.2')
            return [e for e in d.call('fdb_list') if e.get('remote') == w.theirs]
        wait_for(is_learned, 60, 'the host is learned')
        remote = [r for r in d.call('remote_list') if r['address'] == w.theirs][0]
        wait_for(lambda: w.guest.net.pings('192.168.7.2') and
                 [r for r in d.call('remote_list') if r['packets'] > remote['packets'] and r['address'] == w.theirs],
                 60, 'packets go to that host alone')
        d.call('network_set', name='blue', vtep='')
        assert not [e for e in d.call('fdb_list') if 'remote' in e]
        d.call('vtep_delete', name='t')
        assert d.call('remote_list') == []


def moves_to_another_vtep():
    """A network that changes its VTEP drops its remotes and the static addresses behind them; those that another
    network has at the old VTEP stay."""
    with Wire() as w:
        d = w.d
        d.call('vtep_create', name='t2', uplink='up0', address=w.ours, port=4790)
        d.call('network_create', name='red', tenant='acme', vni=200, mtu=1400, vtep='t')
        d.call('network_add_remote', network='red', address=w.theirs)
        for i in range(100, 200):
            d.call('network_add_remote', network='blue', address=f'10.9.0.{i}')
        d.call('fdb_add', network='blue', mac='52:54:00:00:00:02', remote=w.theirs)
        d.call('fdb_add', network='blue', mac='52:54:00:00:00:03', remote='10.9.0.3')
        d.call('network_set', name='blue', vtep='t2')
        assert [(r['address'], r['vtep']) for r in d.call('remote_list')] == [(w.theirs, 't')], d.call('remote_list')
        assert not [e for e in d.call('fdb_list') if 'remote' in e], d.call('fdb_list')
        d.call('network_add_remote', network='blue', address=w.theirs)
        d.call('network_delete', name='red')
        assert [r['vtep'] for r in d.call('remote_list')] == ['t2'], d.call('remote_list')
        d.call('vtep_delete', name='t')
        w.peer.ip(f'link add vx mtu 1450 type vxlan id 100 dstport 4790 local {w.theirs} remote {w.ours}')
        w.peer.add('192.168.7.2/24', 'vx')
        w.peer.ip('link set vx up')
        w.wait_up()
        w.guest.net.wait_ping('192.168.7.2')


def groups_follow_the_address():
    """The host is a member of a group where the VTEP's address is, wherever that goes."""
    with Wire() as w:
        w.d.call('network_add_remote', network='blue', address='239.1.1.1')
        link(w.host, 'side', w.peer, 'other')

        def is_member(name):
            return '239.1.1.1' in w.host.ip(f'maddr show dev {name}')

        def wait_member(name, other):
            wait_for(lambda: is_member(name) and not is_member(other), 60, f'the group is joined on {name} alone')
        wait_member('out', 'side')
        w.host.ip(f'addr del {w.ours}/24 dev out')
        w.host.add(f'{w.ours}/24', 'side')
        wait_member('side', 'out')
        # Without the address it is the uplink's own interface. One that comes again is another.
        w.host.ip('link del side')
        wait_for(lambda: is_member('out'), 60, "the group is joined on the uplink's interface")
        link(w.host, 'side', w.peer, 'other')
        w.host.add(f'{w.ours}/24', 'side')
        wait_member('side', 'out')
        w.d.call('network_remove_remote', network='blue', address='239.1.1.1')
        assert not is_member('side')


if __name__ == '__main__':
    sys.exit(run_tests([without_uplinks, is_refused, survives_a_restart, refused_parts_can_be_deleted,
                        starts_before_its_address, follows_the_underlay, learns_the_mtu_of_a_path,
                        keeps_tenants_out_of_the_host, comes_and_goes, receives_where_it_is_told, learns_hosts,
                        moves_to_another_vtep, groups_follow_the_address]))
