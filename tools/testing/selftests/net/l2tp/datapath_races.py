#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The tunnel's socket, its route and its device change while frames are sent on another CPU: every
packet on the wire is whole and goes where the socket pointed at some moment, and every frame is
counted once.
"""

import collections
import contextlib
import os
import socket
import struct
import sys
import time

from lib import datapath, impl, ktap, l2tp, netns, pppox
from lib import l2tpwire as wire
from lib.datapath import case, ground
from lib.genl import u8, u64
from lib.l2tpwire import inner
from lib.workers import Workers, two_cpus

SECONDS = float(os.environ.get("STRESS_SECONDS", "1.5"))
SIZE = 200


def for_a_while(function, *args):
    """Call it with the time at which it must end."""
    function(*args, time.monotonic() + SECONDS)


def sender(sock, frame, end):
    """Send as fast as possible; a device that refuses a frame is no error here."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            for _ in range(50):
                sock.send(frame)


def race(bed, ses, disturb, allowed, lossless=False, core_drops=False, user=None):
    """Frames on CPU 1 while disturb(end) runs on CPU 0 and user(), if there is one, anywhere;
    `allowed` are (version, destination, port) that packets may have; core_drops: not only the
    driver drops frames of the device."""
    two_cpus()
    frame = inner(0x01020304, SIZE)
    with bed.ns.enter():
        out = wire.PacketSocket(ses.ifname, send_only=True)
    ktap.cleanup(out.close)
    bed.far_wire.drain()
    before = bed.stats(ses)
    seen = collections.Counter()
    with Workers() as workers:
        workers.start(for_a_while, sender, out, frame, cpu=1)
        workers.start(for_a_while, disturb, cpu=0)
        if user:
            workers.start(user, endless=True)
        workers.go()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            watch(bed, ses, frame, seen)
    # The rest of what the ear has heard, as far as there is time.
    end = time.monotonic() + 3
    while time.monotonic() < end and watch(bed, ses, frame, seen):
        pass
    now = netns.wait_for(lambda: settled(bed, ses), 5)
    delta = {k: now[k] - before[k] for k in now}
    ktap.diag(f"{delta['tx_packets']} sent, {delta['tx_errors']} refused; on the wire {dict(seen)}")
    ktap.ok(set(seen) <= set(allowed), f"destinations: {dict(seen)}")
    ktap.eq((delta["tx_bytes"], delta["t.tx_packets"], delta["t.tx_errors"]),
            (delta["tx_packets"] * (SIZE + ses.header), delta["tx_packets"], delta["tx_errors"]),
            "bytes, tunnel's packets and errors")
    ktap.eq((delta["d.tx_packets"], delta["d.tx_bytes"]),
            (delta["tx_packets"], delta["tx_packets"] * SIZE), "device's packets and bytes")
    drops = delta["d.tx_dropped"] - delta["tx_errors"]
    ktap.ok(drops == 0 or core_drops and drops > 0, f"device's drops: {drops} more than refused")
    if lossless:
        ktap.eq(delta["tx_errors"], 0, "refused")
    ktap.ok(delta["tx_packets"] > 0, "nothing was sent")


def watch(bed, ses, frame, seen):
    """One packet of the wire; false if there is none."""
    got = bed.far_wire.recv_one(0.05)
    if got is not None:
        look(got[0], ses, frame, seen)
    return got


def settled(bed, ses):
    one = bed.stats(ses)
    time.sleep(0.05)
    return one if bed.stats(ses) == one else None


