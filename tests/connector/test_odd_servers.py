"""Servers that are odd in a way of their own: each gets one whole report all the same.

Each is a kind that is met: a transaction that answers 200 for entries that it refused, creations
that are answered with nothing, an index that lags behind, a limit to a Bundle's entries, Binaries
in one form alone, searches that know no `_lastUpdated`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from hospital import CONTENT, Laboratory
from scripted import Answer, Request, ScriptedServer
from sqlalchemy.orm import Session, sessionmaker
from test_fault_matrix import CUT, Trial, short_report
from tiny_ehr import Fault, Resource, TinyEhr, as_json

from connector.audit_events import AuditEventWriter
from connector.exchange import Exchange, Interaction
from connector.fhir import FhirClient
from connector.store import Store
from connector.study import pull
from connector.trigger import Sweep
from connector.write_back import write_report


@pytest.fixture(autouse=True)
def no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def server(scripted_server: Callable[[], ScriptedServer]) -> ScriptedServer:
    return scripted_server()


class _Killed(BaseException):
    """Ends the program at once, as far as it can be seen from within."""


class RefusesSomeEntries(TinyEhr):
    """Answers a transaction with 200, and has stored its first two entries only."""

    def bundle(self, bundle: Resource) -> Answer:
        some, rest = bundle["entry"][:2], bundle["entry"][2:]
        answer = json.loads(super().bundle({**bundle, "entry": some}).body)
        answer["entry"] += [{"response": {"status": "422 Unprocessable Entity"}} for _ in rest]
        return as_json(answer)


class TakesFewEntries(TinyEhr):
    """Takes no Bundle of more than three entries."""

    def bundle(self, bundle: Resource) -> Answer:
        return Answer(413) if len(bundle["entry"]) > 3 else super().bundle(bundle)


class SaysNothing(TinyEhr):
    """Answers each creation with a status, and neither with the resource nor with its place."""

    def carried_out(
        self, request: Request, path: list[str], query: dict[str, str], body: Any
    ) -> Answer:
        answer = super().carried_out(request, path, query, body)
        if request.method != "POST":
            return answer
        if path != [""]:
            return Answer(answer.status)
        bundle = json.loads(answer.body)
        for entry in bundle["entry"]:
            del entry["response"]["location"]
        return as_json(bundle)


@dataclass
class LagsBehind(TinyEhr):
    """Finds a resource only some requests after it was stored, and holds conditions by that.

    Attributes:
        twice: the identifiers under which it has stored a second resource.
    """

    lag: int = 0
    stored_at: dict[str, int] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)

    def created(self, resource: Resource, condition: str | None) -> tuple[int, Resource | None]:
        status, stored = super().created(resource, condition)
        if status == 201 and stored is not None:
            name = f"{stored['resourceType']}/{stored['id']}"
            self.stored_at[name] = len(self.server.requests)
            named = json.dumps(stored.get("identifier", stored.get("target")))
            if any(
                json.dumps(each.get("identifier", each.get("target"))) == named
                for each in super().matching(stored["resourceType"], {})
                if each is not stored
            ):
                self.twice.add(named)
        return status, stored

    def matching(self, kind: str, query: dict[str, str]) -> list[Resource]:
        now = len(self.server.requests)
        return [
            found
            for found in super().matching(kind, query)
            if now - self.stored_at[f"{kind}/{found['id']}"] >= self.lag
        ]


@pytest.mark.parametrize("kind", [RefusesSomeEntries, TakesFewEntries, SaysNothing])
@pytest.mark.parametrize("transactions", ["whole", "batch", "none"])
def test_the_report_is_whole_and_there_once(
    server: ScriptedServer, tmp_path: Path, kind: type[TinyEhr], transactions: str
) -> None:
    ehr = kind(server, transactions=transactions)
    trial = Trial(TinyEhr(server, stored=ehr.stored, asked=ehr.asked))
    server.script = ehr.answer
    for _ in range(2):
        assert trial.run(tmp_path)
        assert trial.check()


@pytest.mark.parametrize("lag", [1, 5, 1000])
@pytest.mark.parametrize("transactions", ["whole", "batch", "none"])
def test_an_index_that_lags_behind_makes_no_second_report(
    server: ScriptedServer, tmp_path: Path, transactions: str, lag: int
) -> None:
    ehr = LagsBehind(server, transactions=transactions)
    trial = Trial(ehr)
    ehr.lag = lag
    assert trial.run(tmp_path)
    ehr.lag = 0
    assert trial.check()


@pytest.mark.parametrize("lag", [3, 8])
@pytest.mark.parametrize("fault", [Fault(CUT, done=True), Fault(Answer(504), done=True)])
@pytest.mark.parametrize(
    ("transactions", "lost"),
    [
        ("whole", ["transaction"]),
        ("batch", ["transaction"]),
        ("none", ["Observation"]),
        ("none", ["DiagnosticReport"]),
        ("none", ["Provenance"]),
        ("none", ["Task"]),
        ("none", ["Observation", "DiagnosticReport", "Provenance", "Task"]),
    ],
)
def test_what_is_stored_again_as_its_answer_is_lost_and_the_index_lags_is_taken_back(
    server: ScriptedServer,
    tmp_path: Path,
    transactions: str,
    lost: list[str],
    fault: Fault,
    lag: int,
) -> None:
    ehr = LagsBehind(server, transactions=transactions)
    trial = Trial(ehr)
    device = short_report(trial.order)[0]
    with FhirClient(server.base_url) as fhir:
        fhir.create(device.resource)
    ehr.lag = lag
    ehr.fault = lambda name, before: (
        fault if before == 0 and name in [f"POST {each}" for each in lost] else None
    )
    assert trial.run(tmp_path)
    ehr.lag = 0
    assert ehr.twice, "the test means something"
    assert trial.check()


@pytest.mark.parametrize("transactions", ["whole", "none"])
def test_a_program_cut_short_and_started_at_once_ends_with_one_though_the_index_lags(
    server: ScriptedServer, transactions: str
) -> None:
    """At each answer of the server in turn, which is never heard."""
    for answers in count(1):
        ehr = LagsBehind(server, transactions=transactions)
        trial = Trial(ehr)
        entries = short_report(trial.order)
        with FhirClient(server.base_url) as fhir:
            fhir.create(entries[0].resource)
        ehr.lag = 4
        heard = count(1)

        def hear(
            _response: httpx.Response, heard: Iterator[int] = heard, last: int = answers
        ) -> None:
            if next(heard) == last:
                raise _Killed

        try:
            with FhirClient(server.base_url, hooks={"response": [hear]}) as fhir:
                write_report(fhir, entries)
            break
        except _Killed:
            with FhirClient(server.base_url) as fhir:
                write_report(fhir, entries)
        ehr.lag = 0
        assert trial.check(), answers
    assert answers > 10


def test_a_study_is_reported_though_parts_of_an_earlier_try_could_not_be_deleted(
    server: ScriptedServer, tmp_path: Path
) -> None:
    ehr = TinyEhr(server)
    trial = Trial(ehr)
    ehr.fault = lambda name, _: (
        Fault(Answer(403)) if name == "POST Provenance" or name.startswith("DELETE") else None
    )
    assert trial.run(tmp_path)
    assert {report["status"] for report in trial.of("DiagnosticReport")} == {"entered-in-error"}
    ehr.fault = lambda name, _: Fault(Answer(403)) if name.startswith("DELETE") else None
    assert trial.run(tmp_path)
    assert trial.check()
    assert {report["status"] for report in trial.of("DiagnosticReport")} == {"preliminary"}
    assert {each["status"] for each in trial.of("Observation")} == {"preliminary"}


@pytest.mark.parametrize("form", ["raw", "JSON", "JSON, and nothing for other wishes"])
def test_a_binary_comes_in_whichever_form_the_server_has(
    server: ScriptedServer, tmp_path: Path, form: str
) -> None:
    ehr = TinyEhr(server)
    placed = Trial(ehr).placed

    def answer(request: Request) -> Answer:
        if "/Binary/" not in request.path or form == "raw":
            return ehr.answer(request)
        if "nothing" in form and "application/fhir+json" not in request.headers["Accept"]:
            return Answer(406)
        return as_json(ehr.stored[request.path.removeprefix("/fhir/")])

    server.script = answer
    with FhirClient(server.base_url) as fhir:
        assert pull(fhir, placed.document, tmp_path).recording.read_bytes() == CONTENT


@pytest.mark.parametrize("told", ["refused", "not looked at"])
def test_a_sweep_finds_what_is_new_where_nobody_can_search_by_it(
    server: ScriptedServer, sessions: sessionmaker[Session], told: str
) -> None:
    ehr = TinyEhr(server)
    with FhirClient(server.base_url) as fhir:
        placed = Laboratory().place(fhir)
        ehr.matches = lambda *_: True  # type: ignore[method-assign]
        if told == "refused":
            server.script = lambda request: (
                Answer(400) if "_lastUpdated" in request.path else ehr.answer(request)
            )
        now = datetime(2026, 1, 2, 1, tzinfo=UTC)  # an hour after it was stored
        (study,) = Sweep(fhir, sessions, lambda: now)()
        assert study["source"] == placed.document


def test_audit_events_go_on_where_nothing_is_said_of_them(
    server: ScriptedServer, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    server.answers(Answer(201))
    read = Exchange(Interaction.READ, ("Patient/7",), "", 200, datetime(2026, 1, 1, tzinfo=UTC))
    with FhirClient(server.base_url) as client:
        writer = AuditEventWriter(client, store)
        writer.write("s1", [read, read], "Patient/7")
    assert len(server.requests) == 2
    assert store.trail_head() is None
    store.close()
