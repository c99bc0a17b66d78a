# SPDX-License-Identifier: GPL-2.0
"""Which workloads there are. A suite is {"each": workloads of C and of Rust, "kernel": what is measured once, to compare with}; a
workload is a name and a function that gives {cell: {measure: value}}.
"""
import statistics
import time

import control
import sequences
import traffic

COOKIES = {"": "", "cookie 4": "cookie deadbeef peer_cookie deadbeef", "cookie 8": "cookie deadbeefdeadbeef peer_cookie deadbeefdeadbeef"}
SUBLAYERS = {"no sublayer": "l2spec_type none", "": "", "seq": "seq both"}
OPTIONS = {f"{cookie} {sublayer}".strip(): f"{one} {two}".strip()
           for cookie, one in COOKIES.items() for sublayer, two in SUBLAYERS.items()}
OUTER = [(encap, family) for encap in ("udp", "ip") for family in (4, 6)]


def _sessions(count, options, **how):
    """What a tunnel adds to a packet, for sessions with each of the options."""
    with traffic.Path(options=tuple(options.values()), **how) as path:
        return dict(zip(options, path.costs(count)))


def packets(args):
    """Every encapsulation and option."""
    count = args.count or 4000
    each = [(f"{encap} ip{family}", lambda e=encap, f=family: _sessions(count, OPTIONS, encap=e, family=f)) for encap, family in OUTER]
    each += [(f"ppp ip{family}", lambda f=family: ppp(count, f)) for family in (4, 6)]
    return {"each": each, "kernel": [("", lambda: compared(count))]}


def ppp(count, family):
    """L2TPv2 and PPP: packets that are forwarded into the PPP device, against the same forwarded without a tunnel."""
    out = {}
    for name in ("", "seq"):
        with traffic.Forwarding(pw=f"ppp {name}".strip(), family=family) as bed:
            out[name] = bed.costs(count)
    return out


