# SPDX-License-Identifier: GPL-2.0
"""The kernel log from a moment on: what was said, and whether any of it is bad."""
import errno
import os
import re

# What no test may leave in the log. The fault of a program is "general protection fault ip:...".
BAD = re.compile(
    r"WARNING:|BUG:|Oops|general protection fault[^ ]|refcount_t:|IDR not empty"
    r"|unregister_netdevice: waiting|soft lockup|hard LOCKUP|rcu.*detected.*stall"
    r"|INFO: task .* blocked|kernel BUG at|Kernel panic|unreferenced object"
    r"|scheduling while atomic|sleeping function called|Rust panic|rust_kernel: panicked"
    r"|trying to register non-static key|turning off the locking correctness validator"
    r"|Attempt to release (alive|TCP)|destroying undead channel|hw csum failure")


class Watch:
    """Collects the log lines that appear after it was made."""

    def __init__(self):
        self.lines = []
        try:
            self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self.fd, 0, os.SEEK_END)
        except OSError:
            self.fd = None

    def read(self):
        """All lines since the watch began, without the record prefix."""
        while self.fd is not None:
            try:
                record = os.read(self.fd, 8192)
            except OSError as error:
                if error.errno == errno.EPIPE:      # overwritten: go on with the oldest
                    continue
                break
            text = record.decode(errors="replace").split(";", 1)[-1]
            self.lines.append(text.split("\n", 1)[0])
        return self.lines

    def bad(self):
        """The lines that tell of a kernel defect."""
        return [line for line in self.read() if BAD.search(line)]

    def text(self):
        """The first bad line and what follows it, for diagnostics."""
        for number, line in enumerate(self.read()):
            if BAD.search(line):
                return "\n".join(self.lines[number:number + 60])
        return ""
