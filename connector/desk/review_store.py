"""Where decisions and signatures are kept: rows are added, and never changed but for one mark.

Two reviewers cannot overwrite one another: a decision says which one of the same epoch its
reviewer had seen, a signature which state of the night, and whoever comes second is told. Each
stands in the audit trail too, in the same transaction.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
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
from sqlalchemy.sql.elements import ColumnElement

from auditor.vocabulary import Stage
from connector import trail
from connector.desk.people import Person
from connector.desk.review import (
    SETTLING,
    Action,
    Decision,
    Meaning,
    Reason,
    Review,
    ReviewConflict,
    Signature,
    changed_epochs,
    seconds_per_epoch,
)
from connector.stored import Clock, utc_now
from connector.tables import Base, HypnogramRow, UtcDateTime

_TIMED = 500
"""So many decisions, the latest, tell the reviewers' pace."""


class DecisionRow(Base):
    """One decision; attributes as in :class:`Decision`.

    ``follows`` is the last of the same epoch that its reviewer had seen, 0 for none.
    """

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("hypnogram_id", "epoch", "follows"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hypnogram_id: Mapped[int] = mapped_column(ForeignKey("hypnograms.id"), index=True)
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


def settles() -> ColumnElement[bool]:
    """Chooses as :attr:`Decision.settles` does."""
    settling = DecisionRow.action.in_([action.value for action in SETTLING])
    return settling & DecisionRow.proposed.is_(False)


class SignatureRow(Base):
    """One signature; attributes as in :class:`Signature`, the stages signed beside them."""

    __tablename__ = "signatures"
    __table_args__ = (UniqueConstraint("hypnogram_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hypnogram_id: Mapped[int] = mapped_column(ForeignKey("hypnograms.id"), index=True)
    number: Mapped[int]
    signer: Mapped[str] = mapped_column(String(255))
    meaning: Mapped[str] = mapped_column(String(64))
    content_sha256: Mapped[str] = mapped_column(String(64))
    last_decision: Mapped[int]
    stages: Mapped[str] = mapped_column(Text)
    changed: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    written: Mapped[bool] = mapped_column(Boolean)
    reference: Mapped[str | None] = mapped_column(String(255))
    problem: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision as a reviewer makes it; attributes as in :class:`Decision`.

    ``seen`` is the last that the reviewer was shown of the epoch, notes included; 0 for none.
    """

    epoch: int
    action: Action
    stage: Stage
    reviewer: Person
    reason: Reason | None = None
    comment: str = ""
    seen: int = 0


class ReviewStore:
    """Decisions and signatures, by scoring. Every method is one transaction."""

    def __init__(self, sessions: sessionmaker[Session], clock: Clock = utc_now) -> None:
        self._sessions = sessions
        self._clock = clock

    def review(
        self, hypnogram_id: int, scored: tuple[Stage, ...], flagged: tuple[int, ...]
    ) -> Review:
        """The review of a scoring as it stands."""
        with self._sessions() as session:
            return _review(session, hypnogram_id, scored, flagged)

    def decide(self, review: Review, new: NewDecision) -> Decision:
        """Adds a decision.

        Raises:
            ReviewConflict: somebody decided or noted something about the epoch after it was
                shown to this reviewer.
        """
        conflict = f"somebody else wrote about epoch {new.epoch} just now"
        row = DecisionRow(
            hypnogram_id=review.hypnogram_id,
            epoch=new.epoch,
            follows=new.seen,
            action=new.action.value,
            scored=review.scored[new.epoch].value,
            stage=new.stage.value,
            reason=new.reason.value if new.reason else None,
            comment=new.comment,
            reviewer=new.reviewer.name,
            role=new.reviewer.role.value,
            proposed=new.reviewer.proposes,
            at=self._clock(),
        )
        latest = select(func.max(DecisionRow.id)).where(
            DecisionRow.hypnogram_id == review.hypnogram_id, DecisionRow.epoch == new.epoch
        )
        try:
            with self._sessions.begin() as session:
                if (session.scalar(latest) or 0) != new.seen:
                    raise ReviewConflict(conflict)
                session.add(row)
                session.flush()
                decision = _decision(row)
                told = {
                    "decision": decision.id,
                    "epoch": decision.epoch,
                    "action": decision.action.value,
                    "scored": decision.scored.value,
                    "stage": decision.stage.value,
                    "proposed": decision.proposed,
                }
                _tell(session, review, new.reviewer, trail.Action.DECIDED, decision.at, told)
                return decision
        except IntegrityError:  # both saw the same, and the other was first
            raise ReviewConflict(conflict) from None

    def sign(self, review: Review, signer: Person, seen_sha256: str) -> Signature:
        """Signs the night as its signer saw it: the first time final, later amended.

        Raises:
            ReviewConflict: the night is no longer as it was shown, or the same was signed before.
        """
        changed_meanwhile = "the night was changed or signed by somebody else just now"
        try:
            with self._sessions.begin() as session:
                now = _review(session, review.hypnogram_id, review.scored, review.flagged)
                if now.content_sha256 != seen_sha256:
                    raise ReviewConflict(changed_meanwhile)
                if now.signed is not None and not now.changed_since_signed:
                    raise ReviewConflict("the night is signed as it is, and nothing was changed")
                row = SignatureRow(
                    hypnogram_id=review.hypnogram_id,
                    number=len(now.signatures) + 1,
                    signer=signer.name,
                    meaning=(Meaning.AMENDMENT if now.signed else Meaning.AUTHORSHIP).value,
                    content_sha256=now.content_sha256,
                    last_decision=now.decisions[-1].id if now.decisions else 0,
                    stages=json.dumps([stage.value for stage in now.stages]),
                    changed=json.dumps(changed_epochs(_last_signed(session, now), now.stages)),
                    at=self._clock(),
                    written=False,
                    reference=signer.reference,
                    problem="",
                )
                session.add(row)
                session.flush()
                signature = _signature(row)
                told = {
                    "signature": signature.number,
                    "meaning": signature.meaning.value,
                    "content_sha256": signature.content_sha256,
                }
                _tell(session, review, signer, trail.Action.SIGNED, signature.at, told)
                return signature
        except IntegrityError:
            raise ReviewConflict(changed_meanwhile) from None

    def note_written(self, hypnogram_id: int, number: int, lacks: str = "") -> None:
        """Notes that the EHR has the signed report; what it did not keep of it, as a sentence."""
        self._note(hypnogram_id, number, written=True, problem=lacks)

    def note_problem(self, hypnogram_id: int, number: int, problem: str) -> None:
        """Notes why the EHR does not have it, as a sentence."""
        self._note(hypnogram_id, number, problem=problem)

    def _note(self, hypnogram_id: int, number: int, **values: object) -> None:
        with self._sessions.begin() as session:
            session.execute(
                update(SignatureRow)
                .where(SignatureRow.hypnogram_id == hypnogram_id, SignatureRow.number == number)
                .values(**values)
            )

    def paces(self) -> Mapping[str, float]:
        """Seconds that an epoch takes its reviewers, by stager, where enough were timed."""
        latest = (
            select(HypnogramRow.stager_name, DecisionRow.reviewer, DecisionRow.at)
            .join(HypnogramRow, HypnogramRow.id == DecisionRow.hypnogram_id)
            .order_by(DecisionRow.id.desc())
            .limit(_TIMED)
        )
        decided: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
        with self._sessions() as session:
            for stager, reviewer, at in reversed(session.execute(latest).all()):
                decided[stager].append((reviewer, at))
        paces = {stager: seconds_per_epoch(each) for stager, each in decided.items()}
        return {stager: pace_s for stager, pace_s in paces.items() if pace_s is not None}

    def unwritten(self) -> tuple[tuple[str, int, int], ...]:
        """Study, scoring and number of each signature that the EHR does not have, oldest first."""
        pending = (
            select(HypnogramRow.study_id, SignatureRow.hypnogram_id, SignatureRow.number)
            .join(HypnogramRow, HypnogramRow.id == SignatureRow.hypnogram_id)
            .where(SignatureRow.written.is_(False))
            .order_by(SignatureRow.id)
        )
        with self._sessions() as session:
            return tuple(
                (study, audit, number) for study, audit, number in session.execute(pending)
            )


def _tell(
    session: Session,
    review: Review,
    who: Person,
    action: trail.Action,
    at: datetime,
    details: trail.Details,
) -> None:
    """Adds to the trail of the study whose scoring is reviewed."""
    study_id = session.scalars(
        select(HypnogramRow.study_id).where(HypnogramRow.id == review.hypnogram_id)
    ).one()
    trail.append(session, at, who.actor, action, study_id, details)


def _review(
    session: Session, hypnogram_id: int, scored: tuple[Stage, ...], flagged: tuple[int, ...]
) -> Review:
    decisions = session.scalars(
        select(DecisionRow).where(DecisionRow.hypnogram_id == hypnogram_id).order_by(DecisionRow.id)
    )
    signatures = session.scalars(
        select(SignatureRow)
        .where(SignatureRow.hypnogram_id == hypnogram_id)
        .order_by(SignatureRow.number)
    )
    return Review(
        hypnogram_id,
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
            SignatureRow.hypnogram_id == review.hypnogram_id,
            SignatureRow.number == review.signed.number,
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
        last_decision=row.last_decision,
        changed=tuple(json.loads(row.changed)),
        at=row.at,
        written=row.written,
        reference=row.reference,
        problem=row.problem,
    )
