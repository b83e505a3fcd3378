"""Draws a planned night: every event, artefact and background into every channel.

An event has a shape in time and a topography, the share of it that each electrode sees; a
channel is its electrode less its references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from auditor.vocabulary import EPOCH_S, Level, Phenomenon, Role, Samples
from staging import phantom_waveforms as wave
from staging.phantom_background import chin_noise, eeg_background
from staging.phantom_plan import (
    BACK,
    CENTRE,
    EYES,
    FRONT,
    Disturbance,
    DisturbanceKind,
    EyePlacement,
    Lead,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
)

_TONE_OF_LEVEL = {Level.LOW: 1.05, Level.INTERMEDIATE: 2.5, Level.HIGH: 7.0}


def draw_night(plan: NightPlan, settings: PhantomSettings, tone: Samples, seed: int) -> Samples:
    """The samples of every channel, ``(n_leads, n_samples)`` µV.

    ``tone`` is the chin's, as :func:`tone_ratio` gives it.
    """
    canvas = Canvas(settings, plan.duration_s)
    canvas.add_background(plan, tone, seed)
    for i, event in enumerate(plan.events):
        _draw_event(canvas, event, np.random.default_rng([seed, 20, i]))
    for i, disturbance in enumerate(plan.disturbances):
        _draw_disturbance(canvas, disturbance, np.random.default_rng([seed, 21, i]))
    canvas.add_heartbeat(plan, np.random.default_rng([seed, 22]))
    canvas.add_mains(np.random.default_rng([seed, 23]))
    return canvas.data


# ── what an electrode sees ────────────────────────────────────────────────────────────────

# Share of a wave's size at each region when it is largest at the region named: it spreads by
# volume conduction, in phase into the eye channels. Mastoids see none of it.
_SPREAD: Mapping[Role, Mapping[Site, float]] = {
    role: {
        **dict.fromkeys(FRONT, front),
        **dict.fromkeys(CENTRE, centre),
        **dict.fromkeys(BACK, back),
        **dict.fromkeys(EYES, eyes),
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
    **dict.fromkeys(CENTRE, 0.08),
}
_EYE_SIGN = {
    EyePlacement.RECOMMENDED: {Site.E1: -1.0, Site.E2: 1.0},
    EyePlacement.ALTERNATIVE: {Site.E1: -1.0, Site.E2: -1.0},
}
_EVERYWHERE: Mapping[Site, float] = dict.fromkeys((*FRONT, *CENTRE, *BACK, *EYES), 1.0)


def _topography(
    event: PlannedEvent, placement: EyePlacement, rng: np.random.Generator
) -> Mapping[Site, float]:
    if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
        return _EVERYWHERE
    if event.where is not Role.LEFT_EYE:
        return _SPREAD[event.where]
    vertical = event.vertical or event.kind is Phenomenon.EYE_BLINKS
    eyes = {**_VERTICAL, **_EYE_SIGN[placement]} if vertical else _HORIZONTAL
    return {**eyes, Site.E2: eyes[Site.E2] * rng.uniform(0.75, 1.15)}  # no two eyes see alike


# ── drawing ───────────────────────────────────────────────────────────────────────────────


class Canvas:
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
            if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
                self._burst(tone, event, 8.0, 0.3)
            elif event.chin_rise:
                self._burst(tone, event, 3.0, 0.3)
        for disturbance in plan.disturbances:
            if disturbance.kind is DisturbanceKind.CHIN_TWITCH:
                self._burst(tone, disturbance, disturbance.amplitude_uv, 0.05)
            elif disturbance.kind is DisturbanceKind.MOVEMENT:
                self._burst(tone, disturbance, 6.0, 0.3)
        return tone

    def _burst(
        self, tone: Samples, cause: PlannedEvent | Disturbance, rise: float, edge_s: float
    ) -> None:
        first = max(0, int(cause.start_s * self.rate))
        last = min(self.n_samples, int(cause.end_s * self.rate))
        t = np.arange(first, last) / self.rate - cause.start_s
        tone[first:last] += rise * wave.window(t, cause.duration_s, edge_s)

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
        second = np.arange(self.rate) * (2 * np.pi * self.settings.mains_hz / self.rate)
        for signal, phase, share in zip(self.data, phases, shares, strict=True):
            hum = share * self.settings.mains_uv * np.sin(second + phase)
            signal.reshape(-1, self.rate)[:] += hum  # whole hertz: every second is alike

    @staticmethod
    def _gain(topography: Mapping[Site, float], lead: Lead) -> float:
        subtracted = sum(topography.get(site, 0.0) for site in lead.references)
        return topography.get(lead.site, 0.0) - subtracted / max(len(lead.references), 1)


def _draw_event(canvas: Canvas, event: PlannedEvent, rng: np.random.Generator) -> None:
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
    topography = _topography(event, canvas.settings.eye_placement, rng)
    if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
        _draw_movement(canvas, topography, event.start_s, duration, size, rng)
        return
    shape = shapes[event.kind]
    canvas.add(topography, event.start_s, duration, lambda t: size * shape(t))
    if event.kind is Phenomenon.AROUSAL:
        _draw_noise(canvas, topography, event.start_s, duration, 16, 32, size / 7, rng)


def _draw_movement(
    canvas: Canvas,
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
    canvas: Canvas,
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


def _draw_disturbance(canvas: Canvas, disturbance: Disturbance, rng: np.random.Generator) -> None:
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


def tone_ratio(plan: NightPlan, seed: int) -> Samples:
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
    minutes = np.interp(
        np.arange(n_seconds),
        np.arange(0, n_seconds + 61, 30),
        rng.normal(0, 0.1, n_seconds // 30 + 3),
    )
    # R is as low as the night gets: there the tone hardly wanders.
    wander = (minutes + rng.normal(0, 0.12, n_seconds)) * np.clip(smooth, 0.15, 1.6)
    return np.asarray(np.exp(smooth + wander))
