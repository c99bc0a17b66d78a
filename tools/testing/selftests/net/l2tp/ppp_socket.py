#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""PPPoL2TP sockets: making, connecting, naming, sending and receiving."""
import os
import socket
import struct
import threading

from lib import child, impl, ktap
from lib import l2tp as L
from lib.netns import NetNS, wait_for
from lib.pppox import (AF_PPPOX, VARIANTS, V2, Ground, Pppox, errno_of, sin, sin6)

if not impl.load("l2tp_ppp", "l2tp_eth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

ground = Ground()
ktap.at_exit(ground.close)
NOT_TEN = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"    # an LCP frame


def new_end(**kw):
    end = ground.end(**kw)
    ktap.cleanup(end.close)
    return end


def state_of(sock):
    return errno_of(sock.getsockname)


# ---------------------------------------------------------------- making

@ktap.case("any type makes a socket that calls itself a stream; other protocols are refused")
def _():
    for kind in (1, 2, 3, 4, 5):
        with Pppox(kind) as sock:
            for option, want in ((socket.SO_TYPE, 1), (socket.SO_PROTOCOL, 1),
                                 (socket.SO_DOMAIN, AF_PPPOX)):
                ktap.eq(sock.getsockopt(option, level=socket.SOL_SOCKET), want, f"type {kind}")
    for protocol, want in ((3, "EPROTONOSUPPORT"), (4, "EPROTOTYPE"), (-1, "EPROTOTYPE"),
                           (100, "EPROTOTYPE")):
        got = errno_of(Pppox, 2, protocol)
        ktap.isin(got, (want, "EINVAL") if protocol < 0 else (want,), f"protocol {protocol}")


@ktap.case("a user without rights can make tunnels and sessions")
def _():
    def main():
        child.become()
        udp = L.udp_socket(remote="127.0.0.1", rport=9)
        m = Pppox().connect(V2(udp.fileno(), 7, 0, 8, 0))
        return m, Pppox().connect(V2(udp.fileno(), 7, 1, 8, 2)).getsockname()[2:6]

    def inside():
        ground.ns.enter().__enter__()
        return main()[1]
    ktap.eq(child.run(inside), struct.pack("=I", 1))


@ktap.case("what the family does not offer")
def _():
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.bind, V2(0, 1, 1, 1, 1)), "EOPNOTSUPP", "bind")
        ktap.eq(errno_of(sock.listen), "EOPNOTSUPP", "listen")
        ktap.eq(errno_of(sock.accept), "EOPNOTSUPP", "accept")
        ktap.eq(errno_of(sock.shutdown), "EOPNOTSUPP", "shutdown")
        ktap.eq(errno_of(socket.socketpair, AF_PPPOX, 1, 1), "EOPNOTSUPP", "socketpair")
        import mmap
        ktap.eq(errno_of(mmap.mmap, sock.fd, 4096), "ENODEV", "mmap")


@ktap.case("/proc/net/protocols")
def _():
    with ground.socket(), open("/proc/net/protocols", encoding="ascii") as file:
        rows = {line.split()[0]: line.split() for line in file}
    # Name, size, sockets, memory, pressure, largest header, slab cache, module, methods
    row = rows["PPPOL2TP"]
    ktap.eq(row[3:], ["-1", "NI", "0", "no", "l2tp_ppp"] + ["n"] * (len(row) - 8))


# ---------------------------------------------------------------- addresses

@ktap.case("every length of address from 0 to the largest")
def _():
    end = new_end()
    right = {size for _, size in VARIANTS.values()}
    end.management()
    address = end.address(5, 6)
    for length in range(0, 129):
        with ground.socket() as sock:
            # Whatever variant the length says, the ids are not 0 but no tunnel has them.
            raw = address[:14] + b"\x11" * 114
            want = "ENOENT" if length in right else "EINVAL"
            ktap.eq(errno_of(sock.connect, raw, length), want, f"length {length}")
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.connect, address, 129), "EINVAL", "length 129")
        ktap.eq(errno_of(sock.connect, address, -1), "EINVAL", "length -1")


