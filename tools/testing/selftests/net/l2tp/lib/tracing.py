# SPDX-License-Identifier: GPL-2.0
"""A trace instance that collects the l2tp trace events."""
import os
import re

from . import ktap
from .netns import sh, wait_for

TRACING = "/sys/kernel/tracing"
if not os.path.exists(TRACING + "/events"):
    sh(f"mount -t tracefs tracefs {TRACING}", check=False)
EVENTS = f"{TRACING}/events/l2tp"


def write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


class Trace:
    """A trace instance with all l2tp events on, or others, until the end of the running case."""

    def __init__(self, megabytes=1, events="l2tp"):
        self.dir = f"{TRACING}/instances/l2tp{os.getpid()}"
        self.enable = f"events/{events}/enable"
        os.mkdir(self.dir)
        ktap.cleanup(self.close)
        self.write("buffer_size_kb", str(megabytes << 10))
        self.write(self.enable, "1")

    def write(self, name, value):
        write(f"{self.dir}/{name}", value)

    def close(self):
        if os.path.exists(self.dir):
            self.write(self.enable, "0")
            os.rmdir(self.dir)

    def events(self):
        """[(event, text)] so far."""
        with open(self.dir + "/trace", encoding="ascii") as file:
            rows = [re.match(r".*?\d+\.\d+: (\w+): (.*)", line) for line in file if line[0] != "#"]
        return [(row[1], row[2].rstrip()) for row in rows if row]

    def named(self, *names):
        return [e for e in self.events() if e[0] in names]

    def expect(self, event, *texts):
        """Exactly these texts of that event, in order; waits for them."""
        wait_for(lambda: len(self.named(event)) >= len(texts), 5)
        ktap.eq([text for _, text in self.named(event)], list(texts), event)
