#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every end against every use: something is taken away again and again on one CPU while another one goes on using it.

RACE_SECONDS=n makes each of the combinations last longer. What must hold in any order of events: the kernel does not complain
(the debug kernel has more to complain about), both sides get on, and at the end nothing is left.
"""

import contextlib
import mmap
import os
import struct
import time

from lib import impl, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.genl import u8, u64
from lib.l2tpip import Sock, holders, use_count
from lib.netns import sh, wait_for
from lib.pppox import LNSMODE, RECVSEQ, SENDSEQ, V2, Pppox, errno_of
from lib.racing import MODULES, Scene, live_objects
from lib.workers import Workers, two_cpus

SECONDS = float(os.environ.get("RACE_SECONDS", 0.3 * impl.SLOW))
ROUNDS, WANTED = 2, 6   # each side's least; so many ends if there is time for them
TIME = 4 * impl.SLOW    # for them: on a busy machine one may take ten seconds
PATIENCE = 300 * impl.SLOW

if not impl.load("l2tp_eth", "l2tp_ppp", "l2tp_ip", "veth"):
    print("1..0 # SKIP not all modules are available")
    raise SystemExit(4)
impl.load("l2tp_debugfs")
before = live_objects()
scene = Scene()
ktap.at_exit(scene.close)


# ---------------------------------------------------------------- what is taken away: whether it was there

def tunnel_delete(scene):
    made = scene.make()
    results = [scene.nl.try_tunnel_delete(tid) for tid in scene.tunnels]
    return made and "ok" in results


def netns_exit(scene):
    made = scene.make()
    scene.renew()
    return made


def socket_close(scene):
    made = scene.make()
    scene.close_sockets()
    return (4, 44) in made


def netdev_delete(scene):
    """The device below goes, with addresses and routes."""
    made = scene.make()
    gone = scene.a.ip("link del va", check=False).returncode == 0
    scene.veth()
    return made and gone


def module_unload(scene):
    made = scene.make()
    scene.nl.wipe()
    scene.close_sockets()
    scene.nl.close()
    loaded = [m for m in MODULES if os.path.isdir(f"/sys/module/{m}")]
    gone = sh(["rmmod", *loaded], check=False).stderr.count("ERROR") < len(loaded)
    return made and gone


def device_move(scene):
    """The session's device goes to another namespace and back; every other time it ends over there."""
    scene.make()
    scene.a.batch([f"link set {name} netns {scene.c.name}" for name in scene.devices], check=False)
    moved = set(scene.devices) & scene.c.links().keys()
    scene.odd = not scene.odd
    if scene.odd:
        for tid in scene.tunnels:
            scene.nl.try_tunnel_delete(tid)
    else:
        scene.c.batch([f"link set {name} netns {scene.a.name}" for name in scene.devices], check=False)
    return moved


def session_modify(scene):
    scene.make()
    results = set()
    for number in range(40):
        for tid, sid in scene.sessions:
            results.add(scene.nl.try_session_modify(
                tid, sid, u8(l2tp.RECV_SEQ, number & 1) + u8(l2tp.SEND_SEQ, number >> 1 & 1)
                + u8(l2tp.LNS_MODE, number >> 2 & 1) + u64(l2tp.RECV_TIMEOUT, number % 3 * 20)))
    return "ok" in results


# ---------------------------------------------------------------- what goes on meanwhile: how much was done

def rx_flood(scene):
    frames = scene.frames()
    with scene.b.enter(), wire.PacketSocket("vb", send_only=True) as sock:
        for _ in range(20):
            for frame in frames:
                sock.send(frame)
    return True


def tx_flood(scene):
    sent = 0
    for name in scene.devices:
        with contextlib.suppress(OSError), scene.a.enter(), wire.PacketSocket(name, send_only=True) as sock:
            for _ in range(40):
                sent += sock.send(wire.inner(1, 200))
    with contextlib.suppress(OSError), Pppox(netns=scene.a) as sock:
        sock.connect(V2(-1, 2, 22, 2, 22))
        for _ in range(40):
            sent += sock.send(b"\xc0\x21 some frame")
    return sent


def dump(scene):
    seen = 0
    with l2tp.L2tp(netns=scene.a) as nl:
        for _ in range(5):
            seen += len(nl.tunnels()) + len(nl.sessions())
            for tid, sid in scene.sessions:
                nl.try_tunnel_get(tid)
                nl.try_session_get(tid, sid)
    with scene.a.enter():
        for path in "/proc/thread-self/net/pppol2tp", "/sys/kernel/debug/l2tp/tunnels":
            with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                file.read()
    return seen


