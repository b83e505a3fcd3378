"""Events that a topic subscription has told of, by number: a hole is a notification lost.

The count is kept in the database: whichever process of the service hears the next notification,
after a restart too, knows what was heard before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, String, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from connector.notifications import Kind, Notification
from connector.stored import Clock, utc_now
from connector.tables import Base, UtcDateTime

# A subscription that sends heartbeats is heard of each minute; this one is no more.
_KEPT = timedelta(days=30)


class EventCountRow(Base):
    """The count of one subscription.

    Attributes:
        subscription: "Subscription/7".
        known: the greatest number that was heard of.
        heard_at: when it was last heard of.
    """

    __tablename__ = "event_counts"

    subscription: Mapped[str] = mapped_column(String(128), primary_key=True)
    known: Mapped[int] = mapped_column(BigInteger)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Missed:
    """Events that a subscription counted and that were never heard of, from first to last."""

    subscription: str
    first: int
    last: int


class EventNumbers:
    """Follows the count of each subscription.

    A notification is asked about first, then acted on, and then noted: what a process leaves
    undone that ends in between shows as a hole again.
    """

    def __init__(self, sessions: sessionmaker[Session], clock: Clock = utc_now) -> None:
        self._sessions = sessions
        self._clock = clock

    def missed_before(self, heard: Notification) -> Missed | None:
        """What came before a notification, or a status, and was not heard."""
        if heard.subscription is None or heard.total is None:
            return None
        with self._sessions() as session:
            row = session.get(EventCountRow, heard.subscription)
        # Of a subscription that is new here, only what it tells of itself is expected.
        known = row.known if row else min(heard.numbers, default=heard.total + 1) - 1
        first, last = known + 1, heard.total
        numbers = set(heard.numbers)
        while first in numbers:
            first += 1
        while last in numbers and last >= first:
            last -= 1
        return Missed(heard.subscription, first, last) if first <= last else None

    def note(self, heard: Notification) -> None:
        """Takes a notification, or a status, in."""
        if heard.subscription is None or heard.total is None:
            return
        try:
            self._note(heard, heard.subscription, heard.total)
        except IntegrityError:  # another process has just heard of it for the first time
            self._note(heard, heard.subscription, heard.total)

    def _note(self, heard: Notification, subscription: str, total: int) -> None:
        now = self._clock()
        with self._sessions.begin() as session:
            row = session.get(EventCountRow, subscription, with_for_update=True)
            if row is None:
                session.execute(delete(EventCountRow).where(EventCountRow.heard_at < now - _KEPT))
                session.add(EventCountRow(subscription=subscription, known=total, heard_at=now))
                return
            # A subscription that starts anew shakes hands, and may count from 0 again.
            starts_anew = heard.kind is Kind.HANDSHAKE and total < row.known
            row.known = total if starts_anew else max(row.known, total)
            row.heard_at = now
