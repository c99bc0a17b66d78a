#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/proc/net/pppol2tp, byte for byte; and the interface line of debugfs."""
import errno
import os
import threading
import time

from lib import impl, ktap, reading
from lib import l2tp as L
from lib.netns import NetNS, wait_for
from lib.pppox import (DEBUG, LNSMODE, RECVSEQ, REORDERTO, SENDSEQ, V2, Channel, Ground, Pppox, Unit)

if not impl.load("l2tp_ppp", "l2tp_eth"):
    print("1..0 # SKIP no l2tp_ppp")
    raise SystemExit(4)

ground = Ground()
ktap.at_exit(ground.close)
LCP = b"\xc0\x21\x09\x01\x00\x0c\x12\x34\x56\x78abcd"
HEADER = """PPPoL2TP driver info, V2.0
TUNNEL name, user-data-ok session-count
 debug tx-pkts/bytes/errs rx-pkts/bytes/errs
  SESSION name, addr/port src-tid/sid dest-tid/sid state user-data-ok
   mtu/mru/rcvseq/sendseq/lns debug reorderto
   nr/ns tx-pkts/bytes/errs rx-pkts/bytes/errs
"""


def text(ns=None):
    with (ns or ground.ns).enter(), open("/proc/thread-self/net/pppol2tp", encoding="ascii") as file:
        return file.read()


def tunnel(end, users, tx=(0, 0, 0), rx=(0, 0, 0), debug=0):
    return (f"\nTUNNEL 'tunl {end.tid}', Y {users}\n"
            f" {debug:08x} {'/'.join(map(str, tx))} {'/'.join(map(str, rx))}\n")


def session(end, sid, psid, state=1, address="7F000001", flags="-/-/LAC", timeout=0, seq="0/0",
            tx=(0, 0, 0), rx=(0, 0, 0), interface="(null)", debug=0):
    return (f"  SESSION 'sess {end.tid}/{sid}' {address}/{end.udp.getsockname()[1]} "
            f"{end.tid:04X}/{sid:04X} -> {end.ptid:04X}/{psid:04X} {state} {'Y' if state else 'N'}\n"
            f"   0/0/{flags} {debug:08x} {timeout}\n"
            f"   {seq} {'/'.join(map(str, tx))} {'/'.join(map(str, rx))}\n"
            + (f"   interface {interface}\n" if state else ""))


def new_end(**kw):
    end = ground.end(**kw)

    def close():
        end.close()
        wait_for(lambda: ground.nl.try_tunnel_get(end.tid) == "ENODEV", what="end of the tunnel")
    ktap.cleanup(close)
    return end


def settled(want, what=""):
    """References of others are counted, too: the text is right soon."""
    wait_for(lambda: text() == want, 3)
    ktap.eq(text(), want, what)


@ktap.case("mode, and nothing but the header without tunnels")
def _():
    ktap.eq(text(), HEADER)
    with ground.ns.enter():
        status = os.stat("/proc/thread-self/net/pppol2tp")
    ktap.eq((status.st_mode, status.st_size, status.st_uid), (0o100444, 0, 0), "stat()")


@ktap.case("a tunnel and its sessions, as they change")
def _():
    end = new_end()
    management = end.management()
    settled(HEADER + tunnel(end, 2), "management socket")
    one = end.session(0x100, 7)
    two = end.session(2, 0xfffe)
    settled(HEADER + tunnel(end, 4) + session(end, 2, 0xfffe) + session(end, 0x100, 7), "sessions")
    for option in (RECVSEQ, SENDSEQ, LNSMODE):
        two.setsockopt(option, 1)
    two.setsockopt(REORDERTO, 10)
    two.send(LCP)
    two.send(LCP)
    end.inject(2, LCP, seq=0)
    end.inject(2, LCP)
    wait_for(lambda: two.stats()["rx_errors"] == 1 and two.stats()["rx_packets"] == 1)
    size = len(LCP)
    tx, rx = (2, 2 * (12 + size), 0), (1, 10 + size, 1)
    settled(HEADER + tunnel(end, 4, tx, rx[:2] + (0,))
            + session(end, 2, 0xfffe, flags="R/S/LNS", timeout=12, seq="1/2", tx=tx, rx=rx)
            + session(end, 0x100, 7), "options and counters")
    with ground.ns.enter():
        channel, unit = Channel(one), Unit()
        ktap.cleanup(unit.close)
        ktap.cleanup(channel.close)
        channel.connect(unit)
    settled(HEADER + tunnel(end, 4, tx, rx[:2] + (0,))
            + session(end, 2, 0xfffe, flags="R/S/LNS", timeout=12, seq="1/2", tx=tx, rx=rx)
            + session(end, 0x100, 7, state=3, interface=unit.name), "a bound one")
    ground.ns.ip(f"link set {unit.name} name renamed0")
    ktap.ok("   interface renamed0\n" in text(), "a renamed device")
    two.close()
    settled(HEADER + tunnel(end, 3, tx, rx[:2] + (0,))
            + session(end, 0x100, 7, state=3, interface="renamed0"), "a closed one")
    management.close()
    settled(HEADER + tunnel(end, 2, tx, rx[:2] + (0,))
            + session(end, 0x100, 7, state=3, interface="renamed0"), "without management socket")


