#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sessions through generic netlink: checks and their order, defaults, selection, the reply."""
import socket
import struct

from lib import impl, ktap
from lib import l2tp as L
from lib.genl import raw, string, u8, u16, u32, u64
from lib.netns import NetNS, wait_for

ns = NetNS()
ktap.at_exit(ns.delete)
nl = L.L2tp(netns=ns)
HAVE_PPP = impl.load("l2tp_ppp")
HAVE_IP = impl.load("l2tp_ip", "l2tp_ip6")
LOOP = dict(local="127.0.0.1", remote="127.0.0.1")
HZ = 250            # of the kernel: timeouts are kept in jiffies

ID, SID, PSID = u32(L.CONN_ID, 1), u32(L.SESSION_ID, 11), u32(L.PEER_SESSION_ID, 12)
ETH, PPP = u16(L.PW_TYPE, L.PW_ETH), u16(L.PW_TYPE, L.PW_PPP)
BASE = ID + SID + PSID + ETH


def tunnels(*ids, **kwargs):
    """Start a case: these tunnels exist, nothing else, and nothing is left behind."""
    ktap.cleanup(lambda: wait_for(lambda: not devices(), 20, "no device left"))
    ktap.cleanup(nl.wipe)
    for tid in ids or (1,):
        nl.tunnel_create(tid, tid + 1000, **{**LOOP, **kwargs})


def need_ppp():
    if not HAVE_PPP:
        ktap.skip("no l2tp_ppp for this implementation")


def devices():
    return sorted(name for name in ns.links() if name != "lo")


# Creation: attributes and their order ---------------------------------------

def create_gives(version, attrs, want):
    tunnels(1, version=version)
    answer = nl.do(L.SESSION_CREATE, attrs)
    ktap.eq(answer.name, want, "SESSION_CREATE")
    ktap.eq(answer.extack.msg, None, "extack text (l2tp sets none)")
    if want != "ok":
        ktap.eq(nl.sessions(), [], "sessions after the refusal")
        ktap.eq(devices(), [], "devices after the refusal")


NO_PW = ID + SID + PSID
for name, version, attrs, want in (
        ("no attribute at all", 3, b"", "EINVAL"),
        ("no CONN_ID", 3, SID + PSID + ETH, "EINVAL"),
        ("unknown tunnel", 3, u32(L.CONN_ID, 2) + SID + PSID + ETH, "ENODEV"),
        ("unknown tunnel, rest missing", 3, u32(L.CONN_ID, 2), "ENODEV"),
        ("unknown tunnel, bad pseudowire", 3, u32(L.CONN_ID, 2) + u16(L.PW_TYPE, 99), "ENODEV"),
        ("no SESSION_ID", 3, ID + PSID + ETH, "EINVAL"),
        ("no PEER_SESSION_ID", 3, ID + SID + ETH, "EINVAL"),
        ("no PW_TYPE", 3, ID + SID + PSID, "EINVAL"),
        ("no SESSION_ID, pseudowire unsupported", 3, ID + PSID + u16(L.PW_TYPE, 4), "EINVAL"),
        ("pseudowire 12", 3, NO_PW + u16(L.PW_TYPE, 12), "EINVAL"),
        ("pseudowire 65535", 3, NO_PW + u16(L.PW_TYPE, 65535), "EINVAL"),
        ("version 2, pseudowire 12", 2, NO_PW + u16(L.PW_TYPE, 12), "EINVAL"),
        ("version 2, Ethernet", 2, BASE, "EPROTONOSUPPORT"),
        ("version 2, pseudowire 0", 2, NO_PW + u16(L.PW_TYPE, 0), "EPROTONOSUPPORT"),
        ("version 2, Ethernet, bad L2SPEC", 2, BASE + u8(L.L2SPEC_TYPE, 9), "EPROTONOSUPPORT"),
        ("L2SPEC_TYPE 2", 3, BASE + u8(L.L2SPEC_TYPE, 2), "EINVAL"),
        ("L2SPEC_TYPE 255", 3, BASE + u8(L.L2SPEC_TYPE, 255), "EINVAL"),
        ("L2SPEC_TYPE 2 is seen before an unsupported pseudowire", 3,
         NO_PW + u16(L.PW_TYPE, 4) + u8(L.L2SPEC_TYPE, 2), "EINVAL"),
        ("version 4 checks L2SPEC_TYPE too", 4, BASE + u8(L.L2SPEC_TYPE, 2), "EINVAL"),
        *((f"pseudowire {pw}", 3, NO_PW + u16(L.PW_TYPE, pw), "EPROTONOSUPPORT")
          for pw in (0, 1, 2, 3, 4, 6, 8, 9, 10, 11)),
        ("mandatory attributes only", 3, BASE, "ok"),
        ("L2SPEC_TYPE 0", 3, BASE + u8(L.L2SPEC_TYPE, 0), "ok"),
        ("L2SPEC_TYPE 1", 3, BASE + u8(L.L2SPEC_TYPE, 1), "ok"),
        ("what iproute2 sends", 3, ID + u32(L.PEER_CONN_ID, 9) + SID + PSID + ETH
         + u8(L.L2SPEC_TYPE, 1) + u8(L.L2SPEC_LEN, 4), "ok"),
        ("ignored attributes", 3, BASE + u16(L.OFFSET, 7) + u8(L.DATA_SEQ, 2) + u8(L.L2SPEC_LEN, 9)
         + u16(L.VLAN_ID, 5) + u16(L.MTU, 77) + u16(L.MRU, 77) + u32(L.DEBUG, 0)
         + u8(L.UDP_CSUM, 1) + u32(L.FD, 4000), "ok")):
    ktap.add(f"create: {name}: {want}", create_gives, version, attrs, want)


