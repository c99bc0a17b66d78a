#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Packets that stand for several, and checksums that are left to others: split, counted and completed right.

TCP of this machine, virtual machines, and interfaces that merge what they receive hand over packets of up to 64 kB, to be split
by whoever comes last (GSO). The test does the same, by a packet socket. On the wire it must not be seen: a decoder here
checks every packet. The C driver has no offloads, so that the kernel splits packets before it, with the same result.
"""
import itertools
import re
import socket
import struct
import sys
import time

from lib import datapath, impl, ktap, netns, pppox, tracing, xdp
from lib import l2tpwire as wire

SOL_PACKET, PACKET_VNET_HDR = 263, 15
NEEDS_CSUM, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 1, 1, 4, 5
TCP = 6
MSS = 1000
HOSTS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
bed = None
_stream = itertools.count(1)


def ground():
    global bed
    if bed is None:
        bed = datapath.Bed()
        ktap.at_exit(bed.close)
        bed.ns.run("ethtool -K va gso off tso off")
    return bed


def tcp_headers(family, seq, length, vlan=0, flags=0x10, ident=100):
    """Ethernet, IP and TCP header of a packet with `length` bytes; the checksum is begun, not finished."""
    src, dst = HOSTS[family]
    tcp = struct.pack("!HHIIBBHHH", 4000, 5000, seq, 77, 0x50, flags, 8000, 0, 0)
    begun = ~wire.csum16(wire.pseudo(src, dst, TCP, len(tcp) + length)) & 0xFFFF
    tcp = tcp[:16] + struct.pack("!H", begun) + tcp[18:]
    if family == 4:
        packet = wire.ipv4(src, dst, TCP, bytes(20 + length), ident=ident)[:20] + tcp
        kind = wire.ETH_P_IP
    else:
        packet = wire.ipv6(src, dst, TCP, bytes(20 + length))[:40] + tcp
        kind = wire.ETH_P_IPV6
    ether = b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02"
    if vlan:
        ether += struct.pack("!HH", wire.ETH_P_8021Q, vlan)
    return ether + struct.pack("!H", kind) + packet


def payload(length):
    """Bytes in which a part that is lost, repeated or moved is noticed."""
    start = next(_stream) << 16
    words = b"".join(struct.pack("!I", start + n) for n in range(length // 4 + 1))
    return words[:length]


def whole_tcp(number, data, ident, vlan=0):
    """An Ethernet frame with a TCP packet of IPv4 that is complete, the given part of a stream."""
    head, tag = tcp_headers(4, 1 + number * MSS, len(data), vlan, ident=ident), 4 if vlan else 0
    total = wire.csum16(wire.pseudo(*HOSTS[4], TCP, 20 + len(data)) + head[34 + tag:50 + tag] + b"\0\0" + head[52 + tag:] + data)
    return head[:50 + tag] + struct.pack("!H", total) + head[52 + tag:] + data


def inner_tcp(frame):
    """(sequence number, flags, data) of a TCP packet whose checksums and lengths are right."""
    if struct.unpack_from("!H", frame, 12)[0] == wire.ETH_P_8021Q:
        frame = frame[:12] + frame[16:]
    packet = wire.parse_ip(frame)
    ktap.ok(packet.ip_ok and packet.proto == TCP, "inner IP header")
    ktap.eq(packet.total_len, len(frame) - 14, "inner IP length")
    total = wire.csum16(wire.pseudo(packet.src, packet.dst, TCP, len(packet.payload)) + packet.payload)
    ktap.eq(total, 0, "inner TCP checksum")
    seq, flags = struct.unpack_from("!4xI5xB", packet.payload)
    return seq, flags, packet.payload[(packet.payload[12] >> 4) * 4:]


def send_super(space, ifname, frame, family, vlan=0, mss=MSS, gso=True):
    """Hand a packet to an interface, to be split into parts of `mss` bytes, or just to get its checksum."""
    start = 14 + (4 if vlan else 0) + (20 if family == 4 else 40)
    kind = (GSO_TCPV4 if family == 4 else GSO_TCPV6) if gso else 0
    header = struct.pack("=BBHHHH", NEEDS_CSUM, kind, start + 20, mss if gso else 0, start, 16)
    with space.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.bind((ifname, 0))
        sock.send(header + frame)


def check_stream(parts, seq, data, mss=MSS):
    """The parts are the data, in order, each but the last of full length."""
    for number, (got, flags, part) in enumerate(parts):
        ktap.eq(got, seq + number * mss, f"sequence number of part {number}")
        ktap.ok(not flags & 8 or number == len(parts) - 1, "PSH is for the last part")
    ktap.eq([len(part) for _, _, part in parts[:-1]], [mss] * (len(parts) - 1), "lengths of the parts")
    ktap.ok(b"".join(part for _, _, part in parts) == data, "the data arrived")


class Ip:
    """A tunnel over IP between the bed and the test: what Bed.tunnel is for UDP."""

    def __init__(self, tid, family):
        datapath.have_ip(family)
        near, far = datapath.ADDR[family]
        bed.nl.tunnel_create(tid, tid + 1000, encap=1, local=near, remote=far)
        self.tid, self.family, self.sock = tid, family, None
        ktap.cleanup(bed.end, self)


def sent_frames(encap, ses, idents=None):
    """The data messages on the wire, each with its outer header checked; what identifies these is appended to a list."""
    packets = bed.sent(proto=115 if encap == "ip" else wire.PROTO_UDP, settle=0.3)
    if idents is not None:
        idents += [pkt.ident for pkt in packets]
    if encap == "ip":
        return [wire.parse_v3(pkt.payload, len(ses.cookie), ses.l2ss, udp_encap=False) for pkt in packets]
    out = []
    for pkt in packets:
        dgram = wire.parse_udp(pkt)
        ktap.eq(dgram.length, len(pkt.payload), "UDP length")
        ktap.ok(dgram.csum_ok is not False, "UDP checksum")
        ktap.ok(pkt.ip_ok, "outer IP header")
        out.append(wire.parse_v3(dgram.payload, len(ses.cookie), ses.l2ss))
    return out


TUNNELS = "tx-udp_tnl-segmentation {0} tx-udp_tnl-csum-segmentation {0}"


def large_packets(event, device):
    """A trace of what a device sends or receives, from now on; ask it for the packets larger than the MTU."""
    trace = tracing.Trace(events=f"net/{event}")
    return lambda: sum(int(re.search(r"len=(\d+)", text)[1]) > 2000
                       for _, text in trace.named(event) if f"dev={device} " in text)


def sent_whole():
    """The same for the outer interface."""
    return large_packets("net_dev_queue", "va")


def transmit(encap, outer, inner, seq, cookie, csum=False, vlan=0, switch="", splits=False):
    """A packet of 20 kB sent through a session comes out in parts. `splits`: the interface below leaves that to the kernel."""
    space = ground()
    if splits:
        space.ns.run(f"ethtool -K va {TUNNELS.format('off')}")
        ktap.cleanup(space.ns.run, f"ethtool -K va {TUNNELS.format('on')}")
        whole = sent_whole()
    if encap == "ip":
        tun = Ip(700 + outer, outer)
    else:
        more = {"udp_csum": 1} if csum else {}
        if outer == 6 and not csum:
            more = {"zero_csum6_tx": True, "zero_csum6_rx": True}
        tun = space.tunnel(700 + outer, family=outer, managed=False, **more)
    ses = space.session(tun, 1001, l2ss=seq is not None, send_seq=bool(seq), lns_mode=True, cookie=cookie)
    if switch:
        space.ns.run(f"ethtool -K {ses.ifname} {switch}")
    header = (4 if encap == "ip" else 8) + len(cookie) + (0 if seq is None else 4)
    idents = []
    for length in (20 * MSS + 123, 63000):
        data = payload(length)
        head = tcp_headers(inner, 1, length, vlan, 0x18)
        frame = head + data
        if splits:
            # New devices, as a fence has one, make the kernel forget routes. The tunnel learns its own from a packet.
            space.fence()
            send_super(space.ns, ses.ifname, tcp_headers(inner, 9, MSS, vlan) + payload(MSS), inner, vlan, gso=False)
        space.far_wire.drain()
        parts = -(-length // MSS)
        size = length + parts * (len(head) + header)
        with space.change(ses, {"tx_packets": parts, "tx_bytes": size, "d.tx_packets": parts,
                                "d.tx_bytes": size - parts * header}, f"{length} bytes"):
            send_super(space.ns, ses.ifname, frame, inner, vlan)
            frames = sent_frames(encap, ses, idents)
        ktap.eq(len(frames), parts, "packets on the wire")
        for got in frames:
            ktap.eq((got.sid, got.cookie), (ses.psid, cookie), "session id and cookie")
            if vlan:
                ktap.eq(got.payload[12:16], struct.pack("!HH", wire.ETH_P_8021Q, vlan), "VLAN tag")
        numbers = [got.ns for got in frames]
        first = numbers[0]
        ktap.eq(numbers, [first + n for n in range(parts)] if seq else [None] * parts, "Ns")
        check_stream([inner_tcp(got.payload) for got in frames], 1, data)
    if splits:
        ktap.eq(whole(), impl.differs("offloads", c=0, rust=0 if csum else 2), "packets that went through the tunnel unsplit")
    # One packet that only lacks its checksum.
    data = payload(MSS)
    space.far_wire.drain()
    send_super(space.ns, ses.ifname, tcp_headers(inner, 9, MSS, vlan) + data, inner, vlan, gso=False)
    check_stream([inner_tcp(got.payload) for got in sent_frames(encap, ses, idents)], 9, data)
    if outer == 4:
        # They may be fragmented on their way.
        ktap.eq(len(set(idents)), len(idents), "packets whose IP identification no other has")


for _encap, _outer, _seq in itertools.product(("udp", "ip"), (4, 6), (None, False, True)):
    _what = {None: "no sublayer", False: "sublayer", True: "sequence numbers"}[_seq]
    ktap.add(f"sent over {_encap} ip{_outer}, {_what}", transmit, _encap, _outer, 4, _seq,
             b"" if _seq is None else b"cook" if not _seq else b"cookies!", csum=_outer == 6)
ktap.add("sent with outer checksums", transmit, "udp", 4, 4, None, b"cook", csum=True)
ktap.add("sent without, over ip6", transmit, "udp", 6, 4, None, b"cook")
ktap.add("IPv6 in the tunnel", transmit, "udp", 4, 6, False, b"")
ktap.add("IPv6 in the tunnel, over ip", transmit, "ip", 4, 6, False, b"")
ktap.add("VLAN tags in the tunnel", transmit, "udp", 4, 4, False, b"", vlan=99)
ktap.add("VLAN tags in the tunnel, with sequence numbers", transmit, "udp", 4, 4, True, b"", vlan=99)
for _inner, _outer, _csum in itertools.product((4, 6), (4, 6), (False, True)):
    ktap.add(f"split below the tunnel: ip{_inner} in udp ip{_outer}{', outer checksums' * _csum}", transmit, "udp", _outer,
             _inner, False, b"cook", csum=_csum, splits=True)
ktap.add("split below the tunnel: VLAN tags", transmit, "udp", 4, 4, None, b"", vlan=99, splits=True)
for _switch in ("tso off", "gso off", "tx off", "sg off"):
    ktap.add(f"ethtool -K {_switch}", transmit, "udp", 4, 4, False, b"", csum=True,
             switch=_switch if impl.IS_RUST else "gso off")


def datagrams(outer, excess):
    """Datagrams that fill what the route takes, or are `excess` bytes longer, go through a tunnel to be split below it."""
    space = ground()
    parts, mtu = 5, 1500
    tun = space.tunnel(740 + outer, family=outer, managed=False,
                       **({"zero_csum6_tx": True, "zero_csum6_rx": True} if outer == 6 else {}))
    ses = space.session(tun, 1001, l2ss=False)
    space.ns.ip(f"link set {ses.ifname} mtu {mtu}")
    space.ns.run(f"ethtool -K va {TUNNELS.format('off')}")
    ktap.cleanup(space.ns.run, f"ethtool -K va {TUNNELS.format('on')}")
    whole = sent_whole()
    size = mtu - (20 if outer == 4 else 40) - 8 - 8 - 14 - 20 - 8 + excess
    data = payload(parts * size)
    src, dst = HOSTS[4]
    begun = ~wire.csum16(wire.pseudo(src, dst, wire.PROTO_UDP, 8 + len(data))) & 0xFFFF
    packet = wire.ipv4(src, dst, wire.PROTO_UDP, struct.pack("!HHHH", 4000, 5000, 8 + len(data), begun) + data)
    frame = b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02" + struct.pack("!H", wire.ETH_P_IP) + packet
    space.fence()       # as in transmit()
    send_super(space.ns, ses.ifname, tcp_headers(4, 9, MSS) + payload(MSS), 4, gso=False)
    space.far_wire.drain()
    with space.ns.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.bind((ses.ifname, 0))
        sock.send(struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, 42, size, 34, 6) + frame)
    frames = [f for f in space.far_wire.collect(settle=0.3) if f[12:14] == struct.pack("!H", wire.ETH_P_IP if outer == 4 else wire.ETH_P_IPV6)]
    ktap.eq(len(frames), parts * (2 if excess > 0 else 1), "packets on the wire, with fragments")
    ktap.ok(max(map(len, frames), default=0) <= 14 + mtu, "none is longer than the route takes")
    ktap.eq(whole(), impl.differs("offloads", c=0, rust=int(excess <= 0)), "packets that went through the tunnel unsplit")


for _outer, _excess in itertools.product((4, 6), (0, 1, 8, 9)):
    ktap.add(f"datagrams in udp ip{_outer}{f', {_excess} bytes too long' if _excess else ' that just fit'}", datagrams, _outer, _excess)


@ktap.case("what ethtool shows")
def _():
    space = ground()
    ses = space.session(space.tunnel(710), 1001)
    text = space.ns.run(f"ethtool -k {ses.ifname}").stdout
    shown = dict(line.strip().split(": ", 1) for line in text.splitlines()[1:] if ": " in line)
    for feature in ("tx-checksumming", "scatter-gather", "tcp-segmentation-offload"):
        want = impl.differs("offloads", c=("off", "off [fixed]", "off [requested on]"), rust=("on",))
        ktap.ok(shown[feature] in want, f"{feature}: {shown[feature]}")
    ktap.eq(shown["generic-receive-offload"], "on", "generic-receive-offload")


def datagrams_in(space, family):
    """UDP datagrams that a namespace's sockets have got."""
    with space.enter(), open(f"/proc/thread-self/net/snmp{'6' * (family == 6)}", encoding="ascii") as file:
        text = file.read()
    if family == 6:
        return int(re.search(r"^Udp6InDatagrams\s+(\d+)", text, re.M)[1])
    return int([line.split()[1] for line in text.splitlines() if line.startswith("Udp:")][1])


