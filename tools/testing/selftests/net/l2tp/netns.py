#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Network namespaces that come and go while tunnels, sessions and devices live in them."""
import os
import socket
import struct
import threading
import time

from lib import child, impl, ktap, tracing
from lib import l2tp as L
from lib.netns import NetNS, sh, wait_for

home = NetNS()
ktap.at_exit(home.delete)


class Doomed(NetNS):
    """A namespace whose end can be seen: its end takes a veth away from `home`."""

    def __init__(self):
        super().__init__()
        self.probe = f"p{self.name[-8:]}"
        self.ip(f"link add out type veth peer name {self.probe} netns {home.name}")
        ktap.cleanup(self.end)

    def gone(self):
        return self.probe not in home.links()

    def end(self, timeout=180):
        """Delete and wait until the namespace is really gone."""
        self.delete()
        wait_for(self.gone, timeout, f"end of namespace {self.name}")


def fill(space, tunnels=3, sessions=3):
    """Kernel tunnels over ip4 and ip6 with sessions, devices up."""
    with L.L2tp(netns=space) as nl:
        for tid in range(1, tunnels + 1):
            where = "127.0.0.1" if tid & 1 else "::1"
            nl.tunnel_create(tid, tid, local=where, remote=where, sport=4000 + tid, dport=4000 + tid)
            for sid in range(sessions):
                nl.session_create(tid, 100 * tid + sid, 1, ifname=f"e{tid}x{sid}")
        space.batch([f"link set e{tid}x{sid} up" for tid in range(1, tunnels + 1)
                     for sid in range(sessions)])


@ktap.case("ids, names and ports are each namespace's own")
def _():
    one, two = Doomed(), Doomed()
    fill(one)
    fill(two)
    with L.L2tp(netns=one) as here, L.L2tp(netns=two) as there:
        ktap.eq(here.sessions(), there.sessions())
        here.wipe()
        ktap.eq(len(there.sessions()), 9)


@ktap.case("kernel tunnels do not keep a namespace, and go with it")
def _():
    space = Doomed()
    fill(space)
    start = time.monotonic()
    space.end()
    ktap.ok(time.monotonic() - start < 60 * impl.SLOW, f"took {time.monotonic() - start:.1f} s")


@ktap.case("ten namespaces with tunnels go at once")
def _():
    spaces = [Doomed() for _ in range(10)]
    for space in spaces:
        fill(space, 2, 2)
    for space in spaces:
        space.delete()
    for space in spaces:
        space.end()


@ktap.case("a namespace with 200 sessions goes in reasonable time")
def _():
    space = Doomed()
    with L.L2tp(netns=space) as nl:
        for tid in range(1, 5):
            nl.tunnel_create(tid, tid, fd=0xffffffff)
            for sid in range(50):
                nl.session_create(tid, tid * 1000 + sid, 1)
    space.end(240)


@ktap.case("a user's tunnel socket keeps the namespace; its close lets it go")
def _():
    space = Doomed()
    one = L.udp_socket(remote="127.0.0.1", rport=9, netns=space)
    with L.L2tp(netns=space) as nl:
        nl.tunnel_create(1, 2, fd=one.fileno())
        nl.session_create(1, 11, 12)
    space.delete()
    time.sleep(0.5)
    ktap.ok(not space.gone(), "the namespace lives as long as the socket")
    one.close()
    wait_for(space.gone, 20, "end of the namespace")


@ktap.case("a process that dies takes sockets, tunnels and its unnamed namespace along")
def _():
    with L.L2tp(netns=home):
        pass
    name = f"v{os.getpid()}"

    def main():
        os.unshare(os.CLONE_NEWNET)
        fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        sh(["ip", "-n", home.name, "link", "add", name, "type", "veth", "peer", "name", "out",
            "netns", str(os.getpid())])
        sh("ip link set lo up")
        ones = [L.udp_socket(remote="127.0.0.1", rport=9) for _ in range(3)]
        nl = L.L2tp()
        for tid, one in enumerate(ones):
            nl.tunnel_create(tid, 2, fd=one.fileno())
            nl.session_create(tid, 11 + tid, 12)
        nl.tunnel_create(9, 9, fd=0xffffffff)
        nl.session_create(9, 99, 12)
        os.close(fd)
        return name in home.links()
    ktap.ok(child.run(main), "there while the process lived")
    wait_for(lambda: name not in home.links(), 20, "end of the namespace")


@ktap.case("a device moved elsewhere is removed with its tunnel's namespace")
def _():
    space, shelter = Doomed(), Doomed()
    fill(space, 1, 3)
    for sid in range(3):
        space.ip(f"link set e1x{sid} netns {shelter.name}")
    shelter.ip("link set e1x0 up")
    ktap.ok({"e1x0", "e1x1", "e1x2"} <= set(shelter.links()), "moved")
    space.end()
    ktap.eq([n for n in shelter.links() if n.startswith("e1x")], [], "left in the other namespace")


@ktap.case("the device's namespace goes: the device falls to the initial one, the session lives on")
def _():
    space, shelter = Doomed(), Doomed()
    fill(space, 1, 1)
    name = f"f{os.getpid()}"
    space.ip(f"link set e1x0 name {name} netns {shelter.name}")
    index = shelter.links()[name]
    ktap.ok(name not in dict((n, i) for i, n in socket.if_nameindex()), "not there before")
    shelter.end()
    mine = {n for _, n in socket.if_nameindex()}
    fallen = {name, f"dev{index}"} & mine
    ktap.eq(len(fallen), 1, f"device in the initial namespace among {sorted(mine)}")
    with L.L2tp(netns=space) as nl:
        ktap.eq(nl.session_get(1, 100).text(L.IFNAME), "e1x0", "session")
        nl.session_delete(1, 100)
        wait_for(lambda: not fallen & {n for _, n in socket.if_nameindex()}, 10,
                 "device gone with its session")


