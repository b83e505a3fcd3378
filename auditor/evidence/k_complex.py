"""K complex: a sharp negative wave, then a positive one, that stands out from its background.

AASM scoring manual, section on adult stage N2: total duration ≥ 0.5 s, largest frontally. No
kept library finds them, and experts agree on about half, so every pair of lobes of a size is a
candidate and carries a probability.

What tells a K complex from a slow wave is that it stands alone: it is graded by its height over
the EEG around it and over the next largest wave nearby, not by its height alone. One that also
exceeds 75 µV is an event of both kinds, as the manual counts it towards stage N3; in a run of slow
waves, or where they fill more than a quarter of the time, it is less and less likely one at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.electrode_pop import in_pop
from auditor.evidence.grid import (
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Indices,
    Mask,
    Spans,
    events_mask,
    first_true,
    logistic,
    logit,
    rms_beside,
)
from auditor.evidence.lobes import Lobes, of_the_eyes
from auditor.evidence.movement import in_muscle
from auditor.evidence.signals import Signals
from auditor.evidence.slow_wave_activity import SMALLEST_UV
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Event, Phenomenon, Role

SHORTEST_S = 0.5

_SEARCHED = {Role.FRONTAL: 0.0, Role.CENTRAL: 0.0, Role.OCCIPITAL: -1.0}
"""Where K complexes are looked for, and how much the place adds to the score (log-odds)."""

_LEAST_UV = 40.0
_LARGEST_UV = 400.0
"""What is larger is movement rather than brain."""
_ELSEWHERE = {Role.FRONTAL: 0.3, Role.CENTRAL: 0.3, Role.OCCIPITAL: 0.8}
"""Of its own swing, what the most similar of the other EEG channels shows at the least. A K
complex is broad, and largest frontally; what an electrode does stays in it."""
_WEIGHS_ALONE = 4.0
_LARGEST_NEIGHBOURS = 0.65
"""Of its own swing: beyond it, a wave is one of a run of slow waves."""
_BACKGROUND_S = 10.0
_OWN_S = 2.5
"""The stretch around a wave that does not count as its own background."""
_NEIGHBOURS = 4
"""Swings on either side among which a train of slow waves would show."""
_FOOT = 0.15
"""A K complex begins and ends where it has fallen to this share of its peaks."""
_MUSCLE_HZ = (16.0, 30.0)
_MUSCLE_WINDOW_S = 4.0
_LOBE_REACH_S = 1.5

_PROVES_REVERSED = 25.0
"""Log-odds by which reversed K complexes must lead before the recording's polarity is taken to
be reversed: a quarter of an hour of N2 has more, one way or the other; one epoch never has."""
_LARGEST_LEAD = 4.0
_RIVAL_AT_LEAST = 0.001
_RIVAL_WITHIN_S = 1.2


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """K complexes in each EEG channel."""
    moved = earlier[Phenomenon.MAJOR_BODY_MOVEMENT].events
    searched = [
        (role, signal, Waves.of(role, signals, moved))
        for role, signal in signals.channels(tuple(_SEARCHED))
        if signal.shows(_MUSCLE_HZ[1])
    ]
    polarity = _polarity([waves for _, _, waves in searched])
    events = [
        event
        for role, signal, waves in searched
        for event in waves.candidates(polarity, _SEARCHED[role]).events(
            Phenomenon.K_COMPLEX, signal.label
        )
    ]
    return Measured(signals.obstacles_everywhere(EEG_ROLES, _MUSCLE_HZ[1]), tuple(events))


def _polarity(channels: Sequence[Waves]) -> int:
    """1 where negative is first as AASM has it, −1 where the recording is the reverse."""
    lead = 0.0
    for waves in channels:
        upright, reversed_ = waves.candidates(1), waves.candidates(-1)
        lead += (_lead(upright, reversed_) - _lead(reversed_, upright)) / len(channels)
    return -1 if lead < -_PROVES_REVERSED else 1


def _lead(found: Candidates, rivals: Candidates) -> float:
    """By how much these are better K complexes than their neighbours of the other polarity.

    One wave seen upside down is two lobes out of three that belong to different waves, and a
    poor K complex. In log-odds, summed over the likely ones that lead.
    """
    likely = found.where(found.probability >= 0.5)
    best = np.full(len(likely), _RIVAL_AT_LEAST)
    if len(rivals):
        following = np.searchsorted(rivals.start_s, likely.start_s)
        for beside in (following - 1, following):
            rival = rivals.where(np.clip(beside, 0, len(rivals) - 1))
            near = np.abs(rival.start_s - likely.start_s) < _RIVAL_WITHIN_S
            best = np.maximum(best, np.where(near, rival.probability, 0.0))
    lead = logit(likely.probability) - logit(best)
    return float(np.clip(lead, 0.0, _LARGEST_LEAD).sum())


@dataclass(frozen=True, slots=True)
class Waves:
    """The large waves of one channel, and what surrounds them; shape of arrays ``(n_waves,)``.

    Attributes:
        values: the channel as far as K complexes show in it.
        turn: where each wave passes from its first lobe to its second, on the working grid.
        sign: 1 where its first lobe is negative, −1 where it is positive.
        amplitude_uv: peak to peak.
        background_uv: root mean square beside it.
        nearby_uv: the third largest swing near it: large in a train, small beside one wave.
        slow_share: share of the half minute around it that slow waves fill.
        muscle_uv: root mean square of fast activity around it.
        no_wave: how much it looks like what eyes, body or electrode do, in log-odds.
    """

    values: Floats
    turn: Indices
    sign: Indices
    amplitude_uv: Doubles
    background_uv: Doubles
    nearby_uv: Doubles
    slow_share: Doubles
    muscle_uv: Doubles
    no_wave: Doubles

    @classmethod
    def of(cls, role: Role, signals: Signals, moved: Iterable[Event]) -> Waves:
        """All large waves of one channel outside body movements."""
        signal = signals.by_role[role]
        lobes = Lobes.of(signal)
        swing = lobes.swing_uv()
        values = signal.slow
        hidden = events_mask(moved, lambda _: 0.5, len(values))
        middle = np.round(lobes.end_s[:-1] * WORKING_RATE_HZ).astype(np.intp)
        at = np.flatnonzero((swing >= _LEAST_UV) & ~hidden[np.minimum(middle, len(values) - 1)])
        turn = middle[at]
        start_s, end_s = lobes.start_s[:-1][at], lobes.end_s[1:][at]
        around = Spans(turn, turn + 1).widened(_MUSCLE_WINDOW_S / 2, len(values)).in_steps()
        return cls(
            values,
            turn,
            np.where(lobes.height_uv[at] < 0, 1, -1),
            swing[at],
            rms_beside(np.square(values), turn, _BACKGROUND_S, _OWN_S),
            _neighbours(swing, at),
            _slow_share(lobes, swing, at),
            np.sqrt(around.mean(signal.spectrum.power(*_MUSCLE_HZ))),
            of_the_eyes(lobes, signals)[at]
            + in_muscle(signal, start_s, end_s)
            + in_pop(signal, start_s, end_s, swing[at])
            + _only_here(lobes, role, signals)[at],
        )

    def candidates(self, polarity: int, prior: float = 0.0) -> Candidates:
        """Those of this polarity, with how like a K complex each is."""
        kept = np.flatnonzero(self.sign == polarity)
        shape = Shape.of(polarity * self.values, self.turn[kept])
        score = _score(
            shape,
            amplitude_uv=self.amplitude_uv[kept],
            background_uv=self.background_uv[kept],
            nearby_uv=self.nearby_uv[kept],
            slow_share=self.slow_share[kept],
            muscle_uv=self.muscle_uv[kept],
        )
        found = Candidates(
            shape.first / WORKING_RATE_HZ,
            shape.past / WORKING_RATE_HZ,
            logistic(score - self.no_wave[kept] + prior),
            np.full(len(kept), np.nan),
            self.amplitude_uv[kept],
        )
        return found.where(_best_of_overlapping(found))


def _best_of_overlapping(found: Candidates) -> Mask:
    """False for a wave that overlaps a better one before or after it."""
    best = np.ones(len(found), dtype=np.bool_)
    overlaps = found.start_s[1:] < found.end_s[:-1]
    better = found.probability[1:] > found.probability[:-1]
    best[:-1] &= ~(overlaps & better)
    best[1:] &= ~(overlaps & ~better)
    return best


def _only_here(lobes: Lobes, here: Role, signals: Signals) -> Doubles:
    """How much each swing is one of this electrode alone, in log-odds; 0 where no other EEG
    channel is good enough to tell."""
    swing_uv = np.maximum(lobes.swing_uv(), 1.0)
    epoch = np.minimum((lobes.end_s[:-1] / EPOCH_S).astype(np.intp), signals.n_epochs)
    elsewhere = np.full(len(swing_uv), np.nan)
    for role, other in signals.channels(EEG_ROLES):
        if other.label != signals.by_role[here].label and len(swing_uv):
            good = np.array([not reason for reason in signals.quality[role]] + [False])
            share = np.where(good[epoch], lobes.swing_uv(other) / swing_uv, np.nan)
            elsewhere = np.fmax(elsewhere, share)
    alone: Doubles = np.log(_ELSEWHERE[here] / np.maximum(elsewhere, 0.05))
    return _WEIGHS_ALONE * np.nan_to_num(np.maximum(alone, 0.0))


def _neighbours(swing: Doubles, at: Indices) -> Doubles:
    """The third largest swing near each one, µV: large in a train, small beside one wave.

    The swings that share a lobe with it do not count.
    """
    padded = np.pad(swing, _NEIGHBOURS + 1)
    offsets = [k for k in range(-_NEIGHBOURS - 1, _NEIGHBOURS + 2) if abs(k) > 1]
    near = padded[at[:, None] + _NEIGHBOURS + 1 + np.array(offsets)]
    third: Doubles = np.sort(near, axis=1)[:, -3]
    return third


def _slow_share(lobes: Lobes, swing: Doubles, at: Indices) -> Doubles:
    """Share of the half minute around each swing that slow waves fill."""
    large = swing >= SMALLEST_UV
    filled_s = np.concatenate(([0.0], np.cumsum(np.where(large, np.diff(lobes.end_s), 0.0))))
    middle_s = lobes.end_s[:-1]
    first = np.searchsorted(middle_s, middle_s[at] - EPOCH_S / 2)
    past = np.searchsorted(middle_s, middle_s[at] + EPOCH_S / 2)
    share: Doubles = (filled_s[past] - filled_s[first]) / EPOCH_S
    return share


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of each wave; shape of every array ``(n_waves,)``.

    Attributes:
        first, past: where it begins and ends, on the working grid.
        half_width_s: how wide the first lobe is at half its height.
        second_half_width_s: the same of the second lobe.
    """

    first: Indices
    past: Indices
    half_width_s: Doubles
    second_half_width_s: Doubles

    @classmethod
    def of(cls, values: Floats, turn: Indices) -> Shape:
        """``turn`` is where each wave passes from its first, negative lobe to its second."""
        reach = round(_LOBE_REACH_S * WORKING_RATE_HZ)
        padded = np.pad(values, reach)
        backwards = -padded[turn[:, None] + reach - 1 - np.arange(reach)]
        forwards = padded[turn[:, None] + reach + np.arange(reach)]
        before, half_width_s = _foot_and_half_width(backwards)
        after, second_half_width_s = _foot_and_half_width(forwards)
        return cls(
            np.maximum(turn - before, 0),
            np.minimum(turn + after, len(values)),
            half_width_s,
            second_half_width_s,
        )