def bridge(space, ifname):
    """Join the interface to another one, and what goes out there to see: a veth takes packets that are to be split."""
    space.ns.batch(["link add x0 type veth peer x1", "link add br0 type bridge forward_delay 0 mcast_snooping 0", "link set x0 master br0",
                    f"link set {ifname} master br0"] + [f"link set {dev} up" for dev in ("x0", "x1", "br0")])
    ktap.cleanup(space.ns.batch, ["link del br0", "link del x0"])
    with space.ns.enter():
        out = wire.PacketSocket("x1", incoming_only=True)
    ktap.cleanup(out.close)
    netns.wait_for(lambda: "state UP" in space.ns.ip("link show dev x0").stdout, what="the bridge's port")
    return out


def program(space, ifname, code):
    """A generic XDP program on the interface, until the case ends."""
    with space.ns.enter():
        ktap.cleanup(xdp.attach(ifname, code).close)


def redirection(space, ifname):
    """Let an XDP program send what the interface receives to another one, and what goes out there to see."""
    space.ns.batch(["link add x0 type veth peer x1", "link set x0 up", "link set x1 up"])
    ktap.cleanup(space.ns.ip, "link del x0")
    with space.ns.enter():
        out, code = wire.PacketSocket("x1", incoming_only=True), xdp.redirect("x0")
    ktap.cleanup(out.close)
    program(space, ifname, code)
    return out


