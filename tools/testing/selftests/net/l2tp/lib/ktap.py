# SPDX-License-Identifier: GPL-2.0
"""KTAP output: register cases, run them, report, set the exit status.

A test program registers its cases and ends with ``ktap.main()``::

    from lib import ktap

    @ktap.case("a missing tunnel id is EINVAL")
    def _():
        ktap.eq(errno_of(...), "EINVAL", "TUNNEL_CREATE without CONN_ID")

    for name, args, want in TABLE:
        ktap.add(name, check, args, want)

    ktap.main()

A case passes if it returns and no ``eq``/``ok``/``fail`` in it failed; these
note a failure and go on, so one run shows everything. An exception fails the
case too (its traceback becomes diagnostics), ``raise ktap.Skip(reason)`` or
``ktap.skip(reason)`` skips it. Cases run in the order of registration; a
function given to ``cleanup`` inside a case runs when that case ends, last first.

Exit status as kselftest has it: 0 passed, 1 failed, 4 everything skipped.
Options of every test program: ``-l`` lists the cases, ``-k WORD`` (repeatable)
runs only the cases whose name contains WORD, ``-v`` shows how long each took.
"""
import argparse
import sys
import time
import traceback

from . import impl, kmsg

PASS, FAIL, SKIP = 0, 1, 4


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


_cases = []
_failures = []
_cleanups = []
_finals = []


def add(name, function, *args, **kwargs):
    """Register a case."""
    _cases.append((name, function, args, kwargs))


def case(name, *args, **kwargs):
    """Decorator form of add()."""
    def register(function):
        add(name, function, *args, **kwargs)
        return function
    return register


def cleanup(function, *args, **kwargs):
    """Call the function when the running case ends, however it ends."""
    _cleanups.append((function, args, kwargs))


def at_exit(function, *args, **kwargs):
    """Call the function after the last case, last registered first."""
    _finals.append((function, args, kwargs))


def skip(reason):
    raise Skip(reason)


def diag(text):
    """Diagnostic line(s)."""
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def fail(what):
    """Note a failure of the running case."""
    _failures.append(what)
    return False


def ok(condition, what):
    """Note a failure unless the condition holds."""
    return bool(condition) or fail(what)


def eq(got, want, what=""):
    """Note a failure unless got == want."""
    return got == want or fail(f"{what or 'value'}: expected {want!r}, got {got!r}")


def isin(got, wanted, what=""):
    """Note a failure unless got is one of wanted."""
    return got in wanted or fail(f"{what or 'value'}: expected one of {wanted!r}, got {got!r}")


def raises(kind, function, *args, **kwargs):
    """Note a failure unless the call raises kind; returns the exception."""
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    fail(f"{getattr(function, '__name__', function)}: no {kind.__name__}")
    return None


def _undo(calls):
    while calls:
        function, args, kwargs = calls.pop()
        try:
            function(*args, **kwargs)
        except Exception:
            fail("cleanup: " + traceback.format_exc())


def _run(function, args, kwargs):
    """Run one case: (result, text)."""
    _failures.clear()
    reason = None
    try:
        function(*args, **kwargs)
    except Skip as why:
        reason = str(why)
    except KeyboardInterrupt:
        raise
    except BaseException:
        fail(traceback.format_exc())
    _undo(_cleanups)
    if _failures:
        return FAIL, "\n".join(_failures)
    return (PASS, "") if reason is None else (SKIP, reason)


def main():
    """Run the registered cases and leave the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-l", "--list", action="store_true", help="list the cases")
    parser.add_argument("-k", "--keyword", action="append", metavar="WORD",
                        help="only cases whose name contains WORD")
    parser.add_argument("-v", "--verbose", action="store_true", help="show times")
    options = parser.parse_args()
    cases = [c for c in _cases
             if not options.keyword or any(k in c[0] for k in options.keyword)]
    if options.list:
        print("\n".join(c[0] for c in cases))
        sys.exit(PASS)

    log = kmsg.Watch()
    cases.append(("no warning in the kernel log", lambda: ok(not log.bad(), log.text()), (), {}))
    count = {PASS: 0, FAIL: 0, SKIP: 0}
    print("TAP version 13")
    print(f"1..{len(cases)}")
    diag(f"implementation: {impl.IMPL}")
    for number, (name, function, args, kwargs) in enumerate(cases, 1):
        if number == len(cases):
            _undo(_finals)
        start = time.monotonic()
        result, text = _run(function, args, kwargs)
        took = time.monotonic() - start
        count[result] += 1
        if options.verbose:
            diag(f"{took:.2f} s")
        if result == FAIL:
            diag(text)
        tail = f" # SKIP {text}" if result == SKIP else ""
        print(f"{'not ok' if result == FAIL else 'ok'} {number} {name}{tail}", flush=True)
    print(f"# Totals: pass:{count[PASS]} fail:{count[FAIL]} xfail:0 xpass:0 "
          f"skip:{count[SKIP]} error:0", flush=True)
    if count[FAIL]:
        sys.exit(FAIL)
    sys.exit(SKIP if count[SKIP] == len(cases) - 1 else PASS)
