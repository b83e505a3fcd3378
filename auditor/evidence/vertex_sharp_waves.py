"""Vertex sharp waves: sharply contoured waves under 0.5 s that stand out, largest centrally.

AASM scoring manual, section on adult stage N1. What lasts longer, or swings on into a slow
wave, is a K complex or a slow wave. Either polarity is taken: the wave is known by its
sharpness, and a recording of reversed polarity gives the same waves.
"""

from __future__ import annotations

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
    rms_beside,
)
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import Phenomenon, Role

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
_FOOT = 0.05
"""The wave begins and ends where it has fallen to this share of its peak."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Vertex sharp waves in the central channel, apart from the sharp peaks of K complexes."""
    obstacles = signals.obstacles(Role.CENTRAL, _MUSCLE_HZ[1])
    signal = signals.by_role.get(Role.CENTRAL)
    if signal is None or not signal.shows(_MUSCLE_HZ[1]):
        return Measured(obstacles)
    k_complexes = Spans.of_mask(
        events_mask(earlier[Phenomenon.K_COMPLEX].events, lambda _: 0.5, len(signal.samples))
    )
    found = candidates(signal)
    following = np.searchsorted(k_complexes.end_s, found.start_s - _APART_S)
    next_start_s = np.append(k_complexes.start_s, np.inf)[following]
    apart = found.where(next_start_s > found.end_s + _APART_S)
    return Measured(obstacles, apart.events(Phenomenon.VERTEX_SHARP_WAVES, signal.label))


def candidates(signal: Signal) -> Candidates:
    """Every sharp peak of a size in one channel."""
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
        -0.6
        + 3.0 * np.log(height / _USUAL_UV)
        + 3.0 * np.log(height / np.maximum(background, 1.0) / _STANDS_OUT_BY)
        - 20.0 * np.maximum(wave.duration_s - 0.8 * LONGEST_S, 0.0)
        - 20.0 * np.maximum(0.06 - wave.duration_s, 0.0)
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