def flush_timeout(space, ifname, nanoseconds):
    """How long an interface waits for more packets that it can merge."""
    space.run(["sh", "-c", f"echo {nanoseconds} > /sys/class/net/{ifname}/gro_flush_timeout"])


def received(family, seq=False, managed=True, below=False, cookie=b"", wrong=b"", vlan=0, count=8, bridged_to=False, gro=True, l2ss=True,
             filtered=""):
    """Packets of a connection that arrive together are merged, unless they have sequence numbers.

    After the tunnel's headers have been taken off; or with `below`, by the network device that receives the datagrams, if the
    kernel has made the tunnel's socket. `wrong` is a cookie that they have instead of the right one. With `bridged_to` they go on through
    a bridge; `gro` is whether the session's interface may merge packets. `filtered` is what an XDP program does there, which is to see
    them as they are on the wire: "pass" or "redirect"; or "late", if it comes when they have been merged.
    """
    space = ground()
    tun = space.tunnel(720, family=family, managed=managed, **({"zero_csum6_rx": True} if not managed and family == 6 else {}))
    ses = space.session(tun, 1001, peer_cookie=cookie, l2ss=l2ss)
    seen = bridge(space, ses.ifname) if bridged_to else redirection(space, ses.ifname) if filtered == "redirect" else ses.dev
    if filtered == "pass":
        program(space, ses.ifname, xdp.PASS)
    if not gro:
        space.ns.run(f"ethtool -K {ses.ifname} gro off")
    if below:
        # A veth receives like other interfaces if what comes is not whole anyway.
        space.ns.run("ethtool -K va gro on")
        space.far.run("ethtool -K vb tso off tx-udp-segmentation off")
        ktap.cleanup(space.ns.run, "ethtool -K va gro off")
        ktap.cleanup(space.far.run, "ethtool -K vb tso on tx-udp-segmentation on")
    if filtered == "late":
        flush_timeout(space.ns, "va", 100_000_000_000)
        ktap.cleanup(flush_timeout, space.ns, "va", 0)
    data = payload(count * MSS)
    tag = 4 if vlan else 0
    datagrams = []
    for number in range(count):
        frame = whole_tcp(number, data[number * MSS:(number + 1) * MSS], 100 + number, vlan)
        datagrams.append(ses.frame(frame, wire.seq(number) if seq else 0, **({"cookie": wrong} if wrong else {})))
    near, far = datapath.ADDR[family]
    # One packet of eight datagrams: they are split, and received one after the other, before anything else.
    size = len(datagrams[0])
    outer = wire.udp_frame(space.near_mac, space.far_mac, far, near, tun.dport, tun.sport, b"".join(datagrams), "zero")
    start = 14 + (20 if family == 4 else 40)
    begun = ~wire.csum16(wire.pseudo(far, near, wire.PROTO_UDP, 8 + count * size)) & 0xFFFF
    outer = outer[:start + 6] + struct.pack("!H", begun) + outer[start + 8:]
    header = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, start + 8, size, start, 6)
    seen.drain()
    bytes_ = count * size
    change = {"rx_packets": count, "rx_bytes": bytes_, "d.rx_packets": count, "d.rx_bytes": bytes_}
    if wrong:
        change = {"rx_cookie_discards": count, "rx_errors": count}
    before = datagrams_in(space.ns, family)
    space.fence()
    # What a fence, as there is one at the end, counts for.
    fence = datagrams_in(space.ns, family) - before
    before += fence
    with space.change(ses, change, "received"):
        with space.far.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sock.bind(("vb", 0))
            sock.send(header + outer)
        if filtered == "late":
            # The interface still has them, unless the clock has ticked while it received them.
            program(space, ses.ifname, xdp.PASS)
            flush_timeout(space.ns, "va", 0)        # when the next packet comes
    apart = seq or filtered in ("pass", "redirect")
    early = impl.differs("receive offload", c=False, rust=below and not managed and not apart and not wrong)
    ktap.eq(datagrams_in(space.ns, family) - before - fence, 1 if early else count, "datagrams that the socket got")
    if wrong:
        return
    frames = seen.collect(settle=0.3, match=lambda f: len(f) > 54 and not wire.is_test_frame(f))
    got = b"".join(frame[54 + tag:] for frame in frames)
    ktap.ok(got == data, "the data arrived, in order")
    want = impl.differs("receive offload", c=count, rust=count if apart else 1)
    ktap.eq(len(frames), want, "packets that the interface shows")


