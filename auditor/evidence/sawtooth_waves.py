"""Sawtooth waves: trains of sharply contoured, triangular waves of 2–6 Hz, largest centrally.

AASM scoring manual, section on adult stage R; they often come before a burst of rapid eye
movements. A train is told by its regularity, a peak in the spectrum where there usually is
none, and by its teeth: one flank is steeper than the other.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import (
    STEPS_HZ,
    Candidates,
    Earlier,
    Measured,
    Signal,
    Signals,
    Spans,
    logistic,
)
from auditor.vocabulary import Phenomenon, Role

BAND_HZ = (2.0, 6.0)

_TEETH_HZ = (1.5, 15.0)
_BELOW_HZ = (0.4, 1.5)
_ABOVE_HZ = (8.0, 14.0)
_SMOOTHED_S = 0.5
_RISES_BY = 3.0
"""Power density over that of the flanks: at even odds."""
_USUAL_UV = 12.0
"""Zero to peak."""
_SHORTEST_S, _USUAL_S, _LONG_S = 0.8, 1.5, 4.0
"""Three waves make a train."""
_CANDIDATE_SCORE = -1.4
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
    spectrum = signal.spectrum
    density = spectrum.density(*BAND_HZ, _SMOOTHED_S)
    flanks = np.sqrt(
        spectrum.density(*_BELOW_HZ, _SMOOTHED_S) * spectrum.density(*_ABOVE_HZ, _SMOOTHED_S)
    )
    envelope_uv = np.sqrt(2 * spectrum.power(*BAND_HZ, _SMOOTHED_S))
    score = 2.0 * np.log((density + _TINY) / (flanks + _TINY) / _RISES_BY) + 2.0 * np.log(
        (envelope_uv + _TINY) / _USUAL_UV
    )
    spans = Spans.of_mask(score >= _CANDIDATE_SCORE, STEPS_HZ)
    spans = spans.where(spans.duration_s >= _SHORTEST_S)
    slope = np.diff(signal.band(*_TEETH_HZ), prepend=np.float32(0))
    samples = spans.in_samples(len(slope))
    steeper = np.abs(samples.mean(slope**3)) / (samples.mean(slope**2) ** 1.5 + _TINY)
    final = (
        spans.mean(score)
        + 1.5 * np.log(np.minimum(spans.duration_s, _LONG_S) / _USUAL_S)
        + 2.0 * (steeper - 0.6)
    )
    return Candidates(
        spans.start_s,
        spans.end_s,
        logistic(final),
        spans.mean(spectrum.peak_hz(*BAND_HZ, _SMOOTHED_S)),
        2 * spans.mean(envelope_uv),
    )
