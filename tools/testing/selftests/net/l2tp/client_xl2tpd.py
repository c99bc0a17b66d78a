#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""xl2tpd and pppd make real calls: LAC and LNS, with the kernel's data path or their own at either end."""
import os
import re
import threading
import time

from lib import impl, ktap, netns, program
from lib.pppox import dev_ppp

LNS, LAC = "192.168.50.1", "192.168.50."
OPTIONS = """noauth
nodefaultroute
ipcp-accept-local
ipcp-accept-remote
ipv6 ,
mtu 1400
mru 1400
nobsdcomp
nodeflate
noccp
lcp-echo-interval 2
lcp-echo-failure 4
debug
"""


def setup():
    program.require("xl2tpd", "pppd", "iperf3")
    if not impl.load("l2tp_ppp"):
        ktap.skip("no l2tp_ppp")
    dev_ppp()
    os.makedirs("/run/xl2tpd", exist_ok=True)
    a, b = netns.pair()
    ktap.cleanup(b.delete)
    ktap.cleanup(a.delete)
    return a, b


class Daemon:
    """An xl2tpd in a namespace."""

    def __init__(self, space, where, name, config, userspace):
        self.space, self.name = space, name
        self.control = f"{where}/{name}.ctl"
        options = program.write(f"{where}/{name}.options", OPTIONS)
        path = program.write(f"{where}/{name}.conf", f"""
[global]
listen-addr = {"10.0.0.2" if name == "lns" else "10.0.0.1"}
access control = no
force userspace = {"yes" if userspace else "no"}
""" + config.replace("OPTIONS", options))
        self.program = program.Program(["xl2tpd", "-D", "-c", path, "-p", f"{where}/{name}.pid",
                                        "-C", self.control], space)
        netns.wait_for(lambda: os.path.exists(self.control), what=f"xl2tpd {name}")

    def tell(self, text):
        with open(self.control, "w", encoding="ascii") as file:
            file.write(text + "\n")

    def stop(self):
        self.program.stop()


def lns(space, where, userspace=False, extra="", pool="100-192.168.50.250"):
    return Daemon(space, where, "lns", f"""
[lns default]
ip range = 192.168.50.{pool}
local ip = {LNS}
require authentication = no
require chap = no
refuse pap = yes
length bit = yes
ppp debug = yes
pppoptfile = OPTIONS
{extra}
""", userspace)


def lac(space, where, userspace=False, names=("lns",), redial="no"):
    return Daemon(space, where, "lac", "".join(f"""
[lac {name}]
lns = 10.0.0.2
require authentication = no
require chap = no
ppp debug = yes
pppoptfile = OPTIONS
redial = {redial}
redial timeout = 3
max redials = 5
""" for name in names), userspace)


def ppp_devices(space):
    return sorted(name for name in space.links() if name.startswith("ppp"))


def up(space, device="ppp0"):
    return f"peer {LNS}" in space.ip(f"-4 addr show dev {device}", check=False).stdout


def pings(space, peer, count=3, size=56, extra=""):
    done = space.run(f"ping -n -q -c {count} -i 0.1 -W 3 -s {size} {extra} {peer}", check=False)
    return f"{count} received" in done.stdout


def call(lns_userspace=False, lac_userspace=False, **kw):
    """A call from a LAC in namespace a to an LNS in b."""
    a, b = setup()
    where = program.directory()
    two = lns(b, where, lns_userspace, **kw)
    one = lac(a, where, lac_userspace)
    one.tell("c lns")
    if not netns.wait_for(lambda: up(a), 40):
        ktap.diag(f"LAC:\n{one.program.output()[-3000:]}\nLNS:\n{two.program.output()[-3000:]}")
        raise TimeoutError("waited 40 s for ppp0")
    netns.wait_for(lambda: ppp_devices(b), what="the LNS's device")
    return a, b, one, two


def sessions(space):
    """Number of sessions in /proc/net/pppol2tp."""
    with space.enter(), open("/proc/thread-self/net/pppol2tp", encoding="ascii") as file:
        return file.read().count("SESSION '")


def gone(*spaces):
    for space in spaces:
        ktap.ok(netns.wait_for(lambda s=space: not ppp_devices(s), 30), f"devices of {space.name}")


def no_tunnels(*spaces):
    for space in spaces:
        ktap.ok(netns.wait_for(lambda s=space: not s.ip("l2tp show tunnel").stdout, 10),
                f"tunnels of {space.name}")


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
        six = re.search(r"peer (fe80::[0-9a-f:]+)", a.ip("-6 addr show dev ppp0").stdout)
        ktap.ok(six and pings(a, f"{six.group(1)}%ppp0"), "ping over IPv6")
        program.Program(["iperf3", "-s", "-1", "-B", LNS], b)
        netns.wait_for(lambda: b.run("ss -ltnH sport = 5201").stdout, what="iperf3")
        ktap.eq(a.run(f"iperf3 -c {LNS} -t 2", check=False).returncode, 0, "iperf3")
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
    a, b, one, two = call()
    b.run(["pkill", "-TERM", "-f", "pppd .*192.168.50.1:"], check=False)
    gone(a, b)
    ktap.ok(netns.wait_for(lambda: sessions(a) + sessions(b) == 0, 10), "sessions")
    one.tell("c lns")
    ktap.ok(netns.wait_for(lambda: up(a), 30), "another call")


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


@ktap.case("many calls at the same time")
def _():
    count = 8
    a, b = setup()
    where = program.directory()
    two = lns(b, where)
    # pppd may give up when the machine is busy.
    one = lac(a, where, names=[f"n{n}" for n in range(count)], redial="yes")
    for n in range(count):
        one.tell(f"c n{n}")
        time.sleep(0.5)
    ktap.ok(netns.wait_for(lambda: sum(up(a, d) for d in ppp_devices(a)) == count, 90),
            f"{sum(up(a, d) for d in ppp_devices(a))} of {count} calls\n{one.program.output(40)}")
    ktap.eq((sessions(a), sessions(b)), (count, count), "sessions")
    results = []
    threads = [threading.Thread(target=lambda d=d: results.append(
        pings(a, LNS, extra=f"-I {d}"))) for d in ppp_devices(a)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ktap.eq(results.count(True), count, "calls with answers")
    one.stop()
    two.stop()
    gone(a, b)
    no_tunnels(a, b)


ktap.main()
