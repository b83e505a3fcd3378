"""The studies and what is left to do about each, without opening any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, sessionmaker

from connector.desk.review import Action, expected_minutes
from connector.desk.review_store import DecisionRow, SignatureRow, settles
from connector.stored import StoredStudy
from connector.tables import AuditRow, HypnogramRow, State


class Shown(StrEnum):
    """Which studies the list shows."""

    ALL = "all"
    TO_REVIEW = "to review"
    SECOND_READER = "second reader"
    SIGNED = "signed"
    UNDER_WAY = "under way"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list.

    Attributes:
        study: the study.
        n_flagged: flagged epochs; None before it is audited, or where they were not counted.
        n_settled: epochs that a physician has decided.
        n_asked: epochs about which a colleague asks for a second reader.
        signed: how often it was signed.
        age: since it arrived, in words.
        pace_s: what a flagged epoch takes reviewers; None where it is not known.
    """

    study: StoredStudy
    n_flagged: int | None
    n_settled: int
    n_asked: int
    signed: int
    age: str
    pace_s: float | None

    def is_in(self, shown: Shown) -> bool:
        """Whether it belongs to a part of the list; a question may be in any of the others."""
        if shown is Shown.SECOND_READER:
            return self.n_asked > 0
        return shown in (Shown.ALL, self.shown)

    @property
    def shown(self) -> Shown:
        """How far it has come."""
        if self.study.state in (State.FAILED, State.CANCELLED):
            return Shown.FAILED
        if self.signed:
            return Shown.SIGNED
        return Shown.TO_REVIEW if self.study.state is State.REPORTED else Shown.UNDER_WAY

    @property
    def minutes(self) -> float | None:
        """Expected for what is still to be reviewed; None where nothing is."""
        if self.n_flagged is None or self.shown is not Shown.TO_REVIEW:
            return None
        return expected_minutes(max(0, self.n_flagged - self.n_settled), self.pace_s)


def listed(
    sessions: sessionmaker[Session],
    studies: Sequence[StoredStudy],
    reader: str,
    now: datetime,
    paces: Mapping[str, float],
) -> tuple[Listed, ...]:
    """Studies with what is left to do, in the same order.

    Args:
        sessions: of the store.
        studies: those to list.
        reader: who reads the list.
        now: the time.
        paces: seconds that an epoch takes reviewers, by stager.
    """
    latest = (
        select(
            HypnogramRow.study_id,
            func.max(HypnogramRow.id).label("hypnogram_id"),
            func.max(AuditRow.id).label("audit_id"),
        )
        .join(AuditRow, AuditRow.hypnogram_id == HypnogramRow.id)
        .where(HypnogramRow.study_id.in_([study.id for study in studies]))
        .group_by(HypnogramRow.study_id)
        .subquery()
    )
    flagged = select(latest.c.study_id, AuditRow.n_flagged).join(
        AuditRow, AuditRow.id == latest.c.audit_id
    )
    stager = select(latest.c.study_id, HypnogramRow.stager_name).join(
        HypnogramRow, HypnogramRow.id == latest.c.hypnogram_id
    )
    last_words = (
        select(func.max(DecisionRow.id).label("id"))
        .where(DecisionRow.action != Action.NOTE.value)
        .group_by(DecisionRow.hypnogram_id, DecisionRow.epoch)
        .subquery()
    )
    decided = (
        select(latest.c.study_id, func.count())
        .join(DecisionRow, DecisionRow.hypnogram_id == latest.c.hypnogram_id)
        .join(last_words, last_words.c.id == DecisionRow.id)
        .group_by(latest.c.study_id)
    )
    asked = decided.where(
        DecisionRow.action == Action.SECOND_READER.value, DecisionRow.reviewer != reader
    )
    signed = (
        select(latest.c.study_id, func.max(SignatureRow.number))
        .join(SignatureRow, SignatureRow.hypnogram_id == latest.c.hypnogram_id)
        .group_by(latest.c.study_id)
    )
    with sessions() as session:
        n_flagged = _by_study(session, flagged)
        stagers = _by_study(session, stager)
        n_settled = _by_study(session, decided.where(settles()))
        n_asked = _by_study(session, asked)
        n_signed = _by_study(session, signed)
    return tuple(
        Listed(
            study,
            n_flagged.get(study.id),
            n_settled.get(study.id) or 0,
            n_asked.get(study.id) or 0,
            n_signed.get(study.id) or 0,
            age_in_words((now - study.created_at).total_seconds()),
            paces.get(stagers.get(study.id, "")),
        )
        for study in studies
    )


def age_in_words(seconds: float) -> str:
    """How long ago, as people say it."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return "just now"


def _by_study(session: Session, chosen: Select[Any]) -> Mapping[str, Any]:
    return {row[0]: row[1] for row in session.execute(chosen)}
