# SPDX-License-Identifier: GPL-2.0
"""Raw generic netlink: every header field and attribute as it is on the socket.

Requests are built from attribute helpers (``u8(type, value)`` ... ``raw``),
which can also produce malformed ones; replies keep the netlink header, the
attribute order, the errno and the extended ack.

    nl = Genl("l2tp")
    answer = nl.do(4, u32(9, 1))        # Answer: .errno, .name, .extack, .messages
    answer = nl.dump(4)
    listener = Listener("l2tp", "l2tp") # multicast; .get(timeout)
"""
import errno as _errno
import os
import select
import socket
import struct
import time

from . import impl

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK = 0x1, 0x2, 0x4
NLM_F_ECHO, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x8, 0x10, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 2, 3, 4
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
NETLINK_CAP_ACK, NETLINK_EXT_ACK = 10, 11
NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK = 0x8000, 0x4000, 0x3fff


def name_of(number):
    """0 -> "ok", 22 -> "EINVAL"; EOPNOTSUPP wins over its alias ENOTSUP."""
    if number == 0:
        return "ok"
    return "EOPNOTSUPP" if number == 95 else _errno.errorcode.get(number, str(number))


# Attribute builders -------------------------------------------------------

def raw(kind, data=b"", length=None, pad=True):
    """An attribute; length overrides nla_len, pad=False leaves the tail unaligned."""
    data = bytes(data)
    out = struct.pack("=HH", len(data) + 4 if length is None else length, kind) + data
    return out + bytes(-len(out) % 4) if pad else out


def u8(kind, value):
    return raw(kind, struct.pack("=B", value))


def u16(kind, value):
    return raw(kind, struct.pack("=H", value))


def u32(kind, value):
    return raw(kind, struct.pack("=I", value & 0xffffffff))


def u64(kind, value):
    return raw(kind, struct.pack("=Q", value & 0xffffffffffffffff))


def string(kind, value):
    """NUL terminated string."""
    return raw(kind, value.encode() + b"\0")


def flag(kind):
    """Empty attribute."""
    return raw(kind)


def nested(kind, *attributes):
    return raw(kind | NLA_F_NESTED, b"".join(attributes))


# Parsed messages ----------------------------------------------------------

class Attr:
    """One attribute: type without flag bits, the flag bits, the bytes."""

    def __init__(self, kind, flags, data):
        self.type, self.flags, self.data = kind, flags, data

    @property
    def uint(self):
        """The value as a host-endian unsigned integer of the attribute's own length."""
        return int.from_bytes(self.data, "little" if struct.pack("=H", 1)[0] else "big")

    @property
    def text(self):
        return self.data.rstrip(b"\0").decode()

    @property
    def nest(self):
        return parse_attrs(self.data)

    def __repr__(self):
        return f"<{self.type}{'!' if self.flags else ''}: {self.data.hex()}>"


def parse_attrs(data):
    """Attributes in order of appearance."""
    out, at = [], 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            raise ValueError(f"malformed attribute at {at} of {data.hex()}")
        out.append(Attr(kind & NLA_TYPE_MASK, kind & ~NLA_TYPE_MASK, data[at + 4:at + length]))
        at += (length + 3) & ~3
    return out


def values(data):
    """{type: data} of the attributes up to the first malformed one, the last of a type counting."""
    got, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        got[kind & NLA_TYPE_MASK] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return got


class Message:
    """A netlink message; cmd, version, reserved, attrs for those that are generic netlink."""

    def __init__(self, data):
        self.len, self.type, self.flags, self.seq, self.port = struct.unpack_from("=IHHII", data)
        self.payload = data[16:self.len]
        self.cmd = self.version = self.reserved = None
        self.attrs = []
        if self.type >= GENL_ID_CTRL and len(self.payload) >= 4:
            self.cmd, self.version, self.reserved = struct.unpack_from("=BBH", self.payload)
            self.attrs = parse_attrs(self.payload[4:])

    def order(self):
        """Attribute types in order."""
        return [a.type for a in self.attrs]

    def get(self, kind, default=None):
        """The (last) attribute of that type, as the kernel's own parser would choose."""
        for attr in reversed(self.attrs):
            if attr.type == kind:
                return attr
        return default

    def uint(self, kind, default=None):
        attr = self.get(kind)
        return default if attr is None else attr.uint

    def text(self, kind, default=None):
        attr = self.get(kind)
        return default if attr is None else attr.text

    def data(self, kind, default=None):
        attr = self.get(kind)
        return default if attr is None else attr.data

    def __repr__(self):
        return (f"<type {self.type} flags {self.flags:#x} seq {self.seq} port {self.port} "
                f"cmd {self.cmd} {self.attrs}>")


class ExtAck:
    """Extended ack: text, offset of the bad attribute in the request, missing type."""

    def __init__(self, attrs=()):
        by_type = {a.type: a for a in attrs}
        self.msg = by_type[1].text if 1 in by_type else None
        self.offset = by_type[2].uint if 2 in by_type else None
        self.miss_type = by_type[5].uint if 5 in by_type else None
        self.policy = 4 in by_type


class Answer:
    """All that came back for one request."""

    def __init__(self):
        self.errno = None           # of the ack, error or done message
        self.extack = ExtAck()
        self.messages = []          # without ack, error, done
        self.ack = None             # the message that ended it
        self.interrupted = False    # NLM_F_DUMP_INTR seen

    @property
    def name(self):
        return name_of(self.errno) if self.errno is not None else "no answer"


