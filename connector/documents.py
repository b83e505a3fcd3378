"""JSON in and out: scorings, claims, evidence and audits as other programs see them.

Inside the project nothing but frozen types is passed on; this is the door.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from auditor.errors import RecordingRefused, ScoringRefused
from auditor.vocabulary import (
    EPOCH_S,
    Audit,
    Claim,
    ClaimFinding,
    EpochAudit,
    EpochEvidence,
    Event,
    Evidence,
    Hypnogram,
    Interval,
    Measure,
    Rationale,
    RuleFinding,
    Scalar,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)

Json: TypeAlias = dict[str, Any]
_M = TypeVar("_M", bound=BaseModel)

PROBABILITY_TOLERANCE = 0.02
"""How far stage probabilities may be from summing to 1: they are often rounded to 2 digits."""

_REMEDY = "give JSON Lines or an array of {epoch, sleep_stage}, or an EDF+ hypnogram"

# ── scorings: in ──────────────────────────────────────────────────────────────────────────


def _as_list(value: object) -> object:
    """Cited rules also come as one comma-separated text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


class _Row(BaseModel):
    """One epoch of a scoring file."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    epoch: Annotated[int, Field(ge=0, strict=True)]
    sleep_stage: Stage
    reasoning_text: str | None = None
    applicable_rules: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    probabilities: dict[Stage, Annotated[float, Field(ge=0, le=1)]] | None = None
    unreadable_reply: str | None = None


class _Stages(BaseModel):
    """A bare list of stages."""

    epoch_seconds: Literal[30]
    stages: tuple[Stage, ...]


class _StagerRow(BaseModel):
    name: str
    version: str
    weights_sha256: str | None = None


class _AuditRow(BaseModel):
    epoch: Annotated[int, Field(ge=0)]
    stage: Stage


class _AuditDocument(BaseModel):
    """What an Audit JSON says about the scoring that it audited."""

    stager: _StagerRow
    epochs: tuple[_AuditRow, ...]


@dataclass(frozen=True, slots=True)
class Scoring:
    """A scoring as a file gives it: epochs in order, possibly with holes.

    Attributes:
        stager: who made it, where the file says.
        epochs: by index, each once.
    """

    stager: StagerIdentity
    epochs: tuple[ScoredEpoch, ...]

    @property
    def stages(self) -> Mapping[int, Stage]:
        return {scored.index: scored.stage for scored in self.epochs}


FOREIGN_STAGER = StagerIdentity("scored", "unknown")
"""A scoring from elsewhere whose maker is not named in it."""


def read_scoring(path: Path) -> Scoring:
    """Reads a scoring in any of the accepted forms.

    JSON Lines or an array of ``{"epoch", "sleep_stage", …}``, ``{"epoch_seconds": 30,
    "stages": […]}``, an Audit JSON, or an EDF+ file with stage annotations.

    Raises:
        ScoringRefused: the file cannot be read as a scoring; says where and why.
    """
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise ScoringRefused(path, "is a folder, not a scoring file", _REMEDY) from None
    except OSError as error:
        problem = f"cannot be read ({(error.strerror or 'unknown reason').lower()})"
        raise ScoringRefused(path, problem, "check the name and the permissions") from None
    if content.startswith((b"0       ", b"\xffBIOSEMI")):
        return _read_edf_hypnogram(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScoringRefused(path, "is neither UTF-8 text nor EDF+", _REMEDY) from None
    if not text.strip():
        raise ScoringRefused(path, "is empty", _REMEDY)
    return _parse_scoring(path, text)


def _parse_scoring(path: Path, text: str) -> Scoring:
    try:
        document = json.loads(text)
    except ValueError:
        return _of_rows(path, list(_json_lines(path, text)))
    if isinstance(document, list):
        return _of_rows(path, [(f"entry {i}", row) for i, row in enumerate(document)])
    if isinstance(document, dict) and "stages" in document:
        bare = _validated(path, "", _Stages, document)
        epochs = tuple(ScoredEpoch(i, stage) for i, stage in enumerate(bare.stages))
        return _non_empty(path, Scoring(FOREIGN_STAGER, epochs))
    if isinstance(document, dict) and "epochs" in document:
        audit = _validated(path, "", _AuditDocument, document)
        rows = [
            (f"entry {i}", {"epoch": row.epoch, "sleep_stage": row.stage})
            for i, row in enumerate(audit.epochs)
        ]
        stager = StagerIdentity(**audit.stager.model_dump())
        return Scoring(stager, _of_rows(path, rows).epochs)
    if isinstance(document, dict):
        return _of_rows(path, [("line 1", document)])
    raise ScoringRefused(path, f"holds a JSON {type(document).__name__}", _REMEDY)


def _json_lines(path: Path, text: str) -> Iterable[tuple[str, object]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "not a value"
                raise ScoringRefused(
                    path, f"line {number} is not JSON ({reason})", _REMEDY
                ) from None


def _of_rows(path: Path, rows: Sequence[tuple[str, object]]) -> Scoring:
    epochs: dict[int, ScoredEpoch] = {}
    for where, content in rows:
        row = _validated(path, where, _Row, content)
        if row.epoch in epochs:
            raise ScoringRefused(
                path, f"{where}: epoch {row.epoch} is scored twice", "keep one of the two"
            )
        epochs[row.epoch] = ScoredEpoch(
            row.epoch,
            row.sleep_stage,
            _probabilities(path, where, row.probabilities),
            _rationale(row),
            row.unreadable_reply,
        )
    return _non_empty(
        path, Scoring(FOREIGN_STAGER, tuple(epochs[index] for index in sorted(epochs)))
    )


def _non_empty(path: Path, scoring: Scoring) -> Scoring:
    if not scoring.epochs:
        raise ScoringRefused(path, "scores no epoch", _REMEDY)
    return scoring


def _rationale(row: _Row) -> Rationale | None:
    if row.reasoning_text is None and not row.applicable_rules:
        return None
    return Rationale(row.reasoning_text or "", row.applicable_rules)


def _probabilities(
    path: Path, where: str, given: dict[Stage, float] | None
) -> Mapping[Stage, float] | None:
    if not given:
        return None
    total = sum(given.values())
    if abs(total - 1) > PROBABILITY_TOLERANCE:
        raise ScoringRefused(
            path, f"{where}, probabilities: sum to {total:.3g}, not 1", "normalise them"
        )
    return {stage: value / total for stage, value in given.items()}


def _validated(path: Path, where: str, model: type[_M], content: object) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ", ".join([where, *(str(part) for part in first["loc"])]).strip(", ")
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise ScoringRefused(path, problem, "see the README's scoring file") from None


def _read_edf_hypnogram(path: Path) -> Scoring:
    from connector.edf import read_annotations, stages_from_annotations

    try:
        annotations = read_annotations(path)
    except RecordingRefused as refused:
        raise ScoringRefused(path, refused.problem, refused.remedy) from None
    stages = stages_from_annotations(annotations)
    if not stages:
        raise ScoringRefused(
            path, "carries no annotation that names a sleep stage", "score it in EDF+ first"
        )
    return Scoring(FOREIGN_STAGER, tuple(ScoredEpoch(i, s) for i, s in enumerate(stages)))


def fit_to_recording(scoring: Scoring, n_epochs: int) -> Hypnogram:
    """The scoring as a hypnogram of exactly the recording's epochs; says what did not fit."""
    by_index = {scored.index: scored for scored in scoring.epochs}
    missing = [i for i in range(n_epochs) if i not in by_index]
    beyond = [i for i in by_index if i >= n_epochs]
    notes = []
    if missing:
        notes.append(f"the scoring leaves out {len(missing)} of {n_epochs} epochs")
    if beyond:
        notes.append(
            f"the scoring has {len(beyond)} epochs beyond the recording's {n_epochs}; "
            "they are not audited"
        )
    epochs = (by_index.get(i, ScoredEpoch(i, Stage.UNSCORED)) for i in range(n_epochs))
    return Hypnogram(scoring.stager, tuple(epochs), tuple(notes))


