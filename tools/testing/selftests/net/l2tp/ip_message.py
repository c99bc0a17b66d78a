#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Control messages through L2TP/IP sockets: sendmsg and recvmsg with every error, flag and kind of ancillary data."""

import ctypes
import os
import socket
import struct

from lib import impl, ktap, l2tpip
from lib.l2tpip import Sock, address, case, cmsg, control_message, v4, v6

LO = {4: "127.0.0.1", 6: "::1"}
OWN = {4: "10.9.0.1", 6: "2001:db8:9::1"}
ANY = {4: "0.0.0.0", 6: "::"}
MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT = 1, 2, 0x20, 0x40
MSG_PROBE, MSG_CONFIRM, MSG_MORE, MSG_ERRQUEUE = 0x10, 0x800, 0x8000, 0x2000
SOL_IP, SOL_IPV6 = 0, 41
IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVTTL, IP_RECVTOS, IP_TTL, IP_TOS, IP_OPTIONS = 8, 10, 12, 13, 2, 1, 4
IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_FLOWLABEL_MGR, IPV6_FLOWINFO_SEND = 23, 25, 32, 33
IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 49, 50, 51, 52
IPV6_RECVDSTOPTS, IPV6_DSTOPTS, IPV6_DONTFRAG, IPV6_RECVTCLASS, IPV6_TCLASS = 58, 59, 62, 66, 67


def bound(family, connection, host=None, peer=None):
    """A bound socket, connected to its peer if there is one; closed when the case ends."""
    s = Sock(family)
    ktap.cleanup(s.close)
    ktap.eq(s.bind(address(family, host or LO[family], connection)), 0, "bind")
    if peer is not None:
        ktap.eq(s.connect(address(family, LO[family], peer)), 0, "connect")
    return s


def raw(family):
    """A raw socket of the protocol."""
    s = socket.socket(l2tpip.AF[family], socket.SOCK_RAW, 115)
    s.settimeout(2)
    ktap.cleanup(s.close)
    return s


def captured(s, family):
    """(header, payload) of the next packet that a raw socket gets; IPv6 has no header there."""
    packet = s.recv(70000)
    return (packet[:20], packet[20:]) if family == 4 else (b"", packet)


def quiet(s):
    """Nothing comes to the socket."""
    return s.recv(flags=MSG_DONTWAIT) == "EAGAIN"


@case("there and back")
def there(family):
    a, b = bound(family, 1, peer=2), bound(family, 2, peer=1)
    for body in (b"", b"x", bytes(range(256)) * 5):
        message = control_message(2, body)
        ktap.eq(a.send(message), len(message), "send")
        got = b.recv()
        ktap.eq(got.data, message, "what arrives")
        ktap.eq(got.flags, 0, "flags")
        ktap.eq(got.control, [], "ancillary data")
        # IPv4 gives a struct sockaddr_in, IPv6 a connection id of 0.
        ktap.eq(got.name, address(family, LO[family]), "sender")
    ktap.ok(quiet(a) and quiet(b), "nothing else")


@case("a zero session id is in front")
def prefix(family):
    tap, a = raw(family), bound(family, 1)
    message = control_message(9, b"hello")
    ktap.eq(a.send(message, address(family, LO[family], 77)), len(message), "send, the id in the address is ignored")
    ktap.eq(captured(tap, family)[1], b"\0\0\0\0" + message, "packet")


@case("a raw socket gets its copy of everything")
def raw_copy(family):
    tap, sender, s = raw(family), raw(family), bound(family, 1)
    for packet in (b"", b"\0\0", b"\0\0\0\0", b"\0\0\0\0" + control_message(1), b"\0\0\0\x05data", b"\0" * 16):
        sender.sendto(packet, (LO[family], 0))
        ktap.eq(captured(tap, family)[1], packet, "copy")
    ktap.eq(s.data(), control_message(1), "the one that is for the socket")
    ktap.ok(quiet(s), "and no other")


