"""Who is logged in: kept in the database, so that any process of the service knows them.

The browser holds a random token; the database holds its hash, and whoever reads the database
can be nobody. A session ends after half an hour without a page, and after a working day.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from connector.desk.people import DeskRole, Person
from connector.stored import Clock, utc_now
from connector.tables import Base, UtcDateTime

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)

_NOTED_EVERY = timedelta(minutes=1)
"""How exactly the time of the last page is kept; a page need not write each time."""


class SessionRow(Base):
    """One login; ``id`` is the SHA-256 of the browser's token."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    patient: Mapped[str | None] = mapped_column(String(255))
    reference: Mapped[str | None] = mapped_column(String(255))
    csrf: Mapped[str] = mapped_column(String(64))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a page, and the token that their forms must carry."""

    person: Person
    csrf: str


class Sessions:
    """Logins. Every method is one transaction and may be called from any thread."""

    def __init__(self, sessions: sessionmaker[Session], clock: Clock = utc_now) -> None:
        self._sessions = sessions
        self._clock = clock

    def begin(self, person: Person) -> str:
        """Logs somebody in; returns the token for their browser."""
        token, now = secrets.token_urlsafe(32), self._clock()
        row = SessionRow(
            id=_hash(token),
            name=person.name,
            role=person.role.value,
            patient=person.patient,
            reference=person.reference,
            csrf=secrets.token_urlsafe(32),
            began_at=now,
            seen_at=now,
        )
        with self._sessions.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.seen_at < now - IDLE))
            session.add(row)
        return token

    def visitor(self, token: str, attended: bool = True) -> Visitor | None:
        """Who holds this token; None where nobody does any more.

        Args:
            token: the browser's.
            attended: whether somebody is there; the session goes on by that alone.
        """
        now = self._clock()
        with self._sessions() as session:
            row = session.get(SessionRow, _hash(token))
            if row is None or now - row.seen_at > IDLE or now - row.began_at > LONGEST:
                return None
            person = Person(row.name, DeskRole(row.role), row.patient, row.reference)
            visitor = Visitor(person, row.csrf)
            is_due = attended and now - row.seen_at > _NOTED_EVERY
        if is_due:
            seen = update(SessionRow).where(SessionRow.id == _hash(token)).values(seen_at=now)
            with self._sessions.begin() as session:
                session.execute(seen)
        return visitor

    def end(self, token: str) -> None:
        """Logs out."""
        with self._sessions.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.id == _hash(token)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
