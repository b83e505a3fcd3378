"""Kept studies audited again by today's rulebook, on the evidence that was kept with them.

Nothing is staged or measured again, and nothing is taken back: the new audit stands beside the
earlier ones, and the EHR's report stays what it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from auditor.engine import audit
from auditor.night import Night
from auditor.rule_check import RuleChecker
from auditor.rulebook import Rulebook
from auditor.vocabulary import Evidence, Hypnogram, RulebookIdentity
from auditor.wording import spoken
from connector.audit_changes import (
    Change,
    ClaimChange,
    ConditionChange,
    EpochChange,
    RuleChange,
    changes,
)
from connector.documents import Json, audit_json
from connector.kept import kept_evidence, kept_hypnogram
from connector.store import Store
from connector.stored import AuditedStudy
from connector.terminal import table
from staging.stager import Progress

NOTE = "audited again on kept evidence; the report in the EHR was made from an earlier audit"
STATEMENT = "Nothing was written to the EHR: its reports were made from the earlier audits"

_SHOWN_EPOCHS = 10


class Outcome(StrEnum):
    """What became of a study."""

    CURRENT = "current"
    SAME = "same"
    CHANGED = "changed"
    NOT_KEPT = "not kept"


_SAID = {
    Outcome.CURRENT: "audited by this rulebook already; nothing to do",
    Outcome.SAME: "nothing changed",
    Outcome.NOT_KEPT: "cannot be audited again: no evidence was kept with its audit",
}


@dataclass(frozen=True, slots=True)
class Reaudited:
    """One study and what today's rulebook changes in it.

    Attributes:
        study: its identifier.
        report: the DiagnosticReport in the EHR.
        outcome: whether it was audited again, and whether that changed anything.
        rulebook: by which it was audited before, and today's.
        flagged: how many epochs are flagged.
        epochs: those that changed.
    """

    study: str
    report: str | None
    outcome: Outcome
    rulebook: Change[RulebookIdentity]
    flagged: Change[int]
    epochs: tuple[EpochChange, ...] = ()


def reaudit(
    store: Store, rulebook: Rulebook, progress: Progress, since: datetime | None = None
) -> Iterator[Reaudited]:
    """Audits the reported studies whose latest audit is by another rulebook, oldest first.

    Each is stored before the next is begun.

    Args:
        store: where they were kept.
        rulebook: today's.
        progress: told the share of the studies that are done.
        since: leaves out studies that were named before.
    """
    studies = store.reported_studies(since)
    for done, study_id in enumerate(studies):
        progress("reaudit", done / len(studies))
        found = store.audited_study(study_id)
        if found is not None:
            yield _reaudited(store, found, rulebook)
    progress("reaudit", 1.0)


def _reaudited(store: Store, found: AuditedStudy, rulebook: Rulebook) -> Reaudited:
    earlier = RulebookIdentity(found.audit.rulebook_version, found.audit.rulebook_sha256)
    before: Json = json.loads(found.audit.document)
    flagged: int = before["summary"]["flagged"]
    same = Reaudited(
        study=found.study.id,
        report=found.study.report,
        outcome=Outcome.CURRENT,
        rulebook=Change(earlier, rulebook.identity),
        flagged=Change(flagged, flagged),
    )
    if earlier.sha256 == rulebook.identity.sha256:
        return same
    if found.evidence is None:
        return replace(same, outcome=Outcome.NOT_KEPT)
    hypnogram, evidence = kept_hypnogram(found.hypnogram), kept_evidence(found.evidence)
    after = _audit_document(hypnogram, evidence, rulebook, before["summary"]["sleep"])
    night = Night(evidence, hypnogram.stages, rulebook.quantities, rulebook.detection)
    changed = tuple(changes(before, after, RuleChecker(rulebook, night)))
    store.add_further_audit(
        found.audit,
        rulebook.identity,
        json.dumps(after, ensure_ascii=False, allow_nan=False),
        after["summary"]["flagged"],
    )
    return replace(
        same,
        outcome=Outcome.CHANGED if changed else Outcome.SAME,
        flagged=Change(flagged, after["summary"]["flagged"]),
        epochs=changed,
    )


def _audit_document(
    hypnogram: Hypnogram, evidence: Evidence, rulebook: Rulebook, figures: Json
) -> Json:
    """Today's audit; the sleep figures follow from the scoring alone, and stay."""
    again = audit(hypnogram, evidence, rulebook)
    return audit_json(replace(again, notes=(*again.notes, NOTE)), evidence, figures)


# ── for other programs ────────────────────────────────────────────────────────────────────


def reaudit_json(studies: Sequence[Reaudited], rulebook: RulebookIdentity) -> Json:
    """All that changed and why, as JSON."""
    return {
        "rulebook": _identity(rulebook),
        "studies": [
            {
                "study": study.study,
                "report": study.report,
                "outcome": study.outcome.value,
                "rulebook": _change(study.rulebook.map(_identity)),
                "flagged": _change(study.flagged),
                "epochs": [_epoch(epoch) for epoch in study.epochs],
            }
            for study in studies
        ],
        "statement": STATEMENT,
    }


