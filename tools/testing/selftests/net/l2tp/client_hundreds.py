#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hundreds of real calls at the same time in several tunnels: go-l2tp's kl2tpd calls xl2tpd, with a pppd at each end of each."""
import collections
import re
import socket
import struct
import time

from lib import calls, impl, kl2tpd, ktap, netns, program

# So many in each tunnel. Tunnels are added until COUNT calls are up, or at least ENOUGH and so many seconds have passed.
BATCH, ENOUGH, COUNT, SECONDS = 25 if impl.SLOW == 1 else 5, 50, 200, 120
# Daemons fail, and the calls of the others must work all the same. kl2tpd starts the pppds of a tunnel from several goroutines, which its
# maps do not bear: seen to crash in one of 20 tunnels. xl2tpd draws the number of a call without a look at those it has: two are the
# same in one of 200 tunnels.
CRASHES, INCOMPLETE = 4, 1


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


def crash(daemon):
    """What a program in Go writes when it dies, and the goroutine that it was in."""
    found = re.search("^(fatal error|panic): .*(?:\n.*){12}", daemon.output(100000), re.MULTILINE)
    return found and found[0]


@ktap.case("calls come up, all have answers, and all go when the daemons do")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    options = (calls.OPTIONS + calls.QUIET).replace("debug\n", "")
    lns = calls.lns(b, where, options=options, pool="192.168.51.1-192.168.51.250")
    lacs, count, failures, began = [], 0, collections.Counter(), time.monotonic()
    while count < COUNT and (count < ENOUGH or time.monotonic() - began < SECONDS):
        number = len(lacs) + failures.total()
        lac = kl2tpd.start(a, where, options, BATCH, port=1701 + number, name=f"lac{number}")
        if netns.wait_for(lambda: calls.count_up(a) == count + BATCH or not lac.running(), 240) and lac.running():
            lacs.append(lac)
            count += BATCH
            ktap.diag(f"{count} calls are up after {time.monotonic() - began:.1f} s")
            continue
        why = "incomplete" if lac.running() else "crashed"
        failures[why] += 1
        ktap.diag(f"{why}: {calls.count_up(a)} of {count + BATCH} calls")
        ktap.diag(crash(lac) or "\n".join(p.output(60) for p in (lac, lns.program)))
        if failures["crashed"] > CRASHES or failures["incomplete"] > INCOMPLETE:
            raise TimeoutError(f"{dict(failures)} tunnels")
        lac.stop()
        # The pppds of a daemon that is gone give up by themselves.
        netns.wait_for(lambda: calls.sessions(a) == calls.sessions(b) == len(calls.devices(a)) == count, 240)
    ktap.eq((calls.sessions(a), calls.sessions(b), len(calls.devices(a))), (count, count, count), "sessions, and devices")
    ktap.eq(a.ip("l2tp show tunnel").stdout.count("Tunnel "), len(lacs), "tunnels")
    answers = sum(answered(a, device) for device in calls.devices(a))
    ktap.eq(answers, count, "calls with answers")
    for daemon in (*lacs, lns):
        daemon.stop()
    calls.no_tunnels(a, b)
    calls.gone(a, b)


ktap.main()
