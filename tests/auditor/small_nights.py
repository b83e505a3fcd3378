"""Small nights for the auditor's tests: evidence of a few epochs, and scorings of them."""

from __future__ import annotations

from functools import cache

from auditor.claim_check import ClaimChecker
from auditor.night import Night
from auditor.rule_cases import CaseEpoch, case_evidence
from auditor.rulebook import Rulebook, load_rulebook
from auditor.vocabulary import (
    Claim,
    ClaimFinding,
    Evidence,
    Hypnogram,
    Phenomenon,
    Rationale,
    ScoredEpoch,
    Span,
    Stage,
    StagerIdentity,
)


@cache
def rulebook() -> Rulebook:
    return load_rulebook()


def epoch(**content: object) -> CaseEpoch:
    """One epoch, quiet but for what is said; ``at_s`` counts from its start."""
    return CaseEpoch.model_validate(content)


def event(kind: Phenomenon, start_s: float, end_s: float, **content: object) -> dict[str, object]:
    return {"kind": kind, "at_s": (start_s, end_s), **content}


def evidence_of(*epochs: CaseEpoch) -> Evidence:
    return case_evidence(list(epochs), rulebook())


def night_of(*epochs: CaseEpoch) -> Night:
    return Night(
        evidence_of(*epochs),
        [each.stage for each in epochs],
        rulebook().quantities,
        rulebook().detection,
    )


def check_claim(claim: Claim, *epochs: CaseEpoch, index: int = 0) -> ClaimFinding:
    return ClaimChecker(rulebook().claims, night_of(*epochs)).check(claim, index)


def scored(
    *epochs: Stage | ScoredEpoch, texts: tuple[str, ...] = (), rules: tuple[str, ...] = ()
) -> Hypnogram:
    """A scoring: stages, or whole scored epochs; texts and rules belong to the first epochs."""
    made = []
    for i, each in enumerate(epochs):
        if isinstance(each, ScoredEpoch):
            made.append(each)
            continue
        text = texts[i] if i < len(texts) else ""
        cited = (rules[i],) if i < len(rules) and rules[i] else ()
        rationale = Rationale(text, cited) if text or cited else None
        made.append(ScoredEpoch(i, each, rationale=rationale))
    return Hypnogram(StagerIdentity("test", "1"), tuple(made))


def at(start_s: float, end_s: float | None = None) -> tuple[Span, ...]:
    return (Span(start_s, start_s if end_s is None else end_s),)
