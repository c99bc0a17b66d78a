#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Receive decisions for L2TPv2: every bit of the header, frames for user space, the management
socket. Frames are made by hand and arrive from the wire; PPPoL2TP sockets that were never given to
ppp show what was delivered. The cases that need no session run without l2tp_ppp, too.
"""

import ctypes
import os
import socket
import struct
import sys

from lib import datapath, ktap, l2tp, netns
from lib.datapath import case, new_tag
from lib.genl import u8
from lib.l2tpwire import inner, v2

AF_PPPOX, PX_PROTO_OL2TP = 24, 1
LCP = bytes.fromhex("ff03c021") + b"\x09\x01\x00\x08\x12\x34\x56\x78"
libc = ctypes.CDLL(None, use_errno=True)


def pppol2tp(bed, udp_fd, tid, sid, ptid, psid):
    """A connected PPPoL2TP socket of the version 2, IPv4 kind."""
    with bed.ns.enter():
        fd = libc.socket(AF_PPPOX, socket.SOCK_DGRAM, PX_PROTO_OL2TP)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "socket(AF_PPPOX)")
    ktap.cleanup(os.close, fd)
    addr = struct.pack("=HIii16sHHHH", AF_PPPOX, PX_PROTO_OL2TP, 0, udp_fd,
                       struct.pack("=H", socket.AF_INET).ljust(16, b"\0"), tid, sid, ptid, psid)
    if libc.connect(fd, addr, len(addr)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.set_blocking(fd, False)
    return fd


class Call:
    """An L2TPv2 session whose frames come out of its PPPoL2TP socket."""

    def __init__(self, bed, tid=10, sid=7, **kw):
        datapath.have_ppp()
        self.bed, self.tid, self.sid = bed, tid, sid
        self.tun = bed.tunnel(tid, version=2)
        if kw:
            bed.nl.session_create(tid, sid, sid + 100, pw=l2tp.PW_PPP, **kw)
        self.fd = pppol2tp(bed, self.tun.sock.fileno(), tid, sid, tid + 1000, sid + 100)
        bed.fence()

    def stats(self):
        out = l2tp.stats(self.bed.nl.session_get(self.tid, self.sid))
        out.update({"t." + k: v for k, v in self.bed.tunnel_stats(self.tun).items()})
        return out

    def received(self):
        out = []
        while True:
            try:
                out.append(os.read(self.fd, 65536))
            except BlockingIOError:
                return out

    def check(self, frames, counters, got=(), passed=(), what="", via=None):
        """Send frames to the tunnel's socket; compare counters, PPP frames and datagrams."""
        want = {k: v for k, v in counters.items() if v}
        for key in ("rx_packets", "rx_bytes"):
            if key in want:
                want["t." + key] = want[key]
        before = self.stats()
        for frame in frames:
            self.bed.inject(via or self.tun, frame)
        self.bed.fence()
        now = self.stats()
        ktap.eq({k: now[k] - before[k] for k in now if now[k] != before[k]}, want,
                what + ": counters")
        ktap.eq([f.hex() for f in self.received()], [f.hex() for f in got], what + ": PPP frames")
        self.bed.passed_up(via or self.tun, list(passed), what)

    def accept(self, what, payload=None, via=None, strip=2, **kw):
        payload = LCP + struct.pack("!I", new_tag()) if payload is None else payload
        frame = v2(self.tid, self.sid, payload, **kw)
        self.check([frame], {"rx_packets": 1, "rx_bytes": len(frame)}, [payload[strip:]], (), what,
                   via)


