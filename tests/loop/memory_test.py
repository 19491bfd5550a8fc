#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packet memory in hugepages, where there are enough of them, and not a page of them left behind."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import exchange, make_ports  # noqa: E402
from stintd import Stintd, run_tests, wait_for  # noqa: E402

PAGES = pathlib.Path('/proc/sys/vm/nr_hugepages')
PLENTY_MIB = 1024
TOO_FEW_MIB = 16


def meminfo(key):
    return int(re.search(rf'^{key}: *(\d+)', pathlib.Path('/proc/meminfo').read_text(), re.M).group(1))


def in_use():
    return meminfo('HugePages_Total') - meminfo('HugePages_Free')


class Hugepages:
    """So many MiB in free hugepages while a block lasts, besides those that others use."""

    def __init__(self, mib):
        self.mib = mib

    def __enter__(self):
        self.before = int(PAGES.read_text())
        wanted = in_use() + self.mib * 1024 // meminfo('Hugepagesize')
        PAGES.write_text(str(wanted))
        if int(PAGES.read_text()) != wanted:
            self.__exit__()
            raise AssertionError(f'{wanted} hugepages are not to be had')

    def __exit__(self, *_):
        PAGES.write_text(str(self.before))


def hugepages_are_used_and_given_back():
    with Hugepages(PLENTY_MIB):
        before = in_use()
        with Stintd() as d:
            assert d.call('version_get')['hugepages'] is True
            assert f'hugepages, {PLENTY_MIB} MiB of them free' in d.read_log(), d.read_log()
            make_ports(d)
            exchange(d, at_least=1000)
            assert in_use() > before
            d.kill()
            wait_for(lambda: in_use() == before, 10, 'hugepages are back after a crash')
            d.start()
            assert d.call('version_get')['hugepages'] is True and in_use() > before
            assert d.stop() == 0
            wait_for(lambda: in_use() == before, 10, 'hugepages are back')


def too_few_hugepages_are_left_alone():
    """The switch would run on them, and have no room for a VM."""
    with Hugepages(TOO_FEW_MIB), Stintd() as d:
        assert d.call('version_get')['hugepages'] is False
        assert f'only {TOO_FEW_MIB} MiB of hugepages are free' in d.read_log(), d.read_log()
        make_ports(d)
        for i in range(20):
            d.call('vm_create', name=f'more{i}', tenant='t')


if __name__ == '__main__':
    sys.exit(run_tests([hugepages_are_used_and_given_back, too_few_hugepages_are_left_alone]))
