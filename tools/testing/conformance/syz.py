# SPDX-License-Identifier: GPL-2.0
"""Programs as syzkaller makes them: short, of any calls in any order, with few values, most of which exist; no idea of a state.

The calls, what they take and the ranges of their values are those of syzkaller's public descriptions of L2TP, PPPoX and /dev/ppp
(sys/linux/socket_inet_l2tp.txt, socket_pppox.txt and dev_ppp.txt of google/syzkaller), and of what it calls on every socket. What
they make has one of the kinds of KINDS; a call takes a descriptor of a kind or of those derived from it, and rarely any. Where
syzkaller learns by coverage which beginnings lead on, a program here mostly begins with a tunnel and a session.
"""
import struct

import packets
from program import FAR, FAR6, FAR_MAC, GENL, L, LOCAL, LOCAL6, MAC, abi, genl, socket, text, wire

CALLS = 40                      # of a program
SLOTS = range(110, 140)
KINDS = {"fd": None, "sock": "fd", "ppp": "fd", "in": "sock", "in6": "sock", "udp": "in", "udp6": "in6", "l2tp": "in", "l2tp6": "in6",
         "pppox": "sock", "pppol2tp": "pppox", "pppoe": "pppox", "pptp": "pppox", "l2tp connected": "l2tp", "l2tp6 connected": "l2tp6"}
IDS = (1,) * 6 + (2,) * 4 + (3, 4, 0)
PORTS = (20000, 20001, 20002, 20003)
IPV4 = (LOCAL[0],) * 5 + (FAR[0],) * 5 + ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255")
IPV6 = (LOCAL6[0],) * 5 + (FAR6[0],) * 5 + ("::1", "::", "ff02::1", "fe80::aa", "::ffff:10.0.0.1")
SEND_FLAGS = (0, 0, 0, 0x800, 4, 0x40, 0x80, 0x8000, 1, 0x10, 0x40000, 0x4000000)
RECV_FLAGS = (0, 0, 0x40, 0x2000, 1, 2, 0x20, 0x100)
PPP_FLAGS = (0, 1, 2, 4, 0x100, 0x200, 0x400, 0x800, 0x8000, 0x80000, 0x100000, 0x7f00ffff)
PROTOCOLS = (0x21, 0x57, 0xfd, 0x3d, 0x8021, 0x8057, 0xc021, 0xc023, 0xc223, 0x281)

# Options that syzkaller sets on every socket, or on one that it takes for IPv4, IPv6 or UDP: (level, name).
OPTIONS = ((1, 2), (1, 5), (1, 6), (1, 7), (1, 8), (1, 9), (1, 11), (1, 15), (1, 18), (1, 20), (1, 25), (1, 36), (1, 60), (0, 1), (0, 2),
           (0, 4), (0, 6), (0, 8), (0, 10), (0, 11), (0, 12), (0, 13), (0, 15), (0, 19), (0, 23), (0, 50), (41, 1), (41, 8), (41, 16),
           (41, 23), (41, 24), (41, 25), (41, 26), (41, 33), (41, 49), (41, 51), (41, 66), (41, 67), (41, 70), (17, 1), (17, 100),
           (17, 101), (17, 102), (17, 103), (17, 104), (115, 1), (273, 0))


def descends(kind, wanted):
    while kind and kind != wanted:
        kind = KINDS.get(kind)
    return kind == wanted


def fd(e, wanted):
    """A descriptor of a kind, made if there is none."""
    have = [number for number, kind in e.open.items() if descends(kind, wanted)]
    if e.chance(0.04):
        return e.pick(list(e.open) + [199])
    if have and e.chance(0.9):
        return e.pick(have)
    make(e, e.pick([kind for kind in MAKERS if descends(kind, wanted)]))
    return list(e.open)[-1]


def make(e, kind):
    unused = [number for number in SLOTS if number not in e.open]
    number = e.pick(unused or SLOTS)
    e.open.pop(number, None)
    e.add(*(str(number) if word is None else word for word in MAKERS[kind]))
    e.open[number] = kind


