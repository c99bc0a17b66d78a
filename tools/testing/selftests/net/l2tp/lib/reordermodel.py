# SPDX-License-Identifier: GPL-2.0
"""What a session does with sequence numbers, as slowly and plainly as possible.

The model has no clock: frames never expire in it.
"""

MASK = 0xFFFFFF
WINDOW = MASK // 2
COUNTERS = ("rx_packets", "rx_errors", "rx_seq_discards", "rx_oos_packets")


class Model:
    """feed() numbers (None: a frame without one); `out` is what was handed up, in order."""

    def __init__(self, reorder, wrap_aware):
        self.reorder, self.wrap_aware = reorder, wrap_aware
        self.nr, self.skip = 0, True
        self.oos, self.oos_count = 0, 0
        self.queue = []         # (ns, label)
        self.out = []
        self.count = dict.fromkeys(COUNTERS, 0)

    def later(self, queued, ns):
        """Does a queued number come after this one?"""
        if queued is None:
            # A frame without number is remembered as number 0.
            return False
        if not self.wrap_aware:
            return queued > ns
        start = self.nr - WINDOW - 1
        return (queued - start) & MASK > (ns - start) & MASK

    def feed(self, ns, label):
        if ns is None:
            self.queue.append((None, label))
        elif not self.accept(ns, label):
            self.count["rx_errors"] += 1
        self.drain()

    def accept(self, ns, label):
        if (ns - self.nr) & MASK >= WINDOW:
            return False
        if self.reorder:
            for at, (queued, _) in enumerate(self.queue):
                if self.later(queued, ns):
                    self.queue.insert(at, (ns, label))
                    self.count["rx_oos_packets"] += 1
                    return True
        elif ns != self.nr:
            self.oos_count = self.oos_count + 1 if ns == (self.oos + 1) & MASK else 0
            self.oos = ns
            if self.oos_count > 4:
                self.skip = True
            if not self.skip:
                self.count["rx_seq_discards"] += 1
                return False
        self.queue.append((ns, label))
        return True

    def drain(self):
        while self.queue:
            ns, label = self.queue[0]
            if ns is not None:
                if self.skip:
                    self.skip, self.nr = False, ns
                if ns != self.nr:
                    return
                self.nr = (self.nr + 1) & MASK
            self.queue.pop(0)
            self.out.append(label)
            self.count["rx_packets"] += 1
