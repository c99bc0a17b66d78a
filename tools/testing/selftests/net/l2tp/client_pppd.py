#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""pppd and its plugin pppol2tp.so at both ends of L2TPv3 sessions: made by netlink, with sockets of pppd's attached to them."""
import os

from lib import calls, impl, ktap, netns, program
from lib import l2tp as L
from lib.calls import pings
from lib.pppox import V3, V3in6, Pppox

HERE, THERE = "192.168.50.2", "192.168.50.1"
OUTER = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}


def end(space, where, number, encap, family, options):
    """Tunnel, session and pppd of one end; the pppd."""
    outer = OUTER[family]
    local, remote = outer[number], outer[1 - number]
    ours, theirs = 100000 + number, 100001 - number
    ports = {} if encap == L.IP else {"sport": 5000 + number, "dport": 5001 - number}
    with L.L2tp(netns=space) as nl:
        nl.tunnel_create(ours, theirs, local=local, remote=remote, encap=encap, **ports)
        nl.session_create(ours, 0x10000 + number, 0x10001 - number, pw=L.PW_PPP, **options(number))
    sock = Pppox(netns=space)
    ktap.cleanup(sock.close)
    build = V3in6 if family == 6 else V3
    sock.connect(build(-1, ours, 0x10000 + number, theirs, 0x10001 - number))
    os.set_inheritable(sock.fd, True)
    text = calls.OPTIONS + f"nodetach\n{(HERE, THERE)[number]}:{(THERE, HERE)[number]}\n"
    file = program.write(f"{where}/{number}.options", text)
    command = ["pppd", "plugin", "pppol2tp.so", "pppol2tp", str(sock.fd), "file", file]
    if number:
        command += ["pppol2tp_lns_mode", "pppol2tp_tunnel_id", str(ours), "pppol2tp_session_id", str(0x10000 + number)]
    pppd = program.Program(command, space, close_fds=False)
    sock.close()
    return pppd


def call(encap, family, options):
    """PPP comes up, carries traffic, and its end deletes the sessions."""
    program.require("pppd")
    calls.modules()
    if encap == L.IP and not impl.load("l2tp_ip6" if family == 6 else "l2tp_ip"):
        ktap.skip("no L2TP over IP")
    a, b = netns.pair()
    ktap.cleanup(b.delete)
    ktap.cleanup(a.delete)
    where = program.directory()
    pppds = [end(space, where, number, encap, family, options) for number, space in enumerate((a, b))]
    calls.wait_up(a, *pppds, peer=THERE)
    ktap.ok(pings(a, THERE), "ping")
    ktap.ok(pings(b, HERE, size=1372, extra="-M do"), "as large as the MTU")
    calls.tcp(a, b, THERE)
    for number, space in enumerate((a, b)):
        with L.L2tp(netns=space) as nl:
            message = nl.session_get(100000 + number, 0x10000 + number)
            stats = L.stats(message)
            ktap.eq((stats["rx_errors"], stats["tx_errors"]), (0, 0), "errors")
            ktap.ok(stats["rx_packets"] > 10 and stats["tx_packets"] > 10, f"packets: {stats}")
            seq = options(number).get("send_seq", 0)
            ktap.eq(message.uint(L.SEND_SEQ), seq, "sequence numbers are sent")
    pppds[0].stop()
    calls.gone(a, b)
    for number, space in enumerate((a, b)):
        with L.L2tp(netns=space) as nl:
            ktap.ok(netns.wait_for(lambda nl=nl: not nl.sessions(), 30), "the session goes with its socket")
            ktap.eq(nl.tunnels(), [100000 + number], "the tunnel stays")
            nl.tunnel_gone(100000 + number)


COOKIES = (b"left", b"rightone")


def plain(_):
    return {}


def complete(number):
    """Cookies of different sizes, sequence numbers sent and demanded, reordering."""
    return {"cookie": COOKIES[number], "peer_cookie": COOKIES[1 - number], "send_seq": 1, "recv_seq": 1,
            "timeout": 5000}


for encap, name in ((L.UDP, "UDP"), (L.IP, "IP")):
    ktap.add(f"L2TPv3 over {name} over IPv4, with cookies and sequence numbers", call, encap, 4, complete)
    ktap.add(f"L2TPv3 over {name} over IPv6, plain", call, encap, 6, plain)

ktap.main()
