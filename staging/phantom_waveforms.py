"""The shapes of the events of a simulated night, as functions of continuous time.

Every shape takes times in seconds from its own start, ``(n,)`` within 0 to its duration, and
gives values of the same shape that span about 1 from peak to peak. As they are functions of
time and not of samples, the same night at another sampling rate is the same night.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from auditor.vocabulary import Samples

Rng = np.random.Generator


def _bell(x: Samples, centre: float, width: float) -> Samples:
    return np.exp(-0.5 * ((x - centre) / width) ** 2)


def _step(t: Samples, at: float, rise_s: float) -> Samples:
    """From 0 to 1 smoothly, within ``rise_s`` around ``at``."""
    x = np.clip((t - at) / rise_s + 0.5, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def window(t: Samples, duration_s: float, edge_s: float) -> Samples:
    """1 inside, falling smoothly to 0 over ``edge_s`` at either end."""
    edge = min(edge_s, duration_s / 2)
    return _step(t, edge / 2, edge) * _step(duration_s - t, edge / 2, edge)


# ── sleep ─────────────────────────────────────────────────────────────────────────────────


def spindle(t: Samples, duration_s: float, frequency_hz: float, rng: Rng) -> Samples:
    """Waxes and wanes, and slows a little (doi:10.1152/physrev.00042.2018)."""
    x = t / duration_s
    peak = rng.uniform(0.38, 0.62)
    warped = np.where(x < peak, 0.5 * x / peak, 0.5 + 0.5 * (x - peak) / (1.0 - peak))
    slowing = rng.uniform(-1.0, 0.2)
    phase = frequency_hz * t + 0.5 * slowing * (t - duration_s / 2) ** 2
    return 0.5 * np.sin(np.pi * warped) * np.sin(2 * np.pi * (phase + rng.uniform()))


def k_complex(t: Samples, duration_s: float, rng: Rng) -> Samples:
    """A sharp negative wave, then a slower positive one."""
    negative, positive = rng.uniform(0.27, 0.33), rng.uniform(0.58, 0.66)
    ratio = rng.uniform(0.5, 0.9)

    def shape(x: Samples) -> Samples:
        return (
            0.12 * _bell(x, negative - 0.17, 0.04)
            - _bell(x, negative, 0.08)
            + ratio * _bell(x, positive, 0.125)
        )

    return shape(t / duration_s) / np.ptp(shape(np.linspace(0.0, 1.0, 201)))


def slow_wave(t: Samples, duration_s: float, rng: Rng) -> Samples:
    """One whole wave, negative first, its halves of unequal length."""
    x = t / duration_s
    skew = rng.uniform(-0.12, 0.12)
    return -0.5 * np.sin(2 * np.pi * x + skew * np.sin(2 * np.pi * x))


def vertex_sharp_wave(t: Samples, duration_s: float, rng: Rng) -> Samples:
    """A sharp negative wave between two small positive ones."""
    after = rng.uniform(0.2, 0.4)

    def shape(x: Samples) -> Samples:
        return 0.15 * _bell(x, 0.18, 0.06) - _bell(x, 0.42, 0.09) + after * _bell(x, 0.74, 0.1)

    return shape(t / duration_s) / np.ptp(shape(np.linspace(0.0, 1.0, 201)))


def sawtooth_waves(t: Samples, duration_s: float, frequency_hz: float, rng: Rng) -> Samples:
    """Slow rise, steep fall, over and over; four harmonics, so notched rather than ideal."""
    wander = 0.06 * np.sin(2 * np.pi * (0.4 * t + rng.uniform()))
    phase = 2 * np.pi * (frequency_hz * t + wander + rng.uniform())
    wave = sum(np.sin(k * phase) / k for k in range(1, 5))
    return 0.3 * wave * window(t, duration_s, 0.4)


# ── wake ──────────────────────────────────────────────────────────────────────────────────


def alpha_run(t: Samples, duration_s: float, frequency_hz: float, rng: Rng) -> Samples:
    """Narrow-band, waxing and waning, never quite gone within the run."""
    offsets = rng.normal(0.0, 0.45, 6)
    phases = rng.uniform(0.0, 2 * np.pi, 6)
    carrier = np.sin(2 * np.pi * frequency_hz * t + rng.uniform(0.0, 2 * np.pi))
    waxing = sum(
        np.sin(2 * np.pi * (frequency_hz + offset) * t + phase)
        for offset, phase in zip(offsets, phases, strict=True)
    )
    alpha: Samples = (0.27 * carrier + 0.08 * waxing) * window(t, duration_s, 0.4)
    return alpha


def blink(t: Samples, duration_s: float, rng: Rng) -> Samples:
    """The lid closes faster than it opens."""
    peak = rng.uniform(0.35, 0.42)
    x = t / duration_s
    return np.where(x < peak, _bell(x, peak, 0.12), _bell(x, peak, 0.2)) * window(x, 1.0, 0.1)


def saccade(t: Samples, duration_s: float, rng: Rng) -> Samples:
    """The eye jumps, rests for a while or not at all, and drifts or jumps back."""
    rise = rng.uniform(0.07, 0.2)
    rest = rng.choice([0.05, 0.15, 0.5]) * rng.uniform(0.5, 1.2) * (duration_s - rise)
    back = min(duration_s - rise - rest, rng.uniform(0.15, 0.7))
    drift = np.exp(-t / rng.uniform(0.8, 3.0))
    return _step(t, rise / 2, rise) * drift * (1.0 - _step(t, rise + rest + back / 2, back))


def slow_eye_movements(t: Samples, duration_s: float, frequency_hz: float, rng: Rng) -> Samples:
    """Rolling, nearly sinusoidal, no two swings alike."""
    wander = rng.uniform(0.1, 0.3) * np.sin(2 * np.pi * (0.11 * t + rng.uniform()))
    swing = 1.0 + 0.25 * np.sin(2 * np.pi * (0.13 * t + rng.uniform()))
    phase = frequency_hz * t + wander + rng.choice([0.0, 0.5])
    rolling: Samples = 0.45 * swing * np.sin(2 * np.pi * phase) * window(t, duration_s, 1.0)
    return rolling


def reading(t: Samples, duration_s: float, frequency_hz: float, rng: Rng) -> Samples:
    """Along the line in small steps, and back to its start in one jump."""
    wander = 0.08 * np.sin(2 * np.pi * (0.15 * t + rng.uniform()))
    x = (frequency_hz * t + wander) % 1.0
    back = 0.05 * frequency_hz / 0.4
    words = 5
    along = np.minimum(x / (1.0 - back), 1.0) * words
    stairs = (np.floor(along) + _step(along % 1.0, 0.5, 0.5)) / words
    ramp = np.minimum(0.5 * stairs + 0.5 * along / words, 1.0)
    returned = np.clip((x - (1.0 - back)) / back, 0.0, 1.0)
    lines: Samples = (ramp * (1.0 - returned) - 0.5) * window(t, duration_s, 0.5)
    return lines


# ── noise ─────────────────────────────────────────────────────────────────────────────────


def band_noise(
    seconds: int, sampling_rate_hz: int, low_hz: float, high_hz: float, rng: Rng
) -> Samples:
    """Gaussian noise of root mean square 1 between two frequencies.

    Drawn as a Fourier series on whole seconds: at another rate it is the same noise, less what
    lies above half that rate.
    """
    n_lines = int(high_hz * seconds) + 1
    coefficients = rng.standard_normal(n_lines) + 1j * rng.standard_normal(n_lines)
    frequencies = np.arange(n_lines) / seconds
    coefficients[frequencies < low_hz] = 0.0
    n_samples = seconds * sampling_rate_hz
    n_kept = min(n_lines, (n_samples + 1) // 2)
    band_lines = max(1, n_lines - int(np.ceil(low_hz * seconds)))
    scale = n_samples / (2.0 * np.sqrt(band_lines))
    return np.asarray(scipy.fft.irfft(coefficients[:n_kept] * scale, n=n_samples))
