#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what bench/sim printed with --json (standard input) into a folder: sim-light.svg,
sim-waits.svg, sim-shares.svg, sim-overruns.svg. The same numbers give the same bytes."""
import json
import pathlib
import sys

import matplotlib
matplotlib.use('svg')
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = ['#b0413e', '#e09f3e', '#5b8e7d', '#8d7fbf', '#5fa8d3', '#1d3557']
MARKS = ['s', 'D', '^', 'v', 'P', 'o']


def schedulers(rows):
    return list(dict.fromkeys(r['scheduler'] for r in rows))


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={'Date': None, 'Creator': None})
    plt.close(figure)


def legend_above(axes):
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, 1.0), ncol=3, frameon=False)


def draw_light(rows, path):
    figure, axes = plt.subplots(figsize=(7, 4))
    light = [r for r in rows if r['workload'].startswith('light-')]
    for name, colour, mark in zip(schedulers(rows), COLOURS, MARKS):
        mine = [r for r in light if r['scheduler'] == name]
        others = [r['vms'] - 1 for r in mine]
        axes.plot(others, [r['wait_max_us'] for r in mine], color=colour, marker=mark, label=name)
        axes.plot(others, [r['wait_p99_us'] for r in mine], color=colour, linestyle=':')
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    ticks = sorted({r['vms'] - 1 for r in light})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.set_xlabel('backlogged VMs beside the light one')
    axes.set_ylabel('wait of the light VM, us (dotted: p99)')
    axes.grid(True, which='major', alpha=0.3)
    legend_above(axes)
    save(figure, path)


def draw_bars(rows, workloads, field, label, log, path):
    figure, axes = plt.subplots(figsize=(8, 4))
    names = schedulers(rows)
    width = 0.8 / len(names)
    for k, (name, colour) in enumerate(zip(names, COLOURS)):
        values = [next(r[field] for r in rows if r['workload'] == w and r['scheduler'] == name)
                  for w in workloads]
        axes.bar([i + (k - (len(names) - 1) / 2) * width for i in range(len(workloads))], values,
                 width, color=colour, label=name)
    if log:
        axes.set_yscale('log')
    axes.set_xticks(range(len(workloads)), workloads, rotation=15)
    axes.set_ylabel(label)
    axes.grid(True, axis='y', alpha=0.3)
    legend_above(axes)
    save(figure, path)


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: sim --json | plot.py FOLDER')
    rows = json.load(sys.stdin)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams['svg.hashsalt'] = 'stint'
    draw_light(rows, folder / 'sim-light.svg')
    draw_bars(rows, ('bursts', 'bursts-guaranteed', 'together', 'sibling'), 'wait_max_us',
              'longest wait of a VM below its share, us', False, folder / 'sim-waits.svg')
    draw_bars(rows, ('equal', 'weighted', 'tails', 'bursts', 'fooling', 'guarantees', 'sibling'),
              'share_error_100ms', 'worst share over 100 ms, off by %', True,
              folder / 'sim-shares.svg')
    draw_bars(rows, ('equal', 'weighted', 'tails', 'bursts', 'fooling', 'guarantees'),
              'overrun_max_us', 'longest service beyond the slice, us', False,
              folder / 'sim-overruns.svg')


if __name__ == '__main__':
    main()
