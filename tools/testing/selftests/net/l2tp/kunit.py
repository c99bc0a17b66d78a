#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""KUnit tests of the crate `net`: loads the module that has them, and tells what came of each."""

import glob
import re

from lib import impl, ktap
from lib.netns import sh

RESULTS = "/sys/kernel/debug/kunit/l2tp_*/results"

if impl.IS_C or not impl.available("l2tp_kunit"):
    print("1..0 # SKIP no l2tp_kunit (it is built for kernels with CONFIG_KUNIT=y)")
    raise SystemExit(4)
sh("modprobe l2tp_kunit")
ktap.at_exit(sh, "rmmod l2tp_kunit")


def told(result, text):
    """One result; the log has the assertion that failed."""
    ktap.ok(result == "ok", text)


for path in sorted(glob.glob(RESULTS)):
    with open(path, encoding="utf-8") as file:
        output = file.read()
    for result, name in re.findall(r"^ +(ok|not ok) \d+ (\S+)$", output, re.M):
        ktap.add(f"{path.split('/')[-2]}: {name.replace('_', ' ')}", told, result, output)


@ktap.case("four suites have run")
def _():
    ktap.eq(len(glob.glob(RESULTS)), 4, "suites")


ktap.main()
