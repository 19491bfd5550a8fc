#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch's userspace datapath, with DPDK and without, as the other host: its tunnels are not the kernel's, so
what it takes for right is another opinion."""
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kernel_vxlan_test import Wire, check_counters, check_sizes, check_stream  # noqa: E402
from netns import Parts  # noqa: E402
from stintd import run_tests, wait_for  # noqa: E402

# The build with DPDK, which can do without, too.
VSWITCHD = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
MEMORY_MB = 1024


class Ovs(Parts):
    """In the peer's namespace, with all that it writes in the test's folder. Its host has its address on a bridge of
    its own, as the guide to userspace tunnels has it; the tenants' bridge is an interface of the peer's."""

    def set_up(self, w, is_dpdk):
        self.w = w
        self.is_dpdk = is_dpdk
        self.dir = pathlib.Path(w.d.path('ovs'))
        self.dir.mkdir()
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_DBDIR=self.dir, OVS_LOGDIR=self.dir)
        self.db = f'unix:{self.dir}/db.sock'
        self.run('ovsdb-tool', 'create', self.dir / 'conf.db', SCHEMA)
        self.start('ovsdb-server', self.dir / 'conf.db', f'--remote=p{self.db}', f'--unixctl={self.dir}/db.ctl')
        wait_for((self.dir / 'db.sock').exists, 60, 'the database is up')
        self.vsctl('--no-wait', 'init', *(self.dpdk_options() if is_dpdk else []))
        self.start(VSWITCHD, self.db, f'--unixctl={self.dir}/vswitchd.ctl', '-vconsole:warn')

    @staticmethod
    def dpdk_options():
        core = min(os.sched_getaffinity(0))
        extra = f'--no-pci --no-huge --legacy-mem -m {MEMORY_MB} --no-shconf --file-prefix=ovs{os.getpid()}'
        return ['--', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true',
                f'other_config:pmd-cpu-mask={1 << core:#x}', f'other_config:dpdk-lcore-mask={1 << core:#x}',
                f'other_config:dpdk-extra={extra}']

    def run(self, *command):
        done = subprocess.run([*self.w.peer.prefix, *command], env=self.env, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, (command, done, self.log())
        return done.stdout

    def start(self, *command):
        with open(self.dir / 'log', 'ab') as log:
            process = subprocess.Popen([*self.w.peer.prefix, *command], env=self.env,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stack.callback(self.stop, process)

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log(self):
        return (self.dir / 'log').read_text(errors='replace')[-3000:]

    def vsctl(self, *arguments):
        return self.run('ovs-vsctl', f'--db={self.db}', '--timeout=60', *arguments)

    def add_tunnel(self):
        w = self.w
        device = ['--', 'set', 'interface', 'wire', 'type=dpdk', 'options:dpdk-devargs=net_af_packet0,iface=wire']
        w.peer.ip('addr flush dev wire')
        self.vsctl('add-br', 'br-phy', '--', 'set', 'bridge', 'br-phy', 'datapath_type=netdev', '--',
                   'add-port', 'br-phy', 'wire', *(device if self.is_dpdk else []))
        w.peer.add(f'{w.theirs}/{24 if w.version == 4 else 64}', 'br-phy')
        w.peer.ip('link set br-phy up')
        self.vsctl('add-br', 'br-int', '--', 'set', 'bridge', 'br-int', 'datapath_type=netdev', '--',
                   'set', 'interface', 'br-int', f'mtu_request={w.inner}', '--',
                   'add-port', 'br-int', 'vx', '--', 'set', 'interface', 'vx', 'type=vxlan',
                   f'options:remote_ip={w.ours}', f'options:local_ip={w.theirs}', 'options:key=100')
        w.peer.ip('link set br-int up')
        w.peer.add('192.168.7.2/24', 'br-int')
        w.peer.add('fd07::2/64', 'br-int')


def exchange(version, is_dpdk):
    with Wire(version=version) as w:
        ovs = w.keep(Ovs(w, is_dpdk))
        ovs.add_tunnel()
        w.wait_up()
        check_sizes(w)
        check_stream(w)
        check_counters(w.d)


def over_ipv4():
    exchange(4, False)


def over_ipv6():
    exchange(6, False)


def by_a_device_of_dpdk():
    exchange(4, True)


if __name__ == '__main__':
    sys.exit(run_tests([over_ipv4, over_ipv6, by_a_device_of_dpdk]))
