"""Eye channels with known movements: what the tests of the eye detectors look at.

Independent of the phantom on purpose, and simpler: noise of the electrodes, EEG that leaks into
both channels in phase, and textbook movements that move them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from simulated_eeg import RATE_HZ, add, background, montage

from auditor.evidence import measure
from auditor.vocabulary import Event, Evidence, Montage, Phenomenon, Role, Samples

LEAK = 0.5
"""How much of the frontal EEG the eye channels see."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Frontal EEG and both eye channels of one recording, to which movements are added."""

    rate_hz: float
    frontal: Samples
    left: Samples
    right: Samples

    @classmethod
    def at_rest(cls, seconds: float, seed: int = 1, rate_hz: float = RATE_HZ) -> Eyes:
        frontal = background(seconds, seed, rate_hz=rate_hz)
        left, right = (
            LEAK * frontal + background(seconds, seed + n, 3.0, rate_hz) for n in (100, 200)
        )
        return cls(rate_hz, frontal, left, right)

    def turn(self, at_s: float, wave: Samples) -> None:
        """Both eyes turn: the channels move apart, the left one as the wave says."""
        add(self.left, at_s, wave, self.rate_hz)
        add(self.right, at_s, -wave, self.rate_hz)

    def blink(self, at_s: float, amplitude_uv: float = 120.0, *, in_phase: bool = False) -> None:
        """A blink of a third of a second, of which the frontal EEG sees a third."""
        wave = amplitude_uv * np.hanning(round(0.33 * self.rate_hz))
        add(self.left, at_s, wave if in_phase else -wave, self.rate_hz)
        add(self.right, at_s, wave, self.rate_hz)
        add(self.frontal, at_s, wave / 3, self.rate_hz)

    def leak(self, at_s: float, wave: Samples) -> None:
        """Frontal EEG, seen by both eye channels in phase."""
        add(self.frontal, at_s, wave, self.rate_hz)
        add(self.left, at_s, LEAK * wave, self.rate_hz)
        add(self.right, at_s, 1.2 * LEAK * wave, self.rate_hz)

    def montage(self) -> Montage:
        return montage(
            {
                Role.FRONTAL: self.frontal,
                Role.LEFT_EYE: self.left,
                Role.RIGHT_EYE: self.right,
            },
            self.rate_hz,
        )

    def measured(self) -> Evidence:
        return measure(self.montage())


def saccade(
    amplitude_uv: float = 90.0,
    rise_s: float = 0.1,
    hold_s: float = 0.3,
    rate_hz: float = RATE_HZ,
) -> Samples:
    """The eyes jump, rest, and jump back; each way a half cosine."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, round(rise_s * rate_hz)))
    hold = np.ones(round(hold_s * rate_hz))
    return amplitude_uv * np.concatenate((rise, hold, rise[::-1]))


def rolling(
    seconds: float, frequency_hz: float, amplitude_uv: float, rate_hz: float = RATE_HZ
) -> Samples:
    """A sine of this amplitude from zero to peak, rising and falling gently at its ends."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    gentle = np.minimum(np.minimum(time_s, seconds - time_s), 1.0)
    return amplitude_uv * gentle * np.sin(2 * np.pi * frequency_hz * time_s)


def found(evidence: Evidence, kind: Phenomenon, at_least: float = 0.5) -> Sequence[Event]:
    return [e for e in evidence.events if e.kind is kind and e.probability >= at_least]


def starts(events: Sequence[Event]) -> Samples:
    return np.array([event.start_s for event in events])
