#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Random netlink requests, sound and malformed, in a fixed order per seed.

The kernel survives, dumps agree with single lookups, and in the end everything
can be deleted. What the answers are is compared with the C modules by
tools/testing/conformance.
"""
import os
import random
import socket

from lib import genl, ktap
from lib import l2tp as L
from lib.genl import raw, string, u32
from lib.netns import NetNS, wait_for

SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
COUNT = int(os.environ.get("COUNT", "800"))

ns = NetNS()
ktap.at_exit(ns.delete)
ns.ip("link add d0 type dummy")
ns.batch(["link set d0 up", "addr add 10.0.0.1/24 dev d0", "addr add fd00::1/64 dev d0 nodad"])
nl = L.L2tp(netns=ns)
rng = random.Random(SEED)

TIDS = (0, 1, 2, 3, 0xffff, 0x10001, 0xffffffff)
SIDS = (0, 1, 2, 3, 0xffff, 0x10001, 0xffffffff)
NAMES = ("e0", "e1", "e2", "t%d", "lo", "a/b", "zz", "e0", "x" * 15, "x" * 16, "d0")
PORTS = (0, 4000, 4001, 4002)
IPS = ("127.0.0.1", "127.0.0.2", "10.0.0.1", "203.0.113.9", "0.0.0.0", "255.255.255.255")
IP6S = ("::1", "fd00::1", "2001:db8::9", "::", "::ffff:127.0.0.1", "fe80::1", "ff02::1")


def sockets():
    """Descriptors with fixed numbers, so that transcripts of two runs agree."""
    made = []
    with ns.enter():
        for family, kind, local, remote in (
                (2, 2, ("127.0.0.1", 5001), ("127.0.0.1", 9)), (2, 2, None, None),
                (10, 2, ("::1", 5002), ("::1", 9)), (10, 2, ("::ffff:127.0.0.1", 5003), None),
                (2, 1, None, None), (1, 2, None, None)):
            one = socket.socket(family, kind)
            if local:
                one.bind(local)
            if remote:
                one.connect(remote)
            os.dup2(one.fileno(), 200 + len(made))
            made.append(one)
    return [200 + n for n in range(len(made))] + [199, 0xffffffff]


FDS = sockets()
pick = rng.choice


def chance(part):
    return rng.random() < part


def number(kind, size, values):
    """An integer attribute: mostly sound, sometimes of the wrong length or an odd value."""
    if chance(0.03):
        return raw(kind, rng.randbytes(rng.randrange(0, size + 3)))
    value = pick(values) if chance(0.97) else rng.getrandbits(size * 8)
    return raw(kind, value.to_bytes(size, "little"))


def some(part, attribute, *args):
    return attribute(*args) if chance(part) else b""


def nonsense():
    """Attributes that should not matter, or be refused by the policy."""
    return raw(rng.randrange(0, 40) | pick((0, 0, 0, 0x8000, 0x4000)), rng.randbytes(rng.randrange(0, 20)))


# (which id attributes to send) x (values)
def tid(part=0.98):
    return some(part, number, L.CONN_ID, 4, TIDS)


def sid(part=0.97):
    return some(part, number, L.SESSION_ID, 4, SIDS)


def name(part):
    if not chance(part):
        return b""
    if chance(0.05):
        return raw(L.IFNAME, rng.randbytes(rng.randrange(0, 20)))
    return string(L.IFNAME, pick(NAMES))


def address():
    if chance(0.3):
        return some(0.97, raw, L.IP6_SADDR, socket.inet_pton(10, pick(IP6S))) \
            + some(0.97, raw, L.IP6_DADDR, socket.inet_pton(10, pick(IP6S)))
    return some(0.97, raw, L.IP_SADDR, socket.inet_aton(pick(IPS))) \
        + some(0.97, raw, L.IP_DADDR, socket.inet_aton(pick(IPS)))


def tunnel_create():
    return L.TUNNEL_CREATE, [tid(), some(0.98, number, L.PEER_CONN_ID, 4, (0, 9)),
                             some(0.98, number, L.PROTO_VERSION, 1, (3, 3, 3, 2)),
                             some(0.98, number, L.ENCAP_TYPE, 2, (0, 0, 0, 0, 0, 1, 2)),
                             some(0.5, number, L.FD, 4, FDS), address(),
                             some(0.7, number, L.UDP_SPORT, 2, PORTS),
                             some(0.7, number, L.UDP_DPORT, 2, PORTS),
                             some(0.2, number, L.UDP_CSUM, 1, (0, 1)),
                             some(0.2, raw, L.UDP_ZERO_CSUM6_TX), some(0.2, raw, L.UDP_ZERO_CSUM6_RX)]


def options():
    return [some(0.3, number, L.SEND_SEQ, 1, (0, 1, 2, 3)), some(0.3, number, L.RECV_SEQ, 1, (0, 1, 2, 3)),
            some(0.3, number, L.LNS_MODE, 1, (0, 1, 255)),
            some(0.3, number, L.RECV_TIMEOUT, 8, (0, 1, 10, 100, 1000, 99999))]


def session_create():
    return L.SESSION_CREATE, [tid(), sid(), some(0.98, number, L.PEER_SESSION_ID, 4, SIDS),
                              some(0.98, number, L.PW_TYPE, 2, (5,) * 9 + (7,) * 6 + (4, 11, 12)),
                              some(0.5, number, L.L2SPEC_TYPE, 1, (0, 1, 1, 2)), name(0.5),
                              some(0.3, raw, L.COOKIE, rng.randbytes(rng.randrange(0, 10))),
                              some(0.3, raw, L.PEER_COOKIE, rng.randbytes(rng.randrange(0, 10))),
                              *options()]


def tunnel_other():
    return pick((L.TUNNEL_GET, L.TUNNEL_MODIFY, L.TUNNEL_DELETE, L.TUNNEL_DELETE)), [tid()]


known = []          # (tunnel, session) ids of the last created ones


def session_other():
    if known and chance(0.6):
        where = pick(known)
        return pick((L.SESSION_GET, L.SESSION_MODIFY, L.SESSION_MODIFY, L.SESSION_DELETE)), \
            [u32(L.CONN_ID, where[0]), u32(L.SESSION_ID, where[1]), *options()]
    return pick((L.SESSION_GET, L.SESSION_GET, L.SESSION_MODIFY, L.SESSION_DELETE)), \
        [tid(), sid(), name(0.2), *options()]


def anything():
    return rng.randrange(0, 12), [nonsense() for _ in range(rng.randrange(0, 6))]


def request():
    cmd, attrs = pick((tunnel_create,) * 3 + (session_create,) * 5 + (tunnel_other,) * 2 + (session_other,)
                      + (session_other, anything))()
    if chance(0.2):
        rng.shuffle(attrs)
    if chance(0.15):
        attrs.insert(rng.randrange(len(attrs) + 1), nonsense())
    if chance(0.05):
        attrs.append(pick(attrs) if attrs else b"")
    data = b"".join(attrs)
    if chance(0.02):
        data = data[:rng.randrange(len(data) + 1)]
    return cmd, data


def duplicates(data):
    """Would this create a second session of one id in one tunnel? C hides the first."""
    got = genl.values(data)
    pair = [int.from_bytes(got.get(kind, b"")[:4], "little") for kind in (L.CONN_ID, L.SESSION_ID)]
    return tuple(pair) in nl.sessions()


def odd_version(data):
    """A version that does not exist, or a v2 tunnel whose id shares its sessions with another's: found differently."""
    got = genl.values(data)
    version, high = got.get(L.PROTO_VERSION, b"\3")[:1], got.get(L.CONN_ID, bytes(4))[2:4]
    return version not in (b"\2", b"\3") or version == b"\2" and any(high)


