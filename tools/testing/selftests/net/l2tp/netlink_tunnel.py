#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tunnels through generic netlink: every check, its errno and order, and the reply."""
import os
import socket
import struct

from lib import genl, impl, ktap
from lib import l2tp as L
from lib.genl import raw, u8, u16, u32
from lib.netns import NetNS, wait_for

ns, other = NetNS(), NetNS()
ktap.at_exit(ns.delete)
ktap.at_exit(other.delete)
ns.ip("link add eth0 type dummy")
ns.batch(["link set eth0 up", "addr add 10.0.0.1/24 dev eth0", "addr add fd00::1/64 dev eth0 nodad"])
nl = L.L2tp(netns=ns)
HAVE_IP = impl.load("l2tp_ip", "l2tp_ip6")

LO4 = raw(L.IP_SADDR, b"\x7f\0\0\1") + raw(L.IP_DADDR, b"\x7f\0\0\1")
LO6 = raw(L.IP6_SADDR, bytes(15) + b"\1") + raw(L.IP6_DADDR, bytes(15) + b"\1")
ID = u32(L.CONN_ID, 1)
PEER = u32(L.PEER_CONN_ID, 2)
V3 = u8(L.PROTO_VERSION, 3)
ENC = u16(L.ENCAP_TYPE, L.UDP)
BASE = ID + PEER + V3 + ENC


def tidy():
    ktap.cleanup(nl.wipe)


def sock(family=socket.AF_INET, kind=socket.SOCK_DGRAM, proto=0, space=ns):
    """A socket of the namespace that the case's end closes."""
    with space.enter():
        made = socket.socket(family, kind | socket.SOCK_CLOEXEC, proto)
    ktap.cleanup(made.close)
    return made


def udp(**kwargs):
    made = L.udp_socket(netns=ns, **kwargs)
    ktap.cleanup(made.close)
    return made


# Creation: attributes ------------------------------------------------------

def create_gives(attrs, want):
    tidy()
    answer = nl.do(L.TUNNEL_CREATE, attrs)
    ktap.eq(answer.name, want, "TUNNEL_CREATE")
    ktap.eq(answer.extack.msg, None, "extack text (l2tp sets none)")
    if want != "ok":
        ktap.eq(nl.tunnels(), [], "tunnels after the refusal")


for name, attrs, want in (
        ("no attribute at all", b"", "EINVAL"),
        ("no CONN_ID", PEER + V3 + ENC + LO4, "EINVAL"),
        ("no PEER_CONN_ID", ID + V3 + ENC + LO4, "EINVAL"),
        ("no PROTO_VERSION", ID + PEER + ENC + LO4, "EINVAL"),
        ("no ENCAP_TYPE", ID + PEER + V3 + LO4, "EINVAL"),
        ("no CONN_ID, fd bad too", PEER + V3 + ENC + u32(L.FD, 4000), "EINVAL"),
        ("neither fd nor address", BASE, "EINVAL"),
        ("only IP_SADDR", BASE + raw(L.IP_SADDR, b"\x7f\0\0\1"), "EINVAL"),
        ("only IP_DADDR", BASE + raw(L.IP_DADDR, b"\x7f\0\0\1"), "EINVAL"),
        ("only IP6_SADDR", BASE + raw(L.IP6_SADDR, bytes(16)), "EINVAL"),
        ("only IP6_DADDR", BASE + raw(L.IP6_DADDR, bytes(16)), "EINVAL"),
        ("IP6_SADDR with IP_DADDR",
         BASE + raw(L.IP6_SADDR, bytes(16)) + raw(L.IP_DADDR, b"\x7f\0\0\1"), "EINVAL"),
        ("encapsulation 2", ID + PEER + V3 + u16(L.ENCAP_TYPE, 2) + LO4, "EINVAL"),
        ("encapsulation 65535", ID + PEER + V3 + u16(L.ENCAP_TYPE, 65535) + LO4, "EINVAL"),
        ("encapsulation 2 is seen before a bad fd",
         ID + PEER + V3 + u16(L.ENCAP_TYPE, 2) + u32(L.FD, 4000), "EINVAL"),
        ("ip4 addresses", BASE + LO4, "ok"),
        ("ip6 addresses", BASE + LO6, "ok"),
        ("one half of an ip6 pair beside an ip4 pair", BASE + LO4 + raw(L.IP6_SADDR, bytes(16)), "ok"),
        ("tunnel id 0", u32(L.CONN_ID, 0) + PEER + V3 + ENC + LO4, "ok"),
        ("tunnel id 0xffffffff", u32(L.CONN_ID, 0xffffffff) + PEER + V3 + ENC + LO4, "ok"),
        ("peer tunnel id 0", ID + u32(L.PEER_CONN_ID, 0) + V3 + ENC + LO4, "ok"),
        ("version 2 with an id above 65535",
         u32(L.CONN_ID, 0x12345) + PEER + u8(L.PROTO_VERSION, 2) + ENC + LO4, "ok"),
        *((f"version {v}", ID + PEER + u8(L.PROTO_VERSION, v) + ENC + LO4, "ok")
          for v in (0, 1, 2, 4, 255))):
    ktap.add(f"create: {name}: {want}", create_gives, attrs, want)


