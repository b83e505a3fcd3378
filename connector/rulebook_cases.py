"""The cases of a rule as a reader sees them: what is given, drawn, and what comes of it.

A case holds evidence and no signal, so that its drawing is of evidence: an epoch a box, an event
a bar at its time, as solid as it is sure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from auditor.evidence.thresholds import Thresholds
from auditor.night import Quantity
from auditor.rule_cases import Case, CaseEpoch, CaseEvent, MeasureInDoubt, run_case
from auditor.rule_check import RuleCheck
from auditor.rule_schema import MeasureQuantity
from auditor.rulebook import Rule, Rulebook
from auditor.vocabulary import EPOCH_S, Phenomenon, Stage, Verdict
from auditor.wording import spoken, told
from connector.rulebook_words import (
    asked_for,
    is_share,
    measured_as,
    percent,
    phenomenon_said,
)

# The drawing's own units; the page scales it to its width.
_WIDTH, _LABELS, _TOP, _LANE, _AXIS = 760.0, 232.0, 20.0, 20.0, 16.0
_THINNEST = 3.0
_NAMED = 3
"""So many epochs have room for their names; more are numbered from the one that is judged."""


@dataclass(frozen=True, slots=True)
class Box:
    """One epoch of a drawing."""

    x: float
    width: float
    stage: str
    title: str
    is_judged: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """Something in a lane: ``sure``, ``open`` or ``unlikely`` events, or ``unknown`` time."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One phenomenon or measure across the epochs; ``values`` are words at a place."""

    y: float
    said: str
    bars: tuple[Bar, ...]
    values: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The evidence of a case on a common line of time."""

    width: float
    height: float
    labels: float
    lane_height: float
    boxes: tuple[Box, ...]
    lanes: tuple[Lane, ...]
    description: str


@dataclass(frozen=True, slots=True)
class ShownCase:
    """One case.

    Attributes:
        name: in words.
        given: of each epoch that holds anything, which it is and what it holds.
        drawing: of the same; None where there are no events to draw.
        expected: the verdict that the case asks for.
        leads_to: the stage it asks for; empty where the rule leads to one only.
        came_out: the verdict that the rule came to now.
        because: the conditions that made it so, where the rule does not hold.
        is_met: whether it came out as expected.
    """

    name: str
    given: tuple[tuple[str, str], ...]
    drawing: Drawing | None
    expected: str
    leads_to: str
    came_out: str
    because: tuple[str, ...]
    is_met: bool


def shown(case: Case, rule: Rule, rulebook: Rulebook) -> ShownCase:
    """A case, run."""
    check = run_case(case, rule, rulebook)
    stage_met = case.leads_to is None or check.leads_to(Stage(case.leads_to)) is case.expect
    given = tuple(_given(case, rulebook))
    return ShownCase(
        name=_capitalised(spoken(case.name)),
        given=given,
        drawing=_drawing(case, rulebook, given) if _has_events(case) else None,
        expected=case.expect.value,
        leads_to=case.leads_to or "",
        came_out=check.verdict.value,
        because=tuple(dict.fromkeys(_because(check, rulebook.quantities))),
        is_met=check.verdict is case.expect and stage_met,
    )


def _because(check: RuleCheck, quantities: Mapping[str, Quantity]) -> Iterator[str]:
    """The conditions by which a rule does not hold, or cannot be assessed."""
    leaves = {leaf.id: leaf for leaf in check.rule.leaves}
    for finding in check.conditions:
        if check.verdict is Verdict.SUPPORTED or finding.verdict is not check.verdict:
            continue
        leaf = leaves.get(finding.id)
        if finding.reason:
            yield finding.reason
        elif leaf is not None:
            measured = measured_as(finding.measured, leaf, quantities)
            yield f"{spoken(leaf.id)} is {measured}, asked for is {asked_for(leaf, quantities)}"
        else:
            yield told(finding)


def _has_events(case: Case) -> bool:
    return any(epoch.events for _, epoch in _epochs(case))


# ── in words ──────────────────────────────────────────────────────────────────────────────


def _given(case: Case, rulebook: Rulebook) -> Iterator[tuple[str, str]]:
    """What each epoch holds; neighbours that hold the same are told together."""
    if not case.before:
        yield "Epoch before", "there is none: the recording begins here"
    told = ((offset, "; ".join(_facts(epoch, rulebook))) for offset, epoch in _epochs(case))
    for (_, facts), alike in groupby(told, key=lambda each: (_side(each[0]), each[1])):
        if facts:
            yield _epochs_said([offset for offset, _ in alike]), facts
    if not case.after:
        yield "Epoch after", "there is none: the recording ends here"


def _epochs(case: Case) -> Iterator[tuple[int, CaseEpoch]]:
    """The epochs with their distance from the one that is judged."""
    return zip(
        range(-len(case.before), len(case.after) + 1),
        (*case.before, case.epoch, *case.after),
        strict=True,
    )


def _side(offset: int) -> int:
    """−1 before the epoch that is judged, 1 after it."""
    return (offset > 0) - (offset < 0)


def _epochs_said(offsets: Sequence[int]) -> str:
    """Neighbouring epochs on one side of the judged one, or that one."""
    if len(offsets) == 1:
        return _epoch_said(offsets[0])
    side = "before" if offsets[0] < 0 else "after"
    return f"{abs(offsets[0])} to {abs(offsets[-1])} epochs {side}"


def _epoch_said(offset: int) -> str:
    if offset == 0:
        return "The epoch"
    side = "before" if offset < 0 else "after"
    return f"Epoch {side}" if abs(offset) == 1 else f"{abs(offset)} epochs {side}"


def _facts(epoch: CaseEpoch, rulebook: Rulebook) -> Iterator[str]:
    if epoch.stage is not Stage.UNSCORED:
        yield f"scored {epoch.stage}"
    for name, value in epoch.measures.items():
        yield f"{spoken(name)} {_value(name, value, rulebook)}"
    for _, alike in groupby(
        epoch.events, key=lambda each: (each.kind, each.channel, each.probability)
    ):
        yield _events_said(tuple(alike), rulebook)
    for kind, reason in epoch.not_assessable.items():
        yield f"{phenomenon_said(kind, rulebook)} not assessable ({reason})"


def _events_said(alike: Sequence[CaseEvent], rulebook: Rulebook) -> str:
    """Events of one kind in one channel with one probability."""
    event = alike[0]
    times = ", ".join(f"{begin_s:g}–{end_s:g}" for begin_s, end_s in (e.at_s for e in alike))
    return (
        f"{phenomenon_said(event.kind, rulebook)} at {times} s "
        f"({event.channel}, probability {event.probability:g})"
    )


def _value(name: str, value: float | str | MeasureInDoubt, rulebook: Rulebook) -> str:
    if isinstance(value, MeasureInDoubt):
        low, high = (_number(name, each, rulebook) for each in (value.low, value.high))
        return f"{_number(name, value.value, rulebook)} (it may be {low} to {high})"
    return _number(name, value, rulebook)


def _number(name: str, value: float | str, rulebook: Rulebook) -> str:
    if isinstance(value, str):
        return value
    shares = (
        isinstance(each, MeasureQuantity) and each.measure == name and is_share(each)
        for each in rulebook.quantities.values()
    )
    return percent(value) if any(shares) else f"{value:g}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


# ── as a drawing ──────────────────────────────────────────────────────────────────────────


def _drawing(case: Case, rulebook: Rulebook, given: Sequence[tuple[str, str]]) -> Drawing:
    epochs = list(_epochs(case))
    width = (_WIDTH - _LABELS) / len(epochs)
    left = {offset: _LABELS + i * width for i, (offset, _) in enumerate(epochs)}
    lanes = tuple(_lanes(epochs, left, width, rulebook))
    return Drawing(
        width=_WIDTH,
        height=_TOP + len(lanes) * _LANE + _AXIS,
        labels=_LABELS,
        lane_height=_LANE,
        boxes=tuple(
            Box(
                x=round(left[offset], 1),
                width=round(width, 1),
                stage="" if epoch.stage is Stage.UNSCORED else epoch.stage.value,
                title=_epoch_said(offset)
                if len(epochs) <= _NAMED
                else f"{offset:+}".replace("-", "−").replace("+0", "0"),
                is_judged=offset == 0,
            )
            for offset, epoch in epochs
        ),
        lanes=lanes,
        description=". ".join(f"{epoch}: {facts}" for epoch, facts in given),
    )


def _lanes(
    epochs: Iterable[tuple[int, CaseEpoch]],
    left: Mapping[int, float],
    width: float,
    rulebook: Rulebook,
) -> Iterator[Lane]:
    """A lane for each measure, then for each phenomenon, that any epoch names."""
    values: dict[str, list[tuple[float, str]]] = {}
    bars: dict[Phenomenon, list[Bar]] = {}
    for offset, epoch in epochs:
        for name, value in epoch.measures.items():
            middle = round(left[offset] + width / 2, 1)
            values.setdefault(name, []).append((middle, _short(name, value, rulebook)))
        for kind, reason in epoch.not_assessable.items():
            bars.setdefault(kind, []).append(Bar(left[offset], width, "unknown", reason))
        for event in epoch.events:
            bars.setdefault(event.kind, []).append(_bar(event, left[offset], width, rulebook))
    tops = count(_TOP, _LANE)
    for name, found in values.items():
        yield Lane(next(tops), spoken(name.removesuffix("_fraction")), (), tuple(found))
    for kind, drawn in bars.items():
        yield Lane(next(tops), spoken(kind.value), tuple(drawn), ())


def _bar(event: CaseEvent, left: float, width: float, rulebook: Rulebook) -> Bar:
    begin_s, end_s = event.at_s
    return Bar(
        x=round(left + begin_s / EPOCH_S * width, 1),
        width=round(max((end_s - begin_s) / EPOCH_S * width, _THINNEST), 1),
        kind=_sureness(event.probability, rulebook.detection[event.kind]),
        title=_events_said((event,), rulebook),
    )


def _short(name: str, value: float | str | MeasureInDoubt, rulebook: Rulebook) -> str:
    if isinstance(value, MeasureInDoubt):
        return "–".join(_number(name, each, rulebook) for each in (value.low, value.high))
    return _number(name, value, rulebook)


def _sureness(probability: float, detection: Thresholds) -> str:
    if probability >= detection.clearly_there:
        return "sure"
    return "open" if probability >= detection.clearly_not else "unlikely"