@ktap.case("sessions of netlink, with and without socket")
def _():
    end = new_end()
    ground.nl.tunnel_create(end.tid, end.ptid, fd=end.udp.fileno(), version=2)
    ground.nl.session_create(end.tid, 5, 6, pw=L.PW_PPP, lns_mode=1, timeout=100)
    settled(HEADER + tunnel(end, 2)
            + session(end, 5, 6, state=0, flags="-/-/LNS", timeout=100), "without")
    end.session(5, 6)
    settled(HEADER + tunnel(end, 2)
            + session(end, 5, 6, flags="-/-/LNS", timeout=100), "with")


@ktap.case("debug masks")
def _():
    end = new_end()
    end.management().setsockopt(DEBUG, 0x10)
    end.session(1, 2).setsockopt(DEBUG, -1)
    kept = impl.differs("debug masks are kept", c=(0, 0), rust=(0x10, 0xffffffff))
    settled(HEADER + tunnel(end, 3, debug=kept[0]) + session(end, 1, 2, debug=kept[1]))


@ktap.case("tunnels in ascending order of ids; L2TPv3 ones are not listed")
def _():
    ends = [new_end() for _ in range(4)]
    for end in reversed(ends):
        end.management("v3" if end is ends[1] else "v2")
        end.session(1, 2)
    settled(HEADER + "".join(tunnel(e, 3) + session(e, 1, 2) for e in ends if e is not ends[1]))


@ktap.case("a tunnel over IPv6")
def _():
    end = new_end(v6=True)
    end.management()
    end.session(1, 2)
    # What the kernel keeps as the IPv4 address of a socket that has none.
    settled(HEADER + tunnel(end, 3) + session(end, 1, 2, address="7F000006"))


def long(sessions):
    """A tunnel with so many sessions, and a short one before and after it."""
    ends = [new_end() for _ in range(3)]
    for end in ends:
        end.management()
        for number in range(1, sessions + 1 if end is ends[1] else 3):
            ground.nl.session_create(end.tid, number, number, pw=L.PW_PPP)
    settled(HEADER + "".join(tunnel(end, 2 + count) + "".join(session(end, n, n, state=0) for n in range(1, count + 1))
                             for end, count in zip(ends, (2, sessions, 2))))


for check in (reading.sizes, reading.offsets, reading.lines):
    @ktap.case(f"reading {check.__name__}", check)
    def _(check):
        long(40)
        with ground.ns.enter():
            check("/proc/thread-self/net/pppol2tp", HEADER)


@ktap.case("more than 64 kB")
def _():
    long(600)
    want = text()
    ktap.ok(len(want) > 65536, f"only {len(want)} bytes")
    with ground.ns.enter():
        with reading.opened("/proc/thread-self/net/pppol2tp") as fd:
            reading.same(reading.rest(fd, 7), want.encode(), "read by 7")
        reading.offsets("/proc/thread-self/net/pppol2tp", HEADER, 50)


@ktap.case("nobody can open it to write, root included")
def _():
    for flags in (os.O_WRONLY, os.O_RDWR):
        with ground.ns.enter():
            try:
                os.close(os.open("/proc/thread-self/net/pppol2tp", flags))
                got = "ok"
            except OSError as error:
                got = errno.errorcode[error.errno]
        ktap.eq(got, impl.differs("opening /proc/net/pppol2tp to write", c="ok", rust="EACCES"))


