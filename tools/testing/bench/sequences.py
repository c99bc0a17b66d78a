# SPDX-License-Identifier: GPL-2.0
"""Workload of sequence numbers: frames in order, exchanged, or lost, sent by hand so that each run has the same ones."""
import ctypes
import random
import socket
import struct
import time

import traffic
from lib import l2tp, netns

BATCH = 50
SESSION = 0x20001


def order(count, swapped=0.0, lost=0.0):
    """The numbers of `count` frames as they arrive."""
    rng = random.Random(7)
    numbers = list(range(count))
    at = 0
    # What opens and ends the stream is where it belongs, so that nothing waits for ever.
    while at < count - 2:
        if at > 10 and rng.random() < swapped:
            numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
            at += 1
        at += 1
    return [n for n in numbers if n < 10 or n > count - 10 or rng.random() >= lost]


class Frames:
    """L2TPv3 frames with these sequence numbers, ready to be sent with few system calls."""

    def __init__(self, numbers, size=60):
        inner = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(size - 14)
        frames = [struct.pack("!III", 0x00030000, SESSION, 0x40000000 | n & 0xFFFFFF) + inner for n in numbers]
        self.size, self.count = len(frames[0]), len(frames)
        self.data = ctypes.create_string_buffer(b"".join(frames))
        start = ctypes.addressof(self.data)
        self.iov = ctypes.create_string_buffer(
            b"".join(struct.pack("=QQ", start + n * self.size, self.size) for n in range(self.count)))
        start = ctypes.addressof(self.iov)
        self.messages = ctypes.create_string_buffer(
            b"".join(struct.pack("=QIIQQQQiIII", 0, 0, 0, start + 16 * n, 1, 0, 0, 0, 0, 0, 0) for n in range(self.count)))
        self.libc = ctypes.CDLL(None, use_errno=True)

    def send(self, sock, pause=0):
        """Nanoseconds of each frame. `pause` are seconds that pass between batches, and do not count."""
        taken = 0
        for first in range(0, self.count, BATCH):
            batch = min(BATCH, self.count - first)
            began = time.monotonic_ns()
            if self.libc.sendmmsg(sock.fileno(), ctypes.byref(self.messages, 64 * first), batch, 0) != batch:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            taken += time.monotonic_ns() - began
            if pause:
                time.sleep(pause)
        return taken / self.count


def received(count, timeout, pause=0, **how):
    """Nanoseconds of each frame's reception, from the far end of the wire on, and which share of what was sent is delivered."""
    numbers = order(count, **how)
    with netns.pair() as (a, b):
        b.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        a.batch([f"neigh replace 10.0.0.2 dev va lladdr {traffic.mac(b, 'vb')} nud permanent"])
        with l2tp.L2tp(netns=b) as nl:
            nl.tunnel_create(1, 1, local="10.0.0.2", remote="10.0.0.1", sport=5000, dport=5000)
            nl.session_create(1, SESSION, SESSION, ifname="x0", recv_seq=1, timeout=timeout)
        traffic.set_up(b, "x0")
        sock = l2tp.udp_socket("10.0.0.1", "10.0.0.2", 5000, 5000, netns=a)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        frames = Frames(numbers)
        with traffic.Sink(b, "x0") as sink:
            tunnel = frames.send(sock, pause)
            time.sleep(0.5)
            arrived = sink.arrived()
        with traffic.Sink(b, "vb"):
            frames.send(sock, pause)
            wire = frames.send(sock, pause)
        sock.close()
    if not how.get("lost") and (timeout or not how.get("swapped")) and arrived != len(numbers):
        raise RuntimeError(f"{arrived} of {len(numbers)} frames arrived")
    return {"": {"receive": tunnel - wire, "delivered": arrived / len(numbers)}}


def reorder(args, count=None):
    """Reception with sequence numbers, without and with a queue in which frames wait for their turn."""
    count = count or args.count or 10000
    works = []
    for name, timeout in (("no queue", None), ("queue", 100)):
        for what, how in (("in order", {}), ("1 % swapped", {"swapped": 0.01}), ("10 % swapped", {"swapped": 0.1})):
            works.append((f"{name}, {what}", lambda t=timeout, h=how: received(count, t, **h)))
    works.append(("no queue, 1 % lost", lambda: received(count, None, lost=0.01)))
    # What waits for a lost frame has expired when the next batch comes. Without the pause, the queue would grow to the end, since less
    # than a timeout passes until then: how much was delivered would tell who is slower.
    works.append(("queue, 1 % lost", lambda: received(count, 4, pause=0.02, lost=0.01)))
    return {"each": works}
