#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""L2TP/IP sockets: creation, bind, connect, disconnect, names, ioctls, options, and who uses the modules."""

import os
import socket
import threading
import time

from lib import impl, ktap, l2tpip, netns
from lib.l2tpip import Sock, address, case, v4, v6

SO_BINDTODEVICE = 25
IP_TTL, IP_TOS, IP_MTU_DISCOVER = 2, 1, 10
IPV6_V6ONLY, IPV6_TCLASS, IPV6_UNICAST_HOPS = 26, 67, 16
LO = {4: "127.0.0.1", 6: "::1"}
ANY = {4: "0.0.0.0", 6: "::"}
NAME = {4: "L2TP/IP", 6: "L2TP/IPv6"}
MODULE = {4: "l2tp_ip", 6: "l2tp_ip6"}


@case("the first socket loads the module")
def autoload(family):
    netns.sh(["modprobe", "-r", "l2tp_ip6", "l2tp_ip"], check=False)
    Sock(family).close()
    ktap.eq(l2tpip.use_count(MODULE[family]), 0, "use count after close")
    ktap.eq(os.path.exists(f"/sys/module/{MODULE[family]}/version"), True, "version")


@case("each socket is two uses of the module")
def uses(family):
    before = l2tpip.use_count(MODULE[family])
    socks = [Sock(family) for _ in range(3)]
    ktap.eq(l2tpip.use_count(MODULE[family]) - before, 6, "use count of three sockets")
    ktap.ok(netns.sh(["modprobe", "-r", MODULE[family]], check=False).returncode, "it cannot be unloaded")
    for sock in socks:
        sock.close()
    ktap.eq(l2tpip.use_count(MODULE[family]), before, "after close")


@case("/proc/net/protocols")
def proc(family):
    with Sock(family):
        line = l2tpip.protocols(NAME[family])
        ktap.eq(line[2], "0", "sockets are not counted")
    ktap.eq(line[3:7], ["-1", "NI", "0", "yes"], "memory, pressure, max header, slab")
    ktap.eq(line[7], MODULE[family], "owner")
    ktap.eq(" ".join(line[8:]), "y y y n y y y n y y y y y y y y n n", "methods")


@case("other types of socket")
def types(family):
    af = l2tpip.AF[family]
    ktap.eq(l2tpip.errno_of(socket.socket, af, socket.SOCK_STREAM, 115), "EPROTONOSUPPORT", "stream")
    ktap.eq(l2tpip.errno_of(socket.socket, af, socket.SOCK_SEQPACKET, 115), "ESOCKTNOSUPPORT", "seqpacket")
    raw = socket.socket(af, socket.SOCK_RAW, 115)
    raw.close()


@case("what datagram sockets cannot do")
def unsupported(family):
    with Sock(family) as s:
        ktap.eq(l2tpip.call("listen", s.fd, 1), "EOPNOTSUPP", "listen")
        ktap.eq(l2tpip.call("accept", s.fd, None, None), "EOPNOTSUPP", "accept")
        ktap.eq(l2tpip.call("shutdown", s.fd, 2), "ENOTCONN", "shutdown")
    ktap.eq(l2tpip.errno_of(socket.socketpair, l2tpip.AF[family], socket.SOCK_DGRAM, 115), "EOPNOTSUPP",
            "socketpair")


@case("a socket that was shut down has no more datagrams")
def shut(family):
    own, peer = ("127.0.0.1", "127.0.0.2") if family == 4 else ("::1", "::1")
    for when in ("before", "while it waits"):
        with Sock(family) as s:
            ktap.eq(s.bind(address(family, own, 1)), 0, "bind")
            ktap.eq(s.connect(address(family, peer, 2)), 0, "connect")
            got = []
            reader = threading.Thread(target=lambda s=s, got=got: got.append(s.recv()))
            if when == "before":
                ktap.eq(l2tpip.call("shutdown", s.fd, socket.SHUT_RD), 0, "shutdown")
                reader.start()
            else:
                reader.start()
                time.sleep(0.2)
                ktap.eq(l2tpip.call("shutdown", s.fd, socket.SHUT_RDWR), 0, "shutdown")
            reader.join()
            ktap.ok(not isinstance(got[0], str), f"shut down {when}: {got[0]}")
            ktap.eq((got[0].length, got[0].name), (0, b""), f"shut down {when}")
            ktap.eq(s.recv(flags=socket.MSG_DONTWAIT), "EAGAIN", "without waiting")