@ktap.case("create: refusals carry no text, though they may say which attribute it is")
def _():
    tunnels(1)
    for attrs in (b"", SID + PSID + ETH, ID + PSID + ETH, NO_PW, NO_PW + u16(L.PW_TYPE, 12),
                  NO_PW + u16(L.PW_TYPE, 4), BASE + u8(L.L2SPEC_TYPE, 2), u32(L.CONN_ID, 2) + SID):
        extack = nl.do(L.SESSION_CREATE, attrs).extack
        ktap.eq(extack.msg, None, attrs.hex())
        if impl.differs("the attribute that is missing or refused is reported", c=False, rust=True):
            continue
        ktap.eq((extack.offset, extack.miss_type), (None, None), attrs.hex())


# Creation: identity ----------------------------------------------------------

@ktap.case("id: a duplicate in the same v3 tunnel")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12)
    want = impl.differs("same-tunnel duplicate session id", c="ok", rust="EEXIST")
    ktap.eq(nl.try_session_create(1, 11, 99), want)
    if want == "EEXIST":
        ktap.eq(nl.session_get(1, 11).uint(L.PEER_SESSION_ID), 12, "the first one is untouched")
        ktap.eq((nl.sessions(), devices()), ([(1, 11)], ["l2tpeth0"]))


@ktap.case("id: the same v3 id in different UDP tunnels is accepted, each found by its tunnel")
def _():
    tunnels(1, 2, 3)
    for tid in (3, 1, 2):
        nl.session_create(tid, 11, 100 + tid, ifname=f"e{tid}")
    for tid in (1, 2, 3):
        got = nl.session_get(tid, 11)
        ktap.eq((got.uint(L.CONN_ID), got.uint(L.PEER_SESSION_ID), got.text(L.IFNAME)),
                (tid, 100 + tid, f"e{tid}"))
    ktap.eq(nl.sessions(), [(1, 11), (2, 11), (3, 11)], "dump")
    nl.session_gone(3, 11)
    ktap.eq(nl.sessions(), [(1, 11), (2, 11)], "dump without the first")
    nl.tunnel_gone(1)
    wait_for(lambda: devices() == ["e2"], what="devices of the others gone")
    ktap.eq(nl.session_get(2, 11).text(L.IFNAME), "e2", "the last one")


