"""The leaves of a rule: one comparison each, written in CEL and type-checked when loaded.

A leaf is evaluated for every value that its quantities may have. Where all of them give the
same answer, that is the verdict; where they do not, the leaf is not assessable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from cel_expr_python import cel

from auditor import kleene
from auditor.night import STAGE, Observed, Quantity, Reference, Value, Window
from auditor.rule_schema import (
    CountQuantity,
    LeafDocument,
    MeasureQuantity,
    Parameter,
    ShareQuantity,
)
from auditor.vocabulary import ConditionFinding, Scalar, Verdict

_COMPARISON = re.compile(r"\s(>=|<=|==|!=|>|<|in)\s")
_NAME = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")

EPOCHS = {"": 0, "previous": -1, "next": 1}
"""How a rule names an epoch: nothing for its own, and its neighbours."""


class ConditionRefused(ValueError):
    """A leaf does not say what a leaf must say; the message says why, without a file's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """One comparison, compiled.

    Attributes:
        id: its name within the rule.
        text: as written.
        references: the quantities on its left side.
        operator: what compares the left side with the threshold.
        params: its named thresholds.
        threshold: the right side's value.
        unit: UCUM unit of both sides; empty for words.
    """

    id: str
    text: str
    references: tuple[Reference, ...]
    operator: str
    params: Mapping[str, Parameter]
    threshold: Scalar
    unit: str
    _holds: cel.Expression = field(repr=False)
    _measured: cel.Expression = field(repr=False)

    def finding(self, observed: tuple[Observed, ...]) -> ConditionFinding:
        """What the leaf comes to where its references, in their order, are these."""
        verdict = kleene.of_possible(
            self._answer(values) for values in product(*(each.possible for each in observed))
        )
        open_ = verdict is Verdict.NOT_ASSESSABLE
        unknown = open_ and any(each.value is None for each in observed)
        return ConditionFinding(
            id=self.id,
            measured=None if unknown else self._value(observed),
            threshold=self.threshold,
            unit=self.unit,
            verdict=verdict,
            reason=_doubt(observed) if open_ else "",
            operator=self.operator,
        )

    def _answer(self, values: tuple[Value, ...]) -> bool:
        """Whether it holds for these values of its references."""
        data = dict(zip((each.name for each in self.references), values, strict=True))
        data |= {name: each.value for name, each in self.params.items()}
        return bool(self._holds.eval(data=data).value())

    def _value(self, observed: tuple[Observed, ...]) -> Scalar:
        """The left side by the best estimates, what could not be measured at its lowest."""
        data = {
            reference.name: each.possible[0] if each.value is None else each.value
            for reference, each in zip(self.references, observed, strict=True)
        }
        value: Scalar = self._measured.eval(data=data).value()
        return round(value, 4) if isinstance(value, float) else value


def _doubt(observed: tuple[Observed, ...]) -> str:
    """Why it cannot be decided: the first thing not measured, else doubt in detection."""
    reasons = [each.reason for each in observed if each.reason]
    if reasons:
        return reasons[0]
    low, high = next(
        (each.possible[0], each.possible[-1]) for each in observed if len(each.possible) > 1
    )
    low, high = (f"{each:g}" if isinstance(each, float) else each for each in (low, high))
    return f"detection leaves it open: it may be anything from {low} to {high}"


class Scope:
    """All names that a leaf may use, with their types and units."""

    def __init__(self, quantities: Mapping[str, Quantity]) -> None:
        self._references = {each.name: each for each in _references(quantities)}
        self._quantities = quantities

    def compile(self, document: LeafDocument) -> Leaf:
        """The leaf, type-checked.

        Raises:
            ConditionRefused: it is no comparison of quantities with a threshold.
        """
        left, operator, right = _sides(document.expr)
        names = self._names(left)
        used = set(_NAME.findall(_TEXT.sub("", right)))
        for name in document.params.keys() - used:
            raise ConditionRefused(f"the parameter {name} is not used")
        variables = {name: self._type(self._references[name]) for name in names}
        thresholds = dict.fromkeys(document.params, cel.Type.DOUBLE)
        holds = _compiled(document.expr, variables | thresholds)
        threshold = _compiled(right, thresholds).eval(
            data={name: each.value for name, each in document.params.items()}
        )
        return Leaf(
            document.id,
            document.expr,
            tuple(self._references[name] for name in names),
            operator,
            document.params,
            _scalar(threshold.plain_value()),
            self._unit(names, document),
            holds,
            _compiled(left, variables),
        )

    def _names(self, left: str) -> list[str]:
        names = list(dict.fromkeys(_NAME.findall(_TEXT.sub("", left))))
        for name in names:
            if name not in self._references:
                raise ConditionRefused(
                    f"there is no quantity {name}; those that exist are in rules/quantities.yaml"
                )
        if not names:
            raise ConditionRefused("the left side measures nothing")
        return names

    def _type(self, reference: Reference) -> cel.Type:
        quantity = self._quantities.get(reference.quantity)
        is_word = quantity is None or (
            isinstance(quantity, MeasureQuantity) and quantity.words is not None
        )
        return cel.Type.STRING if is_word else cel.Type.DOUBLE

    def _unit(self, names: list[str], document: LeafDocument) -> str:
        """The one unit of quantities and parameters."""
        quantities = [self._quantities.get(self._references[name].quantity) for name in names]
        measured = {quantity.unit for quantity in quantities if quantity is not None}
        units = measured | {each.unit for each in document.params.values()}
        if len(units) > 1:
            raise ConditionRefused(f"units do not agree: {', '.join(sorted(units))}")
        return units.pop() if units else ""


def _references(quantities: Mapping[str, Quantity]) -> Iterator[Reference]:
    for prefix, offset in EPOCHS.items():
        for name, quantity in quantities.items():
            windows = Window if isinstance(quantity, CountQuantity | ShareQuantity) else ("",)
            for window in map(Window, windows):
                full = ".".join(part for part in (prefix, window.value, name) if part)
                yield Reference(full, name, offset, window)
        if prefix:
            yield Reference(f"{prefix}.{STAGE}", STAGE, offset)


def _sides(expression: str) -> tuple[str, str, str]:
    parts = _COMPARISON.split(expression)
    if len(parts) != 3:
        raise ConditionRefused(
            "a condition is one comparison: what is measured, one of >= <= > < == != in, "
            "and the threshold"
        )
    return parts[0], parts[1], parts[2]


def _compiled(expression: str, variables: Mapping[str, cel.Type]) -> cel.Expression:
    try:
        return cel.NewEnv(variables=variables).compile(expression)
    except RuntimeError as error:  # the library's only error
        message = re.search(r"ERROR: <input>:\d+:\d+: (.*)", str(error))
        raise ConditionRefused(message[1] if message else str(error)) from error


def _scalar(value: object) -> Scalar:
    """A threshold as one number or word; a list of words as its words."""
    if isinstance(value, list):
        return " or ".join(str(each) for each in value)
    return value if isinstance(value, float | int | str | bool) else str(value)
