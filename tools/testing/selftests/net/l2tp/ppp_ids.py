#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The 16-bit ids of L2TPv2: their edges, sessions that are all there can be, and sockets where no tunnel's socket may be."""
import struct

from lib import impl, ktap
from lib import l2tp as L
from lib.netns import wait_for
from lib.pppox import Ground, Pppox, V2, errno_of

if not impl.load("l2tp_ppp"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

ground = Ground()
ktap.at_exit(ground.close)
LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"
EDGES = (1, 2, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff)


def new_end(**kw):
    end = ground.end(**kw)
    ktap.cleanup(end.close)
    return end


def both_ways(end, sock, sid, psid):
    """A frame of a session goes out and one comes in."""
    sock.send(LCP)
    ktap.eq(end.sent(), struct.pack("!HHH", 2, end.ptid, psid) + b"\xff\x03" + LCP, f"sent, session {sid}")
    end.inject(sid, LCP + struct.pack("!H", sid))
    ktap.ok(wait_for(lambda: errno_of(sock.recv, 1, 0x42) == "ok"), f"received, session {sid}")
    ktap.eq(sock.recv(), LCP + struct.pack("!H", sid), f"received, session {sid}")


@ktap.case("session ids at the edges, of both ends, all in one tunnel")
def _():
    end = new_end()
    end.management()
    socks = [(sid, psid, end.session(sid, psid)) for sid, psid in zip(EDGES, reversed(EDGES))]
    for sid, psid, sock in socks:
        both_ways(end, sock, sid, psid)
    for sid, _, sock in socks:
        ktap.eq(errno_of(end.session, sid, 77), "EEXIST", f"session {sid} again")
        ktap.eq(sock.stats()["rx_errors"], 0, "errors")


@ktap.case("tunnel ids at the edges, of both ends, with the same session id in each")
def _():
    ends = []
    for tid, ptid in zip(EDGES, reversed(EDGES)):
        end = new_end()
        end.tid, end.ptid = tid, ptid
        end.management()
        ends.append((end, end.session(0xffff, 0x8000)))
    for end, sock in ends:
        both_ways(end, sock, 0xffff, 0x8000)
    for end, _ in ends:
        end.udp.close()
    wait_for(lambda: not ground.nl.tunnels(), 30, "end of the tunnels")


@ktap.case("a tunnel with 65535 sessions (on a slow kernel some of these): none is missing, none can be added")
def _():
    end = new_end()
    end.management()
    ends = {sid: end.session(sid, sid) for sid in (1, 0x8000, 0xffff)}
    wanted = sorted({*range(1, 0x10000, impl.SLOW), *ends})
    for sid in wanted:
        if sid not in ends:
            ground.nl.session_create(end.tid, sid, sid, pw=L.PW_PPP)
    shown = ground.ns.ip(f"l2tp show session tid {end.tid}").stdout
    ktap.eq(shown.count("\nSession ") + shown.startswith("Session "), len(wanted), "sessions")
    for sid in (wanted[0], wanted[1], wanted[len(wanted) // 2], wanted[-1]):
        ktap.eq(ground.nl.try_session_create(end.tid, sid, 1, pw=L.PW_PPP), "EEXIST", f"session {sid} again")
    for sid, sock in ends.items():
        both_ways(end, sock, sid, sid)
    ground.nl.session_delete(end.tid, 0x4321)
    wait_for(lambda: ground.nl.try_session_get(end.tid, 0x4321) == "ENODEV", what="end of a session")
    sock = end.session(0x4321, 9)
    both_ways(end, sock, 0x4321, 9)
    for sock in (*ends.values(), sock):
        sock.close()
    end.udp.close()
    wait_for(lambda: not ground.nl.tunnels(), 60, "end of the tunnel")
    wait_for(lambda: not ground.nl.sessions(), 60, "end of the sessions")


@ktap.case("PPPoL2TP sockets are no tunnel's socket, whatever their state")
def _():
    end = new_end()
    management, session = end.management(), end.session(1, 2)
    for name, sock in (("a management socket", management), ("a session's socket", session)):
        with ground.socket() as new:
            address = V2(sock.fd, ground.new_id(), 0, 1, 0)
            ktap.eq(errno_of(new.connect, address), "EPROTONOSUPPORT", name)
            ktap.eq(errno_of(sock.connect, V2(sock.fd, ground.new_id(), 0, 1, 0)), "EPROTONOSUPPORT",
                    f"{name} for itself")
    with Pppox(netns=ground.ns) as one, Pppox(netns=ground.ns) as two:
        for this, that in ((one, two), (two, one)):
            ktap.eq(errno_of(this.connect, V2(that.fd, ground.new_id(), 0, 1, 0)), "EPROTONOSUPPORT", "each other")
    both_ways(end, session, 1, 2)


ktap.main()
