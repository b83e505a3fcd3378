"""JSON out: scorings, claims, evidence and audits as other programs see them."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from auditor.errors import UsageError, os_reason
from auditor.triage import review_list
from auditor.vocabulary import (
    EPOCH_S,
    Audit,
    Claim,
    ClaimFinding,
    EpochAudit,
    EpochEvidence,
    Event,
    Evidence,
    Interval,
    Measure,
    RuleFinding,
    Scalar,
    ScoredEpoch,
    Stage,
)

Json: TypeAlias = dict[str, Any]


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
        "spans_s": [[span.start_s, span.end_s] for span in claim.spans],
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


def rule_json(finding: RuleFinding) -> Json:
    """What became of a rule, as the contracts write it."""
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
                "operator": condition.operator,
            }
            for condition in finding.conditions
        ],
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
            "review": {
                "budget": audit.review_budget,
                "epochs": [epoch.index for epoch in review_list(audit, audit.review_budget)],
            },
            "not_assessable": list(audit.not_assessable),
            "night_findings": list(audit.night_findings),
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
        "rules": [rule_json(finding) for finding in epoch.rules],
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
        UsageError: the file cannot be written.
    """
    write_text(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Writes the whole text or nothing; makes the folder that it goes into.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        write_whole(text, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({os_reason(error)})") from None


def write_whole(text: str, path: Path) -> None:
    """As :func:`write_text`.

    Raises:
        OSError: the file cannot be written.
    """
    # Where a link leads is written to, and the link stays.
    target = Path(os.path.realpath(path))
    partial = target.with_name(target.name + ".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")  # a device or a pipe, never to be replaced
        return
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
