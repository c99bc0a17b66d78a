# SPDX-License-Identifier: GPL-2.0
"""The "l2tp" generic netlink family: names, requests and decoded replies.

    nl = L2tp(netns=a)
    nl.tunnel_create(1, 2, fd=sock.fileno())      # raises NlError unless acknowledged
    nl.tunnel_create(1, 2, local="10.0.0.1", remote="10.0.0.2", sport=5000, dport=5000)
    nl.session_create(1, 11, 12, ifname="e0", cookie=b"abcd")
    nl.session_get(1, 11).uint(SEND_SEQ)
    nl.try_session_create(...)                      # the errno's name instead of raising
"""
import socket

from . import genl
from .genl import raw, string, u8, u16, u32, u64
from .netns import wait_for

# Commands
(NOOP, TUNNEL_CREATE, TUNNEL_DELETE, TUNNEL_MODIFY, TUNNEL_GET,
 SESSION_CREATE, SESSION_DELETE, SESSION_MODIFY, SESSION_GET) = range(9)

# Attributes
(NONE, PW_TYPE, ENCAP_TYPE, OFFSET, DATA_SEQ, L2SPEC_TYPE, L2SPEC_LEN, PROTO_VERSION, IFNAME,
 CONN_ID, PEER_CONN_ID, SESSION_ID, PEER_SESSION_ID, UDP_CSUM, VLAN_ID, COOKIE, PEER_COOKIE,
 DEBUG, RECV_SEQ, SEND_SEQ, LNS_MODE, USING_IPSEC, RECV_TIMEOUT, FD, IP_SADDR, IP_DADDR,
 UDP_SPORT, UDP_DPORT, MTU, MRU, STATS, IP6_SADDR, IP6_DADDR, UDP_ZERO_CSUM6_TX,
 UDP_ZERO_CSUM6_RX, PAD) = range(36)

# Nested in STATS
(_, TX_PACKETS, TX_BYTES, TX_ERRORS, RX_PACKETS, RX_BYTES, RX_SEQ_DISCARDS, RX_OOS_PACKETS,
 RX_ERRORS, STATS_PAD, RX_COOKIE_DISCARDS, RX_INVALID) = range(12)
STATS_ORDER = [TX_PACKETS, TX_BYTES, TX_ERRORS, RX_PACKETS, RX_BYTES, RX_SEQ_DISCARDS,
               RX_COOKIE_DISCARDS, RX_OOS_PACKETS, RX_ERRORS, RX_INVALID]
STATS_NAMES = {TX_PACKETS: "tx_packets", TX_BYTES: "tx_bytes", TX_ERRORS: "tx_errors",
               RX_PACKETS: "rx_packets", RX_BYTES: "rx_bytes",
               RX_SEQ_DISCARDS: "rx_seq_discards", RX_OOS_PACKETS: "rx_oos_packets",
               RX_ERRORS: "rx_errors", RX_COOKIE_DISCARDS: "rx_cookie_discards",
               RX_INVALID: "rx_invalid"}

UDP, IP = 0, 1
PW_ETH_VLAN, PW_ETH, PW_PPP, PW_PPP_AC, PW_IP = 4, 5, 7, 8, 11


def tunnel_attrs(tid, ptid, fd=None, local=None, remote=None, sport=None, dport=None,
                 encap=UDP, version=3, udp_csum=None, zero_csum6_tx=False, zero_csum6_rx=False,
                 debug=None):
    """Attributes of a TUNNEL_CREATE request; what is None is not sent."""
    out = u32(CONN_ID, tid) + u32(PEER_CONN_ID, ptid) + u8(PROTO_VERSION, version) \
        + u16(ENCAP_TYPE, encap)
    if fd is not None:
        out += u32(FD, fd)
    if local is not None:
        if ":" in local:
            out += raw(IP6_SADDR, socket.inet_pton(socket.AF_INET6, local)) \
                + raw(IP6_DADDR, socket.inet_pton(socket.AF_INET6, remote))
        else:
            out += raw(IP_SADDR, socket.inet_aton(local)) + raw(IP_DADDR, socket.inet_aton(remote))
    if sport is not None:
        out += u16(UDP_SPORT, sport)
    if dport is not None:
        out += u16(UDP_DPORT, dport)
    if udp_csum is not None:
        out += u8(UDP_CSUM, udp_csum)
    if zero_csum6_tx:
        out += raw(UDP_ZERO_CSUM6_TX)
    if zero_csum6_rx:
        out += raw(UDP_ZERO_CSUM6_RX)
    if debug is not None:
        out += u32(DEBUG, debug)
    return out


