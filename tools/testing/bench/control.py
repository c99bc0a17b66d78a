# SPDX-License-Identifier: GPL-2.0
"""Workloads of the control plane: how long making, listing and ending many tunnels and sessions takes, in seconds; and memory."""
import fcntl
import os
import socket
import struct
import time

from lib import l2tp, netns

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914     # <linux/sockios.h>


def timed(function, *args):
    """Seconds that a call took."""
    start = time.monotonic()
    function(*args)
    return time.monotonic() - start


def namespace():
    """A namespace whose devices speak no IPv6."""
    space = netns.NetNS()
    space.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    return space


def until(done, limit=1200):
    """Wait, to the millisecond, until something is done."""
    end = time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing has come of it for {limit} s")
        time.sleep(0.001)


def tunnels(count):
    """Tunnels with sockets of the kernel."""
    out = {}
    with namespace() as space, l2tp.L2tp(netns=space) as nl:
        def make():
            for n in range(1, count + 1):
                nl.tunnel_create(n, n, local="127.0.0.1", remote="127.0.0.1", sport=1024 + n, dport=1024)

        def end():
            for n in range(1, count + 1):
                nl.tunnel_delete(n)
            until(lambda: not nl.tunnels())
        out["create"] = timed(make)
        out["list"] = timed(lambda: check(len(nl.tunnels()), count))
        out["delete"] = timed(end)
    return out


def sessions(count, in_tunnels=1, idle_tunnels=0, pw=l2tp.PW_PPP, find=100):
    """Sessions in few or many tunnels, maybe besides tunnels without sessions."""
    out = {}
    names = (lambda n: {"ifname": f"x{n}"}) if pw == l2tp.PW_ETH else lambda n: {}
    with namespace() as space, l2tp.L2tp(netns=space) as nl:
        for n in range(1, in_tunnels + idle_tunnels + 1):
            nl.tunnel_create(n, n, local="127.0.0.1", remote="127.0.0.1", sport=1024 + n, dport=1024)

        def make():
            for n in range(1, count + 1):
                nl.session_create(n % in_tunnels + 1, n, n, pw=pw, **names(n))

        def end():
            if pw == l2tp.PW_ETH:
                nl.tunnel_delete(1)
                return only_lo(space)
            for n in range(1, count + 1):
                nl.session_delete(n % in_tunnels + 1, n)
            until(lambda: not nl.sessions())
        out["create"] = timed(make)
        out["list"] = timed(lambda: check(len(nl.sessions()), count))
        out["find one"] = timed(lambda: [nl.session_get(n % in_tunnels + 1, n) for n in range(1, min(count, find) + 1)])
        if in_tunnels == 1:
            out["delete a tunnel with all" if pw == l2tp.PW_ETH else "delete"] = timed(end)
    return out


def exit_namespace(count, dummies=False):
    """A namespace with sessions ends, or one with as many devices that have no tunnel."""
    space = namespace()
    if dummies:
        space.batch([f"link add x{n} type dummy" for n in range(1, count + 1)])
    else:
        with l2tp.L2tp(netns=space) as nl:
            nl.tunnel_create(1, 1, local="127.0.0.1", remote="127.0.0.1", sport=1025, dport=1024)
            for n in range(1, count + 1):
                nl.session_create(1, n, n, ifname=f"x{n}")
    # A veth whose other end is elsewhere shows when the namespace's devices are gone.
    netns.sh(f"ip link add bench0 type veth peer name bench1 netns {space.name}")
    start = time.monotonic()
    space.delete()
    until(lambda: "bench0" not in (name for _, name in socket.if_nameindex()))
    rtnl()
    return {"namespace exit": time.monotonic() - start}


def only_lo(space):
    """Wait until there is no device but lo, and the last has ended."""
    def devices():
        with space.enter(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            return len(file.readlines()) - 3
    until(lambda: not devices())
    rtnl()


def rtnl():
    """Wait until nobody holds RTNL: devices are in no list any more long before a batch of them has ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, SIOCSIFFLAGS, flags)


def check(got, want):
    """A number is what it must be."""
    if got != want:
        raise RuntimeError(f"{got} instead of {want}")


def control(args):
    """Tunnels and sessions without devices: all of it is the drivers' own work."""
    few = min(args.sizes)
    each = [(f"{n} tunnels", lambda n=n: {"": tunnels(n)}) for n in args.sizes]
    each += [(f"{n} sessions", lambda n=n: {"": sessions(n)}) for n in args.sizes]
    # Where the number of sessions stays the same: what do other tunnels cost?
    for n in sorted({1, few // 10 or 1, few, max(args.sizes)}):
        each.append((f"{few} sessions beside {n} tunnels", lambda n=n: {"": one("list", sessions(few, 1, n))}))
        if n <= few:
            each.append((f"{few} sessions in {n} tunnels", lambda n=n: {"": one("list", sessions(few, n))}))
    return {"each": each}


def one(name, measures):
    """One of the measures."""
    return {name: measures[name]}


def devices(args):
    """Sessions with network devices, and namespaces with them that end."""
    each = []
    for n in args.devices:
        each.append((f"{n} devices", lambda n=n: {"": sessions(n, pw=l2tp.PW_ETH)}))
        each.append((f"namespace with {n} devices", lambda n=n: {"": exit_namespace(n)}))
    return {"each": each, "kernel": [(f"namespace with {n} dummies", lambda n=n: {"": exit_namespace(n, dummies=True)}) for n in args.devices]}


def in_use():
    """Bytes of slab and per-CPU memory in use."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return 1024 * (fields["Slab"] + fields["Percpu"])


def memory(args):
    """Bytes of slab and per-CPU memory that an idle session without a device takes."""
    count = args.count or 8000

    def bytes_each():
        with namespace() as space, l2tp.L2tp(netns=space) as nl:
            nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000, dport=5001)
            for sid in range(1, 1001):
                nl.session_create(1, sid, sid, pw=l2tp.PW_PPP)
            before = in_use()
            for sid in range(1001, 1001 + count):
                nl.session_create(1, sid, sid, pw=l2tp.PW_PPP)
            return {"": {"memory": (in_use() - before) / count}}
    return {"each": [(f"idle session, {os.cpu_count()} CPUs", bytes_each)]}
