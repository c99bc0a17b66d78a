#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""l2tpns, an LNS of its own in user space (control protocol, PPP and data path), called by xl2tpd and by kl2tpd."""
import os
import re
import sys

from lib import calls, kl2tpd, ktap, netns, program, radius
from lib.calls import OPTIONS, pings

# Behind the LNS: an address of its host.
INSIDE = "192.168.77.1"
ACCOUNT = """user someone
password secret
refuse-chap
refuse-mschap
refuse-mschap-v2
refuse-eap
"""


def configure(path):
    """l2tpns reads what it is told from /etc/l2tpns only."""
    os.makedirs("/etc/l2tpns", exist_ok=True)
    os.makedirs("/run/l2tpns", exist_ok=True)
    os.makedirs("/dev/net", exist_ok=True)
    if not os.path.exists("/dev/net/tun"):
        os.mknod("/dev/net/tun", 0o600 | 0o020000, os.makedev(10, 200))
    program.write("/etc/l2tpns/startup-config", f"""set debug 3
set log_file "{path}/l2tpns.log"
set pid_file "{path}/l2tpns.pid"
set l2tp_secret ""
set l2tp_mtu 1500
set primary_radius 10.0.0.2
set radius_secret "{radius.SECRET}"
set radius_authtypes "pap"
set bind_address 10.0.0.2
set peer_address 192.168.60.1
set cli_bind_address 127.0.0.1
set cluster_address 239.192.13.13
set cluster_interface "vb"
set cluster_hb_interval 2
set cluster_hb_timeout 10
""")
    program.write("/etc/l2tpns/ip_pool", "192.168.60.0/24\n")


def call(lac):
    """A call, made by a function that starts a LAC in a namespace; traffic; end."""
    a, b = calls.spaces()
    program.require("l2tpns")
    calls.modules("tun")
    path = program.directory()
    configure(path)
    b.batch(["route add 239.0.0.0/8 dev vb", f"addr add {INSIDE}/32 dev lo"])
    program.write("/etc/ppp/pap-secrets", "someone * secret *\n")
    program.Program([sys.executable, radius.__file__, "10.0.0.2"], b)
    # At its end it sends SIGTERM to its whole process group.
    server = program.Program(["setsid", "l2tpns", "-v"], b)
    # It becomes the master of its cluster of one, and only then takes calls.
    netns.wait_for(lambda: "1701" in b.run("ss -uanH sport = 1701").stdout, 60, "l2tpns")
    client = lac(a, path)

    def connected():
        return "peer" in a.ip("-4 addr show dev ppp0", check=False).stdout
    if not netns.wait_for(connected, 300):
        with open(f"{path}/l2tpns.log", encoding="utf-8", errors="replace") as file:
            ktap.diag(file.read()[-3000:])
        ktap.diag(getattr(client, "program", client).output(40))
        raise TimeoutError("waited for ppp0")
    shown = a.ip("-4 -o addr show dev ppp0").stdout
    ktap.eq(re.search(r"inet ([\d.]+)", shown).group(1), radius.ADDRESS, "address from RADIUS")
    a.ip(f"route add {INSIDE}/32 dev ppp0")
    ktap.ok(pings(a, INSIDE, count=5), "ping")
    ktap.ok(pings(a, INSIDE, size=1372, extra="-M do"), "as large as the MTU")
    calls.tcp(a, b, INSIDE)
    ktap.eq(calls.sessions(a), 1, "sessions of the LAC's kernel")
    ktap.eq(calls.sessions(b), 0, "sessions of the LNS's kernel")
    client.stop()
    calls.gone(a)
    calls.no_tunnels(a)
    server.stop()


def by_xl2tpd(space, path):
    """xl2tpd, which calls."""
    lac = calls.lac(space, path, options=OPTIONS + ACCOUNT, extra="name = someone\nlength bit = yes")
    lac.tell("c lns")
    return lac


ktap.add("called by xl2tpd", call, by_xl2tpd)


@ktap.case("called by kl2tpd")
def _():
    program.require("kl2tpd")
    call(lambda space, path: kl2tpd.start(space, path, OPTIONS + ACCOUNT))


ktap.main()
