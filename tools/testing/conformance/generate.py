# SPDX-License-Identifier: GPL-2.0
"""generate.py <seed> <operations> [first episode]: prints a program for execute.c.

An episode depends on the seed and its own number only. Traits decide what it is mostly about. An episode of syz.py is many short
ones. With --collide all are of that kind, and what comes after the line "collide" is for several processes at a time."""
import sys

import listed
import netlink
import packets
import program
import sockets
import syz

OPERATIONS = 1000               # of an episode
KINDS = (
    # (name, what differs from TRAITS, weights of operations that differ from WEIGHTS)
    ("ethernet", {"versions": (3,), "pseudowires": (5,)}, {sockets.pppox: 0, sockets.pppox_other: 0, sockets.ppp: 0}),
    ("ppp", {"versions": (2,), "encaps": (0,)}, {sockets.pppox: 8, sockets.pppox_other: 40, sockets.ppp: 20, packets.leave: 0,
                                                 packets.leave_whole: 0, packets.device: 0}),
    ("sequence", {"sequenced": True}, {packets.arrive: 250}),
    ("reorder", {"sequenced": True, "reorder": True}, {packets.arrive: 250}),
    ("ip", {"encaps": (1,), "versions": (3,), "pseudowires": (5,)}, {sockets.udp: 0, sockets.l2tpip: 10, sockets.l2tpip_other: 60}),
    ("mixture", {}, {}),
    ("mutation", {"mutate": True}, {packets.arrive: 300}),
    ("syz", {}, {}),
)
TRAITS = {"versions": (3, 3, 2), "encaps": (0, 0, 1), "pseudowires": (5, 5, 5, 7), "sequenced": False, "reorder": False, "mutate": False,
          "devices": 9}
WEIGHTS = {
    netlink.tunnel_create: 10, netlink.session_create: 20, netlink.tunnel_other: 10, netlink.session_other: 30, netlink.look: 4,
    sockets.udp: 6, sockets.udp_other: 20, sockets.l2tpip: 3, sockets.l2tpip_other: 12, sockets.pppox: 4, sockets.pppox_other: 16,
    sockets.ppp: 6, sockets.refused: 1, packets.arrive: 130, packets.icmp: 6, packets.leave: 60, packets.leave_whole: 10, packets.device: 10, packets.look: 6,
    packets.space: 0.5,
}


def episode(seed, number, count=OPERATIONS):
    """The lines of one episode after its prologue."""
    name, traits, weights = KINDS[number % len(KINDS)]
    e = program.Episode(seed, number, {**TRAITS, **traits})
    e.made_devices = 0
    weights = {**WEIGHTS, **weights}
    makers, shares = list(weights), list(weights.values())
    for _ in range(3):
        sockets.udp(e)
        netlink.tunnel_create(e)
        netlink.session_create(e)
    while len(e.lines) < count:
        e.random.choices(makers, shares)[0](e)
    lines = e.lines[:count]
    if e.traits["mutate"]:
        lines = [mutate_request(e, line) for line in lines]
    return name, lines


def mutate_request(e, line):
    """Some requests to the family get other attributes than they had. What is no attribute any more, the kernel ignores or refuses."""
    words = line.split(" ")
    if words[0] != "nl" or words[1] != str(program.GENL) or len(words[4]) <= 8 or not e.chance(0.3):
        return line
    body = bytes.fromhex(words[4])
    words[4] = program.text(body[:4] + packets.mutate(e, body[4:]))
    mutated = " ".join(words)
    # The end of waiting would depend on the machine's speed.
    wait = listed.request(mutated)[1].get(program.L.RECV_TIMEOUT)
    return line if wait and 0 < int.from_bytes(wait[:4], "little") < netlink.LONG_WAIT else mutated


def syz_episode(seed, number, count=OPERATIONS):
    """The lines of the programs of one episode."""
    for part in range(0, count, syz.CALLS):
        e = program.Episode(seed, f"{number}.{part}", TRAITS)
        syz.program(e, min(syz.CALLS, count - part))
        yield e.lines


def program_lines(seed, first, operations):
    """Lines of all episodes from a number on: (episode, kind, lines with prologue, number of prologue lines)."""
    while operations > 0:
        count = min(OPERATIONS, operations)
        if KINDS[first % len(KINDS)][0] == "syz":
            parts = [("syz", lines) for lines in syz_episode(seed, first, count)]
        else:
            parts = [episode(seed, first, count)]
        for part, (kind, lines) in enumerate(parts):
            head = program.prologue("wipe" if (first + part) % 3 else "keep")
            yield first, kind, head + lines, len(head)
        operations -= count
        first += 1


def colliding(seed, operations):
    """The lines of programs for execute --collide."""
    for number in range(-(-operations // OPERATIONS)):
        for part, lines in enumerate(syz_episode(seed, number)):
            yield from program.prologue("wipe" if part % 3 else "keep")
            yield "collide"
            yield from lines


def main():
    if sys.argv[1] == "--collide":
        print("\n".join(colliding(sys.argv[2], int(sys.argv[3]))))
        return
    seed, operations, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    for number, kind, lines, _ in program_lines(seed, first, operations):
        lines[0] += f" # episode {number}: {kind}"
        print("\n".join(lines))


if __name__ == "__main__":
    main()
