# SPDX-License-Identifier: BSD-3-Clause
"""Deadlines for what is polled."""
import time

LONGEST_STEP_S = 1


class Patience:
    """So many seconds of waiting. A machine that stands still, as virtual ones may for half a minute, makes
    everybody late: however long it was, it counts as one second."""

    def __init__(self, seconds):
        self.left = seconds
        self.last = time.monotonic()

    def is_over(self):
        now = time.monotonic()
        self.left -= min(now - self.last, LONGEST_STEP_S)
        self.last = now
        return self.left < 0
