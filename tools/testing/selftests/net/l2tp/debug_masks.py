#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debug masks of tunnels and sessions: what is set reads back, and prints what it stands for; nothing else prints."""
import struct
import time

from lib import impl, kmsg, ktap
from lib import genl
from lib import l2tp as L
from lib.netns import wait_for
from lib.pppox import DEBUG, LNSMODE, RECVSEQ, REORDERTO, SENDSEQ, Ground

if not impl.load("l2tp_ppp", "l2tp_eth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

CONTROL, SEQ, DATA = 2, 4, 8
# Frames that a reorder queue holds.
LIMIT = 4096
KEPT = impl.differs("debug masks are kept", c=False, rust=True)
LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"
ground = Ground()
ktap.at_exit(ground.close)


def new_end():
    end = ground.end()
    ktap.cleanup(end.close)
    return end


def said(log, name):
    """What was printed about an object, without prefixes."""
    return [line.split(f"{name}: ", 1)[1] for line in log.read()
            if line.startswith("l2tp") and f"{name}: " in line]


def check(log, name, *wanted):
    """All of these were printed; with the C module, which has no masks, nothing was."""
    time.sleep(0.05)
    got = said(log, name)
    if KEPT:
        for text in wanted:
            ktap.ok(text in got, f"{text!r} in {got}")
    else:
        ktap.eq(got, [], "printed")


@ktap.case("masks read back through netlink")
def _():
    end = new_end()
    nl = ground.nl
    nl.tunnel_create(end.tid, end.ptid, fd=end.udp.fileno(), version=2, debug=0x1f)
    nl.session_create(end.tid, 1, 2, pw=L.PW_PPP, debug=0xffffffff)
    nl.session_create(end.tid, 3, 4, pw=L.PW_PPP)
    if KEPT:
        ktap.eq(nl.tunnel_get(end.tid).uint(L.DEBUG), 0x1f, "tunnel")
        ktap.eq(nl.session_get(end.tid, 1).uint(L.DEBUG), 0xffffffff, "session")
    ktap.eq(nl.session_get(end.tid, 3).uint(L.DEBUG), 0, "a session without")
    nl.tunnel_modify(end.tid, genl.u32(L.DEBUG, 0))
    nl.session_modify(end.tid, 1, genl.u32(L.DEBUG, 1))
    ktap.eq(nl.tunnel_get(end.tid).uint(L.DEBUG), 0, "tunnel, changed")
    ktap.eq(nl.session_get(end.tid, 1).uint(L.DEBUG), int(KEPT), "session, changed")
    nl.session_modify(end.tid, 1)
    ktap.eq(nl.session_get(end.tid, 1).uint(L.DEBUG), int(KEPT), "not by another request")


@ktap.case("without a mask nothing is printed")
def _():
    log = kmsg.Watch()
    end = new_end()
    management, sock = end.management(), end.session(11, 12)
    management.getsockopt(DEBUG)
    sock.setsockopt(RECVSEQ, 1)
    sock.send(LCP)
    end.inject(11, LCP)
    end.inject(11, LCP, seq=3)
    end.inject(99, LCP)
    end.peer.send(b"\xc8\x02" + bytes(10))
    end.peer.send(b"short")
    wait_for(lambda: sock.stats()["rx_errors"] == 1, what="frames")
    end.udp.close()
    time.sleep(0.3)
    ktap.eq([line for line in log.read() if line.startswith("l2tp")], [], "printed")


@ktap.case("CONTROL: options and ends")
def _():
    end = new_end()
    management, sock = end.management(), end.session(11, 12)
    tunnel, session = f"tunl {end.tid}", f"sess {end.tid}/11"
    log = kmsg.Watch()
    management.setsockopt(DEBUG, CONTROL)
    management.getsockopt(DEBUG)
    check(log, tunnel, "set debug=2", "get debug=2")
    ktap.eq(said(log, session), [], "about the session")
    sock.setsockopt(DEBUG, CONTROL)
    for option in (RECVSEQ, SENDSEQ, LNSMODE):
        sock.setsockopt(option, 1)
        sock.getsockopt(option)
    sock.setsockopt(REORDERTO, 20)
    sock.getsockopt(REORDERTO)
    check(log, session, "set debug=2", "set recv_seq=1", "set send_seq=1", "set lns_mode=1",
          "get recv_seq=1", "get send_seq=1", "get lns_mode=1", "set reorder_timeout=20",
          "get reorder_timeout=20")
    end.udp.close()
    wait_for(lambda: ground.nl.try_tunnel_get(end.tid) == "ENODEV", what="end of the tunnel")
    check(log, tunnel, "closing...", "closing all sessions...")
    check(log, session, "closing session")


@ktap.case("CONTROL: sessions that netlink makes")
def _():
    end = new_end()
    log = kmsg.Watch()
    ground.nl.tunnel_create(end.tid, end.ptid, fd=end.udp.fileno(), version=2)
    ground.nl.session_create(end.tid, 1, 2, pw=L.PW_PPP, debug=CONTROL)
    check(log, f"sess {end.tid}/1", "created")


@ktap.case("SEQ: numbers of a session")
def _():
    end = new_end()
    end.management()
    sock = end.session(11, 12)
    session = f"sess {end.tid}/11"
    log = kmsg.Watch()
    sock.setsockopt(DEBUG, SEQ)
    end.inject(11, LCP, seq=5)
    wait_for(lambda: sock.stats()["rx_packets"] == 1, what="a frame")
    check(log, session, "recv data ns=5, session nr=0", "updated nr to 6",
          "requested to enable seq numbers by LNS")
    sock.send(LCP)
    check(log, session, "updated ns to 1")
    end.inject(11, LCP, seq=9)
    wait_for(lambda: sock.stats()["rx_errors"] == 1, what="a discard")
    check(log, session, f"oos pkt 9 len {10 + len(LCP)} discarded, waiting for 6, reorder_q_len=0")
    end.inject(11, LCP, seq=40000)
    wait_for(lambda: sock.stats()["rx_errors"] == 2, what="a discard")
    check(log, session, f"pkt 40000 len {10 + len(LCP)} discarded, outside window, nr=6")
    end.inject(11, LCP)
    wait_for(lambda: sock.stats()["rx_packets"] == 2, what="a frame")
    check(log, session, "requested to disable seq numbers by LNS")
    sock.setsockopt(RECVSEQ, 1)
    end.inject(11, LCP)
    wait_for(lambda: sock.stats()["rx_errors"] == 3, what="a discard")
    check(log, session, "recv data has no seq numbers when required. Discarding.")
    sock.setsockopt(REORDERTO, 10000)
    end.inject(11, LCP, seq=8)
    end.inject(11, LCP, seq=7)
    wait_for(lambda: sock.stats()["rx_oos_packets"] == 1, what="a frame out of order")
    check(log, session, "holding oos pkt 8, waiting for 6, reorder_q_len=1")
    ktap.eq([t for t in said(log, session) if "send" in t and "bytes" in t], [], "of DATA")


@ktap.case("SEQ: a reorder queue that is full")
def _():
    if not impl.differs("the reorder queue is limited", c=False, rust=True):
        ktap.skip("the queue has no limit")
    end = new_end()
    end.management()
    sock = end.session(11, 12)
    sock.setsockopt(REORDERTO, 600000)
    end.inject(11, LCP, seq=0)
    # Number 1 does not come.
    for number in range(2, 2 + LIMIT):
        end.inject(11, LCP, seq=number)
    log = kmsg.Watch()
    sock.setsockopt(DEBUG, SEQ)
    end.inject(11, LCP, seq=2 + LIMIT)
    wait_for(lambda: sock.stats()["rx_errors"] == 1, what="a discard")
    check(log, f"sess {end.tid}/11",
          f"oos pkt {2 + LIMIT} discarded, no room, waiting for 1, reorder_q_len={LIMIT}")


@ktap.case("DATA: frames of a tunnel and of a session")
def _():
    end = new_end()
    management, sock = end.management(), end.session(11, 12)
    tunnel, session = f"tunl {end.tid}", f"sess {end.tid}/11"
    log = kmsg.Watch()
    management.setsockopt(DEBUG, DATA)
    sock.setsockopt(DEBUG, DATA)
    end.peer.send(b"short")
    end.peer.send(b"\xc8\x02" + bytes(18))
    end.inject(99, LCP)
    end.inject(11, LCP)
    wait_for(lambda: sock.stats()["rx_packets"] == 1, what="a frame")
    check(log, tunnel, "received 5 bytes", "recv short packet (len=5)",
          "recv control packet, len=20", f"no session found ({end.tid}/99). Passing up.",
          f"received {6 + len(LCP)} bytes")
    check(log, session, f"recv {6 + len(LCP)} byte data frame, passing to L2TP socket")
    sock.send(LCP)
    check(log, session, f"send {8 + len(LCP)} bytes")
    sock.setsockopt(SENDSEQ, 1)
    sock.send(LCP)
    check(log, session, f"send {12 + len(LCP)} bytes, ns=0")
    if KEPT:
        wire = struct.pack("!HHH", 2, end.tid, 11) + LCP
        dump = " ".join(f"{byte:02x}" for byte in wire[:16])
        ktap.ok(any(dump in line for line in log.read()), f"a dump of {dump}")


@ktap.case("DATA: a wrong cookie")
def _():
    end = new_end()
    nl = ground.nl
    log = kmsg.Watch()
    nl.tunnel_create(end.tid, end.ptid, fd=end.udp.fileno(), version=3, debug=DATA)
    nl.session_create(end.tid, 11, 12, pw=L.PW_PPP, peer_cookie=b"abcd")
    end.peer.send(struct.pack("!HHI", 3, 0, 11) + b"ABCD" + bytes(4) + LCP)
    wait_for(lambda: L.stats(nl.session_get(end.tid, 11))["rx_errors"] == 1, what="a discard")
    check(log, f"tunl {end.tid}", f"cookie mismatch ({end.tid}/11). Discarding.")


@ktap.case("messages are limited in rate")
def _():
    end = new_end()
    end.management()
    sock = end.session(11, 12)
    time.sleep(5.1 if KEPT else 0)
    log = kmsg.Watch()
    sock.setsockopt(DEBUG, DATA)
    begun = time.monotonic()
    for _ in range(100):
        sock.send(LCP)
    most = 10 * (1 + int((time.monotonic() - begun) / 5))
    time.sleep(0.2)
    count = len([t for t in said(log, f"sess {end.tid}/11") if t.startswith("send ")])
    ktap.ok(10 <= count <= most if KEPT else count == 0, f"{count} messages for 100 frames, {most} may be")


ktap.main()
