"""Conditions, quantities and claims of the rulebook in plain words, for readers without Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.conditions import Leaf
from auditor.night import STAGE, Quantity, Window
from auditor.rule_schema import (
    CountQuantity,
    EpochsQuantity,
    ImpliedClaim,
    MeasureQuantity,
    Parameter,
    ShareQuantity,
)
from auditor.rulebook import AtLeast, Condition, Not, Rulebook, RuleHolds
from auditor.vocabulary import EPOCH_S, Phenomenon, Polarity, Scalar, Stage
from auditor.wording import spoken

_OPERATORS = {
    ">=": "at least",
    ">": "more than",
    "<=": "at most",
    "<": "less than",
    "==": "",
    "!=": "not",
    "in": "",
}
_PLACES = {
    (0, Window.WHOLE): "",
    (0, Window.FIRST_HALF): "in the first half",
    (0, Window.LAST_HALF): "in the last half",
    (-1, Window.WHOLE): "in the epoch before",
    (-1, Window.FIRST_HALF): "in the first half of the epoch before",
    (-1, Window.LAST_HALF): "in the last half of the epoch before",
    (1, Window.WHOLE): "in the epoch after",
    (1, Window.FIRST_HALF): "in the first half of the epoch after",
    (1, Window.LAST_HALF): "in the last half of the epoch after",
}
_JOINED = {"+": "plus", "-": "minus", "*": "times"}


# ── a rule's conditions as a tree ─────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all, one, or so many must hold, as ``asks`` says."""

    asks: str
    parts: tuple[Node, ...]

    kind = "group"


@dataclass(frozen=True, slots=True)
class Denied:
    """What must not hold."""

    part: Node

    kind = "denied"


@dataclass(frozen=True, slots=True)
class OtherRule:
    """Another rule that must hold here, or somewhere in the unbroken run of a stage around."""

    rule: str
    in_run_of: Stage | None

    kind = "rule"


@dataclass(frozen=True, slots=True)
class Term:
    """One quantity of a comparison.

    Attributes:
        joined: how it goes together with what stands before it; empty for the first.
        quantity: its name in ``rules/quantities.yaml``; None for the stage of a neighbour.
        said: its name in words.
        place: in which epoch, and in which half of it; empty for the whole of this one.
    """

    joined: str
    quantity: str | None
    said: str
    place: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A named number with its unit, and why it is that number."""

    name: str
    value: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Something measured, held against a threshold.

    Attributes:
        id: its name in findings.
        terms: what is measured, in the order in which it is written.
        asks: "at least 20 %".
        thresholds: the named numbers in it.
        written: the comparison as the rulebook has it.
    """

    id: str
    terms: tuple[Term, ...]
    asks: str
    thresholds: tuple[Threshold, ...]
    written: str

    kind = "comparison"


Node = Group | Denied | OtherRule | Comparison


def tree(condition: Condition, quantities: Mapping[str, Quantity]) -> Node:
    """A condition and all within it."""
    if isinstance(condition, AtLeast):
        parts = tuple(tree(part, quantities) for part in condition.parts)
        if len(parts) == 1:
            return parts[0]
        return Group(_asks(condition.n, len(parts)), parts)
    if isinstance(condition, Not):
        return Denied(tree(condition.part, quantities))
    if isinstance(condition, RuleHolds):
        return OtherRule(condition.rule, condition.in_run_of)
    return _comparison(condition, quantities)


def _asks(n: int, of: int) -> str:
    if n == of:
        return "All of these hold"
    return "One of these holds" if n == 1 else f"At least {n} of these hold"


def _comparison(leaf: Leaf, quantities: Mapping[str, Quantity]) -> Comparison:
    return Comparison(
        id=leaf.id,
        terms=tuple(_terms(leaf)),
        asks=asked_for(leaf, quantities),
        thresholds=tuple(
            Threshold(name, with_unit(each), each.why, each.source)
            for name, each in leaf.params.items()
        ),
        written=" ".join(leaf.text.split()),
    )


def _terms(leaf: Leaf) -> Iterator[Term]:
    references = {each.name: each for each in leaf.references}
    left = " ".join(leaf.text.split()).partition(f" {leaf.operator} ")[0]
    names = "|".join(re.escape(name) for name in sorted(references, key=len, reverse=True))
    joined, *rest = re.split(f"({names})", left)
    for name, after in zip(rest[::2], rest[1::2], strict=True):
        reference = references[name]
        is_stage = reference.quantity == STAGE
        yield Term(
            joined=_JOINED.get(joined.strip(), joined.strip()),
            quantity=None if is_stage else reference.quantity,
            said="stage scored" if is_stage else spoken(reference.quantity),
            place=_PLACES[reference.offset, reference.window],
        )
        joined = after


