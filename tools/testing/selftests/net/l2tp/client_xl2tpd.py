#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""xl2tpd and pppd make real calls: LAC and LNS, with the kernel's data path or their own at either end."""
import re
import time

from lib import calls, impl, ktap, netns, program
from lib.calls import ECHO, IPV6, LNS, OPTIONS, devices, gone, no_tunnels, pings, sessions


def call(lns_userspace=False, lac_userspace=False, options=OPTIONS + IPV6 + ECHO):
    """A call from a LAC in namespace a to an LNS in b."""
    a, b = calls.spaces()
    where = program.directory()
    two = calls.lns(b, where, lns_userspace, options)
    one = calls.lac(a, where, lac_userspace, options)
    one.tell("c lns")
    calls.wait_up(a, one, two)
    netns.wait_for(lambda: devices(b), what="the LNS's device")
    return a, b, one, two


for lns_userspace, lac_userspace in ((False, False), (True, False), (False, True)):
    @ktap.case(f"LAC with {'its own' if lac_userspace else 'the kernel'}'s data path, LNS with "
               f"{'its own' if lns_userspace else 'the kernel'}'s: traffic, hang-up".replace(
                   "its own's", "its own"), lns_userspace, lac_userspace)
    def _(lns_userspace, lac_userspace):
        a, b, one, two = call(lns_userspace, lac_userspace)
        ktap.eq(sessions(a), 0 if lac_userspace else 1, "sessions of the LAC's kernel")
        ktap.eq(sessions(b), 0 if lns_userspace else 1, "sessions of the LNS's kernel")
        ktap.ok(pings(a, LNS), "ping the LNS")
        address = re.search(r"inet ([\d.]+)", a.ip("-4 addr show dev ppp0").stdout).group(1)
        ktap.ok(pings(b, address), "ping the LAC")
        ktap.ok(pings(a, LNS, size=1372, extra="-M do"), "as large as the MTU")
        ktap.eq((a.mtu("ppp0"), b.mtu("ppp0")), (1400, 1400), "MTU")
        six = r"peer (fe80::[0-9a-f:]+)"
        netns.wait_for(lambda: re.search(six, a.ip("-6 addr show dev ppp0").stdout), 30, "IPv6CP")
        six = re.search(six, a.ip("-6 addr show dev ppp0").stdout)
        ktap.ok(pings(a, f"{six.group(1)}%ppp0"), "ping over IPv6")
        calls.tcp(a, b, LNS)
        # Longer than LCP echoes may stay unanswered.
        time.sleep(9)
        ktap.ok(pings(a, LNS), "ping after some time")
        one.tell("d lns")
        gone(a, b)
        one.stop()
        two.stop()
        no_tunnels(a, b)


@ktap.case("the LNS hangs up")
def _():
    a, b, one, _ = call()
    b.run(["pkill", "-TERM", "-f", f"pppd .*{LNS}:"], check=False)
    gone(a, b)
    ktap.ok(netns.wait_for(lambda: sessions(a) + sessions(b) == 0, 30), "sessions")
    # The daemon refuses another call until it has noticed that its pppd has ended.
    for _ in range(3):
        one.tell("c lns")
        if netns.wait_for(lambda: calls.up(a), 30):
            return
    ktap.fail("no other call")


@ktap.case("a daemon is killed with a call up")
def _():
    a, b, one, two = call()
    one.program.process.kill()
    # pppd notices that its peer does not answer any more, and the LNS that LCP echoes stay away.
    gone(a, b)
    ktap.ok(netns.wait_for(lambda: sessions(a) + sessions(b) == 0, 30), "sessions")
    one.stop()
    two.stop()
    no_tunnels(a, b)


@ktap.case("the peer vanishes")
def _():
    a, b, one, two = call()
    a.ip("link set va down")
    gone(a, b)
    one.stop()
    two.stop()
    no_tunnels(a, b)


@ktap.case("many calls at the same time, each in a tunnel of its own")
def _():
    count = 40 if impl.SLOW == 1 else 10
    a, b = calls.spaces()
    where = program.directory()
    options = OPTIONS + calls.QUIET
    two = calls.lns(b, where, options=options)
    one = calls.lac(a, where, options=options, names=[f"n{n}" for n in range(count)])
    began = time.monotonic()
    for n in range(count):
        one.tell(f"c n{n}")
    ktap.ok(netns.wait_for(lambda: calls.count_up(a) == count, 500),
            f"{calls.count_up(a)} of {count} calls\n{one.program.output(40)}")
    ktap.diag(f"{count} calls are up after {time.monotonic() - began:.1f} s")
    ktap.eq((sessions(a), sessions(b)), (count, count), "sessions")
    answers = calls.together([lambda d=d: pings(a, LNS, extra=f"-I {d}") for d in devices(a)])
    ktap.eq(answers.count(True), count, "calls with answers")
    one.stop()
    two.stop()
    gone(a, b)
    no_tunnels(a, b)


ktap.main()
