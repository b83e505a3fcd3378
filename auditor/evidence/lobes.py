"""The lobes of slow EEG: what lies between two crossings of zero.

Slow waves and K complexes are both pairs of lobes. They are timed on 0.3–3 Hz, where a wave
of theta riding on them makes no crossing of its own, and their height is taken on 0.3–6 Hz,
which keeps the sharp peak of a K complex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.evidence.base import WORKING_RATE_HZ, Doubles, Signal

TIMING_BAND_HZ = (0.3, 3.0)
HEIGHT_BAND_HZ = (0.3, 6.0)


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
        values = signal.band(*HEIGHT_BAND_HZ)[: crossings[-1]]
        highest = np.maximum.reduceat(values, crossings[:-1])
        lowest = np.minimum.reduceat(values, crossings[:-1])
        upwards = slow[crossings[:-1]] > 0
        return cls(
            crossings / WORKING_RATE_HZ,
            np.where(upwards, highest, lowest).astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.height_uv)

    @property
    def start_s(self) -> Doubles:
        return self.crossing_s[:-1]

    @property
    def end_s(self) -> Doubles:
        return self.crossing_s[1:]
