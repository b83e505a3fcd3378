"""Slow eye movements: conjugate, regular, sinusoidal, rolling.

AASM scoring manual, section on stage N1: the initial deflection usually lasts more than 500 ms,
so that a whole swing takes more than a second and, in practice, two to five. What rolls is told
by three ratios over three seconds: how large the swing is, how much more of it is out of phase
than in phase (slow waves and sweat are in phase), and how little of anything faster rides on it
(a rapid eye movement has steep flanks).

Where these ratios pass their threshold hangs on noise, and so on the reference that brings it.
A run therefore reaches from its first to its last swing, each of which is measured against the
run's own amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal as sp
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from auditor.evidence import eyes
from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.grid import (
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Mask,
    Spans,
    logistic,
    mask_of,
    runs,
)
from auditor.evidence.signals import Signals
from auditor.vocabulary import Phenomenon

BAND_HZ = (0.15, 0.9)
FASTER_HZ = (1.2, 4.5)
TYPICAL_UV = 25.0
"""Amplitude in each eye, zero to peak."""
WINDOW_S = 3.0
RATE_HZ = 10
"""Enough for what is slow."""
_STEP = WORKING_RATE_HZ // RATE_HZ
STEEP = 0.6
"""A swing of amplitude 1 and half a hertz rises by 0.44 within a jump's time; a deflection that
takes 0.5 s by 0.9."""

SHORTEST_S = 1.5
"""Most of a swing."""
_SMEAR_S = 0.5
CANDIDATE = 0.15

SWING = 0.4
"""Of a run's amplitude: what reaches this is one of its swings. Half as high again or less, and
the same night against other mastoids has its runs cut elsewhere (measured:
tests/benchmarks/bench_references.py)."""
PAUSE_S = 2.0
"""A run goes on over a swing too small to count, but not over two."""
REACH_S = 10.0
"""So far beyond where it is likely, a run may go on."""
ABRUPT = 1.2
"""Of a run's amplitude: so large a jump is another movement, and the run does not reach past it."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each run."""
    del earlier
    obstacles = eyes.obstacles(signals, FASTER_HZ[1])
    both = eyes.both_eyes(signals)
    if both is None or all(obstacles) or not signals.n_epochs:
        return Measured(obstacles)
    found = _runs(
        _rolling(_slowly(both.apart), _slowly(both.together), _largest(eyes.jumps(both.apart)))
    )
    return Measured(obstacles, found.events(Phenomenon.SLOW_EYE_MOVEMENTS, both.label))


def _slowly(samples: Floats) -> Doubles:
    """At ten samples a second."""
    slow: Doubles = sp.resample_poly(
        samples.astype(np.float64), RATE_HZ, WORKING_RATE_HZ, padtype="line"
    )
    return slow


def _largest(jumps: Floats) -> Doubles:
    """The largest jump of the eyes, ten times a second, µV."""
    whole = len(jumps) // _STEP * _STEP
    largest: Doubles = np.abs(jumps[:whole]).reshape(-1, _STEP).max(axis=1).astype(np.float64)
    return largest


@dataclass(frozen=True, slots=True)
class _Rolling:
    """How the eyes roll, ten times a second.

    Attributes:
        probability: that they roll.
        swing: what moves out of phase within the band, µV.
        jump: how far they jump, µV.
        frequency_hz, amplitude_uv: of the swing around each moment, zero to peak.
    """

    probability: Doubles
    swing: Doubles
    jump: Doubles
    frequency_hz: Doubles
    amplitude_uv: Doubles


def _rolling(apart: Doubles, together: Doubles, jump: Doubles) -> _Rolling:
    """Whether, how fast and how far the eyes roll.

    Weights: logistic regression on the eye channels of two simulators, rounded. What is smaller
    than typical is doubtful; what is larger is not the surer for it.
    """
    n = min(len(apart), len(jump))
    apart, together = apart[:n], together[:n]
    steepest = maximum_filter1d(jump[:n], round(WINDOW_S * RATE_HZ))
    swing, sway, faster = _band(apart, BAND_HZ), _band(together, BAND_HZ), _band(apart, FASTER_HZ)
    swing_uv, sway_uv, faster_uv = (_rms(each) for each in (swing, sway, faster))
    amplitude_uv = np.sqrt(2) * swing_uv
    # A microvolt on both sides keeps silence from being a ratio.
    score = (
        -10.3
        + 1.5 * np.log(np.clip(amplitude_uv, 1.0, TYPICAL_UV) / TYPICAL_UV)
        + 2.5 * np.minimum(np.log((swing_uv + 1.0) / (sway_uv + 1.0)), 1.5)
        + 4.9 * np.minimum(np.log((swing_uv + 1.0) / (faster_uv + 1.0)), 3.0)
        - 5.0 * np.log(np.maximum(steepest / (STEEP * (amplitude_uv + 5.0)), 1.0))
    )
    turning = _smooth(np.square(np.gradient(swing) * RATE_HZ)) / np.maximum(_smooth(swing**2), 1e-9)
    frequency_hz = np.sqrt(turning) / (2 * np.pi)
    return _Rolling(logistic(score), swing, jump[:n], frequency_hz, amplitude_uv)


