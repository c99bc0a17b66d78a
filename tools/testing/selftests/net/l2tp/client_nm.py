#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""NetworkManager with its L2TP plugin: a VPN connection as a desktop makes one."""
import os

from lib import calls, ktap, netns, program
from lib.calls import LNS
from lib.netns import sh


def main_space_pair():
    """A namespace b, joined to the main one, where NetworkManager is: it has no other."""
    program.require("NetworkManager", "nmcli", "xl2tpd", "pppd", "dbus-daemon")
    if not os.path.exists("/usr/libexec/nm-l2tp-service"):
        ktap.skip("no L2TP plugin of NetworkManager")
    calls.modules()
    for path in ("/run/dbus", "/run/NetworkManager", "/run/xl2tpd", "/run/nm-xl2tpd", "/run/udev"):
        os.makedirs(path, exist_ok=True)
    b = netns.NetNS()
    ktap.cleanup(b.delete)
    sh(f"ip link add va type veth peer name vb netns {b.name}")
    ktap.cleanup(sh, "ip link del va", check=False)
    b.batch(["addr add 10.0.0.2/24 dev vb", "link set vb up"])
    return b


def daemons(where):
    """udev, D-Bus and NetworkManager, as a system would run them."""
    udev = "/usr/lib/systemd/systemd-udevd"
    if not os.path.exists(udev):
        ktap.skip("no udev")
    program.Program([udev])
    netns.wait_for(lambda: program.udev_knows("va"), 60, "udev to know the device")
    sh("dbus-uuidgen --ensure")
    program.Program(["dbus-daemon", "--system", "--nofork", "--nopidfile"])
    netns.wait_for(lambda: program.listens("/run/dbus/system_bus_socket"), 30, "D-Bus")
    config = program.write(f"{where}/nm.conf", """[main]
plugins=keyfile
[device-va]
match-device=interface-name:va
managed=1
""")
    manager = program.Program(["NetworkManager", "--no-daemon", f"--config={config}"])
    manager.wait_for(lambda: sh("nmcli general status", check=False).returncode == 0, 60, "NetworkManager")
    return manager


def nmcli(*words, timeout=120):
    """nmcli; what it says if it fails is a failure of the case."""
    done = sh(["nmcli", "--wait", str(timeout - 10), *words], check=False, timeout=3 * timeout)
    return ktap.ok(done.returncode == 0, f"nmcli {' '.join(words)}: {done.stdout}{done.stderr}")


@ktap.case("a VPN connection goes up, carries traffic, and goes down")
def _():
    b = main_space_pair()
    where = program.directory()
    two = calls.lns(b, where)
    manager = daemons(where)
    for name in ("va", "l2"):
        ktap.cleanup(sh, f"nmcli con del {name}", check=False)
    nmcli("con", "add", "type", "ethernet", "ifname", "va", "con-name", "va", "ipv4.method", "manual",
          "ipv4.addresses", "10.0.0.1/24", "ipv4.gateway", "10.0.0.2", "ipv6.method", "ignore")
    # 30 is "disconnected"; below that a device cannot be used.
    netns.wait_for(lambda: int(sh("nmcli -g GENERAL.STATE dev show va", check=False).stdout.split(" ")[0] or 0) >= 30, 120,
                   "NetworkManager to know the device")
    nmcli("con", "up", "va")
    nmcli("con", "add", "type", "vpn", "con-name", "l2", "vpn-type", "l2tp", "ipv4.never-default", "yes",
          "ipv6.method", "ignore", "--", "vpn.data",
          "gateway = 10.0.0.2, user = someone, password-flags = 0, refuse-eap = yes, mtu = 1400, mru = 1400, "
          "nobsdcomp = yes, nodeflate = yes", "vpn.secrets", "password = secret")
    # The plugin gives pppd a limited time, which a busy machine may exceed.
    for attempt in range(4):
        done = sh("nmcli --wait 110 con up l2 ifname va", check=False, timeout=360)
        if done.returncode == 0:
            break
        ktap.diag(f"attempt {attempt + 1}: {done.stdout}{done.stderr}")
    if not ktap.eq(done.returncode, 0, "nmcli con up l2"):
        ktap.diag(manager.output(60))
        ktap.diag(two.program.output(20))
    ktap.ok(pings_here(LNS), "ping")
    # One of an attempt before may still be there.
    ktap.ok(netns.wait_for(lambda: b.ip("l2tp show session").stdout.count("Session ") == 1, 120), "the LNS's session")
    ktap.ok(netns.wait_for(lambda: calls.sessions() == 1, 120), "our session")
    nmcli("con", "down", "l2")
    if not ktap.ok(netns.wait_for(lambda: "ppp" not in sh("ip -br link show type ppp").stdout, 120), "device"):
        ktap.diag(sh("ps axo pid,ppid,stat,wchan:24,args", check=False).stdout + sh("ip l2tp show session").stdout)
        ktap.diag(manager.output(60))
    ktap.ok(netns.wait_for(lambda: not sh("ip l2tp show tunnel").stdout, 120), "tunnel")
    manager.stop()
    two.stop()
    calls.no_tunnels(b)


def pings_here(address):
    """Whether the address answers, from the main namespace."""
    return any("3 received" in sh(f"ping -n -q -c 3 -i 0.2 -W 3 {address}", check=False).stdout for _ in range(3))


ktap.main()
