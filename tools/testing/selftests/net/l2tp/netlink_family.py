#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The generic netlink family itself: properties, commands, policy, permissions."""
import array
import os
import socket

from lib import child, genl, ktap
from lib import l2tp as L
from lib.genl import raw, u8, u32
from lib.netns import NetNS

ns = NetNS()
ktap.at_exit(ns.delete)
nl = L.L2tp(netns=ns)
LOOP = dict(local="127.0.0.1", remote="127.0.0.1")
NAMES = ["NOOP", "TUNNEL_CREATE", "TUNNEL_DELETE", "TUNNEL_MODIFY", "TUNNEL_GET",
         "SESSION_CREATE", "SESSION_DELETE", "SESSION_MODIFY", "SESSION_GET"]
nl.tunnel_create(1, 2, **LOOP)
nl.session_create(1, 11, 12, ifname="e0")
ktap.at_exit(nl.wipe)


# Properties -----------------------------------------------------------------

@ktap.case("family: name, version, header size, highest attribute")
def _():
    ktap.eq((nl.version, nl.hdrsize, nl.maxattr), (1, 0, 35))


@ktap.case("family: commands and their flags, in order")
def _():
    ktap.eq(nl.ops, [(0, 10), (1, 26), (2, 26), (3, 26), (4, 30), (5, 26), (6, 26), (7, 26), (8, 30)])


@ktap.case("family: one multicast group, l2tp")
def _():
    ktap.eq(list(nl.groups), ["l2tp"])


@ktap.case("family: the same in another namespace, with the same ids")
def _():
    with NetNS() as other, L.L2tp(netns=other) as there:
        ktap.eq((there.family, there.groups), (nl.family, nl.groups))
        ktap.eq(there.tunnels(), [], "no tunnel of the first namespace")


# Attribute: (NL_ATTR_TYPE_*, highest value or longest length)
POLICY = {1: (3, 0xffff), 2: (3, 0xffff), 3: (3, 0xffff), 4: (2, 0xff), 5: (2, 0xff), 6: (2, 0xff),
          7: (2, 0xff), 8: (12, 15), 9: (4, 0xffffffff), 10: (4, 0xffffffff), 11: (4, 0xffffffff),
          12: (4, 0xffffffff), 13: (2, 0xff), 14: (3, 0xffff), 15: (10, 8), 16: (10, 8),
          17: (4, 0xffffffff), 18: (2, 0xff), 19: (2, 0xff), 20: (2, 0xff), 21: (2, 0xff),
          22: (17, (1 << 64) - 1), 23: (4, 0xffffffff), 24: (4, 0xffffffff), 25: (4, 0xffffffff),
          26: (3, 0xffff), 27: (3, 0xffff), 28: (3, 0xffff), 29: (3, 0xffff), 30: (13, None),
          31: (10, 16), 32: (10, 16)}


@ktap.case("family: the policy as the kernel tells it")
def _():
    with L.L2tp(netns=ns) as ctrl:
        answer = ctrl.request(10, genl.string(2, "l2tp"), kind=16, flags=0x301)
    ktap.eq(answer.name, "ok", "CTRL_CMD_GETPOLICY")
    got = {}
    for message in answer.messages:
        for policy in message.get(8).nest if message.get(8) else []:
            for attr in policy.nest:
                parts = {p.type: p.uint for p in attr.nest if len(p.data) <= 8}
                limit = parts.get(5, parts.get(7))      # highest value, longest length
                got[attr.type] = (parts[1], limit)
    ktap.eq(got, POLICY, "attribute: (type, limit)")


# Commands ---------------------------------------------------------------------

@ktap.case("NOOP: a bare header, flags 0")
def _():
    for flags in (1, 5):
        answer_seq = nl.send(L.NOOP, flags=flags)
        message = nl.receive(5)[0]
        ktap.eq((message.type, message.flags, message.seq, message.port, message.cmd,
                 message.version, message.reserved, message.len),
                (nl.family, 0, answer_seq, nl.port, 0, 1, 0, 20))
        if flags & 4:
            ktap.eq(nl.collect(answer_seq).name, "ok", "ack")


