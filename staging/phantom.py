"""A simulated polysomnography with known truth: the phantom.

    plan = plan_night(seed, settings)      what happens: stages, events, artefacts
    phantom = render(plan, settings, seed) its samples and its truth
    phantom = simulate(seed, settings)     both

Tests, the demo and training use it. A night from a seed is physiologically plausible; a plan
written by hand (:meth:`NightPlan.of`) holds just what a rule's boundary asks for. The same seed
gives the same night; another sampling rate or other leads record that same night differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyedflib

from auditor.vocabulary import (
    EPOCH_S,
    Channel,
    Event,
    Level,
    Phenomenon,
    Recording,
    Samples,
    Stage,
)
from staging.phantom_night import plan_night
from staging.phantom_plan import FOCUS_SITES, NightPlan, PhantomSettings, PlannedEvent
from staging.phantom_render import draw_night, tone_ratio

__all__ = [
    "EpochTruth",
    "NightPlan",
    "Phantom",
    "PhantomSettings",
    "PlannedEvent",
    "plan_night",
    "render",
    "simulate",
    "write_edf",
    "write_truth",
]

START = datetime(2026, 1, 1, 22, 30)

# A wave counts as slow wave activity from 75 µV peak to peak (AASM scoring manual, stage N3).
SLOW_WAVE_UV = 75.0
# Chin tone is high, or low, from these multiples of the night's floor. The manual gives no
# numbers; wake, sleep and R of a phantom keep clear of both.
HIGH_TONE_RATIO, LOW_TONE_RATIO = 4.0, 1.5


@dataclass(frozen=True, slots=True)
class EpochTruth:
    """What is true of one epoch.

    Attributes:
        index: the epoch's number from 0.
        slow_wave_seconds: within slow waves and K complexes of more than 75 µV, frontal.
        alpha_fraction: share of the epoch within alpha runs.
        movement_fraction: share within a major body movement.
        chin_tone_ratio: median tone relative to the night's floor.
        chin_tone: that ratio in a word.
    """

    index: int
    slow_wave_seconds: float
    alpha_fraction: float
    movement_fraction: float
    chin_tone_ratio: float
    chin_tone: Level


@dataclass(frozen=True, slots=True)
class Phantom:
    """A simulated night and the truth about it.

    Attributes:
        recording: the samples.
        stages: the true stage of each epoch.
        events: the true events, probability 1, by start; amplitudes and labels as recorded.
            Slow waves count from 75 µV.
        epochs: the truth of each epoch.
        plan: everything that went into it.
        settings: how it was recorded.
    """

    recording: Recording
    stages: tuple[Stage, ...]
    events: tuple[Event, ...]
    epochs: tuple[EpochTruth, ...]
    plan: NightPlan
    settings: PhantomSettings


def simulate(
    seed: int, settings: PhantomSettings | None = None, plan: NightPlan | None = None
) -> Phantom:
    """A night from a seed, or the planned one with the seed's noise."""
    settings = settings or PhantomSettings()
    return render(plan or plan_night(seed, settings), settings, seed)


def render(plan: NightPlan, settings: PhantomSettings, seed: int) -> Phantom:
    """The planned night's samples. The plan decides the length, not ``settings.hours``.

    Amplitudes of events are recorded as planned; ``settings.gain`` scales the background.
    """
    tone = tone_ratio(plan, seed)
    samples = draw_night(plan, settings, tone, seed)
    recording = Recording(
        name=f"phantom-{seed}.edf",
        start=START,
        duration_s=plan.duration_s,
        channels=tuple(
            Channel.of_array(lead.label, float(settings.sampling_rate_hz), signal)
            for lead, signal in zip(settings.leads, samples, strict=True)
        ),
    )
    return Phantom(
        recording,
        plan.stages,
        _true_events(plan, settings),
        _true_epochs(plan, tone),
        plan,
        settings,
    )


# ── truth ─────────────────────────────────────────────────────────────────────────────────


