# SPDX-License-Identifier: GPL-2.0
"""Compares two transcripts of one program, the C modules' and ours.

What may differ is of three kinds. Some things are nobody's decision (random numbers, the id of a process): they are taken out of
both transcripts before. A *listed* difference (listed.py) is accepted where it shows. A listed difference that leaves the two kernels
in different states ends the comparison of its episode. All others are failures.
"""
import collections
import re

from listed import History, listed
from program import OTHER, zero

RAW = tuple(map(str, OTHER))    # descriptors of raw sockets


def read(lines):
    """{line number of the program: the lines written about it} of a transcript."""
    rows, row = {}, None
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("@@ "):
            row = None
        elif line[:1].isdigit():
            number, _, rest = line.partition(" ")
            row = rows[int(number)] = [rest]
        elif row is not None:
            row.append(line)
    return rows


# ---------------------------------------------------------------- what is nobody's decision

def free_ipv4(text, at):
    """An IPv4 packet in hexadecimal without identification and checksum, in an ICMP error also those of the packet it is about."""
    text = zero(zero(text, at + 4, 2), at + 10, 2)
    if text[2 * at + 18:2 * at + 20] == "01" and text[2 * at + 40:2 * at + 42] in ("03", "0b", "0c") and text[2 * at + 12:2 * at + 16] == "0000":
        text = free_ipv4(zero(text, at + 22, 2), at + 28)
    return text


def free_frame(text):
    """A frame in hexadecimal without identification and checksum of its outer headers, which start at random."""
    if text[24:28] == "0800" and len(text) >= 68:
        return free_ipv4(text, 14)
    if text[24:28] == "86dd" and len(text) >= 124 and text[40:42] == "2c":
        return zero(text, 14 + 44, 4)
    return text


def free_line(line):
    words = line.split(" ")
    if line.startswith((" wire ", " device 1 ")):
        words[-1] = free_frame(words[-1])
    elif len(words) > 2 and words[1] in RAW and words[-1].startswith("45"):
        words[-1] = free_ipv4(words[-1], 0)
    return " ".join(words)


# In a tunnel: the identification of an IPv6 fragment, and the address of a device of which nothing else was said, as a PPPoE socket uses it.
FRAGMENT = re.compile(r"(86dd6[0-9a-f]{7}[0-9a-f]{4}2c[0-9a-f]{2}[0-9a-f]{64}[0-9a-f]{8})[0-9a-f]{8}()")
ADDRESS = re.compile(r"([0-9a-f]{12})[0-9a-f]{12}(886411)")


def free_inner(line, free):
    """A frame in a tunnel without what is `free` in it, and the checksum in front that covers that."""
    line, found = free.subn(lambda match: match[1] + "?" * (len(match[0]) - len(match[1] + match[2])) + match[2], line)
    if found and line.startswith(" wire "):
        frame = line[6:]
        if frame[24:28] == "0800" and frame[46:48] == "11":
            frame = zero(frame, 14 + 20 + 6, 2)
        elif frame[24:28] == "86dd" and frame[40:42] == "11":
            frame = zero(frame, 14 + 40 + 6, 2)
        elif frame[24:28] == "86dd" and frame[40:42] == "2c" and frame[108:110] == "11":
            frame = zero(frame, 14 + 40 + 8 + 6, 2)
        line = " wire " + frame
    return line


def free(op, row):
    """The lines about an operation without what is nobody's decision."""
    row = [free_line(line) for line in row]
    if op.startswith(("frame ", "send ")):
        row = [free_inner(line, FRAGMENT if op.startswith("frame ") else ADDRESS) for line in row]
    if op == "cat /proc/net/dev":
        row = [line for line in row if not line.startswith((" |   tap0:", " |     lo:"))]     # multicast of the namespace itself
    if op.startswith(("name ", "peer ")):
        row[0] = re.sub(r"( 180001000000)[0-9a-f]{8}", r"\g<1>????????", row[0])        # the maker's process id
    return row


# ---------------------------------------------------------------- comparison

class Comparison:
    """Of one program: .compared and .skipped operations, .listed {rule: count}, .failures [(episode, row, op, ours, theirs)]."""

    def __init__(self):
        self.compared = self.skipped = 0
        self.listed = collections.Counter()
        self.failures = []

    def episode(self, number, lines, first, head, ours, theirs):
        """lines: of the program, from row `first`; the first `head` are the prologue, which counts for nothing."""
        history = History()
        for at, op in enumerate(lines):
            row = first + at
            mine, other = ours.get(row), theirs.get(row)
            if mine is None or other is None:
                self.failures.append((number, row, op, mine or ["no answer"], other or ["no answer"]))
                return
            if mine != other:
                mine, other = free(op, mine), free(op, other)
            if mine != other:
                found = listed(op, mine, other, history)
                if found is None:
                    self.failures.append((number, row, op, mine, other))
                    self.skipped += len(lines) - at - 1
                    return
                self.listed[found.rule] += 1
                if found.stops:
                    self.skipped += len(lines) - at - 1
                    return
            history.remember(op, other)
            if at >= head:
                self.compared += 1
