# SPDX-License-Identifier: GPL-2.0
"""Workloads of the control plane: how long making, listing and ending many tunnels and sessions takes, in seconds."""
import time

from lib import l2tp, netns


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


def tunnels_gone(nl):
    """Wait until there is no tunnel."""
    netns.wait_for(lambda: not nl.tunnels(), 300, "the tunnels' end", step=0.001)


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
            tunnels_gone(nl)
        out["create tunnels"] = timed(make)
        out["list tunnels"] = timed(lambda: check(len(nl.tunnels()), count))
        out["delete tunnels"] = timed(end)
    return out


def sessions(count, in_tunnels=1):
    """Sessions with devices, in few or many tunnels."""
    out = {}
    with namespace() as space, l2tp.L2tp(netns=space) as nl:
        for n in range(1, in_tunnels + 1):
            nl.tunnel_create(n, n, local="127.0.0.1", remote="127.0.0.1", sport=1024 + n, dport=1024)

        def make():
            for n in range(1, count + 1):
                nl.session_create(n % in_tunnels + 1, n, n)
        out["create sessions"] = timed(make)
        out["list sessions"] = timed(lambda: check(len(nl.sessions()), count))
        out["find a session"] = timed(lambda: [nl.session_get(n % in_tunnels + 1, n) for n in range(1, min(count, 100) + 1)])
        if in_tunnels == 1:
            # The namespace still has a device that is not ours.
            out["delete a tunnel with sessions"] = timed(lambda: (nl.tunnel_delete(1), only_lo(space)))
    return out


def exit_namespace(count):
    """A namespace with sessions ends."""
    space = namespace()
    with l2tp.L2tp(netns=space) as nl:
        nl.tunnel_create(1, 1, local="127.0.0.1", remote="127.0.0.1", sport=1025, dport=1024)
        for n in range(1, count + 1):
            nl.session_create(1, n, n)
    # A veth whose other end is elsewhere shows when the namespace's devices are gone.
    netns.sh(f"ip link add bench0 type veth peer name bench1 netns {space.name}")
    start = time.monotonic()
    space.delete()
    netns.wait_for(lambda: netns.sh("ip link show bench0", check=False).returncode, 300, "the namespace's end", step=0.002)
    return {"namespace exit": time.monotonic() - start}


def only_lo(space):
    """Wait until there is no device but lo."""
    def devices():
        with space.enter(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            return len(file.readlines()) - 3
    netns.wait_for(lambda: not devices(), 300, "the devices' end", step=0.001)


def check(got, want):
    """A number is what it must be."""
    if got != want:
        raise RuntimeError(f"{got} instead of {want}")
