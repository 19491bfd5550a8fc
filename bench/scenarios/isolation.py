# SPDX-License-Identifier: BSD-3-Clause
"""A pair of VMs that send each other one request at a time, another pair with 16 outstanding, and hostile VMs
of another tenant beside them: how long requests take in each mode of the scheduler, and alone.

All loads of one adversary are phases of one run of the generator, so that what is compared happens within
seconds. The victims have a guarantee, as VMs that care for latency would; `weight` is the same mode without
one. In mode rate each hostile VM is held to its share of RATE_PPS and RATE_BPS, about what the worker could
switch of small packets."""

from figures import answer_text
from harness import Stint
from overruns import Gaps, Histogram, Overruns

LIMIT_SECONDS = 1800
BARS = {
    "isolation.worst_gain": (">=", 7.8),
    "isolation.worst_ratio": ("<=", 1.5),
    "isolation.worst_excess_slices": ("<=", 2),
    "isolation.longest_service_over_slice_us": ("<=", "isolation.packet_us"),
}
EITHER = (("isolation.worst_ratio", "isolation.worst_excess_slices"),)

WINDOWS = (1, 16)
VICTIMS = 2 * len(WINDOWS)
GUARANTEE = {"guarantee_us": 200, "period_us": 1000}  # more than what they use: four times a fifth of the worker
SLICE_US = 20
ONE_PACKET_US = 5  # a slice that any packet of 64 KiB exceeds, so that each service is of one
TIMEOUT_US = 500_000  # longer than any round of any mode
RATE_PPS = 6_000_000
RATE_BPS = 10_000_000_000

# Kinds of attack (loadgen --help) and how many VMs do it. Neighbours send to each other, so all numbers are
# even. A flood's step makes its ring full again; the others' steps are what they do wrong.
REFILL = "rate=300000"
FLOODS = {
    "small_1": (("small", 1, REFILL), ("sink", 1, REFILL)),
    "small_16": (("small", 16, REFILL),),
    "large": (("large", 4, f"{REFILL} ring=1024"),),
    "chain": (("chain", 4, REFILL),),
    "broadcast": (("broadcast", 4, REFILL), ("sink", 12, REFILL)),
    "unknown": (("unknown", 4, REFILL), ("sink", 12, REFILL)),
    "malformed": (("malformed", 4, REFILL), ("bad_index", 2, "rate=1000"), ("index_jump", 2, "rate=1000"),
                  ("scribble", 2, "rate=1000")),
    "notify": (("notify", 4, "rate=100000"), ("kick", 4, "rate=20000")),
    "control": (("reconnect", 2, "rate=500"), ("mem_table", 2, "rate=500"), ("enable", 2, "rate=500"),
                ("garbage", 2, "rate=500")),
    "alternate": (("alternate", 4, f"{REFILL} ring=1024"),),
    "balloon": (("balloon", 2, "rate=500"), ("small", 1, REFILL), ("balloon_sink", 1, "rate=500")),
}
TOGETHER = [part for name, parts in FLOODS.items() if name not in ("small_1", "unknown") for part in parts]
ADVERSARIES = {"all": (*TOGETHER, ("unknown", 4, REFILL)), **FLOODS}

QUICK = ("all", "small_16", "large", "chain", "control", "alternate")

# Whose packets are the dearest: what one costs is taken from them.
DEAREST = "large"

NOTES = {
    "isolation.worst_gain": "p99 of the adversary and window that are worst in mode none, over the same in mode time; "
                            "where mode none left no answer, there is nothing to compare",
    "isolation.longest_service_over_slice_us":
        "of the hostile VMs in mode time, without what gaps of the machine explain. Services during which the kernel "
        "gave the core to another thread are known (base/preempt.h) and left out. Of interrupts and the hypervisor, "
        "the hiccup meter and the victims' services, which take microseconds, count gaps by length; services longer "
        "than slice + x count only where there are more of them than gaps longer than x (bench/overruns.py)",
    "isolation.packet_us": "p99.9 of services of one 64 KiB packet each: the same hostile VMs, served in slices of "
                           "5 us, which one packet exceeds",
}


