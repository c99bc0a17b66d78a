#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The modules as such: modinfo, messages, loading by alias and on demand, use counts, unloading."""
import os

from lib import genl, impl, kmsg, ktap
from lib import l2tp as L
from lib.netns import NetNS, sh, wait_for

# name: version, description, aliases, dependencies, author, message at load
MODULES = {
    "l2tp_core": ("V2.0", "L2TP core", (), ("udp_tunnel", "ip6_udp_tunnel"), "James Chapman",
                  "L2TP core driver, V2.0"),
    "l2tp_netlink": ("1.0", "L2TP netlink", ("net-pf-16-proto-16-family-l2tp",), ("l2tp_core",),
                     "James Chapman", "L2TP netlink interface"),
    "l2tp_ppp": ("V2.0", "PPP over L2TP over UDP", ("net-pf-24-proto-1", "net-l2tp-type-7"),
                 ("l2tp_core", "l2tp_netlink", "pppox", "ppp_generic"), "James Chapman",
                 "PPPoL2TP kernel driver, V2.0"),
    "l2tp_eth": ("1.0", "L2TP ethernet pseudowire driver", ("net-l2tp-type-5",),
                 ("l2tp_core", "l2tp_netlink"), "James Chapman",
                 "L2TP ethernet pseudowire support (L2TPv3)"),
    "l2tp_ip": ("1.0", "L2TP over IP", ("net-pf-2-proto-115-type-2", "net-pf-2-proto-115"),
                ("l2tp_core",), "James Chapman", "L2TP IP encapsulation support (L2TPv3)"),
    "l2tp_ip6": ("1.0", "L2TP IP encapsulation for IPv6",
                 ("net-pf-10-proto-115-type-2", "net-pf-10-proto-115"), ("l2tp_core", "l2tp_ip"),
                 "Chris Elston", "L2TP IP encapsulation support for IPv6 (L2TPv3)"),
    "l2tp_debugfs": ("1.0", "L2TP debugfs driver", (), ("l2tp_core",), "James Chapman",
                     "L2TP debugfs support"),
}
UNLOAD_ORDER = ("l2tp_debugfs", "l2tp_eth", "l2tp_ppp", "l2tp_ip6", "l2tp_ip", "l2tp_netlink",
                "l2tp_core")


def loaded():
    """{module: (use count, users)} of /proc/modules."""
    with open("/proc/modules", encoding="ascii") as file:
        rows = [line.split() for line in file]
    return {r[0]: (int(r[2]) if r[2] != "-" else 0, {u for u in r[3].split(",") if u not in ("", "-")})
            for r in rows}


def unload():
    """Unload all L2TP modules; the last sessions may still be letting go."""
    def attempt():
        there = [m for m in UNLOAD_ORDER if m in loaded()]
        return not there or not sh(["rmmod", *there], check=False).returncode
    wait_for(attempt, 20, "all modules unloaded")


def field(module, name):
    return [x for x in sh(["modinfo", "-F", name, module]).stdout.split("\n") if x]


def present(module):
    """Skip unless the implementation under test has that module."""
    found = sh(["modinfo", "-F", "filename", module], check=False).stdout.strip()
    if not found:
        ktap.skip(f"no {module}")
    if impl.IS_RUST and "/updates/" not in found:
        ktap.skip(f"{module} not in this implementation yet")


