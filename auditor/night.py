"""What the rules can ask about a night: the quantities of ``rules/quantities.yaml``.

Each quantity is taken three times: once with what is surely there, once with the best estimate
and once with every candidate. What could not be measured could be anything that the quantity
can be; it is never taken for none.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from typing import TypeAlias

from auditor.evidence.thresholds import Thresholds
from auditor.rule_schema import (
    Apart,
    CountQuantity,
    EpochsQuantity,
    GapQuantity,
    MeasureQuantity,
    ShareQuantity,
)
from auditor.vocabulary import (
    EPOCH_S,
    SCORED_STAGES,
    Epoch,
    Event,
    Evidence,
    Measure,
    Phenomenon,
    Span,
    Stage,
)

Quantity: TypeAlias = MeasureQuantity | CountQuantity | ShareQuantity | EpochsQuantity | GapQuantity
Value: TypeAlias = float | str

STAGE = "stage"
"""The quantity that is not measured: the stage that a neighbouring epoch was scored."""


class Window(StrEnum):
    """The part of an epoch in which events are counted."""

    WHOLE = ""
    FIRST_HALF = "first_half"
    LAST_HALF = "last_half"

    def span(self, epoch: Epoch) -> Span:
        middle = epoch.start_s + EPOCH_S / 2
        return Span(
            middle if self is Window.LAST_HALF else epoch.start_s,
            middle if self is Window.FIRST_HALF else epoch.end_s,
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """A quantity as a rule names it: ``previous.last_half.sleep_spindles``.

    Attributes:
        name: as written.
        quantity: its name in ``rules/quantities.yaml``, or ``stage``.
        offset: −1 in the epoch before, 0 in this one, 1 in the one after.
        window: the part of that epoch.
    """

    name: str
    quantity: str
    offset: int = 0
    window: Window = Window.WHOLE


@dataclass(frozen=True, slots=True)
class Observed:
    """A quantity in one epoch.

    Attributes:
        value: the best estimate; None where it could not be measured.
        possible: its lowest and highest possible values, or each possible word.
        reason: why it could not be measured, or not wholly; empty otherwise.
    """

    value: Value | None
    possible: tuple[Value, ...]
    reason: str = ""

    @classmethod
    def of(cls, value: Value, *others: Value, reason: str = "") -> Observed:
        """A measured value and what else it could be."""
        everything = (value, *others)
        if all(isinstance(each, float) for each in everything):
            return cls(value, tuple(sorted({min(everything), max(everything)})), reason)
        return cls(value, tuple(dict.fromkeys(everything)), reason)

    @classmethod
    def unknown(cls, possible: Iterable[Value], reason: str) -> Observed:
        return cls(None, tuple(possible), reason)


class Certainty(Enum):
    """Which candidates count."""

    SURE = "sure"
    BEST = "best"
    EVERY = "every"

    @property
    def opposite(self) -> Certainty:
        """What must be left out by, for the rest to be counted with this certainty."""
        return {Certainty.SURE: Certainty.EVERY, Certainty.EVERY: Certainty.SURE}.get(self, self)


class Occurrences:
    """Spans in which something goes on, in order and apart from one another."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = tuple(spans)
        self._starts = [span.start_s for span in self.spans]
        self._ends = [span.end_s for span in self.spans]
        self._middles = [(span.start_s + span.end_s) / 2 for span in self.spans]

    def within(self, window: Span) -> int:
        """How many have their middle in the window; its end is not part of it."""
        first = bisect_left(self._middles, window.start_s)
        return bisect_left(self._middles, window.end_s) - first

    def seconds(self, window: Span) -> float:
        """How long they go on within the window."""
        first = bisect_right(self._ends, window.start_s)
        last = bisect_left(self._starts, window.end_s)
        return sum(
            min(each.end_s, window.end_s) - max(each.start_s, window.start_s)
            for each in self.spans[first:last]
        )

    def near(self, span: Span, within_s: float) -> bool:
        """Whether any lies beside the span, this far away or nearer."""
        first = bisect_left(self._ends, span.start_s - within_s)
        return first < len(self.spans) and self._starts[first] <= span.end_s + within_s

    def gap_around(self, time_s: float, night_s: float) -> float:
        """From the last end before a time to the first start after it, or the night's edges."""
        after = bisect_right(self._starts, time_s)
        begin_s = self._ends[after - 1] if after else 0.0
        end_s = self._starts[after] if after < len(self.spans) else night_s
        return end_s - begin_s