for variant, (build, size) in VARIANTS.items():
    @ktap.case(f"{variant}: checks of connect() in their order", variant, build, size)
    def _(variant, build, size):
        end = new_end(v6=variant.endswith("in6"))
        fd = end.udp.fileno()
        ktap.eq(len(build(0, 0, 0, 0, 0)), size, "length")

        def got(*args, **kw):
            with ground.socket() as sock:
                return errno_of(sock.connect, build(*args, **kw))
        ktap.eq(got(-1, 0, 0, 0, 0, protocol=2), "EINVAL", "another protocol")
        ktap.eq(got(-1, 0, 0, 0, 0), "EINVAL", "tunnel id 0")
        ktap.eq(got(fd, 0, 1, 1, 1), "EINVAL", "tunnel id 0 with a session")
        ktap.eq(got(fd, end.tid, 1, end.ptid, 2), "ENOENT", "a session without tunnel")
        ktap.eq(got(fd, end.tid, 0, end.ptid, 2), "ENOENT", "peer's session id alone")
        ktap.eq(got(fd, end.tid, 1, end.ptid, 0), "ENOENT", "our session id alone")
        ktap.eq(got(-1, end.tid, 0, end.ptid, 0), "EBADF", "management with fd -1")
        ktap.eq(got(-100, end.tid, 0, end.ptid, 0), "EBADF", "management with fd -100")
        ktap.eq(got(999, end.tid, 0, end.ptid, 0), "EBADF", "management without such fd")
        with open("/dev/null", "rb") as file:
            ktap.eq(got(file.fileno(), end.tid, 0, end.ptid, 0), "ENOTSOCK", "/dev/null")
        first = ground.socket()
        ktap.cleanup(first.close)
        # Neither the family nor the address inside matter.
        first.connect(build(fd, end.tid, 0, end.ptid, 0, family=77))
        ktap.eq(errno_of(first.connect, build(fd, end.tid, 0, end.ptid, 0)), "EBUSY", "again")
        ktap.eq(got(-1, end.tid, 0, 0, 0), "EEXIST", "a second management socket")
        session = ground.socket()
        ktap.cleanup(session.close)
        session.connect(build(-1, end.tid, 11, 0, 12))
        ktap.eq(got(-1, end.tid, 11, 0, 12), "EEXIST", "a second socket of a session")
        ktap.eq(errno_of(session.connect, build(-1, end.tid, 33, 0, 44)), "EBUSY", "another session")
        ktap.eq(errno_of(session.connect, build(-1, 60000, 33, 0, 44)), "ENOENT",
                "the tunnel is looked for first")
        version = 3 if "v3" in variant else 2
        ktap.eq(ground.nl.tunnel_get(end.tid).uint(L.PROTO_VERSION), version, "version")
        ktap.eq(ground.nl.session_get(end.tid, 11).uint(L.PEER_SESSION_ID), 12, "peer's id")

    @ktap.case(f"{variant}: getsockname() and getpeername()", variant, build, size)
    def _(variant, build, size):
        end = new_end(v6=variant.endswith("in6"))
        fd = end.udp.fileno()
        with ground.socket() as idle:
            ktap.eq(errno_of(idle.getsockname), "ENOTCONN", "before connect()")
            ktap.eq(errno_of(idle.getpeername), "ENOTCONN", "before connect()")
        management = end.management(variant)
        session = end.session(21, 22, variant, ptid=4711)
        make = sin6 if end.v6 else sin
        peer = make(*end.peer.getsockname()[:2])
        for sock, ids in ((management, (0, 0)), (session, (21, 22))):
            want = build(fd, end.tid, ids[0], end.ptid, ids[1], pid=os.getpid(), addr=peer)
            ktap.eq(sock.getsockname().hex(), want.hex(), "getsockname()")
            ktap.eq(sock.getpeername().hex(), want.hex(), "getpeername()")
        end.udp.connect(end.udp.getsockname()[:2])
        want = build(fd, end.tid, 21, end.ptid, 22, pid=os.getpid(),
                     addr=make(*end.udp.getsockname()[:2]))
        ktap.eq(session.getsockname().hex(), want.hex(), "after the tunnel was connected again")


