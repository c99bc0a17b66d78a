#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Lifetimes: closing sockets, deleting under traffic, immediate re-creation, races, unloading."""
import array
import collections
import os
import random
import socket
import struct
import threading
import time

from lib import impl, ktap
from lib import l2tp as L
from lib.genl import string, u8
from lib.netns import NetNS, sh, wait_for
from lib.tracing import EVENTS, Trace

SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
SECONDS = 3 * impl.SLOW      # of each race
ns, other = NetNS(), NetNS()
ktap.at_exit(ns.delete)
ktap.at_exit(other.delete)
nl = L.L2tp(netns=ns)
FRAME = struct.pack(">HHII", 3, 0, 11, 0) + b"\xff" * 6 + bytes(54)


def devices():
    return sorted(n for n in ns.links() if n != "lo")


def settled():
    """No tunnel, no device, and nothing on the way."""
    nl.wipe()
    wait_for(lambda: not devices(), 20, "no device left")


def tidy():
    ktap.cleanup(settled)


def tunnel_socket(tid=1, sid=11, **kwargs):
    """A managed tunnel with one session on a socket connected to a second one."""
    peer = L.udp_socket(netns=ns)
    one = L.udp_socket(remote="127.0.0.1", rport=peer.getsockname()[1], netns=ns)
    peer.connect(one.getsockname())
    ktap.cleanup(one.close)
    ktap.cleanup(peer.close)
    nl.tunnel_create(tid, 2, fd=one.fileno())
    nl.session_create(tid, sid, 12, **kwargs)
    return one, peer


class Workers:
    """Threads that repeat something until the end of a with-block; errors of the system are theirs."""

    def __init__(self, *jobs):
        self.stop = threading.Event()
        self.rounds = [0] * len(jobs)
        self.broken = []
        self.threads = [threading.Thread(target=self.loop, args=(n, job), daemon=True)
                        for n, job in enumerate(jobs)]

    def loop(self, number, job):
        rng = random.Random(SEED + number)
        while not self.stop.is_set():
            try:
                job(rng)
            except OSError:
                pass
            except Exception as error:
                self.broken.append(repr(error))
                return
            self.rounds[number] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        for thread in self.threads:
            thread.join(120)
        alive = sum(t.is_alive() for t in self.threads)
        ktap.ok(not alive, f"{alive} worker(s) hang")
        ktap.eq(self.broken, [], "workers")
        ktap.diag(f"seed {SEED}, rounds {self.rounds}")


# A user's socket ----------------------------------------------------------------

@ktap.case("close of the tunnel's socket deletes tunnel, sessions and devices")
def _():
    tidy()
    one, _ = tunnel_socket(ifname="e0")
    nl.session_create(1, 21, 22, ifname="e1")
    ns.ip("link set e0 up")
    one.close()
    wait_for(lambda: not nl.tunnels() and not nl.sessions() and not devices(), what="all gone")


@ktap.case("a duplicate descriptor keeps the tunnel; so does one in another process or in flight")
def _():
    tidy()
    one, _ = tunnel_socket()
    copy = os.dup(one.fileno())
    one.close()
    time.sleep(0.2)
    ktap.eq(nl.tunnels(), [1], "held by a dup")
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os.read(told, 1)        # until the other end is closed
        os._exit(0)
    os.close(copy)
    time.sleep(0.2)
    ktap.eq(nl.tunnels(), [1], "held by a child")
    os.close(tell)
    os.waitpid(pid, 0)
    os.close(told)
    wait_for(lambda: not nl.tunnels(), what="tunnel gone with the child")

    one, _ = tunnel_socket()
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [one.fileno()]))])
    one.close()
    time.sleep(0.2)
    ktap.eq(nl.tunnels(), [1], "held by a message")
    left.close()
    right.close()
    wait_for(lambda: not nl.tunnels(), what="tunnel gone with the message")


@ktap.case("a process that is killed takes its tunnels along")
def _():
    tidy()
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        mine = L.L2tp(netns=ns)
        keep = []
        for tid in range(5):
            keep.append(L.udp_socket(remote="127.0.0.1", rport=9, netns=ns))
            mine.tunnel_create(tid, 2, fd=keep[-1].fileno())
            mine.session_create(tid, tid, 2)
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    ktap.eq(len(nl.sessions()), 5, "sessions")
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    wait_for(lambda: not nl.tunnels() and not devices(), what="all gone")


