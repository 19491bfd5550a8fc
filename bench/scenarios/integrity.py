# SPDX-License-Identifier: BSD-3-Clause
"""Long mixed traffic among eight VMs, every packet checked on arrival by number and checksum. What was sent
and did not arrive must be in the switch's own counters of drops: nothing may vanish."""

from harness import Stint

LIMIT_SECONDS = 1800
BARS = {
    "integrity.packets": (">=", "integrity.packets_wanted"),
    "integrity.lost_uncounted": ("==", 0),
    "integrity.altered": ("==", 0),
    "integrity.reordered": ("==", 0),
}
PACKETS = 100_000_000  # to be checked
QUICK_PACKETS = 10_000_000
VMS = 8
CHECK = "check=1 fresh=1"
# In percent of the packets to be checked. The last stream is beside them: it overruns its receiver, so that drops are to
# be accounted for, and how many of its packets arrive to be checked nobody knows.
MIX = (
    ("imix", 44, "from=0 to=1 mode=closed window=64 size=imix flows=1000"),
    ("small", 34, "from=2 to=3 mode=closed window=64 size=64 flows=100"),
    ("sizes", 22, "from=4 to=5 mode=closed window=64 size=64+256+1500+512/3+1024/2 flows=100"),
    ("flood", 10, "from=6 to=7 mode=saturate size=mix flows=10"),
)
COUNTS = ("sent", "received", "altered", "reordered", "duplicated", "misdelivered")


def streams(packets):
    result = []
    for name, share, line in MIX:
        # A closed stream sends both ways, each sender up to the limit.
        senders = 2 if "mode=closed" in line else 1
        result.append(f"name={name} {line} {CHECK} limit={packets * share // 100 // senders}")
    return result


def run(bench):
    bench.rounds = 1
    packets = QUICK_PACKETS if bench.quick else PACKETS
    for _ in bench.each_round():
        with bench.switch(Stint, VMS) as switch:
            raw = bench.play(switch, streams(packets), seconds=35 if bench.quick else 1200,
                             warmup=0, options=("--until-done",)).raw
            counters = switch.counters()
        total = {c: sum(raw[f"stream.{name}.{c}"] for name, _, _ in MIX) for c in COUNTS}
        figures = bench.figures
        checked = total["received"] + total["altered"] + total["misdelivered"]
        figures.add("integrity.packets", checked, "packets")
        figures.add("integrity.packets_wanted", packets, "packets")
        figures.note("integrity.packets", "checked on arrival")
        figures.add("integrity.sent", total["sent"], "packets")
        lost = total["sent"] - (checked - total["duplicated"])
        figures.add("integrity.lost", lost, "packets")
        figures.add("integrity.dropped_counted", counters["dropped"], "packets")
        figures.add("integrity.lost_uncounted", abs(lost - counters["dropped"]), "packets")
        for name in ("altered", "reordered", "duplicated", "misdelivered"):
            figures.add(f"integrity.{name}", total[name], "packets")
        figures.add("integrity.mpps", total["sent"] / raw["seconds"] / 1e6, "Mpps")
        bench.say(f"{total['sent']:.0f} packets, {checked:.0f} checked, {lost:.0f} lost, {counters['dropped']} counted "
                  "as dropped")
