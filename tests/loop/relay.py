# SPDX-License-Identifier: BSD-3-Clause
"""A wire that loses, doubles, delays and reorders frames, between two interfaces of a namespace. It changes none."""
import heapq
import random
import select
import threading
import time

from frames import Wiretap

LATE_S = 0.01


class Relay:
    """Chances are between 0 and 1, and may be changed at any time. The same seed and the same frames give the same
    losses. What frames passed is counted by the side that they came from."""

    def __init__(self, net, names, seed):
        self.loss = self.duplication = self.reordering = self.delay_s = 0
        self.watch = None  # watch(side, frame) is called for each frame that comes
        self.taken = [0, 0]
        self.lost = [0, 0]
        self.sent = [0, 0]
        self.random = random.Random(seed)
        self.taps = [Wiretap(net, name) for name in names]
        self.queue = []
        self.number = 0
        self.is_over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def impair(self, loss=0, duplication=0, reordering=0, delay_s=0):
        self.loss, self.duplication, self.reordering, self.delay_s = loss, duplication, reordering, delay_s

    def put(self, side, frame):
        late = self.random.random() * LATE_S if self.random.random() < self.reordering else 0
        self.number += 1
        heapq.heappush(self.queue, (time.monotonic() + self.delay_s + late, self.number, side, frame))

    def take(self, side, frame):
        self.taken[side] += 1
        if self.watch:
            self.watch(side, frame)
        if self.random.random() < self.loss:
            self.lost[side] += 1
            return
        self.put(side, frame)
        if self.random.random() < self.duplication:
            self.put(side, frame)

    def send_due(self):
        while self.queue and self.queue[0][0] <= time.monotonic():
            _, _, side, frame = heapq.heappop(self.queue)
            try:
                self.taps[1 - side].send(frame)
                self.sent[side] += 1
            except OSError:  # the link is down, or its queue full
                self.lost[side] += 1

    def run(self):
        while not self.is_over:
            wait = self.queue[0][0] - time.monotonic() if self.queue else 0.1
            select.select([tap.socket for tap in self.taps], [], [], min(max(wait, 0), 0.1))
            for side, tap in enumerate(self.taps):
                for frame in tap.take():
                    self.take(side, frame)
            self.send_due()

    def close(self):
        self.is_over = True
        self.thread.join()
        for tap in self.taps:
            tap.close()
