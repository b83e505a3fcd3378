"""The durable way of a study: named, pulled, scored, reported.

DBOS remembers each finished step in the store's own database. A process that is killed goes
on, when it is started again, from the step in which it was cut short; so a step may run twice,
and each is made so that the second time changes nothing. What is large goes into the store or
the study's folder; a step's result is a few words of JSON.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias, TypedDict

from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from dbos import error as dbos_error

from auditor.errors import ServerFailed, SomnoauditError
from connector.documents import Json
from connector.store import State, Store, StoredStudy
from staging.stager import Progress

# Raised whenever the steps of a workflow or their order change: DBOS then leaves work begun
# under the old order to the old program, and does not take one step for another.
WORKFLOW_VERSION = "1"

# A study that kills its process, by running out of memory say, is tried again this often.
_RECOVERIES = 5

# An EHR that is away when a hint comes is asked again for 20 minutes: 5 s, 10 s, 20 s …
_PATIENCE: StepOptions = {
    "name": "find",
    "retries_allowed": True,
    "interval_seconds": 5.0,
    "backoff_rate": 2.0,
    "max_attempts": 9,
    "should_retry": lambda error: isinstance(error, ServerFailed),
}

_STUDIES = "studies"
_HINTS = "hints"
_POLL_S = 0.5

log = logging.getLogger("somnoaudit")


class NamedStudy(TypedDict):
    """A study that is to be audited, and the resource in the EHR that holds its recording."""

    study_id: str
    source: str


class Steps(Protocol):
    """The work itself. Each step may be cut short at any point and run again from its start."""

    def find(self, hint: str | None) -> list[NamedStudy]:
        """The studies that a reference ("DocumentReference/12") names; without one, all new."""
        ...

    def pull(self, study_id: str, source: str) -> Json:
        """Brings the study's resources and recording here; says what the next steps need."""
        ...

    def score(self, study_id: str, study: Json, progress: Progress) -> None:
        """Stages and audits the recording, and stores both."""
        ...

    def report(self, study_id: str) -> str:
        """Writes the report to the EHR, and returns the DiagnosticReport's reference."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that has just begun for a study, or come further.

    Attributes:
        study_id: the study.
        state: the state that it is in now.
        work: the piece of work within this state; empty at the state's beginning.
        share: of that work that is done, 0 to 1.
    """

    study_id: str
    state: State
    work: str = ""
    share: float = 0.0


Watch: TypeAlias = Callable[[Moment], None]


@DBOS.workflow(name="look_into_hint", max_recovery_attempts=_RECOVERIES)
def _look_into_hint(hint: str | None) -> None:
    worker = _worker()
    try:
        found = DBOS.run_step(_PATIENCE, worker.find, hint)
    except dbos_error.DBOSMaxStepRetriesExceeded:
        log.error("a notification led to nothing: the EHR did not answer")
        return
    for study in found:
        worker.submit(study)


@DBOS.workflow(name="audit_study", max_recovery_attempts=_RECOVERIES)
def _audit_study(study_id: str, source: str) -> str:
    """The way of one study. A study that fails is an outcome as well, not an error of DBOS."""
    worker = _worker()
    try:
        study = _step("pull", worker.pull, study_id, source)
        _step("score", worker.score, study_id, study)
        report: str = _step("report", worker.report, study_id)
    except _StudyFailed:
        return State.FAILED.value
    return report


def _step(name: str, work: Callable[..., _Outcome], *details: Any) -> Any:
    outcome = DBOS.run_step({"name": name}, work, *details)
    if outcome["failed"]:
        raise _StudyFailed
    return outcome["result"]


class _Outcome(TypedDict):
    """What DBOS remembers of a step."""

    failed: bool
    result: Any


class _StudyFailed(Exception):
    """Leaves the way of a study early; the store holds the reason."""


class _Stopped(BaseException):
    """Ends a step without an outcome, so that it runs again when a worker is next started.

    No ``Exception``: of those DBOS would remember that the study ended in one.
    """