BIND4 = [
    ("loopback", v4("127.0.0.1", 1), 0), ("any", v4("0.0.0.0", 1), 0), ("own", v4("10.9.0.1", 1), 0),
    ("id 0", v4("127.0.0.1", 0), 0), ("largest id", v4("127.0.0.1", 0xffffffff), 0),
    ("multicast", v4("224.0.0.5", 1), 0), ("broadcast of a network", v4("10.9.0.255", 1), 0),
    ("limited broadcast", v4("255.255.255.255", 1), 0), ("zero network", v4("0.1.2.3", 1), "EADDRNOTAVAIL"),
    ("foreign", v4("192.0.2.1", 1), "EADDRNOTAVAIL"), ("class E", v4("240.0.0.1", 1), "EADDRNOTAVAIL"),
    ("family unspec", v4("127.0.0.1", 1, family=0), "EINVAL"),
    ("family IPv6", v4("127.0.0.1", 1, family=10), "EINVAL"),
    ("unused set", v4("127.0.0.1", 1, unused=5), 0), ("padding set", v4("127.0.0.1", 1, pad=b"abcd"), 0),
    ("longer", v4("127.0.0.1", 1) + b"\1" * 16, 0), ("longest", v4("127.0.0.1", 1) + b"\1" * 112, 0),
    ("too long", v4("127.0.0.1", 1) + b"\1" * 113, "EINVAL"),
]
BIND6 = [
    ("loopback", v6("::1", 1), 0), ("any", v6("::", 1), 0), ("own", v6("2001:db8:9::1", 1), 0),
    ("id 0", v6("::1", 0), 0), ("largest id", v6("::1", 0xffffffff), 0),
    ("mapped", v6("::ffff:127.0.0.1", 1), "EADDRNOTAVAIL"), ("compatible", v6("::127.0.0.1", 1), "EADDRNOTAVAIL"),
    ("multicast", v6("ff02::1", 1), "EADDRNOTAVAIL"), ("foreign", v6("2001:db8::1", 1), "EADDRNOTAVAIL"),
    ("link-local without device", v6("fe80::9", 1), "EINVAL"),
    ("link-local, no such device", v6("fe80::9", 1, scope=999), "ENODEV"),
    ("link-local, wrong address", v6("fe80::8", 1, scope=2), "EADDRNOTAVAIL"),
    ("link-local, loopback device", v6("fe80::9", 1, scope=1), "EADDRNOTAVAIL"),
    ("scope of a global address", v6("2001:db8:9::1", 1, scope=999), 0),
    ("family unspec", v6("::1", 1, family=0), "EINVAL"), ("family IPv4", v6("::1", 1, family=2), "EINVAL"),
    ("flowinfo", v6("::1", 1, flowinfo=0x12345), 0), ("longest", v6("::1", 1) + b"\1" * 96, 0),
    ("too long", v6("::1", 1) + b"\1" * 97, "EINVAL"),
]


@case("bind")
def bind(family):
    for what, name, want in BIND4 if family == 4 else BIND6:
        with Sock(family) as s:
            ktap.eq(s.bind(name), want, what)
            if want == 0:
                ktap.eq(s.bind(name), "EINVAL", f"{what}, again")


@case("bind: every length")
def bind_lengths(family):
    whole = address(family, LO[family], 3)
    for length in range(0, len(whole) + 1):
        with Sock(family) as s:
            want = 0 if length == len(whole) else "EINVAL"
            ktap.eq(s.bind(whole, length), want, f"length {length}")
    with Sock(family) as s:
        ktap.eq(l2tpip.call("bind", s.fd, None, len(whole)), "EFAULT", "no address")
        ktap.eq(s.bind(whole, -1 & 0xffffffff), "EINVAL", "negative length")
    # Of what is too short the family still decides, where that is looked at first.
    with Sock(family) as s:
        ktap.eq(s.bind(b"\xff\xff"), "EINVAL", "family alone")


