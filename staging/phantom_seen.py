"""What a scorer would see in an epoch of a phantom, and the rules that give its stage."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from auditor.vocabulary import EPOCH_S, Event, Level, Phenomenon, Stage
from staging.phantom import Phantom

N3_S = 6.0
"""Slow waves for 20 % of an epoch make it N3 (AASM scoring manual, stage N3)."""

_HALF_S = EPOCH_S / 2
_LONGEST_S = 120.0  # no event of a phantom lasts longer
# An arousal spoils a K complex when it is concurrent or begins within 1 s after its end (AASM
# scoring manual, stage N2).
_AROUSAL_REACH_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scorer sees in an epoch and makes of it.

    Attributes:
        stage: the stage concluded.
        rules: the rules cited for it.
        events: those that reach into the epoch, whole, at seconds from the epoch's start.
        alpha_fraction, chin_tone: as in the phantom's truth.
    """

    stage: Stage
    rules: tuple[str, ...]
    events: tuple[Event, ...]
    alpha_fraction: float
    chin_tone: Level

    def of(self, *kinds: Phenomenon) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.kind in kinds)

    def centred(self, kind: Phenomenon) -> tuple[Event, ...]:
        """Those that a scorer would count to this epoch and not to its neighbours."""
        return tuple(
            event for event in self.of(kind) if 0.0 <= (event.start_s + event.end_s) / 2 < EPOCH_S
        )

    def seconds(self, kind: Phenomenon) -> float:
        """How long such events fill the epoch."""
        return sum(min(e.end_s, EPOCH_S) - max(e.start_s, 0.0) for e in self.of(kind))


def look_at(phantom: Phantom, epoch: int) -> Seen:
    """Everything that is true of an epoch, and the rules that give its stage."""
    start = epoch * EPOCH_S
    return Seen(
        stage=phantom.stages[epoch],
        rules=_rules(phantom, epoch),
        events=tuple(
            replace(event, start_s=event.start_s - start, end_s=event.end_s - start)
            for event in _between(phantom, start, start + EPOCH_S)
        ),
        alpha_fraction=phantom.epochs[epoch].alpha_fraction,
        chin_tone=phantom.epochs[epoch].chin_tone,
    )


def _between(phantom: Phantom, start_s: float, end_s: float) -> list[Event]:
    """The events that reach into a stretch of the night."""
    first = bisect_left(phantom.events, start_s - _LONGEST_S, key=lambda event: event.start_s)
    last = bisect_left(phantom.events, end_s, key=lambda event: event.start_s)
    return [event for event in phantom.events[first:last] if event.end_s > start_s]


# ── which rules apply ─────────────────────────────────────────────────────────────────────


def _rules(phantom: Phantom, epoch: int) -> tuple[str, ...]:
    stage = phantom.stages[epoch]
    before = phantom.stages[epoch - 1] if epoch else None
    truth = phantom.epochs[epoch]
    if truth.movement_fraction > 0.5:
        return ("MBM.1",) if stage is Stage.W else ("MBM.2",)
    if stage is Stage.W:
        return _rules_of_wake(phantom, epoch)
    if stage is Stage.N1:
        if before in (Stage.N2, Stage.N3):
            return ("N2.4",)
        if before is Stage.R:
            return ("R.3",)
        return ("N1.1",) if phantom.plan.subject.alpha_producer else ("N1.2",)
    if stage is Stage.N2:
        if _has_sign_of_n2(phantom, epoch):
            return ("N2.1",)
        return ("N2.3",) if before is Stage.N3 else ("N2.2",)
    if stage is Stage.N3:
        return ("N3.1",)
    return ("R.1",) if _within(phantom, epoch, Phenomenon.RAPID_EYE_MOVEMENTS) else ("R.2",)


def _rules_of_wake(phantom: Phantom, epoch: int) -> tuple[str, ...]:
    reading = sum(
        event.duration_s for event in _within(phantom, epoch, Phenomenon.READING_EYE_MOVEMENTS)
    )
    blinking = _unbroken_s(_within(phantom, epoch, Phenomenon.EYE_BLINKS))
    looking = _unbroken_s(_within(phantom, epoch, Phenomenon.RAPID_EYE_MOVEMENTS))
    holds = {
        "W.1": phantom.epochs[epoch].alpha_fraction > 0.5,
        "W.2": blinking > _HALF_S or reading > _HALF_S,
        "W.3": looking > _HALF_S,
    }
    return tuple(rule for rule, applies in holds.items() if applies)


def _unbroken_s(events: Sequence[Event]) -> float:
    """Seconds through which events follow one another within 2 s, that is at 0.5 Hz or more."""
    gaps = (after.start_s - before.start_s for before, after in pairwise(events))
    return sum(gap for gap in gaps if gap <= 2.0)


def _within(phantom: Phantom, epoch: int, kind: Phenomenon) -> list[Event]:
    start = epoch * EPOCH_S
    return [event for event in _between(phantom, start, start + EPOCH_S) if event.kind is kind]


def _has_sign_of_n2(phantom: Phantom, epoch: int) -> bool:
    """Rule N2.1: in the first half of this epoch or the last half of the one before."""
    start, end = epoch * EPOCH_S - _HALF_S, epoch * EPOCH_S + _HALF_S
    events = _between(phantom, start, end + _AROUSAL_REACH_S)
    arousals = [event for event in events if event.kind is Phenomenon.AROUSAL]
    return any(
        event.kind in (Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX)
        and start <= event.start_s
        and event.end_s <= end
        and not spoiled(event, arousals)
        for event in events
    )


def spoiled(event: Event, arousals: Iterable[Event]) -> bool:
    return event.kind is Phenomenon.K_COMPLEX and any(
        arousal.start_s <= event.end_s + _AROUSAL_REACH_S and arousal.end_s >= event.start_s
        for arousal in arousals
    )
