# SPDX-License-Identifier: GPL-2.0
"""For the tests of the bug history: short races, and objects that must be gone afterwards."""
import contextlib
import threading
import time

from . import impl, ktap, tracing
from .genl import NlError
from .netns import wait_for

SECONDS = 0.3           # of each race: what found these bugs ran for hours; this keeps them from coming back as they were


def row(number, title):
    """Register a case that is called after a row of Documentation/networking/l2tp-regressions.rst."""
    return ktap.case(f"{number}: {title}")


def race(*jobs, seconds=SECONDS):
    """Repeat all jobs at the same time. That a call fails is normal, or that a job returns False because it met nothing; that one hangs,
    never succeeds, or raises anything else, is not."""
    stop, broken, done = threading.Event(), [], [0] * len(jobs)

    def repeat(number, job):
        while not stop.is_set():
            try:
                done[number] += job() is not False
            except (OSError, NlError):
                pass
            except Exception as error:      # of the test itself
                broken.append(repr(error))
                return
    threads = [threading.Thread(target=repeat, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    time.sleep(seconds * impl.SLOW)
    wait_for(lambda: broken or all(done), 180)      # what rarely succeeds has more time
    stop.set()
    for thread in threads:
        thread.join(120)
    ktap.eq(sum(thread.is_alive() for thread in threads), 0, "threads that hang")
    ktap.eq(broken, [], "threads that broke")
    ktap.diag(f"done {', '.join(map(str, done))} times")
    for count, job in zip(done, jobs):
        ktap.ok(count, f"{job.__qualname__} of line {job.__code__.co_firstlineno} never succeeded")


def at_once(*jobs):
    """What each job returned; they begin at the same moment."""
    results, gate = [None] * len(jobs), threading.Barrier(len(jobs))

    def one(number, job):
        gate.wait()
        results[number] = job()
    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


@contextlib.contextmanager
def all_freed():
    """Every tunnel and session that is registered in the body is freed after it."""
    trace = tracing.Trace(4)
    yield
    names = {"register_tunnel": "free_tunnel", "register_session": "free_session"}

    def missing():
        events = trace.events()
        out = []
        for made, freed in names.items():
            begun = sorted(text.split(":")[0] for event, text in events if event == made)
            ended = [text for event, text in events if event == freed]
            for name in begun:
                if name in ended:
                    ended.remove(name)
                else:
                    out.append(name)
        return out
    wait_for(lambda: not missing(), 20)
    ktap.eq(missing(), [], "registered, but never freed")
