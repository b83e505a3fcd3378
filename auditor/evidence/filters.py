"""Filters and spectra at the working rate, without phase shift."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy import signal as sp

from auditor.evidence.grid import (
    FASTEST_HZ,
    STEP_SAMPLES,
    STEPS_HZ,
    WORKING_RATE_HZ,
    Doubles,
    Floats,
)

_Kind = TypeVar("_Kind", np.float32, np.complex64)


@lru_cache(maxsize=64)
def band_kernel(low_hz: float | None, high_hz: float | None) -> Floats:
    """A linear-phase FIR kernel at the working rate; None leaves that side open.

    Each edge is as soft as half its frequency (at least 0.3 Hz, at most 2 Hz): soft enough not
    to ring around a sharp wave, and forgotten a few seconds from the cut where a night is cut
    in two.
    """
    above = np.ones(1) if high_hz is None else _lowpass(high_hz)
    below = np.zeros(1) if low_hz is None else _lowpass(low_hz)
    half = max(len(above), len(below)) // 2
    kernel = np.pad(above, half - len(above) // 2) - np.pad(below, half - len(below) // 2)
    return kernel.astype(np.float32)


def _lowpass(edge_hz: float) -> Doubles:
    transition_hz = float(np.clip(edge_hz / 2, 0.3, 2.0))
    n_taps = round(3.3 / transition_hz * WORKING_RATE_HZ) | 1
    kernel: Doubles = sp.firwin(n_taps, edge_hz, fs=WORKING_RATE_HZ)
    return kernel


@lru_cache(maxsize=16)
def analytic_kernel(low_hz: float, high_hz: float) -> npt.NDArray[np.complex64]:
    lowpass = band_kernel(None, (high_hz - low_hz) / 2)
    at_s = (np.arange(len(lowpass)) - len(lowpass) // 2) / WORKING_RATE_HZ
    centre_hz = (low_hz + high_hz) / 2
    kernel = 2 * lowpass * np.exp(2j * np.pi * centre_hz * at_s)
    return kernel.astype(np.complex64)  # type: ignore[no-any-return]


def filtered(samples: Floats, kernel: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
    """Convolved without shift; the ends are continued by their own values."""
    if not len(samples):
        return samples.astype(kernel.dtype)
    padded = np.pad(samples, len(kernel) // 2, mode="edge")
    filtered: npt.NDArray[_Kind] = sp.oaconvolve(padded, kernel, mode="valid")
    return filtered.astype(kernel.dtype, copy=False)


def moving_mean(values: Floats, window_s: float) -> Floats:
    """Centred moving average over a window, ends continued by their own values."""
    return _averaged(values, round(window_s * WORKING_RATE_HZ) | 1)


def _averaged(values: Floats, width: int) -> Floats:
    if not len(values):
        return values
    padded = np.pad(values, (width // 2 + 1, width // 2), mode="edge")
    total = np.cumsum(padded, dtype=np.float64)
    return ((total[width:] - total[:-width]) / width).astype(np.float32)


_WINDOW_SAMPLES = WORKING_RATE_HZ
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power by frequency at each tenth of a second, in Hann windows of one second.

    Attributes:
        below: power below 0.5, 1.5, … 40.5 Hz in µV²; shape ``(41, n_steps)``. Step ``i`` is
            that from ``i / 10`` to ``(i + 1) / 10`` s.
    """

    below: Floats

    @classmethod
    def of(cls, samples: Floats) -> Spectrum:
        """The spectrum of samples at the working rate, whose mean is zero."""
        n_steps = -(-len(samples) // STEP_SAMPLES)
        below = np.zeros((int(FASTEST_HZ) + 1, n_steps), dtype=np.float32)
        window = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
        scale = np.float32(2.0 / (_WINDOW_SAMPLES * np.sum(window**2)))
        frames = np.lib.stride_tricks.sliding_window_view(
            np.pad(samples, ((_WINDOW_SAMPLES - STEP_SAMPLES) // 2, _WINDOW_SAMPLES)),
            _WINDOW_SAMPLES,
        )[::STEP_SAMPLES][:n_steps]
        for start in range(0, n_steps, _FRAMES_AT_ONCE):
            piece = slice(start, start + _FRAMES_AT_ONCE)
            bins = fft.rfft(frames[piece] * window)[:, 1 : len(below)]
            power = scale * (np.square(bins.real) + np.square(bins.imag))
            below[1:, piece] = np.cumsum(power, axis=1).T
        return cls(below)

    def power(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """Power of a band at each step, µV², averaged over a stretch of time."""
        power = np.maximum(self._below(high_hz) - self._below(low_hz), 0.0)
        return _averaged(power, round(over_s * STEPS_HZ) | 1) if over_s else power

    def density(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """Mean power density of a band at each step, µV²/Hz."""
        return self.power(low_hz, high_hz, over_s) / np.float32(high_hz - low_hz)

    def peak_hz(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """The frequency that carries the band's power, the strongest weighing most."""
        weighted: Floats = np.zeros(self.below.shape[1], dtype=np.float32)
        total = np.full_like(weighted, 1e-9)
        for frequency_hz in np.arange(np.ceil(low_hz), np.floor(high_hz) + 1):
            power = self.power(frequency_hz - 0.5, frequency_hz + 0.5, over_s)
            weight = np.square(power)
            weighted += np.float32(frequency_hz) * weight
            total += weight
        return weighted / total

    def concentration(
        self, low_hz: float, high_hz: float, width_hz: float, over_s: float = 0.0
    ) -> Floats:
        """The largest share of a band's power that lies within a width: 1 for a sine."""
        lows_hz = np.arange(low_hz, high_hz - width_hz + 0.5)
        largest = np.maximum.reduce([self.power(f, f + width_hz, over_s) for f in lows_hz])
        share: Floats = largest / (self.power(low_hz, high_hz, over_s) + np.float32(1e-9))
        return share

    def _below(self, frequency_hz: float) -> Floats:
        """Power below any frequency, a straight line between the known ones."""
        at = float(np.clip(frequency_hz - 0.5, 0.0, len(self.below) - 1))
        row, share = int(at), np.float32(at % 1)
        below: Floats = self.below[row]
        return below + share * (self.below[row + 1] - below) if share else below
