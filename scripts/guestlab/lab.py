# SPDX-License-Identifier: BSD-3-Clause
"""A libvirt of our own with guests in it, for as long as a `with` block lasts."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import tempfile

from . import domain
from .guest import Guest, GuestError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIBVIRT_ENV = ROOT / 'scripts/libvirt-env'
CACHE = ROOT / 'build/libvirt-cache'
IMAGE_FILES = ('vmlinuz', 'initramfs.cpio.gz')
TAIL_LINES = 15


class LabError(Exception):
    pass


def is_running(pid):
    """A process that ended but was not reaped by its parent yet does not run."""
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def for_each(function, guests):
    """Calls function(guest) for all of them at the same time; the first error is raised when all are done."""
    if guests:
        with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
            for call in [pool.submit(function, guest) for guest in guests]:
                call.result()


class Lab:
    """Guests by name, one private folder. Everything is gone after close(); where the block is left by an
    exception, the logs of guests, QEMU and libvirt are kept under `keep_logs` and their ends are printed."""

    def __init__(self, images=None, hooks=(), keep_logs=None, cores=None, say=lambda text: None):
        """`hooks` is what libvirt-env's start takes, `cores` the cores that guests may use (libvirt's
        notation, all of them if it is not given)."""
        self.cores = cores
        self.images = pathlib.Path(images or ROOT / 'build/images')
        self.keep_logs = pathlib.Path(keep_logs or ROOT / 'build/guest-logs')
        self.say = say
        self.guests = {}
        # Not by default: under some hypervisors /dev/kvm opens, runs code, and no kernel ever boots.
        self.kvm = os.environ.get('STINT_GUEST_ACCEL', 'tcg') == 'kvm'
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='stint-lab.'))
        # QEMU runs as a user of its own and has to pass through to sockets, image and logs.
        self.folder.chmod(0o755)
        self.libvirt = self.folder / 'libvirt'
        self.logs = self.folder / 'logs'
        self.sockets = self.folder / 'sockets'
        try:
            self._prepare_files()
            self._env('start', *hooks)
            self.uri = self._env('uri').strip()
        except BaseException:
            self.close()
            raise

    def _prepare_files(self):
        self.logs.mkdir(mode=0o755)
        # Either side may be the one that listens.
        self.sockets.mkdir()
        self.sockets.chmod(0o1777)
        image = self.folder / 'image'
        image.mkdir(mode=0o755)
        for name in IMAGE_FILES:
            if not (self.images / name).exists():
                raise LabError(f'{self.images / name} is not there: make images')
            # A copy: libvirt gives the files that a guest uses to QEMU's user.
            shutil.copy(self.images / name, image / name)

    def _env(self, command, *args):
        env = {**os.environ, 'LIBVIRT_ENV_CACHE': str(CACHE)}
        done = subprocess.run([LIBVIRT_ENV, command, self.libvirt, *map(str, args)], stdin=subprocess.DEVNULL, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise LabError(f'libvirt-env {command}: {done.stderr.strip()}')
        return done.stdout

    def define(self, **description):
        """Defines a guest, as domain.py says what describes one, without starting it."""
        description = domain.complete(description, self.sockets)
        guest = Guest(self.uri, description)
        path = self.folder / f'{guest.name}.xml'
        path.write_text(domain.domain_xml(description, self.folder / 'image', self.logs, self.kvm, self.cores))
        guest.virsh('define', str(path))
        self.guests[guest.name] = guest
        return guest

    def boot(self, *guests):
        """Starts guests at once and returns when all of them answer."""
        def start(guest):
            guest.virsh('start', guest.name)
            guest.wait_ready()
            self.say(f'{guest.name} is up')
        for_each(start, guests)

    def qemu_pid(self, guest):
        return int((self.libvirt / 'run/qemu' / f'{guest.name}.pid').read_text())

    def destroy(self, *guests):
        """Turns guests off, all at once: libvirt waits until somebody has reaped their QEMU."""
        def destroy(guest):
            if guest.state() not in ('', 'shut off'):
                guest.virsh('destroy', guest.name)
        for_each(destroy, guests)

    def restart_libvirt(self):
        """libvirtd goes and comes back; guests go on."""
        self._env('restart')

    def save_logs(self):
        """Copies every log to keep_logs and says how the guests' consoles ended."""
        self.keep_logs.mkdir(parents=True, exist_ok=True)
        found = sorted([*self.logs.glob('*.log'), *(self.libvirt / 'log').glob('**/*.log')])
        for log in found:
            target = self.keep_logs / log.name
            shutil.copyfile(log, target)
            lines = target.read_text(errors='replace').splitlines()
            if lines and log.parent == self.logs:
                print(f'--- the end of {target}', *lines[-TAIL_LINES:], sep='\n', flush=True)

    def close(self):
        if (self.libvirt).exists():
            try:
                self.destroy(*self.guests.values())
            except GuestError:
                pass  # the daemon may be what failed: stop ends every QEMU that is left
            self._env('stop')
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is not None and os.path.isdir(self.folder):
                self.save_logs()
        finally:
            self.close()
