"""Metrics in Prometheus' text form. Labels name states, stages, rules and codes, and nobody.

What is counted in the database is the same whichever process is asked; counters begin at 0 when
a process starts, as Prometheus expects.
"""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.

import threading

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from connector.operations import operations
from connector.probes import Readiness
from connector.store import Store
from connector.stored import utc_now
from connector.tallies import AuditTally, ehr_answers

# From a look at the EHR to a night on a slow machine.
_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """What a monitor is shown of one store.

    Args:
        store: of the studies.
        readiness: of this process.
    """

    def __init__(self, store: Store, readiness: Readiness) -> None:
        self._store = store
        self._readiness = readiness
        self._lock = threading.Lock()
        head = store.trail_head()
        self._spells_seq = self._answers_seq = head.seq if head else 0
        self._audits = AuditTally(store.sessions, utc_now)
        own = self._registry = CollectorRegistry()
        self._ready = Gauge(
            "somnoaudit_ready", "Whether a part is there: 1 or 0.", ["part"], registry=own
        )
        self._studies = Gauge(
            "somnoaudit_studies", "Studies in each state.", ["state"], registry=own
        )
        self._oldest = Gauge(
            "somnoaudit_queue_oldest_seconds", "Wait of the study queued first.", registry=own
        )
        self._workers = Gauge("somnoaudit_workers", "Workers that hold a lease.", registry=own)
        self._steps = Histogram(
            "somnoaudit_step_seconds",
            "Time of studies in each state that they left.",
            ["state"],
            buckets=_SECONDS,
            registry=own,
        )
        self._answers = Counter(
            "somnoaudit_ehr_answers", "The EHR's answers, by status.", ["status"], registry=own
        )
        self._flags = Gauge(
            "somnoaudit_flags",
            "Flags by ISO week, code, and the rule cited.",
            ["week", "code", "rule"],
            registry=own,
        )
        self._stages = Gauge(
            "somnoaudit_epochs",
            "Epochs audited, by week and stage.",
            ["week", "stage"],
            registry=own,
        )
        self._behind = Gauge(
            "somnoaudit_audits_uncounted", "Audits that flags and epochs yet lack.", registry=own
        )

    def text(self) -> bytes:
        """All of it, as of now."""
        with self._lock:
            self._update()
            return generate_latest(REGISTRY) + generate_latest(self._registry)

    def _update(self) -> None:
        for part, holds in self._readiness.parts().items():
            self._ready.labels(part).set(holds)
        work = operations(self._store, self._spells_seq)
        self._spells_seq = work.last_seq
        for state, number in work.studies.items():
            self._studies.labels(state.value).set(number)
        self._oldest.set(work.oldest_queued_s)
        self._workers.set(work.workers)
        for spell in work.spells:
            self._steps.labels(spell.state.value).observe(spell.seconds)
        for seq, status in ehr_answers(self._store.sessions, self._answers_seq):
            self._answers_seq = seq
            self._answers.labels(status).inc()
        self._audits.update()
        self._flags.clear()
        for flagged, number in self._audits.flags.items():
            self._flags.labels(*flagged).set(number)
        self._stages.clear()
        for staged, number in self._audits.stages.items():
            self._stages.labels(*staged).set(number)
        self._behind.set(self._audits.behind)


def metrics_routes(metrics: Metrics) -> APIRouter:
    """``/metrics``, which needs no login: it tells of no patient and no study."""
    routes = APIRouter()

    @routes.get("/metrics", response_class=Response)
    def shown() -> Response:
        """Metrics, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
