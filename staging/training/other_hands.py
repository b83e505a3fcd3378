"""The same night drawn by a plainer hand than the phantom's: another simulator's style.

Simulators differ in how they draw: backgrounds of pure 1/f noise with a theta rhythm on top,
waves that are plain sinusoids under a bell, eye movements that are smooth steps. A model that
has seen two hands depends less on either's. Stages, events and their sizes stay the plan's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import scipy.fft

from auditor.vocabulary import Channel, Phenomenon, Role, Samples, Stage
from staging.phantom import Phantom
from staging.phantom_plan import DisturbanceKind, EyePlacement, PlannedEvent

Rng = np.random.Generator
Wave: TypeAlias = Callable[[Samples], Samples]

_LABELS = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2")
_SPREAD: Mapping[Role, tuple[float, ...]] = {
    # Share of a wave in each of the five channels when it is largest in the region named.
    Role.FRONTAL: (1.0, 0.65, 0.3, 0.3, 0.3),
    Role.CENTRAL: (0.7, 1.0, 0.4, 0.1, 0.1),
    Role.OCCIPITAL: (0.2, 0.4, 1.0, 0.05, 0.05),
    Role.LEFT_EYE: (0.1, 0.03, 0.0, -1.0, 1.0),
}
_UP_AND_DOWN = {
    EyePlacement.RECOMMENDED: (0.4, 0.08, 0.0, -1.0, 1.0),
    EyePlacement.ALTERNATIVE: (0.4, 0.08, 0.0, -1.0, -1.0),
}
_RMS_UV = {Stage.W: 9.0, Stage.N1: 8.0, Stage.N2: 10.5, Stage.N3: 12.0, Stage.R: 7.5}
"""Of the background, near what the phantom's comes to between its events."""
_SLOPE = {Stage.W: 0.9, Stage.N1: 1.2, Stage.N2: 1.5, Stage.N3: 1.8, Stage.R: 1.2}
"""Power falls with frequency to this exponent: slowly in wake, steeply in deep sleep."""
_THETA_SHARE = {Stage.W: 0.0, Stage.N1: 0.5, Stage.N2: 0.25, Stage.N3: 0.15, Stage.R: 0.45}
_COMMON_SHARE = 0.5
_CROSSFADE_S = 4.0


def draw_in_other_hands(phantom: Phantom, rng: Rng) -> Phantom:
    """The phantom with another recording of its plan; only the chin stays as it was."""
    settings = phantom.settings
    rate = float(settings.sampling_rate_hz)
    signals = _background(phantom, rate, rng) * settings.gain * float(rng.uniform(0.75, 1.3))
    signals += rng.normal(0.0, settings.noise_uv, signals.shape)
    up_and_down = _UP_AND_DOWN[settings.eye_placement]
    for event in phantom.plan.events:
        vertical = event.vertical or event.kind is Phenomenon.EYE_BLINKS
        spread = up_and_down if vertical else _SPREAD[event.where]
        _add(signals, rate, event.start_s, event.duration_s, spread, _wave(event, rng))
    for disturbance in phantom.plan.disturbances:
        if disturbance.kind is DisturbanceKind.MOVEMENT:
            swing = _swing(disturbance.amplitude_uv, rng)
            _add(signals, rate, disturbance.start_s, disturbance.duration_s, (1.0,) * 5, swing)
    channels = [
        Channel.of_array(label, rate, samples)
        for label, samples in zip(_LABELS, signals, strict=True)
    ]
    chin = phantom.recording.channels[-1]
    return replace(phantom, recording=replace(phantom.recording, channels=(*channels, chin)))


def _add(
    signals: Samples,
    rate: float,
    start_s: float,
    duration_s: float,
    spread: tuple[float, ...],
    wave: Wave,
) -> None:
    first, last = (
        max(0, int(start_s * rate)),
        min(signals.shape[1], int((start_s + duration_s) * rate)),
    )
    if first < last:
        values = wave(np.arange(first, last) / rate - start_s)
        signals[:, first:last] += np.outer(spread, values)


