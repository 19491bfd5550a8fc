# SPDX-License-Identifier: BSD-3-Clause
"""Figures of several rounds: medians with minimum and maximum, as lines and as JSON."""

import json
import operator
import os
import statistics

COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt, "==": operator.eq}


class Figures:
    def __init__(self, scenario):
        self.scenario = scenario
        self.rounds = {}
        self.units = {}
        self.notes = {}

    def add(self, name, value, unit):
        """One round's value of a figure."""
        self.rounds.setdefault(name, []).append(float(value))
        self.units[name] = unit

    def note(self, name, text):
        """How a figure came about; the last text stays."""
        self.notes[name] = text

    def median(self, name):
        return statistics.median(self.rounds[name])

    def rows(self):
        for name, values in self.rounds.items():
            yield name, statistics.median(values), self.units[name], min(values), max(values), len(values)

    def lines(self):
        for name, median, unit, low, high, n in self.rows():
            yield f"{name} {median:.6g} {unit} min {low:.6g} max {high:.6g} rounds {n}"

    def judge(self, bars):
        """For bars {name: (comparison, bound)}: rows (name, comparison, bound, median, met). A bar whose figure
        was not measured has None for both."""
        for name, (comparison, bound) in bars.items():
            median = self.median(name) if name in self.rounds else None
            yield name, comparison, bound, median, None if median is None else COMPARE[comparison](median, bound)

    def body(self, about, bars):
        """All of it as what JSON can hold, with `about` merged in."""
        return {
            "scenario": self.scenario,
            **about,
            "bars": [dict(zip(("name", "comparison", "bound", "median", "met"), row)) for row in self.judge(bars)],
            "figures": {name: {"median": median, "unit": unit, "min": low, "max": high, "rounds": self.rounds[name],
                               **({"note": self.notes[name]} if name in self.notes else {})}
                        for name, median, unit, low, high, _ in self.rows()},
        }


def save(body, folder):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{body['scenario']}.json")
    with open(path + ".new", "w") as f:
        json.dump(body, f, indent=1)
    os.replace(path + ".new", path)
    return path
