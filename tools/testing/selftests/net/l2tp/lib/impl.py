# SPDX-License-Identifier: GPL-2.0
"""Which implementation of L2TP is under test, and where the two may differ.

IMPL=rust (default) or IMPL=c in the environment says which modules are loaded.
Every assertion holds for both; the few deliberate differences go through
``differs``, which makes them easy to find, count and document.
"""
import os
import subprocess

IMPL = os.environ.get("IMPL", "rust")
if IMPL not in ("rust", "c"):
    raise SystemExit(f"IMPL must be rust or c, not {IMPL!r}")
# How many times as long everything may take: the debug kernel is slow.
SLOW = int(os.environ.get("SLOW", "1"))
IS_C = IMPL == "c"
IS_RUST = IMPL == "rust"


def differs(what, c, rust):
    """The expected value for the implementation under test; `what` names the difference."""
    assert what
    return c if IS_C else rust


def available(module):
    """Can modprobe find this module (or is it loaded)?"""
    if os.path.isdir(f"/sys/module/{module}"):
        return True
    return subprocess.run(["modprobe", "-n", "-q", module], check=False).returncode == 0


def load(*modules):
    """Load modules; False if one of them cannot be."""
    return all(os.path.isdir(f"/sys/module/{m}") or
               subprocess.run(["modprobe", "-q", m], check=False).returncode == 0
               for m in modules)