@case("without a session every version 2 frame goes to user space")
def _(bed):
    tun = bed.tunnel(10, version=2)
    frames = [v2(10, 7, LCP), v2(10, 0, LCP), v2(11, 7, LCP, ns=1), v2(10, 7, LCP, length=20),
              v2(10, 7, LCP, offset=4), v2(10, 7, LCP, flags=0x8000 | 0x4000 | 0x0800),
              v2(10, 7, LCP, ver=3), b"", b"x", v2(10, 7, b"")]
    for frame in frames:
        bed.inject(tun, frame)
    bed.passed_up(tun, frames)
    ktap.eq({k: v for k, v in bed.tunnel_stats(tun).items() if v}, {}, "tunnel counters")


@case("a version 2 frame for an Ethernet session of the same ids goes to user space")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 7, l2ss=False)
    frame = v2(10, 7, inner(new_tag()))
    with bed.change(ses, {}):
        bed.inject(tun, frame)
    bed.passed_up(tun, [frame])


@case("header bits: length, reserved, priority, offset, address and control")
def _(bed):
    call = Call(bed)
    call.accept("plain")
    call.accept("no address and control", payload=LCP[2:] + b"\1\2\3\4", strip=0)
    call.accept("stripped once", payload=b"\xff\x03" + LCP)
    for length in (0, 5, 22, 0xFFFF):
        call.accept(f"Length {length}", length=length)
    for flags in (0x3000, 0x0400, 0x0100, 0x00F0, 0x35F0):
        call.accept(f"flags {flags:#06x}", flags=flags)
    for offset in (0, 1, 4, 100):
        call.accept(f"offset {offset}", offset=offset)
    call.accept("everything", length=9, offset=3, ns=0, nr=0x1234, flags=0x35F0)


@case("an offset beyond the end is an error")
def _(bed):
    call = Call(bed)
    for offset in (23, 100, 0xFFFF):
        frame = v2(10, 7, b"", flags=0x0200) + struct.pack("!H", offset) + LCP
        call.check([frame], {"rx_errors": 1}, what=f"offset {offset}")
    # 22 bytes in all: flags, ids, offset size, 12 bytes LCP; exactly all of it is an empty frame.
    frame = v2(10, 7, b"", flags=0x0200) + struct.pack("!H", len(LCP)) + LCP
    call.check([frame], {"rx_packets": 1, "rx_bytes": len(frame)}, [b""], what="offset of all")


@case("fewer than 14 bytes go to user space even if valid")
def _(bed):
    call = Call(bed)
    frame = v2(10, 7, bytes.fromhex("c02109010004"))
    ktap.eq(len(frame), 12, "an LCP echo request without address and control")
    call.check([frame], {}, (), [frame], "12 bytes")
    call.accept("14 bytes", payload=bytes.fromhex("c02109010004abcd"), strip=0)


@case("unknown ids, the T bit and other versions go to user space")
def _(bed):
    call = Call(bed)
    frames = [v2(10, 8, LCP), v2(11, 7, LCP), v2(10, 0, LCP), v2(10, 7, LCP, flags=0x8000),
              v2(10, 7, LCP, flags=0xC800, ver=3), v2(10, 7, LCP, ver=3), v2(10, 7, LCP, ver=1)]
    call.check(frames, {}, (), frames, "not ours")


@case("a frame is accepted on any L2TP socket of the namespace")
def _(bed):
    call = Call(bed)
    other = bed.tunnel(20)
    call.accept("on a version 3 tunnel's socket", via=other)
    call.accept("and again on its own")


@case("the management socket takes session 0")
def _(bed):
    call = Call(bed)
    frame = v2(10, 0, LCP)
    call.check([frame], {}, (), [frame], "without it")
    mgmt = pppol2tp(bed, call.tun.sock.fileno(), 10, 0, 1010, 0)
    bed.inject(call.tun, frame)
    bed.passed_up(call.tun, [], "with it")
    ktap.eq(os.read(mgmt, 4096), LCP[2:], "on the management socket")


