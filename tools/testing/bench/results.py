# SPDX-License-Identifier: GPL-2.0
"""What guest.py printed, and what follows from it."""
import collections
import json
import math
import os
import random
import statistics


class Cell:
    """One measure of one workload."""

    def __init__(self):
        self.rows = []

    def mean(self, impl):
        """The mean of an implementation; NaN if it was not measured."""
        values = [row["value"] for row in self.rows if row["impl"] == impl]
        return statistics.mean(values) if values else math.nan

    def has(self, impl):
        return any(row["impl"] == impl for row in self.rows)

    def ratios(self):
        """(ratios of Rust to C, of C to C): one of each for every round."""
        rust, control = [], []
        for number in sorted({row["round"] for row in self.rows}):
            blocks = sorted((row for row in self.rows if row["round"] == number), key=lambda row: row["block"])
            c = [row["value"] for row in blocks if row["impl"] == "c"]
            r = [row["value"] for row in blocks if row["impl"] == "rust"]
            if c and r and statistics.mean(c):
                rust.append(statistics.mean(r) / statistics.mean(c))
            if len(c) > 1 and c[0]:
                control.append(c[-1] / c[0])
        return rust, control

    def ratio(self):
        """(median, low, high) of Rust to C; None if one of them is missing."""
        rust, _ = self.ratios()
        return (statistics.median(rust), *interval(rust)) if rust else None


def interval(values):
    """95 % of the medians of resampled values; the extremes if there are few."""
    if len(values) < 5:
        return min(values), max(values)
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def load(path):
    """{(cell, measure): Cell} of a file, in its order; empty if there is none."""
    cells = collections.defaultdict(Cell)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    row = json.loads(line)
                    cells[row["cell"], row["measure"]].rows.append(row)
    return dict(cells)


def growth(cells):
    """{workload with n for its number: {implementation: [(n, value)]}}, of workloads that were run with several numbers."""
    out = collections.defaultdict(lambda: collections.defaultdict(list))
    for (cell, measure), found in cells.items():
        numbers = [word for word in cell.split() if word.isdigit()]
        if not numbers:
            continue
        # The last number is the one that varies: "1000 sessions in 10 tunnels".
        head, _, tail = cell.rpartition(numbers[-1])
        for impl in ("c", "rust"):
            if found.has(impl):
                out[f"{head}n{tail}: {measure}"][impl].append((int(numbers[-1]), found.mean(impl)))
    return {name: dict(points) for name, points in out.items() if any(len(p) > 1 for p in points.values())}


def exponent(points):
    """Slope in a log-log plot of (n, time): 1 is linear growth."""
    if len(points) < 2:
        return math.nan
    xs, ys = zip(*[(math.log(n), math.log(max(t, 1e-9))) for n, t in points])
    mx, my = statistics.mean(xs), statistics.mean(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)
