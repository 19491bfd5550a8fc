# SPDX-License-Identifier: BSD-3-Clause
"""Memory per port, the time to start, and the time to create and to attach 64 ports."""

import time

import machine
from harness import Ovs, Stint, Testpmd

LIMIT_SECONDS = 600
BARS = {}
PORTS = 64
TESTPMD_PORTS = 32  # DPDK has no room for more in one process
FRONT_END = "type=fe"


def used(switch):
    return sum(machine.memory_bytes(pid) for pid in switch.pids())


def attach(bench, switch):
    """Attaches a front end to every port: (seconds from the first that connects to the last that is up, memory
    once packets have passed). The front ends' own share of that time is in it."""
    seen = {}
    fe = f"0-{switch.ports - 1} socket={switch.socket} {FRONT_END}"
    half = switch.ports // 2
    stream = f"from=0-{half - 1} to={half}-{switch.ports - 1} mode=closed window=32"
    began = time.monotonic()
    bench.play(switch, [stream], vms=[fe], seconds=0.5, on_ready=lambda: seen.update(up=time.monotonic()),
               on_end=lambda: seen.update(memory=used(switch)))
    return seen["up"] - began, seen["memory"]


def measure_stint(bench):
    figures = bench.figures
    with bench.switch(Stint, 0) as switch:
        base = used(switch)
        figures.add("memory.start_ms.stint", switch.start_seconds * 1e3, "ms")
        figures.add("memory.base_mib.stint", base / 2**20, "MiB")
    with bench.switch(Stint, PORTS) as switch:
        created = used(switch)
        seconds, attached = attach(bench, switch)
        figures.add("memory.create_64_ms.stint", switch.create_seconds * 1e3, "ms")
    figures.add("memory.attach_64_ms.stint", seconds * 1e3, "ms")
    figures.add("memory.port_bytes.stint", max(0, created - base) / PORTS, "bytes")
    figures.add("memory.attached_port_bytes.stint", max(0, attached - base) / PORTS, "bytes")
    figures.add("memory.attached_mib.stint", attached / 2**20, "MiB")
    bench.say(f"stint: {attached / 2**20:.0f} MiB with {PORTS} ports, attached in {seconds:.2f} s")


def measure_peer(bench, peer, ports):
    began = time.monotonic()
    with bench.switch(peer, ports) as switch:
        ready = time.monotonic() - began
        created = used(switch)
        seconds, attached = attach(bench, switch)
    bench.figures.add(f"memory.ready_with_{ports}_ms.{peer.name}", ready * 1e3, "ms")
    bench.figures.add(f"memory.attach_{ports}_ms.{peer.name}", seconds * 1e3, "ms")
    bench.figures.add(f"memory.created_mib.{peer.name}", created / 2**20, "MiB")
    bench.figures.add(f"memory.attached_mib.{peer.name}", attached / 2**20, "MiB")
    bench.say(f"{peer.name}: {attached / 2**20:.0f} MiB with {ports} ports, attached in {seconds:.2f} s")


def run(bench):
    for _ in bench.each_round():
        measure_stint(bench)
        measure_peer(bench, Ovs, PORTS)
        measure_peer(bench, Testpmd, TESTPMD_PORTS)
