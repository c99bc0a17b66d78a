#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The l2tp trace events: names, fields, print formats, and when each one fires."""
import os
import re
import socket
import struct
import time

from lib import child, ktap
from lib import l2tp as L
from lib.netns import NetNS, wait_for
from lib.tracing import EVENTS, TRACING, Trace

ns = NetNS()
ktap.at_exit(ns.delete)
ns.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
nl = L.L2tp(netns=ns)

NAME20, NAME32 = ("char name[20]",), ("char name[32]",)
U = "u32 "
PACKET = NAME32 + (U + "pkt_ns", U + "my_nr", U + "reorder_q_len")
FIELDS = {
    "register_tunnel": NAME20 + ("int fd", U + "tid", U + "ptid", "int version",
                                 "enum l2tp_encap_type encap"),
    "delete_tunnel": NAME20, "free_tunnel": NAME20,
    "register_session": NAME32 + (U + "tid", U + "ptid", U + "sid", U + "psid",
                                  "enum l2tp_pwtype pwtype"),
    "delete_session": NAME32, "free_session": NAME32,
    "session_seqnum_lns_enable": NAME32, "session_seqnum_lns_disable": NAME32,
    "session_seqnum_update": NAME32 + (U + "ns", U + "nr"),
    "session_seqnum_reset": NAME32 + (U + "ns", U + "nr"),
    "session_pkt_expired": PACKET, "session_pkt_outside_rx_window": PACKET,
    "session_pkt_oos": PACKET,
}
FORMATS = {
    "register_tunnel": "%s: type=%s encap=%s version=L2TPv%d tid=%u ptid=%u fd=%d",
    "register_session": "%s: pseudowire=%s sid=%u psid=%u tid=%u ptid=%u",
    "session_seqnum_update": "%s: ns=%u nr=%u", "session_seqnum_reset": "%s: ns=%u nr=%u",
    "session_pkt_expired": "%s: pkt_ns=%u my_nr=%u reorder_q_len=%u",
    "session_pkt_outside_rx_window": "%s: pkt_ns=%u my_nr=%u reorder_q_len=%u",
    "session_pkt_oos": "%s: pkt_ns=%u my_nr=%u reorder_q_len=%u",
}


def need():
    if not os.path.isdir(EVENTS):
        ktap.skip("no tracefs" if not os.path.isdir(TRACING + "/events") else "no l2tp events")


@ktap.case("the event system exists")
def _():
    if not os.path.isdir(TRACING + "/events"):
        ktap.skip("no tracefs")
    ktap.ok(os.path.isdir(EVENTS), EVENTS)


@ktap.case("thirteen events and no other")
def _():
    need()
    got = sorted(n for n in os.listdir(EVENTS) if n not in ("enable", "filter"))
    ktap.eq(got, sorted(FIELDS))


for event, fields in FIELDS.items():
    @ktap.case(f"fields and format of {event}", event, fields)
    def _(event, fields):
        need()
        with open(f"{EVENTS}/{event}/format", encoding="ascii") as file:
            text = file.read()
        got = [f for f in re.findall(r"\tfield:([^;]*);", text) if not f.startswith(
            ("unsigned short common", "unsigned char common", "int common"))]
        ktap.eq(tuple(got), fields, "fields")
        ktap.eq(re.search(r'print fmt: "([^"]*)"', text)[1], FORMATS.get(event, "%s"), "print format")


@ktap.case("tunnel events: kernel socket")
def _():
    need()
    ktap.cleanup(nl.wipe)
    trace = Trace()
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=4000, dport=4001)
    trace.expect("register_tunnel",
                 "tunl 1: type=unmanaged encap=UDP version=L2TPv3 tid=1 ptid=2 fd=-1")
    nl.tunnel_delete(1)
    trace.expect("delete_tunnel", "tunl 1")
    trace.expect("free_tunnel", "tunl 1")


