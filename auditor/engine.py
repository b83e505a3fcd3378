"""The audit: claims, cited rules and stages of a scoring, against evidence and rulebook.

Perception and deduction are kept apart. Perception: is what the rationale says it saw in the
signal (claims)? Deduction: do the rules it cites hold, and does its stage follow from a rule?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from auditor.claim_check import ClaimChecker
from auditor.claims import read_claims
from auditor.kleene import disjunction
from auditor.night import Night, phenomena_of
from auditor.rule_check import RuleCheck, RuleChecker
from auditor.rule_schema import ImpliedClaim
from auditor.rulebook import Rule, Rulebook
from auditor.triage import Signs, Triage, confidence, is_transition
from auditor.vocabulary import (
    Audit,
    Claim,
    ClaimFinding,
    EpochAudit,
    Evidence,
    Extent,
    Flag,
    FlagCode,
    Hypnogram,
    Phenomenon,
    RuleFinding,
    ScoredEpoch,
    Span,
    Stage,
    Verdict,
)

_BEST_FIRST = (Verdict.SUPPORTED, Verdict.NOT_ASSESSABLE, Verdict.CONTRADICTED)


def audit(
    hypnogram: Hypnogram,
    evidence: Evidence,
    rulebook: Rulebook,
    second_opinion: Hypnogram | None = None,
) -> Audit:
    """Audits a scoring.

    Args:
        hypnogram: the scoring, with a physician's overrides where there are any.
        evidence: what was measured in the same recording, without regard to any scoring.
        rulebook: by which to audit.
        second_opinion: another stager's scoring of the same recording.

    Epochs beyond the recording's end are not audited, which a note says.
    """
    auditor = _Auditor(hypnogram, evidence, rulebook, second_opinion)
    return Audit(
        stager=hypnogram.stager,
        rulebook=rulebook.identity,
        epochs=tuple(auditor.epochs()),
        not_assessable=tuple(auditor.study_notes()),
        notes=(*hypnogram.notes, *auditor.notes()),
    )


class _Auditor:
    """One night under audit."""

    def __init__(
        self,
        hypnogram: Hypnogram,
        evidence: Evidence,
        rulebook: Rulebook,
        second_opinion: Hypnogram | None,
    ) -> None:
        self._hypnogram = hypnogram
        self._evidence = evidence
        self._rulebook = rulebook
        self._second = second_opinion.stages if second_opinion is not None else ()
        self._stages = hypnogram.stages
        self._explains = hypnogram.explains
        self._n = min(len(self._stages), evidence.n_epochs)
        night = Night(evidence, self._stages, rulebook.quantities, rulebook.detection)
        self._rules = RuleChecker(rulebook, night)
        self._claims = ClaimChecker(rulebook.claims, night)
        self._triage = Triage(rulebook.triage)
        self._lacking = self._lacking_throughout()

    def epochs(self) -> Iterator[EpochAudit]:
        return (self._epoch(scored) for scored in self._hypnogram.epochs[: self._n])

    def notes(self) -> Iterator[str]:
        beyond = len(self._stages) - self._n
        if beyond:
            yield f"{beyond} scored epochs lie beyond the recording's end and were not audited"

    # ── one epoch ─────────────────────────────────────────────────────────────────────────

    def _epoch(self, scored: ScoredEpoch) -> EpochAudit:
        if scored.stage is Stage.UNSCORED:
            flags = tuple(self._reply_flags(scored))
            priority = self._triage.priority(flags, Signs(False, None, False)) if flags else 0.0
            return EpochAudit(scored.index, scored.stage, (), (), (), flags, priority)
        checks = tuple(self._rules.checks(scored.index))
        permitted = self._rules.permitted(scored.index)
        claims = self._claim_findings(scored, checks)
        flags = self._triage.ordered(
            [
                *self._reply_flags(scored),
                *self._perception_flags(scored.stage, claims),
                *self._deduction_flags(scored, checks, permitted),
                *self._trust_flags(scored, checks),
            ]
        )
        signs = Signs(
            rule_holds=_leading_to(scored.stage, checks) is Verdict.SUPPORTED,
            confidence=confidence(scored),
            transition=is_transition(self._stages[: self._n], scored.index),
        )
        return EpochAudit(
            index=scored.index,
            stage=scored.stage,
            claims=claims,
            rules=tuple(self._rule_findings(scored, checks)),
            permitted_stages=permitted,
            flags=flags,
            priority=self._triage.priority(flags, signs),
        )

    # ── perception ────────────────────────────────────────────────────────────────────────

    def _claim_findings(
        self, scored: ScoredEpoch, checks: Sequence[RuleCheck]
    ) -> tuple[ClaimFinding, ...]:
        """What the words claim; where there are none, what the stage does."""
        if scored.rationale is not None and scored.rationale.text:
            claims = read_claims(scored.rationale.text)
            return tuple(self._claims.check(claim, scored.index) for claim in claims)
        groups = self._applied_rule(scored, checks).implies
        return tuple(self._best_of(group, scored.index) for group in groups)

    def _applied_rule(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Rule:
        """The rule that a scorer without words must have applied.

        The cited one, or of those that lead to the stage the one that fits best, so that a
        stage with several rules is not held to the conditions of another.
        """
        leading = [each for each in checks if _may_lead_to(scored.stage, each.rule)]
        cited = [each for each in leading if each.rule.id in _cited(scored)]
        own = [each for each in leading if _is_of(scored.stage, each.rule)]
        holding = [each for each in leading if each.leads_to(scored.stage) is Verdict.SUPPORTED]
        candidates = cited or [each for each in holding if each in own] or holding or own
        return min(candidates, key=lambda e: _BEST_FIRST.index(e.leads_to(scored.stage))).rule

    def _best_of(self, group: Sequence[ImpliedClaim], index: int) -> ClaimFinding:
        """Of claims of which one is enough, the one that fits best."""
        findings = [self._claims.check(_claim(implied), index) for implied in group]
        return min(findings, key=lambda finding: _BEST_FIRST.index(finding.verdict))

    def _perception_flags(self, stage: Stage, claims: Sequence[ClaimFinding]) -> Iterator[Flag]:
        for finding in claims:
            if finding.verdict is Verdict.CONTRADICTED:
                text = finding.claim.text
                said = f"“{text}”" if text else f"stage {stage} implies otherwise"
                yield self._triage.flag(FlagCode.CLAIM_CONTRADICTED, f"{said}: {finding.reason}")

    # ── deduction ─────────────────────────────────────────────────────────────────────────

    def _rule_findings(
        self, scored: ScoredEpoch, checks: Sequence[RuleCheck]
    ) -> Iterator[RuleFinding]:
        """The rules cited, those that lead to the stage, and all others that do or may hold."""
        cited = _cited(scored)
        for check in checks:
            is_cited = check.rule.id in cited
            leads = _may_lead_to(scored.stage, check.rule)
            if is_cited or leads or check.verdict is not Verdict.CONTRADICTED:
                yield check.finding(is_cited)
        for unknown in self._unknown_rules(scored):
            yield RuleFinding(unknown, True, Verdict.NOT_ASSESSABLE, ())

    def _unknown_rules(self, scored: ScoredEpoch) -> list[str]:
        return [each for each in _cited(scored) if self._rulebook.rule(each) is None]

    def _deduction_flags(
        self, scored: ScoredEpoch, checks: Sequence[RuleCheck], permitted: Sequence[Stage]
    ) -> Iterator[Flag]:
        yield from self._citation_flags(scored, checks)
        if scored.stage not in permitted:
            others = " or ".join(permitted)
            yield self._triage.flag(
                FlagCode.STAGE_NOT_PERMITTED,
                f"no rule leads to {scored.stage} here; "
                + (f"the signal permits {others}" if others else "nor to any other stage"),
            )
        if _leading_to(scored.stage, checks) is not Verdict.SUPPORTED:
            yield from self._required_flags(scored, checks)
        yield from self._sequence_flags(scored, checks)

    def _citation_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        """Cited rules that do not exist, do not hold, or lead elsewhere."""
        for unknown in self._unknown_rules(scored):
            yield self._triage.flag(
                FlagCode.RULE_NOT_MET, f"rule {unknown} is cited, but there is no such rule"
            )
        cited = [check for check in checks if check.rule.id in _cited(scored)]
        for check in cited:
            if check.verdict is Verdict.CONTRADICTED:
                yield self._not_met(check)
        if cited and not any(_may_lead_to(scored.stage, check.rule) for check in cited):
            named = ", ".join(check.rule.id for check in cited)
            yield self._triage.flag(
                FlagCode.RULE_NOT_MET, f"{named} is cited, which does not lead to {scored.stage}"
            )

    def _not_met(self, check: RuleCheck) -> Flag:
        """The flag of a cited rule that does not hold, by what it lacks."""
        failed = [each for each in check.conditions if each.verdict is Verdict.CONTRADICTED]
        if [each.id for each in failed] == [check.rule.continues]:
            return self._triage.flag(
                FlagCode.SEQUENCE_BROKEN,
                f"{check.rule.id} is cited, but there is nothing that it could continue",
            )
        return self._triage.flag(
            FlagCode.RULE_NOT_MET,
            f"{check.rule.id} is cited, but does not hold: {'; '.join(map(check.spoken, failed))}",
        )

    def _required_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        for check in checks:
            elsewhere = check.leads_to(scored.stage) is Verdict.CONTRADICTED
            if check.rule.decides_alone and check.verdict is Verdict.SUPPORTED and elsewhere:
                stages = " or ".join(stage for stage, _ in check.stages)
                measured = "; ".join(map(check.spoken, check.conditions))
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

    # ── what the reply, the signal and others say of the epoch ────────────────────────────

    def _reply_flags(self, scored: ScoredEpoch) -> Iterator[Flag]:
        if scored.unreadable_reply is not None:
            yield self._triage.flag(
                FlagCode.REPLY_UNREADABLE, "the model's reply could not be read as a scoring"
            )
        elif (
            self._explains
            and scored.stage is not Stage.UNSCORED
            and (scored.rationale is None or not scored.rationale.text)
        ):
            yield self._triage.flag(
                FlagCode.RATIONALE_MISSING, "other epochs are explained, this one is not"
            )

    def _trust_flags(self, scored: ScoredEpoch, checks: Sequence[RuleCheck]) -> Iterator[Flag]:
        if _leading_to(scored.stage, checks) is not Verdict.SUPPORTED:
            yield from self._signal_flags(scored.index)
        if scored.index < len(self._second):
            other = self._second[scored.index]
            if other not in (scored.stage, Stage.UNSCORED):
                yield self._triage.flag(
                    FlagCode.SECOND_OPINION_DIFFERS, f"another stager scored {other} here"
                )
        if self._triage.is_unsure(scored):
            yield self._triage.flag(
                FlagCode.LOW_CONFIDENCE,
                f"the stager gives {scored.stage} a probability of {confidence(scored):.0%}",
            )

    def _signal_flags(self, index: int) -> Iterator[Flag]:
        """What cannot be assessed here though it can in most of the night."""
        here = self._evidence.epochs[index].not_assessable
        reasons = dict.fromkeys(why for kind, why in here.items() if kind not in self._lacking)
        if reasons:
            yield self._triage.flag(FlagCode.SIGNAL_POOR, "; ".join(reasons))

    # ── the whole recording ───────────────────────────────────────────────────────────────

    def _lacking_throughout(self) -> Mapping[Phenomenon, str]:
        """What so many epochs cannot show that it is told once, with its commonest reason."""
        least = self._rulebook.triage.whole_recording_from.value * self._evidence.n_epochs
        reasons: dict[Phenomenon, Counter[str]] = {}
        for epoch in self._evidence.epochs:
            for kind, why in epoch.not_assessable.items():
                reasons.setdefault(kind, Counter())[why] += 1
        return {
            kind: counted.most_common(1)[0][0]
            for kind, counted in reasons.items()
            if counted.total() >= least
        }

    def study_notes(self) -> Iterator[str]:
        """One sentence for each reason: what cannot be assessed, and which rules need it."""
        by_reason: dict[str, list[Phenomenon]] = {}
        for kind, why in self._lacking.items():
            by_reason.setdefault(why, []).append(kind)
        for why, kinds in by_reason.items():
            said = ", ".join(self._rulebook.claims.phenomena[kind].say for kind in kinds)
            rules = self._rules_on(kinds)
            checked = f", so that {', '.join(rules)} cannot be checked" if rules else ""
            yield f"{why}: {said} cannot be assessed{checked}"

    def _rules_on(self, kinds: Sequence[Phenomenon]) -> list[str]:
        """The rules whose own comparisons measure one of these phenomena."""
        return [
            rule.id
            for rule in self._rulebook.rules
            if any(
                set(kinds) & set(phenomena_of(self._rulebook.quantities, reference.quantity))
                for leaf in rule.leaves
                for reference in leaf.references
            )
        ]


def _cited(scored: ScoredEpoch) -> tuple[str, ...]:
    return scored.rationale.applicable_rules if scored.rationale is not None else ()


def _may_lead_to(stage: Stage, rule: Rule) -> bool:
    """Whether a rule leads to a stage in some epoch; "as the one that follows" may be any."""
    return any(outcome.stage in (stage, None) for outcome in rule.outcomes)


def _is_of(stage: Stage, rule: Rule) -> bool:
    """Whether a rule leads to this stage alone."""
    return all(outcome.stage is stage for outcome in rule.outcomes)


def _leading_to(stage: Stage, checks: Sequence[RuleCheck]) -> Verdict:
    return disjunction(check.leads_to(stage) for check in checks)


def _claim(implied: ImpliedClaim) -> Claim:
    return Claim(
        phenomenon=implied.phenomenon,
        polarity=implied.polarity,
        level=implied.level,
        extent=None
        if implied.extent is None
        else Extent(implied.extent.op, implied.extent.fraction),
        spans=tuple(Span(start_s, end_s) for start_s, end_s in implied.spans_s),
    )
