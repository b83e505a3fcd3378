"""What the two eye channels show together, for the detectors of eye movements.

The eye is a dipole: when both eyes turn, one electrode sees the cornea come and the other sees
it go, so the channels move out of phase. EEG that leaks into both of them moves in phase. With
one electrode below and one above the eyes (AASM's recommended derivations) vertical movements
and blinks are out of phase too; with both below (the alternative) they are in phase.

Both channels jump at once when the eyes do, so a *deflection* begins at a peak of the product of
both channels' jumps: the method of Agarwal et al. 2005 (doi:10.1109/TBME.2005.851512) and of
YASA, which multiply the channels themselves, applied to what AASM's definition speaks of, the
initial deflection. A jump back within a good second ends the deflection that it undoes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import signal as sp
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from auditor.evidence.base import Candidates
from auditor.evidence.filters import moving_mean
from auditor.evidence.grid import WORKING_RATE_HZ, Doubles, Floats, Indices, Mask, first_true
from auditor.evidence.movement import movement_probability
from auditor.evidence.signals import Reasons, Signal, Signals
from auditor.vocabulary import EEG_ROLES, Role

SMALLEST_JUMP_UV = 12.0
"""In each eye, within a fifth of a second; YASA's smallest movement has 50 µV."""
LONGEST_S = 1.2
"""The longest movement of YASA's detector."""

_STEP_S = 0.1
_PAUSE_S = 0.04
"""A jump is the difference of two means of a tenth of a second, with this pause between."""
_APART_S = 0.12
_DWARFED = 0.35
_DWARFED_WITHIN_S = 0.5
"""Beside a jump that is three times its size, a jump is noise upon it."""
_STILL_HELD, _LEFT, _PAST = 0.35, 0.5, 0.75
"""Of a deflection's height, what a jump back finds, what it leaves, and how far past the
beginning it leads, at most."""
_STAIRS_S = 0.25
"""Steps so close upon each other are one deflection."""
_FORESHOCK = 0.5
"""Of the steepest jump: what comes before it and is smaller than this is not yet the movement."""
_SETTLES = 0.5
"""Of a deflection's height: a later jump smaller than this is the same eye settling."""

