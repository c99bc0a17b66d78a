#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Bugs that L2TP has had: tunnels, Ethernet sessions, netlink. The list is in Documentation/networking/l2tp-regressions.rst."""
import contextlib
import ctypes
import errno
import itertools
import os
import select
import socket
import struct
import time

from lib import datapath, impl, ktap
from lib import l2tp as L
from lib import l2tpwire as wire
from lib.datapath import ground, new_tag
from lib.genl import string, u8
from lib.l2tpwire import inner
from lib.netns import NetNS, wait_for
from lib.regress import all_freed, at_once, race, row


def churn(bed, tid, sid, nl=None, **kw):
    """A job that makes a session and deletes it."""
    nl = nl or L.L2tp(netns=bed.ns)

    def job():
        nl.session_create(tid, sid, sid + 1, **kw)
        nl.session_delete(tid, sid)
    return job


def flood(bed, tun, *frames):
    """A job that lets frames arrive; each of them in turn."""
    turn = itertools.cycle(frames)
    return lambda: bed.inject(tun, next(turn))


@row(3, "61b9a047729b: a session is deleted while frames are received")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    race(churn(bed, 10, 1), flood(bed, tun, wire.v3(1, inner(1), l2ss=0)))


@row(5, "CVE-2020-0429: a session and its tunnel are deleted at the same time")
def _():
    bed = ground()
    one, two = L.L2tp(netns=bed.ns), L.L2tp(netns=bed.ns)
    for _ in range(15):
        if bed.nl.try_tunnel_create(20, 21, local="127.0.0.1", remote="127.0.0.2", sport=7000, dport=7001) == "ok":
            bed.nl.try_session_create(20, 1, 2)
        at_once(lambda: one.try_session_delete(20, 1), lambda: two.try_tunnel_delete(20))
        wait_for(lambda: 20 not in bed.nl.tunnels(), 10, "the tunnel's end")


@row(6, "the same session is made twice at the same time")
def _():
    datapath.have_ppp()
    bed = ground()
    tun = bed.tunnel(30, version=2)
    clients = [L.L2tp(netns=bed.ns) for _ in range(3)]
    for sid in range(1, 16):
        got = at_once(*(lambda nl=nl: nl.try_session_create(tun.tid, sid, sid, pw=L.PW_PPP) for nl in clients))
        ktap.eq(sorted(got), ["EEXIST", "EEXIST", "ok"], "results")


@row(9, "CVE-2020-27067: an Ethernet session is made while its module is unloaded")
def _():
    bed = ground()
    bed.tunnel(10)
    # A program is too slow for the moments in which the module is not in use. modprobe -r would also take l2tp_netlink away: the family
    # comes back with another number than the client knows.
    delete_module = 176
    pauses = itertools.cycle((0, 0.005, 0.02, 0.1, 1))

    make = churn(bed, 10, 1)

    def make_after_pause():
        # The sessions before are freed in a moment only: without a pause one of them may always hold the module.
        time.sleep(next(pauses))
        make()
    race(make_after_pause, lambda: ctypes.CDLL(None).syscall(delete_module, b"l2tp_eth", os.O_NONBLOCK) == 0)
    impl.load("l2tp_eth")


@row(10, "frames arrive for a session that is being made")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    frame = inner(new_tag())
    race(churn(bed, 10, 1, peer_cookie=b"12345678"),
         flood(bed, tun, wire.v3(1, frame, b"12345678", 0), wire.v3(1, frame, l2ss=0), wire.v3(1, b"")))


@row(14, "d00fa9adc528: the tunnel's socket is closed while its session sends")
def _():
    bed = ground()
    nl = L.L2tp(netns=bed.ns)

    def life():
        sock = L.udp_socket("10.0.0.1", "10.0.0.2", 7100, 7100, netns=bed.ns)
        try:
            nl.tunnel_create(40, 41, fd=sock.fileno())
            nl.session_create(40, 1, 2, ifname="r14")
            bed.ns.ip("link set r14 up")
        finally:
            sock.close()

    def send():
        with bed.ns.enter(), wire.PacketSocket("r14", send_only=True) as device:
            device.send(inner(1))
            with contextlib.suppress(OSError):      # it ends meanwhile
                for _ in range(50):
                    device.send(inner(1))
    race(life, send, seconds=0.8)
    wait_for(lambda: 40 not in nl.tunnels() and "r14" not in bed.ns.links(), 10, "the end")


