#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `make install` puts where, and that it works from there."""
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stintd import BUILD, ROOT, run_tests  # noqa: E402

INSTALLED = {
    'sbin/stintd': 0o755, 'bin/stintctl': 0o755, 'lib/stint/xdp/uplink.o': 0o644,
    'lib/systemd/system/stintd.service': 0o644,
    'share/stint/libvirt-hook-qemu': 0o755, 'share/stint/domain.xml': 0o644, 'share/man/man1/stintctl.1': 0o644,
    'share/man/man8/stintd.8': 0o644, 'share/bash-completion/completions/stintctl': 0o644}


def all_is_installed_under_the_prefix():
    with tempfile.TemporaryDirectory(prefix='stint-install.') as folder:
        folder = pathlib.Path(folder)
        prefix = folder / 'opt/stint'
        subprocess.run(['make', '-s', 'install', f'DESTDIR={folder}', 'PREFIX=/opt/stint', f'BUILD={BUILD}'],
                       cwd=ROOT, check=True, timeout=300, stdout=subprocess.DEVNULL)
        found = {str(path.relative_to(prefix)): stat.S_IMODE(path.stat().st_mode)
                 for path in folder.rglob('*') if path.is_file()}
        assert found == INSTALLED, found
        unit = (prefix / 'lib/systemd/system/stintd.service').read_text()
        assert re.search(r'^ExecStart=/opt/stint/sbin/stintd ', unit, re.M) and '@' not in unit, unit
        for program in ('sbin/stintd', 'bin/stintctl'):
            subprocess.run([prefix / program, '--version'], check=True, timeout=30, stdout=subprocess.DEVNULL)
        subprocess.run(['bash', '-n', prefix / 'share/bash-completion/completions/stintctl'], check=True, timeout=30)
        hook = subprocess.run([prefix / 'share/stint/libvirt-hook-qemu', 'd', 'started', 'begin', '-'], timeout=30,
                              check=True, stdin=subprocess.DEVNULL, capture_output=True)
        assert hook.stdout == b''


if __name__ == '__main__':
    sys.exit(run_tests([all_is_installed_under_the_prefix]))