for module, row in MODULES.items():
    @ktap.case(f"{module}: modinfo", module, *row)
    def _(module, version, description, aliases, depends, author, message):
        present(module)
        ktap.eq(field(module, "version"), [version], "version")
        ktap.eq(field(module, "description"), [description], "description")
        ktap.eq(sorted(field(module, "alias")), sorted(aliases), "aliases")
        got = {d for line in field(module, "depends") for d in line.split(",")}
        ktap.eq(got - {"slhc"}, set(depends), "depends")
        ktap.eq(field(module, "license"), ["GPL"], "license")
        who = impl.differs("author", c=author, rust="")
        ktap.ok(any(who in a for a in field(module, "author")), f"author: {field(module, 'author')}")
        ktap.eq(field(module, "parm"), [], "parameters")

    @ktap.case(f"{module}: loads, says so once, shows its version, unloads", module, *row)
    def _(module, version, description, aliases, depends, author, message):
        present(module)
        unload()
        log = kmsg.Watch()
        sh(["modprobe", module])
        said = [line for line in log.read() if line.startswith("l2tp") and "taint" not in line]
        wanted = [f"{m}: {MODULES[m][5]}" for m in MODULES if m in loaded()]
        ktap.eq(sorted(said), sorted(wanted), "messages")
        ktap.eq(said[-1:], [f"{module}: {message}"], "last message")
        ktap.eq(said[0], "l2tp_core: L2TP core driver, V2.0", "first message")
        with open(f"/sys/module/{module}/version", encoding="ascii") as file:
            ktap.eq(file.read().strip(), version, "/sys/module/*/version")
        ktap.ok(not os.path.exists(f"/sys/module/{module}/parameters"), "no parameters directory")
        ktap.eq(loaded()[module][0], 0, "use count")
        unload()

    for alias in row[2]:
        @ktap.case(f"{module}: modprobe {alias}", module, alias)
        def _(module, alias):
            present(module)
            unload()
            sh(["modprobe", alias])
            ktap.ok(module in loaded(), f"{module} in {sorted(m for m in loaded() if 'l2tp' in m)}")


@ktap.case("users of each other, as lsmod shows them")
def _():
    present("l2tp_eth")
    unload()
    sh("modprobe -a l2tp_eth l2tp_debugfs")
    now = loaded()
    ktap.eq({m: now[m] for m in MODULES if m in now},
            {"l2tp_core": (3, {"l2tp_netlink", "l2tp_eth", "l2tp_debugfs"}),
             "l2tp_netlink": (1, {"l2tp_eth"}), "l2tp_eth": (0, set()), "l2tp_debugfs": (0, set())})
    ktap.ok("l2tp_core" in now["udp_tunnel"][1], "udp_tunnel is used by l2tp_core")


@ktap.case("unloading in the wrong order is refused")
def _():
    present("l2tp_eth")
    sh("modprobe l2tp_eth")
    for module in ("l2tp_core", "l2tp_netlink"):
        ktap.ok(sh(["rmmod", module], check=False).returncode, module)
        ktap.ok(module in loaded(), f"{module} still there")


@ktap.case("asking for the family loads l2tp_netlink")
def _():
    unload()
    with L.L2tp():
        pass
    ktap.ok({"l2tp_core", "l2tp_netlink"} <= set(loaded()), "loaded")
    ktap.ok("l2tp_eth" not in loaded(), "and nothing more")


@ktap.case("unloading takes the family away")
def _():
    unload()
    ctrl = genl.Genl("nlctrl")
    names = [m.text(2) for m in ctrl.dump(3).messages]
    ctrl.close()
    ktap.ok("nlctrl" in names and "l2tp" not in names, f"families: {names}")


@ktap.case("SESSION_CREATE loads l2tp_eth")
def _():
    unload()
    with NetNS() as ns, L.L2tp(netns=ns) as nl:
        nl.tunnel_create(1, 2, fd=0xffffffff)
        ktap.ok("l2tp_eth" not in loaded(), "not yet")
        for pw in (0, 4, 8, 11):
            ktap.eq(nl.try_session_create(1, 11, 12, pw=pw), "EPROTONOSUPPORT", f"pseudowire {pw}")
        ktap.ok("l2tp_eth" not in loaded(), "not by other types")
        nl.session_create(1, 11, 12)
        ktap.ok("l2tp_eth" in loaded(), "loaded")
        nl.wipe()


@ktap.case("SESSION_CREATE without permission loads nothing")
def _():
    from lib import child
    unload()
    sh("modprobe l2tp_netlink")

    def main():
        child.become()
        return L.L2tp().do(L.SESSION_CREATE, L.session_attrs(1, 11, 12)).name
    ktap.eq(child.run(main), "EPERM")
    ktap.ok("l2tp_eth" not in loaded(), "l2tp_eth")