def cut_everywhere(cookie):
    """A frame in two IP fragments, cut at each possible place, is received like a whole one."""
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001, peer_cookie=cookie)
    frames = []
    for cut in (8, 16, 24, 32, 40):
        frames.append(inner(new_tag()))
        near, far = datapath.ADDR[4]
        datagram = wire.udp(far, near, ses.tun.dport, ses.tun.sport, wire.v3(1001, frames[-1], cookie, 0))
        for part in wire.v4_fragments(bed.near_mac, bed.far_mac, far, near, 17, datagram, [cut], ident=1000 + cut):
            bed.raw(part)
    bed.delivered(ses, frames)


ktap.add("17: 4522a70db7aa: cookie and sublayer in another fragment than the header", cut_everywhere, b"12345678")
ktap.add("18: 91c524708de6: the sublayer in another fragment than the header", cut_everywhere, b"")


@row(19, "c1c477217882: the tunnel of a socket comes and goes while the socket receives")
def _():
    bed = ground()
    nl = L.L2tp(netns=bed.ns)
    sock = L.udp_socket("10.0.0.1", "10.0.0.2", 7200, 7200, netns=bed.ns)
    tun = datapath.Tunnel(50, 51, 4, 7200, 7200, sock, 3)

    def life():
        nl.try_tunnel_delete(50)        # of a round that failed half-way
        nl.tunnel_create(50, 51, fd=sock.fileno())
        nl.session_create(50, 1, 2)
        nl.tunnel_delete(50)
    race(life, flood(bed, tun, wire.v3(1, inner(1), l2ss=0)))
    sock.close()


@row(20, "sessions of one id in two UDP tunnels work, in IP tunnels they are refused")
def _():
    bed = ground()
    tuns = [bed.tunnel(10), bed.tunnel(20)]
    both = [bed.session(tun, 1001) for tun in tuns]
    for ses in both:
        frame = inner(new_tag())
        bed.inject(ses.tun, ses.frame(frame))
        bed.delivered(ses, [frame])
    datapath.have_ip()
    ktap.cleanup(bed.nl.try_tunnel_delete, 30)
    bed.nl.tunnel_create(30, 31, local="10.0.0.1", remote="10.0.0.2", encap=L.IP)
    ktap.eq(bed.nl.try_session_create(30, 1001, 1), "EEXIST", "a third one, in a tunnel over IP")


@row(22, "two sockets with SO_REUSEPORT on one port are tunnels")
def _():
    bed = ground()
    with bed.ns.enter():
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for number, sock in enumerate(socks):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("10.0.0.1", 7300))
        bed.nl.tunnel_create(60 + number, 1, fd=sock.fileno())
        bed.nl.session_create(60 + number, 6000 + number, 1)
    tun = datapath.Tunnel(60, 1, 4, 7300, 7300, socks[0], 3)
    for number in range(20):
        bed.inject(tun, wire.v3(6000 + number % 2, inner(number), l2ss=0), sport=8000 + number)
    bed.fence()
    got = sum(L.stats(bed.nl.session_get(60 + n, 6000 + n))["rx_packets"] for n in range(2))
    ktap.eq(got, 20, "frames received")
    for sock in socks:
        sock.close()
    wait_for(lambda: not {60, 61} & set(bed.nl.tunnels()), 10, "the end of both")


@row(23, "routes are not leaked: the device below a tunnel can be deleted after traffic")
def _():
    bed = ground()
    bed.ns.batch(["link add r23 type dummy", "link set r23 up", "addr add 192.168.23.1/24 dev r23",
                  "neigh replace 192.168.23.2 lladdr 02:00:00:00:00:23 dev r23 nud permanent"])
    bed.nl.tunnel_create(70, 71, local="192.168.23.1", remote="192.168.23.2", sport=7400, dport=7400)
    ktap.cleanup(bed.nl.try_tunnel_delete, 70)
    ses = bed.session(datapath.Tunnel(70, 71, 4, 7400, 7400, None, 3), 1)
    for number in range(10):
        bed.transmit(ses, inner(number))
    wait_for(lambda: bed.stats(ses)["tx_packets"] == 10, 10, "ten frames sent")
    bed.ns.ip("link del r23")        # hangs if somebody keeps the route
    ktap.ok("r23" not in bed.ns.links(), "the device is gone")


