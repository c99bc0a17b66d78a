#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hundreds of real calls at the same time in one tunnel: go-l2tp's kl2tpd calls xl2tpd, with a pppd at each end of each."""
import socket
import struct
import time

from lib import calls, kl2tpd, ktap, netns, program

COUNT = 200


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


@ktap.case(f"{COUNT} calls: they come up, all have answers, and all go when the daemons do")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    options = (calls.OPTIONS + calls.QUIET).replace("debug\n", "")
    two = calls.lns(b, where, options=options, pool="192.168.51.1-192.168.51.250")
    began = time.monotonic()
    one = kl2tpd.start(a, where, options, COUNT)
    ktap.ok(netns.wait_for(lambda: calls.count_up(a) == COUNT, 450, step=1),
            f"{calls.count_up(a)} of {COUNT} calls\n{one.output(20)}\n{two.program.output(20)}")
    ktap.diag(f"{COUNT} calls are up after {time.monotonic() - began:.1f} s")
    ktap.eq((calls.sessions(a), calls.sessions(b)), (COUNT, COUNT), "sessions")
    ktap.eq(a.ip("l2tp show tunnel").stdout.count("Tunnel "), 1, "tunnels")
    answers = sum(answered(a, device) for device in calls.devices(a))
    ktap.eq(answers, COUNT, "calls with answers")
    one.stop()
    two.stop()
    calls.no_tunnels(a, b)
    calls.gone(a, b)


ktap.main()
