"""Low-amplitude mixed-frequency activity: what the EEG of stages N1 and R looks like.

AASM scoring manual, section on adult stage N1: low amplitude, predominantly 4–7 Hz. It is
mostly told by what it is not: no alpha, no slow waves, not large, and not the fast flat trace
of an alert person with tense muscles.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import Earlier, Measured, measures_of
from auditor.evidence.grid import STEPS_HZ, Floats, events_mask, logistic, share_of_epochs
from auditor.evidence.signals import Signal, Signals
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import Phenomenon, Role

LARGEST_UV = 50.0
"""Peak to peak; AASM gives no number. Low amplitude is generally drawn below 50 µV."""

_WHOLE_HZ = (0.5, 35.0)
_MIXED_HZ = (2.0, 8.0)
_FAST_HZ = (16.0, 30.0)
_SMOOTHED_S = 2.0
_PEAK_TO_PEAK_PER_RMS = 4.5
"""Of irregular activity within two seconds."""
_MIXED_TO_FAST = 1.3
"""Below this ratio of amplitudes the trace is fast: alert, or full of muscle."""
_EXCLUDED_BY = (Phenomenon.ALPHA_RHYTHM, Phenomenon.SLOW_WAVE_ACTIVITY)


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """``low_amplitude_mixed_frequency_fraction`` of each epoch, centrally.

    Counted with alpha and slow waves left out where they are likely; at the least, wherever
    there is a candidate of them; at the most, only where they are clearly there.
    """
    obstacles = signals.obstacles(Role.CENTRAL, _FAST_HZ[1])
    signal = signals.by_role.get(Role.CENTRAL)
    if signal is None or not signal.shows(_FAST_HZ[1]):
        return Measured(obstacles)
    limits = thresholds(Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY)
    probability = _probability(signal)
    others = [event for phenomenon in _EXCLUDED_BY for event in earlier[phenomenon].events]
    value, low, high = (
        share_of_epochs((probability >= at_least) & ~excluded, signals.n_epochs, STEPS_HZ)
        for at_least, excluded in (
            (0.5, events_mask(others, lambda _: 0.5, len(probability), STEPS_HZ)),
            (limits.clearly_there, events_mask(others, _clearly_not, len(probability), STEPS_HZ)),
            (limits.clearly_not, events_mask(others, _clearly_there, len(probability), STEPS_HZ)),
        )
    )
    return Measured(
        obstacles,
        measures={
            "low_amplitude_mixed_frequency_fraction": measures_of(
                value, low, high, "1", signal.label
            )
        },
    )


def _probability(signal: Signal) -> Floats:
    """How likely the trace is low and mixed at each step of the spectrum."""
    whole, mixed, fast = (
        np.sqrt(signal.spectrum.power(*band, _SMOOTHED_S)) + 1e-3
        for band in (_WHOLE_HZ, _MIXED_HZ, _FAST_HZ)
    )
    score = 5.0 * np.log(LARGEST_UV / (_PEAK_TO_PEAK_PER_RMS * whole))
    score = np.minimum(score, 2.0) + 4.0 * np.minimum(np.log(mixed / fast / _MIXED_TO_FAST), 0.0)
    return logistic(score).astype(np.float32)


def _clearly_there(phenomenon: Phenomenon) -> float:
    return thresholds(phenomenon).clearly_there


def _clearly_not(phenomenon: Phenomenon) -> float:
    return thresholds(phenomenon).clearly_not