def look(raw, ses, frame, seen):
    """Take a packet apart; note a failure if anything in it is wrong."""
    pkt = wire.parse_ip(raw)
    if pkt is None or pkt.proto != wire.PROTO_UDP:
        return
    dgram = wire.parse_udp(pkt)
    if dgram is None or dgram.payload[:1] == b"\x80":
        return
    data = wire.parse_v3(dgram.payload, len(ses.cookie), ses.l2ss)
    near = datapath.ADDR[pkt.version][0]
    # Only the first few: one mistake would be reported thousands of times.
    if (data.flags, data.sid, data.payload, pkt.src, pkt.ip_ok, dgram.csum_ok is not False) != \
            (3, ses.psid, frame, near, True, True) and seen["bad"] < 3:
        seen["bad"] += 1
        ktap.fail(f"malformed packet: {raw.hex()}")
    seen[pkt.version, pkt.dst, dgram.dport] += 1


def still_works(bed, ses):
    frame = inner(0x0A0B0C0D, SIZE)
    bed.far_wire.drain()
    bed.transmit(ses, frame)
    got = [data.payload for _, data in bed.sent_data(ses)]
    ktap.eq(got, [frame], "afterwards")


@case("connected again and again, IPv4 and IPv6 by turns")
def _(bed):
    with bed.ns.enter():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", 5561))
    places = (("::ffff:10.0.0.2", 6001), ("fd00::2", 6002), ("::ffff:10.0.0.3", 6003),
              ("fd00::3", 6004))

    def disturb(end):
        number = 0
        while time.monotonic() < end:
            # An IPv6 socket must be disconnected to change its family.
            datapath.unspec_connect(sock)
            sock.connect(places[number % len(places)])
            number += 1

    sock.connect(places[0])
    tun = bed.tunnel(10, sock=sock, sport=5561)
    ses = bed.session(tun, 1001)
    allowed = [(4 if "." in host else 6, host.replace("::ffff:", ""), port)
               for host, port in places]
    # The port and the address of a packet belong together only if nobody changes them between
    # the two being read, which connect() does one after the other.
    ports = {port for _, _, port in allowed} | {0}
    race(bed, ses, disturb, [(version, host, port) for version, host, _ in allowed
                             for port in ports] + disconnected(ports))
    datapath.unspec_connect(sock)
    sock.connect(places[0])
    still_works(bed, ses)


def disconnected(ports):
    """What a socket that is being connected may look like for a moment."""
    return [(version, host, port) for version in (4, 6) for host in ("0.0.0.0", "::", "127.0.0.1",
                                                                     "::1") for port in ports]


@case("disconnected and connected to the same peer")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)

    def disturb(end):
        while time.monotonic() < end:
            datapath.unspec_connect(tun.sock)
            tun.sock.connect(("10.0.0.2", tun.dport))

    allowed = [(4, "10.0.0.2", tun.dport), (4, "10.0.0.2", 0)] + disconnected((0, tun.dport))
    race(bed, ses, disturb, allowed)
    still_works(bed, ses)


@case("connected elsewhere without a disconnect")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)

    def disturb(end):
        number = 0
        while time.monotonic() < end:
            tun.sock.connect((f"10.0.0.{2 + number % 2}", tun.dport))
            number += 1

    race(bed, ses, disturb, [(4, "10.0.0.2", tun.dport), (4, "10.0.0.3", tun.dport)])
    tun.sock.connect(("10.0.0.2", tun.dport))
    still_works(bed, ses)


