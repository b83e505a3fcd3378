"""The working grid: its rates, its arrays, and stretches of time on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from auditor.vocabulary import EPOCH_S, Event, Phenomenon

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.intp]

WORKING_RATE_HZ = 100
EPOCH_SAMPLES = int(EPOCH_S * WORKING_RATE_HZ)

STEPS_HZ = 10
"""Spectra are taken ten times a second."""
STEP_SAMPLES = WORKING_RATE_HZ // STEPS_HZ

FASTEST_HZ = 40.0
"""The highest frequency that a working signal still shows undamped."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of a grid, and statistics of values over them.

    Attributes:
        first, past: index of the first value, and past the last one; shape ``(n,)``.
        rate_hz: values per second: of the working signals, or of the spectrum's steps.
    """

    first: Indices
    past: Indices
    rate_hz: int = WORKING_RATE_HZ

    @classmethod
    def of_mask(cls, mask: Mask, rate_hz: int = WORKING_RATE_HZ) -> Spans:
        """The runs of True."""
        return cls(*runs(mask), rate_hz)

    @property
    def start_s(self) -> Doubles:
        return self.first / self.rate_hz

    @property
    def end_s(self) -> Doubles:
        return self.past / self.rate_hz

    def __len__(self) -> int:
        return len(self.first)

    @property
    def duration_s(self) -> Doubles:
        return (self.past - self.first) / self.rate_hz

    def widened(self, by_s: float, n_samples: int) -> Spans:
        by = round(by_s * self.rate_hz)
        return replace(
            self,
            first=np.maximum(self.first - by, 0),
            past=np.minimum(self.past + by, n_samples),
        )

    def in_steps(self) -> Spans:
        """The same stretches of working samples as steps of the spectrum, one at the least."""
        first = self.first // STEP_SAMPLES
        past = np.maximum(-(-self.past // STEP_SAMPLES), first + 1)
        return Spans(first, past, STEPS_HZ)

    def in_samples(self, n_samples: int) -> Spans:
        """The same stretches of steps as working samples, of which there are so many."""
        past = np.minimum(self.past * STEP_SAMPLES, n_samples)
        return Spans(self.first * STEP_SAMPLES, past)

    def followed_by(self, other: Spans) -> Spans:
        """Both together, in order of time."""
        first = np.concatenate((self.first, other.first))
        order = np.argsort(first, kind="stable")
        past = np.concatenate((self.past, other.past))
        return replace(self, first=first[order], past=past[order])

    def where(self, keep: Mask | Indices) -> Spans:
        return replace(self, first=self.first[keep], past=self.past[keep])

    def mean(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The mean over each stretch, complex for complex values."""
        wide = np.complex128 if np.iscomplexobj(values) else np.float64
        total = np.concatenate(([0], np.cumsum(values, dtype=wide)))
        means: npt.NDArray[Any] = (total[self.past] - total[self.first]) / (self.past - self.first)
        return means

    def rms(self, values: Floats) -> Doubles:
        root: Doubles = np.sqrt(self.mean(np.square(values)))
        return root

    def maximum(self, values: Floats) -> Floats:
        """The maximum over each stretch; stretches must be in order and not overlap."""
        if not len(self):
            return np.zeros(0, dtype=np.float32)
        bounds = np.column_stack((self.first, self.past)).ravel()
        extended = np.append(values, values[-1])
        return np.maximum.reduceat(extended, bounds)[::2]

    def lasting(self, at_least_s: float) -> Spans:
        """Those that last so long."""
        return self.where(self.duration_s >= at_least_s)

    def mask(self, n_values: int) -> Mask:
        """True within them, on a grid of so many values."""
        changes = np.zeros(n_values + 1, dtype=np.int32)
        np.add.at(changes, self.first, 1)
        np.add.at(changes, self.past, -1)
        return np.cumsum(changes[:-1]) > 0

    def spread(self, values: npt.NDArray[Any], n_samples: int) -> Floats:
        """One value for each stretch, laid on the grid; 0 between."""
        grid = np.zeros(n_samples, dtype=np.float32)
        widths = self.past - self.first
        within = np.repeat(self.first - np.cumsum(widths) + widths, widths) + np.arange(
            widths.sum()
        )
        grid[within] = np.repeat(values, widths)
        return grid


def runs(mask: Mask) -> tuple[Indices, Indices]:
    """First index and index past the end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return edges[::2], edges[1::2]


def mask_of(
    start_s: Doubles, end_s: Doubles, n_values: int, rate_hz: int = WORKING_RATE_HZ
) -> Mask:
    """True within any of these spans, on a grid of so many values."""
    first, past = (
        np.clip(np.round(at_s * rate_hz), 0, n_values).astype(np.intp) for at_s in (start_s, end_s)
    )
    return Spans(first, past, rate_hz).mask(n_values)


def events_mask(
    events: Iterable[Event],
    at_least: Callable[[Phenomenon], float],
    n_values: int,
    rate_hz: int = WORKING_RATE_HZ,
) -> Mask:
    """Where events are that reach the probability asked of their kind."""
    spans = [(e.start_s, e.end_s) for e in events if e.probability >= at_least(e.kind)]
    start_s, end_s = np.array(spans, dtype=np.float64).reshape(-1, 2).T
    return mask_of(start_s, end_s, n_values, rate_hz)


def share_of_epochs(mask: Mask, n_epochs: int, rate_hz: int = WORKING_RATE_HZ) -> Doubles:
    """For each epoch, the share of its values that are True; shape ``(n_epochs,)``."""
    per_epoch = int(EPOCH_S * rate_hz)
    whole = np.zeros(n_epochs * per_epoch, dtype=np.bool_)
    kept = mask[: len(whole)]
    whole[: len(kept)] = kept
    shares: Doubles = whole.reshape(n_epochs, per_epoch).mean(axis=1)
    return shares


def first_true(mask: Mask) -> Indices:
    """Column of the first True of each row; the number of columns where there is none."""
    first: Indices = np.where(mask.any(axis=1), mask.argmax(axis=1), mask.shape[1])
    return first


def rms_beside(power: Floats, at: Indices, around_s: float, own_s: float) -> Doubles:
    """Root mean square around each moment, leaving out the stretch of its own wave."""
    whole = Spans(at, at + 1).widened(around_s / 2, len(power))
    own = Spans(at, at + 1).widened(own_s / 2, len(power))
    n_whole, n_own = whole.past - whole.first, own.past - own.first
    beside = whole.mean(power) * n_whole - own.mean(power) * n_own
    rms: Doubles = np.sqrt(np.maximum(beside, 0.0) / np.maximum(n_whole - n_own, 1))
    return rms


def logistic(score: Doubles) -> Doubles:
    """A score in log-odds as a probability."""
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))


def logit(probability: Doubles) -> Doubles:
    """A probability as log-odds, within ±14."""
    kept = np.clip(probability, 1e-6, 1 - 1e-6)
    score: Doubles = np.log(kept / (1 - kept))
    return score
