#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""fastd with `offload l2tp`: its own protocol and kernel L2TPv3 on the same UDP socket.

Relies on this: what is no data frame of a session goes to the socket's user, silently.
"""
import re

from lib import ktap, netns, program

ADDRESSES = {4: ("10.0.0.1", "10.0.0.2"), 6: ("[fd00::1]", "[fd00::2]")}


def key():
    """A new pair of keys: (secret, public)."""
    text = netns.sh("fastd --generate-key").stdout
    return tuple(re.search(f"{kind}: ([0-9a-f]+)", text).group(1) for kind in ("Secret", "Public"))


def start(space, where, name, ours, theirs, secret, public, offload, mtu):
    """Start fastd, as `name` with an interface of that name."""
    mode = ("mode multitap;\npersist interface no;\noffload l2tp yes;" if offload
            else "mode tap;\noffload l2tp no;")
    host = 1 if name == "fa" else 2
    path = program.write(f"{where}/{name}.conf", f"""
{mode}
interface "{name}";
method "null@l2tp";
bind {ours}:10000;
secret "{secret}";
mtu {mtu};
log level debug;
on up "ip addr add 192.168.9.{host}/24 dev $INTERFACE; ip link set $INTERFACE up";
peer "other" {{ key "{public}"; remote {theirs}:10000; }}
""")
    return program.Program(["fastd", "-c", path], space)


def talk(family, offload_a, offload_b):
    """Two fastds connect; the tunnels of those that offload are the kernel's, and go with their daemon."""
    program.require("fastd", "iperf3")
    if "offload" not in netns.sh("fastd --help", check=False).stdout + netns.sh("fastd --version").stdout \
            and not re.search(r"v?2[2-9]|v?[3-9][0-9]", netns.sh("fastd --version").stdout):
        ktap.skip("a fastd without offload")
    netns.sh("modprobe -a tun l2tp_eth")
    a, b = netns.pair()
    ktap.cleanup(b.delete)
    ktap.cleanup(a.delete)
    where = program.directory()
    ours, theirs = ADDRESSES[family]
    mtu = 1450 if family == 4 else 1430
    (secret_a, public_a), (secret_b, public_b) = key(), key()
    one = start(a, where, "fa", ours, theirs, secret_a, public_b, offload_a, mtu)
    two = start(b, where, "fb", theirs, ours, secret_b, public_a, offload_b, mtu)
    if not one.wait_for(lambda: program.reaches(a, "192.168.9.2", wait=1), 120, "the connection"):
        ktap.diag(f"the other one wrote:\n{two.output()}")
        return
    for space, offload in ((a, offload_a), (b, offload_b)):
        ktap.eq(bool(space.ip("l2tp show session").stdout), offload, "a session of the kernel")
    ktap.ok(program.reaches(a, "192.168.9.2", count=5, tries=3), "pings")
    ktap.ok(program.reaches(a, "192.168.9.2", count=2, size=mtu - 28, tries=3), "pings as large as the MTU")
    program.Program(["iperf3", "-s", "-1", "-B", "192.168.9.2"], b)
    netns.wait_for(lambda: b.run("ss -ltnH sport = 5201").stdout, what="iperf3")
    ktap.eq(a.run("iperf3 -c 192.168.9.2 -t 2", check=False).returncode, 0, "iperf3")
    for fastd, space in ((one, a), (two, b)):
        fastd.stop()
        ktap.ok(netns.wait_for(lambda: not space.ip("l2tp show tunnel").stdout, timeout=5), "the tunnel goes")


for case in ((4, True, True), (4, True, False), (6, False, True), (6, True, True)):
    ktap.add("IPv{}, offload {}/{}".format(*case), talk, *case)
ktap.main()
