# SPDX-License-Identifier: BSD-3-Clause
"""Plots of the figures of a scenario, as SVG. The same figures give the same bytes."""

import re

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = ["#1d3557", "#5b8e7d", "#e09f3e", "#b0413e", "#8d6a9f"]
MARKS = ["o", "^", "D", "s", "v"]
MODES = ("alone", "time", "rate", "none")


def pick(figures, pattern):
    """Medians by what the groups of the pattern matched: {(group, ...): median}; those without an answer are not
    drawn."""
    found = {}
    for name, figure in figures.items():
        match = re.fullmatch(pattern, name)
        if match and figure["median"] is not None:
            found[match.groups()] = figure["median"]
    return found


def names(cells, position):
    """What occurs at this position of the keys, in order of first appearance."""
    return list(dict.fromkeys(key[position] for key in cells))


def bars(cells, rows, columns, label, log, path):
    """Groups of bars: a group for each row, a colour for each column."""
    figure, axes = plt.subplots(figsize=(8, 4))
    width = 0.8 / len(columns)
    for k, (column, colour) in enumerate(zip(columns, COLOURS)):
        at = [(i, cells[row, column]) for i, row in enumerate(rows) if (row, column) in cells]
        axes.bar([i + (k - (len(columns) - 1) / 2) * width for i, _ in at], [value for _, value in at], width,
                 color=colour, label=column)
    if log:
        axes.set_yscale("log")
    axes.set_xticks(range(len(rows)), rows, rotation=20)
    axes.set_ylabel(label)
    axes.grid(True, axis="y", alpha=0.3)
    axes.legend()
    save(figure, path)


def lines(cells, rows, columns, axis, label, path):
    """A line for each column over the numbers that the rows are."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for column, colour, mark in zip(columns, COLOURS, MARKS):
        at = [(float(row), cells[row, column]) for row in rows if (row, column) in cells]
        axes.plot(*zip(*at), color=colour, marker=mark, label=column)
    axes.set_xticks([float(row) for row in rows], rows)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis)
    axes.set_ylabel(label)
    axes.grid(True, alpha=0.3)
    axes.legend()
    save(figure, path)


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def draw_switch(figures, path):
    cells = pick(figures, r"switch\.((?:closed\.)?(?:\d+|imix))\.(\w+)\.mpps")
    if cells:
        bars(cells, names(cells, 0), names(cells, 1), "Mpps", False, path)
    return bool(cells)


def draw_density(figures, path):
    cells = {(n, f"{kind}, {peer}"): value for (kind, n, peer), value in
             pick(figures, r"density\.(pairs|all)\.(\d+)\.(\w+)\.cycles").items()}
    if cells:
        lines(cells, sorted(names(cells, 0), key=int), names(cells, 1), "VMs", "cycles per packet", path)
    return bool(cells)


def draw_isolation(figures, path):
    cells = {(adversary, mode): value for (adversary, mode), value in
             pick(figures, r"isolation\.(\w+)\.(\w+)\.1\.p99_us").items()}
    if cells:
        bars(cells, names(cells, 0), [m for m in MODES if m in names(cells, 1)], "p99 of the victim, us", True, path)
    return bool(cells)


def draw_efficiency(figures, path):
    cells = {(overlap, "shared over siloed"): value for (overlap,), value in
             pick(figures, r"efficiency\.(\d+)\.per_core_ratio").items()}
    if cells:
        lines(cells, names(cells, 0), names(cells, 1), "overlap of bursts, %", "requests per core", path)
    return bool(cells)


DRAW = {
    "switch": (draw_switch, "packets of two VMs, both directions"),
    "density": (draw_density, "what a packet costs as VMs grow in number"),
    "isolation": (draw_isolation, "one request at a time beside each adversary"),
    "efficiency": (draw_efficiency, "requests served per core"),
}


def draw(scenario, figures, folder):
    """Draws what there is to draw of a scenario; returns (file's name, caption) or None."""
    if scenario not in DRAW:
        return None
    plt.rcParams["svg.hashsalt"] = "stint"
    function, caption = DRAW[scenario]
    name = f"bench-{scenario}.svg"
    return (name, caption) if function(figures, folder / name) else None
