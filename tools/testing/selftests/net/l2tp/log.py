#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is said in the kernel log in normal operation: nothing, whatever peers send."""
import struct
import time

from lib import impl, kmsg, ktap
from lib import l2tp as L
from lib.netns import NetNS, wait_for

impl.load("l2tp_eth")       # what it says at load is no matter here
ns = NetNS()
ktap.at_exit(ns.delete)
nl = L.L2tp(netns=ns)


def said(log):
    """L2TP's lines in the log: its modules' prefix, or the names of tunnels and sessions."""
    return [line for line in log.read() if "l2tp" in line or "tunl " in line or "sess " in line]


def v3(sid=11, cookie=b"abcd", sequence=0, version=3, payload=60):
    return struct.pack(">HHI", version, 0, sid) + cookie + struct.pack(">I", sequence) + bytes(payload)


FRAMES = {
    "wrong cookie": [v3(cookie=b"abcx")],
    "no sequence number where one is required": [v3()],
    "outside the window": [v3(sequence=0x40000000), v3(sequence=0x40000000 | 0xffffff)],
    "out of order": [v3(sequence=0x40000000 | n) for n in (1, 5, 9, 7, 100)],
    "unknown session": [v3(sid=99)],
    "unknown version": [v3(version=n) for n in (0, 1, 2, 4, 15)],
    "control": [struct.pack(">H", 0xc803) + bytes(60), struct.pack(">H", 0xc802) + bytes(60)],
    "short": [b"", b"\\0", v3()[:8], v3()[:14], v3(payload=0), v3(payload=13)],
}


@ktap.case("creation, change and deletion of tunnels and sessions")
def _():
    log = kmsg.Watch()
    for _ in range(3):
        nl.tunnel_create(1, 2, fd=0xffffffff)
        nl.try_tunnel_create(1, 2, fd=0xffffffff)
        nl.session_create(1, 11, 12, ifname="e0", debug=0)
        nl.try_session_create(1, 21, 12, ifname="e0")
        nl.session_modify(1, 11)
        nl.wipe()
        wait_for(lambda: list(ns.links()) == ["lo"], what="device gone")
    ktap.eq(said(log), [])


for name, frames in FRAMES.items():
    @ktap.case(f"frames: {name}", frames)
    def _(frames):
        peer = L.udp_socket(netns=ns)
        one = L.udp_socket(remote="127.0.0.1", rport=peer.getsockname()[1], netns=ns)
        peer.connect(one.getsockname())
        for sock in (peer, one):
            ktap.cleanup(sock.close)
        ktap.cleanup(nl.wipe)
        nl.tunnel_create(1, 2, fd=one.fileno())
        nl.session_create(1, 11, 12, cookie=b"abcd", peer_cookie=b"abcd", recv_seq=1)
        log = kmsg.Watch()
        for _ in range(20):
            for frame in frames:
                peer.send(frame)
        time.sleep(0.1)
        ktap.eq(said(log), [])


ktap.main()
