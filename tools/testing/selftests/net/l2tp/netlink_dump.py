#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Dumps: order, header, thousands of entries, changes while one runs."""
import random
import threading

from lib import genl, impl, ktap
from lib import l2tp as L
from lib.genl import u32
from lib.netns import NetNS, wait_for

TUNNELS, SESSIONS = 3000, 1000

ns = NetNS()
ktap.at_exit(ns.delete)
nl = L.L2tp(netns=ns, rcvbuf=1 << 22)
reader = L.L2tp(netns=ns)       # small buffer: a dump waits for its reader
HAVE_PPP = impl.load("l2tp_ppp")
NOWHERE = dict(fd=0xffffffff)   # a kernel socket without addresses


def tidy():
    ktap.cleanup(lambda: wait_for(lambda: list(ns.links()) == ["lo"], 60, "no device left"))
    ktap.cleanup(nl.wipe)


def ids(answer, *kinds):
    return [tuple(m.uint(k) for k in kinds) if len(kinds) > 1 else m.uint(kinds[0])
            for m in answer.messages]


def ascending(values, what):
    ktap.ok(all(a < b for a, b in zip(values, values[1:])), f"{what} in ascending order, once each")


class Partial:
    """A dump that is read piece by piece."""

    def __init__(self, cmd):
        self.answer = genl.Answer()
        self.seq = reader.send(cmd, flags=genl.NLM_F_REQUEST | genl.NLM_F_DUMP)

    def step(self):
        """Read one datagram; False at the end."""
        for message in reader.receive(10) or []:
            reader.sort(message, self.seq, self.answer)
        return self.answer.errno is None

    def rest(self):
        while self.step():
            pass
        return self.answer


@ktap.case("empty namespace: nothing but the end")
def _():
    for cmd in (L.TUNNEL_GET, L.SESSION_GET):
        answer = nl.dump(cmd)
        ktap.eq((answer.name, answer.messages, answer.ack.type, answer.ack.flags),
                ("ok", [], genl.NLMSG_DONE, genl.NLM_F_MULTI))
    nl.tunnel_create(1, 2, **NOWHERE)
    ktap.eq(nl.dump(L.SESSION_GET).messages, [], "sessions of a tunnel without any")
    nl.wipe()


