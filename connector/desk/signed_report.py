"""A physician's signature in the EHR: the preliminary report becomes final, or is amended.

What the EHR holds is changed in place, by JSON Patch on the version that was read, so that an
edit made there meanwhile is never overwritten unseen: the Observations first, with the reviewed
values; then the report, with its conclusion and the signed document; then a Provenance with the
signature; and the review Task is closed. Each part is looked at before it is written: cut short
at any point and run again, it ends the same. The document is looked for afterwards too, for some
servers take a report and drop what is attached to it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from auditor.errors import SomnoauditError
from auditor.vocabulary import Hypnogram
from connector import codes
from connector.desk.review import Signature
from connector.fhir import FhirClient, Operations, Resource, reference_to
from connector.fhir.attachment_hash import attachment_hash
from connector.figures import SleepFigures
from connector.report import DEVICE, REPORT, REVIEW, Entry, checked_provenance, reviewed_values

_ONCE_SIGNED = ("final", "amended")
_VALUES = ("valueQuantity", "valueSampledData", "dataAbsentReason")


class ReportChanged(SomnoauditError):
    """The EHR's report is not as somnoaudit left it; nothing of it was overwritten."""


@dataclass(frozen=True, slots=True)
class SignedNight:
    """What goes into the EHR under a signature.

    Attributes:
        signature: the signature.
        hypnogram: with the physician's stages.
        figures: of that hypnogram.
        conclusion: in words, with what is AI-generated and who signed.
        pdf, html: the report as a document.
        recorded_on: the recording's own date, where it is known.
    """

    signature: Signature
    hypnogram: Hypnogram
    figures: SleepFigures
    conclusion: str
    pdf: bytes
    html: bytes
    recorded_on: date | None = None

    @property
    def status(self) -> str:
        return "final" if self.signature.number == 1 else "amended"

    @property
    def signer(self) -> Resource:
        """Who signed, as a Reference."""
        who: Resource = {"display": self.signature.signer}
        if self.signature.reference:
            who["reference"] = self.signature.reference
        return who


def write_signed(client: FhirClient, entries: Sequence[Entry], night: SignedNight) -> bool:
    """Brings a signature into the EHR.

    Args:
        client: of the EHR.
        entries: the preliminary report as it was written.
        night: what was signed.

    Returns:
        Whether the EHR kept the signed PDF in the report; all else is there in any case.

    Raises:
        ReportChanged: somebody withdrew or rewrote the report in the EHR, or it is not there.
        FhirError: the EHR did not answer as it must.
    """
    by_role = {entry.role: entry for entry in entries}
    report = _stored(client, by_role[REPORT])
    _check_is_ours(report, by_role[REPORT], night)
    references = [reference_to(report)]
    for role, values in reviewed_values(entries, night.hypnogram, night.figures).items():
        stored = _stored(client, by_role[role])
        references.append(reference_to(stored))
        client.amend(stored, _wanted({"status": night.status, **values}, _VALUES))
    flags = _stored(client, by_role["flagged-epochs"])
    references.append(reference_to(flags))
    client.amend(flags, _wanted({"status": night.status}))
    client.amend(report, _wanted(_report_elements(night)))
    _sign(client, by_role, references, night)
    client.amend(_stored(client, by_role[REVIEW]), _wanted({"status": "completed"}))
    return _holds(client.read("DiagnosticReport", report["id"]), night.pdf)


def _holds(report: Resource, pdf: bytes) -> bool:
    """Whether a document is in a report as it was sent, or stored elsewhere with its hash."""
    forms = report.get("presentedForm")
    for form in forms if isinstance(forms, list) else ():
        if "data" in form:
            with suppress(ValueError):
                if base64.b64decode(form["data"]) == pdf:
                    return True
        elif "url" in form and form.get("hash") == attachment_hash(pdf):
            return True
    return False