def _true_events(plan: NightPlan, settings: PhantomSettings) -> tuple[Event, ...]:
    return tuple(
        _true_event(event, settings)
        for event in plan.events
        if event.kind is not Phenomenon.SLOW_WAVE_ACTIVITY or event.amplitude_uv >= SLOW_WAVE_UV
    )


def _true_event(event: PlannedEvent, settings: PhantomSettings) -> Event:
    sites = FOCUS_SITES[event.where]
    lead = next((lead for lead in settings.leads if lead.site in sites), settings.leads[0])
    return Event(
        event.kind,
        lead.label,
        event.start_s,
        event.end_s,
        1.0,
        event.frequency_hz,
        event.amplitude_uv,
    )


def _true_epochs(plan: NightPlan, tone_ratio: Samples) -> tuple[EpochTruth, ...]:
    slow = _seconds_in(
        plan,
        lambda e: (
            e.kind in (Phenomenon.SLOW_WAVE_ACTIVITY, Phenomenon.K_COMPLEX)
            and e.amplitude_uv >= SLOW_WAVE_UV
        ),
    )
    alpha = _seconds_in(plan, lambda e: e.kind is Phenomenon.ALPHA_RHYTHM)
    movement = _seconds_in(plan, lambda e: e.kind is Phenomenon.MAJOR_BODY_MOVEMENT)
    tones = np.median(tone_ratio.reshape(len(plan.stages), int(EPOCH_S)), axis=1)
    return tuple(
        EpochTruth(
            i,
            round(slow[i], 3),
            round(alpha[i] / EPOCH_S, 4),
            round(movement[i] / EPOCH_S, 4),
            round(float(tone), 3),
            _level(float(tone)),
        )
        for i, tone in enumerate(tones)
    )


def _level(ratio: float) -> Level:
    if ratio >= HIGH_TONE_RATIO:
        return Level.HIGH
    return Level.LOW if ratio < LOW_TONE_RATIO else Level.INTERMEDIATE


def _seconds_in(plan: NightPlan, chosen: Callable[[PlannedEvent], bool]) -> list[float]:
    """Seconds of each epoch within the chosen events, which do not overlap one another."""
    seconds = [0.0] * len(plan.stages)
    for event in filter(chosen, plan.events):
        for i in range(int(event.start_s // EPOCH_S), int(event.end_s // EPOCH_S) + 1):
            if i < len(seconds):
                inside = min(event.end_s, (i + 1) * EPOCH_S) - max(event.start_s, i * EPOCH_S)
                seconds[i] += max(inside, 0.0)
    return seconds


# ── files ─────────────────────────────────────────────────────────────────────────────────


def write_edf(phantom: Phantom, path: Path) -> None:
    """The recording as 16-bit EDF+, without a name, without stages."""
    channels = phantom.recording.channels
    with pyedflib.EdfWriter(str(path), len(channels), pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setStartdatetime(START)
        writer.setSignalHeaders([_signal_header(channel) for channel in channels])
        writer.writeSamples([channel.samples() for channel in channels])


def _signal_header(channel: Channel) -> dict[str, str | int | float | None]:
    # The range of common amplifiers; wider only where a movement needs it, for resolution.
    reach = 500.0 * np.ceil(max(float(np.abs(channel.samples()).max()), 1.0) / 500.0)
    return {
        "label": channel.label,
        "dimension": "uV",
        "sample_frequency": channel.sampling_rate_hz,
        "physical_min": -reach,
        "physical_max": reach,
        "digital_min": -32768,
        "digital_max": 32767,
        "transducer": "",
        "prefilter": "",
    }


def write_truth(phantom: Phantom, path: Path) -> None:
    """Stages, events and the measures of each epoch, as JSON."""
    truth = {
        "epoch_seconds": EPOCH_S,
        "stages": phantom.stages,
        "events": [asdict(event) for event in phantom.events],
        "epochs": [asdict(epoch) for epoch in phantom.epochs],
    }
    path.write_text(json.dumps(truth, indent=1), encoding="utf-8")