@ktap.case("NOOP: attributes do not matter, unless the policy refuses them")
def _():
    ktap.eq(nl.do(L.NOOP, u32(L.CONN_ID, 1)).name, "ok")
    ktap.eq(nl.do(L.NOOP, u8(L.CONN_ID, 1)).name, "ERANGE")


@ktap.case("unknown commands are EOPNOTSUPP, do and dump")
def _():
    for cmd in (9, 10, 100, 255):
        ktap.eq(nl.do(cmd).name, "EOPNOTSUPP", f"do {cmd}")
        ktap.eq(nl.dump(cmd).name, "EOPNOTSUPP", f"dump {cmd}")


@ktap.case("dump of a command that has none is EOPNOTSUPP")
def _():
    for cmd in (0, 1, 2, 3, 5, 6, 7):
        ktap.eq(nl.dump(cmd, u32(L.CONN_ID, 1)).name, "EOPNOTSUPP", NAMES[cmd])


@ktap.case("the header's version and reserved field and unknown flags are ignored")
def _():
    for header in (dict(version=0), dict(version=2), dict(version=255), dict(reserved=0xffff),
                   dict(flags=0x5 | 0x800), dict(flags=0x5 | 0x400), dict(flags=0x5 | 0x8)):
        ktap.eq(nl.do(L.TUNNEL_GET, u32(L.CONN_ID, 1), **header).name, "ok", f"{header}")


@ktap.case("attributes 0 and above 35 are ignored, nested bit or not")
def _():
    for kind in (0, 36, 37, 255, 0x3fff):
        for bits in (0, 0x8000, 0x4000):
            for data in (b"", b"x", bytes(40)):
                answer = nl.do(L.TUNNEL_GET, u32(L.CONN_ID, 1) + raw(kind | bits, data))
                ktap.eq(answer.name, "ok", f"type {kind | bits:#x}, {len(data)} bytes")


@ktap.case("bytes after the last attribute are ignored; a truncated attribute is not seen")
def _():
    ktap.eq(nl.do(L.TUNNEL_GET, u32(L.CONN_ID, 1) + b"\1\2\3").name, "ok", "three bytes")
    ktap.eq(nl.do(L.TUNNEL_GET, u32(L.CONN_ID, 1) + raw(L.SESSION_ID, b"ab", length=99)).name, "ok",
            "length beyond the end")
    ktap.eq(nl.do(L.TUNNEL_GET, raw(L.CONN_ID, bytes(4), length=3)).name, "EINVAL",
            "length below the header")


# Policy -----------------------------------------------------------------------

BEFORE = u32(L.CONN_ID, 1)
FIXED = {1: 2, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1, 7: 1, 9: 4, 10: 4, 11: 4, 12: 4, 13: 1, 14: 2, 17: 4,
         18: 1, 19: 1, 20: 1, 21: 1, 22: 8, 23: 4, 24: 4, 25: 4, 26: 2, 27: 2, 28: 2, 29: 2}


def refused(answer, want, what, offset=16 + 4 + len(BEFORE)):
    ktap.eq(answer.name, want, what)
    ktap.eq((answer.extack.msg, answer.extack.offset),
            ("Attribute failed policy validation", offset), f"{what}: extack")


for cmd in range(9):
    @ktap.case(f"policy: {NAMES[cmd]}: integers too short are ERANGE, with extack", cmd)
    def _(cmd):
        for kind, size in FIXED.items():
            for short in range(size):
                refused(nl.do(cmd, BEFORE + raw(kind, bytes(short))), "ERANGE",
                        f"attribute {kind}, {short} of {size} bytes")
        ktap.eq((nl.tunnels(), nl.sessions()), ([1], [(1, 11)]), "nothing happened")


@ktap.case("policy: integers too long are taken, their first bytes count")
def _():
    for kind, size in FIXED.items():
        if kind != L.CONN_ID:
            ktap.eq(nl.do(L.TUNNEL_GET, BEFORE + raw(kind, bytes(size + 3))).name, "ok", f"{kind}")
    ktap.eq(nl.do(L.TUNNEL_GET, raw(L.CONN_ID, b"\1\0\0\0\0\0\0\1")).messages[0].uint(L.CONN_ID), 1)


