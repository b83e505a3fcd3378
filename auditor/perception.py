"""Perception: is what a rationale says it saw in the signal?

A scorer without words still says something: the rule that it must have applied implies what is to
be seen, and that is checked in place of words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.claim_check import ClaimChecker
from auditor.claims.reader import read_with
from auditor.night import Night
from auditor.rule_check import RuleCheck, cited_rules
from auditor.rule_schema import ImpliedClaim
from auditor.rulebook import Rule, Rulebook
from auditor.triage import Triage
from auditor.vocabulary import (
    Claim,
    ClaimFinding,
    Extent,
    Flag,
    FlagCode,
    ScoredEpoch,
    Span,
    Stage,
    Verdict,
)

_BEST_FIRST = (Verdict.SUPPORTED, Verdict.NOT_ASSESSABLE, Verdict.CONTRADICTED)


class Perception:
    """Holds what is claimed in one night against what was measured."""

    def __init__(self, rulebook: Rulebook, night: Night, triage: Triage) -> None:
        self._claims = ClaimChecker(rulebook.claims, night)
        self._lexicon = rulebook.lexicon
        self._triage = triage

    def findings(
        self, scored: ScoredEpoch, checks: Sequence[RuleCheck]
    ) -> tuple[ClaimFinding, ...]:
        """What the words claim; where there are none, what the stage does."""
        if scored.rationale is not None and scored.rationale.text:
            claims = read_with(self._lexicon, scored.rationale.text)
            return tuple(self._claims.check(claim, scored.index) for claim in claims)
        groups = _applied_rule(scored, checks).implies
        return tuple(self._best_of(group, scored.index) for group in groups)

    def flags(self, stage: Stage, findings: Sequence[ClaimFinding]) -> Iterator[Flag]:
        """One for each claim that the signal contradicts."""
        for finding in findings:
            if finding.verdict is Verdict.CONTRADICTED:
                text = finding.claim.text
                said = f"“{text}”" if text else f"stage {stage} implies otherwise"
                yield self._triage.flag(FlagCode.CLAIM_CONTRADICTED, f"{said}: {finding.reason}")

    def _best_of(self, group: Sequence[ImpliedClaim], index: int) -> ClaimFinding:
        """Of claims of which one is enough, the one that fits best."""
        findings = [self._claims.check(_claim(implied), index) for implied in group]
        return min(findings, key=lambda finding: _BEST_FIRST.index(finding.verdict))


def _applied_rule(scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Rule:
    """The rule that a scorer without words must have applied.

    The cited one, or of those that lead to the stage the one that fits best, so that a stage with
    several rules is not held to the conditions of another.
    """
    leading = [each for each in checks if each.rule.may_lead_to(scored.stage)]
    cited = [each for each in leading if each.rule.id in cited_rules(scored)]
    own = [each for each in leading if each.rule.leads_only_to(scored.stage)]
    holding = [each for each in leading if each.leads_to(scored.stage) is Verdict.SUPPORTED]
    candidates = cited or [each for each in holding if each in own] or holding or own
    return min(candidates, key=lambda e: _BEST_FIRST.index(e.leads_to(scored.stage))).rule


def _claim(implied: ImpliedClaim) -> Claim:
    extent = implied.extent
    return Claim(
        phenomenon=implied.phenomenon,
        polarity=implied.polarity,
        level=implied.level,
        extent=None if extent is None else Extent(extent.op, extent.fraction),
        spans=tuple(Span(start_s, end_s) for start_s, end_s in implied.spans_s),
    )
