#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Bugs that L2TP has had: PPPoL2TP sockets. The list is in Documentation/networking/l2tp-regressions.rst."""
import itertools
import os
import struct

from lib import impl, ktap
from lib import l2tp as L
from lib import pppox
from lib.genl import u8
from lib.pppox import Channel, Ground, Pppox, Unit, errno_of
from lib.regress import race, row

if not impl.load("l2tp_ppp"):
    ktap.diag("l2tp_ppp of this implementation is not available")
    raise SystemExit(ktap.SKIP)
ground = Ground()
ktap.at_exit(ground.close)
LCP_ECHO = b"\xc0\x21\x09\x01\x00\x08\0\0\0\0"
JUNK = b"\xff\x03" + LCP_ECHO


def end(**kw):
    """A tunnel that ends with the case."""
    one = ground.end(**kw)
    one.management()
    ktap.cleanup(ground.nl.try_tunnel_delete, one.tid)
    ktap.cleanup(one.close)
    return one


def gone(one):
    ground.wait_for(lambda: ground.nl.try_tunnel_get(one.tid) == "ENODEV", 10, "the tunnel's end")


@row(1, "CVE-2014-4943: options of other levels are not handed to UDP")
def _():
    sock = end().session(1, 2)
    for level in (0, 1000, 6, 17, 41):
        ktap.eq(errno_of(sock.setsockopt, pppox.SENDSEQ, 1, level=level), "EINVAL", f"set, level {level}")
        ktap.eq(errno_of(sock.getsockopt, pppox.SENDSEQ, level=level), "EINVAL", f"get, level {level}")


@row(4, "cdd10c962749: a PPP socket is used after its tunnel's socket was closed")
def _():
    one = end()
    sock = one.session(1, 2)
    one.udp.close()
    gone(one)
    ground.wait_for(lambda: errno_of(sock.send, LCP_ECHO) != "ok", 10, "the session's end")
    ktap.eq(errno_of(sock.getsockopt, pppox.SENDSEQ), "ENOTCONN")
    sock.close()


@row(7, "syzbot de316389db0f: ioctl() on a session that is being deleted")
def _():
    one = end()
    nl = L.L2tp(netns=ground.ns)

    def life():
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
            current.append(sock.fd)
            nl.session_delete(one.tid, 1)
    current = [-1]

    def ask():
        view = object.__new__(Pppox)
        view.fd = current[-1]
        view.raw_stats()
    race(life, ask, ask)


@row(8, "CVE-2018-9517: connect() to a session of a tunnel that is being deleted")
def _():
    one = end()
    nl = L.L2tp(netns=ground.ns)

    def make():
        with ground.socket() as management:
            management.connect(one.address(0, 0))

    def connect():
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
    race(lambda: nl.tunnel_delete(one.tid), make, connect, connect)


@row(11, "CVE-2021-0447: frames are received while the session's socket is closed")
def _():
    one = end()

    def life():
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
    race(life, lambda: one.inject(1, JUNK))


@row(12, "connect() looks at no more of the address than there is")
def _():
    one = end()
    sizes = {size for _, size in pppox.VARIANTS.values()}
    with ground.socket() as sock:
        for length in range(0, 129):
            if length not in sizes:
                ktap.eq(errno_of(sock.connect, one.address(1, 2), length), "EINVAL", f"length {length}")


@row(13, "connect() makes no socket of the kernel, and attaches to no Ethernet session")
def _():
    one = ground.end()
    ktap.cleanup(one.close)
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.connect, one.address(0, 0, fd=-1)), "EBADF", "no descriptor")
    ktap.eq(ground.nl.try_tunnel_get(one.tid), "ENODEV", "no tunnel")
    ground.nl.tunnel_create(one.tid, one.ptid, fd=one.udp.fileno())
    ktap.cleanup(ground.nl.try_tunnel_delete, one.tid)
    ground.nl.session_create(one.tid, 1, 2)
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.connect, one.address(1, 2, "v3")), "EPROTOTYPE", "an Ethernet session")


@row(16, "the route to the peer leads through the session's own device")
def _():
    ns = ground.ns
    ns.batch(["link add r16 type dummy", "link set r16 up", "addr add 192.168.16.1/24 dev r16"])
    ktap.cleanup(ns.ip, "link del r16", False)
    one = ground.end()
    ktap.cleanup(one.close)
    udp = L.udp_socket("192.168.16.1", "192.168.16.2", 7000, 7000, netns=ns)
    ktap.cleanup(udp.close)
    sock = ground.socket()
    ktap.cleanup(sock.close)
    with ground.socket() as management:
        management.connect(one.address(0, 0, fd=udp.fileno()))
    sock.connect(one.address(1, 2))
    with ns.enter():
        unit, channel = Unit(), Channel(sock)
        ktap.cleanup(unit.close)
        ktap.cleanup(channel.close)
        channel.connect(unit)
        unit.pass_through()
    ns.batch([f"link set {unit.name} up", f"addr add 10.16.0.1 peer 10.16.0.2 dev {unit.name}",
              f"route add 192.168.16.2/32 dev {unit.name}"])
    out = L.udp_socket("10.16.0.1", "10.16.0.2", 0, 9, netns=ns)
    ktap.cleanup(out.close)
    for _ in range(5):
        out.send(b"round and round")
    if impl.IS_C and not os.environ.get("FATAL"):
        ktap.diag("not tried: a frame that the socket sends, with which the C module locks up")
        return
    ktap.eq(errno_of(sock.send, LCP_ECHO), "ok", "a frame of the socket itself")


