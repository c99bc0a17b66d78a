# SPDX-License-Identifier: GPL-2.0
"""Ground for the data path tests: a kernel end whose peer is the test itself.

    bed = Bed()                              # namespace bed.ns: 10.0.0.1 and fd00::1 on "va"
    tun = bed.tunnel(10, sport=5000)         # managed: tun.sock is the user's socket
    ses = bed.session(tun, 1001, cookie=...) # with its device up; ses.dev sees delivered frames
    bed.inject(tun, v3(1001, frame))         # a datagram of the peer arrives
    bed.sent(1)                              # what the kernel put on the wire
    with bed.change(ses, {"rx_packets": 1, "rx_bytes": 72}): ...

Everything runs on one CPU, so frames that were injected earlier are processed earlier: `fence`
sends one more through a session of its own and waits for it, after which nothing is under way.
"""

import contextlib
import itertools
import os
import socket

from . import impl, ktap, l2tp, netns
from . import l2tpwire as wire

ADDR = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}
DEVICE_COUNTERS = ("rx_packets", "rx_bytes", "rx_errors", "rx_dropped",
                   "tx_packets", "tx_bytes", "tx_errors", "tx_dropped")
_tags = itertools.count(0x01020304, 0x01010101)
_bed = None


def pin(cpu=0):
    """Keep this process on one CPU: veth and the backlog then keep the order of frames."""
    os.sched_setaffinity(0, {cpu})


def ready():
    """Load what the tests need or skip the program's cases."""
    if not impl.load("l2tp_netlink", "l2tp_eth", "veth"):
        ktap.skip("l2tp_eth is not available")


def have_ppp():
    """Skip the case where L2TPv2 sessions cannot be made."""
    if not impl.load("l2tp_ppp"):
        ktap.skip("l2tp_ppp of this implementation is not available")


def have_ip(family=4):
    """Skip the case where L2TP over IP cannot be made."""
    if not impl.load("l2tp_ip" if family == 4 else "l2tp_ip6"):
        ktap.skip(f"l2tp_ip{'' if family == 4 else 6} of this implementation is not available")


def new_tag():
    """A number no other inner frame carries."""
    return next(_tags) & 0x7FFFFFFF


def ground():
    """The bed of the running program, made when the first case asks for it."""
    global _bed
    if _bed is None:
        _bed = Bed()
        ktap.at_exit(_bed.close)
    return _bed


def case(name, *args, **kwargs):
    """Register a case that gets the bed of the program."""
    def register(function):
        ktap.add(name, lambda: function(ground(), *args, **kwargs))
        return function
    return register


def quiet(space):
    """New devices of the namespace speak no IPv6 by themselves."""
    space.sysctl("net.ipv6.conf.default.disable_ipv6", 1)


class Tunnel:
    """One tunnel of the bed; `sock` is None for an unmanaged one."""

    def __init__(self, tid, ptid, family, sport, dport, sock, version):
        self.tid, self.ptid, self.family, self.version = tid, ptid, family, version
        self.sport, self.dport, self.sock = sport, dport, sock

    def recv(self, timeout=0.0):
        """The next datagram that was given to user space, or None."""
        self.sock.settimeout(timeout or 0.000001)
        try:
            return self.sock.recv(1 << 17)
        except (TimeoutError, BlockingIOError):
            return None


class Session:
    """One session; `dev` captures what its device receives."""

    def __init__(self, tun, sid, psid, ifname, dev, cookie, peer_cookie, l2ss):
        self.tun, self.sid, self.psid, self.ifname, self.dev = tun, sid, psid, ifname, dev
        self.cookie, self.peer_cookie, self.l2ss = cookie, peer_cookie, l2ss
        self.out = None         # made by the first transmit

    @property
    def header(self):
        """Bytes of the transmitted L2TP header over UDP."""
        return 8 + len(self.cookie) + (4 if self.l2ss else 0)

    @property
    def rx_header(self):
        return 8 + len(self.peer_cookie) + (4 if self.l2ss else 0)

    def frame(self, payload, word=0, **kw):
        """A data message that this session accepts (cookie and sublayer as configured)."""
        kw.setdefault("cookie", self.peer_cookie)
        return wire.v3(self.sid, payload, l2ss=word if self.l2ss else None, **kw)


