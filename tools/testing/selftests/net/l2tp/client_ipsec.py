#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Calls of xl2tpd inside IPsec: ESP in transport mode with keys set by hand, as L2TP/IPsec (RFC 3193) protects them."""
from lib import calls, ktap, netns, program
from lib.calls import LNS, OPTIONS, pings

A, B = "10.0.0.1", "10.0.0.2"


def protect(space, us, cipher):
    """Security associations and policies for UDP between the two ports 1701."""
    lines = []
    for number, (source, target) in ((1, (A, B)), (2, (B, A))):
        template = f"src {source} dst {target} proto esp"
        lines += [f"xfrm state add {template} spi {0x1000 + number} mode transport reqid {number} {cipher(number)}",
                  f"xfrm policy add src {source} dst {target} proto udp sport 1701 dport 1701 "
                  f"dir {'out' if source == us else 'in'} tmpl {template} mode transport reqid {number}"]
    space.batch(lines)


def gcm(number):
    return f"aead rfc4106(gcm(aes)) 0x{f'{number * 17:02x}' * 20} 128"


def cbc(number):
    return f"enc cbc(aes) 0x{f'{number * 34:02x}' * 16} auth-trunc hmac(sha256) 0x{f'{number * 51:02x}' * 32} 128"


def count_clear(spaces):
    """Count UDP packets that arrive from the wire: what is inside ESP is none."""
    for space, device in zip(spaces, ("va", "vb")):
        space.run(f"tc qdisc add dev {device} clsact")
        space.run(f"tc filter add dev {device} ingress protocol ip pref 1 u32 match ip protocol 17 0xff action pass")


def clear(spaces):
    """For each namespace: have none been counted?"""
    return ["Sent 0 bytes 0 pkt" in space.run(f"tc -s filter show dev {device} ingress").stdout
            for space, device in zip(spaces, ("va", "vb"))]


def inside(cipher):
    """A call, traffic, and nothing of it in the clear."""
    calls.modules("esp4", "xfrm_user", "authenc")
    a, b = calls.spaces()
    protect(a, A, cipher)
    protect(b, B, cipher)
    count_clear((a, b))
    where = program.directory()
    two, one = calls.lns(b, where), calls.lac(a, where)
    one.tell("c lns")
    calls.wait_up(a, one, two)
    ktap.ok(pings(a, LNS, count=5), "ping")
    ktap.ok(pings(a, LNS, size=1372), "with the outer packet in fragments")
    calls.tcp(a, b, LNS)
    ktap.eq(clear((a, b)), [True, True], "no UDP in the clear")
    one.tell("d lns")
    calls.gone(a, b)
    one.stop()
    two.stop()
    calls.no_tunnels(a, b)


ktap.add("AES-GCM", inside, gcm)
ktap.add("AES-CBC with HMAC-SHA-256", inside, cbc)


@ktap.case("a policy that comes up during a call: what is in the clear is not taken any more")
def _():
    calls.modules("esp4", "xfrm_user")
    a, b = calls.spaces()
    count_clear((a, b))
    where = program.directory()
    two, one = calls.lns(b, where), calls.lac(a, where)
    one.tell("c lns")
    calls.wait_up(a, one, two)
    ktap.ok(pings(a, LNS), "ping, in the clear")
    ktap.eq(clear((a, b)), [False, False], "no UDP in the clear")
    protect(a, A, gcm)
    protect(b, B, gcm)
    ktap.ok(pings(a, LNS), "ping, protected")
    a.ip("xfrm policy flush")
    ktap.ok(not pings(a, LNS, tries=1), "no answer to what only one side protects")
    a.ip("xfrm state flush")
    protect(a, A, gcm)
    ktap.ok(netns.wait_for(lambda: pings(a, LNS), 60), "ping, protected again")


ktap.main()
