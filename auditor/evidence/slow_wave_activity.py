"""Slow wave activity: waves of 0.5–2 Hz and more than 75 µV peak to peak, frontally.

AASM scoring manual, section on adult stage N3; amplitude is measured over the frontal region.
A K complex that meets both counts as a slow wave, as the manual says.

The method is that of the half-wave criteria of Carrier et al. 2011
(doi:10.1111/j.1460-9568.2010.07543.x) and Massimini et al. 2004
(doi:10.1523/JNEUROSCI.1318-04.2004), on AASM's band and without their polarity: every swing
from one extreme to the next counts as half a wave, upwards or downwards, so that a recording
of reversed polarity gives the same waves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.evidence.base import (
    CANDIDATE_PROBABILITY,
    WORKING_RATE_HZ,
    Candidates,
    Doubles,
    Earlier,
    Floats,
    Indices,
    Mask,
    Measured,
    Signal,
    Signals,
    logistic,
    mask_of,
    measures_of,
    runs,
    share_of_epochs,
)
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import EPOCH_S, Event, Measure, Phenomenon, Role

SMALLEST_UV = 75.0
SLOWEST_HZ, FASTEST_HZ = 0.5, 2.0

_SEARCHED = (Role.FRONTAL, Role.CENTRAL)
_TIMING_BAND_HZ = (0.3, 3.0)
_AMPLITUDE_BAND_HZ = (0.3, 6.0)
_LARGEST_UV = 500.0
"""Beyond this it is movement or sweat, no wave of the brain (YASA's limit is 350 µV for
healthy adults; children reach more)."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Slow waves in frontal and central channels; seconds and share of the epoch frontally."""
    del earlier
    events: list[Event] = []
    measures = {}
    for role, signal in signals.channels(_SEARCHED):
        swings = Swings.of(signal)
        events += swings.waves().events(Phenomenon.SLOW_WAVE_ACTIVITY, signal.label)
        if role is Role.FRONTAL:
            measures = _measures(swings, signal.label, signals.n_epochs)
    return Measured(signals.obstacles(Role.FRONTAL, FASTEST_HZ), tuple(events), measures)


def _measures(swings: Swings, label: str, n_epochs: int) -> dict[str, tuple[Measure, ...]]:
    """Counted with the waves that are likely, that are sure, and with every candidate."""
    limits = thresholds(Phenomenon.SLOW_WAVE_ACTIVITY)
    value, low, high = (
        share_of_epochs(swings.time_filled(at_least), n_epochs)
        for at_least in (0.5, limits.clearly_there, limits.clearly_not)
    )
    return {
        "slow_wave_fraction": measures_of(value, low, high, "1", label),
        "slow_wave_seconds": measures_of(
            EPOCH_S * value, EPOCH_S * low, EPOCH_S * high, "s", label
        ),
    }


@dataclass(frozen=True, slots=True)
class Swings:
    """Every swing from one extreme of the slow EEG to the next.

    Swing ``i`` joins lobe ``i`` to lobe ``i + 1``; a lobe lies between two zero crossings.

    Attributes:
        start_s, end_s: from the beginning of the one lobe to the end of the other: the time
            of one whole wave; shape ``(n_swings,)``.
        middle_s: the zero crossing between the two.
        amplitude_uv: from extreme to extreme.
        probability: that this is half of a slow wave by AASM's criteria.
        n_samples: of the signal.
    """

    start_s: Doubles
    middle_s: Doubles
    end_s: Doubles
    amplitude_uv: Doubles
    probability: Doubles
    n_samples: int

    @classmethod
    def of(cls, signal: Signal) -> Swings:
        slow = signal.band(*_TIMING_BAND_HZ)
        crossings = np.flatnonzero(np.signbit(slow[1:]) != np.signbit(slow[:-1])) + 1
        if len(crossings) < 3:
            nothing = np.zeros(0)
            return cls(nothing, nothing, nothing, nothing, nothing, len(slow))
        heights = _extremes(signal.band(*_AMPLITUDE_BAND_HZ), slow, crossings)
        at_s = crossings / WORKING_RATE_HZ
        amplitude_uv = np.abs(np.diff(heights))
        return cls(
            at_s[:-2],
            at_s[1:-1],
            at_s[2:],
            amplitude_uv,
            logistic(_score(amplitude_uv, at_s[2:] - at_s[:-2])),
            len(slow),
        )

    def time_filled(self, at_least: float) -> Mask:
        """Where waves of at least this probability are, on the working grid."""
        kept = self.probability >= at_least
        return mask_of(self.start_s[kept], self.end_s[kept], self.n_samples)

    def waves(self) -> Candidates:
        """Whole waves, one after the other, first where they are likely, then the rest."""
        likely = self.probability >= 0.5
        free = ~likely & (self.probability >= CANDIDATE_PROBABILITY)
        free[1:] &= ~likely[:-1]
        free[:-1] &= ~likely[1:]
        first = np.concatenate((_alternate(likely), _alternate(free)))
        first.sort()
        duration_s = self.end_s[first] - self.start_s[first]
        return Candidates(
            self.start_s[first],
            self.end_s[first],
            self.probability[first],
            1.0 / duration_s,
            self.amplitude_uv[first],
        )


def _extremes(values: Floats, slow: Floats, crossings: Indices) -> Doubles:
    """The highest or lowest value of each lobe between two crossings."""
    highest = np.maximum.reduceat(values, crossings[:-1])
    lowest = np.minimum.reduceat(values, crossings[:-1])
    return np.where(slow[crossings[:-1]] > 0, highest, lowest).astype(np.float64)


def _score(amplitude_uv: Doubles, period_s: Doubles) -> Doubles:
    """How sure that a wave exceeds 75 µV and lies within 0.5–2 Hz, in log-odds.

    Amplitude is uncertain by some 6 µV of background, a period by some tenth of itself.
    """
    octaves_outside = np.maximum(
        np.log2(period_s * SLOWEST_HZ), np.log2(1.0 / (period_s * FASTEST_HZ))
    )
    return np.minimum(
        np.minimum((amplitude_uv - SMALLEST_UV) / 6.0, (_LARGEST_UV - amplitude_uv) / 30.0),
        (0.15 - octaves_outside) / 0.1,
    )


def _alternate(mask: Mask) -> Indices:
    """Every second index of each run of True, from its first."""
    first, past = runs(mask)
    at = np.flatnonzero(mask)
    even: Indices = at[(at - np.repeat(first, past - first)) % 2 == 0]
    return even
