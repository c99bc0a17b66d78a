#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Frames that do not get through, or only just: limits of the device and of UDP, outer
fragmentation, sockets that are not connected, user space at work on the tunnel's socket; and
what the outer IP header takes from the socket.
"""

import errno
import os
import select
import signal
import socket
import struct
import sys

from lib import datapath, impl, ktap
from lib import l2tpwire as wire
from lib.datapath import case, new_tag
from lib.l2tpwire import inner

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
IPV6_TCLASS, IPV6_UNICAST_HOPS = 67, 16
SO_TIMESTAMPING, TX_SOFTWARE, SOFTWARE = 37, 1 << 1, 1 << 4


def received(bed, ses, payload, counters, delivered, what):
    """One data message with this inner frame; counters without the session's own."""
    frame = ses.frame(payload)
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": len(frame), **counters}, what):
        bed.inject(ses.tun, frame)
    bed.delivered(ses, [payload] if delivered else [], what)


def transmitted(bed, ses, frame, what, want=1):
    """A frame goes out as it is; returns its datagram."""
    bed.far_wire.drain()
    with bed.change(ses, {"tx_packets": 1, "tx_bytes": len(frame) + ses.header,
                          "d.tx_packets": 1, "d.tx_bytes": len(frame)}, what):
        bed.transmit(ses, frame)
    parts = bed.sent(want)
    ktap.eq(len(parts), want, f"{what}: packets on the wire")
    dgram = wire.parse_udp(wire.reassemble(parts))
    data = wire.parse_v3(dgram.payload, len(ses.cookie), ses.l2ss)
    ktap.eq(data.payload == frame, True, f"{what}: the frame is whole")
    return dgram, data, parts


def refused(bed, ses, frame, what):
    """A frame is dropped and counted as a transmit error."""
    bed.far_wire.drain()
    with bed.change(ses, {"tx_errors": 1, "d.tx_dropped": 1}, what):
        bed.transmit(ses, frame)
    ktap.eq(bed.sent(), [], f"{what}: packets on the wire")


# ------------------------------------------------------------------ receiving

@case("inner frames shorter than an Ethernet header")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    for size in range(2, 14):
        received(bed, ses, inner(new_tag(), size), {}, False, f"{size} bytes")
    frame = inner(new_tag(), 14)
    received(bed, ses, frame, {"d.rx_packets": 1, "d.rx_bytes": len(frame) + 12}, True, "14 bytes")


@case("the device is down")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, up=False)
    for _ in range(2):
        received(bed, ses, inner(new_tag()), {"d.rx_dropped": 1, "d.rx_errors": 1}, False, "down")
    bed.ns.ip(f"link set {ses.ifname} up")
    frame = inner(new_tag())
    received(bed, ses, frame, {"d.rx_packets": 1, "d.rx_bytes": len(frame) + 12}, True, "up")
    bed.ns.ip(f"link set {ses.ifname} down")
    received(bed, ses, inner(new_tag()), {"d.rx_dropped": 1, "d.rx_errors": 1}, False, "down again")


@case("received frames may have the MTU, an Ethernet header and a VLAN tag")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    for mtu in (1446, 1000, 100, 68):
        bed.ns.ip(f"link set {ses.ifname} mtu {mtu}")
        for size, fits in ((mtu + 14, True), (mtu + 18, True), (mtu + 19, False)):
            if size + 12 + 28 > 1500:
                continue
            frame = inner(new_tag(), size)
            counters = {"d.rx_packets": 1, "d.rx_bytes": size + 12} if fits else \
                {"d.rx_dropped": 1, "d.rx_errors": 1}
            received(bed, ses, frame, counters, fits, f"mtu {mtu}, {size} bytes")


@case("VLAN tags pass in both directions")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    frames = [inner(new_tag(), 64, vlan=5), inner(new_tag(), 64, vlan=0xFFFF),
              inner(new_tag(), 64, vlan=0)]
    frames += [f[:12] + struct.pack("!HH", 0x88A8, 100) + f[12:] for f in frames[:1]]
    for frame in frames:
        # Nobody has a device for this VLAN, which the core counts after the frame was seen.
        received(bed, ses, frame, {"d.rx_packets": 1, "d.rx_bytes": len(frame) + 12,
                                   "d.rx_dropped": 1}, True, "in")
        transmitted(bed, ses, frame, "out")


