"""The service, whole: a real EHR tells it of a study, and a killed worker ends what it began."""

import base64
import hashlib
import json
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import pyedflib
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from databases import DATABASES, new_database
from hospital import POLYSOMNOGRAPHY, Laboratory, PlacedStudy
from scripted import Answer, Request, ScriptedServer
from served import served

from auditor.errors import SettingsRefused
from connector.demo_ehr import DemoEhr
from connector.documents import Json
from connector.exchange import EhrWatch
from connector.fhir import FhirClient, Resource, reference_to
from connector.jwks import JWKS
from connector.service import lone_worker, service
from connector.settings import load_settings
from connector.steps import EhrSteps
from connector.store import Store
from connector.stored import Run, utc_now
from connector.study import find_studies
from connector.tables import State
from connector.trail import AnchorFile
from connector.workflow import NamedStudy, Worker
from staging.stager import Progress, make_stager

N_EPOCHS = 4
RATE_HZ = 100


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a night, every epoch said to be N3."""
    path = tmp_path_factory.mktemp("scored") / "scoring.json"
    rows = [{"epoch": i, "sleep_stage": "N3"} for i in range(N_EPOCHS)]
    path.write_text(json.dumps(rows))
    _write_noise(path.with_name("night.edf"))
    return path


def _write_noise(path: Path) -> None:
    labels = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "Chin 1-2")
    noise = np.random.default_rng(1).normal(0, 20, (len(labels), 30 * N_EPOCHS * RATE_HZ))
    with pyedflib.EdfWriter(str(path), len(labels)) as writer:
        writer.setSignalHeaders(
            [
                {
                    "label": label,
                    "dimension": "uV",
                    "sample_frequency": RATE_HZ,
                    "physical_min": -200.0,
                    "physical_max": 200.0,
                    "digital_min": -32768,
                    "digital_max": 32767,
                    "transducer": "",
                    "prefilter": "",
                }
                for label in labels
            ]
        )
        writer.writeSamples(list(noise.clip(-200, 200)))


def _place(fhir: FhirClient, scoring: Path) -> PlacedStudy:
    content = scoring.with_name("night.edf").read_bytes()
    binary = {
        "resourceType": "Binary",
        "contentType": "application/edf",
        "data": base64.b64encode(content).decode(),
    }
    attachment = {
        "url": reference_to(fhir.create(binary)),
        "size": len(content),
        "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
    }
    return Laboratory(document={"type": POLYSOMNOGRAPHY}, attachment=attachment).place(fhir)


def _written(fhir: FhirClient, placed: PlacedStudy, resource_type: str) -> list[Resource]:
    return list(fhir.search(resource_type, {"subject": placed.patient}))


def _events(fhir: FhirClient, placed: PlacedStudy, action: str) -> list[Resource]:
    """The AuditEvents of what was done with a patient's data."""
    return [
        event
        for event in fhir.search("AuditEvent", {"action": action})
        if {"reference": placed.patient} in [entity["what"] for entity in event["entity"]]
    ]


def test_a_notified_study_ends_in_one_report(
    ehr: DemoEhr, fhir: FhirClient, scoring: Path, tmp_path: Path
) -> None:
    settings = load_settings(
        fhir_url=ehr.base_url,
        data=tmp_path,
        stager="scored",
        model=str(scoring),
        port=0,
        local_login=True,
    )
    with service(settings) as running:
        placed = _place(fhir, scoring)
        (order,) = find_studies(fhir, placed.document)
        study = running.worker.wait(order.id, patience_s=300)
        assert (study.state, study.reason) == (State.REPORTED, "")
        (report,) = _written(fhir, placed, "DiagnosticReport")
        assert reference_to(report) == study.report
        assert report["status"] == "preliminary"
        with httpx.Client(base_url=running.address) as browser:
            browser.post("/login/local", data={"name": "Dr. Example", "role": "physician"})
            assert f"of {N_EPOCHS} epochs" in browser.get(f"/studies/{study.id}").text
            assert browser.get("/readyz").json()["status"] == "ready"
            assert 'somnoaudit_studies{state="reported"} 1.0' in browser.get("/metrics").text
        # The EHR changes the document, and notifies again: nothing comes of it.
        fhir.update({**fhir.read(*placed.document.split("/")), "description": "night 1"})
        again = _place(fhir, scoring)
        (later,) = find_studies(fhir, again.document)
        running.worker.wait(later.id, patience_s=300)
        assert len(_written(fhir, placed, "DiagnosticReport")) == 1
        (read, written) = (
            {event["subtype"][0]["code"] for event in _events(fhir, placed, action)}
            for action in ("R", "C")
        )
        assert (read, written) == ({"read"}, {"create"})
        said = [json.loads(entry.details) for entry in running.store.trail_of(study.id)]
    references = {each for details in said for each in details.get("references", ())}
    assert {placed.patient, placed.order, placed.document, study.report} <= references
    assert [details["state"] for details in said if "state" in details] == [
        "queued", "pulling", "scoring", "reporting", "reported",
    ]  # fmt: skip
    assert (tmp_path / "studies" / study.id / "recording.edf").exists(), "for reviewers to see"
    secret = tmp_path / "webhook-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) >= 16


