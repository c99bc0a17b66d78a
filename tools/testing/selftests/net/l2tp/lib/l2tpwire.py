# SPDX-License-Identifier: GPL-2.0
"""L2TP frames as bytes: build, parse, send and capture them without any decoder library.

The builders can make every malformed frame that a test needs; the parsers know nothing about the
kernel's state, the caller says which cookie length and L2-specific sublayer to expect.
"""

import array
import collections
import errno
import fcntl
import ipaddress
import select
import socket
import struct
import time

from . import impl

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
ETH_P_8021Q = 0x8100
ETH_P_TEST = 0x88B5          # IEEE 802 local experimental: nobody in the kernel answers it
PROTO_UDP = 17
PROTO_L2TP = 115

V2_T, V2_L, V2_S, V2_O, V2_P = 0x8000, 0x4000, 0x0800, 0x0200, 0x0100
SEQ_BIT = 0x40000000         # S bit of the default L2-specific sublayer

SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
SO_RCVBUFFORCE = 33
SIOCGIFHWADDR = 0x8927
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17


# ---------------------------------------------------------------- building

def csum16(data):
    """One's complement sum of the internet protocols, as a number ready to store."""
    if len(data) & 1:
        data += b"\0"
    words = array.array("H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return socket.htons(~total & 0xFFFF)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ether(dst, src, proto, payload):
    return dst + src + struct.pack("!H", proto) + payload


def ipv4(src, dst, proto, payload, ttl=64, tos=0, ident=1, frag=0):
    """frag is the whole 16-bit flags and offset field."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), ident, frag, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", csum16(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload, hops=64, tclass=0):
    return struct.pack("!IHBB16s16s", 6 << 28 | tclass << 20, len(payload), proto, hops,
                       socket.inet_pton(socket.AF_INET6, src),
                       socket.inet_pton(socket.AF_INET6, dst)) + payload


def is6(addr):
    return ":" in addr


def pseudo(src, dst, proto, length):
    if is6(src):
        return (socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
                + struct.pack("!II", length, proto))
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", proto, length)


def udp(src, dst, sport, dport, payload, csum="good"):
    """csum: good, zero or bad."""
    length = 8 + len(payload)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    value = 0
    if csum != "zero":
        value = csum16(pseudo(src, dst, PROTO_UDP, length) + head + payload) or 0xFFFF
        if csum == "bad":
            value = (value ^ 0x5555) or 1
    return head[:6] + struct.pack("!H", value) + payload


def ip_frame(dmac, smac, src, dst, proto, payload, **kw):
    """A whole Ethernet frame with an IP packet of the addresses' family."""
    if is6(src):
        return ether(dmac, smac, ETH_P_IPV6, ipv6(src, dst, proto, payload, **kw))
    return ether(dmac, smac, ETH_P_IP, ipv4(src, dst, proto, payload, **kw))


def udp_frame(dmac, smac, src, dst, sport, dport, payload, csum="good", **kw):
    return ip_frame(dmac, smac, src, dst, PROTO_UDP,
                    udp(src, dst, sport, dport, payload, csum), **kw)


def v4_fragments(dmac, smac, src, dst, proto, payload, sizes, ident=77):
    """The IP payload cut at the given byte counts (multiples of 8), rest last."""
    out, at = [], 0
    cuts = list(sizes) + [len(payload) - sum(sizes)]
    for i, size in enumerate(cuts):
        more = 0x2000 if i < len(cuts) - 1 else 0
        out.append(ip_frame(dmac, smac, src, dst, proto, payload[at:at + size], ident=ident,
                            frag=more | at // 8))
        at += size
    return out


def v3(sid, payload, cookie=b"", l2ss=None, flags=0x0003, reserved=0, udp_encap=True):
    """An L2TPv3 data message; l2ss None leaves the sublayer out, a number is put in."""
    head = struct.pack("!HH", flags, reserved) if udp_encap else b""
    head += struct.pack("!I", sid) + cookie
    if l2ss is not None:
        head += struct.pack("!I", l2ss)
    return head + payload


def seq(ns):
    """The default L2-specific sublayer that carries this sequence number."""
    return SEQ_BIT | ns


def v2(tid, sid, payload, ns=None, nr=0, length=None, offset=None, flags=0, ver=2):
    """An L2TPv2 data message. offset is the number of pad bytes after the offset size field."""
    if ns is not None:
        flags |= V2_S
    if length is not None:
        flags |= V2_L
    if offset is not None:
        flags |= V2_O
    head = struct.pack("!H", flags | ver)
    if length is not None:
        head += struct.pack("!H", length)
    head += struct.pack("!HH", tid, sid)
    if ns is not None:
        head += struct.pack("!HH", ns, nr)
    if offset is not None:
        head += struct.pack("!H", offset) + b"\xee" * offset
    return head + payload


def inner(tag=0, size=60, dst=b"\xff" * 6, src=b"\x02\0\0\0\0\x77", vlan=None, proto=ETH_P_TEST):
    """An inner Ethernet frame of `size` bytes that is recognisable by its tag."""
    body = b"" if vlan is None else struct.pack("!HH", ETH_P_8021Q, vlan)
    body += struct.pack("!HI", proto, tag)
    frame = dst + src + body
    pattern = bytes((tag + i) & 0xFF for i in range(64))
    need = size - len(frame)
    return frame + (pattern * (need // 64 + 1))[:need] if need > 0 else frame[:size]


def inner_tag(frame, vlan=False):
    at = 18 if vlan else 14
    return struct.unpack_from("!I", frame, at)[0] if len(frame) >= at + 4 else None


# ---------------------------------------------------------------- parsing

Packet = collections.namedtuple(
    "Packet", "version src dst proto ttl tos ident df mf frag_off total_len ip_ok flow payload")
Datagram = collections.namedtuple("Datagram", "ip sport dport length csum csum_ok payload")
Data3 = collections.namedtuple("Data3", "flags reserved sid cookie l2ss ns payload")
Data2 = collections.namedtuple("Data2", "flags tid sid ns nr payload")


def parse_ip(frame):
    """The IP packet of an Ethernet frame, or None."""
    if len(frame) < 34:
        return None
    proto = struct.unpack_from("!H", frame, 12)[0]
    data = frame[14:]
    if proto == ETH_P_IP:
        ihl = (data[0] & 15) * 4
        tos, tot, ident, frag, ttl, nxt = struct.unpack_from("!xBHHHBB", data)
        return Packet(4, socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20]), nxt, ttl, tos,
                      ident, bool(frag & 0x4000), bool(frag & 0x2000), (frag & 0x1FFF) * 8, tot,
                      csum16(data[:ihl]) == 0, 0, data[ihl:tot] if tot else data[ihl:])
    if proto == ETH_P_IPV6 and len(data) >= 40:
        word, plen, nxt, hops = struct.unpack_from("!IHBB", data)
        body, ident, mf, off = data[40:40 + plen], 0, False, 0
        if nxt == 44 and len(body) >= 8:        # fragment header
            nxt, frag, ident = struct.unpack_from("!BxHI", body)
            mf, off, body = bool(frag & 1), frag & 0xFFF8, body[8:]
        return Packet(6, str(ipaddress.IPv6Address(data[8:24])),
                      str(ipaddress.IPv6Address(data[24:40])), nxt, hops, word >> 20 & 0xFF, ident,
                      False, mf, off, plen + 40, True, word & 0xFFFFF, body)
    return None


def parse_udp(pkt):
    """The datagram in a whole (not fragmented) IP packet, or None."""
    if pkt is None or pkt.proto != PROTO_UDP or len(pkt.payload) < 8 or pkt.mf or pkt.frag_off:
        return None
    sport, dport, length, value = struct.unpack_from("!HHHH", pkt.payload)
    ok = None
    if value:
        ok = csum16(pseudo(pkt.src, pkt.dst, PROTO_UDP, length) + pkt.payload[:length]) == 0
    return Datagram(pkt, sport, dport, length, value, ok, pkt.payload[8:length])


def parse_v3(data, cookie_len=0, l2ss=False, udp_encap=True):
    at, flags, reserved = 0, 3, 0
    if udp_encap:
        flags, reserved = struct.unpack_from("!HH", data)
        at = 4
    sid = struct.unpack_from("!I", data, at)[0]
    at += 4
    cookie = data[at:at + cookie_len]
    at += cookie_len
    word = ns = None
    if l2ss:
        word = struct.unpack_from("!I", data, at)[0]
        at += 4
        if word & SEQ_BIT:
            ns = word & 0xFFFFFF
    return Data3(flags, reserved, sid, cookie, word, ns, data[at:])


def parse_v2(data):
    flags, tid, sid = struct.unpack_from("!HHH", data)
    at, ns, nr = 6, None, None
    if flags & V2_S:
        ns, nr = struct.unpack_from("!HH", data, at)
        at += 4
    return Data2(flags, tid, sid, ns, nr, data[at:])


def reassemble(pkts):
    """One Packet of the fragments in the list, or None while a part is missing."""
    pkts = sorted(pkts, key=lambda p: p.frag_off)
    body = b""
    for pkt in pkts:
        if pkt.frag_off != len(body):
            return None
        body += pkt.payload
    if not pkts or pkts[-1].mf:
        return None
    return pkts[0]._replace(mf=False, payload=body)


# ---------------------------------------------------------------- sockets

class PacketSocket:
    """AF_PACKET socket on one interface of the current namespace; VLAN tags are put back."""

    def __init__(self, ifname, incoming_only=False, send_only=False, rcvbuf=8 << 20):
        self.ifname = ifname
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if incoming_only:
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.bind((ifname, 0 if send_only else ETH_P_ALL))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, frame):
        return self.sock.send(frame)

    def recv_one(self, timeout=0.0):
        """(frame, outgoing) or None."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return None
        try:
            frame, anc, _, addr = self.sock.recvmsg(1 << 17, 256)
        except OSError as error:
            if error.errno == errno.ENETDOWN:       # told once, after the device went down
                return None
            raise
        for level, kind, data in anc:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", tpid or ETH_P_8021Q, tci) + frame[12:]
        return frame, addr[2] == PACKET_OUTGOING

    def drain(self):
        """Forget what has arrived so far."""
        while self.recv_one():
            pass

    def collect(self, want=None, match=lambda frame: True, timeout=30.0, settle=0.15):
        """Frames that match, until `want` of them have come (then only what is there already) or
        the time is over. want=None or 0 waits `settle` seconds and takes what came."""
        out = []
        end = time.monotonic() + (timeout * impl.SLOW if want else settle)
        while True:
            left = end - time.monotonic()
            if want and len(out) >= want:
                left = 0
            got = self.recv_one(max(left, 0))
            if got is None:
                return out
            if match(got[0]):
                out.append(got[0])


def is_test_frame(frame):
    """Made by inner(), with or without a VLAN tag."""
    kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 14 else 0
    if kind == ETH_P_8021Q and len(frame) >= 18:
        kind = struct.unpack_from("!H", frame, 16)[0]
    return kind == ETH_P_TEST


def hwaddr(ifname):
    """MAC address of an interface of the current namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("16s24x", ifname.encode()))[18:24]


def tx_checksum_off(ifname):
    """Let the kernel finish checksums before the wire, so that a capture shows the real ones."""
    value = array.array("B", struct.pack("II", ETHTOOL_STXCSUM, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        req = struct.pack("16sP16x", ifname.encode(), value.buffer_info()[0])
        fcntl.ioctl(sock, SIOCETHTOOL, req)


def write_pcap(path, frames):
    """A pcap file of Ethernet frames, for other decoders."""
    with open(path, "wb") as out:
        out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 17, 1))
        for i, frame in enumerate(frames):
            out.write(struct.pack("=IIII", i // 1000, i % 1000, len(frame), len(frame)) + frame)
