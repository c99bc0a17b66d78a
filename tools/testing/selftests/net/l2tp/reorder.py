#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sequence numbers received on an L2TPv3 session: window, resynchronisation, the reorder queue,
expiry. First worked examples with their results written down, then random series against a model.
"""

import random
import sys
import time

from lib import impl, ktap, l2tp, numbered
from lib.datapath import case, ground
from lib.genl import u64
from lib.numbered import LONG
from lib.reordermodel import COUNTERS, Model

ALL_COUNTERS = COUNTERS + ("rx_bytes", "rx_cookie_discards")


class Receiver(numbered.Receiver):
    """A fresh session."""

    def __init__(self, bed, timeout=0, tun=None):
        super().__init__(bed, bed.session(tun or bed.tunnel(10), 1000 + next(bed.ids),
                                          timeout=timeout))

    def counters(self):
        """What is not zero."""
        stats = l2tp.stats(self.bed.nl.session_get(self.ses.tun.tid, self.ses.sid))
        return {k: stats[k] for k in ALL_COUNTERS if stats[k] and k != "rx_bytes"}


@case("without reordering: five are lost, the sixth in a row resynchronises")
def _(bed):
    rx = Receiver(bed)
    rx.check([100, 101], [100, 101], {"rx_packets": 2})
    rx.check(range(105, 110), [], {"rx_packets": 2, "rx_errors": 5, "rx_seq_discards": 5})
    rx.check([110], [110], {"rx_packets": 3, "rx_errors": 5, "rx_seq_discards": 5})
    rx.check([111, 112], [111, 112])


@case("the first number is adopted if it is within the window from zero")
def _(bed):
    tun = bed.tunnel(10)
    for timeout in (0, LONG):
        rx = Receiver(bed, timeout, tun)
        rx.check([0x7FFFFE, 0x7FFFFF], [0x7FFFFE, 0x7FFFFF], {"rx_packets": 2})
        rx = Receiver(bed, timeout, tun)
        for total, ns in enumerate((0x7FFFFF, 0x800000, 0xFFFFFF), 1):
            rx.check([ns], [], {"rx_errors": total})
        rx.check([50, 51], [50, 51], {"rx_packets": 2, "rx_errors": 3}, "still free to adopt one")


@case("old numbers are outside of the window and only errors")
def _(bed):
    for timeout in (0, LONG):
        rx = Receiver(bed, timeout, bed.tunnel(10 + timeout))
        rx.check([10, 11, 12], [10, 11, 12])
        rx.check([10, 12, 0, 0xFFFFFF], [], {"rx_packets": 3, "rx_errors": 4})
        rx.check([13], [13])
        rx.check([14 + 0x7FFFFF], [], {"rx_packets": 4, "rx_errors": 5}, "window's end")


@case("the upper edge of the window is inside")
def _(bed):
    rx = Receiver(bed)
    rx.check([0], [0])
    rx.check([1 + 0x7FFFFE], [], {"rx_packets": 1, "rx_errors": 1, "rx_seq_discards": 1}, "last")
    rx.check([1 + 0x7FFFFF], [], {"rx_packets": 1, "rx_errors": 2, "rx_seq_discards": 1}, "beyond")


@case("without reordering: the count of unexpected ones restarts at a jump")
def _(bed):
    rx = Receiver(bed)
    rx.check([0], [0])
    rx.check([5, 6, 7, 20, 21, 22, 23, 24], [])
    rx.check([25], [25], what="sixth after the jump")


@case("without reordering: expected frames do not restart the count")
def _(bed):
    rx = Receiver(bed)
    rx.check([0], [0])
    rx.check([10, 11, 1, 12, 2, 13, 14], [1, 2])
    rx.check([15], [15], what="sixth unexpected one")
    # The resynchronisation does not reset the count: one more jump by the successor is enough.
    rx.check([16], [16])
    rx.check([30, 31], [], what="a new jump starts again")


@case("without reordering: a series after the resynchronisation goes through")
def _(bed):
    rx = Receiver(bed)
    model = Model(False, True)
    numbers = [0] + list(range(10, 17)) + [17, 19, 20, 18, 21, 22, 23, 24, 25, 26]
    for ns in numbers:
        model.feed(ns, ns)
    rx.check(numbers, model.out, model.count)


@case("reordering: frames wait for the missing one")
def _(bed):
    rx = Receiver(bed, LONG)
    rx.check([0], [0], {"rx_packets": 1})
    rx.check([2], [])
    rx.check([1], [1, 2], {"rx_packets": 3, "rx_oos_packets": 1})
    rx.check([6, 5, 4], [])
    rx.check([3], [3, 4, 5, 6], {"rx_packets": 7, "rx_oos_packets": 4})


@case("reordering: frames without number wait behind those before them")
def _(bed):
    rx = Receiver(bed, LONG)
    rx.check([0, None, 2, None], [0, None], {"rx_packets": 2})
    rx.check([1], [1, 2, None], {"rx_packets": 5, "rx_oos_packets": 1})
    rx.check([None, 3], [None, 3])


@case("reordering switched on and off on a live session")
def _(bed):
    rx = Receiver(bed)
    rx.check([0, 2], [0], {"rx_packets": 1, "rx_errors": 1, "rx_seq_discards": 1})
    bed.nl.session_modify(rx.ses.tun.tid, rx.ses.sid, u64(l2tp.RECV_TIMEOUT, LONG))
    rx.check([2, 1], [1, 2], {"rx_packets": 3, "rx_errors": 1, "rx_seq_discards": 1,
                              "rx_oos_packets": 1})
    bed.nl.session_modify(rx.ses.tun.tid, rx.ses.sid, u64(l2tp.RECV_TIMEOUT, 0))
    rx.check([4, 3], [3], {"rx_packets": 4, "rx_errors": 2, "rx_seq_discards": 2,
                           "rx_oos_packets": 1})


@case("expiry is noticed when the next frame arrives")
def _(bed):
    rx = Receiver(bed, 400)
    rx.send(0, 2, 3)
    time.sleep(0.5)
    ktap.eq(rx.got(), [0], "delivered at once")
    ktap.eq(rx.counters(), {"rx_packets": 1}, "nothing happens by itself")
    # 2 and 3 are too old; 9 is adopted as the new beginning.
    rx.check([9], [9], {"rx_packets": 2, "rx_errors": 2, "rx_seq_discards": 2})
    rx.check([10], [10])


@case("expiry of the head alone releases what follows it")
def _(bed):
    tun = bed.tunnel(10)
    for timeout in (1, 2, 4, 8):
        rx = Receiver(bed, timeout * 1000, tun)
        start = time.monotonic()
        rx.send(0, 2)
        time.sleep(timeout * 0.6)
        rx.send(5, 6)
        middle = time.monotonic()
        if middle - start > timeout * 0.9:
            continue                # the machine is too slow for this; wait longer
        ktap.eq(rx.got(), [0], "2, 5 and 6 wait")
        time.sleep(max(0, start + timeout * 1.1 - time.monotonic()))
        rx.send(7)
        if time.monotonic() - middle > timeout * 0.9:
            continue
        ktap.eq(rx.got(), [5, 6, 7], "2 is too old, 5 and 6 are not")
        ktap.eq(rx.counters(), {"rx_packets": 4, "rx_errors": 1, "rx_seq_discards": 1}, "counters")
        return
    ktap.skip("the machine is too slow to measure this")


@case("a frame without number triggers the expiry as well")
def _(bed):
    rx = Receiver(bed, 100)
    rx.check([0, 3], [0])
    time.sleep(0.2)
    rx.check([None], [None], {"rx_packets": 2, "rx_errors": 1, "rx_seq_discards": 1})


@case("a duplicate that was queued blocks until it expires")
def _(bed):
    tun = bed.tunnel(10)
    for timeout in (0.6, 3, 12):
        rx, begun = Receiver(bed, int(timeout * 1000), tun), time.monotonic()
        rx.send(0, 2, 2, 1)
        first, counters = rx.got(), rx.counters()
        rx.send(3)
        second = rx.got()
        if time.monotonic() - begun < timeout * 0.9:
            break
    else:
        ktap.skip("the machine is too slow to measure this")
    ktap.eq((first, counters), ([0, 1, 2], {"rx_packets": 3, "rx_oos_packets": 1}), "delivered, counters")
    ktap.eq(second, [], "behind the old duplicate")
    time.sleep(timeout + 0.1)
    rx.check([4], [4], {"rx_packets": 4, "rx_errors": 2, "rx_seq_discards": 2,
                        "rx_oos_packets": 1}, "both are too old")


@case("frames that wait when the session ends are freed")
def _(bed):
    rx = Receiver(bed, LONG)
    rx.check([0] + list(range(2, 50)), [0])
    bed.nl.session_gone(rx.ses.tun.tid, rx.ses.sid)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


@case("the queue is bounded")
def _(bed):
    if impl.IS_C:
        ktap.skip("the C module queues without a limit")
    # All that waits is released at once: the backlog behind the device must have room for it.
    path = "/proc/sys/net/core/netdev_max_backlog"
    with open(path, encoding="ascii") as file:
        before = file.read()
    ktap.cleanup(write, path, before)
    write(path, "20000")
    rx = Receiver(bed, LONG)
    limit = 4096
    rx.send(0, *range(2, limit + 12))
    ktap.eq(rx.got(), [0], "all others wait")
    stats = rx.counters()
    ktap.ok(stats.get("rx_errors", 0) >= 9, f"frames above the limit are refused: {stats}")
    rx.send(1)
    got = rx.got()
    ktap.eq(got, list(range(1, len(got) + 1)), "the missing one releases the others in order")
    ktap.ok(len(got) >= limit, f"only {len(got)} frames were kept")


def series(rng, length):
    """Numbers of a disturbed stream: swaps, losses, duplicates, jumps, frames without number."""
    out, ns = [], rng.choice((0, 0, 1, 77, 5000))
    while len(out) < length:
        roll = rng.random()
        if roll < 0.55:
            out.append(ns)
            ns += 1
        elif roll < 0.70:
            out += [ns + 1, ns]
            ns += 2
        elif roll < 0.78:
            ns += rng.randrange(1, 4)
        elif roll < 0.86 and ns:
            out.append(max(0, ns - rng.randrange(1, 6)))
        elif roll < 0.92:
            out.append(ns + rng.randrange(1, 8))
        elif roll < 0.96:
            out.append(None)
        else:
            block = list(range(ns, ns + 5))
            rng.shuffle(block)
            out += block
            ns += 5
    return out


def random_series(timeout):
    bed = ground()
    seed = random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    tun = bed.tunnel(10)
    for number in range(12):
        rx = Receiver(bed, timeout, tun)
        # None of these numbers comes near the wrap, where the implementations differ.
        model = Model(bool(timeout), impl.IS_RUST)
        numbers = series(rng, 60)
        for place, ns in enumerate(numbers):
            model.feed(ns, place)
        rx.send(*numbers)
        want = [numbers[place] for place in model.out]
        what = f"seed {seed} series {number} {numbers}"
        ktap.eq(rx.got(), want, what)
        ktap.eq(rx.counters(), {k: v for k, v in model.count.items() if v}, what)


@case("reorder timeouts that stand for never")
def _(bed):
    for timeout in (1 << 31, 0xFFFFFFFF):
        rx = Receiver(bed, timeout, bed.tunnel(10 + timeout % 7))
        # C has a negative number of ticks then, after which everything has expired.
        rx.check([0, 2, 1, 3], impl.differs("reorder timeouts of 2^31 ms and more", c=[], rust=[0, 1, 2, 3]))


ktap.add("random series without reordering", random_series, 0)
ktap.add("random series with reordering", random_series, LONG)

if __name__ == "__main__":
    sys.exit(ktap.main())
