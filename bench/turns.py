# SPDX-License-Identifier: BSD-3-Clause
"""Loads through switches of their own that take turns on the same cores, a fraction of a second each: what comes over
the machine for longer than that comes over all of them, and a ratio of two does not depend on it. Who has not its
turn is stopped, the switch and its generator."""

import contextlib
import os
import signal


class Side:
    """A load and a started switch, stopped but for its turns. start() begins a generator's session."""

    def __init__(self, switch, start):
        self.switch = switch
        self.start = start
        self.session = self.events = None
        self.cycles = []  # per packet, by turn
        self.figures = None  # when all is over

    def _signal(self, number):
        for pid in (*self.switch.pids(), *([self.session.child.pid] if self.session else [])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def begin(self):
        """Takes the switch into use, with turn 0."""
        self.resume()
        self.session = self.start()
        self.events = self.session.events()
        self.advance()
        self.turn()

    def close(self):
        self.resume()
        if self.session:
            self.session.close()

    def resume(self):
        self._signal(signal.SIGCONT)

    def rest(self):
        self._signal(signal.SIGSTOP)

    def advance(self):
        """Goes on to where the next turn would begin, or to the end. Noted is what the switch itself measured."""
        for what, *_ in self.events:
            if what == "listening":
                self.switch.connect()
                self.session.go()
            elif what == "measuring":
                self.switch.mark()
            elif what == "measured":
                self.cycles.append(self.switch.cycles_per_packet())
            elif what == "phase":
                return
        self.figures = self.session.figures()

    def turn(self):
        self.resume()
        self.session.go()
        self.advance()
        self.rest()

    def figures_of(self, number):
        """A turn's figures by name, with those of the whole session."""
        start = f"{phase(number)}."
        return {**self.figures, **{name[len(start):]: value for name, value in self.figures.items()
                                   if name.startswith(start)}}


def phase(number):
    return f"turn{number}"


def phases(turns):
    """The generator's phases for so many turns."""
    return [phase(number) for number in range(turns + 1)]


def take_turns(sides, turns):
    """Lets each side have so many turns, there and back: A B, B A. Before them each has turn 0, which does not count:
    the switch still learns."""
    for side in sides:
        side.rest()
    for side in sides:
        side.begin()
    for number in range(turns):
        for side in sides if number % 2 == 0 else sides[::-1]:
            side.turn()
