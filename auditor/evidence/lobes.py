"""The lobes of slow EEG: what lies between two crossings of zero.

Slow waves and K complexes are both pairs of lobes. They are timed on 0.3–3 Hz, where a wave
of theta riding on them makes no crossing of its own, and their height is taken on 0.3–6 Hz,
which keeps the sharp peak of a K complex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.evidence.grid import WORKING_RATE_HZ, Doubles, Floats, Indices
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import EPOCH_S, Role

TIMING_BAND_HZ = (0.3, 3.0)
FASTEST_HZ = 6.0

_EYES_LEAD_BY = 1.1
"""A slow wave of the brain reaches the eye electrodes at half its frontal size or less; a blink
or an eye movement is three times larger there than frontally."""


@dataclass(frozen=True, slots=True)
class Lobes:
    """Consecutive lobes of one channel, alternately positive and negative.

    Attributes:
        crossing_s: where they begin and end; shape ``(n_lobes + 1,)``.
        height_uv: the extreme of each, with its sign; shape ``(n_lobes,)``.
    """

    crossing_s: Doubles
    height_uv: Doubles

    @classmethod
    def of(cls, signal: Signal) -> Lobes:
        """All lobes; fewer than two crossings make none."""
        slow = signal.band(*TIMING_BAND_HZ)
        crossings = np.flatnonzero(np.signbit(slow[1:]) != np.signbit(slow[:-1])) + 1
        if len(crossings) < 2:
            return cls(np.zeros(1), np.zeros(0))
        lowest, highest = _extremes(signal.slow, crossings)
        upwards = slow[crossings[:-1]] > 0
        return cls(
            crossings / WORKING_RATE_HZ,
            np.where(upwards, highest, lowest).astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.height_uv)

    def swing_uv(self, other: Signal | None = None) -> Doubles:
        """From each lobe's extreme to the next one's; of another channel, its peak to peak
        within both lobes. Shape ``(n_lobes - 1,)``."""
        if other is None or len(self) < 2:
            return np.abs(np.diff(self.height_uv))
        crossings = np.round(self.crossing_s * WORKING_RATE_HZ).astype(np.intp)
        lowest, highest = _extremes(other.slow, crossings)
        swing: Doubles = np.maximum(highest[:-1], highest[1:]) - np.minimum(lowest[:-1], lowest[1:])
        return swing

    @property
    def start_s(self) -> Doubles:
        return self.crossing_s[:-1]

    @property
    def end_s(self) -> Doubles:
        return self.crossing_s[1:]


def _extremes(values: Floats, crossings: Indices) -> tuple[Doubles, Doubles]:
    """Lowest and highest value between each crossing and the next."""
    within = values[: crossings[-1]]
    lowest = np.minimum.reduceat(within, crossings[:-1])
    highest = np.maximum.reduceat(within, crossings[:-1])
    return lowest.astype(np.float64), highest.astype(np.float64)


def of_the_eyes(lobes: Lobes, signals: Signals) -> Doubles:
    """How much each swing looks like one of the eyes, in log-odds; 0 where it does not.

    Where an eye channel is poor it says nothing.
    """
    swing_uv = lobes.swing_uv()
    middle = (lobes.end_s[:-1] / EPOCH_S).astype(np.intp)
    leads = np.ones(len(swing_uv))
    for role in (Role.LEFT_EYE, Role.RIGHT_EYE):
        eye = signals.by_role.get(role)
        if eye is None or not len(swing_uv):
            continue
        good = np.array([not reason for reason in signals.quality[role]] + [True])
        by = lobes.swing_uv(eye) / np.maximum(swing_uv, 1.0) / _EYES_LEAD_BY
        leads = np.maximum(leads, np.where(good[np.minimum(middle, len(good) - 1)], by, 1.0))
    score: Doubles = 6.0 * np.log(leads)
    return score