class Night:
    """The evidence of a recording and the stages of its neighbours, asked by quantity."""

    def __init__(
        self,
        evidence: Evidence,
        stages: Sequence[Stage],
        quantities: Mapping[str, Quantity],
        detection: Mapping[Phenomenon, Thresholds],
    ) -> None:
        self.evidence = evidence
        self.stages = stages
        self._quantities = quantities
        self._detection = detection
        self._events: dict[Phenomenon, list[Event]] = {kind: [] for kind in Phenomenon}
        for event in sorted(evidence.events, key=lambda event: event.start_s):
            self._events[event.kind].append(event)
        # Caches that end with this night; `@cache` on the methods would outlive it.
        self._occurrences = cache(self._find_occurrences)
        self._apart = cache(self._find_apart)
        self._epochs_where = cache(self._count_epochs)
        self._in_window = cache(self._observe)

    def events(self, kind: Phenomenon) -> Sequence[Event]:
        """Every candidate of a kind, by start."""
        return self._events[kind]

    def threshold(self, kind: Phenomenon, certainty: Certainty) -> float:
        """The least probability of the candidates that count."""
        detection = self._detection[kind]
        if certainty is Certainty.SURE:
            return detection.clearly_there
        if certainty is Certainty.EVERY:
            return detection.clearly_not
        return min(max(0.5, detection.clearly_not), detection.clearly_there)

    def observe(self, reference: Reference, index: int) -> Observed:
        """The quantity as seen from the epoch ``index``."""
        at = index + reference.offset
        if not 0 <= at < len(self.stages) or at >= self.evidence.n_epochs:
            where = "begins" if reference.offset < 0 else "ends"
            return Observed.unknown(
                self._all_it_can_be(reference.quantity), f"the recording {where} here"
            )
        if reference.quantity == STAGE:
            return self._stage(at)
        return self._in_window(reference.quantity, reference.window, at)

    def _stage(self, at: int) -> Observed:
        if self.stages[at] is Stage.UNSCORED:
            return Observed.unknown(
                self._all_it_can_be(STAGE), f"epoch {at} beside it is not scored"
            )
        return Observed.of(self.stages[at].value)

    def _all_it_can_be(self, name: str) -> tuple[Value, ...]:
        if name == STAGE:
            return tuple(stage.value for stage in SCORED_STAGES)
        quantity = self._quantities[name]
        if isinstance(quantity, MeasureQuantity):
            if quantity.words is not None:
                return tuple(quantity.words)
            return (0.0, math.inf if quantity.at_most is None else quantity.at_most)
        return (0.0, 1.0) if isinstance(quantity, ShareQuantity) else (0.0, math.inf)

    def _observe(self, name: str, window: Window, at: int) -> Observed:
        quantity = self._quantities[name]
        if isinstance(quantity, MeasureQuantity):
            return self._measure(name, quantity, at)
        if isinstance(quantity, EpochsQuantity):
            return self._epochs_where(quantity, self._all_it_can_be(name))
        for kind in phenomena_of(self._quantities, name):
            reason = self.evidence.epochs[at].not_assessable.get(kind)
            if reason is not None:
                return Observed.unknown(self._all_it_can_be(name), reason)
        span = window.span(Epoch(at))
        if isinstance(quantity, CountQuantity):
            return self._count(quantity, span, at)
        if isinstance(quantity, ShareQuantity):
            return _thrice(lambda each: self._share(quantity, span, each))
        return _thrice(lambda each: self._gap(quantity, span, each))

    def _measure(self, name: str, quantity: MeasureQuantity, at: int) -> Observed:
        epoch = self.evidence.epochs[at]
        reason = epoch.not_assessable.get(quantity.phenomenon)
        measure: Measure | None = epoch.measures.get(quantity.measure)
        if reason is not None or measure is None:
            return Observed.unknown(self._all_it_can_be(name), reason or f"{name} was not measured")
        value, low, high = map(_number, (measure.value, measure.low, measure.high))
        if quantity.words is None:
            return Observed.of(value, low, high)
        # From the lowest word to the highest, it could be any between them.
        first, last = (quantity.words.index(str(each)) for each in (low, high))
        return Observed.of(value, *quantity.words[first : last + 1])

    def _count_epochs(self, quantity: EpochsQuantity, possible: tuple[Value, ...]) -> Observed:
        """Over the epochs where the measure was taken, if those are at least half."""
        seen = [
            self._in_window(quantity.epochs_where, Window.WHOLE, at)
            for at in range(self.evidence.n_epochs)
        ]
        known = [each for each in seen if each.value is not None]
        if 2 * len(known) < len(seen):
            reason = next(each.reason for each in seen if each.value is None)
            return Observed.unknown(possible, reason)
        least = quantity.reaches.value
        return Observed.of(
            float(sum(_reaches(each.value, least) for each in known)),
            float(sum(_reaches(min(each.possible, key=float), least) for each in known)),
            float(sum(_reaches(max(each.possible, key=float), least) for each in known)),
        )

    def _count(self, quantity: CountQuantity, span: Span, at: int) -> Observed:
        kind, apart = quantity.count, quantity.apart_from
        if apart is None:
            return _thrice(lambda each: float(self._occurrences((kind,), each).within(span)))
        reason = self.evidence.epochs[at].not_assessable.get(apart.phenomenon)
        if reason is not None:
            every = float(self._occurrences((kind,), Certainty.EVERY).within(span))
            return Observed.of(every, 0.0, reason=reason if every else "")
        return _thrice(lambda each: float(self._apart(kind, apart, each).within(span)))

    def _share(self, quantity: ShareQuantity, span: Span, certainty: Certainty) -> float:
        found = self._occurrences(quantity.share, certainty, quantity.joined_within_s)
        return found.seconds(span) / (span.end_s - span.start_s)

    def _gap(self, quantity: GapQuantity, span: Span, certainty: Certainty) -> float:
        """0 where one lies inside; else from the one before to the one after."""
        found = self._occurrences(quantity.gap_between, certainty)
        if found.within(span):
            return 0.0
        return found.gap_around((span.start_s + span.end_s) / 2, self.evidence.n_epochs * EPOCH_S)

    def _find_occurrences(
        self, kinds: tuple[Phenomenon, ...], certainty: Certainty, joined_within_s: float = 0.0
    ) -> Occurrences:
        """Each occurrence once, however many channels show it."""
        counted = (
            event
            for kind in kinds
            for event in self._events[kind]
            if event.probability >= self.threshold(kind, certainty)
        )
        spans: list[Span] = []
        for event in sorted(counted, key=lambda event: event.start_s):
            if spans and event.start_s < spans[-1].end_s + joined_within_s:
                last = spans.pop()
                spans.append(Span(last.start_s, max(last.end_s, event.end_s)))
            else:
                spans.append(Span(event.start_s, event.end_s))
        return Occurrences(spans)

    def _find_apart(self, kind: Phenomenon, apart: Apart, certainty: Certainty) -> Occurrences:
        """Those that nothing of the other phenomenon lies beside."""
        others = self._occurrences((apart.phenomenon,), certainty.opposite)
        found = self._occurrences((kind,), certainty)
        return Occurrences(s for s in found.spans if not others.near(s, apart.within_s))


def phenomena_of(quantities: Mapping[str, Quantity], name: str) -> Sequence[Phenomenon]:
    """The phenomena that a quantity measures; none for the stage of a neighbour."""
    quantity = quantities.get(name)
    if quantity is None:
        return ()
    if isinstance(quantity, MeasureQuantity):
        return (quantity.phenomenon,)
    if isinstance(quantity, EpochsQuantity):
        return phenomena_of(quantities, quantity.epochs_where)
    if isinstance(quantity, CountQuantity):
        return (quantity.count,)
    return quantity.share if isinstance(quantity, ShareQuantity) else quantity.gap_between


def _thrice(counted: Callable[[Certainty], float]) -> Observed:
    """The best estimate, with what is surely there and with every candidate."""
    return Observed.of(*(counted(each) for each in (Certainty.BEST, *Certainty)))


def _number(value: float | str) -> Value:
    return value if isinstance(value, str) else float(value)


def _reaches(value: Value | None, least: float) -> bool:
    return isinstance(value, float) and value >= least
