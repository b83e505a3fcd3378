"""A few seconds of EEG with one thing in it: what the detectors' tests look at.

Independent of the phantom on purpose, and simpler: 1/f noise and textbook waveforms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditor.vocabulary import (
    EEG_ROLES,
    Channel,
    Derivation,
    Event,
    Evidence,
    Montage,
    Phenomenon,
    Recording,
    Role,
    Samples,
)

RATE_HZ = 200.0


def background(
    seconds: float, seed: int = 1, rms_uv: float = 9.0, rate_hz: float = RATE_HZ
) -> Samples:
    """Noise whose amplitude falls as frequency rises, as that of sleep does."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * rate_hz)
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    amplitude = np.where(frequency_hz < 0.2, 0.0, 1 / np.maximum(frequency_hz, 0.7))
    phases = rng.normal(size=len(frequency_hz)) + 1j * rng.normal(size=len(frequency_hz))
    noise = np.fft.irfft(amplitude * phases, n_samples)
    return noise / noise.std() * rms_uv


def add(eeg: Samples, at_s: float, wave: Samples, rate_hz: float = RATE_HZ) -> None:
    """Puts a wave into the EEG."""
    first = round(at_s * rate_hz)
    eeg[first : first + len(wave)] += wave


def tone(
    seconds: float, frequency_hz: float, amplitude_uv: float, rate_hz: float = RATE_HZ
) -> Samples:
    """A sine of this peak-to-peak amplitude."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return amplitude_uv / 2 * np.sin(2 * np.pi * frequency_hz * time_s)


def spindle(
    seconds: float = 1.0,
    frequency_hz: float = 13.0,
    amplitude_uv: float = 40.0,
    rate_hz: float = RATE_HZ,
) -> Samples:
    """A sine that waxes and wanes."""
    wave = tone(seconds, frequency_hz, amplitude_uv, rate_hz)
    return wave * np.hanning(len(wave))


def k_complex(amplitude_uv: float = 150.0, rate_hz: float = RATE_HZ) -> Samples:
    """A sharp negative half wave of 0.25 s, then a positive one of 0.5 s."""
    down = np.sin(np.pi * np.arange(round(0.25 * rate_hz)) / (0.25 * rate_hz))
    up = np.sin(np.pi * np.arange(round(0.5 * rate_hz)) / (0.5 * rate_hz))
    return amplitude_uv * np.concatenate((-0.55 * down, 0.45 * up))


def montage(
    channels: Mapping[Role, Samples], rate_hz: float = RATE_HZ, missing: str = "not recorded"
) -> Montage:
    """Each role's samples as a channel that is called after the role."""
    by_role = {
        role: Derivation(Channel.of_array(role.value, rate_hz, samples))
        for role, samples in channels.items()
    }
    duration_s = max(len(samples) for samples in channels.values()) / rate_hz
    recording = Recording("simulated", None, duration_s, tuple(d.channel for d in by_role.values()))
    return Montage(recording, by_role, {r: missing for r in Role if r not in channels})


def everywhere(eeg: Samples, rate_hz: float = RATE_HZ) -> Montage:
    """The same EEG frontally, centrally and occipitally."""
    return montage(dict.fromkeys(EEG_ROLES, eeg), rate_hz)


def likely(
    evidence: Evidence, kind: Phenomenon, role: Role, at_least: float = 0.5
) -> Sequence[Event]:
    """Events of a kind in the channel of a role."""
    return [
        event
        for event in evidence.events
        if event.kind is kind and event.channel == role.value and event.probability >= at_least
    ]


def meets(event: Event, start_s: float, end_s: float) -> bool:
    """Whether the event overlaps this time."""
    return event.start_s < end_s and event.end_s > start_s