def gateways(family):
    """Each peer is behind a gateway of its own: no packet to one of them takes the route to the other."""
    bed = ground()
    two_cpus()
    peers, bits = (("10.1.0.2", "10.1.0.3"), 32) if family == 4 else (("fd01::2", "fd01::3"), 128)
    macs = (bed.far_mac, b"\2\0\0\0\0\x33")
    gates = [datapath.ADDR[family][1][:-1] + last for last in "23"]

    def neighbour(gate, mac):
        return f"neigh replace {gate} lladdr {':'.join(f'{x:02x}' for x in mac)} dev va nud permanent"
    bed.ns.batch([neighbour(gates[1], macs[1])] + [f"route add {peer}/{bits} via {gate}" for peer, gate in zip(peers, gates)])
    ktap.cleanup(bed.ns.batch, [neighbour(gates[1], macs[0])] + [f"route del {peer}/{bits}" for peer in peers])
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)
    tun.sock.connect((peers[0], tun.dport))

    def disturb(end):
        number = 0
        while time.monotonic() < end:
            number += 1
            tun.sock.connect((peers[number % 2], tun.dport))

    with bed.ns.enter():
        out = wire.PacketSocket(ses.ifname, send_only=True)
    ktap.cleanup(out.close)
    bed.far_wire.drain()
    seen = collections.Counter()
    with Workers() as workers:
        workers.start(for_a_while, sender, out, inner(0x01020304, SIZE), cpu=1)
        workers.start(for_a_while, disturb, cpu=0)
        workers.go()
        end = time.monotonic() + SECONDS + 1
        while time.monotonic() < end:
            got = bed.far_wire.recv_one(0.05)
            if got and getattr(wire.parse_ip(got[0]), "proto", 0) == wire.PROTO_UDP:
                seen[wire.parse_ip(got[0]).dst, got[0][:6]] += 1
    ktap.diag(f"on the wire {dict(seen)}")
    ktap.ok(seen and set(seen) <= set(zip(peers, macs)), f"peers and gateways: {dict(seen)}")


ktap.add("connected elsewhere, behind another gateway, IPv4", gateways, 4)
ktap.add("connected elsewhere, behind another gateway, IPv6", gateways, 6)


def marks(family):
    """The mark changes while routes are looked up: none that was found with an old one stays."""
    bed = ground()
    two_cpus()
    bed.ns.ip(f"-{family} rule add fwmark 7 prohibit")
    ktap.cleanup(bed.ns.ip, f"-{family} rule del fwmark 7 prohibit")
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)
    with bed.ns.enter():
        out = wire.PacketSocket(ses.ifname, send_only=True)
    ktap.cleanup(out.close)

    def refused():
        return bed.stats(ses)["tx_errors"]

    rounds, end = 0, time.monotonic() + SECONDS
    with Workers() as workers:
        workers.start(for_a_while, sender, out, inner(0x01020304, SIZE), cpu=1)
        workers.go()
        while time.monotonic() < end:
            for mark in (8, 9, 7):
                tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            before, stop = refused(), time.monotonic() + 0.2
            while refused() == before and time.monotonic() < min(stop, end):
                pass
            if time.monotonic() >= stop:
                break               # for ever, or this machine is slow
            rounds += 1
    ktap.diag(f"{rounds} rounds")
    before = refused()
    bed.transmit(ses, inner(0x01020304, SIZE))
    ktap.eq(refused(), before + 1, "frames refused by the rule for the last mark")
    tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 8)
    still_works(bed, ses)


ktap.add("the mark changes, IPv4", marks, 4)
ktap.add("the mark changes, IPv6", marks, 6)


def options(family):
    bed = ground()
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)

    def disturb(end):
        number = 0
        while time.monotonic() < end:
            number += 1
            tun.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, number & 1)
            if family == 4:
                tun.sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS,
                                    b"\1" * (40 * (number % 2)))
                tun.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, number & 0xFC)
            else:
                tun.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, number & 0xFC)
                tun.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 60)

    peer = datapath.ADDR[family][1]
    race(bed, ses, disturb, [(family, peer, tun.dport)])
    still_works(bed, ses)


ktap.add("options, TOS and mark of the socket change, IPv4", options, 4)
ktap.add("traffic class and mark of the socket change, IPv6", options, 6)


