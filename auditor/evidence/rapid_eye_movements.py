"""Rapid eye movements: conjugate, irregular, sharply peaked.

AASM scoring manual, section on stage R: the initial deflection usually lasts less than 500 ms.
How they are found says :mod:`auditor.evidence.eyes`; every smaller deflection is kept as a
candidate. What one is worth is a sum of log-odds: for its height, against a blunt beginning,
which a slow eye movement has, and against its being a blink.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditor.evidence import eye_blinks, eyes
from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.eyes import Deflections, Eyes
from auditor.evidence.grid import Doubles, logistic
from auditor.evidence.movement import in_muscle
from auditor.evidence.signals import SHAPE_HZ, Signals
from auditor.vocabulary import Phenomenon

TYPICAL_UV = 50.0
"""The least that YASA's detector takes."""
LARGEST_UV = 400.0
"""Beyond lie movements of the head and of electrodes. YASA takes 325 µV at most, of the channels'
excursion; a movement from one side to the other is twice that."""
SHARP = 0.5
"""A half cosine of 0.5 s, AASM's limit, has half its height in its steepest fifth of a second."""
WIDE_S = 0.8
"""Wider at half its height is less likely one movement than two, or a slow one."""
NARROW_S = 0.2
"""Narrower is more likely a blink, or noise."""
OVER_NOISE = 6.0
"""Of so many jumps of noise, one is this many times the mean."""
PURE = 0.9
STRAY = 0.35
"""Both eyes move alike and nothing else does: what jumps in the opposite phase beside it, of its
own jump. One eye seen half as large as the other leaves this much; EEG and movements of the head
leave more (measured: tests/benchmarks/bench_evidence_eyes.py)."""
RESTLESS = 0.5
"""More movement of the body than this is not the swing of the eyes themselves."""
FRONTAL_GAIN = 0.4
"""More of a vertical movement than this does not reach the frontal EEG; EEG does."""
EEG_GAIN = 0.6
"""Nor more of any movement than this, noise and all. Unlike references, M2 for one eye and M1 for
the other, can turn what leaks from the EEG out of phase."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each deflection of both eyes, but for those of reading and of rolling."""
    obstacles = eyes.obstacles(signals, SHAPE_HZ)
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles):
        return Measured(obstacles)
    found = _out_of_phase(both)
    if both.eeg:
        found = found.followed_by(_in_phase(both))
    for other in (Phenomenon.READING_EYE_MOVEMENTS, Phenomenon.SLOW_EYE_MOVEMENTS):
        found = _outside(found, earlier[other])
    return Measured(obstacles, found.events(Phenomenon.RAPID_EYE_MOVEMENTS, both.label))


def _out_of_phase(both: Eyes) -> Candidates:
    found = eyes.deflections(both)
    leaked = np.maximum(np.abs(found.frontal_gain) - EEG_GAIN, 0.0)
    muscle = in_muscle(both.total, found.start_s, found.end_s)
    score = 2.4 + _shape(found) - 8.0 * leaked - muscle
    return eyes.candidates(found, _probability(score, eye_blinks.score(found)))


def _in_phase(both: Eyes) -> Candidates:
    """Vertical movements, where both eye electrodes are on the same level.

    Told from EEG only by its being larger in the EEG, so nothing without frontal EEG.
    """
    found = eyes.deflections(both, in_phase=True)
    leaked = np.maximum(found.eeg_gain - FRONTAL_GAIN, 0.0)
    muscle = in_muscle(both.difference, found.start_s, found.end_s)
    score = 1.0 + _shape(found) - 14.0 * leaked - muscle
    return eyes.candidates(found, _probability(score, eye_blinks.score_in_phase(found)))


def _outside(found: Candidates, other: Measured) -> Candidates:
    """Less probable by as much as they are probably part of another movement's run."""
    probability = found.probability.copy()
    for run in other.events:
        within = (found.start_s < run.end_s) & (found.end_s > run.start_s)
        probability[within] *= 1.0 - run.probability
    return replace(found, probability=probability)


def _shape(found: Deflections) -> Doubles:
    """Weights: logistic regression on eye channels of two simulators, of many shapes, amplitudes
    and montages, rounded; that of height so that 35 µV are as likely as not."""
    log_odds: Doubles = (
        7.0 * np.log(np.clip(found.height_uv / TYPICAL_UV, 0.1, 1.2))
        - 8.0 * np.log(np.maximum(found.height_uv / LARGEST_UV, 1.0))
        - 6.0 * np.log(np.maximum(SHARP / found.sharpness, 1.0))
        - 4.0 * np.log(np.maximum(found.width_s / WIDE_S, 1.0))
        - 3.0 * np.log(np.clip(NARROW_S / found.width_s, 1.0, 3.0))
        - 3.0 * np.maximum(PURE - found.purity, 0.0)
        - 4.0 * np.log(np.maximum(found.stray_uv / (STRAY * found.jump_uv), 1.0))
        - 4.0 * np.log(np.maximum(OVER_NOISE * found.noise_uv / found.height_uv, 1.0))
        - 12.0 * np.maximum(found.moving - RESTLESS, 0.0)
    )
    return log_odds


def _probability(score: Doubles, blink: Doubles) -> Doubles:
    """Of a rapid eye movement: that it is no blink, and, if so, that it is no chance either."""
    probability: Doubles = logistic(score) * logistic(-blink)
    return probability
