#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""In the guest: workloads with the C and with the Rust modules in turn, in one boot; results are lines of JSON on stdout.

    guest.py packets|tcp|control [--rounds N] [--count N] [--only WORD]
    guest.py --smoke

A round is C, Rust, Rust, C; before each block the modules are loaded anew. Every workload checks that all its packets arrived, or
that all its sessions are listed, and fails otherwise. In a guest without Rust modules C takes the part of both.
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

import control  # noqa: E402
import implementation  # noqa: E402
import traffic  # noqa: E402

OPTIONS = {"": "", "cookie 4": "cookie deadbeef peer_cookie deadbeef", "cookie 8": "cookie deadbeefdeadbeef peer_cookie deadbeefdeadbeef",
           "no sublayer": "l2spec_type none", "seq": "seq both"}


def cells():
    """Encapsulations and options: name, arguments of traffic.Path."""
    for encap in ("udp", "ip"):
        for family in (4, 6):
            for name, options in OPTIONS.items():
                yield f"{encap} ip{family} {name}".strip(), {"encap": encap, "family": family, "options": options}


def packets(count):
    """Name, function of each workload with packets."""
    for name, cell in cells():
        yield name, lambda cell=cell: traffic.cost(cell, count)
    cell = {"encap": "udp", "sessions": 1000}
    yield "udp ip4 of 1000 sessions", lambda: traffic.cost(cell, count)


def tcp(count):
    """The same with TCP; `count` is in megabytes."""
    for encap, options in (("udp", ""), ("udp", "seq both"), ("ip", "")):
        cell = {"encap": encap, "options": options}
        yield f"{encap} {options}".strip(), lambda cell=cell: traffic.tcp(cell, count << 20)


def compared(count):
    """What is measured once, to compare with."""
    yield "veth", lambda: traffic.tcp({"kind": "veth"}, count << 20)
    yield "vxlan", lambda: traffic.tcp({"kind": "vxlan"}, count << 20)


def controlled(sizes, devices):
    """Workloads of the control plane."""
    for n in sizes:
        yield f"{n} tunnels", lambda n=n: control.tunnels(n)
    for n in devices:
        yield f"{n} sessions", lambda n=n: control.sessions(n)
        yield f"{n} sessions in as many tunnels", lambda n=n: control.sessions(n, n)
        yield f"namespace with {n} sessions", lambda n=n: control.exit_namespace(n)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", nargs="?", choices=("packets", "tcp", "control"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--count", type=int)
    parser.add_argument("--sizes", default="1000,3000,10000")
    parser.add_argument("--devices", default="300,1000,3000")
    parser.add_argument("--only", default="")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()

    os.sched_setaffinity(0, {0})
    implementation.run("modprobe", "-a", "pktgen", "veth", "vxlan", "act_gact", "cls_matchall")
    other = "rust" if implementation.files("rust") else "c"
    order = ["c", other] if args.smoke else ["c", other, other, "c"]
    if args.smoke:
        plan = [("packets", list(packets(200))[:1]), ("tcp", list(tcp(1))[:1]), ("control", list(controlled([20], [10])))]
    else:
        sizes, devices = ([int(n) for n in text.split(",")] for text in (args.sizes, args.devices))
        plan = [(args.suite, list({"packets": lambda: packets(args.count or 10000), "tcp": lambda: tcp(args.count or 8),
                                   "control": lambda: controlled(sizes, devices)}[args.suite]()))]

    def measure(suite, name, work, impl, number, block):
        for what, value in work().items():
            print(json.dumps({"suite": suite, "cell": name, "measure": what, "impl": impl, "round": number, "block": block,
                              "value": value}), flush=True)

    for suite, works in plan:
        works = [(name, work) for name, work in works if args.only in name]
        if suite == "tcp":
            for name, work in compared(1 if args.smoke else args.count or 8):
                measure(suite, name, work, "kernel", 0, 0)
        for number in range(args.rounds):
            for block, impl in enumerate(order):
                implementation.use(impl, implementation.CORE + ["l2tp_ip", "l2tp_ip6"])
                for name, work in works:
                    measure(suite, name, work, impl, number, block)
    implementation.unload()


if __name__ == "__main__":
    main()