def settle():
    """After a deletion: wait until what is listed and the devices agree."""
    def agree():
        named = [m for m in nl.dump(L.SESSION_GET).messages if m.get(L.IFNAME)]
        return len(ns.links()) - 2 == len(named)
    wait_for(agree, 20, "devices and sessions agree")


@ktap.case(f"{COUNT} requests, seed {SEED}")
def _():
    ktap.cleanup(lambda: wait_for(lambda: len(ns.links()) == 2, 20, "devices gone"))
    ktap.cleanup(nl.wipe)
    done = {}
    for step in range(COUNT):
        cmd, data = request()
        if cmd == L.SESSION_CREATE and duplicates(data) or cmd == L.TUNNEL_CREATE and odd_version(data):
            continue
        before, sessions = nl.tunnels(), nl.sessions()
        answer = nl.do(cmd, data)
        if cmd == L.SESSION_CREATE and not answer.errno:
            got = genl.values(data)
            known[:] = known[-9:] + [tuple(int.from_bytes(got[kind][:4], "little")
                                           for kind in (L.CONN_ID, L.SESSION_ID))]
        done[cmd, answer.name] = done.get((cmd, answer.name), 0) + 1
        if answer.errno == 0 and cmd in (L.TUNNEL_DELETE, L.SESSION_DELETE) or \
                answer.errno and cmd == L.SESSION_CREATE:
            if cmd == L.TUNNEL_DELETE:
                wait_for(lambda: len(nl.tunnels()) < len(before), 10, "tunnel gone")
            elif cmd == L.SESSION_DELETE:       # id 0 of v2 is not listed
                wait_for(lambda: len(nl.sessions()) < len(sessions), 0.5)
            settle()
        if step % 50 == 0:
            for message in nl.dump(L.SESSION_GET).messages:
                same = nl.session_get(message.uint(L.CONN_ID), message.uint(L.SESSION_ID))
                ktap.eq(same.payload, message.payload, "dump and lookup")
    ktap.diag({f"{cmd} {what}": n for (cmd, what), n in sorted(done.items())})
    for cmd in (L.TUNNEL_CREATE, L.TUNNEL_DELETE, L.SESSION_CREATE, L.SESSION_MODIFY):
        ktap.ok((cmd, "ok") in done, f"command {cmd} succeeded at least once")


@ktap.case("requests of pure noise")
def _():
    ktap.cleanup(nl.wipe)
    noise = random.Random(SEED)
    for _ in range(COUNT):
        nl.send(noise.randrange(0, 12), noise.randbytes(noise.randrange(0, 200)),
                flags=noise.choice((1, 5, 0x301, 0x305)), version=noise.randrange(256))
        while nl.receive(0):
            pass
    ktap.eq(nl.do(L.NOOP).name, "ok")


@ktap.case("attributes nested in attributes, and a very long request")
def _():
    ktap.cleanup(nl.wipe)
    deep = b""
    for _ in range(1000):
        deep = raw(L.STATS, deep)
    ktap.isin(nl.do(L.TUNNEL_GET, deep).name, ("EINVAL", "ERANGE"))
    ktap.eq(nl.do(L.TUNNEL_GET, u32(L.CONN_ID, 1) * 5000).name, "ENODEV")
    ktap.eq(nl.do(L.TUNNEL_GET, raw(99, bytes(30000)) + u32(L.CONN_ID, 1)).name, "ENODEV")


ktap.main()
