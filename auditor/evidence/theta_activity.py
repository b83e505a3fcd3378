"""Theta activity: how much of each epoch is ruled by waves of 4–7 Hz.

AASM scoring manual, sections on adult stages N1 and R: low-amplitude mixed-frequency activity
is predominantly of 4–7 Hz, and slowing of the background into this band marks the onset of
sleep. Every EEG has power there, so what counts is that the band rises out of the spectrum's
fall on both sides of it.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import Earlier, Measured, measures_of
from auditor.evidence.grid import STEPS_HZ, Floats, logistic, share_of_epochs
from auditor.evidence.signals import Signal, Signals
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import Phenomenon, Role

BAND_HZ = (4.0, 7.0)

_BELOW_HZ = (1.5, 3.5)
_ABOVE_HZ = (8.5, 13.0)
_SMOOTHED_S = 1.0
_RISES_BY = 1.1
"""Power density over the mean of the flanks' logarithms: at even odds. A spectrum that falls
as a power of frequency, whichever, has 1."""
_VISIBLE_UV2_PER_HZ = 4.0
"""Waves of some 10 µV peak to peak."""
_TINY = 1e-3


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """``theta_fraction`` of each epoch, centrally."""
    del earlier
    obstacles = signals.obstacles(Role.CENTRAL, _ABOVE_HZ[1])
    signal = signals.by_role.get(Role.CENTRAL)
    if signal is None or not signal.shows(_ABOVE_HZ[1]):
        return Measured(obstacles)
    limits = thresholds(Phenomenon.THETA_ACTIVITY)
    probability = theta_probability(signal)
    value, low, high = (
        share_of_epochs(probability >= at_least, signals.n_epochs, STEPS_HZ)
        for at_least in (0.5, limits.clearly_there, limits.clearly_not)
    )
    return Measured(
        obstacles, measures={"theta_fraction": measures_of(value, low, high, "1", signal.label)}
    )


def theta_probability(signal: Signal) -> Floats:
    """How likely theta rules at each step of the spectrum."""
    density, below, above = (
        signal.spectrum.density(*band, _SMOOTHED_S) for band in (BAND_HZ, _BELOW_HZ, _ABOVE_HZ)
    )
    score = 2.0 * np.log((density + _TINY) / (np.sqrt(below * above) + _TINY) / _RISES_BY) + (
        np.minimum(np.log((density + _TINY) / _VISIBLE_UV2_PER_HZ), 0.0)
    )
    return logistic(score).astype(np.float32)
