# SPDX-License-Identifier: GPL-2.0
"""Packets for the workloads: beds of namespaces and tunnels, pktgen as source, a counting and dropping filter as sink."""
import errno
import random
import re
import socket
import statistics
import threading
import time

from lib import l2tp, netns, pppox
from lib.datapath import ADDR

PKTGEN = "/proc/net/pktgen"
FAR = "198.18.0.1"      # where the packets are said to go


def set_up(space, device, *addresses):
    """A device goes up; the namespace says nothing of its own on it."""
    space.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 1)
    space.batch([f"addr add {address} dev {device}" for address in addresses] + [f"link set {device} up"])


def mac(space, device):
    """A device's MAC address."""
    return re.search(r"link/ether (\S+)", space.ip(f"link show dev {device}").stdout)[1]


class Sink:
    """Counts and drops what arrives at a device."""

    def __init__(self, space, device):
        self.space, self.device = space, device
        self._tc("-batch -", input=f"qdisc add dev {device} clsact\n"
                 f"filter add dev {device} ingress pref 1 matchall action drop\n")

    def _tc(self, words, **kwargs):
        """Many are run, and each process costs as much as thousands of packets: none only enters the namespace."""
        with self.space.enter():
            return netns.sh(f"tc {words}", **kwargs).stdout

    def arrived(self):
        """How many so far."""
        return int(self._tc(f"-s filter show dev {self.device} ingress").split("Sent")[1].split()[2])

    def close(self):
        """The device is as before."""
        self._tc(f"qdisc del dev {self.device} clsact")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Source:
    """pktgen on a device."""

    def __init__(self, space, device, to, size=60, dst=FAR):
        self.space, self.device, self.to, self.size, self.dst = space, device, to, size, dst
        self.count = 0

    def send(self, count):
        """Nanoseconds of each packet, until the last has gone as far as it goes."""
        self.prepare(count)
        return self.start(count)

    def start(self, count=None):
        """The same once it is prepared; with a count, for another number of packets."""
        if count:
            self.count = count
            self.write(self.device, f"count {count}")
        self.write("pgctrl", "start")
        return self.result(self.device) * 1000 / self.count

    def prepare(self, count, threads=1):
        """Everything but the start; with several CPUs, each sends `count`."""
        self.count = count
        for cpu in range(threads):
            self.write(f"kpktgend_{cpu}", "rem_device_all")
        for cpu in range(threads):
            name = self.device if threads == 1 else f"{self.device}@{cpu}"
            self._add(cpu, name)
            # A driver that writes into the packet must have it for itself.
            self.write(name, f"count {count}", f"pkt_size {self.size}", "delay 0", "clone_skb 0", "flag !SHARED",
                       f"dst_mac {self.to}", f"dst {self.dst}", "queue_map_min 0", "queue_map_max 0")

    def _add(self, cpu, name):
        """pktgen's thread removes the device of before in its own time."""
        for _ in range(100):
            try:
                return self.write(f"kpktgend_{cpu}", f"add_device {name}")
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                time.sleep(0.05)
        raise TimeoutError(f"pktgen does not take {name}")

    def write(self, name, *lines):
        """Commands to one of pktgen's files."""
        with self.space.enter():
            for line in lines:
                with open(f"{PKTGEN}/{name}", "w", encoding="ascii") as out:
                    out.write(line)

    def result(self, name):
        """Microseconds that a thread took. pktgen itself does not wait for one that is late to begin."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with self.space.enter(), open(f"{PKTGEN}/{name}", encoding="ascii") as file:
                found = re.search(r"Result: OK: (\d+)\(", file.read())
            if found:
                return int(found[1])
            time.sleep(0.02)
        raise TimeoutError(f"pktgen does not end on {name}")

    def stop(self):
        """pktgen holds the device no longer."""
        self.write("kpktgend_0", "rem_device_all")


def measured(source, sink, count, slices=1):
    """Nanoseconds of each packet from source to sink, all of which must have arrived; with slices, the median of several measurements.

    Not the least: on a processor that shares its core with a neighbour's, some slices are nearly twice as fast because the neighbour
    slept, and one workload meets such a moment where another one does not.
    """
    source.send(count // 10 + 10)
    before = sink.arrived()
    spent = [source.start(count) for _ in range(slices)]
    arrived = sink.arrived() - before
    # Some other packet may have come, but none of ours may be missing.
    if not count * slices <= arrived <= count * slices + 20:
        raise RuntimeError(f"{arrived} of {count * slices} packets arrived")
    return statistics.median(spent)


class Path:
    """Two namespaces, joined by a veth, and a tunnel with a session for each of `options`, or something to compare with."""

    def __init__(self, kind="eth", encap="udp", family=4, options=("",), idle=0, ids=None):
        self.a, self.b = netns.pair()
        self.kind, self.family = kind, family
        near, far = ADDR[family]
        self.devices = ["va"] if kind == "veth" else [f"x{n}" for n in range(len(options))]
        ids = ids or [100 + n for n in range(len(options))]
        ports = "udp_sport 5000 udp_dport 5000" if encap == "udp" else ""
        for space, one, two, mine, other in ((self.a, near, far, 1, 2), (self.b, far, near, 2, 1)):
            space.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            if kind == "eth":
                space.batch([f"l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap {encap} local {one} remote {two} {ports}"] +
                            [f"l2tp add session name {device} tunnel_id 1 session_id {sid} peer_session_id {sid} {words}"
                             for device, sid, words in zip(self.devices, ids, options)])
            elif kind == "vxlan":
                space.batch([f"link add x0 type vxlan id 1 local {one} remote {two} dstport 4789"])
            elif kind == "vxlan of others":
                space.batch([f"link add x0 type vxlan id {mine} local {one} remote {two} dstport 4789"])
            if kind != "veth":
                set_up(space, self.devices[0], f"192.168.7.{mine}/24")
                space.batch([f"link set {device} up" for device in self.devices[1:]])
        if idle:
            self.fill(idle, ids)
        self.target = "192.168.7.2" if kind != "veth" else ADDR[4][1]
        # Neighbours stay known, and are not asked for while it is measured.
        for space, device, other, theirs, peer in ((self.a, "va", self.b, "vb", 1), (self.b, "vb", self.a, "va", 0)):
            there = mac(other, theirs)
            space.batch([f"neigh replace {ADDR[which][peer]} dev {device} lladdr {there} nud permanent" for which in (4, 6)])

    def ethtool(self, near, far, words, **how):
        """Set features of a device of either namespace."""
        if words:
            self.a.run(f"ethtool -K {near} {words}", **how)
            self.b.run(f"ethtool -K {far} {words}", **how)

    def fill(self, count, but):
        """So many more sessions, without devices, at the receiving end."""
        rng = random.Random(1)
        with l2tp.L2tp(netns=self.b) as nl:
            for sid in rng.sample(range(1, 1 << 32), count):
                if sid not in but:
                    nl.session_create(1, sid, sid, pw=l2tp.PW_PPP)

    def source(self, device, size=60):
        """A source that sends from a device to its counterpart."""
        return Source(self.a, device, mac(self.b, "vb" if device == "va" else device), size)

    def plain(self, count, size=60, slices=1):
        """What a packet costs without a tunnel."""
        with Sink(self.b, "vb") as sink:
            return measured(self.source("va", size), sink, count, slices)

    def costs(self, count, size=60, slices=1):
        """Nanoseconds that each session's tunnel adds: [{"transmit": ..., "receive": ...}], in the order of the options."""
        plain = self.plain(count, size, slices)
        received, sent = [], []
        # Reception comes first: frames that do not arrive would leave a gap in the sequence numbers.
        for device in self.devices:
            with Sink(self.b, device) as sink:
                received.append(measured(self.source(device, size), sink, count, slices))
        with Sink(self.b, "vb") as sink:
            for device in self.devices:
                sent.append(measured(self.source(device, size), sink, count, slices))
        return [{"transmit": tx - plain, "receive": rx - tx} for tx, rx in zip(sent, received)]

    def close(self):
        """Delete all of it."""
        Source(self.a, "va", "").stop()
        self.a.delete()
        self.b.delete()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def tcp(self, amount):
        """Nanoseconds of each kilobyte of a TCP connection; all of it is looked at when it has arrived."""
        block = bytes(range(256)) * 256
        with self.b.enter():
            server = socket.create_server((self.target, 5001))
        got = []

        def receive():
            conn, _ = server.accept()
            with conn:
                total, room = 0, bytearray(1 << 18)
                while size := conn.recv_into(room):
                    # The pattern repeats every 256 bytes.
                    if room[:1] != bytes([total % 256]) or room[size - 1] != (total + size - 1) % 256:
                        got.append(f"wrong data at {total}")
                    total += size
                got.append(total)
                conn.sendall(b"x")

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        with self.a.enter():
            client = socket.create_connection((self.target, 5001), timeout=120)
        with server, client:
            start = time.monotonic_ns()
            for _ in range(amount // len(block)):
                client.sendall(block)
            client.shutdown(socket.SHUT_WR)
            client.recv(1)
            spent = time.monotonic_ns() - start
        thread.join(10)
        total = amount // len(block) * len(block)
        if got != [total]:
            raise RuntimeError(f"{got} arrived of {total}")
        return spent * 1024 / total


class Forwarding:
    """A third namespace sends to the first of two, which forwards: into the veth between them, or into a tunnel through it.

    `pw` is eth (routed into the session's device), bridge (bridged into it), ppp, or ppp seq (L2TPv2).
    """

    def __init__(self, pw="eth", encap="udp", family=4):
        self.pw = pw
        self.path = Path(kind="eth" if pw in ("eth", "bridge") else "veth", encap=encap, family=family)
        self.a, self.b = self.path.a, self.path.b
        self.g = netns.NetNS()
        self.g.ip(f"link add g0 type veth peer name a0 netns {self.a.name}")
        set_up(self.g, "g0", "192.168.8.2/24")
        set_up(self.a, "a0", "192.168.8.1/24")
        self.a.sysctl("net.ipv4.ip_forward", 1)
        self.keep = []
        if pw == "eth":
            self.out = self.into = "x0"
            self.a.batch([f"neigh replace 192.168.7.2 dev x0 lladdr {mac(self.b, 'x0')} nud permanent"])
        elif pw == "bridge":
            self.out = self.into = "x0"
            self.a.batch(["addr flush dev x0", "link add br0 type bridge", "link set br0 up", "link set a0 master br0"])
        else:
            (self.out, self.into) = self._call(ADDR[family], "seq" in pw)

    def _call(self, outer, sequenced):
        """The PPP devices of a call between the two."""
        names = []
        for number, space in enumerate((self.a, self.b)):
            udp = l2tp.udp_socket(outer[number], outer[1 - number], 1701, 1701, netns=space)
            build = pppox.V2in6 if ":" in outer[0] else pppox.V2
            socks = [pppox.Pppox(netns=space).connect(build(udp.fileno(), 1 + number, sid, 2 - number, sid)) for sid in (0, 1)]
            for option in (pppox.SENDSEQ, pppox.RECVSEQ, pppox.LNSMODE):
                socks[1].setsockopt(option, int(sequenced))
            with space.enter():
                channel, unit = pppox.Channel(socks[1]), pppox.Unit()
                channel.connect(unit)
                unit.pass_through(pppox.IP_PROTO)
            set_up(space, unit.name, f"192.168.7.{1 + number} peer 192.168.7.{2 - number}")
            self.keep += [udp] + socks + [channel, unit]
            names.append(unit.name)
        return names

    def route(self, device):
        """What comes is forwarded to `device` from now on."""
        if self.pw == "bridge":
            other = {"va": "x0", "x0": "va"}[device]
            # With its address the veth would be of no use as a port, and the tunnel goes through it.
            self.a.batch([f"link set {other} nomaster", f"link set {device} master br0"])
            return
        via = {"va": "via 10.0.0.2", "x0": "via 192.168.7.2"}.get(device, "")
        self.a.batch([f"route replace 198.18.0.0/16 {via} dev {device}"])

    def source(self, far):
        """Packets for a device of the receiving end."""
        return Source(self.g, "g0", mac(self.a, "a0") if self.pw != "bridge" else mac(self.b, far))

    def costs(self, count, slices=1):
        """Nanoseconds that the tunnel adds to forwarding."""
        self.route(self.out)
        with Sink(self.b, self.into) as sink:
            received = measured(self.source(self.into if self.into == "x0" else "vb"), sink, count, slices)
        with Sink(self.b, "vb") as sink:
            sent = measured(self.source(self.into if self.into == "x0" else "vb"), sink, count, slices)
        self.route("va")
        with Sink(self.b, "vb") as sink:
            plain = measured(self.source("vb"), sink, count, slices)
        return {"transmit": sent - plain, "receive": received - sent}

    def reallocations(self, count):
        """How often the head of a packet on its way into the tunnel is allocated anew, per packet."""
        tracing = "/sys/kernel/tracing"
        self.route(self.out)
        source = self.source(self.into if self.into == "x0" else "vb")
        with open(f"{tracing}/kprobe_events", "w", encoding="ascii") as file:
            file.write("p:bench/realloc pskb_expand_head")
        switch = f"{tracing}/events/bench/realloc/enable"
        try:
            with open(switch, "w", encoding="ascii") as file:
                file.write("1")
            with Sink(self.b, "vb"):
                source.send(count)
            with open(f"{tracing}/kprobe_profile", encoding="ascii") as file:
                hits = [int(line.split()[1]) for line in file if line.split()[0] == "realloc"]
            with open(switch, "w", encoding="ascii") as file:
                file.write("0")
        finally:
            with open(f"{tracing}/kprobe_events", "w", encoding="ascii"):
                pass
        return hits[0] / count

    def close(self):
        """Delete all of it."""
        Source(self.g, "g0", "").stop()
        for thing in reversed(self.keep):
            thing.close()
        self.g.delete()
        self.path.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