@ktap.case("options of the socket change, PPP")
def _():
    """A packet of a PPPoL2TP socket has no room to spare in front, and options can be 40 bytes long."""
    two_cpus()
    if not impl.load("l2tp_ppp"):
        ktap.skip("no l2tp_ppp")
    bed = pppox.Ground()
    ktap.cleanup(bed.close)
    end = bed.end()
    ktap.cleanup(end.close)
    end.management()
    session = end.session(10, 20)
    frame = b"\xc0\x21" + bytes(range(60))
    whole = struct.pack("!HHH", 2, end.ptid, 20) + b"\xff\x03" + frame

    def disturb(until):
        while time.monotonic() < until:
            for length in (40, 0, 24, 4):
                end.udp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1" * length)

    with Workers() as workers:
        workers.start(for_a_while, sender, session, frame, cpu=1)
        workers.start(for_a_while, disturb, cpu=0)
        workers.go()
        until, got = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            data = end.sent(0.05)
            ktap.ok(data in (None, whole), f"malformed packet: {data and data.hex()}")
            got += data is not None
    got = got or end.sent() is not None     # what came while this process did not run
    ktap.ok(got > 0, "nothing has arrived")
    ktap.diag(f"{got} frames have arrived, {session.stats()}")
    end.udp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")


def routes(family):
    """The route flaps while the socket's user sends, too: both sides renew the cached route."""
    bed = ground()
    tun = bed.tunnel(10, family=family)
    ses = bed.session(tun, 1001)
    peer, host = datapath.ADDR[family][1], 32 if family == 4 else 128

    def disturb(end):
        lines = [f"route replace blackhole {peer}/{host} metric 1", f"route del blackhole {peer}/{host}"
                 " metric 1", f"route replace {peer}/{host} dev va metric 2",
                 f"route del {peer}/{host} metric 2"] * 10
        while time.monotonic() < end:
            bed.ns.batch(lines)

    def user():
        while True:
            with contextlib.suppress(OSError):
                for _ in range(100):
                    tun.sock.send(b"\x80 private")

    race(bed, ses, disturb, [(family, peer, tun.dport)], user=user)
    bed.ns.ip(f"route del blackhole {peer}/{host} metric 1", False)
    still_works(bed, ses)


ktap.add("the route changes, IPv4", routes, 4)
ktap.add("the route changes, IPv6", routes, 6)


@case("the device below goes down and up and changes its MTU")
def _(bed):
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001)
    far = ":".join(f"{x:02x}" for x in bed.far_mac)

    def disturb(end):
        while time.monotonic() < end:
            bed.ns.batch(["link set va mtu 1400", "link set va down", "link set va up",
                          "link set va mtu 1500",
                          f"neigh replace 10.0.0.2 lladdr {far} dev va nud permanent"])

    race(bed, ses, disturb, [(4, "10.0.0.2", tun.dport)])
    # A device that went down has lost its neighbours and its IPv6 address.
    bed.ns.batch(["addr replace fd00::1/64 dev va nodad"] + [
        f"neigh replace {p} lladdr {far} dev va nud permanent"
        for p in ("10.0.0.2", "10.0.0.3", "fd00::2", "fd00::3")])
    still_works(bed, ses)


@case("the session's device goes down and up, changes MTU and address")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)

    def disturb(end):
        while time.monotonic() < end:
            bed.ns.batch([f"link set {ses.ifname} down",
                          f"link set {ses.ifname} address 02:00:00:00:00:42",
                          f"link set {ses.ifname} up", f"link set {ses.ifname} mtu 1200"])

    race(bed, ses, disturb, [(4, "10.0.0.2", tun.dport)], core_drops=True)
    still_works(bed, ses)


@case("the session is modified")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001)

    def disturb(end):
        with l2tp.L2tp(netns=bed.ns) as nl:
            number = 0
            while time.monotonic() < end:
                number += 1
                nl.session_modify(10, 1001, u8(l2tp.SEND_SEQ, number & 1)
                                  + u8(l2tp.LNS_MODE, number >> 1 & 1)
                                  + u64(l2tp.RECV_TIMEOUT, number % 3 * 100))

    race(bed, ses, disturb, [(4, "10.0.0.2", tun.dport)], lossless=True)
    still_works(bed, ses)


if __name__ == "__main__":
    sys.exit(ktap.main())
