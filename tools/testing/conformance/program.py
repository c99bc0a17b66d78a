# SPDX-License-Identifier: GPL-2.0
"""Programs for execute.c: an episode is a sequence of operations in a network namespace of its own.

An operation is a line of text; execute.c's perform() is the list of them. What the first lines of each episode make:

    100  generic netlink        102  tap0, the wire: frames written arrive, frames sent are shown
    101  notifications          103  frames that devices receive are shown        104  sends frames through a device
    105  rtnetlink              106  sends frames with a struct virtio_net_hdr in front
                                the rest is up to the episode

Frames of tap0 have a struct virtio_net_hdr in front, too. tap0 has the addresses LOCAL and LOCAL6 and is not told about neighbours, so that nothing but the traffic under test is on the wire.
"""
import os
import random
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

from lib import abi, genl, l2tp as L, l2tpwire as wire  # the tests' own builders

GENL, NOTES, TAP, FRAMES, OUT, RTNL, VNET = range(100, 107)
UDP = range(110, 118)           # sockets that may become tunnels
L2TPIP = range(118, 124)
PPPOX = range(124, 134)
PPP = range(134, 140)           # of /dev/ppp
OTHER = range(140, 146)         # sockets that should be refused
SPACES = range(146, 149)        # namespaces

MAC, FAR_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
LOCAL, LOCAL6 = ("10.0.0.1", "10.0.0.5", "127.0.0.1", "127.0.0.2"), ("fd00::1", "fd00::5", "::1")
FAR, FAR6 = ("10.0.0.2", "10.0.0.3"), ("fd00::2", "fd00::3")
EPHEMERAL = 40000               # the only port that the kernel chooses

RTM_NEWLINK, RTM_NEWADDR = 16, 20
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_NET_NS_FD = 1, 3, 4, 28
IFF_UP, IFF_NOARP = 0x1, 0x80
NLM_F_CREATE = 0x400

NO_OFFLOAD = bytes(10)          # struct virtio_net_hdr of a frame of which nothing is left to others
PORT_RANGE = ("/proc/sys/net/ipv4/ip_local_port_range", f"{EPHEMERAL}\t{EPHEMERAL}")
# No type of ICMP message is limited, not even by the limit of all of them: that lets none through in 20 ms, 5 minutes after boot.
QUIET = (("net/ipv4/icmp_ratemask", 0), ("net/ipv6/icmp/ratemask", 255), ("net/ipv6/auto_flowlabels", 0), ("net/ipv6/conf/default/disable_ipv6", 1),
         ("net/ipv4/ipfrag_time", 3600), ("net/ipv6/ip6frag_time", 3600))


def text(data):
    """Bytes as an operation writes them."""
    return data.hex() or "-"


def zero(hexadecimal, at, size):
    """A frame in hexadecimal with zeros in place of some of its bytes."""
    return hexadecimal[:2 * at] + "00" * size + hexadecimal[2 * (at + size):]


def ifname(name):
    return genl.string(IFLA_IFNAME, name)


def link(name, flags=0, change=0, *attributes):
    """RTM_NEWLINK for a device that exists."""
    return struct.pack("=BxHiII", 0, 0, 0, flags, change) + ifname(name) + b"".join(attributes)


def address(index, host, prefix):
    family, size = (10, socket.inet_pton(10, host)) if ":" in host else (2, socket.inet_aton(host))
    flags = genl.u32(8, 0x82) if family == 10 else b""          # IFA_F_NODAD
    return struct.pack("=BBBBI", family, prefix, 0x82 if flags else 0x80, 0, index) + genl.raw(2, size) + genl.raw(1, size) + flags


def prologue(how="wipe"):
    """The lines that begin an episode."""
    lines = [f"new {how}", f"socket {RTNL} 16 3 0", f"open {TAP} {os.O_RDWR | os.O_NONBLOCK} /dev/net/tun",
             f"ioctl {TAP} 0x400454ca {text(struct.pack('=16sH22x', b'tap0', 0x5002))}"]

    def rtnl(kind, body):
        lines.append(f"nl {RTNL} {kind} {genl.NLM_F_REQUEST | genl.NLM_F_ACK | NLM_F_CREATE} {text(body)}")
    lines += [f"put /proc/sys/net/ipv6/conf/tap0/{name} {value}" for name, value in (
        ("router_solicitations", 0), ("accept_dad", 0), ("addr_gen_mode", 1))]
    rtnl(RTM_NEWLINK, link("tap0", IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP, genl.raw(IFLA_ADDRESS, MAC)))
    rtnl(RTM_NEWLINK, link("lo", IFF_UP, IFF_UP))
    for host, prefix in ((LOCAL[0], 24), (LOCAL[1], 24), (LOCAL6[0], 64), (LOCAL6[1], 64)):
        rtnl(RTM_NEWADDR, address(2, host, prefix))
    # IPv6 addresses can be used when a worker has made their routes.
    lines += [f"await /proc/net/ipv6_route {socket.inet_pton(10, host).hex()}" for host in LOCAL6]
    lines += [f"put /proc/sys/{name} {value}" for name, value in QUIET]
    lines += ["put " + " ".join(PORT_RANGE), f"socket {GENL} 16 3 16", f"set {GENL} 270 10 01000000", f"set {GENL} 270 11 01000000",
              f"socket {NOTES} 16 3 16", f"set {NOTES} 270 1 group", f"watch {NOTES} n", f"watch {TAP} w",
              f"socket {FRAMES} 17 3 {socket.htons(3)}", f"set {FRAMES} 263 23 01000000", f"watch {FRAMES} p 2",
              f"socket {OUT} 17 10 0", f"socket {VNET} 17 3 0", f"set {VNET} 263 15 01000000"]
    return lines


class Episode:
    """One episode in the making: the random numbers, the lines so far, and what the operations so far should have made.

    That is only a guess, and need not be right: it lets most operations be about something that exists."""

    def __init__(self, seed, number, traits):
        self.random = random.Random(f"{seed}.{number}")
        self.traits = traits
        self.lines = []
        self.tunnels, self.sessions = {}, {}
        self.open = {}                  # descriptor -> what it is

    def pick(self, values):
        return self.random.choice(values)

    def chance(self, part):
        return self.random.random() < part

    def add(self, *words):
        self.lines.append(" ".join(map(str, words)))

    def nl(self, cmd, attributes, flags=genl.NLM_F_REQUEST | genl.NLM_F_ACK):
        """A request to the family."""
        self.add("nl", GENL, "0xffff", flags, text(bytes((cmd, 1, 0, 0)) + attributes))

    def link(self, name, *args):
        self.add("nl", RTNL, RTM_NEWLINK, genl.NLM_F_REQUEST | genl.NLM_F_ACK, text(link(name, *args)))

    def arrive(self, frame, offload=NO_OFFLOAD):
        """A frame comes in from the wire."""
        self.add("write", TAP, text(offload + frame))

    def close(self, fd):
        self.add("close", fd)
        self.open.pop(fd, None)

    def free(self, slots):
        """A descriptor for something new; rarely one that is in use."""
        unused = [fd for fd in slots if fd not in self.open]
        return self.pick(unused) if unused and not self.chance(0.02) else self.pick(slots)

    def used(self, slots):
        """A descriptor that is in use, or rarely not."""
        some = [fd for fd in slots if fd in self.open]
        return self.pick(some) if some and not self.chance(0.03) else self.pick(slots)
