"""Evidence: what the signals show, phenomenon by phenomenon, and how sure that is.

One file a phenomenon. Nothing here knows any scoring: the evidence must not depend on what is
audited against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from auditor.evidence import (
    alpha_rhythm,
    arousal,
    chin_tone,
    eye_blinks,
    k_complex,
    low_amplitude_mixed_frequency,
    major_body_movement,
    rapid_eye_movements,
    reading_eye_movements,
    sawtooth_waves,
    sleep_spindle,
    slow_eye_movements,
    slow_wave_activity,
    theta_activity,
    vertex_sharp_waves,
)
from auditor.evidence.base import Detect, Measured, Progress
from auditor.evidence.quality import Quality, judge
from auditor.evidence.signals import Signals, prepare
from auditor.vocabulary import (
    ChannelReport,
    EpochEvidence,
    Event,
    Evidence,
    Montage,
    Phenomenon,
    Role,
)

ROUNDS: tuple[Mapping[Phenomenon, Detect], ...] = (
    {
        Phenomenon.ALPHA_RHYTHM: alpha_rhythm.detect,
        Phenomenon.THETA_ACTIVITY: theta_activity.detect,
        Phenomenon.SAWTOOTH_WAVES: sawtooth_waves.detect,
        Phenomenon.EYE_BLINKS: eye_blinks.detect,
        Phenomenon.READING_EYE_MOVEMENTS: reading_eye_movements.detect,
        Phenomenon.SLOW_EYE_MOVEMENTS: slow_eye_movements.detect,
        Phenomenon.CHIN_TONE: chin_tone.detect,
        Phenomenon.MAJOR_BODY_MOVEMENT: major_body_movement.detect,
    },
    {
        Phenomenon.K_COMPLEX: k_complex.detect,
        Phenomenon.SLOW_WAVE_ACTIVITY: slow_wave_activity.detect,
        Phenomenon.AROUSAL: arousal.detect,
    },
    {
        Phenomenon.SLEEP_SPINDLE: sleep_spindle.detect,
        Phenomenon.RAPID_EYE_MOVEMENTS: rapid_eye_movements.detect,
    },
    {
        Phenomenon.VERTEX_SHARP_WAVES: vertex_sharp_waves.detect,
        Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY: low_amplitude_mixed_frequency.detect,
    },
)
"""The detectors. Those of one round may build upon what earlier rounds found, and not upon each
other, so that they can run side by side."""


def _silent(piece: str, share: float) -> None:
    """Tells nobody."""


def measure(montage: Montage, progress: Progress = _silent, workers: int = 1) -> Evidence:
    """Measures every phenomenon in a recording.

    Args:
        montage: which channel is what; ``montage.missing`` says why a role is empty.
        progress: told the phenomenon being measured and the share of the work done.
        workers: how many detectors may run at once.

    Returns:
        Events with every candidate, and for each epoch the measures and what could not be
        assessed there, and why.
    """
    progress("signals", 0.0)
    signals = prepare(montage)
    progress("quality", 0.0)
    quality = judge(signals)
    signals = signals.with_quality(quality.reasons)
    return _evidence(signals, quality, _detect(signals, progress, workers))


def _detect(signals: Signals, progress: Progress, workers: int) -> dict[Phenomenon, Measured]:
    """What every detector found; nothing in a recording shorter than an epoch."""
    measured: dict[Phenomenon, Measured] = {}
    if not signals.n_epochs:
        return measured
    n_detectors = sum(map(len, ROUNDS))
    with ThreadPoolExecutor(workers) as pool:
        for detectors in ROUNDS:
            earlier = dict(measured)
            found = pool.map(lambda detect, e=earlier: detect(signals, e), detectors.values())
            for phenomenon, result in zip(detectors, found, strict=True):
                measured[phenomenon] = result
                progress(phenomenon, len(measured) / n_detectors)
    return measured


def _evidence(signals: Signals, quality: Quality, measured: dict[Phenomenon, Measured]) -> Evidence:
    recording = signals.montage.recording
    events = [e for found in measured.values() for e in found.events]
    return Evidence(
        recording.name,
        recording.start,
        _channel_reports(signals, quality),
        signals.montage.missing,
        tuple(sorted(filter(signals.trusts, events), key=_by_time)),
        tuple(_epoch(index, measured) for index in range(signals.n_epochs)),
        recording.notes,
    )


def _by_time(event: Event) -> tuple[float, str, str]:
    return event.start_s, event.kind, event.channel


def _epoch(index: int, measured: dict[Phenomenon, Measured]) -> EpochEvidence:
    """One epoch's measures, without those of what cannot be assessed in it."""
    reasons = {p: found.not_assessable[index] for p, found in measured.items()}
    return EpochEvidence(
        index,
        {
            name: values[index]
            for phenomenon, found in measured.items()
            if not reasons[phenomenon]
            for name, values in found.measures.items()
        },
        {phenomenon: reason for phenomenon, reason in reasons.items() if reason},
    )


def _channel_reports(signals: Signals, quality: Quality) -> dict[Role, ChannelReport]:
    return {
        role: ChannelReport(derivation.channel.label, quality.verdict(role), derivation.how)
        for role, derivation in signals.montage.roles.items()
    }
