#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/sys/kernel/debug/l2tp/tunnels: place, format, order, namespace, readers in the way."""
import os
import re
import socket
import stat
import struct
import threading

from lib import child, impl, ktap, reading
from lib import l2tp as L
from lib.netns import NetNS, sh, wait_for

DIR = "/sys/kernel/debug/l2tp"
PATH = DIR + "/tunnels"
HEADER = """\
TUNNEL ID, peer ID from IP to IP
 L2TPv2/L2TPv3, UDP/IP
 sessions session-count, refcnt refcnt/sk->refcnt
 debug tx-pkts/bytes/errs rx-pkts/bytes/errs
  SESSION ID, peer ID, PWTYPE
   refcnt cnt
   offset OFFSET l2specific TYPE/LEN
   [ cookie ]
   [ peer cookie ]
   config mtu/mru/rcvseq/sendseq/dataseq/lns debug reorderto
   nr/ns tx-pkts/bytes/errs rx-pkts/bytes/errs
"""

if not os.path.isdir("/sys/kernel/debug") or not os.listdir("/sys/kernel/debug"):
    sh("mount -t debugfs debugfs /sys/kernel/debug", check=False)
HAVE = impl.load("l2tp_debugfs")
ns, other = NetNS(), NetNS()
ktap.at_exit(ns.delete)
ktap.at_exit(other.delete)
ns.ip("link add d0 type dummy")
ns.batch(["link set d0 up", "addr add 10.0.0.1/24 dev d0", "addr add fd00::1/64 dev d0 nodad"])
nl = L.L2tp(netns=ns)
P4 = dict(local="10.0.0.1", remote="10.0.0.2", sport=5000, dport=5001)


def begin(*tids, **kwargs):
    if not HAVE:
        ktap.skip("no l2tp_debugfs")
    ktap.cleanup(nl.wipe)
    for tid in tids:
        nl.tunnel_create(tid, tid + 1000, **{**P4, "sport": 5000 + tid % 1000, **kwargs})


def opened(space=ns):
    with space.enter():
        return os.open(PATH, os.O_RDONLY)


def text(space=ns, size=1 << 16):
    """The whole file as seen from the namespace."""
    fd = opened(space)
    try:
        out = b""
        while piece := os.read(fd, size):
            out += piece
    finally:
        os.close(fd)
    return out.decode()


def body(**kwargs):
    got = text(**kwargs)
    ktap.ok(got.startswith(HEADER), f"header:\n{got[:500]}")
    return got[len(HEADER):]


def match(got, want):
    """Compare with a text in which {n} stands for any number; the numbers."""
    pattern = re.escape(want).replace(r"\{n\}", r"(\d+)")
    found = re.fullmatch(pattern, got)
    ktap.ok(found, f"expected:\n{want}\ngot:\n{got}")
    return [int(n) for n in found.groups()] if found else None


@ktap.case("directory and file: modes, nothing else in there")
def _():
    begin()
    ktap.eq(os.listdir(DIR), ["tunnels"])
    info = os.stat(PATH)
    ktap.eq((stat.filemode(info.st_mode), info.st_uid, info.st_gid), ("-rw-------", 0, 0))
    ktap.eq(stat.filemode(os.stat(DIR).st_mode), "drwxr-xr-x")


@ktap.case("an empty namespace shows the header only")
def _():
    begin()
    ktap.eq(text(), HEADER)


@ktap.case("another user cannot open it")
def _():
    begin()

    def main():
        child.become()
        try:
            os.open(PATH, os.O_RDONLY)
        except OSError as error:
            return type(error).__name__
        return "ok"
    ktap.eq(child.run(main), "PermissionError")


TUNNEL4 = ("\nTUNNEL 1 peer 1001 from 10.0.0.1 to 10.0.0.2\n source port 5001, dest port 5001\n"
           " L2TPv3, UDP\n 0 sessions, refcnt {n}/{n}\n 00000000 tx 0/0/0 rx 0/0/0\n")


@ktap.case("tunnel over UDP and ip4; an idle tunnel's reference count shows 2")
def _():
    begin(1)
    got = match(body(), TUNNEL4)
    if got:
        ktap.eq(got[1], 2, "tunnel reference count")
        ktap.ok(got[0] >= 1, f"socket reference count {got[0]}")


@ktap.case("tunnel over ip6")
def _():
    begin(1, local="fd00::1", remote="fd00::2", version=2)
    match(body(), TUNNEL4.replace("10.0.0.", "fd00::").replace("L2TPv3", "L2TPv2"))


@ktap.case("tunnel with v4-mapped addresses")
def _():
    begin()
    one = L.udp_socket(local="::ffff:10.0.0.1", remote="::ffff:10.0.0.2", lport=5001, netns=ns)
    ktap.cleanup(one.close)
    nl.tunnel_create(1, 1001, fd=one.fileno())
    match(body(), TUNNEL4.replace("10.0.0.", "::ffff:10.0.0."))


