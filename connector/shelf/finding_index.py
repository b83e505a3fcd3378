"""What every audit found, by rule and by flag, at hand without reading the audits themselves.

An audit of a night is 6 MB of JSON. Each is read once, and what it found is kept as a few dozen
rows: the epochs of each rule that came out the same way, and of each flag. The rows follow from
the audits alone, so that they are filled in when they are asked for: nothing has to be noted
while a study is on its way, and audits from before there was an index are in it as well.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any, TypeVar

from sqlalchemy import Boolean, ForeignKey, Integer, Select, String, Text, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from auditor.vocabulary import Verdict
from connector.documents import Json
from connector.tables import AuditRow, Base, HypnogramRow, StudyRow

_Query = TypeVar("_Query", bound="Select[*tuple[Any, ...]]")

READ_AT_ONCE = 40
"""Audits that one request reads at most; the others wait for the next one."""


class ReadAuditRow(Base):
    """An audit that is in the index; ``stages`` are the scoring's, as a JSON list."""

    __tablename__ = "read_audits"

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), primary_key=True)
    stages: Mapped[str] = mapped_column(Text)


class RuleFindingRow(Base):
    """The epochs of one audit in which one rule came out in one way, as a JSON list."""

    __tablename__ = "rule_findings"

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    cited: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    verdict: Mapped[str] = mapped_column(String(16), primary_key=True)
    n: Mapped[int] = mapped_column(Integer)
    epochs: Mapped[str] = mapped_column(Text)


class FlagFindingRow(Base):
    """The epochs of one audit that carry one flag, as a JSON list."""

    __tablename__ = "flag_findings"

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    epochs: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Finding:
    """How a rule came out in one epoch.

    Attributes:
        study_id: whose epoch it is.
        epoch: its number, from 0.
        cited: whether the scorer cited the rule.
        verdict: how it came out.
        rulebook_version: by which rulebook.
        at: when the audit was made.
    """

    study_id: str
    epoch: int
    cited: bool
    verdict: Verdict
    rulebook_version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Some findings of many, newest audit first, by epoch within it; ``total`` is of all."""

    findings: tuple[Finding, ...]
    total: int


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How often a rule came out in each way, over all audits."""

    supported: int
    contradicted: int
    not_assessable: int
    cited: int

    @property
    def total(self) -> int:
        return self.supported + self.contradicted + self.not_assessable


class FindingIndex:
    """Every method is one transaction or several, and may be called from any thread.

    Wherever a ``patient`` is given ("Patient/7"), nothing is told but of that patient's studies.
    """

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def catch_up(self, most: int = READ_AT_ONCE) -> int:
        """Reads audits that are not in the index yet, newest first; how many are left unread."""
        unread = (
            select(AuditRow.id)
            .where(AuditRow.id.not_in(select(ReadAuditRow.audit_id)))
            .order_by(AuditRow.id.desc())
        )
        with self._sessions() as session:
            waiting = session.scalars(unread).all()
        for audit_id in waiting[:most]:
            self._read(audit_id)
        return max(0, len(waiting) - most)

    def _read(self, audit_id: int) -> None:
        with self._sessions() as session:
            document = session.scalars(
                select(AuditRow.document).where(AuditRow.id == audit_id)
            ).one()
        epochs: Sequence[Json] = json.loads(document)["epochs"]
        try:
            with self._sessions.begin() as session:
                stages = json.dumps([epoch["stage"] for epoch in epochs])
                session.add(ReadAuditRow(audit_id=audit_id, stages=stages))
                session.flush()  # whoever else reads the same audit now ends here
                session.add_all(_rule_rows(audit_id, epochs))
                session.add_all(_flag_rows(audit_id, epochs))
        except IntegrityError:
            pass  # it is in the index, by another process's hand

    def counts(self, patient: str | None = None) -> Mapping[str, VerdictCounts]:
        """By rule, how it came out; rules that were never looked at are left out."""
        summed = _of_patient(
            select(
                RuleFindingRow.rule,
                RuleFindingRow.verdict,
                RuleFindingRow.cited,
                func.sum(RuleFindingRow.n),
            ),
            patient,
        ).group_by(RuleFindingRow.rule, RuleFindingRow.verdict, RuleFindingRow.cited)
        verdicts: dict[str, Counter[str]] = defaultdict(Counter)
        cited: Counter[str] = Counter()
        with self._sessions() as session:
            for rule, verdict, is_cited, n in session.execute(summed):
                verdicts[rule][verdict] += n
                cited[rule] += n if is_cited else 0
        return {
            rule: VerdictCounts(
                found[Verdict.SUPPORTED],
                found[Verdict.CONTRADICTED],
                found[Verdict.NOT_ASSESSABLE],
                cited[rule],
            )
            for rule, found in verdicts.items()
        }

    def over_time(
        self, rule: str, patient: str | None = None
    ) -> tuple[tuple[datetime, Verdict, int], ...]:
        """How a rule came out in each audit, oldest first: when, which way, how often."""
        found = (
            _of_patient(
                select(AuditRow.created_at, RuleFindingRow.verdict, func.sum(RuleFindingRow.n)),
                patient,
            )
            .where(RuleFindingRow.rule == rule)
            .group_by(AuditRow.id, AuditRow.created_at, RuleFindingRow.verdict)
            .order_by(AuditRow.id)
        )
        with self._sessions() as session:
            return tuple((at, Verdict(v), n) for at, v, n in session.execute(found))

    def findings(
        self,
        rule: str,
        first: int,
        most: int,
        patient: str | None = None,
        verdict: Verdict | None = None,
        cited: bool | None = None,
    ) -> FindingPage:
        """A rule's findings, some at a time.

        Args:
            rule: its identifier.
            first: how many to pass over.
            most: how many to give.
            patient: of this patient's studies alone.
            verdict: those that came out so alone.
            cited: those that a scorer cited, or did not cite, alone.
        """
        chosen = RuleFindingRow.rule == rule
        if verdict is not None:
            chosen &= RuleFindingRow.verdict == verdict.value
        if cited is not None:
            chosen &= RuleFindingRow.cited.is_(cited)
        sizes = (
            _of_patient(select(AuditRow.id, func.sum(RuleFindingRow.n)), patient)
            .where(chosen)
            .group_by(AuditRow.id)
            .order_by(AuditRow.id.desc())
        )
        with self._sessions() as session:
            counted = [(audit_id, n) for audit_id, n in session.execute(sizes)]
            shown: list[Finding] = []
            passed = 0
            for audit_id, n in counted:
                if passed + n > first and len(shown) < most:
                    within = max(0, first - passed)
                    needed = most - len(shown)
                    shown += _findings_of(session, audit_id, chosen)[within : within + needed]
                passed += n
        return FindingPage(tuple(shown), passed)