@ktap.case("create: refusals carry no text, though they may say which attribute it is")
def _():
    tidy()
    for attrs in (b"", PEER + V3 + ENC + LO4, ID + V3 + ENC + LO4, ID + PEER + ENC + LO4,
                  ID + PEER + V3 + LO4, BASE, ID + PEER + V3 + u16(L.ENCAP_TYPE, 2) + LO4,
                  BASE + u32(L.FD, 4000)):
        extack = nl.do(L.TUNNEL_CREATE, attrs).extack
        ktap.eq(extack.msg, None, attrs.hex())
        if impl.differs("the attribute that is missing or refused is reported", c=False, rust=True):
            continue
        ktap.eq((extack.offset, extack.miss_type), (None, None), attrs.hex())


@ktap.case("create: the stored version and ids are those of the request")
def _():
    tidy()
    for tid, ptid, version in ((0, 0, 0), (1, 0xffffffff, 1), (0x12345, 5, 2), (0xffffffff, 7, 255)):
        nl.tunnel_create(tid, ptid, local="127.0.0.1", remote="127.0.0.1", version=version)
        got = nl.tunnel_get(tid)
        ktap.eq((got.uint(L.CONN_ID), got.uint(L.PEER_CONN_ID), got.uint(L.PROTO_VERSION)),
                (tid, ptid, version), "ids and version")


@ktap.case("create: the last of several attributes of one type counts")
def _():
    tidy()
    ktap.eq(nl.do(L.TUNNEL_CREATE, u32(L.CONN_ID, 99) + BASE + LO4).name, "ok")
    ktap.eq(nl.tunnels(), [1])


@ktap.case("create: ip6 addresses win over ip4 ones")
def _():
    tidy()
    ktap.eq(nl.do(L.TUNNEL_CREATE, BASE + LO6 + LO4).name, "ok")
    got = nl.tunnel_get(1)
    ktap.eq((got.get(L.IP_SADDR), got.data(L.IP6_SADDR)), (None, bytes(15) + b"\1"))


@ktap.case("create: an IP6 address shorter than 16 bytes")
def _():
    tidy()
    if impl.IS_C:
        ktap.skip("the C modules read past the attribute")
    for size in (0, 4, 15):
        short = BASE + raw(L.IP6_SADDR, bytes(size)) + raw(L.IP6_DADDR, bytes(15) + b"\1")
        ktap.eq(nl.do(L.TUNNEL_CREATE, short).name, "EINVAL", f"{size} byte source")
        short = BASE + raw(L.IP6_SADDR, bytes(15) + b"\1") + raw(L.IP6_DADDR, bytes(size))
        ktap.eq(nl.do(L.TUNNEL_CREATE, short).name, "EINVAL", f"{size} byte destination")


# Creation: uniqueness ------------------------------------------------------

@ktap.case("create: an id in use is EEXIST, before socket or fd are looked at")
def _():
    tidy()
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1")
    with open("/dev/null", "rb") as file:
        for what, kwargs in (("same again", dict(local="127.0.0.1", remote="127.0.0.1")),
                             ("other version", dict(local="127.0.0.1", remote="127.0.0.1", version=2)),
                             ("other family", dict(local="::1", remote="::1")),
                             ("bad fd", dict(fd=4000)),
                             ("not a socket", dict(fd=file.fileno())),
                             ("address not ours", dict(local="203.0.113.1", remote="127.0.0.1"))):
            ktap.eq(nl.try_tunnel_create(1, 9, **kwargs), "EEXIST", what)
    ktap.eq(nl.tunnel_get(1).uint(L.PEER_CONN_ID), 2, "peer id of the survivor")


@ktap.case("create: peer ids need not be unique; the same id is free in another namespace")
def _():
    tidy()
    with L.L2tp(netns=other) as there:
        nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1")
        nl.tunnel_create(3, 2, local="127.0.0.1", remote="127.0.0.1")
        there.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1")
        ktap.eq(there.tunnels(), [1])
        there.wipe()