class Adversary:
    def __init__(self, name):
        self.name = name
        self.parts = ADVERSARIES[name]
        self.vms = VICTIMS + sum(count for _, count, _ in self.parts)

    def lines(self, socket):
        """The generator's VMs, victims first."""
        lines = [f"0-{VICTIMS - 1} socket={socket}"]
        first = VICTIMS
        for kind, count, options in self.parts:
            lines.append(f"{first}-{first + count - 1} socket={socket} attack={kind} {options}")
            first += count
        return lines

    def kinds(self):
        """{number of a VM: its kind of attack}"""
        kinds = [kind for kind, count, _ in self.parts for _ in range(count)]
        return dict(enumerate(kinds, VICTIMS))


class Session:
    """A switch with victims and an adversary, and what changes from phase to phase."""

    def __init__(self, switch, adversary, overruns, packets):
        self.switch = switch
        self.adversary = adversary
        self.overruns = overruns  # of services in mode time
        self.packets = packets  # services of one packet each
        self.mode = None
        self.before = None
        self.guarantee(True)

    def guarantee(self, on):
        for i in range(VICTIMS):
            self.switch.call("budget_set", vm=f"vm{i}", **(GUARANTEE if on else {"guarantee_us": 0}))

    def limit(self, on):
        n = self.adversary.vms - VICTIMS
        for i in range(VICTIMS, self.adversary.vms):
            self.switch.call("budget_set", vm=f"vm{i}", rate_pps=RATE_PPS // n if on else 0,
                             rate_bps=RATE_BPS // n if on else 0)

    def begin(self, phase):
        mode = phase.rsplit("_", 1)[0]
        if "weight" in (mode, self.mode):
            self.guarantee(mode != "weight")
        if "rate" in (mode, self.mode):
            self.limit(mode == "rate")
        self.mode = mode
        scheduler = mode if mode in ("none", "rate") else "time"
        self.switch.call("scheduler_set", mode=scheduler, slice_us=ONE_PACKET_US if mode == "one" else SLICE_US)
        if mode in ("time", "one"):
            self.before = self.read()

    def end(self):
        if self.mode not in ("time", "one"):
            return
        for vm, buckets in self.read().items():
            kind = self.adversary.kinds().get(vm, "victim")
            if self.mode == "time":
                to = self.overruns.gaps.victims if kind == "victim" else self.overruns.services
                to.add(self.before[vm], buckets)
                self.overruns.note_longest(kind, self.before[vm], buckets)
            elif kind == DEAREST:
                self.packets.add(self.before[vm], buckets)

    def read(self):
        """{VM: its services' histogram}"""
        return {i: self.switch.call("histogram_get", vm=f"vm{i}", kind="service")["buckets"]
                for i in range(self.adversary.vms)}


def phases(bench, number, adversary):
    """Alone comes first, when no ring of the adversary is full; the modes take turns in who is next."""
    modes = ["none", "rate", "time"] + (["weight"] if bench.full else [])
    turn = number % len(modes)
    order = [("alone", window) for window in WINDOWS]
    order += [(mode, window) for window in WINDOWS for mode in modes[turn:] + modes[:turn]]
    if DEAREST in adversary.kinds().values():
        order.append(("one", WINDOWS[0]))
    return [f"{mode}_{window} streams=w{window} attacks={int(mode != 'alone')}" for mode, window in order]


def latency(raw, mode, window, point):
    """Requests that a gap of the generator's core did not touch, unless those are the fewer: where requests take
    milliseconds nearly all meet a gap, and it matters little. None when no request was answered."""
    stream = f"{mode}_{window}.stream.w{window}"
    everything = raw.get(f"{stream}.latency.samples", 0)
    clean = raw.get(f"{stream}.clean.samples", 0)
    which = "clean" if 2 * clean >= everything else "latency"
    return raw.get(f"{stream}.{which}.{point}_us")


def note_latencies(bench, adversary, raw):
    """Notes all latencies; returns the p99s, {(mode, window): us}."""
    found = {}
    for phase in phases(bench, 0, adversary):
        mode, window = phase.split()[0].rsplit("_", 1)
        prefix = f"isolation.{adversary.name}.{mode}.{window}"
        for point in ("p50", "p99", "p999"):
            bench.figures.add(f"{prefix}.{point}_us", latency(raw, mode, window, point), "us")
        found[mode, window] = latency(raw, mode, window, "p99")
        everything = raw.get(f"{mode}_{window}.stream.w{window}.latency.samples", 0)
        clean = raw.get(f"{mode}_{window}.stream.w{window}.clean.samples", 0)
        bench.figures.add(f"{prefix}.untouched_percent", 100 * clean / max(1, everything), "%")
        bench.figures.add("isolation.generator_pass_p99_us", raw[f"{mode}_{window}.generator.pass_p99_us"], "us")
        bench.figures.add("isolation.generator_pass_max_us", raw[f"{mode}_{window}.generator.pass_max_us"], "us")
    return found


def measure(bench, adversary, number, overruns, packets):
    """Returns {(mode, window): p99 in us}."""
    streams = [f"name=w{window} from={2 * i} to={2 * i + 1} mode=request window={window} size=64 "
               f"timeout_us={TIMEOUT_US}" for i, window in enumerate(WINDOWS)]
    overruns.gaps.add(bench.hiccup(0.2 if bench.quick else 2.5, both=True))
    tenants = {"victim": range(VICTIMS), "hostile": range(VICTIMS, adversary.vms)}
    with bench.switch(Stint, adversary.vms, tenants=tenants) as switch:
        session = Session(switch, adversary, overruns, packets)
        raw = bench.play_phases(switch, streams, adversary.lines(switch.socket), phases(bench, number, adversary),
                                session.begin, on_end=session.end, seconds=0.12 if bench.quick else 1.0,
                                warmup=0.06 if bench.quick else 0.2)
    p99 = note_latencies(bench, adversary, raw)
    bench.say(f"{adversary.name}: p99 in us with 1 / 16 outstanding: " + ", ".join(
        f"{mode} {' / '.join(answer_text(p99[mode, str(w)], 0) for w in WINDOWS)}"
        for mode in ("alone", "none", "rate", "time")))
    bench.say(f"{adversary.name}: services longer than two slices: {overruns.longest_text()}")
    return p99


def note_worst(bench, name, unit, cases):
    """The worst of cases (value, who). That there was no answer is worse than any value."""
    value, who = max(cases, key=lambda case: float("inf") if case[0] is None else case[0])
    bench.figures.add(f"isolation.{name}", value, unit)
    bench.figures.note(f"isolation.{name}", f"last round: {who}")


def judge(bench, found):
    """Notes the figures of one round that the bars are about; found: {adversary: p99s}. Mode none may starve the
    victims, which then says nothing about how much longer they waited. They must have answers alone and in mode
    time."""
    gains, ratios, excesses = [], [], []
    for name, p99 in found.items():
        for window in map(str, WINDOWS):
            alone, none, ours = (p99[mode, window] for mode in ("alone", "none", "time"))
            who = f"{name}, {window} outstanding"
            answered = alone is not None and ours is not None
            if none is not None or not answered:
                gains.append((none, ours if answered else None, who))
            ratios.append((ours / alone if answered else None, who))
            excesses.append(((ours - alone) / SLICE_US if answered else None, who))
    if not ratios:
        return
    note_worst(bench, "worst_ratio", "ratio", ratios)
    note_worst(bench, "worst_excess_slices", "slices", excesses)
    if gains:
        none, ours, who = max(gains, key=lambda case: float("inf") if case[1] is None else case[0])
        bench.figures.add("isolation.worst_gain", None if ours is None else none / ours, "ratio")
        bench.figures.note("isolation.worst_gain", f"{NOTES['isolation.worst_gain']}; last round: {who}")


def measure_all(bench, number):
    found, gaps = {}, Gaps()
    overruns, packets = Overruns(SLICE_US, gaps), Histogram()
    for name in QUICK if bench.quick else ADVERSARIES:
        if bench.late():
            bench.leave_out(f"{name} in round {number + 1}", "the time is up")
            continue
        found[name] = measure(bench, Adversary(name), number, overruns, packets)
    judge(bench, found)
    over, longest = overruns.longest_us()
    bench.figures.add("isolation.longest_service_over_slice_us", over, "us")
    bench.figures.add("isolation.longest_service_over_slice_with_gaps_us", longest, "us")
    for name, q in (("", 0.999), ("_p50", 0.5), ("_p99", 0.99)):
        bench.figures.add(f"isolation.packet{name}_us", packets.quantile_us(q), "us")


def run(bench):
    for name, text in NOTES.items():
        bench.figures.note(name, text)
    for number in bench.each_round():
        measure_all(bench, number)