def _of_patient(query: _Query, patient: str | None) -> _Query:
    """Rule findings with their audits and studies; one patient's where one is given."""
    joined = (
        query.select_from(RuleFindingRow)
        .join(AuditRow, AuditRow.id == RuleFindingRow.audit_id)
        .join(HypnogramRow, HypnogramRow.id == AuditRow.hypnogram_id)
    )
    if patient is None:
        return joined
    return joined.join(StudyRow, StudyRow.id == HypnogramRow.study_id).where(
        StudyRow.patient == patient
    )


def _findings_of(session: Session, audit_id: int, chosen: Any) -> list[Finding]:
    study_id, version, at = session.execute(
        select(HypnogramRow.study_id, AuditRow.rulebook_version, AuditRow.created_at)
        .join(AuditRow, AuditRow.hypnogram_id == HypnogramRow.id)
        .where(AuditRow.id == audit_id)
    ).one()
    rows = session.scalars(
        select(RuleFindingRow).where(RuleFindingRow.audit_id == audit_id, chosen)
    )
    by_way = (
        [
            Finding(study_id, epoch, row.cited, Verdict(row.verdict), version, at)
            for epoch in json.loads(row.epochs)
        ]
        for row in rows
    )
    return list(merge(*by_way, key=lambda finding: finding.epoch))


def _rule_rows(audit_id: int, epochs: Sequence[Json]) -> Iterator[RuleFindingRow]:
    found: dict[tuple[str, bool, str], list[int]] = defaultdict(list)
    for epoch in epochs:
        for rule in epoch["rules"]:
            found[rule["id"], rule["cited"], rule["verdict"]].append(epoch["epoch"])
    for (rule_id, cited, verdict), numbers in found.items():
        yield RuleFindingRow(
            audit_id=audit_id,
            rule=rule_id,
            cited=cited,
            verdict=verdict,
            n=len(numbers),
            epochs=json.dumps(numbers),
        )


def _flag_rows(audit_id: int, epochs: Sequence[Json]) -> Iterator[FlagFindingRow]:
    found: dict[str, list[int]] = defaultdict(list)
    for epoch in epochs:
        for code in dict.fromkeys(flag["code"] for flag in epoch["flags"]):
            found[code].append(epoch["epoch"])
    for code, numbers in found.items():
        yield FlagFindingRow(audit_id=audit_id, code=code, epochs=json.dumps(numbers))