@case("a VLAN device on top of the session's")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    try:
        bed.ns.ip(f"link add link {ses.ifname} name v7 type vlan id 7")
    except RuntimeError as error:
        ktap.skip(f"no VLAN devices: {error}")
    bed.ns.ip("link set v7 up")
    with bed.ns.enter():
        vlan = wire.PacketSocket("v7", incoming_only=True)
    ktap.cleanup(vlan.close)
    tagged = inner(new_tag(), 64, vlan=7)
    bed.inject(tun, ses.frame(tagged))
    bed.fence()
    ktap.eq(vlan.collect(1), [tagged[:12] + tagged[16:]], "received on the VLAN device")
    bed.far_wire.drain()
    with bed.ns.enter(), wire.PacketSocket("v7", send_only=True) as sock:
        sock.send(tagged[:12] + tagged[16:])
    ktap.eq(bed.sent_data(ses)[0][1].payload, tagged, "sent with the tag")


# ------------------------------------------------------------------ big frames

@case("outer fragmentation of big frames", 4)
def fragmentation(bed, family):
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001, mtu=30000, send_seq=1)
    for number, (size, parts) in enumerate(((1300, 1), (1600, 2), (4000, 3), (20000, 14))):
        _, data, pkts = transmitted(bed, ses, inner(new_tag(), size), f"{size} bytes", parts)
        ktap.eq(data.ns, number, "one number for all fragments")
        ktap.ok(all(p.total_len <= 1500 and not p.df for p in pkts), "fragments fit the path")
        ktap.eq(len({p.ident for p in pkts}), 1, "one id for all fragments")


case("outer fragmentation of big frames, IPv6", 6)(fragmentation)


@case("the largest datagram, and one byte more", 4)
def oversize(bed, family):
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001, mtu=65535, send_seq=1)
    # UDP length 65535 is the limit of UDP, on IPv4 65515 that of IP.
    most = 65535 - 8 - ses.header - (20 if family == 4 else 0)
    fragments = -(-(most + ses.header + 8) // 1480) if family == 4 else \
        -(-(most + ses.header + 8) // 1448)
    transmitted(bed, ses, inner(new_tag(), most), "largest", fragments)
    first_bad = 65535 - 8 - ses.header + 1
    for ns, size in ((1, first_bad), (3, 65535), (5, 65549)):
        refused(bed, ses, inner(new_tag(), size), f"{size} bytes")
        ktap.eq(wire_ns(bed, ses), ns + 1, "a dropped frame has used its number up")


def wire_ns(bed, ses):
    bed.far_wire.drain()
    bed.transmit(ses, inner(new_tag()))
    return bed.sent_data(ses)[0][1].ns


case("the largest datagram, and one byte more, IPv6", 6)(oversize)


@case("between the limits of IPv4 and of UDP a frame cannot arrive")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, mtu=65535)
    for size in (65535 - 20 - 8 - ses.header + 1, 65535 - 8 - ses.header):
        frame = inner(new_tag(), size)
        want = impl.differs(
            "C sends fragments that no receiver can put together, and counts a success",
            c={"tx_packets": 1, "tx_bytes": size + ses.header, "d.tx_packets": 1,
               "d.tx_bytes": size},
            rust={"tx_errors": 1, "d.tx_dropped": 1})
        with bed.change(ses, want, f"{size} bytes"):
            bed.transmit(ses, frame)


@case("the largest packet with extension headers, and one byte more, IPv6")
def _(bed):
    tun = bed.tunnel(10, family=6)
    options = bytes([0, 0, 1, 4, 0, 0, 0, 0])       # one PadN
    tun.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, options)
    ses = bed.session(tun, 1001, mtu=65535)
    size = 65535 - len(options) - 8 - ses.header
    bed.far_wire.drain()
    success = {"tx_packets": 1, "tx_bytes": size + ses.header, "d.tx_packets": 1, "d.tx_bytes": size}
    with bed.change(ses, success, "largest"):
        bed.transmit(ses, inner(new_tag(), size))
    parts = bed.sent(46, proto=socket.IPPROTO_DSTOPTS)      # the options and a fragment header in each
    ktap.eq(len(options) + sum(len(part.payload) - len(options) - 8 for part in parts), 65535, "length of the packet")
    size += 1
    want = impl.differs("C sends fragments that no receiver can put together, and counts a success",
                        c={**success, "tx_bytes": size + ses.header, "d.tx_bytes": size},
                        rust={"tx_errors": 1, "d.tx_dropped": 1})
    with bed.change(ses, want, "one byte more"):
        bed.transmit(ses, inner(new_tag(), size))