def test_a_data_folder_that_cannot_be_made_is_said(scoring: Path) -> None:
    settings = load_settings(fhir_url="http://127.0.0.1:9", data=scoring / "below-a-file")
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATA: "), service(settings):
        pass


def test_a_worker_alone_is_refused_where_the_database_is_a_file(tmp_path: Path) -> None:
    settings = load_settings(fhir_url="http://127.0.0.1:9", data=tmp_path / "data")
    with pytest.raises(SettingsRefused, match="has one worker"), lone_worker(settings):
        pass
    assert not (tmp_path / "data").exists()


def test_a_key_of_the_trail_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    settings = load_settings(fhir_url="http://127.0.0.1:9", data=tmp_path, trail_key=tmp_path)
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_TRAIL_KEY: "), service(settings):
        pass


def test_an_ehr_that_asks_for_our_keys_finds_them_though_work_was_waiting(
    scripted_server: Callable[[], ScriptedServer], scoring: Path, tmp_path: Path
) -> None:
    """As after a restart: the first request needs a token, whose server needs our keys."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = scripted_server()
    found: list[object] = []
    asked = threading.Event()

    def script(request: Request) -> Answer:
        if request.path != "/token":
            return Answer(404)
        with suppress(httpx.HTTPError):
            found.extend(httpx.get(f"http://127.0.0.1:{port}{JWKS}").json()["keys"])
        asked.set()
        granted = {"access_token": "a", "token_type": "bearer"}
        return Answer(200, json.dumps(granted).encode()) if found else Answer(401)

    server.script = script
    key = ec.generate_private_key(ec.SECP384R1())
    settings = load_settings(
        fhir_url=server.base_url,
        fhir_client_id="somnoaudit",
        fhir_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        fhir_token_url=f"{server.origin}/token",
        data=tmp_path,
        stager="scored",
        model=str(scoring),
        port=port,
    )
    store = Store.open(settings.store_url)
    store.add_study("s1", "DocumentReference/1")
    store.close()
    with service(settings) as running:
        assert asked.wait(60)
        study = running.worker.wait("s1", patience_s=300)
    assert len(found) == 1
    assert "404" in study.reason, "it came as far as the document"


def test_a_service_that_waits_for_the_ehr_ends_when_told_to(
    scripted_server: Callable[[], ScriptedServer], scoring: Path, tmp_path: Path
) -> None:
    server = scripted_server()
    pulling, ended = threading.Event(), threading.Event()

    def script(request: Request) -> Answer:
        if request.path.startswith("/fhir/DocumentReference/"):
            pulling.set()
            ended.wait(600)
        return Answer(404)

    server.script = script
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    store.add_study("s1", "DocumentReference/1")
    with served(server.base_url, tmp_path, scoring) as serving:
        assert serving.stderr is not None
        assert any("somnoaudit serves" in line for line in iter(serving.stderr.readline, ""))
        assert pulling.wait(60)
        serving.send_signal(signal.SIGTERM)
        # The EHR gives no answer before this process has ended.
        _, said = serving.communicate(timeout=60)
        ended.set()
    assert serving.returncode == 0
    assert "Traceback" not in said
    assert store.living_workers() == {}, "its lease was given up, and nobody waits for it"
    study = store.study("s1")
    store.close()
    assert study is not None
    assert (study.state, study.tries) == (State.PULLING, 0)


# ── killed within steps ───────────────────────────────────────────────────────────────────


class DyingSteps(EhrSteps):
    """Kills its process at the end of a step, before anyone remembers that it is done."""

    dies_in = ""

    def pull(self, run: Run) -> Json:
        pulled = super().pull(run)
        self._die("pull")
        return pulled

    def score(self, run: Run, study: Json, progress: Progress) -> None:
        super().score(run, study, progress)
        self._die("score")

    def report(self, run: Run) -> str:
        report = super().report(run)
        self._die("report")
        return report

    def _die(self, step: str) -> None:
        if step == self.dies_in:
            os.kill(os.getpid(), signal.SIGKILL)


def _dying_of_answer(number: int) -> Callable[[httpx.Response], None]:
    """Kills the process once the EHR has answered so often: this answer is never heard."""
    answers = count(1)

    def hear(_response: httpx.Response) -> None:
        if next(answers) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return hear


def _work(
    folder: Path, url: str, base_url: str, scoring: Path, study: NamedStudy, death: str
) -> None:
    store = Store.open(url)
    watch = EhrWatch(store, base_url)
    hooks = {name: list(told) for name, told in watch.hooks.items()}
    if death.isdigit():
        hooks["response"].insert(0, _dying_of_answer(int(death)))
    client = FhirClient(base_url, hooks=hooks)
    steps = DyingSteps(
        client,
        store,
        make_stager("scored", str(scoring)),
        folder / "studies",
        utc_now,
        watch=watch,
        anchors=AnchorFile(folder / "anchors"),
        audit_events=False,
    )
    steps.dies_in = death
    with Worker(store, url, steps, lease_s=4.0) as worker:
        worker.submit(study)
        ended = worker.wait(study["study_id"], patience_s=300)
    (folder / "end").write_text(ended.state)


NewUrl = Callable[[str], str]


@pytest.fixture(params=DATABASES)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Gives the address of a new database."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name / 'somnoaudit.db'}"
    server = request.getfixturevalue("postgresql")
    return lambda _: new_database(server)


class Trials:
    """Studies of one EHR, each with a worker and a database of its own."""

    def __init__(self, ehr: DemoEhr, fhir: FhirClient, scoring: Path, folder: Path) -> None:
        self._ehr = ehr
        self._fhir = fhir
        self._scoring = scoring
        self._folder = folder
        self._placed: dict[str, PlacedStudy] = {}
        self._urls: dict[str, str] = {}
        self._spawn = multiprocessing.get_context("forkserver")
        self._spawn.set_forkserver_preload(["connector.service"])

    def place(self, death: str, url: str) -> None:
        self._placed[death] = _place(self._fhir, self._scoring)
        self._urls[death] = url
        (self._folder / death).mkdir()

    def run(self, *, deadly: bool) -> list[int | None]:
        """How the process of each study ended."""
        processes = []
        for death, placed in self._placed.items():
            (order,) = find_studies(self._fhir, placed.document)
            study = NamedStudy(study_id=order.id, source=order.document)
            place = (self._folder / death, self._urls[death], self._ehr.base_url, self._scoring)
            dies_in = death if deadly else ""
            processes.append(self._spawn.Process(target=_work, args=(*place, study, dies_in)))
            processes[-1].start()
        for process in processes:
            process.join(600)
        return [process.exitcode for process in processes]

    def check(self) -> None:
        """One of each in the EHR, as in the store, and a trail that is whole."""
        for death, placed in self._placed.items():
            folder = self._folder / death
            assert (folder / "end").read_text() == "reported", death
            (report,) = _written(self._fhir, placed, "DiagnosticReport")
            observations = _written(self._fhir, placed, "Observation")
            assert {reference_to(o) for o in observations} == {
                r["reference"] for r in report["result"]
            }, death
            (task,) = self._fhir.search("Task", {"patient": placed.patient})
            assert task["focus"]["reference"] == reference_to(report)
            store = Store.open(self._urls[death])
            (study,) = store.studies()
            assert study.report == reference_to(report)
            assert store.verify_trail(AnchorFile(folder / "anchors").anchors()).breaks == ()
            store.close()


def test_a_worker_killed_within_a_step_ends_with_one_of_each(
    ehr: DemoEhr, fhir: FhirClient, scoring: Path, tmp_path: Path, new_url: NewUrl
) -> None:
    trials = Trials(ehr, fhir, scoring, tmp_path)
    # At a step's end, at the answer to the download, and at the one to the transaction.
    deaths = ("pull", "score", "report", "4", "10")
    for death in deaths:
        trials.place(death, new_url(death))
    assert trials.run(deadly=True) == [-signal.SIGKILL] * len(deaths)
    assert trials.run(deadly=False) == [0] * len(deaths)
    trials.check()


@pytest.mark.benchmark
def test_a_worker_killed_at_any_answer_of_the_ehr_ends_with_one_of_each(
    ehr: DemoEhr, fhir: FhirClient, scoring: Path, tmp_path: Path, new_url: NewUrl
) -> None:
    """All of them, which takes minutes."""
    numbers = count(1)
    ends: list[int | None] = []
    while 0 not in ends:  # in which nobody died: there are no more answers
        folder = tmp_path / f"from-{len(ends)}"
        folder.mkdir()
        trials = Trials(ehr, fhir, scoring, folder)
        for _ in range(4):
            number = str(next(numbers))
            trials.place(number, new_url(f"{folder.name}/{number}"))
        ends += trials.run(deadly=True)
        assert set(ends) <= {0, -signal.SIGKILL}
        assert trials.run(deadly=False) == [0] * 4
        trials.check()
    print(f"\nkilled at each of {ends.count(-signal.SIGKILL)} answers: one report each")
