#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py FILE...: tables and plots of what guest.py printed. The plots are written beside the first file, as SVG."""
import collections
import json
import math
import os
import random
import statistics
import sys


def interval(values):
    """95 % of the medians of resampled values; the extremes if there are few."""
    if len(values) < 5:
        return min(values), max(values)
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def ratios(rows):
    """(ratios of Rust to C, of C to C) of one measure: one of each for every round."""
    rust, control = [], []
    for number in sorted({row["round"] for row in rows}):
        blocks = sorted((row for row in rows if row["round"] == number), key=lambda row: row["block"])
        c = [row["value"] for row in blocks if row["impl"] == "c"]
        r = [row["value"] for row in blocks if row["impl"] == "rust"]
        if c and r:
            rust.append(statistics.mean(r) / statistics.mean(c))
        if len(c) > 1:
            control.append(c[-1] / c[0])
    return rust, control


def exponent(points):
    """Slope in a log-log plot of (n, time): 1 is linear growth."""
    xs, ys = zip(*[(math.log(n), math.log(max(t, 1e-9))) for n, t in points])
    mx, my = statistics.mean(xs), statistics.mean(ys)
    below = sum((x - mx) ** 2 for x in xs)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / below if below else math.nan


def svg(path, title, bars):
    """Horizontal bars: (label, ratio, low, high)."""
    width, left, row = 900, 420, 18
    height = row * len(bars) + 50
    top = max([1.2] + [high for *_, high in bars])
    scale = (width - left - 60) / top
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="14">{title}: Rust / C</text>']
    for number, (label, ratio, low, high) in enumerate(bars):
        y = 32 + number * row
        colour = "#4a8" if ratio <= 0.75 else "#7ac" if ratio <= 1 else "#c64"
        out.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{label}</text>'
                   f'<rect x="{left}" y="{y}" width="{ratio * scale:.1f}" height="13" fill="{colour}"/>'
                   f'<line x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" y1="{y + 6.5}" y2="{y + 6.5}" stroke="black"/>'
                   f'<text x="{left + max(ratio, high) * scale + 5:.1f}" y="{y + 11}">{ratio:.2f}</text>')
    one = left + scale
    out.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="28" y2="{height - 12}" stroke="#555" stroke-dasharray="4"/></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


def report(path):
    """The table of a file, and its plot."""
    groups = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("{"):
                row = json.loads(line)
                groups[row["cell"], row["measure"]].append(row)
    name = os.path.basename(path).rsplit(".", 1)[0]
    bars, growth = [], collections.defaultdict(list)
    print(f"\n{name}\n{'':48} {'C':>12} {'Rust':>12} {'Rust/C':>7}  {'interval':15} {'C/C':>6}")
    for (cell, measure), rows in groups.items():
        label = f"{cell}: {measure}"
        mean = {impl: statistics.mean(row["value"] for row in rows if row["impl"] == impl)
                for impl in {row["impl"] for row in rows}}
        if "kernel" in mean:
            print(f"{label:48} {mean['kernel']:12.4g}")
            continue
        rust, control = ratios(rows)
        line = f"{label:48} {mean['c']:12.4g} "
        if rust:
            low, high = interval(rust)
            ratio = statistics.median(rust)
            line += f"{mean['rust']:12.4g} {ratio:7.3f}  {low:.3f} to {high:.3f} "
            bars.append((label, ratio, low, high))
        print(line + (f"{statistics.median(control):6.3f}" if control else ""))
        for word in cell.split():
            if word.isdigit() and measure != "receive" and measure != "transmit":
                for impl, value in mean.items():
                    growth[f"{measure} ({cell.replace(word, 'n')})", impl].append((int(word), value))
    shown = sorted({what for (what, _), points in growth.items() if len(points) > 1})
    if shown:
        print(f"\n{'exponents of growth (1: linear)':78} {'C':>6} {'Rust':>6}")
    for what in shown:
        values = [exponent(growth[what, impl]) if (what, impl) in growth else math.nan for impl in ("c", "rust")]
        print(f"{what:78} {values[0]:6.2f} {values[1]:6.2f}")
    if bars:
        svg(os.path.join(os.path.dirname(os.path.abspath(path)), name + ".svg"), name, bars)


for argument in sys.argv[1:]:
    report(argument)
