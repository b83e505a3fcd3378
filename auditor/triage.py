"""What is put before the physician, and in which order: flags, priority and the review list.

The weights are data (``rules/triage.yaml``): each sign in an epoch adds points to the risk that
something is wrong with it, and their sum, as a probability, is the epoch's priority.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.rule_schema import TriageDocument
from auditor.vocabulary import Audit, EpochAudit, Flag, FlagCode, ScoredEpoch, Severity, Stage

_WORST_FIRST = (Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for and against an epoch, beside its flags.

    Attributes:
        rule_holds: whether a rule that leads to its stage surely holds.
        confidence: the stager's probability of the stage; None where it gives none.
        transition: whether a neighbour was scored otherwise.
        disagreement: how sure a second stager is of another stage, 0 to 1.
    """

    rule_holds: bool
    confidence: float | None
    transition: bool
    disagreement: float = 0.0


class Triage:
    """Flags and priorities by one set of weights."""

    def __init__(self, weights: TriageDocument) -> None:
        self._weights = weights

    def flag(self, code: FlagCode, message: str) -> Flag:
        """A flag with the severity that its code has."""
        return Flag(code, self._weights.flags[code].severity, message)

    def is_unsure(self, scored: ScoredEpoch) -> bool:
        """Whether the stager itself gives its stage too little."""
        given = confidence(scored)
        return given is not None and given < self._weights.low_confidence_below.value

    def disagreement(self, scored: ScoredEpoch, second: ScoredEpoch) -> float:
        """How sure a second stager is of another stage, 0 to 1.

        0 where it agrees, has no stage, or is itself unsure; 1 where it gives no probabilities.
        """
        if second.stage in (scored.stage, Stage.UNSCORED) or self.is_unsure(second):
            return 0.0
        given = confidence(second)
        return 1.0 if given is None else given

    def ordered(self, flags: Iterable[Flag]) -> tuple[Flag, ...]:
        """Worst first; the same words once."""
        return tuple(
            sorted(
                dict.fromkeys(flags),
                key=lambda flag: (
                    _WORST_FIRST.index(flag.severity),
                    -self._weights.flags[flag.code].points,
                ),
            )
        )

    def priority(self, flags: Iterable[Flag], signs: Signs) -> float:
        """The risk that something is wrong with the epoch, 0 to 1."""
        risk = self._weights.risk
        points = risk.base.points
        points += sum(self._weights.flags[code].points for code in {each.code for each in flags})
        if not signs.rule_holds:
            points += risk.no_rule_holds.points
        if signs.confidence is not None:
            points += risk.not_confident.points * (1.0 - signs.confidence)
        if signs.transition:
            points += risk.transition.points
        points += risk.disagreement.points * signs.disagreement
        return round(1.0 / (1.0 + math.exp(-points)), 4)


def confidence(scored: ScoredEpoch) -> float | None:
    """The probability that the stager gave to the stage it chose."""
    return None if scored.probabilities is None else scored.probabilities.get(scored.stage)


def is_transition(stages: Sequence[Stage], index: int) -> bool:
    """Whether the epoch before or after was scored otherwise."""
    return any(each is not stages[index] for each in stages[max(0, index - 1) : index + 2])


def review_list(audit: Audit, budget: float) -> tuple[EpochAudit, ...]:
    """The epochs that a physician with a budget should see, riskiest first.

    Args:
        audit: the audit of a night.
        budget: the share of its epochs that there is time for, 0 to 1.
    """
    scored = [epoch for epoch in audit.epochs if epoch.stage is not Stage.UNSCORED]
    by_risk = sorted(scored, key=lambda epoch: (-epoch.priority, epoch.index))
    return tuple(by_risk[: math.floor(budget * len(scored) + 1e-9)])
