#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tunnels directly over IP: data frames in and out, the tunnel's socket, its end, and frames of extreme sizes."""

import socket
import struct

from lib import datapath, impl, ktap, l2tp, l2tpip, netns, pppox
from lib import l2tpwire as wire
from lib.datapath import ADDR, ground, new_tag
from lib.l2tpip import Sock, address, control_message
from lib.l2tpwire import inner

PROTOCOL = 115
MODULE = {4: "l2tp_ip", 6: "l2tp_ip6"}
OTHER = {4: "10.0.0.3", 6: "fd00::3"}


def case(name, families=(4, 6)):
    """A case for each family, which gets the bed too."""
    def register(function):
        for family in families:
            def run(family=family):
                datapath.have_ip(family)
                function(ground(), family)
            ktap.add(f"IPv{family}: {name}", run)
        return function
    return register


def user_socket(bed, family, connection, connect=True):
    """A socket of user space between the two ends, bound and maybe connected; closed when the case ends."""
    near, far = ADDR[family]
    with bed.ns.enter():
        s = Sock(family)
    ktap.cleanup(s.close)
    ktap.eq(s.bind(address(family, near, connection)), 0, "bind")
    if connect:
        ktap.eq(s.connect(address(family, far, connection + 1000)), 0, "connect")
    return s


def managed(bed, family, tid, connect=True):
    """A tunnel on a socket of user space."""
    s = user_socket(bed, family, tid, connect)
    bed.nl.tunnel_create(tid, tid + 1000, fd=s.fd, encap=l2tp.IP)
    tun = datapath.Tunnel(tid, tid + 1000, family, 0, 0, s.sock, 3)
    ktap.cleanup(bed.end, tun)
    return tun, s


def unmanaged(bed, family, tid):
    """A tunnel on a socket of the kernel."""
    near, far = ADDR[family]
    bed.nl.tunnel_create(tid, tid + 1000, local=near, remote=far, encap=l2tp.IP)
    tun = datapath.Tunnel(tid, tid + 1000, family, 0, 0, None, 3)
    ktap.cleanup(bed.end, tun)
    return tun


def inject(bed, family, payload, src=None, **kw):
    """A packet of the protocol arrives from the far end."""
    near, far = ADDR[family]
    bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, src or far, near, PROTOCOL, payload, **kw))


def data(ses, payload, word=0, cookie=None):
    """A data message for the session."""
    return wire.v3(ses.sid, payload, cookie=ses.peer_cookie if cookie is None else cookie,
                   l2ss=word if ses.l2ss else None, udp_encap=False)


def accepted(bed, ses, family, what, src=None, **kw):
    """A frame arrives and is delivered and counted."""
    payload = inner(new_tag())
    frame = data(ses, payload, **kw)
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1, "d.rx_bytes": len(frame)}, what):
        inject(bed, family, frame, src)
    bed.delivered(ses, [payload], what)


def sent(bed, ses, family, payload, what):
    """The kernel sends a frame to the far end; the packet, checked."""
    bed.far_wire.drain()
    frame = len(ses.cookie) + 4 + 4 * ses.l2ss + len(payload)
    with bed.change(ses, {"tx_packets": 1, "tx_bytes": frame, "d.tx_packets": 1, "d.tx_bytes": len(payload)}, what):
        bed.transmit(ses, payload)
    packets = bed.sent(1, proto=PROTOCOL)
    if not ktap.eq(len(packets), 1, f"{what}: packets"):
        return None
    want = wire.v3(ses.psid, payload, cookie=ses.cookie, l2ss=0 if ses.l2ss else None, udp_encap=False)
    ktap.eq(packets[0].payload.hex(), want.hex(), f"{what}: message")
    return packets[0]


@case("data frames, both kinds of socket, with and without all options")
def frames(bed, family):
    near, far = ADDR[family]
    for number, make in enumerate((lambda tid: managed(bed, family, tid)[0], lambda tid: unmanaged(bed, family, tid))):
        tun = make(20 + number)
        for sid, options in enumerate(({}, {"l2ss": False}, {"cookie": b"abcd", "peer_cookie": b"12345678"},
                                       {"cookie": b"abcdefgh", "peer_cookie": b"1234", "l2ss": False}), 100 + 10 * number):
            ses = bed.session(tun, sid, **options)
            what = f"{'un' * number}managed, {options}"
            accepted(bed, ses, family, what)
            packet = sent(bed, ses, family, inner(new_tag()), what)
            if packet:
                ktap.eq((packet.src, packet.dst, packet.df), (near, far, False), f"{what}: addresses, DF")


