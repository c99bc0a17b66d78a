# SPDX-License-Identifier: GPL-2.0
"""Operations: requests to the generic netlink family, sound and malformed."""
from program import EPHEMERAL, FAR, FAR6, L, LOCAL, LOCAL6, OTHER, PPPOX, genl, socket

TIDS = (1, 2, 3, 4, 5, 6)
SIDS = (1, 2, 3, 4, 5, 0x1001, 0x1002)
ODD = (0, 0xffff, 0x10001, 0xffffffff)
NAMES = ("e0", "e1", "e2", "e3", "t%d", "l2tpeth%d")
ODD_NAMES = ("lo", "tap0", "a/b", "x" * 15, "x" * 16, "", "e%d%d", "..", "e0 ")
PORTS = (4000, 4001, 4002, 4003, 4004)
LONG_WAIT = 100000              # of reordering, in ms: it never ends, whatever the machine's speed


def number(e, kind, size, values, odd=()):
    """An integer attribute: mostly sound, sometimes of the wrong length or an odd value."""
    if e.chance(0.01):
        return genl.raw(kind, e.random.randbytes(e.random.randrange(0, size + 3)))
    value = e.pick(odd) if odd and e.chance(0.02) else e.pick(values)
    return genl.raw(kind, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))


def some(e, part, function, *args):
    return function(*args) if e.chance(part) else b""


def nonsense(e):
    """An attribute that should not matter, or be refused by the policy."""
    kind = e.pick((0, 3, 4, 6, 14, 28, 29, 30, 35, 36, 40, 99, 1000)) if e.chance(0.7) else e.random.randrange(0, 36)
    if kind in (L.IP6_SADDR, L.IP6_DADDR, L.RECV_TIMEOUT):
        kind = L.PAD                # a listed difference; the machine's speed would matter
    return genl.raw(kind | e.pick((0, 0, 0, 0x8000, 0x4000)), e.random.randbytes(e.random.randrange(0, 20)))


def spoil(e, attributes):
    """The attributes as one string of bytes, sometimes in another order, incomplete, doubled or cut."""
    attributes = [a for a in attributes if a]
    if e.chance(0.08):
        e.random.shuffle(attributes)
    if e.chance(0.06) and attributes:
        del attributes[e.random.randrange(len(attributes))]
    if e.chance(0.06):
        attributes.insert(e.random.randrange(len(attributes) + 1), nonsense(e))
    if e.chance(0.02) and attributes:
        attributes.append(e.pick(attributes))
    data = b"".join(attributes)
    return data[:e.random.randrange(len(data) + 1)] if e.chance(0.01) else data


def addresses(e, tunnel):
    if tunnel["family"] == 6:
        return genl.raw(L.IP6_SADDR, socket.inet_pton(10, tunnel["local"])) + \
            genl.raw(L.IP6_DADDR, socket.inet_pton(10, tunnel["remote"]))
    return genl.raw(L.IP_SADDR, socket.inet_aton(tunnel["local"])) + genl.raw(L.IP_DADDR, socket.inet_aton(tunnel["remote"]))


def random_addresses(e, family):
    """(local, remote): both of the wire, both of the loopback device, or not ours."""
    if e.chance(0.03):
        return (e.pick(("203.0.113.9", "0.0.0.0", "255.255.255.255", "224.0.0.1")), e.pick(FAR)) if family == 4 else \
            (e.pick(("2001:db8::9", "::", "ff02::1", "fe80::1", "::ffff:10.0.0.1")), e.pick(FAR6))
    if e.chance(0.03):
        return (LOCAL[0], e.pick(("203.0.113.9", "0.0.0.0", "255.255.255.255"))) if family == 4 else \
            (LOCAL6[0], e.pick(("2001:db8::9", "::", "fe80::1", "::ffff:10.0.0.2")))
    if e.chance(0.2):
        return (LOCAL[2], LOCAL[3]) if family == 4 else (LOCAL6[2], LOCAL6[2])
    return (e.pick(LOCAL[:2]), e.pick(FAR)) if family == 4 else (e.pick(LOCAL6[:2]), e.pick(FAR6))


