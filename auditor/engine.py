"""The audit: claims, cited rules and stages of a scoring, against evidence and rulebook.

Perception and deduction are kept apart. Perception: is what the rationale says it saw in the
signal (claims)? Deduction: do the rules it cites hold, and does its stage follow from a rule?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from auditor.deduction import Deduction
from auditor.night import Night, phenomena_of
from auditor.perception import Perception
from auditor.rule_check import RuleCheck, RuleChecker, leading_to
from auditor.rulebook import Rulebook
from auditor.templating import find_templating
from auditor.triage import Signs, Triage, confidence, is_transition
from auditor.vocabulary import (
    Audit,
    EpochAudit,
    Evidence,
    Flag,
    FlagCode,
    Hypnogram,
    Phenomenon,
    ScoredEpoch,
    Stage,
    Verdict,
)


def audit(
    hypnogram: Hypnogram,
    evidence: Evidence,
    rulebook: Rulebook,
) -> Audit:
    """Audits a scoring.

    Args:
        hypnogram: the scoring, with a physician's overrides where there are any, and a second
            opinion where there is one.
        evidence: what was measured in the same recording, without regard to any scoring.
        rulebook: by which to audit.

    Epochs beyond the recording's end are not audited, which a note says.
    """
    auditor = _Auditor(hypnogram, evidence, rulebook)
    epochs = tuple(auditor.epochs())
    return Audit(
        stager=hypnogram.stager,
        rulebook=rulebook.identity,
        epochs=epochs,
        not_assessable=tuple(auditor.study_notes()),
        night_findings=tuple(auditor.night_findings(epochs)),
        notes=(*hypnogram.notes, *auditor.notes()),
        review_budget=rulebook.triage.review_budget.value,
    )


class _Auditor:
    """One night under audit."""

    def __init__(self, hypnogram: Hypnogram, evidence: Evidence, rulebook: Rulebook) -> None:
        self._hypnogram = hypnogram
        self._evidence = evidence
        self._rulebook = rulebook
        second = hypnogram.second_opinion
        self._second = second.epochs if second is not None else ()
        self._stages = hypnogram.stages
        self._explains = hypnogram.explains
        self._n = min(len(self._stages), evidence.n_epochs)
        night = Night(evidence, self._stages, rulebook.quantities, rulebook.detection)
        self._rules = RuleChecker(rulebook, night)
        self._triage = Triage(rulebook.triage)
        self._perception = Perception(rulebook, night, self._triage)
        self._deduction = Deduction(rulebook, self._rules, self._stages, self._triage)
        self._lacking = self._lacking_throughout()

    def epochs(self) -> Iterator[EpochAudit]:
        return (self._epoch(scored) for scored in self._hypnogram.epochs[: self._n])

    def notes(self) -> Iterator[str]:
        beyond = len(self._stages) - self._n
        if beyond:
            yield f"{beyond} scored epochs lie beyond the recording's end and were not audited"

    def night_findings(self, epochs: Sequence[EpochAudit]) -> Iterator[str]:
        """What is wrong with the words of the whole night."""
        claims = {epoch.index: [each.claim for each in epoch.claims] for epoch in epochs}
        rationales = {
            scored.index: scored.rationale.text
            for scored in self._hypnogram.epochs[: self._n]
            if scored.rationale is not None and scored.rationale.text
        }
        return find_templating(rationales, claims, self._rulebook.claims)

    # ── one epoch ─────────────────────────────────────────────────────────────────────────

    def _epoch(self, scored: ScoredEpoch) -> EpochAudit:
        if scored.stage is Stage.UNSCORED:
            flags = tuple(self._reply_flags(scored))
            priority = self._triage.priority(flags, Signs(False, None, False)) if flags else 0.0
            return EpochAudit(scored.index, scored.stage, (), (), (), flags, priority)
        checks = tuple(self._rules.checks(scored.index))
        claims = self._perception.findings(scored, checks)
        disagreement = self._disagreement(scored)
        flags = self._triage.ordered(
            [
                *self._reply_flags(scored),
                *self._perception.flags(scored.stage, claims),
                *self._deduction.flags(scored, checks, claims),
                *self._trust_flags(scored, checks),
                *self._second_opinion_flags(scored, disagreement),
            ]
        )
        signs = Signs(
            rule_holds=leading_to(scored.stage, checks) is Verdict.SUPPORTED,
            confidence=confidence(scored),
            transition=is_transition(self._stages[: self._n], scored.index),
            disagreement=disagreement,
        )
        return EpochAudit(
            index=scored.index,
            stage=scored.stage,
            claims=claims,
            rules=tuple(self._deduction.findings(scored, checks)),
            permitted_stages=self._rules.permitted(scored.index),
            flags=flags,
            priority=self._triage.priority(flags, signs),
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
        if leading_to(scored.stage, checks) is not Verdict.SUPPORTED:
            yield from self._signal_flags(scored.index)
        if self._triage.is_unsure(scored):
            yield self._triage.flag(
                FlagCode.LOW_CONFIDENCE,
                f"the stager gives {scored.stage} a probability of {confidence(scored):.0%}",
            )

    def _disagreement(self, scored: ScoredEpoch) -> float:
        if scored.index >= len(self._second):
            return 0.0
        return self._triage.disagreement(scored, self._second[scored.index])

    def _second_opinion_flags(self, scored: ScoredEpoch, disagreement: float) -> Iterator[Flag]:
        if disagreement:
            other = self._second[scored.index]
            sure = (
                "" if other.probabilities is None else f" with a probability of {disagreement:.0%}"
            )
            yield self._triage.flag(
                FlagCode.SECOND_OPINION_DIFFERS, f"another stager scored {other.stage} here{sure}"
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
            spoken = [self._rulebook.claims.phenomena[kind] for kind in kinds]
            said = ", ".join(each.all or each.say for each in spoken)
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
