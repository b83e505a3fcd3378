"""Chin tone: how tense the chin is in each epoch, against the lowest tone of the night.

AASM scores stage R by a chin tone "as low as any stage in the night" (scoring manual, section
on stage R), so an absolute amplitude says little and the night is its own yardstick.

Tone is the amplitude of the EMG between 22 and 44 Hz. Below that band the chin shows EEG, eye
movements and most of a QRS complex; above it lie the mains; and a chin channel of 128 Hz shows
it as well as one of 512 Hz. An epoch's tone is the lower quartile of the RMS in quarter-second
windows, so that twitches, heart beats and a short movement do not count as tone. The floor is
the median of the five most relaxed minutes. Where nothing sets them apart from the rest, as in a
recording without stage R, a floor lower still is possible, and what is near it may be low or not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import signal as sp

from auditor.evidence.base import Earlier, Measured
from auditor.evidence.grid import Doubles, Mask
from auditor.evidence.signals import Signals
from auditor.vocabulary import EPOCH_S, Channel, Level, Measure, Role

BAND_HZ = (22.0, 44.0)
_TRANSITION_HZ = 4.0
_STOP_BAND_DB = 70.0
"""Mains of a millivolt leave less than an atonic chin's third of a microvolt."""

WINDOW_S = 0.25
"""Shorter than the pause between two heart beats, and long enough for an RMS."""
_QUARTILE = 25.0

FLOOR_EPOCHS = 10
"""Five minutes: the first stage R of a night can be as short as this."""

LOW_BELOW = 1.5
HIGH_FROM = 3.5
"""Ratios to the floor. Tone within stage R varies by about a third around its median, and tone
in quiet wakefulness is several times that (checked on simulated nights: tests/benchmarks)."""

RATIO_UNCERTAINTY = 1.15
"""One way and the other: what epoch and floor together owe to chance."""

FROM_GAP, TO_GAP = 1.25, 1.55
GAP_SHARE = 0.25
"""The floor is that of an atonic chin if ratios between these are rare: no more than this share
of those below. Tone without stage R falls evenly, from wakefulness to stage N3."""
UNSEEN_FLOOR = 2.0
"""In stage N3 a chin is about this many times more tense than in stage R (measured: simulated
nights of 2 h without stage R, tests/benchmarks/bench_hallucination.py, had a third of their true
chin claims contradicted when their floor was taken for an atonic one)."""

NIGHT_S = 90 * 60.0
"""One sleep cycle: what is shorter need not contain a relaxed chin at all."""
CONTRAST = 3.0
"""A shorter recording knows its floor all the same where its tensest epochs are this many times
more tense than its most relaxed ones."""
ATONIA_UV = 0.6
"""So is a tone that is atonic whatever the night: an average rectified amplitude of 1 µV over
10–100 Hz (REM atonia index, doi:10.1016/j.sleep.2008.06.004), as RMS within our band."""

_PIECE_EPOCHS = 20


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """``chin_tone_ratio`` and ``chin_tone_level`` of each epoch."""
    del earlier
    obstacles = signals.obstacles(Role.CHIN, BAND_HZ[1])
    channel = signals.raw(Role.CHIN)
    usable = np.array([not reason for reason in obstacles], dtype=np.bool_)
    if channel is None or not usable.any():
        return Measured(obstacles)

    tone_uv = _tone_uv(channel, usable)
    usable &= np.isfinite(tone_uv)
    if not usable.any():
        return Measured(signals.throughout(f"{channel.label} holds no signal"))
    floor_uv = night_floor_uv(tone_uv[usable])
    if not _knows_its_floor(tone_uv[usable], floor_uv):
        return Measured(
            signals.throughout(
                f"the recording is too short, and {channel.label} too even, "
                "to know how low chin tone gets in this person"
            )
        )
    ratios = np.where(usable, tone_uv / floor_uv, 1.0)
    atonic = floor_uv <= ATONIA_UV or _stands_apart(ratios[usable])
    above = RATIO_UNCERTAINTY * (1.0 if atonic else UNSEEN_FLOOR)
    return Measured(
        tuple(
            reason or ("" if fit else f"{channel.label} holds no signal here")
            for reason, fit in zip(obstacles, usable, strict=True)
        ),
        measures={
            "chin_tone_ratio": tuple(_ratio(ratio, above, channel.label) for ratio in ratios),
            "chin_tone_level": tuple(_level(ratio, above, channel.label) for ratio in ratios),
        },
    )


def epochs_at(level: Level, measured: Measured) -> Mask:
    """The epochs in which chin tone could be measured and is at this level."""
    at_level = np.zeros(len(measured.not_assessable), dtype=np.bool_)
    for epoch, found in enumerate(measured.measures.get("chin_tone_level", ())):
        at_level[epoch] = found.value == level.value and not measured.not_assessable[epoch]
    return at_level


