"""What the service remembers: studies, how they were scored, and what the audit found.

SQLite or PostgreSQL, by address. Each change of a study and each document stands in the audit
trail too, in the same transaction. A worker's changes are fenced: they are made only while its
lease and its run of the study hold, so that a process that was given up and comes back writes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias

from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from auditor.errors import UsageError
from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector import trail
from connector.database import READS_ONLY, SWEEP_LOCK, Sessions, is_postgresql, open_database
from connector.tables import (
    AuditRow,
    EvidenceRow,
    HypnogramRow,
    State,
    StudyRow,
    TrailRow,
    WorkerRow,
)
from connector.trail import Action, Anchor, Bound, Checked, Details, Entry

__all__ = ["AuditRow", "State", "Store", "utc_now"]

Clock: TypeAlias = Callable[[], datetime]

ROUTINE = 4
"""The priority of a study that nobody has marked as urgent; 1 is worked on first."""

_ENDS = tuple(state.value for state in State if state.is_end)


def utc_now() -> datetime:
    return datetime.now(UTC)


class RunEnded(Exception):
    """A run may write no more: its study was cancelled, has ended, or is in a later run."""


class WorkerGone(Exception):
    """A worker may write no more: it has stopped, or was silent for longer than its lease."""


@dataclass(frozen=True, slots=True)
class Run:
    """A study on its way, in the hands of one worker.

    Attributes:
        study_id: the study.
        source: the resource in the EHR that holds its recording.
        number: of the run; only the last may write.
        worker: who has it.
        tries: how often this run was begun, this time included.
    """

    study_id: str
    source: str
    number: int
    worker: str
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A study that is yet to be handed to the queue."""

    study_id: str
    run: int
    priority: int


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study as the store knows it; attributes as in :class:`StudyRow`."""

    id: str
    source: str
    priority: int
    state: State
    reason: str
    report: str | None
    patient: str | None
    run: int
    tries: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AuditedStudy:
    """A study with its latest audit, and what that was made from.

    Attributes:
        study: the study.
        audit: its latest audit.
        hypnogram: the document of the hypnogram that was audited.
        evidence: the document of what it was audited against; None where it was not kept.
    """

    study: StoredStudy
    audit: AuditRow
    hypnogram: str
    evidence: bytes | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A study has come to a state, by the trail's entry ``seq``."""

    seq: int
    study_id: str
    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the audit trail.

    Attributes:
        entries: one after the other, without holes.
        content_of: a document that one of them binds, as it is stored; None where it is not.
    """

    entries: tuple[Entry, ...]
    content_of: Callable[[Bound], str | bytes | None]


class Store:
    """Every method is one transaction and may be called from any thread.

    Args:
        engine: of the database.
        clock: the time of what is written.
        actor: who the trail says has done what no worker did.
    """

    def __init__(self, engine: Engine, clock: Clock = utc_now, actor: str = "somnoaudit") -> None:
        self._engine = engine
        self._session = Sessions(engine)
        self._clock = clock
        self._actor = actor

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
            study = _locked(session, study_id)
            if State(study.state).is_end:
                raise UsageError(f"study {study_id} is {study.state} already")
            self._set(session, study, State.CANCELLED)

    def retry(self, study_id: str) -> None:
        """Queues a study that failed or was cancelled once more.

        Raises:
            UsageError: there is no such study, or it has not ended without a report.
        """
        with self._session.begin() as session:
            study = _locked(session, study_id)
            if study.state not in (State.FAILED, State.CANCELLED):
                raise UsageError(f"study {study_id} is {study.state}: nothing to try again")
            study.run += 1
            study.tries = 0
            study.version = None
            self._set(session, study, State.QUEUED)

    def study(self, study_id: str) -> StoredStudy | None:
        with self._session() as session:
            row = session.get(StudyRow, study_id)
            return _stored(row) if row else None

    def studies(self, most: int = 100) -> tuple[StoredStudy, ...]:
        """The studies named last, newest first."""
        newest = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id).limit(most)
        with self._session() as session:
            return tuple(_stored(row) for row in session.scalars(newest))

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
        return AuditedStudy(_stored(study), audit, hypnogram, evidence)

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
            _locked(session, run.study_id).patient = patient

    # ── runs and workers ──────────────────────────────────────────────────────────────────

    def begin(self, study_id: str, number: int, worker: str) -> Run:
        """Notes that a worker begins, or begins again, a run of a study.

        Raises:
            RunEnded: the run is over.
            WorkerGone: the worker is.
        """
        with self._session.begin() as session:
            _check_worker(session, worker)
            study = _locked(session, study_id)
            if study.run != number or State(study.state).is_end:
                raise RunEnded
            study.tries += 1
            return Run(study_id, study.source, number, worker, study.tries)

    def check(self, run: Run) -> None:
        """Returns where the run may go on.

        Raises:
            RunEnded: the run is over.
            WorkerGone: its worker is.
        """
        with self._session.begin() as session:
            self._fenced(session, run)

    def add_worker(self, worker: str, host: str, version: str) -> None:
        """Gives a process its lease."""
        with self._session.begin() as session:
            now_s = _database_now_s(session)
            session.add(
                WorkerRow(id=worker, host=host, version=version, beat_s=now_s, ended_s=None)
            )

    def beat(self, worker: str) -> bool:
        """Renews a lease; False where it was given up already."""
        with self._session.begin() as session:
            renewed = session.execute(
                update(WorkerRow)
                .where(WorkerRow.id == worker, WorkerRow.ended_s.is_(None))
                .values(beat_s=_database_now_s(session))
                .returning(WorkerRow.id)
            )
            return renewed.first() is not None

    def end_worker(self, worker: str, unfinished: Iterable[str] = ()) -> None:
        """Gives up a lease on purpose; the studies under way have not used up a try by it."""
        with self._session.begin() as session:
            session.execute(
                update(WorkerRow)
                .where(WorkerRow.id == worker, WorkerRow.ended_s.is_(None))
                .values(ended_s=_database_now_s(session))
            )
            session.execute(
                update(StudyRow)
                .where(StudyRow.id.in_(tuple(unfinished)), StudyRow.tries > 0)
                .values(tries=StudyRow.tries - 1)
            )

    def end_silent_workers(self, lease_s: float, but: str | None = None) -> None:
        """Gives up the lease of every worker but one that was not heard of for so long."""
        with self._session.begin() as session:
            now_s = _database_now_s(session)
            session.execute(
                update(WorkerRow)
                .where(WorkerRow.ended_s.is_(None), WorkerRow.beat_s < now_s - lease_s)
                .where(WorkerRow.id != (but or ""))
                .values(ended_s=now_s)
            )

    def living_workers(self) -> Mapping[str, str]:
        """The workers whose lease holds, each with the version of its steps."""
        living = select(WorkerRow.id, WorkerRow.version).where(WorkerRow.ended_s.is_(None))
        with self._session() as session:
            return {row.id: row.version for row in session.execute(living)}

    def taken_over(self, study_id: str, lost: str | None) -> None:
        """Notes in the trail that a study is queued again because its worker is gone."""
        with self._session.begin() as session:
            details = {"from": lost}
            trail.append(session, self._clock(), self._actor, Action.TAKEN_OVER, study_id, details)

    def waiting(self, version: str) -> tuple[Waiting, ...]:
        """Studies that are under way and not yet in the queue of this version's workers.

        The most urgent come first, and of these the one that was named first.

        Those that were handed to workers of another version are taken from them once none of
        those lives: they begin a new run, and the old one may write no more.
        """
        living = set(self.living_workers().values())
        found = select(StudyRow).where(
            StudyRow.state.notin_(_ENDS),
            StudyRow.version.is_(None) | StudyRow.version.notin_(living | {version}),
        )
        with self._session.begin() as session:
            rows = session.scalars(
                found.order_by(
                    StudyRow.priority, StudyRow.created_at, StudyRow.id
                ).with_for_update()
            ).all()
            for row in rows:
                if row.version is not None:
                    row.run += 1
                    row.version = None
                    self._set(session, row, State.QUEUED)
            return tuple(Waiting(row.id, row.run, row.priority) for row in rows)

    def begin_anew(self, study_id: str, run: int) -> bool:
        """Queues a study once more whose run was lost; False where that run is over."""
        with self._session.begin() as session:
            study = session.get(StudyRow, study_id, with_for_update=True)
            if study is None or study.run != run or State(study.state).is_end:
                return False
            study.run += 1
            study.tries += 1
            study.version = None
            self._set(session, study, State.QUEUED)
            return True

    def handed_over(self, study: Waiting, version: str) -> None:
        """Notes that a run is in the queue of a version's workers."""
        with self._session.begin() as session:
            session.execute(
                update(StudyRow)
                .where(StudyRow.id == study.study_id, StudyRow.run == study.run)
                .values(version=version)
            )

    def ended_before(self, moment: datetime) -> tuple[str, ...]:
        """The studies that ended before ``moment``, in whichever way."""
        ended = select(StudyRow.id).where(StudyRow.state.in_(_ENDS), StudyRow.updated_at < moment)
        with self._session() as session:
            return tuple(session.scalars(ended))

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Whether this process is the one that sweeps now; it stays so while this lasts."""
        if not is_postgresql(self._engine):  # an SQLite database has one worker
            yield True
            return
        with self._session.begin() as session:
            yield bool(
                session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": SWEEP_LOCK})
            )

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

    # ── within a transaction ──────────────────────────────────────────────────────────────

    def _change(
        self,
        study_id: str,
        state: State,
        run: Run | None,
        reason: str = "",
        report: str | None = None,
    ) -> None:
        with self._session.begin() as session:
            actor = self._fenced(session, run)
            self._set(session, _locked(session, study_id), state, reason, report, actor)

    def _set(
        self,
        session: Session,
        study: StudyRow,
        state: State,
        reason: str = "",
        report: str | None = None,
        actor: str | None = None,
    ) -> None:
        study.state = state.value
        study.reason = reason
        study.report = report or study.report
        study.updated_at = self._clock()
        more = {"reason": reason} if reason else {"report": report} if report else {}
        self._tell_state(session, study.id, state, actor, **more)

    def _tell_state(
        self,
        session: Session,
        study_id: str,
        state: State,
        actor: str | None = None,
        **more: str,
    ) -> None:
        details = {"state": state.value, **more}
        trail.append(session, self._clock(), actor or self._actor, Action.STUDY, study_id, details)

    def _fenced(self, session: Session, run: Run | None) -> str:
        """Who writes, once it is sure that a run's worker may."""
        if run is None:
            return self._actor
        _check_worker(session, run.worker)
        study = _locked(session, run.study_id)
        if study.run != run.number or State(study.state).is_end:
            raise RunEnded
        return run.worker


