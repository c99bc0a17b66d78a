#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Receive decisions for L2TPv3 over UDP, one by one: hand-made frames arrive from the wire, and the
test looks at what becomes of each: the user's socket, the session's device, every counter.

Whatever is not a valid data message of an existing session belongs to user space, untouched and
without a word; wrong cookies and missing sequence numbers are consumed.
"""

import socket
import struct
import sys

from lib import datapath, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.datapath import case, new_tag
from lib.l2tpwire import inner, seq, v3

COOKIE = bytes.fromhex("c0ffee00")
COOKIE8 = bytes.fromhex("0123456789abcdef")
UDP_ENCAP, UDP_SEGMENT, UDP_ENCAP_L2TPINUDP = 100, 103, 3


def accept(bed, ses, payload=None, what="", via=None, **kw):
    """A data message of the session is delivered and counted."""
    payload = inner(new_tag()) if payload is None else payload
    frame = ses.frame(payload, **kw)
    want = {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1, "d.rx_bytes": len(frame)}
    if via is not None and via is not ses.tun:
        want.update({"t.rx_packets": 1, "t.rx_bytes": len(frame)})
    with bed.change(ses, want, what):
        bed.inject(via or ses.tun, frame)
    bed.delivered(ses, [payload], what)


def refuse(bed, ses, frame, counters, what, via=None):
    """A frame is consumed, counted and not delivered."""
    with bed.change(ses, counters, what):
        bed.inject(via or ses.tun, frame)
    bed.delivered(ses, [], what)
    bed.passed_up(via or ses.tun, [], what)


def pass_up(bed, ses, frames, what, counters=None, via=None):
    """Frames reach user space bit by bit and change nothing but the given counters."""
    with bed.change(ses, counters or {}, what):
        for frame in frames:
            bed.inject(via or ses.tun, frame)
    bed.passed_up(via or ses.tun, frames, what)
    bed.delivered(ses, [], what)


@case("fewer than 14 bytes go to user space")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, l2ss=False)
    whole = v3(1001, inner(new_tag()))
    pass_up(bed, ses, [whole[:n] for n in range(0, 14)], "truncated data message")
    # 14 bytes are enough for the hook; the inner frame is too short for the device, which does
    # not count it, but the session does.
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": 14}, "14 bytes"):
        bed.inject(tun, whole[:14])
    bed.delivered(ses, [])
    bed.passed_up(tun, [])


@case("the T bit goes to user space whatever the version")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    good = ses.frame(inner(new_tag()))
    frames = [struct.pack("!H", flags) + good[2:]
              for flags in [0x8000 | v for v in range(16)] + [0xC803, 0xC802, 0xFFFF]]
    pass_up(bed, ses, frames, "control message")


@case("an unknown session id goes to user space")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    pass_up(bed, ses, [v3(sid, inner(new_tag()), l2ss=0)
                       for sid in (0, 1, 1000, 1002, 0x10000 + 1001, 0xFFFFFFFF, 1001 << 16)],
            "unknown session")


@case("version 2 is looked up among the L2TPv2 sessions only")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 11, l2ss=False)
    # The same bytes read as version 3 would name session 11.
    pass_up(bed, ses, [wire.v2(10, 11, inner(new_tag())), wire.v2(0, 11, inner(new_tag())),
                       wire.v2(10, 11, inner(new_tag()), ns=0, length=5, offset=3),
                       v3(11, inner(new_tag()), flags=0x0002)], "version 2")


@case("any other version nibble of a known session is invalid, and goes to user space")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    versions = [0, 1] + list(range(4, 16))
    frames = [v3(1001, inner(new_tag()), l2ss=0, flags=v) for v in versions]
    pass_up(bed, ses, frames, "version", {"t.rx_invalid": len(frames)})


@case("too short for cookie and sublayer is invalid, and goes to user space")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE8)
    whole = ses.frame(inner(new_tag()))
    frames = [whole[:n] for n in range(14, 20)]
    pass_up(bed, ses, frames, "header cut", {"t.rx_invalid": len(frames)})
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": 20}, "only a header"):
        bed.inject(tun, whole[:20])
    bed.delivered(ses, [])


@case("reserved bits of the header are ignored")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    for flags in (0x7FF3, 0x0803, 0x0203, 0x0103, 0x4003):
        accept(bed, ses, flags=flags, what=f"flags {flags:#06x}")
    accept(bed, ses, reserved=0xFFFF, what="reserved field")
    for word in (0x80000000, 0x3F000000, 0x00FFFFFF):
        accept(bed, ses, word=word, what=f"sublayer {word:#x}")
    accept(bed, ses, word=0xFF000005, what="sequence number with reserved bits")
    accept(bed, ses, word=seq(6), what="the next number")


@case("every wrong cookie is consumed and counted")
def _(bed):
    tun = bed.tunnel(10)
    for cookie in (b"\x5a", b"\x11\x22\x33", COOKIE, COOKIE8):
        ses = bed.session(tun, 1000 + len(cookie), peer_cookie=cookie)
        for at in range(len(cookie)):
            wrong = bytearray(cookie)
            wrong[at] ^= 1 << at
            refuse(bed, ses, ses.frame(inner(new_tag()), cookie=bytes(wrong)),
                   {"rx_cookie_discards": 1, "rx_errors": 1}, f"byte {at} of {len(cookie)}")
        accept(bed, ses, what=f"right cookie of {len(cookie)}")


@case("PEER_COOKIE is verified and COOKIE is sent")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, cookie=COOKIE8, peer_cookie=COOKIE)
    accept(bed, ses)
    refuse(bed, ses, ses.frame(inner(new_tag()), cookie=COOKIE8),
           {"rx_cookie_discards": 1, "rx_errors": 1}, "our own cookie comes back")
    bed.transmit(ses, inner(new_tag()))
    (_, data), = bed.sent_data(ses)
    ktap.eq(data.cookie, COOKIE8, "cookie on the wire")


@case("required sequence numbers that are missing")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, recv_seq=1)
    for word in (0, 0x80000000, 7):
        refuse(bed, ses, ses.frame(inner(new_tag()), word),
               {"rx_seq_discards": 1, "rx_errors": 1}, f"sublayer {word:#x}")
    accept(bed, ses, word=seq(0))
    none = bed.session(tun, 1002, recv_seq=1, l2ss=False)
    refuse(bed, none, none.frame(inner(new_tag())), {"rx_seq_discards": 1, "rx_errors": 1},
           "no sublayer at all")


def send_seq(bed, ses):
    return bed.nl.session_get(ses.tun.tid, ses.sid).uint(l2tp.SEND_SEQ)


def transmitted_ns(bed, ses):
    bed.far_wire.drain()
    bed.transmit(ses, inner(new_tag()))
    return bed.sent_data(ses)[0][1].ns


@case("a LAC follows the peer: sequence numbers on and off")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE, lns_mode=0)
    ktap.eq(transmitted_ns(bed, ses), None, "at first")
    refuse(bed, ses, ses.frame(inner(new_tag()), seq(0), cookie=b"\0\0\0\0"),
           {"rx_cookie_discards": 1, "rx_errors": 1}, "wrong cookie")
    ktap.eq(send_seq(bed, ses), 0, "after a wrong cookie")
    accept(bed, ses, word=seq(0))
    ktap.eq(send_seq(bed, ses), 1, "after a sequenced frame")
    ktap.eq(transmitted_ns(bed, ses), 0, "first number")
    ktap.eq(transmitted_ns(bed, ses), 1, "second number")
    accept(bed, ses, word=0)
    ktap.eq(send_seq(bed, ses), 0, "after a frame without number")
    ktap.eq(transmitted_ns(bed, ses), None, "switched off")
    refuse(bed, ses, ses.frame(inner(new_tag()), seq(0x800000)), {"rx_errors": 1}, "out of window")
    ktap.eq(send_seq(bed, ses), 1, "even a frame outside of the window switches it on")
    ktap.eq(transmitted_ns(bed, ses), 2, "numbers go on")


@case("an LNS does not follow")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, lns_mode=1)
    accept(bed, ses, word=seq(0))
    ktap.eq(send_seq(bed, ses), 0, "a sequenced frame changes nothing")
    accept(bed, ses, word=0)
    both = bed.session(tun, 1002, lns_mode=1, send_seq=1)
    refuse(bed, both, both.frame(inner(new_tag())), {"rx_seq_discards": 1, "rx_errors": 1},
           "it sends numbers and gets none")
    ktap.eq(send_seq(bed, both), 1, "still on")
    accept(bed, both, word=seq(0))


@case("a data message is accepted on any L2TP socket of the namespace")
def _(bed):
    tun, other = bed.tunnel(10), bed.tunnel(20)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    frame, payload = ses.frame(p := inner(new_tag())), p
    before = bed.tunnel_stats(other)
    accept(bed, ses, via=other, what="through another tunnel's socket")
    ktap.eq(bed.tunnel_stats(other), before, "the other tunnel's counters")
    refuse(bed, ses, ses.frame(payload, cookie=b"\0\0\0\0"),
           {"rx_cookie_discards": 1, "rx_errors": 1}, "wrong cookie elsewhere", via=other)
    with bed.change(ses, {"t.rx_invalid": 1}, "wrong version elsewhere"):
        bed.inject(other, v3(1001, payload, cookie=COOKIE, l2ss=0, flags=5))
    bed.passed_up(other, [v3(1001, payload, cookie=COOKIE, l2ss=0, flags=5)])
    bed.passed_up(tun, [])
    # An ordinary UDP socket has nothing to do with it.
    plain = l2tp.udp_socket("10.0.0.1", "10.0.0.2", 7777, 7777, netns=bed.ns)
    ktap.cleanup(plain.close)
    with bed.change(ses, {}, "ordinary socket"):
        bed.inject(tun, frame, sport=7777, dport=7777)
    plain.settimeout(2)
    ktap.eq(plain.recv(4096), frame, "ordinary socket")


@case("an unconnected tunnel socket takes frames from any source")
def _(bed):
    tun = bed.tunnel(10, connected=False)
    ses = bed.session(tun, 1001)
    for src, sport in (("10.0.0.2", 9), ("10.0.0.3", 12345)):
        payload = inner(new_tag())
        frame = ses.frame(payload)
        with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1,
                              "d.rx_bytes": len(frame)}, f"from {src}:{sport}"):
            bed.inject(tun, frame, src=src, sport=sport)
        bed.delivered(ses, [payload])


@case("an id used in two tunnels is told apart by the socket")
def _(bed):
    one, two, three = bed.tunnel(10), bed.tunnel(20), bed.tunnel(30)
    first = bed.session(one, 1001)
    second = bed.session(two, 1001)
    accept(bed, first, what="first tunnel")
    accept(bed, second, what="second tunnel")
    pass_up(bed, first, [first.frame(inner(new_tag()))], "third tunnel", via=three)
    bed.nl.session_gone(20, 1001)
    accept(bed, first, what="first tunnel, the rival is gone")
    pass_up(bed, first, [first.frame(inner(new_tag()))], "still only its own socket", via=two)


@case("which of two colliding sessions is deleted makes no difference")
def _(bed):
    one, two = bed.tunnel(10), bed.tunnel(20)
    bed.session(one, 1001)
    second = bed.session(two, 1001, peer_cookie=COOKIE)
    bed.nl.session_gone(10, 1001)
    accept(bed, second, what="the survivor")
    frame = second.frame(inner(new_tag()))
    pass_up(bed, second, [frame], "on the other socket", via=one)
    third = bed.session(one, 1001)
    accept(bed, third, what="the id again")
    accept(bed, second, what="the survivor again")


@case("header in small IP fragments")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE8)
    near, far = datapath.ADDR[4]
    for ident, sizes in enumerate([(8,), (16,), (8, 8), (8, 8, 8, 8), (24,), (32,)], 100):
        payload = inner(new_tag(), 200)
        frame = ses.frame(payload)
        dgram = wire.udp(far, near, tun.dport, tun.sport, frame)
        with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1,
                              "d.rx_bytes": len(frame)}, f"cut at {sizes}"):
            for part in wire.v4_fragments(bed.near_mac, bed.far_mac, far, near, wire.PROTO_UDP,
                                          dgram, sizes, ident):
                bed.raw(part)
        bed.delivered(ses, [payload], f"cut at {sizes}")
    short = ses.frame(b"")[:18]
    dgram = wire.udp(far, near, tun.dport, tun.sport, short)
    with bed.change(ses, {"t.rx_invalid": 1}, "short header in fragments"):
        for part in wire.v4_fragments(bed.near_mac, bed.far_mac, far, near, wire.PROTO_UDP, dgram,
                                      (8, 8), 200):
            bed.raw(part)
    bed.passed_up(tun, [short], "short header in fragments")


@case("datagrams that the sender's kernel left in one piece")
def _(bed):
    tun = bed.tunnel(10, connected=False)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    near = ":".join(f"{x:02x}" for x in bed.near_mac)
    bed.far.batch(["addr add 10.0.0.9/24 dev vb",
                   f"neigh replace 10.0.0.1 lladdr {near} dev vb nud permanent"])
    ktap.cleanup(bed.far.ip, "addr del 10.0.0.9/24 dev vb")
    with l2tp.udp_socket("10.0.0.9", "10.0.0.1", 5001, tun.sport, netns=bed.far) as sock:
        payloads = [inner(new_tag(), 200) for _ in range(10)]
        frames = [ses.frame(p) for p in payloads]
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(frames[0]))
        total = sum(map(len, frames))
        with bed.change(ses, {"rx_packets": 10, "rx_bytes": total, "d.rx_packets": 10,
                              "d.rx_bytes": total}, "segments"):
            sock.send(b"".join(frames))
        bed.delivered(ses, payloads, "segments")
        # What is not ours comes out one by one, too.
        other = [v3(1002, inner(new_tag(), 200), COOKIE, 0) for _ in range(5)]
        with bed.change(ses, {}, "segments for user space"):
            sock.send(b"".join(other))
        bed.passed_up(tun, other, "segments for user space")


@case("IPv6: accept, pass up, wrong cookie")
def _(bed):
    tun = bed.tunnel(10, family=6)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    accept(bed, ses)
    pass_up(bed, ses, [b"", b"hello", v3(1002, inner(new_tag())), b"\xc8\x03" + b"\0" * 18],
            "not ours")
    pass_up(bed, ses, [v3(1001, inner(new_tag()), COOKIE, 0, flags=0)], "version",
            {"t.rx_invalid": 1})
    refuse(bed, ses, ses.frame(inner(new_tag()), cookie=b"\0\0\0\0"),
           {"rx_cookie_discards": 1, "rx_errors": 1}, "cookie")


@case("session ids at the ends of the range")
def _(bed):
    tun = bed.tunnel(10)
    for sid in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        accept(bed, bed.session(tun, sid, psid=5), what=f"session {sid:#x}")


@case("a session of another namespace is not found")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    with l2tp.L2tp(netns=bed.far) as there:
        there.tunnel_create(10, 10, local="127.0.0.1", remote="127.0.0.1", sport=9000, dport=9000)
        ktap.cleanup(there_is_nothing_left, bed)
        there.session_create(10, 2002, 2002, l2spec=1)
        there.session_create(10, 1001, 1001, l2spec=1)
        pass_up(bed, ses, [v3(2002, inner(new_tag()), l2ss=0)], "only the other one has it")
        accept(bed, ses, what="both have it")
        ktap.eq(l2tp.stats(there.session_get(10, 1001))["rx_packets"], 0, "the other one's counter")


def there_is_nothing_left(bed):
    with l2tp.L2tp(netns=bed.far) as there:
        there.wipe()


@case("a tunnel of an unknown version receives nothing")
def _(bed):
    near, far = datapath.ADDR[4]
    sock = l2tp.udp_socket(near, far, 5999, 5999, netns=bed.ns)
    result = bed.nl.try_tunnel_create(10, 11, fd=sock.fileno(), version=4)
    if result != "ok":
        sock.close()
        ktap.skip(f"such a tunnel cannot be made: {result}")
    tun = datapath.Tunnel(10, 11, 4, 5999, 5999, sock, 4)
    ktap.cleanup(bed.end, tun)
    bed.nl.session_create(10, 1001, 1002)
    frames = [v3(1001, inner(new_tag()), l2ss=0, flags=version) for version in (2, 3, 4, 5)]
    for frame in frames:
        bed.inject(tun, frame)
    bed.passed_up(tun, frames)
    ktap.eq({k: n for k, n in bed.tunnel_stats(tun).items() if n}, {}, "tunnel counters")


@case("a private protocol shares the socket with the data")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    frames = [b"tunneldigger", b"\0" * 14, b"\x80\x73\xa7\x01" + b"x" * 40, b"\xff" * 1400]
    pass_up(bed, ses, frames, "private protocol")
    tun.sock.send(b"\x80answer to the peer")
    dgram = wire.parse_udp(bed.sent(1)[0])
    ktap.eq(dgram.payload, b"\x80answer to the peer", "the socket still sends datagrams")
    accept(bed, ses)


@case("a tunnel socket tells its encapsulation and lives on as an ordinary one")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    ktap.eq(tun.sock.getsockopt(socket.IPPROTO_UDP, UDP_ENCAP), UDP_ENCAP_L2TPINUDP, "UDP_ENCAP")
    frame = ses.frame(inner(new_tag()))
    accept(bed, ses)
    bed.nl.tunnel_gone(10)
    # The hooks go with the last reference, which a session that is being deleted may hold.
    netns.wait_for(lambda: tun.sock.getsockopt(socket.IPPROTO_UDP, UDP_ENCAP) == 0, 5,
                   "UDP_ENCAP to be cleared")
    bed.inject(tun, frame)
    bed.passed_up(tun, [frame], "after the tunnel's end")
    bed.nl.tunnel_create(10, 11, fd=tun.sock.fileno())
    again = bed.session(tun, 1001)
    accept(bed, again, what="registered again")


@case("a frame over IP reaches the session of a UDP tunnel")
def _(bed):
    datapath.have_ip()
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, peer_cookie=COOKIE)
    near, far = datapath.ADDR[4]
    payload = inner(new_tag())
    body = v3(1001, payload, COOKIE, 0, udp_encap=False)
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(body), "d.rx_packets": 1,
                          "d.rx_bytes": len(body)}):
        bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, far, near, wire.PROTO_L2TP, body))
    bed.delivered(ses, [payload])


if __name__ == "__main__":
    sys.exit(ktap.main())
