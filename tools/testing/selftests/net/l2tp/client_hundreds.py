#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hundreds of real calls at the same time in several tunnels: go-l2tp's kl2tpd calls xl2tpd, with a pppd at each end of each."""
import socket
import struct
import time

from lib import calls, impl, kl2tpd, ktap, netns, program

# So many in each tunnel; tunnels are added until COUNT calls are up, or so many seconds have passed, or the machine makes no more
# than ENOUGH of them.
BATCH, ENOUGH, COUNT, SECONDS = 25 if impl.SLOW == 1 else 5, 50, 200, 120


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


@ktap.case("calls come up, all have answers, and all go when the daemons do")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    options = (calls.OPTIONS + calls.QUIET).replace("debug\n", "")
    lns = calls.lns(b, where, options=options, pool="192.168.51.1-192.168.51.250")
    lacs, count, began = [], 0, time.monotonic()
    while count < COUNT and time.monotonic() - began < SECONDS:
        number = len(lacs)
        lacs.append(kl2tpd.start(a, where, options, BATCH, port=1701 + number, name=f"lac{number}"))
        if not netns.wait_for(lambda: calls.count_up(a) == count + BATCH, 120 if count >= ENOUGH else 900):
            # A busy machine makes no more, its daemons give up. Those that are up must work all the same.
            ktap.ok(count >= ENOUGH, f"{calls.count_up(a)} of {count + BATCH} calls\n"
                    + "\n".join(p.output(20) for p in (lacs[-1], lns.program)))
            lacs.pop().stop()
            netns.wait_for(lambda: calls.sessions(a) == calls.sessions(b) == count, 180)
            break
        count += BATCH
        ktap.diag(f"{count} calls are up after {time.monotonic() - began:.1f} s")
    ktap.eq((calls.sessions(a), calls.sessions(b)), (count, count), "sessions")
    ktap.eq(a.ip("l2tp show tunnel").stdout.count("Tunnel "), len(lacs), "tunnels")
    answers = sum(answered(a, device) for device in calls.devices(a))
    ktap.eq(answers, count, "calls with answers")
    for daemon in (*lacs, lns):
        daemon.stop()
    calls.no_tunnels(a, b)
    calls.gone(a, b)


ktap.main()