def bad_then_delete(*frames):
    """Frames that are refused late, in a tunnel of each version; then all is deleted and freed."""
    bed = ground()
    bed.fence()             # whose own tunnel stays
    with all_freed():
        v3, v2 = bed.tunnel(80), bed.tunnel(81, version=2)
        bed.nl.session_create(80, 1, 2, peer_cookie=b"abcdefgh")
        if impl.load("l2tp_ppp"):
            bed.nl.session_create(81, 1, 2, pw=L.PW_PPP)
        for frame in frames:
            for tun in (v3, v2):
                bed.inject(tun, frame)
        bed.fence()
        for tun in (v3, v2):
            bed.end(tun)


@row(24, "9b6ff7eb6664: frames that end too early keep no reference to the session")
def _():
    bad_then_delete(*(wire.v3(1, b"x" * n) for n in range(14)))


@row(44, "CVE-2026-23072: frames of the wrong version keep no reference to the session")
def _():
    bad_then_delete(wire.v2(80, 1, b"x" * 20), wire.v3(1, b"x" * 20), *(wire.v3(1, b"x" * 20, flags=ver) for ver in (0, 2, 4, 15)),
                    struct.pack("!HHI", 2, 0, 1) + b"x" * 20)


def close_or_delete(first):
    """A tunnel's socket is closed and the tunnel deleted, over and over, with frames arriving."""
    bed = ground()
    one, two = L.L2tp(netns=bed.ns), L.L2tp(netns=bed.ns)
    tun = datapath.Tunnel(90, 91, 4, 7500, 7500, None, 3)
    bed.fence()
    # Netlink serves the two in turn: without a pause the tunnel is always gone before it has a session.
    pauses = itertools.cycle((0, 0.005, 0.02, 0.1, 1))

    def delete_after_pause():
        time.sleep(next(pauses))
        two.tunnel_delete(90)

    def life():
        sock = L.udp_socket("10.0.0.1", "10.0.0.2", 7500, 7500, netns=bed.ns)
        with sock:
            one.tunnel_create(90, 91, fd=sock.fileno())
            one.session_create(90, 1, 2)
            if first == "delete":
                one.tunnel_delete(90)
    with all_freed():
        race(life, delete_after_pause, flood(bed, tun, wire.v3(1, inner(1), l2ss=0)))
        wait_for(lambda: 90 not in one.tunnels(), 10, "the end")


ktap.add("25: syzbot 3614588f9652203dccaa: close of the socket against deletion", close_or_delete, "close")
ktap.add("43: 7a29f6bf60f2: deletion, and the socket is closed while it goes on", close_or_delete, "delete")


@row(26, "CVE-2022-4129: one socket is offered for two tunnels at the same time")
def _():
    bed = ground()
    clients = [L.L2tp(netns=bed.ns) for _ in range(2)]
    for _ in range(15):
        with L.udp_socket("10.0.0.1", "10.0.0.2", 7600, 7600, netns=bed.ns) as sock:
            got = at_once(*(lambda n=n, nl=nl: nl.try_tunnel_create(100 + n, 1, fd=sock.fileno()) for n, nl in enumerate(clients)))
            ktap.eq(sorted(got), ["EBUSY", "ok"], "results")
        wait_for(lambda: not {100, 101} & set(bed.nl.tunnels()), 10, "the end")


def make_every_kind():
    """Tunnels of all kinds are made and end; a kernel with debugging tells if a lock was held that must not."""
    bed = ground()
    for number, (local, remote) in enumerate((("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"))):
        with L.udp_socket(local, remote, 7700, netns=bed.ns) as sock:
            bed.nl.tunnel_create(110, 1, fd=sock.fileno())
            bed.nl.tunnel_create(111, 1, local=local, remote=remote, sport=7701, dport=7701)
            if impl.load("l2tp_ip6" if number else "l2tp_ip"):
                bed.nl.tunnel_create(112, 1, local=local, remote=remote, encap=L.IP)
        wait_for(lambda: 110 not in bed.nl.tunnels(), 10, "the end with its socket")
        for tid in (111, 112):
            bed.nl.try_tunnel_delete(tid)
        wait_for(lambda: not {111, 112} & set(bed.nl.tunnels()), 10, "the end")


