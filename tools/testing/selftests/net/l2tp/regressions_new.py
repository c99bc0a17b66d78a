#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Defects found by reading the C driver: what it does, and what these modules do instead or, where the contract with users is
involved, do too. The list is in Documentation/networking/l2tp-regressions.rst."""
import os
import signal
import socket
import struct

from lib import datapath, impl, ktap, l2tpip, pppox
from lib import l2tp as L
from lib import l2tpwire as wire
from lib.datapath import ground, new_tag
from lib.genl import u64
from lib.l2tpwire import inner, seq
from lib.netns import wait_for
from lib.numbered import Receiver
from lib.regress import row
from lib.workers import Workers, two_cpus

LONG = 600000           # ms: longer than any test
TOP = 0xffffff


def receiver(**kw):
    """A receiver of numbered frames, in a session of its own."""
    bed = ground()
    return Receiver(bed, bed.session(bed.tunnel(10), 1001, **kw))


def send_many(bed, ses, count):
    with bed.ns.enter(), wire.PacketSocket(ses.ifname, send_only=True) as device:
        for _ in range(count):
            device.send(inner(1))


@row("N1", "two processors send in one session: each sequence number once")
def _():
    two_cpus()
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001, send_seq=1)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    bed.far_wire.drain()
    with Workers() as workers:
        for cpu in range(2):
            workers.start(send_many, bed, ses, 1000, cpu=cpu)
    numbers = [data.ns for _, data in bed.sent_data(ses, 2000)]
    ktap.diag(f"{len(numbers) - len(set(numbers))} numbers were used twice")
    if impl.differs("C counts Ns without a lock", c=False, rust=True):
        ktap.eq(sorted(numbers) == list(range(2000)), True, "each number once")


@row("N2", "frames are sent while user space uses the tunnel's socket")
def _():
    two_cpus()
    bed = ground()
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    child = os.fork()
    if not child:
        os.sched_setaffinity(0, {os.cpu_count() - 1})
        while True:
            tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200000)
    try:
        send_many(bed, ses, 4000)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    lost = bed.stats(ses)["tx_errors"]
    ktap.diag(f"{lost} of 4000 frames were lost")
    if impl.differs("C drops a frame that meets a socket in use", c=False, rust=True):
        ktap.eq(lost, 0, "lost frames")


@row("N3", "reordering across the wrap of sequence numbers")
def _():
    rx = receiver()
    # In steps of less than half of all numbers to the last ones.
    rx.send(0x700000)
    for ns in (0xe00000, TOP - 1):
        rx.send(*range(ns, ns + 6)) if ns != TOP - 1 else rx.send(*range(ns - 5, ns + 1))
    rx.got()
    rx.bed.nl.session_modify(10, 1001, u64(L.RECV_TIMEOUT, LONG))
    rx.send(0, TOP, 1)
    ktap.eq(rx.got(), impl.differs("the reorder queue is sorted relative to Nr", c=[], rust=[TOP, 0, 1]), "delivered")


@row("N4", "frames that wait are looked at when another one arrives, as in C")
def _():
    rx = receiver(timeout=LONG)
    rx.check([0, 2, 3], [0])
    rx.check([1], [1, 2, 3])


@row("N5", "two processors receive one stream: nothing is lost")
def _():
    two_cpus()
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001)
    bed.inject(ses.tun, ses.frame(inner(0), seq(0)))
    bed.fence()
    bed.nl.session_modify(10, 1001, u64(L.RECV_TIMEOUT, LONG))

    def inject(numbers):
        for ns in numbers:
            bed.inject(ses.tun, ses.frame(inner(ns), seq(ns)))
    with Workers() as workers:
        for cpu in range(2):
            workers.start(inject, range(1 + cpu, 1000, 2), cpu=cpu)
    bed.fence()
    got = L.stats(bed.nl.session_get(10, 1001))
    ktap.diag(f"{got['rx_packets']} of 1000 received, {got['rx_errors']} errors")
    if impl.differs("C does not serialise reception", c=False, rust=True):
        ktap.eq((got["rx_packets"], got["rx_errors"]), (1000, 0), "received, errors")


@row("N6", "without reordering, one lost frame costs five more, as in C")
def _():
    rx = receiver()
    rx.check([0, 1, *range(3, 10)], [0, 1, 8, 9])
    stats = rx.bed.stats(rx.ses)
    ktap.eq([stats[k] for k in ("rx_packets", "rx_seq_discards", "rx_errors")], [4, 5, 5], "packets, discards, errors")


@row("N7", "the session id alone says whose an L2TPv3 frame is, whatever carries it, as in C")
def _():
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001)
    datapath.have_ip()
    near, far = datapath.ADDR[4]
    frame = inner(new_tag())
    bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, far, near, wire.PROTO_L2TP, wire.v3(1001, frame, l2ss=0, udp_encap=False)))
    bed.delivered(ses, [frame])


@row("N8", "cookies may have any length up to 8 bytes, as in C")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    for length in range(9):
        cookie = bytes(range(1, length + 1))
        ses = bed.session(tun, 1000 + length, peer_cookie=cookie)
        frame = inner(new_tag())
        bed.inject(tun, ses.frame(frame))
        if length:
            bed.inject(tun, wire.v3(1000 + length, frame, bytes(length), 0))
        bed.delivered(ses, [frame], f"{length} bytes")


@row("N9", "frames of unknown sessions are left to the socket's user, as in C: other protocols depend on it")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    data = wire.v3(4711, inner(new_tag()), l2ss=0)
    bed.inject(tun, data)
    bed.passed_up(tun, [data])


@row("N10", "a route to the peer through the tunnel's own device without a queue")
def _():
    if impl.IS_C and not os.environ.get("FATAL"):
        ktap.skip("the C module locks up: see regressions-fatal")
    bed = ground()
    ses = bed.session(bed.tunnel(10, managed=False), 1001)
    peer = datapath.ADDR[4][1]
    bed.ns.batch([f"neigh replace {peer} lladdr 02:00:00:00:00:99 dev {ses.ifname} nud permanent",
                  f"route replace {peer}/32 dev {ses.ifname}"])
    ktap.cleanup(bed.ns.ip, f"route del {peer}/32", False)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    bed.transmit(ses, inner(new_tag()))
    wait_for(lambda: bed.stats(ses)["tx_errors"], 5)
    ktap.eq(bed.stats(ses)["tx_errors"], 1, "tx_errors")


@row("N11", "the IPsec policy of an L2TP/IP socket is for data frames too")
def _():
    datapath.have_ip()
    if not impl.load("xfrm_user"):
        ktap.skip("no xfrm_user, which sockets' policies need")
    bed = ground()
    near, far = datapath.ADDR[4]
    with bed.ns.enter():
        sock = l2tpip.Sock(4)
    ktap.cleanup(sock.close)
    ktap.eq((sock.bind(l2tpip.v4(near, 97)), sock.connect(l2tpip.v4(far, 98))), (0, 0), "bind, connect")
    bed.nl.tunnel_create(97, 98, fd=sock.fd, encap=L.IP)
    ktap.cleanup(bed.nl.try_tunnel_delete, 97)
    ses = bed.session(datapath.Tunnel(97, 98, 4, 0, 0, None, 3), 700)

    def arrive():
        bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, far, near, wire.PROTO_L2TP,
                              wire.v3(700, inner(1), l2ss=0, udp_encap=False)))
        bed.fence()
        return bed.stats(ses)["rx_packets"]
    ktap.eq(arrive(), 1, "received without a policy")
    selector = bytes(40) + struct.pack("=HBBBxxxiI", socket.AF_INET, 0, 0, 0, 0, 0)
    block = (selector + struct.pack("=QQQQQQQQ", *[1 << 63] * 4, 0, 0, 0, 0) + bytes(32) + struct.pack("=IIBBBBxxxx", 0, 0, 0, 1, 0, 0))
    ktap.eq(sock.setsockopt(0, 17, block), 0, "a policy that blocks")
    ktap.eq(arrive(), impl.differs("policies of sockets and data", 2, 1), "received with it")


@row("N12", "nothing of a deleted tunnel is left in its socket")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    bed.nl.tunnel_gone(10)
    wait_for(lambda: tun.sock.getsockopt(socket.IPPROTO_UDP, 100) == 0, 5, "UDP_ENCAP to be cleared")
    try:
        tun.sock.setsockopt(socket.IPPROTO_UDP, 100, 2)        # ESP in UDP: its errors would go to a hook that was left
    except OSError as error:
        ktap.skip(f"no ESP in UDP: {error}")
    about = wire.ipv4("10.0.0.1", "10.0.0.2", 17, wire.udp("10.0.0.1", "10.0.0.2", tun.sport, tun.dport, bytes(16)))
    body = struct.pack("!BBHI", 3, 1, 0, 0) + about
    body = body[:2] + struct.pack("!H", wire.csum16(body)) + body[4:]
    bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, "10.0.0.2", "10.0.0.1", 1, body))
    bed.fence()
    ktap.eq(datapath.so_error(tun.sock) != 0, impl.differs("C leaves its error hook in the socket", c=True, rust=False), "SO_ERROR is set")


@row("N13", "the socket's user could not connect to somebody else")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    try:
        tun.sock.connect(("255.255.255.255", 9))
        ktap.fail("connect() to everybody")
    except PermissionError:
        pass
    tun.sock.send(b"to the peer")           # the socket has a route again
    bed.sent(1)
    bed.transmit(ses, inner(new_tag()))
    ktap.eq([packet.dst for packet in bed.sent(1)],
            [impl.differs("C sends by the flow of the socket's cork", c="255.255.255.255", rust=datapath.ADDR[4][1])], "where the frame went")


@row("N13", "the socket's user has begun a datagram to somebody else")
def _():
    bed = ground()
    other = "10.0.0.9"
    bed.ns.ip(f"neigh replace {other} lladdr {':'.join(f'{b:02x}' for b in bed.far_mac)} dev va nud permanent")
    ktap.cleanup(bed.ns.ip, f"neigh del {other} dev va")
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    bed.transmit(ses, inner(new_tag()))     # the socket has a route
    bed.far_wire.drain()
    tun.sock.sendto(b"begun", socket.MSG_MORE, (other, 9))
    bed.transmit(ses, inner(new_tag()))
    ktap.eq([packet.dst for packet in bed.sent(1)],
            [impl.differs("C sends by the flow of the socket's cork", c=other, rust=datapath.ADDR[4][1])], "where the frame went")


@row("N17", "what a PPPoL2TP socket sends over IPv6 heeds the path's MTU")
def _():
    datapath.have_ppp()
    bed = ground()
    bed.ns.ip("route replace fd00::2/128 dev va mtu 1300")
    ktap.cleanup(bed.ns.ip, "route del fd00::2/128 dev va")
    tun = bed.tunnel(10, family=6, version=2, managed=True)
    with bed.ns.enter(), pppox.Pppox() as sock:
        sock.connect(pppox.VARIANTS["v2in6"][0](tun.sock.fileno(), 10, 1, tun.ptid, 2))
        bed.far_wire.drain()
        sock.send(b"\xc0\x21" + bytes(1398))
    parts = bed.sent()
    ktap.eq(len(parts), impl.differs("options of the inner socket", c=1, rust=2), "fragments")
    ktap.eq(len(wire.parse_udp(wire.reassemble(parts) if len(parts) > 1 else parts[0]).payload), 1400 + 2 + 6, "length of the datagram")


if __name__ == "__main__":
    ktap.main()