@ktap.case("id: 0 and 0xffffffff are ordinary v3 ids")
def _():
    tunnels(1)
    nl.session_create(1, 0, 0)
    nl.session_create(1, 0xffffffff, 0xffffffff)
    ktap.eq(nl.sessions(), [(1, 0), (1, 0xffffffff)])
    ktap.eq(nl.session_get(1, 0).uint(L.PEER_SESSION_ID), 0)
    ktap.eq(nl.session_get(1, 0xffffffff).uint(L.PEER_SESSION_ID), 0xffffffff)
    nl.session_gone(1, 0)
    ktap.eq(nl.sessions(), [(1, 0xffffffff)])


@ktap.case("id: it can be used again as soon as the session is deleted")
def _():
    tunnels(1)
    for _ in range(10):
        nl.session_create(1, 11, 12, ifname="e0")
        if impl.IS_C:       # asynchronous there
            nl.session_gone(1, 11)
            wait_for(lambda: not devices(), what="device gone")
        else:
            nl.session_delete(1, 11)
        ktap.eq(nl.try_session_get(1, 11), "ENODEV", "get")
        ktap.eq(nl.try_session_delete(1, 11), "ENODEV", "second delete")
        ktap.eq(nl.try_session_modify(1, 11), "ENODEV", "modify")
        ktap.eq(nl.sessions(), [], "dump")


@ktap.case("id: sessions of tunnels with versions other than 2 and 3 are made, not found by id")
def _():
    for version in (0, 1, 4, 255):
        tunnels(1, version=version)
        ktap.eq(nl.try_session_create(1, 11, 12), "ok", f"version {version}")
        ktap.eq(nl.try_session_get(1, 11), "ENODEV", f"version {version}: get")
        ktap.eq(nl.sessions(), impl.differs("sessions of odd tunnel versions are dumped", c=[],
                                            rust=[(1, 11)]), f"version {version}: dump")
        ktap.eq(devices(), ["l2tpeth0"], f"version {version}: device")
        nl.tunnel_gone(1)
        wait_for(lambda: not devices(), what="device gone")


@ktap.case("id: v2 sessions: per tunnel, 16 bits")
def _():
    need_ppp()
    tunnels(1, 2, 0x10001, version=2)
    nl.session_create(1, 11, 12, pw=L.PW_PPP)
    ktap.eq(nl.try_session_create(1, 11, 99, pw=L.PW_PPP), "EEXIST", "same tunnel")
    ktap.eq(nl.try_session_create(1, 0x1000b, 99, pw=L.PW_PPP), "EEXIST", "same low 16 bits")
    ktap.eq(nl.try_session_create(2, 11, 12, pw=L.PW_PPP), "ok", "other tunnel")
    ktap.eq(nl.try_session_create(0x10001, 11, 12, pw=L.PW_PPP), "EEXIST", "tunnel id alias")
    ktap.eq(nl.session_get(0x10001, 11).uint(L.CONN_ID), 1, "found through the alias")


@ktap.case("id: v2 session id 0 is made but not dumped")
def _():
    need_ppp()
    tunnels(1, version=2)
    nl.session_create(1, 0, 5, pw=L.PW_PPP)
    nl.session_create(1, 7, 5, pw=L.PW_PPP)
    ktap.eq(nl.sessions(), [(1, 7)])


@ktap.case("id: v3 ids in IP tunnels are unique among everything in the namespace")
def _():
    if not HAVE_IP:
        ktap.skip("no l2tp_ip and l2tp_ip6 for this implementation")
    tunnels(1, 2)
    tunnels(3, encap=L.IP)
    tunnels(4, encap=L.IP, local="::1", remote="::1")
    nl.session_create(1, 11, 12)
    nl.session_create(3, 21, 12)
    for tid, sid, want in ((3, 11, "EEXIST"), (4, 11, "EEXIST"), (4, 21, "EEXIST"),
                           (3, 21, "EEXIST"), (1, 21, "EEXIST"), (2, 11, "ok"), (4, 31, "ok")):
        ktap.eq(nl.try_session_create(tid, sid, 12), want, f"session {sid} in tunnel {tid}")


# Creation: the device's name ---------------------------------------------------

@ktap.case("name: l2tpeth%d by default, counting up")
def _():
    tunnels(1)
    for sid in range(3):
        nl.session_create(1, sid, 1)
        ktap.eq(nl.session_get(1, sid).text(L.IFNAME), f"l2tpeth{sid}")
    ktap.eq(devices(), ["l2tpeth0", "l2tpeth1", "l2tpeth2"])


