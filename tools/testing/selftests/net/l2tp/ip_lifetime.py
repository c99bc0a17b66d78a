#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""L2TP/IP while packets come in all the time: sockets, tunnels, namespaces and modules that come and go."""

import contextlib
import os
import signal
import socket
import time

from lib import impl, ktap, l2tp, l2tpip, netns
from lib import l2tpwire as wire
from lib.l2tpip import Sock, address, control_message

NEAR = {4: "10.0.0.1", 6: "fd00::1"}
FAR = {4: "10.0.0.2", 6: "fd00::2"}
SECONDS = 6


def flood(space):
    """A process that sends control messages and data frames of both families to the near end until it is killed."""
    child = os.fork()
    if child:
        ktap.cleanup(stop, child)
        return child
    try:
        with space.enter():
            socks = {family: socket.socket(l2tpip.AF[family], socket.SOCK_RAW, 115) for family in (4, 6)}
        packets = [bytes(4) + control_message(number) for number in range(1, 5)]
        packets += [wire.v3(number, wire.inner(number), l2ss=0, udp_encap=False) for number in range(1, 5)]
        while True:
            for family, sock in socks.items():
                for packet in packets:
                    with contextlib.suppress(OSError):
                        sock.sendto(packet, (NEAR[family], 0))
    finally:
        os._exit(0)


def stop(child):
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def for_a_while(turn):
    """Call turn() again and again; how often."""
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        turn()
        count += 1
    ktap.diag(f"{count} turns")
    return count


@ktap.case("sockets")
def sockets():
    with netns.pair() as (a, b):
        flood(b)

        def turn():
            for family in (4, 6):
                with a.enter(), Sock(family) as s:
                    ktap.eq(s.bind(address(family, NEAR[family], 1)), 0, "bind")
                    s.connect(address(family, FAR[family], 1))
                    s.recv(flags=0x40)
                    s.send(control_message(1))
                    s.disconnect()
        ktap.ok(for_a_while(turn), "turns")
        with a.enter(), Sock(4) as s:
            s.bind(address(4, NEAR[4], 2))
            ktap.eq(s.data(), control_message(2), "what arrives at last")


@ktap.case("tunnels, on sockets of the kernel and of user space")
def tunnels():
    with netns.pair() as (a, b):
        flood(b)
        nl = l2tp.L2tp(netns=a)

        def turn():
            for family in (4, 6):
                nl.tunnel_create(family, 1, local=NEAR[family], remote=FAR[family], encap=l2tp.IP)
                nl.session_create(family, 1, 1, ifname=f"e{family}")
                a.ip(f"link set e{family} up")
                nl.tunnel_delete(family)
                with a.enter(), Sock(family) as s:
                    s.bind(address(family, NEAR[family], 1))
                    s.connect(address(family, FAR[family], 1))
                    nl.tunnel_create(10 + family, 1, fd=s.fd, encap=l2tp.IP)
                    nl.session_create(10 + family, 2, 1, ifname=f"f{family}")
                netns.wait_for(lambda: nl.try_tunnel_get(family) == "ENODEV" and
                               nl.try_tunnel_get(10 + family) == "ENODEV" and
                               not {f"e{family}", f"f{family}"} & set(a.links()), what="the end")
        ktap.ok(for_a_while(turn), "turns")
        nl.close()


@ktap.case("namespaces")
def namespaces():
    with netns.NetNS() as b:
        b.ip("link add br0 type bridge")
        b.batch(["link set br0 up", f"addr add {FAR[4]}/24 dev br0", f"addr add {FAR[6]}/64 dev br0 nodad"])
        flood(b)

        def turn():
            a = netns.NetNS()
            # The packets keep coming while the namespace goes, for its end of the cable goes last of all.
            b.batch([f"link add vb type veth peer name va netns {a.name}", "link set vb master br0", "link set vb up"])
            a.batch(["link set va address 02:00:00:00:00:aa", "link set va up", f"addr add {NEAR[4]}/24 dev va",
                     f"addr add {NEAR[6]}/64 dev va nodad",
                     f"l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap ip local {NEAR[4]} remote {FAR[4]}",
                     f"l2tp add tunnel tunnel_id 2 peer_tunnel_id 1 encap ip local {NEAR[6]} remote {FAR[6]}",
                     "l2tp add session name e1 tunnel_id 1 session_id 1 peer_session_id 1",
                     "l2tp add session name e2 tunnel_id 2 session_id 2 peer_session_id 1",
                     "link set e1 up", "link set e2 up"])
            b.batch([f"neigh replace {NEAR[4]} lladdr 02:00:00:00:00:aa dev br0 nud permanent",
                     f"neigh replace {NEAR[6]} lladdr 02:00:00:00:00:aa dev br0 nud permanent"])
            with a.enter():
                sock = Sock(4)
            sock.bind(address(4, NEAR[4], 3))
            ktap.eq(sock.data(), control_message(3), "a message in the new namespace")
            sock.close()
            a.delete()
            netns.wait_for(lambda: "vb" not in b.links(), what="the end of the namespace")
        ktap.ok(for_a_while(turn), "turns")


@ktap.case("modules")
def modules():
    with netns.pair() as (a, b):
        flood(b)

        def turn():
            for family in (4, 6):
                with a.enter(), Sock(family) as s:
                    ktap.eq(s.bind(address(family, NEAR[family], 1)), 0, "bind")
                    netns.sh("modprobe -r l2tp_ip6 l2tp_ip", check=False)
                    ktap.ok(os.path.exists("/sys/module/l2tp_ip" + "6" * (family == 6)), "a module in use stays")
            ktap.eq(netns.wait_for(lambda: netns.sh("modprobe -r l2tp_ip6 l2tp_ip", check=False).returncode == 0 and
                                   not os.path.exists("/sys/module/l2tp_ip")), True, "unload")
        ktap.ok(for_a_while(turn), "turns")


if __name__ == "__main__":
    if not impl.available("l2tp_ip"):
        ktap.diag("no l2tp_ip")
        raise SystemExit(ktap.SKIP)
    impl.load("l2tp_ip", "l2tp_ip6", "l2tp_eth", "veth")
    ktap.main()
