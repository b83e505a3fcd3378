"""Rapid eye movements: conjugate, irregular, sharply peaked.

AASM scoring manual, section on stage R: the initial deflection usually lasts less than 500 ms.
Found by the method of Agarwal et al. 2005 as YASA publishes it (see
:mod:`auditor.evidence.eyes`), with every smaller peak kept as a candidate. What a peak is worth
is a sum of log-odds: for a deflection well above the level that the eyes keep; against the slow
rise of a slow eye movement; and against the brief deflection that always points the same way and
shows in the frontal EEG, which is a blink.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence import eyes
from auditor.evidence.base import Candidates, Doubles, Earlier, Measured, Signals, logistic
from auditor.evidence.eyes import Deflections
from auditor.vocabulary import Phenomenon

TYPICAL_UV = 50.0
"""The least that YASA's detector takes."""
LARGEST_UV = 325.0
"""The most that YASA's detector takes: beyond lie movements of the head and of electrodes."""
SLOW_FROM_S = 0.25
"""A half cosine of 0.25 s: what AASM calls slow takes twice as long and more."""
WIDE_S = 0.6
"""Wider at half its height is less likely one movement than two, or a slow one."""
BLINK_S = 0.24
"""A blink is narrower than this at half its height (doi:10.1016/0301-0511(84)90023-4)."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each deflection of both eyes."""
    del earlier
    obstacles = eyes.obstacles(signals, eyes.SHAPE_HZ)
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles):
        return Measured(obstacles)
    found = eyes.deflections(both)
    events = Candidates(
        found.start_s,
        found.end_s,
        logistic(_score(found)),
        np.full(len(found), np.nan),
        found.excursion_uv,
    ).events(Phenomenon.RAPID_EYE_MOVEMENTS, both.label)
    return Measured(obstacles, events)


def _score(found: Deflections) -> Doubles:
    """Log-odds of each deflection. Weights: logistic regression on simulated eye channels of
    many shapes, amplitudes and montages, rounded."""
    height = np.clip(found.height_uv / TYPICAL_UV, 0.1, 1.2)
    narrow = np.clip(np.log(BLINK_S / np.maximum(found.width_s, 0.05)), 0.0, 1.0)
    frontal = np.minimum(np.abs(found.frontal_gain), 1.0) * np.abs(found.frontal_correlation)
    score: Doubles = (
        2.7
        + 2.0 * np.log(height)
        - 1.4 * np.log(np.clip(found.overshadowed, 1.0, 8.0))
        - 8.0 * np.log(np.maximum(found.amplitude_uv / LARGEST_UV, 1.0))
        - 4.4 * np.log(np.maximum(found.rise_s / SLOW_FROM_S, 1.0))
        - 5.0 * np.log(np.maximum(found.width_s / WIDE_S, 1.0))
        - 2.3 * narrow
        - 5.0 * np.maximum(found.sameness, 0.0)
        - 4.0 * frontal
    )
    return score
