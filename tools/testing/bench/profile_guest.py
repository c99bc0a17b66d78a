#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of `profile`: says when it is about to send packets and when it has.

Arguments: number of packets, eth or ppp, encapsulation, family, options of the session.
"""
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

import implementation  # noqa: E402
import traffic  # noqa: E402


def port():
    """Whence the host says that it is ready."""
    for path in glob.glob("/sys/class/virtio-ports/*"):
        with open(f"{path}/name", encoding="ascii") as file:
            if file.read().strip() == "go":
                return open(f"/dev/{os.path.basename(path)}", "rb", buffering=0)
    raise FileNotFoundError("go")


def watched(point, source, count, go):
    """Some packets, that QEMU watches."""
    source.send(1000)
    source.prepare(count)
    print("ready", point, flush=True)
    go.read(1)
    source.write("pgctrl", "start")
    print("done", point, flush=True)
    go.read(1)


def main():
    count, pw, encap, family, options = int(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), sys.argv[5]
    implementation.quiet()
    implementation.run("modprobe", "-a", "pktgen", "act_gact", "cls_matchall")
    implementation.use(os.environ["IMPL"], implementation.ALL)
    if pw == "eth":
        bed = traffic.Path(encap=encap, family=family, options=(options,))
        points = [("rx", bed.source("x0"), "x0"), ("tx", bed.source("x0"), "vb"), ("plain", bed.source("va"), "vb")]
    else:
        bed = traffic.Forwarding(pw=f"ppp {options}".strip(), family=family)
        points = [("rx", bed.source("vb"), bed.into), ("tx", bed.source("vb"), "vb"), ("plain", bed.source("vb"), "vb")]
    go = port()
    for point, source, sink in points:
        if pw == "ppp":
            bed.route("va" if point == "plain" else bed.out)
        with traffic.Sink(bed.b, sink) as there:
            source.send(10)
            before = there.arrived()
            watched(point, source, count, go)
            if there.arrived() - before < count + 1000:
                sys.exit(f"{point}: only {there.arrived() - before} packets arrived")
    shutil.copy("/proc/kallsyms", "/artifacts/kallsyms")
    bed.close()


main()
