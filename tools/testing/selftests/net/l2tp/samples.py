#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The sample programs of Documentation/networking/l2tp-samples, in C and in Rust, talk to each other."""
import os
import re
import subprocess
import tempfile

from lib import calls, ktap, netns
from lib.netns import wait_for

# tools/build/samples compiles them, tools/testing/vm/run brings them into the guest.
SAMPLES = os.environ.get("L2TP_SAMPLES", "/l2tp/samples")
LANGUAGES = [(one, other) for one in ("c", "rust") for other in ("c", "rust")]


class Sample:
    """A running sample, which reads our pipe and writes into a file."""

    def __init__(self, space, name, *words):
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        ktap.cleanup(self.log.close)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", space.name, f"{SAMPLES}/{name}", *map(str, words)],
            stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT)
        ktap.cleanup(self.close)
        self.seen = 0

    def lines(self):
        """The whole lines of what it wrote that have not been asked for yet."""
        with open(f"/proc/self/fd/{self.log.fileno()}", encoding="utf-8") as file:
            return [line for line in file.readlines() if line.endswith("\n")][self.seen:]

    def line(self):
        """The next line of what it writes; empty if none comes."""
        wait_for(lambda: self.lines() or self.process.poll() is not None, 30)
        found = self.lines()[:1]
        self.seen += len(found)
        return "".join(found).rstrip("\n")

    def write(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self):
        """End its input: the rest of what it writes."""
        self.process.stdin.close()
        status = self.process.wait(60)
        rest = "".join(self.lines())
        ktap.eq(status, 0, f"exit status; it wrote {rest!r}")
        return rest

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def ground(name):
    """Two namespaces, if the samples are there."""
    for language in ("c", "rust"):
        if not os.access(f"{SAMPLES}/{name}-{language}", os.X_OK):
            ktap.skip(f"no {SAMPLES}/{name}-{language}")
    pair = netns.pair()
    for space in pair:
        ktap.cleanup(space.delete)
    return pair


def pppol2tp(one, other):
    """L2TPv2, PPPoL2TP sockets."""
    calls.modules()
    a, b = ground("pppol2tp")
    ends = ("10.0.0.1", 1701, 1, 10), ("10.0.0.2", 1701, 2, 20)
    left = Sample(a, f"pppol2tp-{one}", *ends[0], *ends[1])
    right = Sample(b, f"pppol2tp-{other}", *ends[1], *ends[0])
    for space, sample, us, them in ((a, left, 1, 2), (b, right, 2, 1)):
        device = sample.line()
        if not ktap.ok(re.fullmatch(r"ppp\d+", device), f"a device: {device!r}"):
            return
        space.batch([f"addr add 192.168.9.{us} peer 192.168.9.{them} dev {device}", f"link set {device} up"])
    ktap.ok(calls.pings(a, "192.168.9.2", count=5, tries=1, extra="-W 30"), "ping")
    said = [sample.end() for sample in (left, right)]
    # Five requests and answers of 84 bytes, 4 of PPP and 6 of L2TP; IPv6 does not pass.
    want = "sent 5 packets, 470 bytes; received 5 packets, 470 bytes\n"
    ktap.eq(said, [want, want], "statistics")
    calls.no_tunnels(a, b)


def l2tpv3(one, other):
    """L2TPv3 over IP, netlink."""
    a, b = ground("l2tpv3")
    ends = ("10.0.0.1", 1, 10), ("10.0.0.2", 2, 20)
    left = Sample(a, f"l2tpv3-{one}", "left0", *ends[0], *ends[1])
    right = Sample(b, f"l2tpv3-{other}", "right0", *ends[1], *ends[0])
    for space, sample, device, us in ((a, left, "left0", 1), (b, right, "right0", 2)):
        if not ktap.eq(sample.line(), "ready"):
            return
        space.batch([f"addr add 192.168.9.{us}/24 dev {device}", f"link set {device} up"])
    ktap.ok(calls.pings(a, "192.168.9.2", count=5), "ping")
    left.write("from the left\n")
    ktap.eq(right.line(), "from the left", "a control message")
    right.write("from the right\n")
    ktap.eq(left.line(), "from the right", "a control message")
    for sample in (left, right):
        ktap.eq(sample.end(), "")
    wait_for(lambda: "left0" not in a.links() and "right0" not in b.links(), 30, "end of the devices")
    calls.no_tunnels(a, b)


def failure(name, *words):
    """What cannot work is told, with an exit status."""
    a, _ = ground(name)
    for language in ("c", "rust"):
        sample = Sample(a, f"{name}-{language}", *words)
        sample.process.wait(60)
        ktap.eq(sample.process.returncode, 1, "exit status")
        said = "".join(sample.lines())
        ktap.ok("annot assign requested address" in said, said)


for one, other in LANGUAGES:
    ktap.add(f"pppol2tp: {one} and {other}", pppol2tp, one, other)
for one, other in LANGUAGES:
    ktap.add(f"l2tpv3: {one} and {other}", l2tpv3, one, other)
ktap.add("pppol2tp: an address that is not ours", failure, "pppol2tp",
         "10.9.9.9", 1701, 1, 10, "10.0.0.2", 1701, 2, 20)
ktap.add("l2tpv3: an address that is not ours", failure, "l2tpv3",
         "left0", "10.9.9.9", 1, 10, "10.0.0.2", 2, 20)

ktap.main()
