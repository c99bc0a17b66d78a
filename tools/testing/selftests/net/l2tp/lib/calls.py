# SPDX-License-Identifier: GPL-2.0
"""Calls that daemons make with pppd: xl2tpd at either end, and what can be seen of a call.

    a, b = calls.spaces()                    # 10.0.0.1 in a, 10.0.0.2 in b
    where = program.directory()
    lns, lac = calls.lns(b, where), calls.lac(a, where)
    lac.tell("c lns")
    calls.wait_up(a, lac, lns)
"""
import contextlib
import fcntl
import os
import termios
import threading

from . import impl, ktap, netns, program
from .pppox import dev_ppp

LNS = "192.168.50.1"

# What every pppd is told. On a busy machine a peer may be slow: nobody gives up after the usual half minute.
OPTIONS = """noauth
nodefaultroute
ipcp-accept-local
ipcp-accept-remote
mtu 1400
mru 1400
nobsdcomp
nodeflate
noccp
lcp-max-configure 60
ipcp-max-configure 60
debug
"""
# A pppd of which there are many should not start shell scripts.
QUIET = """ip-up-script /nonexistent
ip-down-script /nonexistent
noipv6
"""
ECHO = """lcp-echo-interval 2
lcp-echo-failure 4
"""
IPV6 = "ipv6 ,\n"


def modules(*names):
    """The modules that calls need; skips the case without them."""
    if not impl.load("l2tp_ppp", *names):
        ktap.skip("no l2tp_ppp" + "".join(f", {name}" for name in names))
    dev_ppp()


def spaces():
    """Two namespaces for a case, the first for the LAC."""
    program.require("xl2tpd", "pppd")
    modules()
    os.makedirs("/run/xl2tpd", exist_ok=True)
    pair = netns.pair()
    for space in pair:
        ktap.cleanup(space.delete)
    return pair


class Xl2tpd:
    """An xl2tpd in a namespace."""

    def __init__(self, space, where, name, address, config, userspace, options):
        self.space = space
        self.control = f"{where}/{name}.ctl"
        options = program.write(f"{where}/{name}.options", options)
        path = program.write(f"{where}/{name}.conf", f"""
[global]
listen-addr = {address}
access control = no
max retries = 30
force userspace = {"yes" if userspace else "no"}
""" + config.replace("OPTIONS", options))
        self.program = program.Program(["xl2tpd", "-D", "-c", path, "-p", f"{where}/{name}.pid",
                                        "-C", self.control], space)
        netns.wait_for(lambda: os.path.exists(self.control), 20, f"xl2tpd {name}")
        # The daemon opens its pipe anew after each writer; what is in it survives that as long as somebody has it open.
        self.pipe = os.open(self.control, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        ktap.cleanup(os.close, self.pipe)

    def tell(self, text):
        """A command. What the daemon reads at once it takes as one command: this one has to be read before the next comes."""
        with open(self.control, "w", encoding="ascii") as file:
            file.write(text + "\n")
        netns.wait_for(lambda: fcntl.ioctl(self.pipe, termios.FIONREAD, bytes(4)) == bytes(4), 60,
                       f"xl2tpd to read {text!r}")

    def stop(self):
        self.program.stop()


def lns(space, where, userspace=False, options=OPTIONS, pool="192.168.50.100-192.168.50.250",
        address="10.0.0.2", name="lns", local=LNS):
    """An LNS that takes every call."""
    return Xl2tpd(space, where, name, address, f"""
[lns default]
ip range = {pool}
local ip = {local}
require authentication = no
require chap = no
refuse pap = yes
length bit = yes
ppp debug = yes
pppoptfile = OPTIONS
""", userspace, options)


def lac(space, where, userspace=False, options=OPTIONS, names=("lns",), extra="",
        address="10.0.0.1", peer="10.0.0.2"):
    """A LAC; tell("c <name>") makes a call in a tunnel of its own."""
    return Xl2tpd(space, where, "lac", address, "".join(f"""
[lac {name}]
lns = {peer}
require authentication = no
require chap = no
ppp debug = yes
pppoptfile = OPTIONS
{extra}
""" for name in names), userspace, options)


# ---------------------------------------------------------------- what can be seen

def devices(space):
    """The PPP devices of a namespace."""
    return sorted(name for name in space.links() if name.startswith("ppp"))


def up(space, device="ppp0", peer=LNS):
    """Whether IPCP has given the device its addresses."""
    return f"peer {peer}" in space.ip(f"-4 addr show dev {device}", check=False).stdout


def count_up(space, peer=LNS):
    """Number of devices with the peer's address."""
    return space.ip("-4 -o addr show type ppp", check=False).stdout.count(f"peer {peer}/")


def wait_up(space, *daemons, timeout=240, peer=LNS):
    """Wait for ppp0 and its address; shows what the daemons wrote if it does not come."""
    programs = [getattr(daemon, "program", daemon) for daemon in daemons]
    netns.wait_for(lambda: up(space, peer=peer) or not all(p.running() for p in programs), timeout)
    if up(space, peer=peer):
        return
    for running in programs:
        ktap.diag(f"{running.name} wrote:\n{running.output(40)}")
    raise TimeoutError(f"no ppp0 in {timeout} s, or a program has ended")


def pings(space, peer, count=3, size=56, extra="", tries=3):
    """Whether all echo requests are answered, in one of a few tries."""
    for _ in range(tries):
        done = space.run(f"ping -n -q -c {count} -i 0.1 -W 3 -s {size} {extra} {peer}", check=False)
        if f"{count} received" in done.stdout:
            return True
    return False


def sessions(space=None):
    """Number of sessions in /proc/net/pppol2tp, of the main namespace if none is given."""
    with space.enter() if space else contextlib.nullcontext(), open("/proc/thread-self/net/pppol2tp", encoding="ascii") as file:
        return file.read().count("SESSION '")


def gone(*them, timeout=180):
    """No PPP device is left."""
    for space in them:
        ktap.ok(netns.wait_for(lambda s=space: not devices(s), timeout), f"devices of {space.name}")


def no_tunnels(*them, timeout=120):
    """No tunnel is left."""
    for space in them:
        ktap.ok(netns.wait_for(lambda s=space: not s.ip("l2tp show tunnel").stdout, timeout),
                f"tunnels of {space.name}")


def tcp(client, server, address, seconds=2, mark=""):
    """iperf3 from one namespace to an address of the other."""
    program.require("iperf3")
    listening = program.Program(["iperf3", "-s", "-1", "-B", address], server)
    netns.wait_for(lambda: server.run("ss -ltnH sport = 5201").stdout, 20, "iperf3")
    done = client.run(f"iperf3 -c {address} -t {seconds}", check=False)
    ktap.ok(done.returncode == 0, f"iperf3{mark}: {done.stdout[-500:]}{done.stderr[-500:]}")
    listening.stop()


def together(functions):
    """Their results, of threads that run at the same time."""
    results = [None] * len(functions)

    def run(number, function):
        results[number] = function()
    threads = [threading.Thread(target=run, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
