"""What the service remembers: studies, how they were scored, and what the audit found.

SQLite or PostgreSQL, by address. The schema is made by the Alembic migrations beside this
file, which run when the store is opened; the tables here say the same in types.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from auditor.errors import SettingsRefused
from auditor.vocabulary import RulebookIdentity, StagerIdentity

Clock: TypeAlias = Callable[[], datetime]

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 7_340_041  # any number that no other program takes on the same database


def utc_now() -> datetime:
    return datetime.now(UTC)


class State(StrEnum):
    """How far a study has come."""

    QUEUED = "queued"
    PULLING = "pulling"
    SCORING = "scoring"
    REPORTING = "reporting"
    REPORTED = "reported"
    FAILED = "failed"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone, which SQLite alone would forget."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The tables of the store."""


class StudyRow(Base):
    """One study, from the moment it is named to its report.

    Attributes:
        id: the study's identifier, and the workflow's.
        source: the resource in the EHR that named it ("DocumentReference/12").
        state: one of :class:`State`.
        reason: why it failed, as a sentence; empty otherwise.
        report: the DiagnosticReport in the EHR, once it is written.
        created_at, updated_at: when it was first named and last changed its state.
    """

    __tablename__ = "studies"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text)
    report: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HypnogramRow(Base):
    """A study as one stager scored it; ``document`` as :mod:`connector.kept` writes it."""

    __tablename__ = "hypnograms"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    stager_name: Mapped[str] = mapped_column(String(64))
    stager_version: Mapped[str] = mapped_column(String(64))
    weights_sha256: Mapped[str | None] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EvidenceRow(Base):
    """What was measured in a study; ``document`` as :mod:`connector.kept` writes it."""

    __tablename__ = "evidence"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditRow(Base):
    """The audit of one hypnogram by one rulebook.

    Attributes:
        evidence_id: what it was audited against; None for audits from before it was kept.
        document: the audit JSON.
        report: what is written to the EHR of it, as JSON; an empty list for an audit that was
            made again, of which nothing is.
    """

    __tablename__ = "audits"

    id: Mapped[int] = mapped_column(primary_key=True)
    hypnogram_id: Mapped[int] = mapped_column(ForeignKey("hypnograms.id"), index=True)
    evidence_id: Mapped[int | None] = mapped_column(ForeignKey("evidence.id"))
    rulebook_version: Mapped[str] = mapped_column(String(64))
    rulebook_sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    report: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study as the store knows it; attributes as in :class:`StudyRow`."""

    id: str
    source: str
    state: State
    reason: str
    report: str | None
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


class Store:
    """Every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._session = sessionmaker(engine)
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now) -> Store:
        """Connects, and brings the schema up to date.

        Raises:
            SettingsRefused: there is no database at this address, or a later version made it.
        """
        engine = _engine(url)
        try:
            with engine.begin() as connection:
                _migrate(connection)
        except (DatabaseError, CommandError) as error:
            engine.dispose()
            if isinstance(error, CommandError):
                problem = "the database was made by a later somnoaudit"
                remedy = "install that version, or name another database"
            else:
                problem = "the database cannot be opened"
                remedy = "check that it exists, that it runs, and the user's rights"
            raise SettingsRefused("SOMNOAUDIT_DATABASE_URL", problem, remedy) from None
        return cls(engine, clock)

    @property
    def address(self) -> str:
        """Of its database, without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self._engine.dispose()

    def add_study(self, study_id: str, source: str) -> bool:
        """Takes a study in as queued; False, and nothing changed, if it is already known."""
        now = self._clock()
        row = StudyRow(
            id=study_id,
            source=source,
            state=State.QUEUED.value,
            reason="",
            report=None,
            created_at=now,
            updated_at=now,
        )
        try:
            with self._session.begin() as session:
                session.add(row)
        except IntegrityError:
            return False
        return True

    def advance(self, study_id: str, state: State) -> None:
        """Notes that a study has come as far as ``state``."""
        self._change(study_id, state=state.value, reason="")

    def fail(self, study_id: str, reason: str) -> None:
        """Notes that a study goes no further, with a sentence for people."""
        self._change(study_id, state=State.FAILED.value, reason=reason)

    def reported(self, study_id: str, report: str) -> None:
        """Notes the DiagnosticReport that a study ended in."""
        self._change(study_id, state=State.REPORTED.value, reason="", report=report)

    def study(self, study_id: str) -> StoredStudy | None:
        with self._session() as session:
            row = session.get(StudyRow, study_id)
            return _stored(row) if row else None

    def studies(self, most: int = 100) -> tuple[StoredStudy, ...]:
        """The studies named last, newest first."""
        newest = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id).limit(most)
        with self._session() as session:
            return tuple(_stored(row) for row in session.scalars(newest))

    def add_audit(
        self,
        study_id: str,
        stager: StagerIdentity,
        hypnogram_document: str,
        evidence_document: bytes,
        rulebook: RulebookIdentity,
        audit_document: str,
        report: str,
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
            session.add_all((hypnogram, evidence))
            session.flush()
            session.add(
                AuditRow(
                    hypnogram_id=hypnogram.id,
                    evidence_id=evidence.id,
                    rulebook_version=rulebook.version,
                    rulebook_sha256=rulebook.sha256,
                    document=audit_document,
                    report=report,
                    created_at=now,
                )
            )

    def add_further_audit(
        self, earlier: AuditRow, rulebook: RulebookIdentity, audit_document: str
    ) -> None:
        """Keeps an audit of what was audited before, beside the earlier one."""
        row = AuditRow(
            hypnogram_id=earlier.hypnogram_id,
            evidence_id=earlier.evidence_id,
            rulebook_version=rulebook.version,
            rulebook_sha256=rulebook.sha256,
            document=audit_document,
            report="[]",
            created_at=self._clock(),
        )
        with self._session.begin() as session:
            session.add(row)

    def reported_studies(self, since: datetime | None = None) -> tuple[str, ...]:
        """The studies that ended in a report, oldest first; those named since then alone."""
        chosen = select(StudyRow.id).where(StudyRow.state == State.REPORTED.value)
        if since is not None:
            chosen = chosen.where(StudyRow.created_at >= since)
        with self._session() as session:
            return tuple(session.scalars(chosen.order_by(StudyRow.created_at, StudyRow.id)))

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

    def _change(self, study_id: str, **values: str) -> None:
        changed = (
            update(StudyRow)
            .where(StudyRow.id == study_id)
            .values(updated_at=self._clock(), **values)
        )
        with self._session.begin() as session:
            session.execute(changed)


def _stored(row: StudyRow) -> StoredStudy:
    return StoredStudy(
        id=row.id,
        source=row.source,
        state=State(row.state),
        reason=row.reason,
        report=row.report,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _engine(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        return create_engine(
            address.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
        )
    if address.database:
        with suppress(OSError):  # connecting fails then, and says so
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions, schema changes too, are begun below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another has written
    # in between, whatever the busy timeout; one that begins as a writer waits its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection, to: str = "head") -> None:
    if connection.dialect.name == "postgresql":  # SQLite's writers wait for each other anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
