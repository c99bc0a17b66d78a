#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""session-setup.py: in the guest, how long it takes to make and to end 1,000 PPP sessions in a tunnel.

Three ways: a PPPoL2TP socket for each, as pppd gets it; the same with PPP channel and device; and netlink alone. Run with
`tools/testing/vm/run [--impl c] --icount`: then a nanosecond is an instruction, and the same program costs the same each time.
"""
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

from lib import l2tp, netns, pppox  # noqa: E402

COUNT = 1000


def timed(label, function):
    began = time.monotonic_ns()
    result = function()
    print(f"{label:34} {(time.monotonic_ns() - began) // 1000 / COUNT:9.1f} us each", flush=True)
    return result


def sockets(tunnel):
    return [pppox.Pppox().connect(pppox.V2(tunnel, 1, n, 2, n)) for n in range(1, COUNT + 1)]


def device(sock):
    channel, unit = pppox.Channel(sock), pppox.Unit()
    channel.connect(unit)
    return unit, channel, sock


def close(things):
    for thing in things:
        thing.close()


resource.setrlimit(resource.RLIMIT_NOFILE, (10000, 10000))
netns.sh("modprobe l2tp_ppp")
with netns.NetNS() as space, space.enter(), l2tp.L2tp() as nl:
    udp = l2tp.udp_socket("127.0.0.1", "127.0.0.1", 5000, 5001)
    management = pppox.Pppox().connect(pppox.V2(udp.fileno(), 1, 0, 2, 0))
    close(sockets(udp.fileno())[:])     # warm up

    def gone():
        netns.wait_for(lambda: not nl.sessions(), 60, "end of the sessions")
    gone()
    socks = timed("sockets: make", lambda: sockets(udp.fileno()))
    timed("sockets: close", lambda: close(socks))
    gone()
    socks = sockets(udp.fileno())
    units = timed("channel and device: make", lambda: [device(sock) for sock in socks])
    close(thing for things in units for thing in things)
    gone()
    timed("netlink: make", lambda: [nl.session_create(1, n, n, pw=l2tp.PW_PPP) for n in range(1, COUNT + 1)])
    timed("netlink: delete", lambda: [nl.session_delete(1, n) for n in range(1, COUNT + 1)])
    gone()
    management.close()
    udp.close()
