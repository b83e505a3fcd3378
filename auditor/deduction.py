"""Deduction: do the rules that are cited hold, and does the stage follow from a rule?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.rule_check import RuleCheck, RuleChecker, cited_rules, leading_to
from auditor.rule_schema import ExtentDocument, ImpliedClaim
from auditor.rulebook import Rule, Rulebook
from auditor.triage import Triage
from auditor.vocabulary import (
    Claim,
    ClaimFinding,
    Extent,
    Flag,
    FlagCode,
    Polarity,
    RuleFinding,
    ScoredEpoch,
    Stage,
    Verdict,
)
from auditor.wording import told


class Deduction:
    """Holds the conclusions of one scoring against the rules."""

    def __init__(
        self, rulebook: Rulebook, rules: RuleChecker, stages: Sequence[Stage], triage: Triage
    ) -> None:
        self._rulebook = rulebook
        self._rules = rules
        self._stages = stages
        self._triage = triage

    def findings(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[RuleFinding]:
        """The rules cited, those that lead to the stage, and all others that do or may hold."""
        cited = cited_rules(scored)
        for check in checks:
            is_cited = check.rule.id in cited
            leads = check.rule.may_lead_to(scored.stage)
            if is_cited or leads or check.verdict is not Verdict.CONTRADICTED:
                yield check.finding(is_cited)
        for unknown in self._unknown_rules(scored):
            yield RuleFinding(unknown, True, Verdict.NOT_ASSESSABLE, ())

    def _unknown_rules(self, scored: ScoredEpoch) -> list[str]:
        return [each for each in cited_rules(scored) if self._rulebook.rule(each) is None]

    def flags(
        self,
        scored: ScoredEpoch,
        checks: Sequence[RuleCheck],
        claims: Sequence[ClaimFinding],
    ) -> Iterator[Flag]:
        """What is wrong with the rules cited, the stage, and what it goes on from."""
        yield from self._citation_flags(scored, checks)
        yield from self._words_flags(scored, checks, claims)
        permitted = self._rules.permitted(scored.index)
        if scored.stage not in permitted:
            others = " or ".join(permitted)
            yield self._triage.flag(
                FlagCode.STAGE_NOT_PERMITTED,
                f"no rule leads to {scored.stage} here; "
                + (f"the signal permits {others}" if others else "nor to any other stage"),
            )
        if leading_to(scored.stage, checks) is not Verdict.SUPPORTED:
            yield from self._required_flags(scored, checks)
        yield from self._sequence_flags(scored, checks)

    def _citation_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        """Cited rules that do not exist, do not hold, or lead elsewhere."""
        for unknown in self._unknown_rules(scored):
            yield self._triage.flag(
                FlagCode.RULE_NOT_MET, f"rule {unknown} is cited, but there is no such rule"
            )
        cited = [check for check in checks if check.rule.id in cited_rules(scored)]
        for check in cited:
            if check.verdict is Verdict.CONTRADICTED:
                yield self._not_met(check, scored.stage)
        if cited and not any(check.rule.may_lead_to(scored.stage) for check in cited):
            named = ", ".join(check.rule.id for check in cited)
            yield self._triage.flag(
                FlagCode.RULE_NOT_MET, f"{named} is cited, which does not lead to {scored.stage}"
            )

    def _not_met(self, check: RuleCheck, stage: Stage) -> Flag:
        """The flag of a cited rule that does not hold, by what it lacks."""
        failed = check.failed_for(stage)
        if [each.id for each in failed] == [check.rule.continues]:
            return self._triage.flag(
                FlagCode.SEQUENCE_BROKEN,
                f"{check.rule.id} is cited, but there is nothing that it could continue",
            )
        return self._triage.flag(
            FlagCode.RULE_NOT_MET,
            f"{check.rule.id} is cited, but does not hold: {'; '.join(map(told, failed))}",
        )

    def _words_flags(
        self,
        scored: ScoredEpoch,
        checks: Sequence[RuleCheck],
        claims: Sequence[ClaimFinding],
    ) -> Iterator[Flag]:
        """A rule that is cited against the scorer's own words, whatever the signal shows."""
        words = [finding.claim for finding in claims if finding.claim.text and finding.claim.read]
        for check in checks:
            if check.rule.id in cited_rules(scored):
                for claim in _denials(check.rule, words):
                    yield self._triage.flag(
                        FlagCode.RULE_NOT_MET,
                        f"{check.rule.id} is cited, but the rationale itself says otherwise: "
                        f"“{claim.text}”",
                    )

    def _required_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        for check in checks:
            elsewhere = check.leads_to(scored.stage) is Verdict.CONTRADICTED
            if check.rule.decides_alone and check.verdict is Verdict.SUPPORTED and elsewhere:
                stages = " or ".join(stage for stage, _ in check.stages)
                measured = "; ".join(map(told, check.conditions))
                yield self._triage.flag(
                    FlagCode.OTHER_STAGE_REQUIRED,
                    f"{check.rule.id} holds and decides alone for {stages}: {measured}",
                )

    def _sequence_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        """A stage that only goes on from an epoch whose own stage no rule permits."""
        holding = [c for c in checks if c.leads_to(scored.stage) is not Verdict.CONTRADICTED]
        before = scored.index - 1
        if (
            holding
            and before >= 0
            and all(check.rule.follows_on for check in holding)
            and self._stages[before] is not Stage.UNSCORED
            and self._stages[before] not in self._rules.permitted(before)
        ):
            yield self._triage.flag(
                FlagCode.SEQUENCE_BROKEN,
                f"{scored.stage} only goes on from the epoch before, whose own stage "
                f"({self._stages[before]}) no rule permits",
            )


