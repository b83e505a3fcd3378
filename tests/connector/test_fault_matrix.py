"""Every fault at every request of a study: one whole report in the end, or a failed Task."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from hospital import CONTENT, Laboratory, PlacedStudy
from scripted import Answer, ScriptedServer
from tiny_ehr import Fault, TinyEhr
from written import NOW, entries_of

from auditor.errors import SomnoauditError
from connector.fhir import FhirClient, FhirError
from connector.report import Entry
from connector.study import find_studies, pull
from connector.write_back import write_failure, write_report

StartServer = Callable[[], ScriptedServer]

# Those that RFC 9110, RFC 6585 and the FHIR R4 http page name for what a study asks.
STATUSES = (
    *(300, 302, 304, 307),
    *(400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 422, 423, 425, 428, 429),
    *(431, 451, 500, 501, 502, 503, 504, 507, 511),
)
READS = tuple(f"GET {kind}" for kind in ("DocumentReference", "ServiceRequest", "Patient", "Binary"))
LOOKS = tuple(f"GET {kind}" for kind in ("Device", "Observation", "DiagnosticReport", "Provenance"))
AT_ONCE = ("GET metadata", "POST transaction", "POST Provenance")
ONE_BY_ONE = tuple(
    f"POST {kind}" for kind in ("Device", "Observation", "DiagnosticReport", "Provenance")
)
OF_TASKS = ("GET Task", "POST Task")


@pytest.fixture(autouse=True)
def no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def ehr(scripted_server: StartServer) -> TinyEhr:
    return TinyEhr(scripted_server())


class Trial:
    """A study put into an EHR, and what comes of it."""

    def __init__(self, ehr: TinyEhr) -> None:
        self.ehr = ehr
        with FhirClient(ehr.server.base_url) as fhir:
            self.placed: PlacedStudy = Laboratory().place(fhir)
            (self.order,) = find_studies(fhir, self.placed.document)
        ehr.asked.clear()

    def run(self, folder: Path) -> bool:
        """Pulls and reports as the workflow does; says whether the EHR could be told of it."""
        entries = short(entries_of(self.order))
        with FhirClient(self.ehr.server.base_url) as fhir:
            try:
                study = pull(fhir, self.placed.document, folder)
                assert study.recording.read_bytes() == CONTENT
                write_report(fhir, entries)
            except SomnoauditError as error:
                try:
                    write_failure(
                        fhir, self.order.id, self.placed.document, str(error), NOW, entries
                    )
                except FhirError:
                    return False
        return True

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [r for name, r in self.ehr.stored.items() if name.startswith(f"{kind}/")]

    def check(self, told: bool = True) -> bool:
        """Whether it was reported; fails where it was reported in part, twice, or not told."""
        failed = [task for task in self.of("Task") if task["status"] == "failed"]
        if self.of("DiagnosticReport"):
            self.check_that_it_is_whole()
            assert failed == []
            return True
        assert self.of("Observation") == self.of("Provenance") == []
        if told:
            (task,) = self.of("Task")
            assert task["status"] == "failed"
            assert "; " in task["statusReason"]["text"]
        return False

    def check_that_it_is_whole(self) -> None:
        (report,) = self.of("DiagnosticReport")
        observations = {f"Observation/{o['id']}" for o in self.of("Observation")}
        assert {r["reference"] for r in report["result"]} == observations
        assert len(observations) == N_OBSERVATIONS
        named = f"DiagnosticReport/{report['id']}"
        (provenance,) = self.of("Provenance")
        assert {r["reference"] for r in provenance["target"]} == {named, *observations}
        (review,) = [task for task in self.of("Task") if task["status"] == "requested"]
        assert review["focus"]["reference"] == named
        (device,) = self.of("Device")
        assert {o["device"]["reference"] for o in self.of("Observation")} == {
            f"Device/{device['id']}"
        }
        assert '"reference": "urn:' not in json.dumps(self.ehr.stored)


N_OBSERVATIONS = 2


def short(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The same report with two Observations: each would meet what these meet."""
    observations = [e for e in entries if e.resource["resourceType"] == "Observation"]
    gone = {entry.full_url for entry in observations[N_OBSERVATIONS:]}

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(v) for v in value if not (isinstance(v, dict) and refers(v))]
        if isinstance(value, dict):
            return {name: without(element) for name, element in value.items()}
        return value

    def refers(value: dict[str, Any]) -> bool:
        return value.get("reference") in gone

    kept = (entry for entry in entries if entry.full_url not in gone)
    return tuple(replace(entry, resource=without(entry.resource)) for entry in kept)


def always(name: str, answer: Answer) -> Callable[[str, int], Fault | None]:
    return lambda asked, _: Fault(answer) if asked == name else None


def once(name: str, fault: Fault) -> Callable[[str, int], Fault | None]:
    return lambda asked, before: fault if asked == name and before == 0 else None


# ── statuses ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_that_stays_is_told_or_gone_around(
    scripted_server: StartServer, tmp_path: Path, status: int
) -> None:
    """At each request of a study that is written at once; and no part of a report is left."""
    for name in (*READS, *LOOKS, *AT_ONCE):
        ehr = TinyEhr(scripted_server())
        trial = Trial(ehr)
        ehr.fault = always(name, Answer(status))
        told = trial.run(tmp_path)
        ehr.fault = lambda _name, _before: None
        reported = trial.check(told)
        may_be_reported = {"GET metadata", "POST transaction"}
        assert reported <= (name in may_be_reported), name
        assert told or name in LOOKS, name