class NlError(OSError):
    """A request was refused; .name is the errno's name, .answer everything."""

    def __init__(self, answer, what=""):
        super().__init__(answer.errno or 0, f"{what}: {answer.name}"
                         + (f" ({answer.extack.msg})" if answer.extack.msg else ""))
        self.name, self.answer = answer.name, answer


# Sockets ------------------------------------------------------------------

class Genl:
    """A generic netlink socket bound to one family, in the caller's (or given) namespace."""

    def __init__(self, family="l2tp", netns=None, rcvbuf=None, timeout=20, ext_ack=True):
        if netns is not None:
            with netns.enter():
                self._open(rcvbuf, ext_ack)
        else:
            self._open(rcvbuf, ext_ack)
        self.timeout = timeout * impl.SLOW
        self._seq = int(time.time()) & 0xffffff
        self.family_name = family
        self.resolve(family)

    def _open(self, rcvbuf, ext_ack):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 16)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, 33, rcvbuf)     # SO_RCVBUFFORCE
        if ext_ack:
            self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.bind((0, 0))
        self.port = self.sock.getsockname()[0]

    def resolve(self, family):
        """CTRL_CMD_GETFAMILY (which also loads the module)."""
        answer = self.request(CTRL_CMD_GETFAMILY, string(2, family), kind=GENL_ID_CTRL)
        if answer.errno:
            self.close()
            raise NlError(answer, f"family {family}")
        message = answer.messages[0]
        self.family = message.uint(1)
        self.version = message.uint(3)
        self.hdrsize = message.uint(4)
        self.maxattr = message.uint(5)
        self.ops = [tuple(p.uint for p in op.nest) for op in message.get(6).nest] \
            if message.get(6) else []
        self.groups = {}
        for group in message.get(7).nest if message.get(7) else []:
            parts = {p.type: p for p in group.nest}
            self.groups[parts[1].text] = parts[2].uint

    def send(self, cmd, attrs=b"", flags=NLM_F_REQUEST | NLM_F_ACK, kind=None, version=1,
             reserved=0, seq=None):
        """Send one request; returns its sequence number."""
        if seq is None:
            self._seq += 1
            seq = self._seq
        body = struct.pack("=BBH", cmd, version, reserved) + attrs
        head = struct.pack("=IHHII", 16 + len(body), self.family if kind is None else kind,
                           flags, seq, self.port)
        self.sock.send(head + body)
        return seq

    def receive(self, timeout=None):
        """One datagram as a list of messages; None at timeout."""
        ready, _, _ = select.select([self.sock], [], [],
                                    self.timeout if timeout is None else timeout)
        if not ready:
            return None
        data = self.sock.recv(1 << 17)
        out, at = [], 0
        while at + 16 <= len(data):
            length = struct.unpack_from("=I", data, at)[0]
            out.append(Message(data[at:at + length]))
            at += (length + 3) & ~3
        return out

    def request(self, cmd, attrs=b"", **header):
        """Send, and collect until the ack, error or done message of that sequence number."""
        seq = self.send(cmd, attrs, **header)
        return self.collect(seq)

    def collect(self, seq, answer=None):
        """The rest of the answer to a request that was sent."""
        answer = answer or Answer()
        while answer.errno is None:
            batch = self.receive()
            if batch is None:
                break
            for message in batch:
                self.sort(message, seq, answer)
        return answer

    @staticmethod
    def sort(message, seq, answer):
        """Put one received message where it belongs."""
        if message.seq != seq:
            return
        if message.flags & NLM_F_DUMP_INTR:
            answer.interrupted = True
        if message.type not in (NLMSG_ERROR, NLMSG_DONE):
            answer.messages.append(message)
            return
        answer.ack = message
        answer.errno = -struct.unpack_from("=i", message.payload)[0]
        if message.flags & NLM_F_ACK_TLVS:
            at = 4
            if message.type == NLMSG_ERROR:
                inner = struct.unpack_from("=I", message.payload, 4)[0]
                at += 16 if message.flags & NLM_F_CAPPED or not answer.errno else (inner + 3) & ~3
            answer.extack = ExtAck(parse_attrs(message.payload[at:]))

    def do(self, cmd, attrs=b"", **header):
        """A do request with acknowledgement."""
        return self.request(cmd, attrs, **header)

    def dump(self, cmd, attrs=b"", **header):
        """A dump, read to its end."""
        return self.request(cmd, attrs, flags=NLM_F_REQUEST | NLM_F_DUMP, **header)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Listener(Genl):
    """A socket that has joined a multicast group of the family."""

    def __init__(self, family="l2tp", group="l2tp", netns=None, rcvbuf=1 << 22):
        super().__init__(family, netns, rcvbuf)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.groups[group])
        self._ready = []

    def get(self, timeout=2):
        """The next message, or None."""
        if not self._ready:
            self._ready = self.receive(timeout) or []
        return self._ready.pop(0) if self._ready else None

    def drain(self, timeout=0.1):
        """Everything that is there or arrives until nothing comes for that long."""
        out = []
        while (message := self.get(timeout)) is not None:
            out.append(message)
        return out


def errno_number(name):
    """"EINVAL" -> 22, "ok" -> 0."""
    return 0 if name == "ok" else getattr(_errno, name)


def strerror(number):
    return os.strerror(number)
