#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Received sequence numbers of 24 bits wrap around, with and without reordering.

The C module sorts its reorder queue by plain comparison, so it cannot bring frames into order
across the wrap; there they are stuck until they expire.
"""

import sys
import time

from lib import impl, ktap, l2tp, numbered
from lib.datapath import case
from lib.genl import u64
from lib.numbered import LONG

TOP = 0xFFFFFF


class Receiver(numbered.Receiver):
    """A session that expects the number `nr` next."""

    def __init__(self, bed, nr, timeout=0):
        super().__init__(bed, bed.session(bed.tunnel(10), 1001))
        # First the last number that a new session adopts, then a resynchronisation after five
        # in a row, well inside of the window from there, then one by one.
        self.check([0x7FFFFE, *range(nr - 16, nr)], [0x7FFFFE, *range(nr - 11, nr)],
                   what="the way to the start")
        if timeout:
            bed.nl.session_modify(10, 1001, u64(l2tp.RECV_TIMEOUT, timeout))
        self.base = self.totals()

    def totals(self):
        return l2tp.stats(self.bed.nl.session_get(10, 1001))

    def counters(self):
        """What has changed since the start."""
        now = self.totals()
        return {k: now[k] - self.base[k] for k in now if now[k] != self.base[k] and k != "rx_bytes"}


@case("without reordering, in order")
def _(bed):
    rx = Receiver(bed, TOP - 1)
    rx.send(TOP - 1, TOP, 0, 1, 2)
    ktap.eq(rx.got(), [TOP - 1, TOP, 0, 1, 2], "delivered")
    ktap.eq(rx.counters(), {"rx_packets": 5}, "counters")


@case("without reordering, resynchronisation over the wrap")
def _(bed):
    rx = Receiver(bed, TOP - 5)
    rx.send(TOP - 2, TOP - 1, TOP, 0, 1)
    ktap.eq(rx.got(), [], "five in a row")
    rx.send(2, 3)
    ktap.eq(rx.got(), [2, 3], "the sixth")
    ktap.eq(rx.counters(), {"rx_packets": 2, "rx_errors": 5, "rx_seq_discards": 5}, "counters")


@case("the window reaches over the wrap")
def _(bed):
    rx = Receiver(bed, TOP)
    edge = (TOP + 0x7FFFFE) & TOP
    rx.send(edge)
    ktap.eq(rx.counters(), {"rx_errors": 1, "rx_seq_discards": 1}, "last of the window")
    rx.send(edge + 1)
    ktap.eq(rx.counters(), {"rx_errors": 2, "rx_seq_discards": 1}, "first beyond")
    rx.send(TOP - 1, TOP, 0)
    ktap.eq(rx.got(), [TOP, 0], "delivered")


@case("with reordering, in order")
def _(bed):
    rx = Receiver(bed, TOP - 1, LONG)
    rx.send(TOP - 1, TOP, 0, 1, 2)
    ktap.eq(rx.got(), [TOP - 1, TOP, 0, 1, 2], "delivered")
    ktap.eq(rx.counters(), {"rx_packets": 5}, "counters")


@case("with reordering, swapped over the wrap")
def _(bed):
    rx = Receiver(bed, TOP, 600)
    why = "the reorder queue is sorted relative to Nr, so that it works across the wrap"
    rx.send(0, TOP)
    ktap.eq(rx.got(), impl.differs(why, c=[], rust=[TOP, 0]), "0 came before the last number")
    ktap.eq(rx.counters(), impl.differs(why, c={}, rust={"rx_packets": 2, "rx_oos_packets": 1}),
            "counters")
    if impl.IS_C:
        time.sleep(0.7)
        rx.send(1)
        ktap.eq(rx.counters(), {"rx_packets": 1, "rx_errors": 2, "rx_seq_discards": 2,
                                "rx_oos_packets": 1}, "lost")


@case("with reordering, shuffled around the wrap")
def _(bed):
    rx = Receiver(bed, TOP - 2, LONG)
    why = "the reorder queue is sorted relative to Nr, so that it works across the wrap"
    rx.send(TOP, 1, TOP - 1, 0, 2, TOP - 2)
    ktap.eq(rx.got(), impl.differs(why, c=[], rust=[TOP - 2, TOP - 1, TOP, 0, 1, 2]), "delivered")


@case("with reordering, a gap right after the wrap")
def _(bed):
    rx = Receiver(bed, TOP, LONG)
    rx.send(TOP, 1, 3)
    ktap.eq(rx.got(), [TOP], "1 and 3 wait")
    rx.send(0)
    ktap.eq(rx.got(), [0, 1], "3 waits")
    rx.send(2)
    ktap.eq(rx.got(), [2, 3], "all")
    ktap.eq(rx.counters(), {"rx_packets": 5, "rx_oos_packets": 2}, "counters")


if __name__ == "__main__":
    sys.exit(ktap.main())
