#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every allocation of every operation fails once: the operation says so, nothing is half-made, and the next try works.

That is what slab and page allocator hand out. Memory of each CPU (alloc_percpu()) has no such hook in the kernel and does not fail here.
Needs a kernel with CONFIG_FAILSLAB and /proc/self/fail-nth (make test-debug has one).
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct

from lib import faultinject, impl, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.genl import NlError, u8, u64
from lib.l2tpip import SIOCINQ, SIOCOUTQ, Sock, address, control_message
from lib.pppox import DEBUG, LNSMODE, RECVSEQ, REORDERTO, SENDSEQ, V2, Channel, Pppox, Unit

if not faultinject.available():
    print("1..0 # SKIP this kernel has no fault injection")
    raise SystemExit(4)
if not impl.load("l2tp_eth", "l2tp_ppp", "l2tp_ip6"):
    print("1..0 # SKIP not all modules are available")
    raise SystemExit(4)
impl.load("l2tp_debugfs")

# The checkers allocate, too. Without memory the tracker of references only says that it cannot track one, and kmemleak takes all that a
# module has for pointers.
for message in ("ref_tracker: memory allocation failure, unreliable refcount tracker", "kmemleak: Cannot allocate a scan area"):
    with open("/dev/kmsg", "w", encoding="ascii") as kernel_log:
        kernel_log.write(f"l2tp-expect: {message}")

ns = netns.NetNS()
ktap.at_exit(ns.delete)
nl = l2tp.L2tp(netns=ns)
# What the system calls below bring up once must not be brought up under faults.
ENDS = {4: {"local": "127.0.0.1", "remote": "127.0.0.2"}, 6: {"local": "::1", "remote": "::1"}}


def operation(name, prepare, act, check, other=(), allocates=True):
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
            # Waiting in vain is not among them: if there is no memory for its answer, netlink tells the socket so, with ENOBUFS.
            if fault.error:
                ktap.isin(fault.error.errno, {*faultinject.SHORTAGE, *other}, f"errno with allocation {fault.number} failing")
            results[fault.name] = results.get(fault.name, 0) + 1
            check(thing, fault)
            count += fault.happened
        ktap.diag(f"{count} allocations: {results}")
        ktap.ok(count or not allocates, "something was allocated")
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

    def session_by_netlink(self):
        """As daemons do that make the session by netlink, and leave the rest to pppd."""
        nl.session_create(1, 11, 12, pw=l2tp.PW_PPP)
        return self

    def attached(self):
        """A ppp device above the session that lets IPv4 pass."""
        self.attach()
        self.more[1].pass_through()
        with ns.enter():
            netns.sh(["ip", "link", "set", self.more[1].name, "up"])
            self.more.append(wire.PacketSocket(self.more[1].name, send_only=True))
        return self

    def channel_write(self):
        self.more[0].write(b"\xc0\x21 some frame")

    def unit_write(self):
        self.more[1].write(b"\xc0\x21 some frame")

    def device_send(self):
        # Longer than the room that the device asks for.
        self.more[2].send(wire.ipv4("10.1.1.1", "10.1.1.2", 17, bytes(200)))

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

    def socket_done(self, fault):
        """The session is there in any case; the socket is its, or can be."""
        ktap.eq(nl.try_session_get(1, 11), "ok", "the session")
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
operation("PPP connect(), a session that netlink has made", lambda: Call(1).session_by_netlink(), Call.connect_session,
          Call.socket_done)
operation("PPP send()", lambda: Call(2), Call.send, Call.sent)
# That no unit number could be stored is EEXIST in ppp_generic; EINVAL as above.
operation("PPP channel and unit", lambda: Call(2), Call.attach, Call.done, [errno.EEXIST, errno.EINVAL])


for what, act in (("a channel", Call.channel_write), ("a unit", Call.unit_write), ("a ppp device", Call.device_send)):
    def again(call, fault, act=act):
        act(call)
        call.done(fault)
    operation(f"PPP frames sent through {what}", lambda: Call(2).attached(), act, again)


@ktap.case("PPP options, names and ioctls allocate nothing, so they cannot fail")
def _():
    call = Call(2)
    with faultinject.Fault(1) as fault:
        call.options()
        call.channel()
    ktap.eq((fault.happened, fault.name), (False, "ok"), "fault")
    call.close_session()
    call.closed(fault)


@ktap.case("close() of a PPP socket does without what it would allocate")
def _():
    for fault in faultinject.sweep():
        call = Call(2)
        with fault:
            call.close_session()
        ktap.eq(fault.name, "ok", f"close() with allocation {fault.number} failing")
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