@ktap.case("the variant of a session need not be that of its tunnel")
def _():
    end = new_end()
    end.management("v2")
    sock = end.session(70001, 70002, "v3in6")
    ktap.eq(len(sock.getsockname()), 38, "the tunnel's variant")
    name = struct.unpack("=HHHH", sock.getsockname()[30:])
    ktap.eq(name, (end.tid, 70001 & 0xffff, end.ptid, 70002 & 0xffff), "truncated ids")
    end.inject(70001 & 0xffff, b"\xff\x03" + NOT_TEN)
    wait_for(lambda: errno_of(sock.recv, 1, 0x42) == "ok", what="a frame")
    ktap.eq(sock.recv(), NOT_TEN)


@ktap.case("a tunnel of an IPv6 socket may be made with the IPv4 variant")
def _():
    end = new_end(v6=True)
    end.management("v2")
    ktap.eq(len(end.session(1, 2, "v2").getsockname()), 50)


@ktap.case("the peer's tunnel id is learned if it is 0")
def _():
    end = new_end()
    end.management(ptid=0)
    ktap.eq(ground.nl.tunnel_get(end.tid).uint(L.PEER_CONN_ID), 0, "not given")
    end.session(1, 2, ptid=99)
    ktap.eq(ground.nl.tunnel_get(end.tid).uint(L.PEER_CONN_ID), 99, "learned")
    end.session(2, 2, ptid=98)
    ktap.eq(ground.nl.tunnel_get(end.tid).uint(L.PEER_CONN_ID), 99, "kept")


@ktap.case("tunnel sockets that are refused")
def _():
    end = new_end()
    with ground.ns.enter():
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 115)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        own = ground.socket()
    other_ns = L.udp_socket()
    for sock in (tcp, raw, unix, own, other_ns):
        ktap.cleanup(sock.close)
    for sock, want in ((tcp, "EPROTONOSUPPORT"), (raw, "EPROTONOSUPPORT"),
                       (unix, "EPROTONOSUPPORT"), (other_ns, "EINVAL")):
        with ground.socket() as new:
            ktap.eq(errno_of(new.connect, end.address(0, 0, fd=sock.fileno())), want, str(sock))
    ktap.eq(errno_of(own.connect, end.address(0, 0, fd=own.fd)), "EPROTONOSUPPORT",
            "the socket itself")
    ktap.eq(errno_of(own.connect, end.address(0, 0)), "ok", "afterwards")
    with ground.socket() as new:
        ktap.eq(errno_of(new.connect, end.address(0, 0, tid=end.tid + 5000)), "EBUSY",
                "a socket that has a tunnel")


@ktap.case("an unbound, unconnected socket can be a tunnel; it sends nothing until connected")
def _():
    end = new_end(connect=False)
    end.management()
    sock = end.session(1, 2)
    ktap.eq(sock.send(NOT_TEN), len(NOT_TEN), "send() does not tell")
    stats = sock.stats()
    ktap.eq((stats["tx_packets"], stats["tx_errors"]), (0, 1), "packets, errors")
    end.udp.connect(end.peer.getsockname())
    sock.send(NOT_TEN)
    ktap.eq(end.sent(), struct.pack("!HHH", 2, end.ptid, 2) + b"\xff\x03" + NOT_TEN)


# ---------------------------------------------------------------- sessions made by netlink