@case("frames that are not accepted")
def refused(bed, family):
    tun = unmanaged(bed, family, 30)
    ses = bed.session(tun, 200, peer_cookie=b"12345678")
    payload = inner(new_tag())
    with bed.change(ses, {"rx_cookie_discards": 1, "rx_errors": 1}, "wrong cookie"):
        inject(bed, family, data(ses, payload, cookie=b"12345679"))
    # Too short for its cookie: dropped, and counted nowhere, unlike over UDP.
    for length in (0, 1, 3, 4, 5, 11, 15):
        with bed.change(ses, {}, f"{length} bytes"):
            inject(bed, family, data(ses, b"")[:length])
    with bed.change(ses, {}, "no such session"):
        inject(bed, family, wire.v3(999, payload, udp_encap=False))
    accepted(bed, ses, family, "a good one after these")


@case("a frame belongs to the session with its id, however it comes")
def cross(bed, family):
    tun = bed.tunnel(40, family=family)
    ses = bed.session(tun, 300)
    accepted(bed, ses, family, "over IP for a tunnel over UDP")
    ip = unmanaged(bed, family, 41)
    other = bed.session(ip, 301)
    payload = inner(new_tag())
    frame = other.frame(payload)
    with bed.change(other, {"rx_packets": 1, "rx_bytes": len(frame), "d.rx_packets": 1, "d.rx_bytes": len(frame)}, "UDP"):
        bed.inject(tun, frame)
    bed.delivered(other, [payload], "over UDP for a tunnel over IP")
    accepted(bed, other, family, "from anybody", src=OTHER[family])
    # Once its id has collided, a session is only found through its own UDP socket.
    rival = bed.tunnel(42, family=family)
    bed.session(rival, 300)
    with bed.change(ses, {}, "collided"):
        inject(bed, family, data(ses, inner(new_tag())))


@case("control messages and data share a socket")
def control(bed, family):
    tun, s = managed(bed, family, 50)
    ses = bed.session(tun, 400)
    message = control_message(50, b"hello")
    inject(bed, family, bytes(4) + message)
    ktap.ok(s.wait(), "control message")
    ktap.eq(s.data(), message, "control message")
    accepted(bed, ses, family, "data")
    ktap.eq(s.recv(flags=0x40), "EAGAIN", "data is not for the socket")
    bed.far_wire.drain()
    ktap.eq(s.send(control_message(1050)), 12, "send")
    ktap.eq([p.payload for p in bed.sent(1, proto=PROTOCOL)], [bytes(4) + control_message(1050)], "control message")


@case("a message to elsewhere does not divert the data")
def divert(bed, family):
    tun, s = managed(bed, family, 55)
    ses = bed.session(tun, 450)
    sent(bed, ses, family, inner(new_tag()), "before")
    ktap.eq(s.send(control_message(1), address(family, OTHER[family])), 12, "message to elsewhere")
    bed.far_wire.drain()
    bed.transmit(ses, inner(new_tag()))
    # The C module keeps the address of the last IPv6 message in the socket, and sends data there too.
    want = ADDR[4][1] if family == 4 else impl.differs("where data goes after sendto()", OTHER[6], ADDR[6][1])
    ktap.eq([p.dst for p in bed.sent(1, proto=PROTOCOL)], [want], "destination of data")


@case("a socket that is not connected")
def unconnected(bed, family):
    tun, s = managed(bed, family, 60, connect=False)
    ses = bed.session(tun, 500)
    accepted(bed, ses, family, "receives")
    with bed.change(ses, {"tx_errors": 1, "d.tx_dropped": 1}, "not connected"):
        bed.transmit(ses, inner(new_tag()))
    ktap.eq(s.connect(address(family, ADDR[family][1], 1)), 0, "connect")
    sent(bed, ses, family, inner(new_tag()), "connected")
    ktap.eq(s.disconnect(), 0, "disconnect")
    with bed.change(ses, {"tx_errors": 1, "d.tx_dropped": 1}, "disconnected"):
        bed.transmit(ses, inner(new_tag()))


@case("an IPv6 socket with an IPv4 peer", families=(6,))
def mapped(bed, _):
    datapath.have_ip(4)
    with bed.ns.enter():
        s = Sock(6)
    ktap.cleanup(s.close)
    ktap.eq((s.bind(address(6, "::", 65)), s.connect(address(6, "::ffff:10.0.0.2", 66))), (0, 0), "bind, connect")
    bed.nl.tunnel_create(65, 66, fd=s.fd, encap=l2tp.IP)
    tun = datapath.Tunnel(65, 66, 6, 0, 0, s.sock, 3)
    ktap.cleanup(bed.end, tun)
    ses = bed.session(tun, 550)
    packet = sent(bed, ses, 6, inner(new_tag()), "mapped")
    ktap.eq((packet.src, packet.dst), ("10.0.0.1", "10.0.0.2"), "addresses")
    accepted(bed, ses, 4, "an IPv4 packet")