for name, ifname, want in (("as given", "e0", "e0"), ("15 characters", "a" * 15, "a" * 15),
                           ("template", "foo%d", "foo0")):
    @ktap.case(f"name: {name}: {ifname} becomes {want}", ifname, want)
    def _(ifname, want):
        tunnels(1)
        nl.session_create(1, 11, 12, ifname=ifname)
        ktap.eq(nl.session_get(1, 11).get(L.IFNAME).data, want.encode() + b"\0", "IFNAME")
        ktap.eq(devices(), [want])
        ktap.eq(nl.do(L.SESSION_GET, string(L.IFNAME, want)).name, "ok", "selected by it")


for name, ifname, want in (("in use", "lo", "EEXIST"), ("slash", "a/b", "EINVAL"),
                           ("dot", ".", "EINVAL"), ("dot dot", "..", "EINVAL"),
                           ("space", "a b", "EINVAL"), ("colon", "a:b", "EINVAL"),
                           ("empty", "", "EINVAL"), ("bad template", "a%s", "EINVAL"),
                           ("two templates", "a%d%d", "EINVAL")):
    @ktap.case(f"name: {name}: {want}, and no session stays", ifname, want)
    def _(ifname, want):
        tunnels(1)
        ktap.eq(nl.try_session_create(1, 11, 12, ifname=ifname), want)
        if impl.IS_C:       # taken back asynchronously there
            wait_for(lambda: not nl.sessions(), 5)
        ktap.eq((nl.sessions(), devices()), ([], []))
        ktap.eq(nl.try_session_create(1, 11, 12, ifname="e0"), "ok", "same id, good name")


@ktap.case("name: a name is free again as soon as its session is deleted")
def _():
    tunnels(1)
    for sid in range(10):
        nl.session_create(1, sid, 12, ifname="e0")
        if impl.IS_C:
            nl.session_gone(1, sid)
            wait_for(lambda: not devices(), what="device gone")
        else:
            nl.session_delete(1, sid)


@ktap.case("name: the session keeps the name of its creation after a rename")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12, ifname="old")
    ns.ip("link set old name new")
    ktap.eq(nl.session_get(1, 11).text(L.IFNAME), "old")
    ktap.eq(nl.do(L.SESSION_GET, string(L.IFNAME, "old")).name, "ok", "by the old name")
    ktap.eq(nl.do(L.SESSION_GET, string(L.IFNAME, "new")).name, "ENODEV", "by the new name")


@ktap.case("name: of sessions made with the same one, the newest of the tunnel with the lowest id")
def _():
    def named():
        got = nl.do(L.SESSION_GET, string(L.IFNAME, "e0")).messages[0]
        return got.uint(L.CONN_ID), got.uint(L.SESSION_ID)

    tunnels(1, 2)
    other = NetNS()
    for tid, sid, away in ((2, 31, "name e1"), (1, 41, f"netns {other.name}"), (1, 11, "name e2"), (1, 21, "name e3"), (2, 5, None)):
        nl.session_create(tid, sid, 12, ifname="e0")
        if away:
            ns.ip(f"link set e0 {away}")
    ktap.eq(named(), (1, 21))
    ktap.eq(nl.do(L.SESSION_MODIFY, string(L.IFNAME, "e0") + u8(L.LNS_MODE, 1)).name, "ok")
    ktap.eq([(sid, nl.session_get(1, sid).uint(L.LNS_MODE)) for sid in (11, 21, 41)], [(11, 0), (21, 1), (41, 0)], "modified")
    for tid, sid in ((1, 21), (1, 11), (1, 41), (2, 5), (2, 31)):
        ktap.eq(named(), (tid, sid))
        ktap.eq(nl.do(L.SESSION_DELETE, string(L.IFNAME, "e0")).name, "ok")
        wait_for(lambda: (tid, sid) not in nl.sessions(), what="deleted")
    ktap.eq(nl.sessions(), [])


