"""Rules against evidence: does a rule hold in an epoch, and which stages may be scored there?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from auditor import kleene
from auditor.conditions import Leaf
from auditor.night import Night
from auditor.rulebook import AtLeast, Condition, Not, Rule, Rulebook, RuleHolds
from auditor.vocabulary import (
    SCORED_STAGES,
    ConditionFinding,
    RuleFinding,
    ScoredEpoch,
    Stage,
    Verdict,
)

HOLDS = Verdict.SUPPORTED.value
"""Measured value, or threshold, of a condition that is another rule."""


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """One rule in one epoch.

    Attributes:
        rule: the rule.
        index: the epoch's number from 0.
        verdict: whether any of its outcomes holds.
        stages: each stage that it leads to here, with whether it does; the stage of the epoch
            that follows is left out where there is none.
    """

    rule: Rule
    index: int
    verdict: Verdict
    stages: tuple[tuple[Stage, Verdict], ...]
    _checker: RuleChecker = field(repr=False, compare=False)

    @property
    def conditions(self) -> tuple[ConditionFinding, ...]:
        """All its conditions, each once.

        A verdict says whether what the rule asks for is so, also where it asks that something
        does not hold.
        """
        found = (
            self._checker.findings(outcome.holds_when, self.index) for outcome in self.rule.outcomes
        )
        return tuple(dict.fromkeys(finding for each in found for finding in each))

    def failed_for(self, stage: Stage) -> tuple[ConditionFinding, ...]:
        """By which conditions it does not lead to a stage, or holds at all if it never does."""
        ours = [each for each in self.rule.outcomes if each.stage is stage] or self.rule.outcomes
        found = (self._checker.failed(each.holds_when, self.index) for each in ours)
        return tuple(dict.fromkeys(finding for each in found for finding in each))

    def leads_to(self, stage: Stage) -> Verdict:
        """Whether it leads to this stage."""
        return kleene.disjunction(verdict for each, verdict in self.stages if each is stage)

    def finding(self, cited: bool) -> RuleFinding:
        return RuleFinding(self.rule.id, cited, self.verdict, self.conditions)


class RuleChecker:
    """The rules of a book in one night, each checked once in each epoch."""

    def __init__(self, rulebook: Rulebook, night: Night) -> None:
        self.rulebook = rulebook
        self.night = night
        self._rules = {rule.id: rule for rule in rulebook.rules}
        self.check = cache(self._check)
        # Several rules lean on the same other one.
        self._holds = cache(self._rule_holds)
        # Most epochs ask a leaf the same: no spindle here, none there.
        self._leaf = cache(Leaf.finding)

    def checks(self, index: int) -> Iterator[RuleCheck]:
        """Every rule in one epoch, in the book's order."""
        return (self.check(rule_id, index) for rule_id in self._rules)

    def permitted(self, index: int) -> tuple[Stage, ...]:
        """The stages that some rule leads to, or that could not be ruled out."""
        possible = {
            stage
            for check in self.checks(index)
            for stage, verdict in check.stages
            if verdict is not Verdict.CONTRADICTED
        }
        return tuple(stage for stage in SCORED_STAGES if stage in possible)

    def _check(self, rule_id: str, index: int) -> RuleCheck:
        rule = self._rules[rule_id]
        stages = [outcome.stage or self._following(index) for outcome in rule.outcomes]
        verdicts = [self._verdict(outcome.holds_when, index) for outcome in rule.outcomes]
        return RuleCheck(
            rule,
            index,
            kleene.disjunction(verdicts),
            tuple((s, v) for s, v in zip(stages, verdicts, strict=True) if s is not None),
            self,
        )

    def _following(self, index: int) -> Stage | None:
        stages = self.night.stages
        following = stages[index + 1] if index + 1 < len(stages) else Stage.UNSCORED
        return None if following is Stage.UNSCORED else following

    # ── one condition: its verdict at once, what is behind it when it is asked for ─────────

    def _verdict(self, condition: Condition, index: int) -> Verdict:
        if isinstance(condition, Not):
            return kleene.negation(self._verdict(condition.part, index))
        if isinstance(condition, AtLeast):
            verdicts = (self._verdict(part, index) for part in condition.parts)
            if condition.n == len(condition.parts):
                return kleene.conjunction(verdicts)  # the first that fails ends it
            return kleene.at_least(condition.n, verdicts)
        return self._single(condition, index).verdict

    def findings(self, condition: Condition, index: int) -> Iterator[ConditionFinding]:
        """The condition with all within it, in the order in which they are written."""
        if isinstance(condition, Not):
            yield from map(_denied, self.findings(condition.part, index))
        elif isinstance(condition, AtLeast):
            for part in condition.parts:
                yield from self.findings(part, index)
        else:
            yield self._single(condition, index)

    def failed(self, condition: Condition, index: int) -> Iterator[ConditionFinding]:
        """What within the condition it fails by; nothing where it does not fail."""
        if self._verdict(condition, index) is not Verdict.CONTRADICTED:
            return
        if isinstance(condition, AtLeast):
            for part in condition.parts:
                yield from self.failed(part, index)
        else:
            contradicted = Verdict.CONTRADICTED
            yield from (f for f in self.findings(condition, index) if f.verdict is contradicted)

    def _single(self, condition: Leaf | RuleHolds, index: int) -> ConditionFinding:
        if isinstance(condition, RuleHolds):
            return self._holds(condition, index)
        observed = tuple(self.night.observe(each, index) for each in condition.references)
        return self._leaf(condition, observed)

    def _rule_holds(self, condition: RuleHolds, index: int) -> ConditionFinding:
        checks = [self.check(condition.rule, at) for at in self._run(condition.in_run_of, index)]
        verdict = kleene.disjunction(check.verdict for check in checks)
        return ConditionFinding(
            id=condition.id,
            measured=verdict.value,
            threshold=HOLDS,
            unit="",
            verdict=verdict,
            reason=_first_doubt(checks) if verdict is Verdict.NOT_ASSESSABLE else "",
        )

    def _run(self, stage: Stage | None, index: int) -> range:
        """The epoch with the unbroken runs of a stage that end before and begin after it."""
        if stage is None:
            return range(index, index + 1)
        stages = self.night.stages
        first, last = index, index
        while first > 0 and stages[first - 1] is stage:
            first -= 1
        while last + 1 < len(stages) and stages[last + 1] is stage:
            last += 1
        return range(first, last + 1)


def leading_to(stage: Stage, checks: Iterable[RuleCheck]) -> Verdict:
    """Whether any of these rules leads to a stage."""
    return kleene.disjunction(check.leads_to(stage) for check in checks)


def cited_rules(scored: ScoredEpoch) -> tuple[str, ...]:
    """The rules that a scorer cites, as it writes them."""
    return scored.rationale.applicable_rules if scored.rationale is not None else ()


@lru_cache(maxsize=1024)
def _denied(finding: ConditionFinding) -> ConditionFinding:
    """A condition that must not hold."""
    if finding.threshold == HOLDS:
        finding = replace(finding, threshold=Verdict.CONTRADICTED.value)
    return replace(finding, id=f"not {finding.id}", verdict=kleene.negation(finding.verdict))


def _first_doubt(checks: list[RuleCheck]) -> str:
    return next(
        finding.reason for check in checks for finding in check.conditions if finding.reason
    )
