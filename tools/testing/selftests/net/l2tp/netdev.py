#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The network device of an Ethernet session: its properties and what may be done to it."""
import array
import errno
import fcntl
import json
import socket
import struct
import threading

from lib import genl, impl, ktap, pppox
from lib import l2tp as L
from lib.netns import NetNS, wait_for

ns, other = NetNS(), NetNS()
ktap.at_exit(ns.delete)
ktap.at_exit(other.delete)
nl = L.L2tp(netns=ns)


def device(ifname="e0", **kwargs):
    """Start a case with a tunnel and one session."""
    ktap.cleanup(lambda: wait_for(lambda: list(ns.links()) == ["lo"], what="no device left"))
    ktap.cleanup(nl.wipe)
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000, dport=5001)
    nl.session_create(1, 11, 12, ifname=ifname, **kwargs)


def shown(name="e0", space=ns):
    return json.loads(space.ip(f"-d -j link show dev {name}").stdout)[0]


def refused(text, command):
    done = ns.ip(command, check=False)
    ktap.ok(done.returncode and text in done.stderr,
            f"ip {command}: expected {text!r}, got {done.returncode} {done.stderr!r}")


def ethtool(command, name="e0"):
    """SIOCETHTOOL with a structure {cmd, data}: (errno's name, data)."""
    value = array.array("I", [command] + [0] * 64)
    address, _ = value.buffer_info()
    with ns.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, 0x8946, struct.pack("16sQ16x", name.encode(), address))
        except OSError as error:
            return genl.name_of(error.errno), 0
    return "ok", value[1]


@ktap.case("as ip -d link shows it while down")
def _():
    device()
    got = shown()
    want = {"ifname": "e0", "flags": ["BROADCAST", "MULTICAST"], "mtu": 65481, "operstate": "DOWN",
            "link_type": "ether", "broadcast": "ff:ff:ff:ff:ff:ff", "promiscuity": 0, "allmulti": 0,
            "min_mtu": 0, "max_mtu": 65535, "txqlen": 1000, "num_tx_queues": 1, "num_rx_queues": 1,
            "inet6_addr_gen_mode": "eui64", "gso_max_size": 65536, "gso_max_segs": 65535,
            "tso_max_size": 65536, "tso_max_segs": 65535, "gro_max_size": 65536}
    ktap.eq({key: got.get(key) for key in want}, want)
    for key in ("linkinfo", "link", "master", "parentbus", "phys_port_id"):
        ktap.ok(key not in got, f"{key}: {got.get(key)}")


@ktap.case("as ip -d link shows it while up: carrier, operstate UNKNOWN")
def _():
    device()
    ns.ip("link set e0 up")
    got = shown()
    ktap.eq((sorted(got["flags"]), got["operstate"]),
            (["BROADCAST", "LOWER_UP", "MULTICAST", "UP"], "UNKNOWN"))


@ktap.case("sysfs: kinds of name and address, type, DEVTYPE")
def _():
    device()
    nl.session_create(1, 21, 22)

    def read(name):
        files = ("name_assign_type", "addr_assign_type", "type", "addr_len", "iflink", "ifindex",
                 "dev_port", "uevent")
        out = ns.run(["sh", "-c", f"cd /sys/class/net/{name} && for f in {' '.join(files)}; do "
                      "echo $f=$(cat $f | tr '\\n' ' '); done"]).stdout
        return dict(line.split("=", 1) for line in out.strip().split("\n"))
    for name, how in (("e0", "3"), ("l2tpeth0", "1")):
        got = {k: v.strip() for k, v in read(name).items()}
        ktap.eq((got["name_assign_type"], got["addr_assign_type"], got["type"], got["addr_len"]),
                (how, "1", "1", "6"), name)
        ktap.eq(got["iflink"], got["ifindex"], "no lower device")
        ktap.ok(f"DEVTYPE=l2tpeth INTERFACE={name}" in got["uevent"], f"uevent {got['uevent']}")


@ktap.case("address: random, local, unicast, another one each time")
def _():
    device()
    nl.session_create(1, 21, 22, ifname="e1")
    macs = [bytes.fromhex(shown(n)["address"].replace(":", "")) for n in ("e0", "e1")]
    ktap.ok(macs[0] != macs[1], f"{macs}")
    ktap.eq([mac[0] & 3 for mac in macs], [2, 2], "locally administered, not group")


