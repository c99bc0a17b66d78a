# SPDX-License-Identifier: GPL-2.0
"""Operations: system calls on UDP, L2TP/IP and PPPoL2TP sockets, /dev/ppp, and sockets that no tunnel can have."""
import struct

import netlink
from program import FAR, FAR6, L, L2TPIP, LOCAL, OTHER, PPP, PPPOX, UDP, abi, text

TYPES = {4: 2, 6: 10}


def inet(family, host, port):
    """struct sockaddr_in or sockaddr_in6"""
    return abi.sin(host, port) if family == 4 else abi.sin6(host, port)


def udp(e):
    """A UDP socket: bound, connected or not, with options."""
    fd = e.free(UDP)
    family = e.pick((4, 4, 6))
    local, remote = netlink.random_addresses(e, family)
    sport, dport = e.pick(netlink.PORTS), e.pick(netlink.PORTS)
    e.add("socket", fd, TYPES[family], 2, 0)
    if e.chance(0.3):
        e.add("set", fd, 1, 2, "01000000")                     # SO_REUSEADDR
    if e.chance(0.95):
        e.add("bind", fd, text(inet(family, local, sport)))
    if e.chance(0.9):
        e.add("connect", fd, text(inet(family, remote, dport)))
    e.open[fd] = {"kind": "udp", "family": family, "local": local, "remote": remote, "sport": sport, "dport": dport}


def udp_other(e):
    """What a daemon does with its tunnel's socket, and what it should not do."""
    fd = e.used(UDP)
    what = e.open.get(fd, {"family": 4, "local": LOCAL[0], "remote": FAR[0], "sport": 4000, "dport": 4000})
    act = e.random.randrange(12)
    if act < 3:
        e.add("send", fd, 0, text(b"\xc8" + e.random.randbytes(e.pick((11, 19, 60)))), "-", "-")
    elif act == 3:
        e.add("recv", fd, e.pick((0, 2, 0x20, 0x2000)), e.pick((0, 4, 2000)), 0)
    elif act == 4:
        level, option = e.pick(((0, 1), (0, 2), (0, 10), (0, 11), (1, 11), (17, 101), (17, 102), (41, 16), (41, 67), (41, 25)))
        e.add("set", fd, level, option, text(struct.pack("=i", e.pick((0, 1, 1, 16)))))
    elif act == 5:
        e.add("get", fd, *e.pick(((17, 100), (17, 101), (1, 4), (1, 11), (17, 1))), 4)
    elif act == 6 and e.chance(0.4):
        e.add("connect", fd, text(inet(what["family"], what["remote"], e.pick(netlink.PORTS))))
    elif act == 7 and e.chance(0.3):
        e.add("connect", fd, text(bytes(16)))
    elif act == 8:
        e.add(e.pick(("name", "peer")), fd, 128)
    elif act == 9 and e.chance(0.3):
        e.add("shutdown", fd, e.pick((0, 1, 2)))
    elif act == 10 and e.chance(0.6):
        for tid in [t for t, tunnel in e.tunnels.items() if tunnel.get("fd") == fd]:
            netlink.forget_tunnel(e, tid)
        e.close(fd)
    else:
        e.add("ioctl", fd, e.pick((0x5411, 0x541b)), text(bytes(4)))


def l2tpip(e):
    """A socket of protocol 115."""
    fd = e.free(L2TPIP)
    family = e.pick((4, 6))
    local, remote = netlink.random_addresses(e, family)
    own, peer = e.pick((0, 1, 2, 3, 101, 102)), e.pick((1, 101, 102, 0))
    e.add("socket", fd, TYPES[family], 2, 115)
    if e.chance(0.95):
        e.add("bind", fd, text(abi.address(family, local, own)))
    connected = e.chance(0.8)
    if connected:
        e.add("connect", fd, text(abi.address(family, remote, peer)))
    e.open[fd] = {"kind": "l2tpip", "family": family, "local": local, "remote": remote, "own": own, "peer": peer,
                  "connected": connected}


