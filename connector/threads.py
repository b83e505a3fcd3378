"""Threads that live as long as a context."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What a thread leaves undone that is busy for longer, with a server that does not answer say, is
# done after the next start.
_ENDS_WITHIN_S = 5.0


@contextmanager
def running(name: str, work: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Runs ``work`` on a thread of its own; at the end sets ``stop`` and gives it some seconds.

    A daemon: a process that is told to end is not kept by it.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_ENDS_WITHIN_S)