@case("bind: conflicts")
def conflicts(family):
    own = {4: "10.9.0.1", 6: "2001:db8:9::1"}[family]
    lo, any_ = LO[family], ANY[family]
    table = [(lo, 5, lo, 5, "EADDRINUSE"), (lo, 5, lo, 6, 0), (lo, 5, own, 5, 0), (any_, 5, lo, 5, "EADDRINUSE"),
             (lo, 5, any_, 5, "EADDRINUSE"), (any_, 5, any_, 5, "EADDRINUSE"), (any_, 5, lo, 6, 0),
             (any_, 0, any_, 0, "EADDRINUSE"), (lo, 5, lo, 5 + (1 << 16), 0)]
    for first, first_id, second, second_id, want in table:
        with Sock(family) as a, Sock(family) as b:
            b.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            b.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            ktap.eq(a.bind(address(family, first, first_id)), 0, "first")
            ktap.eq(b.bind(address(family, second, second_id)), want, f"{first} {first_id}, {second} {second_id}")
            if want:
                stored = second if family == 4 and second != any_ else any_
                ktap.eq(b.getsockname(), address(family, stored, 0), "the address of the second, after that")
            a.close()
            ktap.eq(b.bind(address(family, second, second_id)), 0 if want else "EINVAL", "once the first is closed")


@case("bind: devices keep sockets apart")
def devices(family):
    def on(device):
        s = Sock(family)
        ktap.cleanup(s.close)
        if device:
            ktap.eq(s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode()), 0, "SO_BINDTODEVICE")
        return s.bind(address(family, ANY[family], 8))
    ktap.eq([on("lo"), on("dum0"), on("lo"), on(None)], [0, 0, "EADDRINUSE", "EADDRINUSE"], "bind")


@case("bind: link-local binds the device too", families=(6,))
def link_local(family):
    index = socket.if_nametoindex("dum0")
    with Sock(6) as s:
        ktap.eq(s.bind(v6("fe80::9", 4, scope=index)), 0, "bind")
        ktap.eq(s.sock.getsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, 16), b"dum0\0", "device")
        ktap.eq(s.getsockname(), v6("fe80::9", 4, scope=index), "name")
    with Sock(6) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"dum0")
        ktap.eq(s.bind(v6("fe80::9", 4)), 0, "bind, the device known before")


CONNECT4 = [
    ("loopback", v4("127.0.0.1", 1), 0), ("any", v4("0.0.0.0", 1), 0), ("own network", v4("10.9.0.7", 1), 0),
    ("no route", v4("192.0.2.1", 1), "ENETUNREACH"), ("multicast", v4("224.0.0.5", 1), "EINVAL"),
    ("highest multicast", v4("239.255.255.255", 1), "EINVAL"), ("broadcast", v4("10.9.0.255", 1), "EACCES"),
    ("limited broadcast", v4("255.255.255.255", 1), "ENETUNREACH"),
    ("IPv6 family", v4("127.0.0.1", 1, family=10), "EAFNOSUPPORT"), ("longer", v4("127.0.0.1", 1) + b"\1" * 9, 0),
    ("multicast and wrong family", v4("224.0.0.5", 1, family=10), "EINVAL"),
]
CONNECT6 = [
    ("loopback", v6("::1", 1), 0), ("any", v6("::", 1), 0), ("own network", v6("2001:db8:9::7", 1), 0),
    ("no route", v6("2001:db8::1", 1), "ENETUNREACH"), ("multicast", v6("ff02::1", 1), "EINVAL"),
    ("mapped multicast", v6("::ffff:224.0.0.1", 1), "EINVAL"), ("mapped", v6("::ffff:127.0.0.1", 1), 0),
    ("mapped, no route", v6("::ffff:192.0.2.1", 1), "ENETUNREACH"),
    ("link-local without device", v6("fe80::7", 1), "EINVAL"), ("IPv4 family", v6("::1", 1, family=2), "EINVAL"),
]


@case("connect")
def connect(family):
    for what, name, want in CONNECT4 if family == 4 else CONNECT6:
        with Sock(family) as s:
            ktap.eq(s.connect(name), "EINVAL", f"{what}, not bound")
            ktap.eq(s.bind(address(family, ANY[family], 1)), 0, "bind")
            ktap.eq(s.connect(name), want, what)
            if want == 0:
                ktap.eq(s.connect(name), 0, f"{what}, again")