# ── out ───────────────────────────────────────────────────────────────────────────────────


def scoring_rows(epochs: Iterable[ScoredEpoch]) -> list[Json]:
    """A scoring file's rows."""
    return [
        _without_none(
            {
                "epoch": scored.index,
                "sleep_stage": scored.stage.value,
                "reasoning_text": scored.rationale.text if scored.rationale else None,
                "applicable_rules": (
                    list(scored.rationale.applicable_rules) if scored.rationale else None
                ),
                "probabilities": _rounded(scored.probabilities),
                "unreadable_reply": scored.unreadable_reply,
            }
        )
        for scored in epochs
    ]


def claim_json(claim: Claim) -> Json:
    """A claim as the contracts write it."""
    return {
        "phenomenon": claim.phenomenon.value,
        "polarity": claim.polarity.value,
        "read": claim.read,
        "level": claim.level.value if claim.level else None,
        "channels": list(claim.channels),
        "spans_s": [[span.start_s, span.end_s] for span in claim.spans] or None,
        "frequency_hz": _interval(claim.frequency_hz),
        "duration_s": _interval(claim.duration_s),
        "amplitude_uv": _interval(claim.amplitude_uv),
        "extent": (
            {"op": claim.extent.op, "fraction": claim.extent.fraction} if claim.extent else None
        ),
        "start": claim.start,
        "end": claim.end,
        "text": claim.text,
    }