def compared(count, slices=1):
    """The veth alone, vxlan, and what of a reception is the kernel's own: IP and UDP, up to vxlan's finding that it is not for it."""
    out = {}
    with traffic.Path(kind="veth") as path:
        out["veth"] = {"transmit": path.plain(count)}
    with traffic.Path(kind="vxlan") as path:
        out["vxlan"] = path.costs(count)[0]
    with traffic.Path(kind="vxlan of others") as path:
        source = path.source("x0")
        with traffic.Sink(path.b, "vb") as sink:
            sent = traffic.measured(source, sink, count, slices)
        source.start(count // 10 + 10)
        out["IP and UDP alone"] = {"receive": min(source.start(count) for _ in range(slices)) - sent}
    return out


# The veth as it is passes large packets on whole, which a session's device allows only if it is told so. With these settings it is
# like most hardware: who sends splits packets in tunnels before the interface, who receives merges them after it.
LIKE_HARDWARE = "tso off tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off gro on"
WHOLE = "tx-udp_tnl-segmentation on"


def tcp(args):
    """A TCP connection; `count` is in megabytes."""
    amount = (args.count or 8) << 20

    def stream(link="", device="", **how):
        with traffic.Path(**how) as path:
            path.ethtool("va", "vb", link)
            # C does not know it.
            path.ethtool("x0", "x0", device, check=False)
            path.tcp(amount // 4)
            return {"": {"kilobyte": path.tcp(amount)}}
    each = [("udp", lambda: stream()), ("udp whole", lambda: stream(device=WHOLE)),
            ("udp hardware", lambda: stream(link=LIKE_HARDWARE)), ("udp seq", lambda: stream(options=("seq both",))),
            ("ip", lambda: stream(encap="ip"))]
    return {"each": each, "kernel": [(f"{kind}{word}", lambda k=kind, l=link: stream(kind=k, link=l))
                                     for kind in ("veth", "vxlan") for word, link in (("", ""), (" hardware", LIKE_HARDWARE))]}


def forward(args):
    """Packets from elsewhere, routed or bridged into a session's device, and how often their heads are allocated anew."""
    count = args.count or 4000

    def through(slices=1, **how):
        with traffic.Forwarding(**how) as bed:
            return {"": bed.costs(count, slices) | {"reallocations": bed.reallocations(1000)}}
    return {"each": [(f"{word} {encap} ip{family}", lambda p=pw, e=encap, f=family: through(pw=p, encap=e, family=f))
                     for pw, word in (("eth", "routed"), ("bridge", "bridged")) for encap, family in (("udp", 4), ("udp", 6), ("ip", 4))]}


def lookup(args):
    """Reception if there are many sessions: some are measured, between many others, with ids all over the range."""
    count, many = args.count or 2000, max(args.sizes)
    ids = [0x10001, 0x7ffffff1, 0xdeadbeef, 0xfffffffe, 3, 0x00ffff00, 0x80000000, 0x12345678]

    def among(idle, number):
        with traffic.Path(options=("",) * number, ids=ids[:number], idle=idle) as path:
            costs = path.costs(count)
        return {"": {"receive": sum(cost["receive"] for cost in costs) / len(costs)}}
    return {"each": [("1 session", lambda: among(0, 1)), (f"{many} sessions", lambda: among(many - len(ids), len(ids)))]}


def parallel(args):
    """Two CPUs send into the sessions of one tunnel: how many times the packets of one CPU."""
    # pktgen's threads begin up to a tenth of a second apart, which must be little of what they take.
    count = args.count or 100000

    def scaling(**how):
        with traffic.Path(**how) as path, traffic.Sink(path.b, "vb") as sink:
            device = path.devices[0]
            gains, alone = [], 0
            for cpus in (1, 2) * 3:
                source = path.source(device)
                source.prepare(count, cpus)
                before = sink.arrived()
                source.write("pgctrl", "start")
                time.sleep(0.2)
                if sink.arrived() - before < count * cpus:
                    raise RuntimeError(f"{sink.arrived() - before} of {count * cpus} packets arrived")
                names = [device] if cpus == 1 else [f"{device}@{cpu}" for cpu in range(cpus)]
                rate = cpus * count / max(source.result(name) for name in names)
                if cpus == 1:
                    alone = rate
                else:
                    gains.append(rate / alone)
                for cpu in range(cpus):
                    source.write(f"kpktgend_{cpu}", "rem_device_all")
        return {"": {"scaling": statistics.median(gains)}}
    return {"each": [(f"{encap} ip4", lambda e=encap: scaling(encap=e)) for encap in ("udp", "ip")],
            "kernel": [("veth", lambda: scaling(kind="veth"))]}


def native(args):
    """Nanoseconds, in User Mode Linux: the commonest cells, in slices of some hundredths of a second."""
    count, slices = args.count or 40000, 25
    options = {"": "", "cookie 8": OPTIONS["cookie 8"], "seq": "seq both"}

    def sessions(**how):
        with traffic.Path(options=tuple(options.values()), **how) as path:
            return dict(zip(options, path.costs(count, slices=slices)))

    def forwarded(**how):
        with traffic.Forwarding(**how) as bed:
            return {"": bed.costs(count, slices)}
    each = [(f"{encap} ip{family}", lambda e=encap, f=family: sessions(encap=e, family=f)) for encap, family in OUTER]
    each += [("ppp ip4", lambda: forwarded(pw="ppp")), ("routed udp ip4", lambda: forwarded(pw="eth"))]
    return {"each": each, "kernel": [("", lambda: compared(count, slices))]}


SUITES = {"packets": packets, "tcp": tcp, "forward": forward, "lookup": lookup, "parallel": parallel, "native": native,
          "reorder": sequences.reorder, "control": control.control, "devices": control.devices, "memory": control.memory}


def _smoke_packets(args):
    return {"each": [("udp ip4", lambda: _sessions(200, {"": "", "seq": "seq both"}))]}


def _smoke_tcp(args):
    args.count = 1
    return {"each": tcp(args)["each"][:1]}


def _smoke_control(args):
    args.sizes, args.devices = [20], [10]
    return {"each": control.control(args)["each"][:2] + control.devices(args)["each"]}


# A little of some, that shows whether they work.
SMOKE = {"packets": _smoke_packets, "tcp": _smoke_tcp, "control": _smoke_control,
         "reorder": lambda args: {"each": sequences.reorder(args, 400)["each"][1:2]}}