@case("send: addresses")
def send_addresses(family):
    whole = address(family, LO[family], 2)
    enough = {4: 16, 6: 24}[family]
    a, b = bound(family, 1), bound(family, 2)
    message = control_message(2)
    for length in range(0, len(whole) + 1):
        want = len(message) if length >= enough else "EINVAL" if length else "EDESTADDRREQ"
        ktap.eq(a.send(message, whole, length), want, f"length {length}")
        if length >= enough:
            ktap.eq(b.data(), message, f"length {length}: arrival")
    for af, want in ((0, len(message)), (1, "EAFNOSUPPORT"), (socket.AF_INET6 if family == 4 else 2, "EAFNOSUPPORT")):
        ktap.eq(a.send(message, (v4 if family == 4 else v6)(LO[family], family=af)), want, f"family {af}")
    with Sock(family) as free:
        ktap.eq(free.send(message), "EDESTADDRREQ", "not bound, nowhere")
        ktap.eq(free.send(message, whole), len(message), "not bound")
    ktap.eq(a.send(message), "EDESTADDRREQ", "not connected")
    a.connect(whole)
    ktap.eq(a.send(message), len(message), "connected")
    a.disconnect()
    ktap.eq(a.send(message), "EDESTADDRREQ", "disconnected")


DESTINATIONS = {
    4: [("192.0.2.1", "EHOSTUNREACH"), ("10.9.0.7", 12), ("10.9.0.255", 12), ("255.255.255.255", "EHOSTUNREACH"),
        ("0.0.0.0", 12), ("224.0.0.5", "EHOSTUNREACH"), ("240.0.0.1", "EHOSTUNREACH"), ("0.1.2.3", "EHOSTUNREACH")],
    6: [("2001:db8::1", "ENETUNREACH"), ("2001:db8:9::7", 12), ("::", 12), ("ff02::1", 12),
        ("fe80::7", 12), ("::ffff:127.0.0.1", "ENETUNREACH"), ("ff05::1", 12)],
}


@case("send: destinations")
def destinations(family):
    with Sock(family) as s:
        for host, want in DESTINATIONS[family]:
            ktap.eq(s.send(control_message(2), address(family, host)), want, host)


@case("send: no route is counted", families=(4,))
def no_routes(_):
    def count():
        with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            names, values = [line.split() for line in file if line.startswith("Ip:")][:2]
        return int(values[names.index("OutNoRoutes")])
    before = count()
    with Sock(4) as s:
        s.send(control_message(2), v4("192.0.2.1"))
    ktap.ok(count() > before, "OutNoRoutes")


@case("send: bad memory")
def bad_memory(family):
    a, b = bound(family, 1), bound(family, 2)
    iov = l2tpip.Iovec(1, 50)
    name = ctypes.create_string_buffer(address(family, LO[family]))
    message = l2tpip.Msghdr(ctypes.addressof(name), l2tpip.LENGTH[family], ctypes.pointer(iov), 1, None, 0, 0)
    ktap.eq(l2tpip.call("sendmsg", a.fd, ctypes.byref(message), 0), "EFAULT", "sendmsg")
    ktap.ok(quiet(b), "nothing was sent")
    ktap.eq(a.send(control_message(2), address(family, LO[family])), 12, "the socket still works")
    ktap.eq(b.data(), control_message(2), "arrival")
    ktap.eq(a.ioctl(l2tpip.SIOCOUTQ), 0, "memory is given back")