class Worker:
    """Runs studies in this process while the context lasts; there is one worker a process.

    A study that is under way when the context ends goes on with the next worker.

    Args:
        store: where studies and their audits are kept.
        url: the store's database, in which DBOS keeps its tables too.
        steps: the work.
        watch: told of each moment, on the worker's own threads.
    """

    def __init__(
        self, store: Store, url: str, steps: Steps, watch: Watch = lambda _moment: None
    ) -> None:
        self._store = store
        self._url = url
        self._steps = steps
        self._watch = watch
        self._stopped = False

    def __enter__(self) -> Self:
        global _running
        _running = self
        DBOS(
            config={
                "name": "somnoaudit",
                "system_database_url": self._url,
                "application_version": WORKFLOW_VERSION,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "ERROR",
            }
        )
        DBOS.launch()
        # Staging fills a GPU or every core: one study at a time in each worker.
        DBOS.register_queue(_STUDIES, worker_concurrency=1, polling_interval_sec=_POLL_S)
        DBOS.register_queue(_HINTS, worker_concurrency=4, polling_interval_sec=_POLL_S)
        return self

    def __exit__(self, *_: object) -> None:
        global _running
        self._stopped = True
        DBOS.destroy()
        _running = None

    def take_hint(self, hint: str | None) -> None:
        """Remembers to look into a hint, and returns at once."""
        DBOS.enqueue_workflow(_HINTS, _look_into_hint, hint)

    def submit(self, study: NamedStudy) -> None:
        """Queues a study; a study that is already known is left as it is."""
        # Both lines, whatever the first says: a process may have been killed between them.
        if self._store.add_study(study["study_id"], study["source"]):
            self._watch(Moment(study["study_id"], State.QUEUED))
        with SetWorkflowID(study["study_id"]):
            DBOS.enqueue_workflow(_STUDIES, _audit_study, study["study_id"], study["source"])

    def wait(self, study_id: str, patience_s: float) -> StoredStudy:
        """The study, once it is reported or has failed.

        Raises:
            TimeoutError: it has not come so far in this time.
        """
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            study = self._store.study(study_id)
            if study is not None and study.state in (State.REPORTED, State.FAILED):
                return study
            time.sleep(_POLL_S / 5)
        raise TimeoutError(f"study {study_id} has not ended within {patience_s:.0f} s")

    # ── the steps, as DBOS runs them ──────────────────────────────────────────────────────

    def find(self, hint: str | None) -> list[NamedStudy]:
        try:
            return self._steps.find(hint)
        except SomnoauditError:
            raise
        except Exception as error:  # as in _attempt: a resource of the EHR is not as it must be
            log.error("looking for studies: %s", _where(error))
            return []

    def pull(self, study_id: str, source: str) -> _Outcome:
        return self._attempt(study_id, State.PULLING, lambda: self._steps.pull(study_id, source))

    def score(self, study_id: str, study: Json) -> _Outcome:
        def progress(work: str, share: float) -> None:
            self._check_that_it_runs()
            self._watch(Moment(study_id, State.SCORING, work, share))

        return self._attempt(
            study_id, State.SCORING, lambda: self._steps.score(study_id, study, progress)
        )

    def report(self, study_id: str) -> _Outcome:
        def work() -> str:
            report = self._steps.report(study_id)
            self._store.reported(study_id, report)
            self._watch(Moment(study_id, State.REPORTED))
            return report

        return self._attempt(study_id, State.REPORTING, work)

    def _attempt(self, study_id: str, state: State, work: Callable[[], Any]) -> _Outcome:
        self._check_that_it_runs()
        self._store.advance(study_id, state)
        self._watch(Moment(study_id, state))
        try:
            result = work()
        except SomnoauditError as error:
            return self._failed(study_id, str(error))
        except Exception as error:
            # A defect of ours ends this study and not the service. Its message may quote a
            # patient's data: only its kind and where it arose are told.
            self._check_that_it_runs()
            log.error("study %s, %s: %s", study_id, state.value, _where(error))
            kind = type(error).__name__
            return self._failed(study_id, f"somnoaudit has a defect ({kind}); its log says where")
        self._check_that_it_runs()
        return {"failed": False, "result": result}

    def _failed(self, study_id: str, reason: str) -> _Outcome:
        self._check_that_it_runs()
        self._store.fail(study_id, reason)
        self._watch(Moment(study_id, State.FAILED))
        return {"failed": True, "result": None}

    def _check_that_it_runs(self) -> None:
        if self._stopped:
            raise _Stopped


_running: Worker | None = None


def _worker() -> Worker:
    """DBOS finds a workflow by its name alone when it goes on with it, and so its worker here."""
    if _running is None:
        raise RuntimeError("no worker runs in this process")
    return _running


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(frames))
    return f"{type(error).__name__} in " + " < ".join(places)