def l2tpip_other(e):
    fd = e.used(L2TPIP)
    what = e.open.get(fd, {"family": 4, "local": LOCAL[0], "remote": FAR[0], "own": 1, "peer": 1, "connected": False})
    family = what["family"]
    act = e.random.randrange(14)
    body = abi.control_message(what["peer"], e.random.randbytes(e.pick((0, 8, 100, 1500))))
    if act < 3:
        e.add("send", fd, e.pick((0, 0, 0, 1, 0x8000) if not what["connected"] or family == 4 else (0,)), text(body), "-", "-")
    elif act == 3:
        # A connected socket that sends elsewhere is a listed difference.
        to = what["remote"] if what["connected"] else e.pick(FAR if family == 4 else FAR6)
        name = abi.address(family, to, e.pick((0, 1, 7)))
        e.add("send", fd, 0, text(body[:200]), text(name[:e.pick((len(name), len(name), len(name) - 1, 24, 8, 2))]), "-")
    elif act == 4:
        e.add("recv", fd, e.pick((0, 2, 0x20, 1, 0x2000)), e.pick((0, 4, 12, 2000)), e.pick((0, 512)))
    elif act == 5:
        level, option = e.pick(((0, 1), (0, 2), (0, 8), (0, 12), (0, 10), (41, 16), (41, 49), (41, 51), (41, 67), (1, 6), (1, 8), (115, 1)))
        e.add("set", fd, level, option, text(struct.pack("=i", e.pick((0, 1, 1, 16)))))
    elif act == 6:
        e.add("get", fd, *e.pick(((0, 1), (0, 2), (0, 10), (41, 16), (41, 24), (1, 4), (1, 3), (115, 1))), 4)
    elif act == 7:
        e.add(e.pick(("name", "peer")), fd, e.pick((128, 128, 16, 4, 0)))
    elif act == 8:
        e.add("ioctl", fd, e.pick((0x5411, 0x541b, 0x8927, 0x1234)), text(bytes(40)))
    elif act == 9 and e.chance(0.5):
        name = abi.address(family, e.pick((what["local"], what["remote"])), e.pick((1, 2)))
        e.add("bind", fd, text(name), e.pick((len(name), len(name) - 1, 2, 0, 100)))
    elif act == 10 and e.chance(0.5):
        name = e.pick((abi.address(family, what["remote"], e.pick((0, 1, 101))), abi.v4(FAR[0], 1, family=0), abi.v4("224.0.0.1", 1),
                       abi.address(10 - family, (FAR if family == 6 else FAR6)[0], 1)))
        e.add("connect", fd, text(name), e.pick((len(name), len(name), len(name) - 1, 1)))
        what["connected"] = True
    elif act == 11 and e.chance(0.3):
        e.add(e.pick(("shutdown", "listen")), fd, 2)
    elif act == 12:
        for tid in [t for t, tunnel in e.tunnels.items() if tunnel.get("fd") == fd]:
            netlink.forget_tunnel(e, tid)
        e.close(fd)
    else:
        e.add("recv", fd, 0, 2000, 0)


def pppol2tp_address(e, tid, sid, ptid, psid, fd, version):
    variant = e.pick(("v2", "v2in6") if version == 2 else ("v3", "v3in6")) if e.chance(0.98) else e.pick(list(abi.VARIANTS))
    mask = 0xffff if variant.startswith("v2") else 0xffffffff
    tid, sid, ptid, psid = (n & mask for n in (tid, sid, ptid, psid))
    more = {"protocol": e.pick((0, 2))} if e.chance(0.01) else {}
    return abi.VARIANTS[variant][0](fd, tid, sid, ptid, psid, **more)


def pppox_connect(e, fd):
    tunnels = {t: w for t, w in e.tunnels.items() if w.get("encap") == L.UDP}
    socks = [s for s, what in e.open.items() if what["kind"] == "udp"]
    if not tunnels or e.chance(0.15):
        tid, sid, version = e.pick(netlink.TIDS), 0, e.pick(e.traits["versions"])
        where = e.pick(socks) if socks and e.chance(0.97) else e.pick((-1, 199, fd) + tuple(OTHER))
        if where in socks:
            e.tunnels.setdefault(tid, dict(e.open[where], fd=where, encap=L.UDP, version=version, ptid=tid + 100))
        name = pppol2tp_address(e, tid, 0, tid + 100, 0, where, version)
    else:
        tid = e.pick(list(tunnels))
        version = tunnels[tid]["version"]
        # One pppd made: without a socket so far. Or a new one. Or none of ours.
        idle = [s for (t, s), session in e.sessions.items() if t == tid and session["pw"] == L.PW_PPP and session["fd"] is None]
        sid = e.pick(idle) if idle and e.chance(0.5) else e.pick(netlink.SIDS) & (0xffff if version == 2 else -1)
        session = e.sessions.setdefault((tid, sid), {"pw": L.PW_PPP, "psid": sid + 0x100, "cookie": b"", "peer_cookie": b"",
                                                     "l2ss": False, "ns": 0, "name": "", "fd": None})
        if session["pw"] == L.PW_PPP and session["fd"] is None:
            session["fd"] = fd
        name = pppol2tp_address(e, tid, sid, tid + 100, session["psid"], e.pick((-1, 0, tunnels[tid].get("fd") or -1)), version)
    e.add("connect", fd, text(name), e.pick((len(name), 0, 37, 39, 128)) if e.chance(0.03) else len(name))


def pppox(e):
    fd = e.free(PPPOX)
    e.add("socket", fd, abi.AF_PPPOX, e.pick((2, 2, 2, 1, 3)), abi.PX_PROTO_OL2TP if e.chance(0.99) else e.pick((0, 2, 3, 4, 99)))
    e.open[fd] = {"kind": "pppox"}
    pppox_connect(e, fd)


def ppp_frame(e):
    return e.pick((b"\xc0\x21\x09\x01\x00\x08\0\0\0\0", b"\x80\x21\x01\x01\x00\x04", b"\x00\x21" + e.random.randbytes(40), b"",
                   e.random.randbytes(e.pick((1, 5, 100, 1400, 3000)))))