@ktap.case("address: can be set while down, not while up, not to nonsense")
def _():
    device()
    ns.ip("link set e0 address 02:11:22:33:44:55")
    ktap.eq(shown()["address"], "02:11:22:33:44:55")
    for bad in ("01:11:22:33:44:55", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
        refused("Cannot assign requested address", f"link set e0 address {bad}")
    ns.ip("link set e0 up")
    refused("Device or resource busy", "link set e0 address 02:11:22:33:44:66")
    ktap.eq(shown()["address"], "02:11:22:33:44:55")


@ktap.case("no link kind: ip link cannot make or delete it, the session stays")
def _():
    device()
    refused("Operation not supported", "link del e0")
    for kind in ("l2tp", "l2tpeth", "l2tp_eth"):
        refused("", f"link add x0 type {kind}")
    ns.ip("link set e0 up")
    refused("Operation not supported", "link del e0")
    ktap.eq((nl.sessions(), sorted(ns.links())), ([(1, 11)], ["e0", "lo"]))


@ktap.case("ethtool: no driver; offloads")
def _():
    device()
    ns.ip("link set e0 up")
    on = impl.differs("offloads", c=0, rust=1)
    ktap.eq(ethtool(0x03)[0], "EOPNOTSUPP", "GDRVINFO")
    for what, command, want in (("rx checksums", 0x14, on), ("tx checksums", 0x16, on),
                                ("scatter-gather", 0x18, on), ("TSO", 0x1e, on), ("GSO", 0x23, on),
                                ("GRO", 0x2b, 1)):
        ktap.eq(ethtool(command), ("ok", want), what)
    ktap.eq(ethtool(0x0a)[0], "EOPNOTSUPP", "GLINK")
    ktap.eq(ethtool(0x01)[0], "EOPNOTSUPP", "GSET")


@ktap.case("no thread can be told to receive: there is nothing that polls")
def _():
    device()
    for state in ("down", "up"):
        ns.ip(f"link set e0 {state}")
        for value in ("1", "2"):
            done = ns.run(["tee", "/sys/class/net/e0/threaded"], check=False, input=value)
            ktap.ok(done.returncode and "not supported" in done.stderr, f"{state}, {value}: {done.returncode} {done.stderr!r}")
        ktap.eq(ns.run("cat /sys/class/net/e0/threaded").stdout, "0\n", state)


@ktap.case("MTU: any from 0 to 65535, also while up")
def _():
    device()
    for state in ("down", "up"):
        ns.ip(f"link set e0 {state}")
        for mtu in (0, 68, 1500, 65535):
            ns.ip(f"link set e0 mtu {mtu}")
            ktap.eq(ns.mtu("e0"), mtu)
        refused("", "link set e0 mtu 65536")
        ktap.eq(ns.mtu("e0"), 65535)


@ktap.case("flags and settings of the core: up, down, promiscuous, queue length, other names")
def _():
    device()
    for command in ("link set e0 up promisc on", "link set e0 allmulticast on",
                    "link set e0 arp off", "link set e0 arp on", "link set e0 multicast off",
                    "link set e0 promisc off", "link set e0 alias hello", "link set e0 txqueuelen 7",
                    "link set e0 down", "link set e0 up", "link property add dev e0 altname other0"):
        ktap.eq(ns.ip(command, check=False).stderr, "", command)
    ktap.eq(shown()["txqlen"], 7)


@ktap.case("counters start at zero")
def _():
    device()
    ktap.eq(set(ns.counters("e0").values()), {0})


@ktap.case("rename: while down and up; the old name is free for another session")
def _():
    device()
    ns.ip("link set e0 name e1")
    ns.ip("link set e1 up")
    ns.ip("link set e1 name e2")
    nl.session_create(1, 21, 22, ifname="e0")
    ktap.eq(sorted(ns.links()), ["e0", "e2", "lo"])
    ktap.eq(nl.session_get(1, 11).text(L.IFNAME), "e0", "stored name")
    nl.session_delete(1, 11)
    wait_for(lambda: sorted(ns.links()) == ["e0", "lo"], what="renamed device gone")


@ktap.case("rename: the kernel's own prefix continues past taken names")
def _():
    device()
    ns.ip("link set e0 name l2tpeth0")
    nl.session_create(1, 21, 22)
    ktap.eq(nl.session_get(1, 21).text(L.IFNAME), "l2tpeth1")


@ktap.case("under a bridge, with a VLAN on it: both let go when the session is deleted")
def _():
    device()
    for command in ("link add br0 type bridge", "link set e0 master br0", "link set br0 up",
                    "link set e0 up", "link add link e0 name v7 type vlan id 7"):
        done = ns.ip(command, check=False)
        if done.returncode and "Unknown device type" in done.stderr or "not supported" in done.stderr:
            ktap.skip(f"{command}: {done.stderr.strip()}")
        ktap.eq(done.stderr, "", command)
    ktap.cleanup(ns.ip, "link del br0")
    nl.session_delete(1, 11)
    wait_for(lambda: sorted(ns.links()) == ["br0", "lo"], what="device and VLAN gone")


@ktap.case("a held reference delays nothing: an open packet socket")
def _():
    device()
    ns.ip("link set e0 up")
    with ns.enter():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
        ktap.cleanup(tap.close)
        tap.bind(("e0", 3))
    nl.session_delete(1, 11)
    wait_for(lambda: "e0" not in ns.links(), what="device gone")
    try:
        tap.send(bytes(60))
        ktap.fail("sending on a device that is gone")
    except OSError as error:
        ktap.isin(error.errno, (errno.ENXIO, errno.ENODEV, errno.ENETDOWN), "errno")


@ktap.case("a sender that holds a reference delays the end of its device, and nothing else")
def _():
    if not impl.load("dummy", "sch_tbf"):
        ktap.skip("no dummy, or no sch_tbf")
    device()
    nl.session_create(1, 21, 22, ifname="e1")
    ns.batch(["link add d0 type dummy", "link set d0 up", "link set e0 up", "link set e1 up"])
    ktap.cleanup(lambda: ns.ip("link del d0", check=False))
    # What the socket sends stays in a queue, until it may send no more and waits, with a reference of the device that it was to send to.
    ns.run("tc qdisc add dev d0 root tbf rate 8bit burst 1600 limit 1000000")
    with ns.enter():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    ktap.cleanup(sender.close)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sender.setblocking(False)
    try:
        while True:
            sender.sendto(bytes(1000), ("d0", 0))
    except BlockingIOError:
        pass
    sender.setblocking(True)
    thread = threading.Thread(target=lambda: ktap.isin(pppox.errno_of(lambda: sender.sendto(bytes(1000), ("e0", 0))), ("ok", "ENXIO", "ENETDOWN")))
    thread.start()
    state = f"/proc/self/task/{thread.native_id}/wchan"

    def waits():
        with open(state, encoding="ascii") as file:
            return "sock_alloc_send_pskb" in file.read()
    wait_for(waits, what="the sender waits")
    # If the sender kept others waiting, it would be for ever.
    end = threading.Timer(20 * impl.SLOW, lambda: ns.ip("link del d0", check=False))
    end.start()
    nl.session_delete(1, 11)
    wait_for(lambda: "e0" not in ns.links(), what="its name gone")
    nl.session_create(1, 11, 12, ifname="e0")
    nl.session_delete(1, 21)
    wait_for(lambda: "e1" not in ns.links(), what="the other device gone")
    nl.session_create(1, 21, 22)
    ktap.ok(end.is_alive() and thread.is_alive(), "while the sender waits")
    end.cancel()
    ns.ip("link del d0")
    thread.join()


@ktap.case("move to another namespace: keeps session, counters, and goes with the session")
def _():
    device()
    index = ns.links()["e0"]
    ns.ip(f"link set e0 netns {other.name}")
    ktap.ok("e0" in other.links() and "e0" not in ns.links(), "moved")
    ktap.eq(nl.session_get(1, 11).text(L.IFNAME), "e0", "session's name")
    other.ip("link set e0 name moved")
    other.ip("link set moved up")
    # The name is free in the first namespace again.
    nl.session_create(1, 21, 22, ifname="e0")
    ktap.ok(ns.links()["e0"] != index, "another device")
    nl.session_delete(1, 11)
    wait_for(lambda: "moved" not in other.links(), what="device gone from the other namespace")
    ktap.eq(nl.sessions(), [(1, 21)])


@ktap.case("move and return")
def _():
    device()
    for _ in range(3):
        ns.ip(f"link set e0 netns {other.name}")
        other.ip(f"link set e0 netns {ns.name}")
    ktap.ok("e0" in ns.links(), "back")
    nl.session_delete(1, 11)
    wait_for(lambda: "e0" not in ns.links(), what="device gone")


ktap.main()
