#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The MTU of an Ethernet session's device when it is created.

mtu = path MTU - (8 if UDP) - hdr_len - 14 - IP header, from what the tunnel's
socket has cached; 1500 - that overhead if it has none or the result is no MTU.
"""
import socket

from lib import impl, ktap
from lib import l2tp as L
from lib.netns import pair

a, b = pair()
ktap.at_exit(b.delete)
ktap.at_exit(a.delete)
a.ip("link add d0 mtu 9000 type dummy")
a.batch(["link set d0 up", "addr add 10.1.0.1/24 dev d0", "addr add fd01::1/64 dev d0 nodad"])
nl = L.L2tp(netns=a)
HAVE_IP = impl.load("l2tp_ip", "l2tp_ip6")

# l2spec, transmit cookie, and the L2TP header beyond session id (and UDP's flags)
SHAPES = ((0, 0), (1, 0), (1, 4), (1, 8))


def session_mtus():
    """MTU of a new session of tunnel 1 for each of SHAPES."""
    out = []
    for sid, (l2spec, cookie) in enumerate(SHAPES):
        nl.session_create(1, sid, 1, ifname=f"m{sid}", l2spec=l2spec,
                          cookie=bytes(cookie) if cookie else None)
        out.append(a.mtu(f"m{sid}"))
    return out


def table(want, need_ip=False, **kwargs):
    if need_ip and not HAVE_IP:
        ktap.skip("no l2tp_ip and l2tp_ip6 for this implementation")
    ktap.cleanup(clear)
    nl.tunnel_create(1, 2, **kwargs)
    ktap.eq(session_mtus(), want, "none, default, cookie 4, cookie 8")


def clear():
    from lib.netns import wait_for
    nl.wipe()
    wait_for(lambda: not any(n.startswith("m") for n in a.links()), what="devices gone")


P4 = dict(local="10.0.0.1", remote="10.0.0.2")
P6 = dict(local="fd00::1", remote="fd00::2")
LO4 = dict(local="127.0.0.1", remote="127.0.0.1")
LO6 = dict(local="::1", remote="::1")
PORTS = dict(sport=5000, dport=5001)
for name, want, kwargs in (
        ("UDP ip4, path 1500", [1450, 1446, 1442, 1438], {**P4, **PORTS}),
        ("UDP ip6, path 1500", [1430, 1426, 1422, 1418], {**P6, **PORTS}),
        ("UDP ip4, path 9000", [8950, 8946, 8942, 8938],
         dict(local="10.1.0.1", remote="10.1.0.2", **PORTS)),
        ("UDP ip6, path 9000", [8930, 8926, 8922, 8918],
         dict(local="fd01::1", remote="fd01::2", **PORTS)),
        ("UDP ip4, loopback", [65485, 65481, 65477, 65473], {**LO4, **PORTS}),
        ("UDP ip6, loopback", [65466, 65462, 65458, 65454], {**LO6, **PORTS}),
        ("UDP ip4, unconnected", [1450, 1446, 1442, 1438], dict(P4, sport=5000)),
        ("UDP ip6, unconnected", [1430, 1426, 1422, 1418], dict(P6, sport=5000)),
        ("UDP ip4, no addresses", [1450, 1446, 1442, 1438], dict(fd=0xffffffff)),
        ("IP ip4, path 1500", [1462, 1458, 1454, 1450], dict(P4, encap=L.IP, need_ip=True)),
        ("IP ip6, path 1500", [1442, 1438, 1434, 1430], dict(P6, encap=L.IP, need_ip=True)),
        ("IP ip4, loopback", [65497, 65493, 65489, 65485], dict(LO4, encap=L.IP, need_ip=True)),
        ("IP ip6, loopback", [65478, 65474, 65470, 65466], dict(LO6, encap=L.IP, need_ip=True))):
    ktap.add(name, table, want, **kwargs)


def managed(want, local, remote, prepare=lambda sock: None, connect=True):
    ktap.cleanup(clear)
    sock = L.udp_socket(local=local, netns=a)
    ktap.cleanup(sock.close)
    with a.enter():
        prepare(sock)
    if connect:
        sock.connect((remote, 5001))
    nl.tunnel_create(1, 2, fd=sock.fileno())
    ktap.eq(session_mtus(), want, "none, default, cookie 4, cookie 8")


def option(level, name, value):
    return lambda sock: sock.setsockopt(level, name, value)


NOP4, NOP40 = b"\1" * 4, b"\1" * 40                   # IP_OPTIONS: no-operation
DST8 = bytes([0, 0, 1, 4, 0, 0, 0, 0])                 # IPV6_DSTOPTS: one PadN
DST24 = bytes([0, 2, 1, 20]) + bytes(20)
for name, want, args in (
        ("user socket, ip4", [1450, 1446, 1442, 1438], ("10.0.0.1", "10.0.0.2")),
        ("user socket, ip6", [1430, 1426, 1422, 1418], ("fd00::1", "fd00::2")),
        ("user socket, v4-mapped: counted as ip6", [1430, 1426, 1422, 1418],
         ("::ffff:10.0.0.1", "::ffff:10.0.0.2")),
        ("user socket, ip4, 4 bytes of IP options", [1446, 1442, 1438, 1434],
         ("10.0.0.1", "10.0.0.2", option(socket.IPPROTO_IP, socket.IP_OPTIONS, NOP4))),
        ("user socket, ip4, 40 bytes of IP options", [1410, 1406, 1402, 1398],
         ("10.0.0.1", "10.0.0.2", option(socket.IPPROTO_IP, socket.IP_OPTIONS, NOP40))),
        ("user socket, ip6, 8 bytes of destination options", [1422, 1418, 1414, 1410],
         ("fd00::1", "fd00::2", option(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, DST8))),
        ("user socket, ip6, 24 bytes of destination options", [1406, 1402, 1398, 1394],
         ("fd00::1", "fd00::2", option(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, DST24))),
        ("user socket, ip4, unconnected", [1450, 1446, 1442, 1438],
         ("10.0.0.1", None, lambda sock: None, False))):
    ktap.add(name, managed, want, *args)


def lowered(want, mtu, prepare=lambda sock: None, address=("10.0.0.1", "10.0.0.2")):
    a.ip(f"link set va mtu {mtu}")
    ktap.cleanup(a.ip, "link set va mtu 1500")
    managed(want, *address, prepare)


ktap.add("path 1280", lowered, [1230, 1226, 1222, 1218], 1280)
ktap.add("path 576", lowered, [526, 522, 518, 514], 576)
ktap.add("path 68: smaller than Ethernet's minimum is taken", lowered, [18, 14, 10, 6], 68)
ktap.add("path 68 with 40 bytes of options: below zero, so as from 1500", lowered,
         [1410, 1406, 1402, 1398], 68, option(socket.IPPROTO_IP, socket.IP_OPTIONS, NOP40))
ktap.add("path 92 with 40 bytes of options: 2, -2, -6, -10", lowered,
         [2, 1406, 1402, 1398], 92, option(socket.IPPROTO_IP, socket.IP_OPTIONS, NOP40))


@ktap.case("a route's own MTU counts")
def _():
    a.ip("route add 10.0.0.2/32 dev va mtu 1300")
    ktap.cleanup(a.ip, "route del 10.0.0.2/32")
    table([1250, 1246, 1242, 1238], **P4, **PORTS)


@ktap.case("only the transmit cookie counts; every length from 0 to 8")
def _():
    ktap.cleanup(clear)
    nl.tunnel_create(1, 2, **P4, **PORTS)
    for size in range(9):
        nl.session_create(1, size, 1, ifname=f"m{size}", cookie=bytes(size), peer_cookie=bytes(8 - size))
        ktap.eq(a.mtu(f"m{size}"), 1446 - size, f"cookie of {size} bytes")


@ktap.case("sequence numbers do not count: the sublayer is there or not")
def _():
    ktap.cleanup(clear)
    nl.tunnel_create(1, 2, **P4, **PORTS)
    nl.session_create(1, 1, 1, ifname="m1", send_seq=1, recv_seq=1)
    nl.session_create(1, 2, 1, ifname="m2", send_seq=1, l2spec=0)
    ktap.eq((a.mtu("m1"), a.mtu("m2")), (1446, 1450))


@ktap.case("it is computed once: later changes of the path are not followed")
def _():
    ktap.cleanup(clear)
    ktap.cleanup(a.ip, "link set va mtu 1500")
    nl.tunnel_create(1, 2, **P4, **PORTS)
    nl.session_create(1, 1, 1, ifname="m1")
    a.ip("link set va mtu 1200")
    ktap.eq(a.mtu("m1"), 1446)


@ktap.case("a device's MTU can be set to anything from 0 to 65535")
def _():
    ktap.cleanup(clear)
    nl.tunnel_create(1, 2, **P4, **PORTS)
    nl.session_create(1, 1, 1, ifname="m1")
    for mtu in (0, 1, 68, 1500, 9000, 65535):
        a.ip(f"link set m1 mtu {mtu}")
        ktap.eq(a.mtu("m1"), mtu)
    ktap.ok(a.ip("link set m1 mtu 65536", check=False).returncode, "65536 is refused")
    ktap.eq(a.mtu("m1"), 65535)


ktap.main()