MAKERS = {"udp": ("socket", None, 2, 2, 0), "udp6": ("socket", None, 10, 2, 0), "l2tp": ("socket", None, 2, 2, 115),
          "l2tp6": ("socket", None, 10, 2, 115), "pppol2tp": ("socket", None, 24, 1, 1), "pppoe": ("socket", None, 24, 1, 0),
          "pptp": ("socket", None, 24, 1, 2), "ppp": ("open", None, 0o4002, "/dev/ppp")}


def number32(e):
    return e.pick((0, 1, 2, 3, 4, 5, 16, 1000, 0x7fffffff, -1, -2))


def array(e):
    return e.random.randbytes(e.pick((0, 1, 2, 7, 16, 40, 100, 1400, 4096)))


def sockaddr(e, kind=None):
    """One of the addresses that there are for such a socket, or of another one."""
    kind = kind if kind and e.chance(0.9) else e.pick(("udp", "udp6", "l2tp", "l2tp6", "pppol2tp", "pppoe", "pptp", "none"))
    if descends(kind, "udp"):
        return abi.sin(e.pick(IPV4), e.pick(PORTS))
    if descends(kind, "udp6"):
        return abi.sin6(e.pick(IPV6), e.pick(PORTS))
    if descends(kind, "l2tp"):
        return abi.v4(e.pick(IPV4), e.pick(IDS))
    if descends(kind, "l2tp6"):
        return abi.v6(e.pick(IPV6), e.pick(IDS), flowinfo=e.pick((0, 0, 7, 0xfffff)), scope=e.pick((0, 0, 2, 9)))
    if kind == "pppol2tp":
        make_address = abi.VARIANTS[e.pick(tuple(abi.VARIANTS))][0]
        more = {"addr": sockaddr(e, "udp")[:16]} if make_address in (abi.V2, abi.V3) else {}
        return make_address(fd(e, "sock"), *(e.pick(IDS) for _ in range(4)), **more)
    if kind == "pppoe":
        return struct.pack("=HIH6s16s", 24, 0, e.pick(IDS), FAR_MAC, e.pick((b"tap0", b"lo", b"l2tpeth0")))
    if kind == "pptp":
        return struct.pack("=HI", 24, 2) + struct.pack("!H4s", e.pick(IDS), socket.inet_aton(e.pick(IPV4))) + bytes(18)
    return struct.pack("=H", e.pick((0, 1, 2, 10, 16, 17, 24, 38))) + e.random.randbytes(e.pick((14, 26, 126)))


# ---------------------------------------------------------------- netlink

def attribute(e, kind):
    """An attribute with a value of the range that its description has."""
    if kind in (L.CONN_ID, L.PEER_CONN_ID, L.SESSION_ID, L.PEER_SESSION_ID):
        return genl.u32(kind, e.pick(IDS))
    if kind == L.FD:
        return genl.u32(kind, fd(e, e.pick(("udp", "udp6", "l2tp", "l2tp6"))))
    if kind == L.PW_TYPE:
        return genl.u16(kind, e.pick((0, 4, 5, 5, 7, 7, 8, 11)))
    if kind == L.ENCAP_TYPE:
        return genl.u16(kind, e.pick((0, 1)))
    if kind in (L.UDP_SPORT, L.UDP_DPORT):
        return genl.u16(kind, e.pick(PORTS))
    if kind in (L.IP_SADDR, L.IP_DADDR):
        return genl.raw(kind, socket.inet_aton(e.pick(IPV4)))
    if kind in (L.IP6_SADDR, L.IP6_DADDR):
        return genl.raw(kind, socket.inet_pton(10, e.pick(IPV6)))
    if kind == L.PROTO_VERSION:
        return genl.u8(kind, e.pick((2, 3)))
    if kind == L.IFNAME:
        return genl.string(kind, e.pick(("l2tpeth0", "tap0", "lo", "syz0", "syz1", "ppp0")))
    if kind in (L.COOKIE, L.PEER_COOKIE):
        return genl.u64(kind, e.pick((0, 1, 0xffff0000, 1 << 63)))
    if kind == L.RECV_TIMEOUT:
        return genl.u64(kind, 0)        # see "Not generated"
    if kind in (L.OFFSET, L.VLAN_ID, L.MTU, L.MRU):
        return genl.u16(kind, e.pick((0, 1, 1400, 0xffff)))
    if kind == L.DEBUG:
        return genl.u32(kind, 0)
    return genl.u8(kind, e.pick((0, 1, 2, 255)))