ktap.add("received packets are merged", received, 4, False)
ktap.add("received packets are merged, over ip6", received, 6, False)
ktap.add("received packets with sequence numbers are not", received, 4, True)
for _family in (4, 6):
    ktap.add(f"received datagrams are merged, ip{_family}", received, _family, managed=False, below=True)
ktap.add("received datagrams are merged, with a cookie", received, 4, managed=False, below=True, cookie=b"cookies!")
ktap.add("received datagrams are merged, with VLAN tags", received, 4, managed=False, below=True, cookie=b"cook", vlan=99)
for _vlan, _gro, _cookie, _l2ss in itertools.product((0, 99), (True, False), (b"", b"cook"), (False, True)):
    ktap.add(f"merged datagrams go on through a bridge{', VLAN tags' * bool(_vlan)}{', gro off' * (not _gro)}{', cookie' * bool(_cookie)}"
             f"{', sublayer' * _l2ss}", received, 4, managed=False, below=True, cookie=_cookie, vlan=_vlan, bridged_to=True, gro=_gro,
             l2ss=_l2ss)
ktap.add("received datagrams with sequence numbers are not", received, 4, True, managed=False, below=True)
ktap.add("received datagrams with a wrong cookie are not", received, 4, managed=False, below=True, cookie=b"good", wrong=b"evil")
ktap.add("received datagrams of a user's socket are not", received, 4, below=True)
for _filtered in ("pass", "redirect"):
    ktap.add(f"received datagrams are not merged for an XDP program: {_filtered}", received, 4, managed=False, below=True, filtered=_filtered)
    ktap.add(f"received packets are not merged for an XDP program: {_filtered}", received, 4, filtered=_filtered)
