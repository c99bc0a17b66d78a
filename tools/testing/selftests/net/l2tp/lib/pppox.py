# SPDX-License-Identifier: GPL-2.0
"""PPPoL2TP sockets and the parts of generic PPP that tests need, through raw system calls.

    tunnel = udp_socket("127.0.0.1", "127.0.0.1", 5000, 5001)
    management = Pppox(); management.connect(V2(tunnel.fileno(), 1, 0, 2, 0))
    session = Pppox(); session.connect(V2(tunnel.fileno(), 1, 10, 2, 20))
    session.send(b"\\xc0\\x21..."); session.recv()
    session.getsockopt(SENDSEQ); session.stats()["tx_packets"]

Calls raise OSError; ``errno_of(call, ...)`` gives the name of the errno instead, or "ok".
"""
import ctypes
import errno
import fcntl
import os
import socket
import struct

from . import impl
from .abi import *

STATS = ("tx_packets", "tx_bytes", "tx_errors", "rx_packets", "rx_bytes", "rx_seq_discards",
         "rx_oos_packets", "rx_errors")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    result = getattr(_libc, name)(*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def errno_of(function, *args, **kwargs):
    """The errno's name if the call fails, else "ok"."""
    try:
        function(*args, **kwargs)
    except OSError as error:
        return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno]
    return "ok"


# ---------------------------------------------------------------- sockets

class Pppox:
    """A PPPoL2TP socket; closes with the with-statement or close()."""

    def __init__(self, kind=socket.SOCK_DGRAM, protocol=PX_PROTO_OL2TP, netns=None):
        if netns is None:
            self.fd = _call("socket", AF_PPPOX, kind | socket.SOCK_CLOEXEC, protocol)
        else:
            with netns.enter():
                self.fd = _call("socket", AF_PPPOX, kind | socket.SOCK_CLOEXEC, protocol)

    def fileno(self):
        return self.fd

    def connect(self, address, length=None):
        """connect(); with a length, so many bytes of the address (padded with zeroes)."""
        length = len(address) if length is None else length
        _call("connect", self.fd, address.ljust(max(length, 0) + 1, b"\0"), length)
        return self

    def bind(self, address):
        _call("bind", self.fd, address, len(address))

    def listen(self):
        _call("listen", self.fd, 1)

    def accept(self):
        _call("accept", self.fd, None, None)

    def shutdown(self, how=2):
        _call("shutdown", self.fd, how)

    def _name(self, call):
        buffer = ctypes.create_string_buffer(b"\xaa" * 128, 128)
        length = ctypes.c_uint(128)
        _call(call, self.fd, buffer, ctypes.byref(length))
        return buffer.raw[:length.value]

    def getsockname(self):
        return self._name("getsockname")

    def getpeername(self):
        return self._name("getpeername")

    def setsockopt(self, option, value, length=None, level=SOL_PPPOL2TP):
        """The value is an int, bytes, or None for a bad pointer."""
        raw = struct.pack("=i", value) if isinstance(value, int) else value
        if raw is None:
            pointer, length = ctypes.c_void_p(8), 4 if length is None else length
        else:
            pointer, length = raw + bytes(64), len(raw) if length is None else length
        _call("setsockopt", self.fd, level, option, pointer, length)

    def getsockopt(self, option, length=4, level=SOL_PPPOL2TP, pointer=None):
        """The bytes that came back; the value of an int if there are four."""
        buffer = ctypes.create_string_buffer(b"\xaa" * 64, 64)
        got = ctypes.c_int(length)
        _call("getsockopt", self.fd, level, option, buffer if pointer is None else pointer,
              ctypes.byref(got))
        raw = buffer.raw[:got.value]
        return struct.unpack("=i", raw)[0] if len(raw) == 4 else raw

    def ioctl(self, request, pointer):
        """ioctl() with a raw pointer or a buffer."""
        return _call("ioctl", self.fd, ctypes.c_ulong(request), pointer)

    def ioctl_int(self, request):
        value = ctypes.c_int(0x55AA55AA)
        self.ioctl(request, ctypes.byref(value))
        return value.value

    def channel(self):
        """PPPIOCGCHAN: the channel's index; marks the socket as bound."""
        return self.ioctl_int(PPPIOCGCHAN)

    def raw_stats(self, session=0):
        buffer = ctypes.create_string_buffer(
            struct.pack("=HHI8Q", 0xAAAA, session, 0xFFFFFFFF, *[0xAAAAAAAA] * 8), 72)
        self.ioctl(PPPIOCGL2TPSTATS, buffer)
        return buffer.raw[:72]

    def stats(self, session=0):
        """PPPIOCGL2TPSTATS as a dictionary, with tunnel, session and flags."""
        fields = struct.unpack("=HHI8Q", self.raw_stats(session))
        return dict(zip(("tunnel", "session", "flags") + STATS, fields))

    def send(self, data):
        return os.write(self.fd, data)

    def recv(self, size=65536, flags=socket.MSG_DONTWAIT):
        buffer = ctypes.create_string_buffer(max(size, 1))
        length = _call("recv", self.fd, buffer, size, flags)
        return buffer.raw[:length]

    def recvmsg(self, size=65536, flags=socket.MSG_DONTWAIT):
        """One frame, at most so many bytes of it, and msg_flags."""
        buffer = ctypes.create_string_buffer(max(size, 1))
        iov = struct.pack("=QQ", ctypes.addressof(buffer), size)
        vector = ctypes.create_string_buffer(iov, 16)
        message = ctypes.create_string_buffer(
            struct.pack("=QIIQQQQiI", 0, 0, 0, ctypes.addressof(vector), 1, 0, 0, 0, 0), 56)
        length = _call("recvmsg", self.fd, message, flags)
        return buffer.raw[:length], struct.unpack("=i", message.raw[48:52])[0]

    def dup(self):
        other = object.__new__(Pppox)
        other.fd = os.dup(self.fd)
        return other

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


