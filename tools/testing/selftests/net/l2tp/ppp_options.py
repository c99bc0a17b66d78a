#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""PPPoL2TP sockets: options and ioctls, with every wrong length, level, value and pointer."""
import ctypes
import os
import platform
import socket
import struct

from lib import child, impl, ktap
from lib import l2tp as L
from lib.netns import wait_for
from lib.pppox import (DEBUG, LNSMODE, PPPIOCGCHAN, PPPIOCGFLAGS, PPPIOCGL2TPSTATS, PPPIOCGMRU,
                       PPPIOCSFLAGS, PPPIOCSMRU, RECVSEQ, REORDERTO, SENDSEQ,
                       Channel, Ground, errno_of)

if not impl.load("l2tp_ppp", "l2tp_eth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

ground = Ground()
ktap.at_exit(ground.close)
OPTIONS = {"DEBUG": DEBUG, "RECVSEQ": RECVSEQ, "SENDSEQ": SENDSEQ, "LNSMODE": LNSMODE,
           "REORDERTO": REORDERTO}
KERNEL_POINTER = ctypes.c_void_p(0xffff888000000000)
BAD_POINTER = ctypes.c_void_p(8)
LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"


def connected(**kw):
    """A fresh tunnel's end, its management socket and a session socket."""
    end = ground.end(**kw)
    ktap.cleanup(end.close)
    return end, end.management(), end.session(11, 12)


# ---------------------------------------------------------------- options

@ktap.case("DEBUG: without CAP_NET_ADMIN it has no effect")
def _():
    end, management, sock = connected()

    def unprivileged():
        child.become()
        for one in (management, sock):
            one.setsockopt(DEBUG, 15)
        return [one.getsockopt(DEBUG) for one in (management, sock)]
    ktap.eq(child.run(unprivileged), [0, 0], "set by anybody")
    for one in (management, sock):
        one.setsockopt(DEBUG, 15)
        ktap.eq(one.getsockopt(DEBUG), impl.differs("debug masks", c=0, rust=15), "set by root")


for name, option in OPTIONS.items():
    @ktap.case(f"{name}: values", name, option)
    def _(name, option):
        end, _, sock = connected()
        ktap.eq(sock.getsockopt(option), 0, "at first")
        if option in (RECVSEQ, SENDSEQ, LNSMODE):
            for value in (2, -1, 256, 0x10000, 0x7fffffff, -0x80000000):
                ktap.eq(errno_of(sock.setsockopt, option, value), "EINVAL", f"set {value}")
            ktap.eq(sock.getsockopt(option), 0, "unchanged")
            attribute = {RECVSEQ: L.RECV_SEQ, SENDSEQ: L.SEND_SEQ, LNSMODE: L.LNS_MODE}[option]
            for value in (1, 1, 0, 1):
                sock.setsockopt(option, value)
                ktap.eq(sock.getsockopt(option), value, "get")
                ktap.eq(ground.nl.session_get(end.tid, 11).uint(attribute), value, "netlink")
        elif option == REORDERTO:
            for value in (0, 1, 4, 5, 10, 100, 1000, 12345, 3600000):
                sock.setsockopt(option, value)
                rounded = (value + 3) // 4 * 4
                ktap.eq(sock.getsockopt(option), rounded, f"{value} ms at 250 Hz")
                ktap.eq(ground.nl.session_get(end.tid, 11).uint(L.RECV_TIMEOUT), rounded or None,
                        "netlink")
            ktap.eq(errno_of(sock.setsockopt, option, -5), "ok", "a negative time")
        else:
            for value in (1, 2, 15, 255, 0x7fffffff, -1, 0):
                sock.setsockopt(option, value)
                want = impl.differs("debug masks are kept", c=0, rust=value)
                ktap.eq(sock.getsockopt(option), want, f"mask {value}")
                ktap.eq(ground.nl.session_get(end.tid, 11).uint(L.DEBUG), want & 0xffffffff,
                        "netlink")

    @ktap.case(f"{name}: every length", name, option)
    def _(name, option):
        _, _, sock = connected()
        for length in range(0, 65):
            want = "EINVAL" if length < 4 else "ok"
            ktap.eq(errno_of(sock.setsockopt, option, struct.pack("=i", 1), length), want,
                    f"set, {length} bytes")
        for length in (-1, -4, -0x80000000):
            ktap.eq(errno_of(sock.getsockopt, option, length), "EINVAL", f"get, {length} bytes")
            ktap.eq(errno_of(sock.setsockopt, option, struct.pack("=i", 1), length), "EINVAL",
                    f"set, {length} bytes")
        sock.setsockopt(option, 1)
        value = struct.pack("=i", sock.getsockopt(option))
        for length in range(0, 65):
            got = sock.getsockopt(option, length)
            if length >= 4:
                got = struct.pack("=i", got)
            ktap.eq(got, value[:length], f"get, {length} bytes")

    @ktap.case(f"{name}: bad pointers, levels and socket kinds", name, option)
    def _(name, option):
        _, management, sock = connected()
        ktap.eq(errno_of(sock.setsockopt, option, None), "EFAULT", "set from a bad pointer")
        ktap.eq(errno_of(sock.getsockopt, option, pointer=BAD_POINTER), "EFAULT", "get to one")
        ktap.eq(errno_of(sock.getsockopt, option, pointer=KERNEL_POINTER), "EFAULT", "get to one")
        ktap.eq(errno_of(sock.getsockopt, option, 0, pointer=BAD_POINTER), "ok", "0 bytes to one")
        for level in (0, 6, 17, 41, 115, 272, 274, 255, -1):
            ktap.eq(errno_of(sock.setsockopt, option, 0, level=level), "EINVAL", f"set, {level}")
            ktap.eq(errno_of(sock.getsockopt, option, level=level), "EINVAL", f"get, {level}")
        want = "ok" if option == DEBUG else "ENOPROTOOPT"
        ktap.eq(errno_of(management.setsockopt, option, 0), want, "set, management socket")
        ktap.eq(errno_of(management.getsockopt, option), want, "get, management socket")
        with ground.socket() as idle:
            ktap.eq(errno_of(idle.setsockopt, option, 0), "ENOTCONN", "set, not connected")
            ktap.eq(errno_of(idle.getsockopt, option), "ENOTCONN", "get, not connected")
            ktap.eq(errno_of(idle.setsockopt, option, b"abc"), "EINVAL", "length comes first")
            ktap.eq(errno_of(idle.setsockopt, option, None), "EFAULT", "pointer comes first")
            ktap.eq(errno_of(idle.getsockopt, option, -1), "EINVAL", "length comes first")


@ktap.case("options that there are not")
def _():
    _, management, sock = connected()
    for option in (0, 6, 7, -1, 100, 0x7fffffff):
        for one in (management, sock):
            ktap.eq(errno_of(one.setsockopt, option, 1), "ENOPROTOOPT", f"set {option}")
            ktap.eq(errno_of(one.getsockopt, option), "ENOPROTOOPT", f"get {option}")


@ktap.case("DEBUG of a management socket is the tunnel's")
def _():
    end, management, sock = connected()
    management.setsockopt(DEBUG, 12)
    want = impl.differs("debug masks are kept", c=0, rust=12)
    ktap.eq(management.getsockopt(DEBUG), want)
    ktap.eq(ground.nl.tunnel_get(end.tid).uint(L.DEBUG), want, "netlink")
    ktap.eq(sock.getsockopt(DEBUG), 0, "the session's")


@ktap.case("SOL_SOCKET is the socket layer's")
def _():
    _, _, sock = connected()
    sock.setsockopt(socket.SO_SNDBUF, 20000, level=socket.SOL_SOCKET)
    ktap.eq(sock.getsockopt(socket.SO_SNDBUF, level=socket.SOL_SOCKET), 40000, "SO_SNDBUF")
    ktap.eq(sock.getsockopt(socket.SO_ERROR, level=socket.SOL_SOCKET), 0, "SO_ERROR")


# ---------------------------------------------------------------- ioctls

@ktap.case("ioctls of a socket that is not connected")
def _():
    with ground.socket() as sock:
        for request in (PPPIOCGCHAN, PPPIOCGMRU, PPPIOCSMRU, PPPIOCGFLAGS, PPPIOCSFLAGS):
            ktap.eq(errno_of(sock.ioctl_int, request), "ENOTCONN", hex(request))
            ktap.eq(errno_of(sock.ioctl, request, BAD_POINTER), "ENOTCONN", hex(request))
        ktap.eq(errno_of(sock.raw_stats), "ENOTCONN", "statistics")


@ktap.case("ioctls that there are not")
def _():
    end, management, sock = connected()
    with ground.socket() as idle:
        for one in (idle, management, sock):
            for request in (0x7400, 0x80047400 | 0x55, 0x4004743d, 0x541b, 0x5411, 0xffffffff, 0):
                ktap.eq(errno_of(one.ioctl_int, request), "ENOTTY", hex(request))
            buffer = ctypes.create_string_buffer(b"lo", 40)
            with ground.ns.enter():
                ktap.eq(errno_of(one.ioctl, 0x8921, buffer), "ok", "SIOCGIFMTU of lo")
                ktap.eq(struct.unpack_from("=i", buffer.raw, 16), (65536,), "its answer")
                ktap.eq(errno_of(one.ioctl, 0x8921, ctypes.create_string_buffer(40)), "ENODEV",
                        "SIOCGIFMTU of nothing")


@ktap.case("MRU and flags")
def _():
    _, management, sock = connected()
    for request in (PPPIOCGMRU, PPPIOCGFLAGS):
        ktap.eq(sock.ioctl_int(request), 0, hex(request))
        ktap.eq(errno_of(sock.ioctl, request, BAD_POINTER), "EFAULT", hex(request))
        ktap.eq(errno_of(sock.ioctl, request, KERNEL_POINTER), "EFAULT", hex(request))
    for request in (PPPIOCSMRU, PPPIOCSFLAGS):
        ktap.eq(errno_of(sock.ioctl, request, BAD_POINTER), "ok", f"{request:x}: not read")
        ktap.eq(errno_of(sock.ioctl, request, KERNEL_POINTER), "EFAULT", hex(request))
    for request in (PPPIOCGMRU, PPPIOCGFLAGS, PPPIOCSMRU, PPPIOCSFLAGS):
        ktap.eq(errno_of(management.ioctl, request, BAD_POINTER), "ENOSYS", hex(request))


@ktap.case("PPPIOCGCHAN of a session binds the socket and hands queued frames over")
def _():
    end, _, sock = connected()
    ktap.eq(errno_of(sock.ioctl, PPPIOCGCHAN, BAD_POINTER), "EINVAL", "a bad pointer")
    ktap.eq(errno_of(sock.recv), "EAGAIN", "which did not bind it")
    end.inject(11, b"\xff\x03" + LCP)
    wait_for(lambda: sock.stats()["rx_packets"] == 1, what="a frame")
    with ground.ns.enter():
        channel = Channel(sock)
    ktap.cleanup(channel.close)
    ktap.ok(sock.channel() > 0, "index")
    ktap.eq(errno_of(sock.recv), "EIO", "recv()")
    ktap.eq(channel.read(), LCP, "the queued frame")
    ktap.eq(errno_of(sock.send, LCP), "ok", "send() still works")
    ktap.eq(end.sent(), struct.pack("!HHH", 2, end.ptid, 12) + b"\xff\x03" + LCP)
    channel.write(LCP)
    ktap.eq(end.sent(), struct.pack("!HHH", 2, end.ptid, 12) + b"\xff\x03" + LCP, "from the channel")
    # A compressed protocol field is expanded.
    end.inject(11, b"\x21" + bytes(20))
    wait_for(lambda: errno_of(lambda: got.append(channel.read())) == "ok", what="a frame") \
        if not (got := []) else None
    ktap.eq(got, [b"\x00\x21" + bytes(20)], "a frame with a compressed protocol field")


@ktap.case("PPPIOCGCHAN of a management socket succeeds with -1 and binds it")
def _():
    _, management, _ = connected()
    ktap.eq(management.channel(), -1)
    ktap.eq(errno_of(management.recv), "EIO", "recv()")


@ktap.case("statistics: own, the tunnel's, another session's")
def _():
    end, management, sock = connected()
    other = end.session(0x1234, 77)
    ground.nl.session_create(end.tid, 500, 501, pw=L.PW_PPP)
    for payload in (b"x" * 10, b"y" * 20):
        sock.send(payload)
    other.send(b"z" * 30)
    end.inject(11, LCP)
    end.inject(11, LCP)
    wait_for(lambda: sock.stats()["rx_packets"] == 2, what="frames")

    def row(session, packets, length, rx=0):
        return struct.pack("=HHI8Q", end.tid & 0xffff, session, 0, packets, length, 0, rx,
                           rx * (6 + len(LCP)), 0, 0, 0)
    ktap.eq(sock.raw_stats(99), row(11, 2, 46, 2), "own")
    ktap.eq(other.raw_stats(), row(0x1234, 1, 38), "the other's own")
    ktap.eq(management.raw_stats(0), row(0, 3, 84, 2), "the tunnel's")
    ktap.eq(management.raw_stats(11), row(11, 2, 46, 2), "of a session")
    ktap.eq(management.raw_stats(0x1234), row(0x1234, 1, 38), "of the other")
    ktap.eq(management.raw_stats(500), row(500, 0, 0), "of one without socket")
    ktap.eq(errno_of(management.raw_stats, 9999), "EBADR", "of none")
    for one in (sock, management):
        ktap.eq(errno_of(one.ioctl, PPPIOCGL2TPSTATS, BAD_POINTER), "EFAULT", "bad pointer")
        ktap.eq(errno_of(one.ioctl, PPPIOCGL2TPSTATS, KERNEL_POINTER), "EFAULT", "bad pointer")


@ktap.case("statistics: sessions that are none of PPP")
def _():
    end = ground.end()
    ktap.cleanup(end.close)
    management = end.management("v3")
    ground.nl.session_create(end.tid, 7, 8, pw=L.PW_ETH)
    ground.nl.session_create(end.tid, 70000, 8, pw=L.PW_PPP)
    ktap.eq(errno_of(management.raw_stats, 7), "EBADR", "Ethernet")
    ktap.eq(errno_of(management.raw_stats, 70000 & 0xffff), "EBADR", "an id that is too long")


@ktap.case("statistics: errors are counted")
def _():
    end, management, sock = connected()
    sock.setsockopt(RECVSEQ, 1)
    end.inject(11, LCP)
    wait_for(lambda: sock.stats()["rx_errors"] == 1, what="an error")
    stats = sock.stats()
    ktap.eq((stats["rx_packets"], stats["rx_seq_discards"]), (0, 1), "packets, discards")
    ktap.eq(management.stats()["rx_errors"], 0, "of the tunnel")
    sock.setsockopt(SENDSEQ, 1)
    sock.send(LCP)
    sock.send(LCP)
    head = struct.pack("!HHH", 0x0802, end.ptid, 12)
    ktap.eq(end.sent()[:10], head + struct.pack("!HH", 0, 0), "Ns 0")
    ktap.eq(end.sent()[:10], head + struct.pack("!HH", 1, 0), "Ns 1")
    ktap.eq(sock.stats()["tx_bytes"], 2 * (12 + len(LCP)), "bytes")


@ktap.case("32-bit callers")
def _():
    # int $0x80 is the 32-bit system call table, whatever the program's own mode is.
    if platform.machine() != "x86_64":
        ktap.skip("not x86-64")
    import mmap
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,
                     flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40)     # MAP_32BIT
    # ioctl(edi, esi, edx) of 32 bits: push rbx; mov ebx, edi; mov ecx, esi; mov eax, 54; int 0x80
    code.write(b"\x53\x89\xfb\x89\xf1\xb8\x36\x00\x00\x00\xcd\x80\x5b\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ioctl32 = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)(address)
    buffer = ctypes.c_char.from_buffer(code, 1024)
    low = ctypes.addressof(buffer)

    def at(length):
        return bytes((ctypes.c_char * length).from_address(low))
    end, management, sock = connected()
    sock.send(LCP)
    # Without IA32_EMULATION it is -ENOSYS, or the end of the process.
    child = os.fork()
    if not child:
        os._exit(ioctl32(sock.fd, 0xffffffff, low) == -38)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        ktap.skip("no 32-bit system calls")
    ktap.eq(ioctl32(sock.fd, PPPIOCGL2TPSTATS, low), 0, "statistics")
    ktap.eq(at(72), sock.raw_stats(), "statistics")
    ktap.eq(ioctl32(sock.fd, PPPIOCGMRU, low), 0, "MRU")
    ktap.eq(at(4), bytes(4), "MRU")
    ktap.eq(ioctl32(sock.fd, PPPIOCGMRU, 8), -14, "MRU to a bad pointer")
    ktap.eq(ioctl32(sock.fd, PPPIOCSMRU, low), 0, "set MRU")
    ktap.eq(ioctl32(management.fd, PPPIOCGMRU, low), -38, "MRU of a management socket")
    ktap.eq(ioctl32(sock.fd, PPPIOCGCHAN, low), 0, "channel")
    ktap.eq(struct.unpack("=i", at(4))[0], sock.channel(), "channel")
    ktap.eq(ioctl32(sock.fd, 0x7400, low), -25, "none")


ktap.main()