def _stored(client: FhirClient, entry: Entry) -> Resource:
    found = list(client.search(entry.resource["resourceType"], entry.criteria))
    if len(found) != 1:
        raise ReportChanged(
            f"the EHR holds {len(found) or 'no'} resources for the {entry.role} of this study"
        )
    return found[0]


def _check_is_ours(report: Resource, written: Entry, night: SignedNight) -> None:
    """The report as we left it, or as an earlier try of this signature did."""
    already = _same_instant(report.get("issued"), night.signature.at)
    if night.signature.number == 1 and not already:
        expected = {name: written.resource[name] for name in ("status", "conclusion")}
        changed = [name for name, value in expected.items() if report.get(name) != value]
        if changed:
            raise ReportChanged(
                f"the report's {' and '.join(changed)} was changed in the EHR by others; "
                "settle it there, and it is written by itself"
            )
    elif not already and report.get("status") not in _ONCE_SIGNED:
        raise ReportChanged(
            f"the signed report was set to {report.get('status')} in the EHR by others"
        )


def _report_elements(night: SignedNight) -> Resource:
    return {
        "status": night.status,
        "issued": _instant(night),
        "resultsInterpreter": [night.signer],
        "conclusion": night.conclusion,
        "presentedForm": [
            _attachment("application/pdf", night.pdf, night),
            _attachment("text/html", night.html, night),
        ],
    }


def _attachment(content_type: str, content: bytes, night: SignedNight) -> Resource:
    return {
        "contentType": content_type,
        "language": "en",
        "data": base64.b64encode(content).decode(),
        "size": len(content),
        "hash": attachment_hash(content),
        "title": f"Sleep report, {night.status}",
        "creation": _instant(night),
    }


def _sign(
    client: FhirClient, by_role: Mapping[str, Entry], references: Sequence[str], night: SignedNight
) -> None:
    """The Provenance of this signature, once."""
    signed_at = _instant(night)
    for found in client.search("Provenance", {"target": references[0]}):
        given = (each.get("when") for each in found.get("signature", ()))
        if any(_same_instant(when, night.signature.at) for when in given):
            return
    signature = night.signature
    device = _stored(client, by_role[DEVICE])
    content = f"{signature.meaning.value}; content SHA-256 {signature.content_sha256}"
    elements = {
        "target": [{"reference": reference} for reference in references],
        "recorded": signed_at,
        "reason": [{"text": signature.meaning.value}],
        "activity": {"coding": [codes.UPDATED]},
        "agent": [
            {"type": {"coding": [codes.VERIFIER]}, "who": night.signer},
            {"type": {"coding": [codes.AUTHOR]}, "who": {"reference": reference_to(device)}},
        ],
        "signature": [
            {
                "type": [codes.VERIFICATION_SIGNATURE, codes.REVIEW_SIGNATURE],
                "when": signed_at,
                "who": night.signer,
                "sigFormat": "text/plain",
                "data": base64.b64encode(content.encode()).decode(),
            }
        ],
    }
    client.create(checked_provenance(elements))


def _instant(night: SignedNight) -> str:
    return night.signature.at.isoformat(timespec="seconds")


def _same_instant(one: object, other: datetime) -> bool:
    """Servers write a time zone in their own way."""
    try:
        return datetime.fromisoformat(str(one)) == other.replace(microsecond=0)
    except (ValueError, TypeError):
        return False


def _wanted(elements: Resource, instead_of: Sequence[str] = ()) -> Callable[[Resource], Operations]:
    """The patch that gives a resource these elements, and takes away those they stand for."""

    def operations(stored: Resource) -> Operations:
        removed = [name for name in instead_of if name in stored and name not in elements]
        changed = [name for name, value in elements.items() if stored.get(name) != value]
        return [
            *({"op": "remove", "path": f"/{name}"} for name in removed),
            *(
                {
                    "op": "replace" if name in stored else "add",
                    "path": f"/{name}",
                    "value": elements[name],
                }
                for name in changed
            ),
        ]

    return operations