@ktap.case("tunnel events: user socket, its end by close")
def _():
    need()
    ktap.cleanup(nl.wipe)
    trace = Trace()
    one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
    fd = one.fileno()
    nl.tunnel_create(0xffffffff, 0x80000000, fd=fd, version=2)
    trace.expect("register_tunnel", f"tunl 4294967295: type=managed encap=UDP version=L2TPv2 "
                                    f"tid=4294967295 ptid=2147483648 fd={fd}")
    one.close()
    trace.expect("delete_tunnel", "tunl 4294967295")
    trace.expect("free_tunnel", "tunl 4294967295")


@ktap.case("tunnel events: user socket on descriptor 0 prints as unmanaged")
def _():
    need()
    ktap.cleanup(nl.wipe)
    trace = Trace()

    def main():
        one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
        os.dup2(one.fileno(), 0)
        with L.L2tp(netns=ns) as mine:
            mine.tunnel_create(1, 2, fd=0)
    child.run(main)
    trace.expect("register_tunnel",
                 "tunl 1: type=unmanaged encap=UDP version=L2TPv3 tid=1 ptid=2 fd=0")
    trace.expect("free_tunnel", "tunl 1")       # the next case traces what it does itself


@ktap.case("tunnel events: none for a refused tunnel")
def _():
    need()
    ktap.cleanup(nl.wipe)
    nl.tunnel_create(1, 2, fd=0xffffffff)
    trace = Trace()
    nl.try_tunnel_create(1, 2, fd=0xffffffff)
    nl.try_tunnel_create(2, 2, fd=4000)
    nl.try_tunnel_create(2, 2, local="127.0.0.1", remote="127.0.0.1", sport=70, udp_csum=1, encap=9)
    ktap.eq(trace.named("register_tunnel", "delete_tunnel"), [])
    nl.tunnel_delete(1)
    trace.expect("free_tunnel", "tunl 1")


@ktap.case("session events: create and delete; with the tunnel")
def _():
    need()
    ktap.cleanup(nl.wipe)
    trace = Trace()
    nl.tunnel_create(1, 2, fd=0xffffffff)
    nl.session_create(1, 11, 12)
    wait_for(lambda: trace.named("register_session"), 5)
    got = trace.named("register_session")
    found = re.fullmatch(r"sess 1/11: pseudowire=ETH sid=11 psid=12 tid=(\d+) ptid=(\d+)",
                         got[0][1] if got else "")
    # The C format prints the session ids a second time in place of the tunnel ids.
    ktap.ok(found and found.groups() in (("11", "12"), ("1", "2")), f"register_session: {got}")
    nl.session_delete(1, 11)
    trace.expect("delete_session", "sess 1/11")
    trace.expect("free_session", "sess 1/11")
    nl.session_create(1, 21, 22)
    nl.tunnel_delete(1)
    trace.expect("delete_session", "sess 1/11", "sess 1/21")
    trace.expect("free_session", "sess 1/11", "sess 1/21")
    trace.expect("free_tunnel", "tunl 1")
    order = [e for e, text in trace.events() if text in ("sess 1/21", "tunl 1")]
    ktap.ok(order.index("delete_tunnel") < order.index("delete_session")
            < order.index("free_session") <= order.index("free_tunnel"), f"order: {order}")


class Line:
    """A session and its peer, who sends frames by hand."""

    def __init__(self, **kwargs):
        self.peer = L.udp_socket(netns=ns)
        self.local = L.udp_socket(remote="127.0.0.1", rport=self.peer.getsockname()[1], netns=ns)
        self.peer.connect(self.local.getsockname())
        ktap.cleanup(self.local.close)
        ktap.cleanup(self.peer.close)
        ktap.cleanup(nl.wipe)
        nl.tunnel_create(1, 2, fd=self.local.fileno())
        nl.session_create(1, 11, 12, ifname="e0", **kwargs)
        self.trace = Trace()

    def send(self, *numbers):
        """Frames with these sequence numbers; None: without."""
        for ns_ in numbers:
            word = 0 if ns_ is None else 0x40000000 | ns_
            self.peer.send(struct.pack(">HHII", 3, 0, 11, word) + bytes(60))
        # Loopback delivers in the sender's context, mostly; give softirqs a moment.
        time.sleep(0.05)