@ktap.case("tunnels: header and content of the entries, ascending ids")
def _():
    tidy()
    wanted = [0, 1, 2, 77, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
    for tid in random.Random(1).sample(wanted, len(wanted)):
        nl.tunnel_create(tid, 5, version=2 if tid & 1 else 3, **NOWHERE)
    seq = nl.send(L.TUNNEL_GET, flags=0x301)
    answer = nl.collect(seq)
    ktap.eq(ids(answer, L.CONN_ID), wanted)
    for message in answer.messages:
        ktap.eq((message.type, message.flags, message.seq, message.port, message.cmd,
                 message.version), (nl.family, 2, seq, nl.port, L.TUNNEL_GET, 1), "header")
        ktap.eq(message.payload, nl.tunnel_get(message.uint(L.CONN_ID)).payload, "content as of GET")


@ktap.case("sessions: header and content, by tunnel, then by session")
def _():
    tidy()
    wanted = []
    for tid in (0x80000000, 3, 0xffffffff, 2):
        nl.tunnel_create(tid, 5, **NOWHERE)
        for sid in (0xffffffff, 1, 0x80000000, 0) if tid == 3 else (tid - 1, tid ^ 0x1000):
            nl.session_create(tid, sid, 9)
            wanted.append((tid, sid))
    seq = nl.send(L.SESSION_GET, flags=0x301)
    answer = nl.collect(seq)
    ktap.eq(ids(answer, L.CONN_ID, L.SESSION_ID), sorted(wanted))
    for message in answer.messages:
        ktap.eq((message.type, message.flags, message.seq, message.port, message.cmd,
                 message.version), (nl.family, 2, seq, nl.port, L.SESSION_GET, 1), "header")
        got = nl.session_get(message.uint(L.CONN_ID), message.uint(L.SESSION_ID))
        ktap.eq(message.payload, got.payload, "content as of GET")


@ktap.case("sessions: the same id in several tunnels is listed under each")
def _():
    tidy()
    for tid in (1, 2, 3):
        nl.tunnel_create(tid, 5, **NOWHERE)
    pairs = [(2, 7), (1, 7), (3, 7), (1, 8), (3, 6), (2, 9), (3, 9)]
    for tid, sid in pairs:
        nl.session_create(tid, sid, 1)
    ktap.eq(nl.sessions(), sorted(pairs))
    nl.session_gone(1, 7)
    ktap.eq(nl.sessions(), sorted(set(pairs) - {(1, 7)}))


@ktap.case("attributes of a dump request are ignored")
def _():
    tidy()
    for tid in (1, 2):
        nl.tunnel_create(tid, 5, **NOWHERE)
        nl.session_create(tid, tid, 5)
    chosen = u32(L.CONN_ID, 2) + u32(L.SESSION_ID, 2)
    ktap.eq(ids(nl.dump(L.TUNNEL_GET, chosen), L.CONN_ID), [1, 2])
    ktap.eq(ids(nl.dump(L.SESSION_GET, chosen), L.SESSION_ID), [1, 2])


@ktap.case("v2 sessions: ascending, without id 0")
def _():
    tidy()
    if not HAVE_PPP:
        ktap.skip("no l2tp_ppp for this implementation")
    wanted = []
    for tid in (65535, 1, 300):
        nl.tunnel_create(tid, 5, version=2, **NOWHERE)
        for sid in (0, 65535, 3, 256):
            nl.session_create(tid, sid, 5, pw=L.PW_PPP)
            if sid:
                wanted.append((tid, sid))
    ktap.eq(nl.sessions(), sorted(wanted))


@ktap.case(f"{TUNNELS} tunnels")
def _():
    tidy()
    order = list(range(TUNNELS))
    random.Random(2).shuffle(order)
    for tid in order:
        nl.tunnel_create(tid * 7, tid, **NOWHERE)
    ktap.eq(nl.tunnels(), [tid * 7 for tid in range(TUNNELS)])

    # Delete some while the dump waits for its reader: before, at and after its position.
    dump = Partial(L.TUNNEL_GET)
    dump.step()
    seen = ids(dump.answer, L.CONN_ID)
    ktap.ok(0 < len(seen) < TUNNELS, f"first piece has {len(seen)} entries")
    victims = {0, seen[-1], TUNNELS * 7 // 2 // 7 * 7, (TUNNELS - 1) * 7} \
        | {tid * 7 for tid in range(TUNNELS * 2 // 3, TUNNELS, 3)}
    for tid in victims:
        nl.tunnel_delete(tid)
    nl.tunnel_create((TUNNELS - 2) * 7 + 1, 1, **NOWHERE)
    if impl.IS_C:       # asynchronous there
        wait_for(lambda: not victims & set(nl.tunnels()), what="victims gone")
    got = ids(dump.rest(), L.CONN_ID)
    ktap.eq(dump.answer.name, "ok", "end of the dump")
    ascending(got, "tunnels")
    ktap.ok(set(range(0, TUNNELS * 7, 7)) - victims <= set(got), "every survivor is listed")
    late = victims - {tid for tid in victims if tid < seen[-1] + 2000}
    ktap.eq(late & set(got), set(), "of those far ahead none that was deleted is listed")
    ktap.ok((TUNNELS - 2) * 7 + 1 in got, "nor is the new one missing")


@ktap.case(f"{SESSIONS} sessions")
def _():
    tidy()
    wanted = []
    for tid in (1, 2, 3):
        nl.tunnel_create(tid, tid, **NOWHERE)
    order = list(range(SESSIONS))
    random.Random(3).shuffle(order)
    for sid in order:
        nl.session_create(sid % 3 + 1, sid * 5, 1)
        wanted.append((sid % 3 + 1, sid * 5))
    wanted.sort()
    ktap.eq(nl.sessions(), wanted)

    dump = Partial(L.SESSION_GET)
    dump.step()
    seen = ids(dump.answer, L.CONN_ID, L.SESSION_ID)
    ktap.ok(0 < len(seen) < SESSIONS, f"first piece has {len(seen)} entries")
    victims = {wanted[0], seen[-1], wanted[-1], wanted[SESSIONS // 2]} \
        | {(t, s) for t, s in wanted if t == 2 and s % 15 == 5 and s > 2000}
    for tid, sid in victims:
        nl.session_delete(tid, sid)
    nl.session_create(3, 4, 1)
    nl.tunnel_create(9, 9, **NOWHERE)
    nl.session_create(9, 9, 9)
    got = ids(dump.rest(), L.CONN_ID, L.SESSION_ID)
    ktap.eq(dump.answer.name, "ok", "end of the dump")
    ascending(got, "sessions")
    ktap.ok(set(wanted) - victims <= set(got), "every survivor is listed")
    ktap.ok({(3, 4), (9, 9)} <= set(got), "the new ones ahead are listed")

    # A whole tunnel goes while its sessions are being listed. (Where the next
    # tunnel is taken up is not promised; the one after it is complete.)
    dump = Partial(L.SESSION_GET)
    dump.step()
    nl.tunnel_delete(1)
    got = ids(dump.rest(), L.CONN_ID, L.SESSION_ID)
    ascending(got, "sessions")
    ktap.ok({p for p in wanted if p[0] == 3} - victims <= set(got), "those of the third tunnel")


@ktap.case("4000 PPP sessions")
def _():
    tidy()
    if not HAVE_PPP:
        ktap.skip("no l2tp_ppp for this implementation")
    nl.tunnel_create(1, 1, version=2, **NOWHERE)
    for sid in range(4000, 0, -1):
        nl.session_create(1, sid, 1, pw=L.PW_PPP)
    ktap.eq(nl.sessions(), [(1, sid) for sid in range(1, 4001)])


@ktap.case("a dump that is abandoned half way leaves nothing behind")
def _():
    for tid in range(500):
        nl.tunnel_create(tid, 1, **NOWHERE)
    for _ in range(20):
        with L.L2tp(netns=ns) as quitter:
            quitter.send(L.TUNNEL_GET, flags=0x301)
            quitter.receive(5)
    nl.wipe()
    ktap.eq(nl.tunnels(), [])


@ktap.case("dumps by several readers while tunnels and sessions come and go")
def _():
    tidy()
    stop, trouble = threading.Event(), []
    for tid in range(0, 400, 2):
        nl.tunnel_create(tid, 1, **NOWHERE)
    for sid in range(0, 60, 2):
        nl.session_create(0, sid, 1)

    def read():
        with L.L2tp(netns=ns) as mine:
            while not stop.is_set():
                for cmd, kinds, steady in (
                        (L.TUNNEL_GET, (L.CONN_ID,), set(range(0, 400, 2))),
                        (L.SESSION_GET, (L.SESSION_ID,), set(range(0, 60, 2)))):
                    answer = mine.dump(cmd)
                    got = ids(answer, *kinds)
                    if answer.errno or got != sorted(set(got)) or not steady <= set(got):
                        trouble.append((cmd, answer.name, got))
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    rng = random.Random(4)
    churn = L.L2tp(netns=ns)
    for _ in range(80):
        tid, sid = rng.randrange(1, 400, 2), rng.randrange(1, 60, 2)
        churn.try_tunnel_create(tid, 1, **NOWHERE)
        churn.try_session_create(0, sid, 1)
        churn.try_tunnel_delete(rng.randrange(1, 400, 2))
        churn.try_session_delete(0, rng.randrange(1, 60, 2))
    stop.set()
    for thread in threads:
        thread.join()
    churn.close()
    ktap.ok(not trouble, f"{len(trouble)} bad dumps, the first: {trouble[:1]}")


ktap.main()