@ktap.case("attaching to sessions that netlink made")
def _():
    end = new_end()
    nl = ground.nl
    nl.tunnel_create(end.tid, end.ptid, fd=end.udp.fileno(), version=3)
    nl.session_create(end.tid, 5, 6, pw=L.PW_PPP, cookie=b"abcd", send_seq=1)
    nl.session_create(end.tid, 7, 8, pw=L.PW_ETH)
    with ground.socket() as sock:
        ktap.eq(errno_of(sock.connect, end.address(7, 8)), "EPROTOTYPE", "an Ethernet session")
        ktap.eq(errno_of(sock.connect, end.address(5, 4444)), "ok", "peer's id does not matter")
        ktap.eq(len(sock.getsockname()), 46, "variant")
        ktap.eq(struct.unpack("=IIII", sock.getsockname()[30:]), (end.tid, 5, end.ptid, 6), "ids")
        sock.send(NOT_TEN)
        sent = end.sent()
        ktap.eq(sent.hex(), (struct.pack("!HHI", 3, 0, 6) + b"abcd" + struct.pack("!I", 0x40000000)
                             + b"\xff\x03" + NOT_TEN).hex(), "on the wire")
        nl.session_gone(end.tid, 5)
        wait_for(lambda: state_of(sock) == "EBADF", what="end of the session")
        ktap.eq(errno_of(sock.send, b"x"), "EBADF", "send() after the end")
        ktap.eq(errno_of(sock.stats), "ENOTCONN", "ioctl() after the end")
        ktap.eq(errno_of(sock.getsockopt, 1), "ENOTCONN", "getsockopt() after the end")
        ktap.eq(errno_of(sock.setsockopt, 1, 0), "ENOTCONN", "setsockopt() after the end")
        ktap.eq(errno_of(sock.connect, end.address(5, 6)), "EBUSY", "connect() after the end")


@ktap.case("L2TPv3 sessions made by connect() have no sublayer and no cookies")
def _():
    end = new_end()
    end.management("v3")
    sock = end.session(5, 6, "v3")
    sock.send(NOT_TEN)
    ktap.eq(end.sent(), struct.pack("!HHI", 3, 0, 6) + b"\xff\x03" + NOT_TEN)
    end.peer.send(struct.pack("!HHI", 3, 0, 5) + NOT_TEN)
    wait_for(lambda: errno_of(sock.recv, 1, 0x42) == "ok", what="a frame")
    ktap.eq(sock.recv(), NOT_TEN)


# ---------------------------------------------------------------- data

@ktap.case("send() and recv() of a session")
def _():
    end = new_end()
    end.management()
    sock = end.session(30, 40)
    with ground.socket() as idle:
        ktap.eq(errno_of(idle.send, b"x"), "ENOTCONN", "send() before connect()")
        ktap.eq(errno_of(idle.recv), "EAGAIN", "recv() before connect()")
    head = struct.pack("!HHH", 2, end.ptid, 40)
    for payload in (b"", b"x", NOT_TEN, bytes(1400), bytes(range(256)) * 100):
        ktap.eq(sock.send(payload), len(payload), "send()")
        ktap.ok(end.sent() == head + b"\xff\x03" + payload, f"{len(payload)} bytes on the wire")
    ktap.eq(sock.send(bytes(65530)), 65530, "too big is not told")
    ktap.eq(sock.stats()["tx_errors"], 1, "but counted")
    ktap.eq(sock.stats()["tx_bytes"],
            sum(8 + n for n in (0, 1, len(NOT_TEN), 1400, 256 * 100)), "bytes")

    ktap.eq(errno_of(sock.recv), "EAGAIN", "nothing there")
    for frame, want in ((b"\xff\x03" + NOT_TEN, NOT_TEN), (NOT_TEN, NOT_TEN),
                        (b"\xff\x03\xff\x03" + NOT_TEN, b"\xff\x03" + NOT_TEN),
                        (b"\xff\x04" + NOT_TEN, b"\xff\x04" + NOT_TEN)):
        end.inject(30, frame)
        wait_for(lambda: errno_of(sock.recv, 1, 0x42) == "ok", what="a frame")
        ktap.eq(sock.recv(), want, "recv()")
    end.inject(30, NOT_TEN)
    end.inject(30, NOT_TEN[::-1])
    wait_for(lambda: sock.stats()["rx_packets"] == 6, what="two frames")
    ktap.eq(sock.recv(3), NOT_TEN[:3], "the rest is lost")
    ktap.eq(sock.recv(), NOT_TEN[::-1], "the next frame")
    end.inject(30, NOT_TEN)
    wait_for(lambda: sock.stats()["rx_packets"] == 7, what="a frame")
    ktap.eq(sock.recvmsg(4, socket.MSG_PEEK | socket.MSG_TRUNC), (NOT_TEN[:4], socket.MSG_TRUNC),
            "MSG_TRUNC")
    ktap.eq(sock.recvmsg(100), (NOT_TEN, 0), "after MSG_PEEK")


