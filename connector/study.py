"""A sleep study in the EHR: its order, its patient, and its recording, brought here.

The recording is an attachment of a DocumentReference, which names the ServiceRequest that it
answers in ``context.related``. The order must be one for polysomnography, and both must be of
the same patient: a report on the wrong patient is the worst that this program could do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from auditor.errors import InputRefused
from connector.codes import POLYSOMNOGRAPHY_ORDER
from connector.edf_join import join
from connector.fhir import (
    FhirClient,
    NotFound,
    Resource,
    difference,
    reference_to,
    telling_of_a_full_disk,
)
from connector.fhir.attachment_hash import attachment_hasher

_M = TypeVar("_M", bound=BaseModel)

# Dots alone are an id to FHIR, and the folder above to a web server.
_FHIR_ID = r"(?!\.+(?:/|$))[A-Za-z0-9\-.]{1,64}"
# FHIR R4, datatypes, dateTime: a time comes with its zone.
_DATE_TIME = r"^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$"

# FHIR R4, value set request-priority, by urgency.
_PRIORITIES = {"stat": 1, "asap": 2, "urgent": 3, "routine": 4}


class StudyRefused(InputRefused):
    """What the EHR says of a study does not add up to one that can be scored."""


@dataclass(frozen=True, slots=True)
class StudyOrder:
    """A study as the EHR names it; references are relative to the EHR's base.

    Attributes:
        id: a UUID that follows from the document's identity: the same however often, and by
            whatever way, somnoaudit is told of the study.
        document: "DocumentReference/12".
        order: "ServiceRequest/3".
        patient: "Patient/7".
        encounter: "Encounter/5"; None where neither document nor order names one.
        start, end: of the recording by the document's ``context.period``, as FHIR dateTimes.
        priority: of the order, 1 (stat) to 4 (routine).
    """

    id: str
    document: str
    order: str
    patient: str
    encounter: str | None = None
    start: str | None = None
    end: str | None = None
    priority: int = _PRIORITIES["routine"]


@dataclass(frozen=True, slots=True)
class Study:
    """A study whose recording is here.

    Attributes:
        order: what the EHR says of it.
        recording: the file.
    """

    order: StudyOrder
    recording: Path

    def document(self) -> dict[str, Any]:
        """As JSON; :meth:`of_document` reads it."""
        document: dict[str, Any] = TypeAdapter(Study).dump_python(self, mode="json")
        return document

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        return TypeAdapter(cls).validate_python(document)


# ── what is read of others' resources; the rest is theirs ─────────────────────────────────


def _usable_date_time(value: object) -> object:
    return value if isinstance(value, str) and re.match(_DATE_TIME, value) else None


_DateTime = Annotated[str | None, BeforeValidator(_usable_date_time)]


class _Reference(BaseModel):
    reference: str = ""


class _Identifier(BaseModel):
    system: str = ""
    value: str = ""


class _Coding(BaseModel):
    system: str = ""
    code: str = ""


class _Concept(BaseModel):
    coding: list[_Coding] = []


class _Attachment(BaseModel):
    content_type: str = Field("", alias="contentType")
    title: str = ""
    url: str = ""
    data: str = ""
    size: int | None = None
    hash: str | None = None


class _Content(BaseModel):
    attachment: _Attachment


class _Period(BaseModel):
    start: _DateTime = None
    end: _DateTime = None


class _Context(BaseModel):
    related: list[_Reference] = []
    encounter: list[_Reference] = []
    period: _Period = _Period()


class _DocumentReference(BaseModel):
    id: str
    status: str
    master_identifier: _Identifier = Field(_Identifier(), alias="masterIdentifier")
    subject: _Reference = _Reference()
    content: list[_Content]
    context: _Context = _Context()

    @property
    def name(self) -> str:
        return f"DocumentReference/{self.id}"


class _ServiceRequest(BaseModel):
    id: str
    status: str
    priority: str = "routine"
    code: _Concept = _Concept()
    subject: _Reference
    encounter: _Reference = _Reference()

    @property
    def name(self) -> str:
        return f"ServiceRequest/{self.id}"

    @property
    def is_for_polysomnography(self) -> bool:
        return any((c.system, c.code) in POLYSOMNOGRAPHY_ORDER for c in self.code.coding)


def find_studies(client: FhirClient, source: str) -> Iterator[StudyOrder]:
    """The studies that a reference names.

    A resource that has nothing to do with a sleep study leads to nothing, for notifications
    may name anything.

    Args:
        client: of the EHR.
        source: "DocumentReference/12" or "ServiceRequest/3".

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    if source.startswith("DocumentReference/"):
        criteria = {"_id": _parts(source)[1]}
    elif source.startswith("ServiceRequest/"):
        criteria = {"related": source, "status": "current"}
    else:
        return
    yield from studies_among(client, client.search("DocumentReference", criteria))


