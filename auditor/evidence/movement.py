"""Movement and muscle artefact over an EEG or eye channel, second by second."""

from __future__ import annotations

import numpy as np
from scipy import signal as sp
from scipy.ndimage import uniform_filter1d

from auditor.evidence.base import (
    EPOCH_SAMPLES,
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Signal,
    logistic,
)

SWING_UV = 120.0
"""Peak to peak in a second: slow waves and blinks exceed it, but without muscle."""
MUSCLE_UV = 5.0
MUSCLE_HZ = (25.0, 40.0)
"""RMS between 25 and 40 Hz: EEG has 1 to 3 µV there and a frowning forehead up to 8."""
_MOVEMENT_S = 3
"""A movement is not the same from second to second."""
MUSCLE_OVER_NIGHT = 3.5
"""And this many times what the channel shows there in a typical second."""


def movement_probability(signal: Signal, n_epochs: int) -> Doubles:
    """How likely movement and muscle artefact cover the channel, second by second.

    Movement swings and brings muscle: each makes up for what the other lacks. Shape
    ``(30 · n_epochs,)``; needs a channel that shows 40 Hz.
    """
    seconds = signal.samples[: n_epochs * EPOCH_SAMPLES].reshape(-1, WORKING_RATE_HZ)
    if not len(seconds) or not signal.shows(MUSCLE_HZ[1]):
        return np.zeros(len(seconds))
    swing_uv = np.maximum(np.ptp(seconds, axis=1), 1.0)
    muscle_uv = np.maximum(_muscle_uv(seconds), 0.1)
    usual_uv = max(MUSCLE_UV, MUSCLE_OVER_NIGHT * float(np.median(muscle_uv)))
    strength = np.log(swing_uv / SWING_UV * muscle_uv / usual_uv)
    return logistic(5.0 * uniform_filter1d(strength, _MOVEMENT_S, mode="nearest"))


def _muscle_uv(seconds: Floats) -> Doubles:
    """RMS of each second, shape ``(n, 100)``, between 25 and 40 Hz, from its Fourier series."""
    times = np.arange(WORKING_RATE_HZ) / WORKING_RATE_HZ
    phase = 2j * np.pi * np.outer(times, np.arange(MUSCLE_HZ[0], MUSCLE_HZ[1] + 1))
    taper = sp.windows.hann(WORKING_RATE_HZ, sym=False)
    waves = np.exp(-phase) * (taper / np.sqrt(np.square(taper).mean()) / WORKING_RATE_HZ)[:, None]
    cosines, sines = waves.real.astype(np.float32), waves.imag.astype(np.float32)
    power = np.square(seconds @ cosines).sum(axis=1) + np.square(seconds @ sines).sum(axis=1)
    muscle_uv: Doubles = np.sqrt(2 * power, dtype=np.float64)
    return muscle_uv
