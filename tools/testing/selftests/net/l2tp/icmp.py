#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about a tunnel's own frames: the socket's error, the error queue, path MTU."""

import errno
import socket
import struct
import sys

from lib import datapath, impl, ktap, netns
from lib import l2tpwire as wire
from lib.datapath import case, ground, new_tag, so_error
from lib.l2tpwire import inner

IP_RECVERR, IPV6_RECVERR = 11, 25
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3
MSG_ERRQUEUE = 0x2000
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2


def icmp_about(bed, packet, kind, code, info=0, src=None):
    """The peer (or a router) answers the IP packet, given as bytes, with an ICMP error."""
    if packet[0] >> 4 == 4:
        near, far = datapath.ADDR[4]
        body = struct.pack("!BBHI", kind, code, 0, info) + packet[:28 + 64]
        body = body[:2] + struct.pack("!H", wire.csum16(body)) + body[4:]
        bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, src or far, near, 1, body))
    else:
        near, far = datapath.ADDR[6]
        body = struct.pack("!BBHI", kind, code, 0, info) + packet[:48 + 64]
        total = wire.csum16(wire.pseudo(src or far, near, 58, len(body)) + body)
        body = body[:2] + struct.pack("!H", total) + body[4:]
        bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, src or far, near, 58, body))
    bed.fence()


def sent_packet(bed, ses):
    """The IP packet (bytes) that a frame of the session makes."""
    bed.far_wire.drain()
    bed.transmit(ses, inner(new_tag()))
    frames = bed.far_wire.collect(1, lambda f: getattr(wire.parse_ip(f), "proto", 0) == 17)
    return frames[0][14:]


def still_works(bed, ses):
    """Frames go in both directions."""
    frame = inner(new_tag())
    bed.far_wire.drain()
    with bed.change(ses, {"tx_packets": 1, "tx_bytes": len(frame) + ses.header,
                          "d.tx_packets": 1, "d.tx_bytes": len(frame)}, "after the error"):
        bed.transmit(ses, frame)
    ktap.eq(bed.sent_data(ses)[0][1].payload, frame, "sent after the error")
    payload = inner(new_tag())
    bed.inject(ses.tun, ses.frame(payload))
    bed.delivered(ses, [payload], "received after the error")


ERRORS = [
    # family, type, code, errno. Also those that a plain UDP socket would not be told about.
    (4, 3, 3, errno.ECONNREFUSED, "port unreachable"),
    (4, 3, 1, errno.EHOSTUNREACH, "host unreachable"),
    (4, 3, 0, errno.ENETUNREACH, "network unreachable"),
    (4, 3, 13, errno.EHOSTUNREACH, "administratively prohibited"),
    (4, 11, 0, errno.EHOSTUNREACH, "time exceeded"),
    (6, 1, 4, errno.ECONNREFUSED, "port unreachable"),
    (6, 1, 3, errno.EHOSTUNREACH, "address unreachable"),
    (6, 1, 0, errno.ENETUNREACH, "no route"),
    (6, 1, 1, errno.EACCES, "administratively prohibited"),
    (6, 3, 0, errno.EHOSTUNREACH, "time exceeded"),
]


def sets_error(family, kind, code, number):
    bed = ground()
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)
    ktap.eq(so_error(tun.sock), 0, "SO_ERROR before")
    icmp_about(bed, sent_packet(bed, ses), kind, code)
    ktap.eq(errno.errorcode.get(so_error(tun.sock)), errno.errorcode[number], "SO_ERROR")
    ktap.eq(so_error(tun.sock), 0, "SO_ERROR is read once")
    still_works(bed, ses)
    # An error that nobody reads stops nothing.
    icmp_about(bed, sent_packet(bed, ses), kind, code)
    still_works(bed, ses)


for _family, _kind, _code, _errno, _text in ERRORS:
    ktap.add(f"ip{_family} {_text} is {errno.errorcode[_errno]}", sets_error, _family, _kind, _code,
             _errno)


@case("the error queue, IPv4", 4)
def error_queue(bed, family):
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)
    level, option = (socket.IPPROTO_IP, IP_RECVERR) if family == 4 else \
        (socket.IPPROTO_IPV6, IPV6_RECVERR)
    tun.sock.setsockopt(level, option, 1)
    packet = sent_packet(bed, ses)
    kind, code = (3, 3) if family == 4 else (1, 4)
    icmp_about(bed, packet, kind, code)
    tun.sock.settimeout(2)
    data, ancillary, flags, address = tun.sock.recvmsg(4096, 512, MSG_ERRQUEUE)
    ktap.ok(flags & MSG_ERRQUEUE, "MSG_ERRQUEUE in the flags")
    # Payload of the quoted datagram: as much as the ICMP message carried.
    start = 28 if family == 4 else 48
    ktap.eq(data, packet[start:start + 64], "quoted datagram")
    ktap.eq(address[:2], (datapath.ADDR[family][1], tun.dport), "where the datagram had gone")
    ktap.eq([(a[0], a[1]) for a in ancillary], [(level, option)], "control messages")
    number, origin, got_kind, got_code, _, info, _ = struct.unpack_from("=IBBBBII", ancillary[0][2])
    ktap.eq((number, origin, got_kind, got_code, info),
            (errno.ECONNREFUSED, ORIGIN_ICMP if family == 4 else ORIGIN_ICMP6, kind, code, 0),
            "extended error")
    ktap.eq(so_error(tun.sock), 0, "SO_ERROR after the queue was read")
    still_works(bed, ses)


