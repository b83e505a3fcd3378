"""Where decisions and signatures are kept: rows are added, and never changed but for one mark.

Two reviewers cannot overwrite one another: a decision says which one of the same epoch its
reviewer had seen, a signature which state of the night, and whoever comes second is told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Boolean,
    ForeignKey,
    String,
    Text,
    UniqueConstraint,
    func,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from auditor.vocabulary import Stage
from connector.desk.review import (
    Action,
    Decision,
    Meaning,
    Reason,
    Review,
    ReviewConflict,
    Signature,
    changed_epochs,
)
from connector.store import Clock, utc_now
from connector.tables import Base, UtcDateTime


class DecisionRow(Base):
    """One decision; attributes as in :class:`Decision`.

    ``follows`` is the decision of the same epoch that its reviewer had seen, 0 for none.
    """

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("audit_id", "epoch", "follows"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), index=True)
    epoch: Mapped[int]
    follows: Mapped[int]
    action: Mapped[str] = mapped_column(String(16))
    scored: Mapped[str] = mapped_column(String(2))
    stage: Mapped[str] = mapped_column(String(2))
    reason: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str] = mapped_column(Text)
    reviewer: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    proposed: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignatureRow(Base):
    """One signature; attributes as in :class:`Signature`, the stages signed beside them."""

    __tablename__ = "signatures"
    __table_args__ = (UniqueConstraint("audit_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), index=True)
    number: Mapped[int]
    signer: Mapped[str] = mapped_column(String(255))
    meaning: Mapped[str] = mapped_column(String(64))
    content_sha256: Mapped[str] = mapped_column(String(64))
    stages: Mapped[str] = mapped_column(Text)
    changed: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    written: Mapped[bool] = mapped_column(Boolean)


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision as a reviewer makes it; attributes as in :class:`Decision`.

    ``seen`` is the decision of the epoch that the reviewer was shown, 0 for none.
    """

    epoch: int
    action: Action
    stage: Stage
    reviewer: str
    role: str
    proposed: bool
    reason: Reason | None = None
    comment: str = ""
    seen: int = 0


class ReviewStore:
    """Decisions and signatures, by audit. Every method is one transaction."""

    def __init__(self, sessions: sessionmaker[Session], clock: Clock = utc_now) -> None:
        self._sessions = sessions
        self._clock = clock

    def review(self, audit_id: int, scored: tuple[Stage, ...], flagged: tuple[int, ...]) -> Review:
        """The review of an audit as it stands."""
        with self._sessions() as session:
            return _review(session, audit_id, scored, flagged)

    def decide(self, review: Review, new: NewDecision) -> Decision:
        """Adds a decision.

        Raises:
            ReviewConflict: somebody decided the epoch after it was shown to this reviewer.
        """
        row = DecisionRow(
            audit_id=review.audit_id,
            epoch=new.epoch,
            follows=new.seen,
            action=new.action.value,
            scored=review.scored[new.epoch].value,
            stage=new.stage.value,
            reason=new.reason.value if new.reason else None,
            comment=new.comment,
            reviewer=new.reviewer,
            role=new.role,
            proposed=new.proposed,
            at=self._clock(),
        )
        latest = select(func.max(DecisionRow.id)).where(
            DecisionRow.audit_id == review.audit_id, DecisionRow.epoch == new.epoch
        )
        try:
            with self._sessions.begin() as session:
                if (session.scalar(latest) or 0) != new.seen:
                    raise ReviewConflict(f"epoch {new.epoch} was decided by somebody else just now")
                session.add(row)
                session.flush()
                return _decision(row)
        except IntegrityError:  # both saw the same, and the other was first
            raise ReviewConflict(
                f"epoch {new.epoch} was decided by somebody else just now"
            ) from None

    def sign(self, review: Review, signer: str, seen_sha256: str) -> Signature:
        """Signs the night as its signer saw it: the first time final, later amended.

        Raises:
            ReviewConflict: the night is no longer as it was shown, or the same was signed before.
        """
        changed_meanwhile = "the night was changed or signed by somebody else just now"
        try:
            with self._sessions.begin() as session:
                now = _review(session, review.audit_id, review.scored, review.flagged)
                if now.content_sha256 != seen_sha256:
                    raise ReviewConflict(changed_meanwhile)
                if now.signed is not None and not now.changed_since_signed:
                    raise ReviewConflict("the night is signed as it is, and nothing was changed")
                row = SignatureRow(
                    audit_id=review.audit_id,
                    number=len(now.signatures) + 1,
                    signer=signer,
                    meaning=(Meaning.AMENDMENT if now.signed else Meaning.AUTHORSHIP).value,
                    content_sha256=now.content_sha256,
                    stages=json.dumps([stage.value for stage in now.stages]),
                    changed=json.dumps(changed_epochs(_last_signed(session, now), now.stages)),
                    at=self._clock(),
                    written=False,
                )
                session.add(row)
                session.flush()
                return _signature(row)
        except IntegrityError:
            raise ReviewConflict(changed_meanwhile) from None

    def note_written(self, audit_id: int, number: int) -> None:
        """Notes that the EHR has the signed report."""
        with self._sessions.begin() as session:
            session.execute(
                update(SignatureRow)
                .where(SignatureRow.audit_id == audit_id, SignatureRow.number == number)
                .values(written=True)
            )


def _review(
    session: Session, audit_id: int, scored: tuple[Stage, ...], flagged: tuple[int, ...]
) -> Review:
    decisions = session.scalars(
        select(DecisionRow).where(DecisionRow.audit_id == audit_id).order_by(DecisionRow.id)
    )
    signatures = session.scalars(
        select(SignatureRow).where(SignatureRow.audit_id == audit_id).order_by(SignatureRow.number)
    )
    return Review(
        audit_id,
        scored,
        flagged,
        tuple(map(_decision, decisions)),
        tuple(map(_signature, signatures)),
    )


def _last_signed(session: Session, review: Review) -> tuple[Stage, ...]:
    """The stages under the last signature; before the first, as they were scored."""
    if review.signed is None:
        return review.scored
    stages = session.scalars(
        select(SignatureRow.stages).where(
            SignatureRow.audit_id == review.audit_id, SignatureRow.number == review.signed.number
        )
    ).one()
    return tuple(map(Stage, json.loads(stages)))


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        id=row.id,
        epoch=row.epoch,
        action=Action(row.action),
        scored=Stage(row.scored),
        stage=Stage(row.stage),
        reason=Reason(row.reason) if row.reason else None,
        comment=row.comment,
        reviewer=row.reviewer,
        role=row.role,
        proposed=row.proposed,
        at=row.at,
    )


def _signature(row: SignatureRow) -> Signature:
    return Signature(
        number=row.number,
        signer=row.signer,
        meaning=Meaning(row.meaning),
        content_sha256=row.content_sha256,
        changed=tuple(json.loads(row.changed)),
        at=row.at,
        written=row.written,
    )