def session_attrs(tid, sid, psid, pw=PW_ETH, ifname=None, cookie=None, peer_cookie=None,
                  l2spec=None, send_seq=None, recv_seq=None, lns_mode=None, timeout=None,
                  debug=None):
    """Attributes of a SESSION_CREATE request; timeout in milliseconds."""
    out = u32(CONN_ID, tid) + u32(SESSION_ID, sid) + u32(PEER_SESSION_ID, psid) + u16(PW_TYPE, pw)
    if ifname is not None:
        out += string(IFNAME, ifname)
    if cookie is not None:
        out += raw(COOKIE, cookie)
    if peer_cookie is not None:
        out += raw(PEER_COOKIE, peer_cookie)
    for kind, value in ((L2SPEC_TYPE, l2spec), (SEND_SEQ, send_seq), (RECV_SEQ, recv_seq),
                        (LNS_MODE, lns_mode)):
        if value is not None:
            out += u8(kind, value)
    if timeout is not None:
        out += u64(RECV_TIMEOUT, timeout)
    if debug is not None:
        out += u32(DEBUG, debug)
    return out


def stats(message):
    """The STATS of a tunnel or session message: {"tx_packets": n, ...}."""
    return {STATS_NAMES.get(a.type, a.type): a.uint for a in message.get(STATS).nest}


class L2tp(genl.Genl):
    """A client of the family. Methods raise NlError; try_* return the errno's name or "ok"."""

    def __init__(self, netns=None, **kwargs):
        super().__init__("l2tp", netns, **kwargs)
        self.netns = netns

    def __getattr__(self, name):
        if not name.startswith("try_"):
            raise AttributeError(name)
        method = getattr(self, name[4:])

        def attempt(*args, **kwargs):
            try:
                method(*args, **kwargs)
            except genl.NlError as error:
                return error.name
            return "ok"
        return attempt

    def must(self, cmd, attrs, what):
        answer = self.do(cmd, attrs)
        if answer.errno != 0:
            raise genl.NlError(answer, what)
        return answer

    def tunnel_create(self, tid, ptid, **kwargs):
        return self.must(TUNNEL_CREATE, tunnel_attrs(tid, ptid, **kwargs), f"create tunnel {tid}")

    def tunnel_delete(self, tid):
        return self.must(TUNNEL_DELETE, u32(CONN_ID, tid), f"delete tunnel {tid}")

    def tunnel_modify(self, tid, attrs=b""):
        return self.must(TUNNEL_MODIFY, u32(CONN_ID, tid) + attrs, f"modify tunnel {tid}")

    def tunnel_get(self, tid):
        return self.must(TUNNEL_GET, u32(CONN_ID, tid), f"get tunnel {tid}").messages[0]

    def session_create(self, tid, sid, psid, **kwargs):
        return self.must(SESSION_CREATE, session_attrs(tid, sid, psid, **kwargs),
                         f"create session {tid}/{sid}")

    def session_delete(self, tid, sid):
        return self.must(SESSION_DELETE, u32(CONN_ID, tid) + u32(SESSION_ID, sid),
                         f"delete session {tid}/{sid}")

    def session_modify(self, tid, sid, attrs=b""):
        return self.must(SESSION_MODIFY, u32(CONN_ID, tid) + u32(SESSION_ID, sid) + attrs,
                         f"modify session {tid}/{sid}")

    def session_get(self, tid, sid):
        return self.must(SESSION_GET, u32(CONN_ID, tid) + u32(SESSION_ID, sid),
                         f"get session {tid}/{sid}").messages[0]

    def tunnels(self):
        """Tunnel ids of a dump, in its order."""
        return [m.uint(CONN_ID) for m in self.dump(TUNNEL_GET).messages]

    def sessions(self):
        """(tunnel id, session id) of a dump, in its order."""
        return [(m.uint(CONN_ID), m.uint(SESSION_ID)) for m in self.dump(SESSION_GET).messages]

    def tunnel_gone(self, tid, timeout=10):
        """Delete, and wait until it cannot be found and its sessions are gone."""
        self.tunnel_delete(tid)
        wait_for(lambda: self.try_tunnel_get(tid) == "ENODEV", timeout, f"end of tunnel {tid}")

    def session_gone(self, tid, sid, timeout=10):
        """Delete, and wait until it cannot be found."""
        self.session_delete(tid, sid)
        wait_for(lambda: self.try_session_get(tid, sid) == "ENODEV", timeout,
                 f"end of session {tid}/{sid}")

    def wipe(self, timeout=120):
        """Delete every tunnel of the namespace; wait until dumps are empty and devices gone."""
        names = {m.text(IFNAME) for m in self.dump(SESSION_GET).messages} if self.netns else set()

        def empty():
            for tid in self.tunnels():
                self.try_tunnel_delete(tid)
            return not self.tunnels()
        wait_for(empty, timeout, "no tunnel left")
        if names and self.netns.alive:
            wait_for(lambda: not names & set(self.netns.links()), timeout, "no device left")


def udp_socket(local="127.0.0.1", remote=None, lport=0, rport=None, netns=None):
    """A UDP socket, bound, and connected if remote is given."""
    if netns is not None:
        with netns.enter():
            return udp_socket(local, remote, lport, rport)
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((local, lport))
    if remote is not None:
        sock.connect((remote, lport if rport is None else rport))
    return sock
