# SPDX-License-Identifier: GPL-2.0
"""Child processes that do something at the same time.

    with Workers() as workers:
        workers.start(send, sock, cpu=0)
        workers.start(disturb, sock, cpu=1, endless=True)
        workers.go()                    # all begin now; without it, when the body ends
"""

import contextlib
import os
import random
import signal

from . import ktap
from .netns import wait_for


class Workers:
    """Leaving the with-statement waits for the children that end by themselves and kills those that
    do not. A child that fails fails the case."""

    def __init__(self):
        self.ending, self.endless = [], []
        self.gate, self.hold = os.pipe()

    def start(self, function, *args, cpu=None, endless=False):
        """Fork a child, on the given CPU or any; it waits for go()."""
        pid = os.fork()
        if pid:
            (self.endless if endless else self.ending).append(pid)
            if endless:
                os.setpgid(pid, pid)        # it is killed with the programs that it runs, which may be in the middle of something
            return
        status = 1
        try:
            os.close(self.hold)
            os.sched_setaffinity(0, range(os.cpu_count()) if cpu is None else {cpu})
            random.seed(os.getpid())
            os.read(self.gate, 1)
            function(*args)
            status = 0
        except BaseException as error:          # a child must not run the parent's code
            print(f"# child: {error!r}", flush=True)
        finally:
            os._exit(status)

    def go(self):
        """Open the gate."""
        if self.hold is not None:
            os.close(self.hold)
            self.hold = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.go()
        for pid in self.ending:
            _, status = os.waitpid(pid, 0)
            ktap.eq(status, 0, "status of a child")
        for pid in self.endless:
            ended, status = os.waitpid(pid, os.WNOHANG)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            if ended:
                ktap.eq(status, 0, "status of a child that should not have ended")
            else:
                os.waitpid(pid, 0)
            wait_for(lambda pid=pid: group_gone(pid), 10)
        os.close(self.gate)


def group_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def two_cpus():
    """Skip the case on a machine with one CPU."""
    if os.cpu_count() < 2:
        ktap.skip("needs two CPUs")
