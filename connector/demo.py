"""The main job on this machine, nothing configured: a study from a real FHIR server and back.

Everything is kept in one folder, so that a demo that was killed goes on where it stopped.
"""

from __future__ import annotations

import base64
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from auditor.errors import ServerFailed, UsageError, os_reason
from connector.codes import POLYSOMNOGRAPHY
from connector.demo_ehr import DemoEhr
from connector.demo_truth import against_truth
from connector.documents import Json
from connector.edf import read_recording
from connector.fhir import FhirClient, reference_to
from connector.fhir.attachment_hash import attachment_hash, attachment_hasher
from connector.pages import write_report
from connector.service import service, until_told_to_stop
from connector.settings import default_settings, load_settings
from connector.stored import StoredStudy
from connector.study import find_studies
from connector.tables import State
from connector.terminal import summary
from connector.workflow import Moment

if TYPE_CHECKING:
    from staging.phantom import Phantom

Say: TypeAlias = Callable[[str], None]

SEED = 20260101
"""Of the demo's night: the same for everyone, so that what is told of it can be found in it."""

NIGHT_HOURS = 1.5

LOCK = "demo.lock"
FINISHED = "finished"
"""A file that stands in the folder of a demo that came to its end: the next begins anew."""

_IDENTIFIERS = "urn:somnoaudit:demo"
_PATIENCE_S = 3600.0
"""A long recording on a slow machine is no failure."""

_TOLD = {
    State.QUEUED: "the EHR has notified us of a new study; it is queued",
    State.PULLING: "pulling order, patient and recording",
    State.SCORING: "recording here, size and hash as the EHR says; staging and auditing",
    State.REPORTING: "writing the preliminary report to the EHR",
    State.REPORTED: "the report is in the EHR",
    State.FAILED: "the study failed",
}


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """What the demo puts into the EHR, and how it is to be staged.

    Attributes:
        recording: an EDF or BDF file.
        stager: its name.
        truth: of the night, where it is simulated.
    """

    recording: Path
    stager: str
    truth: Phantom | None = None


def given_study(recording: Path) -> DemoStudy:
    """The user's own recording, staged by YASA.

    Raises:
        RecordingRefused: it cannot be read.
    """
    read_recording(recording)
    return DemoStudy(recording, "yasa")


def phantom_study(folder: Path) -> DemoStudy:
    """A simulated night, staged and explained by the model that ships with somnoaudit."""
    from staging.phantom import simulate, write_edf
    from staging.phantom_plan import PhantomSettings

    phantom = simulate(SEED, PhantomSettings(hours=NIGHT_HOURS))
    recording = folder / "phantom.edf"
    write_edf(phantom, recording)
    return DemoStudy(recording, "vlm", phantom)


def put_into_ehr(client: FhirClient, recording: Path) -> str:
    """Patient, order, recording and the DocumentReference that joins them; its reference.

    What is there already, from a demo that was killed, is left as it is.
    """

    content = recording.read_bytes()
    sha1 = attachment_hasher(content).hexdigest()

    def put(resource: Json, name: str) -> Json:
        identifier = {"system": _IDENTIFIERS, "value": name}
        criteria = {"identifier": f"{_IDENTIFIERS}|{name}"}
        return client.create({**resource, "identifier": [identifier]}, criteria)

    patient = reference_to(
        put(
            {
                "resourceType": "Patient",
                "name": [{"family": "Phantom", "given": ["Demo"]}],
                "birthDate": "1980-01-01",
            },
            "patient",
        )
    )
    order = reference_to(
        put(
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "code": {"coding": [POLYSOMNOGRAPHY]},
                "subject": {"reference": patient},
            },
            "order",
        )
    )
    binary = client.create(
        {
            "resourceType": "Binary",
            "contentType": "application/edf",
            "data": base64.b64encode(content).decode("ascii"),
        }
    )
    attachment = {
        "contentType": "application/edf",
        "url": reference_to(binary),
        "size": len(content),
        "hash": attachment_hash(content),
    }
    return reference_to(
        put(
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "masterIdentifier": {"system": _IDENTIFIERS, "value": sha1},
                "type": {"coding": [POLYSOMNOGRAPHY]},
                "subject": {"reference": patient},
                "content": [{"attachment": attachment}],
                "context": {"related": [{"reference": order}]},
            },
            f"document-{sha1}",
        )
    )


