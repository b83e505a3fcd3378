"""How often one address may try to log in.

Passwords are the EHR's business; what is held off here is somebody who fills the sessions, or
has this service ask the EHR without end.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from time import monotonic

MOST_TRIES = 30
"""Within :data:`WITHIN_S`: a ward logs in behind one address, and a person some times a day."""

WITHIN_S = 60.0

_ADDRESSES_KEPT = 10_000


class LoginLimit:
    """Counts tries by address, in this process alone. May be used from any thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, address: str) -> float:
        """Counts a try; how many seconds it has to wait, 0 where it may go on."""
        now = self._clock()
        with self._lock:
            tries = self._tries.setdefault(address, deque())
            self._tries.move_to_end(address)
            if len(self._tries) > _ADDRESSES_KEPT:
                self._tries.popitem(last=False)
            while tries and now - tries[0] >= WITHIN_S:
                tries.popleft()
            if len(tries) >= MOST_TRIES:
                return WITHIN_S - (now - tries[0])
            tries.append(now)
            return 0.0
