# SPDX-License-Identifier: GPL-2.0
"""Compares two transcripts of one program, the C modules' and ours.

What may differ is of three kinds. Some things are nobody's decision (random numbers, the id of a process): they are taken out of
both transcripts before. A *listed* difference is accepted where it shows. A listed difference that leaves the two kernels in
different states ends the comparison of its episode. All others are failures. The list, with reasons, is in
Documentation/networking/l2tp-conformance.rst, under the same names.
"""
import collections
import re
import socket
import struct

from program import GENL, L, OTHER, genl

Finding = collections.namedtuple("Finding", "rule stops")
RAW = tuple(map(str, OTHER))    # descriptors of raw sockets


def read(lines):
    """{line number of the program: the lines written about it} of a transcript."""
    rows, row = {}, None
    for line in lines:
        line = line.rstrip("\n")
        if line[:1].isdigit():
            number, _, rest = line.partition(" ")
            row = rows[int(number)] = [rest]
        elif row is not None:
            row.append(line)
    return rows


# ---------------------------------------------------------------- what is nobody's decision

def zero(text, at, size):
    return text[:2 * at] + "00" * size + text[2 * (at + size):]


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


# ---------------------------------------------------------------- what is listed

def request(op):
    """(command, {attribute: value}) of a request to the family, the last of a type counting; (None, {}) of anything else."""
    words = op.split(" ")
    if words[0] != "nl" or words[1] != str(GENL):
        return None, {}
    body, got, at = bytes.fromhex(words[4]), {}, 4
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4 or at + length > len(body):
            break
        got[kind & genl.NLA_TYPE_MASK] = body[at + 4:at + length]
        at += (length + 3) & ~3
    return body[0] if body else None, got


def number(attributes, kind):
    value = attributes.get(kind)
    return None if value is None else int.from_bytes(value[:4], "little")


def more_extack(ours, theirs):
    """Do two answers differ only in that ours tells which attribute is refused (2) or missing (5)?"""
    ours, theirs = ours.split(" "), theirs.split(" ")
    if ours[:3] != theirs[:3] or ours[1] != "answer" or not ours[2].startswith("E"):
        return False

    def parse(word):
        return [(a.type, a.data) for a in genl.parse_attrs(bytes.fromhex(word.replace("-", "")))]
    ours, theirs = parse(ours[3]), parse(theirs[3])
    return [a for a in ours if a[0] not in (2, 5) or a in theirs] == theirs


OUT_OF_SEQUENCE = re.compile(r"0c000700[0-9a-f]{16}")


def without_place(op, lines):
    """Rows about reordered frames without what their places in the queue decide."""
    return sorted(OUT_OF_SEQUENCE.sub("0c000700????????????????", line) for line in lines)


def without_checksum(op, lines):
    """Frames to port 0 without UDP checksum: there is no peer, and perhaps no address of one."""
    def blank(line):
        words = line.split(" ")
        frame = words[-1]
        for at in (14, 42):             # the frame itself, or the one that an ICMP error is about
            if words[1] in ("wire", "device") and frame[2 * at:2 * at + 2] == "45" and frame[2 * at + 44:2 * at + 48] == "0000":
                frame = zero(frame, at + 26, 2)
        return " ".join(words[:-1] + [frame])
    return [blank(line) if line.startswith((" wire ", " device ")) else line for line in lines]


NEGATIVE_FD = re.compile(r"^(0 \d+ 180001000000\?{8})[0-9a-f]{6}[89a-f][0-9a-f]")
DEBUG_ATTRIBUTE = re.compile(r"08001100[0-9a-f]{8}")
DEBUG_TEXT = re.compile(r"^( \| (?:   config \S+|   0/0/\S+|) ?)[0-9a-f]{8}\b")


def without_debug(op, lines):
    if op.startswith("cat ") and "l2tp" not in op:
        return lines
    return [DEBUG_TEXT.sub(r"\g<1>????????", DEBUG_ATTRIBUTE.sub("08001100????????", line)) for line in lines]


def without_references(op, lines):
    return [re.sub(r"refcnt [0-9/]+$", "refcnt ?", line) for line in lines] if op.endswith("/l2tp/tunnels") else lines