class Ends:
    """A socket of protocol 115, bound and connected as far as wanted."""

    def __init__(self, family, bound):
        self.family, self.name = family, address(family, ENDS[family]["local"], 7)
        with ns.enter():
            self.sock = Sock(family)
        if bound:
            self.bind()

    def bind(self):
        result(self.sock.bind(self.name))

    def connect(self):
        result(self.sock.connect(self.name))

    def all(self):
        """What allocates nothing."""
        self.sock.getsockname()
        self.sock.getpeername()
        self.sock.ioctl(SIOCOUTQ)
        self.sock.ioctl(SIOCINQ)
        self.sock.recv(flags=socket.MSG_DONTWAIT)
        self.sock.setsockopt(0, 2, 64)

    def bound(self, fault):
        """The name is taken, or free: then it can still be had."""
        if fault.error:
            self.bind()
        with ns.enter(), Sock(self.family) as other:
            ktap.eq(other.bind(self.name), "EADDRINUSE", "bind() of another socket")
        self.connected(fault)

    def connected(self, fault):
        result(self.sock.connect(self.name))
        result(self.sock.send(control_message(7)))
        ktap.ok(isinstance(self.sock.data(), bytes), "what arrives")
        self.sock.close()


for family in 4, 6:
    operation(f"IPv{family} bind()", lambda f=family: Ends(f, False), Ends.bind, Ends.bound, allocates=False)
    operation(f"IPv{family} connect()", lambda f=family: Ends(f, True), Ends.connect, Ends.connected, allocates=False)
    operation(f"IPv{family} names, options, ioctls and recvmsg()", lambda f=family: Ends(f, True), Ends.all, Ends.connected,
              allocates=False)
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


class Splitting(Transmitter):
    """The same with a packet that is to be split and gets its checksums on the way (see offloads.py)."""

    def __init__(self):
        super().__init__()
        with ns.enter():
            self.whole = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.whole.setsockopt(wire.SOL_PACKET, 15, 1)       # PACKET_VNET_HDR
        with ns.enter():
            self.whole.bind(("e11", 0))

    def send_whole(self):
        data, head = bytes(8000), bytes(20)
        head = struct.pack("!HHIIBBHHH", 4000, 5000, 1, 1, 0x50, 0x10, 8000, 0, 0)
        begun = ~wire.csum16(wire.pseudo("192.0.2.1", "192.0.2.2", 6, 20 + len(data))) & 0xffff
        head = head[:16] + struct.pack("!H", begun) + head[18:]
        frame = wire.ip_frame(bytes(6), bytes(6), "192.0.2.1", "192.0.2.2", 6, head + data)
        self.whole.send(struct.pack("=BBHHHH", 1, 1, 54, 1000, 34, 16) + frame)

    def whole_done(self, fault):
        self.send_whole()
        self.whole.close()
        self.done(fault)


operation("transmission", Transmitter, Transmitter.send, Transmitter.done)
operation("transmission of a packet to be split", Splitting, Splitting.send_whole, Splitting.whole_done)


MODULES = ("l2tp_core", "l2tp_netlink", "l2tp_eth", "l2tp_ppp", "l2tp_ip", "l2tp_ip6", "l2tp_debugfs")
_libc = ctypes.CDLL(None, use_errno=True)
FINIT_MODULE = 313              # x86-64


def child(function):
    """The exit status of a child process that calls it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    with contextlib.suppress(BaseException):
        status = function()
    os._exit(status)


LAST = 80                           # allocations before the last one


def last_of(attempt):
    """attempt(n) tells whether its n-th allocation failed: the numbers to try, which are the last ones (those before are not ours)."""
    low, high = 1, 1
    while attempt(high):
        low, high = high, high * 2
        if high > faultinject.LIMIT * 8:
            raise RuntimeError("no end of allocations")
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if attempt(middle) else (low, middle)
    return range(max(1, low - LAST), low + 1)


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


# ---------------------------------------------------------------- modules, which end all of the above

def loaded(module):
    return os.path.isdir(f"/sys/module/{module}")


def unload(module):
    def gone():
        return not loaded(module) or not netns.sh(["rmmod", module], check=False).returncode
    netns.wait_for(gone, what=f"{module} can be unloaded")


@ktap.case("loading of each module, whose last allocations are mostly ours")
def _():
    ns.delete()
    nl.close()
    for module in reversed(MODULES):
        unload(module)
    for module in MODULES:
        path = netns.sh(["modinfo", "-n", module]).stdout.strip()
        results = {}

        def attempt(number):
            """Load the module with that allocation failing, if it comes to that. It is not loaded afterwards."""
            with open(path, "rb") as file, faultinject.Fault(number) as fault:
                if _libc.syscall(FINIT_MODULE, file.fileno(), b"", 0):
                    raise OSError(ctypes.get_errno(), module)
            if fault.error:
                ktap.ok(fault.happened, f"{module}: {fault.name} without a fault")
                ktap.isin(fault.error.errno, faultinject.SHORTAGE, f"{module}: errno with allocation {number} failing")
                ktap.ok(not loaded(module), f"{module}: refused, but there")
            else:
                unload(module)
            results[fault.name] = results.get(fault.name, 0) + 1
            return fault
        # None is to fail that is not ours: of those for trace events the kernel says in a warning that they never do.
        count = faultinject.LIMIT * 8 - attempt(faultinject.LIMIT * 8).left
        numbers = range(max(1, count - LAST), count + 1)
        for number in numbers:
            attempt(number)
        ktap.diag(f"{module}: {numbers[-1]} allocations, the last {len(numbers)} of them one by one: {results}")
        netns.sh(["modprobe", module])
    for module in reversed(MODULES):
        unload(module)


ktap.main()
