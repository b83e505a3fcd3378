"""The durable way of a study: on real databases, killed for real, with hand-made work."""

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import DATABASES, NEEDS_POSTGRESQL, new_database
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from auditor.errors import RecordingRefused, ServerFailed, SettingsRefused, UsageError
from connector import runs
from connector.database import SWEEP_LOCK
from connector.documents import Json
from connector.store import Store
from connector.stored import Run, Waiting, WorkerGone
from connector.tables import State, TrailHeadRow
from connector.threads import running
from connector.workflow import WORKFLOW_VERSION, Moment, NamedStudy, Worker
from staging.stager import Progress

STUDY = NamedStudy(study_id="s1", source="DocumentReference/1")
LEASE_S = 4.0
REFUSAL = RecordingRefused("night.edf", "holds no EEG channel", "export the EEG too")


class FolderSteps:
    """Work whose EHR is a folder: each study has one report there, however often it is written.

    ``die_at`` is the step and place ("score:start") at which the process is killed, once;
    ``failures`` are what scoring ends in, one after the other.
    """

    def __init__(self, ehr: Path, die_at: str = "", *failures: Exception) -> None:
        self.ehr = ehr
        self.die_at = die_at
        self.failures = list(failures)

    def find(self, hint: str | None) -> list[NamedStudy]:
        self.at("find:start")
        return [STUDY] if hint == STUDY["source"] else []

    def pull(self, run: Run) -> Json:
        self.at("pull:start")
        self.at("pull:end")
        return {"study": run.study_id, "source": run.source}

    def score(self, run: Run, study: Json, progress: Progress) -> None:
        self.at("score:start")
        assert study == {"study": run.study_id, "source": run.source}
        if self.failures:
            raise self.failures.pop(0)
        progress("stage", 0.5)
        self.at("score:end")

    def report(self, run: Run) -> str:
        self.at("report:start")
        (self.ehr / f"report-{run.study_id}").touch()
        self.at("report:end")
        return f"DiagnosticReport/{run.study_id}"

    def refuse(self, run: Run, reason: str) -> None:
        self.at("refuse:start")
        (self.ehr / f"refused-{run.study_id}").write_text(reason)
        self.at("refuse:end")

    def at(self, place: str) -> None:
        with (self.ehr / "log").open("a") as file:
            file.write(place + "\n")
        died = self.ehr / "died"
        if place == self.die_at and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def log(self) -> list[str]:
        return (self.ehr / "log").read_text().split()


ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not differ by database, and takes its time on each."""


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'somnoaudit.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


def test_a_study_goes_through_its_steps_in_order(store: Store, url: str, tmp_path: Path) -> None:
    steps = FolderSteps(tmp_path)
    moments: list[Moment] = []
    with Worker(store, url, steps, moments.append) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=300)
    assert (study.state, study.report) == (State.REPORTED, "DiagnosticReport/s1")
    assert [place for place in steps.log() if place.endswith("start")] == [
        "pull:start", "score:start", "report:start",
    ]  # fmt: skip
    assert [(m.state, m.work, m.share) for m in moments] == [
        (State.QUEUED, "", 0.0),
        (State.PULLING, "", 0.0),
        (State.SCORING, "", 0.0),
        (State.SCORING, "stage", 0.5),
        (State.REPORTING, "", 0.0),
        (State.REPORTED, "", 0.0),
    ]


@ON_SQLITE
def test_a_study_named_again_is_not_audited_again(store: Store, url: str, tmp_path: Path) -> None:
    steps = FolderSteps(tmp_path)
    with Worker(store, url, steps) as worker:
        for _ in range(3):
            worker.submit(STUDY)
        worker.wait("s1", patience_s=300)
        worker.submit(STUDY)
        worker.wait("s1", patience_s=300)
    assert steps.log().count("score:start") == 1


@ON_SQLITE
def test_a_hint_leads_to_its_study(store: Store, url: str, tmp_path: Path) -> None:
    reported: list[Moment] = []
    with Worker(store, url, FolderSteps(tmp_path), reported.append) as worker:
        worker.take_hint("DocumentReference/1")
        worker.take_hint("DocumentReference/2")
        worker.take_hint("DocumentReference/1")
        _until(lambda: any(m.state is State.REPORTED for m in reported))
    assert [study.id for study in store.studies()] == ["s1"]


@ON_SQLITE
def test_a_refused_recording_ends_its_study_with_a_sentence(
    store: Store, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = FolderSteps(tmp_path, "", REFUSAL)
    with Worker(store, url, steps) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=300)
    assert study.state is State.FAILED
    assert study.reason == "night.edf: holds no EEG channel; export the EEG too"
    assert (tmp_path / "refused-s1").read_text() == study.reason, "the EHR is told"
    assert "report:start" not in steps.log()
    assert capfd.readouterr() == ("", "")


def test_a_defect_ends_its_study_alone_and_tells_nothing_of_the_patient(
    tmp_path: Path,
    sqlite_url: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store.open(sqlite_url)
    steps = FolderSteps(tmp_path, "", KeyError("Jane Doe, born 1970-01-01"))
    with caplog.at_level(logging.DEBUG), Worker(store, sqlite_url, steps) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=300)
    store.close()
    assert study.reason == "somnoaudit has a defect (KeyError); its log says where"
    assert "KeyError in score (" in caplog.text
    everything = "".join((*capfd.readouterr(), caplog.text))
    assert "Jane" not in everything
    assert b"Jane" not in (tmp_path / "somnoaudit.db").read_bytes()


def test_a_server_that_is_away_for_a_while_is_asked_again(tmp_path: Path, sqlite_url: str) -> None:
    away = ServerFailed("vlm.example: no connection; check that it runs")
    store = Store.open(sqlite_url)
    steps = FolderSteps(tmp_path, "", away, away)
    with Worker(store, sqlite_url, steps, waits_s=(0.0, 0.0)) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=300)
        assert study.state is State.REPORTED
        steps.failures = [away] * 3
        worker.submit(NamedStudy(study_id="s2", source="DocumentReference/2"))
        failed = worker.wait("s2", patience_s=300)
    store.close()
    assert steps.log().count("score:start") == 6
    assert (failed.state, failed.reason) == (State.FAILED, str(away))


@pytest.mark.parametrize("kind", [OperationalError, InternalError])
def test_a_database_that_is_away_for_a_while_is_asked_again(
    tmp_path: Path, sqlite_url: str, kind: type[DBAPIError], caplog: pytest.LogCaptureFixture
) -> None:
    away = kind("SELECT 'Jane Doe'", {}, ConnectionError())
    store = Store.open(sqlite_url)
    steps = FolderSteps(tmp_path, "", away, away)
    with Worker(store, sqlite_url, steps, waits_s=(0.0, 0.0)) as worker:
        worker.submit(STUDY)
        assert worker.wait("s1", patience_s=300).state is State.REPORTED
        steps.failures = [away] * 3
        worker.submit(NamedStudy(study_id="s2", source="DocumentReference/2"))
        failed = worker.wait("s2", patience_s=300)
    store.close()
    assert failed.state is State.FAILED
    assert failed.reason.startswith("the database did not answer (ConnectionError); ")
    assert "Jane" not in caplog.text


class PatientSteps(FolderSteps):
    """Scoring goes on until someone stops it."""

    def score(self, _run: Run, _study: Json, progress: Progress) -> None:
        self.at("score:start")
        while True:
            progress("stage", 0.1)
            time.sleep(0.01)


def test_a_study_under_way_when_the_service_stops_goes_on_later(
    store: Store, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scoring = threading.Event()

    def watch(moment: Moment) -> None:
        if moment.work:
            scoring.set()

    for _ in range(2):  # a stop is not a try that the study has used up
        scoring.clear()
        with Worker(store, url, PatientSteps(tmp_path), watch) as worker:
            worker.submit(STUDY)
            assert scoring.wait(300)
    stopped = store.study("s1")
    assert stopped is not None
    assert (stopped.state, stopped.tries) == (State.SCORING, 0)
    with Worker(store, url, FolderSteps(tmp_path)) as worker:
        study = worker.wait("s1", patience_s=300)
    assert study.state is State.REPORTED
    assert FolderSteps(tmp_path).log().count("pull:start") == 1
    assert capfd.readouterr() == ("", "")


def test_a_study_is_cancelled_and_tried_again(store: Store, url: str, tmp_path: Path) -> None:
    scored: set[str] = set()

    def watch(moment: Moment) -> None:
        if moment.work:
            scored.add(moment.study_id)

    steps = PatientSteps(tmp_path)
    with Worker(store, url, steps, watch) as worker:
        for number in (1, 2):
            worker.submit(NamedStudy(study_id=f"s{number}", source=f"DocumentReference/{number}"))
        _until(lambda: scored == {"s1"})
        store.cancel("s2")  # while it waits
        store.cancel("s1")  # while it is scored
        worker.submit(NamedStudy(study_id="s3", source="DocumentReference/3"))
        _until(lambda: scored == {"s1", "s3"})  # the worker has let go of it
        with pytest.raises(UsageError, match="is cancelled already"):
            store.cancel("s1")
    assert steps.log() == ["pull:start", "pull:end", "score:start"] * 2
    with pytest.raises(UsageError, match="nothing to try again"):
        store.retry("s3")
    store.retry("s1")
    with Worker(store, url, FolderSteps(tmp_path)) as worker:
        again = worker.wait("s1", patience_s=300)
    assert (again.state, again.run) == (State.REPORTED, 2)
    left = store.study("s2")
    assert left is not None
    assert left.state is State.CANCELLED


@ON_SQLITE
def test_urgent_studies_come_first_and_others_in_their_order(
    store: Store, url: str, tmp_path: Path
) -> None:
    for number, priority in enumerate((4, 4, 1, 3, 4, 1)):
        store.add_study(f"s{number}", f"DocumentReference/{number}", priority)
    begun: list[str] = []

    def watch(moment: Moment) -> None:
        if moment.state is State.PULLING:
            begun.append(moment.study_id)

    with Worker(store, url, FolderSteps(tmp_path), watch) as worker:
        for number in range(6):
            worker.wait(f"s{number}", patience_s=300)
    # The queue may take the first before the rest is in it.
    assert [each for each in begun if each != "s0"] == ["s2", "s5", "s3", "s1", "s4"]


@ON_SQLITE
def test_a_new_version_takes_up_what_an_old_one_left(
    store: Store, url: str, tmp_path: Path
) -> None:
    for study_id in ("s1", "s2"):
        store.add_study(study_id, STUDY["source"])
    (first, second) = store.waiting("0")
    store.handed_over(first, "0")
    store.add_worker("old", "elsewhere", "0")
    store.handed_over(second, "0")
    old = store.begin("s1", 1, "old")
    assert store.waiting(WORKFLOW_VERSION) == (), "the old version's worker lives"
    store.end_worker("old")
    with Worker(store, url, FolderSteps(tmp_path)) as worker:
        ended = [worker.wait(study_id, patience_s=300) for study_id in ("s1", "s2")]
    assert [(study.state, study.run) for study in ended] == [(State.REPORTED, 2)] * 2
    with pytest.raises(WorkerGone):
        store.advance("s1", State.SCORING, old)


def test_a_study_that_ends_the_program_again_and_again_is_given_up(
    tmp_path: Path, sqlite_url: str
) -> None:
    store = Store.open(sqlite_url)
    store.add_study("s1", STUDY["source"])
    store.add_worker("doomed", "here", WORKFLOW_VERSION)
    for _ in range(4):  # four times, until its worker was no more; the fifth is for real
        store.begin("s1", 1, "doomed")
    store.close()
    _run_workers({tmp_path: (sqlite_url, "score:end")}, [-signal.SIGKILL])
    _run_workers({tmp_path: (sqlite_url, "")}, [0])
    state, _, reason = json.loads((tmp_path / "end").read_text())
    assert state == "failed"
    assert reason.startswith("its processing ended the program 5 times; look into the log")
    assert (tmp_path / "refused-s1").read_text() == reason


def test_an_sqlite_database_has_one_worker(tmp_path: Path, sqlite_url: str) -> None:
    store = Store.open(sqlite_url)
    with (
        Worker(store, sqlite_url, FolderSteps(tmp_path)),
        pytest.raises(SettingsRefused, match="another worker runs on this SQLite database"),
        Worker(store, sqlite_url, FolderSteps(tmp_path)),
    ):
        pass
    store.close()


# ── killed ────────────────────────────────────────────────────────────────────────────────

STEPS = [f"{step}:{place}" for step in ("pull", "score", "report") for place in ("start", "end")]
# Between what one transaction of the store says and what DBOS, or the next one, does.
BETWEEN = ["handed_over:start", "handed_over:end", "begin:end", "reported:start", "reported:end"]
REFUSING = ["refuse:start", "refuse:end", "fail:start", "fail:end"]
PLACES = ["find:start", *STEPS, *BETWEEN, *REFUSING]


class DyingStore(Store):
    """Passes through the places between the steps."""

    at: Callable[[str], None]

    def handed_over(self, study: Waiting, version: str) -> None:
        self.at("handed_over:start")
        super().handed_over(study, version)
        self.at("handed_over:end")

    def begin(self, study_id: str, number: int, worker: str) -> Run:
        run = super().begin(study_id, number, worker)
        self.at("begin:end")
        return run

    def reported(self, study_id: str, report: str, run: Run | None = None) -> None:
        self.at("reported:start")
        super().reported(study_id, report, run)
        self.at("reported:end")

    def fail(self, study_id: str, reason: str, run: Run | None = None) -> None:
        self.at("fail:start")
        super().fail(study_id, reason, run)
        self.at("fail:end")


@pytest.fixture(scope="module", params=DATABASES)
def killed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """For each place the folder of a worker that was killed there and started once more.

    All at the same time: most of a worker's start is waiting.
    """
    folders = {place: tmp_path_factory.mktemp(place.replace(":", "-")) for place in PLACES}
    if request.param == "sqlite":
        urls = {place: f"sqlite:///{folders[place] / 'somnoaudit.db'}" for place in PLACES}
    else:
        server = request.getfixturevalue("postgresql")
        urls = {place: new_database(server) for place in PLACES}
    work = {folders[place]: (urls[place], place) for place in PLACES}
    _run_workers(work, [-signal.SIGKILL] * len(PLACES))
    _run_workers(work, [0] * len(PLACES))
    return folders


def _start_workers(work: dict[Path, tuple[str, str]]) -> list[multiprocessing.process.BaseProcess]:
    return _started(_see_through, [(folder, *of_it) for folder, of_it in work.items()])


def _started(
    target: Callable[..., None], arguments: Iterable[tuple[Any, ...]]
) -> list[multiprocessing.process.BaseProcess]:
    """A process for each."""
    spawn = multiprocessing.get_context("forkserver")
    spawn.set_forkserver_preload(["connector.workflow"])
    processes = [spawn.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    return list(processes)


def _run_workers(work: dict[Path, tuple[str, str]], expected_exits: list[int]) -> None:
    processes = _start_workers(work)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == expected_exits


def _see_through(folder: Path, url: str, die_at: str) -> None:
    """What the processes run: take the hint if it was not taken, and see its study through."""
    refusals = [REFUSAL] if die_at in REFUSING else []
    steps = FolderSteps(folder, die_at, *refusals)
    store = DyingStore.open(url)
    store.at = steps.at
    with Worker(store, url, steps, lease_s=LEASE_S) as worker:
        if not (folder / "died").exists():
            worker.take_hint(STUDY["source"])
        study = worker.wait("s1", patience_s=300)
    (folder / "end").write_text(json.dumps([study.state, study.report, study.reason]))


@pytest.mark.parametrize("place", ["find:start", *STEPS])
def test_a_killed_process_goes_on_and_reports_once(place: str, killed: dict[str, Path]) -> None:
    folder = killed[place]
    assert json.loads((folder / "end").read_text()) == ["reported", "DiagnosticReport/s1", ""]
    assert [path.name for path in folder.glob("report-*")] == ["report-s1"]
    again = place.partition(":")[0]
    assert _begun(folder) == [
        step for step in ("pull", "score", "report") for _ in range(2 if step == again else 1)
    ]
    if again == "find":
        assert FolderSteps(folder).log().count("find:start") == 2


@pytest.mark.parametrize("place", BETWEEN)
def test_killed_between_two_notes_it_does_no_step_twice(
    place: str, killed: dict[str, Path]
) -> None:
    folder = killed[place]
    assert json.loads((folder / "end").read_text()) == ["reported", "DiagnosticReport/s1", ""]
    # What was written was not noted yet: only then is it looked for again.
    again = ["report"] if place == "reported:start" else []
    assert _begun(folder) == ["pull", "score", "report", *again]


@pytest.mark.parametrize("place", REFUSING)
def test_killed_while_it_fails_it_fails_once(place: str, killed: dict[str, Path]) -> None:
    folder = killed[place]
    assert json.loads((folder / "end").read_text()) == ["failed", None, str(REFUSAL)]
    assert (folder / "refused-s1").read_text() == str(REFUSAL)
    assert list(folder.glob("report-*")) == []
    assert _begun(folder) == ["pull", "score"]


def _begun(folder: Path) -> list[str]:
    """A study's steps in their order, each time that they began.

    The hint that named it is other work: on a busy machine it is noted as looked into only after
    its study has begun, and may be looked into again.
    """
    steps = ("pull", "score", "report")
    log = [entry.partition(":") for entry in FolderSteps(folder).log()]
    return [name for name, _, place in log if name in steps and place == "start"]


@NEEDS_POSTGRESQL
def test_of_two_workers_the_other_ends_what_the_killed_one_began(
    postgresql: str, tmp_path: Path
) -> None:
    url = new_database(postgresql)
    # Both know the place of death; the first to come there dies, and the other goes on.
    store = _one_study_at(url)
    processes = _started(_see_one_through, [(tmp_path, url, "score:end")] * 2)
    for process in processes:
        process.join(300)
    assert sorted(process.exitcode or 0 for process in processes) == [-signal.SIGKILL, 0]
    assert json.loads((tmp_path / "end").read_text())[:2] == ["reported", "DiagnosticReport/s1"]
    starts = [entry for entry in FolderSteps(tmp_path).log() if entry.endswith(":start")]
    assert starts.count("pull:start") == 1
    assert starts.count("report:start") == 1
    store.close()


def _one_study_at(url: str) -> Store:
    store = Store.open(url)
    store.add_study(STUDY["study_id"], STUDY["source"])
    return store


def _see_one_through(folder: Path, url: str, die_at: str) -> None:
    store = Store.open(url)
    with Worker(store, url, FolderSteps(folder, die_at), lease_s=LEASE_S) as worker:
        study = worker.wait("s1", patience_s=300)
    (folder / "end").write_text(json.dumps([study.state, study.report, study.reason]))


class PausingSteps(FolderSteps):
    """The first process to come to its report is paused before it writes."""

    def __init__(self, ehr: Path, store: Store) -> None:
        super().__init__(ehr)
        self._store = store

    def report(self, run: Run) -> str:
        paused = self.ehr / "paused"
        if not paused.exists():
            paused.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        self._store.check(run)
        with (self.ehr / "reports").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return f"DiagnosticReport/{run.study_id}"


def _work_until_gone_or_reported(folder: Path, url: str) -> None:
    store = Store.open(url)
    with Worker(store, url, PausingSteps(folder, store), lease_s=LEASE_S) as worker:
        study = worker.wait("s1", patience_s=300)
        gone = worker.gone.wait(300) if _is_paused_one(folder) else False
    (folder / f"end-{os.getpid()}").write_text(json.dumps([study.state, gone]))


def _is_paused_one(folder: Path) -> bool:
    return (folder / "paused").read_text() == str(os.getpid())


@NEEDS_POSTGRESQL
def test_a_worker_that_was_only_away_writes_nothing_when_it_comes_back(
    postgresql: str, tmp_path: Path
) -> None:
    url = new_database(postgresql)
    store = _one_study_at(url)
    processes = _started(_work_until_gone_or_reported, [(tmp_path, url)] * 2)
    _until(lambda: store.study("s1").state is State.REPORTED, 300)  # type: ignore[union-attr]
    paused = int((tmp_path / "paused").read_text())
    os.kill(paused, signal.SIGCONT)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    (other,) = [process.pid for process in processes if process.pid != paused]
    assert (tmp_path / "reports").read_text().split() == [str(other)]
    assert json.loads((tmp_path / f"end-{paused}").read_text()) == ["reported", True]
    states = [json.loads(entry.details).get("state") for entry in store.trail_of("s1")]
    assert states.count("reported") == 1
    assert store.verify_trail().breaks == ()
    store.close()


@NEEDS_POSTGRESQL
@pytest.mark.parametrize("set_by_s", [3600.0, -3600.0])
def test_where_the_clock_of_the_database_is_set_leases_hold_and_end_all_the_same(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_by_s: float
) -> None:
    url = new_database(postgresql)
    store = Store.open(url)
    clock = runs._database_now_s
    with Worker(store, url, FolderSteps(tmp_path), lease_s=LEASE_S) as worker:
        for other in ("living", "dead"):
            store.add_worker(other, "elsewhere", WORKFLOW_VERSION)
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(LEASE_S / 8):
                store.beat("living")

        with running("living", renew, stop):
            monkeypatch.setattr(runs, "_database_now_s", lambda bound: clock(bound) + set_by_s)
            _until(lambda: "dead" not in store.living_workers())
            assert set(store.living_workers()) == {worker.id, "living"}
            stop.set()
        assert not worker.gone.is_set()
    store.close()


class FreezingSteps(FolderSteps):
    """The first process to come to its report stops as a machine does, in mid-transaction."""

    def __init__(self, ehr: Path, store: Store) -> None:
        super().__init__(ehr)
        self._store = store

    def report(self, run: Run) -> str:
        frozen = self.ehr / "frozen"
        if not frozen.exists():
            frozen.write_text(str(os.getpid()))
            with self._store.sessions.begin() as session:
                # What nobody can do without: the sweep's turn, and the end of the trail.
                session.execute(text(f"SELECT pg_advisory_xact_lock({SWEEP_LOCK})"))
                session.scalars(select(TrailHeadRow).with_for_update()).one()
                os.kill(os.getpid(), signal.SIGSTOP)
        return super().report(run)


def _work_until_reported(folder: Path, url: str) -> None:
    store = Store.open(url)
    with Worker(store, url, FreezingSteps(folder, store), lease_s=LEASE_S) as worker:
        worker.wait("s1", patience_s=300)


@NEEDS_POSTGRESQL
def test_a_worker_that_stops_in_mid_transaction_keeps_nobody_waiting_for_ever(
    postgresql: str, tmp_path: Path
) -> None:
    """It takes as long as PostgreSQL leaves a transaction open that nobody goes on with."""
    url = new_database(postgresql)
    store = _one_study_at(url)
    processes = _started(_work_until_reported, [(tmp_path, url)] * 2)
    _until(lambda: store.study("s1").state is State.REPORTED, 300)  # type: ignore[union-attr]
    frozen = int((tmp_path / "frozen").read_text())
    os.kill(frozen, signal.SIGKILL)
    for process in processes:
        process.join(300)
    exits = {process.pid: process.exitcode for process in processes}
    assert exits.pop(frozen) == -signal.SIGKILL
    assert list(exits.values()) == [0]
    assert store.verify_trail().breaks == ()
    store.close()


def _until(holds: Callable[[], object], patience_s: float = 300) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
