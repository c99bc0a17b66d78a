# SPDX-License-Identifier: GPL-2.0
"""Operations: packets of which something is left to others, as TCP and virtual machines make them: checksums, splitting (GSO).

What is left is said in a struct virtio_net_hdr: flags, kind of packet, length of its headers, bytes of each part, where to begin with
the checksum and where to put it. It may be wrong.
"""
import struct

import netlink
from program import VNET, text, wire

NEEDS_CSUM = 1
TCPV4, TCPV6, UDP_L4, ECN = 1, 4, 5, 0x80
TCP, UDP = 6, 17
MOST = 50                       # parts of a packet
HOSTS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


def header(flags, kind, length, size, start, offset):
    """struct virtio_net_hdr"""
    return struct.pack("=BBHHHH", flags, kind, length, size, start, offset)


def begun(src, dst, proto, length):
    """The checksum of the pseudo-header, to which others add the rest."""
    return ~wire.csum16(wire.pseudo(src, dst, proto, length)) & 0xffff


def odd_header(e, fields, length):
    """The header with one wrong field."""
    fields = list(fields)
    at = e.random.randrange(6)
    fields[at] = e.pick(((0, 1, 2, 4, 7, 255), (0, 1, 3, 4, 5, ECN, ECN | TCPV4, 0xff), (0, 14, 40, 54, length, 0xffff),
                         (0, max(length // MOST, 1), length, 0xffff), (0, 14, 33, length - 1, length, 0xffff),
                         (0, 6, 15, 16, 100, 0xffff))[at])
    return header(*fields)


def packet(e):
    """A TCP or UDP packet in a frame, and its struct virtio_net_hdr."""
    family, proto = e.pick((4, 4, 6)), e.pick((TCP, TCP, UDP))
    src, dst = HOSTS[family]
    data = e.random.randbytes(e.pick((0, 1, 100, 1000, 1400, 1401, 3000, 9000)))
    if proto == TCP:
        top = struct.pack("!HHIIBBHHH", 4000, 5000, e.pick((1, 0xffffff00)), 77, 0x50, e.pick((0x10, 0x18, 0x99)), 8000,
                          begun(src, dst, proto, 20 + len(data)), 0)
    else:
        top = struct.pack("!HHHH", 4000, 5000, 8 + len(data), begun(src, dst, proto, 8 + len(data)))
    frame = wire.ip_frame(bytes.fromhex("020000000077"), bytes.fromhex("020000000078"), src, dst, proto, top + data)
    if e.chance(0.1):
        frame = frame[:12] + struct.pack("!HH", wire.ETH_P_8021Q, 5) + frame[12:]
    start = len(frame) - len(data) - len(top)
    size = e.pick((1400, 1000, 500, max(len(data) // MOST, 1)))
    kind = (TCPV4 if family == 4 else TCPV6) if proto == TCP else UDP_L4
    fields = NEEDS_CSUM, kind, start + len(top), size, start, 16 if proto == TCP else 6
    if len(data) <= size or e.chance(0.2):
        fields = NEEDS_CSUM, 0, 0, 0, *fields[4:]
    return frame, odd_header(e, fields, len(frame)) if e.chance(0.2) else header(*fields)


def leave(e, mutate):
    """Through the device of a session."""
    have = [s["name"] for s in e.sessions.values() if s["name"] and s["name"] not in ("lo", "tap0")]
    frame, what = packet(e)
    if e.chance(0.1):
        frame = mutate(e, frame)
    e.add("frame", VNET, e.pick(have) if have else e.pick(netlink.NAMES), text(what), text(frame))


def datagrams(e, far, near, sport, dport, data, ether):
    """What comes in from the wire for a tunnel over UDP: some equal datagrams in one packet, or one that has no checksum yet."""
    count = e.pick((1, 1, 2, 3, 8))
    outer = wire.udp_frame(*ether, far, near, sport, dport, data * count, "zero")
    start = len(outer) - len(data) * count - 8
    total = begun(far, near, UDP, 8 + len(data) * count)
    outer = outer[:start + 6] + struct.pack("!H", total) + outer[start + 8:]
    fields = NEEDS_CSUM, UDP_L4 if count > 1 else 0, start + 8 if count > 1 else 0, len(data) if count > 1 else 0, start, 6
    e.arrive(outer, odd_header(e, fields, len(outer)) if e.chance(0.15) else header(*fields))
