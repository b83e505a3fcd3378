"""The report of a study as FHIR resources; :mod:`connector.write_back` brings them into the EHR.

What is built is one preliminary DiagnosticReport with its Observations, the Device that scored,
a Provenance, and a Task that asks for a physician's review; or, for a study that failed, a Task
that says why. Every resource has an identifier that follows from the study and the resource's
role in it, so that it is found again, by whatever way a second attempt comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from typing import TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from fhir.resources.R4B.device import Device
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.fhirresourcemodel import FHIRResourceModel
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.provenance import Provenance
from fhir.resources.R4B.task import Task

from auditor.vocabulary import (
    EPOCH_S,
    SCORED_STAGES,
    Audit,
    EpochAudit,
    Hypnogram,
    RulebookIdentity,
    StagerIdentity,
)
from connector import codes
from connector.fhir import Resource
from connector.figures import SleepFigures
from connector.study import StudyOrder

_T = TypeVar("_T")

UNREVIEWED = (
    "AI-generated sleep staging, not reviewed by a physician; "
    "preliminary and unsigned until a physician has reviewed and signed it."
)

DEVICE = "device"
REPORT = "report"
REVIEW = "review"
FAILURE = "failure"

_VALUE_ELEMENTS = ("valueQuantity", "valueSampledData", "dataAbsentReason")


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a report, before it is stored.

    Attributes:
        role: what it is in the report: "device", "total-sleep-time", "report", …
        full_url: by which other entries refer to it until it has an id.
        resource: FHIR JSON, of primitive types only.
        criteria: a search that finds it, and nothing else, once it is stored.
    """

    role: str
    full_url: str
    resource: Resource
    criteria: dict[str, str]


# ── building ──────────────────────────────────────────────────────────────────────────────


def build_report(
    order: StudyOrder,
    hypnogram: Hypnogram,
    audit: Audit,
    figures: SleepFigures,
    now: datetime,
    recorded_on: date | None = None,
) -> tuple[Entry, ...]:
    """The report's resources, each after those it refers to.

    Args:
        order: the study in the EHR.
        hypnogram: as scored.
        audit: of that scoring.
        figures: of that hypnogram.
        now: of this report, with its time zone.
        recorded_on: the recording's own date, used where the EHR gives no time of it.
    """
    study = _Study(order, now, recorded_on)
    device = _device(hypnogram.stager, audit.rulebook)
    observations = (
        *_figure_observations(study, device, figures),
        _hypnogram_observation(study, device, hypnogram),
        _flags_observation(study, device, audit),
    )
    report = _diagnostic_report(study, observations, figures, audit)
    return (
        device,
        *observations,
        report,
        _provenance(study, device, report, observations),
        _review_task(study, device, report, audit),
    )


def reviewed_values(
    entries: Sequence[Entry], hypnogram: Hypnogram, figures: SleepFigures
) -> dict[str, Resource]:
    """What the Observations of a report hold once a physician has reviewed the night.

    Args:
        entries: the report as it was built.
        hypnogram: with the physician's stages.
        figures: of that hypnogram.

    Returns:
        By role, the elements of the value: ``valueQuantity``, ``valueSampledData`` or
        ``dataAbsentReason``.
    """
    (device,) = (entry for entry in entries if entry.role == DEVICE)
    (report,) = (entry.resource for entry in entries if entry.role == REPORT)
    order = StudyOrder(
        id="reviewed",  # what is taken of these resources has no identity
        document="",
        order=report["basedOn"][0]["reference"],
        patient=report["subject"]["reference"],
    )
    study = _Study(order, datetime.now(UTC), None)
    observations = (
        *_figure_observations(study, device, figures),
        _hypnogram_observation(study, device, hypnogram),
    )
    return {
        entry.role: {
            name: value for name, value in entry.resource.items() if name in _VALUE_ELEMENTS
        }
        for entry in observations
    }


def checked_provenance(elements: Resource) -> Resource:
    """A Provenance as JSON, once it has passed FHIR's own definition of it."""
    return _checked(Provenance, elements)


@dataclass(frozen=True, slots=True)
class _Study:
    """What every resource of one study has in common."""

    order: StudyOrder
    now: datetime
    recorded_on: date | None

    @property
    def instant(self) -> str:
        return self.now.isoformat(timespec="seconds")

    def entry(self, model: type[FHIRResourceModel], role: str, elements: Resource) -> Entry:
        value = f"{self.order.id}.{role}"
        return _entry(model, role, value, {"identifier": [_identifier(value)], **elements})

    def about(self) -> Resource:
        """Elements that Observations and the report share."""
        order = self.order
        return _without_none(
            {
                "meta": {"security": [codes.AI_ASSERTED]},
                "status": "preliminary",
                "basedOn": [_to(order.order)],
                "subject": _to(order.patient),
                "encounter": _to(order.encounter) if order.encounter else None,
                "issued": self.instant,
                **self._effective(),
            }
        )

    def _effective(self) -> Resource:
        if self.order.start:
            period = {"start": self.order.start, "end": self.order.end}
            return {"effectivePeriod": _without_none(period)}
        # An EDF's clock has no time zone, and a FHIR time needs one: only the date is sure.
        return {"effectiveDateTime": self.recorded_on and self.recorded_on.isoformat()}


