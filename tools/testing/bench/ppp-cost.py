#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ppp-cost.py: in the guest, instructions per packet of a PPP session over L2TPv2, transmit and receive apart.

Run with `tools/testing/vm/run --icount`: then a nanosecond of guest time is an instruction. UDP datagrams of 60 bytes go from
namespace a to b, as far as: the veth's far end (for `plain`, without a tunnel), the far end of the veth in L2TP (`tx`), or out of
the PPP device there (`rx`); what arrives is counted and dropped by a tc filter. What PPP, L2TP and the outer packet cost is the
difference: tx - plain for transmission, rx - tx for reception.

Arguments: ip|ip6 outer family (default ip), options of the session (`seq`: sequence numbers; default none)
"""
import ctypes
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

from lib import l2tp, netns, pppox  # noqa: E402

PACKETS, BATCH = 20000, 50
OUTER = {"ip": ("10.0.0.1", "10.0.0.2"), "ip6": ("fd00::1", "fd00::2")}


def end(space, number, outer, sequenced):
    """One end of a call, its device up, which sends to and receives from 192.168.9.x."""
    udp = l2tp.udp_socket(outer[number], outer[1 - number], 1701, 1701, netns=space)
    build = pppox.V2in6 if ":" in outer[0] else pppox.V2
    keep = [udp]
    for sid in (0, 1):
        keep.append(pppox.Pppox(netns=space).connect(build(udp.fileno(), 1 + number, sid, 2 - number, sid)))
    for option in (pppox.SENDSEQ, pppox.RECVSEQ, pppox.LNSMODE):
        keep[-1].setsockopt(option, sequenced)
    with space.enter():
        channel, unit = pppox.Channel(keep[-1]), pppox.Unit()
        channel.connect(unit)
        unit.pass_through(pppox.IP_PROTO)
    space.sysctl(f"net.ipv6.conf.{unit.name}.disable_ipv6", 1)
    space.batch([f"addr add 192.168.9.{1 + number} peer 192.168.9.{2 - number} dev {unit.name}",
                 f"link set {unit.name} up mtu 1400"])
    return keep + [channel, unit], unit.name


class Sink:
    """Counts and drops what arrives at a device of b."""

    def __init__(self, space, device):
        self.space, self.device = space, device
        space.run(f"tc qdisc add dev {device} clsact")
        space.run(f"tc filter add dev {device} ingress pref 1 matchall action drop")

    def arrived(self):
        shown = self.space.run(f"tc -s filter show dev {self.device} ingress").stdout
        return int(shown.split("Sent ")[1].split()[2])

    def close(self):
        self.space.run(f"tc qdisc del dev {self.device} clsact")


class Sender:
    """Sends datagrams to an address, many with one system call."""

    def __init__(self, space, address):
        with space.enter():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((address, 9))
        payload = ctypes.create_string_buffer(bytes(32), 32)
        self.iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(payload), 32))
        message = struct.pack("=QIIQQQQiIII", 0, 0, 0, ctypes.addressof(self.iov), 1, 0, 0, 0, 0, 0, 0)
        self.messages, self.payload = ctypes.create_string_buffer(message * BATCH), payload
        self.libc = ctypes.CDLL(None, use_errno=True)

    def send(self):
        """Nanoseconds for each of PACKETS."""
        began = time.monotonic_ns()
        for _ in range(PACKETS // BATCH):
            if self.libc.sendmmsg(self.sock.fileno(), self.messages, BATCH, 0) != BATCH:
                raise OSError(ctypes.get_errno(), "sendmmsg")
        return (time.monotonic_ns() - began) // PACKETS


def measure(label, space, address, sink):
    sender = Sender(space, address)
    sender.send()       # warm up
    before = sink.arrived()
    cost = sender.send()
    time.sleep(0.2)
    arrived = sink.arrived() - before
    if arrived < PACKETS:
        raise SystemExit(f"ppp-cost: {label}: only {arrived} of {PACKETS} packets arrived")
    sink.close()
    print(label, cost, flush=True)


def main():
    family = sys.argv[1] if len(sys.argv) > 1 else "ip"
    sequenced = int("seq" in sys.argv[2:])
    netns.sh("modprobe -a l2tp_ppp veth")
    a, b = netns.pair()
    b.run(f"ping -q -c 1 -W 2 {OUTER[family][0]}")
    mac = b.run("cat /sys/class/net/vb/address").stdout.strip()
    for address in ("10.0.0.2", OUTER[family][1]):
        a.ip(f"neigh replace {address} dev va lladdr {mac} nud permanent")
    one, _ = end(a, 0, OUTER[family], sequenced)
    two, device = end(b, 1, OUTER[family], sequenced)
    measure("plain", a, "10.0.0.2", Sink(b, "vb"))
    # In this order: frames that do not arrive would leave a gap in the sequence numbers.
    measure("rx", a, "192.168.9.2", Sink(b, device))
    measure("tx", a, "192.168.9.2", Sink(b, "vb"))
    for thing in reversed(one + two):
        thing.close()
    a.delete()
    b.delete()


main()