@row(29, "CVE-2022-20567: the session's socket is closed while netlink deletes the session")
def _():
    one = end()
    nl, nl_two = L.L2tp(netns=ground.ns), L.L2tp(netns=ground.ns)

    def life():
        made = nl.try_session_create(one.tid, 1, 2, pw=L.PW_PPP)
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
        return made == "ok"
    race(life, lambda: nl_two.session_delete(one.tid, 1), lambda: one.inject(1, JUNK))


@row(32, "a PPPoL2TP socket is no tunnel's socket")
def _():
    one = ground.end()
    ktap.cleanup(one.close)
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.connect, one.address(0, 0, fd=sock.fileno())), "EPROTONOSUPPORT")
    ktap.eq(ground.nl.try_tunnel_get(one.tid), "ENODEV", "no tunnel")


@row(35, "getsockopt() with a negative length")
def _():
    sock = end().session(1, 2)
    for length in (-1, -2 ** 31):
        ktap.eq(errno_of(sock.getsockopt, pppox.SENDSEQ, length), "EINVAL", f"length {length}")


@row(41, "frames are received while the socket of a session with a channel is closed")
def _():
    one = end()

    def life():
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
            sock.channel()
    race(life, lambda: one.inject(1, JUNK))


@row(45, "frames through the device have room for longer headers, also when these come later")
def _():
    one = end()
    sock = one.session(1, 2)
    with ground.ns.enter():
        unit, channel = Unit(), Channel(sock)
        ktap.cleanup(unit.close)
        ktap.cleanup(channel.close)
        channel.connect(unit)
        unit.pass_through()
    ground.ns.batch([f"link set {unit.name} up", f"addr add 10.45.0.1 peer 10.45.0.2 dev {unit.name}"])
    out = L.udp_socket("10.45.0.1", "10.45.0.2", 0, 9, netns=ground.ns)
    ktap.cleanup(out.close)
    for sequenced, start in ((0, b"\0\2"), (1, b"\x08\2")):
        sock.setsockopt(pppox.SENDSEQ, sequenced)
        out.send(b"x" * 1000)
        got = one.sent()
        while got and b"x" * 1000 not in got:         # what IPv6 says by itself
            got = one.sent()
        ktap.eq(got and got[:2], start, "the header")


@row(46, "ebe560ea5f54: a frame that no UDP datagram can hold")
def _():
    one = end()
    sock = one.session(1, 2)
    pppox._libc.setsockopt(sock.fd, 1, 32, struct.pack("=i", 4 << 20), 4)         # SO_SNDBUFFORCE
    ktap.eq(errno_of(os.write, sock.fd, bytes(0x34000)), "ok", "write()")
    ktap.eq(sock.stats()["tx_errors"], 1, "tx_errors")
    sock.send(LCP_ECHO)
    ktap.eq(one.sent()[-len(LCP_ECHO):], LCP_ECHO, "the next frame is the first that is sent")


@row(47, "a213a8950414: ioctl() of a management socket about sessions that are deleted")
def _():
    one = end()
    management = one.open[0]

    def life():
        with ground.socket() as sock:
            sock.connect(one.address(1, 2))
    race(life, lambda: management.raw_stats(1), lambda: management.raw_stats(0))


@row(48, "the sequence numbers of a session are switched while it sends")
def _():
    one = end()
    sock = one.session(1, 2)
    nl = L.L2tp(netns=ground.ns)
    turn = itertools.cycle((1, 0))
    race(lambda: nl.session_modify(one.tid, 1, u8(L.SEND_SEQ, next(turn))), lambda: sock.send(LCP_ECHO))
    count, bad = 0, []
    while (got := one.sent(0.2)) is not None:
        count += 1
        if got[:2] not in (b"\0\2", b"\x08\2") or got[10 if got[0] else 6:] != JUNK:
            bad.append(got)
    ktap.ok(count, "frames are sent")
    ktap.eq(bad[:3], [], "frames that are not as they should be")


@row("found by conformance", "connect() finds the session that netlink finds, and the peer's id is learned for all sessions")
def _():
    one = ground.end()
    ktap.cleanup(one.close)
    nl = ground.nl
    nl.tunnel_create(one.tid, 0, fd=one.udp.fileno(), version=2)
    ktap.cleanup(nl.try_tunnel_delete, one.tid)
    first = one.session(1, 2, ptid=0)
    one.session(3, 4)
    first.send(LCP_ECHO)
    ktap.eq(one.sent()[2:4], struct.pack("!H", one.ptid), "the peer's id in a session that was made before")
    a, b = ground.end(), ground.end()
    for other in (a, b):
        ktap.cleanup(other.close)
        nl.tunnel_create(other.tid, other.ptid, fd=other.udp.fileno())
        ktap.cleanup(nl.try_tunnel_delete, other.tid)
    nl.session_create(a.tid, 77, 78, pw=L.PW_PPP)
    ktap.eq(nl.session_get(b.tid, 77).uint(L.CONN_ID), a.tid, "netlink")
    b.session(77, 78, "v3")
    ktap.eq(nl.sessions().count((b.tid, 77)), 0, "no session was made")


if __name__ == "__main__":
    ktap.main()