@case("send: flags")
def send_flags(family):
    a, b = bound(family, 1, peer=2), bound(family, 2)
    message = control_message(2, b"flags")
    for flags in (MSG_OOB, MSG_DONTWAIT, 4, 0x80, 0x4000, MSG_CONFIRM):
        want = "EOPNOTSUPP" if family == 6 and flags == MSG_OOB else len(message)
        ktap.eq(a.send(message, flags=flags), want, f"{flags:#x}")
        if want == len(message):
            ktap.eq(b.data(), message, f"{flags:#x}: arrival")
    # A probe is only that in IPv6.
    ktap.eq(a.send(message, flags=MSG_CONFIRM | MSG_PROBE), len(message), "confirm and probe, with data")
    got = b.recv(flags=MSG_DONTWAIT)
    ktap.eq(got if isinstance(got, str) else got.data, message if family == 4 else "EAGAIN", "what arrives of it")
    tap = raw(family)
    ktap.eq(a.send(b"", flags=MSG_CONFIRM | MSG_PROBE), 0, "confirm and probe, empty")
    tap.settimeout(0.2)
    try:
        sent = len(captured(tap, family)[1])
    except TimeoutError:
        sent = None
    ktap.eq(sent, 4 if family == 4 else None, "what is sent for it")


@case("send: MSG_MORE continues a message", families=(6,))
def more(_):
    a, b = bound(6, 1, peer=2), bound(6, 2)
    tap = raw(6)
    message = control_message(2, bytes(range(200)))
    for cuts in ((50,), (12, 100), (1, 2, 3), (0, 12)):
        edges = (0,) + cuts + (len(message),)
        for start, end in zip(edges, edges[1:]):
            last = end == len(message)
            ktap.eq(a.send(message[start:end], flags=0 if last else MSG_MORE), end - start, f"{cuts}")
        ktap.eq(captured(tap, 6)[1], bytes(4) + message, f"{cuts}: packet")
        ktap.eq(b.data(), message, f"{cuts}: arrival")
    ktap.eq(a.send(message, flags=MSG_MORE), len(message), "begun, and left so when the socket is closed")


# Longest message that fits: 65535 less the IP header (which IPv6 does not count) and the session id.
LONGEST = {4: 65535 - 20 - 4, 6: 65535 - 4}


@case("send: lengths")
def lengths(family):
    a, b = bound(family, 1, peer=2), bound(family, 2)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    for length in (12, 13, 1499, 1500, 9000, 65000, LONGEST[family] - 1, LONGEST[family]):
        message = control_message(2, os.urandom(length - 12), length=12)
        ktap.eq(a.send(message), length, f"{length}: send")
        ktap.eq(b.data(), message, f"{length}: arrival")
    longer = control_message(2, bytes(LONGEST[family] + 1 - 12), length=12)
    ktap.eq(a.send(longer), "EMSGSIZE", "one byte too long")
    if family == 4:
        # Its header would have the length 0, but the C module sends it if it may be fragmented.
        a.setsockopt(SOL_IP, IP_MTU_DISCOVER, 0)
        want = impl.differs("IPv4 message one byte too long, without DF", len(longer), "EMSGSIZE")
        ktap.eq(a.send(longer), want, "one byte too long, without DF")
        # Options are part of the header.
        a.setsockopt(SOL_IP, IP_OPTIONS, b"\1" * 40)
        longest = longer[:LONGEST[4] - 40]
        ktap.eq(a.send(longest), len(longest), "as long as there may be with options")
        ktap.eq(b.data(), longest, "with options: arrival")
        longest = longer[:LONGEST[4] - 39]
        want = impl.differs("IPv4 message one byte too long, without DF", len(longest), "EMSGSIZE")
        ktap.eq(a.send(longest), want, "one byte too long, with options")
        a.setsockopt(SOL_IP, IP_OPTIONS, b"")
        a.setsockopt(SOL_IP, IP_MTU_DISCOVER, 1)
    ktap.ok(quiet(b), "it does not arrive")
    for length in (66000, 200000):
        ktap.eq(a.send(bytes(length)), "EMSGSIZE", f"{length}")