@ktap.case("close, then at once a new socket, tunnel and session with the same ids and name")
def _():
    tidy()
    for _ in range(15):
        one, _ = tunnel_socket(ifname="e0")
        one.close()
        if impl.IS_C:       # asynchronous there
            wait_for(lambda: not nl.tunnels() and not nl.sessions() and not devices(), what="all gone")


@ktap.case("shutdown, disconnect and re-connect of the tunnel's socket leave the tunnel alone")
def _():
    tidy()
    one, peer = tunnel_socket(ifname="e0")
    ns.ip("link set e0 up")
    with Workers(lambda rng: peer.send(FRAME)):
        for _ in range(20):
            with ns.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
                tap.bind(("e0", 0x88b5))
                for step in (lambda: one.connect(("127.0.0.1", 9)),
                             lambda: one.connect(peer.getsockname())):
                    step()
                    tap.send(bytes(60))
        one.shutdown(socket.SHUT_RDWR)
    ktap.eq((nl.tunnels(), nl.sessions()), ([1], [(1, 11)]))


@ktap.case("UDP_ENCAP changed on a tunnel's socket: no more frames; its deletion is clean")
def _():
    tidy()
    for value in (0, 2):
        one, peer = tunnel_socket()
        one.setsockopt(17, 100, value)
        for _ in range(10):
            try:
                peer.send(FRAME)
            except ConnectionRefusedError:      # what was no ESP was answered by ICMP
                pass
        ktap.eq(L.stats(nl.session_get(1, 11))["rx_packets"], 0, "frames received by the session")
        # With encapsulation off UDP no longer tells the tunnel of a close.
        nl.tunnel_delete(1)
        wait_for(lambda: not nl.tunnels() and not nl.sessions() and not devices(), what="all gone")
        one.close()


# Re-creation -----------------------------------------------------------------------

def again(create, delete, gone):
    """Create and delete in a tight loop: nothing of before is in the way (C: is soon gone)."""
    for number in range(25):
        result = create()
        if impl.IS_C and result != "ok":
            result = wait_for(lambda: create() == "ok" and "ok", 5) or result
        ktap.eq(result, "ok", f"creation {number}")
        delete()
        if impl.IS_RUST:
            ktap.eq(gone(), "ENODEV", f"lookup after deletion {number}")


@ktap.case("a tunnel id can be used again at once")
def _():
    tidy()
    again(lambda: nl.try_tunnel_create(1, 2, fd=0xffffffff), lambda: nl.tunnel_delete(1),
          lambda: nl.try_tunnel_get(1))


@ktap.case("a session id and a device name can be used again at once")
def _():
    tidy()
    nl.tunnel_create(1, 2, fd=0xffffffff)
    again(lambda: nl.try_session_create(1, 11, 12, ifname="e0"), lambda: nl.session_delete(1, 11),
          lambda: nl.try_session_get(1, 11))


@ktap.case("a session id and a device name can be used again at once after deletion by name")
def _():
    tidy()
    nl.tunnel_create(1, 2, fd=0xffffffff)
    again(lambda: nl.try_session_create(1, 11, 12, ifname="e0"),
          lambda: nl.do(L.SESSION_DELETE, string(L.IFNAME, "e0")), lambda: nl.try_session_get(1, 11))


@ktap.case("session ids and names of a deleted tunnel can be used again at once")
def _():
    tidy()

    def create():
        if nl.try_tunnel_get(1) != "ok":
            got = nl.try_tunnel_create(1, 2, fd=0xffffffff)
            if got != "ok":
                return got
        return nl.try_session_create(1, 11, 12, ifname="e0")
    again(create, lambda: nl.tunnel_delete(1), lambda: nl.try_session_get(1, 11))


@ktap.case("session ids of a deleted tunnel can be used again in another tunnel, not as collided")
def _():
    tidy()
    for tid in range(1, 21):
        nl.tunnel_create(tid, 2, fd=0xffffffff)
        if impl.IS_C:
            wait_for(lambda: nl.try_session_get(tid, 11) == "ENODEV", 5)
            wait_for(lambda: not devices(), 5)
        nl.session_create(tid, 11, 12, ifname="e0")
        # Not collided: found through any tunnel.
        nl.tunnel_create(1000 + tid, 2, fd=0xffffffff)
        ktap.eq(nl.try_session_get(1000 + tid, 11), "ok")
        nl.tunnel_delete(1000 + tid)
        nl.tunnel_delete(tid)