@ktap.case("tunnel on an unbound socket: zero addresses and ports")
def _():
    begin()
    with ns.enter():
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ktap.cleanup(one.close)
    nl.tunnel_create(1, 1001, fd=one.fileno())
    match(body(), TUNNEL4.replace("10.0.0.1 to 10.0.0.2", "0.0.0.0 to 0.0.0.0")
          .replace("port 5001", "port 0"))


@ktap.case("tunnel version as stored, ids unsigned")
def _():
    begin()
    nl.tunnel_create(0xffffffff, 0x80000000, version=255, **P4)
    ktap.ok(body().startswith("\nTUNNEL 4294967295 peer 2147483648 from 10.0.0.1 to 10.0.0.2\n"
                              " source port 5000, dest port 5001\n L2TPv255, UDP\n"), body())


@ktap.case("tunnel over IP: no port line")
def _():
    begin()
    if not impl.load("l2tp_ip", "l2tp_ip6"):
        ktap.skip("no l2tp_ip and l2tp_ip6 for this implementation")
    nl.tunnel_create(1, 1001, local="10.0.0.1", remote="10.0.0.2", encap=L.IP)
    match(body(), TUNNEL4.replace(" source port 5001, dest port 5001\n", "")
          .replace("UDP", "IP"))


def session(sid, psid, refcnt=2, config="0/0/-/-/-/LAC 00000000 0", l2spec="1/4", cookies="",
            numbers="", device=None, kind="ETH"):
    return (f"  SESSION {sid}, peer {psid}, {kind}\n{numbers}   refcnt {refcnt}\n   config {config}\n"
            f"   offset 0 l2specific {l2spec}\n{cookies}   0/0 tx 0/0/0 rx 0/0/0\n"
            + (f"   interface {device}\n" if device else ""))


def sessions_only(count, tid=1):
    """The part after the tunnel's lines, which must show so many sessions."""
    got = body()
    head = re.match(r"\nTUNNEL .*\n.*\n.*\n (\d+) sessions, refcnt (\d+)/(\d+)\n .*\n", got)
    if not ktap.ok(head, got):
        return ""
    ktap.eq((int(head[1]), int(head[3])), (count, 2 + count), "sessions, tunnel reference count")
    return got[head.end():]


@ktap.case("session: everything default")
def _():
    begin(1)
    nl.session_create(1, 11, 12, ifname="e0")
    ktap.eq(sessions_only(1), session(11, 12, device="e0"))


@ktap.case("session: everything set")
def _():
    begin(1)
    nl.session_create(1, 0xffffffff, 0x80000000, ifname="e0", cookie=bytes.fromhex("0102030405060708"),
                      peer_cookie=bytes.fromhex("a1b2c3d4"), recv_seq=1, send_seq=1, lns_mode=1,
                      timeout=10)
    ktap.eq(sessions_only(1), session(
        4294967295, 2147483648, numbers="   nr 0, ns 0\n", config="0/0/R/S/-/LNS 00000000 12",
        cookies="   cookie 0102030405060708\n   peer cookie a1b2c3d4\n", device="e0"))


@ktap.case("session: each option by itself")
def _():
    begin(1)
    for sid, (kwargs, want) in enumerate((
            (dict(recv_seq=1), dict(config="0/0/R/-/-/LAC 00000000 0", numbers="   nr 0, ns 0\n")),
            (dict(send_seq=1), dict(config="0/0/-/S/-/LAC 00000000 0", numbers="   nr 0, ns 0\n")),
            (dict(lns_mode=1), dict(config="0/0/-/-/-/LNS 00000000 0")),
            (dict(timeout=1000), dict(config="0/0/-/-/-/LAC 00000000 1000")),
            (dict(l2spec=0), dict(l2spec="0/0")), (dict(l2spec=1), dict(l2spec="1/4")))):
        nl.session_create(1, 5, 6, ifname="e0", **kwargs)
        ktap.eq(sessions_only(1), session(5, 6, device="e0", **want), f"{kwargs}")
        nl.session_gone(1, 5)
        wait_for(lambda: "e0" not in ns.links(), what="device gone")
        wait_for(lambda: re.search(r" 0 sessions, refcnt \d+/2\n", text()), what="session freed")


for size in range(1, 9):
    @ktap.case(f"session: cookies of {size} bytes", size)
    def _(size):
        begin(1)
        value = bytes(range(0x11, 0x11 + size))
        shown = (value if size == 8 else value[:4].ljust(4, b"\0")).hex()
        nl.session_create(1, 5, 6, ifname="e0", cookie=value, peer_cookie=value)
        ktap.eq(sessions_only(1), session(5, 6, device="e0",
                                          cookies=f"   cookie {shown}\n   peer cookie {shown}\n"))