@contextmanager
def demo_folder(folder: Path, keep: bool) -> Iterator[Path]:
    """The folder, held by this demo alone; gone afterwards unless it is kept.

    Raises:
        UsageError: another demo runs in it, it holds something else, or it cannot be written to.
    """
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not lock.exists() and any(folder.iterdir()):
            raise UsageError(f"--folder {folder}: holds something that is not a demo; name another")
        opened = lock.open("w")
    except OSError as error:
        problem = f"cannot be used ({os_reason(error)})"
        raise UsageError(f"--folder {folder}: {problem}; name another") from None
    with opened as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another demo runs in {folder}; name another --folder") from None
        if (folder / FINISHED).exists():
            _empty(folder)
        yield folder
    if not keep:
        shutil.rmtree(folder)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Where the demo ended.

    Attributes:
        study: as the store knows it.
        audit: the audit document; None where the study failed.
        report_url: the DiagnosticReport's address; None where the study failed.
        page_url: the study's review page.
    """

    study: StoredStudy
    audit: Json | None
    report_url: str | None
    page_url: str


def run_demo(folder: Path, recording: Path | None, *, serve: bool, keep: bool) -> None:
    """The whole demo, told on standard output.

    Raises:
        SomnoauditError: the recording is refused, or a server failed.
    """
    with demo_folder(folder.absolute(), keep) as place:
        study = given_study(recording) if recording else phantom_study(place)
        with run(place, study, _told_with_time(monotonic())) as result:
            print("\n".join(describe(result, study)))
            if result.study.state is State.FAILED:
                raise ServerFailed(result.study.reason)
            if keep and result.audit is not None:
                write_report(result.audit, place)
                print(f"To read without a server: {place / 'report.html'}")
            if serve:
                print(f"Report in the EHR: {result.report_url}\nReview page: {result.page_url}")
                print("Ctrl-C ends the demo.", flush=True)
                until_told_to_stop()
        (place / FINISHED).touch()


def _told_with_time(began: float) -> Say:
    def say(words: str) -> None:
        print(f"{monotonic() - began:6.1f} s  {words}", flush=True)

    return say


@contextmanager
def run(folder: Path, study: DemoStudy, say: Say) -> Iterator[DemoResult]:
    """Runs the study through a real EHR on loopback; EHR and page stay up in the context.

    Raises:
        UsageError: the extra ``demo`` is not installed.
        ServerFailed: a server did not start, or did not do its part.
    """

    told = ""

    def watch(moment: Moment) -> None:
        nonlocal told
        words = f"  {moment.work}" if moment.work else _TOLD[moment.state]
        if words != told:
            told = words
            say(words)

    say("starting a FHIR server (sekmet-fhir) on loopback")
    with DemoEhr(folder / "ehr") as ehr, FhirClient(ehr.base_url) as client:
        say(f"EHR at {ehr.base_url}")
        # Whatever this machine is set up for: the demo must not write there.
        ours = {
            "fhir_url": ehr.base_url,
            "data": folder / "somnoaudit",
            "stager": study.stager,
            "port": 0,
            "local_login": True,
        }
        settings = load_settings(**(default_settings() | ours))
        with service(settings, watch) as running:
            say("subscribed to new polysomnographies")
            document = put_into_ehr(client, study.recording)
            say(f"patient, order and recording are in the EHR: {document}")
            (order,) = find_studies(client, document)
            ended = running.worker.wait(order.id, _PATIENCE_S)
            stored = running.store.audit(order.id)
            yield DemoResult(
                ended,
                json.loads(stored.document) if stored else None,
                f"{ehr.base_url}/{ended.report}" if ended.report else None,
                f"{running.address}/studies/{order.id}",
            )


def describe(result: DemoResult, study: DemoStudy) -> Iterator[str]:
    """What the demo tells at its end."""
    if result.audit is not None:
        yield summary(result.audit)
        if study.truth is not None:
            yield from against_truth(result.audit, study.truth)
    if result.study.report:
        yield f"\nThe EHR has the report as {result.study.report}."
