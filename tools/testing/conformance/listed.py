# SPDX-License-Identifier: GPL-2.0
"""The listed differences: which of them explains that two rows about one operation are not the same.

The list, with reasons, is in Documentation/networking/l2tp-conformance.rst, under the same names. A rule asks for what makes its
difference, an earlier operation for instance: otherwise it would explain others, too.
"""
import collections
import re
import socket
import struct

from program import GENL, L, abi, genl, zero

Finding = collections.namedtuple("Finding", "rule stops")


def request(op):
    """(command, {attribute: value}) of a request to the family; (None, {}) of anything else. Of a dump, nobody reads the attributes."""
    words = op.split(" ")
    if words[0] != "nl" or words[1] != str(GENL):
        return None, {}
    body = bytes.fromhex(words[4])
    dump = int(words[3]) & genl.NLM_F_DUMP == genl.NLM_F_DUMP
    return body[0] if body else None, {} if dump else genl.values(body[4:])


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


def without_destination(line):
    """A frame on the wire without addresses, ports and the checksums of these."""
    frame = zero(line[len(" wire "):], 0, 12)
    if frame[24:28] == "0800":
        udp, at = frame[46:48] == "11", 34
        frame = zero(frame, 14 + 10, 10)
    elif frame[24:28] == "86dd":
        udp, at = frame[40:42] == "11", 54
        frame = zero(frame, 14 + 8, 32)
    else:
        return line
    return " wire " + (zero(zero(frame, at, 4), at + 6, 2) if udp else frame)


def only_sent_otherwise(ours, theirs, shown):
    """Do the rows only differ in frames on the wire, of which shown(line) is the same for each that C has sent?"""
    def parts(lines):
        return [line for line in lines if not line.startswith(" wire ")], collections.Counter(shown(line) for line in lines if line.startswith(" wire "))
    ours, theirs = parts(ours), parts(theirs)
    return ours[0] == theirs[0] and theirs[1] <= ours[1]


def answered(row, errno):
    return any(line.startswith(f" answer {errno}") for line in row)


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
    tunnel = number(attributes, L.CONN_ID)
    if cmd == L.SESSION_CREATE and (tunnel, number(attributes, L.SESSION_ID)) in history.sessions:
        if answered(ours, "EEXIST") and not answered(theirs, "E"):
            return Finding("second session of an id", True)
    if cmd in (L.SESSION_GET, L.SESSION_DELETE, L.SESSION_MODIFY) and answered(theirs, "ENODEV") and not answered(ours, "E"):
        if any(session == number(attributes, L.SESSION_ID) and of != tunnel for of, session in history.collided & history.sessions.keys()):
            return Finding("second session of an id", True)
    if cmd == L.TUNNEL_CREATE and any(len(attributes.get(k, bytes(16))) < 16 for k in (L.IP6_SADDR, L.IP6_DADDR)):
        if answered(ours, "EINVAL"):
            return Finding("short IPv6 address", True)
    if history.odd and (tunnel in history.odd or tunnel is None and cmd is not None or not op.startswith(("nl ", "set ", "get "))):
        return Finding("odd version or id", True)
    if history.begun & history.tunnels.keys() and only_sent_otherwise(ours, theirs, without_destination):
        return Finding("begun datagram", True)
    # The first byte of what is written is the flags of struct virtio_net_hdr.
    if history.bridged and re.match(r"write \d+ 01", op) and only_sent_otherwise(ours, theirs, len):
        return Finding("checksum of a bridged frame", True)
    return None


# (format of the ids of tunnel and session, where they are) by the length of a PPPoL2TP socket's name
PPPOL2TP = {38: ("=HH", 30), 46: ("=II", 30), 50: ("=HH", 14), 58: ("=II", 14)}