@ktap.case("a refused device leaves the session id free at once")
def _():
    tidy()
    nl.tunnel_create(1, 2, fd=0xffffffff)
    for _ in range(20):
        ktap.eq(nl.try_session_create(1, 11, 12, ifname="lo"), "EEXIST")
        if impl.IS_C:
            wait_for(lambda: nl.try_session_get(1, 11) == "ENODEV", 5)
        ktap.eq(nl.try_session_create(1, 11, 12, ifname="e0"), "ok")
        nl.session_gone(1, 11)
        wait_for(lambda: not devices(), what="device gone")


# Under traffic -----------------------------------------------------------------------

def sender(name):
    """A job that transmits on the device while it is there."""
    def job(rng):
        with ns.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
            tap.bind((name, 0x88b5))
            for _ in range(50):
                tap.send(b"\xff" * 6 + bytes(54))
    return job


@ktap.case("sessions deleted and made while frames arrive and leave")
def _():
    tidy()
    one, peer = tunnel_socket(ifname="e0", send_seq=1, recv_seq=0, timeout=100)
    ns.ip("link set e0 up")

    def arriving(rng):
        for _ in range(50):
            word = 0x40000000 | rng.randrange(64) if rng.random() < 0.5 else 0
            peer.send(struct.pack(">HHII", 3, 0, 11, word) + bytes(60))
    with Workers(arriving, sender("e0")) as work:
        for _ in range(12):
            nl.session_delete(1, 11)
            wait_for(lambda: nl.try_session_create(1, 11, 12, ifname="e0", send_seq=1,
                                                   timeout=100) == "ok", 10, "session made again")
            ns.ip("link set e0 up")
    ktap.ok(min(work.rounds) > 0, f"traffic ran: {work.rounds}")


@ktap.case("tunnels deleted and made on one socket while frames arrive and leave")
def _():
    tidy()
    one, peer = tunnel_socket(ifname="e0")
    one.setblocking(False)

    def arriving(rng):
        for _ in range(50):
            peer.send(FRAME)

    def drain(rng):
        time.sleep(0.01)
        for _ in range(200):
            one.recv(2000)
    with Workers(arriving, drain, sender("e0")):
        for _ in range(20):
            nl.tunnel_delete(1)
            wait_for(lambda: nl.try_tunnel_create(1, 2, fd=one.fileno()) == "ok", 10, "tunnel again")
            wait_for(lambda: nl.try_session_create(1, 11, 12, ifname="e0") == "ok", 10, "session again")
            ns.ip("link set e0 up", check=False)


@ktap.case("the socket is closed while frames arrive and leave")
def _():
    tidy()
    for _ in range(10):
        one, peer = tunnel_socket(ifname="e0")
        ns.ip("link set e0 up")
        with Workers(lambda rng: peer.send(FRAME), sender("e0")):
            time.sleep(0.05)
            one.close()
            wait_for(lambda: not nl.tunnels() and not devices(), 10, "all gone")


@ktap.case("rename and move of a device while frames arrive and leave")
def _():
    tidy()
    one, peer = tunnel_socket(ifname="e0")
    ns.ip("link set e0 up")
    with Workers(lambda rng: (peer.send(FRAME), time.sleep(0.001)), sender("e0"), sender("e1")):
        for _ in range(3):
            ns.ip("link set e0 name e1")
            ns.ip("link set e1 name e0")
            ns.ip(f"link set e0 netns {other.name}")
            other.ip("link set e0 up")
            other.ip(f"link set e0 netns {ns.name}")
            ns.ip("link set e0 up")
    before = L.stats(nl.session_get(1, 11))["rx_packets"]
    peer.send(FRAME)
    wait_for(lambda: L.stats(nl.session_get(1, 11))["rx_packets"] > before, what="still receiving")


@ktap.case("ip link del under traffic: refused, traffic goes on")
def _():
    tidy()
    one, peer = tunnel_socket(ifname="e0")
    ns.ip("link set e0 up")
    with Workers(lambda rng: peer.send(FRAME), sender("e0")):
        for _ in range(10):
            done = ns.ip("link del e0", check=False)
            ktap.ok("not supported" in done.stderr, done.stderr)
    ktap.eq((nl.sessions(), devices()), ([(1, 11)], ["e0"]))


# Races ---------------------------------------------------------------------------------

@ktap.case("one socket offered for several tunnels at once: one gets it")
def _():
    tidy()
    for _ in range(30):
        one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
        names = []

        def offer(tid):
            with L.L2tp(netns=ns) as mine:
                barrier.wait()
                names.append(mine.try_tunnel_create(tid, 2, fd=one.fileno()))
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=offer, args=(tid,)) for tid in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ktap.eq(sorted(names), ["EBUSY", "EBUSY", "ok"])
        one.close()
        wait_for(lambda: not nl.tunnels(), what="tunnel gone")