def evidence_json(evidence: Evidence) -> Json:
    """The evidence document."""
    return {
        "recording": _recording(evidence),
        "events": [_event(event) for event in evidence.events],
        "epochs": [_epoch_evidence(epoch) for epoch in evidence.epochs],
    }


def audit_json(audit: Audit, evidence: Evidence, figures: Json) -> Json:
    """The audit document; ``figures`` are the night's sleep figures, put into its summary."""
    flagged = audit.flagged
    return {
        "recording": _recording(evidence),
        "stager": {
            "name": audit.stager.name,
            "version": audit.stager.version,
            "weights_sha256": audit.stager.weights_sha256,
        },
        "rulebook": {"version": audit.rulebook.version, "sha256": audit.rulebook.sha256},
        "epochs": [_epoch_audit(epoch) for epoch in audit.epochs],
        "summary": {
            "epochs": len(audit.epochs),
            "flagged": len(flagged),
            "flagged_fraction": _short(len(flagged) / max(1, len(audit.epochs))),
            "flags": dict(Counter(flag.code.value for e in flagged for flag in e.flags)),
            "claims": dict(Counter(c.verdict.value for e in audit.epochs for c in e.claims)),
            "review_order": [epoch.index for epoch in flagged],
            "not_assessable": list(audit.not_assessable),
            "notes": list(audit.notes),
            "sleep": figures,
            "statement": "AI-generated; not reviewed or signed by a physician",
        },
    }


def _recording(evidence: Evidence) -> Json:
    return {
        "epochs": evidence.n_epochs,
        "epoch_seconds": int(EPOCH_S),
        "start": evidence.start.isoformat() if evidence.start else None,
        "channels": {
            role.value: _without_none(
                {"label": report.label, "quality": report.quality, "how": report.how or None}
            )
            for role, report in evidence.channels.items()
        },
        "missing": {role.value: reason for role, reason in evidence.missing.items()},
        "notes": list(evidence.notes),
    }


def _event(event: Event) -> Json:
    return {
        "kind": event.kind.value,
        "channel": event.channel,
        "start_s": round(event.start_s, 3),
        "end_s": round(event.end_s, 3),
        "probability": round(event.probability, 4),
        "frequency_hz": _short(event.frequency_hz),
        "amplitude_uv": _short(event.amplitude_uv),
    }


def _epoch_evidence(epoch: EpochEvidence) -> Json:
    return {
        "epoch": epoch.index,
        "measures": {name: _measure(measure) for name, measure in epoch.measures.items()},
        "not_assessable": {
            phenomenon.value: reason for phenomenon, reason in epoch.not_assessable.items()
        },
    }


def _measure(measure: Measure) -> Json:
    return {
        "value": _short(measure.value),
        "unit": measure.unit,
        "channel": measure.channel,
        "low": _short(measure.low),
        "high": _short(measure.high),
    }


def _epoch_audit(epoch: EpochAudit) -> Json:
    return {
        "epoch": epoch.index,
        "stage": epoch.stage.value,
        "claims": [_claim_finding(finding) for finding in epoch.claims],
        "rules": [_rule_finding(finding) for finding in epoch.rules],
        "permitted_stages": [stage.value for stage in epoch.permitted_stages],
        "flags": [
            {"code": flag.code.value, "severity": flag.severity.value, "message": flag.message}
            for flag in epoch.flags
        ],
        "priority": _short(epoch.priority),
    }


def _claim_finding(finding: ClaimFinding) -> Json:
    return {
        **claim_json(finding.claim),
        "verdict": finding.verdict.value,
        "measured": _short(finding.measured),
        "expected": _short(finding.expected),
        "reason": finding.reason,
    }


def _rule_finding(finding: RuleFinding) -> Json:
    return {
        "id": finding.id,
        "cited": finding.cited,
        "verdict": finding.verdict.value,
        "conditions": [
            {
                "id": condition.id,
                "measured": _short(condition.measured),
                "threshold": _short(condition.threshold),
                "unit": condition.unit,
                "verdict": condition.verdict.value,
                "reason": condition.reason,
            }
            for condition in finding.conditions
        ],
    }


def _interval(interval: Interval | None) -> list[float | None] | None:
    if interval is None:
        return None
    return [end if math.isfinite(end) else None for end in (interval.low, interval.high)]


def _short(value: Scalar) -> Scalar:
    """Four digits are more than any of these measurements is good for."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _rounded(probabilities: Mapping[Stage, float] | None) -> Json | None:
    if probabilities is None:
        return None
    return {stage.value: round(value, 4) for stage, value in probabilities.items()}


def _without_none(document: Json) -> Json:
    return {key: value for key, value in document.items() if value is not None}


def write_json(document: object, path: Path) -> None:
    """Writes the whole document or nothing.

    Raises:
        OSError: the folder does not exist or cannot be written to.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