ktap.add("received datagrams are merged when an XDP program comes", received, 4, managed=False, below=True, filtered="late")


def between(encap, seq, switch=False, whole=False):
    """From one kernel to another, on a link that would pass packets on without ever splitting them; it does if told to."""
    space = ground()
    ports = "udp_sport 6000 udp_dport 6000" if encap == "udp" else ""
    if encap == "ip":
        datapath.have_ip()
    space.ns.run("ethtool -K va gso on tso on tx on")
    for here, one, two, sid in ((space.ns, "10.0.0.1", "10.0.0.3", 1), (space.far, "10.0.0.3", "10.0.0.1", 2)):
        if here is space.far:
            here.ip("addr replace 10.0.0.3/24 dev vb")
        datapath.quiet(here)
        here.batch([f"l2tp add tunnel tunnel_id 77 peer_tunnel_id 77 encap {encap} local {one} remote {two} {ports}",
                    f"l2tp add session name x0 tunnel_id 77 session_id {sid} peer_session_id {3 - sid} {seq}",
                    "link set x0 up"])
        ktap.cleanup(here.ip, "l2tp del tunnel tunnel_id 77")
    ktap.cleanup(space.ns.run, "ethtool -K va gso off tso off tx off")
    if switch:
        space.ns.run("ethtool -K x0 tx-udp_tnl-segmentation on", check=impl.IS_RUST)
    with space.far.enter():
        dev = wire.PacketSocket("x0", incoming_only=True)
    ktap.cleanup(dev.close)
    data = payload(30 * MSS)
    trace = sent_whole()
    send_super(space.ns, "x0", tcp_headers(4, 9, MSS) + payload(MSS), 4, gso=False)
    dev.collect(1, lambda f: len(f) > 54)
    before = space.far.counters("x0")["rx_packets"]
    send_super(space.ns, "x0", tcp_headers(4, 1, len(data), 0) + data, 4)
    got, frames = b"", []
    while len(got) < len(data):
        new = dev.collect(1, lambda f: len(f) > 54)
        if not new:
            break
        frames += new
        got += b"".join(frame[54:] for frame in new)
    ktap.ok(got == data, f"{len(got)} bytes of {len(data)} in {len(frames)} packets")
    ktap.eq(space.far.counters("x0")["rx_packets"] - before, 30, "packets counted")
    ktap.eq(trace(), impl.differs("offloads", c=0, rust=int(whole)), "packets that went through the tunnel unsplit")


