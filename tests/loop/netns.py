# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces of a test's own, with Linux as the host, as the peer on the wire, and as the guest."""
import array
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time

from stintd import wait_for


CLONE_NEWNET = 0x40000000


def enter_namespace(fd):
    """Moves the calling thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), 'setns')


class Parts:
    """What a test is made of, which set_up() of a kind of its own keeps part by part. All of it is closed, the last
    part first, whatever fails: the test, the set-up in its midst, or the close of another part."""

    def __init__(self, *arguments, **options):
        self.stack = contextlib.ExitStack()
        try:
            self.set_up(*arguments, **options)
        except BaseException:
            self.close()
            raise

    def keep(self, part):
        self.stack.callback(part.close)
        return part

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Net:
    """One namespace, gone after close() with all interfaces in it."""
    number = 0

    def __init__(self):
        Net.number += 1
        self.name = f'stint{os.getpid()}-{Net.number}'
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        try:
            self.ip('link set lo up')
        except BaseException:
            self.close()
            raise

    @property
    def prefix(self):
        """What runs a command in it."""
        return ['ip', 'netns', 'exec', self.name]

    def run(self, *command, check=True):
        done = subprocess.run([*self.prefix, *command], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f'{" ".join(command)}: {done.returncode}\n{done.stdout}{done.stderr}')
        return done

    def ip(self, arguments, check=True):
        done = subprocess.run(['ip', '-n', self.name, *arguments.split()], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f'ip {arguments}: {done.stderr}')
        return done.stdout

    def add(self, address, interface):
        """An address for an interface. One of IPv6 can be used at once."""
        self.ip(f'addr add {address} dev {interface}' + (' nodad' if ':' in address else ''))

    def pings(self, address, size=56, options=()):
        """Whether an answer comes to one packet."""
        return self.run('ping', '-c', '1', '-W', '1', '-s', str(size), *options, address, check=False).returncode == 0

    def wait_ping(self, address, **options):
        wait_for(lambda: self.pings(address, **options), 60, f'{self.name} pings {address}')

    def inside(self, function):
        """Runs a function in the namespace (in a thread of its own) and returns its result."""
        result = []

        def work():
            with open(f'/run/netns/{self.name}', encoding='ascii') as f:
                enter_namespace(f.fileno())
            try:
                result.append((function(), None))
            except Exception as e:  # is raised where it is waited for
                result.append((None, e))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value

    def close(self):
        subprocess.run(['ip', 'netns', 'del', self.name], check=False)


SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17


def fill_checksums(name):
    """Has the kernel fill in checksums of what it sends through an interface of this namespace, as on a real wire.
    Between virtual interfaces it leaves them out."""
    value = array.array('I', [ETHTOOL_STXCSUM, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, struct.pack('16sQ16x', name.encode(), value.buffer_info()[0]))


def link(a, a_name, b, b_name, mtu=1500):
    """A pair of interfaces, one in each namespace, whose packets are as on a real wire."""
    a.ip(f'link add {a_name} mtu {mtu} type veth peer name {b_name} mtu {mtu} netns {b.name}')
    for net, name in ((a, a_name), (b, b_name)):
        net.inside(lambda name=name: fill_checksums(name))
        net.ip(f'link set {name} up')


def interface_mac(net, name):
    return json.loads(net.ip(f'-j link show {name}'))[0]['address']


# The driver of taps opens /dev/net/tun, which a small /dev is without. `ip netns exec` gives its command a mount
# namespace of its own, so what is mounted there goes with the command.
WITH_TUN = ['sh', '-ec', """
test -c /dev/net/tun || {
    mkdir -p /dev/net
    mount -t tmpfs -o mode=755 tun /dev/net
    mknod /dev/net/tun c 10 200
}
exec "$@"
""", 'sh']


class Guest(Parts):
    """Linux' network stack in a namespace, behind a virtio-user front end: interface `guest`. The front end
    listens on the socket, so the switch may come and go."""

    def set_up(self, path, mac, addresses, mtu=1450):
        self.net = self.keep(Net())
        self.out = self.keep(tempfile.TemporaryFile('w+'))
        core = min(os.sched_getaffinity(0))
        prefix = f'guest{os.getpid()}-{Net.number}'
        self.process = subprocess.Popen(
            [*self.net.prefix, *WITH_TUN, 'stdbuf', '-o0', 'dpdk-testpmd', '--lcores', f'0@{core},1@{core}', '--no-pci',
             '--no-huge', '-m', '128', '--no-shconf', '--no-telemetry', '--file-prefix', prefix,
             '--vdev', f'net_virtio_user0,path={path},mac={mac},server=1,queues=1,queue_size=256',
             '--vdev', f'net_tap0,iface=guest,mac={mac}', '--', '-i', '--nb-cores=1', '--total-num-mbufs=2048',
             '--no-mlockall', '--auto-start'],
            stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, text=True)
        self.stack.callback(self.quit)
        wait_for(self.is_ready, 60, 'the guest is up')
        self.net.ip(f'link set guest mtu {mtu} up')
        for address in addresses:
            self.net.add(address, 'guest')

    def is_ready(self):
        text = pathlib.Path(f'/proc/self/fd/{self.out.fileno()}').read_text(errors='replace')
        if self.process.poll() is not None:
            raise AssertionError(text)
        return 'testpmd>' in text

    def quit(self):
        try:
            self.process.communicate('quit\n', timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def stream(server, client, address, size=2000000):
    """Sends random bytes by TCP from one namespace to an address of another, which has to receive the same."""
    sent = hashlib.sha256()
    got = hashlib.sha256()
    listener = server.inside(lambda: socket.create_server((address, 0), family=family_of(address)))
    listener.settimeout(120)
    port = listener.getsockname()[1]
    out = client.inside(lambda: socket.create_connection((address, port), 120))

    def send():
        rest = size
        with out:
            while rest > 0:
                part = os.urandom(min(rest, 65536))
                sent.update(part)
                out.sendall(part)
                rest -= len(part)
    sender = threading.Thread(target=send)
    with listener:
        into, _ = listener.accept()
        sender.start()
        with into:
            into.settimeout(120)
            while part := into.recv(1 << 20):
                got.update(part)
    sender.join()
    assert got.digest() == sent.digest(), 'the stream was altered'


def family_of(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


class Conversation:
    """A TCP connection on which each message is answered before the next is sent, until close()."""

    def __init__(self, server, client, address):
        self.rounds = 0
        self.error = None
        self.is_over = False
        with server.inside(lambda: socket.create_server((address, 0), family=family_of(address))) as listener:
            port = listener.getsockname()[1]
            self.out = client.inside(lambda: socket.create_connection((address, port), 120))
            listener.settimeout(120)
            self.into, _ = listener.accept()
        self.threads = [threading.Thread(target=work) for work in (self.ask, self.answer)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        try:
            while not self.is_over:
                message = os.urandom(3000)
                self.out.sendall(message)
                got = b''
                while len(got) < len(message) and (part := self.out.recv(4096)):
                    got += part
                if got != message and not self.is_over:
                    raise AssertionError('an answer differs')
                self.rounds += 1
                time.sleep(0.01)
        except (OSError, AssertionError) as e:  # is raised where progress is waited for
            self.error = e

    def answer(self):
        try:
            while part := self.into.recv(4096):
                self.into.sendall(part)
        except OSError as e:
            self.error = self.error or e

    def wait_progress(self):
        """It has made some since the call."""
        start = self.rounds

        def has_grown():
            if self.error:
                raise AssertionError('the connection broke') from self.error
            return self.rounds >= start + 3
        wait_for(has_grown, 120, 'the connection makes progress')

    def close(self):
        self.is_over = True
        for s in (self.out, self.into):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already
                pass
        for thread in self.threads:
            thread.join()
        self.out.close()
        self.into.close()
