"""The durable way of a study: on a real database, killed for real, with hand-made work."""

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditor.errors import RecordingRefused
from connector.documents import Json
from connector.store import State, Store
from connector.workflow import Moment, NamedStudy, Worker
from staging.stager import Progress

STUDY = NamedStudy(study_id="s1", source="DocumentReference/1")


class FolderSteps:
    """Work whose EHR is a folder: each study has one report there, however often it is written.

    ``die_at`` is the step and place ("score:start") at which the process is killed, once;
    ``failure`` is what scoring ends in.
    """

    def __init__(self, ehr: Path, die_at: str = "", failure: Exception | None = None) -> None:
        self.ehr = ehr
        self.die_at = die_at
        self.failure = failure

    def find(self, hint: str | None) -> list[NamedStudy]:
        self._at("find:start")
        return [STUDY] if hint == STUDY["source"] else []

    def pull(self, study_id: str, source: str) -> Json:
        self._at("pull:start")
        self._at("pull:end")
        return {"study": study_id, "source": source}

    def score(self, study_id: str, study: Json, progress: Progress) -> None:
        self._at("score:start")
        assert study == {"study": study_id, "source": STUDY["source"]}
        if self.failure:
            raise self.failure
        progress("stage", 0.5)
        self._at("score:end")

    def report(self, study_id: str) -> str:
        self._at("report:start")
        (self.ehr / f"report-{study_id}").touch()
        self._at("report:end")
        return f"DiagnosticReport/{study_id}"

    def _at(self, place: str) -> None:
        with (self.ehr / "log").open("a") as file:
            file.write(place + "\n")
        died = self.ehr / "died"
        if place == self.die_at and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def log(self) -> list[str]:
        return (self.ehr / "log").read_text().split()


@pytest.fixture
def url(tmp_path: Path) -> str:
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
        study = worker.wait("s1", patience_s=30)
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


def test_a_study_named_again_is_not_audited_again(store: Store, url: str, tmp_path: Path) -> None:
    steps = FolderSteps(tmp_path)
    with Worker(store, url, steps) as worker:
        for _ in range(3):
            worker.submit(STUDY)
        worker.wait("s1", patience_s=30)
        worker.submit(STUDY)
        worker.wait("s1", patience_s=30)
    assert steps.log().count("score:start") == 1


def test_a_hint_leads_to_its_study(store: Store, url: str, tmp_path: Path) -> None:
    reported = []
    with Worker(store, url, FolderSteps(tmp_path), reported.append) as worker:
        worker.take_hint("DocumentReference/1")
        worker.take_hint("DocumentReference/2")
        worker.take_hint("DocumentReference/1")
        _until(lambda: any(m.state is State.REPORTED for m in reported))
    assert [study.id for study in store.studies()] == ["s1"]


def test_a_refused_recording_ends_its_study_with_a_sentence(
    store: Store, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal = RecordingRefused("night.edf", "holds no EEG channel", "export the EEG too")
    steps = FolderSteps(tmp_path, failure=refusal)
    with Worker(store, url, steps) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=30)
    assert study.state is State.FAILED
    assert study.reason == "night.edf: holds no EEG channel; export the EEG too"
    assert "report:start" not in steps.log()
    assert capfd.readouterr() == ("", "")


def test_a_defect_ends_its_study_alone_and_tells_nothing_of_the_patient(
    store: Store,
    url: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = FolderSteps(tmp_path, failure=KeyError("Jane Doe, born 1970-01-01"))
    with caplog.at_level(logging.DEBUG), Worker(store, url, steps) as worker:
        worker.submit(STUDY)
        study = worker.wait("s1", patience_s=30)
    assert study.reason == "somnoaudit has a defect (KeyError); its log says where"
    assert "KeyError in score (" in caplog.text
    everything = "".join((*capfd.readouterr(), caplog.text))
    assert "Jane" not in everything
    assert b"Jane" not in (tmp_path / "somnoaudit.db").read_bytes()


def test_a_study_under_way_when_the_service_stops_goes_on_later(
    store: Store, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class PatientSteps(FolderSteps):
        def score(self, study_id: str, study: Json, progress: Progress) -> None:
            assert study["study"] == study_id
            while True:
                progress("stage", 0.1)

    scoring = threading.Event()

    def watch(moment: Moment) -> None:
        if moment.work:
            scoring.set()

    with Worker(store, url, PatientSteps(tmp_path), watch) as worker:
        worker.submit(STUDY)
        assert scoring.wait(30)
    stopped = store.study("s1")
    assert stopped is not None
    assert stopped.state is State.SCORING
    with Worker(store, url, FolderSteps(tmp_path)) as worker:
        study = worker.wait("s1", patience_s=30)
    assert study.state is State.REPORTED
    assert FolderSteps(tmp_path).log().count("pull:start") == 1
    assert capfd.readouterr() == ("", "")


PLACES = ["find:start"] + [
    f"{step}:{place}" for step in ("pull", "score", "report") for place in ("start", "end")
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each place the folder of a worker that was killed there and started once more.

    All at the same time: most of a worker's start is waiting.
    """
    folders = {place: tmp_path_factory.mktemp(place.replace(":", "-")) for place in PLACES}
    _run_workers(folders, -signal.SIGKILL)
    _run_workers(folders, 0)
    return folders


def _run_workers(folders: dict[str, Path], expected_exit: int) -> None:
    spawn = multiprocessing.get_context("forkserver")
    spawn.set_forkserver_preload(["connector.workflow"])
    processes = [
        spawn.Process(target=_see_through, args=(folder, place))
        for place, folder in folders.items()
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [expected_exit] * len(processes)


def _see_through(folder: Path, die_at: str) -> None:
    """What the processes run: take the hint if it was not taken, and see its study through."""
    url = f"sqlite:///{folder / 'somnoaudit.db'}"
    store = Store.open(url)
    with Worker(store, url, FolderSteps(folder, die_at)) as worker:
        if not (folder / "died").exists():
            worker.take_hint(STUDY["source"])
        study = worker.wait("s1", patience_s=50)
    (folder / "end").write_text(json.dumps([study.state, study.report]))


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_process_goes_on_and_reports_once(place: str, killed: dict[str, Path]) -> None:
    folder = killed[place]
    assert json.loads((folder / "end").read_text()) == ["reported", "DiagnosticReport/s1"]
    assert [path.name for path in folder.glob("report-*")] == ["report-s1"]
    starts = [entry for entry in FolderSteps(folder).log() if entry.endswith(":start")]
    expected = [f"{step}:start" for step in ("find", "pull", "score", "report")]
    again = expected.index(place.split(":")[0] + ":start")
    assert starts == expected[: again + 1] + expected[again:]


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