NEEDED = {L.TUNNEL_CREATE: (L.CONN_ID, L.PEER_CONN_ID, L.PROTO_VERSION, L.ENCAP_TYPE, L.FD),
          L.SESSION_CREATE: (L.CONN_ID, L.SESSION_ID, L.PEER_SESSION_ID, L.PW_TYPE)}
ADDRESSED = NEEDED[L.TUNNEL_CREATE][:4] + (L.IP_SADDR, L.IP_DADDR, L.UDP_SPORT, L.UDP_DPORT)
ADDRESSED6 = NEEDED[L.TUNNEL_CREATE][:4] + (L.IP6_SADDR, L.IP6_DADDR, L.UDP_SPORT, L.UDP_DPORT)
KNOWN = tuple(kind for kind in range(1, 35) if kind not in (L.USING_IPSEC, L.STATS))


def command(e):
    """A request to the family, mostly with the attributes that the command needs; others among them."""
    cmd = e.pick((L.NOOP, L.TUNNEL_CREATE, L.TUNNEL_CREATE, L.TUNNEL_CREATE, L.TUNNEL_DELETE, L.TUNNEL_MODIFY, L.TUNNEL_GET,
                  L.SESSION_CREATE, L.SESSION_CREATE, L.SESSION_CREATE, L.SESSION_DELETE, L.SESSION_MODIFY, L.SESSION_GET))
    kinds = list(NEEDED.get(cmd, (L.CONN_ID, L.SESSION_ID)))
    if cmd == L.TUNNEL_CREATE:
        kinds = list(e.pick((kinds, kinds, ADDRESSED, ADDRESSED6)))
    if e.chance(0.2):
        kinds = []
    kinds += [e.pick(KNOWN) for _ in range(e.pick((0, 0, 1, 2, 4)))]
    if e.chance(0.2):
        e.random.shuffle(kinds)
    attributes = b"".join(attribute(e, kind) for kind in kinds)
    e.nl(cmd, attributes, e.pick((0x5,) * 12 + (0x1, 0x305, 0x301, 0x405)))


def device(e):
    """What syzkaller's own devices are there for: something happens to them."""
    name = e.pick(("l2tpeth0", "syz0", "syz1", "ppp0"))
    e.link(name, e.pick((0, 1, 1)), 1)


def frame(e):
    """syz_emit_ethernet: a frame from the wire with a message for a tunnel, and anything in it."""
    family = e.pick((4, 4, 6))
    near, far = (LOCAL[0], FAR[0]) if family == 4 else (LOCAL6[0], FAR6[0])
    body = e.random.randbytes(e.pick((0, 4, 20, 100)))
    data = e.pick((wire.v2(e.pick(IDS), e.pick(IDS), body, ns=e.pick((None, None, 0, 1)), offset=e.pick((None, None, None, 0, 9))),
                   wire.v3(e.pick(IDS), body, b"", e.pick((None, 0, wire.seq(1)))),
                   b"\xc8\x02" + struct.pack("!HHHHH", 12 + len(body), e.pick(IDS), e.pick(IDS), 0, 0) + body))
    if e.chance(0.3):
        data = struct.pack("!I", e.pick((0, *IDS))) + data
    if e.chance(0.3):
        data = packets.mutate(e, data)
    if e.chance(0.7):
        e.arrive(wire.udp_frame(MAC, FAR_MAC, far, near, e.pick(PORTS), e.pick(PORTS), data, e.pick(("good", "good", "zero"))))
    else:
        e.arrive(wire.ip_frame(MAC, FAR_MAC, far, near, 115, data))


# ---------------------------------------------------------------- what is called on sockets

