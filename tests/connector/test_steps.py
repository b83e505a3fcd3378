"""A study's steps against an EHR that does not give everything: what it is told of them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hospital import Laboratory, PlacedStudy
from scripted import Answer, ScriptedServer
from tiny_ehr import Fault, TinyEhr

from connector.exchange import EhrWatch
from connector.fhir import FhirClient, NotFound
from connector.steps import EhrSteps
from connector.store import Store
from connector.stored import Run, RunEnded, utc_now
from connector.trail import AnchorFile
from staging.stager import make_stager


@pytest.fixture
def ehr(scripted_server: Callable[[], ScriptedServer]) -> TinyEhr:
    """Its recordings are gone."""
    ehr = TinyEhr(scripted_server())
    ehr.fault = lambda name, _: Fault(Answer(404)) if name == "GET Binary" else None
    return ehr


@pytest.fixture
def placed(ehr: TinyEhr) -> PlacedStudy:
    with FhirClient(ehr.server.base_url) as fhir:
        return Laboratory().place(fhir)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


@pytest.fixture
def steps(ehr: TinyEhr, store: Store, tmp_path: Path) -> Iterator[EhrSteps]:
    scoring = tmp_path / "scoring.json"
    scoring.write_text(json.dumps([{"epoch": 0, "sleep_stage": "W"}]))
    watch = EhrWatch(store, ehr.server.base_url)
    with FhirClient(ehr.server.base_url, hooks=watch.hooks) as client:
        yield EhrSteps(
            client,
            store,
            make_stager("scored", str(scoring)),
            tmp_path / "studies",
            utc_now,
            watch=watch,
            anchors=AnchorFile(tmp_path / "anchors"),
        )


@pytest.fixture
def run(store: Store, placed: PlacedStudy) -> Run:
    store.add_study("s1", placed.document)
    store.add_worker("w1", "here", "1")
    return store.begin("s1", 1, "w1")


def _told(ehr: TinyEhr) -> list[tuple[str, ...]]:
    """Of each AuditEvent the action, and whose and which resources it names."""
    return [
        (
            event["action"],
            *(each["what"]["reference"] for each in event["entity"] if "what" in each),
        )
        for name, event in ehr.stored.items()
        if name.startswith("AuditEvent/")
    ]


def test_a_pull_that_fails_is_told_as_far_as_it_came(
    ehr: TinyEhr, placed: PlacedStudy, steps: EhrSteps, run: Run
) -> None:
    with pytest.raises(NotFound):
        steps.pull(run)
    read = (placed.document, placed.order, placed.patient)
    assert _told(ehr) == [("R", each, placed.patient) for each in read]


def test_a_study_that_is_given_up_is_told(ehr: TinyEhr, steps: EhrSteps, run: Run) -> None:
    steps.refuse(run, "the recording is gone; send it again")
    (task,) = [name for name in ehr.stored if name.startswith("Task/")]
    assert ("C", task) in [told[:2] for told in _told(ehr)]


def test_a_run_that_is_over_tells_nothing_more(
    ehr: TinyEhr, store: Store, steps: EhrSteps, run: Run
) -> None:
    def cancel_in_between(name: str, _before: int) -> None:
        if name == "GET Patient":
            store.cancel(run.study_id)

    ehr.fault = cancel_in_between
    with pytest.raises(RunEnded):
        steps.pull(run)
    assert _told(ehr) == []
