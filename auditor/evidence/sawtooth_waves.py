"""Sawtooth waves: trains of sharply contoured, triangular waves of 2–6 Hz, largest centrally.

AASM scoring manual, section on adult stage R; they often come before a burst of rapid eye
movements. A train is told by its regularity, a peak in the spectrum where there usually is
none, and by its teeth: one flank is steeper than the other.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import (
    WORKING_RATE_HZ,
    Candidates,
    Earlier,
    Measured,
    Signal,
    Signals,
    Spans,
    logistic,
    moving_density,
    moving_mean,
)
from auditor.vocabulary import Phenomenon, Role

BAND_HZ = (2.0, 6.0)

_TEETH_HZ = (1.5, 15.0)
_BELOW_HZ = (0.4, 1.5)
_ABOVE_HZ = (8.0, 14.0)
_WINDOW_S = 1.0
_RISES_BY = 3.0
"""Power density over that of the flanks: at even odds."""
_USUAL_UV = 12.0
"""Zero to peak."""
_SHORTEST_S, _USUAL_S, _LONG_S = 0.8, 1.5, 4.0
"""Three waves make a train."""
_CANDIDATE = 0.2
_TINY = 1e-3


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Sawtooth trains in the central channel."""
    del earlier
    obstacles = signals.obstacles(Role.CENTRAL, _TEETH_HZ[1])
    signal = signals.by_role.get(Role.CENTRAL)
    if signal is None or not signal.shows(_TEETH_HZ[1]):
        return Measured(obstacles)
    return Measured(obstacles, trains(signal).events(Phenomenon.SAWTOOTH_WAVES, signal.label))


def trains(signal: Signal) -> Candidates:
    """Every regular train of the band in one channel, with how like sawteeth it is."""
    rhythm = signal.analytic(*BAND_HZ)
    envelope_uv = np.sqrt(moving_mean(np.square(np.abs(rhythm)), _WINDOW_S))
    flanks = np.sqrt(
        moving_density(signal, _BELOW_HZ, _WINDOW_S) * moving_density(signal, _ABOVE_HZ, _WINDOW_S)
    )
    density = np.square(envelope_uv) / 2 / np.float32(BAND_HZ[1] - BAND_HZ[0])
    score = 2.0 * np.log((density + _TINY) / (flanks + _TINY) / _RISES_BY) + 2.0 * np.log(
        (envelope_uv + _TINY) / _USUAL_UV
    )
    spans = Spans.of_mask(logistic(score) >= _CANDIDATE)
    spans = spans.where(spans.duration_s >= _SHORTEST_S)

    turning = np.zeros_like(rhythm)
    turning[1:] = rhythm[1:] * np.conj(rhythm[:-1])
    frequency_hz = np.angle(spans.mean(turning)) * WORKING_RATE_HZ / (2 * np.pi)
    slope = np.gradient(signal.band(*_TEETH_HZ)) if len(rhythm) > 1 else np.zeros_like(envelope_uv)
    steeper = np.abs(spans.mean(slope**3)) / (spans.mean(slope**2) ** 1.5 + _TINY)
    final = (
        spans.mean(score)
        + 1.5 * np.log(np.minimum(spans.duration_s, _LONG_S) / _USUAL_S)
        + 2.0 * (steeper - 0.6)
    )
    return Candidates(
        spans.first / WORKING_RATE_HZ,
        spans.past / WORKING_RATE_HZ,
        logistic(final),
        frequency_hz,
        2 * spans.mean(envelope_uv),
    )