def bind(e):
    kind = e.pick(("udp", "udp6", "l2tp", "l2tp6", "pptp"))
    e.add("bind", fd(e, kind), text(sockaddr(e, kind)))


def connect(e):
    """A connected L2TP/IP socket does not send elsewhere after that: see "Not generated"."""
    kind = e.pick(("udp", "udp6", "l2tp", "l2tp6", "pppol2tp", "pppol2tp", "pppol2tp", "pppoe", "pptp"))
    address = sockaddr(e, kind)
    where = fd(e, kind)
    e.add("connect", where, text(address))
    if e.open.get(where) in ("l2tp", "l2tp6"):
        e.open[where] += " connected"


def send(e):
    where = fd(e, "sock")
    kind = e.open.get(where, "none")
    name = text(sockaddr(e, kind)) if e.chance(0.4) and "connected" not in kind else "-"
    e.add("send", where, e.pick(SEND_FLAGS), text(array(e)), name, "-")


def receive(e):
    e.add("recv", fd(e, "sock"), e.pick(RECV_FLAGS), e.pick((0, 1, 100, 4096)), e.pick((0, 512)))


def name(e):
    e.add(e.pick(("name", "peer")), fd(e, "sock"), e.pick((128, 128, 16, 0)))


def set_option(e):
    where = fd(e, "sock")
    level, option = (273, e.pick((1, 2, 3, 4))) if e.open.get(where) == "pppol2tp" and e.chance(0.7) else e.pick(OPTIONS)
    value = e.pick((0, 1)) if level == 273 else number32(e)
    e.add("set", where, level, option, text(struct.pack("=i", value)), e.pick((4, 4, 4, 1, 0, 8)))


def get_option(e):
    where = fd(e, "sock")
    level, option = (273, e.pick((1, 2, 3, 4, 5))) if e.open.get(where) == "pppol2tp" and e.chance(0.7) else e.pick(OPTIONS)
    e.add("get", where, level, option, e.pick((4, 4, 4, 1, 0, 40)))


def control(e):
    """ioctl() of PPPoX sockets and of /dev/ppp, sometimes on the other."""
    if e.chance(0.4):
        request = e.pick((abi.PPPIOCGCHAN, abi.PPPIOCGCHAN, abi.PPPIOCGL2TPSTATS, abi.PPPIOCGMRU, abi.PPPIOCSMRU, abi.PPPIOCGFLAGS,
                          abi.PPPIOCSFLAGS, 0x8921, 0x8922, 0x4008b100, 0xb101))
        data = struct.pack("=i", e.pick(PPP_FLAGS)) + bytes(72)
        e.add("ioctl", fd(e, "pppox"), request, text(data))
    else:
        request, data = e.pick(((abi.PPPIOCNEWUNIT, e.pick((-1, 0, 1))), (0x4004743d, e.pick(IDS)), (abi.PPPIOCATTCHAN, e.pick(IDS)),
                                (abi.PPPIOCCONNECT, e.pick((0, 1))), (0x7439, 0), (abi.PPPIOCBRIDGECHAN, e.pick(IDS)),
                                (abi.PPPIOCUNBRIDGECHAN, 0), (0x80047456, 0), (0x40047451, e.pick(IDS)), (abi.PPPIOCSMRU, 1500),
                                (abi.PPPIOCSFLAGS, e.pick(PPP_FLAGS) & ~0x10000), (abi.PPPIOCGFLAGS, 0), (0x4004743b, 1500)))
        e.add("ioctl", fd(e, "ppp"), request, text(struct.pack("=i", data) + bytes(60)))


def mode(e):
    e.add("ioctl", fd(e, "ppp"), e.pick((abi.PPPIOCSNPMODE, 0xc008744c)), text(struct.pack("=ii", e.pick(PROTOCOLS), e.pick((0, 1, 2, 3)))))


def write(e):
    where = fd(e, e.pick(("ppp", "ppp", "pppol2tp", "sock")))
    e.add("write", where, text(struct.pack("!H", e.pick(PROTOCOLS)) + array(e)))


