#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""PPP units over PPPoL2TP channels between two namespaces: traffic, recursion, bridging, options on the fly."""
import os
import struct
import threading
import time

from lib import impl, kmsg, ktap, netns
from lib import l2tp as L
from lib.netns import wait_for
from lib.pppox import (LNSMODE, RECVSEQ, REORDERTO, SENDSEQ, V2, V2in6, V3, Channel, Pppox, Unit,
                       errno_of)

if not impl.load("l2tp_ppp", "veth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"


class Side:
    """One end of a call: tunnel, session, channel, unit with addresses."""

    def __init__(self, ns, number, build, outer, port, unit=True):
        self.ns, peer = ns, 3 - number
        self.udp = L.udp_socket(outer[number], outer[peer], port + number, port + peer, netns=ns)
        self.management = Pppox(netns=ns).connect(build(self.udp.fileno(), port + number, 0,
                                                        port + peer, 0))
        self.session = Pppox(netns=ns).connect(build(self.udp.fileno(), port + number, number,
                                                     port + peer, peer))
        with ns.enter():
            self.channel = Channel(self.session)
            if unit:
                self.unit = Unit()
                self.channel.connect(self.unit)
                self.unit.pass_through()
        if unit:
            ns.ip(f"addr add 192.168.{port % 250}.{number} peer 192.168.{port % 250}.{peer} "
                  f"dev {self.unit.name}")
            ns.ip(f"link set {self.unit.name} up mtu 1400")
            ns.ip(f"addr add fe80::{number}/64 dev {self.unit.name} nodad", check=False)
            self.peer4 = f"192.168.{port % 250}.{peer}"
            self.peer6 = f"fe80::{peer}%{self.unit.name}"

    def close(self):
        for name in ("unit", "channel", "session", "management", "udp"):
            if hasattr(self, name):
                getattr(self, name).close()


OUTER4, OUTER6 = {1: "10.0.0.1", 2: "10.0.0.2"}, {1: "fd00::1", 2: "fd00::2"}
a, b = netns.pair()
ktap.at_exit(lambda: (a.delete(), b.delete()))
_ports = iter(range(2000, 9000, 10))


def call(build=V2, outer=OUTER4):
    port = next(_ports)
    one = Side(a, 1, build, outer, port)
    ktap.cleanup(one.close)
    two = Side(b, 2, build, outer, port)
    ktap.cleanup(two.close)
    return one, two


def ping(side, size=56, count=3, peer=None, extra=""):
    done = side.ns.run(f"ping -n -q -c {count} -i 0.05 -W 3 -s {size} {extra} {peer or side.peer4}",
                       check=False)
    return f"{count} received" in done.stdout, done.stdout + done.stderr


def must_ping(side, what, **kw):
    good, output = ping(side, **kw)
    ktap.ok(good, f"ping, {what}: {output}")


for name, build, outer in (("L2TPv2 over IPv4", V2, OUTER4), ("L2TPv2 over IPv6", V2in6, OUTER6),
                           ("L2TPv3 over IPv4", V3, OUTER4), ("L2TPv3 over IPv6", V3, OUTER6)):
    @ktap.case(f"{name}: IPv4 and IPv6 through ppp devices", build, outer)
    def _(build, outer):
        one, two = call(build, outer)
        for side in (one, two):
            must_ping(side, "IPv4")
            must_ping(side, "largest", size=1372, extra="-M do")
            must_ping(side, "fragmented inside", size=4000)
            must_ping(side, "IPv6", peer=side.peer6)
        stats = one.session.stats()
        ktap.eq((stats["tx_errors"], stats["rx_errors"]), (0, 0), "errors")
        ktap.eq(stats["tx_packets"], two.session.stats()["rx_packets"], "packets")
        ktap.eq(stats["tx_bytes"], two.session.stats()["rx_bytes"], "bytes")


@ktap.case("the device: no queue, and not linearised for nothing")
def _():
    one, _ = call()
    shown = a.run(f"ip -d link show {one.unit.name}").stdout
    ktap.ok("qdisc noqueue" in shown, shown)
    ktap.ok("mtu 1400" in shown, shown)


@ktap.case("TCP through ppp devices, with sequence numbers going on and off")
def _():
    one, two = call()
    server = b.popen(f"iperf3 -s -1 -B {one.peer4}")
    ktap.cleanup(server.kill)
    wait_for(lambda: ":5201" in b.run("ss -ltn").stdout, what="iperf3 server")
    stop = threading.Event()

    def change():
        on = 0
        while not stop.is_set():
            on = 1 - on
            for side in (one, two):
                # As a LAC, each follows the other; frames without numbers are never refused.
                side.session.setsockopt(SENDSEQ, on)
                side.session.setsockopt(REORDERTO, 40 * on)
            time.sleep(0.02)
    thread = threading.Thread(target=change)
    thread.start()
    done = a.run(f"iperf3 -c {one.peer4} -t 3", check=False, timeout=300)
    stop.set()
    thread.join()
    ktap.ok(" receiver" in done.stdout and done.returncode == 0, done.stdout + done.stderr)
    must_ping(one, "afterwards")


@ktap.case("LNS and LAC: the LAC follows; who demands numbers discards frames without")
def _():
    lac, lns = call()
    lns.session.setsockopt(LNSMODE, 1)
    lns.session.setsockopt(SENDSEQ, 1)
    ping(lns, count=1)
    ktap.eq(lac.session.getsockopt(SENDSEQ), 1, "the LAC sends numbers, too")
    must_ping(lns, "with numbers")
    lns.session.setsockopt(RECVSEQ, 1)
    must_ping(lns, "with numbers demanded")
    lac.session.setsockopt(LNSMODE, 1)
    lac.session.setsockopt(SENDSEQ, 0)
    before = lns.session.stats()["rx_seq_discards"]
    ktap.eq(ping(lac, count=1)[0], False, "without numbers")
    ktap.ok(lns.session.stats()["rx_seq_discards"] > before, "discards")


@ktap.case("a peer's route through its own device is noticed, and nothing is stuck")
def _():
    one, two = call()
    must_ping(one, "before")
    log = kmsg.Watch()
    a.ip(f"route add 10.0.0.2/32 dev {one.unit.name}")
    ktap.eq(ping(one, count=2)[0], False, "a loop")
    time.sleep(0.1)
    ktap.ok(any("recursion detected" in line for line in log.read()), "recursion detected")
    a.ip("route del 10.0.0.2/32")
    must_ping(one, "afterwards")


@ktap.case("two tunnels whose peers are reached through each other")
def _():
    if os.path.exists("/proc/lockdep"):
        ktap.skip("lockdep takes one ppp device below another for a deadlock: ppp_generic has one class for the locks of all")
    one, _ = call()
    other, _ = call()
    a.ip(f"addr add 10.9.9.1/32 dev {one.unit.name}")
    # The outer address of both tunnels through one device, that of its own packets through the other.
    a.ip(f"route add 10.0.0.2/32 dev {other.unit.name}")
    ping(one, count=2)
    ping(other, count=2)
    a.ip("route del 10.0.0.2/32")
    must_ping(one, "the first, afterwards")
    must_ping(other, "the second, afterwards")


@ktap.case("bridged channels: a switch between two tunnels through the same device")
def _():
    # user (a) -- tunnel 1 -- switch (b) -- tunnel 2 -- network (a); the switch has no unit.
    port, port2 = next(_ports), next(_ports)
    user = Side(a, 1, V2, OUTER4, port)
    left = Side(b, 2, V2, OUTER4, port, unit=False)
    right = Side(b, 2, V2, OUTER4, port2, unit=False)
    network = Side(a, 1, V2, OUTER4, port2, unit=False)
    for side in (user, left, right, network):
        ktap.cleanup(side.close)
    with b.enter():
        left.channel.bridge(right.session.channel())
    for frame in (LCP, LCP + bytes(1300)):
        user.channel.write(frame)
        wait_for(lambda: errno_of(lambda: got.append(network.channel.read())) == "ok", 3) \
            if not (got := []) else None
        ktap.eq(got, [frame], "to the network")
        network.channel.write(frame[::1] + b"back")
        wait_for(lambda: errno_of(lambda: got2.append(user.channel.read())) == "ok", 3) \
            if not (got2 := []) else None
        ktap.eq(got2, [frame + b"back"], "to the user")
    ktap.eq(right.session.stats()["tx_packets"], 2, "sent by the switch")
    ktap.eq(right.session.stats()["tx_errors"], 0, "errors of the switch")


@ktap.case("a bridge ends with either of its channels")
def _():
    port, port2 = next(_ports), next(_ports)
    user = Side(a, 1, V2, OUTER4, port, unit=False)
    left = Side(b, 2, V2, OUTER4, port, unit=False)
    right = Side(b, 2, V2, OUTER4, port2, unit=False)
    for side in (user, left, right):
        ktap.cleanup(side.close)
    with b.enter():
        left.channel.bridge(right.session.channel())
    stop = threading.Event()

    def send():
        while not stop.is_set():
            user.channel.write(LCP)
    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(0.3)
    right.session.close()
    time.sleep(0.2)
    left.session.close()
    stop.set()
    thread.join()


@ktap.case("closing the session under traffic: the device stays and sends nowhere")
def _():
    one, two = call()
    flood = a.popen(f"ping -q -f -w 2 {one.peer4}", stdout=-3, stderr=-3)
    time.sleep(0.5)
    one.session.close()
    two.udp.close()
    flood.wait()
    shown = a.run(f"ip link show {one.unit.name}").stdout
    ktap.ok(one.unit.name in shown, "the device stays until its unit is closed")
    ktap.eq(ping(one, count=1)[0], False, "nothing goes")


@ktap.case("frames that have compressed or no addresses, and frames that are too short")
def _():
    one, two = call()
    port = one.udp.getsockname()[1] - 1
    echo = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, bytes(4), bytes(4)) + bytes(8)
    head = struct.pack("!HHH", 2, port + 1, 1)
    before = one.session.stats()["rx_packets"]
    for frame in (b"\xff\x03\x00\x21" + echo, b"\x00\x21" + echo, b"\xff\x03\x21" + echo,
                  b"\x21" + echo, b"\xff\x03\x00\x21" + bytes(4), b"\xff\x03\x00\xff" + bytes(4)):
        two.udp.send(head + frame)
    wait_for(lambda: one.session.stats()["rx_packets"] == before + 6, what="frames")
    must_ping(one, "afterwards")


@ktap.case("the kernel's own view through netlink")
def _():
    one, _ = call()
    must_ping(one, "traffic")
    with L.L2tp(netns=a) as nl:
        tid = struct.unpack("=HHHH", one.session.getsockname()[30:])[0]
        message = nl.session_get(tid, 1)
        ktap.eq(message.uint(L.PW_TYPE), L.PW_PPP, "type")
        got, want = L.stats(message), one.session.stats()
        ktap.eq({k: got[k] for k in ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes")},
                {k: want[k] for k in ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes")})


ktap.main()
