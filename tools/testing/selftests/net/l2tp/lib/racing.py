# SPDX-License-Identifier: GPL-2.0
"""The scene of races.py: three namespaces, tunnels and sessions of all kinds, which processes can take away and make anew."""

import contextlib
import fcntl
import os
import socket
import struct

from . import l2tp, netns
from . import l2tpwire as wire

# In an order in which they can be unloaded.
MODULES = ("l2tp_debugfs", "l2tp_eth", "l2tp_ppp", "l2tp_ip6", "l2tp_ip", "l2tp_netlink", "l2tp_core")
MAC = {"va": "02:00:00:00:00:0a", "vb": "02:00:00:00:00:0b"}


class Scene:
    """Namespace a has the kernel's end and is the one that ends, b the peer's, c is elsewhere."""

    tunnels = (1, 2, 3, 4)
    sessions = ((1, 11), (2, 22), (3, 33), (4, 44))
    devices = ("e1", "e3", "e4")

    def __init__(self):
        self.b, self.c = netns.NetNS(), netns.NetNS()
        self.a = None
        self.name = self.b.name + "a"
        self.nl, self.socks, self.odd = None, [], False
        self.renew()

    def renew(self):
        """Namespace a ends, another one gets its name."""
        self.close_sockets()
        if self.nl:
            self.nl.close()
            self.nl = None
        if self.a:
            # It may be the work of a process that was stopped half-way.
            netns.sh(["ip", "netns", "del", self.name], check=False)
        self.a = netns.NetNS(self.name)
        self.veth()

    def veth(self):
        """va in a, vb in b, with addresses that nobody has to ask for."""
        self.b.ip("link del vb", check=False)
        self.a.batch([f"link add va address {MAC['va']} type veth peer name vb address {MAC['vb']} netns {self.b.name}",
                      "addr add 10.0.0.1/24 dev va", "link set va up",
                      f"neigh replace 10.0.0.2 lladdr {MAC['vb']} dev va nud permanent"], check=False)
        self.b.batch(["addr add 10.0.0.2/24 dev vb", "link set vb up",
                      f"neigh replace 10.0.0.1 lladdr {MAC['va']} dev vb nud permanent"], check=False)

    def make(self):
        """What is not there of: v3 and v2 over UDP, v3 over IP, v3 over a user's socket, each with a session.
        Returns the sessions that are there then, the last one only if its tunnel is of the socket of this time."""
        self.close_sockets()
        if self.nl:
            self.nl.close()
        self.nl = nl = l2tp.L2tp(netns=self.a)
        ends = {"local": "10.0.0.1", "remote": "10.0.0.2"}
        nl.try_tunnel_create(1, 1, sport=5001, dport=5001, **ends)
        nl.try_tunnel_create(2, 2, sport=5002, dport=5002, version=2, **ends)
        nl.try_tunnel_create(3, 3, encap=l2tp.IP, **ends)
        mine = None
        with contextlib.suppress(OSError):
            self.socks.append(l2tp.udp_socket("10.0.0.1", "10.0.0.2", 5004, 5004, netns=self.a))
            mine = nl.try_tunnel_create(4, 4, fd=self.socks[-1].fileno())
        for tid, sid in self.sessions:
            more = {"pw": l2tp.PW_PPP} if tid == 2 else {"ifname": f"e{tid}"}
            nl.try_session_create(tid, sid, sid, **more)
        # Without a process of ip, which the debug kernel needs long to start.
        with self.a.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for name in self.devices:
                with contextlib.suppress(OSError):
                    fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", name.encode(), 1))     # SIOCSIFFLAGS, IFF_UP
        return [one for one in self.sessions if (one[0] != 4 or mine == "ok") and nl.try_session_get(*one) == "ok"]

    def frames(self):
        """Ethernet frames of the peer: data for every session, for none, and control messages."""
        macs = [bytes.fromhex(MAC[name].replace(":", "")) for name in ("va", "vb")]
        hosts = ("10.0.0.2", "10.0.0.1")
        inner = wire.inner(1)
        out = [wire.udp_frame(*macs, *hosts, port, port, payload) for port, payload in (
            (5001, wire.v3(11, inner, l2ss=0)), (5001, wire.v3(99, inner, l2ss=0)), (5001, b"\xc8\x03" + bytes(10)),
            (5002, wire.v2(2, 22, b"\xff\x03\xc0\x21 frame", ns=5)), (5002, wire.v2(2, 22, b"\xc0\x21 frame")),
            (5004, wire.v3(44, inner, l2ss=0x40000007)), (5004, wire.v3(44, inner, l2ss=0)),
            (6008, wire.v3(108, inner, l2ss=0)), (7000, wire.v2(7, 22, b"\xc0\x21 frame")))]
        return out + [wire.ip_frame(*macs, *hosts, 115, wire.v3(sid, inner, l2ss=0, udp_encap=False)) for sid in (33, 0)]

    def close_sockets(self):
        while self.socks:
            self.socks.pop().close()

    def clean(self):
        """After processes that changed it and were killed: nothing is left, and what the next ones need is there."""
        try:
            with l2tp.L2tp(netns=self.a) as nl:
                nl.wipe()
            # The last thing that veth() does, which goes with either device.
            whole = "10.0.0.1" in self.b.ip("neigh show dev vb", check=False).stdout
        except OSError:
            whole = False
        if not whole:
            self.renew()

    def close(self):
        self.close_sockets()
        if self.nl:
            self.nl.close()
            self.nl = None
        for space in (self.a, self.b, self.c):
            space.delete()


def live_objects():
    """How many namespaces and sockets there are, where SLUB counts them for each kind."""
    out = {}
    for cache in ("net_namespace", "L2TP/IP", "L2TP/IPv6", "PPPOL2TP", "UDP", "UDPv6"):
        at = f"/sys/kernel/slab/{cache.replace('/', '!')}"
        if os.path.exists(at + "/objects"):
            with contextlib.suppress(OSError), open(at + "/shrink", "w", encoding="ascii") as file:
                file.write("1")
            with open(at + "/objects", encoding="ascii") as file:
                out[cache] = int(file.read().split()[0])
    return out