@ktap.case("name: v1 and v2 tunnels ignore IFNAME and cookies")
def _():
    tunnels(1, version=1)
    nl.session_create(1, 11, 12, ifname="e0", cookie=b"abcd", l2spec=77)
    ktap.eq(devices(), ["l2tpeth0"])


# Configuration and the reply ---------------------------------------------------

PLAIN = [L.CONN_ID, L.SESSION_ID, L.PEER_CONN_ID, L.PEER_SESSION_ID, L.DEBUG, L.PW_TYPE, L.IFNAME,
         L.RECV_SEQ, L.SEND_SEQ, L.LNS_MODE, L.STATS]
FULL = PLAIN[:7] + [L.COOKIE, L.PEER_COOKIE] + PLAIN[7:10] + [L.RECV_TIMEOUT, L.STATS]
SIZES = {L.CONN_ID: 4, L.SESSION_ID: 4, L.PEER_CONN_ID: 4, L.PEER_SESSION_ID: 4, L.DEBUG: 4,
         L.PW_TYPE: 2, L.RECV_SEQ: 1, L.SEND_SEQ: 1, L.LNS_MODE: 1, L.USING_IPSEC: 1,
         L.RECV_TIMEOUT: 8, L.STATS: 120}


def layout(message, order):
    ktap.eq(message.order(), order, "attribute order")
    for attr in message.attrs:
        ktap.eq(attr.flags, 0, f"flag bits of {attr.type}")
        if attr.type in SIZES:
            ktap.eq(len(attr.data), SIZES[attr.type], f"size of {attr.type}")
    ktap.eq([a.type for a in message.get(L.STATS).nest], L.STATS_ORDER, "STATS order")
    ktap.eq({len(a.data) for a in message.get(L.STATS).nest}, {8}, "STATS sizes")
    ktap.eq(set(L.stats(message).values()), {0}, "STATS values")
    ktap.eq((message.cmd, message.version, message.reserved), (L.SESSION_GET, 1, 0), "genl header")


@ktap.case("reply: header: flags 0, the requester's port and sequence number")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12)
    seq = nl.send(L.SESSION_GET, ID + SID, flags=1, seq=0xdeadbeef)
    message = nl.receive(5)[0]
    ktap.eq((message.type, message.flags, message.seq, message.port), (nl.family, 0, seq, nl.port))


@ktap.case("reply: layout and values with everything default")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12)
    got = nl.session_get(1, 11)
    layout(got, PLAIN)
    ktap.eq((got.uint(L.CONN_ID), got.uint(L.SESSION_ID), got.uint(L.PEER_CONN_ID),
             got.uint(L.PEER_SESSION_ID), got.uint(L.DEBUG), got.uint(L.PW_TYPE),
             got.uint(L.RECV_SEQ), got.uint(L.SEND_SEQ), got.uint(L.LNS_MODE)),
            (1, 11, 1001, 12, 0, 5, 0, 0, 0))


@ktap.case("reply: layout and values with everything set; which cookie is which")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12, ifname="e0", cookie=b"12345678", peer_cookie=b"abcd", send_seq=1,
                      recv_seq=1, lns_mode=1, timeout=1000, l2spec=1)
    got = nl.session_get(1, 11)
    layout(got, FULL)
    ktap.eq((got.data(L.COOKIE), got.data(L.PEER_COOKIE), got.data(L.IFNAME), got.uint(L.RECV_SEQ),
             got.uint(L.SEND_SEQ), got.uint(L.LNS_MODE), got.uint(L.RECV_TIMEOUT)),
            (b"12345678", b"abcd", b"e0\0", 1, 1, 1, 1000))


