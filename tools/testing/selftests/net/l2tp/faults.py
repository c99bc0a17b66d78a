#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every allocation of every operation fails once: the operation says so, nothing is half-made, and the next try works.

Needs a kernel with CONFIG_FAILSLAB and /proc/self/fail-nth (make test-debug has one).
"""

import contextlib
import errno
import os
import socket

from lib import faultinject, impl, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.genl import NlError, u8, u64
from lib.l2tpip import Sock, address, control_message
from lib.pppox import DEBUG, LNSMODE, RECVSEQ, REORDERTO, SENDSEQ, V2, Channel, Pppox, Unit

if not faultinject.available():
    print("1..0 # SKIP this kernel has no fault injection")
    raise SystemExit(4)
if not impl.load("l2tp_eth", "l2tp_ppp", "l2tp_ip6"):
    print("1..0 # SKIP not all modules are available")
    raise SystemExit(4)
impl.load("l2tp_debugfs")

ns = netns.NetNS()
ktap.at_exit(ns.delete)
nl = l2tp.L2tp(netns=ns)
# What the system calls below bring up once must not be brought up under faults.
ENDS = {4: {"local": "127.0.0.1", "remote": "127.0.0.2"}, 6: {"local": "::1", "remote": "::1"}}


def operation(name, prepare, act, check, other=()):
    """Register a case: prepare() gives an object, act(object) is disturbed, check(object, fault) looks at what is there and undoes
    it. After the sweep, act() has once worked undisturbed. `other` are errnos that the kernel below makes of short memory."""
    def run():
        count, results = 0, {}
        for fault in faultinject.sweep():
            thing = prepare()
            with fault:
                act(thing)
            if fault.error and not fault.happened:
                raise fault.error
            if fault.error and not isinstance(fault.error, TimeoutError):
                ktap.isin(fault.error.errno, {*faultinject.SHORTAGE, *other}, f"errno with allocation {fault.number} failing")
            results[fault.name] = results.get(fault.name, 0) + 1
            check(thing, fault)
            count += fault.happened
        ktap.diag(f"{count} allocations: {results}")
        ktap.ok(count, "something was allocated")
    ktap.add(name, run)


def undone(delete, get, exists):
    """What the last request made is there as a whole, or not at all; then it is deleted."""
    there = get() == "ok"
    if exists is not None:
        ktap.eq(there, exists, "it exists")
    if there:
        ktap.eq(delete(), "ok", "its deletion")
        netns.wait_for(lambda: get() == "ENODEV", what="its end")


def told(fault):
    """Whether the operation is known to have been done, or not; None if just the answer got lost."""
    if fault.error is None:
        return True
    return False if isinstance(fault.error, NlError) else None


# ---------------------------------------------------------------- netlink

def client():
    return l2tp.L2tp(netns=ns)


def tunnel_check(nl_one, fault):
    nl_one.close()
    undone(lambda: nl.try_tunnel_delete(1), lambda: nl.try_tunnel_get(1), told(fault))


for encap in l2tp.UDP, l2tp.IP:
    for family in 4, 6:
        ports = {"sport": 5001, "dport": 5001} if encap == l2tp.UDP else {}
        operation(f"TUNNEL_CREATE, {'UDP' if encap == l2tp.UDP else 'IP'}v{family}", client,
                  lambda nl, e=encap, f=family, p=ports: nl.tunnel_create(1, 2, encap=e, **ENDS[f], **p), tunnel_check)


class Managed:
    """A client and a socket that is to be a tunnel."""

    def __init__(self):
        self.udp = l2tp.udp_socket("127.0.0.1", "127.0.0.1", 5005, 5006, netns=ns)
        self.nl = client()

    def create(self):
        self.nl.tunnel_create(1, 2, fd=self.udp.fileno())

    def check(self, fault):
        tunnel_check(self.nl, fault)
        ktap.eq(nl.try_tunnel_create(1, 2, fd=self.udp.fileno()), "ok", "another try with the same socket")
        self.udp.close()
        netns.wait_for(lambda: nl.try_tunnel_get(1) == "ENODEV", what="its end")


operation("TUNNEL_CREATE, a user's socket", Managed, Managed.create, Managed.check)


def with_tunnel(version=3):
    nl.tunnel_create(1, 2, sport=5001, dport=5001, version=version, **ENDS[4])
    return client()


def tunnel_end(nl_one=None, fault=None):
    if nl_one:
        nl_one.close()
    nl.try_tunnel_delete(1)
    netns.wait_for(lambda: nl.try_tunnel_get(1) == "ENODEV", what="the tunnel's end")


def session_check(nl_one, fault):
    nl_one.close()
    undone(lambda: nl.try_session_delete(1, 11), lambda: nl.try_session_get(1, 11), told(fault))
    netns.wait_for(lambda: "e11" not in ns.links(), what="no device left")
    nl.session_create(1, 11, 12, **({"pw": l2tp.PW_PPP} if nl.tunnel_get(1).uint(l2tp.PROTO_VERSION) == 2 else {"ifname": "e11"}))
    tunnel_end()
    netns.wait_for(lambda: "e11" not in ns.links(), what="no device left")


operation("SESSION_CREATE, Ethernet", with_tunnel,
          lambda nl: nl.session_create(1, 11, 12, ifname="e11", cookie=b"abcd", timeout=100), session_check,
          [errno.EINVAL])       # device_add() of a device whose name could not be stored
operation("SESSION_CREATE, PPP", lambda: with_tunnel(2), lambda nl: nl.session_create(1, 11, 12, pw=l2tp.PW_PPP), session_check)


def with_session():
    nl_one = with_tunnel()
    nl.session_create(1, 11, 12, ifname="e11")
    return nl_one


def ended(get):
    """The deletion was done, or was not and is done now."""
    def check(nl_one, fault):
        if fault.error is None:
            netns.wait_for(lambda: get() == "ENODEV", what="the end")
        tunnel_end(nl_one)
    return check


operation("TUNNEL_DELETE", with_session, lambda nl: nl.tunnel_delete(1), ended(lambda: nl.try_tunnel_get(1)))
operation("SESSION_DELETE", with_session, lambda nl: nl.session_delete(1, 11), ended(lambda: nl.try_session_get(1, 11)))
operation("TUNNEL_MODIFY", with_session, lambda nl: nl.tunnel_modify(1), tunnel_end)
operation("SESSION_MODIFY", with_session, lambda nl: nl.session_modify(1, 11, u8(l2tp.SEND_SEQ, 1) + u64(l2tp.RECV_TIMEOUT, 10)),
          tunnel_end)
operation("TUNNEL_GET", with_session, lambda nl: nl.tunnel_get(1), tunnel_end)
operation("SESSION_GET", with_session, lambda nl: nl.session_get(1, 11), tunnel_end)
operation("NOOP", client, lambda nl: nl.must(l2tp.NOOP, b"", "noop"), lambda nl, fault: nl.close())


def dumped(nl):
    """Both dumps; what they tell is true even if it is not all."""
    ktap.isin(nl.tunnels(), ([1], []), "tunnels")
    ktap.isin(nl.sessions(), ([(1, 11)], []), "sessions")


operation("dumps", with_session, dumped, tunnel_end)


def read(path):
    with ns.enter():
        with open(path, "rb", buffering=0) as file:
            while os.read(file.fileno(), 4096):
                pass


operation("debugfs", with_session, lambda _: read("/sys/kernel/debug/l2tp/tunnels"), tunnel_end)
operation("/proc/net/pppol2tp", lambda: with_tunnel(2), lambda _: read("/proc/thread-self/net/pppol2tp"), tunnel_end)


# ---------------------------------------------------------------- sockets of PPP

class Call:
    """A tunnel socket, a socket for its management and one for a session, connected as far as wanted."""

    def __init__(self, connected=0):
        self.udp = l2tp.udp_socket("127.0.0.1", "127.0.0.1", 5005, 5006, netns=ns)
        self.management, self.session, self.more = Pppox(netns=ns), Pppox(netns=ns), []
        for step in (self.connect_management, self.connect_session)[:connected]:
            step()

    def connect_management(self):
        self.management.connect(V2(self.udp.fileno(), 1, 0, 2, 0))

    def connect_session(self):
        self.session.connect(V2(self.udp.fileno(), 1, 11, 2, 12))

    def options(self):
        for one in self.management, self.session:
            for option, value in (RECVSEQ, 1), (SENDSEQ, 1), (LNSMODE, 1), (REORDERTO, 5), (DEBUG, 0):
                if one is self.session or option == DEBUG:
                    one.setsockopt(option, value)
                    one.getsockopt(option)
            one.getsockname()
            one.getpeername()
            one.stats()

    def channel(self):
        self.session.channel()

    def attach(self):
        with ns.enter():
            self.more.append(Channel(self.session))
            self.more.append(Unit())
            self.more[0].connect(self.more[1])

    def send(self):
        self.session.send(b"\xc0\x21 some frame")

    def close_session(self):
        self.session.close()

    def done(self, fault):
        for one in *self.more, self.session, self.management, self.udp:
            one.close()
        netns.wait_for(lambda: nl.try_tunnel_get(1) == "ENODEV", what="the tunnel's end")

    def management_done(self, fault):
        ktap.eq(nl.try_tunnel_get(1), "ENODEV" if fault.error else "ok", "the tunnel")
        if fault.error:
            self.connect_management()
        self.done(fault)

    def session_done(self, fault):
        ktap.eq(nl.try_session_get(1, 11), "ENODEV" if fault.error else "ok", "the session")
        if fault.error:
            self.connect_session()
        self.send()
        self.done(fault)

    def sent(self, fault):
        """The session is as it was."""
        ktap.eq(nl.try_session_get(1, 11), "ok", "the session")
        self.send()
        self.done(fault)

    def closed(self, fault):
        netns.wait_for(lambda: nl.try_session_get(1, 11) == "ENODEV", what="the session's end")
        self.done(fault)


class Made:
    """A place for what a constructor under test makes."""

    def __init__(self):
        self.thing = None

    def ppp(self):
        self.thing = Pppox(netns=ns)

    def ip(self, family):
        with ns.enter():
            self.thing = Sock(family)

    def done(self, fault):
        if self.thing:
            self.thing.close()


operation("PPP socket()", Made, Made.ppp, Made.done)
operation("PPP connect(), the tunnel's management", Call, Call.connect_management, Call.management_done)
operation("PPP connect(), a session", lambda: Call(1), Call.connect_session, Call.session_done)
operation("PPP send()", lambda: Call(2), Call.send, Call.sent)
# That no unit number could be stored is EEXIST in ppp_generic; EINVAL as above.
operation("PPP channel and unit", lambda: Call(2), Call.attach, Call.done, [errno.EEXIST, errno.EINVAL])


@ktap.case("PPP options, names, ioctls and close() allocate nothing, so they cannot fail")
def _():
    call = Call(2)
    with faultinject.Fault(1) as fault:
        call.options()
        call.channel()
        call.close_session()
    ktap.eq((fault.happened, fault.name), (False, "ok"), "fault")
    call.closed(fault)


# ---------------------------------------------------------------- sockets of L2TP/IP

def result(value):
    """What lib.l2tpip returns: an errno's name is raised."""
    if isinstance(value, str):
        raise OSError(getattr(errno, value), value)
    return value