def level_of(ratio: float) -> Level:
    """The level that a ratio to the night's floor stands for."""
    if ratio < LOW_BELOW:
        return Level.LOW
    return Level.INTERMEDIATE if ratio < HIGH_FROM else Level.HIGH


def night_floor_uv(tone_uv: Doubles) -> float:
    """The lowest tone that lasts, from the tone of every usable epoch; shape ``(n,)``.

    A fixed number of epochs rather than a share: half a night then has the same floor as the
    whole, as long as it holds five relaxed minutes.
    """
    lowest = np.sort(tone_uv)[:FLOOR_EPOCHS]
    if len(tone_uv) < 4 * FLOOR_EPOCHS:
        lowest = lowest[: max(1, len(tone_uv) // 4)]
    return max(float(np.median(lowest)), float(np.finfo(np.float32).tiny))


def _knows_its_floor(tone_uv: Doubles, floor_uv: float) -> bool:
    return (
        len(tone_uv) * EPOCH_S >= NIGHT_S
        or float(np.percentile(tone_uv, 95)) >= CONTRAST * floor_uv
        or floor_uv <= ATONIA_UV
    )


def _stands_apart(ratios: Doubles) -> bool:
    """Whether the lowest tones are a group of their own."""
    below = np.count_nonzero(ratios < FROM_GAP)
    between = np.count_nonzero(ratios < TO_GAP) - below
    return bool(between <= GAP_SHARE * below)


def _ratio(ratio: float, above: float, label: str) -> Measure:
    return Measure(
        round(float(ratio), 2),
        "1",
        label,
        low=round(float(ratio / RATIO_UNCERTAINTY), 2),
        high=round(float(ratio * above), 2),
    )


def _level(ratio: float, above: float, label: str) -> Measure:
    """The level, and what else it may be; a tone well above a floor is not low, whichever floor."""
    lowest = level_of(ratio / RATIO_UNCERTAINTY)
    highest = level_of(ratio * above)
    return Measure(level_of(ratio).value, "1", label, low=lowest.value, high=highest.value)


def _tone_uv(channel: Channel, usable: Mask) -> Doubles:
    """Each epoch's tone, shape ``(n_epochs,)``; NaN where it is not usable or not recorded."""
    tone = np.full(len(usable), np.nan)
    for first in range(0, len(usable), _PIECE_EPOCHS):
        last = min(first + _PIECE_EPOCHS, len(usable))
        if not usable[first:last].any():
            continue
        windows = course_uv(channel, first * EPOCH_S, last * EPOCH_S).reshape(last - first, -1)
        enough = np.isfinite(windows).mean(axis=1) >= 0.5
        if enough.any():
            tone[first:last][enough] = np.nanpercentile(windows[enough], _QUARTILE, axis=1)
    tone[~usable] = np.nan
    return tone


def course_uv(channel: Channel, start_s: float, end_s: float) -> Doubles:
    """RMS of the EMG in each quarter of a second, µV; NaN where it was not recorded."""
    rate_hz = channel.sampling_rate_hz
    kernel = _kernel(rate_hz)
    margin = len(kernel) // 2
    begin, end = round(start_s * rate_hz) - margin, round(end_s * rate_hz) + margin
    read = channel.source.read(max(begin, 0), max(min(end, channel.n_samples), 0))
    samples = np.full(end - begin, np.nan)
    samples[max(-begin, 0) :][: len(read)] = read
    known = np.isfinite(samples)
    # Silence in a gap, rather than a bridge, keeps the filter from ringing into what is there.
    centre = np.median(samples[known]) if known.any() else 0.0
    emg = sp.oaconvolve(np.where(known, samples - centre, 0.0), kernel, mode="valid")

    n_windows = round((end_s - start_s) / WINDOW_S)
    edges = np.round(np.arange(n_windows) * WINDOW_S * rate_hz).astype(np.intp)
    counts = np.diff(np.append(edges, len(emg)))
    rms: Doubles = np.sqrt(np.add.reduceat(np.square(emg), edges) / counts)
    rms[~np.logical_and.reduceat(known[margin : margin + len(emg)], edges)] = np.nan
    return rms


@lru_cache(maxsize=4)
def _kernel(rate_hz: float) -> Doubles:
    n_taps, beta = sp.kaiserord(_STOP_BAND_DB, _TRANSITION_HZ / (rate_hz / 2))
    kernel: Doubles = sp.firwin(
        n_taps | 1, BAND_HZ, window=("kaiser", beta), pass_zero=False, fs=rate_hz
    )
    return kernel
