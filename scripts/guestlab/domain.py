# SPDX-License-Identifier: BSD-3-Clause
"""Makes the domain XML of a guest from its description.

A guest is a dict:  name, interfaces, and optionally tenant, memory_mib, vcpus
An interface is a dict: network (for the hook), ip ('10.0.0.1/24'), and optionally mac, mtu, socket,
    mode (libvirt's, that is QEMU's side: 'client' where the switch listens), queues, packed, mrg_rxbuf,
    event_idx, guest_tso, host_tso (each 'on' or 'off')
"""
import hashlib
import uuid
import xml.etree.ElementTree as ET

STINT_NS = 'urn:stint:libvirt:1'
QEMU_NS = 'http://libvirt.org/schemas/domain/qemu/1.0'
ET.register_namespace('stint', STINT_NS)
ET.register_namespace('qemu', QEMU_NS)
GUEST_KEYS = {'name', 'interfaces', 'tenant', 'memory_mib', 'vcpus'}
INTERFACE_KEYS = {'network', 'ip', 'mac', 'mtu', 'socket', 'mode', 'queues', 'packed', 'mrg_rxbuf', 'event_idx',
                  'guest_tso', 'host_tso'}


def make_mac(name, index):
    """The same guest gets the same address at each start."""
    digest = hashlib.sha256(f'{name}/{index}'.encode()).digest()
    return '52:54:00:' + ':'.join(f'{byte:02x}' for byte in digest[:3])


def complete(guest, socket_dir):
    """Returns the description with everything in it that was left to us; ValueError where it is wrong."""
    unknown = set(guest) - GUEST_KEYS
    if unknown or 'name' not in guest:
        raise ValueError(f"guest {guest.get('name', guest)}: " + (f'unknown: {unknown}' if unknown else 'no name'))
    guest = {'memory_mib': 192, 'vcpus': 1, 'interfaces': [], **guest}
    interfaces = []
    for index, given in enumerate(guest['interfaces']):
        unknown = set(given) - INTERFACE_KEYS
        if unknown:
            raise ValueError(f"guest {guest['name']}, interface {index}: unknown: {unknown}")
        interfaces.append({'mac': make_mac(guest['name'], index), 'mtu': 1500, 'mode': 'client', 'queues': 1,
                           'socket': f"{socket_dir}/{guest['name']}-{index}.sock", **given})
    return {**guest, 'interfaces': interfaces}


def kernel_arguments(guest):
    words = ['console=ttyS0', 'quiet', 'panic=-1', f"stint.hostname={guest['name']}"]
    for interface in guest['interfaces']:
        words.append(f"stint.if={interface['mac']},{interface.get('ip', '')},{interface['mtu']},"
                     f"{interface['queues'] if interface['queues'] > 1 else ''}")
    return ' '.join(words)


def add(parent, tag, text=None, **attributes):
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def add_metadata(domain, guest):
    if 'tenant' not in guest:
        return
    vm = add(add(domain, 'metadata'), f'{{{STINT_NS}}}vm', tenant=guest['tenant'])
    for interface in guest['interfaces']:
        if 'network' in interface:
            add(vm, f'{{{STINT_NS}}}interface', mac=interface['mac'], network=interface['network'])


def add_interface(devices, interface):
    element = add(devices, 'interface', type='vhostuser')
    add(element, 'mac', address=interface['mac'])
    source = add(element, 'source', type='unix', path=interface['socket'], mode=interface['mode'])
    if interface['mode'] == 'client':
        add(source, 'reconnect', enabled='yes', timeout='1')
    add(element, 'model', type='virtio')
    driver = add(element, 'driver', name='vhost', rx_queue_size='256')
    if interface['queues'] > 1:
        driver.set('queues', str(interface['queues']))
    for option in ('event_idx', 'packed'):
        if option in interface:
            driver.set(option, interface[option])
    host = add(driver, 'host')
    if 'mrg_rxbuf' in interface:
        host.set('mrg_rxbuf', interface['mrg_rxbuf'])
    if 'host_tso' in interface:
        for option in ('tso4', 'tso6', 'ecn'):
            host.set(option, interface['host_tso'])
    if 'guest_tso' in interface:
        add(driver, 'guest', tso4=interface['guest_tso'], tso6=interface['guest_tso'])


def add_overrides(domain, guest, kvm):
    """What libvirt 9.0 cannot say, or not without harm."""
    override = ET.Element(f'{{{QEMU_NS}}}override')
    for index, interface in enumerate(guest['interfaces']):
        properties = {}
        if not kvm:
            # QEMU 7.2 dies under TCG when a guest uses MSI-X with vhost-user.
            properties['vectors'] = 0
        if interface['mtu'] != 1500:
            # <mtu> is refused for vhostuser: libvirt wants to set it on a device of the host's.
            properties['host_mtu'] = interface['mtu']
        if not properties:
            continue
        frontend = add(add(override, f'{{{QEMU_NS}}}device', alias=f'net{index}'), f'{{{QEMU_NS}}}frontend')
        for name, value in properties.items():
            add(frontend, f'{{{QEMU_NS}}}property', name=name, type='unsigned', value=str(value))
    if len(override):
        domain.append(override)


def domain_xml(guest, image_dir, log_dir, kvm, cores=None):
    """The domain's XML, for a completed description."""
    domain = ET.Element('domain', type='kvm' if kvm else 'qemu')
    add(domain, 'name', guest['name'])
    add(domain, 'uuid', str(uuid.uuid5(uuid.NAMESPACE_URL, f"{STINT_NS}/{guest['name']}")))
    add_metadata(domain, guest)
    add(domain, 'memory', str(guest['memory_mib']), unit='MiB')
    add(domain, 'vcpu', str(guest['vcpus']), **({'cpuset': cores} if cores else {}))
    # The switch maps the guest's memory, so it has to be shared.
    backing = add(domain, 'memoryBacking')
    add(backing, 'source', type='memfd')
    add(backing, 'access', mode='shared')
    boot = add(domain, 'os')
    add(boot, 'type', 'hvm', arch='x86_64', machine='q35')
    add(boot, 'kernel', f'{image_dir}/vmlinuz')
    add(boot, 'initrd', f'{image_dir}/initramfs.cpio.gz')
    add(boot, 'cmdline', kernel_arguments(guest))
    add(add(domain, 'features'), 'acpi')
    if kvm:
        add(domain, 'cpu', mode='host-passthrough')
    add(domain, 'on_crash', 'destroy')
    devices = add(domain, 'devices')
    for interface in guest['interfaces']:
        add_interface(devices, interface)
    console = add(devices, 'serial', type='file')
    add(console, 'source', path=f"{log_dir}/{guest['name']}.console.log")
    channel = add(devices, 'channel', type='unix')
    add(channel, 'target', type='virtio', name='org.qemu.guest_agent.0')
    add(devices, 'memballoon', model='none')
    add_overrides(domain, guest, kvm)
    return ET.tostring(domain, encoding='unicode')
