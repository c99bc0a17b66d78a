#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic on several CPUs at once, traffic while tunnels and sessions come and go, TCP through the
tunnel. What is checked is what must hold in any order of events: nothing is lost without being
counted, numbers are not used twice, the kernel survives, and everything can be removed.
"""

import contextlib
import json
import os
import random
import shutil
import sys
import time

from lib import datapath, impl, ktap, l2tp, netns
from lib import l2tpwire as wire
from lib.datapath import case
from lib.genl import u64
from lib.l2tpwire import inner, seq, v3
from lib.workers import Workers, two_cpus

# On the debug kernel, where everything takes eight times as long, about half as many passes.
SECONDS = float(os.environ.get("STRESS_SECONDS", 2 * (1 + impl.SLOW)))


def send_many(bed, ifname, frames):
    with bed.ns.enter(), wire.PacketSocket(ifname, send_only=True) as sock:
        for frame in frames:
            while True:
                try:
                    sock.send(frame)
                    break
                except OSError:             # the queue of the device is full
                    time.sleep(0.001)


@case("two CPUs send with sequence numbers on one session")
def _(bed):
    two_cpus()
    tun = bed.tunnel(10, managed=False)
    ses = bed.session(tun, 1001, send_seq=1)
    bed.ns.run(f"tc qdisc replace dev {ses.ifname} root noqueue")
    with bed.far.enter():
        ear = wire.PacketSocket("vb", incoming_only=True, rcvbuf=64 << 20)
    ktap.cleanup(ear.close)
    count = 2500
    with Workers() as workers:
        for cpu in range(2):
            workers.start(send_many, bed, ses.ifname,
                          [inner(cpu << 24 | n) for n in range(count)], cpu=cpu)
    got = [wire.parse_v3(wire.parse_udp(wire.parse_ip(f)).payload, 0, True)
           for f in ear.collect(2 * count, lambda f: getattr(wire.parse_ip(f), "proto", 0) == 17,
                                timeout=5)]
    stats = l2tp.stats(bed.nl.session_get(10, 1001))
    ktap.eq((stats["tx_packets"], stats["tx_bytes"], stats["tx_errors"]),
            (2 * count, 2 * count * (60 + ses.header), 0), "session counters")
    ktap.eq(bed.ns.counters(ses.ifname)["tx_packets"], 2 * count, "device counter")
    ktap.eq(sorted(wire.inner_tag(d.payload) for d in got),
            sorted(c << 24 | n for c in range(2) for n in range(count)), "frames on the wire")
    numbers = [d.ns for d in got]
    doubles = len(numbers) - len(set(numbers))
    ktap.diag(f"{doubles} numbers were used twice")
    if impl.differs("C counts Ns without a lock", c=False, rust=True):
        ktap.eq(sorted(numbers) == list(range(2 * count)), True, "each number once")


def inject_many(bed, tun, frames):
    for frame in frames:
        bed.inject(tun, frame)


@case("two CPUs receive without sequence numbers on one session")
def _(bed):
    two_cpus()
    ses = bed.session(bed.tunnel(10), 1001)
    count = 3000
    with Workers() as workers:
        for cpu in range(2):
            workers.start(inject_many, bed, ses.tun,
                          [ses.frame(inner(cpu << 24 | n)) for n in range(count)], cpu=cpu)
    bed.fence()
    stats = netns.wait_for(lambda: (s := l2tp.stats(bed.nl.session_get(10, 1001)))[
        "rx_packets"] == 2 * count and s, 5) or l2tp.stats(bed.nl.session_get(10, 1001))
    ktap.eq((stats["rx_packets"], stats["rx_bytes"], stats["rx_errors"]),
            (2 * count, 2 * count * 72, 0), "session counters")
    dev = bed.ns.counters(ses.ifname)
    ktap.eq((dev["rx_packets"] + dev["rx_errors"], dev["rx_errors"]), (2 * count, dev["rx_dropped"]),
            "device counters")


def backlog(size):
    """How many packets may wait for a CPU."""
    with open("/proc/sys/net/core/netdev_max_backlog", "w", encoding="ascii") as file:
        file.write(size)


@case("two CPUs receive one sequenced stream")
def _(bed):
    two_cpus()
    ses = bed.session(bed.tunnel(10), 1001)
    # All frames of the device go on through one CPU's backlog: its order is that of the session.
    bed.ns.run(["sh", "-c", f"echo 1 > /sys/class/net/{ses.ifname}/queues/rx-0/rps_cpus"])
    count = 3000
    # If one CPU comes to a standstill, all that the other one has received meanwhile goes on at once.
    backlog("10000")
    ktap.cleanup(backlog, "1000")
    bed.inject(ses.tun, ses.frame(inner(0), seq(0)))
    bed.fence()
    bed.nl.session_modify(10, 1001, u64(l2tp.RECV_TIMEOUT, 60000))
    with Workers() as workers:
        for cpu in range(2):
            workers.start(inject_many, bed, ses.tun,
                          [ses.frame(inner(n), seq(n)) for n in range(1 + cpu, count, 2)], cpu=cpu)
    bed.fence()
    frames = ses.dev.collect(count, wire.is_test_frame, timeout=1)
    order = [wire.inner_tag(f) for f in frames]
    stats = l2tp.stats(bed.nl.session_get(10, 1001))
    ktap.diag(f"{len(order)} of {count} arrived, in order: {order == sorted(order)}; "
              f"rx_oos_packets {stats['rx_oos_packets']}")
    if impl.differs("C does not serialise reception", c=False, rust=True):
        ktap.eq((len(order), stats["rx_packets"], stats["rx_errors"]), (count, count, 0),
                "delivered, counted, errors")
        ktap.eq(order == list(range(count)), True, "order")


def churn_sessions(bed, tid, sids, end):
    """Create and delete sessions of a tunnel; the ids may still be in use."""
    with l2tp.L2tp(netns=bed.ns) as nl:
        while time.monotonic() < end:
            sid = random.choice(sids)
            if nl.try_session_create(tid, sid, sid + 1, l2spec=1) == "ok":
                if random.random() < 0.5:
                    time.sleep(random.random() * 0.01)
                nl.try_session_delete(tid, sid)


def churn_tunnels(bed, port, end):
    """Tunnels with sessions, ended by netlink or by closing their socket."""
    with l2tp.L2tp(netns=bed.ns) as nl:
        while time.monotonic() < end:
            tid = 500 + random.randrange(4)
            sock = l2tp.udp_socket("10.0.0.1", "10.0.0.2", port, port, netns=bed.ns)
            if nl.try_tunnel_create(tid, tid, fd=sock.fileno()) == "ok":
                for sid in random.sample(range(5000, 5008), 3):
                    nl.try_session_create(tid, sid, sid, l2spec=1)
                time.sleep(random.random() * 0.02)
                if random.random() < 0.5:
                    nl.try_tunnel_delete(tid)
            sock.close()


def look(bed, end):
    """Dumps and single requests all the time."""
    with l2tp.L2tp(netns=bed.ns) as nl:
        while time.monotonic() < end:
            nl.dump(l2tp.TUNNEL_GET)
            nl.dump(l2tp.SESSION_GET)
            nl.try_session_get(10, random.randrange(2000, 2016))
            with contextlib.suppress(OSError), \
                    open("/sys/kernel/debug/l2tp/tunnels", encoding="ascii") as file:
                file.read()


def flood(bed, tun, sids, ports, end):
    """Frames of sessions that come and go, to all sockets, numbered or not."""
    while time.monotonic() < end:
        sid = random.choice(sids)
        ns = random.choice((0, seq(random.randrange(16))))
        bed.inject(tun, v3(sid, inner(sid), l2ss=ns), dport=random.choice(ports))


def flood_out(bed, end):
    """Frames through whatever device is there."""
    while time.monotonic() < end:
        names = [n for n in bed.ns.links() if n.startswith("l2tpeth")]
        for name in names[:8]:
            with contextlib.suppress(OSError, RuntimeError):
                bed.ns.ip(f"link set {name} up")
                send_few(bed, name)


def send_few(bed, name):
    with bed.ns.enter(), wire.PacketSocket(name, send_only=True) as sock:
        for _ in range(50):
            sock.send(inner(1))


@case("traffic goes on while sessions and tunnels come and go")
def _(bed):
    tun = bed.tunnel(10)
    ses = bed.session(tun, 1001, send_seq=1, lns_mode=1)
    bed.fence()
    before = bed.stats(ses)
    end = time.monotonic() + SECONDS
    sids = list(range(2000, 2016))
    sent = 0
    with Workers() as workers:
        workers.start(churn_sessions, bed, 10, sids, end)
        workers.start(churn_sessions, bed, 10, sids, end)
        workers.start(churn_tunnels, bed, 7000, end)
        workers.start(look, bed, end)
        workers.start(flood, bed, tun, sids + list(range(5000, 5008)), (tun.sport, 7000), end)
        workers.start(flood_out, bed, end)
        workers.go()
        os.setpriority(os.PRIO_PROCESS, 0, -15)
        while time.monotonic() < end:
            for _ in range(20):
                bed.inject(tun, ses.frame(inner(1), seq(sent & 0xFFFFFF)))
                bed.transmit(ses, inner(2))
                sent += 1
            bed.far_wire.drain()
            ses.dev.drain()
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    netns.wait_for(lambda: bed.stats(ses)["rx_packets"] - before["rx_packets"] == sent, 5)
    now = bed.stats(ses)
    delta = {k: now[k] - before[k] for k in ("rx_packets", "rx_errors", "tx_packets", "tx_errors")}
    ktap.diag(f"{sent} frames each way")
    if impl.differs("C drops a frame that meets a socket in use, here by session creation",
                    c=True, rust=False):
        delta["tx_packets"] += delta["tx_errors"]
        delta["tx_errors"] = 0
    ktap.eq(delta, {"rx_packets": sent, "rx_errors": 0, "tx_packets": sent, "tx_errors": 0},
            "counters of the session that stays")
    for sid in sids:
        netns.wait_for(lambda s=sid: bed.nl.try_session_get(10, s) == "ENODEV", 10,
                       f"end of session {sid}")
    for tid in range(500, 504):
        bed.nl.try_tunnel_delete(tid)
        netns.wait_for(lambda t=tid: bed.nl.try_tunnel_get(t) == "ENODEV", 10, f"end of {tid}")
    netns.wait_for(lambda: not [n for n in bed.ns.links() if n.startswith("l2tpeth")], 10,
                   "end of all devices")


@case("a tunnel ends under a flood in both directions")
def _(bed):
    two_cpus()
    for number in range(5):
        tun = bed.tunnel(30 + number, sport=7100)
        ses = bed.session(tun, 3001, timeout=60000 if number & 1 else None)
        end = time.monotonic() + 0.6 * impl.SLOW
        with Workers() as workers:
            workers.start(flood, bed, tun, [3001], (7100,), end, cpu=0)
            workers.start(send_until_gone, bed, ses.ifname, end, cpu=1)
            workers.go()
            time.sleep(0.2 * impl.SLOW)
            if number % 2:
                bed.nl.tunnel_delete(tun.tid)
            else:
                tun.sock.close()
        netns.wait_for(lambda t=tun.tid: bed.nl.try_tunnel_get(t) == "ENODEV", 10, "tunnel's end")
        netns.wait_for(lambda n=ses.ifname: n not in bed.ns.links(), 10, "device's end")


def send_until_gone(bed, ifname, end):
    with bed.ns.enter(), contextlib.suppress(OSError), wire.PacketSocket(ifname, send_only=True) as sock:
        while time.monotonic() < end:
            sock.send(inner(1))


@case("a namespace ends under a flood")
def _(bed):
    for _ in range(2):
        other = datapath.Bed()
        other.nl.tunnel_create(40, 41, local="10.0.0.1", remote="10.0.0.2", sport=7200, dport=7200)
        tun = datapath.Tunnel(40, 41, 4, 7200, 7200, None, 3)
        other.session(tun, 4001)
        end = time.monotonic() + 0.5 * impl.SLOW
        with Workers() as workers:
            workers.start(flood, other, tun, [4001], (7200,), end)
            workers.go()
            time.sleep(0.2 * impl.SLOW)
            other.ns.delete()
        other.far_wire.close()
        other.nl.close()
        other.far.delete()


def transfer(a, b, port, extra):
    """Three seconds of iperf3; whether a good deal arrived. Each has a server of its own: one whose
    client has gone may take long to notice."""
    server = b.popen(["iperf3", "-s", "-B", "192.168.9.2", "-p", str(port)], stdout=-3, stderr=-3)
    try:
        netns.wait_for(lambda: f":{port}" in b.run("ss -ltn").stdout, what="iperf3 to listen")
        done = a.run(["timeout", "120", "iperf3", "-c", "192.168.9.2", "-p", str(port), "-t", "3", "-J"]
                     + extra, check=False)
    finally:
        server.terminate()
        server.wait()
    way = " ".join(extra) or "forward"
    if done.returncode:
        ktap.diag(f"{way}: iperf3 ended with {done.returncode}: {done.stdout[-200:]}")
        return False
    end = json.loads(done.stdout)["end"]
    received = end["sum_received"]
    ktap.diag(f"{way}: {received['bits_per_second'] / 1e6:.0f} Mbit/s, "
              f"{end['sum_sent'].get('retransmits')} retransmits")
    return received["bytes"] > 100000


def tcp(family, encap):
    """iperf3 between two kernels, each way, with sequence numbers and cookies."""
    if not shutil.which("iperf3"):
        ktap.skip("iperf3 is not installed")
    datapath.ready()
    if encap == "ip":
        datapath.have_ip(family)
    os.sched_setaffinity(0, range(os.cpu_count()))
    a, b = netns.pair()
    ktap.cleanup(a.delete)
    ktap.cleanup(b.delete)
    ktap.cleanup(datapath.pin)
    near, far = datapath.ADDR[family]
    ports = "udp_sport 5000 udp_dport 5000" if encap == "udp" else ""
    for space, host, one, two, cookie, other in ((a, 1, near, far, "deadbeef", "c0ffee00"),
                                                 (b, 2, far, near, "c0ffee00", "deadbeef")):
        space.batch([
            f"l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap {encap} local {one} remote {two} "
            f"{ports}",
            f"l2tp add session name e0 tunnel_id 1 session_id {host} peer_session_id {3 - host} "
            f"seq both cookie {cookie} peer_cookie {other}",
            f"addr add 192.168.9.{host}/24 dev e0", "link set e0 up"])
    for extra in ([], ["-R"]):
        # Without reordering, a pair of frames that swap places on their way between CPUs costs
        # six or more; then TCP may wait longer than a try lasts, at the end of one as well.
        tries = (transfer(a, b, port, extra) for port in range(5201, 5207))
        ktap.ok(any(tries), f"six times hardly anything arrived, iperf3 {extra}")
    for space, host in ((a, 1), (b, 2)):
        with l2tp.L2tp(netns=space) as nl:
            stats = l2tp.stats(nl.session_get(1, host))
            ktap.eq((stats["rx_cookie_discards"], stats["tx_errors"]), (0, 0), "errors")
            ktap.ok(stats["rx_packets"] > 100 and stats["tx_packets"] > 100, f"traffic: {stats}")
            # The one or other frame may still be sent between the two looks.
            ktap.ok(netns.wait_for(lambda s=space, n=nl, h=host: s.counters("e0")["tx_packets"]
                                   == l2tp.stats(n.session_get(1, h))["tx_packets"], 3),
                    "device and session count the same frames")


for _encap in ("udp", "ip"):
    for _family in (4, 6):
        ktap.add(f"TCP both ways, {_encap} ip{_family}", tcp, _family, _encap)

if __name__ == "__main__":
    sys.exit(ktap.main())
