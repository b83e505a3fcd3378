"""The durable way of a study: named, pulled, scored, reported.

DBOS remembers each finished step in the store's own database. A process that is killed goes
on, when it is started again, from the step in which it was cut short; so a step may run twice,
and each is made so that the second time changes nothing. What is large goes into the store or
the study's folder; a step's result is a few words of JSON.

Any number of workers share one queue on PostgreSQL, and each has one study at a time. What DBOS
leaves to its user, :mod:`connector.sweeper` does: the work of a worker that is gone goes to
another. The store fences what workers write, so that one that was only away writes nothing when
it comes back.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NotRequired, Protocol, Self, TypeAlias, TypedDict, TypeVar
from uuid import uuid4

from dbos import DBOS, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID
from sqlalchemy.exc import DBAPIError

from auditor.errors import ServerFailed, SomnoauditError
from connector.database import DATABASE_AWAY, LEFT_OPEN_AT_MOST_S, only_worker_here, told_by
from connector.documents import Json
from connector.fhir import FhirError, ServerBroken, ServerDown, Throttled
from connector.logs import about, where
from connector.store import Store
from connector.stored import ROUTINE, Run, RunEnded, StoredStudy, Waiting, WorkerGone
from connector.sweeper import HINTS, STUDIES, Sweeper
from connector.tables import State
from connector.telemetry import span, trace_id_of
from connector.threads import running
from staging.stager import Progress

_T = TypeVar("_T")

# Raised whenever the steps of a workflow or their order change: DBOS then leaves work begun
# under the old order to the old program, and does not take one step for another. Once no
# worker of the old order lives, its studies begin anew under this one.
WORKFLOW_VERSION = "2"

LEASE_S = 30.0
"""A worker that is silent for so long is given up; with the sweep, work waits under a minute."""

# A study that kills its process, by running out of memory say, is tried this often.
_TRIES = 5

# A server that is away is asked again for 20 minutes: after 5 s, 10 s, 20 s …
_WAITS_S = tuple(5.0 * 2**n for n in range(8))

_POLL_S = 0.2

# A cancelled study is let go of within so long; each look costs a query.
_LOOK_EACH_S = 1.0

log = logging.getLogger("somnoaudit")


class NamedStudy(TypedDict):
    """A study that is to be audited, and the resource in the EHR that holds its recording.

    ``priority`` is 1 for the most urgent, 4 for routine, which it is where none is given.
    """

    study_id: str
    source: str
    priority: NotRequired[int]


class Steps(Protocol):
    """The work itself. Each step may be cut short at any point and run again from its start.

    A step that writes checks before each write that its run still holds (`Store.check`).
    """

    def find(self, hint: str | None) -> list[NamedStudy]:
        """The studies that a reference ("DocumentReference/12") names; without one, all new."""
        ...

    def pull(self, run: Run) -> Json:
        """Brings the study's resources and recording here; says what the next steps need."""
        ...

    def score(self, run: Run, study: Json, progress: Progress) -> None:
        """Stages and audits the recording, and stores both."""
        ...

    def report(self, run: Run) -> str:
        """Writes the report to the EHR, and returns the DiagnosticReport's reference."""
        ...

    def refuse(self, run: Run, reason: str) -> None:
        """Tells the EHR that the study goes no further, and why."""
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


@DBOS.workflow(name="look_into_hint")
def _look_into_hint(hint: str | None) -> None:
    DBOS.run_step({"name": "find"}, _worker().find, hint)


# The tries are counted by the store, and not by DBOS, which forgets them at each take-over.
@DBOS.workflow(name="audit_study", max_recovery_attempts=None)
def _audit_study(study_id: str, number: int) -> str:
    """The way of one study. A study that fails is an outcome as well, not an error of DBOS."""
    with about(study_id, trace_id_of(study_id, number)):
        return _audited(study_id, number)


def _audited(study_id: str, number: int) -> str:
    worker = _worker()
    try:
        run = worker.begin(study_id, number)
        reason = _spent(run)
        if not reason:
            reason = _goes_through(worker, run)
        if reason:
            # Not a step of DBOS, which would not know it where it remembers another.
            worker.fail(run, reason)
            return State.FAILED.value
    except RunEnded:
        worker.let_go()
        return "ended elsewhere"
    return State.REPORTED.value


def _goes_through(worker: Worker, run: Run) -> str:
    """The steps in their order; the reason why the study goes no further, or nothing."""
    pulled: _Outcome = DBOS.run_step({"name": "pull"}, worker.pull, run)
    if pulled["reason"]:
        return pulled["reason"]
    scored: _Outcome = DBOS.run_step({"name": "score"}, worker.score, run, pulled["result"])
    if scored["reason"]:
        return scored["reason"]
    reported: _Outcome = DBOS.run_step({"name": "report"}, worker.report, run)
    return reported["reason"]


def _spent(run: Run) -> str:
    if run.tries <= _TRIES:
        return ""
    return (
        f"its processing ended the program {_TRIES} times; look into the log of the machine, "
        "for want of memory say, and retry it"
    )


