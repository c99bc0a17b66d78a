#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which socket gets a control message over IP: ids, addresses, peers, devices, groups, policies, filters; and what is dropped."""

import ctypes
import socket
import struct

from lib import impl, ktap, l2tpip, netns
from lib.l2tpip import Sock, address, control_message

MSG_DONTWAIT = 0x40
SO_ATTACH_FILTER, SO_BINDTODEVICE = 26, 25
NEAR = {4: "10.0.0.1", 6: "fd00::1"}
NEAR2 = {4: "10.0.0.11", 6: "fd00::11"}
FAR = {4: "10.0.0.2", 6: "fd00::2"}
FAR2 = {4: "10.0.0.12", 6: "fd00::12"}
ANY = {4: "0.0.0.0", 6: "::"}
pair = None


def case(name, families=(4, 6)):
    """A case for each family: near (a), which is under test, and far (b), which sends from raw sockets."""
    def register(function):
        for family in families:
            def run(family=family):
                ground()
                with pair[0].enter():
                    function(family)
            ktap.add(f"IPv{family}: {name}", run)
        return function
    return register


def ground():
    global pair
    if pair is None:
        pair = netns.pair()
        for space in pair:
            ktap.at_exit(space.delete)
        pair[0].batch(["addr add 10.0.0.11/24 brd + dev va", "addr change 10.0.0.1/24 brd + dev va",
                       "addr add fd00::11/64 dev va nodad", "addr add fe80::a/64 dev va nodad"])
        pair[1].batch(["addr add 10.0.0.12/24 brd + dev vb", "addr change 10.0.0.2/24 brd + dev vb",
                       "addr add fd00::12/64 dev vb nodad", "addr add fe80::b/64 dev vb nodad",
                       "route add 224.0.0.0/4 dev vb", "route add 255.255.255.255/32 dev vb"])
        netns.wait_for(lambda: netns.routed(pair[0], "fd00::11", "fe80::a") and netns.routed(pair[1], "fd00::12", "fe80::b"),
                       what="routes of the addresses")


class Sender:
    """A raw socket of the far end."""

    def __init__(self, family, source=None):
        self.family = family
        with pair[1].enter():
            self.sock = socket.socket(l2tpip.AF[family], socket.SOCK_RAW, 115)
            self.index = socket.if_nametoindex("vb")
        ktap.cleanup(self.sock.close)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if source:
            self.sock.bind((source, 0))

    def packet(self, payload, to):
        where = (to, 0) if self.family == 4 else (to, 0, 0, self.index if to.startswith(("fe80", "ff02")) else 0)
        self.sock.sendto(payload, where)

    def message(self, connection, to, body=b""):
        self.packet(bytes(4) + control_message(connection, body), to)


def bound(family, connection, host, peer=None, device=None):
    s = Sock(family)
    ktap.cleanup(s.close)
    if device:
        ktap.eq(s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode()), 0, "SO_BINDTODEVICE")
    ktap.eq(s.bind(address(family, host, connection)), 0, f"bind {host} {connection}")
    if peer:
        ktap.eq(s.connect(address(family, peer, connection)), 0, "connect")
    return s


_count = [0]


def who(family, connection, to, socks, source=None):
    """Indices of the sockets that get a message for the id, sent to an address."""
    _count[0] += 1
    body = struct.pack("!I", _count[0])
    # A datagram socket that gets it for sure, after the message, says that it has been dealt with.
    mark = bound(family, 0xfeed, NEAR[family])
    sender = Sender(family, source or FAR[family])
    sender.message(connection, to, body)
    sender.message(0xfeed, NEAR[family])
    ktap.ok(mark.wait(), "the mark arrives")
    mark.close()
    got = []
    for index, s in enumerate(socks):
        while True:
            received = s.recv(flags=MSG_DONTWAIT)
            if isinstance(received, str):
                break
            if received.data == control_message(connection, body):
                got.append(index)
    return got


@case("ids and addresses")
def ids(family):
    near, near2 = NEAR[family], NEAR2[family]
    socks = [bound(family, 1, near), bound(family, 1, near2), bound(family, 2, near),
             bound(family, 3, ANY[family]), bound(family, 0, ANY[family])]
    table = [(1, near, [0]), (1, near2, [1]), (2, near, [2]), (2, near2, []), (3, near, [3]), (3, near2, [3]),
             (0, near, [4]), (4, near, []), (0x10001, near, []), (0x01000000, near, [])]
    for connection, to, want in table:
        ktap.eq(who(family, connection, to, socks), want, f"{connection:#x} to {to}")


