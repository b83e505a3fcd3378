"""Log lines and spans: of which study, in whichever process, and never of whom."""

import json
import logging
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hospital import Laboratory
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from served import served

from auditor.errors import UsageError
from connector.demo_ehr import DemoEhr
from connector.fhir import FhirClient
from connector.logs import JsonLines, LogFormat, PlainLines, about, configure_logs
from connector.store import Store
from connector.study import find_studies
from connector.telemetry import span, spans_to, trace_id_of, tracing


@pytest.fixture
def _own_logging() -> Iterator[None]:
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    kept = (root.handlers[:], root.level, dbos.handlers[:], dbos.propagate)
    yield
    root.handlers[:], root.level, dbos.handlers[:], dbos.propagate = kept
    logging.getLogger("somnoaudit").setLevel(logging.NOTSET)


def _record(message: str, *arguments: object, error: BaseException | None = None) -> object:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("somnoaudit", logging.WARNING, "x.py", 1, message, arguments, exc_info)


@pytest.mark.usefixtures("_own_logging")
@pytest.mark.parametrize("logger", ["somnoaudit", "uvicorn.error", "dbos", "sqlalchemy"])
def test_each_line_is_an_object_whoever_writes_it(
    capsys: pytest.CaptureFixture[str], logger: str
) -> None:
    configure_logs(LogFormat.JSON)
    with about("s1", trace_id_of("s1", 1)):
        logging.getLogger(logger).error("the EHR is away\nfor %d s", 5)
    logging.getLogger(logger).error("idle")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert datetime.fromisoformat(first.pop("at")).tzinfo is not None
    assert first == {
        "level": "error",
        "logger": logger,
        "message": "the EHR is away\\nfor 5 s",
        "study": "s1",
        "trace": trace_id_of("s1", 1),
    }
    assert "study" not in second


@pytest.mark.usefixtures("_own_logging")
def test_plain_lines_are_one_each(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogFormat.PLAIN)
    with about("s1", "abc"):
        logging.getLogger("somnoaudit").info("pulling\x1b[31m begins")
    line = capsys.readouterr().err
    assert line.endswith(" info pulling\\x1b[31m begins [study s1, trace abc]\n")


@pytest.mark.parametrize("formatter", [JsonLines(), PlainLines()])
def test_an_exception_is_told_by_kind_and_place_alone(formatter: logging.Formatter) -> None:
    try:
        raise KeyError("Jane Doe")
    except KeyError as error:
        line = formatter.format(_record("it broke", error=error))  # type: ignore[arg-type]
    assert "KeyError in test_an_exception_is_told" in line
    assert "Jane Doe" not in line
    assert "\n" not in line


# ── spans ─────────────────────────────────────────────────────────────────────────────────


def test_the_steps_of_a_run_are_one_trace_whoever_has_it() -> None:
    spans = []
    for name in ("pulling", "scoring"):  # as in two processes
        exporter = InMemorySpanExporter()
        with spans_to(SimpleSpanProcessor(exporter)), span(name, "s1", 2, tries=1):
            pass
        spans += exporter.get_finished_spans()
    first, second = spans
    assert first.context.trace_id == second.context.trace_id == int(trace_id_of("s1", 2), 16)
    assert first.attributes == {"study.id": "s1", "study.run": 2, "tries": 1}
    assert trace_id_of("s1", 1) != trace_id_of("s1", 2)


def test_a_span_that_fails_says_so_without_the_message() -> None:
    exporter = InMemorySpanExporter()
    with (
        spans_to(SimpleSpanProcessor(exporter)),
        pytest.raises(KeyError),
        span("scoring", "s1", 1),
    ):
        raise KeyError("Jane Doe")
    (failed,) = exporter.get_finished_spans()
    assert failed.status.description == "KeyError"
    assert "Jane Doe" not in failed.to_json()


def test_nothing_is_traced_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with tracing(), span("scoring", "s1", 1):
        pass


def test_tracing_that_is_asked_for_and_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UsageError, match=r"somnoaudit\[otel\]"), tracing():
        pass


# ── the command ───────────────────────────────────────────────────────────────────────────


def test_the_service_logs_a_study_with_its_trace_and_stops_when_told(
    ehr: DemoEhr, fhir: FhirClient, tmp_path: Path
) -> None:
    scoring = tmp_path / "scoring.json"
    scoring.write_text(json.dumps([{"epoch": 0, "sleep_stage": "W"}]))
    placed = Laboratory().place(fhir)
    (order,) = find_studies(fhir, placed.document)
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    store.add_study(order.id, placed.document)
    store.close()

    with served(ehr.base_url, tmp_path, scoring, log_format="json") as serving:
        assert serving.stderr is not None
        lines = iter(serving.stderr.readline, "")
        begun = json.loads(next(line for line in lines if "pulling begins" in line))
        serving.send_signal(signal.SIGTERM)
        serving.communicate()
        assert serving.returncode == 0
    assert begun["study"] == order.id
    assert begun["trace"] == trace_id_of(order.id, 1)