@ktap.case("reply: USING_IPSEC when the tunnel's socket has a policy of its own")
def _():
    if not impl.load("xfrm_user"):
        ktap.skip("no xfrm_user module")
    ktap.cleanup(nl.wipe)
    one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
    ktap.cleanup(one.close)
    nl.tunnel_create(1, 2, fd=one.fileno())
    nl.session_create(1, 11, 12, timeout=1000)
    layout(nl.session_get(1, 11), PLAIN[:10] + [L.RECV_TIMEOUT, L.STATS])
    # struct xfrm_userpolicy_info: selector, limits, counters, priority, index, dir, action (allow)
    policy = struct.pack("=32s4H H4B2xiI", bytes(32), 0, 0, 0, 0, socket.AF_INET, 0, 0, 0, 0, 0, 0)
    policy += b"\xff" * 64 + bytes(32) + struct.pack(
        "=IIBBBB4x", 0, 0, 1, 0, 0, 0)
    one.setsockopt(socket.IPPROTO_IP, 17, policy)       # IP_XFRM_POLICY
    got = nl.session_get(1, 11)
    layout(got, PLAIN[:10] + [L.USING_IPSEC, L.RECV_TIMEOUT, L.STATS])
    ktap.eq(got.uint(L.USING_IPSEC), 1)
    ktap.ok(nl.tunnel_get(1).get(L.USING_IPSEC) is None, "not in tunnel messages")


@ktap.case("cookies: every length from 0 to 8, independent of each other")
def _():
    tunnels(1)
    for size in range(9):
        mine, peers = bytes(range(1, size + 1)), bytes(range(0xf0, 0xf8 - size))
        nl.session_create(1, size, 1, cookie=mine, peer_cookie=peers)
        got = nl.session_get(1, size)
        ktap.eq((got.data(L.COOKIE), got.data(L.PEER_COOKIE)), (mine or None, peers or None),
                f"length {size}")


@ktap.case("cookies: nine bytes are ERANGE")
def _():
    tunnels(1)
    for kind in (L.COOKIE, L.PEER_COOKIE):
        for size in (9, 16, 64):
            ktap.eq(nl.do(L.SESSION_CREATE, BASE + raw(kind, bytes(size))).name, "ERANGE")
    ktap.eq(nl.sessions(), [])


@ktap.case("sequence options: only the lowest bit counts")
def _():
    tunnels(1)
    for number, value in enumerate((0, 1, 2, 3, 128, 255)):
        nl.session_create(1, number, 1, recv_seq=value, send_seq=value, lns_mode=value)
        got = nl.session_get(1, number)
        ktap.eq((got.uint(L.RECV_SEQ), got.uint(L.SEND_SEQ), got.uint(L.LNS_MODE)),
                (value & 1,) * 3, f"value {value}")
    for number, (recv, send, lns) in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1)), 100):
        nl.session_create(1, number, 1, recv_seq=recv, send_seq=send, lns_mode=lns)
        got = nl.session_get(1, number)
        ktap.eq((got.uint(L.RECV_SEQ), got.uint(L.SEND_SEQ), got.uint(L.LNS_MODE)),
                (recv, send, lns), "each by itself")


@ktap.case("RECV_TIMEOUT: kept in jiffies, rounded up; 0 is not reported")
def _():
    tunnels(1)
    step = 1000 // HZ
    for value in (0, 1, step, step + 1, 10, 100, 1000, 3600000):
        nl.session_create(1, value, 1, timeout=value)
        want = -(-value // step) * step or None
        ktap.eq(nl.session_get(1, value).uint(L.RECV_TIMEOUT), want, f"{value} ms")


# Beyond what jiffies can count: the longest there is.
for value, want in ((1 << 31, 4294967288), ((1 << 32) - 1, 4294967288), ((1 << 32) + 10, 12), (1 << 63, None)):
    @ktap.case(f"RECV_TIMEOUT: {value} ms", value, want)
    def _(value, want):
        tunnels(1)
        nl.session_create(1, 1, 1, timeout=value)
        ktap.eq(nl.session_get(1, 1).uint(L.RECV_TIMEOUT), want)


@ktap.case("DEBUG reads back")
def _():
    tunnels(1, debug=0xff)
    nl.session_create(1, 11, 12, debug=5)
    nl.session_create(1, 12, 12)
    what = "session debug mask"
    ktap.eq(nl.session_get(1, 11).uint(L.DEBUG), impl.differs(what, c=0, rust=5), "as created")
    ktap.eq(nl.session_get(1, 12).uint(L.DEBUG), 0, "default, whatever the tunnel has")
    nl.session_modify(1, 11, u32(L.DEBUG, 0xffffffff))
    ktap.eq(nl.session_get(1, 11).uint(L.DEBUG), impl.differs(what, c=0, rust=0xffffffff),
            "as modified")


@ktap.case("SESSION_MODIFY: each field by itself, the rest stays")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12)
    fields = {L.RECV_SEQ: 0, L.SEND_SEQ: 0, L.LNS_MODE: 0, L.RECV_TIMEOUT: None}
    for attrs, change in ((u8(L.RECV_SEQ, 1), {L.RECV_SEQ: 1}), (u8(L.SEND_SEQ, 3), {L.SEND_SEQ: 1}),
                          (u8(L.LNS_MODE, 1), {L.LNS_MODE: 1}),
                          (u64(L.RECV_TIMEOUT, 10), {L.RECV_TIMEOUT: 12}),
                          (b"", {}),
                          (u8(L.RECV_SEQ, 2), {L.RECV_SEQ: 0}), (u8(L.SEND_SEQ, 0), {L.SEND_SEQ: 0}),
                          (u64(L.RECV_TIMEOUT, 0), {L.RECV_TIMEOUT: None}),
                          (u8(L.LNS_MODE, 0), {L.LNS_MODE: 0})):
        fields.update(change)
        nl.session_modify(1, 11, attrs)
        got = nl.session_get(1, 11)
        ktap.eq({kind: got.uint(kind) for kind in fields}, fields, f"after {attrs.hex()}")


