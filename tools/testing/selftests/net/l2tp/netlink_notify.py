#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Multicast notifications: which, with what header and content, and when there are none."""
from lib import genl, impl, ktap
from lib import l2tp as L
from lib.genl import string, u8, u32
from lib.netns import NetNS, wait_for

ns, other = NetNS(), NetNS()
ktap.at_exit(ns.delete)
ktap.at_exit(other.delete)
nl = L.L2tp(netns=ns)
ears = genl.Listener(netns=ns)
LOOP = dict(local="127.0.0.1", remote="127.0.0.1", sport=4000, dport=4001)


def tidy():
    ktap.cleanup(ears.drain)
    ktap.cleanup(nl.wipe)


def heard(cmd, answer_seq, body=None):
    """The next notification is this one; returns it."""
    got = ears.get(5)
    if got is None:
        ktap.fail(f"no notification of command {cmd}")
        return None
    ktap.eq((got.type, got.flags, got.seq, got.port), (nl.family, 4, answer_seq, nl.port), "header")
    ktap.eq((got.cmd, got.version, got.reserved), (cmd, 1, 0), "genl header")
    if body is not None:
        ktap.eq(got.payload[4:], body, "attributes: the same as of a GET")
    return got


def quiet(what):
    ktap.eq([(m.cmd, m.attrs) for m in ears.drain(0.3)], [], f"notifications {what}")


def request(cmd, attrs):
    """Do, and the sequence number."""
    seq = nl.send(cmd, attrs)
    ktap.eq(nl.collect(seq).name, "ok", f"command {cmd}")
    return seq


@ktap.case("TUNNEL_CREATE, _MODIFY, _DELETE: full tunnel message, requester's port and sequence")
def _():
    tidy()
    seq = request(L.TUNNEL_CREATE, L.tunnel_attrs(1, 2, **LOOP))
    body = nl.tunnel_get(1).payload[4:]
    heard(L.TUNNEL_CREATE, seq, body)
    heard(L.TUNNEL_MODIFY, request(L.TUNNEL_MODIFY, u32(L.CONN_ID, 1)), body)
    heard(L.TUNNEL_DELETE, request(L.TUNNEL_DELETE, u32(L.CONN_ID, 1)), body)
    quiet("afterwards")


@ktap.case("the same for an ip6 tunnel")
def _():
    tidy()
    seq = request(L.TUNNEL_CREATE, L.tunnel_attrs(1, 2, local="::1", remote="::1", sport=1, dport=2))
    got = heard(L.TUNNEL_CREATE, seq, nl.tunnel_get(1).payload[4:])
    ktap.eq(got.data(L.IP6_SADDR), bytes(15) + b"\1")


@ktap.case("SESSION_CREATE, _MODIFY, _DELETE: full session message")
def _():
    tidy()
    nl.tunnel_create(1, 2, **LOOP)
    ears.drain()
    seq = request(L.SESSION_CREATE, L.session_attrs(1, 11, 12, ifname="e%d", cookie=b"abcd",
                                                    peer_cookie=b"12345678", timeout=100))
    body = nl.session_get(1, 11).payload[4:]
    got = heard(L.SESSION_CREATE, seq, body)
    ktap.eq(got.text(L.IFNAME), "e0", "the final device name")
    seq = request(L.SESSION_MODIFY, u32(L.CONN_ID, 1) + u32(L.SESSION_ID, 11) + u8(L.SEND_SEQ, 1))
    body = nl.session_get(1, 11).payload[4:]
    got = heard(L.SESSION_MODIFY, seq, body)
    ktap.eq(got.uint(L.SEND_SEQ), 1, "the new value")
    heard(L.SESSION_DELETE, request(L.SESSION_DELETE, string(L.IFNAME, "e0")), body)
    quiet("afterwards")


@ktap.case("PPP session without a socket: the same")
def _():
    tidy()
    if not impl.load("l2tp_ppp"):
        ktap.skip("no l2tp_ppp for this implementation")
    nl.tunnel_create(1, 2, version=2, **LOOP)
    ears.drain()
    seq = request(L.SESSION_CREATE, L.session_attrs(1, 11, 12, pw=L.PW_PPP))
    heard(L.SESSION_CREATE, seq, nl.session_get(1, 11).payload[4:])


