#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""session-memory.py: in the guest, bytes of kernel memory that an idle session takes, without a network device.

PPP sessions are made through netlink in one tunnel, since they have no device of their own. Counts what /proc/meminfo calls
Slab and Percpu. Run with `tools/testing/vm/run [--impl c] tools/testing/bench/session-memory.py`.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../selftests/net/l2tp"))

from lib import l2tp, netns  # noqa: E402

COUNT = 8000


def memory():
    """Bytes of slab and per-CPU memory in use."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return 1024 * fields["Slab"], 1024 * fields["Percpu"]


netns.sh("modprobe l2tp_ppp")
with netns.NetNS() as space:
    nl = l2tp.L2tp(netns=space)
    nl.tunnel_create(1, 2, local="127.0.0.1", remote="127.0.0.1", sport=5000, dport=5001)
    for sid in range(1, 1001):
        nl.session_create(1, sid, sid, pw=l2tp.PW_PPP)
    before = memory()
    for sid in range(1001, 1001 + COUNT):
        nl.session_create(1, sid, sid, pw=l2tp.PW_PPP)
    after = memory()
    slab, percpu = ((b - a) // COUNT for a, b in zip(before, after))
    print(f"{slab} bytes of slab and {percpu} bytes of per-CPU memory ({os.cpu_count()} CPUs) for each session")
