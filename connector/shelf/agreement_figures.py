"""How far the AI, the audit and physicians agree, from what was signed and decided.

Kappa is Cohen's, between the stages as scored and as signed. A physician looks at the flagged
epochs and a few more; all others stand as they were scored, so that this kappa says how much of
a night was changed, and not how two independent scorers would agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from auditor.vocabulary import SCORED_STAGES, Stage, Verdict
from connector.agreement import StagePair, cohen_kappa, pair
from connector.rulebook_book import Rate, rate

FEW_NIGHTS = 10
"""Fewer signed nights than these say little, and the page says so."""


@dataclass(frozen=True, slots=True)
class Week:
    """The nights that were first signed in one week.

    Attributes:
        monday: its first day.
        nights: how many.
        kappa: over all their epochs together; None where it is undefined.
        overridden: share of the flagged epochs decided in these nights that got another stage.
    """

    monday: date
    nights: int
    kappa: float | None
    overridden: Rate


@dataclass(frozen=True, slots=True)
class RuleOverrides:
    """Of the decided epochs that a rule speaks for, how many were overridden.

    A rule speaks for an epoch where it is cited, or is one of the scored stage's own.

    Attributes:
        rule: its identifier.
        where_supported: where it held; few should be overridden.
        where_contradicted: where it did not; many should be.
    """

    rule: str
    where_supported: Rate
    where_contradicted: Rate


@dataclass(frozen=True, slots=True)
class AgreementFigures:
    """What the page on agreement shows.

    Attributes:
        nights: signed nights.
        decided: epochs that a physician has decided, signed or not.
        kappa: of all signed nights together; None where it is undefined.
        weeks: that have a signed night, in order.
        flags: by flag code, the share of the decided epochs with it that were overridden.
        unflagged: the same of the decided epochs without any flag.
        rules: by rule.
    """

    nights: int
    decided: int
    kappa: float | None
    weeks: tuple[Week, ...]
    flags: Mapping[str, Rate]
    unflagged: Rate
    rules: tuple[RuleOverrides, ...]


@dataclass(frozen=True)
class ReviewedNight:
    """What is known of one scoring that somebody has reviewed.

    Attributes:
        scored: the stages as scored.
        decided: the epochs that a physician decided, and whether each got another stage.
        flags: by code, the epochs with it.
        rules: by rule and verdict, the decided epochs that the rule speaks for.
        signed: the stages as signed last; empty where the night is not signed.
        signed_at: when it was first signed; None where it is not.
    """

    scored: tuple[Stage, ...]
    decided: Mapping[int, bool]
    flags: Mapping[str, Sequence[int]]
    rules: Mapping[tuple[str, Verdict], Sequence[int]]
    signed: tuple[Stage, ...] = ()
    signed_at: datetime | None = None

    @cached_property
    def flagged(self) -> frozenset[int]:
        return frozenset(epoch for epochs in self.flags.values() for epoch in epochs)

    @cached_property
    def confusion(self) -> Counter[StagePair]:
        """How often each signed stage met each scored one; none where the night is not signed."""
        return Counter(pair(dict(enumerate(self.scored)), dict(enumerate(self.signed))))

    def outcomes(self, epochs: Iterable[int]) -> Iterator[bool]:
        """Of those epochs that were decided, whether each was overridden."""
        return (self.decided[epoch] for epoch in epochs if epoch in self.decided)


def agreement_figures(nights: Sequence[ReviewedNight]) -> AgreementFigures:
    """The figures over some nights."""
    flags: dict[str, list[bool]] = defaultdict(list)
    rules: dict[str, dict[Verdict, list[bool]]] = defaultdict(lambda: defaultdict(list))
    unflagged: list[bool] = []
    for night in nights:
        for code, epochs in night.flags.items():
            flags[code] += night.outcomes(epochs)
        for (rule, verdict), epochs in night.rules.items():
            rules[rule][verdict] += night.outcomes(epochs)
        unflagged += night.outcomes(night.decided.keys() - night.flagged)
    signed = [night for night in nights if night.signed_at is not None]
    return AgreementFigures(
        nights=len(signed),
        decided=sum(len(night.decided) for night in nights),
        kappa=_kappa(signed),
        weeks=tuple(_weeks(signed)),
        flags={code: _share(flags[code]) for code in sorted(flags) if flags[code]},
        unflagged=_share(unflagged),
        rules=tuple(
            RuleOverrides(
                rule,
                _share(found[Verdict.SUPPORTED]),
                _share(found[Verdict.CONTRADICTED]),
            )
            for rule, found in sorted(rules.items())
            if any(found.values())
        ),
    )


def monday_of(moment: datetime) -> date:
    """The first day of a moment's week, in UTC."""
    return moment.date() - timedelta(days=moment.weekday())


def _weeks(signed: Sequence[ReviewedNight]) -> Iterator[Week]:
    by_week: dict[date, list[ReviewedNight]] = defaultdict(list)
    for night in signed:
        if night.signed_at is not None:
            by_week[monday_of(night.signed_at)].append(night)
    for monday, nights in sorted(by_week.items()):
        of_flagged = [
            overridden for night in nights for overridden in night.outcomes(night.flagged)
        ]
        yield Week(monday, len(nights), _kappa(nights), _share(of_flagged))


def _kappa(signed: Sequence[ReviewedNight]) -> float | None:
    stages = [*SCORED_STAGES, Stage.UNSCORED]
    counted: Counter[StagePair] = Counter()
    for night in signed:
        counted.update(night.confusion)
    if not counted:
        return None
    return cohen_kappa([[counted[row, column] for column in stages] for row in stages])


def _share(outcomes: Sequence[bool]) -> Rate:
    return rate(sum(outcomes), len(outcomes))