def asked_for(leaf: Leaf, quantities: Mapping[str, Quantity]) -> str:
    """What a comparison asks for: "at least 20 % (6 s)", "less than 180 s", "N2"."""
    threshold = leaf.threshold
    if isinstance(threshold, float | int) and _is_share(leaf, quantities):
        said = of_epoch(threshold)
    else:
        said = _with_unit(threshold, leaf.unit)
    return f"{_OPERATORS[leaf.operator]} {said}".strip()


def measured_as(value: Scalar, leaf: Leaf, quantities: Mapping[str, Quantity]) -> str:
    """A measured value of a comparison, in the same terms."""
    if isinstance(value, float | int) and _is_share(leaf, quantities):
        return percent(value)
    return _with_unit(value, leaf.unit)


def _is_share(leaf: Leaf, quantities: Mapping[str, Quantity]) -> bool:
    """Whether it compares shares of an epoch."""
    return all(is_share(quantities.get(each.quantity)) for each in leaf.references)


def is_share(quantity: Quantity | None) -> bool:
    """Whether a number of this quantity is a share of the epoch."""
    if isinstance(quantity, MeasureQuantity):
        return quantity.at_most == 1.0
    return isinstance(quantity, ShareQuantity)


# ── quantities ────────────────────────────────────────────────────────────────────────────


def how_taken(quantity: Quantity, rulebook: Rulebook) -> str:
    """How a quantity comes about, as a sentence."""
    if isinstance(quantity, MeasureQuantity):
        words = f": {' or '.join(quantity.words)}" if quantity.words else ""
        return f"Measured in each epoch{words}."
    if isinstance(quantity, CountQuantity):
        if quantity.apart_from is None:
            return "Counted."
        other = _a(rulebook.claims.phenomena[quantity.apart_from.phenomenon].say)
        within_s = quantity.apart_from.within_s
        return f"Counted, less those that {other} overlaps or lies within {within_s:g} s of."
    if isinstance(quantity, ShareQuantity):
        if not quantity.joined_within_s:
            return "The share of the time that they fill."
        pause = f"a pause of less than {quantity.joined_within_s:g} s between two is part of them"
        return f"The share of the time that they fill; {pause}."
    if isinstance(quantity, EpochsQuantity):
        measure, least = spoken(quantity.epochs_where), with_unit(quantity.reaches)
        return f"Counted over the whole recording: the epochs in which {measure} reaches {least}."
    return (
        "The time from the end of the one before to the begin of the one after; none where one "
        "lies within."
    )


# ── claims ────────────────────────────────────────────────────────────────────────────────


def implied(claim: ImpliedClaim, rulebook: Rulebook) -> str:
    """What a rule implies, as words: "slow wave activity for at least 20 % of the epoch"."""
    said = phenomenon_said(claim.phenomenon, rulebook)
    if claim.level is not None:
        said = f"{claim.level.value} {said}"
    if claim.polarity is Polarity.ABSENT:
        said = f"no {said}"
    if claim.extent is not None:
        amount = f"{_OPERATORS[claim.extent.op]} {of_epoch(claim.extent.fraction)}".strip()
        said += f" for {amount} of the epoch"
    spans = [_span(start_s, end_s) for start_s, end_s in claim.spans_s]
    return f"{said}, {' or '.join(spans)}" if spans else said


def _span(start_s: float, end_s: float) -> str:
    return f"between {start_s:g} s and {end_s:g} s from the epoch's start".replace("-", "−")


def phenomenon_said(phenomenon: Phenomenon, rulebook: Rulebook) -> str:
    """What a physician calls it."""
    return rulebook.claims.phenomena[phenomenon].say


# ── words and numbers ─────────────────────────────────────────────────────────────────────


def percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def of_epoch(share: float) -> str:
    """A share of an epoch in per cent, and in its seconds."""
    return f"{percent(share)} ({share * EPOCH_S:.3g} s)"


def with_unit(parameter: Parameter) -> str:
    return _with_unit(parameter.value, parameter.unit)


def _with_unit(value: Scalar, unit: str) -> str:
    number = f"{value:g}" if isinstance(value, float | int) else spoken(str(value))
    return number if unit in ("", "1") else f"{number} {unit}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