@ktap.case("a socket closed while it is being made a tunnel")
def _():
    tidy()
    with L.L2tp(netns=ns) as mine:
        for _ in range(100):
            one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
            fd = os.dup(one.fileno())
            closer = threading.Thread(target=os.close, args=(fd,))
            one.close()
            closer.start()
            ktap.isin(mine.try_tunnel_create(1, 2, fd=fd), ("ok", "EBADF", "ENOTSOCK"))
            closer.join()
            wait_for(lambda: not nl.tunnels(), 5, "tunnel gone")


@ktap.case("create, delete, modify, get, dump and close of few ids by many")
def _():
    tidy()
    here = threading.local()

    def client():
        if not hasattr(here, "nl"):
            here.nl = L.L2tp(netns=ns)
        return here.nl

    def creating(rng):
        tid = rng.randrange(4)
        if rng.random() < 0.5:
            client().try_tunnel_create(tid, 1, fd=0xffffffff)
        for _ in range(4):
            client().try_session_create(rng.randrange(4), rng.randrange(6), 1,
                                        ifname=f"e{rng.randrange(6)}" if rng.random() < 0.5 else None)

    def owning(rng):
        one = L.udp_socket(remote="127.0.0.1", rport=9, netns=ns)
        tid = rng.randrange(4)
        client().try_tunnel_create(tid, 1, fd=one.fileno())
        client().try_session_create(tid, rng.randrange(6), 1)
        one.close()

    def deleting(rng):
        time.sleep(0.002)
        if rng.random() < 0.3:
            client().try_tunnel_delete(rng.randrange(4))
        elif rng.random() < 0.5:
            client().do(L.SESSION_DELETE, string(L.IFNAME, f"e{rng.randrange(6)}"))
        else:
            client().try_session_delete(rng.randrange(4), rng.randrange(6))

    def looking(rng):
        client().tunnels()
        client().sessions()
        client().try_tunnel_get(rng.randrange(4))
        client().try_session_get(rng.randrange(4), rng.randrange(6))
        client().try_session_modify(rng.randrange(4), rng.randrange(6), u8(L.SEND_SEQ, rng.randrange(2)))
        client().try_tunnel_modify(rng.randrange(4))
        if os.path.exists("/sys/kernel/debug/l2tp/tunnels"):
            with ns.enter(), open("/sys/kernel/debug/l2tp/tunnels", encoding="ascii") as file:
                file.read()

    impl.load("l2tp_debugfs")
    with Workers(creating, creating, owning, deleting, deleting, looking):
        time.sleep(SECONDS)


@ktap.case("everything that was registered is freed in the end")
def _():
    tidy()
    if not os.path.isdir(EVENTS):
        ktap.skip("no l2tp trace events")
    trace = Trace(8)
    one, peer = tunnel_socket(99, 99)

    def churn(rng):
        with L.L2tp(netns=ns) as mine:
            for _ in range(5):
                tid, sid = rng.randrange(3), rng.randrange(5)
                mine.try_tunnel_create(tid, 1, fd=0xffffffff)
                mine.try_session_create(tid, sid, 1)
                mine.try_session_create(tid, rng.randrange(5), 1, ifname="lo")
                mine.try_session_get(tid, sid)
                mine.sessions()
                mine.try_session_delete(tid, sid)
                if rng.random() < 0.3:
                    mine.try_tunnel_delete(tid)

    def sending(rng):
        for version in (3, 2, 0):
            for sid in range(6):
                peer.send(struct.pack(">HHII", version, 0, sid, 0) + bytes(60))
    with Workers(churn, churn, sending):
        time.sleep(SECONDS)
        wait_for(lambda: sum(event.startswith("register_") for event, _ in trace.events()) > 50, 180)
    one.close()
    settled()

    def left():
        seen = trace.events()
        made = collections.Counter(t.split(":")[0] for e, t in seen if e.startswith("register_"))
        gone = collections.Counter(t for e, t in seen if e.startswith("free_"))
        return made - gone, sum(made.values())
    wait_for(lambda: not left()[0], 10)
    missing, made = left()
    ktap.ok(made > 50, f"{made} registered")
    ktap.eq(dict(missing), {}, f"of {made} registered not freed")


