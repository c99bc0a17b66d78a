# SPDX-License-Identifier: GPL-2.0
"""L2TP/IP sockets (protocol 115) through the system calls themselves.

Python's socket module knows no ``struct sockaddr_l2tpip``, so addresses are
bytes here, made by v4() and v6(), and calls go to the C library. A failing call
returns the name of the errno instead of its result::

    with Sock(4) as s:
        s.bind(v4("127.0.0.1", 7))           # 0, or "EADDRINUSE"
        s.getsockname()                       # bytes, or "ENOTCONN"
"""
import ctypes
import errno
import fcntl
import os
import socket
import struct

from . import impl, ktap, netns
from .abi import *

_libc = ctypes.CDLL(None, use_errno=True)
_space = None


def errno_name(number):
    """The name of an errno; of two names for one number that of the socket calls."""
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode[number]


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
                ("iov", ctypes.POINTER(Iovec)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


def call(function, *arguments):
    """The result of a function of the C library, or the name of the errno."""
    result = getattr(_libc, function)(*arguments)
    if result < 0:
        return errno_name(ctypes.get_errno())
    return result


def cmsgs(control):
    """[(level, type, data)]"""
    out = []
    while len(control) >= 16:
        length, level, kind = struct.unpack_from("=Qii", control)
        if length < 16:
            break
        out.append((level, kind, control[16:length]))
        control = control[(length + 7) & ~7:]
    return out


class Received:
    """What recvmsg() gave."""

    def __init__(self, length, data, name, control, flags):
        self.length, self.data, self.name, self.control, self.flags = length, data, name, control, flags


class Sock:
    """A socket of protocol 115; closed at the end of a with-statement."""

    def __init__(self, family, timeout=30.0 * impl.SLOW):
        self.family = family
        self.sock = socket.socket(AF[family], socket.SOCK_DGRAM, PROTOCOL)
        self.fd = self.sock.fileno()
        self.set_timeout(timeout)

    def set_timeout(self, seconds):
        whole = int(seconds)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                             struct.pack("=qq", whole, int((seconds - whole) * 1e6)))

    def bind(self, name, length=None):
        return call("bind", self.fd, name, len(name) if length is None else length)

    def connect(self, name, length=None):
        return call("connect", self.fd, name, len(name) if length is None else length)

    def disconnect(self):
        return self.connect(struct.pack("=H14x", socket.AF_UNSPEC))

    def _name(self, function, room):
        buffer = ctypes.create_string_buffer(b"\xaa" * 128, 128)
        length = ctypes.c_uint32(room)
        result = call(function, self.fd, buffer, ctypes.byref(length))
        return result if isinstance(result, str) else buffer.raw[:min(length.value, room)]

    def getsockname(self, room=128):
        return self._name("getsockname", room)

    def getpeername(self, room=128):
        return self._name("getpeername", room)

    def send(self, data, name=None, length=None, flags=0, control=b"", count=None):
        """sendmsg(); `count` is how many bytes to claim that data has."""
        if name is not None and length is None:
            length = len(name)
        data_buffer = ctypes.create_string_buffer(data, max(len(data), 1))
        name_buffer = ctypes.create_string_buffer(name or b"\0", max(len(name or b""), 1))
        control_buffer = ctypes.create_string_buffer(control or b"\0", max(len(control), 1))
        iov = Iovec(ctypes.addressof(data_buffer), len(data) if count is None else count)
        message = Msghdr(None if name is None else ctypes.addressof(name_buffer), length or 0,
                         ctypes.pointer(iov), 1,
                         ctypes.addressof(control_buffer) if control else None, len(control), 0)
        return call("sendmsg", self.fd, ctypes.byref(message), flags)

    def recv(self, room=65536, flags=0, control=512, name_room=128):
        """recvmsg(): a Received, or the name of the errno."""
        data = ctypes.create_string_buffer(max(room, 1))
        name = ctypes.create_string_buffer(b"\xaa" * 128, 128)
        buffer = ctypes.create_string_buffer(max(control, 1))
        iov = Iovec(ctypes.addressof(data), room)
        message = Msghdr(ctypes.addressof(name) if name_room else None, name_room,
                         ctypes.pointer(iov), 1, ctypes.addressof(buffer), control, 0)
        result = call("recvmsg", self.fd, ctypes.byref(message), flags)
        if isinstance(result, str):
            return result
        return Received(result, data.raw[:min(result, room)], name.raw[:message.namelen],
                        cmsgs(buffer.raw[:message.controllen]), message.flags)

    def data(self):
        """The next datagram's bytes, or the name of the errno."""
        got = self.recv()
        return got if isinstance(got, str) else got.data

    def setsockopt(self, level, option, value):
        if isinstance(value, int):
            value = struct.pack("=i", value)
        return call("setsockopt", self.fd, level, option, value, len(value))

    def ioctl(self, request):
        """The int that an ioctl gives, or the name of the errno."""
        try:
            return struct.unpack("=i", fcntl.ioctl(self.fd, request, b"\0" * 4))[0]
        except OSError as error:
            return errno_name(error.errno)

    def wait(self):
        """Until there is something to read; False if it takes long."""
        import select
        return bool(select.select([self.fd], [], [], 30 * impl.SLOW)[0])

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def errno_of(function, *arguments):
    """0, or the name of the errno that an OSError of the call has."""
    try:
        function(*arguments)
    except OSError as error:
        return errno_name(error.errno)
    return 0


def protocols(name):
    """The line of /proc/net/protocols as a list of words; None if there is none."""
    with open("/proc/net/protocols", encoding="ascii") as file:
        for line in file:
            if line.split()[:1] == [name]:
                return line.split()
    return None


def use_count(module):
    """How often a module is used, -1 if it is not loaded."""
    path = f"/sys/module/{module}/refcnt"
    if not os.path.exists(path):
        return -1
    with open(path, encoding="ascii") as file:
        return int(file.read())


def holders(module):
    """How many modules depend on a module, each of which is one use."""
    return len(os.listdir(f"/sys/module/{module}/holders"))


def _ground():
    """The namespace of the running program: 10.9.0.1, 2001:db8:9::1 and fe80::9 on dum0."""
    global _space
    if _space is None:
        _space = netns.NetNS()
        ktap.at_exit(_space.delete)
        _space.batch(["link add dum0 type dummy", "link set dum0 up",
                      "addr add 10.9.0.1/24 brd + dev dum0",
                      "addr add 2001:db8:9::1/64 dev dum0 nodad",
                      "addr add fe80::9/64 dev dum0 nodad"])
        netns.wait_for(lambda: netns.routed(_space, "2001:db8:9::1", "fe80::9"), what="routes of the addresses")
    return _space


def case(name, families=(4, 6)):
    """Register a case for each family, which runs in the namespace of the program."""
    def register(function):
        for family in families:
            def run(family=family):
                with _ground().enter():
                    function(family)
            ktap.add(f"IPv{family}: {name}", run)
        return function
    return register