@case("jumbo frames on a path of 9000")
def _(bed):
    for space, device in ((bed.ns, "va"), (bed.far, "vb")):
        space.ip(f"link set {device} mtu 9000")
        ktap.cleanup(space.ip, f"link set {device} mtu 1500")
    for family, tid in ((4, 10), (6, 20)):
        tun = bed.tunnel(tid, family=family)
        ses = bed.session(tun, 1000 + tid)
        mtu = bed.ns.mtu(ses.ifname)
        ktap.eq(mtu, 9000 - 14 - 12 - 8 - (20 if family == 4 else 40), "MTU")
        _, _, pkts = transmitted(bed, ses, inner(new_tag(), mtu + 14), f"ip{family}", 1)
        ktap.eq(pkts[0].total_len, 9000, "outer packet")
        payload = inner(new_tag(), mtu + 14)
        received(bed, ses, payload, {"d.rx_packets": 1, "d.rx_bytes": mtu + 14 + 12}, True, "in")


# ------------------------------------------------------------------ sockets

@case("a managed socket that is not connected, disconnected, connected elsewhere")
def _(bed):
    tun = bed.tunnel(10, connected=False)
    ses = bed.session(tun, 1001, send_seq=1)
    refused(bed, ses, inner(new_tag()), "never connected")
    tun.sock.connect(("10.0.0.2", 6001))
    dgram, data, _ = transmitted(bed, ses, inner(new_tag()), "connected")
    ktap.eq((dgram.ip.dst, dgram.dport, data.ns), ("10.0.0.2", 6001, 1), "where it went")
    datapath.unspec_connect(tun.sock)
    for _ in range(3):
        refused(bed, ses, inner(new_tag()), "disconnected")
    tun.sock.connect(("10.0.0.3", 6002))
    dgram, data, _ = transmitted(bed, ses, inner(new_tag()), "connected elsewhere")
    ktap.eq((dgram.ip.dst, dgram.dport, data.ns), ("10.0.0.3", 6002, 5), "where it went")
    tun.sock.connect(("10.0.0.2", 6003))
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "connected again without a disconnect")
    ktap.eq((dgram.ip.dst, dgram.dport), ("10.0.0.2", 6003), "where it went")


@case("the same for IPv6")
def _(bed):
    tun = bed.tunnel(10, family=6, connected=False)
    ses = bed.session(tun, 1001)
    refused(bed, ses, inner(new_tag()), "never connected")
    for host, port in (("fd00::2", 6001), ("fd00::3", 6002)):
        tun.sock.connect((host, port))
        dgram, _, _ = transmitted(bed, ses, inner(new_tag()), host)
        ktap.eq((dgram.ip.dst, dgram.dport), (host, port), "where it went")
        datapath.unspec_connect(tun.sock)
        refused(bed, ses, inner(new_tag()), "disconnected")


@case("an IPv6 socket with an IPv4-mapped peer speaks IPv4, and may change its mind")
def _(bed):
    with bed.ns.enter():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", 5556))
    sock.connect(("::ffff:10.0.0.2", 5556))
    tun = bed.tunnel(10, sock=sock, sport=5556)
    ses = bed.session(tun, 1001)
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "mapped")
    ktap.eq((dgram.ip.version, dgram.ip.src, dgram.ip.dst), (4, "10.0.0.1", "10.0.0.2"), "mapped")
    payload = inner(new_tag())
    received(bed, ses, payload, {"d.rx_packets": 1, "d.rx_bytes": len(payload) + 12}, True,
             "received over IPv4")
    datapath.unspec_connect(sock)
    refused(bed, ses, inner(new_tag()), "disconnected")
    sock.connect(("fd00::2", 5557))
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "real")
    ktap.eq((dgram.ip.version, dgram.ip.src, dgram.ip.dst), (6, "fd00::1", "fd00::2"), "real IPv6")
    datapath.unspec_connect(sock)
    sock.connect(("::ffff:10.0.0.3", 5558))
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "mapped again")
    ktap.eq((dgram.ip.version, dgram.ip.dst, dgram.dport), (4, "10.0.0.3", 5558), "mapped again")


@case("no route to the peer")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    transmitted(bed, ses, inner(new_tag()), "with a route")
    bed.ns.ip("route add prohibit 10.0.0.2/32")
    ktap.cleanup(bed.ns.ip, "route del prohibit 10.0.0.2/32", False)
    refused(bed, ses, inner(new_tag()), "prohibited")
    bed.ns.ip("route del prohibit 10.0.0.2/32")
    transmitted(bed, ses, inner(new_tag()), "with a route again")


