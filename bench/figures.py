# SPDX-License-Identifier: BSD-3-Clause
"""Figures of several rounds: medians with minimum and maximum, as lines and as JSON. A round's value may be None:
there was no answer. That is longer than any answer, and a bar on such a figure is missed."""

import json
import math
import operator
import os
import statistics

COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt, "==": operator.eq,
           "within": lambda value, bounds: bounds[0] <= value <= bounds[1]}


def bound_text(bound):
    """A bar's bound for people."""
    if isinstance(bound, (list, tuple)):
        return f"{bound[0]:g} to {bound[1]:g}"
    return bound if isinstance(bound, str) else f"{bound:g}"


def ordered(function, values):
    """median, min or max of a figure's rounds."""
    result = function(math.inf if value is None else value for value in values)
    return None if math.isinf(result) else result


def shown(value):
    return "no-answer" if value is None else f"{value:.6g}"


def answer_text(value, digits=1):
    """A round's value of a figure, for who watches."""
    return "no answer" if value is None else f"{value:.{digits}f}"


class Figures:
    def __init__(self, scenario):
        self.scenario = scenario
        self.rounds = {}
        self.units = {}
        self.notes = {}
        self.left_out = {}
        self.complete = None  # {name: rounds} before the round that is being measured

    def add(self, name, value, unit):
        """One round's value of a figure."""
        self.rounds.setdefault(name, []).append(None if value is None else float(value))
        self.units[name] = unit

    def begin_round(self):
        self.complete = {name: len(values) for name, values in self.rounds.items()}

    def forget_round(self):
        """Forgets what was added since the last round began."""
        for name in list(self.rounds):
            del self.rounds[name][self.complete.get(name, 0):]
            if not self.rounds[name]:
                del self.rounds[name]

    def leave_out(self, what, why):
        """Something is not measured that this scenario measures otherwise."""
        self.left_out[what] = why

    def note(self, name, text):
        """How a figure came about; the last text stays."""
        self.notes[name] = text

    def median(self, name):
        return ordered(statistics.median, self.rounds[name])

    def rows(self):
        for name, values in self.rounds.items():
            yield (name, self.median(name), self.units[name], ordered(min, values), ordered(max, values),
                   len(values))

    def lines(self):
        for name, median, unit, low, high, n in self.rows():
            yield f"{name} {shown(median)} {unit} min {shown(low)} max {shown(high)} rounds {n}"

    def _bound(self, bound):
        """A bar may be measured against another figure, named."""
        if not isinstance(bound, str):
            return bound
        return self.median(bound) if bound in self.rounds else None

    def judge(self, bars, either=()):
        """For bars {name: (comparison, bound)}, where a bound is a number, the name of a figure, or two numbers to
        be within: rows {name, comparison, bound, median, met}. What was not measured has None for the last two.
        Rows that are missed because some rounds had no answer say how many, as `no_answer`.
        Of the names in each tuple of `either` one that is met is enough; the others say which, as `instead`."""
        rows = {}
        for name, (comparison, bound) in bars.items():
            median = self.median(name) if name in self.rounds else None
            value = self._bound(bound)
            met = None if median is None or value is None else COMPARE[comparison](median, value)
            rows[name] = {"name": name, "comparison": comparison, "bound": bound, "median": median, "met": met}
            if isinstance(bound, str):
                rows[name]["bound_value"] = value
            values = self.rounds.get(name, [])
            if None in values:
                rows[name].update(met=False, no_answer=f"in {values.count(None)} of {len(values)} rounds")
        for names in either:
            good = [name for name in names if rows[name]["met"]]
            for name in names:
                if good and rows[name]["met"] is False and "no_answer" not in rows[name]:
                    rows[name].update(met=True, instead=good[0])
        return list(rows.values())

    def body(self, about, bars, either=()):
        """All of it as what JSON can hold, with `about` merged in."""
        return {
            "scenario": self.scenario,
            **about,
            "left_out": self.left_out,
            "bars": self.judge(bars, either),
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