@ktap.case("an IP-encapsulated tunnel loads l2tp_ip or l2tp_ip6")
def _():
    present("l2tp_ip")
    present("l2tp_ip6")
    unload()
    with NetNS() as ns, L.L2tp(netns=ns) as nl:
        nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", encap=L.IP)
        ktap.ok("l2tp_ip" in loaded() and "l2tp_ip6" not in loaded(), "ip4")
        nl.tunnel_create(2, 2, local="::1", remote="::1", encap=L.IP)
        ktap.ok("l2tp_ip6" in loaded(), "ip6")
        ktap.eq((loaded()["l2tp_ip"][0], loaded()["l2tp_ip6"][0]), (3, 2), "use counts")
        ktap.ok(sh("rmmod l2tp_ip6", check=False).returncode, "rmmod l2tp_ip6 is refused")
        nl.wipe()


@ktap.case("use counts: a tunnel holds nothing, an Ethernet session its module")
def _():
    unload()
    sh("modprobe l2tp_eth")

    def counts():
        now = loaded()
        return tuple(now[m][0] for m in ("l2tp_core", "l2tp_netlink", "l2tp_eth"))
    with NetNS() as ns, L.L2tp(netns=ns) as nl:
        ktap.eq(counts(), (2, 1, 0), "idle")
        one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
        ktap.cleanup(one.close)
        nl.tunnel_create(1, 2, fd=one.fileno())
        nl.tunnel_create(2, 2, fd=0xffffffff)
        ktap.eq(counts(), (2, 1, 0), "with a user's and a kernel's tunnel")
        for number in range(3):
            nl.session_create(1 + number % 2, number, 12)
            ktap.eq(counts(), (2, 1, number + 1), "with sessions")
        ktap.ok(sh("rmmod l2tp_eth", check=False).returncode, "rmmod l2tp_eth is refused")
        nl.session_delete(1, 0)
        wait_for(lambda: counts() == (2, 1, 2), what="count after a session's deletion")
        nl.try_session_create(1, 77, 1, ifname="lo")
        wait_for(lambda: counts() == (2, 1, 2), what="count after a refused session")
        nl.wipe()
        wait_for(lambda: counts() == (2, 1, 0), what="count after all")


@ktap.case("unloading everything deletes tunnels; user sockets become plain ones")
def _():
    unload()
    with NetNS() as ns:
        one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
        ktap.cleanup(one.close)
        with L.L2tp(netns=ns) as nl:
            nl.tunnel_create(1, 2, fd=one.fileno())
            nl.tunnel_create(2, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000, dport=5001)
        ktap.eq(one.getsockopt(17, 100), 3, "UDP_ENCAP")
        unload()
        ktap.eq(one.getsockopt(17, 100), 0, "UDP_ENCAP after unloading")
        again = L.udp_socket(lport=5000, netns=ns)
        again.close()
        with L.L2tp(netns=ns) as nl:
            ktap.eq(nl.tunnels(), [], "after loading again")
            nl.tunnel_create(1, 2, fd=one.fileno())
            nl.wipe()


@ktap.case("a socket whose UDP_ENCAP was changed while it carried a tunnel lives on without the modules")
def _():
    for value in (0, 2):
        for delete in (True, False):
            unload()
            with NetNS() as ns:
                one = L.udp_socket(local="127.0.0.1", remote="127.0.0.1", rport=9, netns=ns)
                with L.L2tp(netns=ns) as nl:
                    nl.tunnel_create(1, 2, fd=one.fileno())
                    one.setsockopt(17, 100, value)
                    if delete:
                        nl.tunnel_delete(1)
                unload()
                one.send(b"to a port that nobody has")      # the answer is an ICMP error
                one.close()


@ktap.case("loading and unloading many times")
def _():
    unload()
    for _ in range(5):
        sh("modprobe -a l2tp_eth l2tp_debugfs")
        with NetNS() as ns, L.L2tp(netns=ns) as nl:
            nl.tunnel_create(1, 2, fd=0xffffffff)
            nl.session_create(1, 11, 12)
            nl.tunnel_delete(1)
        unload()


ktap.main()