@ktap.case("a full queue counts as receive errors")
def _():
    end = new_end()
    end.management()
    sock = end.session(30, 40)
    sock.setsockopt(socket.SO_RCVBUF, 0, level=socket.SOL_SOCKET)
    for _ in range(40):
        end.inject(30, bytes(1000))
    wait_for(lambda: sock.stats()["rx_packets"] == 40, what="frames")
    errors = sock.stats()["rx_errors"]
    ktap.ok(0 < errors < 40, f"{errors} errors")
    got = 0
    while errno_of(sock.recv) == "ok":
        got += 1
    ktap.eq(got + errors, 40, "frames")


@ktap.case("a management socket sends and receives as session 0")
def _():
    end = new_end()
    end.inject(0, NOT_TEN)
    end.udp.settimeout(2)
    ktap.eq(end.udp.recv(100)[6:], NOT_TEN, "before: the UDP socket's")
    management = end.management()
    management.send(NOT_TEN)
    ktap.eq(end.sent(), struct.pack("!HHH", 2, end.ptid, 0) + b"\xff\x03" + NOT_TEN)
    end.inject(0, NOT_TEN)
    wait_for(lambda: errno_of(management.recv, 1, 0x42) == "ok", what="a frame")
    ktap.eq(management.recv(), NOT_TEN)
    ktap.eq(management.stats()["rx_packets"], 1, "of the tunnel")


@ktap.case("threads that connect at the same time: one of them wins")
def _():
    for _ in range(5):
        end = new_end()
        end.management()
        results, barrier = [], threading.Barrier(4)
        socks = [end.socket() for _ in range(4)]

        def main(sock, end=end, results=results, barrier=barrier):
            barrier.wait()
            results.append(errno_of(sock.connect, end.address(9, 9)))
        threads = [threading.Thread(target=main, args=(s,)) for s in socks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ktap.eq(sorted(results), ["EEXIST"] * 3 + ["ok"])


@ktap.case("threads that make the same tunnel of one socket: one of them wins")
def _():
    for _ in range(5):
        end = new_end()
        results, barrier = [], threading.Barrier(4)
        socks = [end.socket() for _ in range(4)]

        def main(sock, tid, end=end, results=results, barrier=barrier):
            barrier.wait()
            results.append(errno_of(sock.connect, end.address(0, 0, tid=tid)))
        threads = [threading.Thread(target=main, args=(s, ground.new_id())) for s in socks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if impl.differs("two tunnels on one socket", c=False, rust=True):
            ktap.eq(sorted(results), ["EBUSY"] * 3 + ["ok"])
        else:
            ktap.ok("ok" in results and set(results) <= {"ok", "EBUSY"}, results)


@ktap.case("two namespaces: the same ids, apart from each other")
def _():
    with NetNS() as other:
        end = new_end()
        end.management()
        udp = L.udp_socket(netns=other)
        ktap.cleanup(udp.close)
        with Pppox(netns=other) as one, Pppox(netns=other) as two:
            ktap.eq(errno_of(two.connect, end.address(1, 2)), "ENOENT", "the other's tunnel")
            ktap.eq(errno_of(one.connect, end.address(0, 0, fd=udp.fileno())), "ok")
            ktap.eq(errno_of(two.connect, end.address(1, 2)), "ok")


ktap.main()
