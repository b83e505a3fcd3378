"""Threads that live as long as a context."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def running(name: str, work: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Runs ``work`` on a thread of its own; at the end sets ``stop`` and waits for it.

    A daemon: a process that is told to end at once is not kept by it.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