@case("peers")
def peers(family):
    near, near2 = NEAR[family], NEAR2[family]
    one = bound(family, 1, near, FAR[family])
    ktap.eq(who(family, 1, near, [one]), [0], "from the peer")
    ktap.eq(who(family, 1, near, [one], FAR2[family]), [], "from somebody else")
    one.disconnect()
    ktap.eq(who(family, 1, near2, [one]), [0], "disconnected: at any address")
    # An IPv6 socket goes on to listen to its peer only.
    ktap.eq(who(family, 1, near, [one], FAR2[family]), [0] if family == 4 else [], "disconnected: from somebody else")


@case("peers: of several the one connected last", families=(4,))
def last(family):
    near, near2 = NEAR[family], NEAR2[family]
    # A second socket with the same id fits in while the first has another address; the one connected last goes first.
    a, b = bound(family, 5, near), bound(family, 5, near2)
    ktap.eq((a.connect(address(family, FAR[family], 9)), b.connect(address(family, FAR[family], 9))), (0, 0), "connect")
    a.disconnect(), b.disconnect()
    ktap.eq(who(family, 5, near, [a, b]), [1], "both at any address: the last")
    ktap.eq(a.connect(address(family, FAR[family], 9)), 0, "connect the first again")
    ktap.eq(who(family, 5, near, [a, b]), [0], "now it is the first")
    ktap.eq(who(family, 5, near, [a, b], FAR2[family]), [1], "unless its peer is another")
    a.close()
    ktap.eq(who(family, 5, near, [b]), [0], "closed: the other")


@case("devices")
def devices(family):
    near = NEAR[family]
    here, there = bound(family, 1, ANY[family], device="va"), bound(family, 1, ANY[family], device="lo")
    ktap.eq(who(family, 1, near, [here, there]), [0], "the device it came through")
    here.close()
    ktap.eq(who(family, 1, near, [there]), [], "not another")


@case("link-local addresses", families=(6,))
def link_local(_):
    index = pair[0].links()["va"]
    s = Sock(6)
    ktap.cleanup(s.close)
    ktap.eq(s.bind(address(6, "fe80::a", 1, scope=index)), 0, "bind")
    Sender(6).message(1, "fe80::a")
    ktap.ok(s.wait(), "arrival")
    got = s.recv()
    ktap.eq(got.name, address(6, "fe80::b", 0, scope=index), "sender")
    ktap.eq(s.send(control_message(7), got.name), 12, "answer")
    ktap.eq(s.connect(address(6, "fe80::b", 7)), 0, "connect, the device is known")
    ktap.eq(s.getpeername(), address(6, "fe80::b", 7, scope=index), "peer")


GROUP, GROUP6 = "224.0.0.99", "ff02::99"
# Bound to, sent to, does it arrive if the host is a member of the group, and if not. (IPv6 is not asked for membership: the
# protocol handler is reached for whatever the device lets in, which is only what somebody on the host has joined.)
MATRIX4 = [
    (ANY[4], NEAR[4], True, True), (ANY[4], GROUP, True, False), (ANY[4], "10.0.0.255", True, True),
    (ANY[4], "255.255.255.255", True, True), (NEAR[4], GROUP, False, False), (NEAR[4], "10.0.0.255", False, False),
    (NEAR[4], "255.255.255.255", False, False), (GROUP, GROUP, True, False), (GROUP, NEAR[4], False, False),
    ("10.0.0.255", "10.0.0.255", True, True), ("10.0.0.255", NEAR[4], False, False),
    ("10.0.0.255", "255.255.255.255", False, False), ("255.255.255.255", "255.255.255.255", True, True),
]
MATRIX6 = [(ANY[6], NEAR[6], True, True), (ANY[6], GROUP6, True, False), (NEAR[6], GROUP6, False, False),
           (ANY[6], "ff02::1", True, True), (NEAR[6], "ff02::1", False, False)]


@case("groups and broadcasts")
def groups(family):
    index = pair[0].links()["va"]
    for member in (True, False):
        for host, to, with_it, without in MATRIX4 if family == 4 else MATRIX6:
            with Sock(family) as s:
                ktap.eq(s.bind(address(family, host, 1)), 0, f"bind {host}")
                if member and family == 4:
                    s.setsockopt(0, 35, socket.inet_aton(GROUP) + bytes(4) + struct.pack("=i", index))
                elif member:
                    s.setsockopt(41, 20, socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("=i", index))
                want = [0] if (with_it if member else without) else []
                ktap.eq(who(family, 1, to, [s]), want, f"{host}, sent to {to}, {'member' if member else 'no member'}")