@ktap.case("order: the notification is sent before the acknowledgement")
def _():
    tidy()
    with genl.Listener(netns=ns) as both:
        for cmd, attrs in ((L.TUNNEL_CREATE, L.tunnel_attrs(1, 2, **LOOP)),
                           (L.TUNNEL_MODIFY, u32(L.CONN_ID, 1)),
                           (L.SESSION_CREATE, L.session_attrs(1, 11, 12)),
                           (L.SESSION_MODIFY, u32(L.CONN_ID, 1) + u32(L.SESSION_ID, 11)),
                           (L.SESSION_DELETE, u32(L.CONN_ID, 1) + u32(L.SESSION_ID, 11)),
                           (L.TUNNEL_DELETE, u32(L.CONN_ID, 1))):
            seq = both.send(cmd, attrs)
            got = [both.get(5), both.get(5)]
            ktap.eq([(m.type, m.seq) for m in got if m],
                    [(nl.family, seq), (genl.NLMSG_ERROR, seq)], f"command {cmd}")


@ktap.case("without NLM_F_ACK in the request there is a notification all the same")
def _():
    tidy()
    seq = nl.send(L.TUNNEL_CREATE, L.tunnel_attrs(1, 2, **LOOP), flags=1)
    got = heard(L.TUNNEL_CREATE, seq)
    ktap.eq(got.uint(L.CONN_ID), 1)


@ktap.case("every listener of the namespace hears, none of another")
def _():
    tidy()
    with genl.Listener(netns=ns) as second, genl.Listener(netns=other) as far:
        nl.tunnel_create(1, 2, **LOOP)
        ktap.ok(second.get(5), "second listener")
        ktap.ok(ears.get(5), "first listener")
        ktap.eq(far.get(0.3), None, "listener elsewhere")


@ktap.case("none for requests that fail")
def _():
    tidy()
    nl.tunnel_create(1, 2, **LOOP)
    nl.session_create(1, 11, 12, ifname="e0")
    ears.drain()
    for cmd, attrs in ((L.TUNNEL_CREATE, L.tunnel_attrs(1, 2, **LOOP)),
                       (L.TUNNEL_CREATE, L.tunnel_attrs(2, 2, **LOOP)),
                       (L.TUNNEL_CREATE, b""), (L.TUNNEL_DELETE, u32(L.CONN_ID, 9)),
                       (L.TUNNEL_MODIFY, u32(L.CONN_ID, 9)),
                       (L.SESSION_CREATE, L.session_attrs(9, 11, 12)),
                       (L.SESSION_CREATE, L.session_attrs(1, 21, 12, ifname="e0")),
                       (L.SESSION_CREATE, L.session_attrs(1, 22, 12, pw=4)),
                       (L.SESSION_DELETE, u32(L.CONN_ID, 1)), (L.SESSION_MODIFY, string(L.IFNAME, "x"))):
        ktap.ok(nl.do(cmd, attrs).errno, f"command {cmd} fails")
    quiet("of failures")


@ktap.case("none for GET and NOOP")
def _():
    tidy()
    nl.tunnel_create(1, 2, **LOOP)
    nl.session_create(1, 11, 12)
    ears.drain()
    nl.do(L.NOOP)
    nl.tunnel_get(1)
    nl.session_get(1, 11)
    nl.tunnels()
    nl.sessions()
    quiet("of reading")


@ktap.case("TUNNEL_DELETE is the only one when a tunnel goes with its sessions")
def _():
    tidy()
    nl.tunnel_create(1, 2, **LOOP)
    for sid in (1, 2, 3):
        nl.session_create(1, sid, 9)
    ears.drain()
    nl.tunnel_gone(1)
    wait_for(lambda: list(ns.links()) == ["lo"], what="devices gone")
    ktap.eq([m.cmd for m in ears.drain(0.3)], [L.TUNNEL_DELETE])


@ktap.case("none when the user closes the tunnel's socket")
def _():
    tidy()
    one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
    nl.tunnel_create(1, 2, fd=one.fileno())
    nl.session_create(1, 11, 12)
    ears.drain()
    one.close()
    wait_for(lambda: not nl.tunnels() and list(ns.links()) == ["lo"], what="tunnel gone")
    quiet("of a close")


@ktap.case("a session that cannot be looked up (odd tunnel version) is not announced")
def _():
    tidy()
    nl.tunnel_create(1, 2, version=4, **LOOP)
    ears.drain()
    nl.session_create(1, 11, 12)
    quiet("of an unfindable session")


@ktap.case("a listener that does not read does not hinder requests")
def _():
    tidy()
    with genl.Listener(netns=ns, rcvbuf=2048):
        for _ in range(30):
            nl.tunnel_create(1, 2, **LOOP)
            nl.tunnel_gone(1)


ktap.main()