def tunnel_create(e):
    """With a socket that is there, or one that the kernel is to make."""
    tid = e.pick(TIDS)
    version = e.pick(e.traits["versions"])
    sockets = [fd for fd, what in e.open.items() if what.get("kind") in ("udp", "l2tpip")]
    if sockets and e.chance(0.75):
        fd = e.pick(sockets)
        tunnel = dict(e.open[fd], fd=fd)
        tunnel["encap"] = L.UDP if tunnel["kind"] == "udp" else L.IP
        where = [number(e, L.FD, 4, (fd,), (199, 0xffffffff) + tuple(OTHER) + tuple(PPPOX))]
    else:
        family = e.pick((4, 6))
        local, remote = random_addresses(e, family)
        tunnel = {"family": family, "local": local, "remote": remote, "fd": None, "encap": e.pick(e.traits["encaps"]),
                  "sport": e.pick(PORTS), "dport": e.pick(PORTS)}
        where = [addresses(e, tunnel)]
        if tunnel["encap"] == L.UDP or e.chance(0.1):
            where += [number(e, L.UDP_SPORT, 2, (tunnel["sport"],), (0, 80, EPHEMERAL)), number(e, L.UDP_DPORT, 2, (tunnel["dport"],), (0, 1))]
        where += [some(e, 0.2, number, e, L.UDP_CSUM, 1, (0, 1)), some(e, 0.2, genl.raw, L.UDP_ZERO_CSUM6_TX),
                  some(e, 0.2, genl.raw, L.UDP_ZERO_CSUM6_RX)]
    odd = tuple(i for i in ODD if version == 3 or i <= 0xffff)
    ptid = e.pick((tid + 100, tid + 100, 0))
    e.nl(L.TUNNEL_CREATE, spoil(e, [number(e, L.CONN_ID, 4, (tid,), odd), number(e, L.PEER_CONN_ID, 4, (ptid,), ODD),
                                    number(e, L.PROTO_VERSION, 1, (version,)),
                                    number(e, L.ENCAP_TYPE, 2, (tunnel["encap"],), (0, 1, 2, 0xffff)),
                                    some(e, 0.05, genl.u32, L.DEBUG, e.random.randrange(16)), *where]))
    e.tunnels.setdefault(tid, dict(tunnel, version=version, ptid=ptid))


def options(e, part=0.3):
    """Attributes that SESSION_CREATE and SESSION_MODIFY share."""
    wait = (LONG_WAIT, LONG_WAIT + 1, LONG_WAIT + 3) if e.traits["reorder"] else (0,)
    return [some(e, part, number, e, L.SEND_SEQ, 1, (0, 1), (2, 3)), some(e, part, number, e, L.RECV_SEQ, 1, (0, 1), (2, 3)),
            some(e, part, number, e, L.LNS_MODE, 1, (0, 1), (255,)),
            some(e, 1 if e.traits["reorder"] and part == 0.3 else part / 2, genl.u64, L.RECV_TIMEOUT, e.pick(wait)),
            some(e, 0.03, genl.u32, L.DEBUG, e.random.randrange(16))]


