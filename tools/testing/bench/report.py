#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py FILE...: tables and plots of what guest.py printed. The plots are written beside the files, as SVG."""
import math
import os
import statistics
import sys

import results

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" font-family="sans-serif" font-size="12">' \
       '<rect width="100%" height="100%" fill="white"/>'


def bars(path, title, rows):
    """Horizontal bars: (label, ratio, low, high)."""
    width, left, row = 900, 420, 18
    height = row * len(rows) + 50
    top = max([1.2] + [high for *_, high in rows])
    scale = (width - left - 60) / top
    out = [HEAD.format(width, height), f'<text x="10" y="20" font-size="14">{title}: Rust / C</text>']
    for number, (label, ratio, low, high) in enumerate(rows):
        y = 32 + number * row
        colour = "#4a8" if ratio <= 0.75 else "#7ac" if ratio <= 1 else "#c64"
        out.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{label}</text>'
                   f'<rect x="{left}" y="{y}" width="{max(ratio, 0) * scale:.1f}" height="13" fill="{colour}"/>'
                   f'<line x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" y1="{y + 6.5}" y2="{y + 6.5}" stroke="black"/>'
                   f'<text x="{left + max(ratio, high, 0) * scale + 5:.1f}" y="{y + 11}">{ratio:.2f}</text>')
    one = left + scale
    out.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="28" y2="{height - 12}" stroke="#555" stroke-dasharray="4"/></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


def curves(path, title, growing):
    """A log-log plot for each workload: time over number, of C (dashed) and of Rust."""
    side, gap, columns = 220, 70, 3
    rows = -(-len(growing) // columns)
    width, height = columns * (side + gap) + gap, rows * (side + gap) + gap
    out = [HEAD.format(width, height), f'<text x="10" y="20" font-size="14">{title}: seconds, C dashed, Rust drawn through</text>']
    for number, (name, points) in enumerate(growing.items()):
        left, top = gap + number % columns * (side + gap), gap + number // columns * (side + gap)
        every = [point for line in points.values() for point in line]
        xs, ys = ([math.log10(max(value, 1e-6)) for value in axis] for axis in zip(*every))
        x0, y0 = min(xs), math.floor(min(ys))
        dx, dy = max(xs) - x0 or 1, math.ceil(max(ys)) - y0 or 1

        def place(n, value):
            return (f"{left + side * (math.log10(n) - x0) / dx:.1f},"
                    f"{top + side * (1 - (math.log10(max(value, 1e-6)) - y0) / dy):.1f}")
        out.append(f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#aaa"/>'
                   f'<text x="{left}" y="{top - 6}" font-size="11">{name}</text>')
        out += [f'<text x="{left - 4}" y="{top + side * (1 - step / dy) + 4:.1f}" text-anchor="end" font-size="10">1e{y0 + step}</text>'
                for step in range(dy + 1)]
        out += [f'<text x="{place(n, 1).split(",")[0]}" y="{top + side + 14}" text-anchor="middle" font-size="10">{n}</text>'
                for n in sorted({n for n, _ in every})]
        for impl, style in (("c", 'stroke="#c64" stroke-dasharray="5"'), ("rust", 'stroke="#284"')):
            line = " ".join(place(*point) for point in sorted(points.get(impl, [])))
            out.append(f'<polyline points="{line}" fill="none" stroke-width="2" {style}/>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "</svg>\n")


def report(path):
    """The table of a file, and its plots."""
    cells = results.load(path)
    name = os.path.basename(path).rsplit(".", 1)[0]
    beside = os.path.join(os.path.dirname(os.path.abspath(path)), name)
    drawn = []
    print(f"\n{name}\n{'':48} {'C':>12} {'Rust':>12} {'Rust/C':>7}  {'interval':15} {'C/C':>6}")
    for (cell, measure), found in cells.items():
        label = f"{cell}: {measure}"
        if found.has("kernel"):
            print(f"{label:48} {found.mean('kernel'):12.4g}")
            continue
        rust, control = found.ratios()
        line = f"{label:48} {found.mean('c'):12.4g} "
        if rust:
            ratio, low, high = found.ratio()
            line += f"{found.mean('rust'):12.4g} {ratio:7.3f}  {low:.3f} to {high:.3f} "
            drawn.append((label, ratio, low, high))
        elif found.has("rust"):
            line += f"{found.mean('rust'):12.4g} "
        print(line + (f"{statistics.median(control):6.3f}" if control else ""))
    growing = results.growth(cells) if name in ("control", "devices") else {}
    if growing:
        print(f"\n{'exponents of growth (1: linear)':78} {'C':>6} {'Rust':>6}")
        for what, points in growing.items():
            print(f"{what:78} {results.exponent(points.get('c', [])):6.2f} {results.exponent(points.get('rust', [])):6.2f}")
        curves(beside + "-growth.svg", name, growing)
    if drawn:
        bars(beside + ".svg", name, drawn)


for argument in sys.argv[1:]:
    report(argument)
