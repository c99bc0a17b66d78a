# SPDX-License-Identifier: GPL-2.0
"""One failing memory allocation after another, in the system calls of the calling thread.

    def act(): ...
    for fault in faultinject.sweep():       # the 1st, 2nd, 3rd... allocation of act() fails
        with fault:
            act()                           # OSError is kept in fault.error
        ...                                 # here nothing fails any more

ends after the round in which act() made fewer allocations. Needs CONFIG_FAILSLAB.
"""

import errno
import os

SWITCH = "/proc/thread-self/fail-nth"
LIMIT = 3000

# How the kernel says that memory is short. Those who make a file or a socket turn it into ENFILE, and a module or namespace that is
# not there because of it is reported as missing.
SHORTAGE = {errno.ENOMEM, errno.ENOBUFS, errno.ENFILE, errno.EAGAIN, errno.EFAULT}


def available():
    """Whether this kernel can do it; makes it apply to allocations that may sleep and to single pages, too, and silent. Only pages that
    may be in high memory are left alone: they are user space's, here the test's own."""
    if not os.path.exists(SWITCH) or not os.path.isdir("/sys/kernel/debug/failslab"):
        return False
    for name, value in (("failslab/ignore-gfp-wait", "N"), ("failslab/verbose", "0"), ("fail_page_alloc/ignore-gfp-wait", "N"),
                        ("fail_page_alloc/min-order", "0"), ("fail_page_alloc/verbose", "0")):
        with open(f"/sys/kernel/debug/{name}", "w", encoding="ascii") as file:
            file.write(value)
    return True


class Fault:
    """In its with-statement the n-th allocation of this thread fails, once."""

    def __init__(self, number):
        self.number, self.error, self.happened, self.left = number, None, False, number

    def __enter__(self):
        self.fd = os.open(SWITCH, os.O_RDWR | os.O_CLOEXEC)
        os.write(self.fd, b"%d" % self.number)
        return self

    def __exit__(self, kind, error, trace):
        self.left = int(os.pread(self.fd, 16, 0))       # how many more there would have to be
        os.pwrite(self.fd, b"0", 0)
        os.close(self.fd)
        self.happened = self.left == 0
        if isinstance(error, OSError):
            self.error = error
            return True
        return False

    @property
    def name(self):
        """The errno's name, or "ok"."""
        return errno.errorcode.get(self.error.errno, str(self.error.errno)) if self.error else "ok"


def sweep(first=1, step=1):
    """Faults, until one did not happen any more."""
    number = first
    while number < LIMIT:
        fault = Fault(number)
        yield fault
        if not fault.happened:
            return
        number += step
    raise RuntimeError(f"more than {LIMIT} allocations")
