# SPDX-License-Identifier: GPL-2.0
"""Programs that a test starts and ends, with their output kept for when something is wrong."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import impl, ktap


def require(*names):
    """Skip the running case unless these programs are installed."""
    for name in names:
        if not shutil.which(name):
            ktap.skip(f"no {name}")


def listens(path):
    """Whether somebody listens at a socket of the file system. Its file is there earlier, or is still there of a daemon that ran before."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(path) == 0


def udev_knows(link):
    """Whether udev has seen the link; NetworkManager and networkd leave it alone for ever otherwise. Each call tells it once more: what it is
    told before it listens is lost, and its control socket is there earlier."""
    for command in ("trigger -s net", "settle -t 30"):
        subprocess.run(["udevadm", *command.split()], check=False, capture_output=True)
    return os.path.exists(f"/run/udev/data/n{socket.if_nametoindex(link)}")


def directory():
    """A directory that goes when the running case ends."""
    path = tempfile.mkdtemp(prefix="l2tp")
    ktap.cleanup(shutil.rmtree, path, ignore_errors=True)
    return path


def write(path, text):
    """Write a configuration file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Program:
    """A running program; it is ended when the running case ends, if it has not been before."""

    def __init__(self, command, space=None, env=None, **kwargs):
        self.name = os.path.basename(command[0])
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        prefix = ["ip", "netns", "exec", space.name] if space else []
        self.process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, **kwargs)
        ktap.cleanup(self.stop)

    def running(self):
        """Whether it has not ended by itself."""
        return self.process.poll() is None

    def output(self, lines=15):
        """The last lines of what it wrote."""
        self.log.seek(0)
        return "".join(self.log.readlines()[-lines:])

    def wait_for(self, predicate, timeout, what):
        """Poll until predicate(); else note a failure and show what the program wrote. Returns whether it held."""
        end = time.monotonic() + max(timeout, 60) * impl.SLOW
        while not predicate():
            if time.monotonic() > end or not self.running():
                ktap.fail(f"{what}: " + ("did not happen" if self.running() else f"{self.name} ended"))
                ktap.diag(f"{self.name} wrote:\n{self.output()}")
                return False
            time.sleep(0.1)
        return True

    def stop(self, how=signal.SIGTERM, timeout=60):
        """End it and wait."""
        if self.running():
            self.process.send_signal(how)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def reaches(space, address, count=1, size=None, wait=2, tries=1):
    """Whether pings from the namespace are all answered, in one of a few tries: a daemon may be busy."""
    command = ["ping", "-q", "-c", str(count), "-i", "0.2", "-W", str(wait)]
    if size is not None:
        command += ["-M", "do", "-s", str(size)]
    for _ in range(tries):
        done = space.run(command + [address], check=False)
        if done.returncode == 0 and f" {count} received" in done.stdout:
            return True
    return False