@ktap.case("unloading, loading and creating at the same time")
def _():
    tidy()
    # Every client holds no module; requests fail while the family is away.
    nl.wipe()

    def creating(rng):
        with L.L2tp(netns=ns) as mine:
            mine.try_tunnel_create(1, 2, fd=0xffffffff)
            mine.try_session_create(1, 11, 12)
            mine.try_session_delete(1, 11)
            mine.try_tunnel_delete(1)

    def unloading(rng):
        for module in ("l2tp_debugfs", "l2tp_eth", "l2tp_ppp", "l2tp_ip6", "l2tp_ip", "l2tp_netlink",
                       "l2tp_core"):
            if os.path.exists(f"/sys/module/{module}"):
                sh(["rmmod", module], check=False)
        time.sleep(0.05)
    with Workers(creating, unloading) as work:
        time.sleep(SECONDS)
    ktap.ok(min(work.rounds) > 0, f"both ran: {work.rounds}")
    nl.resolve("l2tp")


@ktap.case("unloading while frames arrive for tunnels of user and kernel")
def _():
    nl.resolve("l2tp")
    tidy()
    peer = L.udp_socket(netns=ns)
    one = L.udp_socket(remote="127.0.0.1", rport=peer.getsockname()[1], netns=ns)
    peer.connect(one.getsockname())
    one.setblocking(False)
    for sock in (peer, one):
        ktap.cleanup(sock.close)

    def arriving(rng):
        for _ in range(50):
            peer.send(FRAME)

    def drain(rng):
        time.sleep(0.01)
        for _ in range(200):
            one.recv(2000)

    def flooding(rng):
        with ns.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            for _ in range(50):
                mine.sendto(FRAME, ("127.0.0.1", 5000))
    with Workers(arriving, drain, flooding):
        for _ in range(3):
            nl.resolve("l2tp")
            nl.tunnel_create(1, 2, fd=one.fileno())
            nl.tunnel_create(2, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000)
            nl.session_create(1, 11, 12)
            nl.session_create(2, 11, 12)
            time.sleep(0.05)

            def unloaded():
                for session in ((1, 11), (2, 11)):
                    nl.try_session_delete(*session)
                for module in ("l2tp_debugfs", "l2tp_eth", "l2tp_netlink", "l2tp_core"):
                    if os.path.exists(f"/sys/module/{module}"):
                        sh(["rmmod", module], check=False)
                return not os.path.exists("/sys/module/l2tp_core")
            for module in ("l2tp_ppp", "l2tp_ip6", "l2tp_ip"):
                if os.path.exists(f"/sys/module/{module}"):
                    sh(["rmmod", module], check=False)
            wait_for(unloaded, 15, "modules unloaded under traffic")
    nl.resolve("l2tp")


@ktap.case("an ICMP error for a former tunnel socket after unloading")
def _():
    if impl.IS_C:
        ktap.skip("the C modules leave their error hook in the socket: jumps into freed code")
    nl.resolve("l2tp")
    for family, address in ((4, "127.0.0.1"), (6, "::1")):
        one = L.udp_socket(local=address, remote=address, rport=9, netns=ns)
        ktap.cleanup(one.close)
        nl.tunnel_create(1, 2, fd=one.fileno())
        nl.tunnel_gone(1)
        wait_for(lambda: one.getsockopt(17, 100) == 0, what="end of the encapsulation")

        def unloaded():
            for module in ("l2tp_debugfs", "l2tp_eth", "l2tp_netlink", "l2tp_core"):
                if os.path.exists(f"/sys/module/{module}"):
                    sh(["rmmod", module], check=False)
            return not os.path.exists("/sys/module/l2tp_core")
        wait_for(unloaded, 10, "modules unloaded")
        one.setsockopt(17, 100, 2)      # ESP in UDP: the error hook, if any, is called again
        one.send(b"x")
        error = wait_for(lambda: one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0.5)
        ktap.isin(error, (0, 111), f"ip{family}: SO_ERROR")
        nl.resolve("l2tp")


@ktap.case("afterwards: nothing left, modules unload")
def _():
    nl.resolve("l2tp")
    settled()
    ktap.eq((nl.tunnels(), nl.sessions()), ([], []))

    def unloaded():
        for module in ("l2tp_debugfs", "l2tp_eth", "l2tp_ppp", "l2tp_ip6", "l2tp_ip", "l2tp_netlink",
                       "l2tp_core"):
            if os.path.exists(f"/sys/module/{module}"):
                sh(["rmmod", module], check=False)
        return not os.path.exists("/sys/module/l2tp_core")
    wait_for(unloaded, 15, "modules unloaded")


ktap.main()
