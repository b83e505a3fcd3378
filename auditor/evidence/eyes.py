"""What the two eye channels show together, for the detectors of eye movements.

The eye is a dipole: when both eyes turn, one electrode sees the cornea come and the other sees
it go, so the channels move out of phase. EEG that leaks into both of them moves in phase. With
one electrode below and one above the eyes (AASM's recommended derivations) vertical movements
and blinks are out of phase too; with both below (the alternative) they are in phase.

A *deflection* is one peak of minus the product of both channels, 0.5–5 Hz: the method of
Agarwal et al. 2005 (doi:10.1109/TBME.2005.851512) as YASA publishes it, with a lower threshold,
so that doubtful ones stay as candidates. Its shape is measured on both channels' difference
below 15 Hz, where no high-pass filter bends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import signal as sp

from auditor.evidence.base import (
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Indices,
    Mask,
    Reasons,
    Signal,
    Signals,
    moving_mean,
)
from auditor.vocabulary import Role

BAND_HZ = (0.5, 5.0)
SHAPE_HZ = 15.0
SMALLEST_UV = 20.0
"""In each eye; deflections of YASA's default start at 50 µV."""
SHORTEST_S, LONGEST_S = 0.3, 1.2

_BEFORE_S, _AFTER_S = 0.6, 0.6
_SHIFT_S = 0.15
"""How far the peak of the shape may lie from that of the product."""
_SLOPE_S = 0.05
_LEVEL_S = 2.0
_SHADOW_S = 0.7
_NEIGHBOURHOOD_S = 30.0
_WEIGHTIEST_UV = 150.0
_DOUBT_UV = 100.0
"""Two small neighbours prove little."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eye channels on the working grid.

    Attributes:
        label: of the left eye's channel, under which what both show is reported.
        left, right: the channels.
        frontal: the frontal EEG, which sees blinks too; None where there is none.
        apart, together: half the difference and half the sum below 15 Hz, µV.
    """

    label: str
    left: Signal
    right: Signal
    frontal: Signal | None
    apart: Floats = field(repr=False)
    together: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deflections:
    """Movements of both eye channels, as arrays of one length, by time.

    Attributes:
        peak_s, start_s, end_s: seconds from the recording's start.
        sign: of the left eye's channel at the peak.
        amplitude_uv: geometric mean of both channels at the peak, 0.5–5 Hz.
        prominence_uv: how far it rises above what surrounds it, likewise.
        excursion_uv: from the foot of the initial deflection to the peak, of the half
            difference (or half sum).
        height_uv: of the peak above the level that both eyes keep around it, of the same.
        rise_s: duration of the initial deflection, as of a half cosine of its steepest slope.
        width_s: at half its height.
        purity: share of the power around the peak that is of this phase, 0 to 1.
        overshadowed: height of the tallest deflection within 0.7 s, relative to its own.
        frontal_gain: µV in the frontal EEG for each µV here, of the left eye's sign.
        frontal_correlation: of the frontal EEG with it, of the left eye's sign; 0 without one.
        sameness: how much the deflections of the half minute around it share its sign, -1 to 1.
    """

    peak_s: Doubles
    start_s: Doubles
    end_s: Doubles
    sign: Doubles
    amplitude_uv: Doubles
    prominence_uv: Doubles
    excursion_uv: Doubles
    height_uv: Doubles
    rise_s: Doubles
    width_s: Doubles
    purity: Doubles
    overshadowed: Doubles
    frontal_gain: Doubles
    frontal_correlation: Doubles
    sameness: Doubles

    def __len__(self) -> int:
        return len(self.peak_s)


