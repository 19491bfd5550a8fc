#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""reaper.py PIDFILE COMMAND...: runs a command, then stays behind as the parent of whatever it left running.

libvirt waits until the process of a QEMU that it ended is gone, and calls no hook before. That is up to
the parent, which for a QEMU is the machine's first process; in containers and small virtual machines that
one may look after its children late or never. This one does so at once, and ends with the last of them.
Exits with the command's status.
"""
import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def stay(pid_file, command, report):
    os.setsid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl')
    with open(pid_file, 'w', encoding='ascii') as file:
        print(os.getpid(), file=file)
    status = subprocess.run(command, check=False).returncode
    os.write(report, bytes([status if 0 <= status < 256 else 1]))
    os.close(report)
    # Nobody who waits for the end of our output is to wait for ours.
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def main(pid_file, *command):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        stay(pid_file, command, theirs)
        return 0
    os.close(theirs)
    status = os.read(ours, 1)
    return status[0] if status else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
