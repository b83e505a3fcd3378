"""Tokens that were used, for as long as they could be used again, by any process of the service."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import String, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from connector.stored import Clock, utc_now
from connector.tables import Base, UtcDateTime


class UsedTokenRow(Base):
    """A token that was used; ``id`` is the SHA-256 of its issuer and its own id."""

    __tablename__ = "used_tokens"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class UsedTokens:
    """Every method is one transaction and may be called from any thread."""

    def __init__(self, sessions: sessionmaker[Session], clock: Clock = utc_now) -> None:
        self._sessions = sessions
        self._clock = clock

    def use(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Notes that a token is used; False if it was before.

        Args:
            issuer: of the token (``iss``).
            token_id: unique among its issuer's (``jti``).
            expires_at: from then on it is refused anyway, and is forgotten here.
        """
        # The length goes before: no other issuer and id together give the same text.
        named = f"{len(issuer)} {issuer} {token_id}"
        key = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            with self._sessions.begin() as session:
                expired = UsedTokenRow.expires_at < self._clock()
                session.execute(delete(UsedTokenRow).where(expired))
                session.add(UsedTokenRow(id=key, expires_at=expires_at))
        except IntegrityError:
            return False
        return True
