"""What the store gives and takes, in types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self, TypeAlias

from connector.tables import AuditRow, State, StudyRow
from connector.trail import Bound, Entry

Clock: TypeAlias = Callable[[], datetime]

ROUTINE = 4
"""The priority of a study that nobody has marked as urgent; 1 is worked on first."""


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

    @classmethod
    def of_row(cls, row: StudyRow) -> Self:
        return cls(
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
