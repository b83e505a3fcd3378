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
from collections.abc import Callable, Mapping
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
    Role,
    Samples,
    Stage,
)
from staging import phantom_waveforms as wave
from staging.phantom_background import chin_noise, eeg_background
from staging.phantom_night import plan_night
from staging.phantom_plan import (
    Disturbance,
    DisturbanceKind,
    EyePlacement,
    Lead,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
)

START = datetime(2026, 1, 1, 22, 30)

# A wave counts as slow wave activity from 75 µV peak to peak (AASM scoring manual, stage N3).
SLOW_WAVE_UV = 75.0
# Chin tone is high, or low, from these multiples of the night's floor. The manual gives no
# numbers; wake, sleep and R of a phantom keep clear of both.
HIGH_TONE_RATIO, LOW_TONE_RATIO = 4.0, 1.5
_TONE_OF_LEVEL = {Level.LOW: 1.05, Level.INTERMEDIATE: 2.5, Level.HIGH: 7.0}


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
    tone = _tone_ratio(plan, seed)
    samples = _Canvas(settings, plan.duration_s)
    samples.add_background(plan, tone, seed)
    for i, event in enumerate(plan.events):
        _draw_event(samples, event, np.random.default_rng([seed, 20, i]))
    for i, disturbance in enumerate(plan.disturbances):
        _draw_disturbance(samples, disturbance, np.random.default_rng([seed, 21, i]))
    samples.add_heartbeat(plan, np.random.default_rng([seed, 22]))
    samples.add_mains(np.random.default_rng([seed, 23]))
    recording = Recording(
        name=f"phantom-{seed}.edf",
        start=START,
        duration_s=plan.duration_s,
        channels=tuple(
            Channel.of_array(lead.label, float(settings.sampling_rate_hz), signal)
            for lead, signal in zip(settings.leads, samples.data, strict=True)
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


# ── what an electrode sees ────────────────────────────────────────────────────────────────

_FRONT = (Site.FPZ, Site.F3, Site.F4, Site.FZ)
_CENTRE = (Site.C3, Site.C4, Site.CZ)
_BACK = (Site.O1, Site.O2, Site.OZ)
_EYES = (Site.E1, Site.E2)

# Share of a wave's size at each region when it is largest at the region named: it spreads by
# volume conduction, in phase into the eye channels. Mastoids see none of it.
_SPREAD: Mapping[Role, Mapping[Site, float]] = {
    role: {
        **dict.fromkeys(_FRONT, front),
        **dict.fromkeys(_CENTRE, centre),
        **dict.fromkeys(_BACK, back),
        **dict.fromkeys(_EYES, eyes),
    }
    for role, front, centre, back, eyes in (
        (Role.FRONTAL, 1.0, 0.72, 0.35, 0.45),
        (Role.CENTRAL, 0.65, 1.0, 0.4, 0.15),
        (Role.OCCIPITAL, 0.25, 0.5, 1.0, 0.08),
    )
}
_HORIZONTAL: Mapping[Site, float] = {
    Site.E1: -1.0,
    Site.E2: 1.0,
    Site.F3: -0.1,
    Site.F4: 0.1,
    Site.C3: -0.04,
    Site.C4: 0.04,
}
_VERTICAL: Mapping[Site, float] = {
    Site.FPZ: 1.8,
    **dict.fromkeys((Site.F3, Site.F4, Site.FZ), 0.35),
    **dict.fromkeys(_CENTRE, 0.08),
}
_EYE_SIGN = {
    EyePlacement.RECOMMENDED: {Site.E1: -1.0, Site.E2: 1.0},
    EyePlacement.ALTERNATIVE: {Site.E1: -1.0, Site.E2: -1.0},
}
_EVERYWHERE: Mapping[Site, float] = dict.fromkeys((*_FRONT, *_CENTRE, *_BACK, *_EYES), 1.0)

_USUAL_FOCUS: Mapping[Phenomenon, Role] = {
    Phenomenon.ALPHA_RHYTHM: Role.OCCIPITAL,
    Phenomenon.EYE_BLINKS: Role.LEFT_EYE,
    Phenomenon.READING_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.RAPID_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.SLOW_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.VERTEX_SHARP_WAVES: Role.CENTRAL,
    Phenomenon.K_COMPLEX: Role.FRONTAL,
    Phenomenon.SLEEP_SPINDLE: Role.CENTRAL,
    Phenomenon.SLOW_WAVE_ACTIVITY: Role.FRONTAL,
    Phenomenon.SAWTOOTH_WAVES: Role.CENTRAL,
    Phenomenon.AROUSAL: Role.CENTRAL,
    Phenomenon.MAJOR_BODY_MOVEMENT: Role.CENTRAL,
}
_ROLE_SITES: Mapping[Role, tuple[Site, ...]] = {
    Role.FRONTAL: _FRONT,
    Role.CENTRAL: _CENTRE,
    Role.OCCIPITAL: _BACK,
    Role.LEFT_EYE: (Site.E1,),
}


def _focus(event: PlannedEvent) -> Role:
    return event.focus or _USUAL_FOCUS[event.kind]


def _topography(event: PlannedEvent, placement: EyePlacement) -> Mapping[Site, float]:
    if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
        return _EVERYWHERE
    if _focus(event) is not Role.LEFT_EYE:
        return _SPREAD[_focus(event)]
    if event.vertical or event.kind is Phenomenon.EYE_BLINKS:
        return {**_VERTICAL, **_EYE_SIGN[placement]}
    return _HORIZONTAL


# ── drawing ───────────────────────────────────────────────────────────────────────────────


class _Canvas:
    """The channels' samples, ``(n_leads, n_samples)`` µV, to which everything is added."""

    def __init__(self, settings: PhantomSettings, duration_s: float) -> None:
        self.settings = settings
        self.rate = settings.sampling_rate_hz
        self.n_samples = round(duration_s * self.rate)
        self.data = np.zeros((len(settings.leads), self.n_samples))
        self._sign = [
            -1.0 if settings.inverted and lead.site is not Site.CHIN else 1.0
            for lead in settings.leads
        ]

    def add(
        self,
        topography: Mapping[Site, float],
        start_s: float,
        duration_s: float,
        shape: Callable[[Samples], Samples],
    ) -> None:
        """A wave from ``start_s``; ``shape`` is asked for µV at seconds from its start."""
        gains = [self._gain(topography, lead) for lead in self.settings.leads]
        first = max(0, int(np.ceil(start_s * self.rate)))
        last = min(self.n_samples, int(np.floor((start_s + duration_s) * self.rate)) + 1)
        if first >= last:
            return
        values = shape(np.arange(first, last) / self.rate - start_s)
        for signal, gain, sign in zip(self.data, gains, self._sign, strict=True):
            if gain:
                signal[first:last] += sign * gain * values

    def add_background(self, plan: NightPlan, tone_ratio: Samples, seed: int) -> None:
        sites = {
            site
            for lead in self.settings.leads
            for site in (lead.site, *lead.references)
            if site is not Site.CHIN
        }
        potentials = eeg_background(
            plan,
            sorted(sites),
            self.rate,
            self.settings.noise_uv,
            self.settings.gain,
            seed,
        )
        for signal, lead, sign in zip(self.data, self.settings.leads, self._sign, strict=True):
            if lead.site is Site.CHIN:
                signal += chin_noise(plan.duration_s, self.rate, seed)
                signal *= plan.subject.chin_floor_uv * self._tone(plan, tone_ratio)
                continue
            signal += sign * potentials[lead.site]
            for reference in lead.references:
                signal -= sign * potentials[reference] / len(lead.references)

    def _tone(self, plan: NightPlan, tone_ratio: Samples) -> Samples:
        """The chin's tone at every sample: slow course, and the bursts on top."""
        seconds = np.arange(len(tone_ratio)) + 0.5
        tone = np.interp(np.arange(self.n_samples) / self.rate, seconds, tone_ratio)
        for event in plan.events:
            if event.chin_rise or event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
                rise = 3.0 if event.kind is Phenomenon.AROUSAL else 9.0
                self._burst(tone, event.start_s, event.duration_s, rise, 0.3)
        for twitch in plan.disturbances:
            if twitch.kind is DisturbanceKind.CHIN_TWITCH:
                self._burst(tone, twitch.start_s, twitch.duration_s, twitch.amplitude_uv, 0.05)
            elif twitch.kind is DisturbanceKind.MOVEMENT:
                self._burst(tone, twitch.start_s, twitch.duration_s, 6.0, 0.3)
        return tone

    def _burst(
        self, tone: Samples, start_s: float, duration_s: float, rise: float, edge_s: float
    ) -> None:
        first = max(0, int(start_s * self.rate))
        last = min(self.n_samples, int((start_s + duration_s) * self.rate))
        t = np.arange(first, last) / self.rate - start_s
        tone[first:last] += (
            (rise - 1.0)
            * wave.window(t, duration_s, edge_s)
            * min(tone[first:last].mean() if last > first else 0.0, 3.0)
        )

    def add_heartbeat(self, plan: NightPlan, rng: np.random.Generator) -> None:
        """The R wave, in channels with a mastoid reference."""
        if not plan.subject.ecg_uv:
            return
        period = 1.0 / plan.subject.heart_rate_hz
        beats = np.cumsum(rng.normal(period, 0.04 * period, int(plan.duration_s / period)))
        mastoids = {Site.M1: -1.0, Site.M2: -0.8}
        for beat in beats:
            self.add(
                mastoids,
                float(beat),
                0.08,
                lambda t: plan.subject.ecg_uv * np.exp(-0.5 * ((t - 0.04) / 0.011) ** 2),
            )

    def add_mains(self, rng: np.random.Generator) -> None:
        """Hum of the power line, stronger in some channels; gone above half the rate."""
        phases = rng.uniform(0, 2 * np.pi, len(self.data))
        shares = rng.uniform(0.3, 1.0, len(self.data))
        if not self.settings.mains_uv or self.settings.mains_hz >= self.rate / 2:
            return
        t = np.arange(self.n_samples) * (2 * np.pi * self.settings.mains_hz / self.rate)
        for signal, phase, share in zip(self.data, phases, shares, strict=True):
            signal += share * self.settings.mains_uv * np.sin(t + phase)

    @staticmethod
    def _gain(topography: Mapping[Site, float], lead: Lead) -> float:
        subtracted = sum(topography.get(site, 0.0) for site in lead.references)
        return topography.get(lead.site, 0.0) - subtracted / max(len(lead.references), 1)


def _draw_event(canvas: _Canvas, event: PlannedEvent, rng: np.random.Generator) -> None:
    duration, hz = event.duration_s, event.frequency_hz or 0.0
    size = event.amplitude_uv * event.direction
    shapes: Mapping[Phenomenon, Callable[[Samples], Samples]] = {
        Phenomenon.ALPHA_RHYTHM: lambda t: wave.alpha_run(t, duration, hz, rng),
        Phenomenon.EYE_BLINKS: lambda t: wave.blink(t, duration, rng),
        Phenomenon.READING_EYE_MOVEMENTS: lambda t: wave.reading(t, duration, hz, rng),
        Phenomenon.RAPID_EYE_MOVEMENTS: lambda t: wave.saccade(t, duration, rng),
        Phenomenon.SLOW_EYE_MOVEMENTS: lambda t: wave.slow_eye_movements(t, duration, hz, rng),
        Phenomenon.VERTEX_SHARP_WAVES: lambda t: wave.vertex_sharp_wave(t, duration, rng),
        Phenomenon.K_COMPLEX: lambda t: wave.k_complex(t, duration, rng),
        Phenomenon.SLEEP_SPINDLE: lambda t: wave.spindle(t, duration, hz, rng),
        Phenomenon.SLOW_WAVE_ACTIVITY: lambda t: wave.slow_wave(t, duration, rng),
        Phenomenon.SAWTOOTH_WAVES: lambda t: wave.sawtooth_waves(t, duration, hz, rng),
        Phenomenon.AROUSAL: lambda t: wave.alpha_run(t, duration, hz, rng),
    }
    topography = _topography(event, canvas.settings.eye_placement)
    if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
        _draw_movement(canvas, topography, event.start_s, duration, size, rng)
        return
    shape = shapes[event.kind]
    canvas.add(topography, event.start_s, duration, lambda t: size * shape(t))
    if event.kind is Phenomenon.AROUSAL:
        _draw_noise(canvas, topography, event.start_s, duration, 16, 32, size / 7, rng)


def _draw_movement(
    canvas: _Canvas,
    topography: Mapping[Site, float],
    start_s: float,
    duration_s: float,
    amplitude_uv: float,
    rng: np.random.Generator,
) -> None:
    """Electrodes swing, each in its own way, and muscle covers the rest."""
    for site in topography:
        alone = {site: rng.uniform(0.5, 1.0)}
        _draw_noise(canvas, alone, start_s, duration_s, 0.25, 3, amplitude_uv / 5, rng)
        _draw_noise(canvas, alone, start_s, duration_s, 20, 110, amplitude_uv / 12, rng)


def _draw_noise(
    canvas: _Canvas,
    topography: Mapping[Site, float],
    start_s: float,
    duration_s: float,
    low_hz: float,
    high_hz: float,
    rms_uv: float,
    rng: np.random.Generator,
) -> None:
    whole = int(start_s)
    noise = wave.band_noise(
        int(np.ceil(start_s - whole + duration_s)) + 1, canvas.rate, low_hz, high_hz, rng
    )

    def shape(t: Samples) -> Samples:
        at = np.rint((t + start_s - whole) * canvas.rate).astype(int)
        return np.asarray(rms_uv * noise[at] * wave.window(t, duration_s, 0.4))

    canvas.add(topography, start_s, duration_s, shape)


def _draw_disturbance(canvas: _Canvas, disturbance: Disturbance, rng: np.random.Generator) -> None:
    start, duration, size = (
        disturbance.start_s,
        disturbance.duration_s,
        disturbance.amplitude_uv,
    )
    where = {disturbance.site: 1.0} if disturbance.site else _EVERYWHERE
    if disturbance.kind is DisturbanceKind.MOVEMENT:
        _draw_movement(canvas, where, start, duration, size, rng)
    elif disturbance.kind is DisturbanceKind.SWEAT_SWAY:
        hz, phase = rng.uniform(0.15, 0.4), rng.uniform(0, 2 * np.pi)
        canvas.add(
            where,
            start,
            duration,
            lambda t: (
                0.5
                * size
                * np.sin(2 * np.pi * hz * t + np.sin(0.3 * t + phase))
                * wave.window(t, duration, 5.0)
            ),
        )
    elif disturbance.kind is DisturbanceKind.ELECTRODE_POP:
        canvas.add(
            where,
            start,
            duration,
            lambda t: size * np.exp(-t / 0.25) * wave.window(t, duration, 0.01),
        )


# ── chin tone ─────────────────────────────────────────────────────────────────────────────


def _tone_ratio(plan: NightPlan, seed: int) -> Samples:
    """The chin's tone relative to the night's floor, each second, without bursts.

    ``(n_seconds,)``; follows the real changes of stage within some seconds, and wanders.
    """
    n_seconds = round(plan.duration_s)
    times = np.array([time for time, _ in plan.changes])
    index = np.searchsorted(times, np.arange(n_seconds) + 0.5, side="right") - 1
    by_change = np.array([plan.subject.chin_ratio[stage] for _, stage in plan.changes])
    target = np.log(by_change[index])
    for epoch, level in plan.chin_tone.items():
        span = slice(int(epoch * EPOCH_S), int((epoch + 1) * EPOCH_S))
        target[span] = np.log(_TONE_OF_LEVEL[level])
    smooth = np.convolve(np.pad(target, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    rng = np.random.default_rng([seed, 14])
    knots = np.arange(0, n_seconds + 61, 30)
    wander = np.interp(np.arange(n_seconds), knots, rng.normal(0.0, 0.1, len(knots)))
    # R is as low as the night gets: there the tone wanders little.
    return np.asarray(np.exp(smooth + wander * np.clip(smooth, 0.15, 1.0)))


def _level(ratio: float) -> Level:
    if ratio >= HIGH_TONE_RATIO:
        return Level.HIGH
    return Level.LOW if ratio < LOW_TONE_RATIO else Level.INTERMEDIATE


# ── truth ─────────────────────────────────────────────────────────────────────────────────


def _true_events(plan: NightPlan, settings: PhantomSettings) -> tuple[Event, ...]:
    return tuple(
        _true_event(event, settings)
        for event in plan.events
        if event.kind is not Phenomenon.SLOW_WAVE_ACTIVITY or event.amplitude_uv >= SLOW_WAVE_UV
    )


def _true_event(event: PlannedEvent, settings: PhantomSettings) -> Event:
    sites = _ROLE_SITES[_focus(event)]
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