def _background(phantom: Phantom, rate: float, rng: Rng) -> Samples:
    """1/f noise of each stage, blended where the stage changes: ``(5, n_samples)`` µV."""
    plan = phantom.plan
    n_samples = round(plan.duration_s * rate)
    times = np.array([time for time, _ in plan.changes])
    seconds = np.arange(round(plan.duration_s)) + 0.5
    index = np.searchsorted(times, seconds, side="right") - 1
    stages = np.array([stage for _, stage in plan.changes])[index]
    blend = np.ones(int(_CROSSFADE_S)) / _CROSSFADE_S
    at = np.arange(n_samples) / rate
    theta_hz = float(rng.uniform(4.5, 6.5))
    signals = np.zeros((len(_LABELS), n_samples))
    for stage in set(stages.tolist()):
        weight = np.interp(at, seconds, np.convolve(stages == stage, blend, mode="same"))
        common = _coloured(n_samples, rate, _SLOPE[stage], theta_hz, _THETA_SHARE[stage], rng)
        for signal in signals:
            own = _coloured(n_samples, rate, _SLOPE[stage], theta_hz, _THETA_SHARE[stage], rng)
            mixed = np.sqrt(_COMMON_SHARE) * common + np.sqrt(1 - _COMMON_SHARE) * own
            signal += _RMS_UV[stage] * np.sqrt(weight) * mixed
    return signals


def _coloured(
    n_samples: int, rate: float, slope: float, theta_hz: float, theta_share: float, rng: Rng
) -> Samples:
    """Noise of root mean square 1 whose power falls with frequency, and rises around theta."""
    n_lines = n_samples // 2 + 1
    hz = np.arange(n_lines) * rate / n_samples
    power = np.maximum(hz, 0.5) ** -slope * (hz > 0.2)
    power /= power.sum()
    bump = np.exp(-0.5 * ((hz - theta_hz) / 0.8) ** 2)
    power = (1 - theta_share) * power + theta_share * bump / bump.sum()
    lines = rng.standard_normal(2 * n_lines).view(np.complex128) * np.sqrt(power)
    return np.asarray(scipy.fft.irfft(lines, n=n_samples) * n_samples / 2)


def _wave(event: PlannedEvent, rng: Rng) -> Wave:
    """µV at seconds from the event's start."""
    size, lasts, hz = event.amplitude_uv * event.direction, event.duration_s, event.frequency_hz
    phase = float(rng.uniform(0, 2 * np.pi))

    def bell(t: Samples) -> Samples:
        return np.exp(-0.5 * ((t / lasts - 0.5) / 0.2) ** 2)

    def flat(t: Samples) -> Samples:
        return np.clip(np.minimum(t, lasts - t) / 0.3, 0.0, 1.0)

    def oscillation(t: Samples) -> Samples:
        return 0.5 * size * np.sin(2 * np.pi * (hz or 1.0) * t + phase)

    def teeth(t: Samples) -> Samples:
        return 0.5 * size * (2 * (((hz or 3.0) * t) % 1.0) - 1)

    match event.kind:
        case Phenomenon.SLEEP_SPINDLE:
            return lambda t: oscillation(t) * bell(t)
        case Phenomenon.ALPHA_RHYTHM | Phenomenon.SLOW_EYE_MOVEMENTS:
            return lambda t: oscillation(t) * flat(t)
        case Phenomenon.AROUSAL:
            fast = float(rng.uniform(17, 25))
            return lambda t: (oscillation(t) + 0.2 * size * np.sin(2 * np.pi * fast * t)) * flat(t)
        case Phenomenon.K_COMPLEX | Phenomenon.VERTEX_SHARP_WAVES:
            return lambda t: (
                size
                * (
                    -0.6 * np.exp(-0.5 * ((t / lasts - 0.3) / 0.09) ** 2)
                    + 0.4 * np.exp(-0.5 * ((t / lasts - 0.65) / 0.14) ** 2)
                )
            )
        case Phenomenon.SLOW_WAVE_ACTIVITY:
            return lambda t: -0.5 * size * np.sin(2 * np.pi * t / lasts)
        case Phenomenon.SAWTOOTH_WAVES | Phenomenon.READING_EYE_MOVEMENTS:
            return lambda t: teeth(t) * flat(t)
        case Phenomenon.EYE_BLINKS:
            return lambda t: size * bell(t)
        case Phenomenon.RAPID_EYE_MOVEMENTS:
            rise = float(rng.uniform(0.04, 0.12))
            return lambda t: (
                size * np.tanh(np.maximum(t, 0) / rise) * (1 - np.clip(t / lasts, 0, 1) ** 4)
            )
        case _:
            return _swing(event.amplitude_uv, rng)


def _swing(amplitude_uv: float, rng: Rng) -> Wave:
    """Electrodes that swing, and muscle over them."""
    hz = float(rng.uniform(0.4, 2.0))

    def wave(t: Samples) -> Samples:
        muscle = rng.normal(0.0, amplitude_uv / 8, t.shape)
        return 0.3 * amplitude_uv * np.sin(2 * np.pi * hz * t + np.sin(t)) + muscle

    return wave