@case("a full queue below is a success")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    # A rate that lets nothing through once the burst is used up.
    added = bed.ns.run("tc qdisc add dev va root tbf rate 8bit burst 2000 limit 1500", check=False)
    if added.returncode:
        ktap.skip(f"no tbf: {added.stderr.strip()}")
    ktap.cleanup(bed.ns.run, "tc qdisc del dev va root")
    frames = [inner(new_tag(), 1000) for _ in range(8)]
    before = bed.stats(ses)
    for frame in frames:
        bed.transmit(ses, frame)
    now = bed.stats(ses)
    ktap.eq(now["tx_packets"] - before["tx_packets"], 8, "tx_packets")
    ktap.eq(now["tx_errors"] - before["tx_errors"], 0, "tx_errors")


@case("a kernel socket without a peer port sends to port 0")
def _(bed):
    with bed.ns.enter():
        loop = wire.PacketSocket("lo", incoming_only=True)
    ktap.cleanup(loop.close)
    tun = bed.tunnel(10, managed=False, sport=5600, dport=0)
    ses = bed.session(tun, 1001)
    frame = inner(new_tag())
    bed.transmit(ses, frame)
    # Such a socket is not connected: no peer address either, which means this host.
    got = loop.collect(1, lambda f: getattr(wire.parse_udp(wire.parse_ip(f)), "sport", 0) == 5600)
    ktap.eq([wire.parse_udp(wire.parse_ip(f)).dport for f in got], [0], "destination port")


@case("the outer header comes from the socket, IPv4")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    sock = tun.sock
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 17)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x28)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    # An inner IP packet with other values, and all ECN bits, in the same places.
    packet = wire.ipv4("192.168.9.1", "192.168.9.2", 17, b"x" * 100, ttl=99, tos=0xFF, frag=0x4000)
    frame = wire.ether(b"\xff" * 6, b"\2\0\0\0\0\1", wire.ETH_P_IP, packet)
    idents = []
    for _ in range(3):
        dgram, _, _ = transmitted(bed, ses, frame, "IPv4")
        ktap.eq((dgram.ip.ttl, dgram.ip.tos, dgram.ip.df, dgram.ip.mf), (17, 0x28, False, False),
                "TTL, TOS, DF, MF")
        idents.append(dgram.ip.ident)
    ktap.eq([(i - idents[0]) & 0xFFFF for i in idents], [0, 1, 2], "IP id")
    # Received frames do not take the outer marks either.
    bed.inject(tun, ses.frame(frame), tos=0x03)
    bed.delivered(ses, [frame], "inner ECN and TTL are untouched")
    big = inner(new_tag(), 3000)
    bed.ns.ip(f"link set {ses.ifname} mtu 4000")
    transmitted(bed, ses, big, "fragmented although the socket asks for DF", 3)


@case("options and mark of the socket")
def _(bed):
    tun = bed.tunnel(10)
    tun.sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1\1\1\0")
    ses = bed.session(tun, 1001)
    ktap.eq(bed.ns.mtu(ses.ifname), 1500 - 14 - 12 - 8 - 24, "MTU")
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "options")
    ktap.eq(dgram.ip.total_len, 24 + 8 + ses.header + 60, "length with options")
    tun.sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")
    bed.ns.ip("rule add fwmark 7 prohibit")
    ktap.cleanup(bed.ns.ip, "rule del fwmark 7 prohibit")
    tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
    refused(bed, ses, inner(new_tag()), "marked")
    tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 8)
    transmitted(bed, ses, inner(new_tag()), "another mark")


@case("the outer header comes from the socket, IPv6")
def _(bed):
    tun = bed.tunnel(10, family=6)
    ses = bed.session(tun, 1001)
    tun.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_HOPS, 18)
    tun.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, 0x48)
    packet = wire.ipv6("fd09::1", "fd09::2", 17, b"x" * 100, hops=99, tclass=0xFF)
    frame = wire.ether(b"\xff" * 6, b"\2\0\0\0\0\1", wire.ETH_P_IPV6, packet)
    dgram, _, _ = transmitted(bed, ses, frame, "IPv6")
    ktap.eq((dgram.ip.ttl, dgram.ip.tos), (18, 0x48), "hop limit, traffic class")