def _foot_and_half_width(lobe: Floats) -> tuple[Indices, Doubles]:
    """For lobes that begin in the first column: samples to the far foot, and half width.

    The highest point of the nearer half is the peak; what follows beyond the foot is not the
    lobe's.
    """
    n_columns = lobe.shape[1]
    peak_at = lobe[:, : n_columns // 2].argmax(axis=1)[:, None]
    peak = np.take_along_axis(lobe, peak_at, axis=1)
    past_peak = np.arange(n_columns) > peak_at
    foot = first_true(past_peak & (lobe < _FOOT * peak))
    outer = first_true(past_peak & (lobe < peak / 2))
    inner = first_true(lobe >= peak / 2)
    half_width_s: Doubles = np.maximum(outer - inner, 1) / WORKING_RATE_HZ
    return foot, half_width_s


def _score(
    shape: Shape,
    amplitude_uv: Doubles,
    background_uv: Doubles,
    nearby_uv: Doubles,
    slow_share: Doubles,
    muscle_uv: Doubles,
) -> Doubles:
    """How like a K complex, in log-odds: large, alone, of the right length, and sharp at first.

    Measured: see tests/benchmarks/bench_evidence_phantom.py.
    """
    duration_s = (shape.past - shape.first) / WORKING_RATE_HZ
    widening = np.log(shape.second_half_width_s / shape.half_width_s)
    score: Doubles = (
        -0.4
        + 4.0 * np.log(amplitude_uv / 90.0)
        + 2.5 * np.log(amplitude_uv / np.maximum(background_uv, 1.0) / 7.0)
        - 4.0 * (nearby_uv / amplitude_uv - 0.5)
        - 6.0 * np.maximum(nearby_uv / amplitude_uv - _LARGEST_NEIGHBOURS, 0.0)
        - 8.0 * np.maximum(np.log(amplitude_uv / _LARGEST_UV), 0.0)
        - 10.0 * np.maximum(slow_share - 0.25, 0.0)
        + 1.2 * np.clip(widening - 0.2, -1.0, 0.8)
        - 8.0 * np.maximum(shape.half_width_s - 0.22, 0.0)
        - 10.0 * np.maximum(0.12 - shape.half_width_s, 0.0)
        - 30.0 * np.maximum(0.9 * SHORTEST_S - duration_s, 0.0)
        - 4.0 * np.maximum(duration_s - 1.6, 0.0)
        - 2.0 * np.maximum(np.log((muscle_uv + 0.01) / 5.0), 0.0)
    )
    return score