def listed(op, ours, theirs, history):
    """The listed difference that explains the two rows, or None."""
    cmd, attributes = request(op)
    if cmd is not None and len(ours) == len(theirs) and ours[:1] == theirs[:1]:
        # Ours tells which attribute is refused or missing where theirs tells nothing.
        if all(a == b or more_extack(a, b) for a, b in zip(ours, theirs)):
            return Finding("extended acknowledgement", False)
    if op.startswith("frame ") and ours == ["ENOMEM"] and len(theirs) == 1 and theirs[0].isdigit():
        return Finding("packet that cannot be split", False)
    if re.match(r"get \d+ 273 1 ", op) and ours[0].split()[:2] == theirs[0].split()[:2]:
        return Finding("debug mask", False)
    if NEGATIVE_FD.match(theirs[0]) and re.sub(NEGATIVE_FD, r"\1ffffffff", theirs[0]) == ours[0]:
        return Finding("negative descriptor", False)
    for rule, without in (("debug mask", without_debug), ("reference counts", without_references)):
        ours, theirs = without(op, ours), without(op, theirs)
        if ours == theirs:
            return Finding(rule, False)
    if without_checksum(op, ours) == without_checksum(op, theirs):
        return Finding("checksum without a peer", False)
    if history["reorder"] and without_place(op, ours) == without_place(op, theirs):
        return Finding("place of a frame without number", True)
    if cmd == L.SESSION_CREATE:
        key = number(attributes, L.CONN_ID), number(attributes, L.SESSION_ID)
        if not any(line.startswith(" answer E") for line in theirs) and any(line.startswith(" answer EEXIST") for line in ours) \
                and key in history["sessions"]:
            return Finding("second session of an id", True)
    if cmd == L.TUNNEL_CREATE and any(len(attributes.get(k, bytes(16))) < 16 for k in (L.IP6_SADDR, L.IP6_DADDR)):
        return Finding("short IPv6 address", True)
    if history["odd tunnel"]:
        return Finding("odd version or id", True)
    if history["begun"] and any(line.startswith(" wire ") for line in ours + theirs):
        return Finding("begun datagram", True)
    if cmd in (L.SESSION_GET, L.SESSION_DELETE, L.SESSION_MODIFY) and L.IFNAME in attributes and ours[0] == theirs[0]:
        return Finding("sessions of one interface name", cmd != L.SESSION_GET)
    return None


def remember(op, row, history):
    """What later differences may be explained by."""
    cmd, attributes = request(op)
    if cmd == L.SESSION_CREATE and not any(line.startswith(" answer E") for line in row):
        history["sessions"].add((number(attributes, L.CONN_ID), number(attributes, L.SESSION_ID)))
    if (number(attributes, L.RECV_TIMEOUT) or 0) and " answer ok -" in row or re.match(r"set \d+ 273 5 ", op) and row[0] == "0":
        history["reorder"] = True
    if op.startswith("connect ") and row[0] == "0":
        name = bytes.fromhex(op.split(" ")[2].replace("-", ""))
        at = {38: ("=HH", 30), 46: ("=II", 30), 50: ("=HH", 14), 58: ("=II", 14)}.get(len(name))
        if at:
            history["sessions"].add(struct.unpack_from(at[0], name, at[1]))
    begun = re.match(r"send \d+ (\d+) \S+ [0-9a-f]", op)
    if begun and int(begun[1]) & socket.MSG_MORE and row[0].isdigit():
        history["begun"] = True
    if cmd == L.TUNNEL_CREATE and " answer ok -" in row:
        version = number({0: attributes.get(L.PROTO_VERSION, b"")[:1]}, 0)
        if version not in (2, 3) or version == 2 and number(attributes, L.CONN_ID) > 0xffff:
            history["odd tunnel"] = True


# ---------------------------------------------------------------- comparison

class Comparison:
    """Of one program: .compared and .skipped operations, .listed {rule: count}, .failures [(episode, row, op, ours, theirs)]."""

    def __init__(self):
        self.compared = self.skipped = 0
        self.listed = collections.Counter()
        self.failures = []

    def episode(self, number, lines, first, head, ours, theirs):
        """lines: of the program, from row `first`; the first `head` are the prologue, which counts for nothing."""
        history = {"sessions": set(), "odd tunnel": False, "reorder": False, "begun": False}
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
            remember(op, other, history)
            if at >= head:
                self.compared += 1
