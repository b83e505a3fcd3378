"""A thousand studies queued: is any lost or done twice, is the order kept, and how fast is it?

The stager is stubbed, and the EHR is nothing: what is measured is the queue, the store, the
leases and the audit trail alone. How it grows with the queue's length shows by quarters: the
first is worked on while most of the thousand wait, the last while few do. Run by hand:

    pytest -m benchmark -s tests/benchmarks/bench_queue.py
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "connector"))

from databases import NEEDS_POSTGRESQL, new_database, running_postgresql

from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector.documents import Json
from connector.store import Store
from connector.stored import Run
from connector.tables import State
from connector.workflow import NamedStudy, Worker
from staging.stager import Progress

pytestmark = pytest.mark.benchmark

N_STUDIES = 1000
PATIENCE_S = 3000.0
STAGER = StagerIdentity("stub", "1", None)
RULEBOOK = RulebookIdentity("1", "ab" * 32)
# As much text as the audit of a night without claims has.
AUDIT = json.dumps({"epochs": [{"epoch": i, "stage": "N2", "flags": []} for i in range(960)]})


class StubSteps:
    """Work that takes no time, and stores what real work stores."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, _hint: str | None) -> list[NamedStudy]:
        return []

    def pull(self, run: Run) -> Json:
        return {"study": run.study_id}

    def score(self, run: Run, _study: Json, _progress: Progress) -> None:
        if self._store.audit(run.study_id) is None:
            self._store.add_audit(run.study_id, STAGER, "[]", b"", RULEBOOK, AUDIT, "[]", run)

    def report(self, run: Run) -> str:
        self._store.check(run)
        return f"DiagnosticReport/{run.study_id}"

    def refuse(self, run: Run, reason: str) -> None:
        raise AssertionError(f"{run.study_id}: {reason}")


def _work(url: str) -> None:
    store = Store.open(url)
    with Worker(store, url, StubSteps(store)):
        while store.counts()[0].get(State.REPORTED, 0) < N_STUDIES:
            time.sleep(0.5)
    store.close()


@pytest.fixture
def server() -> Iterator[str]:
    with running_postgresql() as running:
        yield running


def _run(url: str, workers: int) -> tuple[list[float], Store]:
    """Seconds that each quarter of the studies took, and the store."""
    store = Store.open(url)
    for number in range(N_STUDIES):
        store.add_study(f"s{number:04}", f"DocumentReference/{number}", 1 + number % 4)
    spawn = multiprocessing.get_context("forkserver")
    processes = [spawn.Process(target=_work, args=(url,)) for _ in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_S)
    assert [process.exitcode for process in processes] == [0] * workers
    changes = [c for c in store.state_changes() if c.state is not State.QUEUED]
    reported = [c.at for c in changes if c.state is State.REPORTED]
    ends = [changes[0].at, *(reported[N_STUDIES * n // 4 - 1] for n in range(1, 5))]
    return [(after - before).total_seconds() for before, after in pairwise(ends)], store


def _said(quarters: list[float]) -> str:
    rate = N_STUDIES / sum(quarters)
    last_to_first = quarters[-1] / quarters[0]
    times = ", ".join(f"{4 * quarter / N_STUDIES:.3f}" for quarter in quarters)
    return (
        f"{rate:.2f} studies/s; seconds each, by quarter: {times} "
        f"(last to first {last_to_first:.2f})"
    )


def _check(store: Store) -> int:
    """Nothing lost, nothing twice, the trail whole; the pairs that began out of order."""
    assert store.counts()[0] == {State.REPORTED: N_STUDIES}
    changes = store.state_changes()
    assert len([c for c in changes if c.state is State.REPORTED]) == N_STUDIES
    assert store.verify_trail().breaks == ()
    begun = [c.study_id for c in changes if c.state is State.PULLING]
    assert len(begun) == len(set(begun)) == N_STUDIES
    order = [(1 + int(study_id[1:]) % 4, int(study_id[1:])) for study_id in begun]
    return sum(before > after for before, after in pairwise(order))


def test_a_thousand_studies_on_sqlite(tmp_path: Path) -> None:
    quarters, store = _run(f"sqlite:///{tmp_path / 'somnoaudit.db'}", 1)
    disorder = _check(store)
    store.close()
    print(f"\nSQLite, 1 worker: {_said(quarters)}; {disorder} out of order")


@NEEDS_POSTGRESQL
def test_a_thousand_studies_on_postgresql(server: str) -> None:
    single = 0.0
    for workers in (1, 2):
        quarters, store = _run(new_database(server), workers)
        disorder = _check(store)
        store.close()
        single = single or sum(quarters)
        print(
            f"\nPostgreSQL, {workers} worker(s): {_said(quarters)}; "
            f"{single / sum(quarters):.2f} times one worker; {disorder} out of order"
        )
