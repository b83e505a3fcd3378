"""Finding the event that a claim speaks of, and saying where the words go wrong if none fits."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from auditor.night import Certainty, Night
from auditor.rule_schema import ClaimsDocument
from auditor.vocabulary import EPOCH_S, Claim, Epoch, Event, Interval, Phenomenon, Role, Span

_EYES = (Role.LEFT_EYE, Role.RIGHT_EYE)
_EPOCH = Span(0.0, EPOCH_S)
_MODALITY = re.compile(r"^(EEG|EOG|EMG)[\s:_-]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """The event that a claim speaks of at one of its times.

    Attributes:
        event: the most probable that fits in everything; where none does, the one that came
            nearest, and None where there is nothing at all.
        misfit: where the words go wrong; empty where the event fits.
    """

    event: Event | None
    misfit: str = ""

    @property
    def fits(self) -> bool:
        return self.event is not None and not self.misfit


_Test: TypeAlias = tuple[Callable[[Event], bool], Callable[[Event], str]]
"""Whether an event fits in one respect, and how to say that it does not."""


class EventSearch:
    """Looks for the events that claims speak of, in one night."""

    def __init__(self, conventions: ClaimsDocument, night: Night) -> None:
        self._conventions = conventions
        self._night = night
        self._starts = {
            kind: [event.start_s for event in night.events(kind)] for kind in Phenomenon
        }
        self._longest_s = {
            kind: max((event.duration_s for event in night.events(kind)), default=0.0)
            for kind in Phenomenon
        }
        channels = night.evidence.channels
        self._labels = {report.label.casefold(): role for role, report in channels.items()}
        self._roles_of = {
            report.label: frozenset(
                r for r, other in channels.items() if other.label == report.label
            )
            for report in channels.values()
        }
        self._searched = {
            kind: frozenset[Role]().union(
                *(self._roles_of.get(event.channel, ()) for event in night.events(kind))
            )
            for kind in Phenomenon
        }

    # ── where ─────────────────────────────────────────────────────────────────────────────

    def roles(self, labels: Iterable[str]) -> frozenset[Role]:
        """The regions that labels in a rationale name; those that say nothing are left out."""
        return frozenset(role for label in labels if (role := self._role(label)) is not None)

    def _role(self, label: str) -> Role | None:
        if label.casefold() in self._labels:
            return self._labels[label.casefold()]
        for name in (label, _MODALITY.sub("", label)):
            bare = re.sub(r"[\s_]", "", name).casefold()
            for role, beginnings in self._conventions.electrodes.items():
                if any(bare.startswith(each.casefold()) for each in beginnings):
                    return role
        return None

    def where(self, claim: Claim) -> frozenset[Role]:
        """The regions in which the claimed event must be; empty where any will do.

        A region that was not searched for this phenomenon does not narrow the search.
        """
        claimed = self.roles(claim.channels)
        if claimed & set(_EYES):
            claimed |= set(_EYES)
        return claimed & self._searched[claim.phenomenon]

    # ── which ─────────────────────────────────────────────────────────────────────────────

    def within(self, kind: Phenomenon, span: Span, least: float) -> Sequence[Event]:
        """All candidates of at least this probability that overlap a span, by start."""
        starts = self._starts[kind]
        first = bisect_left(starts, span.start_s - self._longest_s[kind])
        last = bisect_left(starts, span.end_s)
        return [
            event
            for event in self._night.events(kind)[first:last]
            if event.end_s > span.start_s and event.probability >= least
        ]

    def denied(self, claim: Claim, epoch: Epoch) -> Sequence[Event]:
        """All candidates where and when the claim denies them."""
        where = self.where(claim)
        least = self._night.threshold(claim.phenomenon, Certainty.EVERY)
        spans = [_absolute(span, epoch, 0.0) for span in claim.spans or (_EPOCH,)]
        return [
            event
            for span in spans
            for event in self.within(claim.phenomenon, span, least)
            if _belongs(event, span) and self._is_in(event, where)
        ]

    def matches(self, claim: Claim, epoch: Epoch) -> Sequence[Match]:
        """For each time claimed, or for the epoch as a whole, the event that fits or nearly."""
        if not claim.spans:
            here = _absolute(_EPOCH, epoch, 0.0)
            candidates = self.within(claim.phenomenon, here, self._least(claim))
            return [self._match(candidates, self._other_tests(claim, candidates))]
        # What a stage implies is no misjudged time.
        slack_s = self._conventions.tolerances.time_s.value if claim.text is not None else 0.0
        return [self._match_at(claim, span, epoch, slack_s) for span in claim.spans]

    def _match_at(self, claim: Claim, span: Span, epoch: Epoch, slack_s: float) -> Match:
        """The event at one claimed time; others of the epoch tell how far off it is."""
        wanted = _absolute(span, epoch, slack_s)
        around = Span(min(wanted.start_s, epoch.start_s), max(wanted.end_s, epoch.end_s))

        within = f"within {slack_s:g} s of " if slack_s else "at "
        off_time: _Test = (
            lambda event: _touches(event, wanted),
            lambda _: f"none {within}{spoken_span(span)}",
        )
        faint_s = self._conventions.tolerances.faint_time_s.value
        candidates = self._meant(claim, around, _absolute(span, epoch, faint_s))
        then = [event for event in candidates if _touches(event, wanted)]
        return self._match(candidates, [off_time, *self._other_tests(claim, then)])

    def _meant(self, claim: Claim, around: Span, near: Span) -> Sequence[Event]:
        """All candidates that a claim may mean; what is hardly there itself, only nearby."""
        hardly_below = self._night.threshold(claim.phenomenon, Certainty.EVERY)
        return [
            event
            for event in self.within(claim.phenomenon, around, self._least(claim))
            if event.probability >= hardly_below or _touches(event, near)
        ]

    def _match(self, candidates: Sequence[Event], tests: Sequence[_Test]) -> Match:
        """The most probable candidate that passes all tests; else the one that comes nearest, a
        sure one before others, and the first test that it fails."""

        def passed(event: Event) -> int:
            return next((i for i, (fits, _) in enumerate(tests) if not fits(event)), len(tests))

        def nearness(event: Event) -> tuple[bool, bool, int, float]:
            n = passed(event)
            return n == len(tests), self.surely(event), n, event.probability

        nearest = max(candidates, key=nearness, default=None)
        if nearest is None or passed(nearest) == len(tests):
            return Match(nearest)
        return Match(nearest, tests[passed(nearest)][1](nearest))

    def _least(self, claim: Claim) -> float:
        """The least probable candidate that keeps a claim of presence from being wrong."""
        if claim.text is None:  # what a stage implies is held to what its rules are held to
            return self._night.threshold(claim.phenomenon, Certainty.EVERY)
        return self._conventions.presence_wrong_below.value

    def surely(self, event: Event) -> bool:
        return event.probability >= self._night.threshold(event.kind, Certainty.SURE)

    def _is_in(self, event: Event, where: frozenset[Role]) -> bool:
        return not where or bool(self._roles_of.get(event.channel, frozenset()) & where)

    def _other_tests(self, claim: Claim, candidates: Sequence[Event]) -> list[_Test]:
        """What the words say of an event besides its time, as far as it can be checked.

        How long and how large an event is, is as doubtful as the event itself, and so is in which
        of two neighbouring regions it stands: where none of the candidates is sure, a neighbour
        will do, and length and size are not held against them.
        """
        by = self._conventions.tolerances
        where = self.where(claim)
        sure = any(map(self.surely, candidates))
        if not sure:
            where |= {near for role in where for near in self._conventions.beside.get(role, [])}
        tests: list[_Test] = []
        if where:
            named = " or ".join(claim.channels)
            tests.append((lambda event: self._is_in(event, where), lambda _: f"none in {named}"))
        if claim.frequency_hz is not None:
            wide = _shifted(claim.frequency_hz, by.frequency_hz.value)
            tests.append(_range_test(claim.frequency_hz, wide, _frequency_hz, "of", "Hz"))
        if not sure:
            return tests
        if claim.duration_s is not None:
            wide = _stretched(claim.duration_s, by.duration_factor.value)
            tests.append(_range_test(claim.duration_s, wide, _duration_s, "lasting", "s"))
        if claim.amplitude_uv is not None:
            wide = _stretched(claim.amplitude_uv, by.amplitude_factor.value)
            tests.append(_range_test(claim.amplitude_uv, wide, _amplitude_uv, "of", "µV"))
        return tests


def _range_test(
    claimed: Interval,
    wide: Interval,
    measure: Callable[[Event], float | None],
    verb: str,
    unit: str,
) -> _Test:
    """An event without this attribute passes: the attribute cannot be checked."""

    def fits(event: Event) -> bool:
        measured = measure(event)
        return measured is None or wide.low <= measured <= wide.high

    def misfit(event: Event) -> str:
        return f"{verb} {measure(event):.3g} {unit}, not {spoken_range(claimed)} {unit}"

    return fits, misfit


def _touches(event: Event, span: Span) -> bool:
    return event.end_s >= span.start_s and event.start_s <= span.end_s


def _belongs(event: Event, span: Span) -> bool:
    """Whether half of an event is within the span; one that is longer fills half of the span."""
    shared_s = min(event.end_s, span.end_s) - max(event.start_s, span.start_s)
    return shared_s >= min(event.duration_s, span.end_s - span.start_s) / 2


def _frequency_hz(event: Event) -> float | None:
    return event.frequency_hz


def _duration_s(event: Event) -> float | None:
    return round(event.duration_s, 3)  # times are kept to the millisecond


def _amplitude_uv(event: Event) -> float | None:
    return event.amplitude_uv


def _shifted(claimed: Interval, by: float) -> Interval:
    return Interval(claimed.low - by, claimed.high + by)


def _stretched(claimed: Interval, factor: float) -> Interval:
    return Interval(claimed.low / factor, claimed.high * factor)


def _absolute(span: Span, epoch: Epoch, slack_s: float) -> Span:
    """A time within the epoch as time within the recording, with slack on both sides."""
    return Span(epoch.start_s + span.start_s - slack_s, epoch.start_s + span.end_s + slack_s)


def spoken_range(interval: Interval) -> str:
    if interval.low == interval.high:
        return f"{interval.low:g}"
    if interval.high == float("inf"):
        return f"above {interval.low:g}"
    if interval.low in (0.0, float("-inf")):
        return f"below {interval.high:g}"
    return f"{interval.low:g}–{interval.high:g}"


def spoken_span(span: Span) -> str:
    if span.start_s == span.end_s:
        return f"{span.start_s:g} s"
    return f"{span.start_s:g}–{span.end_s:g} s"


def spoken_time(event: Event, epoch: Epoch) -> str:
    """When within the epoch an event begins, and in which channel."""
    at_s = event.start_s - epoch.start_s
    if at_s < 0:
        return f"{-at_s:.1f} s before the epoch in {event.channel}"
    if event.start_s >= epoch.end_s:
        return f"{event.start_s - epoch.end_s:.1f} s after the epoch in {event.channel}"
    return f"{at_s:.1f} s in {event.channel}"


def one(say: str) -> str:
    """A phenomenon with its article."""
    return f"{'an' if say[0] in 'aeiou' else 'a'} {say}"