ktap.add("between two kernels", between, "udp", "")
ktap.add("between two kernels, sequence numbers", between, "udp", "seq both")
ktap.add("between two kernels, over ip", between, "ip", "")
ktap.add("between two kernels, unsplit if told to", between, "udp", "", switch=True, whole=True)
ktap.add("between two kernels, never unsplit with sequence numbers", between, "udp", "seq both", switch=True)
ktap.add("between two kernels, never unsplit over ip", between, "ip", "", switch=True)

def merging(space, ifname, peer):
    """Let a veth interface wait for more packets that it can merge. It merges what comes from one that does not split for it."""
    space.run(f"ethtool -K {ifname} gro on")
    space.run(f"ethtool -K {peer} tso off")
    flush_timeout(space, ifname, 1_000_000_000)


def forwarded(fixed=False, as_list=False):
    """Packets that another interface has merged go into a tunnel through a bridge. `fixed`: they have all the same IP identification.
    `as_list`: they were merged as a list, in front of whose parts there is no room for the tunnel's headers."""
    space = ground()
    ses = space.session(space.tunnel(750, managed=False), 1001, l2ss=False)
    bridge(space, ses.ifname)
    merging(space.ns, "x0", "x1")
    space.ns.run(f"ethtool -K x0 rx-gro-list {'on' if as_list else 'off'}")
    space.ns.run(f"ethtool -K va {TUNNELS.format('off')}")
    ktap.cleanup(space.ns.run, f"ethtool -K va {TUNNELS.format('on')}")
    space.fence()       # as in transmit()
    send_super(space.ns, ses.ifname, tcp_headers(4, 9, MSS) + payload(MSS), 4, gso=False)
    space.far_wire.drain()
    merged = large_packets("netif_receive_skb", "x0")
    data = payload(8 * MSS)
    with space.ns.enter(), wire.PacketSocket("x1", send_only=True) as sender:
        for number in range(8):
            frame = whole_tcp(number, data[number * MSS:(number + 1) * MSS], 0 if fixed else number)
            frame = frame[:20] + b"\x40" + frame[21:24] + b"\0\0" + frame[26:]     # not to be fragmented
            sender.send(frame[:24] + struct.pack("!H", wire.csum16(frame[14:34])) + frame[26:])
    idents = []
    end = time.monotonic() + 30 * impl.SLOW
    while len(idents) < 8 and time.monotonic() < end:
        frames = sent_frames("udp", ses, idents)
        check_stream([inner_tcp(got.payload) for got in frames], 1 + (len(idents) - len(frames)) * MSS,
                     data[(len(idents) - len(frames)) * MSS:len(idents) * MSS])
    ktap.ok(merged(), "packets were merged")
    ktap.eq((len(idents), len(set(idents))), (8, 8), "packets on the wire, IP identifications")


