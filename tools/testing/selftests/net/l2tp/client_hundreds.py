#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hundreds of real calls at the same time in one tunnel: go-l2tp's kl2tpd calls xl2tpd, with a pppd at each end of each."""
import time

from lib import calls, kl2tpd, ktap, netns, program

COUNT = 200


@ktap.case(f"{COUNT} calls: they come up, all have answers, and all go when the daemons do")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    options = (calls.OPTIONS + calls.QUIET).replace("debug\n", "")
    two = calls.lns(b, where, options=options, pool="192.168.51.1-192.168.51.250")
    began = time.monotonic()
    one = kl2tpd.start(a, where, options, COUNT)
    ktap.ok(netns.wait_for(lambda: calls.count_up(a) == COUNT, 230, step=1),
            f"{calls.count_up(a)} of {COUNT} calls\n{one.output(20)}\n{two.program.output(20)}")
    ktap.diag(f"{COUNT} calls are up after {time.monotonic() - began:.1f} s")
    ktap.eq((calls.sessions(a), calls.sessions(b)), (COUNT, COUNT), "sessions")
    ktap.eq(a.ip("l2tp show tunnel").stdout.count("Tunnel "), 1, "tunnels")
    answers = sum(calls.pings(a, calls.LNS, count=1, extra=f"-I {device}") for device in calls.devices(a))
    ktap.eq(answers, COUNT, "calls with answers")
    one.stop()
    two.stop()
    calls.no_tunnels(a, b)
    calls.gone(a, b)


ktap.main()