@ktap.case("create: of many concurrent requests for one id exactly one succeeds")
def _():
    tidy()
    for _ in range(5):
        clients = [L.L2tp(netns=ns) for _ in range(8)]
        request = BASE + LO4
        sent = [(c, c.send(L.TUNNEL_CREATE, request)) for c in clients]
        names = sorted(c.collect(seq).name for c, seq in sent)
        ktap.eq(names, ["EEXIST"] * 7 + ["ok"])
        for client in clients:
            client.close()
        nl.tunnel_gone(1)


# Creation: user sockets ----------------------------------------------------

@ktap.case("fd: no such descriptor is EBADF")
def _():
    tidy()
    for fd in (4000, 0x7fffffff):
        ktap.eq(nl.try_tunnel_create(1, 2, fd=fd), "EBADF", f"fd {fd:#x}")


@ktap.case("fd: not a socket is ENOTSOCK")
def _():
    tidy()
    with open("/dev/null", "rb") as file:
        ktap.eq(nl.try_tunnel_create(1, 2, fd=file.fileno()), "ENOTSOCK")
    reader, writer = os.pipe()
    ktap.eq(nl.try_tunnel_create(1, 2, fd=reader), "ENOTSOCK", "pipe")
    os.close(reader)
    os.close(writer)


@ktap.case("fd: a socket of another namespace is EINVAL, whatever else is wrong with it")
def _():
    tidy()
    for what, args in (("udp", ()), ("tcp", (socket.AF_INET, socket.SOCK_STREAM)),
                       ("unix", (socket.AF_UNIX, socket.SOCK_STREAM))):
        ktap.eq(nl.try_tunnel_create(1, 2, fd=sock(*args, space=other).fileno()), "EINVAL", what)


@ktap.case("fd: wrong kinds of socket are EPROTONOSUPPORT")
def _():
    tidy()
    for what, args in (("tcp", (socket.AF_INET, socket.SOCK_STREAM)),
                       ("tcp6", (socket.AF_INET6, socket.SOCK_STREAM)),
                       ("raw udp", (socket.AF_INET, socket.SOCK_RAW, 17)),
                       ("unix stream", (socket.AF_UNIX, socket.SOCK_STREAM)),
                       ("unix datagram", (socket.AF_UNIX, socket.SOCK_DGRAM)),
                       ("unix seqpacket", (socket.AF_UNIX, socket.SOCK_SEQPACKET)),
                       ("packet", (socket.AF_PACKET, socket.SOCK_DGRAM)),
                       ("netlink", (socket.AF_NETLINK, socket.SOCK_DGRAM))):
        ktap.eq(nl.try_tunnel_create(1, 2, fd=sock(*args).fileno()), "EPROTONOSUPPORT", what)
    ns.sysctl("net.ipv4.ping_group_range", "0 0")
    for what, family, proto in (("ping", socket.AF_INET, 1), ("ping6", socket.AF_INET6, 58)):
        ktap.eq(nl.try_tunnel_create(1, 2, fd=sock(family, socket.SOCK_DGRAM, proto).fileno()),
                "EPROTONOSUPPORT", what)


@ktap.case("fd: a UDP socket for IP encapsulation is EPROTONOSUPPORT")
def _():
    tidy()
    ktap.eq(nl.try_tunnel_create(1, 2, fd=udp().fileno(), encap=L.IP), "EPROTONOSUPPORT")


@ktap.case("fd: a socket that carries a tunnel is EBUSY, also through a dup")
def _():
    tidy()
    one = udp()
    nl.tunnel_create(1, 2, fd=one.fileno())
    ktap.eq(nl.try_tunnel_create(3, 4, fd=one.fileno()), "EBUSY")
    copy = os.dup(one.fileno())
    ktap.eq(nl.try_tunnel_create(3, 4, fd=copy), "EBUSY", "dup")
    os.close(copy)
    ktap.eq(nl.tunnels(), [1])


@ktap.case("fd: a socket with user data of another encapsulation is EBUSY")
def _():
    tidy()
    one = udp(local="127.0.0.1")
    gtp_device(one)
    ktap.eq(nl.try_tunnel_create(1, 2, fd=one.fileno()), "EBUSY")


@ktap.case("fd: a socket that another encapsulation has taken over stays its own")
def _():
    tidy()
    one = udp(local="127.0.0.1")
    ktap.eq(nl.try_tunnel_create(1, 2, fd=one.fileno()), "ok")
    ktap.eq(one.getsockopt(17, 100), 3, "UDP_ENCAP")
    gtp_device(one)
    ktap.eq(one.getsockopt(17, 100), 5, "UDP_ENCAP with GTP")
    ktap.eq(nl.do(L.TUNNEL_DELETE, ID).name, "ok")
    ktap.ok(wait_for(lambda: not ns.ip("l2tp show tunnel").stdout), "the tunnel is gone")
    ktap.eq(one.getsockopt(17, 100), impl.differs("hooks of others", c=0, rust=5), "UDP_ENCAP afterwards")


