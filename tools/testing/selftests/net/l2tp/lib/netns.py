# SPDX-License-Identifier: GPL-2.0
"""Network namespaces for tests: make, enter, run in, join by veth, delete.

    with netns.pair() as (a, b):            # 10.0.0.1/2 and fd00::1/2 on va, vb
        a.ip("l2tp add tunnel ...")          # ip -n a ...
        out = a.run("ping -c 1 10.0.0.2")    # any command
        with a.enter():                      # this thread's sockets live in a
            sock = socket.socket(...)
"""
import contextlib
import itertools
import os
import socket
import subprocess
import time

from . import impl

_numbers = itertools.count()


def split(command):
    """The words of a command, as a shell sees them."""
    import shlex        # a small Python lacks it, and can use this library all the same
    return shlex.split(command)


def sh(command, check=True, timeout=300, **kwargs):
    """Run a command (a string is split like in a shell, no shell is started).

    Returns the CompletedProcess with text output; raises with that output if
    the command fails and check is set.
    """
    words = split(command) if isinstance(command, str) else [str(w) for w in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=timeout * impl.SLOW, **kwargs)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit status {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done


def wait_for(predicate, timeout=10, what=None, step=0.02):
    """Poll until predicate() is true; its value, or the last false one at timeout.

    With `what`, running out of time raises instead. SLOW=n in the environment makes it (and sh) n times as patient.

    More than a second means "in the end": how long it takes says more about the machine than about what is under test, so it is given a
    minute at least, which only what fails takes.
    """
    timeout = (timeout if timeout <= 1 else max(timeout, 60)) * impl.SLOW
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() > end       # the last question is asked after the end
        value = predicate()
        if value:
            return value
        if late:
            if what:
                raise TimeoutError(f"waited {timeout} s for: {what}")
            return value
        time.sleep(step)
        step = min(step * 1.5, 0.25)


class NetNS:
    """A named network namespace with lo up; a context manager that deletes it."""

    def __init__(self, name=None):
        self.name = name or f"t{os.getpid()}x{next(_numbers)}"
        self.alive = True
        sh(["ip", "netns", "add", self.name])
        # Addresses are usable at once, and no router solicitation or MLD
        # report disturbs the counters of a device under test.
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.router_solicitations", 0)
        self.ip("link set lo up")

    @property
    def path(self):
        return f"/run/netns/{self.name}"

    def ip(self, arguments, check=True):
        """ip -n <name> <arguments>"""
        words = split(arguments) if isinstance(arguments, str) else list(arguments)
        return sh(["ip", "-n", self.name] + words, check=check)

    def batch(self, lines, check=True):
        """Many ip commands with one process."""
        return sh(["ip", "-n", self.name, "-batch", "-"], check=check, input="\n".join(lines) + "\n")

    def run(self, command, check=True, timeout=300, **kwargs):
        """Run a command in the namespace (with its own /sys)."""
        words = split(command) if isinstance(command, str) else list(command)
        return sh(["ip", "netns", "exec", self.name] + words, check=check, timeout=timeout, **kwargs)

    def popen(self, command, **kwargs):
        """Start a command in the namespace and do not wait for it."""
        words = split(command) if isinstance(command, str) else list(command)
        return subprocess.Popen(["ip", "netns", "exec", self.name] + words, **kwargs)

    @contextlib.contextmanager
    def enter(self):
        """The calling thread is in the namespace; sockets made in here stay in it."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.setns(there, os.CLONE_NEWNET)
            yield self
        finally:
            try:
                os.setns(before, os.CLONE_NEWNET)
            except OSError:
                # Who lets one allocation after another fail wants to come back all the same.
                os.setns(before, os.CLONE_NEWNET)
            os.close(before)
            os.close(there)

    def sysctl(self, name, value):
        with self.enter():
            path = "/proc/sys/" + name.replace(".", "/")
            if os.path.exists(path):
                with open(path, "w", encoding="ascii") as file:
                    file.write(str(value))

    def links(self):
        """{device name: ifindex} of the namespace, from /proc and if_nameindex."""
        import socket
        with self.enter():
            return {name: index for index, name in socket.if_nameindex()}

    def counters(self, device):
        """Device counters of /proc/net/dev as a dict named like /sys/class/net/*/statistics."""
        names = ("rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_frame rx_compressed multicast "
                 "tx_bytes tx_packets tx_errors tx_dropped tx_fifo collisions tx_carrier "
                 "tx_compressed").split()
        with self.enter():
            with open("/proc/thread-self/net/dev", encoding="ascii") as file:
                for line in file:
                    name, _, rest = line.partition(":")
                    if name.strip() == device:
                        return dict(zip(names, map(int, rest.split())))
        raise KeyError(device)

    def mtu(self, device):
        """The device's MTU."""
        import fcntl
        import socket
        import struct
        with self.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = fcntl.ioctl(sock, 0x8921, struct.pack("16sI20x", device.encode(), 0))
        return struct.unpack("16sI20x", request)[1]

    def delete(self):
        if self.alive:
            self.alive = False
            # What TCP has still to send when its program ends keeps the namespace for two minutes, although nobody can receive it.
            with contextlib.suppress(OSError):
                self.sysctl("net.ipv4.tcp_orphan_retries", 1)
            sh(["ip", "netns", "del", self.name], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.delete()


class _Pair(tuple):
    """Two namespaces; with-statement gives them and deletes them."""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for one in self:
            one.delete()


def pair(mtu=1500, addresses=True):
    """Two namespaces a, b joined by veth va-vb: 10.0.0.1/24, fd00::1/64 and ...2."""
    a, b = NetNS(), NetNS()
    try:
        a.ip(f"link add va mtu {mtu} type veth peer name vb mtu {mtu} netns {b.name}")
        for space, device, host in ((a, "va", 1), (b, "vb", 2)):
            lines = [f"link set {device} up"]
            if addresses:
                lines += [f"addr add 10.0.0.{host}/24 dev {device}",
                          f"addr add fd00::{host}/64 dev {device} nodad"]
            space.batch(lines)
        # va had no carrier when it went up: a worker tells its queue, which takes nothing before. Who asks for the device has it done.
        a.ip("link show dev va")
        if addresses:
            wait_for(lambda: all(_usable(s, d) and routed(s, f"fd00::{n}") for s, d, n in ((a, "va", 1), (b, "vb", 2))),
                     what="usable IPv6 addresses")
    except BaseException:
        a.delete()
        b.delete()
        raise
    return _Pair((a, b))


def routed(space, *hosts):
    """Whether a worker has made the routes of the namespace's IPv6 addresses: nothing arrives there before."""
    with space.enter(), open("/proc/thread-self/net/ipv6_route", encoding="ascii") as file:
        there = file.read()
    return all(socket.inet_pton(socket.AF_INET6, host).hex() in there for host in hosts)


def _usable(space, device):
    """No address of the device is tentative any more, and the device runs."""
    with space.enter():
        with open("/proc/thread-self/net/if_inet6", encoding="ascii") as file:
            rows = [line.split() for line in file]
    mine = [row for row in rows if row[5] == device]
    return any(r[0].startswith("fd00") for r in mine) and \
        not any(int(r[4], 16) & 0x40 for r in mine)
