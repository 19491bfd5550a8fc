#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packet memory in hugepages, as far as there are some, and not a page of them left behind."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths_test import exchange, make_ports  # noqa: E402
from stintd import RpcError, Stintd, run_tests, wait_for  # noqa: E402

PAGES = pathlib.Path('/proc/sys/vm/nr_hugepages')
PLENTY_MIB = 1024
FEW_MIB = 16


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
            make_ports(d)
            status = d.call('status_get')
            assert status['packet_memory'] == status['packet_memory_huge'] > 0, status
            assert d.call('version_get')['hugepages'] is True
            exchange(d, at_least=1000)
            assert in_use() > before
            d.kill()
            wait_for(lambda: in_use() == before, 60, 'hugepages are back after a crash')
            d.start()
            assert d.call('version_get')['hugepages'] is True and in_use() > before
            assert d.stop() == 0
            wait_for(lambda: in_use() == before, 60, 'hugepages are back')


def what_does_not_fit_into_hugepages_is_in_ordinary_ones():
    with Hugepages(FEW_MIB), Stintd() as d:
        make_ports(d)
        for i in range(20):
            d.call('vm_create', name=f'more{i}', tenant='t')
        status = d.call('status_get')
        assert 0 < status['packet_memory_huge'] <= FEW_MIB << 20 < status['packet_memory'], status
        log = d.wait_log('packets are in ordinary pages')
        assert log.count('packets are in ordinary pages') == 1, log


def without_hugepages_if_so_wished():
    with Hugepages(FEW_MIB):
        before = in_use()
        with Stintd(args=['--no-huge']) as d:
            make_ports(d)
            assert d.call('status_get')['packet_memory_huge'] == 0 and in_use() == before


def the_limit_is_named():
    with Hugepages(0), Stintd(args=['--memory', '16']) as d:
        d.call('tenant_create', name='t')
        for i in range(3):
            d.call('vm_create', name=f'v{i}', tenant='t')
        try:
            d.call('vm_create', name='v3', tenant='t')
        except RpcError as e:
            assert e.code == -32004 and "vm 'v3': no room for its packets" in str(e), e
            assert '--memory' in str(e), e
        else:
            raise AssertionError('the limit does not hold')
        d.call('vm_delete', name='v0')
        d.call('vm_create', name='v3', tenant='t')


if __name__ == '__main__':
    sys.exit(run_tests([hugepages_are_used_and_given_back, what_does_not_fit_into_hugepages_is_in_ordinary_ones,
                        without_hugepages_if_so_wished, the_limit_is_named]))
