#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Routes that send a tunnel's own packets into the tunnel: nothing may hang or run away, and the
tunnel works again when the route is right.

The C module locks up for good without a queue in between, so those cases are not run against it.
"""

import signal
import sys
import time

from lib import datapath, impl, ktap
from lib import l2tpwire as wire
from lib.datapath import ground, new_tag
from lib.l2tpwire import inner

LIMIT = 120 * impl.SLOW     # seconds; a frame that is still going round after that never stops


def alarm(*_):
    raise TimeoutError(f"not finished after {LIMIT} s")


def route(bed, family, peer, ses):
    """Packets to the peer go into the session's device, where the neighbour is known."""
    # IPv6 without an address of its own, so that the device says nothing by itself.
    bed.ns.sysctl(f"net.ipv6.conf.{ses.ifname}.addr_gen_mode", 1)
    bed.ns.sysctl(f"net.ipv6.conf.{ses.ifname}.disable_ipv6", 0)
    host = f"{peer}/{32 if family == 4 else 128}"
    bed.ns.batch([f"neigh replace {peer} lladdr 02:00:00:00:00:99 dev {ses.ifname} nud permanent",
                  f"route replace {host} dev {ses.ifname}"])
    ktap.cleanup(bed.ns.ip, f"-{family} route del {host}", False)


def settle(bed, sessions):
    """Counters of the sessions when they have stopped to change."""
    old = None
    while True:
        now = [bed.stats(ses) for ses in sessions]
        if now == old:
            return now
        old = now
        time.sleep(0.1)


def loop(bed, family, qdisc, two):
    """One session whose peer is behind itself, or two behind each other."""
    tuns = [bed.tunnel(10, family=family, managed=False)]
    sessions = [bed.session(tuns[0], 1001, send_seq=1)]
    peer = datapath.ADDR[family][1]
    if two:
        # The second tunnel has another peer; each one's peer is reached through the other.
        other = "10.0.0.3" if family == 4 else "fd00::3"
        near = datapath.ADDR[family][0]
        bed.nl.tunnel_create(20, 21, local=near, remote=other, sport=6020, dport=6020)
        tuns.append(datapath.Tunnel(20, 21, family, 6020, 6020, None, 3))
        ktap.cleanup(bed.end, tuns[1])
        sessions.append(bed.session(tuns[1], 2001))
        route(bed, family, peer, sessions[1])
        route(bed, family, other, sessions[0])
    else:
        route(bed, family, peer, sessions[0])
    for ses in sessions:
        bed.ns.run(f"tc qdisc replace dev {ses.ifname} root {qdisc}")
    return sessions


def check(family, qdisc, two, burst):
    if qdisc == "noqueue" and impl.IS_C:
        ktap.skip("the C module locks up")
    bed = ground()
    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(LIMIT)
    ktap.cleanup(signal.alarm, 0)
    sessions = loop(bed, family, qdisc, two)
    before = settle(bed, sessions)
    for _ in range(burst):
        bed.transmit(sessions[0], inner(new_tag()))
    now = settle(bed, sessions)
    sent, lost = (sum(n[k] - b[k] for n, b in zip(now, before)) for k in ("tx_packets", "tx_errors"))
    ktap.diag(f"{burst} frames became {sent} transmitted and {lost} refused")
    ktap.ok(sent + lost >= burst, f"every frame is accounted for: {sent} + {lost}")
    if qdisc == "noqueue":
        if two:
            # Each one's frame is fine for the other; it is the core that stops the nesting.
            ktap.ok(lost >= burst and sent <= 20 * burst, f"{sent} transmitted, {lost} refused")
        else:
            ktap.eq(lost, burst, "refused frames")
            ktap.ok(sent <= burst, f"{sent} transmitted")
            ktap.eq(sum(n["d.tx_dropped"] - b["d.tx_dropped"] for n, b in zip(now, before)), burst,
                    "tx_dropped of the device")

    # With the right route again, frames arrive as if nothing had been.
    for peer in datapath.ADDR[family][1:] + (("10.0.0.3",) if family == 4 else ("fd00::3",)):
        bed.ns.ip(f"-{family} route del {peer}/{32 if family == 4 else 128}", False)
    for ses in sessions:
        frame = inner(new_tag())
        bed.far_wire.drain()
        bed.transmit(ses, frame)
        got = [d.payload for _, d in bed.sent_data(ses)]
        ktap.eq(got, [frame], "with the right route again")


def forwarded(family):
    """The loop is met by a received packet, in softirq context, on every frame of a burst."""
    if impl.IS_C:
        ktap.skip("the C module locks up")
    bed = ground()
    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(LIMIT)
    ktap.cleanup(signal.alarm, 0)
    ses, = loop(bed, family, "noqueue", False)
    bed.ns.sysctl("net.ipv4.ip_forward", 1)
    bed.ns.ip("route add 172.16.0.0/16 dev " + ses.ifname)
    bed.ns.ip(f"neigh replace 172.16.0.1 lladdr 02:00:00:00:00:98 dev {ses.ifname} nud permanent")
    before = settle(bed, [ses])[0]
    bed.ns.sysctl("net.ipv4.conf.va.rp_filter", 0)
    packet = wire.udp("10.0.0.2", "172.16.0.1", 9, 9, b"x" * 64)
    for _ in range(100):
        bed.raw(wire.ip_frame(bed.near_mac, bed.far_mac, "10.0.0.77", "172.16.0.1", 17, packet))
    now = settle(bed, [ses])[0]
    ktap.eq(now["tx_errors"] - before["tx_errors"], 100, "refused frames")


for _family in (4, 6):
    for _qdisc, _two in (("fq_codel", False), ("noqueue", False), ("fq_codel", True),
                         ("noqueue", True)):
        for _burst in (1, 20):
            ktap.add(f"ip{_family} {_qdisc} {'two tunnels' if _two else 'one tunnel'}, "
                     f"burst of {_burst}", check, _family, _qdisc, _two, _burst)
ktap.add("forwarded packets meet the loop", forwarded, 4)

if __name__ == "__main__":
    sys.exit(ktap.main())
