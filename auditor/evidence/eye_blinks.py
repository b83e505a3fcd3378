"""Eye blinks: brief vertical deflections of both eyes, seen by the frontal EEG as well.

AASM scoring manual, section on stage W: conjugate vertical movements at 0.5–2 Hz. With the
recommended derivations the eyes' channels then move apart, with the alternative ones together,
so both are searched. A blink is told from a rapid eye movement by being brief, by always
pointing the same way, and by its share in the frontal EEG; from EEG that leaks into both eyes
by being larger there than in the EEG.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence import eyes
from auditor.evidence.base import Earlier, Measured
from auditor.evidence.eyes import Deflections
from auditor.evidence.grid import Doubles, logistic
from auditor.evidence.signals import SHAPE_HZ, Signals
from auditor.vocabulary import Phenomenon

TYPICAL_UV = 60.0
SMALL_UV = 35.0
WIDTH_S = 0.24
"""At half its height; the lid is down and up within 0.1–0.4 s
(doi:10.1016/0301-0511(84)90023-4)."""
BRIEFEST_S = 0.12
"""What is narrower is a wave of alpha or a twitch."""
SHARP = 0.5
FRONTAL_GAIN = 0.3
EEG_GAIN = 0.6
"""A blink reaches the frontal EEG weakened; EEG reaches the eyes weakened."""
AGAINST = 1.6
"""What speaks against a blink weighs so many times what it weighs in the sum. Measured on both
simulators (tests/benchmarks/bench_evidence_phantom.py and bench_evidence_eyes.py beside it): of
deflections to which the sum alone gives .15 to .3, one in nine was a blink, below .1 one of
eighty."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each blink."""
    del earlier
    obstacles = eyes.obstacles(signals, SHAPE_HZ)
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles):
        return Measured(obstacles)
    apart, together = eyes.deflections(both), eyes.deflections(both, in_phase=True)
    found = eyes.candidates(apart, logistic(score(apart))).followed_by(
        eyes.candidates(together, logistic(score_in_phase(together)))
    )
    return Measured(obstacles, found.events(Phenomenon.EYE_BLINKS, both.label))


def score(found: Deflections) -> Doubles:
    """Log-odds that a deflection out of phase is a blink. Weights, here and below: logistic
    regression on eye channels of two simulators, of many shapes, amplitudes and montages,
    rounded."""
    width = _width(found)
    seen_frontally = np.minimum(np.abs(found.frontal_gain) / FRONTAL_GAIN, 1.0)
    return _doubted(
        -7.3
        + 1.5 * np.log(np.clip(found.height_uv / TYPICAL_UV, 0.1, 1.5))
        - 4.0 * np.log(np.maximum(SMALL_UV / found.height_uv, 1.0))
        - 3.0 * np.log(np.maximum(BRIEFEST_S / found.width_s, 1.0))
        - 1.5 * np.log(np.maximum(SHARP / found.sharpness, 1.0))
        - 3.0 * found.moving
        + 2.4 * found.undone
        - 2.0 * np.maximum(width, 0.0)
        - 6.8 * np.minimum(width, 0.0)
        + 4.8 * np.maximum(found.sameness, 0.0)
        + 2.0 * np.minimum(found.sameness, 0.0)
        + 2.5 * seen_frontally * np.abs(found.frontal_correlation)
        - 3.0 * np.maximum(np.abs(found.frontal_gain) - EEG_GAIN, 0.0)
    )


def score_in_phase(found: Deflections) -> Doubles:
    """Log-odds that a deflection in phase is a blink: EEG is so too, so that it takes more."""
    width = _width(found)
    return _doubted(
        -4.0
        + 5.0 * np.log(np.clip(found.height_uv / TYPICAL_UV, 0.1, 1.5))
        - 8.0 * np.log(np.maximum(BRIEFEST_S / found.width_s, 1.0))
        - 2.0 * np.log(np.maximum(SHARP / found.sharpness, 1.0))
        - 6.0 * found.moving
        - 8.5 * np.maximum(width, 0.0)
        - 3.0 * np.minimum(width, 0.0)
        + 7.0 * np.maximum(found.sameness, 0.0)
        - 10.0 * np.maximum(np.abs(found.frontal_gain) - EEG_GAIN, 0.0)
    )


def _width(found: Deflections) -> Doubles:
    """Log of the width against a blink's."""
    width: Doubles = np.log(np.clip(found.width_s, BRIEFEST_S, 3 * WIDTH_S) / WIDTH_S)
    return width


def _doubted(log_odds: Doubles) -> Doubles:
    """Log-odds below evens made as sure as they have proved to be."""
    doubted: Doubles = np.where(log_odds < 0.0, AGAINST * log_odds, log_odds)
    return doubted
