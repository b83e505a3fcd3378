"""Events that a topic subscription has told of, by number: a hole is a notification lost."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from connector.notifications import Kind, Notification


@dataclass(frozen=True, slots=True)
class Missed:
    """Events that a subscription counted and that were never heard of, from first to last."""

    subscription: str
    first: int
    last: int


class EventNumbers:
    """Follows one subscription's count. It is ours alone; of another, it begins anew.

    What is known is lost with the process: what was missed meanwhile the first sweep finds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscription: str | None = None
        self._known = 0

    def note(self, heard: Notification) -> Missed | None:
        """Takes a notification, or a status, in; gives what came before it and was not heard."""
        if heard.subscription is None or heard.total is None:
            return None
        with self._lock:
            if heard.subscription != self._subscription:
                self._subscription = heard.subscription
                self._known = min(heard.numbers, default=heard.total + 1) - 1
            known = self._known
            # A subscription that starts anew shakes hands, and may count from 0 again.
            starts_anew = heard.kind is Kind.HANDSHAKE and heard.total < known
            self._known = heard.total if starts_anew else max(known, heard.total)
        first, last = known + 1, heard.total
        numbers = set(heard.numbers)
        while first in numbers:
            first += 1
        while last in numbers and last >= first:
            last -= 1
        return Missed(heard.subscription, first, last) if first <= last else None
