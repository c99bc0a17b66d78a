#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hundreds of real calls at the same time in two tunnels: go-l2tp's kl2tpd calls xl2tpd, with a pppd at each end of each."""
import socket
import struct
import time

from lib import calls, kl2tpd, ktap, netns, program

# How many, unless the machine would need longer than so many seconds.
COUNT, SECONDS = 200, 150
PILOT = 20


def answered(space, device, tries=5):
    """Whether the LNS answers an echo request through a device. Without the hundreds of processes of ping."""
    with space.enter(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.settimeout(3)
        for _ in range(tries):
            # Echo request, checksum, identifier, number.
            sock.sendto(struct.pack("!BBHHH", 8, 0, 0xf7ff, 0, 0), (calls.LNS, 0))
            try:
                return sock.recv(100)[20:21] == b"\0"
            except TimeoutError:
                pass
    return False


def come_up(space, count, programs):
    """Wait until so many calls are up; the seconds that it took."""
    began = time.monotonic()
    ktap.ok(netns.wait_for(lambda: calls.count_up(space) == count, 400),
            f"{calls.count_up(space)} of {count} calls\n" + "\n".join(p.output(20) for p in programs))
    return time.monotonic() - began


@ktap.case("calls come up, all have answers, and all go when the daemons do")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    options = (calls.OPTIONS + calls.QUIET).replace("debug\n", "")
    two = calls.lns(b, where, options=options, pool="192.168.51.1-192.168.51.250")
    # Some tell how fast the machine is: a busy one is not asked for more than it can do.
    one = kl2tpd.start(a, where, options, PILOT)
    took = come_up(a, PILOT, [one, two.program])
    count = min(COUNT, PILOT + int(PILOT * SECONDS / took))
    more = kl2tpd.start(a, where, options, count - PILOT, port=1702, name="more")
    took += come_up(a, count, [one, more, two.program])
    ktap.diag(f"{count} calls are up after {took:.1f} s")
    ktap.eq((calls.sessions(a), calls.sessions(b)), (count, count), "sessions")
    ktap.eq(a.ip("l2tp show tunnel").stdout.count("Tunnel "), 2, "tunnels")
    answers = sum(answered(a, device) for device in calls.devices(a))
    ktap.eq(answers, count, "calls with answers")
    for daemon in (more, one, two):
        daemon.stop()
    calls.no_tunnels(a, b)
    calls.gone(a, b)


ktap.main()
