# SPDX-License-Identifier: GPL-2.0
"""Loads the C or the Rust modules, in a guest that has both, and makes sure of which."""
import glob
import os
import subprocess

CORE = ["l2tp_core", "l2tp_netlink", "l2tp_eth"]
ALL = CORE + ["l2tp_ip", "l2tp_ip6", "l2tp_ppp"]
RELEASE = os.uname().release


def run(*words, **kwargs):
    """Run a command; what it printed."""
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, **kwargs).stdout


def quiet():
    """The machine does nothing of its own accord that it can leave."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", "w", encoding="ascii") as file:
            file.write("never")
    except FileNotFoundError:
        pass


def files(impl):
    """The module files of an implementation, by module; empty if it is not there."""
    where = {"c": f"/lib/modules/{RELEASE}/kernel/net/l2tp", "rust": f"/lib/modules/{RELEASE}/updates"}[impl]
    return {os.path.basename(path).split(".")[0]: path for path in glob.glob(f"{where}/l2tp_*.ko*")}


def unload():
    """Without L2TP modules."""
    loaded = [name for name in ["l2tp_debugfs"] + ALL[::-1] if os.path.isdir(f"/sys/module/{name}")]
    # Namespaces end in the background, and keep modules until they have.
    for name in loaded:
        subprocess.run(["sh", "-c", f"for i in $(seq 200); do rmmod {name} 2>/dev/null && break; sleep 0.05; done"],
                       check=True)
        if os.path.isdir(f"/sys/module/{name}"):
            raise RuntimeError(f"{name} stays loaded")


def use(impl, modules):
    """Load the modules of an implementation, and no others."""
    unload()
    run("modprobe", "-a", "udp_tunnel", "ip6_udp_tunnel", "veth", *(["pppox"] if "l2tp_ppp" in modules else []))
    paths = files(impl)
    for name in [name for name in ALL if name in modules]:
        run("insmod", paths[name])
        want = run("modinfo", "-F", "srcversion", paths[name]).strip()
        with open(f"/sys/module/{name}/srcversion", encoding="ascii") as file:
            if file.read().strip() != want:
                raise RuntimeError(f"{name} is not that of {impl}")