@ktap.case("session: the device's name of now, not of its creation")
def _():
    begin(1)
    nl.session_create(1, 5, 6, ifname="old")
    ns.ip("link set old name new")
    ktap.eq(sessions_only(1), session(5, 6, device="new"))
    ns.ip(f"link set new netns {other.name}")
    ktap.eq(sessions_only(1), session(5, 6, device="new"), "in another namespace")


@ktap.case("session: a collided one has one more reference")
def _():
    begin(1, 2)
    nl.session_create(1, 5, 6, ifname="e0")
    nl.session_create(2, 5, 6, ifname="e1")
    got = re.findall(r"SESSION 5, peer 6, ETH\n   refcnt (\d+)\n", body())
    ktap.eq(got, ["3", "3"])


@ktap.case("session: PPP without a socket; id 0 of v2 is listed nowhere in the count")
def _():
    begin(1, version=2)
    if not impl.load("l2tp_ppp"):
        ktap.skip("no l2tp_ppp for this implementation")
    nl.session_create(1, 5, 6, pw=L.PW_PPP)
    ktap.eq(sessions_only(1), session(5, 6, kind="PPP", l2spec="0/0"))


@ktap.case("session of an odd tunnel version: counted, not listed")
def _():
    begin(1, version=4)
    nl.session_create(1, 5, 6)
    ktap.eq(sessions_only(1), "")


@ktap.case("order: tunnels ascending, each followed by its sessions ascending")
def _():
    begin(300, 2, 70000, 1)
    nl.tunnel_create(65536, 5, version=1, local="10.0.0.1", remote="10.0.0.2")
    wanted = []
    for tid, sids in ((300, (9, 4)), (2, (0xffffffff, 1, 0)), (70000, (4,)), (1, ())):
        for sid in sids:
            nl.session_create(tid, sid, 1)
    for tid, sids in ((1, ()), (2, (0, 1, 0xffffffff)), (300, (4, 9)), (65536, ()), (70000, (4,))):
        wanted += [f"TUNNEL {tid}"] + [f"SESSION {sid}" for sid in sids]
    ktap.eq(re.findall(r"(?:TUNNEL|SESSION) \d+", body()), wanted)


@ktap.case("DEBUG masks")
def _():
    begin(1, debug=0xabc)
    nl.session_create(1, 5, 6, debug=0xf00dcafe)
    what = "debug masks in debugfs"
    got = body()
    ktap.ok(f" {impl.differs(what, c='00000000', rust='00000abc')} tx 0/0/0 rx 0/0/0\n" in got, got)
    ktap.ok(f"LAC {impl.differs(what, c='00000000', rust='f00dcafe')} 0\n" in got, got)


@ktap.case("counters: bytes with all L2TP headers, on both lines")
def _():
    begin()
    peer = L.udp_socket(netns=ns)
    one = L.udp_socket(remote="127.0.0.1", rport=peer.getsockname()[1], netns=ns)
    for sock in (peer, one):
        ktap.cleanup(sock.close)
    peer.connect(one.getsockname())
    nl.tunnel_create(1, 2, fd=one.fileno())
    nl.session_create(1, 11, 12, peer_cookie=b"abcd", recv_seq=0)
    good = struct.pack(">HHI4sI", 3, 0, 11, b"abcd", 0) + bytes(60)
    for frame in (good, good, good.replace(b"abcd", b"abcx"), struct.pack(">HHI", 5, 0, 11) + bytes(60)):
        peer.send(frame)
    wait_for(lambda: L.stats(nl.tunnel_get(1))["rx_invalid"] == 1, what="last frame seen")
    got = body()
    ktap.ok(" 00000000 tx 0/0/0 rx 2/152/0\n" in got, f"tunnel line\n{got}")
    ktap.ok("   0/0 tx 0/0/0 rx 2/152/1\n" in got, f"session line\n{got}")


def long(tunnels):
    """So many tunnels with even ids, every fifth of which has two sessions."""
    begin(*range(2, 2 * tunnels + 1, 2), version=2)
    for tid in range(2, 2 * tunnels + 1, 10):
        for sid in (5, 6):
            nl.session_create(tid, sid, 7, pw=L.PW_PPP)


for check in (reading.sizes, reading.offsets, reading.lines):
    @ktap.case(f"reading {check.__name__}", check)
    def _(check):
        long(30)
        with ns.enter():
            check(PATH, HEADER)


@ktap.case("more than 64 kB")
def _():
    long(400)
    want = text()
    ktap.ok(len(want) > 65536, f"only {len(want)} bytes")
    with ns.enter():
        with reading.opened(PATH) as fd:
            reading.same(reading.rest(fd, 7), want.encode(), "read by 7")
        reading.offsets(PATH, HEADER, 50)


