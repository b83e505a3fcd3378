"""The report as FHIR resources: what it says, that it is valid, and that it is written once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import fhirkit
import httpx
import pytest
import stamina
from hospital import Laboratory
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig
from scripted import Answer, Request, ScriptedServer

from auditor.vocabulary import (
    Audit,
    EpochAudit,
    Flag,
    FlagCode,
    Hypnogram,
    RulebookIdentity,
    ScoredEpoch,
    Severity,
    Stage,
    StagerIdentity,
)
from connector import codes
from connector.fhir import BadAnswer, FhirClient, NotFound, Resource, ServerDown
from connector.figures import sleep_figures
from connector.report import Entry, build_report
from connector.study import StudyOrder, find_studies
from connector.write_back import write_report

NOW = datetime(2026, 1, 2, 8, 0, tzinfo=UTC)
NIGHT = ["W", "W", "N1", "N2", "N2", "W", "N2", "N3", "N3", "R", "R", "?", "N2", "W"]
FLAGS = {
    3: (
        Flag(FlagCode.CLAIM_CONTRADICTED, Severity.HIGH, "no spindle was found at 12 s"),
        Flag(FlagCode.RULE_NOT_MET, Severity.MEDIUM, "N2.1 does not hold"),
    ),
    9: (Flag(FlagCode.LOW_CONFIDENCE, Severity.LOW, "the stager was in doubt"),),
}


def an_order(**changes: Any) -> StudyOrder:
    order = StudyOrder(
        id=str(uuid4()),
        document="DocumentReference/1",
        order="ServiceRequest/2",
        patient="Patient/3",
        encounter="Encounter/4",
        start="2026-01-01T22:30:00+01:00",
        end="2026-01-02T06:30:00+01:00",
    )
    return replace(order, **changes)


def report_of(
    order: StudyOrder,
    stages: list[str] = NIGHT,
    flags: dict[int, tuple[Flag, ...]] = FLAGS,
    weights_sha256: str | None = "ab" * 32,
    recorded_on: date | None = None,
) -> tuple[Entry, ...]:
    stager = StagerIdentity("yasa", "0.7.0", weights_sha256)
    hypnogram = Hypnogram(stager, tuple(ScoredEpoch(i, Stage(s)) for i, s in enumerate(stages)))
    epochs = tuple(
        EpochAudit(i, stage, (), (), (), flags.get(i, ()), 0.9 - i / 100 if i in flags else 0.0)
        for i, stage in enumerate(hypnogram.stages)
    )
    rulebook = RulebookIdentity("3.0", "cd" * 32)
    audit = Audit(stager, rulebook, epochs, ("No chin EMG was recorded.",))
    return build_report(order, hypnogram, audit, sleep_figures(hypnogram), NOW, recorded_on)


def by_role(entries: tuple[Entry, ...]) -> dict[str, Resource]:
    return {entry.role: entry.resource for entry in entries}


def our_code(concept: dict[str, Any]) -> str:
    (code,) = (c["code"] for c in concept["coding"] if c["system"] == codes.code_system()["url"])
    return str(code)


# ── what it says ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("role", "value", "unit", "loinc"),
    [
        ("time-in-bed", 7.0, "min", "103213-5"),
        ("total-sleep-time", 4.5, "min", "93832-4"),
        ("sleep-efficiency", 64.3, "%", None),
        ("sleep-latency", 1.0, "min", "103212-7"),
        ("rem-latency", 3.5, "min", None),
        ("wake-after-sleep-onset", 1.0, "min", "103215-0"),
        ("awakenings", 2, "{awakenings}", "103211-9"),
        ("w-time", 2.0, "min", None),
        ("n1-time", 0.5, "min", None),
        ("n2-time", 2.0, "min", None),
        ("n3-time", 1.0, "min", "93831-6"),
        ("r-time", 1.0, "min", "93829-0"),
        ("w-share", 28.6, "%", None),
        ("n1-share", 11.1, "%", None),
        ("n2-share", 44.4, "%", None),
        ("n3-share", 22.2, "%", None),
        ("r-share", 22.2, "%", None),
    ],
)
def test_each_figure_is_an_observation(
    role: str, value: float, unit: str, loinc: str | None
) -> None:
    observation = by_role(report_of(an_order()))[role]
    assert observation["valueQuantity"]["value"] == value
    assert observation["valueQuantity"]["code"] == unit
    assert our_code(observation["code"]) == role
    standard = [c["code"] for c in observation["code"]["coding"] if c["system"] == codes.LOINC]
    assert standard == ([loinc] if loinc else [])


def test_the_hypnogram_is_one_observation() -> None:
    sampled = by_role(report_of(an_order()))["hypnogram"]["valueSampledData"]
    assert sampled["period"] == 30_000
    assert sampled["data"] == "0 0 1 2 2 0 2 3 3 4 4 E 2 0"
    assert (sampled["lowerLimit"], sampled["upperLimit"], sampled["dimensions"]) == (0, 4, 1)


def test_each_flagged_epoch_is_a_component_the_most_pressing_first() -> None:
    observation = by_role(report_of(an_order()))["flagged-epochs"]
    assert observation["valueInteger"] == 2
    assert [c["valueInteger"] for c in observation["component"]] == [3, 9]
    first = observation["component"][0]
    assert first["code"]["text"] == "Epoch 3, 0:01:30 from the start, scored N2"
    assert [(our_code(i), i["text"]) for i in first["interpretation"]] == [
        ("claim-contradicted", "no spindle was found at 12 s"),
        ("rule-not-met", "N2.1 does not hold"),
    ]
    assert observation["note"] == [{"text": "No chin EMG was recorded."}]


def test_the_report_says_what_it_is_and_what_it_is_not() -> None:
    report = by_role(report_of(an_order()))["report"]
    assert report["status"] == "preliminary"
    assert report["code"]["coding"] == [{"system": "http://loinc.org", "code": "28633-6"}]
    assert report["category"][0]["coding"][0]["code"] == "EN"
    assert report["issued"] == "2026-01-02T08:00:00Z"
    for said in (
        "AI-generated",
        "not reviewed by a physician",
        "unsigned until a physician",
        "Total sleep time 4.5 min of 7.0 min in bed, efficiency 64.3%.",
        "2 of 14 epochs are flagged for review.",
        "1 of 14 epochs in bed are not scored",
    ):
        assert said in report["conclusion"]


def test_all_that_a_machine_asserted_is_marked_so_and_none_of_it_is_final() -> None:
    for entry in report_of(an_order()):
        if entry.resource["resourceType"] in ("Observation", "DiagnosticReport"):
            assert entry.resource["meta"]["security"] == [codes.AI_ASSERTED]
            assert entry.resource["status"] == "preliminary"
        assert "validated" not in json.dumps(entry.resource).lower()


def test_everything_is_tied_to_order_patient_and_encounter() -> None:
    for entry in report_of(an_order()):
        resource = entry.resource
        if entry.role in ("device", "provenance"):
            continue
        patient = resource["for"] if entry.role == "review" else resource["subject"]
        assert patient == {"reference": "Patient/3"}
        assert resource["basedOn"] == [{"reference": "ServiceRequest/2"}]
        assert resource["encounter"] == {"reference": "Encounter/4"}


def test_the_time_is_the_ehrs_or_only_the_date() -> None:
    assert by_role(report_of(an_order()))["report"]["effectivePeriod"] == {
        "start": "2026-01-01T22:30:00+01:00",
        "end": "2026-01-02T06:30:00+01:00",
    }
    unknown = an_order(start=None, end=None)
    dated = by_role(report_of(unknown, recorded_on=date(2026, 1, 1)))["report"]
    assert dated["effectiveDateTime"] == "2026-01-01"
    undated = by_role(report_of(unknown))["report"]
    assert not {"effectiveDateTime", "effectivePeriod"} & undated.keys()


def test_the_device_tells_stager_weights_and_rulebook() -> None:
    device = by_role(report_of(an_order()))["device"]
    versions = {v["type"]["text"]: v["value"] for v in device["version"]}
    assert versions["stager"] == "0.7.0"
    assert versions["stager weights, SHA-256"] == "ab" * 32
    assert versions["rulebook"] == "3.0"
    assert versions["rulebook, SHA-256"] == "cd" * 32
    assert {n["type"]: n["name"] for n in device["deviceName"]}["model-name"] == "yasa"


def test_studies_share_a_device_and_other_weights_are_another() -> None:
    ours, same = by_role(report_of(an_order())), by_role(report_of(an_order()))
    other = by_role(report_of(an_order(), weights_sha256=None))
    assert ours["device"] == same["device"]
    assert ours["device"]["identifier"] != other["device"]["identifier"]


def test_provenance_names_author_sources_and_targets() -> None:
    entries = report_of(an_order())
    provenance = by_role(entries)["provenance"]
    urls = {entry.role: entry.full_url for entry in entries}
    assert provenance["agent"][0]["who"]["reference"] == urls["device"]
    assert [e["what"]["reference"] for e in provenance["entity"]] == [
        "DocumentReference/1",
        "ServiceRequest/2",
    ]
    targets = {target["reference"] for target in provenance["target"]}
    assert targets == set(urls.values()) - {
        urls["device"],
        urls["provenance"],
        urls["review"],
    }


def test_a_physician_is_asked_to_review() -> None:
    entries = report_of(an_order())
    task = by_role(entries)["review"]
    urls = {entry.role: entry.full_url for entry in entries}
    assert (task["status"], task["intent"]) == ("requested", "order")
    assert task["focus"] == {"reference": urls["report"]}
    assert our_code(task["code"]) == "review-sleep-staging"


def test_each_entry_refers_only_to_those_before_it() -> None:
    order = an_order()
    later = [entry.full_url for entry in report_of(order)]
    for entry in report_of(order):
        text = json.dumps([entry.resource, entry.criteria])
        assert not any(url in text for url in later)
        later.remove(entry.full_url)


# ── codes ─────────────────────────────────────────────────────────────────────────────────


def test_every_flag_has_its_code() -> None:
    for flag in FlagCode:
        assert our_code(codes.concept(flag.value)) == flag.value


def test_our_code_system_is_whole() -> None:
    system = dict(codes.code_system())
    assert fhirkit.validate(system) == []
    concepts = [concept["code"] for concept in system["concept"]]
    assert len(concepts) == len(set(concepts)) == system["count"]


def test_every_stage_has_its_number() -> None:
    values = codes.hypnogram_values()
    assert [values[s] for s in Stage] == ["0", "1", "2", "3", "4", "E"]


# ── that it is valid ──────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pyrofile() -> Validator:
    return Validator(ValidatorConfig())


def test_the_validators_see_what_is_wrong(pyrofile: Validator) -> None:
    broken = by_role(report_of(an_order()))["hypnogram"] | {"status": "read it", "code": None}
    assert fhirkit.validate(broken)
    assert pyrofile.validate_resource(broken).issues


@pytest.mark.parametrize("stages", [NIGHT, ["?"], ["W"], ["R"], ["?"] * 3 + ["N3"]])
def test_every_resource_is_valid(pyrofile: Validator, stages: list[str]) -> None:
    for entry in report_of(an_order(), stages):
        assert fhirkit.validate(entry.resource) == []
        assert [i.message for i in pyrofile.validate_resource(entry.resource).issues] == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([s.value for s in Stage]), min_size=1, max_size=40),
    st.lists(st.sampled_from(list(FlagCode)), max_size=10),
    st.booleans(),
)
def test_any_hypnogram_makes_a_valid_report(
    stages: list[str], flagged: list[FlagCode], known: bool
) -> None:
    order = an_order() if known else an_order(encounter=None, start=None, end=None)
    flags = {i: (Flag(code, Severity.LOW, "a reason"),) for i, code in enumerate(flagged)}
    entries = report_of(order, stages, flags, "ab" * 32 if known else None)
    for entry in entries:
        assert fhirkit.validate(entry.resource) == []
    for entry in entries:
        if entry.resource["resourceType"] == "Observation":
            value = {name for name in entry.resource if name.startswith("value")}
            assert len(value) + ("dataAbsentReason" in entry.resource) == 1


# ── that it is written once ───────────────────────────────────────────────────────────────

N_OBSERVATIONS = 19


def placed_order(fhir: FhirClient) -> StudyOrder:
    (order,) = find_studies(fhir, Laboratory().place(fhir).document)
    return order


def assert_exactly_one_of_each(fhir: FhirClient, order: StudyOrder) -> None:
    """By what anyone would search, not by our identifiers."""
    based_on = {"based-on": order.order}
    (report,) = fhir.search("DiagnosticReport", based_on)
    observations = list(fhir.search("Observation", {**based_on, "_count": "10"}))
    assert len(observations) == N_OBSERVATIONS
    assert {r["reference"] for r in report["result"]} == {
        f"Observation/{observation['id']}" for observation in observations
    }
    assert len(list(fhir.search("Task", based_on))) == 1
    (provenance,) = fhir.search("Provenance", {"target": f"DiagnosticReport/{report['id']}"})
    assert len(provenance["target"]) == N_OBSERVATIONS + 1
    assert "urn:uuid" not in json.dumps([provenance["target"], report["result"]])


def test_written_twice_it_is_there_once(fhir: FhirClient) -> None:
    order = placed_order(fhir)
    first = write_report(fhir, report_of(order))
    second = write_report(fhir, report_of(order))
    assert first == second
    assert first["report"].startswith("DiagnosticReport/")
    assert_exactly_one_of_each(fhir, order)


def test_two_studies_have_two_reports_and_one_device(fhir: FhirClient) -> None:
    first, second = placed_order(fhir), placed_order(fhir)
    one, other = write_report(fhir, report_of(first)), write_report(fhir, report_of(second))
    assert one["report"] != other["report"]
    assert one["device"] == other["device"]
    assert_exactly_one_of_each(fhir, first)
    assert_exactly_one_of_each(fhir, second)


def test_what_is_reviewed_since_is_left_as_it_is(fhir: FhirClient) -> None:
    order = placed_order(fhir)
    written = write_report(fhir, report_of(order))
    report = fhir.read(*written["report"].split("/"))
    fhir.update({**report, "status": "final", "conclusion": "Signed."})
    write_report(fhir, report_of(order))
    assert fhir.read(*written["report"].split("/"))["conclusion"] == "Signed."


@pytest.fixture
def forwarding(
    fhir: FhirClient, scripted_server: Callable[[], ScriptedServer]
) -> Iterator[tuple[ScriptedServer, Callable[[Request], Answer]]]:
    """A server that passes requests on to the real one, and the passing on for its script."""
    server = scripted_server()
    with httpx.Client(base_url=fhir.base_url.removesuffix("/fhir")) as http:

        def forward(request: Request) -> Answer:
            headers = {n: v for n, v in request.headers.items() if n not in ("Host", "Connection")}
            got = http.request(request.method, request.path, headers=headers, content=request.body)
            body = got.content.replace(fhir.base_url.encode(), server.base_url.encode())
            return Answer(got.status_code, body, {"Content-Type": got.headers["Content-Type"]})

        server.script = forward
        yield server, forward


@pytest.mark.parametrize("takes_transactions", [True, False])
def test_cut_short_at_each_write_it_still_ends_with_one_of_each(
    fhir: FhirClient,
    forwarding: tuple[ScriptedServer, Callable[[Request], Answer]],
    takes_transactions: bool,
) -> None:
    order = placed_order(fhir)
    entries = report_of(order)
    server, forward = forwarding
    failed_for: set[bytes] = set()

    def fail_each_write_once(request: Request) -> Answer:
        if request.path == "/fhir/metadata" and not takes_transactions:
            return Answer(404)
        if request.method == "GET" or request.body in failed_for:
            return forward(request)
        failed_for.add(request.body)
        if len(failed_for) % 2:  # done, and the answer is lost; or not done
            forward(request)
        return Answer(503)

    server.script = fail_each_write_once
    attempts = 0
    with stamina.set_testing(True, attempts=1), FhirClient(server.base_url) as client:
        while True:
            attempts += 1
            for report in fhir.search("DiagnosticReport", {"based-on": order.order}):
                assert len(report["result"]) == N_OBSERVATIONS
            try:
                write_report(client, entries)
                break
            except ServerDown:
                continue
    # The device may be there from another study; only the Provenance follows a transaction.
    assert attempts >= (2 if takes_transactions else len(entries))
    assert_exactly_one_of_each(fhir, order)


def test_a_server_that_ignores_conditions_gets_no_second_report(
    fhir: FhirClient, forwarding: tuple[ScriptedServer, Callable[[Request], Answer]]
) -> None:
    order = placed_order(fhir)
    server, forward = forwarding

    def without_condition(request: Request) -> Answer:
        headers = {n: v for n, v in request.headers.items() if n != "If-None-Exist"}
        return forward(replace(request, headers=headers))

    server.script = without_condition
    with FhirClient(server.base_url) as client:
        write_report(client, report_of(order))
        write_report(client, report_of(order))
    assert_exactly_one_of_each(fhir, order)


@pytest.mark.usefixtures("no_backoff")
def test_a_second_report_made_by_a_race_is_taken_back(fhir: FhirClient) -> None:
    order = placed_order(fhir)
    written = write_report(fhir, report_of(order))
    second = fhir.create(fhir.read(*written["report"].split("/")))
    assert write_report(fhir, report_of(order)) == written
    with pytest.raises(NotFound):
        fhir.read("DiagnosticReport", second["id"])


@pytest.mark.usefixtures("no_backoff")
def test_two_reports_that_were_reviewed_are_both_left_and_told(fhir: FhirClient) -> None:
    order = placed_order(fhir)
    written = write_report(fhir, report_of(order))
    final = {**fhir.read(*written["report"].split("/")), "status": "final"}
    second = fhir.create(fhir.update(final))
    with pytest.raises(BadAnswer, match="several for the report of one study"):
        write_report(fhir, report_of(order))
    for each in (final, second):
        assert fhir.read("DiagnosticReport", each["id"])["status"] == "final"


def test_the_real_server_takes_a_whole_night(fhir: FhirClient) -> None:
    stages = ["W"] * 40 + ["N1"] * 10 + ["N2"] * 400 + ["N3"] * 200 + ["R"] * 300 + ["?"] * 10
    flags = dict.fromkeys(range(0, 960, 3), FLAGS[3])
    written = write_report(fhir, report_of(placed_order(fhir), stages, flags))
    stored = fhir.read(*written["flagged-epochs"].split("/"))
    assert len(stored["component"]) == 320
    data = fhir.read(*written["hypnogram"].split("/"))["valueSampledData"]["data"]
    assert len(data.split()) == 960
