"""Vertex sharp waves: sharply contoured waves under 0.5 s that stand out, largest centrally.

AASM scoring manual, section on adult stage N1. What lasts longer, or swings on into a slow
wave, is a K complex or a slow wave, and a sharp wave within a spindle is the spindle's. The wave
is negative, as K complexes are: where they point the other way, so does it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import signal as sp

from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.electrode_pop import in_pop
from auditor.evidence.grid import (
    WORKING_RATE_HZ,
    Floats,
    Indices,
    Spans,
    events_mask,
    first_true,
    logistic,
    mask_of,
    rms_beside,
)
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import Event, Phenomenon, Role

LONGEST_S = 0.5

_SHARP_HZ = (2.0, 15.0)
_SLOW_HZ = (0.3, 2.0)
_RHYTHM_HZ = (8.0, 16.0)
_MUSCLE_HZ = (16.0, 30.0)
_LEAST_UV = 15.0
"""Of the sharp peak alone, without the slow wave that it may ride on."""
_USUAL_UV = 40.0
_STANDS_OUT_BY = 5.0
_SURROUNDINGS_S = 4.0
_OWN_S = 0.6
_APART_S = 0.3
_SHORTEST_S = 0.075
"""Between the feet of the sharp peak. Half a wave of a spindle lasts 0.04 to 0.07 s there, the
simulated nights' vertex waves 0.07 to 0.11."""
_AGAINST_SPINDLE = 3.0
_AGAINST_SLOW_WAVE = 1.5
_AGAINST_POSITIVE = 1.0
"""Log-odds taken from what a spindle or a slow wave explains, and from the wrong polarity, which
one epoch alone does not prove."""
_FOOT = 0.05
"""The wave begins and ends where it has fallen to this share of its peak."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Vertex sharp waves in the central channel, apart from the sharp peaks of K complexes."""
    obstacles = signals.obstacles(Role.CENTRAL, _MUSCLE_HZ[1])
    signal = signals.by_role.get(Role.CENTRAL)
    if signal is None or not signal.shows(_MUSCLE_HZ[1]):
        return Measured(obstacles)
    n_samples = len(signal.samples)
    complexes = [e for e in earlier[Phenomenon.K_COMPLEX].events if e.probability >= 0.5]
    k_complexes = Spans.of_mask(events_mask(complexes, lambda _: 0.5, n_samples))
    explained = _AGAINST_SPINDLE * _present(earlier, Phenomenon.SLEEP_SPINDLE, n_samples)
    explained += _AGAINST_SLOW_WAVE * _present(earlier, Phenomenon.SLOW_WAVE_ACTIVITY, n_samples)
    found = candidates(signal, _polarity(signal, complexes), explained)
    following = np.searchsorted(k_complexes.end_s, found.start_s - _APART_S)
    next_start_s = np.append(k_complexes.start_s, np.inf)[following]
    apart = found.where(next_start_s > found.end_s + _APART_S)
    return Measured(obstacles, apart.events(Phenomenon.VERTEX_SHARP_WAVES, signal.label))


def _present(earlier: Earlier, kind: Phenomenon, n_samples: int) -> Floats:
    """1 where an event of this kind is likely in any channel, 0 elsewhere."""
    return events_mask(earlier[kind].events, lambda _: 0.5, n_samples).astype(np.float32)


def _polarity(signal: Signal, complexes: Sequence[Event]) -> int:
    """−1 where the K complexes of this channel begin upwards, 1 where they do not or are none."""
    own = [e for e in complexes if e.channel == signal.label]
    first_s = np.array([e.start_s for e in own])
    third = np.array([e.duration_s / 3 for e in own])
    begins = Spans.of_mask(mask_of(first_s, first_s + third, len(signal.slow)))
    return -1 if len(begins) and np.median(begins.mean(signal.slow)) > 0 else 1


def candidates(signal: Signal, polarity: int, explained: Floats) -> Candidates:
    """Every sharp peak of a size in one channel.

    Args:
        signal: the channel.
        polarity: 1 where vertex waves point down in it, −1 where they point up.
        explained: for each working sample, how much speaks for another wave, in log-odds.
    """
    sharp = signal.band(*_SHARP_HZ)
    n_samples = len(sharp)
    peaks, _ = sp.find_peaks(
        np.abs(sharp), height=_LEAST_UV, distance=round(_APART_S * WORKING_RATE_HZ)
    )
    if not len(peaks):
        return Candidates.none()
    height = np.abs(sharp[peaks]).astype(np.float64)
    wave = _feet(sharp, peaks)
    around = Spans(peaks, peaks + 1).widened(_SURROUNDINGS_S / 2, n_samples)
    background = rms_beside(np.square(sharp), peaks, _SURROUNDINGS_S, _OWN_S)
    slow, rhythm, muscle = (
        np.sqrt(around.in_steps().mean(signal.spectrum.power(*band)))
        for band in (_SLOW_HZ, _RHYTHM_HZ, _MUSCLE_HZ)
    )
    score = (
        0.5
        + 3.0 * np.log(height / _USUAL_UV)
        + 3.0 * np.log(height / np.maximum(background, 1.0) / _STANDS_OUT_BY)
        - 20.0 * np.maximum(wave.duration_s - 0.8 * LONGEST_S, 0.0)
        - 150.0 * np.maximum(_SHORTEST_S - wave.duration_s, 0.0)
        - explained[peaks]
        - _AGAINST_POSITIVE * (polarity * sharp[peaks] > 0)
        - 4.0 * np.maximum(slow / height - 0.4, 0.0)
        - 20.0 * np.maximum(rhythm / height - 0.2, 0.0)
        - 2.0 * np.maximum(np.log(muscle / 5.0 + 1e-3), 0.0)
    )
    return Candidates(
        wave.start_s,
        wave.end_s,
        logistic(score - in_pop(signal, wave.start_s, wave.end_s, height)),
        np.full(len(peaks), np.nan),
        height,
    )


def _feet(sharp: Floats, peaks: Indices) -> Spans:
    """Each peak's wave, from foot to foot."""
    reach = round(LONGEST_S * WORKING_RATE_HZ)
    steps = np.arange(reach)
    padded = np.pad(sharp, reach)
    height = sharp[peaks][:, None]
    before, after = (
        first_true(padded[peaks[:, None] + reach + direction * steps] / height < _FOOT)
        for direction in (-1, 1)
    )
    return Spans(np.maximum(peaks - before, 0), np.minimum(peaks + after, len(sharp)))
