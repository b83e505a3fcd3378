"""K complex: a sharp negative wave, then a positive one, that stands out from its background.

AASM scoring manual, section on adult stage N2: total duration ≥ 0.5 s, largest frontally. No
kept library finds them, and experts agree on about half, so every pair of lobes of a size is a
candidate and carries a probability.

What tells a K complex from a slow wave is that it stands alone: it is graded by its height over
the EEG around it and over the next largest wave nearby, not by its height alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auditor.evidence.base import (
    WORKING_RATE_HZ,
    Candidates,
    Doubles,
    Earlier,
    Floats,
    Indices,
    Measured,
    Signal,
    Signals,
    Spans,
    logistic,
)
from auditor.evidence.lobes import HEIGHT_BAND_HZ, Lobes
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role

SHORTEST_S = 0.5

_SEARCHED = {Role.FRONTAL: 0.0, Role.CENTRAL: 0.0, Role.OCCIPITAL: -1.0}
"""Where K complexes are looked for, and how much the place adds to the score (log-odds)."""

_LEAST_UV = 40.0
_BACKGROUND_S = 10.0
_OWN_S = 2.5
"""The stretch around a wave that does not count as its own background."""
_NEIGHBOURS = 4
"""Swings on either side among which a train of slow waves would show."""
_FOOT = 0.2
"""A K complex begins and ends where it has fallen to this share of its peaks."""
_MUSCLE_HZ = (16.0, 30.0)
_WINDOW_S = 1.5

_MORE_UPSIDE_DOWN = 5.0
"""So many more K complexes upside down than upright prove that the polarity is reversed; in a
short recording nothing does, and negative is taken to be up."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """K complexes in each EEG channel."""
    del earlier
    searched = [
        (role, signal)
        for role, signal in signals.channels(tuple(_SEARCHED))
        if signal.shows(_MUSCLE_HZ[1])
    ]
    upright = [candidates(signal, 1, _SEARCHED[role]) for role, signal in searched]
    upside_down = [candidates(signal, -1, _SEARCHED[role]) for role, signal in searched]
    chosen = upside_down if _reversed(upright, upside_down) else upright
    events = [
        event
        for (_, signal), found in zip(searched, chosen, strict=True)
        for event in found.events(Phenomenon.K_COMPLEX, signal.label)
    ]
    return Measured(signals.obstacles_everywhere(EEG_ROLES, _MUSCLE_HZ[1]), tuple(events))


def _reversed(upright: Sequence[Candidates], upside_down: Sequence[Candidates]) -> bool:
    """Whether the recording's polarity is the reverse of AASM's."""
    sure_upright, sure_upside_down = (
        sum(float(found.probability[found.probability >= 0.5].sum()) for found in channels)
        for channels in (upright, upside_down)
    )
    return sure_upside_down > 2 * sure_upright + _MORE_UPSIDE_DOWN


def candidates(signal: Signal, polarity: int, prior: float = 0.0) -> Candidates:
    """Every large wave of this polarity (1: first negative) in one channel."""
    lobes = Lobes.of(signal)
    heights = polarity * lobes.height_uv
    swing = np.abs(np.diff(heights))
    at = np.flatnonzero((heights[:-1] < 0) & (swing >= _LEAST_UV))
    if not len(at):
        return Candidates.none()
    amplitude = swing[at]
    nearby = _neighbours(swing, at)
    turn = np.round(lobes.end_s[at] * WORKING_RATE_HZ).astype(np.intp)
    values = polarity * signal.band(*HEIGHT_BAND_HZ)
    background = _rms_around(np.square(values), turn)
    muscle = Spans(turn, turn + 1).widened(2.0, len(values)).rms(signal.band(*_MUSCLE_HZ))
    first, past, half_width_s = _shape(values, turn)
    score = _score(
        amplitude, background, nearby, (past - first) / WORKING_RATE_HZ, half_width_s, muscle
    )
    return Candidates(
        first / WORKING_RATE_HZ,
        past / WORKING_RATE_HZ,
        logistic(score + prior),
        np.full(len(at), np.nan),
        amplitude,
    )


def _neighbours(swing: Doubles, at: Indices) -> Doubles:
    """The third largest swing near each one, µV: large in a train, small beside one wave.

    The swings that share a lobe with it do not count.
    """
    padded = np.pad(swing, _NEIGHBOURS + 1)
    offsets = [k for k in range(-_NEIGHBOURS - 1, _NEIGHBOURS + 2) if abs(k) > 1]
    near = padded[at[:, None] + _NEIGHBOURS + 1 + np.array(offsets)]
    third: Doubles = np.sort(near, axis=1)[:, -3]
    return third


def _rms_around(power: Floats, at: Indices) -> Doubles:
    """Root mean square within five seconds of each moment, without the wave itself."""
    whole = Spans(at, at + 1).widened(_BACKGROUND_S / 2, len(power))
    own = Spans(at, at + 1).widened(_OWN_S / 2, len(power))
    total = whole.mean(power) * (whole.past - whole.first)
    total -= own.mean(power) * (own.past - own.first)
    n_samples = np.maximum((whole.past - whole.first) - (own.past - own.first), 1)
    rms: Doubles = np.sqrt(np.maximum(total, 0.0) / n_samples)
    return rms


def _shape(values: Floats, turn: Indices) -> tuple[Indices, Indices, Doubles]:
    """Where each wave begins and ends, and how wide its first lobe is at half its height.

    ``turn`` is where each crosses from its first lobe into its second.
    """
    reach = round(_WINDOW_S * WORKING_RATE_HZ)
    padded = np.pad(values, reach)
    before = padded[turn[:, None] + reach - 1 - np.arange(reach)]
    after = padded[turn[:, None] + reach + np.arange(reach)]
    trough = before[:, : reach // 2].argmin(axis=1)
    peak = after[:, : reach // 2].argmax(axis=1)
    depth = before.min(axis=1, initial=0.0, where=np.arange(reach) < reach // 2)
    height = after.max(axis=1, initial=0.0, where=np.arange(reach) < reach // 2)
    far = np.arange(reach)
    begins = _first_true((before > _FOOT * depth[:, None]) & (far > trough[:, None]), reach)
    ends = _first_true((after < _FOOT * height[:, None]) & (far > peak[:, None]), reach)
    outer = _first_true((before > 0.5 * depth[:, None]) & (far > trough[:, None]), reach)
    inner = _first_true((before < 0.5 * depth[:, None]), reach)
    return (
        np.maximum(turn - begins, 0),
        np.minimum(turn + ends, len(values)),
        (outer - inner) / WORKING_RATE_HZ,
    )


def _first_true(mask: npt.NDArray[np.bool_], otherwise: int) -> Indices:
    """Index of the first True of each row."""
    return np.where(mask.any(axis=1), mask.argmax(axis=1), otherwise)


def _score(
    amplitude_uv: Doubles,
    background_uv: Doubles,
    nearby_uv: Doubles,
    duration_s: Doubles,
    half_width_s: Doubles,
    muscle_uv: Doubles,
) -> Doubles:
    """How like a K complex, in log-odds: large, alone, of the right length, and sharp at first.

    Measured: see tests/benchmarks/bench_evidence_phantom.py.
    """
    return (
        2.5 * np.log(amplitude_uv / 90.0)
        + 2.5 * np.log(amplitude_uv / np.maximum(background_uv, 1.0) / 7.0)
        - 4.0 * (nearby_uv / amplitude_uv - 0.5)
        - 8.0 * np.maximum(SHORTEST_S - duration_s, 0.0)
        - 4.0 * np.maximum(duration_s - 1.6, 0.0)
        - 8.0 * np.maximum(half_width_s - 0.35, 0.0)
        - 2.0 * np.maximum(np.log(muscle_uv / 5.0), 0.0)
    )
