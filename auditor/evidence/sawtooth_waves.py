"""Sawtooth waves: trains of sharply contoured, triangular waves of 2–6 Hz, largest centrally.

AASM scoring manual, section on adult stage R; they often come before a burst of rapid eye
movements. A train is told by the band's share of all power, which is usually far less, and by
its teeth: one flank is steeper than the other.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.grid import STEPS_HZ, Spans, logistic
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import Phenomenon, Role

BAND_HZ = (2.0, 6.0)

_TEETH_HZ = (1.5, 15.0)
_WHOLE_HZ = (0.5, 30.0)
_SLOWER_HZ = (0.5, 1.5)
_SMOOTHED_S = 0.5
_USUAL_SHARE = 0.52
"""Of all power: at even odds. The EEG of stage R has a third of its power in the band."""
_USUAL_UV, _LARGEST_UV = 11.0, 30.0
"""Zero to peak. Larger ones are K complexes and slow waves with their overtones."""
_SHORTEST_S, _USUAL_S, _LONG_S = 0.8, 1.5, 4.0
"""Three waves make a train."""
_SLOW_WAVES_HZ = (0.5, 2.0)
_SLOW_WAVES_S = 20.0
_SLOW_SHARE = 0.8
"""Root mean square of slow waves around a train over the train's own amplitude, zero to peak:
beyond it the train is one of slow sleep, whose waves have overtones."""
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
    power = spectrum.power(*BAND_HZ, _SMOOTHED_S)
    whole = spectrum.power(*_WHOLE_HZ, _SMOOTHED_S)
    slower = spectrum.density(*_SLOWER_HZ, _SMOOTHED_S)
    density = power / np.float32(BAND_HZ[1] - BAND_HZ[0])
    envelope_uv = np.sqrt(2 * power)
    score = (
        4.0 * np.log((power + _TINY) / (whole + _TINY) / _USUAL_SHARE)
        + 1.5 * np.minimum(np.log((density + _TINY) / (slower + _TINY)), 0.0)
        + 2.0 * np.log((envelope_uv + _TINY) / _USUAL_UV)
        - 4.0 * np.maximum(np.log((envelope_uv + _TINY) / _LARGEST_UV), 0.0)
    )
    spans = Spans.of_mask(score >= _CANDIDATE_SCORE, STEPS_HZ).lasting(_SHORTEST_S)
    slow_uv = np.sqrt(spectrum.power(*_SLOW_WAVES_HZ, _SLOW_WAVES_S))
    to_slow = spans.mean(slow_uv) / (spans.mean(envelope_uv) + _TINY)
    slope = np.diff(signal.band(*_TEETH_HZ), prepend=np.float32(0))
    samples = spans.in_samples(len(slope))
    steeper = np.abs(samples.mean(slope**3)) / (samples.mean(slope**2) ** 1.5 + _TINY)
    final = (
        spans.mean(score)
        - 1.5
        + 2.5 * np.log(np.minimum(spans.duration_s, _LONG_S) / _USUAL_S)
        + 3.0 * (steeper - 0.6)
        - 4.0 * np.maximum(np.log((to_slow + _TINY) / _SLOW_SHARE), 0.0)
    )
    return Candidates(
        spans.start_s,
        spans.end_s,
        logistic(final),
        spans.mean(spectrum.peak_hz(*BAND_HZ, _SMOOTHED_S)),
        2 * spans.mean(envelope_uv),
    )