@case("send: lengths that nobody has")
def absurd(family):
    a = bound(family, 1, peer=2)
    for length in (1 << 24, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) + 5, (1 << 62)):
        # The C module runs out of memory before it finds out that the message does not fit.
        want = impl.differs("message longer than memory", "ENOMEM", "EMSGSIZE") if family == 4 else "EMSGSIZE"
        ktap.isin(a.send(b"x", count=length), (want, "EFAULT", "EINVAL"), f"{length:#x}")
    ktap.eq(a.send(b"x", count=1 << 63), "EINVAL", "negative")


@case("send: to elsewhere, then to the peer")
def elsewhere(family):
    a = bound(family, 1, ANY[family], peer=2)
    peer = bound(family, 2)
    other = bound(family, 2, OWN[family])
    message = control_message(2, b"for the peer")
    ktap.eq(a.send(message), len(message), "to the peer")
    ktap.eq(a.send(control_message(2, b"other"), address(family, OWN[family])), 17, "elsewhere")
    ktap.eq(a.send(message), len(message), "to the peer again")
    mine = [peer.data(), other.data(), peer.recv(flags=MSG_DONTWAIT)]
    mine[2] = mine[2] if isinstance(mine[2], str) else mine[2].data
    # The C module keeps the address of the last message in the socket, and the cached route is used with it.
    again = impl.differs("where a connected socket sends after sendto()", "EAGAIN", message) if family == 4 else message
    ktap.eq(mine, [message, control_message(2, b"other"), again], "who got what")


@case("receive: flags and small buffers")
def receive(family):
    a, b = bound(family, 1, peer=2), bound(family, 2)
    message = control_message(2, bytes(range(100)))
    for _ in range(6):
        a.send(message)
    ktap.eq(b.recv(flags=MSG_OOB), "EOPNOTSUPP", "MSG_OOB")
    peeked = b.recv(flags=MSG_PEEK)
    ktap.eq(peeked.data, message, "peek")
    short = b.recv(room=10, flags=MSG_PEEK)
    ktap.eq((short.length, short.data, short.flags), (10, message[:10], MSG_TRUNC), "peek, short")
    got = b.recv(room=10, flags=MSG_TRUNC)
    ktap.eq((got.length, got.data, got.flags), (112, message[:10], MSG_TRUNC), "MSG_TRUNC, short")
    got = b.recv(flags=MSG_TRUNC)
    ktap.eq((got.length, got.flags), (112, 0), "MSG_TRUNC, enough room")
    got = b.recv(room=0)
    ktap.eq((got.length, got.data, got.flags), (0, b"", MSG_TRUNC), "no room")
    ktap.eq(b.recv(name_room=0).data, message, "no address wanted")
    ktap.eq(b.recv(name_room=3).name[:3], address(family, LO[family])[:3], "little room for the address")
    # MSG_ERRQUEUE: IPv4 has none and gives the message.
    got = b.recv(flags=MSG_ERRQUEUE)
    ktap.eq(got if isinstance(got, str) else got.data, message if family == 4 else "EAGAIN", "MSG_ERRQUEUE")
    if family == 6:
        b.recv()
    ktap.ok(quiet(b), "nothing is left")
    b.set_timeout(0.05)
    ktap.eq(b.recv(), "EAGAIN", "timeout")


@case("receive: bad memory")
def receive_fault(family):
    a, b = bound(family, 1, peer=2), bound(family, 2)
    a.send(control_message(2))
    iov = l2tpip.Iovec(1, 50)
    message = l2tpip.Msghdr(None, 0, ctypes.pointer(iov), 1, None, 0, 0)
    ktap.eq(l2tpip.call("recvmsg", b.fd, ctypes.byref(message), 0), "EFAULT", "recvmsg")
    ktap.ok(quiet(b), "the message is lost with that")


