# SPDX-License-Identifier: GPL-2.0
"""XDP programs of a few instructions, which need no compiler.

    with space.enter():
        link = xdp.attach("e0", xdp.PASS)       # until link.close()
"""
import ctypes
import errno
import os
import platform
import socket
import struct

from . import ktap

_libc = ctypes.CDLL(None, use_errno=True)
_PROG_LOAD, _LINK_CREATE = 5, 28        # commands
_PROG_TYPE_XDP, _ATTACH_XDP, _SKB_MODE = 6, 37, 2


def _instruction(code, register=0, value=0):
    return struct.pack("=BBhi", code, register, 0, value)


_EXIT = _instruction(0x95)
PASS = _instruction(0xb7, 0, 2) + _EXIT


def redirect(ifname):
    """Every frame is to leave by this device of the thread's namespace."""
    return (_instruction(0xb7, 1, socket.if_nametoindex(ifname)) + _instruction(0xb7, 2, 0)
            + _instruction(0x85, 0, 23) + _EXIT)


def _bpf(command, attributes):
    number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    fd = _libc.syscall(number, command, attributes, len(attributes))
    if fd >= 0:
        return fd
    if ctypes.get_errno() == errno.ENOSYS:
        ktap.skip("this kernel has no bpf()")
    raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")


class Link:
    """A program on a device."""

    def __init__(self, fd):
        self.fd = fd

    def close(self):
        os.close(self.fd)


def attach(ifname, program):
    """Let a generic XDP program see what a device of the thread's namespace receives."""
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    prog = _bpf(_PROG_LOAD, struct.pack("=IIQQ", _PROG_TYPE_XDP, len(program) // 8, ctypes.addressof(code), ctypes.addressof(licence)))
    try:
        return Link(_bpf(_LINK_CREATE, struct.pack("=IIII", prog, socket.if_nametoindex(ifname), _ATTACH_XDP, _SKB_MODE)))
    finally:
        os.close(prog)
