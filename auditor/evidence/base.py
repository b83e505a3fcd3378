"""What every detector is given, and what it returns.

A detector is a function of the shape :class:`Detect`: it is given the night's working signals
and what earlier rounds of detectors found, and returns :class:`Measured`. It registers by
standing in ``auditor.evidence.ROUNDS``, in a round after those that it builds upon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from auditor.evidence.grid import Doubles, Indices, Mask, mask_of
from auditor.evidence.signals import Reasons, Signals
from auditor.vocabulary import Event, Measure, Phenomenon

CANDIDATE_PROBABILITY = 0.02
"""What is less probable than this is no candidate and not kept."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates for one phenomenon in one channel, as arrays of one length.

    Attributes:
        start_s, end_s: seconds from the recording's start.
        probability: 0 to 1.
        frequency_hz, amplitude_uv: NaN where there is none.
    """

    start_s: Doubles
    end_s: Doubles
    probability: Doubles
    frequency_hz: Doubles
    amplitude_uv: Doubles

    @classmethod
    def none(cls) -> Candidates:
        nothing = np.zeros(0)
        return cls(nothing, nothing, nothing, nothing, nothing)

    def __len__(self) -> int:
        return len(self.start_s)

    def where(self, keep: Mask | Indices) -> Candidates:
        return Candidates(
            self.start_s[keep],
            self.end_s[keep],
            self.probability[keep],
            self.frequency_hz[keep],
            self.amplitude_uv[keep],
        )

    def filling(self, at_least: float, n_samples: int) -> Mask:
        """Where those of at least this probability are, on the working grid."""
        kept = self.probability >= at_least
        return mask_of(self.start_s[kept], self.end_s[kept], n_samples)

    def followed_by(self, other: Candidates) -> Candidates:
        """Both together, in order of time."""
        start_s = np.concatenate((self.start_s, other.start_s))
        return Candidates(
            start_s,
            np.concatenate((self.end_s, other.end_s)),
            np.concatenate((self.probability, other.probability)),
            np.concatenate((self.frequency_hz, other.frequency_hz)),
            np.concatenate((self.amplitude_uv, other.amplitude_uv)),
        ).where(np.argsort(start_s, kind="stable"))

    def united(self) -> Candidates:
        """Those in order of time that overlap, as one: as probable as the most probable of them,
        and the rest their mean by duration."""
        if not len(self):
            return self
        begins = self.start_s[1:] > np.maximum.accumulate(self.end_s)[:-1]
        lead = np.flatnonzero(np.append(True, begins))
        lasting_s = self.end_s - self.start_s

        def mean(values: Doubles) -> Doubles:
            each: Doubles = np.add.reduceat(lasting_s * values, lead)
            return each / np.add.reduceat(lasting_s, lead)

        return Candidates(
            self.start_s[lead],
            np.maximum.reduceat(self.end_s, lead),
            np.maximum.reduceat(self.probability, lead),
            mean(self.frequency_hz),
            mean(self.amplitude_uv),
        )

    def events(self, kind: Phenomenon, label: str) -> tuple[Event, ...]:
        """Those probable enough to keep, as events, rounded to what can be measured."""
        keep = self.where(self.probability >= CANDIDATE_PROBABILITY)
        return tuple(
            Event(
                kind,
                label,
                round(float(start_s), 2),
                round(float(end_s), 2),
                round(float(probability), 3),
                None if np.isnan(frequency_hz) else round(float(frequency_hz), 2),
                None if np.isnan(amplitude_uv) else round(float(amplitude_uv), 1),
            )
            for start_s, end_s, probability, frequency_hz, amplitude_uv in zip(
                keep.start_s,
                keep.end_s,
                keep.probability,
                keep.frequency_hz,
                keep.amplitude_uv,
                strict=True,
            )
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What one detector found in the recording.

    Attributes:
        not_assessable: why the phenomenon cannot be assessed, epoch by epoch.
        events: with every candidate. Events in epochs where their channel is poor are dropped
            by :func:`auditor.evidence.measure`, not by the detector.
        measures: by name, one for each epoch. Those of epochs that are not assessable are
            dropped by :func:`auditor.evidence.measure`.
    """

    not_assessable: Reasons
    events: tuple[Event, ...] = ()
    measures: Mapping[str, tuple[Measure, ...]] = field(default_factory=dict)


def measures_of(
    value: Doubles, low: Doubles, high: Doubles, unit: str, label: str
) -> tuple[Measure, ...]:
    """One measure for each epoch, of arrays of shape ``(n_epochs,)``."""
    return tuple(
        Measure(round(float(v), 4), unit, label, round(float(lo), 4), round(float(hi), 4))
        for v, lo, hi in zip(value, low, high, strict=True)
    )


Earlier: TypeAlias = Mapping[Phenomenon, Measured]
"""What the rounds of detectors before this one found."""


class Detect(Protocol):
    """Measures one phenomenon over the whole recording."""

    def __call__(self, signals: Signals, earlier: Earlier) -> Measured: ...


Progress: TypeAlias = Callable[[str, float], None]
"""Told the name of a piece of work and the share of it that is done, 0 to 1."""
