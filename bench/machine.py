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
BUSY_PERCENT = 10  # of a core, by others
BUSY_LOOKS = 2  # what is over with the first look does not matter
NAMED_PERCENT = 2  # of a core: who used less is not named


class Refused(Exception):
    """The run cannot be trusted, or cannot be made; the text says why."""


class PeerRefused(Refused):
    """A peer does not start as it is asked to."""


class TooLong(Exception):
    """The run's time is over. Not a Refused: who can do without a peer cannot do without time."""


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


def _core_ticks(core):
    """Ticks that a core has spent on threads and interrupts of this machine since boot."""
    with open("/proc/stat") as f:
        for line in f:
            name, *fields = line.split()
            if name == f"cpu{core}":
                user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
                return user + nice + system + irq + softirq
    raise Refused(f"core {core} is not there")


def _thread_ticks():
    """{(pid, tid): (ticks, last core, name)} of every thread, the kernel's too; with "children" for tid, what
    those of a process used that have ended."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/stat") as f:
                    name, rest = f.read().rsplit(")", 1)
                name, fields = name.split("(", 1)[1], rest.split()
                found[pid, tid] = (int(fields[11]) + int(fields[12]), int(fields[36]), name)
                found[pid, "children"] = (int(fields[13]) + int(fields[14]), None, f"children of {name}")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _who(before, after, core, seconds):
    """Who used the core between two answers of _thread_ticks, for people; the most first. A thread that began
    meanwhile counts with all that it has used. When and where children ran that ended is not known."""
    found = []
    for key, (ticks, where, name) in after.items():
        percent = 100 * (ticks - before.get(key, (0,))[0]) / os.sysconf("SC_CLK_TCK") / seconds
        if percent < NAMED_PERCENT:
            continue
        if where == core:
            found.append((percent, f"{name} (pid {key[0]}, {percent:.0f} %)"))
        elif where is None:
            found.append((0, f"{name} (pid {key[0]})"))
    return ", ".join(text for _, text in sorted(found, reverse=True)[:4]) or "short-lived processes or interrupts"


def busy_cores(cores, seconds=1.0):
    """[(core, percent, who)] of those that were busy for more than BUSY_PERCENT of so long. Nothing of ours may run
    meanwhile. What the cores did counts, whoever it was, so that nobody escapes who came, ended or moved; the
    threads only say who."""
    threads = _thread_ticks()
    began, before = time.monotonic(), {core: _core_ticks(core) for core in cores}
    time.sleep(seconds)
    after, passed = {core: _core_ticks(core) for core in cores}, time.monotonic() - began
    percents = {core: 100 * (after[core] - before[core]) / os.sysconf("SC_CLK_TCK") / passed for core in cores}
    busy = [core for core in cores if percents[core] > BUSY_PERCENT]
    now = _thread_ticks() if busy else {}
    return [(core, percents[core], _who(threads, now, core, passed)) for core in busy]


def require_free_cores():
    """Raises Refused when somebody else computes on the cores of the switch or of the generator, and goes on."""
    if os.cpu_count() < 2:
        raise Refused("needs two cores: one for the switch, one for the load generator")
    for _ in range(BUSY_LOOKS):
        busy = busy_cores((WORKER_CORE, GENERATOR_CORE))
        if not busy:
            return
    core, percent, who = busy[0]
    whose = "the switch's" if core == WORKER_CORE else "the load generator's"
    raise Refused(f"core {core}, {whose}, is busy ({percent:.0f} %) with {who}: figures would be worthless")


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


def _hypervisor():
    done = subprocess.run(["lscpu"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    for line in done.stdout.splitlines():
        if line.startswith("Hypervisor vendor:"):
            return line.split(":", 1)[1].strip()
    return "none"


def describe(tsc_mhz):
    """The machine and the versions of what Stint is measured with, as {what: value}."""
    model = "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // (1 << 20)
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "TSC": f"{tsc_mhz:.0f} MHz" if tsc_mhz else "unknown",
        "hypervisor": _hypervisor(),
        "memory": f"{memory} GiB",
        "kernel": platform.release(),
        "DPDK": _dpkg_version("libdpdk-dev"),
        "Open vSwitch": _dpkg_version("openvswitch-switch-dpdk"),
        "compiler": _dpkg_version("gcc"),
    }


def halted_seconds(core):
    """How long a core was halted, or in a deeper power state, since boot; None where the kernel does not say."""
    states = list(pathlib.Path(f"/sys/devices/system/cpu/cpu{core}/cpuidle").glob("state*"))
    deep = [s for s in states if (s / "name").read_text().strip() != "POLL"]
    return sum(int((s / "time").read_text()) for s in deep) / 1e6 if states else None