ktap.add("27: syzbot 703d9e154b3b58277261: no sleeping with a lock held when a tunnel is made", make_every_kind)
ktap.add("31: syzbot bbd35b345c7cab0d9a08: no locks in the wrong order when a tunnel is made", make_every_kind)


@row(30, "CVE-2023-53020: a tunnel is asked for and receives while it is made")
def _():
    bed = ground()
    nl, asker, lister = (L.L2tp(netns=bed.ns) for _ in range(3))
    tun = datapath.Tunnel(120, 1, 4, 7800, 7800, None, 3)

    def life():
        with L.udp_socket("10.0.0.1", "10.0.0.2", 7800, 7800, netns=bed.ns) as sock:
            nl.tunnel_create(120, 1, fd=sock.fileno())
            nl.tunnel_delete(120)
    race(life, lambda: asker.tunnel_get(120), lambda: 120 in lister.tunnels(), flood(bed, tun, wire.v3(1, inner(1), l2ss=0)))


def hash_filter(sock, wanted):
    """Only frames whose flow hash is (not) zero."""
    load_hash = (0x20, 0, 0, (-0x1000 + 32) & 0xffffffff)
    # If it is zero, the jump is over the acceptance where one is wanted.
    code = (load_hash, (0x15, int(wanted), int(not wanted), 0), (6, 0, 0, 0x40000), (6, 0, 0, 0))
    rows = b"".join(struct.pack("=HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(rows, len(rows))
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(buffer)))     # SO_ATTACH_FILTER


@row(34, "42f853b42899: the flow hash of the outer packet is not kept for the inner one")
def _():
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001)
    # The receiving device gives every packet a hash.
    bed.ns.run(["sh", "-c", "echo 1 > /sys/class/net/va/queues/rx-0/rps_cpus"])
    ktap.cleanup(bed.ns.run, ["sh", "-c", "echo 0 > /sys/class/net/va/queues/rx-0/rps_cpus"])
    with bed.ns.enter(), wire.PacketSocket("va", incoming_only=True) as outer, wire.PacketSocket(ses.ifname, incoming_only=True) as plain:
        hash_filter(outer.sock, True)
        hash_filter(plain.sock, False)
        outer.drain()
        for number in range(3):
            bed.inject(ses.tun, ses.frame(inner(number)))
        ktap.eq(len(outer.collect(3)), 3, "packets that arrived with a hash")
        ktap.eq(len(plain.collect(3, wire.is_test_frame)), 3, "inner frames without one")


@row(36, "ICMP errors reach the user of the tunnel's socket")
def _():
    bed = ground()
    tun = bed.tunnel(10)
    about = wire.ipv4("10.0.0.1", "10.0.0.2", 17, wire.udp("10.0.0.1", "10.0.0.2", tun.sport, tun.dport, bytes(16)))
    body = struct.pack("!BBHI", 3, 3, 0, 0) + about
    body = body[:2] + struct.pack("!H", wire.csum16(body)) + body[4:]
    bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, "10.0.0.2", "10.0.0.1", 1, body))
    bed.fence()
    wait_for(lambda: select_error(tun.sock), 5)
    ktap.eq(datapath.so_error(tun.sock), errno.ECONNREFUSED, "SO_ERROR")


def select_error(sock):
    poll = select.poll()
    poll.register(sock, select.POLLERR)
    return poll.poll(0)


@row(37, "a tunnel through a session of another tunnel")
def _():
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001)
    bed.ns.batch([f"addr add 192.168.37.1/24 dev {ses.ifname}",
                  f"neigh replace 192.168.37.2 lladdr 02:00:00:00:00:37 dev {ses.ifname} nud permanent"])
    bed.nl.tunnel_create(130, 131, local="192.168.37.1", remote="192.168.37.2", sport=7900, dport=7900)
    ktap.cleanup(bed.nl.try_tunnel_delete, 130)
    nested = bed.session(datapath.Tunnel(130, 131, 4, 7900, 7900, None, 3), 1)
    bed.far_wire.drain()
    frame = inner(new_tag())
    bed.transmit(nested, frame)
    (_, outside), = bed.sent_data(ses)
    datagram = wire.parse_udp(wire.parse_ip(outside.payload))
    ktap.eq(wire.parse_v3(datagram.payload, 0, True).payload, frame, "the frame inside")