@ktap.case("both namespaces, of tunnel and device, go at the same moment")
def _():
    for _ in range(3):
        space, shelter = Doomed(), Doomed()
        fill(space, 2, 2)
        fill(shelter, 1, 2)
        for tid in (1, 2):
            space.ip(f"link set e{tid}x0 name m{tid} netns {shelter.name}")
        shelter.ip(f"link set e1x1 name n1 netns {space.name}")
        killers = [threading.Thread(target=s.delete) for s in (space, shelter)]
        for killer in killers:
            killer.start()
        for killer in killers:
            killer.join()
        space.end()
        shelter.end()
    left = [n for _, n in socket.if_nameindex() if n[0] in "mne" and n[1:2].isdigit()]
    ktap.eq(left, [], "left in the initial namespace")


@ktap.case("traffic both ways while the namespaces go")
def _():
    for _ in range(2):
        one, two = Doomed(), Doomed()
        one.ip(f"link add w type veth peer name w netns {two.name}")
        for space, me, peer in ((one, 1, 2), (two, 2, 1)):
            space.batch(["link set w up", f"addr add 10.0.0.{me}/24 dev w"])
            with L.L2tp(netns=space) as nl:
                nl.tunnel_create(1, 1, local=f"10.0.0.{me}", remote=f"10.0.0.{peer}", sport=5000,
                                 dport=5000)
                nl.session_create(1, 1, 1, ifname="e0", cookie=b"abcd", peer_cookie=b"abcd")
            space.ip("link set e0 up")
        # Frames sent here come out there. Packet sockets would keep the
        # namespaces alive, so the senders live inside and die with a signal.
        sender = ("import socket\ns = socket.socket(17, 3)\ns.bind(('e0', 0x88b5))\n"
                  "while True:\n  try: s.send(b'\\xff' * 6 + bytes(54))\n  except OSError: break")
        work = [space.popen(["python3", "-c", sender]) for space in (one, two)]
        wait_for(lambda: min(s.counters("e0")["rx_packets"] for s in (one, two)) > 200,
                 120, "traffic in both directions")
        for process in work:
            process.kill()
        for space in (one, two):
            space.delete()
        for process in work:
            process.wait()
        one.end()
        two.end()


@ktap.case("frames for a namespace that goes: the peer keeps sending")
def _():
    for _ in range(3):
        one = Doomed()
        one.ip(f"link add w type veth peer name w netns {home.name}")
        one.batch(["link set w up", "addr add 10.0.0.1/24 dev w"])
        home.batch(["link set w up", "addr add 10.0.0.2/24 dev w"])
        with L.L2tp(netns=one) as nl:
            nl.tunnel_create(1, 1, local="10.0.0.1", remote="10.0.0.2", sport=5000, dport=5000)
            nl.session_create(1, 1, 1, l2spec=0)
        stop = threading.Event()
        sock = L.udp_socket(local="10.0.0.2", lport=5000, netns=home)

        def flood():
            frame = struct.pack(">HHI", 3, 0, 1) + bytes(60)
            while not stop.is_set():
                try:
                    sock.sendto(frame, ("10.0.0.1", 5000))
                except OSError:
                    pass
        thread = threading.Thread(target=flood)
        thread.start()
        with L.L2tp(netns=one) as nl:
            wait_for(lambda: L.stats(nl.session_get(1, 1))["rx_packets"] > 100, 10, "frames arrive")
        one.end()
        stop.set()
        thread.join()
        sock.close()


@ktap.case("twenty namespaces, one after the other, without waiting")
def _():
    for _ in range(20):
        with NetNS() as space, L.L2tp(netns=space) as nl:
            nl.tunnel_create(1, 2, fd=0xffffffff)
            nl.session_create(1, 11, 12)
            nl.tunnel_create(2, 2, fd=0xffffffff)
            nl.tunnel_delete(2)


@ktap.case("sockets are freed, with the routes that they have cached, before the IP layer of their namespace ends")
def _():
    probes = f"{tracing.TRACING}/kprobe_events"
    if not os.path.exists(probes):
        ktap.skip("no kprobes")
    # Namespaces end in batches, one batch after the other: those of the case before have ended then.
    for _ in range(2):
        Doomed().end()
    ktap.cleanup(tracing.write, probes, "")
    tracing.write(probes, "p:freed udpv6_destruct_sock\np:ended ip6_route_net_exit\n")
    for _ in range(5):
        space = Doomed()
        fill(space, tunnels=2)
        trace = tracing.Trace(events="kprobes")
        space.end()
        wait_for(lambda trace=trace: {"freed", "ended"} <= {name for name, _ in trace.events()}, 15, "both")
        ktap.eq([name for name, _ in trace.events()], ["freed", "ended"], "order")
        trace.close()


@ktap.case("afterwards the modules are unused and can be unloaded")
def _():
    def attempt():
        sh("rmmod l2tp_debugfs", check=False)
        for module in ("l2tp_eth", "l2tp_ppp", "l2tp_ip6", "l2tp_ip", "l2tp_netlink", "l2tp_core"):
            if os.path.exists(f"/sys/module/{module}"):
                sh(["rmmod", module], check=False)
        return not os.path.exists("/sys/module/l2tp_core")
    wait_for(attempt, 20, "modules unloaded")


ktap.main()
