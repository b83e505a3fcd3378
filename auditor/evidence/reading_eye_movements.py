"""Reading eye movements: a slow phase along the line, and a rapid one back, over and over.

AASM scoring manual, section on stage W: trains of conjugate movements, each a slow phase
followed by a rapid one in the opposite direction. Sought are runs of sharp deflections, all in
one direction and of one size, between which the eyes drift all the way back; halfway through
they must be halfway there, for after a rapid eye movement they are back at once, or stay.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence import eyes
from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.eyes import Deflections
from auditor.evidence.filters import moving_mean
from auditor.evidence.grid import WORKING_RATE_HZ, Doubles, Floats, Indices, Mask, logistic, runs
from auditor.evidence.signals import SHAPE_HZ, Signals
from auditor.vocabulary import Phenomenon

LINE_S = (0.6, 5.0)
"""From one line to the next."""
SHARP = 0.5
ALIKE = 2.0
"""One return is at most this many times another."""
DRIFTED_BACK = (0.6, 1.5)
HALFWAY = (0.2, 0.8)
"""Of the way back, when half the time is over."""
SMOOTH_S = 0.2
FEWEST_LINES = 2
LIKELY_LINES = 3
"""As likely as not to be reading; two happen by chance."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each run of lines."""
    del earlier
    obstacles = eyes.obstacles(signals, SHAPE_HZ)
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles):
        return Measured(obstacles)
    found = eyes.deflections(both)
    level = moving_mean(both.apart, SMOOTH_S)
    trains = _trains(found, level, 1.0).followed_by(_trains(found, level, -1.0))
    return Measured(obstacles, trains.events(Phenomenon.READING_EYE_MOVEMENTS, both.label))


def _trains(found: Deflections, level: Floats, sign: float) -> Candidates:
    """Runs of lines whose returns have this sign; runs that meet are one, a line between them
    not having been seen."""
    at = np.flatnonzero((found.sign == sign) & ~found.undone & (found.sharpness >= SHARP))
    first, past = runs(_lines(found, level, at))
    enough = past - first >= FEWEST_LINES
    first, past = first[enough], past[enough]
    start_s = found.start_s[at]
    line_s = (start_s[past] - start_s[first]) / (past - first)
    height = np.array(
        [found.height_uv[at][a : b + 1].mean() for a, b in zip(first, past, strict=True)]
    )
    return Candidates(
        np.maximum(start_s[first] - line_s, 0.0),
        np.minimum(start_s[past] + line_s, len(level) / WORKING_RATE_HZ),
        logistic(1.5 * (past - first - LIKELY_LINES).astype(np.float64)),
        1.0 / line_s,
        height,
    ).united()


def _lines(found: Deflections, level: Floats, at: Indices) -> Mask:
    """Whether a line of reading lies between each return and the next."""
    start_s, height = found.start_s[at], found.height_uv[at]
    before = _value(level, start_s) * found.sign[at]
    line_s = np.diff(start_s)
    midway = _value(level, start_s[:-1] + line_s / 2) * found.sign[at][:-1]
    top = before[:-1] + height[:-1]
    ratio = height[1:] / height[:-1]
    back, halfway = (top - before[1:]) / height[:-1], (top - midway) / height[:-1]
    line: Mask = (
        (line_s >= LINE_S[0])
        & (line_s <= LINE_S[1])
        & (np.maximum(ratio, 1 / ratio) <= ALIKE)
        & (back >= DRIFTED_BACK[0])
        & (back <= DRIFTED_BACK[1])
        & (halfway >= HALFWAY[0])
        & (halfway <= HALFWAY[1])
    )
    return line


def _value(level: Floats, time_s: Doubles) -> Doubles:
    at = np.minimum((time_s * WORKING_RATE_HZ).astype(np.intp), len(level) - 1)
    value: Doubles = level[at].astype(np.float64)
    return value