ktap.add("merged packets go into a tunnel", forwarded)
ktap.add("merged packets that have all the same identification go into a tunnel", forwarded, fixed=True)
ktap.add("packets merged as a list go into a tunnel", forwarded, as_list=True)


def bridged(family, merged, inside=False):
    """A LAC: what a PPPoE channel has received is sent by the channel of a session. The kernel merges it if the interface does that;
    else the packets come one by one, with checksums that were left to others. `inside` puts the TCP packets into an IP tunnel."""
    if not impl.load("l2tp_ppp", "pppoe"):
        ktap.skip("no l2tp_ppp, or no pppoe")
    space = pppox.Ground()
    ktap.cleanup(space.close)
    space.ns.batch(["link add p0 address 02:00:00:00:00:01 type veth peer p1 address 02:00:00:00:00:02",
                    "link set p0 up", "link set p1 up"])
    # A veth device merges what comes from one that does not split for it.
    space.ns.run(f"ethtool -K p0 gro {'on' if merged else 'off'}")
    space.ns.run("ethtool -K p1 tso off")
    end = space.end()
    ktap.cleanup(end.close)
    end.management()
    session = end.session(10, 20)
    pppoe = pppox.Pppox(protocol=0, netns=space.ns)         # PX_PROTO_OE
    ktap.cleanup(pppoe.close)
    pppoe.connect(struct.pack("=HIH6s16s", 24, 0, socket.htons(7), bytes.fromhex("020000000002"), b"p0"))
    with space.ns.enter():
        channel = pppox.Channel(pppoe)
        ktap.cleanup(channel.close)
        channel.bridge(session.channel())
    data = payload(20 * MSS)
    frame = tcp_headers(family, 1, len(data)) + data
    protocol = 0x21 if family == 4 else 0x57
    frame = frame[:12] + struct.pack("!HHHHH", 0x8864, 0x1100, 7, min(len(frame) - 12, 0xffff), protocol) + frame[14:]
    start = 14 + 8 + (20 if family == 4 else 40)
    header = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_TCPV4 if family == 4 else GSO_TCPV6, start + 20, MSS, start, 16)
    before, merges = session.stats(), large_packets("netif_receive_skb", "p0")
    if inside:
        merging(space.ns, "p0", "p1")
        with space.ns.enter(), wire.PacketSocket("p1", send_only=True) as sender:
            for number in range(20):
                inner = whole_tcp(number, data[number * MSS:(number + 1) * MSS], 100 + number)[14:]
                packet = wire.ipv4(*HOSTS[4], 4, inner, ident=500 + number) if family == 4 else wire.ipv6(*HOSTS[6], 4, inner)
                sender.send(frame[:18] + struct.pack("!HH", 2 + len(packet), protocol) + packet)
    else:
        with space.ns.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sock.bind(("p1", 0))
            sock.send(header + frame)
    got = []
    # What was merged comes when no more is expected.
    while (datagram := end.sent(5 if not got or inside and len(got) < 20 else 0.3)) is not None:
        got.append(datagram)
    # That the case is about what it says.
    ktap.eq(merges() > 0, merged, "packets were merged")
    kind = struct.pack("!H", wire.ETH_P_IP if family == 4 else wire.ETH_P_IPV6)
    if impl.differs("offloads of a bridged channel", c=True, rust=False):
        # Its UDP datagram cannot be split, or the checksum is sent as it is.
        return ktap.ok(len(got) < 20 if merged else len(got) == 20, f"C: {len(got)} packets, with wrong checksums")
    ktap.eq({g[:10] for g in got}, {struct.pack("!HHHHH", 2, end.ptid, 20, 0xff03, protocol)}, "headers")
    frames = [bytes(12) + kind + g[10:] for g in got]
    if inside:
        outer = [wire.parse_ip(f) for f in frames]
        ktap.ok(all(packet.ip_ok and packet.total_len == len(f) - 14 for packet, f in zip(outer, frames)), "headers of the tunnel inside")
        frames = [bytes(12) + struct.pack("!H", wire.ETH_P_IP) + packet.payload for packet in outer]
    check_stream([inner_tcp(f) for f in frames], 1, data)
    now = session.stats()
    ktap.eq({k: now[k] - before[k] for k in ("tx_packets", "tx_bytes", "tx_errors")},
            {"tx_packets": 20, "tx_bytes": sum(len(g) for g in got), "tx_errors": 0}, "counters")
    return None