# ---------------------------------------------------------------- generic PPP

def dev_ppp():
    """Make sure that /dev/ppp is there."""
    if not os.path.exists("/dev/ppp"):
        os.mknod("/dev/ppp", 0o600 | 0o020000, os.makedev(108, 0))


class Channel:
    """A descriptor of /dev/ppp attached to a socket's channel (in the namespace of the caller)."""

    def __init__(self, sock):
        dev_ppp()
        self.fd = os.open("/dev/ppp", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, PPPIOCATTCHAN, struct.pack("=i", sock.channel()))
        except BaseException:
            os.close(self.fd)
            raise

    def connect(self, unit):
        """Attach the channel to a unit, so that the unit's device sends through it."""
        fcntl.ioctl(self.fd, PPPIOCCONNECT, struct.pack("=i", unit.number))

    def bridge(self, other_index):
        fcntl.ioctl(self.fd, PPPIOCBRIDGECHAN, struct.pack("=i", other_index))

    def read(self):
        return os.read(self.fd, 65536)

    def write(self, frame):
        return os.write(self.fd, frame)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Unit:
    """A PPP unit: a network device ppp<number>, in the namespace of the caller."""

    def __init__(self):
        dev_ppp()
        self.fd = os.open("/dev/ppp", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.number, = struct.unpack("=i", fcntl.ioctl(self.fd, PPPIOCNEWUNIT,
                                                       struct.pack("=i", -1)))
        self.name = f"ppp{self.number}"

    def pass_through(self, *protocols):
        """Let network protocols pass, as pppd does once their control protocol is up."""
        for protocol in protocols or (IP_PROTO, IPV6_PROTO):
            fcntl.ioctl(self.fd, PPPIOCSNPMODE, struct.pack("=ii", protocol, 0))

    def write(self, frame):
        """Sends a frame, protocol field first, as a daemon does."""
        return os.write(self.fd, frame)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


# ---------------------------------------------------------------- ground for tests

class Ground:
    """A namespace with pairs of UDP sockets that can be tunnels; ids are new for each one.

        ground = Ground()
        end = ground.end()                 # end.udp, end.peer (plain sockets), end.tid, end.ptid
        end.management()                   # makes the tunnel
        sock = end.session(10, 20)
    """

    def __init__(self):
        from . import l2tp, netns
        self.ns = netns.NetNS()
        self.nl = l2tp.L2tp(netns=self.ns)
        self.wait_for = netns.wait_for
        self.udp_socket = l2tp.udp_socket
        self.next_id = 100

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def end(self, v6=False, connect=True):
        return End(self, v6, connect)

    def socket(self, **kw):
        return Pppox(netns=self.ns, **kw)

    def close(self):
        self.nl.close()
        self.ns.delete()


class End:
    """A pair of connected UDP sockets, one of which is to be a tunnel."""

    def __init__(self, ground, v6=False, connect=True):
        local = "::1" if v6 else "127.0.0.1"
        self.ground, self.v6 = ground, v6
        self.tid, self.ptid = ground.new_id(), ground.new_id()
        self.udp = ground.udp_socket(local, netns=ground.ns)
        self.peer = ground.udp_socket(local, netns=ground.ns)
        self.peer.connect(self.udp.getsockname()[:2])
        if connect:
            self.udp.connect(self.peer.getsockname()[:2])
        self.open = []

    def address(self, sid, psid, variant=None, tid=None, ptid=None, fd=None, **kw):
        variant = variant or ("v2in6" if self.v6 else "v2")
        return VARIANTS[variant][0](self.udp.fileno() if fd is None else fd,
                                    self.tid if tid is None else tid, sid,
                                    self.ptid if ptid is None else ptid, psid, **kw)

    def socket(self):
        sock = self.ground.socket()
        self.open.append(sock)
        return sock

    def management(self, variant=None, **kw):
        return self.socket().connect(self.address(0, 0, variant, **kw))

    def session(self, sid, psid, variant=None, **kw):
        return self.socket().connect(self.address(sid, psid, variant, **kw))

    def wait(self, what, predicate):
        self.ground.wait_for(predicate, 10, what)

    def inject(self, sid, frame, flags=0x0002, seq=None):
        """A data frame of the peer for an L2TPv2 session arrives."""
        head = struct.pack("!HHH", flags | (0x0800 if seq is not None else 0), self.tid, sid)
        if seq is not None:
            head += struct.pack("!HH", seq, 0)
        self.peer.send(head + frame)

    def sent(self, timeout=30.0):
        """The next datagram that the tunnel sent, or None."""
        self.peer.settimeout(timeout * impl.SLOW)
        try:
            return self.peer.recv(65536)
        except TimeoutError:
            return None

    def close(self):
        for sock in self.open:
            sock.close()
        self.udp.close()
        self.peer.close()
