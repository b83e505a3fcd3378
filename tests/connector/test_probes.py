"""What a monitor is told: whether all is there, how the work stands, what drifts."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from audited_night import RULEBOOK, STAGER, audited_night, night_documents
from fastapi import FastAPI
from scripted import Answer, ScriptedServer

from connector.app import serve
from connector.metrics import Metrics, metrics_routes
from connector.probes import Readiness, database_answers, ehr_answers, probe_routes
from connector.store import Store
from connector.tables import State
from connector.tallies import AuditTally
from connector.trail import Action


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


@pytest.fixture
def ehr(scripted_server: Callable[[], ScriptedServer]) -> ScriptedServer:
    server = scripted_server()
    server.answers(Answer())
    return server


@pytest.fixture
def lost() -> list[str]:
    """Parts that are to be missing."""
    return []


@pytest.fixture
def web(store: Store, ehr: ScriptedServer, lost: list[str]) -> Iterator[httpx.Client]:
    readiness = Readiness(
        {
            "database": database_answers(store.sessions),
            "ehr": ehr_answers(ehr.base_url),
            "worker": lambda: "worker" not in lost,
        }
    )
    app = FastAPI()
    app.include_router(probe_routes(readiness))
    app.include_router(metrics_routes(Metrics(store, readiness)))
    with serve(app, "127.0.0.1", 0) as address, httpx.Client(base_url=address) as client:
        yield client


# ── ready ─────────────────────────────────────────────────────────────────────────────────


def test_a_service_that_has_all_it_needs_is_ready(web: httpx.Client, ehr: ScriptedServer) -> None:
    for _ in range(5):
        answer = web.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready", "database": "ok", "ehr": "ok", "worker": "ok",
        }  # fmt: skip
    assert [request.path for request in ehr.requests] == ["/fhir/metadata"], "asked once"


def test_what_is_missing_is_named(web: httpx.Client, lost: list[str]) -> None:
    lost.append("worker")
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready", "database": "ok", "ehr": "ok", "worker": "missing",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reached"), [(200, True), (401, True), (404, True), (503, False)]
)
def test_an_ehr_is_there_if_it_answers_without_failing(
    ehr: ScriptedServer, status: int, reached: bool
) -> None:
    ehr.answers(Answer(status=status))
    assert ehr_answers(ehr.base_url)() is reached


def test_an_ehr_that_is_away_is_missing() -> None:
    assert ehr_answers("http://127.0.0.1:9/fhir")() is False


def test_a_database_that_is_gone_is_missing(store: Store, tmp_path: Path) -> None:
    probe = database_answers(store.sessions)
    assert probe() is True
    store.close()
    for path in tmp_path.glob("somnoaudit.db*"):
        path.unlink()
    (tmp_path / "somnoaudit.db").mkdir()
    assert probe() is False


# ── metrics ───────────────────────────────────────────────────────────────────────────────


def _metrics(web: httpx.Client) -> dict[str, float]:
    answer = web.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = re.findall(r"^(somnoaudit_\S+?(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def _reported(store: Store, study_id: str) -> None:
    store.add_study(study_id, "DocumentReference/12")
    for state in (State.PULLING, State.SCORING, State.REPORTING):
        store.advance(study_id, state)
    hypnogram, evidence, audit = night_documents()
    store.add_audit(
        study_id, STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[1]", n_flagged=3
    )
    store.reported(study_id, "DiagnosticReport/9")


def test_metrics_tell_how_the_work_stands(web: httpx.Client, store: Store) -> None:
    store.add_worker("w", "host", "1")
    _reported(store, "s1")
    store.add_study("s2", "DocumentReference/13")
    told = _metrics(web)
    assert told['somnoaudit_studies{state="reported"}'] == 1
    assert told['somnoaudit_studies{state="queued"}'] == 1
    assert told["somnoaudit_workers"] == 1
    assert told["somnoaudit_queue_oldest_seconds"] >= 0
    assert told['somnoaudit_ready{part="ehr"}'] == 1
    for state in ("queued", "pulling", "scoring", "reporting"):
        assert told[f'somnoaudit_step_seconds_count{{state="{state}"}}'] == 1
    again = _metrics(web)
    assert again['somnoaudit_step_seconds_count{state="scoring"}'] == 1, "each is counted once"


def test_metrics_tell_of_flags_and_stages_by_week(web: httpx.Client, store: Store) -> None:
    _reported(store, "s1")
    _reported(store, "s2")
    told = _metrics(web)
    year, week, _ = datetime.now(UTC).isocalendar()
    name = f"{year}-W{week:02}"
    assert told[f'somnoaudit_flags{{code="rule-not-met",rule="N3.1",week="{name}"}}'] == 2
    assert told[f'somnoaudit_flags{{code="low-confidence",rule="none",week="{name}"}}'] == 2
    epochs = {key: value for key, value in told.items() if key.startswith("somnoaudit_epochs")}
    assert sum(epochs.values()) == 2 * 960
    assert epochs[f'somnoaudit_epochs{{stage="?",week="{name}"}}'] == 2
    assert told["somnoaudit_audits_uncounted"] == 0
    assert _metrics(web)[f'somnoaudit_epochs{{stage="?",week="{name}"}}'] == 2


def test_metrics_tell_how_the_ehr_answers(web: httpx.Client, store: Store) -> None:
    for status in (200, 503, 503):
        store.tell(Action.EHR_READ, None, {"interaction": "read", "status": status})
    store.tell(Action.EHR_WRITTEN, None, {"interaction": "create", "status": 503})
    told = _metrics(web)
    assert told['somnoaudit_ehr_answers_total{status="503"}'] == 3
    assert told['somnoaudit_ehr_answers_total{status="200"}'] == 1
    assert _metrics(web)['somnoaudit_ehr_answers_total{status="503"}'] == 3


def test_metrics_name_no_study(web: httpx.Client, store: Store) -> None:
    _reported(store, "a-study-of-someone")
    assert "a-study-of-someone" not in web.get("/metrics").text


def test_weeks_that_are_past_are_forgotten_and_audits_made_again_not_counted(
    tmp_path: Path,
) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}", clock=lambda: moment)
    _reported(store, "s1")
    tally = AuditTally(store.sessions, lambda: moment)
    tally.update()
    before = dict(tally.stages)
    assert {week for week, _ in before} == {"2026-W02"}
    audit = store.audit("s1")
    assert audit is not None
    store.add_further_audit(audit, RULEBOOK, json.dumps(audited_night()), 3)
    tally.update()
    assert dict(tally.stages) == before
    moment += timedelta(weeks=5)
    tally.update()
    assert not tally.stages
    assert not tally.flags
    store.close()


def test_a_long_history_is_counted_bit_by_bit(store: Store) -> None:
    hypnogram, evidence, audit = night_documents(4 * 40)
    for number in range(23):
        study_id = f"s{number}"
        store.add_study(study_id, "DocumentReference/12")
        store.add_audit(study_id, STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[1]")
    tally = AuditTally(store.sessions, lambda: datetime.now(UTC))
    tally.update()
    assert tally.behind == 3
    tally.update()
    assert tally.behind == 0
    assert sum(tally.stages.values()) == 23 * 160