@row(38, "d17e89999574, 89b768ec2dfe: dumps while sessions and tunnels are deleted")
def _():
    bed = ground()
    bed.tunnel(10)
    nl, tunnels, sessions = (L.L2tp(netns=bed.ns) for _ in range(3))

    def life():
        nl.tunnel_create(140, 1, local="127.0.0.1", remote="127.0.0.1", sport=8100, dport=8101)
        nl.tunnel_delete(140)
    race(life, churn(bed, 10, 1), churn(bed, 10, 2), lambda: 140 in tunnels.tunnels(), lambda: (10, 1) in sessions.sessions())
    bed.nl.try_tunnel_delete(140)


@row(39, "CVE-2024-49940: a session that could not be made leaves the tunnel's references as they were")
def _():
    bed = ground()
    bed.fence()             # whose own tunnel stays
    with all_freed():
        tun = bed.tunnel(10)
        for sid in range(1, 15):
            ktap.eq(bed.nl.try_session_create(10, sid, 1, ifname="va"), "EEXIST", "a name in use")
            ktap.eq(bed.nl.try_session_create(10, sid, 1, ifname="a/b"), "EINVAL", "no name for a device")
        bed.end(tun)


@row(40, "many namespaces end while tunnels are made in another")
def _():
    bed = ground()
    nl = L.L2tp(netns=bed.ns)

    def life():
        nl.try_tunnel_delete(150)       # of a round that failed half-way
        nl.tunnel_create(150, 1, local="127.0.0.1", remote="127.0.0.1", sport=8200, dport=8201)
        nl.session_create(150, 1, 2)
        nl.tunnel_delete(150)

    def space():
        with NetNS() as one:
            client = L.L2tp(netns=one)
            client.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=8200, dport=8201)
            client.session_create(1, 1, 2)
            client.close()
    race(life, space, seconds=1)
    bed.nl.try_tunnel_delete(150)


@row(42, "IPv6 outer headers have room, also when a frame had little")
def _():
    bed = ground()
    ses = bed.session(bed.tunnel(10, family=6), 1001, cookie=b"12345678", send_seq=1)
    bed.far_wire.drain()
    frames = [inner(new_tag(), size) for size in (14, 60, 500, 1400, 1418)]
    for frame in frames:
        bed.transmit(ses, frame)
    ktap.eq([data.payload for _, data in bed.sent_data(ses, len(frames))], frames, "frames sent")


@row(47, "979c017803c4, CVE-2026-63918: sessions are looked up by name while they are deleted")
def _():
    bed = ground()
    bed.tunnel(10)
    asker = L.L2tp(netns=bed.ns)
    race(churn(bed, 10, 1, ifname="r47"), churn(bed, 10, 2, ifname="s47"),
         lambda: asker.do(L.SESSION_GET, string(L.IFNAME, "r47")).errno == 0, lambda: L.L2tp(netns=bed.ns).close())


@row(48, "the sequence numbers of a session are switched while it sends")
def _():
    bed = ground()
    ses = bed.session(bed.tunnel(10), 1001)
    nl = L.L2tp(netns=bed.ns)
    turn = itertools.cycle((1, 0))
    bed.far_wire.drain()
    frame = inner(new_tag())
    with bed.ns.enter(), wire.PacketSocket(ses.ifname, send_only=True) as device:
        race(lambda: nl.session_modify(10, 1001, u8(L.SEND_SEQ, next(turn))), lambda: device.send(frame))
    got = [data for _, data in bed.sent_data(ses)]
    ktap.ok(got, "frames are sent")
    bad = [data for data in got if data.payload != frame or data.l2ss & ~0x40ffffff]
    ktap.eq(bad[:3], [], "frames that are not as they should be")


if __name__ == "__main__":
    ktap.main()