class History:
    """Of an episode, what later differences may be explained by."""

    def __init__(self):
        self.sessions = {}          # (tunnel id, session id) that C's kernel knows: descriptor of its PPPoL2TP socket, or None
        self.there = set()          # ids of tunnels
        self.tunnels = {}           # descriptor of a tunnel's socket: ids of the tunnel
        self.collide = set()        # ids of tunnels in which C makes sessions whose id is there already
        self.collided = set()       # (tunnel id, session id) of which C made a second one, and unmade it for the name of its interface
        self.odd = set()            # ids of tunnels of a version that does not exist, or with an id too large for theirs
        self.begun = set()          # descriptors of sockets on which a datagram or a connection to somebody was begun
        self.bridged = False        # a PPP channel was, to another

    def forget(self, gone):
        """The sessions of which gone(tunnel id, descriptor) is true have ended."""
        self.sessions = {key: fd for key, fd in self.sessions.items() if not gone(key[0], fd)}

    def remember(self, op, row):
        """An operation, and what was written about it in C's transcript."""
        words = op.split(" ")
        if words[0] == "nl":
            if words[1] == str(GENL) and not answered(row, "E"):
                self.asked(*request(op))
            elif words[1] == str(GENL) and answered(row, "EEXIST"):
                self.refused(*request(op))
        elif words[0] == "ioctl" and int(words[2], 0) == abi.PPPIOCBRIDGECHAN:
            self.bridged |= row[0].split(" ")[0] == "0"
        elif words[0] == "connect" and row[0] == "0":
            self.connected(words[1], bytes.fromhex(words[2].replace("-", "")))
        elif words[0] == "connect":
            self.begun.add(words[1])        # it may have failed late
        elif words[0] == "close":
            tunnels = self.tunnels.pop(words[1], ())
            self.there.difference_update(tunnels)
            self.begun.discard(words[1])
            self.forget(lambda tunnel, fd: tunnel in tunnels or fd == words[1])
        elif words[0] == "send" and words[4] != "-":
            if int(words[2]) & socket.MSG_MORE and row[0].isdigit():
                self.begun.add(words[1])

    def asked(self, cmd, attributes):
        """The family has done a request."""
        tunnel, session = number(attributes, L.CONN_ID), number(attributes, L.SESSION_ID)
        if cmd == L.SESSION_CREATE:
            self.sessions[tunnel, session] = None
        elif cmd == L.SESSION_DELETE and L.IFNAME not in attributes:        # whose interface that is, is not known here
            self.sessions.pop((tunnel, session), None)
        elif cmd == L.TUNNEL_DELETE:
            self.there.discard(tunnel)
            self.forget(lambda of, _: of == tunnel)
        elif cmd == L.TUNNEL_CREATE:
            self.there.add(tunnel)
            if L.FD in attributes:
                self.tunnels.setdefault(str(number(attributes, L.FD)), set()).add(tunnel)
            version = attributes.get(L.PROTO_VERSION, b"")[:1]
            if version == b"\3" and number(attributes, L.ENCAP_TYPE) == 0:
                self.collide.add(tunnel)
            if version not in (b"\2", b"\3") or version == b"\2" and (tunnel or 0) > 0xffff:
                self.odd.add(tunnel)

    def refused(self, cmd, attributes):
        """The family has not done a request, since something was there."""
        tunnel, session = number(attributes, L.CONN_ID), number(attributes, L.SESSION_ID)
        if cmd == L.SESSION_CREATE and tunnel in self.collide and (tunnel, session) in self.sessions:
            self.collided.add((tunnel, session))

    def connected(self, descriptor, name):
        """A socket was connected to an address: one of PPPoL2TP's makes a session, or takes one, and perhaps a tunnel."""
        if len(name) not in PPPOL2TP:
            return
        how, at = PPPOL2TP[len(name)]
        tunnel, session = struct.unpack_from(how, name, at)
        self.sessions[tunnel, session] = descriptor
        if not session and tunnel not in self.there:
            # The socket makes the tunnel, of that descriptor. It means nothing if the tunnel is there already.
            self.there.add(tunnel)
            self.tunnels.setdefault(str(struct.unpack_from("=i", name, 10)[0]), set()).add(tunnel)