@case("sending to groups and broadcasts")
def send_groups(family):
    with pair[1].enter():
        far = Sock(family)
        ktap.cleanup(far.close)
        ktap.eq(far.bind(address(family, ANY[family], 1)), 0, "bind")
        index = socket.if_nametoindex("vb")
    s = bound(family, 2, ANY[family])
    for to in ("10.0.0.255",) if family == 4 else ("ff02::1",):
        scope = {} if family == 4 else {"scope": pair[0].links()["va"]}
        ktap.eq(s.send(control_message(1), address(family, to, **scope)), 12, f"send to {to}")
        ktap.ok(far.wait(), f"{to}: arrival")
        ktap.eq(far.data(), control_message(1), to)
    ktap.ok(index, "device")


@case("what is no control message")
def malformed(family):
    s = bound(family, 1, ANY[family])
    sender = Sender(family)
    header = control_message(1)
    for payload in (b"", b"\0", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\0\xc8", bytes(4) + header[:11], bytes(4) + header[:8],
                    bytes(4) + b"\x48" + header[1:], bytes(4) + b"\x88" + header[1:], bytes(4) + b"\x08" + header[1:],
                    b"\0\0\0\1" + header, b"\xff\xff\xff\xff" + header, bytes(15)):
        sender.packet(payload, NEAR[family])
    sender.message(1, NEAR[family], b"last")
    ktap.ok(s.wait(), "arrival")
    ktap.eq(s.data(), control_message(1, b"last"), "only the last is one")
    for payload in (b"\xc0" + header[1:], b"\xff" * 4 + header[4:], header[:1] + b"\x02" + header[2:],
                    header[:2] + b"\xff\xff" + header[4:]):
        sender.packet(bytes(4) + payload, NEAR[family])
        ktap.eq(s.data(), payload, f"version, length and other flags do not matter: {payload[:4].hex()}")


@case("fragments")
def fragments(family):
    s = bound(family, 1, NEAR[family])
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    body = bytes(range(256)) * 200
    with pair[1].enter():
        far = Sock(family)
        ktap.cleanup(far.close)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        if family == 4:
            far.setsockopt(0, 10, 0)  # IP_MTU_DISCOVER: fragment
    message = control_message(1, body, length=12)
    ktap.eq(far.send(message, address(family, NEAR[family])), len(message), "send")
    ktap.ok(s.wait(), "arrival")
    ktap.eq(s.data(), message, "message")


@case("a socket's filter")
def filters(family):
    s = bound(family, 1, ANY[family])
    # ldb [12]; jeq 'y' accept all, else drop. The filter sees the message from the control header on.
    code = struct.pack("=" + "HBBI" * 4, 0x30, 0, 0, 12, 0x15, 0, 1, ord("y"), 0x06, 0, 0, 0xffff, 0x06, 0, 0, 0)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("=HxxxxxxQ", 4, ctypes.addressof(buffer))
    ktap.eq(s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program), 0, "attach")
    sender = Sender(family)
    for body in (b"no", b"yes", b"never", b"y"):
        sender.message(1, NEAR[family], body)
    ktap.eq([s.data(), s.data()], [control_message(1, b"yes"), control_message(1, b"y")], "what passes")
    ktap.eq(s.recv(flags=MSG_DONTWAIT), "EAGAIN", "and no more")


def block(s, family):
    """An IPsec policy of the socket that blocks all it receives: struct xfrm_userpolicy_info."""
    # The selector's family is at its end but two words: 56 bytes; then limits (infinite), and direction in, action block.
    selector = bytes(40) + struct.pack("=HBBBxxxiI", l2tpip.AF[family], 0, 0, 0, 0, 0)
    policy = (selector + struct.pack("=QQQQQQQQ", *[1 << 63] * 4, 0, 0, 0, 0) + bytes(32) +
              struct.pack("=IIBBBBxxxx", 0, 0, 0, 1, 0, 0))
    return s.setsockopt(0 if family == 4 else 41, 17 if family == 4 else 35, policy)


@case("an IPsec policy of the socket")
def policy(family):
    s = bound(family, 1, ANY[family])
    sender = Sender(family)
    sender.message(1, NEAR[family], b"before")
    ktap.eq(s.data(), control_message(1, b"before"), "before")
    if not impl.load("xfrm_user"):
        ktap.skip("no xfrm_user, which sockets' policies need")
    ktap.eq(block(s, family), 0, "set")
    ktap.eq(who(family, 1, NEAR[family], [s]), [], "blocked")


if __name__ == "__main__":
    if not impl.available("l2tp_ip"):
        ktap.diag("no l2tp_ip")
        raise SystemExit(ktap.SKIP)
    ktap.main()