def create(scene):
    made = 0
    with l2tp.L2tp(netns=scene.a) as nl:
        for tid in (1, 2, 3, 8, 9):
            made += "ok" == nl.try_tunnel_create(tid, tid, local="10.0.0.1", remote="10.0.0.2", sport=6000 + tid, dport=6000)
            for sid in (11, 33, 100 + tid):
                made += "ok" == nl.try_session_create(tid, sid, sid)
        for tid in (8, 9):
            nl.try_tunnel_delete(tid)
    return made


def ppp_connect(scene):
    connected = 0
    with contextlib.suppress(OSError), l2tp.udp_socket("10.0.0.1", "10.0.0.2", 7000, 7000, netns=scene.a) as udp:
        for tid, fd in ((2, -1), (7, udp.fileno())):
            with Pppox(netns=scene.a) as management, Pppox(netns=scene.a) as session:
                connected += "ok" == errno_of(management.connect, V2(fd, tid, 0, tid, 0))
                connected += "ok" == errno_of(session.connect, V2(fd, tid, 22, tid, 22))
    return connected


def ioctl(scene):
    done = 0
    with contextlib.suppress(OSError), Pppox(netns=scene.a) as sock:
        sock.connect(V2(-1, 2, 22, 2, 22))
        for value in range(40):
            sock.stats()
            sock.channel()
            for option in (RECVSEQ, SENDSEQ, LNSMODE):
                sock.setsockopt(option, value & 1)
                sock.getsockopt(option)
            done += 1
    with contextlib.suppress(OSError), scene.a.enter(), Sock(4) as sock:
        for request in (0x5411, 0x541b):        # SIOCOUTQ, SIOCINQ
            done += sock.ioctl(request) == 0
    return done


# ---------------------------------------------------------------- the matrix

def repeat(function, counter, place):
    """Again and again; errors of the system are what this is about, but some rounds must succeed."""
    while True:
        with contextlib.suppress(OSError, RuntimeError, KeyError):
            if function(scene):
                counter[place:place + 4] = struct.pack("=I", struct.unpack("=I", counter[place:place + 4])[0] + 1)


def cell(end, use):
    two_cpus()
    scene.clean()
    with mmap.mmap(-1, 4096) as counter:
        with Workers() as workers:
            workers.start(repeat, end, counter, 0, cpu=0, endless=True)
            workers.start(repeat, use, counter, 4, cpu=1, endless=True)
            workers.go()
            start = time.monotonic()

            def over():
                took = time.monotonic() - start
                ends, uses = struct.unpack("=II", counter[:8])
                enough = min(ends, uses) >= ROUNDS and (ends >= WANTED or took > TIME)
                return took > PATIENCE or took > SECONDS and enough
            while not over():
                time.sleep(0.02)
        ends, uses = struct.unpack("=II", counter[:8])
    ktap.diag(f"{ends} ends, {uses} uses")
    ktap.ok(min(ends, uses) >= ROUNDS, f"both sides get on: {ends} ends, {uses} uses")


def unused():
    return all(use_count(m) <= 0 or use_count(m) == holders(m) for m in MODULES)


def nothing_left():
    scene.clean()
    wait_for(lambda: not scene.a.links().keys() - {"lo", "va"}, 30, "no device left")
    wait_for(unused, 30, "no use of a module left")


ENDS = {"a tunnel's deletion": tunnel_delete, "a namespace's end": netns_exit, "the closing of sockets": socket_close,
        "the end of the device below": netdev_delete, "unloading modules": module_unload,
        "a device that moves": device_move, "modifying a session": session_modify}
USES = {"reception": rx_flood, "sending": tx_flood, "dumps": dump, "creation": create, "PPP connect()": ppp_connect,
        "ioctl()": ioctl}

for what, end_function in ENDS.items():
    for during, use_function in USES.items():
        ktap.add(f"{what} and {during}", cell, end_function, use_function)
    ktap.add(f"{what}: nothing is left", nothing_left)


@ktap.case("modules, sockets and namespaces are all gone")
def _():
    scene.close()
    wait_for(unused, 30, "no use of a module left")
    def unloaded():
        sh(["rmmod", *MODULES], check=False)
        return not any(os.path.isdir(f"/sys/module/{module}") for module in MODULES)
    wait_for(unloaded, 60)
    ktap.eq([m for m in MODULES if os.path.isdir(f"/sys/module/{m}")], [], "modules")

    # What leaks does so in many rounds; the last one or two of a kind may rightly be waiting to be freed.
    def more():
        return {k: (before[k], n) for k, n in live_objects().items() if n > before.get(k, n) + 2}
    for _ in range(4):
        # A namespace's memory is freed when the next one ends.
        netns.NetNS().delete()
        if wait_for(lambda: not more(), 20):
            break
    ktap.eq(more(), {}, "objects before and now")


ktap.main()