def _device(stager: StagerIdentity, rulebook: RulebookIdentity) -> Entry:
    """The program that scored and checked, down to weights and rules; one for all its studies."""
    versions = {
        "stager": stager.version,
        "stager weights, SHA-256": stager.weights_sha256,
        "somnoaudit": version("somnoaudit"),
        "rulebook": rulebook.version,
        "rulebook, SHA-256": rulebook.sha256,
    }
    known = _without_none(versions)
    value = str(uuid5(NAMESPACE_OID, json.dumps([codes.IDENTIFIERS, stager.name, known])))
    elements = {
        "identifier": [_identifier(value)],
        "status": "active",
        "deviceName": [
            {"name": f"AI sleep stager {stager.name}", "type": "user-friendly-name"},
            {"name": stager.name, "type": "model-name"},
        ],
        "type": codes.concept("ai-sleep-stager"),
        "version": [{"type": {"text": text}, "value": v} for text, v in known.items()],
    }
    return _entry(Device, DEVICE, value, elements)


def _figure_observations(study: _Study, device: Entry, figures: SleepFigures) -> Iterator[Entry]:
    def minutes(code: str, value: float | None, why_not: str) -> Entry:
        quantity = None if value is None else _quantity(value, "min")
        return _observation(study, device, code, _value(quantity, why_not))

    def per_cent(code: str, share: float | None, why_not: str) -> Entry:
        quantity = None if share is None else _quantity(100 * share, "%")
        return _observation(study, device, code, _value(quantity, why_not))

    unscored, no_sleep, no_rem = "no epoch is scored", "no sleep is scored", "no REM is scored"
    yield minutes("time-in-bed", figures.time_in_bed_minutes, "")
    yield minutes("total-sleep-time", figures.total_sleep_minutes, unscored)
    yield per_cent("sleep-efficiency", figures.sleep_efficiency, unscored)
    yield minutes("sleep-latency", figures.sleep_latency_minutes, no_sleep)
    yield minutes("rem-latency", figures.rem_latency_minutes, no_rem)
    yield minutes("wake-after-sleep-onset", figures.wake_after_sleep_onset_minutes, no_sleep)
    awakenings = None
    if figures.awakenings is not None:
        awakenings = _quantity(figures.awakenings, "{awakenings}", "awakenings")
    yield _observation(study, device, "awakenings", _value(awakenings, no_sleep))
    for stage in SCORED_STAGES:
        yield minutes(f"{stage.value.lower()}-time", figures.stage_minutes[stage], "")
    for stage in SCORED_STAGES:
        yield per_cent(f"{stage.value.lower()}-share", figures.stage_share[stage], no_sleep)


def _hypnogram_observation(study: _Study, device: Entry, hypnogram: Hypnogram) -> Entry:
    values = codes.hypnogram_values()
    numbers = [values[stage] for stage in SCORED_STAGES]
    meaning = ", ".join(f"{values[stage]} = {stage.value}" for stage in SCORED_STAGES)
    sampled = {
        "origin": {"value": 0, "unit": "stage", "system": codes.UCUM, "code": "{stage}"},
        "period": 1000 * EPOCH_S,
        "lowerLimit": int(numbers[0]),
        "upperLimit": int(numbers[-1]),
        "dimensions": 1,
        "data": " ".join(values[stage] for stage in hypnogram.stages),
    }
    note = f"One value for each epoch of 30 s: {meaning}, E = not scored."
    elements = {"valueSampledData": sampled, "note": [{"text": note}]}
    return _observation(study, device, "hypnogram", elements)


def _flags_observation(study: _Study, device: Entry, audit: Audit) -> Entry:
    remarks = (*audit.not_assessable, *audit.notes)
    elements = {
        "valueInteger": len(audit.flagged),
        "component": [_flagged_epoch(epoch) for epoch in audit.flagged] or None,
        "note": [{"text": remark} for remark in remarks] or None,
    }
    return _observation(study, device, "flagged-epochs", elements)


def _flagged_epoch(epoch: EpochAudit) -> Resource:
    at = timedelta(seconds=epoch.index * EPOCH_S)
    text = f"Epoch {epoch.index}, {at} from the start, scored {epoch.stage.value}"
    return {
        "code": codes.concept("flagged-epoch", text),
        "valueInteger": epoch.index,
        "interpretation": [codes.concept(flag.code.value, flag.message) for flag in epoch.flags],
    }


def _observation(study: _Study, device: Entry, code: str, elements: Resource) -> Entry:
    return study.entry(
        Observation,
        code,
        {
            **study.about(),
            "category": [{"coding": [codes.PROCEDURE]}],
            "code": codes.concept(code),
            "device": _to(device.full_url),
            **elements,
        },
    )