@ktap.case("policy: binaries beyond their maximum are ERANGE, up to it accepted")
def _():
    for kind, most in ((L.COOKIE, 8), (L.PEER_COOKIE, 8), (L.IP6_SADDR, 16), (L.IP6_DADDR, 16)):
        for size in (most + 1, most + 100):
            refused(nl.do(L.TUNNEL_GET, BEFORE + raw(kind, bytes(size))), "ERANGE", f"{kind}: {size}")
        ktap.eq(nl.do(L.TUNNEL_GET, BEFORE + raw(kind, bytes(most))).name, "ok", f"{kind}: {most}")


for name, data, want in (
        ("no NUL in 16 bytes", b"a" * 16, "EINVAL"), ("no NUL in 4 bytes", b"abcd", "EINVAL"),
        ("empty", b"", "EINVAL"), ("NUL after 16", b"a" * 16 + b"\0", "EINVAL"),
        ("NUL inside, 20 bytes", b"ab\0" + b"c" * 17, "ERANGE"),
        ("NUL inside, 17 bytes, NUL at the end", b"ab\0" + b"c" * 13 + b"\0", "ERANGE"),
        ("15 characters", b"a" * 15 + b"\0", "ok"), ("just NUL", b"\0", "ok"),
        ("NUL inside, 15 bytes", b"ab\0" + b"c" * 12, "ok")):
    @ktap.case(f"policy: IFNAME, {name}: {want}", data, want)
    def _(data, want):
        answer = nl.do(L.TUNNEL_GET, BEFORE + raw(L.IFNAME, data))
        if want == "ok":
            ktap.eq(answer.name, "ok")
        else:
            refused(answer, want, repr(data))


@ktap.case("policy: an empty UDP_CSUM is ERANGE, empty ZERO_CSUM6 flags are fine")
def _():
    refused(nl.do(L.TUNNEL_CREATE, BEFORE + raw(L.UDP_CSUM)), "ERANGE", "UDP_CSUM")
    for size in (0, 1, 4, 9):
        ktap.eq(nl.do(L.TUNNEL_GET, BEFORE + raw(L.UDP_ZERO_CSUM6_TX, bytes(size))
                      + raw(L.UDP_ZERO_CSUM6_RX, bytes(size)) + raw(L.PAD, bytes(size))).name, "ok")


@ktap.case("policy: it is checked before anything the command looks at")
def _():
    with L.L2tp(netns=ns) as fresh:
        for cmd in (1, 2, 3, 4, 5, 6, 7, 8):
            refused(fresh.do(cmd, raw(L.CONN_ID, b"ab")), "ERANGE", NAMES[cmd], offset=20)


@ktap.case("dump requests are not validated: any attribute, any nonsense")
def _():
    for attrs in (raw(L.CONN_ID, b""), raw(L.CONN_ID, b"ab"), raw(L.IFNAME, b"x" * 40),
                  u32(L.CONN_ID, 77) + u32(L.SESSION_ID, 77), raw(L.CONN_ID, b"abcd", length=2),
                  b"\xff" * 7, raw(99, bytes(100))):
        ktap.eq([m.uint(L.CONN_ID) for m in nl.dump(L.TUNNEL_GET, attrs).messages], [1], attrs.hex())
        ktap.eq([m.uint(L.SESSION_ID) for m in nl.dump(L.SESSION_GET, attrs).messages], [11],
                attrs.hex())


# Permissions --------------------------------------------------------------------

def tries(client):
    """The errno of every command, do and dump."""
    good = u32(L.CONN_ID, 1) + u32(L.SESSION_ID, 11)
    return {**{NAMES[c]: client.do(c, good).name for c in range(9) if c not in (1, 2, 5, 6)},
            **{NAMES[c]: client.do(c, b"").name for c in (1, 2, 5, 6)},
            "TUNNEL dump": client.dump(L.TUNNEL_GET).name,
            "SESSION dump": client.dump(L.SESSION_GET).name}


