#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every combination of encapsulation, family, cookie, L2-specific sublayer and sequencing between
two namespaces configured by stock `ip l2tp`: what one end sends the other delivers, each byte on
the wire between them and each counter is as it must be. At the end tshark, which knows nothing of
this test, decodes all that was captured.
"""

import collections
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

from lib import datapath, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.datapath import new_tag
from lib.l2tpwire import inner

COOKIES = {0: ("", ""), 4: ("deadbeef", "c0ffee00"),
           8: ("deadbeefcafebabe", "0123456789abcdef"), 3: ("a1b2c3", "0d0e0f")}
COOKIE_PREF = {0: "None", 4: "4 Byte Cookie", 8: "8 Byte Cookie"}
L2SS_PREF = {False: "None", True: "Default L2-Specific"}
Row = collections.namedtuple("Row", "src sid cookie ns payload udp")
FIRST_PORT, LAST_PORT = 5000, 5199

numbers = itertools.count(1)
captured = collections.defaultdict(lambda: ([], []))    # (cookie, l2ss): frames, rows
world = None


class World:
    """Two kernel ends, and an ear on the wire between them."""

    def __init__(self):
        datapath.ready()
        datapath.pin()
        self.a, self.b = netns.pair()
        for space, device in ((self.a, "va"), (self.b, "vb")):
            with space.enter():
                wire.tx_checksum_off(device)
        # Neighbours are known: only the tunnel speaks on the wire.
        macs = []
        for space, device in ((self.a, "va"), (self.b, "vb")):
            with space.enter():
                macs.append(":".join(f"{x:02x}" for x in wire.hwaddr(device)))
        self.a.batch([f"neigh replace {p} lladdr {macs[1]} dev va nud permanent"
                      for p in ("10.0.0.2", "fd00::2")])
        self.b.batch([f"neigh replace {p} lladdr {macs[0]} dev vb nud permanent"
                      for p in ("10.0.0.1", "fd00::1")])
        datapath.quiet(self.a)
        datapath.quiet(self.b)
        with self.a.enter():
            self.ear = wire.PacketSocket("va")
        self.nl = {space: l2tp.L2tp(netns=space) for space in (self.a, self.b)}

    def close(self):
        for nl in self.nl.values():
            nl.wipe()
            nl.close()
        self.ear.close()
        self.a.delete()
        self.b.delete()


def ground():
    global world
    if world is None:
        world = World()
        ktap.at_exit(world.close)
    return world


class End:
    """One end of a session: its namespace, ids, cookie to send."""

    def __init__(self, w, space, host, family, number):
        self.space, self.nl, self.addr = space, w.nl[space], datapath.ADDR[family][host - 1]
        self.tid, self.sid = 1000 * host + number, 100000 * host + number
        self.ifname = f"e{host}x{number}"
        self.cookie = ""

    def open(self):
        """Sockets on the device, once it is there."""
        with self.space.enter():
            self.device = wire.PacketSocket(self.ifname, incoming_only=True)
        ktap.cleanup(self.device.close)

    def send(self, frames):
        for frame in frames:
            self.device.send(frame)

    def counters(self):
        return (l2tp.stats(self.nl.session_get(self.tid, self.sid)),
                l2tp.stats(self.nl.tunnel_get(self.tid)),
                self.space.counters(self.ifname))


def create(end, other, encap, cookie_len, l2ss, seq, port):
    """Tunnel and session with iproute2; it knows no cookie of 3 bytes."""
    ports = f"udp_sport {port} udp_dport {port}" if encap == "udp" else ""
    cookies = f"cookie {end.cookie} peer_cookie {other.cookie}" if cookie_len else ""
    lines = [f"l2tp add tunnel tunnel_id {end.tid} peer_tunnel_id {other.tid} encap {encap} "
             f"local {end.addr} remote {other.addr} {ports}"]
    session = (f"l2tp add session name {end.ifname} tunnel_id {end.tid} session_id {end.sid} "
               f"peer_session_id {other.sid} l2spec_type {'default' if l2ss else 'none'} "
               f"seq {seq} {cookies}")
    if cookie_len != 3:
        lines += [session, f"link set {end.ifname} up"]
    end.space.batch(lines)
    if cookie_len == 3:
        end.nl.session_create(end.tid, end.sid, other.sid, ifname=end.ifname,
                              cookie=bytes.fromhex(end.cookie),
                              peer_cookie=bytes.fromhex(other.cookie), l2spec=int(l2ss),
                              send_seq=int(seq in ("send", "both")),
                              recv_seq=int(seq in ("recv", "both")))
        end.space.ip(f"link set {end.ifname} up")


def check_outer(dgram, pkt, src, dst, port, udp, what):
    """The IP and UDP headers of a captured frame."""
    ktap.eq((pkt.src, pkt.dst, pkt.ttl, pkt.tos, pkt.df, pkt.mf, pkt.ip_ok),
            (src.addr, dst.addr, 64, 0, False, False, True), f"{what}: outer IP header")
    if udp:
        ktap.eq((dgram.sport, dgram.dport, dgram.length), (port, port, len(pkt.payload)),
                f"{what}: UDP header")
        if pkt.version == 4:
            ktap.eq(dgram.csum, 0, f"{what}: UDP checksum, off by default on IPv4")
        else:
            ktap.eq(dgram.csum_ok, True, f"{what}: UDP checksum, on by default on IPv6")


def one_way(w, src, dst, encap, cookie_len, l2ss, sends, drops, port, ns, what):
    """Frames from one end to the other; checks the wire, the delivery and the counters."""
    udp = encap == "udp"
    mtu = src.space.mtu(src.ifname)
    header = (8 if udp else 4) + cookie_len + (4 if l2ss else 0)
    frames = [inner(new_tag(), size, dst=b"\xff" * 6) for size in (60, 19, 1000, mtu + 14)]
    tx0, rx0 = src.counters(), dst.counters()
    w.ear.drain()
    src.send(frames)
    got = dst.device.collect(0 if drops else len(frames), wire.is_test_frame, settle=0.05)
    ktap.eq(got, [] if drops else frames, f"{what}: delivered frames")
    on_wire = w.ear.collect(len(frames),
                            lambda f: getattr(wire.parse_ip(f), "src", "") == src.addr)
    ktap.eq(len(on_wire), len(frames), f"{what}: frames on the wire")
    rows, last_ident = [], None
    for frame, payload in zip(on_wire, frames):
        pkt = wire.parse_ip(frame)
        dgram = wire.parse_udp(pkt)
        check_outer(dgram, pkt, src, dst, port, udp, what)
        if pkt.version == 4 and last_ident is not None:
            ktap.eq(pkt.ident, (last_ident + 1) & 0xFFFF, f"{what}: IP id increments")
        last_ident = pkt.ident
        data = wire.parse_v3(dgram.payload if udp else pkt.payload, cookie_len, l2ss, udp)
        ktap.eq((data.flags, data.reserved, data.sid, data.cookie.hex(), data.ns, data.payload),
                (3, 0, dst.sid, src.cookie, ns if sends else None, payload), f"{what}: L2TP header")
        if l2ss and not sends:
            ktap.eq(data.l2ss, 0, f"{what}: sublayer without a number")
        if l2ss and sends:
            ktap.eq(data.l2ss, wire.SEQ_BIT | ns, f"{what}: reserved bits of the sublayer")
        rows.append(Row(src.addr, dst.sid, src.cookie, ns if sends else None, payload, udp))
        ns += 1
    # The last one was as long as the device allows: the outer packet fills the path exactly.
    ktap.eq(wire.parse_ip(on_wire[-1]).total_len, 1500, f"{what}: outer packet of a full frame")
    if cookie_len != 3:
        captured[cookie_len, l2ss][0].extend(on_wire)
        captured[cookie_len, l2ss][1].extend(rows)

    size = sum(map(len, frames))
    count, full = len(frames), size + header * len(frames)
    tx1, rx1 = src.counters(), dst.counters()
    deltas = [{k: after[k] - before[k] for k in after if after[k] != before[k]}
              for before, after in zip(tx0 + rx0, tx1 + rx1)]
    dropped = {"rx_seq_discards": count, "rx_errors": count}
    received = {"rx_packets": count, "rx_bytes": full}
    ktap.eq(deltas[0], {"tx_packets": count, "tx_bytes": full}, f"{what}: sender's session")
    ktap.eq(deltas[1], {"tx_packets": count, "tx_bytes": full}, f"{what}: sender's tunnel")
    ktap.eq(deltas[2], {"tx_packets": count, "tx_bytes": size}, f"{what}: sender's device")
    ktap.eq(deltas[3], dropped if drops else received, f"{what}: receiver's session")
    ktap.eq(deltas[4], {} if drops else received, f"{what}: receiver's tunnel")
    ktap.eq(deltas[5], {} if drops else received, f"{what}: receiver's device")
    return ns


def combination(encap, family, cookie_len, l2ss, seq):
    if encap == "ip":
        datapath.have_ip(family)
    w = ground()
    number = next(numbers)
    port = FIRST_PORT + number
    one, two = End(w, w.a, 1, family, number), End(w, w.b, 2, family, number)
    one.cookie, two.cookie = COOKIES[cookie_len]
    for end, other in ((one, two), (two, one)):
        create(end, other, encap, cookie_len, l2ss, seq, port)
        ktap.cleanup(end.nl.tunnel_gone, end.tid)
        end.open()

    # Numbers need the sublayer. A receiver that insists on them and gets none drops everything;
    # one that does not, being no LNS, stops sending its own when it sees a frame without.
    sends = l2ss and seq in ("send", "both")
    drops = not l2ss and seq == "both"
    ns = one_way(w, one, two, encap, cookie_len, l2ss, sends, drops, port, 0, "a to b")
    one_way(w, two, one, encap, cookie_len, l2ss, sends, drops, port, 0, "b to a")
    one_way(w, one, two, encap, cookie_len, l2ss, sends, drops, port, ns, "a to b again")
    for end in (one, two):
        reply = end.nl.session_get(end.tid, end.sid)
        if not l2ss and seq == "send":
            ktap.eq(reply.uint(l2tp.SEND_SEQ), 0, "sequencing was switched off by the peer")


def tshark(path, cookie_len, l2ss):
    """Rows as tshark reads them; its preferences say what cannot be seen in a frame."""
    command = ["tshark", "-n", "-r", path,
               "-o", f"l2tp.cookie_size:{COOKIE_PREF[cookie_len]}",
               "-o", f"l2tp.l2_specific:{L2SS_PREF[l2ss]}",
               "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
               "-d", f"udp.port=={FIRST_PORT}-{LAST_PORT},l2tp",
               "-Y", "l2tp.sid", "-T", "fields", "-E", "occurrence=f", "-E", "separator=|"]
    for field in ("ip.src", "ipv6.src", "l2tp.sid", "l2tp.cookie", "l2tp.l2_spec_s",
                  "l2tp.l2_spec_sequence", "ip.checksum.status", "udp.checksum.status",
                  "data.data", "l2tp.type", "l2tp.version"):
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600,
                         env={**os.environ, "HOME": "/tmp"})
    if run.returncode:
        raise RuntimeError(run.stderr)
    return [line.split("|") for line in run.stdout.splitlines()]


def decode(cookie_len, l2ss):
    if not shutil.which("tshark"):
        ktap.skip("tshark is not installed")
    frames, rows = captured[cookie_len, l2ss]
    if not frames:
        ktap.skip("nothing was captured")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "wire.pcap")
        wire.write_pcap(path, frames)
        seen = tshark(path, cookie_len, l2ss)
    ktap.eq(len(seen), len(rows), "messages that tshark recognises")
    for row, got in zip(rows, seen):
        src4, src6, sid, cookie, has_ns, ns, ip_sum, udp_sum, data, kind, version = got
        ktap.eq(src4 or src6, row.src, "source")
        ktap.eq(int(sid, 0), row.sid, "session id")
        ktap.eq(cookie.replace(":", ""), row.cookie, "cookie")
        if row.udp:
            ktap.eq((kind in ("0", "False"), version), (True, "3"), "type and version")
            # 1: good, 3: not there
            ktap.eq(udp_sum, "3" if src4 else "1", "UDP checksum")
        if src4:
            ktap.eq(ip_sum, "1", "IP checksum")
        if l2ss:
            ktap.eq((has_ns in ("1", "True"), int(ns, 0) if has_ns in ("1", "True") else None),
                    (row.ns is not None, row.ns), "sequence number")
        ktap.eq(data.replace(":", ""), row.payload.hex(), "payload")


def real_programs(family):
    """Ping with all sizes through offloads as they are: fragments inside, checksums by the veth."""
    w = ground()
    one, two = End(w, w.a, 1, family, 900), End(w, w.b, 2, family, 900)
    for host, end, other in ((1, one, two), (2, two, one)):
        create(end, other, "udp", 0, True, "both", FIRST_PORT + 190)
        ktap.cleanup(end.nl.tunnel_gone, end.tid)
        end.space.ip(f"addr add 192.168.9.{host}/24 dev {end.ifname}")
    for size in (56, 1400, 4000, 20000):
        w.a.run(f"ping -q -c 3 -i 0.02 -W 2 -s {size} 192.168.9.2")
    stats = one.counters()[0]
    ktap.eq((stats["tx_errors"], stats["rx_errors"]), (0, 0), "errors")


for _encap, _family, _cookie, _l2ss, _seq in itertools.product(
        ("udp", "ip"), (4, 6), (0, 4, 8, 3), (False, True), ("none", "send", "both")):
    ktap.add(f"{_encap} ip{_family} cookie {_cookie} l2spec {'default' if _l2ss else 'none'} "
             f"seq {_seq}", combination, _encap, _family, _cookie, _l2ss, _seq)
for _cookie, _l2ss in itertools.product((0, 4, 8), (False, True)):
    ktap.add(f"tshark agrees: cookie {_cookie} l2spec {'default' if _l2ss else 'none'}", decode,
             _cookie, _l2ss)
ktap.add("ping of all sizes, udp ip4", real_programs, 4)
ktap.add("ping of all sizes, udp ip6", real_programs, 6)

if __name__ == "__main__":
    sys.exit(ktap.main())
