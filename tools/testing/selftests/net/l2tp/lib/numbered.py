# SPDX-License-Identifier: GPL-2.0
"""Sequence-numbered frames to a session, known by the number with which they were sent."""

from . import ktap
from . import l2tpwire as wire
from .datapath import new_tag
from .l2tpwire import inner, seq

LONG = 3600000          # ms: nothing expires while a case runs


class Receiver:
    """A session whose frames are counted and told apart."""

    def __init__(self, bed, ses):
        self.bed, self.ses, self.names = bed, ses, {}
        bed.fence()             # made now, so that it takes no time later

    def send(self, *numbers):
        """Frames with these numbers arrive; None is one without."""
        for ns in numbers:
            tag = new_tag()
            self.names[tag] = ns
            self.bed.inject(self.ses.tun, self.ses.frame(inner(tag), 0 if ns is None else seq(ns)))

    def got(self):
        """Numbers of the frames that the device has received since the last call."""
        self.bed.fence()
        return [self.names[wire.inner_tag(f)] for f in self.ses.dev.collect(settle=0.0)]

    def check(self, numbers, delivered, counters=None, what=""):
        """The numbers arrive: these are delivered, and the counters have these values."""
        self.send(*numbers)
        ktap.eq(self.got(), list(delivered), f"{what or numbers}: delivered")
        if counters is not None:
            ktap.eq(self.counters(), {k: v for k, v in counters.items() if v},
                    f"{what or numbers}: counters")