DENIED = {**{name: "EPERM" for name in NAMES[1:] + ["TUNNEL dump", "SESSION dump"]}, "NOOP": "ok"}
ALLOWED = {**{name: "ok" for name in NAMES + ["TUNNEL dump", "SESSION dump"]},
           "TUNNEL_CREATE": "EINVAL", "TUNNEL_DELETE": "EINVAL", "SESSION_CREATE": "EINVAL",
           "SESSION_DELETE": "ENODEV"}


@ktap.case("permission: root may everything")
def _():
    ktap.eq(tries(nl), ALLOWED)


@ktap.case("permission: another user may only NOOP")
def _():
    def main():
        # setns back would fail without rights: enter for good.
        os.setns(os.open(ns.path, os.O_RDONLY), os.CLONE_NEWNET)
        child.become()
        return tries(L.L2tp())
    ktap.eq(child.run(main), DENIED)


@ktap.case("permission: the check comes before the policy")
def _():
    def main():
        child.become()
        client = L.L2tp()
        return [client.do(c, raw(L.CONN_ID, b"a")).name for c in range(1, 9)]
    ktap.eq(child.run(main), ["EPERM"] * 8)


@ktap.case("permission: a socket that root opened is of no use to another user")
def _():
    def main():
        client = L.L2tp(netns=ns)
        child.become()
        return tries(client)
    ktap.eq(child.run(main), DENIED)


@ktap.case("permission: nor is one that another user opened of use to root")
def _():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def main():
        os.setns(os.open(ns.path, os.O_RDONLY), os.CLONE_NEWNET)
        child.become()
        client = L.L2tp()
        theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                 array.array("i", [client.sock.fileno()]))])
        return client.port
    port = child.run(main)
    data = ours.recvmsg(1, 64)[1][0][2]
    with L.L2tp(netns=ns) as borrowed:
        borrowed.sock.close()
        borrowed.sock = socket.socket(fileno=array.array("i", data)[0])
        borrowed.port = port
        ktap.eq(tries(borrowed), DENIED)
    ours.close()
    theirs.close()


@ktap.case("permission: a user is root in its own user and network namespace")
def _():
    def main():
        child.become()
        try:
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
        except OSError as error:
            return str(error)
        client = L.L2tp()
        names = [client.try_tunnel_create(1, 2, fd=0xffffffff),
                 client.try_session_create(1, 11, 12), client.try_session_get(1, 11),
                 client.try_tunnel_get(1), client.dump(L.TUNNEL_GET).name,
                 client.try_session_modify(1, 11), client.try_session_delete(1, 11),
                 client.try_tunnel_delete(1)]
        return names
    got = child.run(main)
    if isinstance(got, str):
        ktap.skip(f"no unprivileged user namespaces: {got}")
    ktap.eq(got, ["ok"] * 8)


@ktap.case("permission: root of a user namespace has no say in a network namespace outside it")
def _():
    def main():
        os.setns(os.open(ns.path, os.O_RDONLY), os.CLONE_NEWNET)
        child.become()
        try:
            os.unshare(os.CLONE_NEWUSER)
        except OSError as error:
            return str(error)
        return tries(L.L2tp())
    got = child.run(main)
    if isinstance(got, str):
        ktap.skip(f"no unprivileged user namespaces: {got}")
    ktap.eq(got, DENIED)


@ktap.case("permission: anybody may join the multicast group")
def _():
    def main():
        os.setns(os.open(ns.path, os.O_RDONLY), os.CLONE_NEWNET)
        child.become()
        genl.Listener(rcvbuf=None)
        return "ok"
    ktap.eq(child.run(main), "ok")


@ktap.case("permission: a port below 1024 needs CAP_NET_BIND_SERVICE of the requester")
def _():
    def main():
        client = L.L2tp(netns=ns)
        child.drop_capability(10)
        return [client.try_tunnel_create(5, 6, sport=port, dport=9, **LOOP) for port in (1000, 1024)] \
            + [client.try_tunnel_create(6, 6, sport=1000, dport=9, local="::1", remote="::1")]
    ktap.eq(child.run(main), ["EACCES", "ok", "EACCES"])
    nl.tunnel_gone(5)


ktap.main()