def _identity(rulebook: RulebookIdentity) -> Json:
    return {"version": rulebook.version, "sha256": rulebook.sha256}


def _change(change: Change[Any]) -> Json:
    return {"before": change.before, "after": change.after}


def _epoch(epoch: EpochChange) -> Json:
    return {
        "epoch": epoch.index,
        "stage": epoch.stage,
        "flags_added": list(epoch.added),
        "flags_removed": list(epoch.removed),
        "permitted_stages": _change(epoch.permitted),
        "rules": [
            {
                "id": rule.id,
                "verdict": _change(rule.verdict),
                "conditions": [_condition(condition) for condition in rule.conditions],
            }
            for rule in epoch.rules
        ],
        "claims": [
            {"said": claim.said, "verdict": _change(claim.verdict), "reason": claim.reason}
            for claim in epoch.claims
        ],
    }


def _condition(condition: ConditionChange) -> Json:
    return {
        "id": condition.id,
        "of_rule": condition.of_rule,
        "measured": _change(condition.measured),
        "threshold": _change(condition.threshold),
        "unit": condition.unit,
        "verdict": _change(condition.verdict),
    }


# ── for a person ──────────────────────────────────────────────────────────────────────────


def reaudit_summary(studies: Sequence[Reaudited], rulebook: RulebookIdentity, address: str) -> str:
    """What changed in each study and why, the first epochs of each."""
    lines = [f"Rulebook {_named(rulebook)} over the reported studies in {address}", ""]
    if not studies:
        lines.append("There are none.")
    else:
        rows = [("study", "audited before by", "flagged", "")]
        rows += [
            (
                study.study,
                _named(study.rulebook.before),
                _arrow(study.flagged),
                _SAID.get(study.outcome, f"{len(study.epochs)} epochs changed"),
            )
            for study in studies
        ]
        lines.append(table(rows))
    for study in studies:
        if study.epochs:
            lines += ["", f"{study.study} ({study.report})", *_study_lines(study)]
    return "\n".join([*lines, "", f"{STATEMENT}."])


def _study_lines(study: Reaudited) -> Iterator[str]:
    causes = Counter(
        f"rule {rule.id}, {_name(condition)} needed {_arrow(condition.threshold)}"
        for epoch in study.epochs
        for rule in epoch.rules
        for condition in rule.conditions
        if condition.threshold.differs
    )
    for cause, n in causes.most_common():
        yield f"  {n} of {len(study.epochs)} by {cause}"
    for epoch in study.epochs[:_SHOWN_EPOCHS]:
        yield from _epoch_lines(epoch)
    if len(study.epochs) > _SHOWN_EPOCHS:
        yield f"  … and {len(study.epochs) - _SHOWN_EPOCHS} more epochs; --json names them all"


def _named(rulebook: RulebookIdentity) -> str:
    return f"{rulebook.version} ({rulebook.sha256[:8]})"


def _arrow(change: Change[Any], none: str = "–") -> str:
    said = change.map(lambda value: none if value is None else _short(value))
    return f"{said.before} → {said.after}" if change.differs else said.after


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _epoch_lines(epoch: EpochChange) -> Iterator[str]:
    permitted = epoch.permitted.map(lambda stages: ", ".join(stages) or "none")
    yield f"  epoch {epoch.index}, scored {epoch.stage}; the signal permits {_arrow(permitted)}"
    for mark, flags in (("+", epoch.added), ("−", epoch.removed)):
        for flag in flags:
            yield f"    {mark} {flag['code']} ({flag['severity']}): {flag['message']}"
    for rule in epoch.rules:
        yield f"    because {_rule_line(rule)}"
    for claim in epoch.claims:
        yield f"    because {_claim_line(claim)}"
    if not epoch.rules and not epoch.claims:
        yield (
            "    no rule and no claim came out otherwise here: see the epoch before it, "
            "or what rules/triage.yaml puts before the physician"
        )


def _rule_line(rule: RuleChange) -> str:
    said = f"rule {rule.id} is {_verdicts(rule.verdict, 'no rule')}"
    measured = "; ".join(_measured(each) for each in rule.conditions if each.of_rule is None)
    others = dict.fromkeys(each.of_rule for each in rule.conditions if each.of_rule is not None)
    follows = f"which follows from {', '.join(others)}" if others else ""
    return said + "".join(f"{mark} {why}" for mark, why in ((":", measured), (",", follows)) if why)


def _measured(condition: ConditionChange) -> str:
    unit = f" {condition.unit}" if condition.unit not in ("", "1") else ""
    measured = condition.measured
    if measured.before is None:  # the earlier audit does not say: most likely the same
        measured = Change(measured.after, measured.after)
    return (
        f"{_name(condition)} measured {_arrow(measured)}{unit}, "
        f"needed {_arrow(condition.threshold)}{unit}"
    )


def _name(condition: ConditionChange) -> str:
    return spoken(condition.id)


def _claim_line(claim: ClaimChange) -> str:
    return f"the claim {claim.said} is {_verdicts(claim.verdict, 'not made')}: {claim.reason}"


def _verdicts(change: Change[str | None], none: str) -> str:
    return spoken(_arrow(change, none))