@ktap.case("SESSION_MODIFY ignores everything else")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12, ifname="e0", cookie=b"abcd", peer_cookie=b"efgh")
    before = nl.session_get(1, 11).payload
    nl.session_modify(1, 11, u32(L.PEER_SESSION_ID, 99) + u16(L.PW_TYPE, 7) + raw(L.COOKIE, b"1234")
                      + raw(L.PEER_COOKIE, b"") + u8(L.L2SPEC_TYPE, 9) + u16(L.MTU, 99)
                      + u16(L.MRU, 99) + u8(L.DATA_SEQ, 1) + u16(L.OFFSET, 4))
    ktap.eq(nl.session_get(1, 11).payload, before)


# Selection -----------------------------------------------------------------------

for name, cmd in (("SESSION_GET", L.SESSION_GET), ("SESSION_MODIFY", L.SESSION_MODIFY),
                  ("SESSION_DELETE", L.SESSION_DELETE)):
    @ktap.case(f"{name}: whatever is missing or unknown is ENODEV", cmd)
    def _(cmd):
        tunnels(1, 2)
        nl.session_create(1, 11, 12, ifname="e0")
        for what, attrs in (("nothing", b""), ("only CONN_ID", ID), ("only SESSION_ID", SID),
                            ("no such tunnel", u32(L.CONN_ID, 9) + SID),
                            ("wrong session", ID + u32(L.SESSION_ID, 12)),
                            ("unknown name beside right ids", ID + SID + string(L.IFNAME, "e1")),
                            ("empty name", string(L.IFNAME, "")),
                            ("another kind of device", string(L.IFNAME, "lo"))):
            ktap.eq(nl.do(cmd, attrs).name, "ENODEV", what)
        ktap.eq(nl.sessions(), [(1, 11)], "afterwards")

    @ktap.case(f"{name}: IFNAME selects, ids beside it are ignored", cmd)
    def _(cmd):
        tunnels(1, 2)
        nl.session_create(1, 11, 12, ifname="e0")
        nl.session_create(2, 21, 12, ifname="e1")
        ktap.eq(nl.do(cmd, u32(L.CONN_ID, 2) + u32(L.SESSION_ID, 21) + string(L.IFNAME, "e0")).name,
                "ok", "with the ids of another session")
        if cmd == L.SESSION_DELETE:
            wait_for(lambda: nl.sessions() == [(2, 21)], what="e0's session gone")
        ktap.eq(nl.do(cmd, string(L.IFNAME, "e1")).name, "ok", "alone")


@ktap.case("ids: a v3 id that only one session has is found through any existing tunnel")
def _():
    tunnels(1, 2, 3)
    nl.session_create(1, 11, 12)
    ktap.eq(nl.session_get(2, 11).uint(L.CONN_ID), 1, "get through tunnel 2")
    nl.session_create(3, 11, 12)
    ktap.eq(nl.session_get(3, 11).uint(L.CONN_ID), 3, "collided: only through its own")
    ktap.eq(nl.try_session_get(2, 11), "ENODEV", "collided: not through another")


