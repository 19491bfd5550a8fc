#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""libvirt's hook against a real stintd, fed by hand as libvirtd would feed it: what it makes and removes,
what it refuses and how it says so, what it leaves alone. tests/guest/hook_test.py has libvirtd run it."""
import grp
import os
import pathlib
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from xml.sax.saxutils import quoteattr

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stintd import ROOT, Stintd, run_tests  # noqa: E402

HOOK = ROOT / 'scripts/libvirt-hook-qemu'
EXAMPLE = ROOT / 'docs/examples/domain.xml'
UUID = '6d0b3c5e-0f5e-4d0f-9f5b-1f0f5a0c7a11'
OTHER_UUID = '00000000-0f5e-4d0f-9f5b-1f0f5a0c7a12'
MACS = [f'52:54:00:00:00:0{i}' for i in range(4)]
RUN = ('prepare', 'begin'), ('reconnect', 'begin'), ('release', 'end')


def start_hook(d, xml, operation, suboperation, name='web1', **env):
    child = subprocess.Popen([HOOK, name, operation, suboperation, '-'], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'STINT_SOCKET': str(d.socket), **env})
    # It may end without reading all of it.
    threading.Thread(target=feed, args=(child, xml), daemon=True).start()
    return child


def feed(child, xml):
    try:
        child.stdin.write(xml)
        child.stdin.close()
    except BrokenPipeError:
        pass


def end_hook(child):
    """Its status and what it said, in one line at most: virsh shows that to the operator."""
    child.wait(timeout=60)
    out, err = child.stdout.read(), child.stderr.read()
    assert out == '', out
    assert 'Traceback' not in err, err
    assert err.count('\n') == (1 if err else 0), err
    return child.returncode, err


def hook(d, xml, operation='prepare', suboperation='begin', **more):
    return end_hook(start_hook(d, xml, operation, suboperation, **more))


def done(d, *args, **more):
    status, err = hook(d, *args, **more)
    assert (status, err) == (0, ''), (status, err)


def refused(d, xml, *words, operation=RUN[0], **more):
    status, err = hook(d, xml, *operation, **more)
    assert status == 1, (status, err)
    assert err.startswith('libvirt-hook-qemu: '), err
    for word in words:
        assert word in err, (word, err)


def interface_xml(path, mac, mode='client', kind='vhostuser', extra=''):
    source = f'<source type="unix" path={quoteattr(path)} mode="{mode}"/>'
    return f'<interface type="{kind}"><mac address="{mac}"/>{source}{extra}</interface>'


def ours(*entries, attributes='tenant="acme"'):
    """Our element, with an interface for each (mac, network) or as given."""
    inner = ''.join(entry if isinstance(entry, str) else
                    f'<stint:interface mac="{entry[0]}" network="{entry[1]}"/>' for entry in entries)
    return f'<stint:vm xmlns:stint="urn:stint:libvirt:1" {attributes}>{inner}</stint:vm>'


SHARED = '<memoryBacking><source type="memfd"/><access mode="shared"/></memoryBacking>'


def domain(metadata, *interfaces, uuid=UUID, head='', memory=SHARED):
    uuid = f'<uuid>{uuid}</uuid>' if uuid else ''
    return (f'{head}<domain type="qemu" id="1"><name>web1</name>{uuid}<metadata>{metadata}</metadata>{memory}'
            f'<devices>{"".join(interfaces)}</devices></domain>')


def two(d, networks=('blue', 'red'), **more):
    """A domain with two interfaces."""
    return domain(ours(*zip(MACS[1:], networks), **more),
                  *[interface_xml(d.path(f'web1-{i}.sock'), MACS[i + 1]) for i in range(2)])


class World(Stintd):
    """A stintd with two tenants and their networks, and nothing else."""

    def __init__(self):
        super().__init__()
        self.call('tenant_create', name='acme')
        self.call('tenant_create', name='umbrella')
        for vni, (network, tenant) in enumerate((('blue', 'acme'), ('red', 'acme'), ('green', 'umbrella')), 1):
            self.call('network_create', name=network, tenant=tenant, vni=vni)
        self.empty = self.configuration()

    def configuration(self):
        return self.call('config_get')['calls']

    def ports(self):
        return {port['name']: port['network'] for port in self.call('port_list')}

    def vms(self):
        return {vm['name']: vm for vm in self.call('vm_list')}


def the_example_gets_what_it_asks_for():
    with World() as d:
        path = d.path('web1-0.sock')
        xml = EXAMPLE.read_text().replace('/run/stint/vhost/web1-0.sock', path)
        xml = xml.replace('<name>web1</name>', f'<name>web1</name><uuid>{UUID}</uuid>')
        assert path in xml and UUID in xml
        done(d, xml)
        vm, port = d.vms()['web1'], d.port('web1-0')
        assert (vm['tenant'], vm['uuid'], vm['weight'], vm['ports']) == ('acme', UUID, 200, 1), vm
        expected = {'vm': 'web1', 'network': 'blue', 'socket': path, 'mode': 'server', 'mac': MACS[1],
                    'group': 'libvirt-qemu', 'socket_mode': '0660', 'queue_pairs': 2}
        assert expected.items() <= port.items(), port
        status = os.stat(path)
        assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == grp.getgrnam('libvirt-qemu').gr_gid
        done(d, xml, 'started', 'begin')
        done(d, xml, 'stopped', 'end')
        assert d.ports() == {'web1-0': 'blue'}
        done(d, xml, 'release', 'end')
        assert d.configuration() == d.empty and not os.path.exists(path)


def either_side_may_listen():
    with World() as d:
        xml = domain(ours((MACS[1], 'blue'), (MACS[2].upper(), 'red')),
                     interface_xml(d.path('here'), MACS[1].upper(), 'client'),
                     interface_xml(d.path('there'), MACS[2], 'server', extra='<driver queues="3"/>'),
                     interface_xml(d.path('elsewhere'), MACS[3]))
        done(d, xml, STINT_SOCKET_GROUP='root')
        here, there = d.port('web1-0'), d.port('web1-1')
        assert (here['mode'], here['queue_pairs'], here['group']) == ('server', 1, 'root'), here
        assert (there['mode'], there['queue_pairs'], there['network']) == ('client', 3, 'red'), there
        # What our element does not name is another switch's.
        assert len(d.ports()) == 2 and not os.path.exists(d.path('elsewhere'))
        done(d, xml, 'release', 'end')
        assert d.configuration() == d.empty


def budgets_are_taken_from_the_element():
    with World() as d:
        attributes = ('tenant="acme" name="shop.web" weight="300" limit_percent="50" guarantee_us="100" '
                      'period_us="1000" burst_us="2000" rate_bps="1000000" rate_pps="5000"')
        interface = f'<stint:interface mac="{MACS[1]}" network="blue" mac_limit="7"/>'
        xml = domain(ours(interface, attributes=attributes), interface_xml(d.path('s'), MACS[1]))
        # A domain's name need not be one of ours if the element gives another.
        done(d, xml, name='the shop')
        vm = d.vms()['shop.web']
        assert {'weight': 300, 'limit_percent': 50, 'guarantee_us': 100, 'period_us': 1000, 'burst_us': 2000,
                'rate_bps': 1000000, 'rate_pps': 5000}.items() <= vm.items(), vm
        assert d.port('shop.web-0')['mac_limit'] == 7
        done(d, xml, 'release', 'end', name='the shop')
        assert d.configuration() == d.empty


def the_guard_is_taken_from_the_element():
    with World() as d:
        interface = f'<stint:interface mac="{MACS[1]}" network="blue" address="10.1.0.5/32 \n 2001:db8::5"/>'
        xml = domain(ours(interface), interface_xml(d.path('s'), MACS[1]))
        done(d, xml)
        port = d.port('web1-0')
        assert (port['mac'], port['mac_guard'], port['addresses']) == (MACS[1], 'on', '10.1.0.5,2001:db8::5'), port
        for bad in ('10.1.0.5/33', '10.1.0.5/24', '10.1.0.5,,', 'host'):
            done(d, xml, 'release', 'end')
            refused(d, xml.replace('10.1.0.5/32', bad), 'address')
            assert d.configuration() == d.empty
        done(d, xml.replace('10.1.0.5/32 \n 2001:db8::5', ' '))
        assert 'addresses' not in d.port('web1-0')
        done(d, xml, 'release', 'end')
        assert d.configuration() == d.empty


def groups_are_taken_from_the_element():
    with World() as d:
        for name in ('web', 'ssh'):
            d.call('security_group_create', name=name, tenant='acme')
        before = d.configuration()
        interface = f'<stint:interface mac="{MACS[1]}" network="blue" security-groups="web ssh"/>'
        xml = domain(ours(interface), interface_xml(d.path('s'), MACS[1]))
        done(d, xml)
        assert d.port('web1-0')['security_groups'] == 'web,ssh', d.port('web1-0')
        done(d, xml, 'release', 'end')
        # A guest without the protection that it was to have does not start.
        refused(d, xml.replace('ssh', 'ghost'), 'ghost')
        assert d.configuration() == before


def refusals_say_why_and_leave_nothing():
    with World() as d:
        d.call('vm_create', name='busy', tenant='acme', uuid=OTHER_UUID)
        for name, path in (('busy-0', 'taken'), ('web1-3', 'p3')):
            d.call('port_create', name=name, vm='busy', network='blue', socket=d.path(path))
        before = d.configuration()
        a, b = (interface_xml(d.path(f's{i}'), MACS[i]) for i in (1, 2))
        good = (MACS[1], 'blue')

        def one(attributes, device=a):
            return domain(ours(f'<stint:interface {attributes}/>'), device)

        bomb = '<!DOCTYPE domain [<!ENTITY a "ha">' + ''.join(
            f'<!ENTITY {chr(c + 1)} "{f"&{chr(c)};" * 10}">' for c in range(ord('a'), ord('k'))) + ']>'
        cases = {
            'no such tenant': (two(d, attributes='tenant="nobody"'), 'tenant', 'nobody'),
            'no such network': (domain(ours((MACS[1], 'nowhere')), a), MACS[1], 'network', 'nowhere'),
            'a network of another tenant': (
                two(d, attributes='tenant="umbrella"'), MACS[1], "'blue'", "'acme'", "'web1'", "'umbrella'"),
            'the second network is missing': (two(d, ('blue', 'nowhere')), MACS[2], 'nowhere'),
            'no tenant': (domain(ours(good, attributes=''), a), 'tenant is missing'),
            'an empty tenant': (domain(ours(good, attributes='tenant=""'), a), 'tenant is missing'),
            'no mac': (one('network="blue"'), 'mac is missing'),
            'no network': (one(f'mac="{MACS[1]}"'), 'network is missing'),
            'mac that is none': (one('mac="52:54:00:00:00" network="blue"'), '52:54:00:00:00'),
            'mac of nobody': (domain(ours((MACS[3], 'blue')), a), MACS[3], 'no vhostuser interface'),
            'mac of another kind of interface': (
                domain(ours(good), interface_xml(d.path('s'), MACS[1], kind='bridge')), 'no vhostuser interface'),
            'mac of two interfaces': (
                domain(ours(good), a, interface_xml(d.path('s2'), MACS[1])), 'more than one'),
            'the same mac twice': (domain(ours(good, (MACS[1], 'red')), a), 'twice'),
            'a typing error': (one(f'mac="{MACS[1]}" netwrok="blue"'), "'netwrok'", 'network'),
            'an attribute we do not know': (
                domain(ours(good, attributes='tenant="acme" colour="red"'), a), "'colour'"),
            'an element we do not know': (domain(ours(good, '<stint:port/>'), a), 'port'),
            'an element of somebody else': (domain(ours(good, '<x/>'), a), "'x'"),
            'two of our elements': (domain(ours(good) + ours(good), a), 'more than one'),
            'no uuid': (domain(ours(good), a, uuid=None), 'uuid'),
            'a uuid that is none': (domain(ours(good), a, uuid='x' * 36), 'uuid'),
            'no source': (domain(ours(good), f'<interface type="vhostuser"><mac address="{MACS[1]}"/></interface>'),
                          MACS[1], 'source'),
            'no mac in any interface': (domain(ours(good), '<interface type="vhostuser"/>'), 'no vhostuser'),
            'a mode that is none': (domain(ours(good), interface_xml(d.path('s'), MACS[1], 'both')), 'mode'),
            'an empty path': (domain(ours(good), interface_xml('', MACS[1])), 'path'),
            'a path that is too long': (domain(ours(good), interface_xml('/' + 'x' * 200, MACS[1])), 'socket'),
            'a path that cannot be': (domain(ours(good), interface_xml('/none/such/dir/s', MACS[1])), '/none/such'),
            'a socket that is taken': (domain(ours(good), interface_xml(d.path('taken'), MACS[1])), 'busy-0'),
            'a port name that is taken': (
                domain(ours(*[(mac, 'blue') for mac in MACS]),
                       *[interface_xml(d.path(f'q{i}'), mac) for i, mac in enumerate(MACS)]), 'web1-3'),
            'too many queues': (
                domain(ours(good), interface_xml(d.path('s'), MACS[1], extra='<driver queues="99"/>')),
                'queue_pairs', '99'),
            'a weight in words': (
                domain(ours(good, attributes='tenant="acme" weight="a lot"'), a), 'weight', 'a lot'),
            'a weight out of range': (
                domain(ours(good, attributes='tenant="acme" weight="0"'), a), 'weight'),
            'a number that is too long': (
                domain(ours(good, attributes=f'tenant="acme" weight="{"9" * 5000}"'), a), 'weight'),
            'a group address': (domain(ours(('01:00:00:00:00:01', 'blue')),
                                       interface_xml(d.path('s'), '01:00:00:00:00:01')), '01:00:00:00:00:01'),
            'lines and colours in a name': (
                domain(ours(good, attributes='tenant="a&#10;b&#x9b;31m&#x202e;"'), a), 'tenant'),
            'cut short': (domain(ours(good), a)[:-20], 'domain XML'),
            'not XML': ('urn:stint:libvirt:1 <<<', 'domain XML'),
            'more after the end': (domain(ours(good), a) + '<x/>', 'domain XML'),
            'a prefix without a namespace': (domain(ours(good) + '<other:x/>', a), 'domain XML'),
            'an entity bomb': (domain(ours(good) + '&k;', a, head=bomb), 'document type'),
            'a file as an entity': (
                domain(ours(good) + '&x;', a, head='<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
                'document type'),
            'deep nesting': (domain(ours(good) + '<a>' * 100000, a), 'domain XML'),
            'much of it': (domain(ours(good) + ' ' * (17 << 20), a), 'longer than'),
        }
        for what, (xml, *words) in cases.items():
            try:
                refused(d, xml, *words)
                assert d.configuration() == before, d.configuration()
                # libvirt calls this after a start that was refused.
                hook(d, xml, *RUN[2])
                assert d.configuration() == before, d.configuration()
            except AssertionError as error:
                raise AssertionError(f'{what}: {error}') from error
        refused(d, domain(ours(good), a), "my 'vm'", 'name', name="my 'vm'")
        refused(d, domain(ours(good), a), 'name', name='x' * 61)
        refused(d, domain(ours(good), a), 'group', 'no-such-group', STINT_SOCKET_GROUP='no-such-group')
        refused(d, domain(ours(good), a), 'STINT_HOOK_TIMEOUT', STINT_HOOK_TIMEOUT='soon')
        assert d.configuration() == before
        # The same two interfaces are fine by themselves.
        done(d, domain(ours(good, (MACS[2], 'red')), a, b))


def memory_has_to_be_shared():
    """Where it is not, the ports would look well and nothing would move."""
    def backing(inner):
        return f'<memoryBacking>{inner}</memoryBacking>'

    def cells(*modes):
        return '<cpu><numa>' + ''.join('<cell id="0" cpus="0" memory="1"' + (f' memAccess="{mode}"' if mode else '') +
                                       '/>' for mode in modes) + '</numa></cpu>'

    def dimm(access, model='dimm'):
        return f'<memory model="{model}" {access}><target><size>1</size></target></memory>'

    shared, private = '<access mode="shared"/>', '<access mode="private"/>'
    memfd, file, anonymous = (f'<source type="{kind}"/>' for kind in ('memfd', 'file', 'anonymous'))
    good = {
        'memfd and shared': (backing(memfd + shared), ''), 'file and shared': (backing(file + shared), ''),
        'hugepages and shared': (backing('<hugepages/>' + shared), ''), 'shared alone': (backing(shared), ''),
        'memfd alone': (backing(memfd), ''), 'every cell': (cells('shared', 'shared'), ''),
        'cells that leave it': (backing(memfd + shared) + cells(None, None), ''),
        'cells that know better': (backing(file + private) + cells('shared', 'shared'), ''),
        'a shared dimm': (SHARED, dimm('access="shared"')), 'a usual dimm': (SHARED, dimm('')),
        'an nvdimm': (SHARED, dimm('access="private"', 'nvdimm')),
    }
    bad = {
        'nothing': ('', ''), 'an empty element': (backing(''), ''), 'a file alone': (backing(file), ''),
        'hugepages alone': (backing('<hugepages/>'), ''), 'memfd, but private': (backing(memfd + private), ''),
        'anonymous': (backing(anonymous), ''), 'one cell': (backing(memfd + shared) + cells('shared', 'private'), ''),
        'a cell that leaves it': (cells('shared', None), ''), 'a private dimm': (SHARED, dimm('access="private"')),
    }
    with World() as d:
        path = d.path('s')

        def xml(memory, devices):
            return domain(ours((MACS[1], 'blue')), interface_xml(path, MACS[1]), devices, memory=memory)

        for what, case in bad.items():
            try:
                refused(d, xml(*case), 'memory is not shared', "<access mode='shared'/>")
                assert d.configuration() == d.empty
            except AssertionError as error:
                raise AssertionError(f'{what}: {error}') from error
        # One that runs already is not cut off for it, and one without ports needs none.
        done(d, xml('', ''), *RUN[1])
        done(d, xml('', ''), *RUN[2])
        done(d, domain(ours(), memory=''))
        done(d, domain(ours(), memory=''), *RUN[2])
        for what, case in good.items():
            try:
                done(d, xml(*case))
                assert d.ports() == {'web1-0': 'blue'}
            except AssertionError as error:
                raise AssertionError(f'{what}: {error}') from error


def what_is_not_ours_is_left_alone():
    with World() as d:
        good = two(d)
        others = [domain('', interface_xml(d.path('s'), MACS[1])), '<domain><name>web1</name></domain>', '', 'garbage',
                  good.replace('urn:stint:libvirt:1', 'urn:stint:libvirt:2'),
                  good.replace('metadata>', 'description>')]
        # Whoever would call stintd here would fail.
        for xml in others:
            for operation in RUN:
                done(d, xml, *operation, STINT_SOCKET='/none/such')
        for operation in (('start', 'begin'), ('started', 'begin'), ('stopped', 'end'), ('migrate', 'begin'),
                          ('restore', 'begin'), ('attach', 'begin'), ('prepare', 'end'), ('release', 'begin')):
            done(d, good, *operation, STINT_SOCKET='/none/such')
        assert d.configuration() == d.empty
        assert subprocess.run([HOOK], capture_output=True, check=False).returncode == 2


def what_a_crash_left_is_cleared():
    with World() as d:
        done(d, two(d))
        made = d.configuration()
        done(d, two(d))
        assert d.configuration() == made
        # The description was changed in the meantime, then the domain renamed.
        less = domain(ours((MACS[3], 'red')), interface_xml(d.path('other'), MACS[3]))
        done(d, less)
        assert d.ports() == {'web1-0': 'red'} and d.port('web1-0')['socket'] == d.path('other')
        done(d, less, name='web2')
        assert d.ports() == {'web2-0': 'red'} and list(d.vms()) == ['web2']
        # The tenant was changed.
        done(d, less.replace('acme', 'umbrella').replace('"red"', '"green"'), name='web2')
        assert d.vms()['web2']['tenant'] == 'umbrella'
        for _ in range(2):
            done(d, less, 'release', 'end', name='web2')
            assert d.configuration() == d.empty


def killed_at_any_moment():
    """The hook is killed at times that it takes for a start; the next start and stop put all right."""
    chance = random.Random(1)
    with World() as d:
        xml = two(d)
        start = time.monotonic()
        done(d, xml)
        took = time.monotonic() - start
        for _ in range(15):
            for operation in (RUN[0], RUN[2]):
                child = start_hook(d, xml, *operation)
                try:
                    child.wait(timeout=chance.random() * took)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            done(d, xml)
            assert d.ports() == {'web1-0': 'blue', 'web1-1': 'red'}
        done(d, xml, 'release', 'end')
        assert d.configuration() == d.empty


def reconnecting_only_adds():
    with World() as d:
        xml = two(d)
        done(d, xml)
        d.call('port_set', name='web1-0', network='red')
        d.call('vm_set', name='web1', weight=7)
        changed = d.configuration()
        done(d, xml, *RUN[1])
        assert d.configuration() == changed
        d.call('port_delete', name='web1-1')
        done(d, xml, *RUN[1])
        assert d.ports() == {'web1-0': 'red', 'web1-1': 'red'}
        assert d.vms()['web1']['weight'] == 7
        done(d, xml, 'release', 'end')
        done(d, xml, *RUN[1])
        assert d.ports() == {'web1-0': 'blue', 'web1-1': 'red'}


def reconnecting_never_kills_the_domain():
    """libvirtd kills a domain whose hook fails here: it must not, but it must say what is wrong."""
    with World() as d:
        for xml, word, env in ((two(d, ('nowhere', 'red')), 'nowhere', {}),
                               (two(d)[:-20], 'XML', {}),
                               (two(d, attributes='tenant="nobody"'), 'nobody', {}),
                               (two(d), 'does not answer', {'STINT_SOCKET': '/none', 'STINT_HOOK_TIMEOUT': '1'})):
            status, err = hook(d, xml, *RUN[1], **env)
            assert status == 0 and word in err, (status, err)
            done(d, two(d), 'release', 'end')
        with server(d, b'[]\n') as path:
            status, err = hook(d, two(d), *RUN[1], STINT_SOCKET=path)
            assert status == 0 and err, (status, err)


def a_vm_made_in_advance_keeps_what_is_its_own():
    with World() as d:
        d.call('vm_create', name='web1', tenant='acme', weight=900)
        d.call('port_create', name='extra', vm='web1', network='red', socket=d.path('extra'))
        before = d.configuration()
        done(d, two(d))
        assert d.ports() == {'extra': 'red', 'web1-0': 'blue', 'web1-1': 'red'}
        assert d.vms()['web1']['weight'] == 900
        done(d, two(d))
        refused(d, two(d, ('red', 'nowhere')), 'nowhere')
        assert d.configuration() == before
        done(d, two(d), 'release', 'end')
        assert d.configuration() == before
        # A port of the domain's name that is not the domain's.
        d.call('port_create', name='web1-0', vm='web1', network='red', socket=d.path('by-hand'))
        before = d.configuration()
        refused(d, two(d), 'web1-0')
        done(d, two(d), 'release', 'end')
        assert d.configuration() == before
        refused(d, two(d, attributes='tenant="umbrella"'), 'web1', 'acme')
        # A VM of another domain.
        refused(d, two(d).replace(UUID, OTHER_UUID), 'web1-0')
        d.call('port_delete', name='web1-0')
        d.call('port_delete', name='extra')
        d.call('vm_delete', name='web1')
        d.call('vm_create', name='web1', tenant='acme', uuid=OTHER_UUID)
        before = d.configuration()
        refused(d, two(d), 'web1', 'another domain', OTHER_UUID)
        done(d, two(d), 'release', 'end')
        assert d.configuration() == before


class server:  # pylint: disable=invalid-name
    """Somebody else on a socket, who answers every request with the same bytes, or hangs up."""

    def __init__(self, d, answer):
        self.path = d.path('not-stintd')
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                while self.answer and connection.recv(1 << 16):
                    connection.sendall(self.answer)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        os.unlink(self.path)


def without_an_answer_the_start_is_refused():
    with World() as d:
        xml, short = two(d), {'STINT_HOOK_TIMEOUT': '1'}
        for operation in (RUN[0], RUN[2]):
            refused(d, xml, 'does not answer', '/none/such', operation=operation, STINT_SOCKET='/none/such', **short)
        for answer in (b'', b'hello\n', b'\xff\xfe\n'):
            with server(d, answer) as path:
                refused(d, xml, 'stintd', STINT_SOCKET=path, **short)
        with server(d, b'never ends') as path:
            refused(d, xml, 'stintd', 'within 1 s', STINT_SOCKET=path, **short)
        # It hangs.
        d.process.send_signal(signal.SIGSTOP)
        try:
            refused(d, xml, 'does not answer', 'within 1 s', **short)
        finally:
            d.process.send_signal(signal.SIGCONT)
        done(d, xml, 'release', 'end')
        assert d.configuration() == d.empty
        # It died, and left its socket.
        d.kill()
        refused(d, xml, 'does not answer', str(d.socket), 'is it running?', **short)


def a_daemon_that_restarts_is_waited_for():
    with World() as d:
        d.kill()
        child = start_hook(d, two(d), *RUN[0], STINT_HOOK_TIMEOUT='60')
        d.start()  # takes longer than the hook's first attempt
        assert end_hook(child) == (0, '')
        assert d.ports() == {'web1-0': 'blue', 'web1-1': 'red'}


def many_domains_start_at_once():
    with World() as d:
        domains = [(f'vm{i}', domain(ours((MACS[1], 'blue')), interface_xml(d.path(f'{i}.sock'), MACS[1]),
                                     uuid=f'{i:08x}{UUID[8:]}')) for i in range(12)]
        for operation in (RUN[0], RUN[2]):
            children = [start_hook(d, xml, *operation, name=name, STINT_HOOK_TIMEOUT='60') for name, xml in domains]
            for child in children:
                assert end_hook(child) == (0, '')
            assert len(d.ports()) == (len(domains) if operation == RUN[0] else 0)
        assert d.configuration() == d.empty


if __name__ == '__main__':
    sys.exit(run_tests([
        the_example_gets_what_it_asks_for, either_side_may_listen, budgets_are_taken_from_the_element,
        the_guard_is_taken_from_the_element, groups_are_taken_from_the_element,
        refusals_say_why_and_leave_nothing, memory_has_to_be_shared, what_is_not_ours_is_left_alone,
        what_a_crash_left_is_cleared, killed_at_any_moment, reconnecting_only_adds, reconnecting_never_kills_the_domain,
        a_vm_made_in_advance_keeps_what_is_its_own, without_an_answer_the_start_is_refused,
        a_daemon_that_restarts_is_waited_for, many_domains_start_at_once]))