for _family in (4, 6):
    ktap.add(f"packets of a bridged PPPoE channel, ip{_family}", bridged, _family, False)
    ktap.add(f"merged packets of a bridged PPPoE channel are split, ip{_family}", bridged, _family, True)
    ktap.add(f"merged packets of a bridged PPPoE channel are split, ip4 in ip{_family}", bridged, _family, True, inside=True)


@ktap.case("a checksum left to others begins in front of a frame that a bridged channel hands on")
def _():
    """As a virtual machine's frame can have it. There is nothing to fill in then: it is none of the frame that is handed on."""
    if not impl.load("l2tp_ppp"):
        ktap.skip("no l2tp_ppp")
    space = pppox.Ground()
    ktap.cleanup(space.close)
    for name in ("route_localnet", "accept_local"):         # or a frame of ours on lo cannot come from there
        space.ns.sysctl(f"net.ipv4.conf.lo.{name}", 1)
    left, right = space.end(), space.end()
    for end in (left, right):
        ktap.cleanup(end.close)
        end.management()
    session, other = left.session(10, 20), right.session(10, 20)
    with space.ns.enter():
        channel = pppox.Channel(session)
        ktap.cleanup(channel.close)
        channel.bridge(other.channel())
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    ktap.cleanup(sock.close)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.bind(("lo", 0))
    before = other.stats()
    for number, start in enumerate((34, 42, 48, 49), 1):        # the headers of UDP and L2TP, PPP's address and its control field
        frame = struct.pack("!HHHH", 2, right.ptid, 20, 0xff03) + b"\xc0\x21" + payload(60)
        data = struct.pack("!HHH", 2, left.tid, 10) + frame[6:]
        ports = left.peer.getsockname()[1], left.udp.getsockname()[1]
        packet = wire.ipv4("127.0.0.1", "127.0.0.1", wire.PROTO_UDP, wire.udp("127.0.0.1", "127.0.0.1", *ports, data))
        sock.send(struct.pack("=BBHHHH", NEEDS_CSUM, 0, 0, 0, start, 20) + bytes(12) + struct.pack("!H", wire.ETH_P_IP) + packet)
        ktap.eq(right.sent(5), frame, f"the frame, with a checksum from byte {start} on")
        now = other.stats()
        ktap.eq((now["tx_packets"] - before["tx_packets"], now["tx_errors"] - before["tx_errors"]), (number, 0), "sent, errors")


if __name__ == "__main__":
    sys.exit(ktap.main())
