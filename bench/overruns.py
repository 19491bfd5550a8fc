# SPDX-License-Identifier: BSD-3-Clause
"""Services that took longer than their slice, told apart from gaps of the machine.

A service's time is that between two readings of the clock, so when the machine takes the core away
meanwhile, the gap is in it. Where the kernel gave the core to another thread, the switch knows that itself
and its histogram of services leaves them out. Interrupts and the hypervisor remain, and two meters tell how
many gaps of which length there are:
- the hiccup meter spins on the worker's core while no switch runs, and another on the generator's core,
  before each measurement of the same run;
- the victims' services, of some packets of 64 B, take microseconds: any that takes long met a gap, on the
  worker's core and during the measurement itself.
If the switch kept its slice exactly, services longer than slice + x would all be ones that met a gap longer
than x: their number could not exceed that of such gaps in as much time. The longest overrun is the largest x
at which there were more services than gaps can explain, by the meter that saw more. Chance is allowed for:
three standard deviations, and for the hiccup meter, which ran as long as the switch did, three events where it
saw none (the 95 % bound for what was not seen). Victims are served for a part of the time only, so where they
met few gaps, or none, that says nothing, and explains nothing."""

import collections
import math


NORMAL_US = 5  # what victims' services take at most by themselves


class Histogram:
    """Services by their length."""

    def __init__(self):
        self.counts = collections.Counter()  # by the lower end of their bucket, in ns

    def add(self, before, after):
        """Those between two readings: lists of buckets."""
        for sign, buckets in ((-1, before), (1, after)):
            for bucket in buckets:
                self.counts[bucket["from_ns"]] += sign * bucket["count"]

    def seconds(self):
        return sum(from_ns * count for from_ns, count in self.counts.items()) / 1e9

    def longer(self, us):
        return sum(count for from_ns, count in self.counts.items() if from_ns >= us * 1e3)

    def quantile_us(self, q):
        left = q * sum(self.counts.values())
        for from_ns in sorted(self.counts):
            left -= self.counts[from_ns]
            if left <= 0:
                return from_ns / 1e3
        return 0.0


FEW = 5  # gaps that victims met


def most(count, seconds, in_seconds):
    """How many events to allow for, where a meter counted so many in so much time: both counts scatter."""
    ratio = in_seconds / max(1e-9, seconds)
    return count * ratio + 3 * math.sqrt(count * ratio * (1 + ratio))


class Gaps:
    """What both meters saw."""

    def __init__(self):
        self.hiccups = collections.Counter()  # longer than so many us
        self.hiccup_seconds = 0.0
        self.victims = Histogram()

    def add(self, hiccup):
        """What Generator.hiccup found."""
        self.hiccup_seconds += hiccup["hiccup.seconds"]
        for name, count in hiccup.items():
            if name.startswith("hiccup.gaps_over_"):
                self.hiccups[int(name.split("_")[2])] += count

    def most(self, over_us, seconds):
        """How many longer than that there may have been in so much time."""
        hiccups = max((count for us, count in self.hiccups.items() if us >= over_us), default=0)
        allowed = most(hiccups, self.hiccup_seconds, seconds) + 3
        met = self.victims.longer(over_us + NORMAL_US)
        if met > FEW:
            allowed = max(allowed, most(met, self.victims.seconds(), seconds))
        return allowed


class Overruns:
    """Services, and by how much they exceed slice_us."""

    def __init__(self, slice_us, gaps):
        self.slice_us = slice_us
        self.gaps = gaps
        self.services = Histogram()
        self.of_late = collections.defaultdict(collections.Counter)  # over two slices, by kind of VM

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

    def longest_us(self):
        """(what the switch answers for, the longest whatever caused it), both beyond the slice."""
        ours = longest = 0.0
        count, seconds = 0, self.services.seconds()
        for from_ns in sorted(self.services.counts, reverse=True):
            over_us = from_ns / 1e3 - self.slice_us
            if over_us < 0:
                break
            count += self.services.counts[from_ns]
            if count > 0:
                longest = max(longest, over_us)
            if count > self.gaps.most(over_us, seconds):
                ours = max(ours, over_us)
        return ours, longest
