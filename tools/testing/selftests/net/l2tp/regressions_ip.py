#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Bugs that L2TP has had: L2TP/IP sockets. The list is in Documentation/networking/l2tp-regressions.rst."""
import random

from lib import impl, ktap, l2tpip
from lib.l2tpip import Sock, address, control_message
from lib.netns import NetNS
from lib.regress import at_once, race, row

if not impl.load("l2tp_ip", "l2tp_ip6"):
    ktap.diag("l2tp_ip of this implementation is not available")
    raise SystemExit(ktap.SKIP)
ns = NetNS()
ktap.at_exit(ns.delete)
HOST = {4: "127.0.0.1", 6: "::1"}
SEED = random.randrange(1 << 30)


def sock(family):
    with ns.enter():
        one = Sock(family)
    ktap.cleanup(one.close)
    return one


@row(2, "CVE-2016-10200: two threads bind one socket")
def _():
    for family in (4, 6):
        for _ in range(25):
            one = sock(family)
            got = at_once(*(lambda n=n: one.bind(address(family, HOST[family], n)) for n in (1, 2)))
            ktap.eq(sorted(map(str, got)), ["0", "EINVAL"], "results")
            one.close()


@row(15, "recvmsg() gives no memory of the kernel away in the address, IPv6")
def _():
    receiver, sender = sock(6), sock(6)
    receiver.bind(address(6, "::1", 1))
    sender.bind(address(6, "::1", 2))
    sender.send(control_message(1, b"body"), address(6, "::1", 1))
    ktap.ok(receiver.wait(), "a message")
    ktap.eq(receiver.recv().name, address(6, "::1"), "the sender's address")


@row(21, "syzbot 3610d489778b57cc8031: bind, connect, disconnect, listen and close in any order")
def _():
    rng = random.Random(SEED)
    ktap.diag(f"seed {SEED}")

    def one_life():
        family = rng.choice((4, 6))
        with ns.enter():
            one = Sock(family)
        with one:
            return 0 in [
                rng.choice((lambda: one.bind(address(family, HOST[family], rng.randrange(3))),
                            lambda: one.connect(address(family, HOST[family], rng.randrange(3))),
                            one.disconnect, lambda: l2tpip.call("listen", one.fd, 1), lambda: l2tpip.call("shutdown", one.fd, 2),
                            lambda: one.send(control_message(1), address(family, HOST[family], 1))))()
                for _ in range(rng.randrange(1, 7))]
    race(one_life, one_life)
    fresh = sock(4)
    ktap.eq(fresh.bind(address(4, HOST[4], 1)), 0, "a socket can be bound to the same afterwards")


@row(28, "a message of almost INT_MAX bytes, IPv6")
def _():
    one = sock(6)
    one.bind(address(6, "::1", 1))
    for short in range(8):
        got = one.send(b"x", address(6, "::1", 1), count=(1 << 31) - 1 - short)
        ktap.isin(got, ("EMSGSIZE", "EFAULT"), f"INT_MAX - {short}")


@row(33, "CVE-2024-26752: the header of a message in several parts is counted once, IPv6")
def _():
    receiver, sender = sock(6), sock(6)
    receiver.bind(address(6, "::1", 1))
    sender.bind(address(6, "::1", 2))
    sender.connect(address(6, "::1", 1))
    more = 0x8000
    for parts in ((100, 20), (5, 5, 5), (700, 0, 700)):
        whole = control_message(1, bytes(range(256)) * 6)[:sum(parts)] if sum(parts) > 12 else control_message(1, b"abc")
        at = 0
        for n, size in enumerate(parts):
            sender.send(whole[at:at + size], flags=more if n < len(parts) - 1 else 0)
            at += size
        ktap.ok(receiver.wait(), "a message")
        ktap.eq(receiver.data(), whole[:at], f"parts of {parts}")


if __name__ == "__main__":
    ktap.main()
