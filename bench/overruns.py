# SPDX-License-Identifier: BSD-3-Clause
"""Services that took longer than their slice, told apart from gaps of the machine.

A service's time is that between two readings of the clock, so when the machine takes the core away
meanwhile, the gap is in it. Where the kernel gave the core to another thread, the switch knows that itself
and its histogram of services leaves them out; so does the meter. Interrupts and the hypervisor remain. No
X If the switch kept its slice exactly, services longer than slice + x would all be ones that met a gap
longer than x: their number could not exceed that of such gaps in as much time. The longest overrun is the
largest x at which there were more services than gaps can explain. Chance is allowed for: three standard
deviations, and three events where the meter saw none (the 95 % bound for what was not seen)."""

import collections
import math


class Gaps:
    """What the hiccup meter saw."""

    def __init__(self):
        self.counts = collections.Counter()  # longer than so many us
        self.seconds = 0.0

    def add(self, hiccup):
        """What Generator.hiccup found."""
        self.seconds += hiccup["hiccup.seconds"]
        for name, count in hiccup.items():
            if name.startswith("hiccup.gaps_over_"):
                self.counts[int(name.split("_")[2])] += count

    def most(self, over_us, seconds):
        """How many longer than that there may have been in so much time."""
        longer = [count for us, count in self.counts.items() if us >= over_us]
        expected = max(longer, default=0) * seconds / max(1e-9, self.seconds)
        return expected + 3 * math.sqrt(expected) + 3


class Overruns:
    """Services, and by how much they exceed slice_us."""

    def __init__(self, slice_us, gaps):
        self.slice_us = slice_us
        self.gaps = gaps
        self.services = collections.Counter()  # by the lower end of their bucket, in ns
        self.service_seconds = 0.0
        self.of_late = collections.defaultdict(collections.Counter)  # over two slices, by kind of VM

    def add_services(self, before, after, seconds):
        """The services between two readings of histograms: lists of buckets."""
        for sign, buckets in ((-1, before), (1, after)):
            for bucket in buckets:
                self.services[bucket["from_ns"]] += sign * bucket["count"]
        self.service_seconds += seconds

    def note_longest(self, kind, before, after):
        """Remembers who had long services, until longest_text is asked."""
        for sign, buckets in ((-1, before), (1, after)):
            for bucket in buckets:
                if bucket["from_ns"] >= 2000 * self.slice_us:
                    self.of_late[kind][bucket["from_ns"]] += sign * bucket["count"]

    def longest_text(self):
        found = []
        for kind, services in sorted(self.of_late.items()):
            services = +services
            if services:
                found.append(f"{kind} {sum(services.values())} (longest {max(services) / 1000:.0f} us)")
        self.of_late.clear()
        return ", ".join(found) or "none"

    def middle_us(self):
        """The median of all services."""
        left = sum(self.services.values()) / 2
        for from_ns in sorted(self.services):
            left -= self.services[from_ns]
            if left <= 0:
                return from_ns / 1e3
        return 0.0

    def longest_us(self):
        """(what the switch answers for, the longest whatever caused it), both beyond the slice."""
        ours = longest = 0.0
        count = 0
        for from_ns in sorted(self.services, reverse=True):
            over_us = from_ns / 1e3 - self.slice_us
            if over_us < 0:
                break
            count += self.services[from_ns]
            if count > 0:
                longest = max(longest, over_us)
            if count > self.gaps.most(over_us, self.service_seconds):
                ours = max(ours, over_us)
        return ours, longest