def pppox_other(e):
    fd = e.used(PPPOX)
    act = e.random.randrange(16)
    if act < 4:
        e.add("send", fd, e.pick((0, 0, 0, 1)), text(ppp_frame(e)), "-", "-")
    elif act < 6:
        e.add("recv", fd, e.pick((0, 0, 2, 0x20)), e.pick((0, 4, 2000)), 0)
    elif act < 8:
        option = e.pick((1, 2, 3, 4, 5, 2, 3, 4, 6, 0))
        value = e.pick((0, 1)) if option != 5 else netlink.LONG_WAIT + e.random.randrange(5) if e.traits["reorder"] else 0
        data = struct.pack("=i", value if e.chance(0.95) or option == 5 else e.pick((2, -1, 15)))
        e.add("set", fd, abi.SOL_PPPOL2TP if e.chance(0.95) else e.pick((0, 1, 17, 41)), option,
              text(data) if e.chance(0.98) else "0", e.pick((4, 4, 4, 8, 3, 0)))
    elif act < 10:
        e.add("get", fd, abi.SOL_PPPOL2TP if e.chance(0.95) else e.pick((0, 17)), e.pick((1, 2, 3, 4, 5, 6)), e.pick((4, 4, 4, 8, 2, 0, -1)))
    elif act == 10:
        request = e.pick((abi.PPPIOCGMRU, abi.PPPIOCSMRU, abi.PPPIOCGFLAGS, abi.PPPIOCSFLAGS, abi.PPPIOCGCHAN, 0x8927, 0x541b, 0x40047499))
        e.add("ioctl", fd, request, text(bytes(40)))
    elif act == 11:
        e.add("ioctl", fd, abi.PPPIOCGL2TPSTATS, text(struct.pack("=HHI64x", 0, e.pick((0, 0) + netlink.SIDS), 0)))
    elif act == 12:
        e.add(e.pick(("name", "peer")), fd, e.pick((128, 128, 20)))
    elif act == 13 and e.chance(0.4):
        pppox_connect(e, fd)
    elif act == 14 and e.chance(0.4):
        e.add(*e.pick((("bind", fd, text(bytes(40))), ("listen", fd), ("accept", fd), ("shutdown", fd, 2))))
    elif e.chance(0.5):
        for key in [k for k, session in e.sessions.items() if session["fd"] == fd]:
            del e.sessions[key]
        e.close(fd)


def ppp(e):
    """Generic PPP above a session: channels, units, bridges."""
    kind = e.pick(("channel", "unit"))
    have = [fd for fd in PPP if e.open.get(fd, {}).get("kind") == kind]
    channel = struct.pack("=i", e.pick((1, 1, 2, 2, 3, 4, 5)))
    if not have or e.chance(0.15):
        fd = e.free(PPP)
        e.add("open", fd, 0o4002, "/dev/ppp")
        e.open[fd] = {"kind": kind}
        if kind == "unit":
            unit = sum(w["kind"] == "unit" for w in e.open.values()) - 1
            e.add("ioctl", fd, abi.PPPIOCNEWUNIT, text(struct.pack("=i", -1)))
            e.add("ioctl", fd, abi.PPPIOCSNPMODE, text(struct.pack("=ii", abi.IP_PROTO, 0)))
            e.link(f"ppp{unit}", 1, 1)
        else:
            sock = e.used(PPPOX)
            e.add("ioctl", sock, abi.PPPIOCGCHAN, text(bytes(4)))
            e.add("ioctl", fd, abi.PPPIOCATTCHAN, text(channel))
        return
    fd = e.pick(have)
    act = e.random.randrange(8)
    if act < 3:
        e.add("write", fd, text(ppp_frame(e)))
    elif act == 3:
        e.add("recv", fd, 0, 2000, 0)
    elif kind == "channel" and act == 4:
        e.add("ioctl", fd, abi.PPPIOCCONNECT, text(struct.pack("=i", e.pick((0, 0, 1)))))
    elif kind == "channel" and act == 5:
        e.add("ioctl", fd, abi.PPPIOCBRIDGECHAN, text(channel))
    elif kind == "channel" and act == 6:
        e.add("ioctl", fd, abi.PPPIOCUNBRIDGECHAN, "-")
    elif kind == "unit" and act < 7:
        # Long enough for the device: what it needs in front differs (listed).
        ip_packet = bytes.fromhex("45000114000040004001") + bytes(2) + bytes.fromhex("0a0101010a010102") + e.random.randbytes(256)
        unit = struct.pack("=H14sH", 17, f"ppp{e.pick((0, 0, 1))}".encode(), 8)
        e.add("send", 104, 0, text(ip_packet), text(unit), "-")
    elif e.chance(0.2):
        e.close(fd)


def refused(e):
    """Sockets that cannot become tunnels."""
    fd = e.pick(OTHER)
    e.add("socket", fd, *e.pick(((2, 1, 0), (1, 2, 0), (2, 3, 115), (2, 3, 200), (16, 3, 16), (17, 3, 0), (10, 1, 0), (2, 2, 136))))
    e.open[fd] = {"kind": "other"}
