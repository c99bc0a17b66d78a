# SPDX-License-Identifier: GPL-2.0
"""Operations: frames from the wire and through devices, of every shape; what files show; devices and namespaces."""
import struct

import gso
import netlink
from program import (FAR, FAR6, FAR_MAC, IFLA_ADDRESS, IFLA_MTU, IFLA_NET_NS_FD, IFF_UP, L, LOCAL, LOCAL6, MAC, OUT, PORT_RANGE, SPACES, UDP,
                     genl, ifname, text, wire)

RESERVED = (0x2000, 0x1000, 0x0400, 0x0080, 0x0040, 0x0020, 0x0010)
NS = (0, 1, 2, 3, 5, 8, 100, 0x7ffe)


def payload(e, pseudowire):
    """What a session carries: a frame with an address, or PPP."""
    size = e.pick((60, 60, 60, 100, 14, 15, 13, 0, 1, 300, 1400, 1446, 1600) if e.chance(0.4) else (60, 100, 200))
    if pseudowire == L.PW_ETH:
        return wire.inner(e.random.randrange(1 << 16), max(size, 8), vlan=e.pick((None, None, None, 5)))[:size]
    return e.pick((b"\xff\x03", b"\xff\x03", b"")) + e.pick((b"\xc0\x21", b"\x80\x21", b"\x00\x21", b"\x00\x57", b"\x21")) + \
        e.random.randbytes(max(size - 4, 0))


def next_ns(e, session):
    """A sequence number: mostly the next one, else near it or anywhere.

    Where frames are reordered they all have one: the C driver compares it with that of those that have none, which is whatever was
    in the memory. Nor do numbers wrap around there."""
    if e.chance(0.7):
        session["ns"] += 1
        return session["ns"] - 1
    if e.chance(0.7):
        return max(session["ns"] + e.pick((-2, -1, 1, 2, 3, 4, 6)), 0)
    if e.traits["reorder"]:
        return e.pick(NS[:7])
    return e.pick(NS + (0x7fff, 0x8000, 0xffff, 0x7ffffe, 0x7fffff, 0x800000, 0xffffff))


def data2(e, tid, sid, session):
    """An L2TPv2 data message for a session."""
    more = {}
    if e.traits["reorder"] or e.chance(0.5 if e.traits["sequenced"] else 0.05):
        more["ns"] = next_ns(e, session) & 0xffff
        more["nr"] = e.pick((0, 7, 0xffff))
    body = payload(e, L.PW_PPP)
    if e.chance(0.2):
        more["length"] = e.pick((0, 6 + len(body), 0xffff))
    if e.chance(0.15):
        more["offset"] = e.pick((0, 1, 4, 17, 2000) if e.chance(0.3) else (0, 2))
    more["flags"] = e.pick(RESERVED + (wire.V2_P,)) if e.chance(0.1) else wire.V2_T if e.chance(0.03) else 0
    more["ver"] = e.pick((0, 1, 3, 15)) if e.chance(0.03) else 2
    return wire.v2(tid & 0xffff, sid & 0xffff, body, **more)


def data3(e, sid, session, udp_encap=True):
    """An L2TPv3 data message for a session."""
    word = None
    # One that has none may still arrive at the session of that id in another tunnel: see next_ns().
    if session["l2ss"] or e.traits["reorder"]:
        word = e.pick((0, 0, 0x80000000, 0x3f000000)) if e.chance(0.1) else 0
        if e.traits["reorder"] or e.chance(0.5 if e.traits["sequenced"] else 0.05):
            word |= wire.seq(next_ns(e, session) & 0xffffff)
    cookie = session["peer_cookie"]
    if cookie and e.chance(0.05):
        cookie = bytes(len(cookie)) if e.chance(0.5) else cookie[:-1]
    flags = (e.pick((0, 1, 2, 4, 15)) if e.chance(0.03) else 3) | (e.pick((0x8000, 0x4000, 0x0800, 0x0010)) if e.chance(0.06) else 0)
    return wire.v3(sid, payload(e, session["pw"]), cookie, word, flags, e.pick((0, 0, 0, 0xffff)), udp_encap)


