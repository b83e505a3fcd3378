"""Movement and muscle artefact over an EEG or eye channel, second by second."""

from __future__ import annotations

import numpy as np
from scipy import signal as sp
from scipy.ndimage import median_filter, uniform_filter1d

from auditor.evidence.grid import EPOCH_SAMPLES, WORKING_RATE_HZ, Doubles, Floats, logistic
from auditor.evidence.signals import Signal

SWING_UV = 120.0
"""Peak to peak in a second: slow waves and blinks exceed it, but without muscle."""
MUSCLE_UV = 5.0
MUSCLE_HZ = (25.0, 40.0)
"""RMS between 25 and 40 Hz: EEG has 1 to 3 µV there and a frowning forehead up to 8."""
_MOVEMENT_S = 3
"""A movement is not the same from second to second."""
MUSCLE_OVER_NIGHT = 3.5
"""And this many times what the channel shows there in a typical second."""

BURST = 2.2
_AROUND_S = 31
_BURST_WEIGHT = 6.0
"""Muscle against what is usual in the half minute around. Measured on simulated nights: beside
true K complexes, slow waves and eye movements 1.0, and 1.9 at most in 99 of 100; beside what
movements of a few seconds look like, 2.4 at least in 95 of 100."""


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


def in_muscle(signal: Signal, start_s: Doubles, end_s: Doubles) -> Doubles:
    """How much a burst of muscle over the whole of each event speaks against it, in log-odds.

    The electrodes swing in a movement, like slow waves and like eyes. Tense muscle that lasts,
    as in wakefulness, does not count. Zero where the channel does not show 40 Hz.
    """
    seconds = signal.samples[: len(signal.samples) // WORKING_RATE_HZ * WORKING_RATE_HZ]
    if not len(seconds) or not signal.shows(MUSCLE_HZ[1]):
        return np.zeros(len(start_s))
    muscle_uv = np.maximum(_muscle_uv(seconds.reshape(-1, WORKING_RATE_HZ)), 0.1)
    burst = muscle_uv / median_filter(muscle_uv, _AROUND_S, mode="nearest")
    times_s = np.stack([start_s, (start_s + end_s) / 2, end_s])
    least = burst[np.clip(times_s.astype(np.intp), 0, len(burst) - 1)].min(axis=0)
    against: Doubles = _BURST_WEIGHT * np.log(np.maximum(least / BURST, 1.0))
    return against


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
