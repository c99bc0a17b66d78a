#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""systemd-networkd: L2TP netdevs from its configuration, against plain `ip l2tp` as the peer."""
import os
import shutil
import subprocess

from lib import ktap, netns, program

NETWORKD = "/usr/lib/systemd/systemd-networkd"
CONFIGURATION = "/run/systemd/network"

NETDEV = """[NetDev]
Name=l2tp-{encap}
Kind=l2tp
[L2TP]
TunnelId={tunnel}
PeerTunnelId={peer}
Local=static@va
Remote=10.0.0.2
EncapsulationType={encap}
{more}"""
SESSION = """[L2TPSession]
Name={name}
SessionId={ours}
PeerSessionId={theirs}
{more}"""
NETWORK = """[Match]
Name={name}
[Network]
Address={address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def bus_and_udev():
    """networkd wants a system bus, and udev to know the devices."""
    for path in ("/run/dbus", "/run/udev", "/run/systemd/netif"):
        os.makedirs(path, exist_ok=True)
    shutil.chown("/run/systemd/netif", "systemd-network")
    netns.sh("dbus-uuidgen --ensure")
    bus = program.Program(["dbus-daemon", "--system", "--nofork", "--nopidfile"])
    udev = program.Program(["/usr/lib/systemd/systemd-udevd"])
    bus.wait_for(lambda: program.listens("/run/dbus/system_bus_socket"), 10, "the bus")
    udev.wait_for(lambda: program.udev_knows("lo"), 10, "udev")


@ktap.case("tunnels and sessions from configuration files")
def _():
    program.require(NETWORKD, "dbus-daemon", "udevadm")
    netns.sh("modprobe -a l2tp_eth veth")
    with_ip = netns.sh("modprobe l2tp_ip", check=False).returncode == 0
    shutil.rmtree(CONFIGURATION, ignore_errors=True)
    os.makedirs(CONFIGURATION)
    ktap.cleanup(shutil.rmtree, CONFIGURATION, ignore_errors=True)
    bus_and_udev()
    b = netns.NetNS()
    ktap.cleanup(b.delete)
    subprocess.run(["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", b.name], check=True)
    ktap.cleanup(netns.sh, "ip link del va", check=False)
    netns.wait_for(lambda: program.udev_knows("va"), 120, "udev to know the device")
    sessions = [("nd1", 15, 16, ""), ("nd2", 17, 18, "Layer2SpecificHeader=none\n")]
    files = {"10-va.network": NETWORK.format(name="va", address="10.0.0.1"),
             "20-udp.netdev": NETDEV.format(encap="udp", tunnel=10, peer=20, more="UDPSourcePort=3000\n"
                                            "UDPDestinationPort=4000\nUDPCheckSum=yes\n")
             + "".join(SESSION.format(name=n, ours=o, theirs=t, more=m) for n, o, t, m in sessions)}
    b.batch(["addr add 10.0.0.2/24 dev vb", "link set vb up",
             "l2tp add tunnel tunnel_id 20 peer_tunnel_id 10 encap udp local 10.0.0.2 remote 10.0.0.1"
             " udp_sport 4000 udp_dport 3000",
             "l2tp add session name p1 tunnel_id 20 session_id 16 peer_session_id 15",
             "l2tp add session name p2 tunnel_id 20 session_id 18 peer_session_id 17 l2spec_type none"])
    if with_ip:
        sessions.append(("nd3", 25, 26, ""))
        files["21-ip.netdev"] = NETDEV.format(encap="ip", tunnel=11, peer=21, more="") \
            + SESSION.format(name="nd3", ours=25, theirs=26, more="")
        b.batch(["l2tp add tunnel tunnel_id 21 peer_tunnel_id 11 encap ip local 10.0.0.2 remote 10.0.0.1",
                 "l2tp add session name p3 tunnel_id 21 session_id 26 peer_session_id 25"])
    else:
        ktap.diag("without IP encapsulation: no l2tp_ip")
    for number, (name, *_) in enumerate(sessions, 1):
        files[f"30-{name}.network"] = NETWORK.format(name=name, address=f"192.168.9{number}.1")
        b.batch([f"addr add 192.168.9{number}.2/24 dev p{number}", f"link set p{number} up"])
    for name, text in files.items():
        program.write(f"{CONFIGURATION}/{name}", text)

    def remove():
        for tunnel in (10, 11):
            netns.sh(f"ip l2tp del tunnel tunnel_id {tunnel}", check=False)
    ktap.cleanup(remove)
    networkd = program.Program([NETWORKD], env={"SYSTEMD_LOG_LEVEL": "debug"})
    for number, (name, *_) in enumerate(sessions, 1):
        if networkd.wait_for(lambda: os.path.exists(f"/sys/class/net/{name}"), 120, f"device {name}"):
            ping = ["ping", "-q", "-c", "1", "-W", "1", f"192.168.9{number}.2"]
            networkd.wait_for(lambda: netns.sh(ping, check=False).returncode == 0, 120, f"a ping through {name}")
    shown = netns.sh("ip l2tp show tunnel tunnel_id 10").stdout
    ktap.isin("UDP checksum: enabled", shown, "tunnel 10")
    ktap.isin("UDP source / dest ports: 3000/4000", shown, "tunnel 10")
    networkd.stop()
    ktap.isin("nd1", netns.sh("ip l2tp show session").stdout, "sessions stay without networkd")


ktap.main()