def gtp_device(one):
    """A gtp device that takes the socket over; skips the case if there can be none."""
    if not impl.load("gtp"):
        ktap.skip("no gtp module")
    with ns.enter(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as rt:
        # RTM_NEWLINK of a gtp device that takes the socket over.
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + genl.string(3, "gtp0") + \
            raw(18, genl.string(1, "gtp") + raw(2, u32(2, one.fileno())))
        rt.send(struct.pack("=IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
        error = -struct.unpack_from("=i", rt.recv(4096), 16)[0]
    if error:
        ktap.skip(f"no gtp device: {genl.name_of(error)}")
    ktap.cleanup(ns.ip, "link del gtp0")


@ktap.case("fd: unbound, unconnected, half shut, v6only and reuseport sockets are taken")
def _():
    tidy()
    tid = 0
    for what, prepare in (
            ("fresh", lambda s: None),
            ("reuseport", lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)),
            ("UDP_ENCAP=3 already", lambda s: s.setsockopt(17, 100, 3)),
            ("connected", lambda s: s.connect(("127.0.0.1", 9)))):
        one, tid = sock(), tid + 1
        prepare(one)
        ktap.eq(nl.try_tunnel_create(tid, 2, fd=one.fileno()), "ok", what)
    one = sock(socket.AF_INET6)
    one.setsockopt(41, 26, 1)
    ktap.eq(nl.try_tunnel_create(9, 2, fd=one.fileno()), "ok", "v6only")
    one = udp(remote="127.0.0.1", rport=9)
    one.shutdown(socket.SHUT_RDWR)
    ktap.eq(nl.try_tunnel_create(10, 2, fd=one.fileno()), "ok", "shut down")


@ktap.case("fd: address, port and checksum attributes beside it are ignored")
def _():
    tidy()
    one = udp(remote="127.0.0.1", lport=4000, rport=4001)
    nl.tunnel_create(1, 2, fd=one.fileno(), local="203.0.113.1", remote="203.0.113.2", sport=1,
                     dport=2, zero_csum6_tx=True)
    got = nl.tunnel_get(1)
    ktap.eq((got.data(L.IP_SADDR), got.uint(L.UDP_SPORT), got.uint(L.UDP_DPORT)),
            (b"\x7f\0\0\1", 4000, 4001))


@ktap.case("fd: 0xffffffff, like any negative number, makes a kernel socket with no addresses")
def _():
    tidy()
    for tid, fd in enumerate((0xffffffff, 0xfffffffe, 0x80000000)):
        nl.tunnel_create(tid, 2, fd=fd, local="127.0.0.1", remote="127.0.0.1", sport=77, dport=78)
        got = nl.tunnel_get(tid)
        ktap.eq((got.data(L.IP_SADDR), got.data(L.IP_DADDR), got.uint(L.UDP_DPORT)),
                (bytes(4), bytes(4), 0))
        ktap.ok(got.uint(L.UDP_SPORT) not in (0, 77), f"source port {got.uint(L.UDP_SPORT)}")


@ktap.case("fd: the socket reports UDP_ENCAP 3 while it carries the tunnel")
def _():
    tidy()
    one = udp(remote="127.0.0.1", rport=9)
    ktap.eq(one.getsockopt(17, 100), 0, "before")
    nl.tunnel_create(1, 2, fd=one.fileno())
    ktap.eq(one.getsockopt(17, 100), 3, "UDP_ENCAP")
    ktap.eq(one.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP), 0, "multicast loop")
    nl.tunnel_gone(1)
    wait_for(lambda: one.getsockopt(17, 100) == 0, what="UDP_ENCAP back to 0")


@ktap.case("fd: after TUNNEL_DELETE the socket is a plain UDP socket and can be used again")
def _():
    tidy()
    peer = udp()
    one = udp(remote="127.0.0.1", rport=peer.getsockname()[1])
    peer.connect(one.getsockname())
    one.settimeout(5)
    frame = bytes.fromhex("00030000") + struct.pack(">I", 11) + bytes(60)
    for _ in range(3):
        nl.tunnel_create(1, 2, fd=one.fileno())
        nl.session_create(1, 11, 12, l2spec=0)
        peer.send(frame)
        wait_for(lambda: L.stats(nl.session_get(1, 11))["rx_packets"] == 1, what="frame received")
        nl.tunnel_gone(1)
        wait_for(lambda: one.getsockopt(17, 100) == 0, what="end of the encapsulation")
        peer.send(frame)
        ktap.eq(one.recv(200), frame, "data frame after the tunnel")


# Creation: kernel sockets --------------------------------------------------

def unmanaged(want, **kwargs):
    tidy()
    blocker = kwargs.pop("blocker", None)
    if blocker:
        with ns.enter():
            holder = socket.socket(socket.AF_INET6 if ":" in blocker[0] else socket.AF_INET,
                                   socket.SOCK_DGRAM)
            ktap.cleanup(holder.close)
            holder.bind(blocker)
    ktap.eq(nl.try_tunnel_create(1, 2, **kwargs), want)
    if want == "ok":
        got = nl.tunnel_get(1)
        if "sport" in kwargs:
            ktap.eq(got.uint(L.UDP_SPORT), kwargs["sport"], "source port")
        ktap.eq(got.uint(L.UDP_DPORT), kwargs.get("dport", 0), "destination port")
    else:
        ktap.eq(nl.tunnels(), [], "tunnels after the refusal")
        ktap.eq(nl.try_tunnel_create(1, 2, fd=0xffffffff), "ok", "the id is free again")


for name, want, kwargs in (
        ("local address not ours", "EADDRNOTAVAIL",
         dict(local="203.0.113.1", remote="127.0.0.1", dport=9)),
        ("ip6 local address not ours", "EADDRNOTAVAIL",
         dict(local="2001:db8::1", remote="::1", dport=9)),
        ("port in use", "EADDRINUSE", dict(local="127.0.0.1", remote="127.0.0.1", sport=5555,
                                           blocker=("127.0.0.1", 5555))),
        ("ip6 port in use", "EADDRINUSE", dict(local="::1", remote="::1", sport=5555,
                                               blocker=("::1", 5555))),
        ("no route to the peer", "ENETUNREACH",
         dict(local="10.0.0.1", remote="203.0.113.2", dport=9)),
        ("no ip6 route to the peer", "ENETUNREACH",
         dict(local="fd00::1", remote="2001:db8::1", dport=9)),
        ("no route, but no peer port either", "ok", dict(local="10.0.0.1", remote="203.0.113.2")),
        ("link-local peer", "EINVAL", dict(local="fd00::1", remote="fe80::2", dport=9)),
        ("link-local source", "EINVAL", dict(local="fe80::1", remote="fd00::2", dport=9)),
        ("broadcast peer", "EACCES", dict(local="10.0.0.1", remote="255.255.255.255", dport=9)),
        ("both ports", "ok", dict(local="10.0.0.1", remote="10.0.0.2", sport=5000, dport=5001)),
        ("ip6 both ports", "ok", dict(local="fd00::1", remote="fd00::2", sport=5000, dport=5001)),
        ("no peer port", "ok", dict(local="10.0.0.1", remote="10.0.0.2", sport=5000)),
        ("no port", "ok", dict(local="10.0.0.1", remote="10.0.0.2")),
        ("wildcard source", "ok", dict(local="0.0.0.0", remote="10.0.0.2", sport=1, dport=2)),
        ("ip6 wildcard source", "ok", dict(local="::", remote="fd00::2", sport=1, dport=2)),
        ("v4-mapped addresses", "ok", dict(local="::ffff:10.0.0.1", remote="::ffff:10.0.0.2", sport=5000,
                                           dport=5001)),
        ("privileged source port", "ok", dict(local="10.0.0.1", remote="10.0.0.2", sport=1701,
                                              dport=1701))):
    ktap.add(f"kernel socket: {name}: {want}", unmanaged, want, **kwargs)


@ktap.case("kernel socket: ports default to 0, local 0 is ephemeral, peer 0 is unconnected")
def _():
    tidy()
    nl.tunnel_create(1, 2, local="10.0.0.1", remote="10.0.0.2")
    got = nl.tunnel_get(1)
    ktap.eq((got.data(L.IP_SADDR), got.data(L.IP_DADDR), got.uint(L.UDP_DPORT)),
            (socket.inet_aton("10.0.0.1"), bytes(4), 0), "bound, not connected")
    ktap.ok(got.uint(L.UDP_SPORT) >= 1024, "source port")


@ktap.case("kernel socket: shows in /proc/net/udp while the tunnel lives")
def _():
    tidy()

    def ports(file):
        with ns.enter(), open(f"/proc/thread-self/net/{file}", encoding="ascii") as lines:
            return [int(line.split()[1].rsplit(":", 1)[1], 16) for line in list(lines)[1:]]
    nl.tunnel_create(1, 2, local="10.0.0.1", remote="10.0.0.2", sport=5000, dport=5001)
    nl.tunnel_create(2, 2, local="fd00::1", remote="fd00::2", sport=5006, dport=5001)
    ktap.ok(5000 in ports("udp"), "udp")
    ktap.ok(5006 in ports("udp6"), "udp6")
    nl.wipe()
    wait_for(lambda: 5000 not in ports("udp") and 5006 not in ports("udp6"), what="sockets gone")


@ktap.case("kernel socket: UDP_CSUM is presence only, off by default, nothing on ip6")
def _():
    tidy()
    for tid, (kwargs, want) in enumerate((({}, 0), ({"udp_csum": 0}, 1), ({"udp_csum": 1}, 1))):
        nl.tunnel_create(tid, 2, local="127.0.0.1", remote="127.0.0.1", **kwargs)
        ktap.eq(nl.tunnel_get(tid).uint(L.UDP_CSUM), want, f"{kwargs}")
    nl.tunnel_create(10, 2, local="::1", remote="::1", udp_csum=0)
    got = nl.tunnel_get(10)
    ktap.eq((got.get(L.UDP_CSUM), got.get(L.UDP_ZERO_CSUM6_TX), got.get(L.UDP_ZERO_CSUM6_RX)),
            (None, None, None), "ip6")
    nl.tunnel_create(11, 2, local="127.0.0.1", remote="127.0.0.1", zero_csum6_tx=True,
                     zero_csum6_rx=True)
    ktap.eq(nl.tunnel_get(11).uint(L.UDP_CSUM), 0, "ZERO_CSUM6 on ip4")


@ktap.case("kernel socket: UDP_ZERO_CSUM6_TX and _RX, each by presence of any length")
def _():
    tidy()
    for tid, (tx, rx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        nl.tunnel_create(tid, 2, local="::1", remote="::1", zero_csum6_tx=tx, zero_csum6_rx=rx)
        got = nl.tunnel_get(tid)
        ktap.eq((got.data(L.UDP_ZERO_CSUM6_TX), got.data(L.UDP_ZERO_CSUM6_RX)),
                (b"" if tx else None, b"" if rx else None), f"tx {tx} rx {rx}")
    request = BASE + LO6 + raw(L.UDP_ZERO_CSUM6_TX, bytes(5)) + u8(L.UDP_ZERO_CSUM6_RX, 0)
    ktap.eq(nl.do(L.TUNNEL_CREATE, request.replace(ID, u32(L.CONN_ID, 9))).name, "ok")
    ktap.eq(nl.tunnel_get(9).data(L.UDP_ZERO_CSUM6_TX), b"", "5 byte attribute")


# Reply ---------------------------------------------------------------------

V4 = [L.PROTO_VERSION, L.CONN_ID, L.PEER_CONN_ID, L.DEBUG, L.ENCAP_TYPE, L.STATS, L.UDP_CSUM,
      L.UDP_SPORT, L.UDP_DPORT, L.IP_SADDR, L.IP_DADDR]
V6 = V4[:6] + [L.UDP_SPORT, L.UDP_DPORT, L.IP6_SADDR, L.IP6_DADDR]
V6Z = V4[:6] + [L.UDP_ZERO_CSUM6_TX, L.UDP_ZERO_CSUM6_RX] + V6[6:]
SIZES = {L.PROTO_VERSION: 1, L.CONN_ID: 4, L.PEER_CONN_ID: 4, L.DEBUG: 4, L.ENCAP_TYPE: 2,
         L.STATS: 120, L.UDP_CSUM: 1, L.UDP_SPORT: 2, L.UDP_DPORT: 2, L.IP_SADDR: 4, L.IP_DADDR: 4,
         L.IP6_SADDR: 16, L.IP6_DADDR: 16, L.UDP_ZERO_CSUM6_TX: 0, L.UDP_ZERO_CSUM6_RX: 0}


def layout(message, order):
    ktap.eq(message.order(), order, "attribute order")
    for attr in message.attrs:
        ktap.eq((attr.flags, len(attr.data)), (0, SIZES[attr.type]), f"flags, size of {attr.type}")
    ktap.eq([a.type for a in message.get(L.STATS).nest], L.STATS_ORDER, "STATS order")
    ktap.eq({len(a.data) for a in message.get(L.STATS).nest}, {8}, "STATS sizes")
    ktap.eq(set(L.stats(message).values()), {0}, "STATS values")
    ktap.eq((message.cmd, message.version, message.reserved), (L.TUNNEL_GET, 1, 0), "genl header")


@ktap.case("reply: header: flags 0x4, the requester's port and sequence number")
def _():
    tidy()
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1")
    for flags in (0x1, 0x5, 0x9):
        seq = nl.send(L.TUNNEL_GET, ID, flags=flags, seq=0xdeadbeef - flags)
        message = nl.receive(5)[0]
        ktap.eq((message.type, message.flags, message.seq, message.port),
                (nl.family, 4, seq, nl.port), f"request flags {flags:#x}")
        if flags & 4:
            nl.receive(5)


for name, kwargs, order in (
        ("ip4", dict(local="10.0.0.1", remote="10.0.0.2", sport=5, dport=6), V4),
        ("ip6", dict(local="fd00::1", remote="fd00::2", sport=5, dport=6), V6),
        ("ip6 without checksums", dict(local="fd00::1", remote="fd00::2", zero_csum6_tx=True,
                                       zero_csum6_rx=True), V6Z)):
    @ktap.case(f"reply: layout, {name}", kwargs, order)
    def _(kwargs, order):
        tidy()
        nl.tunnel_create(0x01020304, 0xa0b0c0d0, **kwargs)
        got = nl.tunnel_get(0x01020304)
        layout(got, order)
        ktap.eq((got.uint(L.CONN_ID), got.uint(L.PEER_CONN_ID), got.uint(L.ENCAP_TYPE),
                 got.uint(L.DEBUG), got.uint(L.PROTO_VERSION)),
                (0x01020304, 0xa0b0c0d0, 0, 0, 3), "values")


for name, local, remote, shown in (
        ("ip4", "127.0.0.1", "127.0.0.2", ("7f000001", "7f000002")),
        ("ip6", "fd00::1", "fd00::2", ("fd00" + "00" * 13 + "01", "fd00" + "00" * 13 + "02")),
        ("v4-mapped", "::ffff:127.0.0.1", "::ffff:127.0.0.2",
         ("00" * 10 + "ffff7f000001", "00" * 10 + "ffff7f000002"))):
    @ktap.case(f"reply: user socket's addresses and ports, {name}", local, remote, shown)
    def _(local, remote, shown):
        tidy()
        one = udp(local=local, remote=remote, lport=4000, rport=4001)
        nl.tunnel_create(1, 2, fd=one.fileno())
        got = nl.tunnel_get(1)
        v4 = ":" not in local
        layout(got, V4 if v4 else V6)
        ktap.eq((got.data(L.IP_SADDR if v4 else L.IP6_SADDR).hex(),
                 got.data(L.IP_DADDR if v4 else L.IP6_DADDR).hex()), shown, "addresses")
        ktap.eq((got.uint(L.UDP_SPORT), got.uint(L.UDP_DPORT)), (4000, 4001), "ports")


@ktap.case("reply: addresses follow the user's socket: unbound, bound, connected, disconnected")
def _():
    tidy()
    one = sock()
    nl.tunnel_create(1, 2, fd=one.fileno())

    def shown():
        got = nl.tunnel_get(1)
        return (socket.inet_ntoa(got.data(L.IP_SADDR)), got.uint(L.UDP_SPORT),
                socket.inet_ntoa(got.data(L.IP_DADDR)), got.uint(L.UDP_DPORT))
    ktap.eq(shown(), ("0.0.0.0", 0, "0.0.0.0", 0), "unbound")
    one.bind(("127.0.0.1", 4000))
    ktap.eq(shown(), ("127.0.0.1", 4000, "0.0.0.0", 0), "bound")
    one.connect(("127.0.0.9", 4009))
    ktap.eq(shown(), ("127.0.0.1", 4000, "127.0.0.9", 4009), "connected")


@ktap.case("reply: UDP_CSUM of a user socket follows SO_NO_CHECK")
def _():
    tidy()
    one = udp(remote="127.0.0.1", rport=9)
    nl.tunnel_create(1, 2, fd=one.fileno())
    ktap.eq(nl.tunnel_get(1).uint(L.UDP_CSUM), 1, "default")
    one.setsockopt(socket.SOL_SOCKET, 11, 1)
    ktap.eq(nl.tunnel_get(1).uint(L.UDP_CSUM), 0, "SO_NO_CHECK")


@ktap.case("reply: zero checksum flags of a user ip6 socket follow UDP_NO_CHECK6_TX and _RX")
def _():
    tidy()
    one = udp(local="::1", remote="::1", rport=9)
    nl.tunnel_create(1, 2, fd=one.fileno())
    layout(nl.tunnel_get(1), V6)
    one.setsockopt(17, 101, 1)
    ktap.eq(nl.tunnel_get(1).order()[6], L.UDP_ZERO_CSUM6_TX)
    one.setsockopt(17, 102, 1)
    layout(nl.tunnel_get(1), V6Z)


@ktap.case("DEBUG reads back")
def _():
    tidy()
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", debug=0xf)
    what = "tunnel debug mask"
    ktap.eq(nl.tunnel_get(1).uint(L.DEBUG), impl.differs(what, c=0, rust=0xf), "as created")
    nl.tunnel_modify(1, u32(L.DEBUG, 0x80000001))
    ktap.eq(nl.tunnel_get(1).uint(L.DEBUG), impl.differs(what, c=0, rust=0x80000001), "as modified")
    nl.tunnel_modify(1)
    ktap.eq(nl.tunnel_get(1).uint(L.DEBUG), impl.differs(what, c=0, rust=0x80000001),
            "modified without DEBUG")


# Get, modify, delete -------------------------------------------------------

for name, cmd in (("TUNNEL_GET", L.TUNNEL_GET), ("TUNNEL_MODIFY", L.TUNNEL_MODIFY),
                  ("TUNNEL_DELETE", L.TUNNEL_DELETE)):
    @ktap.case(f"{name}: EINVAL without CONN_ID, ENODEV for an unknown one", cmd)
    def _(cmd):
        tidy()
        nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1")
        ktap.eq(nl.do(cmd).name, "EINVAL", "no attribute")
        ktap.eq(nl.do(cmd, PEER + u32(L.SESSION_ID, 1)).name, "EINVAL", "other attributes")
        ktap.eq(nl.do(cmd, u32(L.CONN_ID, 2)).name, "ENODEV", "unknown (a peer id)")
        ktap.eq(nl.do(cmd, u32(L.CONN_ID, 0)).name, "ENODEV", "id 0")
        ktap.eq(nl.tunnels(), [1], "tunnels afterwards")


@ktap.case("TUNNEL_MODIFY changes nothing")
def _():
    tidy()
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=4000, dport=4001)
    before = nl.tunnel_get(1).payload
    nl.tunnel_modify(1, PEER + u32(L.PEER_CONN_ID, 99) + u8(L.PROTO_VERSION, 2)
                     + u16(L.ENCAP_TYPE, 1) + u16(L.UDP_SPORT, 9) + u8(L.UDP_CSUM, 1)
                     + raw(L.IP_DADDR, b"\1\2\3\4"))
    ktap.eq(nl.tunnel_get(1).payload, before)


@ktap.case("a second TUNNEL_DELETE is ENODEV, and the id can be used again")
def _():
    tidy()
    for _ in range(20):
        nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000, dport=5000)
        if impl.IS_C:       # asynchronous there
            nl.tunnel_gone(1)
        else:
            nl.tunnel_delete(1)
        ktap.eq(nl.do(L.TUNNEL_GET, ID).name, "ENODEV", "get")
        ktap.eq(nl.do(L.TUNNEL_MODIFY, ID).name, "ENODEV", "modify")
        ktap.eq(nl.do(L.TUNNEL_DELETE, ID).name, "ENODEV", "delete")
        ktap.eq(nl.tunnels(), [], "dump")


