#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Outer UDP checksums: when they are sent, that they are right, which are accepted."""

import socket
import struct
import sys

from lib import datapath, ktap, l2tp
from lib import l2tpwire as wire
from lib.datapath import case, ground, new_tag
from lib.l2tpwire import inner

SO_NO_CHECK = 11
UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = 101, 102
SIZES = (14, 15, 60, 61, 999, 1400)


def checksums(bed, ses, frames):
    """(checksum field, is it right) of what the kernel sends for the frames."""
    bed.far_wire.drain()
    out = []
    for frame in frames:
        bed.transmit(ses, frame)
        dgram, data = bed.sent_data(ses)[0]
        ktap.eq(data.payload, frame, "payload")
        out.append((dgram.csum, dgram.csum_ok))
    return out


def expect_sent(bed, tun, present, what):
    """Frames of several lengths have a correct checksum, or all have none."""
    ses = bed.session(tun, 1001)
    got = checksums(bed, ses, [inner(new_tag(), size) for size in SIZES])
    if present:
        ktap.ok(all(field and right for field, right in got), f"{what}: right checksums: {got}")
    else:
        ktap.eq([field for field, _ in got], [0] * len(got), f"{what}: checksum field")
    return ses


def expect_received(bed, ses, accepted, what):
    """Datagrams with these kinds of checksum are delivered; the others never reach L2TP."""
    for kind in ("good", "zero", "bad"):
        payload = inner(new_tag())
        frame = ses.frame(payload)
        good = kind in accepted
        want = {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1,
                "d.rx_bytes": len(frame)} if good else {}
        with bed.change(ses, want, f"{what}, {kind} checksum"):
            bed.inject(ses.tun, frame, csum=kind)
        bed.delivered(ses, [payload] if good else [], f"{what}, {kind} checksum")


TX = [
    # family, managed, create arguments, socket options, checksum on the wire
    (4, False, {}, [], False),
    (4, False, {"udp_csum": 1}, [], True),
    (4, False, {"udp_csum": 0}, [], True),
    (4, False, {"zero_csum6_tx": True, "zero_csum6_rx": True}, [], False),
    (4, True, {}, [], True),
    (4, True, {}, [(socket.SOL_SOCKET, SO_NO_CHECK)], False),
    (6, False, {}, [], True),
    (6, False, {"udp_csum": 1}, [], True),
    (6, False, {"zero_csum6_tx": True}, [], False),
    (6, False, {"zero_csum6_rx": True}, [], True),
    (6, True, {}, [], True),
    (6, True, {}, [(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX)], False),
]


def transmitted(family, managed, create, options, present):
    bed = ground()
    tun = bed.tunnel(10, family=family, managed=managed, **create)
    for level, option in options:
        tun.sock.setsockopt(level, option, 1)
    expect_sent(bed, tun, present, "sent")


for _row in TX:
    _kind = "managed" if _row[1] else "kernel's socket"
    _extra = " ".join(f"{k}={int(v)}" for k, v in _row[2].items()) + \
        " ".join({SO_NO_CHECK: "SO_NO_CHECK", UDP_NO_CHECK6_TX: "NO_CHECK6_TX"}[o]
                 for _, o in _row[3])
    ktap.add(f"sent: ip{_row[0]} {_kind} {_extra or 'default'}: "
             f"{'checksum' if _row[4] else 'none'}", transmitted, *_row)


RX = [
    (4, False, {}, [], ("good", "zero")),
    (4, False, {"udp_csum": 1}, [], ("good", "zero")),
    (4, True, {}, [], ("good", "zero")),
    (6, False, {}, [], ("good",)),
    (6, False, {"zero_csum6_tx": True}, [], ("good",)),
    (6, False, {"zero_csum6_rx": True}, [], ("good", "zero")),
    (6, True, {}, [], ("good",)),
    (6, True, {}, [(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX)], ("good", "zero")),
]


def received(family, managed, create, options, accepted):
    bed = ground()
    tun = bed.tunnel(10, family=family, managed=managed, **create)
    for level, option in options:
        tun.sock.setsockopt(level, option, 1)
    expect_received(bed, bed.session(tun, 1001), accepted, "received")


for _row in RX:
    _kind = "managed" if _row[1] else "kernel's socket"
    _extra = " ".join(f"{k}={int(v)}" for k, v in _row[2].items()) + \
        ("NO_CHECK6_RX" if _row[3] else "")
    ktap.add(f"received: ip{_row[0]} {_kind} {_extra or 'default'}: accepts {' and '.join(_row[4])}",
             received, *_row)


@case("a sum of zero is sent as ffff", 4)
def all_ones(bed, family):
    tun = bed.tunnel(10, family=family, managed=False, udp_csum=1)
    ses = bed.session(tun, 1001, l2ss=False)
    near, far = datapath.ADDR[family]
    # Choose two bytes of the payload so that the sum over everything is zero.
    frame = bytearray(inner(new_tag(), 60))
    frame[20:22] = b"\0\0"
    body = wire.v3(ses.psid, bytes(frame))
    total = wire.csum16(wire.pseudo(near, far, wire.PROTO_UDP, 8 + len(body))
                        + struct.pack("!HHHH", tun.sport, tun.dport, 8 + len(body), 0) + body)
    frame[20:22] = struct.pack("!H", total)
    (field, right), = checksums(bed, ses, [bytes(frame)])
    ktap.eq((field, right), (0xFFFF, True), "checksum field")


case("a sum of zero is sent as ffff on IPv6", 6)(all_ones)


@case("the checksum of a fragmented datagram is right", 4)
def fragmented(bed, family):
    tun = bed.tunnel(10, family=family, managed=False, udp_csum=1)
    ses = bed.session(tun, 1001, mtu=9000)
    frame = inner(new_tag(), 5001)
    bed.far_wire.drain()
    bed.transmit(ses, frame)
    parts = bed.sent(4, proto=wire.PROTO_UDP)
    ktap.eq(len(parts), 4, "fragments")
    dgram = wire.parse_udp(wire.reassemble(parts))
    ktap.eq((dgram.csum_ok, wire.parse_v3(dgram.payload, 0, True).payload == frame), (True, True),
            "checksum and payload after reassembly")


case("the checksum of a fragmented datagram is right on IPv6", 6)(fragmented)


@case("an IPv6 socket with an IPv4-mapped peer follows the IPv4 rule")
def _(bed):
    with bed.ns.enter():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", 5555))
    sock.connect(("::ffff:10.0.0.2", 5555))
    tun = bed.tunnel(10, sock=sock, sport=5555)
    ses = expect_sent(bed, tun, True, "default")
    sock.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX, 1)
    got = checksums(bed, ses, [inner(new_tag())])
    ktap.eq(got[0][1], True, "NO_CHECK6_TX means IPv6 only")
    sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    ktap.eq(checksums(bed, ses, [inner(new_tag())])[0][0], 0, "SO_NO_CHECK")


@case("changes of the socket take effect on a live tunnel")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    for on in (0, 1, 0):
        tun.sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, on)
        (field, right), = checksums(bed, ses, [inner(new_tag())])
        ktap.eq((field == 0, right), (True, None) if on else (False, True), f"SO_NO_CHECK {on}")


@case("the reply of TUNNEL_GET tells it")
def _(bed):
    for csum in (None, 0, 1):
        tun = bed.tunnel(10, managed=False, udp_csum=csum)
        ktap.eq(bed.nl.tunnel_get(10).uint(l2tp.UDP_CSUM), 0 if csum is None else 1,
                f"UDP_CSUM {csum}")
        bed.end(tun)


if __name__ == "__main__":
    sys.exit(ktap.main())