@case("receive: ancillary data")
def receive_control(family):
    a, b = bound(family, 1, peer=2), bound(family, 2)
    if family == 4:
        for option in (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS):
            b.setsockopt(SOL_IP, option, 1)
        a.setsockopt(SOL_IP, IP_TTL, 33)
        a.setsockopt(SOL_IP, IP_TOS, 0x28)
    else:
        for option in (IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS):
            b.setsockopt(SOL_IPV6, option, 1)
        a.setsockopt(SOL_IPV6, 16, 33)
        a.setsockopt(SOL_IPV6, IPV6_TCLASS, 0x28)
    b.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP
    a.send(control_message(2))
    got = {(level, kind): data for level, kind, data in b.recv().control}
    lo = struct.pack("=I", 1)
    if family == 4:
        # The address to answer from is not filled in.
        want = {(SOL_IP, IP_PKTINFO): lo + bytes(4) + socket.inet_aton(LO[4]), (SOL_IP, IP_TTL): struct.pack("=I", 33),
                (SOL_IP, IP_TOS): b"\x28"}
    else:
        want = {(SOL_IPV6, IPV6_PKTINFO): socket.inet_pton(socket.AF_INET6, LO[6]) + lo,
                (SOL_IPV6, IPV6_HOPLIMIT): struct.pack("=I", 33), (SOL_IPV6, IPV6_TCLASS): struct.pack("=I", 0x28)}
    ktap.ok(got.pop((1, 29), None), "timestamp")
    ktap.eq(got, want, "ancillary data")
    b.set_timeout(0.5)
    a.send(control_message(2))
    ktap.eq(b.recv(control=20).flags & 8, 8, "MSG_CTRUNC without room for it")


