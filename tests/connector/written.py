"""A report to write, and what a server then holds of it, as anyone would search for it."""

from datetime import UTC, datetime

from auditor.vocabulary import (
    Audit,
    EpochAudit,
    Hypnogram,
    RulebookIdentity,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from connector.fhir import FhirClient, Resource
from connector.figures import sleep_figures
from connector.report import Entry, build_report
from connector.study import StudyOrder

NOW = datetime(2026, 1, 2, 8, 0, tzinfo=UTC)
REASON = "night.edf: it is shorter than an epoch; give a recording of 30 s or more"
KINDS = ("DiagnosticReport", "Observation", "Task")


def entries_of(order: StudyOrder) -> tuple[Entry, ...]:
    """The report of a short night without flags."""
    stager = StagerIdentity("yasa", "0.7.0", "ab" * 32)
    stages = [Stage(s) for s in ("W", "N1", "N2", "N2", "R", "W")]
    hypnogram = Hypnogram(stager, tuple(ScoredEpoch(i, s) for i, s in enumerate(stages)))
    epochs = tuple(EpochAudit(i, s, (), (), (), (), 0.0) for i, s in enumerate(stages))
    audit = Audit(stager, RulebookIdentity("3.0", "cd" * 32), epochs, ())
    return build_report(order, hypnogram, audit, sleep_figures(hypnogram), NOW)


def reports_of(fhir: FhirClient, order: StudyOrder) -> list[Resource]:
    return list(fhir.search("DiagnosticReport", {"based-on": order.order}))


def failed_tasks_of(fhir: FhirClient, order: StudyOrder) -> list[Resource]:
    tasks = fhir.search("Task", {"focus": order.document})
    return [task for task in tasks if task["status"] == "failed"]


def written_of(fhir: FhirClient, order: StudyOrder) -> list[Resource]:
    """Report, Observations and review of an order, and the report's Provenance."""
    based_on = [r for kind in KINDS for r in fhir.search(kind, {"based-on": order.order})]
    targets = [f"DiagnosticReport/{report['id']}" for report in reports_of(fhir, order)]
    provenances = [r for each in targets for r in fhir.search("Provenance", {"target": each})]
    return [*based_on, *provenances]