def both_eyes(signals: Signals) -> Eyes | None:
    """The two eye channels; None where there are not two different ones."""
    left = signals.by_role.get(Role.LEFT_EYE)
    right = signals.by_role.get(Role.RIGHT_EYE)
    if left is None or right is None or left.label == right.label:
        return None
    below_left, below_right = left.band(None, SHAPE_HZ), right.band(None, SHAPE_HZ)
    return Eyes(
        left.label,
        left,
        right,
        signals.by_role.get(Role.FRONTAL),
        (below_left - below_right) / np.float32(2),
        (below_left + below_right) / np.float32(2),
    )


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
    left = eyes.left.band(*BAND_HZ)
    right = eyes.right.band(*BAND_HZ) * np.float32(1.0 if in_phase else -1.0)
    product = left * right
    peaks, found = sp.find_peaks(
        product,
        height=SMALLEST_UV**2,
        distance=round(SHORTEST_S * WORKING_RATE_HZ),
        prominence=(0.5 * SMALLEST_UV) ** 2,
        wlen=round(LONGEST_S * WORKING_RATE_HZ),
    )
    sign = np.sign(left[peaks] + right[peaks]).astype(np.float64)
    amplitude = np.sqrt(found["peak_heights"]).astype(np.float64)
    shape = eyes.together if in_phase else eyes.apart
    outline = _outline(shape, peaks, sign)
    gain, correlation = _frontal(eyes, outline)
    other = left - right
    power = np.square(left + right)
    own = moving_mean(power, 0.5)[peaks]
    strange = moving_mean(np.square(other), 0.5)[peaks]
    return Deflections(
        outline.peak / WORKING_RATE_HZ,
        outline.start / WORKING_RATE_HZ,
        outline.end / WORKING_RATE_HZ,
        sign,
        amplitude,
        np.sqrt(found["prominences"]).astype(np.float64),
        outline.excursion,
        outline.height,
        outline.rise_s,
        outline.width_s,
        (own / np.maximum(own + strange, 1e-9)).astype(np.float64),
        _overshadowed(outline.peak, outline.height),
        gain * sign,
        correlation * sign,
        _sameness(outline.peak / WORKING_RATE_HZ, sign, amplitude),
    )


@dataclass(frozen=True, slots=True)
class _Outline:
    """Where each deflection lies and how it is shaped; rows of ``window`` are deflections."""

    window: Floats
    first: Indices
    peak: Indices
    start: Indices
    end: Indices
    excursion: Doubles
    height: Doubles
    rise_s: Doubles
    width_s: Doubles


def _outline(shape: Floats, peaks: Indices, sign: Doubles) -> _Outline:
    before, after = round(_BEFORE_S * WORKING_RATE_HZ), round(_AFTER_S * WORKING_RATE_HZ)
    shift, slope = round(_SHIFT_S * WORKING_RATE_HZ), round(_SLOPE_S * WORKING_RATE_HZ)
    lead = before + shift
    window = _windows(shape, peaks - lead, lead + shift + after) * sign[:, None].astype(np.float32)
    columns = np.arange(window.shape[1])
    rows = np.arange(len(peaks))

    at = lead - shift + window[:, lead - shift : lead + shift + 1].argmax(axis=1)
    top = window[rows, at].astype(np.float64)
    rising = (columns <= at[:, None]) & (columns >= at[:, None] - before)
    falling = (columns >= at[:, None]) & (columns <= at[:, None] + after)
    foot = np.where(rising, window, np.inf).min(axis=1).astype(np.float64)
    excursion = top - foot
    steepness = np.full(window.shape, -np.inf, dtype=np.float32)
    steepness[:, slope:] = window[:, slope:] - window[:, :-slope]
    steepest = np.where(rising, steepness, -np.inf).max(axis=1).astype(np.float64) / _SLOPE_S
    rise_s = np.maximum(np.pi / 2 * excursion / np.maximum(steepest, 1.0), _SLOPE_S)

    # From and to a tenth of its height; what has not come back by then ends with the window.
    tenth = window <= (foot + 0.1 * excursion)[:, None]
    half = window <= (top - 0.5 * excursion)[:, None]
    start = _last(tenth & rising, at - before)
    end = _first(tenth & falling, at + after)
    width = _first(half & falling, at + after) - _last(half & rising, at - before)
    first = peaks - lead
    return _Outline(
        window,
        first,
        np.clip(first + at, 0, len(shape)),
        np.clip(first + start, 0, len(shape)),
        np.clip(first + end, 0, len(shape)),
        excursion,
        top - sign * _level(shape, first + at),
        rise_s,
        width / WORKING_RATE_HZ,
    )