def end(e):
    where = fd(e, "fd")
    if e.chance(0.3):
        e.add("shutdown", where, e.pick((0, 1, 2)))
    else:
        e.close(where)


def copy(e):
    where, to = fd(e, "fd"), e.pick(SLOTS)
    kind = e.open.get(where)
    e.open.pop(to, None)
    e.add("dup", where, to)
    if kind:
        e.open[to] = kind


def odd(e):
    where = fd(e, "sock")
    e.add(*e.pick((("listen", where), ("ioctl", where, e.pick((0x541b, 0x5411, 0x8927)), text(bytes(40))))))


def look(e):
    e.add(*e.pick((("drain",), ("cat", "/proc/net/pppol2tp"), ("nl", GENL, "0xffff", 0x301, text(bytes((e.pick((4, 8)), 1, 0, 0)))))))


WEIGHTS = {command: 30, bind: 10, connect: 22, send: 12, receive: 8, name: 3, set_option: 8, get_option: 4, control: 14, mode: 2, write: 6,
           frame: 16, device: 3, end: 8, copy: 3, odd: 2, look: 3}


def tunnel_and_session(e):
    """A tunnel with a session, by netlink or PPPoL2TP sockets, over a socket of ours or one that the kernel makes."""
    family, version, tid, sid = e.pick((4, 4, 6)), e.pick((2, 3)), e.pick((1, 2)), e.pick((1, 2))
    near, far = (LOCAL[0], FAR[0]) if family == 4 else (LOCAL6[0], FAR6[0])
    encap = L.UDP if version == 2 else e.pick((L.UDP, L.IP))
    kind = ("udp" if encap == L.UDP else "l2tp") + ("6" if family == 6 else "")
    ends = [genl.u16(L.UDP_SPORT, e.pick(PORTS)), genl.u16(L.UDP_DPORT, e.pick(PORTS))]
    addresses = [L.IP_SADDR, L.IP_DADDR] if family == 4 else [L.IP6_SADDR, L.IP6_DADDR]
    ends += [genl.raw(what, socket.inet_pton(abi.AF[family], host)) for what, host in zip(addresses, (near, far))]
    where = -1
    if e.chance(0.7):
        make(e, kind)
        where = list(e.open)[-1]
        addressed = (abi.sin if family == 4 else abi.sin6) if encap == L.UDP else abi.v4 if family == 4 else abi.v6
        e.add("bind", where, text(addressed(near, e.pick(PORTS) if encap == L.UDP else tid)))
        e.add("connect", where, text(addressed(far, e.pick(PORTS) if encap == L.UDP else tid)))
        e.open[where] = kind + " connected" if encap == L.IP else kind
        ends = [genl.u32(L.FD, where)]
    if where >= 0 and encap == L.UDP and e.chance(0.4):
        variant = ("v2" if version == 2 else "v3") + ("in6" if family == 6 else "")
        for session in (0, sid):
            make(e, "pppol2tp")
            e.add("connect", list(e.open)[-1], text(abi.VARIANTS[variant][0](where, tid, session, tid, session)))
        return
    e.nl(L.TUNNEL_CREATE, genl.u32(L.CONN_ID, tid) + genl.u32(L.PEER_CONN_ID, tid) + genl.u8(L.PROTO_VERSION, version)
         + genl.u16(L.ENCAP_TYPE, encap) + b"".join(ends))
    pseudowire = L.PW_PPP if version == 2 else e.pick((L.PW_ETH, L.PW_ETH, L.PW_PPP))
    e.nl(L.SESSION_CREATE, genl.u32(L.CONN_ID, tid) + genl.u32(L.SESSION_ID, sid) + genl.u32(L.PEER_SESSION_ID, sid)
         + genl.u16(L.PW_TYPE, pseudowire))


def program(e, count=CALLS):
    """Appends the lines of a program to an episode."""
    calls, weights = list(WEIGHTS), list(WEIGHTS.values())
    for _ in range(e.pick((0, 1, 1, 1, 2, 2))):
        tunnel_and_session(e)
    while len(e.lines) < count:
        e.random.choices(calls, weights)[0](e)
    del e.lines[count:]
