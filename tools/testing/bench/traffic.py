# SPDX-License-Identifier: GPL-2.0
"""Workloads with packets: what one packet, or one byte of TCP, costs."""
import socket
import threading
import time

from lib import netns
from lib.datapath import ADDR

PKTGEN = "/proc/net/pktgen"


class Path:
    """Two namespaces, joined by a veth, and a tunnel with one session, or something to compare with."""

    def __init__(self, kind="eth", encap="udp", family=4, options="", sessions=1):
        self.a, self.b = netns.pair()
        near, far = ADDR[family]
        ports = "udp_sport 5000 udp_dport 5000" if encap == "udp" else ""
        self.tx, self.rx = "va", "vb"
        for space, one, two, mine, other in ((self.a, near, far, 1, 2), (self.b, far, near, 2, 1)):
            lines = []
            if kind == "eth":
                lines = [f"l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap {encap} local {one} remote {two} {ports}"]
                lines += [f"l2tp add session name x{n} tunnel_id 1 session_id {2 * n + mine} "
                          f"peer_session_id {2 * n + other} {options}" for n in range(sessions)]
            elif kind == "vxlan":
                lines = [f"link add x0 type vxlan id 1 local {one} remote {two} dstport 4789"]
            if kind != "veth":
                space.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
                lines += [f"addr add 192.168.7.{mine}/24 dev x0", "link set x0 up"]
                self.tx = self.rx = "x0"
            space.batch(lines)
        self.target = "192.168.7.2" if kind != "veth" else ADDR[4][1]
        # Neighbours are asked for now, not while it is measured.
        self.a.run(f"ping -q -c 1 -W 5 {self.target}")
        if family == 6:
            self.a.run(f"ping -q -c 1 -W 5 {far}")

    def close(self):
        """Delete all of it."""
        self.a.delete()
        self.b.delete()

    def mac(self, device):
        """MAC address of a device of the receiving namespace."""
        return self.b.run(f"cat /sys/class/net/{device}/address").stdout.strip()

    def packets(self, sink, count, size=60, device=None):
        """Nanoseconds of each packet that pktgen sends, up to where tc drops it: the device `sink`."""
        device = device or self.tx
        self.b.run(f"tc qdisc add dev {sink} clsact")
        self.b.run(f"tc filter add dev {sink} ingress pref 1 matchall action drop")
        mac = self.mac(self.rx if device != "va" else "vb")
        try:
            self._pktgen(device, mac, count // 10 + 10, size)
            before = self._dropped(sink)
            spent = self._pktgen(device, mac, count, size)
            arrived = self._dropped(sink) - before
        finally:
            self.b.run(f"tc qdisc del dev {sink} clsact")
        # Some other packet may have come, but none of ours may be missing.
        if not count <= arrived <= count + 20:
            raise RuntimeError(f"{arrived} of {count} packets arrived")
        return spent * 1000 / count

    def _dropped(self, sink):
        text = self.b.run(f"tc -s filter show dev {sink} ingress").stdout
        return int(text.split("Sent")[1].split()[2])

    def _pktgen(self, device, mac, count, size):
        """Microseconds that it took."""
        lines = [("kpktgend_0", "rem_device_all"), ("kpktgend_0", f"add_device {device}")]
        lines += [(device, line) for line in (
            f"count {count}", f"pkt_size {size}", "delay 0", "clone_skb 0", "flag !SHARED", f"dst_mac {mac}",
            "dst 198.18.0.1", "queue_map_min 0", "queue_map_max 0")]
        with self.a.enter():
            for file, line in lines + [("pgctrl", "start")]:
                with open(f"{PKTGEN}/{file}", "w", encoding="ascii") as out:
                    out.write(line)
            with open(f"{PKTGEN}/{device}", encoding="ascii") as file:
                text = file.read()
        return int(text.split("Result: OK: ")[1].split("(")[0])

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


def cost(cell, count):
    """Nanoseconds that a tunnel adds to a packet: {"transmit": ..., "receive": ...}."""
    path = Path(**cell)
    try:
        plain = path.packets("vb", count, device="va")
        tx = path.packets("vb", count)
        rx = path.packets(path.rx, count)
    finally:
        path.close()
    return {"transmit": tx - plain, "receive": rx - tx}


def tcp(cell, amount):
    """Nanoseconds of a kilobyte of TCP."""
    path = Path(**cell)
    try:
        path.tcp(amount // 4)
        return {"kilobyte": path.tcp(amount)}
    finally:
        path.close()