def message(e):
    """(tunnel, session id, session) that a frame is for: mostly of those that should exist."""
    known = [k for k in e.sessions if k[0] in e.tunnels]
    if known and e.chance(0.93):
        tid, sid = e.pick(known)
        return tid, e.tunnels[tid], sid, e.sessions[tid, sid]
    tid = e.pick(list(e.tunnels)) if e.tunnels and e.chance(0.7) else e.pick(netlink.TIDS)
    tunnel = e.tunnels.get(tid) or {"family": e.pick((4, 6)), "encap": e.pick(e.traits["encaps"]), "version": e.pick(e.traits["versions"])}
    return tid, tunnel, e.pick(netlink.SIDS + (0, 0xffffffff)), {
        "pw": L.PW_ETH, "peer_cookie": b"", "l2ss": e.chance(0.5), "ns": 0}


def arrive(e):
    """A frame that comes in from the wire."""
    tid, tunnel, sid, session = message(e)
    version = tunnel["version"] if e.chance(0.98) else e.pick((2, 3))
    encap = tunnel["encap"] if e.chance(0.98) else e.pick((L.UDP, L.IP))
    family = tunnel["family"]
    near = tunnel.get("local", LOCAL[0] if family == 4 else LOCAL6[0])
    far = tunnel.get("remote", FAR[0] if family == 4 else FAR6[0])
    if near not in LOCAL[:2] + LOCAL6[:2] or e.chance(0.02):
        near = e.pick(LOCAL[:2] if family == 4 else LOCAL6[:2])
    if far not in FAR + FAR6 or e.chance(0.03):
        far = e.pick(FAR if family == 4 else FAR6)
    if e.chance(0.06):
        data = e.random.randbytes(e.random.randrange(0, 40))
    elif encap == L.IP and e.chance(0.25):
        own = e.pick([w["own"] for w in e.open.values() if w["kind"] == "l2tpip"] + [tid])
        data = bytes(4) + netlink_control(e, own)
    elif version == 2:
        data = data2(e, tid, sid, session)
    else:
        data = data3(e, sid, session, encap == L.UDP)
    if e.chance(0.06):
        data = data[:e.random.randrange(0, min(len(data), 40) + 1)]
    if e.traits["mutate"]:
        data = mutate(e, data)
    proto = 115
    if encap == L.UDP:
        proto = 17
        sport, dport = tunnel.get("dport", 4000), tunnel.get("sport", 4000)
        if e.chance(0.03):
            sport = e.pick(netlink.PORTS)
        if 0 < len(data) < 3000 and e.chance(0.04):
            return gso.datagrams(e, far, near, sport, dport, data, (MAC, FAR_MAC))
        data = wire.udp(far, near, sport, dport, data, "bad" if e.chance(0.01) else "zero" if e.chance(0.1) else "good")
    if e.chance(0.06) and family == 4 and len(data) > 16:
        # In two parts, so that the headers are not where the driver would like to have them.
        cut = min(8 * e.random.randrange(1, 5), (len(data) - 1) // 8 * 8)
        for frame in wire.v4_fragments(MAC, FAR_MAC, far, near, proto, data, [cut], ident=e.random.randrange(1, 0xffff)):
            e.arrive(frame)
    else:
        e.arrive(wire.ip_frame(MAC, FAR_MAC, far, near, proto, data))
    if e.chance(0.5):
        e.add("drain")
    return None


def netlink_control(e, connection):
    """A control message over IP, mostly sound."""
    head = struct.pack("!HHI", e.pick((0xc803, 0xc803, 0xc803, 0xc002, 0x8003, 0x4003, 0)), e.pick((12, 20, 0)), connection)
    return head + e.random.randbytes(e.pick((4, 4, 12, 0, 100)))


def mutate(e, data):
    """Some bits or bytes differ, are missing or are too many."""
    data = bytearray(data)
    for _ in range(e.pick((0, 1, 1, 2, 4))):
        act = e.random.randrange(5)
        at = e.random.randrange(min(len(data), 24)) if data else 0
        if act == 0 and data:
            data[at] ^= 1 << e.random.randrange(8)
        elif act == 1 and data:
            data[at] = e.pick((0, 1, 0x7f, 0x80, 0xff))
        elif act == 2:
            del data[at:at + e.pick((1, 2, 4))]
        elif act == 3:
            data[at:at] = e.random.randbytes(e.pick((1, 2, 4)))
        elif data:
            del data[e.random.randrange(len(data)):]
    return bytes(data)


def icmp(e):
    """An ICMP error about a packet that a tunnel has sent."""
    _, tunnel, _, _ = message(e)
    if tunnel["family"] != 4 or tunnel.get("local") not in LOCAL[:2] or tunnel.get("remote") not in FAR:
        return arrive(e)
    if tunnel["encap"] == L.UDP:
        quoted = wire.udp(tunnel["local"], tunnel["remote"], tunnel.get("sport", 4000), tunnel.get("dport", 4000), bytes(16))
    else:
        quoted = bytes(16)
    about = wire.ipv4(tunnel["local"], tunnel["remote"], 17 if tunnel["encap"] == L.UDP else 115, quoted)
    kind, code = e.pick(((3, 1), (3, 3), (3, 2), (3, 13), (11, 0), (12, 0)))
    body = struct.pack("!BBHI", kind, code, 0, 0) + about
    body = body[:2] + struct.pack("!H", wire.csum16(body)) + body[4:]
    e.arrive(wire.ip_frame(MAC, FAR_MAC, tunnel["remote"], tunnel["local"], 1, body))
    udp = [fd for fd in UDP if fd in e.open]
    if udp:
        e.add("get", e.pick(udp), 1, 4, 4)                     # SO_ERROR


def names(e):
    return [s["name"] for s in e.sessions.values() if s["name"] and s["name"] not in ("lo", "tap0")]


def leave(e):
    """A frame through the device of a session."""
    have = names(e)
    name = e.pick(have) if have and e.chance(0.98) else e.pick(netlink.NAMES)
    frame = wire.inner(e.random.randrange(1 << 16), e.pick((60, 60, 100, 14, 300, 1400, 1446, 1460)))
    e.add("send", OUT, 0, text(frame), text(struct.pack("=H14s2s", 17, name.encode()[:13], frame[12:14])), "-")


def leave_whole(e):
    """The same with a frame that others are to split or to complete."""
    gso.leave(e, mutate)


def device(e):
    """What users do with a session's device."""
    have = names(e)
    name = e.pick(have) if have and e.chance(0.9) else e.pick(netlink.NAMES)
    act = e.random.randrange(10)
    if act < 3:
        e.link(name, e.pick((IFF_UP, IFF_UP, 0)), IFF_UP)
    elif act < 5:
        e.link(name, 0, 0, genl.u32(IFLA_MTU, e.pick((1500, 1446, 1280, 68, 0, 65535, 65536))))
    elif act == 5:
        e.link(name, 0, 0, genl.raw(IFLA_ADDRESS, bytes.fromhex(e.pick(("020000000077", "010000000000", "000000000000")))))
    elif act == 6:
        e.add("nl", 105, 17, 5, text(struct.pack("=BxHiII", 0, 0, 0, 0, 0) + ifname(name)))         # RTM_DELLINK
    elif act == 7:
        index = f"{e.random.randrange(3, 8):08x}"
        e.add("nl", 105, 16, 5, text(struct.pack("=BxHiII", 0, 0, int(index, 16), 0, 0) + ifname(e.pick(("r0", "r1", "e1", "lo")))))
    elif act == 8 and SPACES[0] in e.open:
        e.link(name, 0, 0, genl.u32(IFLA_NET_NS_FD, e.pick(SPACES)))
    else:
        e.add("cat", "/proc/net/dev")


def look(e):
    """The text that the drivers show."""
    e.add("cat", e.pick(("/proc/net/pppol2tp", "/sys/kernel/debug/l2tp/tunnels", "/proc/net/dev")))


def space(e):
    """Another namespace, which ends with the episode."""
    if SPACES[0] not in e.open:
        e.add("netns", SPACES[1])
        e.add("unshare")
        e.add("put", *PORT_RANGE)
        e.add("netns", SPACES[0])
        e.add("setns", SPACES[1])
        e.open[SPACES[0]] = e.open[SPACES[1]] = {"kind": "netns"}
    else:
        # A socket of there is not one for a tunnel of here.
        e.add("setns", SPACES[0])
        fd = e.free(UDP)
        e.add("socket", fd, 2, 2, 0)
        e.add("bind", fd, text(struct.pack("=HH", 2, 0) + bytes(12)))
        e.add("cat", e.pick(("/proc/net/pppol2tp", "/sys/kernel/debug/l2tp/tunnels")))
        e.add("setns", SPACES[1])
        e.open[fd] = {"kind": "udp", "family": 4, "local": "0.0.0.0", "remote": FAR[0], "sport": 0, "dport": 4000}
