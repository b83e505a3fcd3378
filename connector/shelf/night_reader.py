"""The reviewed nights as the page on agreement counts them, read once each.

What was decided is only ever added to. A night that was read is therefore kept until there is a
later audit, decision or signature of it, and hundreds of nights cost one query.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, sessionmaker

from auditor.vocabulary import Stage, Verdict
from connector.desk.review_store import DecisionRow, SignatureRow, settles
from connector.shelf.agreement_figures import ReviewedNight
from connector.shelf.finding_index import FlagFindingRow, ReadAuditRow, RuleFindingRow
from connector.tables import AuditRow, HypnogramRow, StudyRow

_Latest: TypeAlias = tuple[int, int, int | None, int | None]
"""Of a scoring: its number, and those of its last audit, decision and signature."""


class NightReader:
    """Reads reviewed nights, and keeps them. May be used from any thread."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._read: dict[int, tuple[_Latest, ReviewedNight]] = {}

    def nights(self, patient: str | None = None) -> tuple[ReviewedNight, ...]:
        """Every scoring that somebody has decided about or signed, by its latest audit.

        Audits that are not in the finding index yet are left out.

        Args:
            patient: of this patient's studies alone.
        """
        with self._sessions() as session:
            return tuple(self._night(session, latest) for latest in _latest(session, patient))

    def _night(self, session: Session, latest: _Latest) -> ReviewedNight:
        hypnogram_id, audit_id, _, _ = latest
        known = self._read.get(hypnogram_id)
        if known is not None and known[0] == latest:
            return known[1]
        night = _night(session, audit_id, hypnogram_id)
        self._read[hypnogram_id] = latest, night
        return night


def _latest(session: Session, patient: str | None) -> list[_Latest]:
    decided = (
        select(DecisionRow.hypnogram_id, func.max(DecisionRow.id).label("last"))
        .group_by(DecisionRow.hypnogram_id)
        .subquery()
    )
    signed = (
        select(SignatureRow.hypnogram_id, func.max(SignatureRow.id).label("last"))
        .group_by(SignatureRow.hypnogram_id)
        .subquery()
    )
    audited = (
        select(AuditRow.hypnogram_id, func.max(ReadAuditRow.audit_id).label("last"))
        .join(ReadAuditRow, ReadAuditRow.audit_id == AuditRow.id)
        .group_by(AuditRow.hypnogram_id)
        .subquery()
    )
    chosen = (
        select(audited.c.hypnogram_id, audited.c.last, decided.c.last, signed.c.last)
        .outerjoin(decided, decided.c.hypnogram_id == audited.c.hypnogram_id)
        .outerjoin(signed, signed.c.hypnogram_id == audited.c.hypnogram_id)
        .where(or_(decided.c.last.is_not(None), signed.c.last.is_not(None)))
        .order_by(audited.c.hypnogram_id)
    )
    if patient is not None:
        chosen = (
            chosen.join(HypnogramRow, HypnogramRow.id == audited.c.hypnogram_id)
            .join(StudyRow, StudyRow.id == HypnogramRow.study_id)
            .where(StudyRow.patient == patient)
        )
    return [(night, audit, last, mark) for night, audit, last, mark in session.execute(chosen)]


def _night(session: Session, audit_id: int, hypnogram_id: int) -> ReviewedNight:
    scored = _stages(
        session.scalars(select(ReadAuditRow.stages).where(ReadAuditRow.audit_id == audit_id)).one()
    )
    # Columns and not objects: there are hundreds of rows a night, and hundreds of nights.
    flags = session.execute(
        select(FlagFindingRow.code, FlagFindingRow.epochs).where(
            FlagFindingRow.audit_id == audit_id
        )
    )
    findings = session.execute(
        select(
            RuleFindingRow.rule,
            RuleFindingRow.cited,
            RuleFindingRow.verdict,
            RuleFindingRow.epochs,
        ).where(RuleFindingRow.audit_id == audit_id)
    )
    decided = _decided(session, hypnogram_id)
    rules: dict[tuple[str, Verdict], list[int]] = defaultdict(list)
    for row in findings:
        own_stage = row.rule.partition(".")[0]
        rules[row.rule, Verdict(row.verdict)] += [
            epoch
            for epoch in json.loads(row.epochs)
            if epoch in decided and (row.cited or scored[epoch] == own_stage)
        ]
    signatures = session.execute(
        select(SignatureRow.stages, SignatureRow.at)
        .where(SignatureRow.hypnogram_id == hypnogram_id)
        .order_by(SignatureRow.number)
    ).all()
    return ReviewedNight(
        scored=scored,
        decided=decided,
        flags={row.code: json.loads(row.epochs) for row in flags},
        rules=rules,
        signed=_stages(signatures[-1].stages) if signatures else (),
        signed_at=signatures[0].at if signatures else None,
    )


def _decided(session: Session, hypnogram_id: int) -> Mapping[int, bool]:
    decisions = session.execute(
        select(DecisionRow.epoch, DecisionRow.scored, DecisionRow.stage)
        .where(
            DecisionRow.hypnogram_id == hypnogram_id,
            settles(),
        )
        .order_by(DecisionRow.id)
    )
    return {epoch: scored != stage for epoch, scored, stage in decisions}


def _stages(document: str) -> tuple[Stage, ...]:
    return tuple(Stage(stage) for stage in json.loads(document))