def studies_among(client: FhirClient, documents: Iterable[Resource]) -> Iterator[StudyOrder]:
    """The studies whose recordings these documents are; the others are left out.

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    for document in documents:
        try:
            yield _order_of(client, document)
        except (StudyRefused, NotFound):
            continue


def pull(client: FhirClient, source: str, folder: Path) -> Study:
    """Brings a study here: what the EHR says of it, and its recording into ``folder``.

    Args:
        client: of the EHR.
        source: "DocumentReference/12".
        folder: for the recording; made if missing.

    Raises:
        StudyRefused: something is missing or does not go together; the message says what.
        RecordingRefused: it has several recordings, and they cannot be joined to one.
        SettingsRefused: the disk is full.
        FhirError: the EHR did not answer as it must, or the recording came damaged.
    """
    resource = client.read(*_parts(source))
    order = _order_of(client, resource)
    client.read(*_parts(order.patient))
    attachments = _recordings_of(_parsed(_DocumentReference, resource, source))
    folder.mkdir(parents=True, exist_ok=True)
    recording = folder / f"recording.{_format_of(attachments[0]) or 'edf'}"
    if len(attachments) == 1:
        _bring(client, attachments[0], source, recording)
        return Study(order, recording)
    parts = [folder / f"part-{nth}" for nth, _ in enumerate(attachments, start=1)]
    joined = folder / "joined"
    try:
        for attachment, part in zip(attachments, parts, strict=True):
            _bring(client, attachment, source, part)
        with telling_of_a_full_disk(folder):
            join(parts, joined)
        joined.replace(recording)
    finally:
        for path in (*parts, joined):
            path.unlink(missing_ok=True)
    return Study(order, recording)


def _bring(client: FhirClient, attachment: _Attachment, source: str, path: Path) -> None:
    if attachment.url:
        client.download(attachment.url, path, size=attachment.size, sha1_base64=attachment.hash)
        return
    content = _inline(attachment, source)
    with telling_of_a_full_disk(path.parent):
        path.write_bytes(content)


def _order_of(client: FhirClient, resource: Resource) -> StudyOrder:
    document = _parsed(_DocumentReference, resource, reference_to(resource))
    if document.status != "current":
        raise StudyRefused(
            document.name,
            "its status is not 'current'",
            "send the study that replaces it",
        )
    order = _polysomnography_order(client, document)
    if order.status in ("revoked", "entered-in-error"):
        raise StudyRefused(order.name, f"the order is {order.status}", "place a new order")
    patient = _relative(client, order.subject, "Patient")
    if patient is None:
        raise StudyRefused(
            order.name, "the order names no patient of this server", "set its subject"
        )
    if _relative(client, document.subject, "Patient") != patient:
        raise StudyRefused(
            document.name,
            "it is of another patient than its order",
            "correct the subject of one of them",
        )
    encounters = [*document.context.encounter, order.encounter]
    found = (_relative(client, encounter, "Encounter") for encounter in encounters)
    return StudyOrder(
        id=_identity(client, document),
        document=document.name,
        order=order.name,
        patient=patient,
        encounter=next((encounter for encounter in found if encounter), None),
        start=document.context.period.start,
        end=document.context.period.end,
        priority=_PRIORITIES.get(order.priority, _PRIORITIES["routine"]),
    )


def _polysomnography_order(client: FhirClient, document: _DocumentReference) -> _ServiceRequest:
    for related in document.context.related:
        reference = _relative(client, related, "ServiceRequest")
        if reference is None:
            continue
        order = _parsed(_ServiceRequest, client.read(*_parts(reference)), reference)
        if order.is_for_polysomnography:
            return order
    raise StudyRefused(
        document.name,
        "it is related to no order for polysomnography",
        "name a ServiceRequest with LOINC 28633-6 or SNOMED CT 60554003 in context.related",
    )


def _identity(client: FhirClient, document: _DocumentReference) -> str:
    """Of the document itself where it has an identifier, which outlives a move of the server."""
    own = document.master_identifier
    if own.value:
        return str(uuid5(NAMESPACE_URL, f"{own.system or client.base_url}|{own.value}"))
    return str(uuid5(NAMESPACE_URL, f"{client.base_url}/{document.name}"))


def _recordings_of(document: _DocumentReference) -> list[_Attachment]:
    """The files that the recording consists of, each once: a copy has the same hash."""
    attachments = [content.attachment for content in document.content]
    recordings = [a for a in attachments if _format_of(a)] or [
        a for a in attachments if a.content_type == "application/octet-stream"
    ]
    if not recordings:
        raise StudyRefused(
            document.name,
            "it has no EDF or BDF attachments",
            "attach the recording with contentType application/edf",
        )
    if not all(recording.url or recording.data for recording in recordings):
        raise StudyRefused(
            document.name, "its attachment has neither url nor data", "attach the recording"
        )
    own = {recording.hash or f"{nth}": recording for nth, recording in enumerate(recordings)}
    return list(own.values())


def _format_of(attachment: _Attachment) -> Literal["edf", "bdf"] | None:
    """Of the attachment's type or, where that says nothing, of its name."""
    path = attachment.url.split("?")[0]
    said = f"{attachment.content_type} {attachment.title} {path}".lower()
    for file_format in ("edf", "bdf"):
        # application/edf, application/x-edf, audio/edf+c, night.edf; not "edfinition".
        if re.search(rf"(?<![a-z]){file_format}(?![a-z])", said):
            return file_format
    return None


