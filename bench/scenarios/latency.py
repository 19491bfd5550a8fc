# SPDX-License-Identifier: BSD-3-Clause
"""One request at a time between two VMs, and its reply: how long that takes on a switch that has nothing
else to do. The machine's own gaps are in the tails: the figures named clean leave out requests during
which the generator's core was taken away."""

from figures import answer_text
from generator import latency
from harness import ALL_PEERS

LIMIT_SECONDS = 600
BARS = {"latency.p50_over_testpmd_us": ("<=", 1)}
STREAMS = ["name=ping from=0 to=1 mode=request window=1 size=64"]
POINTS = (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))


def run(bench):
    for _ in bench.each_round():
        p50 = {}
        for peer in ALL_PEERS:
            with bench.switch(peer, 2) as switch:
                raw = bench.play(switch, STREAMS, seconds=1 if bench.quick else 5).raw
            for point, key in POINTS:
                bench.figures.add(f"latency.{point}.{peer.name}_us", latency(raw, "ping", key), "us")
                bench.figures.add(f"latency.clean.{point}.{peer.name}_us", latency(raw, "ping", key, clean=True),
                                  "us")
            bench.figures.add(f"latency.{peer.name}.samples", raw.get("stream.ping.latency.samples", 0),
                              "requests")
            bench.figures.add(f"latency.{peer.name}.timeouts", raw["stream.ping.timeouts"], "requests")
            p50[peer.name] = latency(raw, "ping", "p50")
            bench.say(f"{peer.name}: p50 in us: {answer_text(p50[peer.name], 2)}")
        answered = None not in (p50["stint"], p50["testpmd_io"])
        bench.figures.add("latency.p50_over_testpmd_us", p50["stint"] - p50["testpmd_io"] if answered else None, "us")