def pktinfo(host, index=0):
    return cmsg(SOL_IPV6, IPV6_PKTINFO, socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", index))


@case("send: ancillary data", families=(6,))
def send_control(_):
    index = socket.if_nametoindex("dum0")
    a, b = bound(6, 1, "::"), bound(6, 2, "::")
    for option in (IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVDSTOPTS):
        b.setsockopt(SOL_IPV6, option, 1)
    integer = lambda kind, value: cmsg(SOL_IPV6, kind, struct.pack("=i", value))
    options = b"\0\0\x01\x04" + bytes(4)
    table = [
        ("source", pktinfo(OWN[6]), 12), ("foreign source", pktinfo("2001:db8::1"), "EINVAL"),
        ("device", pktinfo("::", 1), 12), ("no such device", pktinfo("::", 99), "ENODEV"),
        ("hop limit", integer(IPV6_HOPLIMIT, 7), 12), ("hop limit too high", integer(IPV6_HOPLIMIT, 256), "EINVAL"),
        ("traffic class", integer(IPV6_TCLASS, 0x30), 12), ("traffic class too high", integer(IPV6_TCLASS, 256), "EINVAL"),
        ("destination options", cmsg(SOL_IPV6, IPV6_DSTOPTS, options), 12),
        ("short options", cmsg(SOL_IPV6, IPV6_DSTOPTS, b"\0"), "EINVAL"),
        ("unknown", integer(999, 1), "EINVAL"), ("another level", cmsg(17, 103, b"\0\0"), 12),
        ("no length", struct.pack("=Qii", 0, 41, 50), "EINVAL"),
        ("all", pktinfo(OWN[6]) + integer(IPV6_HOPLIMIT, 9) + integer(IPV6_TCLASS, 0x31), 12),
    ]
    for what, control, want in table:
        ktap.eq(a.send(control_message(2), v6("::1"), control=control), want, what)
        if want != 12:
            continue
        got = b.recv()
        seen = {kind: data for level, kind, data in got.control if level == SOL_IPV6}
        if what in ("source", "all"):
            ktap.eq(got.name, v6(OWN[6]), f"{what}: sender")
        if "hop limit" in what or what == "all":
            ktap.eq(seen[IPV6_HOPLIMIT], struct.pack("=i", 9 if what == "all" else 7), what)
        if "class" in what or what == "all":
            ktap.eq(seen[IPV6_TCLASS], struct.pack("=i", 0x31 if what == "all" else 0x30), what)
        if what == "destination options":
            ktap.eq(seen.get(IPV6_DSTOPTS, b"")[1:], options[1:], what)
    ktap.eq(a.send(control_message(2), v6("fe80::9", scope=index)), 12, "link-local")
    got = b.recv()
    ktap.eq(got.name[:24], v6("fe80::9")[:24], "link-local: sender")
    ktap.ok(struct.unpack("=I", got.name[24:28])[0], "link-local: scope")


@case("send: flow labels", families=(6,))
def flow_labels(_):
    a, b = bound(6, 1, "::"), bound(6, 2, "::")
    b.setsockopt(SOL_IPV6, 11, 1)  # IPV6_FLOWINFO
    seen = lambda: [struct.unpack("!I", data)[0] for level, kind, data in b.recv().control if kind == 11]
    to = v6("::1", flowinfo=0x0aa12345)
    ktap.eq(a.send(control_message(2), to), 12, "not asked for")
    got = seen()
    ktap.ok(len(got) == 1 and not got[0] & 0x0ff00000 and got[0] != 0x12345, f"nothing of it is used: {got}")
    a.setsockopt(SOL_IPV6, IPV6_FLOWINFO_SEND, 1)
    ktap.eq(a.send(control_message(2), to), 12, "a label that is nobody's")
    ktap.eq(seen(), [0x12345], "the label, not the traffic class")
    # An exclusive label in the namespace: from then on labels must be leased.
    lease = struct.pack("=16sIBBHHHI", socket.inet_pton(socket.AF_INET6, "::1"), socket.htonl(0x777), 0, 1, 1, 60, 60, 0)
    with Sock(6) as owner:
        ktap.eq(owner.setsockopt(SOL_IPV6, IPV6_FLOWLABEL_MGR, lease), 0, "lease")
        ktap.eq(a.send(control_message(2), to), "EINVAL", "a label that is not leased")
        owner.setsockopt(SOL_IPV6, IPV6_FLOWINFO_SEND, 1)
        ktap.eq(owner.send(control_message(2), v6("::1", flowinfo=0x777)), 12, "the leased label")
        ktap.eq(seen(), [0x777], "label")


@case("errors are queued", families=(6,))
def errors(_):
    a = bound(6, 1, peer=2)
    a.setsockopt(SOL_IPV6, IPV6_RECVERR, 1)
    a.setsockopt(SOL_IPV6, IPV6_DONTFRAG, 1)
    ktap.eq(a.send(bytes(70000)), "EMSGSIZE", "too big")
    got = a.recv(flags=MSG_ERRQUEUE)
    if ktap.ok(not isinstance(got, str), f"an error is queued, got {got}"):
        ktap.eq(got.flags & MSG_ERRQUEUE, MSG_ERRQUEUE, "flag")
        number, origin = struct.unpack("=IB", got.control[0][2][:5])
        ktap.eq((number, origin), (90, 1), "EMSGSIZE, of this host")


@case("a queue that is full")
def overflow(family):
    def discards():
        with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            names, values = [line.split() for line in file if line.startswith("Ip:")][:2]
        return int(values[names.index("InDiscards")])
    a, b = bound(family, 1, peer=2), bound(family, 2)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    before = discards()
    for _ in range(100):
        ktap.eq(a.send(control_message(2, bytes(500))), 512, "send")
    got = 0
    while not isinstance(b.recv(flags=MSG_DONTWAIT), str):
        got += 1
    ktap.ok(0 < got < 100, f"some arrive: {got}")
    # Both families count where IPv4 does, unless the receive buffer was known to be full before.
    ktap.ok(discards() - before <= 100 - got, "not more discards than lost")
    ktap.eq(a.send(control_message(2)), 12, "send")
    ktap.eq(b.data(), control_message(2), "it works again")


if __name__ == "__main__":
    if not impl.available("l2tp_ip"):
        ktap.diag("no l2tp_ip")
        raise SystemExit(ktap.SKIP)
    ktap.main()