def session_create(e):
    tid = e.pick(list(e.tunnels) or TIDS) if e.chance(0.95) else e.pick(TIDS + ODD)
    tunnel = e.tunnels.get(tid, {"version": 3})
    taken = [s for t, s in e.sessions if t == tid]
    sid = e.pick([s for s in SIDS if s not in taken] or SIDS) if e.chance(0.97) else e.pick(ODD)
    if tunnel["version"] == 2:
        sid &= 0xffff
    if (tid, sid) in e.sessions and tunnel["version"] == 3 and e.chance(0.98):
        return tunnel_other(e)
    pw = L.PW_PPP if tunnel["version"] == 2 else e.pick(e.traits["pseudowires"])
    devices = sum(s["pw"] == L.PW_ETH for s in e.sessions.values())
    if pw == L.PW_ETH and (devices >= 6 or e.made_devices >= e.traits["devices"]):
        return session_other(e)
    session = {"pw": pw, "psid": sid + 0x100, "cookie": b"", "peer_cookie": b"", "l2ss": True, "ns": 0, "name": "", "fd": None}
    attributes = [number(e, L.CONN_ID, 4, (tid,)), number(e, L.SESSION_ID, 4, (sid,)),
                  number(e, L.PEER_SESSION_ID, 4, (session["psid"],), ODD), number(e, L.PW_TYPE, 2, (pw,), (0, 4, 5, 7, 8, 11, 12, 0xffff))]
    v3 = tunnel["version"] == 3 or e.chance(0.1)
    # Where frames are reordered all headers are alike: one that meets the session of that id in another tunnel has a number there, too.
    if v3 and not e.traits["reorder"]:
        for kind, key in ((L.COOKIE, "cookie"), (L.PEER_COOKIE, "peer_cookie")):
            if e.chance(0.4):
                session[key] = e.random.randbytes(e.pick((4, 8, 8, 4, 3, 0, 5)))
                attributes.append(genl.raw(kind, session[key] + (b"+" * 9 if e.chance(0.02) else b"")))
        if e.chance(0.5):
            session["l2ss"] = e.chance(0.6)
            attributes.append(number(e, L.L2SPEC_TYPE, 1, (int(session["l2ss"]),), (2, 255)))
    if v3 and pw == L.PW_ETH and e.chance(0.7):
        unused = [n for n in NAMES if "%" in n or all(s["name"] != n for s in e.sessions.values())]
        session["name"] = e.pick(ODD_NAMES[:5]) if e.chance(0.03) else e.pick(unused)
        attributes.append(genl.string(L.IFNAME, session["name"]))
    if tunnel["version"] == 2:
        session.update(cookie=b"", peer_cookie=b"", l2ss=False)
    if pw == L.PW_ETH and (not session["name"] or "%" in session["name"]):
        stem = (session["name"] or "l2tpeth%d").replace("%d", "")
        session["name"] = stem + str(next(i for i in range(99) if all(s["name"] != stem + str(i) for s in e.sessions.values())))
    e.made_devices += pw == L.PW_ETH
    e.nl(L.SESSION_CREATE, spoil(e, attributes + options(e)))
    e.sessions.setdefault((tid, sid), session)
    if pw == L.PW_ETH and e.chance(0.85):
        e.link(session["name"], 1, 1)


def forget_tunnel(e, tid):
    e.tunnels.pop(tid, None)
    for key in [k for k in e.sessions if k[0] == tid]:
        del e.sessions[key]


def tunnel_other(e):
    known = list(e.tunnels)
    tid = e.pick(known) if known and e.chance(0.85) else e.pick(TIDS + ODD)
    cmd = e.pick((L.TUNNEL_GET,) * 6 + (L.TUNNEL_MODIFY,) * 2 + (L.TUNNEL_DELETE,))
    if cmd == L.TUNNEL_DELETE:
        if e.chance(0.5) and len(known) < 4:
            cmd = L.TUNNEL_GET
        else:
            forget_tunnel(e, tid)
    e.nl(cmd, spoil(e, [number(e, L.CONN_ID, 4, (tid,))]))


def session_other(e):
    known = list(e.sessions)
    cmd = e.pick((L.SESSION_GET,) * 6 + (L.SESSION_MODIFY,) * 4 + (L.SESSION_DELETE,))
    tid, sid = e.pick(known) if known and e.chance(0.9) else (e.pick(TIDS + ODD), e.pick(SIDS + ODD))
    session = e.sessions.get((tid, sid))
    if cmd == L.SESSION_DELETE:
        if len(known) < 4 and e.chance(0.6):
            cmd = L.SESSION_GET
        else:
            e.sessions.pop((tid, sid), None)
    which = [number(e, L.CONN_ID, 4, (tid,)), number(e, L.SESSION_ID, 4, (sid,))]
    if session and session["name"] and e.chance(0.2):
        which = [genl.string(L.IFNAME, session["name"])]
    elif e.chance(0.02):
        which.append(genl.string(L.IFNAME, e.pick(NAMES + ODD_NAMES[:5] + ODD_NAMES[6:])))
    e.nl(cmd, spoil(e, which + (options(e, 0.4) if cmd == L.SESSION_MODIFY else [])))


def look(e):
    """Dumps, sometimes with attributes that nobody looks at; NOOP; commands that do not exist; header flags that do not matter."""
    if e.chance(0.7):
        e.nl(e.pick((L.TUNNEL_GET, L.SESSION_GET)), nonsense(e) if e.chance(0.2) else b"", genl.NLM_F_REQUEST | genl.NLM_F_DUMP)
    elif e.chance(0.3):
        e.nl(L.NOOP, b"")
    elif e.chance(0.5):
        e.nl(e.random.randrange(0, 12), nonsense(e), e.pick((0x1, 0x5, 0x105, 0x205, 0x305, 0x405, 0xd)))
    else:
        e.nl(e.random.randrange(0, 12), b"".join(nonsense(e) for _ in range(e.random.randrange(0, 6))))