@ktap.case("ids: a collided session stays collided when its rivals are gone")
def _():
    tunnels(1, 2, 3)
    nl.session_create(1, 11, 12)
    nl.session_create(2, 11, 12)
    nl.session_gone(2, 11)
    ktap.eq(nl.session_get(1, 11).uint(L.CONN_ID), 1, "through its own tunnel")
    ktap.eq(nl.try_session_get(3, 11), "ENODEV", "through another")
    ktap.eq(nl.try_session_create(2, 11, 12), "ok", "a new rival")
    nl.session_gone(1, 11)
    nl.session_gone(2, 11)
    nl.session_create(1, 11, 12)
    ktap.eq(nl.try_session_get(3, 11), "ok", "a fresh start is not collided")


@ktap.case("SESSION_GET by name returns that session")
def _():
    tunnels(1, 2)
    for tid in (1, 2):
        for sid in (1, 2):
            nl.session_create(tid, sid + 10 * tid, 9, ifname=f"e{tid}{sid}")
    for tid in (1, 2):
        for sid in (1, 2):
            got = nl.do(L.SESSION_GET, string(L.IFNAME, f"e{tid}{sid}")).messages[0]
            ktap.eq((got.uint(L.CONN_ID), got.uint(L.SESSION_ID)), (tid, sid + 10 * tid))


@ktap.case("SESSION_DELETE removes the device")
def _():
    tunnels(1)
    nl.session_create(1, 11, 12, ifname="e0")
    ns.ip("link set e0 up")
    nl.session_delete(1, 11)
    wait_for(lambda: not devices(), what="device gone")
    ktap.eq(nl.tunnels(), [1], "the tunnel stays")


@ktap.case("TUNNEL_DELETE removes the sessions and their devices")
def _():
    tunnels(1, 2)
    for sid in range(1, 9):
        nl.session_create(1, sid, 12)
    nl.session_create(2, 99, 12, ifname="keep")
    nl.tunnel_delete(1)
    wait_for(lambda: devices() == ["keep"], what="devices gone")
    wait_for(lambda: nl.sessions() == [(2, 99)], what="sessions gone")


# PPP pseudowires without a socket -------------------------------------------------

@ktap.case("PPP: without its module EPROTONOSUPPORT")
def _():
    if HAVE_PPP:
        ktap.skip("l2tp_ppp is there")
    for version in (2, 3):
        tunnels(version, version=version)
        ktap.eq(nl.try_session_create(version, 11, 12, pw=L.PW_PPP), "EPROTONOSUPPORT")


@ktap.case("PPP: v2 session ignores cookies, L2SPEC and IFNAME; layout without them")
def _():
    need_ppp()
    tunnels(1, version=2)
    nl.session_create(1, 11, 12, pw=L.PW_PPP, ifname="p0", cookie=b"abcd", peer_cookie=b"abcd",
                      l2spec=77, send_seq=1, timeout=1000)
    got = nl.session_get(1, 11)
    layout(got, PLAIN[:6] + PLAIN[7:10] + [L.RECV_TIMEOUT, L.STATS])
    ktap.eq((got.uint(L.PW_TYPE), got.uint(L.SEND_SEQ)), (7, 1))
    ktap.eq(devices(), [])


@ktap.case("PPP: v3 session keeps cookies; an empty name selects it")
def _():
    need_ppp()
    tunnels(1)
    nl.session_create(1, 11, 12, pw=L.PW_PPP, cookie=b"abcd")
    got = nl.do(L.SESSION_GET, string(L.IFNAME, ""))
    ktap.eq(got.name, "ok")
    ktap.eq((got.messages[0].uint(L.SESSION_ID), got.messages[0].data(L.COOKIE)), (11, b"abcd"))
    ktap.eq(got.messages[0].get(L.IFNAME), None)
    ktap.eq(nl.do(L.SESSION_DELETE, string(L.IFNAME, "")).name, "ok")
    wait_for(lambda: not nl.sessions(), what="session gone")


ktap.main()
