"""Electrode pops: an electrode that loses hold for a moment jumps, and creeps back.

What creeps back looks like a slow wave or a K complex, and the jump, once filtered, like a
spindle. No wave of the brain jumps so.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.grid import WORKING_RATE_HZ, Doubles
from auditor.evidence.signals import Signal

LARGEST_STEP_UV = 40.0
LARGEST_SHARE = 0.35
_WEIGHT_PER_UV = 0.2
"""From one hundredth of a second to the next, and of a wave's amplitude. Measured on simulated
nights: K complexes 22 µV and 0.28 at most, pops of 100 µV and more 56 µV and 0.5 at least."""


def in_pop(signal: Signal, start_s: Doubles, end_s: Doubles, amplitude_uv: Doubles) -> Doubles:
    """How much a jump within each event speaks against it, in log-odds."""
    if not len(start_s):
        return np.zeros(0)
    steps = np.abs(np.diff(signal.samples, append=signal.samples[-1:]))
    first = np.clip((start_s * WORKING_RATE_HZ).astype(np.intp), 0, len(steps) - 1)
    last = np.clip((end_s * WORKING_RATE_HZ).astype(np.intp), first + 1, len(steps))
    windows = np.column_stack((first, last)).ravel()
    largest = np.maximum.reduceat(np.append(steps, 0.0), windows)[::2]
    allowed = np.maximum(LARGEST_STEP_UV, LARGEST_SHARE * amplitude_uv)
    against: Doubles = _WEIGHT_PER_UV * np.maximum(largest - allowed, 0.0)
    return against
