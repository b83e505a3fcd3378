"""Slow eye movements: conjugate, regular, sinusoidal, rolling.

AASM scoring manual, section on stage N1: the initial deflection usually lasts more than 500 ms,
so that a whole swing takes more than a second and, in practice, two to five. What rolls is told
by three ratios over three seconds: how large the swing is, how much more of it is out of phase
than in phase (slow waves and sweat are in phase), and how little of anything faster rides on it
(a rapid eye movement has steep flanks).
"""

from __future__ import annotations

import numpy as np
from scipy import signal as sp
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from auditor.evidence import eyes
from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.grid import WORKING_RATE_HZ, Doubles, Floats, Spans, logistic
from auditor.evidence.signals import Signals
from auditor.vocabulary import Phenomenon

BAND_HZ = (0.15, 0.9)
FASTER_HZ = (1.2, 4.5)
TYPICAL_UV = 25.0
"""Amplitude in each eye, zero to peak."""
WINDOW_S = 3.0
RATE_HZ = 10
"""Enough for what is slow."""
_STEP = WORKING_RATE_HZ // RATE_HZ
STEEP = 0.6
"""A swing of amplitude 1 and half a hertz rises by 0.44 within a jump's time; a deflection that
takes 0.5 s by 0.9."""

SHORTEST_S = 1.5
"""Most of a swing."""
_SMEAR_S = 0.5
CANDIDATE = 0.15


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each run."""
    del earlier
    obstacles = eyes.obstacles(signals, FASTER_HZ[1])
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles) or not signals.n_epochs:
        return Measured(obstacles)
    probability, *properties = _rolling(
        _slowly(both.apart), _slowly(both.together), _steepest(eyes.jumps(both.apart))
    )
    runs = _runs(probability, *properties)
    return Measured(obstacles, runs.events(Phenomenon.SLOW_EYE_MOVEMENTS, both.label))


def _slowly(samples: Floats) -> Doubles:
    """At ten samples a second."""
    slow: Doubles = sp.resample_poly(
        samples.astype(np.float64), RATE_HZ, WORKING_RATE_HZ, padtype="line"
    )
    return slow


def _steepest(jumps: Floats) -> Doubles:
    """The largest jump of the eyes within the window, ten times a second, µV."""
    whole = len(jumps) // _STEP * _STEP
    largest = np.abs(jumps[:whole]).reshape(-1, _STEP).max(axis=1)
    steepest: Doubles = maximum_filter1d(largest, round(WINDOW_S * RATE_HZ)).astype(np.float64)
    return steepest


def _rolling(
    apart: Doubles, together: Doubles, steepest: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Probability, frequency (Hz) and amplitude (µV, zero to peak), ten times a second.

    Weights: logistic regression on the eye channels of two simulators, rounded. What is smaller
    than typical is doubtful; what is larger is not the surer for it.
    """
    n = min(len(apart), len(steepest))
    apart, together, steepest = apart[:n], together[:n], steepest[:n]
    swing, sway, faster = _band(apart, BAND_HZ), _band(together, BAND_HZ), _band(apart, FASTER_HZ)
    swing_uv, sway_uv, faster_uv = (_rms(each) for each in (swing, sway, faster))
    amplitude_uv = np.sqrt(2) * swing_uv
    # A microvolt on both sides keeps silence from being a ratio.
    score = (
        -10.3
        + 1.5 * np.log(np.clip(amplitude_uv, 1.0, TYPICAL_UV) / TYPICAL_UV)
        + 2.5 * np.minimum(np.log((swing_uv + 1.0) / (sway_uv + 1.0)), 1.5)
        + 4.9 * np.minimum(np.log((swing_uv + 1.0) / (faster_uv + 1.0)), 3.0)
        - 5.0 * np.log(np.maximum(steepest / (STEEP * (amplitude_uv + 5.0)), 1.0))
    )
    turning = _smooth(np.square(np.gradient(swing) * RATE_HZ)) / np.maximum(_smooth(swing**2), 1e-9)
    return logistic(score), np.sqrt(turning) / (2 * np.pi), amplitude_uv


def _band(samples: Doubles, band_hz: tuple[float, float]) -> Doubles:
    sections = sp.butter(2, band_hz, "bandpass", fs=RATE_HZ, output="sos")
    padding = min(len(samples) - 1, 10 * RATE_HZ)
    filtered: Doubles = sp.sosfiltfilt(sections, samples, padlen=padding)
    return filtered


def _smooth(values: Doubles) -> Doubles:
    smoothed: Doubles = uniform_filter1d(values, round(WINDOW_S * RATE_HZ), mode="nearest")
    return smoothed


def _rms(values: Doubles) -> Doubles:
    return np.sqrt(np.maximum(_smooth(np.square(values)), 0.0))


def _runs(probability: Doubles, frequency_hz: Doubles, amplitude_uv: Doubles) -> Candidates:
    """Runs in which movement is likely, and the candidates among the rest."""
    likely = Spans.of_mask(probability >= 0.5)
    maybe = Spans.of_mask((probability >= CANDIDATE) & (probability < 0.5))
    found = _trimmed(likely).followed_by(_trimmed(maybe))
    return Candidates(
        found.first / RATE_HZ,
        found.past / RATE_HZ,
        found.mean(probability),
        found.mean(frequency_hz),
        2 * found.mean(amplitude_uv),
    )


def _trimmed(spans: Spans) -> Spans:
    """Without what the window adds at both ends, and only those that last."""
    smear = round(_SMEAR_S * RATE_HZ)
    spans = Spans(spans.first + smear, spans.past - smear)
    return spans.where(spans.past - spans.first >= SHORTEST_S * RATE_HZ)