@case("sequence numbers of 16 bits: window, resynchronisation")
def _(bed):
    for first, good in ((32766, True), (32767, False), (65535, False)):
        call = Call(bed, tid=10 + first % 7)
        if good:
            call.accept(f"first Ns {first}", ns=first)
            call.accept("next", ns=first + 1)
        else:
            call.check([v2(call.tid, 7, LCP, ns=first)], {"rx_errors": 1}, what=f"first Ns {first}")
    call = Call(bed, tid=20)
    for ns in (100, 101):
        call.accept(f"Ns {ns}", ns=ns)
    for ns in range(105, 110):
        call.check([v2(20, 7, LCP, ns=ns)], {"rx_errors": 1, "rx_seq_discards": 1}, what=f"Ns {ns}")
    call.accept("the sixth in a row", ns=110)
    call.accept("and on", ns=111)


@case("transmitted headers")
def _(bed):
    call = Call(bed, send_seq=0)
    bed.far_wire.drain()
    os.write(call.fd, LCP[2:])
    pkt, = bed.sent(1)
    ktap.eq(pkt.payload[8:].hex(), struct.pack("!3H", 2, 1010, 107).hex() + LCP.hex(), "plain")
    bed.nl.session_modify(10, 7, u8(l2tp.SEND_SEQ, 1))
    for ns in range(3):
        os.write(call.fd, LCP[2:])
        pkt, = bed.sent(1)
        ktap.eq(pkt.payload[8:].hex(),
                struct.pack("!5H", 0x0802, 1010, 107, ns, 0).hex() + LCP.hex(), "numbered")
    stats = call.stats()
    ktap.eq((stats["tx_packets"], stats["tx_bytes"]), (4, 4 * (6 + len(LCP)) + 3 * 4), "counters")


@case("sequence numbers wrap at 16 bits, received and sent")
def _(bed):
    call = Call(bed)
    call.accept("first", ns=32766)
    for ns in range(65528, 65533):
        call.check([v2(10, 7, LCP, ns=ns)], {"rx_errors": 1, "rx_seq_discards": 1}, what=f"Ns {ns}")
    for ns in (65533, 65534, 65535, 0, 1):
        call.accept(f"Ns {ns}", ns=ns)
    # A frame with a number has switched numbering on: a LAC answers in kind.
    bed.far_wire.drain()
    for _ in range(65534):
        os.write(call.fd, b"\xc0\x21")
    bed.far_wire.drain()
    for want in (65534, 65535, 0, 1):
        os.write(call.fd, LCP[2:])
        pkt, = bed.sent(1)
        flags, tid, sid, ns, nr = struct.unpack_from("!5H", pkt.payload, 8)
        ktap.eq((flags, tid, sid, ns, nr), (0x0802, 1010, 107, want, 0), "transmitted header")
        ktap.eq(pkt.payload[18:], LCP, "transmitted PPP frame")


@case("reordering works on 16 bits, too")
def _(bed):
    call = Call(bed, timeout=60000)
    frames = [LCP + bytes([n]) for n in range(4)]
    wires = [v2(10, 7, frame, ns=n) for n, frame in enumerate(frames)]
    call.check([wires[0], wires[3], wires[2], wires[1]],
               {"rx_packets": 4, "rx_bytes": 4 * len(wires[0]), "rx_oos_packets": 2},
               [f[2:] for f in frames], what="0 3 2 1")


@case("a session without a socket swallows its frames")
def _(bed):
    datapath.have_ppp()
    tun = bed.tunnel(10, version=2)
    bed.nl.session_create(10, 7, 107, pw=l2tp.PW_PPP)
    frame = v2(10, 7, LCP)
    bed.inject(tun, frame)
    bed.passed_up(tun, [])
    netns.wait_for(lambda: l2tp.stats(bed.nl.session_get(10, 7))["rx_packets"], 2)
    ktap.eq({k: v for k, v in l2tp.stats(bed.nl.session_get(10, 7)).items() if v},
            {"rx_packets": 1, "rx_bytes": len(frame)}, "counters")


if __name__ == "__main__":
    sys.exit(ktap.main())
