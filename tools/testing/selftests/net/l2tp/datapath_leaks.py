#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every way in which a frame can end: thousands of each, after which the kernel holds no more
packet buffers than before. A lost reference of a session or tunnel would keep it from ending, which
every case waits for as well.
"""

import contextlib
import sys
import time

from lib import datapath, impl, ktap, netns
from lib import l2tpwire as wire
from lib.datapath import ground
from lib.l2tpwire import inner, seq, v3

COUNT = 3000
CACHES = ("skbuff_head_cache", "skbuff_fclone_cache")
COOKIE = b"\1\2\3\4"


def buffers():
    """Packet buffers in use, as far as the allocator tells."""
    for cache in CACHES:
        # KASAN keeps what was freed for a while, and counts it as used.
        with contextlib.suppress(OSError), open(f"/sys/kernel/slab/{cache}/shrink", "w", encoding="ascii") as file:
            file.write("1")
    with open("/proc/slabinfo", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.split()[0] in CACHES)


def check(prepare, count=COUNT):
    """prepare(bed) gives a function that makes one frame end."""
    bed = ground()
    try:
        buffers()
    except OSError as error:
        ktap.skip(f"no /proc/slabinfo: {error}")
    end_one = prepare(bed)
    for number in range(count // 10):           # fill the caches
        end_one(number)
    bed.fence()
    before = buffers()
    for number in range(count):
        end_one(number)
        if number % 100 == 0:
            bed.far_wire.drain()
    bed.fence()
    # Buffers are freed after a grace period, or by another CPU, and slabs are rounded.
    limit = before + count // 3
    netns.wait_for(lambda: buffers() < limit, 5)
    ktap.ok(buffers() < limit, f"buffers in use: {before} before, {buffers()} after {count} frames")


def received(frame_of, **session):
    """Frames that arrive; frame_of(session, number) makes them."""
    def prepare(bed):
        tun = bed.tunnel(10, managed=False)
        ses = bed.session(tun, 1001, **session)
        ses.dev.close()                 # or they would wait in its queue
        return lambda number: bed.inject(tun, frame_of(ses, number))
    return prepare


def sent(size=60, managed=True, mtu=None, **tunnel):
    """Frames that the device is given."""
    def prepare(bed):
        tun = bed.tunnel(10, managed=managed, **tunnel)
        ses = bed.session(tun, 1001, mtu=mtu)
        ses.dev.close()
        frame = inner(1, size)
        return lambda number: bed.transmit(ses, frame)
    return prepare


def sent_into_itself(bed):
    if impl.IS_C:
        ktap.skip("the C module makes a dozen frames of each, which takes minutes")
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001)
    ses.dev.close()
    bed.ns.batch([f"neigh replace 10.0.0.2 lladdr 02:00:00:00:00:99 dev {ses.ifname} nud permanent",
                  f"route add 10.0.0.2/32 dev {ses.ifname}"])
    ktap.cleanup(bed.ns.ip, "route del 10.0.0.2/32", False)
    frame = inner(1)
    return lambda number: bed.transmit(ses, frame)


def purged(bed):
    """Frames that wait in the queue of a session that is deleted, a hundred at a time."""
    tun = bed.tunnel(10, managed=False)
    state = {}

    def one(number):
        if number % 100 == 0:
            if state:
                bed.nl.session_gone(10, 1001)
            state["ses"] = ses = bed.session(tun, 1001, timeout=60000, up=False)
            ses.dev.close()
            bed.inject(tun, ses.frame(inner(1), seq(0)))
        bed.inject(tun, state["ses"].frame(inner(1), seq(2 + number % 100)))
    return one


def expired(bed):
    """Frames that are found to be too old."""
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001, timeout=8)
    ses.dev.close()

    def one(number):
        # Ever one number is missing.
        bed.inject(tun, ses.frame(inner(1), seq(number * 2 & 0xFFFFFF)))
        if number % 100 == 99:
            time.sleep(0.02)
    return one


def to_a_full_socket(bed):
    """Datagrams for user space that does not read."""
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    ses.dev.close()
    return lambda number: bed.inject(tun, v3(7, inner(1), l2ss=0))


def invalid_for_a_full_socket(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    ses.dev.close()
    return lambda number: bed.inject(tun, v3(1001, inner(1), l2ss=0, flags=5))


def in_fragments(bed):
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    ses.dev.close()
    near, far = datapath.ADDR[4]

    def one(number):
        dgram = wire.udp(far, near, tun.dport, tun.sport, ses.frame(inner(1, 100)))
        for part in wire.v4_fragments(bed.near_mac, bed.far_mac, far, near, 17, dgram, (16, 8),
                                      number & 0xFFFF):
            bed.raw(part)
    return one


for _name, _prepare, *_count in (
        ("delivered", received(lambda s, n: s.frame(inner(1)))),
        ("delivered, in sequence", received(lambda s, n: s.frame(inner(1), seq(n & 0xFFFFFF)))),
        ("delivered, swapped in the queue",
         received(lambda s, n: s.frame(inner(1), seq(n ^ 1)), timeout=60000)),
        ("delivered, from fragments", in_fragments),
        ("wrong cookie", received(lambda s, n: s.frame(inner(1), cookie=b"\0" * 4),
                                  peer_cookie=COOKIE)),
        ("number missing", received(lambda s, n: s.frame(inner(1)), recv_seq=1)),
        ("outside of the window", received(lambda s, n: s.frame(inner(1), seq(0x900000)))),
        ("out of sequence", received(lambda s, n: s.frame(inner(1), seq(n * 2)))),
        ("too old", expired),
        ("purged with the session", purged),
        ("shorter than an Ethernet header", received(lambda s, n: s.frame(b"1234567"))),
        ("the device is down", received(lambda s, n: s.frame(inner(1)), up=False)),
        ("longer than the device takes", received(lambda s, n: s.frame(inner(1, 300)), mtu=100)),
        ("for user space, which does not read", to_a_full_socket),
        ("invalid, for user space, which does not read", invalid_for_a_full_socket),
        ("sent", sent()),
        ("sent in fragments", sent(2000, mtu=3000)),
        ("socket not connected", sent(connected=False)),
        ("larger than UDP allows", sent(65535, mtu=65535), COUNT // 5),
        ("sent into itself", sent_into_itself)):
    ktap.add(_name, check, _prepare, *_count)

if __name__ == "__main__":
    sys.exit(ktap.main())
