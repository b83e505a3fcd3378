"""Every fault at every request of a study: one whole report in the end, or a failed Task."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
import stamina
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hospital import CONTENT, Laboratory, PlacedStudy
from scripted import Answer, Request, ScriptedServer
from tiny_ehr import Fault, TinyEhr, as_json
from written import NOW, entries_of

from auditor.errors import SomnoauditError
from connector.client_keys import read_keys
from connector.fhir import (
    BadAnswer,
    FhirClient,
    FhirError,
    Resource,
    SeveralMatch,
    VersionConflict,
)
from connector.report import Entry
from connector.smart_backend import SmartBackend
from connector.study import StudyOrder, find_studies, pull
from connector.write_back import write_failure, write_report

StartServer = Callable[[], ScriptedServer]

# Those that RFC 9110, RFC 6585 and the FHIR R4 http page name for what a study asks.
STATUSES = (
    *(300, 302, 304, 307),
    *(400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 422, 423, 425, 428, 429),
    *(431, 451, 500, 501, 502, 503, 504, 507, 511),
)
READS = tuple(
    f"GET {kind}" for kind in ("DocumentReference", "ServiceRequest", "Patient", "Binary")
)
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
            self.placed: PlacedStudy = Laboratory(document=NAMED).place(fhir)
            (self.order,) = find_studies(fhir, self.placed.document)
        ehr.asked.clear()

    def run(self, folder: Path) -> bool:
        """Pulls and reports as the workflow does; says whether the EHR could be told of it."""
        entries = short_report(self.order)
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

# Each trial has an EHR of its own, which gives the same ids: the report is built once for all.
NAMED = {"masterIdentifier": {"system": "urn:example:recordings", "value": "night-1"}}


@cache
def short_report(order: StudyOrder) -> tuple[Entry, ...]:
    """A report with two Observations: each other one would meet what these meet."""
    entries = entries_of(order)
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

AT_ONCE_AND_BEFORE = (*READS, *LOOKS, *AT_ONCE)
PAIRS = [(name, status) for name in AT_ONCE_AND_BEFORE for status in STATUSES]


def check_a_status_that_stays(server: ScriptedServer, folder: Path, name: str, status: int) -> None:
    ehr = TinyEhr(server)
    trial = Trial(ehr)
    ehr.fault = always(name, Answer(status))
    assert trial.run(folder), name
    # Where a report stands, what failed was gone around.
    assert trial.check() <= (name in ("GET metadata", "POST transaction")), name


# Ten and the number of statuses have no divisor in common: each status is met, and each request.
@pytest.mark.parametrize(("name", "status"), PAIRS[::10])
def test_a_status_that_stays_is_told_or_gone_around(
    scripted_server: StartServer, tmp_path: Path, name: str, status: int
) -> None:
    check_a_status_that_stays(scripted_server(), tmp_path, name, status)


@pytest.mark.benchmark
@pytest.mark.parametrize("name", AT_ONCE_AND_BEFORE)
def test_every_status_that_stays_is_told_or_gone_around(
    scripted_server: StartServer, tmp_path: Path, name: str
) -> None:
    """The whole matrix, which takes minutes."""
    for status in STATUSES:
        check_a_status_that_stays(scripted_server(), tmp_path, name, status)


@pytest.mark.parametrize("name", [*ONE_BY_ONE, *OF_TASKS])
@pytest.mark.parametrize("status", [401, 412, 503])
def test_a_status_that_stays_in_mid_report_leaves_no_part_of_it(
    ehr: TinyEhr, tmp_path: Path, name: str, status: int
) -> None:
    """Where the resources go one by one."""
    ehr.transactions = "none"
    trial = Trial(ehr)
    ehr.fault = always(name, Answer(status))
    told = trial.run(tmp_path)
    assert told == (name not in OF_TASKS)
    assert not trial.check(told)


@pytest.mark.benchmark
@pytest.mark.parametrize("name", [*ONE_BY_ONE, *OF_TASKS])
def test_every_status_that_stays_in_mid_report_leaves_no_part_of_it(
    scripted_server: StartServer, tmp_path: Path, name: str
) -> None:
    """The whole matrix, which takes minutes."""
    for status in STATUSES:
        ehr = TinyEhr(scripted_server(), transactions="none")
        trial = Trial(ehr)
        ehr.fault = always(name, Answer(status))
        told = trial.run(tmp_path)
        assert told == (name not in OF_TASKS), status
        assert not trial.check(told), status


# ── faults that pass ──────────────────────────────────────────────────────────────────────

CUT = Answer(200, b'{"resourceType": "Bundle"}', cut_after=9)
PASSING = {
    "503": Fault(Answer(503)),
    "500": Fault(Answer(500)),
    "429": Fault(Answer(429)),
    "429 with Retry-After": Fault(Answer(429, headers={"Retry-After": "0"})),
    "429 with RateLimit": Fault(Answer(429, headers={"RateLimit": '"day";r=0;t=1'})),
    "cut": Fault(CUT),
    "done, and then 504": Fault(Answer(504), done=True),
    "done, and then cut": Fault(CUT, done=True),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("transactions", ["whole", "none"])
def test_a_fault_that_passes_changes_nothing(
    scripted_server: StartServer, tmp_path: Path, fault: str, transactions: str
) -> None:
    server = scripted_server()
    writes = ("POST transaction", "POST Provenance") if transactions == "whole" else ONE_BY_ONE
    for name in (*(("GET Binary", "GET Observation") if transactions == "whole" else ()), *writes):
        ehr = TinyEhr(server, transactions=transactions)
        trial = Trial(ehr)
        ehr.fault = once(name, PASSING[fault])
        assert trial.run(tmp_path), name
        assert trial.check(), name


def test_a_server_that_gives_way_only_now_and_then_gets_one_report(
    ehr: TinyEhr, tmp_path: Path
) -> None:
    """Each second request of any kind fails, half of them after the work was done."""
    trial = Trial(ehr)
    ehr.fault = lambda _, before: (
        Fault(Answer(503), done=before % 4 == 0) if before % 2 == 0 else None
    )
    assert trial.run(tmp_path)
    assert trial.check()


# ── ways of writing ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transactions", ["whole", "batch", "none"])
def test_each_way_of_writing_leads_to_the_same_report(
    ehr: TinyEhr, tmp_path: Path, transactions: str
) -> None:
    ehr.transactions = transactions
    trial = Trial(ehr)
    assert trial.run(tmp_path)
    assert trial.check()
    stored = dict(ehr.stored)
    assert trial.run(tmp_path)
    assert ehr.stored == stored


def test_a_server_that_runs_a_transaction_as_a_batch_is_asked_for_none_again(
    ehr: TinyEhr,
) -> None:
    ehr.transactions = "batch"
    trial = Trial(ehr)
    with FhirClient(ehr.server.base_url) as fhir:
        write_report(fhir, short_report(trial.order))
        assert not fhir.takes_transactions
    assert trial.check()
    assert ehr.asked["POST transaction"] == 1


def test_a_study_that_failed_and_is_tried_again_is_reported(ehr: TinyEhr, tmp_path: Path) -> None:
    trial = Trial(ehr)
    ehr.fault = always("POST Provenance", Answer(403))
    assert trial.run(tmp_path)
    assert not trial.check()
    ehr.fault = lambda _name, _before: None
    assert trial.run(tmp_path)
    assert trial.check()
    assert sorted(task["status"] for task in trial.of("Task")) == ["completed", "requested"]


def test_what_a_server_does_not_delete_is_marked_as_entered_in_error(
    ehr: TinyEhr, tmp_path: Path
) -> None:
    trial = Trial(ehr)
    refused = {"POST Provenance", "DELETE Observation", "DELETE DiagnosticReport", "DELETE Task"}
    ehr.fault = lambda name, _: Fault(Answer(403)) if name in refused else None
    assert trial.run(tmp_path)
    (report,) = trial.of("DiagnosticReport")
    statuses = {observation["status"] for observation in trial.of("Observation")}
    assert statuses | {report["status"]} == {"entered-in-error"}


def test_a_report_under_review_is_not_taken_back(ehr: TinyEhr) -> None:
    trial = Trial(ehr)
    entries = short_report(trial.order)
    with FhirClient(ehr.server.base_url) as fhir:
        written = write_report(fhir, entries)
        fhir.update({**fhir.read(*written["report"].split("/")), "status": "final"})
        fhir.delete(*written["provenance"].split("/"))
        write_failure(fhir, trial.order.id, trial.placed.document, "late; wait", NOW, entries)
    assert [report["status"] for report in trial.of("DiagnosticReport")] == ["final"]
    assert len(trial.of("Observation")) == N_OBSERVATIONS


def test_a_signature_is_not_taken_for_a_part_that_is_there_twice(ehr: TinyEhr) -> None:
    trial = Trial(ehr)
    entries = short_report(trial.order)
    with FhirClient(ehr.server.base_url) as fhir:
        write_report(fhir, entries)
        (provenance,) = trial.of("Provenance")
        signed = {"coding": [{"code": "UPDATE"}]}
        fhir.create({**provenance, "activity": signed, "signature": [{}]})
        write_report(fhir, entries)
    assert len(trial.of("Provenance")) == 2


# ── races ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transactions", ["whole", "none"])
def test_a_server_that_does_not_hold_conditions_against_a_second_writer_ends_with_one(
    ehr: TinyEhr, transactions: str
) -> None:
    """Both writers look, find nothing, and write; the conditions are ignored."""
    ehr.transactions = transactions
    trial = Trial(ehr)
    conditions = ehr.created
    ehr.created = lambda resource, _: conditions(resource, None)  # type: ignore[method-assign]
    together = Barrier(2)

    def meet(name: str) -> None:
        if name in ("POST transaction", "POST DiagnosticReport"):
            with suppress(BrokenBarrierError):
                together.wait(1.0)

    answer = ehr.answer

    def meeting(request: Request) -> Answer:
        path = request.path.removeprefix("/fhir").strip("/")
        meet(f"{request.method} {path or 'transaction'}")
        return answer(request)

    ehr.server.script = meeting

    def write(_: int) -> str:
        with FhirClient(ehr.server.base_url) as fhir:
            return write_report(fhir, short_report(trial.order))["report"]

    with ThreadPoolExecutor(2) as writers:
        first, second = writers.map(write, range(2))
    assert first == second
    assert len(trial.of("DiagnosticReport")) == 1
    (report,) = trial.of("DiagnosticReport")
    observations = {f"Observation/{o['id']}" for o in trial.of("Observation")}
    assert {r["reference"] for r in report["result"]} <= observations
    assert len([t for t in trial.of("Task") if t["status"] == "requested"]) == 1


# ── the two meanings of 412, and others' resources ────────────────────────────────────────


def test_several_that_match_and_another_version_are_told_apart(ehr: TinyEhr) -> None:
    twice = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    with FhirClient(ehr.server.base_url) as fhir:
        read = fhir.create(twice)
        fhir.create(twice)
        with pytest.raises(SeveralMatch, match="remove duplicates"):
            fhir.create(twice, {"identifier": "urn:x|1"})
        fhir.update(read)
        with pytest.raises(VersionConflict, match="read the resource again"):
            fhir.update(read)


def test_a_change_is_made_once_though_others_change_and_answers_are_lost(ehr: TinyEhr) -> None:
    with FhirClient(ehr.server.base_url) as fhir:
        read = fhir.create({"resourceType": "Task", "status": "requested"})
        fhir.update({**read, "description": "Of another program."})
        ehr.fault = once("PATCH Task", Fault(Answer(503), done=True))
        ehr.asked.clear()

        def wanted(task: Resource) -> list[dict[str, str]]:
            accepted = {"op": "replace", "path": "/status", "value": "accepted"}
            return [] if task["status"] == "accepted" else [accepted]

        amended = fhir.amend(read, wanted)
    assert (amended["status"], amended["description"]) == ("accepted", "Of another program.")


def test_a_change_that_others_undo_each_time_ends(ehr: TinyEhr) -> None:
    with FhirClient(ehr.server.base_url) as fhir:
        read = fhir.create({"resourceType": "Task", "status": "requested"})
        ehr.fault = always("PATCH Task", Answer(412))
        with pytest.raises(VersionConflict):
            fhir.amend(read, lambda _: [{"op": "add", "path": "/priority", "value": "stat"}])
    assert ehr.asked["PATCH Task"] == 5


# ── tokens and pages ──────────────────────────────────────────────────────────────────────


def test_a_token_that_runs_out_in_mid_paging_is_renewed(scripted_server: StartServer) -> None:
    server = scripted_server()
    (key,) = read_keys(pem_of_p384())
    granted = 0

    def script(request: Request) -> Answer:
        nonlocal granted
        if request.path == "/token":
            granted += 1
            return as_json({"access_token": f"t{granted}", "token_type": "bearer"})
        if request.path.endswith("page=2") and granted == 1:
            return Answer(401)
        assert request.headers["Authorization"] == f"Bearer t{granted}"
        number = 1 if "page" not in request.path else int(request.path[-1])
        link = [{"relation": "next", "url": f"Task?page={number + 1}"}] if number < 3 else []
        entry = [{"resource": {"resourceType": "Task", "id": str(number)}}]
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry}
        return as_json(bundle)

    server.script = script
    auth = SmartBackend(
        server.base_url, "somnoaudit", key, "system/Task.rs", f"{server.origin}/token"
    )
    with FhirClient(server.base_url, auth) as fhir:
        assert [task["id"] for task in fhir.search("Task", {})] == ["1", "2", "3"]
    assert granted == 2


def test_pages_without_end_end(scripted_server: StartServer) -> None:
    """An opaque link that differs each time leads in a circle that no address betrays."""
    server = scripted_server()
    asked = count()
    server.script = lambda _: as_json(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [{"relation": "next", "url": f"{server.base_url}?_getpages={next(asked)}"}],
        }
    )
    with FhirClient(server.base_url) as fhir, pytest.raises(BadAnswer, match="circle"):
        list(fhir.search("Task", {}))


def pem_of_p384() -> str:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
