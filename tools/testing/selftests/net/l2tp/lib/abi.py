# SPDX-License-Identifier: GPL-2.0
"""PPPoL2TP and L2TP/IP sockets: numbers and address structures, as bytes. No system call is made here."""
import socket
import struct

# ---------------------------------------------------------------- PPPoL2TP and generic PPP

AF_PPPOX, PX_PROTO_OL2TP, SOL_PPPOL2TP = 24, 1, 273
DEBUG, RECVSEQ, SENDSEQ, LNSMODE, REORDERTO = 1, 2, 3, 4, 5

PPPIOCGCHAN, PPPIOCGMRU, PPPIOCSMRU = 0x80047437, 0x80047453, 0x40047452
PPPIOCGFLAGS, PPPIOCSFLAGS, PPPIOCGL2TPSTATS = 0x8004745A, 0x40047459, 0x80487436
PPPIOCATTCHAN, PPPIOCNEWUNIT, PPPIOCCONNECT = 0x40047438, 0xC004743E, 0x4004743A
PPPIOCBRIDGECHAN, PPPIOCUNBRIDGECHAN = 0x40047435, 0x7434
PPPIOCSNPMODE = 0x4008744B
IP_PROTO, IPV6_PROTO, LCP = 0x0021, 0x0057, 0xC021


def sin(address="0.0.0.0", port=0):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) \
        + socket.inet_aton(address) + bytes(8)


def sin6(address="::", port=0):
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) \
        + socket.inet_pton(socket.AF_INET6, address) + bytes(4)


def _head(fd, pid, family=AF_PPPOX, protocol=PX_PROTO_OL2TP):
    return struct.pack("=HIii", family, protocol, pid, fd)


def V2(fd, tid, sid, ptid, psid, pid=0, addr=sin(), **kw):
    return _head(fd, pid, **kw) + addr + struct.pack("=HHHH", tid, sid, ptid, psid)


def V2in6(fd, tid, sid, ptid, psid, pid=0, addr=sin6(), **kw):
    return _head(fd, pid, **kw) + struct.pack("=HHHH", tid, sid, ptid, psid) + addr


def V3(fd, tid, sid, ptid, psid, pid=0, addr=sin(), **kw):
    return _head(fd, pid, **kw) + addr + struct.pack("=IIII", tid, sid, ptid, psid)


def V3in6(fd, tid, sid, ptid, psid, pid=0, addr=sin6(), **kw):
    return _head(fd, pid, **kw) + struct.pack("=IIII", tid, sid, ptid, psid) + addr


VARIANTS = {"v2": (V2, 38), "v2in6": (V2in6, 50), "v3": (V3, 46), "v3in6": (V3in6, 58)}


# ---------------------------------------------------------------- L2TP/IP

PROTOCOL = 115
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
LENGTH = {4: 16, 6: 32}
SIOCOUTQ, SIOCINQ = 0x5411, 0x541b


def v4(address="0.0.0.0", connection=0, family=socket.AF_INET, unused=0, pad=b"\0" * 4):
    """struct sockaddr_l2tpip"""
    return struct.pack("=HH4sI4s", family, unused, socket.inet_aton(address), connection, pad)


def v6(address="::", connection=0, family=socket.AF_INET6, unused=0, flowinfo=0, scope=0):
    """struct sockaddr_l2tpip6"""
    return (struct.pack("=HH", family, unused) + struct.pack("!I", flowinfo) +
            socket.inet_pton(socket.AF_INET6, address) + struct.pack("=II", scope, connection))


def address(family, host, connection=0, **more):
    """The address of either family."""
    return (v4 if family == 4 else v6)(host, connection, **more)


def cmsg(level, kind, data):
    """One control message, padded."""
    length = 16 + len(data)
    return struct.pack("=Qii", length, level, kind) + data + b"\0" * (-length % 8)


def control_message(connection, body=b"", length=None):
    """A control message header (T, L, S, version 3) with a body, as user space sends and gets it."""
    total = 12 + len(body) if length is None else length
    return struct.pack("!HHIHH", 0xc803, total, connection, 0, 0) + body
