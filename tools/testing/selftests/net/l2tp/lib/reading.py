# SPDX-License-Identifier: GPL-2.0
"""A file of records, read in every way that programs have. Its text is longer than a page and does not change meanwhile."""
import contextlib
import os
import random
import subprocess

from . import impl, ktap

PAGE = 4096


@contextlib.contextmanager
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def rest(fd, size=65536):
    """What is left to be read, by so many bytes at a time."""
    return b"".join(iter(lambda: os.read(fd, size), b""))


def whole(path):
    with opened(path) as fd:
        text = rest(fd)
    ktap.ok(len(text) > PAGE, f"only {len(text)} bytes")
    return text


def shell(command):
    """What it prints; an endless loop ends when who reads that does, or by timeout."""
    return subprocess.run(["timeout", str(60 * impl.SLOW), "bash", "-c", command],
                          stdout=subprocess.PIPE, check=False).stdout


def same(got, want, what):
    """Compares long texts; shows where they part."""
    at = len(os.path.commonprefix([got, want]))
    return ktap.ok(got == want, f"{what}: {len(got)} bytes, expected {len(want)}; at {at}: {got[at:at + 80]!r}")


def sizes(path, header):
    """As much as there is room for, and no byte is lost or repeated whatever the size."""
    want = whole(path)
    for size in (1, 7, 100, PAGE - 1, PAGE, 1 << 20):
        with opened(path) as fd:
            same(rest(fd, size), want, f"read by {size}")
    for size in (1, 7):
        same(shell(f"dd status=none bs={size} if={path}"), want, f"dd bs={size}")
    with opened(path) as fd:
        first = os.read(fd, 65536)
    if impl.differs("one read() gives several records", c=False, rust=True):
        ktap.ok(PAGE - 500 < len(first) < PAGE, f"the first read gives {len(first)} bytes")
    else:
        ktap.eq(first.decode(), header, "the first read")


def offsets(path, header, some=None):
    """At every offset, or at some (few on a slow kernel), by pread() and lseek(), and again from the beginning."""
    want = whole(path)
    rng = random.Random(1)
    wrong = []

    def check(how, got, start, end=None):
        if got != want[start:end]:
            wrong.append((how, start, got[:50], want[start:end][:50]))

    everywhere = list(range(len(want) + 3))
    chosen = rng.sample(everywhere, some) if some else everywhere[::impl.SLOW]
    with opened(path) as fd:
        for offset in chosen:
            check("pread", os.pread(fd, 64, offset), offset, offset + 64)
        check("read", rest(fd), 0)
    with opened(path) as fd:
        for offset in [0, len(header) - 1, len(header), len(header) + 1, len(want)] + rng.sample(everywhere, 20):
            os.lseek(fd, offset, os.SEEK_SET)
            check("lseek", os.read(fd, 50), offset, offset + 50)
            back = max(0, os.lseek(fd, 0, os.SEEK_CUR) - 20)
            os.lseek(fd, back, os.SEEK_SET)
            check("lseek back", rest(fd), back)
            os.lseek(fd, 0, os.SEEK_SET)
            check("lseek to the beginning", os.read(fd, 10), 0, 10)
    ktap.eq(not wrong, impl.differs("offsets past the header are obeyed", c=False, rust=True),
            f"{len(wrong)} readings are wrong: {wrong[:3]}")
    with opened(path) as fd:
        rest(fd)
        os.lseek(fd, 0, os.SEEK_SET)
        same(rest(fd), impl.differs("a file that was read to its end shows all again", c=header.encode(), rust=want), "again")


def lines(path, _):
    """By a shell, which seeks back to the end of each line that it has taken."""
    want = whole(path)
    count = want.count(b"\n")
    got = shell(f"while IFS= read -r line; do echo \"$line\"; done < {path} | head -n {count + 5}")
    if impl.differs("a shell reads all lines", c=False, rust=True):
        same(got, want, "line by line")
    else:
        ktap.ok(len(got) < len(want), "lines are lost")
    same(shell(f"(head -n 1; cat) < {path}"), want, "the first line, then the rest")
    if impl.differs("the rest of a text from the middle of a record on", c=False, rust=True):
        for number in range(2, count, count // 6):
            same(shell(f"(head -n {number}; cat) < {path}"), want, f"{number} lines, then the rest")
