"""Two audits of one scoring, by an earlier rulebook and by today's: what changed, and why.

The earlier audit is known by its document alone, which lists of each epoch the rules that were
cited, that lead to its stage, or that were not contradicted; a rule it does not list did not
hold. Thresholds are the same in every epoch, so that one that is not listed where it is asked
for is taken from wherever it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from auditor.rule_check import RuleCheck, RuleChecker
from auditor.rulebook import RuleHolds
from auditor.vocabulary import Scalar, Stage, Verdict
from connector.documents import Json, rule_json
from connector.wording import claimed

_T = TypeVar("_T")
_U = TypeVar("_U")

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
NOT_LISTED = Verdict.CONTRADICTED.value
"""The verdict of a rule that the earlier audit does not list."""

_VERDICT_KEYS = ("verdict", "measured", "expected", "reason")

_Thresholds: TypeAlias = Mapping[tuple[str, str], Scalar]


@dataclass(frozen=True, slots=True)
class Change(Generic[_T]):
    """A value in the earlier audit and in today's."""

    before: _T
    after: _T

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def map(self, said: Callable[[_T], _U]) -> Change[_U]:
        """The same change of what is said of each value."""
        return Change(said(self.before), said(self.after))


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """A condition by which a rule came out otherwise; None where the earlier audit is silent.

    Attributes:
        id: its name within the rule.
        of_rule: the rule that it asks about; None where it asks for a measure.
        measured: what was measured.
        threshold: what it was compared with.
        unit: UCUM unit of both.
        verdict: whether it held.
    """

    id: str
    of_rule: str | None
    measured: Change[Scalar]
    threshold: Change[Scalar]
    unit: str
    verdict: Change[str | None]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that came out otherwise in an epoch.

    Attributes:
        id: the rule.
        verdict: None where the rulebook has no such rule any more.
        conditions: those responsible.
    """

    id: str
    verdict: Change[str | None]
    conditions: tuple[ConditionChange, ...]

    @property
    def is_cause(self) -> bool:
        """Whether it changed by itself, not only because another rule did."""
        return any(each.of_rule is None for each in self.conditions)


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """A claim that came out otherwise.

    Attributes:
        said: the words with what they were taken to say, or what the stage implies.
        verdict: None where it was not, or is no longer, claimed.
        reason: why it came out as it did today, or where it is no longer claimed, before.
    """

    said: str
    verdict: Change[str | None]
    reason: str


@dataclass(frozen=True, slots=True)
class EpochChange:
    """An epoch whose flags or permitted stages changed.

    Attributes:
        index: the epoch's number from 0.
        stage: the stage under audit.
        added, removed: flags, as the audit document has them.
        permitted: the permitted stages.
        rules: the rules responsible, those that changed by themselves first.
        claims: the claims responsible.
    """

    index: int
    stage: str
    added: tuple[Json, ...]
    removed: tuple[Json, ...]
    permitted: Change[tuple[str, ...]]
    rules: tuple[RuleChange, ...]
    claims: tuple[ClaimChange, ...]


def changes(before: Json, after: Json, today: RuleChecker) -> Iterator[EpochChange]:
    """The epochs that changed, in order of time.

    Args:
        before, after: the audit documents.
        today: the rules by which the later audit was made, on its night.
    """
    thresholds = _thresholds(before)
    for earlier, later in zip(before["epochs"], after["epochs"], strict=True):
        added = tuple(_beyond(later["flags"], earlier["flags"]))
        removed = tuple(_beyond(earlier["flags"], later["flags"]))
        permitted = Change(tuple(earlier["permitted_stages"]), tuple(later["permitted_stages"]))
        if added or removed or permitted.differs:
            is_scored = later["stage"] != Stage.UNSCORED
            checks = tuple(today.checks(later["epoch"])) if is_scored else ()
            rules = (
                *_rule_changes(earlier["rules"], checks, thresholds),
                *_rules_gone(earlier["rules"], checks),
            )
            yield EpochChange(
                index=later["epoch"],
                stage=later["stage"],
                added=added,
                removed=removed,
                permitted=permitted,
                rules=tuple(sorted(rules, key=lambda rule: not rule.is_cause)),
                claims=tuple(_claim_changes(earlier["claims"], later["claims"])),
            )


# ── flags ─────────────────────────────────────────────────────────────────────────────────


def _beyond(flags: Iterable[Json], others: Iterable[Json]) -> Iterator[Json]:
    """The flags that the others do not hold."""
    left = Counter(map(_subject, others))
    for flag in flags:
        subject = _subject(flag)
        if left[subject]:
            left[subject] -= 1
        else:
            yield flag


def _subject(flag: Json) -> tuple[str, str, str]:
    """What a flag says; with another threshold or measured value it is still the same flag."""
    return flag["code"], flag["severity"], _NUMBER.sub("", flag["message"])


# ── rules ─────────────────────────────────────────────────────────────────────────────────


def _thresholds(audit: Json) -> _Thresholds:
    return {
        (rule["id"], condition["id"]): condition["threshold"]
        for epoch in audit["epochs"]
        for rule in epoch["rules"]
        for condition in rule["conditions"]
    }


def _rule_changes(
    earlier: list[Json], today: Sequence[RuleCheck], thresholds: _Thresholds
) -> Iterator[RuleChange]:
    listed = {rule["id"]: rule for rule in earlier}
    verdicts = {
        check.rule.id: Change(
            listed[check.rule.id]["verdict"] if check.rule.id in listed else NOT_LISTED,
            check.verdict.value,
        )
        for check in today
    }
    changed = {rule_id for rule_id, verdict in verdicts.items() if verdict.differs}
    for check in today:
        rule = listed.get(check.rule.id)
        conditions = tuple(_condition_changes(rule, check, thresholds, changed))
        # With the verdict as it was, conditions still matter to a rule that leads to another of
        # its stages now, and to one that was cited and does not hold for another reason now.
        leads = len(check.rule.outcomes) > 1 and check.verdict is not Verdict.CONTRADICTED
        may_matter = rule is not None and (leads or rule["cited"])
        if check.rule.id in changed or (may_matter and conditions):
            yield RuleChange(check.rule.id, verdicts[check.rule.id], conditions)


def _rules_gone(earlier: list[Json], today: Sequence[RuleCheck]) -> Iterator[RuleChange]:
    """The rules that held, or may have, and that the rulebook has no more."""
    known = {check.rule.id for check in today}
    for rule in earlier:
        was_known = bool(rule["conditions"])  # a cited rule that never existed has none
        if rule["id"] not in known and was_known and rule["verdict"] != Verdict.CONTRADICTED:
            yield RuleChange(rule["id"], Change(rule["verdict"], None), ())


def _condition_changes(
    rule: Json | None, check: RuleCheck, thresholds: _Thresholds, changed: Set[str]
) -> Iterator[ConditionChange]:
    """The conditions that came out otherwise; of a rule that was not listed, those that may."""
    listed = {each["id"]: each for each in rule["conditions"]} if rule else {}
    asks_of = {each.id: each.rule for each in check.rule.conditions if isinstance(each, RuleHolds)}
    for now in rule_json(check.finding(cited=False))["conditions"]:
        name = now["id"]
        was = listed.get(name, {})
        of_rule = asks_of.get(name.removeprefix("not "))
        threshold = Change(thresholds.get((check.rule.id, name)), now["threshold"])
        verdict = Change(was.get("verdict"), now["verdict"])
        if verdict.differs if was else threshold.differs or of_rule in changed:
            measured = Change(was.get("measured"), now["measured"])
            yield ConditionChange(name, of_rule, measured, threshold, now["unit"], verdict)


# ── claims ────────────────────────────────────────────────────────────────────────────────


def _claim_changes(earlier: list[Json], later: list[Json]) -> Iterator[ClaimChange]:
    """The claims that are contradicted in one of the audits and not in the other."""
    before, after = ({_claim_key(each): each for each in side} for side in (earlier, later))
    for key in dict.fromkeys([*before, *after]):
        verdict = Change(*(side.get(key, {}).get("verdict") for side in (before, after)))
        if verdict.differs and Verdict.CONTRADICTED in (verdict.before, verdict.after):
            shown = after.get(key) or before[key]
            yield ClaimChange(claimed(shown), verdict, shown["reason"])


def _claim_key(claim: Json) -> str:
    """All that is claimed, without what became of it."""
    said = {name: value for name, value in claim.items() if name not in _VERDICT_KEYS}
    return json.dumps(said, sort_keys=True)
