#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""pyroute2: another netlink library's view of tunnels and sessions."""
import errno

from lib import ktap, netns

try:
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.generic.l2tp import L2tp, l2tpmsg
except ImportError:
    L2tp = None

CMD_TUNNEL_GET, CMD_SESSION_GET = 4, 8


def get(client, command, flags, *attributes):
    """One request and the list of its answers, by pyroute2's own encoder and decoder."""
    message = l2tpmsg()
    message["cmd"] = command
    message["version"] = 1
    message["attrs"] = list(attributes)
    return tuple(client.nlm_request(message, client.prid, msg_flags=NLM_F_REQUEST | flags))


def expect(code, function, *args, **kwargs):
    """The call fails with this errno."""
    error = ktap.raises(NetlinkError, function, *args, **kwargs)
    if error is not None:
        ktap.eq(errno.errorcode.get(error.code), errno.errorcode[code], "errno")


def values(message, *names):
    """These attributes of a message."""
    return tuple(message.get_attr("L2TP_ATTR_" + name) for name in names)


def life(local, remote):
    """A tunnel and a session are made, seen, and deleted."""
    if L2tp is None:
        ktap.skip("no pyroute2 with L2TP")
    space = netns.NetNS()
    ktap.cleanup(space.delete)
    with space.enter():
        client = L2tp()
        ktap.cleanup(client.close)
    ends = {"local": local, "remote": remote, "encap": "udp"}
    client.create_tunnel(tunnel_id=2324, peer_tunnel_id=2425, udp_sport=32001, udp_dport=32000, **ends)
    tunnel, = get(client, CMD_TUNNEL_GET, 0, ("L2TP_ATTR_CONN_ID", 2324))
    ktap.eq(values(tunnel, "CONN_ID", "PEER_CONN_ID", "UDP_SPORT", "UDP_DPORT", "ENCAP_TYPE", "PROTO_VERSION"),
            (2324, 2425, 32001, 32000, 0, 3), "tunnel")
    expect(errno.EEXIST, client.create_tunnel, tunnel_id=2324, peer_tunnel_id=1, udp_sport=32002,
           udp_dport=32000, **ends)
    client.create_session(tunnel_id=2324, session_id=3435, peer_session_id=3536, ifname="py0")
    session, = get(client, CMD_SESSION_GET, 0, ("L2TP_ATTR_CONN_ID", 2324), ("L2TP_ATTR_SESSION_ID", 3435))
    ktap.eq(values(session, "CONN_ID", "SESSION_ID", "PEER_SESSION_ID", "IFNAME", "PW_TYPE"),
            (2324, 3435, 3536, "py0", 5), "session")
    ktap.eq(len(session.get_attr("L2TP_ATTR_STATS")["attrs"]), 10, "statistics")
    ktap.eq([values(t, "CONN_ID") for t in get(client, CMD_TUNNEL_GET, NLM_F_DUMP)], [(2324,)], "tunnels listed")
    ktap.eq([values(s, "SESSION_ID") for s in get(client, CMD_SESSION_GET, NLM_F_DUMP)], [(3435,)],
            "sessions listed")
    ktap.isin("py0", space.links(), "device")
    client.delete_session(tunnel_id=2324, session_id=3435)
    netns.wait_for(lambda: "py0" not in space.links(), what="the device to go")
    expect(errno.ENODEV, get, client, CMD_SESSION_GET, 0, ("L2TP_ATTR_CONN_ID", 2324), ("L2TP_ATTR_SESSION_ID", 3435))
    client.delete_tunnel(tunnel_id=2324)
    netns.wait_for(lambda: not get(client, CMD_TUNNEL_GET, NLM_F_DUMP), what="the tunnel to go")
    expect(errno.ENODEV, get, client, CMD_TUNNEL_GET, 0, ("L2TP_ATTR_CONN_ID", 2324))


ktap.add("tunnel and session over IPv4", life, "127.0.0.1", "127.0.0.2")
ktap.add("tunnel and session over IPv6", life, "::1", "::1")
ktap.main()
