# SPDX-License-Identifier: BSD-3-Clause
"""One running guest: commands through QEMU's guest agent, which answers with output and exit status."""
import base64
import collections
import json
import subprocess
import time

from .patience import Patience

Result = collections.namedtuple('Result', 'status out err')
LONGEST_POLL_S = 0.1
VIRSH_S = 120
LISTEN_S = 30


class GuestError(Exception):
    pass


class Guest:
    def __init__(self, uri, description):
        self.uri = uri
        self.name = description['name']
        self.description = description

    def virsh(self, *args, check=True):
        try:
            done = subprocess.run(['virsh', '-q', '-c', self.uri, *args], stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=VIRSH_S)
        except subprocess.TimeoutExpired:
            raise GuestError(f"virsh {' '.join(args)}: no answer from libvirtd within {VIRSH_S} s") from None
        if check and done.returncode != 0:
            raise GuestError(f"virsh {' '.join(args)}: {done.stderr.strip()}")
        return done

    def interface(self, index=0):
        return self.description['interfaces'][index]

    def ip(self, index=0):
        return self.interface(index)['ip'].split('/')[0]

    def state(self):
        """'running', 'shut off', ..., or '' if there is no such domain."""
        return self.virsh('domstate', self.name, check=False).stdout.strip()

    def ask(self, command, timeout=60, **arguments):
        """One command of the agent's protocol; GuestError where it does not answer or refuses."""
        request = json.dumps({'execute': command, 'arguments': arguments} if arguments else {'execute': command})
        done = self.virsh('qemu-agent-command', '--timeout', str(timeout), self.name, request)
        return json.loads(done.stdout)['return']

    def answers(self):
        try:
            self.ask('guest-ping', timeout=2)
            return True
        except GuestError:
            return False

    def wait_ready(self, timeout=120):
        """Returns once the agent answers: the guest has booted and its interfaces are set up."""
        patience = Patience(timeout)
        while not self.answers():
            state = self.state()
            if state != 'running':
                raise GuestError(f"{self.name}: {state or 'gone'} instead of booting")
            if patience.is_over():
                raise GuestError(f'{self.name}: its agent does not answer within {timeout} s')
            time.sleep(LONGEST_POLL_S)

    def start(self, command):
        """Starts a shell command in the guest; returns its number for poll() and wait()."""
        return self.ask('guest-exec', path='/bin/sh', arg=['-c', command], **{'capture-output': True})['pid']

    def poll(self, pid):
        """A Result if the command has ended, None if it runs."""
        status = self.ask('guest-exec-status', pid=pid)
        if not status['exited']:
            return None
        out, err = (base64.b64decode(status.get(key, '')).decode(errors='replace') for key in ('out-data', 'err-data'))
        return Result(status.get('exitcode', 128 + status.get('signal', 0)), out, err)

    def wait(self, pid, timeout=60):
        patience = Patience(timeout)
        pause = 0.01
        while True:
            result = self.poll(pid)
            if result is not None:
                return result
            if patience.is_over():
                raise GuestError(f'{self.name}: command {pid} still runs after {timeout} s')
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_S)

    def run(self, command, timeout=60):
        """Runs a shell command in the guest: a Result of exit status, output and error output."""
        return self.wait(self.start(command), timeout)

    def check(self, command, timeout=60):
        """The same for a command that has to succeed; returns its output."""
        result = self.run(command, timeout)
        if result.status != 0:
            raise GuestError(f'{self.name}: {command}: exit status {result.status}: {result.out}{result.err}')
        return result.out

    def serve(self, command, port):
        """Starts a server in the guest and returns its number when it listens on that TCP port."""
        pid = self.start(command)
        self.check(f"timeout {LISTEN_S} sh -c 'until grep -qs \":{port:04X} .* 0A \" /proc/net/tcp /proc/net/tcp6; "
                   "do usleep 20000; done'")
        return pid

    def uptime(self):
        return float(self.check('cat /proc/uptime').split()[0])

    def reboot(self):
        """Resets the machine under the guest, as a crash would; wait_ready() tells when it is back."""
        self.virsh('reset', self.name)