@case("connect: every length")
def connect_lengths(family):
    whole = address(family, LO[family], 3)
    with Sock(family) as s:
        s.bind(address(family, ANY[family], 1))
        for length in range(0, len(whole) + 1):
            ktap.eq(s.connect(whole, length), 0 if length == len(whole) else "EINVAL", f"length {length}")
        ktap.eq(s.connect(b"\0\0"), 0, "AF_UNSPEC of two bytes disconnects")
        ktap.eq(s.connect(b"\0"), "EINVAL", "one byte")


@case("names")
def names(family):
    lo, any_ = LO[family], ANY[family]
    with Sock(family) as s:
        ktap.eq(s.getsockname(), address(family, any_, 0), "new")
        ktap.eq(s.getpeername(), "ENOTCONN", "new: peer")
        s.bind(address(family, any_, 7))
        ktap.eq(s.getsockname(), address(family, any_, 7), "bound")
        s.connect(address(family, lo, 9))
        ktap.eq(s.getsockname(), address(family, lo, 7), "connected")
        # IPv4 asks the unused field whether there is a peer, IPv6 the connection id.
        ktap.eq(s.getpeername(), "ENOTCONN" if family == 4 else address(family, lo, 9), "peer")
        s.connect(address(family, lo, 9, unused=1))
        ktap.eq(s.getpeername(), address(family, lo, 9), "peer, unused field set")
        s.connect(address(family, lo, 0, unused=1))
        ktap.eq(s.getpeername(), address(family, lo, 0) if family == 4 else "ENOTCONN", "peer with id 0")
        s.connect(address(family, lo, 11, unused=1))
        for room in (0, 1, 7, l2tpip.LENGTH[family]):
            ktap.eq(s.getsockname(room), address(family, lo, 7)[:room], f"room for {room}")
        ktap.eq(s.disconnect(), 0, "disconnect")
        ktap.eq(s.getsockname(), address(family, any_, 7), "disconnected: address forgotten, id kept")
        ktap.eq(s.getpeername(), "ENOTCONN" if family == 4 else v6(lo, 11),
                "disconnected: an IPv6 peer is remembered")


@case("names: flow label and mapped peers", families=(6,))
def flow_names(family):
    with Sock(6) as s:
        s.bind(v6("::", 7))
        s.connect(v6("::ffff:127.0.0.1", 9))
        ktap.eq(s.getsockname(), v6("::ffff:127.0.0.1", 7), "mapped: own")
        ktap.eq(s.getpeername(), v6("::ffff:127.0.0.1", 9), "mapped: peer")
    with Sock(6) as s:
        s.bind(v6("::", 7))
        s.setsockopt(41, 33, 1)  # IPV6_FLOWINFO_SEND
        ktap.eq(s.connect(v6("::1", 9, flowinfo=0x0ff00000)), 0, "traffic class")
        ktap.eq(s.getpeername(), v6("::1", 9, flowinfo=0x0ff00000), "peer with flowinfo")
        ktap.eq(s.connect(v6("::1", 9, flowinfo=0x12345)), 0, "a flow label, of which there is none exclusive")


@case("disconnect")
def disconnect(family):
    with Sock(family) as s, Sock(family) as other:
        ktap.eq(s.disconnect(), 0, "not bound")
        ktap.eq(s.bind(address(family, LO[family], 7)), 0, "bind after that")
        ktap.eq(s.disconnect(), 0, "not connected")
        ktap.eq(s.bind(address(family, LO[family], 7)), "EINVAL", "bound once only")
        ktap.eq(other.bind(address(family, LO[family], 7)), "EADDRINUSE", "still bound")
        ktap.eq(s.connect(address(family, LO[family], 8)), 0, "connect after that")


@case("ioctls")
def ioctls(family):
    with Sock(family) as s:
        s.bind(address(family, LO[family], 7))
        ktap.eq(s.ioctl(l2tpip.SIOCOUTQ), 0, "SIOCOUTQ")
        ktap.eq(s.ioctl(l2tpip.SIOCINQ), 0, "SIOCINQ, empty")
        for body in (b"x" * 5, b"y" * 100):
            ktap.eq(s.send(l2tpip.control_message(7, body), address(family, LO[family])), 12 + len(body), "send")
        ktap.ok(s.wait(), "a message arrives")
        ktap.eq(s.ioctl(l2tpip.SIOCINQ), 17, "SIOCINQ: the first message")
        s.recv()
        ktap.eq(s.ioctl(l2tpip.SIOCINQ), 112, "SIOCINQ: the second")
        ktap.eq(s.ioctl(0x5499), "ENOTTY", "unknown")
        ktap.eq(s.ioctl(0x89e7), "ENOTTY", "private of a protocol")
        ktap.eq(l2tpip.call("ioctl", s.fd, l2tpip.SIOCINQ, 1), "EFAULT", "SIOCINQ to nowhere")


