"""OpenTelemetry, where its own environment variables ask for it: a span for each step.

All spans of one run of a study are one trace, though several processes may have had it: the
trace's id follows from the study's id and the run's number. Spans hold no patient's data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from auditor.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_tracer: Tracer | None = None


def trace_id_of(study_id: str, run: int) -> str:
    """The trace of a run: 32 hexadecimal digits, the same in every process."""
    return hashlib.sha256(f"{study_id}.{run}".encode()).hexdigest()[:32]


@contextmanager
def tracing() -> Iterator[None]:
    """Sends spans while the context lasts, to where OTEL_EXPORTER_OTLP_ENDPOINT says, if set.

    Raises:
        UsageError: it is set, and OpenTelemetry is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed; "
            "pip install 'somnoaudit[otel]'"
        ) from None
    with spans_to(BatchSpanProcessor(OTLPSpanExporter())):
        yield


@contextmanager
def spans_to(processor: SpanProcessor) -> Iterator[None]:
    """Gives spans to a processor while the context lasts, and all of them before it ends."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    global _tracer
    named = os.environ.get("OTEL_SERVICE_NAME", "somnoaudit")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: named}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("somnoaudit")
    try:
        yield
    finally:
        _tracer = None
        provider.shutdown()


@contextmanager
def span(name: str, study_id: str, run: int, **attributes: Any) -> Iterator[None]:
    """A span around a step of a run, where spans are wanted."""
    if _tracer is None:
        yield
        return
    from opentelemetry import trace

    trace_id = int(trace_id_of(study_id, run), 16)
    # The root that all processes agree on; nobody sends it, which viewers take.
    root = trace.SpanContext(trace_id, trace_id & (2**64 - 1), True, trace.TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(root))
    said = {"study.id": study_id, "study.run": run, **attributes}
    with _tracer.start_as_current_span(
        name, context, attributes=said, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            # The kind alone: the message may quote a patient's data.
            current.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
            raise