@case("which sockets carry a tunnel")
def sockets(bed, family):
    s = user_socket(bed, family, 70)
    ktap.eq(bed.nl.try_tunnel_create(70, 1, fd=s.fd, encap=l2tp.UDP), "EPROTONOSUPPORT", "encapsulation UDP")
    ktap.eq(bed.nl.try_tunnel_create(70, 1, fd=s.fd, encap=l2tp.IP), "ok", "encapsulation IP")
    ktap.eq(bed.nl.try_tunnel_create(71, 1, fd=s.fd, encap=l2tp.IP), "EBUSY", "a second tunnel")
    near, far = ADDR[family]
    ktap.eq(bed.nl.try_tunnel_create(70, 1, local=near, remote=far, encap=l2tp.IP), "EEXIST", "the id again")
    with bed.ns.enter():
        raw = socket.socket(l2tpip.AF[family], socket.SOCK_RAW, PROTOCOL)
        free = Sock(family)
    ktap.cleanup(raw.close)
    ktap.cleanup(free.close)
    ktap.eq(bed.nl.try_tunnel_create(72, 1, fd=raw.fileno(), encap=l2tp.IP), "EPROTONOSUPPORT", "raw socket")
    ktap.eq(bed.nl.try_tunnel_create(73, 1, fd=free.fd, encap=l2tp.IP), "ok", "a socket that is not bound")
    bed.nl.tunnel_delete(73)
    bed.nl.tunnel_delete(70)
    netns.wait_for(lambda: bed.nl.try_tunnel_get(70) == "ENODEV", what="end of the tunnel")
    ktap.eq(s.send(control_message(1)), 12, "its socket lives on")
    ktap.eq(netns.wait_for(lambda: bed.nl.try_tunnel_create(70, 1, fd=s.fd, encap=l2tp.IP) == "ok"), True, "another tunnel")
    s.close()
    ktap.eq(netns.wait_for(lambda: bed.nl.try_tunnel_get(70) == "ENODEV"), True, "closing the socket ends the tunnel")


@case("sockets of the kernel")
def kernel_sockets(bed, family):
    near, far = ADDR[family]
    # The sockets of the cases before may still be on their way out.
    netns.wait_for(lambda: l2tpip.use_count(MODULE[family]) == l2tpip.holders(MODULE[family]),
                   what="nobody but modules to use the module")
    before = l2tpip.use_count(MODULE[family])
    tun = unmanaged(bed, family, 80)
    ktap.eq(l2tpip.use_count(MODULE[family]) - before, 2, "uses of the module")
    bed.end(tun)
    ktap.eq(netns.wait_for(lambda: l2tpip.use_count(MODULE[family]) == before), True, "uses after its end")
    s = user_socket(bed, family, 81, connect=False)
    ktap.eq(bed.nl.try_tunnel_create(81, 1, local=near, remote=far, encap=l2tp.IP), "EADDRINUSE", "id bound by a user")
    s.close()
    ktap.eq(bed.nl.try_tunnel_create(81, 1, local=near, remote=far, encap=l2tp.IP), "ok", "not any more")
    with bed.ns.enter(), Sock(family) as t:
        ktap.eq(t.bind(address(family, near, 81)), "EADDRINUSE", "a user binds what the kernel has")
    bed.nl.tunnel_delete(81)
    away = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}[family]
    ktap.eq(bed.nl.try_tunnel_create(82, 1, local=away[0], remote=far, encap=l2tp.IP), "EADDRNOTAVAIL", "foreign address")
    ktap.eq(bed.nl.try_tunnel_create(82, 1, local=near, remote=away[1], encap=l2tp.IP), "ENETUNREACH", "no route")
    if family == 4:
        ktap.eq(bed.nl.try_tunnel_create(82, 1, fd=0xffffffff, encap=l2tp.IP), "ok", "no addresses at all")
        ktap.eq(bed.nl.tunnel_get(82).get(l2tp.IP_DADDR).data, socket.inet_aton("127.0.0.1"), "peer")
        bed.nl.tunnel_delete(82)