@ktap.case("what comes and goes between two reads")
def _():
    long(60)
    fd = opened()
    got = b""
    while b"TUNNEL " not in got[len(HEADER):]:
        got += os.read(fd, 65536)
    last = int(re.findall(rb"TUNNEL (\d+)", got)[-1])
    ktap.ok(last < 100, f"tunnel {last} is the last in the first read")
    nl.tunnel_gone(last)
    nl.tunnel_gone(last + 2)
    nl.tunnel_create(last + 1, 1, **P4)
    nl.tunnel_create(last + 3, 1, **{**P4, "sport": 4999})
    got += reading.rest(fd)
    ktap.eq([int(tid) for tid in re.findall(rb"TUNNEL (\d+)", got)],
            [*range(2, last + 1, 2), last + 1, last + 3, *range(last + 4, 121, 2)], "tunnels")
    nl.tunnel_create(1000, 1, **{**P4, "sport": 4998})
    ktap.eq(re.findall(rb"TUNNEL (\d+)", reading.rest(fd)), [b"1000"], "after the end")
    os.close(fd)


@ktap.case("rewinding shows what is new")
def _():
    begin(1)
    fd = opened()
    ktap.eq(os.read(fd, len(HEADER)).decode(), HEADER)
    nl.tunnel_create(2, 2, local="10.0.0.1", remote="10.0.0.2")
    os.lseek(fd, 0, os.SEEK_SET)
    got = b""
    while piece := os.read(fd, 4096):
        got += piece
    os.close(fd)
    ktap.eq(re.findall(r"TUNNEL (\d+)", got.decode()), ["1", "2"])


@ktap.case("it shows the opener's namespace, wherever the reader is")
def _():
    begin(1)
    ktap.eq(text(space=other), HEADER, "opened elsewhere")
    fd = opened()
    with other.enter():
        got = os.read(fd, 4096) + os.read(fd, 4096)
    os.close(fd)
    ktap.ok(b"TUNNEL 1 peer 1001" in got, "read elsewhere")


@ktap.case("an open file keeps its namespace; after that it goes with its tunnels")
def _():
    begin()
    gone = NetNS()
    with L.L2tp(netns=gone) as there:
        there.tunnel_create(1, 2, fd=0xffffffff)
    fd = opened(gone)
    os.read(fd, 10)
    gone.delete()
    got = b""
    while piece := os.read(fd, 4096):
        got += piece
    ktap.ok(b"TUNNEL 1 peer 2" in got, got.decode())
    os.close(fd)


@ktap.case("a reader who stops in the middle does not keep a tunnel from being deleted")
def _():
    begin(1, 2)
    for sid in range(10):
        nl.session_create(1, sid, 1)
    readers = [opened() for _ in range(8)]
    for count, fd in enumerate(readers):
        for _ in range(count + 1):
            os.read(fd, 150)
    nl.tunnel_gone(1)
    wait_for(lambda: not [d for d in ns.links() if d.startswith("l2tp")], what="devices gone")
    for fd in readers:
        while os.read(fd, 4096):
            pass
        os.close(fd)
    ktap.eq(re.findall(r"TUNNEL (\d+)", body()), ["2"])


@ktap.case("readers beside creation and deletion")
def _():
    begin()
    stop, trouble = threading.Event(), []

    def read(size):
        while not stop.is_set():
            got = text(size=size)
            tids = [int(t) for t in re.findall(r"\nTUNNEL (\d+) ", got)]
            if not got.startswith(HEADER) or tids != sorted(set(tids)):
                trouble.append(got)
    threads = [threading.Thread(target=read, args=(size,)) for size in (7, 4096)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        for tid in range(5):
            nl.try_tunnel_create(tid, 1, fd=0xffffffff)
            nl.try_session_create(tid, 100 + tid, 1)
        for tid in range(5):
            nl.try_tunnel_delete(tid)
    stop.set()
    for thread in threads:
        thread.join()
    ktap.ok(not trouble, f"{len(trouble)} bad readings, the first:\n{''.join(trouble[:1])}")


@ktap.case("unloading: refused while open, removes the directory, loading brings it back")
def _():
    begin(1)
    fd = opened()
    refused = sh("rmmod l2tp_debugfs", check=False)
    ktap.ok(refused.returncode, "rmmod while the file is open")
    ktap.ok(b"TUNNEL" in os.read(fd, 100), "readable afterwards")
    os.close(fd)
    sh("rmmod l2tp_debugfs")
    ktap.ok(not os.path.exists(DIR), "directory gone")
    ktap.eq(nl.tunnels(), [1], "the tunnel does not mind")
    sh("modprobe l2tp_debugfs")
    ktap.ok("TUNNEL 1 " in text(), "after loading again")


ktap.main()