def _level(shape: Floats, around: Indices) -> Doubles:
    """The median of two seconds to each side, which one deflection does not move."""
    half, step = round(_LEVEL_S * WORKING_RATE_HZ), 5
    beside = np.arange(-half, half + 1, step)
    at = np.clip(around[:, None] + beside, 0, len(shape) - 1)
    level: Doubles = np.median(shape[at], axis=1).astype(np.float64)
    return level


def _windows(samples: Floats, first: Indices, length: int) -> Floats:
    """Windows of samples, one a row; the ends are continued by their own values."""
    at = np.clip(first[:, None] + np.arange(length), 0, len(samples) - 1)
    windows: Floats = samples[at]
    return windows


def _last(mask: Mask, otherwise: Indices) -> Indices:
    """In each row the last column that is True."""
    found = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return np.where(mask.any(axis=1), found, otherwise)


def _first(mask: Mask, otherwise: Indices) -> Indices:
    """In each row the first column that is True."""
    return np.where(mask.any(axis=1), mask.argmax(axis=1), otherwise)


def _frontal(eyes: Eyes, outline: _Outline) -> tuple[Doubles, Doubles]:
    """Gain and correlation of the frontal EEG with each deflection, in the deflection's sign."""
    n = len(outline.peak)
    if eyes.frontal is None or not n:
        return np.zeros(n), np.zeros(n)
    frontal = _windows(
        eyes.frontal.band(None, SHAPE_HZ), outline.first, outline.window.shape[1]
    ).astype(np.float64)
    frontal -= frontal.mean(axis=1, keepdims=True)
    own = outline.window - outline.window.mean(axis=1, keepdims=True)
    covariance = (frontal * own).sum(axis=1)
    power = np.square(own).sum(axis=1, dtype=np.float64)
    gain = covariance / np.maximum(power, 1e-9)
    correlation = covariance / np.sqrt(np.maximum(power * np.square(frontal).sum(axis=1), 1e-9))
    return gain, correlation


def _overshadowed(peaks: Indices, height: Doubles) -> Doubles:
    """How tall the tallest other deflection close to each is, relative to it.

    Deflections lie 0.3 s apart at least, so that two to each side cover what is close.
    """
    reach = round(_SHADOW_S * WORKING_RATE_HZ)
    tallest = np.zeros(len(peaks))
    for step in (1, 2):
        near = peaks[step:] - peaks[:-step] <= reach
        np.maximum(tallest[step:], np.where(near, height[:-step], 0.0), out=tallest[step:])
        np.maximum(tallest[:-step], np.where(near, height[step:], 0.0), out=tallest[:-step])
    return tallest / np.maximum(height, 1.0)


def _sameness(peak_s: Doubles, sign: Doubles, amplitude: Doubles) -> Doubles:
    """How much the neighbours of each deflection share its sign, weighed by amplitude.

    Blinks all point one way; eye movements, which must come back, point both ways.
    """
    weight = np.minimum(amplitude, _WEIGHTIEST_UV)
    first = np.searchsorted(peak_s, peak_s - _NEIGHBOURHOOD_S)
    past = np.searchsorted(peak_s, peak_s + _NEIGHBOURHOOD_S, side="right")
    total = np.concatenate(([0.0], np.cumsum(weight)))
    signed = np.concatenate(([0.0], np.cumsum(weight * sign)))
    others = total[past] - total[first] - weight
    alike = (signed[past] - signed[first]) * sign - weight
    same: Doubles = alike / (others + _DOUBT_UV)
    return same