class Datagrams:
    """A bound and connected socket of protocol 115 that talks to itself."""

    def __init__(self, family):
        self.host = ENDS[family]["local"]
        self.family = family
        with ns.enter():
            self.sock = Sock(family)
        result(self.sock.bind(address(self.family, self.host, 7)))
        result(self.sock.connect(address(self.family, self.host, 7)))

    def exchange(self):
        result(self.sock.send(control_message(7)))

    def done(self, fault):
        """Send again, and receive that, perhaps after the one before."""
        self.exchange()
        ktap.ok(isinstance(self.sock.data(), bytes), "what arrives")
        self.sock.close()


for family in 4, 6:
    operation(f"IPv{family} socket()", Made, lambda made, f=family: made.ip(f), Made.done)
    operation(f"IPv{family} sendmsg()", lambda f=family: Datagrams(f), Datagrams.exchange, Datagrams.done)


# ---------------------------------------------------------------- devices, namespaces, modules

class Transmitter:
    """A session's device that is up, and a socket on it."""

    def __init__(self):
        with_session().close()
        ns.ip("link set e11 up")
        with ns.enter():
            self.out = wire.PacketSocket("e11", send_only=True)

    def send(self):
        self.out.send(wire.inner(1))

    def done(self, fault):
        self.send()
        self.out.close()
        tunnel_end()