# IP encapsulation ----------------------------------------------------------

@ktap.case("IP encapsulation without its module is EPROTONOSUPPORT")
def _():
    tidy()
    if HAVE_IP:
        ktap.skip("l2tp_ip is there")
    for local in ("10.0.0.1", "fd00::1"):
        ktap.eq(nl.try_tunnel_create(1, 2, local=local, remote=local, encap=L.IP), "EPROTONOSUPPORT")


def with_ip():
    tidy()
    if not HAVE_IP:
        ktap.skip("no l2tp_ip and l2tp_ip6 for this implementation")


for name, local, remote, tail in (
        ("ip4", "10.0.0.1", "10.0.0.2", [L.IP_SADDR, L.IP_DADDR]),
        ("ip6", "fd00::1", "fd00::2", [L.IP6_SADDR, L.IP6_DADDR])):
    @ktap.case(f"IP encapsulation: reply layout, {name}", local, remote, tail)
    def _(local, remote, tail):
        with_ip()
        for version in (3, 2):
            nl.tunnel_create(version, 2, local=local, remote=remote, encap=L.IP, version=version)
            got = nl.tunnel_get(version)
            layout(got, V4[:6] + tail)
            ktap.eq(got.uint(L.ENCAP_TYPE), L.IP)


@ktap.case("IP encapsulation: fd -1 connects to loopback; wrong sockets are refused")
def _():
    with_ip()
    ktap.eq(nl.try_tunnel_create(1, 2, fd=0xffffffff, encap=L.IP), "ok")
    one = sock(socket.AF_INET, socket.SOCK_DGRAM, 115)
    ktap.eq(nl.try_tunnel_create(3, 2, fd=one.fileno(), encap=L.UDP), "EPROTONOSUPPORT")
    ktap.eq(nl.try_tunnel_create(3, 2, fd=one.fileno(), encap=L.IP), "ok")
    ktap.eq(nl.try_tunnel_create(4, 2, fd=one.fileno(), encap=L.IP), "EBUSY")
    ktap.eq(nl.try_tunnel_create(4, 2, local="203.0.113.1", remote="10.0.0.2", encap=L.IP),
            "EADDRNOTAVAIL")


ktap.main()
