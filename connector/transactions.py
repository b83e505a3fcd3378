"""Changes of studies, within one transaction each: told to the audit trail, and fenced.

A worker's changes are made only while its lease and its run of the study hold, so that a process
that was given up and comes back writes nothing.
"""

from __future__ import annotations

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from auditor.errors import UsageError
from connector import trail
from connector.database import Sessions
from connector.stored import Clock, Run, RunEnded, WorkerGone, utc_now
from connector.tables import State, StudyRow, WorkerRow
from connector.trail import Action


class Transactions:
    """What all changes of the store are made of.

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
            self._set(session, locked(session, study_id), state, reason, report, actor)

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
        check_worker(session, run.worker)
        study = locked(session, run.study_id)
        if study.run != run.number or State(study.state).is_end:
            raise RunEnded
        return run.worker


def locked(session: Session, study_id: str) -> StudyRow:
    """The study, held for this transaction.

    Raises:
        UsageError: there is no such study.
    """
    study = session.scalars(
        select(StudyRow).where(StudyRow.id == study_id).with_for_update()
    ).one_or_none()
    if study is None:
        raise UsageError(f"there is no study {study_id}")
    return study


def check_worker(session: Session, worker: str) -> None:
    """Holds the worker's lease for this transaction: whoever gives it up waits for its end.

    Raises:
        WorkerGone: it has none any more.
    """
    living = (
        select(WorkerRow.id)
        .where(WorkerRow.id == worker, WorkerRow.ended_s.is_(None))
        .with_for_update(read=True)
    )
    if session.scalars(living).one_or_none() is None:
        raise WorkerGone