class Bed:
    """The kernel under test in one namespace, the test at the other end of its veth."""

    def __init__(self, mtu=1500):
        ready()
        pin()
        self.ns, self.far = netns.pair(mtu=mtu, addresses=False)
        with self.far.enter():
            self.far_mac = wire.hwaddr("vb")
            self.far_wire = wire.PacketSocket("vb", incoming_only=True)
        with self.ns.enter():
            self.near_mac = wire.hwaddr("va")
            wire.tx_checksum_off("va")
        far = ":".join(f"{x:02x}" for x in self.far_mac)
        self.ns.batch(["addr add 10.0.0.1/24 dev va", "addr add fd00::1/64 dev va nodad"] + [
            f"neigh replace {peer} lladdr {far} dev va nud permanent"
            for peer in ("10.0.0.2", "10.0.0.3", "fd00::2", "fd00::3")])
        netns.wait_for(lambda: self._up() and netns.routed(self.ns, "fd00::1"), what="va to be up")
        quiet(self.ns)
        self.nl = l2tp.L2tp(netns=self.ns)
        self.ids = itertools.count(1)
        self.fence_session = None

    def _up(self):
        with self.ns.enter():
            with open("/proc/thread-self/net/if_inet6", encoding="ascii") as file:
                rows = [line.split() for line in file]
        return any(r[5] == "va" and r[0].startswith("fd00") and not int(r[4], 16) & 0x40
                   for r in rows)

    def close(self):
        """Delete all that was made."""
        with contextlib.suppress(Exception):
            self.nl.wipe()
        self.nl.close()
        self.far_wire.close()
        self.ns.delete()
        self.far.delete()

    # ------------------------------------------------------------ objects

    def tunnel(self, tid, ptid=None, family=4, sport=None, dport=None, managed=True, version=3,
               connected=True, sock=None, **kw):
        """A UDP tunnel to the far address of the family."""
        ptid = tid + 1000 if ptid is None else ptid
        sport = 5000 + next(self.ids) if sport is None else sport
        dport = sport if dport is None else dport
        near, far = ADDR[family]
        if managed:
            if sock is None:
                sock = l2tp.udp_socket(near, far if connected else None, sport, dport,
                                       netns=self.ns)
            self.nl.tunnel_create(tid, ptid, fd=sock.fileno(), version=version, **kw)
        else:
            self.nl.tunnel_create(tid, ptid, local=near, remote=far, sport=sport, dport=dport,
                                  version=version, **kw)
        tun = Tunnel(tid, ptid, family, sport, dport, sock, version)
        ktap.cleanup(self.end, tun)
        return tun

    def end(self, tun):
        """Delete a tunnel (again) and wait until it and its devices are gone."""
        if self.nl.try_tunnel_delete(tun.tid) == "ok":
            netns.wait_for(lambda: self.nl.try_tunnel_get(tun.tid) == "ENODEV", 10, "tunnel's end")
        if tun.sock is not None:
            tun.sock.close()
        if self.fence_session is not None and self.fence_session.tun is tun:
            self.fence_session = None
        netns.wait_for(lambda: not any(name.startswith(f"e{tun.tid}x") for name in self.ns.links()), what="end of its devices")

    def session(self, tun, sid, psid=None, ifname=None, up=True, cookie=b"", peer_cookie=b"",
                l2ss=True, mtu=None, **kw):
        """An Ethernet session with its device; kw as in L2tp.session_create."""
        psid = sid + 0x10000 if psid is None else psid
        ifname = ifname or f"e{tun.tid}x{next(self.ids)}"
        self.nl.session_create(tun.tid, sid, psid, ifname=ifname, cookie=cookie or None,
                               peer_cookie=peer_cookie or None, l2spec=1 if l2ss else 0, **kw)
        if up or mtu is not None:
            self.ns.ip(f"link set {ifname} {'up' if up else ''}"
                       f"{f' mtu {mtu}' if mtu is not None else ''}")
        with self.ns.enter():
            dev = wire.PacketSocket(ifname, incoming_only=True)
        ktap.cleanup(dev.close)
        return Session(tun, sid, psid, ifname, dev, cookie, peer_cookie, l2ss)

    # ------------------------------------------------------------ traffic

    def inject(self, tun, payload, sport=None, dport=None, src=None, csum="good", **kw):
        """A datagram from the peer to the tunnel's port, as the wire would bring it."""
        near, far = ADDR[tun.family]
        self.far_wire.send(wire.udp_frame(
            self.near_mac, self.far_mac, src or far, near, tun.dport if sport is None else sport,
            tun.sport if dport is None else dport, payload, csum, **kw))

    def raw(self, frame):
        """A whole frame from the peer."""
        self.far_wire.send(frame)

    def fence(self):
        """All frames that were injected before this call have been processed after it."""
        if self.fence_session is None:
            tun = self.tunnel(0xFE0CE, sport=4999)
            self.fence_session = self.session(tun, 0xFE0CE0, l2ss=False, ifname="fence")
        tag = new_tag()
        self.inject(self.fence_session.tun, wire.v3(0xFE0CE0, wire.inner(tag)))
        got = self.fence_session.dev.collect(
            1, lambda f: wire.is_test_frame(f) and wire.inner_tag(f) == tag)
        if not got:
            raise RuntimeError("the fence frame did not arrive")

    def transmit(self, ses, frame):
        """Let the kernel send a frame through the session's device."""
        if ses.out is None:
            with self.ns.enter():
                ses.out = wire.PacketSocket(ses.ifname, send_only=True)
            ktap.cleanup(ses.out.close)
        ses.out.send(frame)

    def sent(self, want=None, proto=wire.PROTO_UDP, timeout=30.0, settle=0.05):
        """IP packets that the kernel has put on the wire."""
        frames = self.far_wire.collect(want, lambda f: getattr(wire.parse_ip(f), "proto", 0) == proto,
                                       timeout, settle)
        return [wire.parse_ip(f) for f in frames]

    def sent_data(self, ses, want=1, **kw):
        """(Datagram, Data3) of the data messages that the kernel sent for the session."""
        out = []
        for pkt in self.sent(want, **kw):
            dgram = wire.parse_udp(pkt)
            out.append((dgram, wire.parse_v3(dgram.payload, len(ses.cookie), ses.l2ss)))
        return out

    # ------------------------------------------------------------ counters

    def stats(self, ses):
        """Non-zero or not, all counters: session's, tunnel's as t.*, device's as d.*"""
        out = l2tp.stats(self.nl.session_get(ses.tun.tid, ses.sid))
        out.update({"t." + k: v for k, v in self.tunnel_stats(ses.tun).items()})
        dev = self.ns.counters(ses.ifname)
        out.update({"d." + k: dev[k] for k in DEVICE_COUNTERS})
        return out

    def tunnel_stats(self, tun):
        return l2tp.stats(self.nl.tunnel_get(tun.tid))

    @contextlib.contextmanager
    def change(self, ses, want, what=""):
        """The counters change exactly by `want` in the body; keys as in stats(). The tunnel's
        rx/tx packets and bytes and errors follow the session's unless they are given."""
        want = {k: v for k, v in want.items()}
        for key in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "tx_errors"):
            if key in want:
                want.setdefault("t." + key, want[key])
        before = self.stats(ses)
        yield
        self.fence()

        def delta():
            now = self.stats(ses)
            return {k: now[k] - before[k] for k in now if now[k] != before[k]}
        want = {k: v for k, v in want.items() if v}
        netns.wait_for(lambda: delta() == want, 1)
        ktap.eq(delta(), want, f"{what + ': ' if what else ''}counters")

    def delivered(self, ses, frames, what=""):
        """The session's device received exactly these frames, in this order."""
        self.fence()
        got = ses.dev.collect(len(frames), timeout=30) if frames else []
        got += ses.dev.collect(settle=0.0)
        ktap.eq([f.hex() for f in got], [f.hex() for f in frames],
                f"{what + ': ' if what else ''}delivered frames")

    def passed_up(self, tun, payloads, what=""):
        """The user's socket received exactly these datagrams."""
        self.fence()
        got = []
        while (data := tun.recv()) is not None:
            got.append(data)
        ktap.eq([d.hex() for d in got], [p.hex() for p in payloads],
                f"{what + ': ' if what else ''}datagrams passed to user space")


def unspec_connect(sock):
    """connect() with AF_UNSPEC: dissolve the association of a datagram socket."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(sock.fileno(), b"\0" * 16, 16):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def so_error(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
