# SPDX-License-Identifier: GPL-2.0
"""shrink.py <directory>: makes the episode in `failed` as short as it can be and still fail, and writes it to `program`.

It cannot start guests itself: when programs are to be run it says "run", and waits for a line that says that the transcripts are there.
"""
import json
import os
import sys

import check
import compare

PARTS = 12                      # to try to leave out in one go


class Shrinker:
    """Runs programs that begin with the same prologue."""

    def __init__(self, directory, head):
        self.directory, self.head = directory, head

    def transcripts(self, impl):
        """{program: rows} of the last run."""
        out, rows = {}, []
        with open(os.path.join(self.directory, impl), encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("@@ "):
                    out[os.path.basename(line.split()[1])] = rows = []
                else:
                    rows.append(line)
        return {name: compare.read(rows) for name, rows in out.items()}

    def run(self, candidates):
        """The failure of each candidate, which is a list of lines, or None."""
        if not candidates:
            return []
        programs = os.path.join(self.directory, "programs")
        for name in os.listdir(programs):
            os.unlink(os.path.join(programs, name))
        for n, lines in enumerate(candidates):
            with open(os.path.join(programs, f"p{n:02}"), "w", encoding="ascii") as file:
                file.write("\n".join(self.head + lines) + "\n")
        print("run", flush=True)
        sys.stdin.readline()
        ours, theirs = self.transcripts("rust"), self.transcripts("c")
        found = []
        for n, lines in enumerate(candidates):
            comparison = compare.Comparison()
            comparison.episode(None, self.head + lines, 1, len(self.head), ours.get(f"p{n:02}", {}), theirs.get(f"p{n:02}", {}))
            failure = comparison.failures[0] if comparison.failures else None
            if failure and failure[1] <= len(self.head):
                check.show(failure)         # not of the operations: a guest has not run, for instance
                failure = None
            found.append(failure)
        return found

    def shorter(self, lines, size):
        """The lines without as many parts of that size as possible; what comes after the failure is left out too."""
        parts = range(0, len(lines) - 1, size)

        def without(starts):
            return [line for at, line in enumerate(lines) if at == len(lines) - 1 or at // size * size not in starts]
        needless = [start for start, failed in zip(parts, self.run([without({start}) for start in parts])) if failed]
        tries = [set(needless[:n]) for n in range(len(needless), 0, -1)]
        for starts, failed in zip(tries, self.run([without(s) for s in tries])):
            if failed:
                return without(starts)[:failed[1] - len(self.head)]
        return lines

    def shrink(self, lines):
        """The shortest that fails, by leaving out smaller and smaller parts."""
        size = max(len(lines) // PARTS, 1)
        while True:
            fewer = self.shorter(lines, size)
            if size == 1 and len(fewer) == len(lines):
                return lines
            lines, size = fewer, max(min(size // 2, len(fewer) // PARTS), 1)


def main():
    directory = sys.argv[1]
    with open(os.path.join(directory, "failed"), encoding="ascii") as file:
        failed = json.load(file)
    shrinker = Shrinker(directory, failed["head"])
    again = shrinker.run([failed["lines"]])[0]
    if again is None:
        print("the episode does not fail again alone")
        return
    lines = shrinker.shrink(failed["lines"][:again[1] - len(failed["head"])])
    found = shrinker.run([lines])[0]
    path = os.path.join(directory, "program")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(failed["head"] + lines) + "\n")
    if found:
        check.show(found)
    print(f"{len(lines)} operations are enough; after the {len(failed['head'])} lines that begin each episode:")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