def _inline(attachment: _Attachment, source: str) -> bytes:
    """The bytes of an attachment that stand within its DocumentReference."""
    try:
        content = base64.b64decode(attachment.data, validate=True)
    except ValueError as error:  # binascii.Error, or characters that are not ASCII
        raise StudyRefused(
            source, "its attachment's data is not base64", "send it again"
        ) from error
    digest = attachment_hasher(content).digest()
    if problem := difference(len(content), digest, attachment.size, attachment.hash):
        raise StudyRefused(source, problem, "send it again")
    return content


def _relative(client: FhirClient, reference: _Reference, resource_type: str) -> str | None:
    """``Type/id`` of a reference to this type on this server, absolute or not; or None."""
    relative = reference.reference.removeprefix(f"{client.base_url}/")
    found = re.fullmatch(rf"({resource_type}/{_FHIR_ID})(/_history/{_FHIR_ID})?", relative)
    return found[1] if found else None


def _parts(reference: str) -> tuple[str, str]:
    resource_type, _, resource_id = reference.partition("/")
    if not re.fullmatch(_FHIR_ID, resource_id):
        raise StudyRefused(reference, "this is no reference", "give one like DocumentReference/12")
    return resource_type, resource_id


def _parsed(model: type[_M], resource: Resource, reference: str) -> _M:
    try:
        return model.model_validate(resource)
    except ValidationError as error:
        # Where it is wrong, and not what stands there, which is a patient's.
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise StudyRefused(
            reference, f"it is not as FHIR R4 defines it, at {place}", "correct it"
        ) from None
