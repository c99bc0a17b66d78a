#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""go-l2tp: kl2tpd as LAC, all through netlink; kpppoed, which switches PPPoE subscribers into L2TP by bridging channels."""
import os

from lib import calls, genl, kl2tpd, ktap, netns, program
from lib import l2tp as L
from lib.calls import LNS, OPTIONS, devices, no_tunnels, pings, sessions


def one_call(userspace, seqnum):
    """A call to xl2tpd, traffic, end."""
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    two = calls.lns(b, where, userspace)
    one = kl2tpd.start(a, where, OPTIONS, seqnum=seqnum)
    if seqnum:
        # kl2tpd demands numbers, and xl2tpd, which as LNS decides about them, cannot be told to use any.
        with L.L2tp(netns=b) as nl:
            netns.wait_for(nl.sessions, 60, "the LNS's session")
            nl.session_modify(*nl.sessions()[0], genl.u8(L.SEND_SEQ, 1))
    calls.wait_up(a, one, two)
    ktap.eq(sessions(a), 1, "sessions")
    ktap.ok(pings(a, LNS), "ping")
    ktap.ok(pings(a, LNS, size=1372, extra="-M do"), "as large as the MTU")
    if seqnum:
        with a.enter(), open("/proc/thread-self/net/pppol2tp", encoding="ascii") as file:
            ktap.ok("/R/S/LAC" in file.read(), "sequence numbers are sent and demanded")
    calls.tcp(a, b, LNS)
    one.stop()
    no_tunnels(a)
    calls.gone(a, b)
    two.stop()
    no_tunnels(b)


ktap.add("a call; the LNS has the kernel's data path", one_call, False, False)
ktap.add("a call; the LNS has its own data path", one_call, True, False)
ktap.add("a call with sequence numbers", one_call, False, True)


@ktap.case("the daemon is killed with a call up: the kernel ends tunnel and session")
def _():
    a, b = calls.spaces()
    program.require("kl2tpd")
    where = program.directory()
    two = calls.lns(b, where, options=OPTIONS + calls.ECHO)
    one = kl2tpd.start(a, where, OPTIONS + calls.ECHO)
    calls.wait_up(a, one, two)
    one.process.kill()
    # Its tunnel socket closes; pppd, whose session is gone, and the LNS notice by their echo requests.
    no_tunnels(a)
    calls.gone(a, b)
    ktap.ok(netns.wait_for(lambda: sessions(a) + sessions(b) == 0, 30), "sessions")


@ktap.case("a PPPoE subscriber is switched into an L2TP tunnel by bridged channels")
def _():
    a, b = calls.spaces()
    program.require("kpppoed", "kl2tpd")
    calls.modules("pppoe")
    subscriber = netns.NetNS()
    ktap.cleanup(subscriber.delete)
    subscriber.ip(f"link add pc type veth peer name pa netns {a.name}")
    subscriber.ip("link set pc up")
    a.ip("link set pa up")
    where = program.directory()
    two = calls.lns(b, where)
    config = program.write(f"{where}/kpppoed.toml", """ac_name = "test"
interface_name = "pa"
services = [ "internet" ]
lns_ipaddr = "10.0.0.2:1701"
""")
    switch = program.Program(["kpppoed", "-config", config, "-verbose"], a,
                             {"PATH": os.environ["PATH"] + ":/usr/sbin"})
    options = program.write(f"{where}/subscriber.options", """plugin pppoe.so
nic-pc
pppoe-service internet
user someone
nodetach
persist
maxfail 0
holdoff 1
""" + OPTIONS)
    pppd = program.Program(["pppd", "file", options], subscriber)
    calls.wait_up(subscriber, pppd, switch, two, timeout=150)
    ktap.ok(pings(subscriber, LNS, count=5), "ping")
    ktap.ok(pings(subscriber, LNS, size=1372, extra="-M do"), "as large as the MTU")
    ktap.eq(devices(a), [], "devices of the switch: frames go from channel to channel")
    shown = a.ip("l2tp show session").stdout
    ktap.eq(shown.count("Session "), 1, shown)
    calls.tcp(subscriber, b, LNS)
    pppd.stop()
    calls.gone(subscriber, b)
    no_tunnels(a)
    switch.stop()
    two.stop()
    no_tunnels(b)


ktap.main()
