"""What keeps the queue of several workers going when one of them is gone.

Every worker sweeps, one at a time: it gives up leases that were not renewed, queues again what
those workers had begun, and hands over to the queue what waits in the store. A study is in the
store first and in the queue second, so that whoever names, cancels or retries one needs the
store alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from dbos import DBOS
from dbos import error as dbos_error
from sqlalchemy.exc import DBAPIError

from connector.store import Store
from connector.stored import Waiting
from connector.threads import running

STUDIES = "studies"
HINTS = "hints"

# Fast enough that lease and sweep together stay below a minute.
_SWEEPS_A_LEASE = 6

# What a notification led to is of no use later; the safety net finds the study too.
_HINTS_KEPT_S = 24 * 3600.0
_CHORES_EACH_S = 3600.0

log = logging.getLogger("somnoaudit")


class Sweeper:
    """Sweeps on a thread of its own while the context lasts.

    Args:
        store: of the studies and the leases.
        worker: of this process, which never gives itself up.
        version: of the steps that this process knows.
        lease_s: a worker that is silent for so long is given up.
        hand_over: puts a run of a study into the queue; twice is as good as once.
        chores: what else is to be done each hour.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        version: str,
        lease_s: float,
        hand_over: Callable[[Waiting], None],
        chores: Callable[[], None],
    ) -> None:
        self._store = store
        self._worker = worker
        self._version = version
        self._lease_s = lease_s
        self._hand_over = hand_over
        self._chores = chores
        self._stop = threading.Event()
        self._woken = threading.Event()
        self._thread = running("sweeper", self._run, self._stop)
        # When this process was last known to be in touch with the database.
        self._in_touch = time.monotonic()
        # Of each worker the last renewal of its lease, and since when that is known here.
        self._heard: dict[str, tuple[float, float]] = {}
        self._chores_due = 0.0

    def __enter__(self) -> Self:
        self._thread.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._woken.set()
        self._thread.__exit__(None, None, None)

    def wake(self) -> None:
        """Says that something waits in the store."""
        self._woken.set()

    def _run(self) -> None:
        next_sweep = 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() >= next_sweep:
                    self._sweep()
                    self._do_chores()
                    next_sweep = time.monotonic() + self._lease_s / _SWEEPS_A_LEASE
                self._hand_over_what_waits()
                self._in_touch = time.monotonic()
            except (DBAPIError, dbos_error.DBOSException) as error:
                log.warning("the queue was not swept (%s)", type(error).__name__)
            self._woken.wait(max(0.0, next_sweep - time.monotonic()) or self._lease_s / 20)
            self._woken.clear()

    def _hand_over_what_waits(self) -> None:
        for study in self._store.waiting(self._version):
            if self._stop.is_set():
                return
            self._hand_over(study)
            self._store.handed_over(study, self._version)

    def _sweep(self) -> None:
        with self._store.sweeping() as mine:
            if not mine:
                return
            self._give_up_silent_workers()
            self._take_over()
            self._begin_anew()

    def _do_chores(self) -> None:
        """Each worker its own: recordings lie where they were pulled."""
        if time.monotonic() >= self._chores_due:
            self._chores_due = time.monotonic() + _CHORES_EACH_S
            _forget_old_hints()
            self._chores()

    def _give_up_silent_workers(self) -> None:
        """Those whose lease is seen unchanged for its length, by this process's own clock: the
        database's may be set, and then each would seem to be silent, or none."""
        now = time.monotonic()
        # After a silence of its own: the database was away for all, or this process was, and
        # the others first get the time of a lease to be heard.
        known = {} if now - self._in_touch > self._lease_s / 2 else self._heard
        self._heard = {
            worker: known[worker] if known.get(worker, (None,))[0] == beat else (beat, now)
            for worker, beat in self._store.beats().items()
        }
        silent = {
            worker: beat
            for worker, (beat, since) in self._heard.items()
            if worker != self._worker and now - since > self._lease_s
        }
        if silent:
            self._store.give_up(silent)

    def _take_over(self) -> None:
        """Queues again what workers that are gone have begun."""
        # In this order: a worker that begins something has its lease before.
        begun = DBOS.list_workflows(
            status="PENDING",
            app_version=self._version,
            queue_name=[STUDIES, HINTS],
            load_input=False,
            load_output=False,
        )
        living = self._store.living_workers()
        for work in begun:
            if work.executor_id in living:
                continue
            DBOS.resume_workflow(work.workflow_id, queue_name=work.queue_name)
            if work.queue_name == STUDIES:
                study_id = work.workflow_id.rpartition(".")[0]
                self._store.taken_over(study_id, work.executor_id)
                log.warning("study %s was begun by a worker that is gone; queued again", study_id)

    def _begin_anew(self) -> None:
        """Gives a new run to studies of whose run DBOS has lost track.

        That counts as a try as well, so that it ends.
        """
        lost = DBOS.list_workflows(
            name="audit_study",
            status=["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            load_input=False,
            load_output=False,
        )
        for work in lost:
            study_id, _, run = work.workflow_id.rpartition(".")
            if study_id and self._store.begin_anew(study_id, int(run)):
                log.warning("study %s: its run was lost; queued again", study_id)


def _forget_old_hints() -> None:
    """Deletes what DBOS remembers of notifications that were looked into."""
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - _HINTS_KEPT_S))
    old = DBOS.list_workflows(
        name="look_into_hint",
        status=["SUCCESS", "ERROR", "CANCELLED"],
        completed_before=before,
        load_input=False,
        load_output=False,
    )
    if old:
        DBOS.delete_workflows([work.workflow_id for work in old])