class _Outcome(TypedDict):
    """What DBOS remembers of a step; without a reason it succeeded."""

    reason: str
    result: Any


class NotRunning(Exception):
    """A worker takes nothing yet, for it has not started, or nothing more, for it stops."""


class _Stopped(BaseException):
    """Ends a step without an outcome, so that it runs again when a worker next takes it up.

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
        lease_s: a worker that is silent for so long is given up.
        waits_s: between attempts at what a server that is away leaves undone.
        sweep: what else is to be done now and then, once by any of the workers.

    Attributes:
        id: of this worker; no other has it, before or after.
        gone: set when this worker was given up by the others: nothing comes of it any more,
            and the process is to be started again.
    """

    def __init__(
        self,
        store: Store,
        url: str,
        steps: Steps,
        watch: Watch = lambda _moment: None,
        *,
        lease_s: float = LEASE_S,
        waits_s: Sequence[float] = _WAITS_S,
        sweep: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = uuid4().hex
        self.gone = threading.Event()
        self._store = store
        self._url = url
        self._steps = steps
        self._watch = watch
        self._lease_s = lease_s
        self._waits_s = waits_s
        self._started = threading.Event()
        self._stop = threading.Event()
        self._under_way: set[str] = set()
        self._sweeper = Sweeper(store, self.id, WORKFLOW_VERSION, lease_s, _hand_over, sweep)
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        global _running
        with ExitStack() as stack:
            only_one = stack.enter_context(only_worker_here(self._url))
            if only_one:  # whoever had this database before is no more
                self._store.give_up(self._store.beats())
            self._store.add_worker(self.id, socket.gethostname(), WORKFLOW_VERSION)
            stack.callback(self._give_up_lease)
            _running = self
            DBOS(
                config={
                    "name": "somnoaudit",
                    "system_database_url": self._url,
                    "application_version": WORKFLOW_VERSION,
                    "executor_id": self.id,
                    "serializer": DBOSPortableJSONSerializer(),
                    "log_level": "ERROR",
                    "sys_db_idle_transaction_timeout_sec": LEFT_OPEN_AT_MOST_S,
                }
            )
            stack.callback(_stop_dbos)
            DBOS.launch()
            # Staging fills a GPU or every core: one study at a time in each worker.
            DBOS.register_queue(STUDIES, worker_concurrency=1, polling_interval_sec=_POLL_S)
            DBOS.register_queue(HINTS, worker_concurrency=4, polling_interval_sec=_POLL_S)
            stack.callback(self._stop.set)
            stack.enter_context(running("lease", self._renew, self._stop))
            stack.enter_context(self._sweeper)
            self._resources = stack.pop_all()
        self._started.set()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._resources.close()

    def _give_up_lease(self) -> None:
        self._store.end_worker(self.id, tuple(self._under_way))

    def _renew(self) -> None:
        """Renews the lease until the worker stops or has lost it."""
        while not self._stop.wait(self._lease_s / 3):
            try:
                if self._store.beat(self.id):
                    continue
            except DBAPIError as error:
                log.warning("the worker's lease was not renewed (%s)", told_by(error))
                continue
            log.error("this worker was silent for too long: its work goes to others")
            self._stop.set()
            self.gone.set()

    @property
    def is_running(self) -> bool:
        """Whether it has started, and neither stops nor was given up."""
        return self._started.is_set() and not self._stop.is_set()

    def take_hint(self, hint: str | None) -> None:
        """Remembers to look into a hint, and returns at once.

        Raises:
            NotRunning: it has not started yet, or is stopping.
        """
        if not self.is_running:
            raise NotRunning
        DBOS.enqueue_workflow(HINTS, _look_into_hint, hint)

    def submit(self, study: NamedStudy) -> None:
        """Queues a study; a study that is already known is left as it is."""
        priority = study.get("priority", ROUTINE)
        if self._store.add_study(study["study_id"], study["source"], priority):
            self._watch(Moment(study["study_id"], State.QUEUED))
        self._sweeper.wake()

    def wait(self, study_id: str, patience_s: float) -> StoredStudy:
        """The study, once it has ended.

        Raises:
            TimeoutError: it has not come so far in this time.
        """
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            study = self._store.study(study_id)
            if study is not None and study.state.is_end:
                return study
            time.sleep(_POLL_S / 2)
        raise TimeoutError(f"study {study_id} has not ended within {patience_s:.0f} s")

    # ── the steps, as DBOS runs them ──────────────────────────────────────────────────────

    def find(self, hint: str | None) -> None:
        try:
            for study in self._patiently(lambda: self._steps.find(hint), _any_server):
                self.submit(study)
        except ServerFailed as error:
            log.error("a notification led to nothing: %s", error)
        except SomnoauditError:
            raise
        except Exception as error:  # as in _attempt: a resource of the EHR is not as it must be
            self._check_that_it_runs()
            log.error("looking for studies: %s", where(error))

    def begin(self, study_id: str, number: int) -> Run:
        self._check_that_it_runs()
        try:
            run = self._store.begin(study_id, number, self.id)
        except WorkerGone:
            raise _Stopped from None
        self._under_way = {study_id}
        return run

    def let_go(self) -> None:
        """Notes that no study is under way here."""
        self._under_way = set()

    def pull(self, run: Run) -> _Outcome:
        return self._attempt(run, State.PULLING, lambda: self._steps.pull(run))

    def score(self, run: Run, study: Json) -> _Outcome:
        looked = time.monotonic()

        def progress(work: str, share: float) -> None:
            nonlocal looked
            self._check_that_it_runs()
            if time.monotonic() - looked > _LOOK_EACH_S:
                self._store.check(run)
                looked = time.monotonic()
            self._watch(Moment(run.study_id, State.SCORING, work, share))

        return self._attempt(run, State.SCORING, lambda: self._steps.score(run, study, progress))

    def report(self, run: Run) -> _Outcome:
        def work() -> str:
            report = self._steps.report(run)
            self._store.reported(run.study_id, report, run)
            return report

        outcome = self._attempt(run, State.REPORTING, work)
        if not outcome["reason"]:
            self.let_go()
            self._watch(Moment(run.study_id, State.REPORTED))
        return outcome

    def fail(self, run: Run, reason: str) -> None:
        """Ends the study, in the EHR too where that takes it."""
        self._check_that_it_runs()
        try:
            self._told(run, reason)
            self._patiently(lambda: self._store.fail(run.study_id, reason, run), _may_pass)
        except WorkerGone:
            raise _Stopped from None
        self.let_go()
        self._watch(Moment(run.study_id, State.FAILED))

    def _told(self, run: Run, reason: str) -> None:
        try:
            self._steps.refuse(run, reason)
        except (RunEnded, WorkerGone):
            raise
        except SomnoauditError as error:
            log.error("study %s: the EHR was not told that it failed: %s", run.study_id, error)
        except Exception as error:  # as in _attempt
            self._check_that_it_runs()
            log.error("study %s, telling that it failed: %s", run.study_id, where(error))

    def _attempt(self, run: Run, state: State, work: Callable[[], Any]) -> _Outcome:
        self._check_that_it_runs()
        try:
            self._patiently(lambda: self._store.advance(run.study_id, state, run), _may_pass)
            self._watch(Moment(run.study_id, state))
            log.info("%s begins", state.value)
            with span(state.value, run.study_id, run.number, tries=run.tries):
                result = self._patiently(work, _may_pass)
        except WorkerGone:
            raise _Stopped from None
        except RunEnded:
            raise
        except SomnoauditError as error:
            reason = str(error)
        except DATABASE_AWAY as error:
            reason = (
                f"the database did not answer ({told_by(error)}); look into its log and its disk, "
                "and retry the study"
            )
        except Exception as error:
            # A defect of ours ends this study and not the service. Its message may quote a
            # patient's data: only its kind and where it arose are told.
            self._check_that_it_runs()
            log.error("study %s, %s: %s", run.study_id, state.value, where(error))
            kind = type(error).__name__
            reason = f"somnoaudit has a defect ({kind}); its log says where"
        else:
            self._check_that_it_runs()
            return {"reason": "", "result": result}
        self._check_that_it_runs()
        return {"reason": reason, "result": None}

    def _patiently(self, work: Callable[[], _T], passes: Callable[[ServerFailed], bool]) -> _T:
        """Does it, again after ever longer waits while a server or the database is away."""
        for wait_s in self._waits_s:
            try:
                return work()
            except ServerFailed as error:
                if not passes(error):
                    raise
                log.warning("%s; trying again in %.0f s", error, wait_s)
            except DATABASE_AWAY as error:
                away = told_by(error)
                log.warning("the database did not answer (%s); again in %.0f s", away, wait_s)
            if self._stop.wait(wait_s):
                raise _Stopped
        return work()

    def _check_that_it_runs(self) -> None:
        if self._stop.is_set():
            raise _Stopped


def _any_server(_error: ServerFailed) -> bool:
    return True


def _may_pass(error: ServerFailed) -> bool:
    """Whether asking again later may help: of a FHIR server's refusals, only some."""
    passing = (Throttled, ServerDown, ServerBroken)
    return isinstance(error, passing) or not isinstance(error, FhirError)


def _hand_over(study: Waiting) -> None:
    """Queues a run of a study; a second time changes nothing."""
    run_id = SetWorkflowID(f"{study.study_id}.{study.run}")
    with run_id, SetEnqueueOptions(priority=study.priority):
        DBOS.enqueue_workflow(STUDIES, _audit_study, study.study_id, study.run)


def _stop_dbos() -> None:
    global _running
    DBOS.destroy()
    _running = None


_running: Worker | None = None


def _worker() -> Worker:
    """DBOS finds a workflow by its name alone when it goes on with it, and so its worker here."""
    if _running is None:
        raise RuntimeError("no worker runs in this process")
    return _running
