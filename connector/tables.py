"""The tables of the store, in types; the Alembic migrations beside this file make them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class State(StrEnum):
    """How far a study has come."""

    QUEUED = "queued"
    PULLING = "pulling"
    SCORING = "scoring"
    REPORTING = "reporting"
    REPORTED = "reported"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether a study goes no further from here, unless someone asks for it again."""
        return self in (State.REPORTED, State.FAILED, State.CANCELLED)


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


class CompressedText(TypeDecorator[str]):
    """Text that is stored compressed: an audit's JSON of a night shrinks to a tenth or less."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> bytes | None:
        return None if value is None else gzip.compress(value.encode(), mtime=0)

    def process_result_value(self, value: bytes | None, _dialect: Dialect) -> str | None:
        return None if value is None else gzip.decompress(value).decode()


class Base(DeclarativeBase):
    """The tables of the store."""


class StudyRow(Base):
    """One study, from the moment it is named to its report.

    Attributes:
        id: the study's identifier.
        source: the resource in the EHR that named it ("DocumentReference/12").
        priority: 1 is worked on first, 4 last.
        state: one of :class:`State`.
        reason: why it failed, as a sentence; empty otherwise.
        report: the DiagnosticReport in the EHR, once it is written.
        patient: whose it is ("Patient/7"), once the EHR was asked.
        run: how often it was set on its way, from 1; only the last run may write.
        tries: how often a worker has begun this run and not come to its end.
        version: the order of steps by which this run was handed to the queue; None before.
        created_at, updated_at: when it was first named and last changed its state.
    """

    __tablename__ = "studies"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(255))
    priority: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text)
    report: Mapped[str | None] = mapped_column(String(255))
    patient: Mapped[str | None] = mapped_column(String(255))
    run: Mapped[int] = mapped_column(Integer)
    tries: Mapped[int] = mapped_column(Integer)
    version: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerRow(Base):
    """A process that runs studies; its row is its lease.

    Attributes:
        id: of this process alone, and never used again.
        host: the machine's name.
        version: the order of steps that it knows.
        beat_s: when it was last heard of; seconds since 1970 by the database's own clock.
        ended_s: when it stopped or was given up, by the same clock. From then on it may write
            nothing more.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(16))
    beat_s: Mapped[float] = mapped_column(Float)
    ended_s: Mapped[float | None] = mapped_column(Float)


class MarkRow(Base):
    """How far something that goes on for ever has come; see :mod:`connector.trigger`."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    moment: Mapped[datetime] = mapped_column(UtcDateTime)


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
        n_flagged: how many epochs it flags; None for audits from before it was counted.
    """

    __tablename__ = "audits"

    id: Mapped[int] = mapped_column(primary_key=True)
    hypnogram_id: Mapped[int] = mapped_column(ForeignKey("hypnograms.id"), index=True)
    evidence_id: Mapped[int | None] = mapped_column(ForeignKey("evidence.id"))
    rulebook_version: Mapped[str] = mapped_column(String(64))
    rulebook_sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(CompressedText)
    report: Mapped[str] = mapped_column(CompressedText)
    n_flagged: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TrailRow(Base):
    """One entry of the audit trail; see :mod:`connector.trail`.

    Attributes:
        seq: its place in the chain, from 1 and without holes.
        at: when, in UTC, as ISO 8601 text: what is hashed must come back to the letter.
        actor: who: a worker, a command, or a person by their reference.
        action: what was done ("study.reported", "ehr.read").
        study_id: the study it was done to; None where it concerns none.
        details: the rest, as JSON text.
        previous: the hash of the entry before.
        hash: of all of these.
    """

    __tablename__ = "trail"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str | None] = mapped_column(String(64), index=True)
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class TrailHeadRow(Base):
    """The last entry of the chain: one row, which writers lock in turn."""

    __tablename__ = "trail_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
