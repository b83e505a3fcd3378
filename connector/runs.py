"""Runs of studies, and the workers that hold them: who may work on what, and for how long.

A worker's row is its lease. It stands for as long as it is renewed: each renewal leaves another
time in it, by the database's own clock, and whoever sees the same one for too long gives it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from connector import trail
from connector.database import SWEEP_LOCK, is_postgresql
from connector.stored import Run, RunEnded, Waiting
from connector.tables import State, StudyRow, WorkerRow
from connector.trail import Action
from connector.transactions import Transactions, check_worker, locked

_ENDS = tuple(state.value for state in State if state.is_end)


class Runs(Transactions):
    """Every method is one transaction and may be called from any thread."""

    def begin(self, study_id: str, number: int, worker: str) -> Run:
        """Notes that a worker begins, or begins again, a run of a study.

        Raises:
            RunEnded: the run is over.
            WorkerGone: the worker is.
        """
        with self._session.begin() as session:
            check_worker(session, worker)
            study = locked(session, study_id)
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

    def beats(self) -> Mapping[str, float]:
        """The workers whose lease holds, each with the time of its last renewal."""
        living = select(WorkerRow.id, WorkerRow.beat_s).where(WorkerRow.ended_s.is_(None))
        with self._session() as session:
            return {row.id: row.beat_s for row in session.execute(living)}

    def give_up(self, beats: Mapping[str, float]) -> None:
        """Ends the leases of workers, except of those that have renewed them since."""
        with self._session.begin() as session:
            now_s = _database_now_s(session)
            for worker, beat_s in beats.items():
                session.execute(
                    update(WorkerRow)
                    .where(WorkerRow.id == worker, WorkerRow.beat_s == beat_s)
                    .where(WorkerRow.ended_s.is_(None))
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


def _database_now_s(session: Session) -> float:
    """By the database's clock, which all workers share: theirs may differ."""
    bind = session.get_bind()
    now = (
        "SELECT extract(epoch FROM clock_timestamp())::float8"
        if bind.dialect.name == "postgresql"
        else "SELECT (julianday('now') - 2440587.5) * 86400.0"
    )
    return float(session.execute(text(now)).scalar_one())