S = "sess 1/11"


@ktap.case("sequence: the first number is adopted, then Nr follows")
def _():
    need()
    line = Line(recv_seq=1, send_seq=1, lns_mode=1)
    line.send(5, 6)
    got = line.trace.named("session_seqnum_reset", "session_seqnum_update")
    ktap.eq([e for e, _ in got], ["session_seqnum_reset", "session_seqnum_update",
                                  "session_seqnum_update"])
    ktap.eq([t for _, t in got[1:]], [f"{S}: ns=0 nr=6", f"{S}: ns=0 nr=7"])
    ktap.isin(got[0][1] if got else "", (f"{S}: ns=5 nr=0", f"{S}: ns=5 nr=5", f"{S}: ns=0 nr=5"),
              "reset")


@ktap.case("sequence: Ns advances with each transmitted frame")
def _():
    need()
    line = Line(send_seq=1, lns_mode=1)
    ns.ip("link set e0 up")
    line.trace.write("trace", "")
    with ns.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
        tap.bind(("e0", 0x88b5))
        for _ in range(2):
            tap.send(bytes(60))
    line.trace.expect("session_seqnum_update", f"{S}: ns=1 nr=0", f"{S}: ns=2 nr=0")


@ktap.case("sequence: an LAC follows its peer on and off")
def _():
    need()
    line = Line()
    line.send(0, 1)
    line.trace.expect("session_seqnum_lns_enable", S)
    ktap.eq(nl.session_get(1, 11).uint(L.SEND_SEQ), 1)
    line.send(None, None)
    line.trace.expect("session_seqnum_lns_disable", S)
    ktap.eq(nl.session_get(1, 11).uint(L.SEND_SEQ), 0)


@ktap.case("sequence: an LNS does not follow")
def _():
    need()
    line = Line(lns_mode=1)
    line.send(0, 1, None)
    ktap.eq(line.trace.named("session_seqnum_lns_enable", "session_seqnum_lns_disable"), [])


@ktap.case("sequence: outside the window")
def _():
    need()
    line = Line(recv_seq=1)
    line.send(100, 99, 101 + 0x7fffff)
    line.trace.expect("session_pkt_outside_rx_window",
                      f"{S}: pkt_ns=99 my_nr=101 reorder_q_len=0",
                      f"{S}: pkt_ns={101 + 0x7fffff} my_nr=101 reorder_q_len=0")


@ktap.case("sequence: out of order without reordering, and the resynchronisation")
def _():
    need()
    line = Line(recv_seq=1)
    line.send(100, 101, 105, 106, 107, 108, 109, 110)
    line.trace.expect("session_pkt_oos", *(f"{S}: pkt_ns={n} my_nr=102 reorder_q_len=0"
                                           for n in range(105, 110)))
    ktap.eq(len(line.trace.named("session_seqnum_reset")), 2, "resets: first frame, sixth out of order")
    ktap.eq(line.trace.named("session_seqnum_update")[-1][1], f"{S}: ns=0 nr=111")


@ktap.case("sequence: expired in the reorder queue")
def _():
    need()
    line = Line(recv_seq=1, timeout=100)
    line.send(1, 3)
    time.sleep(0.3)
    line.send(4)
    got = [t for _, t in line.trace.named("session_pkt_expired")]
    ktap.ok(len(got) == 1 and re.fullmatch(rf"{S}: pkt_ns=3 my_nr=2 reorder_q_len=\d+", got[0]),
            f"session_pkt_expired: {got}")
    ktap.eq(line.trace.named("session_seqnum_update")[-1][1], f"{S}: ns=0 nr=5", "4 was adopted")


ktap.main()
