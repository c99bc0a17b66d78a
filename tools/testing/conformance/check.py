# SPDX-License-Identifier: GPL-2.0
"""Compares the transcripts c and rust of a directory.

check.py <directory> <seed> <operations> <first episode>: those of a program that was generated with these numbers. What was found is
written to `result`, and the first episode that failed to `failed`.
check.py <directory> --program <file>: those of a program of one's own.
check.py --sum <directory> <seconds> <guests failed>: adds up the results in a directory, writes and prints the sum.

Exit status 1: there are failures.
"""
import collections
import itertools
import json
import os
import sys

import compare
import generate


def show(failure):
    """A failure for people to read."""
    episode, row, op, ours, theirs = failure
    name = generate.KINDS[episode % len(generate.KINDS)][0] if episode is not None else "program"
    print(f"not the same, episode {episode} ({name}), line {row}:\n  {op[:400]}")
    rows = [pair for pair in itertools.zip_longest(theirs, ours) if pair[0] != pair[1]]
    for c, rust in rows[:8]:
        print(f"    C     {(c or '(nothing)')[:1000]}\n    ours  {(rust or '(nothing)')[:1000]}")


def total(directory, seconds, guests_failed):
    """The sum of several results, also as a line of text. Guests that failed, or whose kernel complained, are failures, too."""
    sums, listed = collections.Counter(), collections.Counter()
    seed = None
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), encoding="ascii") as file:
            result = json.load(file)
        seed = result["seed"]
        listed.update(result["listed"])
        sums.update({k: result[k] for k in ("episodes", "compared", "skipped", "mutated", "syz", "failed")})
    sums["failed"] += guests_failed
    result = {"seed": seed, "seconds": seconds, "listed": listed, **sums}
    with open(os.path.join(directory, "../sum"), "w", encoding="ascii") as file:
        json.dump(result, file)
    print(f"conformance: seed {seed}, {sums['compared']} operations compared in {sums['episodes']} episodes, {sums['failed']} failures, "
          f"{sums['skipped']} operations not compared after a difference, {seconds} s")
    for rule, count in sorted(listed.items()):
        print(f"    listed: {rule} ({count})")


def one_program(ours, theirs):
    """Compares the transcripts of a program of one's own."""
    with open(sys.argv[3], encoding="ascii") as file:
        lines = file.read().splitlines()
    comparison = compare.Comparison()
    comparison.episode(None, lines, 1, 0, ours, theirs)
    for failure in comparison.failures:
        show(failure)
    print(f"{comparison.compared} operations compared, {len(comparison.failures)} failures, listed: {dict(comparison.listed)}")
    sys.exit(bool(comparison.failures))


def main():
    if sys.argv[1] == "--sum":
        return total(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    directory = sys.argv[1]

    def transcript(name):
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
            return compare.read(file)
    ours, theirs = transcript("rust"), transcript("c")
    if sys.argv[2] == "--program":
        return one_program(ours, theirs)
    seed, operations, first = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    return generated(directory, seed, operations, first, ours, theirs)


def generated(directory, seed, operations, first, ours, theirs):
    """Compares the transcripts of a generated program."""
    comparison, row, episodes, failed, kinds = compare.Comparison(), 1, 0, None, collections.Counter()
    for number, kind, lines, head in generate.program_lines(seed, first, operations):
        before, compared = len(comparison.failures), comparison.compared
        comparison.episode(number, lines, row, head, ours, theirs)
        if len(comparison.failures) > before and failed is None:
            at = comparison.failures[-1][1] - row
            failed = {"episode": number, "head": lines[:head], "lines": lines[head:at + 1]}
        kinds[kind] += comparison.compared - compared
        row += len(lines)
        episodes += 1
    for failure in comparison.failures[:5]:
        show(failure)
    with open(os.path.join(directory, "result"), "w", encoding="ascii") as file:
        json.dump({"seed": seed, "episodes": episodes, "compared": comparison.compared, "skipped": comparison.skipped, "mutated": kinds["mutation"],
                   "syz": kinds["syz"], "listed": comparison.listed, "failed": len(comparison.failures)}, file)
    if failed:
        with open(os.path.join(directory, "failed"), "w", encoding="ascii") as file:
            json.dump(failed, file)
    sys.exit(bool(comparison.failures))


if __name__ == "__main__":
    main()