@case("socket options of the IP layer")
def options(family):
    with Sock(family) as s:
        level = 0 if family == 4 else 41
        for option, value in ((IP_TTL, 9), (IP_TOS, 0x10), (IP_MTU_DISCOVER, 3)) if family == 4 else \
                ((IPV6_UNICAST_HOPS, 9), (IPV6_TCLASS, 0x10)):
            ktap.eq(s.setsockopt(level, option, value), 0, f"set {option}")
            ktap.eq(s.sock.getsockopt(level, option), value, f"get {option}")
        if family == 6:
            ktap.eq(s.setsockopt(level, IPV6_V6ONLY, 1), "EINVAL", "IPV6_V6ONLY, too late with a number")
        ktap.eq(s.setsockopt(115, 1, 1), "ENOPROTOOPT", "level of the protocol")
        ktap.eq(l2tpip.errno_of(s.sock.getsockopt, 115, 1), "EOPNOTSUPP" if family == 4 else "ENOPROTOOPT",
                "level of the protocol, get")
        ktap.eq(s.setsockopt(17, 100, 1), "ENOPROTOOPT", "level of UDP")
        ktap.eq(s.setsockopt(273, 1, 1), "ENOPROTOOPT", "level of PPPoL2TP")
        ktap.eq(s.setsockopt(level, 9999, 1), "ENOPROTOOPT", "unknown option")
        ktap.eq((s.sock.getsockopt(1, 3), s.sock.getsockopt(1, 38), s.sock.getsockopt(1, 39)),
                (socket.SOCK_DGRAM, 115, l2tpip.AF[family]), "type, protocol, domain")


@case("many threads bind, connect, disconnect and close one socket")
def races(family):
    lo = LO[family]

    def hammer(s, calls, results):
        for one in calls:
            results.append((one[0], getattr(s, one[0])(*one[1:])))

    for turn in range(40):
        s = Sock(family)
        bound = []
        threads = [threading.Thread(target=hammer, args=(s, [("bind", address(family, lo, number))] * 4, bound))
                   for number in range(1, 5)]
        others = []
        threads += [threading.Thread(target=hammer, args=(
            s, [("connect", address(family, lo, 5)), ("disconnect",), ("getsockname",)] * 4, others)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ktap.eq([r for _, r in bound].count(0), 1, f"turn {turn}: binds that succeed")
        ktap.ok(all(r in (0, "EINVAL") for _, r in bound), f"turn {turn}: binds: {bound}")
        ktap.ok(all(r in (0, "EINVAL") or isinstance(r, bytes) for _, r in others), f"turn {turn}: {others}")
        s.close()
    with Sock(family) as s:
        ktap.eq(s.bind(address(family, lo, 1)), 0, "nothing is left bound")


@case("many threads bind the same")
def same(family):
    for turn in range(20):
        results, socks = [], [Sock(family) for _ in range(6)]
        threads = [threading.Thread(target=lambda s=s: results.append(s.bind(address(family, LO[family], 77))))
                   for s in socks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ktap.eq(sorted(map(str, results)), ["0"] + ["EADDRINUSE"] * 5, f"turn {turn}")
        for s in socks:
            s.close()


@case("sockets end with their namespace")
def namespace(family):
    with netns.NetNS() as other:
        with other.enter():
            s = Sock(family)
            ktap.eq(s.bind(address(family, LO[family], 1)), 0, "bind")
            with Sock(family) as t:
                ktap.eq(t.bind(address(family, LO[family], 1)), "EADDRINUSE", "same namespace")
        with Sock(family) as t:
            ktap.eq(t.bind(address(family, LO[family], 1)), 0, "another namespace")
        s.close()


if __name__ == "__main__":
    if not impl.available("l2tp_ip"):
        ktap.diag("no l2tp_ip")
        raise SystemExit(ktap.SKIP)
    ktap.main()
