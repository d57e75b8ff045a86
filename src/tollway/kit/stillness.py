"""The few things that keep the interpreter to themselves for long wait until nobody is in the midst of what must go on.

A library that loads for a second without letting go of the interpreter stops every thread where it is. One that is in
the midst of a writing transaction would keep all other processes' writers waiting meanwhile, or lose its turn.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_S = 0.001
_midway: set[int] = set()
"""Threads that must not be stopped now: of the process, as the interpreter is."""


@contextmanager
def unstopped() -> Iterator[None]:
    """What this thread does inside should not stand still half done."""
    thread = threading.get_ident()
    _midway.add(thread)
    try:
        yield
    finally:
        _midway.discard(thread)


def await_moment(patience_s: float) -> bool:
    """Return when no thread is `unstopped`, or patience has ended: then False. Never on an event loop."""
    until_s = time.monotonic() + patience_s
    while _midway:
        if time.monotonic() > until_s:
            return False
        time.sleep(LOOK_S)
    return True
