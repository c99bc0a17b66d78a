#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""QEMU's user-space L2TPv3 (-netdev l2tpv3), an implementation of its own, as the peer on the wire."""
from lib import ktap, netns, program

# QEMU's options and ours for cookies: its txcookie is what we demand, its rxcookie what we send.
COOKIES = {
    0: ("", ""),
    4: (",rxcookie=0x11223344,txcookie=0x55667788", "cookie 11223344 peer_cookie 55667788"),
    8: (",cookie64=on,rxcookie=0x1122334455667788,txcookie=0x99aabbccddeeff00",
        "cookie 1122334455667788 peer_cookie 99aabbccddeeff00"),
}
# QEMU's counter is the L2-specific sublayer; pinned, it stays zero.
COUNTERS = {
    "none": ("", "l2spec_type none"),
    "counting": (",counter", "l2spec_type default seq send"),
    "pinned": (",counter,pincounter", "l2spec_type default"),
}


def talk(encap, family, cookie, counter):
    """A device of ours and a tap behind QEMU exchange pings, small and fragmented."""
    program.require("qemu-system-x86_64")
    netns.sh("modprobe tun")
    if encap == "ip" and netns.sh(f"modprobe l2tp_ip{'6' if family == 6 else ''}", check=False).returncode:
        ktap.skip("no L2TP over IP")
    a, b = netns.pair()
    ktap.cleanup(b.delete)
    ktap.cleanup(a.delete)
    ours, theirs = ("10.0.0.1", "10.0.0.2") if family == 4 else ("fd00::1", "fd00::2")
    options, session = COOKIES[cookie]
    counter_options, sublayer = COUNTERS[counter]
    options += counter_options
    if family == 6:
        options += ",ipv6=on"
    ports = ""
    if encap == "udp":
        ports = "udp_sport 5000 udp_dport 5001"
        options += ",udp=on,srcport=5001,dstport=5000"
    a.ip(f"l2tp add tunnel tunnel_id 1 peer_tunnel_id 2 encap {encap} local {ours} remote {theirs} {ports}")
    a.ip(f"l2tp add session name la tunnel_id 1 session_id 11 peer_session_id 22 {sublayer} {session}")
    a.batch(["addr add 192.168.9.1/24 dev la", "link set la up"])
    b.ip("tuntap add tap0 mode tap")
    b.batch([f"link set tap0 mtu {a.mtu('la')}", "addr add 192.168.9.2/24 dev tap0", "link set tap0 up"])
    qemu = program.Program([
        "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none", "-accel", "tcg",
        "-serial", "none", "-monitor", "none",
        "-netdev", f"l2tpv3,id=l,src={theirs},dst={ours},rxsession=22,txsession=11{options}",
        "-netdev", "tap,id=t,ifname=tap0,script=no,downscript=no",
        "-netdev", "hubport,hubid=0,id=h1,netdev=l", "-netdev", "hubport,hubid=0,id=h2,netdev=t"], b)
    if not qemu.wait_for(lambda: program.reaches(a, "192.168.9.2", wait=1), 120, "the first ping"):
        return
    ktap.ok(program.reaches(a, "192.168.9.2", count=5, tries=3), "pings")
    ktap.ok(any("3 received" in a.run("ping -q -c 3 -i 0.2 -W 2 -s 3000 192.168.9.2", check=False).stdout for _ in range(3)),
            "pings that need fragments")
    errors = {name: n for name, n in a.counters("la").items() if n and ("err" in name or "drop" in name)}
    ktap.eq(errors, {}, "errors of the device")


for case in (("udp", 4, 0, "none"), ("udp", 4, 4, "none"), ("udp", 4, 8, "counting"), ("udp", 4, 0, "pinned"),
             ("udp", 6, 8, "none"), ("udp", 6, 0, "counting"),
             ("ip", 4, 0, "none"), ("ip", 4, 8, "counting"), ("ip", 6, 8, "none")):
    ktap.add("{} IPv{}, {}-byte cookie, sublayer {}".format(*case), talk, *case)
ktap.main()
