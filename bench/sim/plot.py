#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what bench/sim printed with --json (standard input) into a folder: sim-light.svg,
sim-waits.svg, sim-shares.svg, sim-overruns.svg; and writes it into the tables of a page, each between
a line `<!-- sim NAME -->` and the next that is empty. The same numbers give the same bytes."""
import json
import pathlib
import re
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


def table(rows, workloads, field, digits):
    """A line for each scheduler; the least in each column is set in bold."""
    cells = {(r['workload'], r['scheduler']): f'{r[field]:.{digits}f}' for r in rows}
    lines = ['| | ' + ' | '.join(workloads) + ' |', '|---' * (len(workloads) + 1) + '|']
    for name in schedulers(rows):
        line = [name]
        for w in workloads:
            cell = cells[w, name]
            least = min((cells[w, n] for n in schedulers(rows)), key=float)
            line.append(f'**{cell}**' if cell == least else cell)
        lines.append('| ' + ' | '.join(line) + ' |')
    return '\n'.join(lines) + '\n'


def fill(page, name, text):
    old = page.read_text()
    new, n = re.subn(rf'(<!-- sim {name} -->\n).*?(?=\n\n)', lambda m: m.group(1) + text.rstrip('\n'),
                     old, flags=re.S)
    if n != 1:
        sys.exit(f'{page}: no place for the table {name}')
    page.write_text(new)


WAITS = ('bursts', 'bursts-guaranteed', 'together', 'sibling')
SHARES = ('equal', 'weighted', 'tails', 'bursts', 'fooling', 'guarantees', 'sibling')
OVERRUNS = ('equal', 'weighted', 'tails', 'bursts', 'fooling', 'turning', 'guarantees')


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: sim --json | plot.py FOLDER PAGE')
    rows = json.load(sys.stdin)
    folder, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams['svg.hashsalt'] = 'stint'
    draw_light(rows, folder / 'sim-light.svg')
    draw_bars(rows, WAITS, 'wait_max_us', 'longest wait of a VM below its share, us', False,
              folder / 'sim-waits.svg')
    draw_bars(rows, SHARES, 'share_error_100ms', 'worst share over 100 ms, off by %', True,
              folder / 'sim-shares.svg')
    draw_bars(rows, OVERRUNS, 'overrun_max_us', 'longest service beyond the slice, us', False,
              folder / 'sim-overruns.svg')
    fill(page, 'waits', table(rows, ('light-1', 'light-15', 'light-63', 'together', 'sibling',
                                     'bursts', 'bursts-guaranteed'), 'wait_max_us', 0))
    fill(page, 'shares', table(rows, SHARES, 'share_error_100ms', 2))
    fill(page, 'overruns', table(rows, OVERRUNS, 'overrun_max_us', 0))


if __name__ == '__main__':
    main()