@ktap.case("every namespace has its own file, which pins it while it is open")
def _():
    with NetNS() as other:
        end = new_end()
        end.management()
        ktap.eq(text(other), HEADER, "the other's")
        with other.enter():
            file = open("/proc/thread-self/net/pppol2tp", encoding="ascii")
    with file:
        ktap.eq(file.read(), HEADER, "of a namespace without name")


@ktap.case("several namespaces with the same ids, read from outside by a process of each")
def _():
    spaces = [NetNS() for _ in range(3)]
    for space in spaces:
        ktap.cleanup(space.delete)
    udps, socks, processes = [], [], []
    for number, space in enumerate(spaces):
        udps.append(L.udp_socket("127.0.0.1", "127.0.0.1", 5000, 5001, netns=space))
        for sid in range(number + 2):
            socks.append(Pppox(netns=space).connect(V2(udps[-1].fileno(), 7, sid, 8, sid)))
        processes.append(space.popen(["sleep", "300"]))
        ktap.cleanup(processes[-1].wait)
        ktap.cleanup(processes[-1].kill)
    texts = []
    for number, (space, process) in enumerate(zip(spaces, processes)):
        def there(pid=process.pid):
            with open(f"/proc/{pid}/net/pppol2tp", encoding="ascii") as file:
                return file.read()
        want = [f"SESSION 'sess 7/{sid}'" for sid in range(1, number + 2)]
        wait_for(lambda: text(space).count("SESSION '") == len(want), what="sessions")
        ktap.eq([line.split(" 7F")[0].strip() for line in text(space).split("\n") if "SESSION '" in line], want,
                f"namespace {number}")
        # `ip netns exec` enters the namespace before it becomes the program.
        ktap.ok(wait_for(lambda: there() == text(space), 20), f"of a process in namespace {number}: {there()}")
        texts.append(text(space))
    socks.pop().close()
    wait_for(lambda: text(spaces[2]) != texts[2], what="end of a session")
    ktap.eq([text(space) for space in spaces[:2]], texts[:2], "the others do not change")
    for sock in socks + udps:
        sock.close()
    for space in spaces:
        wait_for(lambda s=space: text(s) == HEADER, what="end of the tunnel")


@ktap.case("reading while sessions come and go")
def _():
    end = new_end()
    end.management()
    stop = time.monotonic() + 3
    broken = []

    def reader(size):
        with ground.ns.enter():
            while time.monotonic() < stop:
                fd = os.open("/proc/thread-self/net/pppol2tp", os.O_RDONLY)
                got = b"".join(iter(lambda fd=fd: os.read(fd, size), b"")).decode()
                os.close(fd)
                if not got.startswith(HEADER) or not got.endswith("\n"):
                    broken.append(got)
    threads = [threading.Thread(target=reader, args=(size,)) for size in (7, 4096)]
    for thread in threads:
        thread.start()
    number = 0
    while time.monotonic() < stop:
        number = number % 1000 + 1
        with ground.socket() as sock:
            try:
                sock.connect(end.address(number, number))
            except OSError:
                pass
    for thread in threads:
        thread.join()
    ktap.eq(broken[:1], [], "texts")


@ktap.case("debugfs shows the interface of a session with socket")
def _():
    if not impl.load("l2tp_debugfs"):
        ktap.skip("no l2tp_debugfs")
    end = new_end()
    end.management()
    one = end.session(1, 2)
    end.session(3, 4)
    with ground.ns.enter():
        channel, unit = Channel(one), Unit()
        ktap.cleanup(unit.close)
        ktap.cleanup(channel.close)
        channel.connect(unit)
        with open("/sys/kernel/debug/l2tp/tunnels", encoding="ascii") as file:
            got = file.read()
    lines = [line for line in got.split("\n") if "interface" in line or "SESSION" in line][1:]
    ktap.eq(lines, ["  SESSION 1, peer 2, PPP", f"   interface {unit.name}",
                    "  SESSION 3, peer 4, PPP", "   interface (null)"])


ktap.main()
