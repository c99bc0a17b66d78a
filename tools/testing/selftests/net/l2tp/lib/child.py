# SPDX-License-Identifier: GPL-2.0
"""Run a function in a forked child, perhaps with fewer rights, and get its result."""
import ctypes
import os
import pickle
import struct
import sys
import traceback


def run(function, *args):
    """The function's return value (picklable) from a child; its exception is raised here."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                out = (True, function(*args))
            except BaseException:
                out = (False, traceback.format_exc())
            os.write(writer, pickle.dumps(out))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    if not data:
        raise RuntimeError("child died without an answer")
    good, value = pickle.loads(data)
    if not good:
        raise RuntimeError("in the child:\n" + value)
    return value


def become(uid=1000):
    """Give up root for good (in a child)."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capability(number):
    """Take one capability out of the effective and permitted sets (in a child)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    data = ctypes.create_string_buffer(24)
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    words = list(struct.unpack("=6I", data.raw[:24]))
    first = number // 32 * 3
    for index in (first, first + 1):
        words[index] &= ~(1 << number % 32)
    data = ctypes.create_string_buffer(struct.pack("=6I", *words))
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
