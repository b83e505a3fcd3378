"""A night as a drawing: stages, how sure the stager was of each, and where the flags are.

Everything is placed in the drawing's own units; the page scales it to its width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from auditor.vocabulary import EPOCH_S, ScoredEpoch, Stage
from connector.documents import Json
from connector.wording import recording_start, time_of_day

_Place: TypeAlias = Callable[[float], float]

# Top to bottom as sleep laboratories draw them.
_ROWS = ("W", "R", "N1", "N2", "N3")
_WIDTH, _ROW_HEIGHT, _LABELS, _FLAGS = 1000, 24, 34, 22
DENSITY_HEIGHT = 48


@dataclass(frozen=True, slots=True)
class Bar:
    """Consecutive epochs of one stage, or one flagged epoch beneath them."""

    x: float
    y: float
    width: float
    stage: str
    epoch: int
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A vertical line at a round time, with the time beneath it."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class HypnogramDrawing:
    """A hypnogram in the units of its drawing; ``path`` is its line, as SVG writes it."""

    width: int
    height: int
    labels: int
    flags_y: int
    rows: tuple[tuple[str, float], ...]
    bars: tuple[Bar, ...]
    path: str
    flags: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    description: str


def draw_hypnogram(audit: Json, stages: Sequence[Stage] | None = None) -> HypnogramDrawing:
    """The drawing of an audited night.

    Args:
        audit: the audit document.
        stages: drawn in place of those that were audited.
    """
    epochs = audit["epochs"]
    x = _places(len(epochs))
    per_epoch = (_WIDTH - _LABELS) / max(1, len(epochs))
    drawn = [epoch["stage"] for epoch in epochs] if stages is None else [s.value for s in stages]

    def y(stage: str) -> float:
        return (_ROWS.index(stage) + 0.5) * _ROW_HEIGHT

    bars = []
    for stage, run in groupby(range(len(drawn)), key=drawn.__getitem__):
        numbers = list(run)
        if stage in _ROWS:
            width = round(len(numbers) * per_epoch, 2)
            bars.append(Bar(x(numbers[0]), y(stage), width, stage, numbers[0], ""))
    flags_y = len(_ROWS) * _ROW_HEIGHT + 4
    flags = [
        Bar(
            x(epoch["epoch"]),
            flags_y,
            round(max(per_epoch, 1.5), 2),
            epoch["flags"][0]["severity"],
            epoch["epoch"],
            f"epoch {epoch['epoch']}: {epoch['flags'][0]['message']}",
        )
        for epoch in epochs
        if epoch["flags"]
    ]
    return HypnogramDrawing(
        width=_WIDTH,
        height=flags_y + _FLAGS + 16,
        labels=_LABELS,
        flags_y=flags_y,
        rows=tuple((row, y(row)) for row in _ROWS),
        bars=tuple(bars),
        path=_line(bars),
        flags=tuple(flags),
        ticks=tuple(_ticks(audit, x)),
        description=f"Hypnogram of {len(epochs)} epochs, {len(flags)} of them flagged for review",
    )


def draw_density(epochs: Sequence[ScoredEpoch]) -> tuple[tuple[str, str], ...]:
    """The hypnodensity: each stage's probability, one upon the other.

    As in doi:10.1038/s41467-018-07229-3.

    Returns:
        Stage and SVG path, from the bottom up, in a field of :data:`DENSITY_HEIGHT`; nothing
        where the stager gives no probabilities.
    """
    if not any(epoch.probabilities for epoch in epochs):
        return ()
    x = _places(len(epochs))
    below = [0.0] * len(epochs)
    areas = []
    for stage in reversed(_ROWS):
        above = [
            min(1.0, low + (epoch.probabilities or {}).get(Stage(stage), 0.0))
            for low, epoch in zip(below, epochs, strict=True)
        ]
        out = "".join(f"V{_level(high)}H{x(i + 1)}" for i, high in enumerate(above))
        back = "".join(f"V{_level(below[i])}H{x(i)}" for i in reversed(range(len(below))))
        areas.append((stage, f"M{x(0)} {_level(below[0])}{out}{back}Z"))
        below = above
    return tuple(areas)


def _level(probability: float) -> float:
    return round(DENSITY_HEIGHT * (1 - probability), 1)


def _places(n_epochs: int) -> _Place:
    """Where on the time axis an epoch begins."""
    per_epoch = (_WIDTH - _LABELS) / max(1, n_epochs)

    def x(epoch: float) -> float:
        return round(_LABELS + epoch * per_epoch, 2)

    return x


def _line(bars: list[Bar]) -> str:
    """One line through all stages, lifted where epochs are not scored."""
    steps = []
    end: float | None = None
    for bar in bars:
        joined = end is not None and abs(bar.x - end) < 0.05
        steps.append(f"{'L' if joined else 'M'}{bar.x} {bar.y}H{round(bar.x + bar.width, 2)}")
        end = bar.x + bar.width
    return "".join(steps)


def _ticks(audit: Json, x: _Place) -> Iterator[Tick]:
    """Whole hours of the clock; of the recording where its start is not known."""
    n_epochs = len(audit["epochs"])
    start = recording_start(audit)
    into_hour_s = start.minute * 60 + start.second if start else 0
    # Short recordings get finer ticks: about four to a page at least.
    length_s = n_epochs * EPOCH_S
    step_s = next((s for s in (3600, 1800, 600, 300, 60) if length_s >= 4 * s), 30)
    at_s = -into_hour_s % step_s
    while at_s <= length_s:
        yield Tick(x(at_s / EPOCH_S), time_of_day(start, at_s, seconds=step_s < 60))
        at_s += step_s