def _diagnostic_report(
    study: _Study, observations: Sequence[Entry], figures: SleepFigures, audit: Audit
) -> Entry:
    return study.entry(
        DiagnosticReport,
        REPORT,
        {
            **study.about(),
            "category": [{"coding": [codes.ELECTRONEURO]}],
            "code": {"coding": [codes.POLYSOMNOGRAPHY], "text": "Polysomnography"},
            "result": [_to(observation.full_url) for observation in observations],
            "conclusion": _conclusion(figures, audit),
        },
    )


def _conclusion(figures: SleepFigures, audit: Audit) -> str:
    slept = "No epoch is scored."
    if figures.total_sleep_minutes is not None and figures.sleep_efficiency is not None:
        slept = (
            f"Total sleep time {figures.total_sleep_minutes:.1f} min of "
            f"{figures.time_in_bed_minutes:.1f} min in bed, "
            f"efficiency {figures.sleep_efficiency:.1%}."
        )
    flagged = f"{len(audit.flagged)} of {len(audit.epochs)} epochs are flagged for review."
    notes = [f"{note[:1].upper()}{note[1:]}." for note in figures.notes]
    return " ".join([UNREVIEWED, slept, flagged, *notes])


def _provenance(
    study: _Study, device: Entry, report: Entry, observations: Sequence[Entry]
) -> Entry:
    """Who made the report of what. R4 gives a Provenance no identifier: its target stands in."""
    elements = {
        "target": [_to(entry.full_url) for entry in (report, *observations)],
        "recorded": study.instant,
        "activity": {"coding": [codes.CREATED]},
        "agent": [{"type": {"coding": [codes.AUTHOR]}, "who": _to(device.full_url)}],
        "entity": [
            {"role": "source", "what": _to(study.order.document)},
            {"role": "source", "what": _to(study.order.order)},
        ],
    }
    return Entry(
        "provenance",
        _full_url(f"{study.order.id}.provenance"),
        _checked(Provenance, elements),
        {"target": report.full_url, "agent": device.full_url},
    )


def _review_task(study: _Study, device: Entry, report: Entry, audit: Audit) -> Entry:
    return study.entry(
        Task,
        REVIEW,
        _without_none(
            {
                "status": "requested",
                "intent": "order",
                "code": codes.concept("review-sleep-staging"),
                "description": (
                    "Review, correct and sign the AI-generated sleep staging: "
                    f"{len(audit.flagged)} of {len(audit.epochs)} epochs are flagged."
                ),
                "basedOn": [_to(study.order.order)],
                "focus": _to(report.full_url),
                "for": _to(study.order.patient),
                "encounter": _to(study.order.encounter) if study.order.encounter else None,
                "authoredOn": study.instant,
                "requester": _to(device.full_url),
            }
        ),
    )


def build_failure(
    study_id: str, source: str, patient: str | None, reason: str, now: datetime
) -> Entry:
    """The Task that tells the hospital that a study was not reported, and why.

    Args:
        study_id: as in :class:`connector.study.StudyOrder`.
        source: what was to be staged: "DocumentReference/12".
        patient: "Patient/7"; None where it is not known.
        reason: a sentence for a reader, without a patient's data.
        now: of the failure, with its time zone.
    """
    value = f"{study_id}.{FAILURE}"
    instant = now.isoformat(timespec="seconds")
    elements = {
        "identifier": [_identifier(value)],
        "status": "failed",
        "statusReason": {"text": reason},
        "intent": "order",
        "code": codes.concept("stage-sleep-study"),
        "description": "The sleep study was not staged, and there is no report of it.",
        "focus": _to(source),
        "for": _to(patient) if patient else None,
        "authoredOn": instant,
        "lastModified": instant,
    }
    return _entry(Task, FAILURE, value, _without_none(elements))


def _entry(model: type[FHIRResourceModel], role: str, value: str, elements: Resource) -> Entry:
    criteria = {"identifier": f"{codes.IDENTIFIERS}|{value}"}
    return Entry(role, _full_url(value), _checked(model, elements), criteria)


def _checked(model: type[FHIRResourceModel], elements: Resource) -> Resource:
    """The resource as JSON, once it has passed FHIR's own definition of it."""
    resource: Resource = json.loads(model.model_validate(elements).model_dump_json())
    return resource


def _full_url(value: str) -> str:
    return f"urn:uuid:{uuid5(UUID(codes.IDENTIFIERS.removeprefix('urn:uuid:')), value)}"


def _identifier(value: str) -> Resource:
    return {"system": codes.IDENTIFIERS, "value": value}


def _to(reference: str) -> Resource:
    return {"reference": reference}


def _value(quantity: Resource | None, why_not: str) -> Resource:
    if quantity is not None:
        return {"valueQuantity": quantity}
    return {"dataAbsentReason": {"coding": [codes.NOT_APPLICABLE], "text": why_not}}


def _quantity(value: float, code: str, unit: str | None = None) -> Resource:
    """Minutes are multiples of a half; of a share one decimal is more than scoring can tell."""
    return {"value": round(value, 1), "unit": unit or code, "system": codes.UCUM, "code": code}


def _without_none(elements: Mapping[str, _T | None]) -> dict[str, _T]:
    return {name: element for name, element in elements.items() if element is not None}
