# SPDX-License-Identifier: BSD-3-Clause
"""The machine that a benchmark runs on: its cores, hugepages, noise and versions."""

import contextlib
import os
import pathlib
import platform
import subprocess
import time

GENERATOR_CORE = 0
WORKER_CORE = 1
HUGEPAGES = "/proc/sys/vm/nr_hugepages"
BUSY_PERCENT = 10


class Refused(Exception):
    """The run cannot be trusted, or cannot be made; the text says why."""


class Hugepages:
    """Sets hugepages aside while the context lasts, and gives back what it took."""

    def __init__(self, mb):
        self.wanted = mb // 2
        self.before = None

    def __enter__(self):
        with open(HUGEPAGES) as f:
            self.before = int(f.read())
        try:
            if self.before < self.wanted:
                self._set(self.wanted)
        except BaseException:  # what was taken until then is given back, also when interrupted
            self.__exit__()
            raise
        return self

    def _set(self, pages):
        with open(HUGEPAGES, "w") as f:
            f.write(str(pages))
        with open(HUGEPAGES) as f:
            if int(f.read()) < pages:
                raise Refused(f"{pages} hugepages of 2 MiB are not to be had")

    def __exit__(self, *exc):
        if self.before is not None and self.before < self.wanted:
            with open(HUGEPAGES, "w") as f:
                f.write(str(self.before))


@contextlib.contextmanager
def all_cores():
    """What is started in this context may run on every core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _thread_times():
    """CPU ticks and last core of every thread: {(pid, tid): (ticks, core, name)}."""
    times = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/stat") as f:
                    name, rest = f.read().rsplit(")", 1)
                fields = rest.split()
                times[pid, tid] = (int(fields[11]) + int(fields[12]), int(fields[36]), name.split("(", 1)[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return times


def busy_on(core, seconds=0.5, ours=()):
    """Threads of others that used more than BUSY_PERCENT of a core, last seen on `core`."""
    before = _thread_times()
    time.sleep(seconds)
    found = []
    for key, (ticks, where, name) in _thread_times().items():
        if where != core or int(key[0]) in ours or int(key[0]) == os.getpid():
            continue
        percent = 100 * (ticks - before.get(key, (ticks, 0, ""))[0]) / os.sysconf("SC_CLK_TCK") / seconds
        if percent > BUSY_PERCENT:
            found.append((key[0], name, percent))
    return found


def require_free_core(core=WORKER_CORE):
    """Raises Refused when somebody else computes on the worker's core."""
    if os.cpu_count() < 2:
        raise Refused("needs two cores: one for the switch, one for the load generator")
    busy = busy_on(core)
    if busy:
        who = ", ".join(f"{name} (pid {pid}, {percent:.0f} %)" for pid, name, percent in busy)
        raise Refused(f"core {core}, the switch's, is busy with {who}: figures would be worthless")


def cpu_seconds(pid):
    """CPU time that a process has used so far, all threads. The scheduler's own count, in nanoseconds: that
    in clock ticks would miss naps that end between two ticks."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def memory_bytes(pid):
    """Memory of a process, hugepages included; without the hugepages that it shares, which are its guests'."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith(("Rss:", "Private_Hugetlb:")):
                total += int(line.split()[1]) * 1024
    return total


def steal_percent(since=None):
    """Time that the hypervisor took from all cores since an earlier answer: (percent, answer)."""
    with open("/proc/stat") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    now = (sum(fields[:8]), fields[7])
    if since is None or now[0] == since[0]:
        return 0.0, now
    return 100 * (now[1] - since[1]) / (now[0] - since[0]), now


def _dpkg_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout.strip() or "not installed"


def describe():
    """The machine and the versions, as (what, value) rows."""
    model, flags = "unknown", ""
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
            if line.startswith("flags"):
                flags = line
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // (1 << 20)
    virtual = "virtual machine" if "hypervisor" in flags else "bare metal"
    return [
        ("processor", f"{model}, {os.cpu_count()} cores, {virtual}"),
        ("memory", f"{memory} GiB"),
        ("kernel", platform.release()),
        ("DPDK", _dpkg_version("libdpdk-dev")),
        ("Open vSwitch", _dpkg_version("openvswitch-switch-dpdk")),
        ("compiler", _dpkg_version("gcc")),
    ]


def halted_seconds(core):
    """How long a core was halted, or in a deeper power state, since boot; None where the kernel does not say."""
    states = list(pathlib.Path(f"/sys/devices/system/cpu/cpu{core}/cpuidle").glob("state*"))
    deep = [s for s in states if (s / "name").read_text().strip() != "POLL"]
    return sum(int((s / "time").read_text()) for s in deep) / 1e6 if states else None