case("the error queue, IPv6", 6)(error_queue)


@case("without IP_RECVERR nothing is queued")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    icmp_about(bed, sent_packet(bed, ses), 3, 3)
    tun.sock.setblocking(False)
    ktap.raises(BlockingIOError, tun.sock.recvmsg, 4096, 512, MSG_ERRQUEUE)
    ktap.eq(so_error(tun.sock), errno.ECONNREFUSED, "SO_ERROR")


@case("an unmanaged tunnel takes errors, too", 4)
def kernel_socket(bed, family):
    tun = bed.tunnel(10, family=family, managed=False)
    ses = bed.session(tun, 1001)
    for kind, code in ((3, 3), (3, 1)) if family == 4 else ((1, 4), (1, 0)):
        icmp_about(bed, sent_packet(bed, ses), kind, code)
        still_works(bed, ses)


case("an unmanaged tunnel takes errors, too, IPv6", 6)(kernel_socket)


@case("an error about some other flow changes nothing")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    near, far = datapath.ADDR[4]
    for sport, dport in ((tun.sport, tun.dport + 1), (tun.sport + 1, tun.dport)):
        other = wire.ipv4(near, far, 17, wire.udp(near, far, sport, dport, b"x" * 40))
        icmp_about(bed, other, 3, 3)
    ktap.eq(so_error(tun.sock), 0, "SO_ERROR")
    still_works(bed, ses)


@case("path MTU: later frames are fragmented to fit, IPv4", 4)
def path_mtu(bed, family):
    tun = bed.tunnel(10, family=family, managed=False)
    ses = bed.session(tun, 1001)
    mtu = bed.ns.mtu(ses.ifname)
    frame = inner(new_tag(), 1400)
    bed.far_wire.drain()
    bed.transmit(ses, frame)
    packet = bed.far_wire.collect(1, lambda f: getattr(wire.parse_ip(f), "proto", 0) == 17)[0][14:]
    if family == 4:
        icmp_about(bed, packet, 3, 4, 1300)
    else:
        icmp_about(bed, packet, 2, 0, 1300)
    ktap.cleanup(bed.ns.ip, f"-{family} route flush cache", False)
    bed.far_wire.drain()
    bed.transmit(ses, frame)
    parts = bed.sent(2)
    ktap.eq(len(parts), 2, "fragments")
    ktap.ok(all(p.total_len <= 1300 and not p.df for p in parts), f"fragments of at most 1300: {parts}")
    whole = wire.parse_udp(wire.reassemble(parts))
    ktap.eq(wire.parse_v3(whole.payload, 0, True).payload, frame, "frame after reassembly")
    ktap.eq(bed.ns.mtu(ses.ifname), mtu, "the device's MTU does not follow")


case("path MTU: later frames are fragmented to fit, IPv6", 6)(path_mtu)


@case("after the tunnel's end the socket is an ordinary one for errors")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    packet = sent_packet(bed, ses)
    bed.fence()
    bed.nl.tunnel_gone(10)
    netns.wait_for(lambda: tun.sock.getsockopt(socket.IPPROTO_UDP, UDP_ENCAP) == 0, 5,
                   "UDP_ENCAP to be cleared")
    icmp_about(bed, packet, 3, 1)
    ktap.eq(so_error(tun.sock), 0, "host unreachable is not told to a connected UDP socket")
    icmp_about(bed, packet, 3, 3)
    ktap.eq(so_error(tun.sock), errno.ECONNREFUSED, "port unreachable")


@case("no error hook stays behind in the user's socket")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    packet = sent_packet(bed, ses)
    bed.fence()
    bed.nl.tunnel_gone(10)
    netns.wait_for(lambda: tun.sock.getsockopt(socket.IPPROTO_UDP, UDP_ENCAP) == 0, 5,
                   "UDP_ENCAP to be cleared")
    # Another use of the socket's encapsulation would call a hook that was left.
    try:
        tun.sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    except OSError as error:
        ktap.skip(f"no ESP in UDP: {error}")
    icmp_about(bed, packet, 3, 1)
    ktap.eq(so_error(tun.sock),
            impl.differs("C leaves its error hook in the socket", c=errno.EHOSTUNREACH, rust=0),
            "SO_ERROR after host unreachable")


if __name__ == "__main__":
    sys.exit(ktap.main())
