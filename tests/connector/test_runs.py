"""Runs and leases in any order of events: only who holds a study writes, and it ends once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from auditor.errors import UsageError
from connector.store import Store
from connector.stored import Run, RunEnded, WorkerGone
from connector.tables import State
from connector.workflow import WORKFLOW_VERSION

STUDIES = ("s1", "s2")


class Hospital(RuleBasedStateMachine):
    """Workers come, begin, write, fall silent and come back; people cancel and retry."""

    workers: Bundle[str] = Bundle("workers")
    runs: Bundle[Run] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.store = Store.open(f"sqlite:///{Path(self._folder.name) / 'somnoaudit.db'}")
        self.living: set[str] = set()
        self.number = dict.fromkeys(STUDIES, 1)
        self.ended: dict[str, State] = {}
        self.named = 0
        self.reports: list[str] = []
        for study_id in STUDIES:
            assert self.store.add_study(study_id, "DocumentReference/1")

    def teardown(self) -> None:
        self.store.close()
        self._folder.cleanup()

    def holds(self, run: Run) -> bool:
        """Whether a run may write, as far as this test knows."""
        last = self.number[run.study_id] == run.number
        return last and run.study_id not in self.ended and run.worker in self.living

    @rule(target=workers)
    def a_worker_comes(self) -> str:
        self.named += 1
        name = f"w{self.named}"
        self.store.add_worker(name, "here", WORKFLOW_VERSION)
        self.living.add(name)
        return name

    @rule(worker=workers)
    def all_but_one_fall_silent(self, worker: str) -> None:
        beats = self.store.beats()
        self.store.give_up({name: beat for name, beat in beats.items() if name != worker})
        self.living &= {worker}

    @rule(worker=workers)
    def one_is_heard_in_the_last_moment(self, worker: str) -> None:
        beats = self.store.beats()
        while self.store.beat(worker) and self.store.beats()[worker] == beats[worker]:
            """SQLite's clock has milliseconds."""
        self.store.give_up(beats)
        self.living &= {worker}

    @rule(worker=consumes(workers))
    def a_worker_stops(self, worker: str) -> None:
        self.store.end_worker(worker)
        self.living.discard(worker)
        assert not self.store.beat(worker)

    @rule(study_id=st.sampled_from(STUDIES))
    def a_study_is_named_again(self, study_id: str) -> None:
        assert not self.store.add_study(study_id, "DocumentReference/2")

    @rule(target=runs, worker=workers, study_id=st.sampled_from(STUDIES))
    def a_worker_begins(self, worker: str, study_id: str) -> Run:
        number = self.number[study_id]
        run = Run(study_id, "DocumentReference/1", number, worker, 0)
        if self.holds(run):
            return self.store.begin(study_id, number, worker)
        with pytest.raises((RunEnded, WorkerGone)):
            self.store.begin(study_id, number, worker)
        return run

    @rule(run=runs, state=st.sampled_from([State.PULLING, State.SCORING, State.REPORTING]))
    def a_worker_goes_on(self, run: Run, state: State) -> None:
        if self.holds(run):
            self.store.advance(run.study_id, state, run)
        else:
            with pytest.raises((RunEnded, WorkerGone)):
                self.store.advance(run.study_id, state, run)

    @rule(run=runs, reported=st.booleans())
    def a_worker_comes_to_the_end(self, run: Run, reported: bool) -> None:
        def end() -> None:
            if reported:
                self.store.reported(run.study_id, f"DiagnosticReport/{run.study_id}", run)
            else:
                self.store.fail(run.study_id, "it is broken", run)

        if not self.holds(run):
            with pytest.raises((RunEnded, WorkerGone)):
                end()
            return
        end()
        self.ended[run.study_id] = State.REPORTED if reported else State.FAILED
        self.reports += [run.study_id] if reported else []

    @rule(study_id=st.sampled_from(STUDIES))
    def somebody_cancels(self, study_id: str) -> None:
        if study_id in self.ended:
            with pytest.raises(UsageError):
                self.store.cancel(study_id)
        else:
            self.store.cancel(study_id)
            self.ended[study_id] = State.CANCELLED

    @rule(study_id=st.sampled_from(STUDIES))
    def somebody_tries_again(self, study_id: str) -> None:
        if self.ended.get(study_id) in (State.FAILED, State.CANCELLED):
            self.store.retry(study_id)
            del self.ended[study_id]
            self.number[study_id] += 1
        else:
            with pytest.raises(UsageError):
                self.store.retry(study_id)

    @rule(study_id=st.sampled_from(STUDIES))
    def its_run_was_lost(self, study_id: str) -> None:
        number = self.number[study_id]
        assert self.store.begin_anew(study_id, number) == (study_id not in self.ended)
        self.number[study_id] += study_id not in self.ended

    @invariant()
    def the_store_says_what_happened(self) -> None:
        assert len(self.reports) == len(set(self.reports)), "one report for each study"
        for study in self.store.studies():
            assert study.run == self.number[study.id]
            assert study.state.is_end == (study.id in self.ended)
            assert not study.state.is_end or study.state is self.ended[study.id]
        assert set(self.store.living_workers()) == self.living


TestHospital = Hospital.TestCase
TestHospital.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