_SLOPE_S = 0.05
_FLAT = 0.05
"""Of a jump's height in that time: what is flatter is no longer the jump."""
_LEAD = round(0.6 * WORKING_RATE_HZ)
"""Samples to each side of a jump at which its deflection is looked at."""
_NEAR = slice(_LEAD - WORKING_RATE_HZ // 2, _LEAD + WORKING_RATE_HZ // 2 + 1)
"""Of those, half a second to each side."""
_QUIET_S, _QUIET_WITHIN_S = 2.0, 10.0
_NEIGHBOURHOOD_S = 30.0
_WEIGHTIEST_UV = 150.0
_DOUBT_UV = 100.0
"""Two small neighbours prove little."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eye channels on the working grid.

    Attributes:
        label: of the left eye's channel, under which what both show is reported.
        difference, total: half the channels' difference, and half their sum.
        eeg: each EEG channel below 15 Hz, µV, the foremost, which sees blinks too, first; none
            where there is but the occipital one.
        apart, together: the difference and the sum below 15 Hz, µV.
        moving_apart, moving_together: how likely movement covers the difference and the sum,
            second by second.
    """

    label: str
    difference: Signal
    total: Signal
    eeg: tuple[Floats, ...] = field(repr=False)
    apart: Floats = field(repr=False)
    together: Floats = field(repr=False)
    moving_apart: Doubles = field(repr=False)
    moving_together: Doubles = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deflections:
    """Movements of both eye channels, as arrays of one length, by time.

    Attributes:
        start_s, end_s: seconds from the recording's start.
        sign: of the left eye's channel.
        jump_uv: the steepest part of the initial deflection, geometric mean of both channels.
        height_uv: of the whole initial deflection, half the channels' difference (or sum).
        sharpness: how much of the height the steepest fifth of a second makes up, 0 to 1.
        undone: whether a jump back ended it.
        width_s: from the initial deflection to the way back, each at half its height.
        purity: how evenly both channels jump, 0 to 1.
        frontal_gain: µV in the frontal EEG for each µV here, of the left eye's sign.
        frontal_correlation: of the frontal EEG with it, of the left eye's sign; 0 without one.
        eeg_gain: the largest µV in any EEG channel for each µV here. A bipolar channel, or one
            against the mean of the scalp, may not see what reaches the eyes from the EEG.
        sameness: how much the deflections of the half minute around it share its sign, -1 to 1.
        stray_uv: the largest jump of the opposite phase within half a second.
        noise_uv: mean jump of the quietest two seconds around it.
        moving: how likely movement and muscle artefact cover the eyes there, 0 to 1.
    """

    start_s: Doubles
    end_s: Doubles
    sign: Doubles
    jump_uv: Doubles
    height_uv: Doubles
    sharpness: Doubles
    undone: Mask
    width_s: Doubles
    purity: Doubles
    frontal_gain: Doubles
    frontal_correlation: Doubles
    eeg_gain: Doubles
    sameness: Doubles
    stray_uv: Doubles
    noise_uv: Doubles
    moving: Doubles

    def __len__(self) -> int:
        return len(self.start_s)


def both_eyes(signals: Signals) -> Eyes | None:
    """The two eye channels; None where there are not two different ones."""
    left = signals.by_role.get(Role.LEFT_EYE)
    right = signals.by_role.get(Role.RIGHT_EYE)
    if left is None or right is None or left.label == right.label:
        return None
    difference, total = _mean(left, right, np.subtract), _mean(left, right, np.add)
    fore = Role.FRONTAL in signals.by_role or Role.CENTRAL in signals.by_role
    return Eyes(
        left.label,
        difference,
        total,
        tuple(signal.shape for _, signal in signals.channels(EEG_ROLES)) if fore else (),
        difference.shape,
        total.shape,
        movement_probability(difference, signals.n_epochs),
        movement_probability(total, signals.n_epochs),
    )


def _mean(left: Signal, right: Signal, combined: np.ufunc) -> Signal:
    """Half of both channels combined."""
    samples: Floats = combined(left.samples, right.samples) / np.float32(2)
    rate_hz = min(left.source_rate_hz, right.source_rate_hz)
    return Signal(left.label, rate_hz, samples, left.recorded & right.recorded)


def obstacles(signals: Signals, up_to_hz: float) -> Reasons:
    """Why the eyes' movements cannot be seen, epoch by epoch: it takes both channels."""
    left = signals.obstacles(Role.LEFT_EYE, up_to_hz)
    right = signals.obstacles(Role.RIGHT_EYE, up_to_hz)
    if both_labels_equal(signals):
        return signals.throughout("both eyes share one channel, which cannot show how they move")
    return tuple(one or other for one, other in zip(left, right, strict=True))


def both_labels_equal(signals: Signals) -> bool:
    left = signals.montage.channel(Role.LEFT_EYE)
    right = signals.montage.channel(Role.RIGHT_EYE)
    return left is not None and right is not None and left.label == right.label


def deflections(eyes: Eyes, *, in_phase: bool = False) -> Deflections:
    """Every deflection of the eyes that is out of phase, or in phase, candidates included."""
    shape = eyes.together if in_phase else eyes.apart
    other = eyes.apart if in_phase else eyes.together
    # The steep flank of a large movement looks like muscle, but not in the opposite phase.
    moving = eyes.moving_apart if in_phase else eyes.moving_together
    # left · right = together² − apart², of the jumps as of the channels themselves.
    jump, stray = jumps(shape), jumps(other)
    product = np.square(jump) - np.square(stray)
    at, _ = sp.find_peaks(
        product, height=SMALLEST_JUMP_UV**2, distance=round(_APART_S * WORKING_RATE_HZ)
    )
    size = np.sqrt(product[at], dtype=np.float64)
    standing = size >= _DWARFED * _largest_near(at, size, len(shape))
    at, size = at[standing], size[standing]
    sign = np.sign(jump[at]).astype(np.float64)
    window = _windows(shape, at) * sign[:, None].astype(np.float32)
    rise = _rise(window, size)
    course = _courses(at, sign, size, rise)
    main, back = course.main, course.back
    at, size, sign, window = at[main], size[main], sign[main], window[main]
    sharpness = np.minimum(np.abs(jump[at]) / rise.height[main], 1.0)
    level = _windows(moving_mean(shape, _STEP_S), at) * sign[:, None].astype(np.float32)
    start, end, width = _extent(level, at, course)
    gains, correlations = _gains(eyes, window, at)
    jumped = np.square(jump[at], dtype=np.float64)
    return Deflections(
        np.maximum(start, 0) / WORKING_RATE_HZ,
        np.minimum(end, len(shape)) / WORKING_RATE_HZ,
        sign,
        size,
        course.height,
        sharpness,
        back > 0,
        width / WORKING_RATE_HZ,
        np.square(size) / np.maximum(jumped + np.square(stray[at]), 1e-9),
        gains[0] * sign,
        correlations[0] * sign,
        np.abs(gains).max(axis=0),
        _sameness(at / WORKING_RATE_HZ, sign, size),
        np.abs(_windows(stray, at)[:, _NEAR]).max(axis=1, initial=0.0).astype(np.float64),
        _noise(jump)[at].astype(np.float64),
        moving[np.minimum(at // WORKING_RATE_HZ, len(moving) - 1)],
    )


def jumps(samples: Floats) -> Floats:
    """By how much the signal is higher just after each sample than just before it."""
    means = moving_mean(samples, _STEP_S)
    reach = _reach()
    higher = np.zeros_like(samples)
    higher[reach:-reach] = means[2 * reach :] - means[: -2 * reach]
    return higher


def _reach() -> int:
    """Samples from a jump to the middle of what comes before and after it."""
    return round((_STEP_S + _PAUSE_S) / 2 * WORKING_RATE_HZ)


def _largest_near(at: Indices, size: Doubles, n_samples: int) -> Doubles:
    """The size of the largest jump close to each."""
    grid = np.zeros(n_samples, dtype=np.float32)
    grid[at] = size
    width = 2 * round(_DWARFED_WITHIN_S * WORKING_RATE_HZ) + 1
    largest: Doubles = maximum_filter1d(grid, width)[at].astype(np.float64)
    return largest


@dataclass(frozen=True, slots=True)
class _Rise:
    """The jumps with all that rises around them, in columns of their windows.

    Attributes:
        first, last: where it begins and ends.
        foot, top: its values there, µV in the jump's sign.
    """

    first: Indices
    last: Indices
    foot: Doubles
    top: Doubles

    @property
    def height(self) -> Doubles:
        return np.maximum(self.top - self.foot, 1.0)


def _rise(window: Floats, size: Doubles) -> _Rise:
    """As far to both sides of the jump as the signal keeps rising, noise set aside."""
    slope = round(_SLOPE_S * WORKING_RATE_HZ)
    tolerated = (_FLAT * size)[:, None].astype(np.float32)
    rising = window[:, slope:] - window[:, :-slope] > tolerated
    n_before = np.logical_and.accumulate(rising[:, _LEAD - slope // 2 :: -1], axis=1).sum(axis=1)
    n_after = np.logical_and.accumulate(rising[:, _LEAD - slope // 2 :], axis=1).sum(axis=1)
    first = np.maximum(_LEAD - n_before, 0)
    last = np.minimum(_LEAD + n_after, window.shape[1] - 1)
    rows = np.arange(len(window))
    foot, top = (window[rows, column].astype(np.float64) for column in (first, last))
    return _Rise(first, last, foot, top)


@dataclass(slots=True)
class _Course:
    """One deflection, jump by jump, as it is followed.

    Attributes:
        main: the number of its steepest jump.
        sign: the way it goes.
        first: the sample at which it begins.
        last: the sample at which its latest step in its own direction ends.
        foot, top: where it begins and how far it gets, µV.
        jump_uv: how steep its steepest jump is.
        stepped: the sample of its latest jump in its own direction.
        back: the sample of the jump that undoes it; -1 before that comes.
    """

    main: int
    sign: float
    first: int
    last: int
    foot: float
    top: float
    jump_uv: float
    stepped: int
    back: int = -1

    @property
    def height(self) -> float:
        return max(self.sign * (self.top - self.foot), 1.0)

    def takes(self, jump: _Course) -> bool:
        """Whether a later jump is part of this deflection, which then goes on with it."""
        if self.back > 0:
            settles = jump.stepped - self.back <= _STAIRS_S * WORKING_RATE_HZ
            return settles and jump.height <= _SETTLES * self.height
        if jump.stepped - self.first > LONGEST_S * WORKING_RATE_HZ:
            return False
        if jump.sign != self.sign:
            return self._ended_by(jump)
        soon = jump.stepped - self.stepped <= _STAIRS_S * WORKING_RATE_HZ
        if not soon and jump.first > self.last:
            return jump.height <= _SETTLES * self.height
        if self.jump_uv < _FORESHOCK * jump.jump_uv:
            self.first, self.foot = jump.first, jump.foot
        if jump.jump_uv > self.jump_uv:
            self.main, self.jump_uv = jump.main, jump.jump_uv
        if self.sign * (jump.top - self.top) > 0:
            self.top = jump.top
        self.stepped, self.last = jump.stepped, max(self.last, jump.last)
        return True

    def _ended_by(self, jump: _Course) -> bool:
        """Whether a jump the other way leads back, or is too small to be a movement of its own."""
        held = self.sign * (jump.foot - self.foot)
        left = self.sign * (jump.top - self.foot)
        if held < _STILL_HELD * self.height or left < -_PAST * self.height:
            return False
        if left <= _LEFT * self.height and jump.height >= _SETTLES * self.height:
            self.back = jump.stepped
        return True


@dataclass(frozen=True, slots=True)
class _Courses:
    """Deflections as arrays: see :class:`_Course`; ``until`` is where the next one begins."""

    main: Indices
    first: Indices
    foot: Doubles
    height: Doubles
    stepped: Indices
    back: Indices
    until: Indices


def _courses(at: Indices, sign: Doubles, size: Doubles, rise: _Rise) -> _Courses:
    """Each deflection from its first jump to the one that undoes it."""
    first, last = at + rise.first - _LEAD, at + rise.last - _LEAD
    found: list[_Course] = []
    properties = (sign, first, last, sign * rise.foot, sign * rise.top, size, at)
    for i, values in enumerate(zip(*(each.tolist() for each in properties), strict=True)):
        jump = _Course(i, *values)
        if not found or not found[-1].takes(jump):
            found.append(jump)
    begins = np.array([course.first for course in found], dtype=np.intp)
    return _Courses(
        np.array([course.main for course in found], dtype=np.intp),
        begins,
        np.array([course.foot * course.sign for course in found], dtype=np.float64),
        np.array([course.height for course in found], dtype=np.float64),
        np.array([course.stepped for course in found], dtype=np.intp),
        np.array([course.back for course in found], dtype=np.intp),
        np.append(begins[1:], np.iinfo(np.intp).max)[: len(begins)],
    )


def _extent(level: Floats, at: Indices, course: _Courses) -> tuple[Indices, Indices, Indices]:
    """Start, end and width of each deflection, in samples.

    It ends where its level has fallen to half its height, be that by a jump back or by drift,
    so that it is no matter whether noise hides a small jump; where that comes late, with the
    jump back, or without one with the window; in any case where the next one begins, or where it
    would be too long.
    """
    columns = np.arange(level.shape[1])
    half_way = course.foot + course.height / 2
    top_column = course.stepped - at + _LEAD + _reach()
    column = first_true((level <= half_way[:, None]) & (columns > top_column[:, None]))
    half = at + column - _LEAD
    undone = course.back > 0
    width = np.maximum(np.where(undone, course.back, half) - at, 1)
    late = undone & (column == level.shape[1])
    end = np.where(late, course.back, half) + round(_STEP_S * WORKING_RATE_HZ)
    end = np.minimum(end, course.first + round(LONGEST_S * WORKING_RATE_HZ))
    return course.first, np.maximum(np.minimum(end, course.until), course.first + 1), width


def _windows(samples: Floats, around: Indices) -> Floats:
    """Samples around each index, one row each; the ends are continued by their own values."""
    at = np.clip(around[:, None] + np.arange(-_LEAD, _LEAD + 1), 0, len(samples) - 1)
    windows: Floats = samples[at]
    return windows


def _gains(eyes: Eyes, window: Floats, at: Indices) -> tuple[Doubles, Doubles]:
    """Gain and correlation of every EEG channel; a row of zeros where there is none."""
    each = [_gain(eeg, window, at) for eeg in eyes.eeg] or [(np.zeros(len(at)),) * 2]
    gains, correlations = (np.stack(rows) for rows in zip(*each, strict=True))
    return gains, correlations


def _gain(eeg: Floats, window: Floats, at: Indices) -> tuple[Doubles, Doubles]:
    """Gain and correlation of an EEG channel with each deflection, in the deflection's sign."""
    seen = _windows(eeg, at).astype(np.float64)
    seen -= seen.mean(axis=1, keepdims=True)
    own = window - window.mean(axis=1, keepdims=True)
    covariance = (seen * own).sum(axis=1)
    power = np.square(own).sum(axis=1, dtype=np.float64)
    gain = covariance / np.maximum(power, 1e-9)
    correlation = covariance / np.sqrt(np.maximum(power * np.square(seen).sum(axis=1), 1e-9))
    return gain, correlation


def _noise(jump: Floats) -> Floats:
    """The mean jump of the quietest two seconds near each sample: a burst of movements leaves a
    pause somewhere, noise does not."""
    means = moving_mean(np.abs(jump), _QUIET_S)
    width = round(2 * _QUIET_WITHIN_S * WORKING_RATE_HZ) + 1
    quietest: Floats = minimum_filter1d(means, width)
    return quietest


def _sameness(peak_s: Doubles, sign: Doubles, size: Doubles) -> Doubles:
    """How much the neighbours of each deflection share its sign, weighed by size.

    Blinks all point one way; eye movements, which must come back, point both ways.
    """
    weight = np.minimum(size, _WEIGHTIEST_UV)
    first = np.searchsorted(peak_s, peak_s - _NEIGHBOURHOOD_S)
    past = np.searchsorted(peak_s, peak_s + _NEIGHBOURHOOD_S, side="right")
    total = np.concatenate(([0.0], np.cumsum(weight)))
    signed = np.concatenate(([0.0], np.cumsum(weight * sign)))
    others = total[past] - total[first] - weight
    alike = (signed[past] - signed[first]) * sign - weight
    same: Doubles = alike / (others + _DOUBT_UV)
    return same


def candidates(found: Deflections, probability: Doubles) -> Candidates:
    """Deflections as candidates for one phenomenon."""
    return Candidates(
        found.start_s, found.end_s, probability, np.full(len(found), np.nan), found.height_uv
    )
