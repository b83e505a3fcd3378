"""What the service remembers: studies, how they were scored, and what the audit found.

SQLite or PostgreSQL, by address. Each change of a study and each document stands in the audit
trail too, in the same transaction. Runs and workers are in :mod:`connector.runs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from auditor.errors import UsageError
from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector import trail
from connector.database import READS_ONLY, is_postgresql, open_database
from connector.runs import Runs
from connector.stored import (
    ROUTINE,
    AuditedStudy,
    Clock,
    Run,
    Section,
    StateChange,
    StoredStudy,
    utc_now,
)
from connector.tables import (
    AuditRow,
    EvidenceRow,
    HypnogramRow,
    State,
    StudyRow,
    TrailRow,
)
from connector.trail import Action, Anchor, Checked, Details, Entry
from connector.transactions import locked


class Store(Runs):
    """Every method is one transaction and may be called from any thread."""

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now, actor: str = "somnoaudit") -> Self:
        """Connects, and brings the schema up to date.

        Raises:
            SettingsRefused: there is no database at this address, or a later version made it.
        """
        return cls(open_database(url), clock, actor)

    @property
    def address(self) -> str:
        """Of its database, without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self._engine.dispose()

    # ── studies ───────────────────────────────────────────────────────────────────────────

    def add_study(self, study_id: str, source: str, priority: int = ROUTINE) -> bool:
        """Takes a study in as queued; False, and nothing changed, if it is already known."""
        now = self._clock()
        row = StudyRow(
            id=study_id,
            source=source,
            priority=priority,
            state=State.QUEUED.value,
            reason="",
            report=None,
            run=1,
            tries=0,
            version=None,
            created_at=now,
            updated_at=now,
        )
        try:
            with self._session.begin() as session:
                session.add(row)
                session.flush()
                self._tell_state(session, study_id, State.QUEUED, source=source)
        except IntegrityError:
            return False
        return True

    def advance(self, study_id: str, state: State, run: Run | None = None) -> None:
        """Notes that a study has come as far as ``state``."""
        self._change(study_id, state, run)

    def fail(self, study_id: str, reason: str, run: Run | None = None) -> None:
        """Notes that a study goes no further, with a sentence for people."""
        self._change(study_id, State.FAILED, run, reason=reason)

    def reported(self, study_id: str, report: str, run: Run | None = None) -> None:
        """Notes the DiagnosticReport that a study ended in."""
        self._change(study_id, State.REPORTED, run, report=report)

    def cancel(self, study_id: str) -> None:
        """Ends a study that has not ended; a worker that has it lets go of it.

        Raises:
            UsageError: there is no such study, or it has ended.
        """
        with self._session.begin() as session:
            study = locked(session, study_id)
            if State(study.state).is_end:
                raise UsageError(f"study {study_id} is {study.state} already")
            self._set(session, study, State.CANCELLED)

    def retry(self, study_id: str) -> None:
        """Queues a study that failed or was cancelled once more.

        Raises:
            UsageError: there is no such study, or it has not ended without a report.
        """
        with self._session.begin() as session:
            study = locked(session, study_id)
            if study.state not in (State.FAILED, State.CANCELLED):
                raise UsageError(f"study {study_id} is {study.state}: nothing to try again")
            study.run += 1
            study.tries = 0
            study.version = None
            self._set(session, study, State.QUEUED)

    def study(self, study_id: str) -> StoredStudy | None:
        with self._session() as session:
            row = session.get(StudyRow, study_id)
            return StoredStudy.of_row(row) if row else None

    def studies(self, most: int = 100, patient: str | None = None) -> tuple[StoredStudy, ...]:
        """The studies named last, newest first; those of one patient alone, where it is given."""
        newest = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id).limit(most)
        if patient is not None:
            newest = newest.where(StudyRow.patient == patient)
        with self._session() as session:
            return tuple(StoredStudy.of_row(row) for row in session.scalars(newest))

    def counts(self) -> tuple[Mapping[State, int], datetime | None]:
        """How many studies are in each state, and since when the first queued one waits."""
        counted = select(StudyRow.state, func.count()).group_by(StudyRow.state)
        oldest = select(func.min(StudyRow.updated_at)).where(StudyRow.state == State.QUEUED)
        with self._session() as session:
            counts = {State(state): number for state, number in session.execute(counted)}
            return counts, session.scalar(oldest)

    def state_changes(self, after_seq: int = 0) -> tuple[StateChange, ...]:
        """The changes of those studies that changed after an entry of the trail, in order."""
        changed = select(TrailRow.study_id).where(
            TrailRow.action == Action.STUDY.value, TrailRow.seq > after_seq
        )
        entries = (
            select(TrailRow)
            .where(TrailRow.action == Action.STUDY.value, TrailRow.study_id.in_(changed))
            .order_by(TrailRow.seq)
        )
        with self._session() as session:
            return tuple(
                StateChange(
                    row.seq,
                    row.study_id or "",
                    State(json.loads(row.details)["state"]),
                    datetime.fromisoformat(row.at),
                )
                for row in session.scalars(entries)
            )

    # ── documents ─────────────────────────────────────────────────────────────────────────

    def add_audit(
        self,
        study_id: str,
        stager: StagerIdentity,
        hypnogram_document: str,
        evidence_document: bytes,
        rulebook: RulebookIdentity,
        audit_document: str,
        report: str,
        run: Run | None = None,
        n_flagged: int | None = None,
    ) -> None:
        """Keeps a hypnogram, the evidence and the audit of one against the other, or nothing."""
        now = self._clock()
        hypnogram = HypnogramRow(
            study_id=study_id,
            stager_name=stager.name,
            stager_version=stager.version,
            weights_sha256=stager.weights_sha256,
            document=hypnogram_document,
            created_at=now,
        )
        evidence = EvidenceRow(study_id=study_id, document=evidence_document, created_at=now)
        with self._session.begin() as session:
            actor = self._fenced(session, run)
            session.add_all((hypnogram, evidence))
            session.flush()
            trail.append(
                session,
                now,
                actor,
                Action.SCORED,
                study_id,
                {
                    **trail.bind("hypnogram", hypnogram.id, hypnogram_document),
                    "stager": stager.name,
                    "version": stager.version,
                    "weights_sha256": stager.weights_sha256,
                },
            )
            bound = trail.bind("evidence", evidence.id, evidence_document)
            trail.append(session, now, actor, Action.MEASURED, study_id, bound)
            self._keep_audit(
                session,
                actor,
                study_id,
                AuditRow(
                    hypnogram_id=hypnogram.id,
                    evidence_id=evidence.id,
                    rulebook_version=rulebook.version,
                    rulebook_sha256=rulebook.sha256,
                    document=audit_document,
                    report=report,
                    n_flagged=n_flagged,
                    created_at=now,
                ),
            )

    def add_further_audit(
        self, earlier: AuditRow, rulebook: RulebookIdentity, audit_document: str, n_flagged: int
    ) -> None:
        """Keeps an audit of what was audited before, beside the earlier one."""
        row = AuditRow(
            hypnogram_id=earlier.hypnogram_id,
            evidence_id=earlier.evidence_id,
            rulebook_version=rulebook.version,
            rulebook_sha256=rulebook.sha256,
            document=audit_document,
            report="[]",
            n_flagged=n_flagged,
            created_at=self._clock(),
        )
        with self._session.begin() as session:
            study_id = session.scalars(
                select(HypnogramRow.study_id).where(HypnogramRow.id == earlier.hypnogram_id)
            ).one()
            self._keep_audit(session, self._actor, study_id, row)

    def _keep_audit(self, session: Session, actor: str, study_id: str, row: AuditRow) -> None:
        session.add(row)
        session.flush()
        details = {
            **trail.bind("audit", row.id, row.document),
            "rulebook": {"version": row.rulebook_version, "sha256": row.rulebook_sha256},
        }
        trail.append(session, row.created_at, actor, Action.AUDITED, study_id, details)

    def reported_studies(self, since: datetime | None = None) -> tuple[str, ...]:
        """The studies that ended in a report, oldest first; those named since then alone."""
        chosen = select(StudyRow.id).where(StudyRow.state == State.REPORTED.value)
        if since is not None:
            chosen = chosen.where(StudyRow.created_at >= since)
        with self._session() as session:
            return tuple(session.scalars(chosen.order_by(StudyRow.created_at, StudyRow.id)))

    def written_report(self, study_id: str) -> str | None:
        """What was written to the EHR of the study's latest scoring, as JSON."""
        first = (
            select(AuditRow.report)
            .join(HypnogramRow, AuditRow.hypnogram_id == HypnogramRow.id)
            .where(HypnogramRow.study_id == study_id)
            .order_by(HypnogramRow.id.desc(), AuditRow.id)
            .limit(1)
        )
        with self._session() as session:
            return session.scalars(first).first()

    def audited_study(self, study_id: str) -> AuditedStudy | None:
        """A study with its latest audit; None where it has none."""
        latest = (
            select(StudyRow, AuditRow, HypnogramRow.document, EvidenceRow.document)
            .join(HypnogramRow, HypnogramRow.study_id == StudyRow.id)
            .join(AuditRow, AuditRow.hypnogram_id == HypnogramRow.id)
            .join(EvidenceRow, AuditRow.evidence_id == EvidenceRow.id, isouter=True)
            .where(StudyRow.id == study_id)
            .order_by(AuditRow.id.desc())
            .limit(1)
        )
        with self._session() as session:
            found = session.execute(latest).first()
        if found is None:
            return None
        study, audit, hypnogram, evidence = found
        return AuditedStudy(StoredStudy.of_row(study), audit, hypnogram, evidence)

    def hypnogram(self, study_id: str) -> HypnogramRow | None:
        """The study's latest hypnogram."""
        latest = (
            select(HypnogramRow)
            .where(HypnogramRow.study_id == study_id)
            .order_by(HypnogramRow.id.desc())
            .limit(1)
        )
        with self._session() as session:
            return session.scalars(latest).first()

    @property
    def sessions(self) -> sessionmaker[Session]:
        """For what else is kept in the same database."""
        return self._session

    def latest_audit_id(self, study_id: str) -> int | None:
        """Of the study's latest audit, without reading it."""
        latest = (
            select(func.max(AuditRow.id))
            .join(HypnogramRow, AuditRow.hypnogram_id == HypnogramRow.id)
            .where(HypnogramRow.study_id == study_id)
        )
        with self._session() as session:
            return session.scalar(latest)

    def audit(self, study_id: str) -> AuditRow | None:
        """The study's latest audit."""
        latest = (
            select(AuditRow)
            .join(HypnogramRow, AuditRow.hypnogram_id == HypnogramRow.id)
            .where(HypnogramRow.study_id == study_id)
            .order_by(AuditRow.id.desc())
            .limit(1)
        )
        with self._session() as session:
            return session.scalars(latest).first()

    def note_patient(self, run: Run, patient: str) -> None:
        """Notes whose study it is."""
        with self._session.begin() as session:
            self._fenced(session, run)
            locked(session, run.study_id).patient = patient

    # ── the trail ─────────────────────────────────────────────────────────────────────────

    def tell(
        self, action: Action, study_id: str | None, details: Details, actor: str | None = None
    ) -> Entry:
        """Adds an entry to the audit trail.

        Args:
            action: what was done.
            study_id: to which study; None where it concerns none.
            details: references, codes and hashes; no names.
            actor: who did it, where it was not this program ("Practitioner/7").
        """
        with self._session.begin() as session:
            return trail.append(
                session, self._clock(), actor or self._actor, action, study_id, details
            )

    def verify_trail(self, anchors: Iterable[Anchor] = ()) -> Checked:
        """Checks the whole trail, and every document that it binds."""
        with self._reading() as session:
            return trail.verify(session, anchors)

    def trail_head(self) -> Entry | None:
        """The entry written last."""
        newest = select(TrailRow).order_by(TrailRow.seq.desc()).limit(1)
        with self._session() as session:
            row = session.scalars(newest).first()
            return Entry.of_row(row) if row else None

    def trail_of(self, study_id: str) -> tuple[Entry, ...]:
        """A study's entries, in their order."""
        entries = select(TrailRow).where(TrailRow.study_id == study_id).order_by(TrailRow.seq)
        with self._session() as session:
            return tuple(Entry.of_row(row) for row in session.scalars(entries))

    @contextmanager
    def trail_section(self, study_id: str) -> Iterator[Section]:
        """The part of the chain from a study's first entry to its last, with its documents."""
        with self._reading() as session:
            own = TrailRow.study_id == study_id
            first, last = session.execute(
                select(func.min(TrailRow.seq), func.max(TrailRow.seq)).where(own)
            ).one()
            rows = session.scalars(
                select(TrailRow).where(TrailRow.seq.between(first, last)).order_by(TrailRow.seq)
            )
            yield Section(
                tuple(Entry.of_row(row) for row in rows),
                lambda bound: trail.content_of(session, bound),
            )

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """One moment's view of the database, for as long as it takes; no writer waits for it."""
        options: dict[str, Any] = {READS_ONLY: True}
        if is_postgresql(self._engine):
            options["isolation_level"] = "REPEATABLE READ"
        with Session(self._engine.execution_options(**options)) as session:
            yield session