def _denials(rule: Rule, words: Sequence[Claim]) -> Iterator[Claim]:
    """For each thing that a rule asks for, the words that deny it, if none assert it."""
    for group in rule.implies:
        about = [
            (claim, implied) for implied in group for claim in words if _is_about(claim, implied)
        ]
        if any(not _denies(claim, asked) for claim, asked in about):
            continue
        denied = {asked.phenomenon for _, asked in about}
        if about and denied == {asked.phenomenon for asked in group}:
            yield about[0][0]


def _is_about(claim: Claim, implied: ImpliedClaim) -> bool:
    """Whether words speak of what is implied; those of this epoch say nothing of its neighbours."""
    within = all(start_s >= 0.0 for start_s, _ in implied.spans_s)
    return (
        within
        and claim.phenomenon is implied.phenomenon
        and claim.polarity is not Polarity.UNCERTAIN
    )


def _denies(claim: Claim, implied: ImpliedClaim) -> bool:
    same_polarity = claim.polarity is implied.polarity
    if implied.level is not None and claim.level is not None:
        return same_polarity is not (claim.level is implied.level)
    if implied.extent is not None and implied.extent.op in ("<", "<="):
        # So little is none, too; what is there denies it only where it is said to be more.
        return same_polarity and claim.extent is not None and _exceeds(claim.extent, implied.extent)
    if implied.extent is None:
        return not same_polarity
    if implied.extent.op in ("<", "<="):
        return False  # little of it may be none at all
    return not same_polarity or (
        claim.extent is not None and _falls_short(claim.extent, implied.extent)
    )


def _exceeds(claimed: Extent, limit: ExtentDocument) -> bool:
    """Whether an extent is said to be more than a rule allows."""
    return claimed.op not in ("<", "<=") and claimed.fraction >= limit.fraction


def _falls_short(claimed: Extent, asked: ExtentDocument) -> bool:
    """Whether an extent is said to be less than a rule asks for."""
    if claimed.op in (">", ">="):
        return False
    return claimed.fraction < asked.fraction or (
        claimed.op == "<" and claimed.fraction == asked.fraction
    )
