"""How a report comes into the EHR exactly once, or a failure is told there in its place.

One transaction where the server has them: all of it or nothing. Where a server has none, takes
only short ones, or carries them out as a batch, the resources go one by one in their order, the
report after all that it consists of. Either way each is created on the condition that its
identifier is not there yet, and what the server then holds is read again: cut short at any point
and run again, it ends with one of each, and a report is never seen without its Observations.

What becomes of two that are stored all the same, :mod:`connector.report_writing` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector.fhir import FhirClient, FhirError, Operations, Resource, reference_in, reference_to
from connector.report import FAILURE, REPORT, Entry, build_failure
from connector.report_writing import ReportWriting, changes, created_once, report_of


def write_report(client: FhirClient, entries: Sequence[Entry]) -> dict[str, str]:
    """Stores what is not yet stored; returns each role's reference ("DiagnosticReport/9").

    What is stored already is left as it is, for it may have been reviewed since. A Task that
    told of an earlier failure is closed.

    Raises:
        FhirError: the EHR did not answer as it must; BadAnswer also where it holds several
            reports of this study.
    """
    writing = ReportWriting(client, entries)
    writing.look_up()
    if not writing.is_complete and client.takes_transactions:
        writing.write_at_once()
    writing.write_one_by_one()
    writing.settle()
    _close_failure(client, report_of(entries))
    return {entry.role: writing.stored[entry.full_url] for entry in entries}


def write_failure(
    client: FhirClient,
    study_id: str,
    source: str,
    reason: str,
    now: datetime,
    entries: Sequence[Entry] = (),
) -> str:
    """Leaves a Task of status ``failed`` in place of a report, and no part of a report.

    Args:
        client: of the EHR.
        study_id: as in :class:`connector.study.StudyOrder`.
        source: "DocumentReference/12".
        reason: a sentence for a reader, without a patient's data.
        now: of the failure, with its time zone.
        entries: of the report, where it was built.

    Returns:
        "Task/9".

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    if entries:
        ReportWriting(client, entries).withdraw()
    task = build_failure(study_id, source, _patient_of(client, source), reason, now)
    stored = created_once(client, task.resource, task.criteria)

    def failed_for_this(stored: Resource) -> Operations:
        said = {name: task.resource[name] for name in ("status", "statusReason")}
        return changes(stored, said)

    return reference_to(client.amend(stored, failed_for_this))


def _close_failure(client: FhirClient, report: Entry) -> None:
    """A study that failed and was reported after all needs nobody's attention."""
    named = report.criteria["identifier"].removesuffix(REPORT) + FAILURE
    closed = {"status": "completed", "statusReason": {"text": "Tried again, and reported."}}
    for task in client.search("Task", {"identifier": named}):
        if task.get("status") == "failed":
            client.amend(task, lambda found: changes(found, closed))


def _patient_of(client: FhirClient, source: str) -> str | None:
    """The patient of the document, where the EHR says so: a work list may be by patient."""
    try:
        document = client.read(*source.split("/"))
    except FhirError:
        return None
    subject = document.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return None
    relative = reference.removeprefix(f"{client.base_url}/")
    return relative if relative == reference_in(relative, "Patient") else None