@case("automatic IPv6 flow labels tell tunnels between the same hosts apart")
def _(bed):
    labels = set()
    for tid in range(10, 14):
        ses = bed.session(bed.tunnel(tid, family=6), tid)
        seen = set()
        for _ in range(3):
            bed.transmit(ses, inner(new_tag()))
            seen |= {packet.flow for packet in bed.sent(1)}
        ktap.eq(len(seen), 1, "labels of one tunnel")
        labels |= seen
    ktap.eq((len(labels), 0 in labels), (4, False), "labels of all, whether there is none")


@case("the TTL of a route is used")
def _(bed):
    bed.ns.ip("route add 10.0.0.2/32 dev va src 10.0.0.1 hoplimit 33")
    ktap.cleanup(bed.ns.ip, "route del 10.0.0.2/32", False)
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001)
    dgram, _, _ = transmitted(bed, ses, inner(new_tag()), "route metric")
    ktap.eq(dgram.ip.ttl, 33, "TTL")


@case("who sends through the device learns when a frame has left", 4)
def timestamp(bed, family):
    ses = bed.session(bed.tunnel(10, family=family), 1001)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    with bed.ns.enter(), wire.PacketSocket(ses.ifname, send_only=True) as device:
        device.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | SOFTWARE)
        frame = inner(new_tag())
        device.send(frame)
        poll = select.poll()
        poll.register(device.sock, 0)               # errors are always reported
        ktap.ok(poll.poll(2000), "a timestamp")
        kinds = [kind for _, kind, _ in device.sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)[1]]
        ktap.ok(SO_TIMESTAMPING in kinds, "a timestamp")


case("who sends through the device learns when a frame has left, IPv6", 6)(timestamp)


# ------------------------------------------------------------------ user space at work

def hammer(sock):
    """In a child on the other CPU: system calls that take the socket's lock, until killed."""
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    while True:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200000)


@case("nothing is lost while user space works on the tunnel's socket")
def _(bed):
    if os.cpu_count() < 2:
        ktap.skip("needs two CPUs")
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    child = os.fork()
    if not child:
        try:
            hammer(tun.sock)
        finally:
            os._exit(1)
    try:
        before = bed.stats(ses)
        count, frame = 8000, inner(new_tag())
        with bed.ns.enter(), wire.PacketSocket(ses.ifname, send_only=True) as sock:
            for _ in range(count):
                sock.send(frame)
        now = bed.stats(ses)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sent, lost = (now[k] - before[k] for k in ("tx_packets", "tx_errors"))
    ktap.eq(sent + lost, count, "every frame is accounted for")
    ktap.diag(f"{lost} of {count} frames were lost")
    if impl.differs("C drops a frame that meets a socket in use", c=False, rust=True):
        ktap.eq((lost, now["d.tx_dropped"] - before["d.tx_dropped"]), (0, 0), "lost frames")


@case("user space and the session send from one socket")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, send_seq=1)
    bed.far_wire.drain()
    with bed.ns.enter(), wire.PacketSocket(ses.ifname, send_only=True) as device:
        for number in range(50):
            tun.sock.send(b"\x80\x03control %d" % number)
            device.send(inner(number))
    payloads = [wire.parse_udp(p).payload for p in bed.sent(100)]
    control = [p for p in payloads if p[0] & 0x80]
    data = [wire.parse_v3(p, 0, True) for p in payloads if not p[0] & 0x80]
    ktap.eq(control, [b"\x80\x03control %d" % n for n in range(50)], "control datagrams")
    ktap.eq([(d.ns, d.payload) for d in data], [(n, inner(n)) for n in range(50)], "data messages")


@case("a route that frames take is not for all that user space sends, IPv6")
def _(bed):
    """Frames are routed without their traffic class, messages with it."""
    tun = bed.tunnel(10, family=6)
    ses = bed.session(tun, 1001)
    tun.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, 0x40)
    tun.sock.send(b"\x80 the route is that to the peer")
    bed.ns.ip("-6 rule add dsfield 0x40 prohibit")
    ktap.cleanup(bed.ns.ip, "-6 rule del dsfield 0x40 prohibit")
    bed.ns.ip("-6 route add fd00::/64 dev va metric 1")
    ktap.cleanup(bed.ns.ip, "-6 route del fd00::/64 dev va metric 1")
    transmitted(bed, ses, inner(new_tag()), "a frame, which looks for the route again")
    try:
        tun.sock.send(b"\x80 not by this route")
        ktap.fail("a message of that traffic class was sent")
    except OSError as error:
        ktap.eq(error.errno, errno.EACCES, "error")


if __name__ == "__main__":
    sys.exit(ktap.main())