def _locked(session: Session, study_id: str) -> StudyRow:
    study = session.scalars(
        select(StudyRow).where(StudyRow.id == study_id).with_for_update()
    ).one_or_none()
    if study is None:
        raise UsageError(f"there is no study {study_id}")
    return study


def _check_worker(session: Session, worker: str) -> None:
    """Holds the worker's lease for this transaction: whoever gives it up waits for its end."""
    living = (
        select(WorkerRow.id)
        .where(WorkerRow.id == worker, WorkerRow.ended_s.is_(None))
        .with_for_update(read=True)
    )
    if session.scalars(living).one_or_none() is None:
        raise WorkerGone


def _database_now_s(session: Session) -> float:
    """By the database's clock, which all workers share: theirs may differ."""
    bind = session.get_bind()
    now = (
        "SELECT extract(epoch FROM clock_timestamp())::float8"
        if bind.dialect.name == "postgresql"
        else "SELECT (julianday('now') - 2440587.5) * 86400.0"
    )
    return float(session.execute(text(now)).scalar_one())


def _stored(row: StudyRow) -> StoredStudy:
    return StoredStudy(
        id=row.id,
        source=row.source,
        priority=row.priority,
        state=State(row.state),
        reason=row.reason,
        report=row.report,
        patient=row.patient,
        run=row.run,
        tries=row.tries,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