def _band(samples: Doubles, band_hz: tuple[float, float]) -> Doubles:
    sections = sp.butter(2, band_hz, "bandpass", fs=RATE_HZ, output="sos")
    padding = min(len(samples) - 1, 10 * RATE_HZ)
    filtered: Doubles = sp.sosfiltfilt(sections, samples, padlen=padding)
    return filtered


def _smooth(values: Doubles) -> Doubles:
    smoothed: Doubles = uniform_filter1d(values, round(WINDOW_S * RATE_HZ), mode="nearest")
    return smoothed


def _rms(values: Doubles) -> Doubles:
    return np.sqrt(np.maximum(_smooth(np.square(values)), 0.0))


def _runs(rolling: _Rolling) -> Candidates:
    """Runs in which movement is likely, and the candidates among the rest."""
    likely = _whole(_trimmed(rolling.probability >= 0.5), rolling)
    taken = mask_of(likely.start_s, likely.end_s, len(rolling.swing), RATE_HZ)
    maybe = _whole(_trimmed((rolling.probability >= CANDIDATE) & ~taken), rolling)
    following = np.searchsorted(likely.end_s, maybe.start_s, side="right")
    apart = maybe.end_s <= np.append(likely.start_s, np.inf)[following]
    return likely.followed_by(maybe.where(apart))


def _trimmed(mask: Mask) -> Spans:
    """Its stretches without what the window adds at both ends, and only those that last."""
    smear = round(_SMEAR_S * RATE_HZ)
    first, past = runs(mask)
    return Spans(first + smear, past - smear, RATE_HZ).lasting(SHORTEST_S)


def _whole(found: Spans, rolling: _Rolling) -> Candidates:
    """The runs to which these stretches belong; those that reach each other are one.

    The stretch and all of the run count alike for the probability: three seconds that roll, in
    ten that hardly do, are doubtful.
    """
    if not len(found):
        return Candidates.none()
    frequency_hz = found.mean(rolling.frequency_hz)
    level_uv = SWING * np.sqrt(2 * found.mean(np.square(rolling.swing)))
    stretches = zip(found.first.tolist(), found.past.tolist(), level_uv.tolist(), strict=True)
    ends_s = [_first_and_last(rolling, *stretch) for stretch in stretches]
    first_s, last_s = np.array(ends_s, dtype=np.float64).T
    # From the level on, a sine takes so long to nought.
    foot_s = np.arcsin(SWING) / (2 * np.pi * frequency_hz)
    all_of_it = Spans(
        np.floor(first_s * RATE_HZ).astype(np.intp),
        np.floor(last_s * RATE_HZ).astype(np.intp) + 1,
        RATE_HZ,
    )
    whole = Candidates(
        np.maximum(first_s - foot_s, 0.0),
        np.minimum(last_s + foot_s, len(rolling.swing) / RATE_HZ),
        (found.mean(rolling.probability) + all_of_it.mean(rolling.probability)) / 2,
        frequency_hz,
        2 * found.mean(rolling.amplitude_uv),
    )
    return whole.where(np.argsort(whole.start_s, kind="stable")).united()


def _first_and_last(
    rolling: _Rolling, first: int, past: int, level_uv: float
) -> tuple[float, float]:
    """When the first swing around a stretch rises to the level, and the last falls from it, s."""
    begin, end = _within_reach(rolling.jump, first, past, ABRUPT * level_uv / SWING)
    size = np.abs(rolling.swing[begin:end])
    above = np.flatnonzero(size >= level_uv)
    # A swing parted from the others by a pause belongs to another run.
    parted = np.flatnonzero(np.diff(above) > PAUSE_S * RATE_HZ)
    ends = above[np.append(parted, len(above) - 1)]
    firsts = above[np.append(0, parted + 1)]
    own = (ends >= first - begin) & (firsts < past - begin)
    rise, fall = int(firsts[own][0]), int(ends[own][-1])
    at_s = (
        begin + _crossing(size, level_uv, rise, -1),
        begin + _crossing(size, level_uv, fall, 1),
    )
    return at_s[0] / RATE_HZ, at_s[1] / RATE_HZ


def _within_reach(jump: Doubles, first: int, past: int, abrupt_uv: float) -> tuple[int, int]:
    """How far to both sides a stretch may go on."""
    reach = round(REACH_S * RATE_HZ)
    begin, end = max(first - reach, 0), min(past + reach, len(jump))
    before = np.flatnonzero(jump[begin:first] > abrupt_uv)
    after = np.flatnonzero(jump[past:end] > abrupt_uv)
    begin += int(before[-1]) + 1 if len(before) else 0
    return begin, past + int(after[0]) if len(after) else end


def _crossing(size: Doubles, level: float, at: int, step: int) -> float:
    """Where the last value from a level on, going by steps of 1 or -1, falls below it."""
    beyond = at + step
    if not 0 <= beyond < len(size):
        return float(at)
    return at + step * float((size[at] - level) / (size[at] - size[beyond]))
