#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ql2tpd of go-l2tp with static L2TPv3 sessions at both ends: it gives the kernel its own sockets, over UDP and over IP."""
from lib import ktap, netns, program

ADDRESSES = {4: ("10.0.0.1", "10.0.0.2"), 6: ("[fd00::1]", "[fd00::2]")}


def configuration(encap, local, peer, ids, seq, sublayer):
    """The daemon's configuration file: one tunnel, one Ethernet session."""
    tid, ptid, sid, psid = ids
    return f"""[tunnel.t1]
version = "l2tpv3"
encap = "{encap}"
local = "{local}:{5000 + tid}"
peer = "{peer}:{5000 + ptid}"
tid = {tid}
ptid = {ptid}

[tunnel.t1.session.s1]
pseudowire = "eth"
sid = {sid}
psid = {psid}
seqnum = {str(seq).lower()}
l2spec_type = "{sublayer}"
interface_name = "ql0"
"""


def talk(encap, family, seq, sublayer):
    """Two daemons make a session; pings go through it; it goes with them."""
    program.require("ql2tpd")
    if encap == "ip" and netns.sh(f"modprobe l2tp_ip{'6' if family == 6 else ''}", check=False).returncode:
        ktap.skip("no L2TP over IP")
    spaces = netns.pair()
    for space in spaces:
        ktap.cleanup(space.delete)
    ours, theirs = ADDRESSES[family]
    path = program.directory()
    daemons = []
    for number, (space, local, peer, ids) in enumerate(zip(
            spaces, (ours, theirs), (theirs, ours), ((10, 20, 101, 201), (20, 10, 201, 101)))):
        text = configuration(encap, local, peer, ids, seq, sublayer)
        file = program.write(f"{path}/{number}.toml", text)
        daemons.append(program.Program(["ql2tpd", "-config", file, "-verbose"], space))
    for space, daemon in zip(spaces, daemons):
        if not daemon.wait_for(lambda space=space: "ql0" in space.links(), 20, "the interface"):
            return
    for space, host in zip(spaces, (1, 2)):
        space.batch([f"addr add 192.168.9.{host}/24 dev ql0", "link set ql0 up"])
    ktap.ok(program.reaches(spaces[0], "192.168.9.2", tries=5), "a ping")
    ktap.ok(program.reaches(spaces[0], "192.168.9.2", count=5, tries=5), "pings")
    shown = spaces[0].ip("l2tp show tunnel").stdout
    ktap.ok(f"encap {encap.upper()}" in shown, f"the tunnel: {shown}")
    for daemon in daemons:
        daemon.stop()
    ktap.ok(netns.wait_for(lambda: not any(space.ip("l2tp show tunnel").stdout for space in spaces)), "the tunnels go")


for _case in (("udp", 4, False, "none"), ("udp", 6, True, "default"), ("ip", 4, False, "default"), ("ip", 6, True, "default"),
              ("ip", 4, True, "default"), ("ip", 6, False, "none")):
    ktap.add("{} IPv{}, sequence numbers {}, sublayer {}".format(*_case), talk, *_case)
ktap.main()