operation("transmission", Transmitter, Transmitter.send, Transmitter.done)


def child(function):
    """The exit status of a child process that calls it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    with contextlib.suppress(BaseException):
        status = function()
    os._exit(status)


def last_of(attempt, most=80):
    """attempt(n) tells whether its n-th allocation failed: the numbers to try, which are the last ones (those before are not ours)."""
    low, high = 1, 1
    while attempt(high):
        low, high = high, high * 2
        if high > faultinject.LIMIT * 8:
            raise RuntimeError("no end of allocations")
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if attempt(middle) else (low, middle)
    return range(max(1, low - most), low + 1)


@ktap.case("a new namespace, whose last allocations are ours")
def _():
    def attempt(number):
        """In a child: 0 if the allocation failed, whatever each part of the kernel makes of it; 2 if it did not happen."""
        def unshare():
            with faultinject.Fault(number) as fault:
                os.unshare(os.CLONE_NEWNET)
            return 0 if fault.happened else 2
        status = child(unshare)
        ktap.isin(status, (0, 2), f"allocation {number}")
        return status == 0
    numbers = last_of(attempt)
    for number in numbers:
        attempt(number)
    ktap.diag(f"{numbers[-1]} allocations, the last {len(numbers)} of them one by one")
    ktap.eq(nl.try_tunnel_create(1, 2, sport=5001, dport=5001, **ENDS[4]), "ok", "other namespaces work")
    tunnel_end()


ktap.main()
