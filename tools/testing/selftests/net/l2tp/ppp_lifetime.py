#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""PPPoL2TP sockets: closing and deleting in every order, copies of descriptors, races, use counts."""
import itertools
import os
import random
import threading
import time

from lib import impl, kmsg, ktap
from lib import l2tp as L
from lib.netns import NetNS, sh, wait_for
from lib.pppox import V2, Channel, Ground, Pppox, Unit, errno_of

if not impl.load("l2tp_ppp", "l2tp_eth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

ground = Ground()
ktap.at_exit(ground.close)
LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"


def new_end(**kw):
    end = ground.end(**kw)
    ktap.cleanup(end.close)
    return end


def use_count(module="l2tp_ppp"):
    with open("/proc/modules", encoding="ascii") as file:
        return {r[0]: int(r[2]) for r in map(str.split, file)}.get(module)


def exists(end, sid=None):
    if sid is None:
        return ground.nl.try_tunnel_get(end.tid) == "ok"
    return ground.nl.try_session_get(end.tid, sid) == "ok"


# ---------------------------------------------------------------- the single steps

@ktap.case("closing a session socket deletes the session, made by connect() or by netlink")
def _():
    end = new_end()
    end.management()
    one = end.session(1, 2)
    ground.nl.session_create(end.tid, 3, 4, pw=L.PW_PPP)
    two = end.session(3, 4)
    ktap.eq((exists(end, 1), exists(end, 3)), (True, True), "sessions")
    one.close()
    wait_for(lambda: not exists(end, 1), what="end of the first")
    two.close()
    wait_for(lambda: not exists(end, 3), what="end of the second")
    ktap.ok(exists(end), "the tunnel stays")
    wait_for(lambda: errno_of(end.session, 1, 2) == "ok", what="the id is free again")


@ktap.case("closing a management socket deletes nothing; another one can take its place")
def _():
    end = new_end()
    management = end.management()
    session = end.session(1, 2)
    management.close()
    time.sleep(0.2)
    ktap.ok(exists(end) and exists(end, 1), "tunnel and session stay")
    ktap.eq(errno_of(session.send, LCP), "ok", "send()")
    wait_for(lambda: errno_of(end.management) == "ok", what="another management socket")


@ktap.case("a failed connect() leaves nothing behind")
def _():
    end = new_end()
    sock = end.socket()
    sock.connect(end.address(0, 0))
    another = new_end()
    ktap.eq(errno_of(sock.connect, another.address(0, 0)), "EBUSY", "connected already")
    wait_for(lambda: not exists(another), what="end of the tunnel that was made for it")
    ktap.eq(ground.nl.try_tunnel_get(another.tid), "ENODEV", "no tunnel")
    wait_for(lambda: errno_of(another.management) == "ok", what="id and socket are free again")


@ktap.case("closing the tunnel's socket ends everything; sockets stay connected to nothing")
def _():
    end = new_end()
    management, session = end.management(), end.session(1, 2)
    end.udp.close()
    wait_for(lambda: not exists(end), what="end of the tunnel")
    for sock in (management, session):
        wait_for(lambda s=sock: errno_of(s.getsockname) == "EBADF", what="end of the session")
        ktap.eq(errno_of(sock.send, b"x"), "EBADF", "send()")
        ktap.eq(errno_of(sock.stats), "ENOTCONN", "ioctl()")
        ktap.eq(errno_of(sock.getsockopt, 1), "ENOTCONN", "getsockopt()")
        ktap.eq(errno_of(sock.connect, end.address(1, 2)), "ENOENT", "connect()")


@ktap.case("a descriptor's copies: dup, fork, exec")
def _():
    end = new_end()
    end.management()
    sock = end.session(1, 2)
    copy = sock.dup()
    sock.close()
    time.sleep(0.1)
    ktap.eq(errno_of(copy.send, LCP), "ok", "send() through a copy")
    ktap.ok(end.sent(), "on the wire")
    pid = os.fork()
    if pid == 0:
        os.set_inheritable(copy.fd, True)
        os.execvp("sh", ["sh", "-c", f"sleep 0.5; printf hello >&{copy.fd}; sleep 0.5"])
    copy.close()
    ktap.ok(exists(end, 1), "a child keeps the session")
    ktap.eq((end.sent(60) or b"")[8:], b"hello", "sent by the child's program")
    os.waitpid(pid, 0)
    wait_for(lambda: not exists(end, 1), what="end of the session with the last copy")
    ktap.ok(exists(end), "the tunnel stays")


# ---------------------------------------------------------------- every order

def steps(end, session, management, channel, unit):
    return {"session socket": session.close, "management socket": management.close,
            "UDP socket": end.udp.close, "channel": channel.close, "unit": unit.close,
            "SESSION_DELETE": lambda: ground.nl.try_session_delete(end.tid, 1),
            "TUNNEL_DELETE": lambda: ground.nl.try_tunnel_delete(end.tid)}


@ktap.case("every order of five ends: sockets, channel, unit, with frames arriving")
def _():
    names = ("session socket", "UDP socket", "channel", "unit", "SESSION_DELETE")
    for order in itertools.permutations(names):
        end = new_end()
        management, session = end.management(), end.session(1, 2)
        with ground.ns.enter():
            channel, unit = Channel(session), Unit()
            channel.connect(unit)
        todo = steps(end, session, management, channel, unit)
        for name in order:
            if end.udp.fileno() >= 0:
                try:
                    end.inject(1, b"\xff\x03" + LCP)
                except OSError:
                    pass
            todo[name]()
        management.close()
        end.close()
    wait_for(lambda: not ground.nl.tunnels(), what="no tunnel left")
    wait_for(lambda: use_count() == 0, 20, "no use of the module left")


@ktap.case("all threads end something at the same time, many times")
def _():
    random.seed(7)
    for _ in range(25):
        end = new_end()
        management, session = end.management(), end.session(1, 2)
        with ground.ns.enter():
            channel, unit = Channel(session), Unit()
            channel.connect(unit)
        clients = [L.L2tp(netns=ground.ns) for _ in range(2)]
        todo = steps(end, session, management, channel, unit)
        todo["SESSION_DELETE"] = lambda c=clients[0], e=end: c.try_session_delete(e.tid, 1)
        todo["TUNNEL_DELETE"] = lambda c=clients[1], e=end: c.try_tunnel_delete(e.tid)
        del todo["UDP socket"]
        barrier = threading.Barrier(len(todo) + 1)

        def main(call, barrier=barrier):
            barrier.wait()
            time.sleep(random.random() * 0.002)
            call()
        threads = [threading.Thread(target=main, args=(call,)) for call in todo.values()]
        for thread in threads:
            thread.start()
        barrier.wait()
        for _ in range(20):
            end.inject(1, b"\xff\x03" + LCP)
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()
        end.close()
    wait_for(lambda: not ground.nl.tunnels(), what="no tunnel left")
    wait_for(lambda: use_count() == 0, 20, "no use of the module left")


@ktap.case("connect() and close() of the same ids against each other, under frames")
def _():
    end = new_end()
    end.management()
    stop = time.monotonic() + 4
    seen = set()

    def connector():
        while time.monotonic() < stop:
            with ground.socket() as sock:
                seen.add(errno_of(sock.connect, end.address(1, 2)))

    def deleter():
        with L.L2tp(netns=ground.ns) as nl:
            while time.monotonic() < stop:
                nl.try_session_delete(end.tid, 1)
                nl.try_session_create(end.tid, 1, 2, pw=L.PW_PPP)
    threads = [threading.Thread(target=t) for t in (connector, connector, deleter)]
    for thread in threads:
        thread.start()
    while time.monotonic() < stop:
        end.inject(1, b"\xff\x03" + LCP)
    for thread in threads:
        thread.join()
    ktap.ok("ok" in seen, f"results: {seen}")
    ktap.ok(seen <= {"ok", "EEXIST"}, f"results: {seen}")
    ground.nl.try_session_delete(end.tid, 1)


@ktap.case("management connect() against close of the UDP socket")
def _():
    for _ in range(30):
        end = new_end()
        sock = end.socket()
        fd = os.dup(end.udp.fileno())
        end.udp.close()
        barrier = threading.Barrier(2)

        def closer(fd=fd, barrier=barrier):
            barrier.wait()
            os.close(fd)
        thread = threading.Thread(target=closer)
        thread.start()
        barrier.wait()
        got = errno_of(sock.connect, end.address(0, 0, fd=fd))
        thread.join()
        ktap.isin(got, ("ok", "EBADF", "ENODEV", "ENOTSOCK"), "connect()")
        sock.close()
    wait_for(lambda: not ground.nl.tunnels(), what="no tunnel left")


# ---------------------------------------------------------------- the module

@ktap.case("use counts: two for a socket; sessions of netlink keep the module, too")
def _():
    wait_for(lambda: use_count() == 0, 20, "no use left by other cases")
    end = new_end()
    idle = ground.socket()
    ktap.eq(use_count(), 2, "an idle socket")
    idle.close()
    wait_for(lambda: use_count() == 0, what="its end")
    end.management()
    ktap.eq(use_count(), 2, "a management socket")
    sock = end.session(1, 2)
    ktap.eq(use_count(), 4, "and a session socket")
    sock.close()
    wait_for(lambda: use_count() == 2, what="its end")
    pinned = impl.differs("a PPP session keeps its module loaded", c=0, rust=1)
    ground.nl.session_create(end.tid, 3, 4, pw=L.PW_PPP)
    ktap.eq(use_count(), 2 + pinned, "a session of netlink")
    ktap.ok(sh("rmmod l2tp_ppp", check=False).returncode, "rmmod is refused")
    ground.nl.session_delete(end.tid, 3)
    wait_for(lambda: use_count() == 2, what="its end")
    sock = end.session(5, 6)
    ground.nl.session_delete(end.tid, 5)
    time.sleep(0.2)
    ktap.eq(use_count(), 4, "a socket whose session is gone")


@ktap.case("a frame for a session without socket is reported and dropped")
def _():
    end = new_end()
    end.management()
    ground.nl.session_create(end.tid, 3, 4, pw=L.PW_PPP)
    log = kmsg.Watch()
    time.sleep(5.1)  # the message is limited to some in five seconds
    begun = time.monotonic()
    end.inject(3, LCP)
    want = f"l2tp_ppp: sess {end.tid}/3: no socket in recv"
    wait_for(lambda: want in log.read(), 3, "the message")
    stats = L.stats(ground.nl.session_get(end.tid, 3))
    ktap.eq((stats["rx_packets"], stats["rx_errors"]), (1, 0), "counted as received")
    for _ in range(30):
        end.inject(3, LCP)
    time.sleep(0.3)
    ktap.ok(log.read().count(want) <= 11 + 10 * int((time.monotonic() - begun) / 5), "limited in rate")


@ktap.case("a namespace with sockets, channel and unit goes when its last process does")
def _():
    log = kmsg.Watch()
    with NetNS() as ns:
        udp = L.udp_socket(netns=ns, remote="127.0.0.1", rport=9)
        socks = [Pppox(netns=ns).connect(V2(udp.fileno(), 1, n, 2, n)) for n in (0, 1, 2)]
        with ns.enter():
            channel, unit = Channel(socks[1]), Unit()
            channel.connect(unit)
    # The sockets keep it; the name is gone.
    ktap.eq(errno_of(socks[1].send, LCP), "ok", "send() in a namespace without name")
    for one in (channel, unit, *socks, udp):
        one.close()
    wait_for(lambda: use_count() == 0, 30, "end of the sockets")
    ktap.eq(log.bad(), [], "log")


ktap.main()
