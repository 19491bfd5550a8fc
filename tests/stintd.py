# SPDX-License-Identifier: BSD-3-Clause
"""Starts stintd for a test and talks JSON-RPC to it. Everything it makes lies in one private folder,
which is gone after close()."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'scripts'))
from guestlab.patience import Patience  # noqa: E402 pylint: disable=wrong-import-position

BUILD = pathlib.Path(os.environ.get('STINT_BUILD', ROOT / 'build'))


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error['code']
        self.data = error.get('data')


def wait_for(condition, timeout, what):
    """Polls until condition() is true and returns its value; raises where that takes too long."""
    patience = Patience(timeout)
    while True:
        value = condition()
        if value:
            return value
        if patience.is_over():
            raise TimeoutError(f'{what}: not within {timeout} s')
        time.sleep(0.01)


class Stintd:
    """One daemon. Its configuration is kept, so that kill() and start() play a crash. `prefix` is a command
    that runs it, `env` what is added to its environment, `build` where it was built."""

    def __init__(self, workers=None, args=(), prefix=(), env=None, build=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='stint-test.'))
        self.folder.chmod(0o755)
        self.socket = self.folder / 'rpc.sock'
        self.config = self.folder / 'config.json'
        self.log = self.folder / 'stintd.log'
        self.workers = workers or str(max(os.sched_getaffinity(0)))
        self.args = list(args)
        self.prefix = list(prefix)
        self.build = pathlib.Path(build or BUILD)
        self.env = {**os.environ, **(env or {})}
        self.process = None
        try:
            self.start()
        except BaseException:
            if self.process:
                self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.build / 'stintd', '--socket', self.socket, '--config', self.config,
                 '--workers', self.workers, '--memory', '512', *self.args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        wait_for(self.answers, 60, 'stintd answers')

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'stintd ended with {self.process.returncode}:\n{self.read_log()}')
        try:
            return self.call('version_get')
        except OSError:
            return None

    def read_log(self):
        return self.log.read_text(errors='replace')

    def wait_log(self, text='is ready'):
        """The log, once the text is in it: a thread writes it, behind what it is about."""
        wait_for(lambda: text in self.read_log(), 60, f'{text!r} in the log')
        return self.read_log()

    def path(self, name):
        """A path for a port's socket."""
        return str(self.folder / name)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(120)
        s.connect(str(self.socket))
        return s

    def call(self, method, **params):
        """One call on a connection of its own; raises RpcError."""
        reply = self.ask({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params})
        if 'error' in reply:
            raise RpcError(reply['error'])
        return reply['result']

    def ask(self, request):
        """Sends a request, or a batch of them, on a connection of its own; returns the answer."""
        with self.connect() as s:
            s.sendall(json.dumps(request).encode())
            answer = b''
            while True:
                part = s.recv(1 << 20)
                if not part:
                    raise ConnectionError(f'{str(request)[:200]}: stintd hung up')
                answer += part
                try:
                    return json.loads(answer)
                except json.JSONDecodeError:
                    continue

    def port(self, name):
        return self.call('port_list', name=name)[0]

    def counters(self, name):
        return self.call('stats_ports', port=name)[0]

    def wait_state(self, port, state, timeout=60):
        return wait_for(lambda: self.port(port)['state'] == state, timeout, f'port {port} {state}')

    def open_files(self):
        """How many files it has open, once connections that were just closed are gone."""
        counts = []
        for _ in range(10):
            counts.append(len(os.listdir(f'/proc/{self.process.pid}/fd')))
            time.sleep(0.02)
        return min(counts)

    def memory_kb(self):
        """What it has in memory."""
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=60)

    def close(self):
        """Fails where it does not end well: what sanitizers find while it runs is told by its exit status."""
        try:
            if self.process and self.process.poll() is None:
                try:
                    self.stop()
                except subprocess.TimeoutExpired:
                    self.kill()
                    raise
            if self.process and self.process.returncode not in (0, -signal.SIGKILL):
                raise RuntimeError(f'stintd ended with {self.process.returncode}:\n{self.read_log()}')
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run_tests(tests):
    """Runs functions, prints 'ok NAME' or 'FAIL NAME' per test; returns the exit status."""
    import traceback
    # Who is told to end, because it takes too long, still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 0
    for test in tests:
        start = time.monotonic()
        try:
            test()
            print(f'ok {test.__name__} ({time.monotonic() - start:.1f} s)', flush=True)
        except Exception:  # whatever it was, the next test still runs
            failed += 1
            print(f'FAIL {test.__name__}\n{traceback.format_exc()}', flush=True)
    return 1 if failed else 0
