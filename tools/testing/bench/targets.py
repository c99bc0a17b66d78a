#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""targets.py DIRECTORY: what the implementation is to reach, what was measured (the files of guest.py there), and whether that is it.

Nothing of this decides whether a test passes: it is for people to read.
"""
import math
import os
import sys

import results

OUT = []


def line(target, cell, limit, value, met, low=math.nan, high=math.nan, c=math.nan):
    OUT.append((target, cell, limit, value, met, low, high, c))


def at_most(target, cell, limit, found):
    """A ratio to C."""
    value, low, high = found.ratio()
    line(target, cell, f"<= {limit:.2f}", value, value <= limit, low, high)


def each(target, cells, measures, limit, chosen=lambda cell: True):
    """All the ratios of some measures."""
    for (cell, measure), found in cells.items():
        if measure in measures and chosen(cell) and found.ratio():
            at_most(target, f"{cell}: {measure}", limit, found)


def main():
    where = sys.argv[1]
    suite = {name: results.load(os.path.join(where, f"{name}.json"))
             for name in ("packets", "native", "tcp", "forward", "parallel", "lookup", "reorder", "control", "devices", "memory")}
    both = ("transmit", "receive")
    each("instructions of a packet", suite["packets"], both, 0.75)
    each("nanoseconds of a packet", suite["native"], both, 0.70, lambda cell: not cell.startswith("routed"))
    each("forwarding, nanoseconds", suite["native"], ("transmit",), 0.60, lambda cell: cell.startswith("routed"))
    for (cell, measure), found in suite["tcp"].items():
        if cell.startswith("udp") and "seq" not in cell and found.ratio():
            value, low, high = found.ratio()
            line("TCP, times as fast as C", cell, ">= 3.00", 1 / value, value <= 1 / 3, 1 / high, 1 / low)
            vxlan = suite["tcp"].get(("vxlan hardware" if "hardware" in cell else "vxlan", measure))
            if vxlan:
                line("TCP, times as fast as vxlan", cell, ">= 1.00", vxlan.mean("kernel") / found.mean("rust"),
                     found.mean("rust") <= vxlan.mean("kernel"))
    each("forwarding, instructions", suite["forward"], ("transmit",), 0.60)
    for (cell, measure), found in suite["forward"].items():
        if measure == "reallocations" and found.has("rust"):
            line("forwarding, heads reallocated", cell, "0", found.mean("rust"), found.mean("rust") == 0, c=found.mean("c"))
    for (cell, measure), found in suite["parallel"].items():
        if found.has("rust"):
            line("2 CPUs into one tunnel", cell, ">= 1.70", found.mean("rust"), found.mean("rust") >= 1.7, c=found.mean("c"))
    lookup = [found for found in suite["lookup"].values() if found.has("rust")]
    if len(lookup) == 2:
        one, many = lookup
        grown = many.mean("rust") / one.mean("rust")
        line("receive, many sessions to one", list(suite["lookup"])[1][0], "<= 1.15", grown, grown <= 1.15, c=many.mean("c") / one.mean("c"))
    for what, points in (results.growth(suite["control"]) | results.growth(suite["devices"])).items():
        if len(points.get("rust", [])) < 2 or "find one" in what:
            continue
        limit = 0.1 if "sessions in n" in what or "sessions beside n" in what else 1.1
        value = results.exponent(points["rust"])
        line("exponent of growth", what, f"<= {limit:.2f}", value, value <= limit, c=results.exponent(points.get("c", [])))
    exits = [(int(cell.split()[2]), found) for (cell, measure), found in suite["devices"].items() if measure == "namespace exit"]
    if exits:
        number, found = max(exits, key=lambda one: one[0])
        if found.ratio():
            at_most("end of a namespace", f"{number} devices", 0.10, found)
        else:
            line("end of a namespace", f"{number} devices: C was not measured", "<= 0.10", math.nan, False)
    each("memory of an idle session", suite["memory"], ("memory",), 1.0)

    show = lambda value, text="{:.3f}": "" if math.isnan(value) else text.format(value)     # noqa: E731
    print("| target | cell | to be | measured | interval | C | met |\n|---|---|---|---|---|---|---|")
    for target, cell, limit, value, met, low, high, c in OUT:
        between = f"{low:.3f} to {high:.3f}" if not math.isnan(low) else ""
        print(f"| {target} | {cell} | {limit} | {show(value)} | {between} | {show(c)} | {'yes' if met else 'NO'} |")
    missing = [name for name, cells in suite.items() if not cells]
    print(f"\n{sum(one[4] for one in OUT)} of {len(OUT)} met." + (f" Not measured: {', '.join(missing)}." if missing else ""))


main()
