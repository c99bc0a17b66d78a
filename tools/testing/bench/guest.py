#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""In the guest: workloads with the C and with the Rust modules in turn, in one boot; results are lines of JSON on stdout.

    guest.py SUITE [--rounds N] [--count N] [--only WORD] [--sizes N,N...] [--devices N,N...]
    guest.py --smoke

Suites are the functions of suites.py. A round is C, Rust, Rust, C (`--order`: other orders); before each block the modules are
loaded anew, and it is checked which they are. Every workload checks that all its packets arrived, or that all its sessions are
listed, and fails otherwise. In a guest without Rust modules C takes the part of both.
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

import implementation  # noqa: E402
import suites  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", nargs="?", choices=list(suites.SUITES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--count", type=int)
    parser.add_argument("--sizes", default="1000,3000,10000")
    parser.add_argument("--devices", default="300,1000,3000")
    parser.add_argument("--only", default="")
    parser.add_argument("--order", default="c,rust,rust,c")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    args.sizes, args.devices = ([int(n) for n in text.split(",")] for text in (args.sizes, args.devices))

    if args.suite != "parallel":
        os.sched_setaffinity(0, {0})
    implementation.quiet()
    implementation.run("modprobe", "-a", "pktgen", "veth", "vxlan", "act_gact", "cls_matchall")
    order = ["c", "rust"] if args.smoke else args.order.split(",")
    if not implementation.files("rust"):
        order = ["c"] * len(order)
    names = list(suites.SMOKE) if args.smoke else [args.suite]

    def measure(suite, name, work, impl, number, block):
        for cell, measures in work().items():
            for what, value in measures.items():
                print(json.dumps({"suite": suite, "cell": f"{name} {cell}".strip(), "measure": what, "impl": impl, "round": number,
                                  "block": block, "value": value}), flush=True)

    for suite in names:
        works = (suites.SMOKE if args.smoke else suites.SUITES)[suite](args)
        for name, work in works.get("kernel", []):
            if args.only in name:
                measure(suite, name, work, "kernel", 0, 0)
        for number in range(args.rounds):
            for block, impl in enumerate(order):
                implementation.use(impl, implementation.ALL)
                for name, work in works["each"]:
                    if args.only in name:
                        measure(suite, name, work, impl, number, block)
    implementation.unload()


if __name__ == "__main__":
    main()
