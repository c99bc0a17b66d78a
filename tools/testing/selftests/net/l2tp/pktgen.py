#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""pktgen on a session's device. In its default mode it keeps a reference to the frame that it hands
to the driver; the C module writes its header into it all the same and panics, so that mode is run
against the Rust module only.
"""

import os
import sys

from lib import impl, ktap, netns
from lib import l2tpwire as wire
from lib.datapath import ground

COUNT = 1000
PKTGEN = "/proc/thread-self/net/pktgen"


def pktgen_bed():
    """The bed, on a machine with pktgen."""
    if not impl.load("pktgen"):
        ktap.skip("pktgen is not available")
    return ground()


def write(bed, name, *lines):
    """Commands to one of pktgen's files of the namespace; raises OSError."""
    with bed.ns.enter():
        for line in lines:
            fd = os.open(f"{PKTGEN}/{name}", os.O_WRONLY)
            try:
                os.write(fd, line.encode() + b"\n")
            finally:
                os.close(fd)


def configure(bed, ses, thread=0, name=None, count=COUNT, size=60, extra=()):
    """One pktgen stream on the session's device."""
    name = name or ses.ifname
    write(bed, f"kpktgend_{thread}", f"add_device {name}")
    write(bed, name, f"count {count}", f"pkt_size {size}", "delay 0", "src_min 10.9.0.1",
          "dst 10.9.0.2", "dst_mac 02:00:00:00:00:99", *extra)


def forget(bed):
    for cpu in range(os.cpu_count()):
        write(bed, f"kpktgend_{cpu}", "rem_device_all")


def start(bed, ses):
    """Let pktgen send, and wait for its end: it waits itself only for threads that have begun after an eighth of a second."""
    write(bed, "pgctrl", "start")

    def ended():
        texts = []
        with bed.ns.enter():
            for name in os.listdir(PKTGEN):
                if name.split("@")[0] == ses.ifname:
                    with open(f"{PKTGEN}/{name}", encoding="ascii") as file:
                        texts.append(file.read())
        return texts and all(" usec, " in text for text in texts)
    netns.wait_for(ended, 120, "pktgen to end")


def run(bed, ses, size, want, unique=True):
    """Start, wait, and check counters and wire."""
    bed.far_wire.drain()
    header = ses.header
    with bed.change(ses, {"tx_packets": want, "tx_bytes": want * (size + header),
                          "d.tx_packets": want, "d.tx_bytes": want * size}, "pktgen"):
        start(bed, ses)
    got = bed.sent_data(ses, want, timeout=5)
    ktap.eq(len(got), want, "frames on the wire")
    ktap.eq({len(d.payload) for _, d in got}, {size}, "their length")
    ktap.eq({d.payload[:6].hex() for _, d in got}, {"020000000099"}, "their destination")
    if unique:
        ktap.eq([d.ns for _, d in got], list(range(want)), "their numbers")
    return got


def mode(extra, size, c_panics):
    if c_panics and impl.IS_C and not os.environ.get("FATAL"):
        ktap.skip("the C module panics on a shared frame")
    bed = pktgen_bed()
    ses = bed.session(bed.tunnel(10, managed=False), 1001, send_seq=1)
    ktap.cleanup(forget, bed)
    configure(bed, ses, size=size, extra=extra)
    run(bed, ses, size, COUNT)


def refuses_sharing():
    """clone_skb and burst need a driver that leaves frames alone; ours says that it does not."""
    bed = pktgen_bed()
    ses = bed.session(bed.tunnel(10, managed=False), 1001)
    ktap.cleanup(forget, bed)
    configure(bed, ses)
    ktap.raises(OSError, write, bed, ses.ifname, "clone_skb 10")
    ktap.raises(OSError, write, bed, ses.ifname, "burst 4")


def two_cpus(shared):
    if impl.IS_C and shared:
        ktap.skip("the C module panics on a shared frame")
    if os.cpu_count() < 2:
        ktap.skip("needs two CPUs")
    bed = pktgen_bed()
    ses = bed.session(bed.tunnel(10, managed=False), 1001, send_seq=1)
    ktap.cleanup(forget, bed)
    for cpu in range(2):
        configure(bed, ses, cpu, f"{ses.ifname}@{cpu}", extra=() if shared else ("flag !SHARED",))
    numbers = [d.ns for _, d in run(bed, ses, 60, 2 * COUNT, unique=False)]
    doubles = len(numbers) - len(set(numbers))
    ktap.diag(f"{doubles} numbers were used twice")
    if impl.differs("C counts Ns without a lock", c=False, rust=True):
        ktap.eq(sorted(numbers), list(range(2 * COUNT)), "numbers")


def lost_updates():
    """If two CPUs ever took the same number, the count is behind in the end."""
    if os.cpu_count() < 2:
        ktap.skip("needs two CPUs")
    bed = pktgen_bed()
    ses = bed.session(bed.tunnel(10, managed=False), 1001, send_seq=1)
    ktap.cleanup(forget, bed)
    count = 20000
    for cpu in range(2):
        configure(bed, ses, cpu, f"{ses.ifname}@{cpu}", count, extra=("flag !SHARED",))
    with bed.change(ses, {"tx_packets": 2 * count, "tx_bytes": 2 * count * (60 + ses.header),
                          "d.tx_packets": 2 * count, "d.tx_bytes": 2 * count * 60}, "pktgen"):
        start(bed, ses)
    bed.far_wire.drain()
    bed.transmit(ses, wire.inner(0x5EED))
    ns = bed.sent_data(ses)[0][1].ns
    ktap.diag(f"next number after {2 * count} frames: {ns}")
    if impl.differs("C counts Ns without a lock", c=False, rust=True):
        ktap.eq(ns, 2 * count, "next number")


ktap.add("default mode, shared frames", mode, (), 60, True)
ktap.add("default mode, shared frames of 1400 bytes", mode, (), 1400, True)
ktap.add("frames of its own", mode, ("flag !SHARED",), 60, False)
ktap.add("frames of its own, 1400 bytes", mode, ("flag !SHARED",), 1400, False)
ktap.add("through the queue", mode, ("xmit_mode queue_xmit", "flag !SHARED"), 60, False)
ktap.add("through the queue, shared frames", mode, ("xmit_mode queue_xmit",), 60, True)
ktap.add("repeated frames are refused", refuses_sharing)
ktap.add("two CPUs, frames of their own", two_cpus, False)
ktap.add("two CPUs, shared frames", two_cpus, True)
ktap.add("two CPUs, many frames", lost_updates)

if __name__ == "__main__":
    sys.exit(ktap.main())