@case("PPP sessions")
def ppp(bed, family):
    datapath.have_ppp()
    frame = b"\xc0\x21\x09\x01\x00\x08" + bytes(4)
    for number, make in enumerate((lambda tid: managed(bed, family, tid)[0], lambda tid: unmanaged(bed, family, tid))):
        tun = make(85 + number)
        for sid, cookie in ((560 + 10 * number, b""), (561 + 10 * number, b"12345678")):
            what = f"{'un' * number}managed, cookie {cookie}"
            bed.nl.session_create(tun.tid, sid, sid + 1, pw=l2tp.PW_PPP, l2spec=1, cookie=cookie or None,
                                  peer_cookie=cookie or None)
            s = pppox.Pppox(netns=bed.ns)
            ktap.cleanup(s.close)
            s.connect(pppox.V3(-1, tun.tid, sid, tun.ptid, sid + 1))
            bed.far_wire.drain()
            s.send(frame)
            want = wire.v3(sid + 1, b"\xff\x03" + frame, cookie=cookie, l2ss=0, udp_encap=False)
            ktap.eq([p.payload.hex() for p in bed.sent(1, proto=PROTOCOL)], [want.hex()], f"{what}: sent")
            for lead in (b"\xff\x03", b""):
                inject(bed, family, wire.v3(sid, lead + frame, cookie=cookie, l2ss=0, udp_encap=False))
                bed.fence()
                ktap.eq(s.recv(), frame, f"{what}: received, {lead.hex() or 'nothing'} in front")
            s.close()


@case("frames larger than the path")
def large(bed, family):
    ses = bed.session(unmanaged(bed, family, 90), 600, mtu=9000)
    payload = inner(new_tag(), 8000)
    bed.far_wire.drain()
    bed.transmit(ses, payload)
    packets = bed.sent(6, proto=PROTOCOL)
    whole = wire.reassemble(packets)
    message = wire.v3(ses.psid, payload, l2ss=0, udp_encap=False)
    ktap.eq(bytes(getattr(whole, "payload", whole)), message, "the fragments together")
    if family == 4:
        near, far = ADDR[4]
        with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(data(ses, payload)), "d.rx_packets": 1,
                              "d.rx_bytes": len(data(ses, payload))}, "reassembled"):
            for frame in wire.v4_fragments(bed.near_mac, bed.far_mac, far, near, PROTOCOL, data(ses, payload),
                                           [8, 16, 1400, 1400, 1400, 1400, 1400]):
                bed.raw(frame)
        bed.delivered(ses, [payload], "reassembled")


@case("frames larger than an IP packet")
def oversize(bed, family):
    ses = bed.session(unmanaged(bed, family, 95), 650, mtu=65535)
    longest = 65535 - (20 if family == 4 else 0) - 8
    before = bed.stats(ses)
    bed.far_wire.drain()
    bed.transmit(ses, inner(new_tag(), longest + 1))
    after = bed.stats(ses)
    # The C module sends a header with the length 0 and counts it as sent.
    want = impl.differs("frames larger than an IP packet", ["tx_packets"], ["tx_errors"])
    ktap.eq([k for k in ("tx_packets", "tx_errors") if after[k] != before[k]], want, "counted as")
    bed.far_wire.drain()
    payload = inner(new_tag(), longest)
    bed.transmit(ses, payload)
    whole = wire.reassemble(bed.sent(None, proto=PROTOCOL, settle=0.5))
    ktap.eq(len(getattr(whole, "payload", whole)), longest + 8, "the largest that fits")


def block(s, family):
    """An IPsec policy of the socket that blocks all it receives: struct xfrm_userpolicy_info."""
    selector = bytes(40) + struct.pack("=HBBBxxxiI", l2tpip.AF[family], 0, 0, 0, 0, 0)
    policy = (selector + struct.pack("=QQQQQQQQ", *[1 << 63] * 4, 0, 0, 0, 0) + bytes(32) +
              struct.pack("=IIBBBBxxxx", 0, 0, 0, 1, 0, 0))
    return s.setsockopt(0 if family == 4 else 41, 17 if family == 4 else 35, policy)


@case("an IPsec policy of the socket is for data too")
def policy(bed, family):
    if not impl.load("xfrm_user"):
        ktap.skip("no xfrm_user, which sockets' policies need")
    tun, s = managed(bed, family, 97)
    ses = bed.session(tun, 700)
    accepted(bed, ses, family, "before")
    ktap.eq(block(s, family), 0, "block")
    before = bed.stats(ses)["rx_packets"]
    inject(bed, family, data(ses, inner(new_tag())))
    bed.fence()
    # The C module asks the policies of sockets for control messages only.
    ktap.eq(bed.stats(ses)["rx_packets"] - before, impl.differs("policies of sockets and data", 1, 0), "frames received")


if __name__ == "__main__":
    if not impl.available("l2tp_ip"):
        ktap.diag("no l2tp_ip")
        raise SystemExit(ktap.SKIP)
    ktap.main()
