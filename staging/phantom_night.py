"""Plans a plausible night: the course of sleep, and what a technologist would mark in it.

Stages and events agree with the scoring rules by construction: the first N2 epoch of a run has
its spindle or K complex in time, N3 is where slow waves really fill six seconds, an arousal ends
N2 unless a new sign of N2 follows, wake shows alpha or the movements of open eyes. No event
knows an epoch's edge. What is drawn, and how large it is, differs from person to person.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from auditor.vocabulary import EPOCH_S, Phenomenon, Stage
from staging.phantom_diary import Diary
from staging.phantom_hypnogram import course_of_sleep
from staging.phantom_nrem import (
    NREM,
    k_complex,
    k_complexes,
    large_slow_seconds,
    settle_n3,
    signs_of_n2,
    slow_waves,
    spindles,
)
from staging.phantom_plan import (
    Disturbance,
    DisturbanceKind,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
    Subject,
)
from staging.phantom_wake import drowsiness, rem_bursts, wake

Rng = np.random.Generator


def plan_night(seed: int, settings: PhantomSettings) -> NightPlan:
    """A night from a seed. The same seed gives the same plan at any rate and with any leads."""
    rng = np.random.default_rng([seed, 1])
    subject = draw_subject(rng, settings)
    stages, depth = course_of_sleep(rng, settings.n_epochs, subject)
    diary = Diary(rng, subject, stages, depth)
    _fill(diary)
    return NightPlan(
        stages=tuple(diary.stages),
        events=tuple(sorted(diary.events, key=lambda event: event.start_s)),
        subject=subject,
        changes=tuple(diary.changes),
        disturbances=tuple(
            sorted([*diary.twitches, *_disturbances(rng, settings)], key=lambda each: each.start_s)
        ),
    )


def draw_subject(rng: Rng, settings: PhantomSettings) -> Subject:
    """A person: amplitudes spread by about a quarter, rates by a third."""
    # One in ten or more makes no alpha with eyes closed (AASM scoring manual, stage W).
    producer = bool(rng.random() < 0.88)
    if settings.alpha_producer is not None:
        producer = settings.alpha_producer

    def about(centre: float, spread: float) -> float:
        return float(centre * np.exp(np.clip(rng.normal(0.0, spread), -2 * spread, 2 * spread)))

    average = Subject()
    relaxation = about(1.0, 0.15)
    ratio = {stage: 1.0 + (value - 1.0) * relaxation for stage, value in average.chin_ratio.items()}
    return Subject(
        alpha_producer=producer,
        alpha_hz=float(np.clip(rng.normal(average.alpha_hz, 0.7), 8.4, 11.6)),
        alpha_uv=about(average.alpha_uv, 0.25) * settings.gain,
        spindle_hz=float(np.clip(rng.normal(average.spindle_hz, 0.4), 12.5, 14.4)),
        spindle_uv=about(average.spindle_uv, 0.2) * settings.gain * settings.spindle_amplitude,
        k_complex_uv=about(average.k_complex_uv, 0.18)
        * settings.gain
        * settings.k_complex_amplitude,
        slow_wave_uv=about(average.slow_wave_uv, 0.15)
        * settings.gain
        * settings.slow_wave_amplitude,
        rapid_eye_movement_uv=about(average.rapid_eye_movement_uv, 0.22) * settings.gain,
        spindles_per_min=about(average.spindles_per_min, 0.3),
        k_complexes_per_min=about(average.k_complexes_per_min, 0.3),
        background_db=float(rng.normal(0.0, 0.8)),
        delta_db=float(rng.normal(0.0, 0.8)),
        theta_db=float(rng.normal(0.0, 1.0)),
        beta_db=float(rng.normal(0.0, 1.2)),
        chin_floor_uv=about(average.chin_floor_uv, 0.3),
        chin_ratio=ratio,
        ecg_uv=float(rng.choice([0.0, 0.0, 2.0, 6.0]) * rng.uniform(0.5, 1.5)),
        heart_rate_hz=about(average.heart_rate_hz, 0.12),
        fragmentation=about(average.fragmentation, 0.35),
    )


# ── events ────────────────────────────────────────────────────────────────────────────────


def _fill(diary: Diary) -> None:
    """What leaves least choice is planted first: the rest goes where there is still room."""
    _major_body_movements(diary)
    returns = _arousals(diary)
    slow_waves(diary)
    settle_n3(diary)
    signs_of_n2(diary, returns)
    slow_seconds = large_slow_seconds(diary)
    for start, end, stage in diary.bouts():
        if stage in NREM:
            k_complexes(diary, start, end, stage, slow_seconds)
            spindles(diary, start, end, stage)
        elif stage is Stage.N1:
            drowsiness(diary, start, end)
        elif stage is Stage.R:
            rem_bursts(diary, start, end)
        else:
            after = diary.stages[min(round(end / EPOCH_S), len(diary.stages) - 1)]
            wake(diary, start, end, falling_asleep=after is Stage.N1)


def _major_body_movements(diary: Diary) -> None:
    """Where the stage before and after is the same, so the epoch's stage is it too."""
    for i in range(2, len(diary.stages) - 2):
        alike = len(set(diary.stages[i - 1 : i + 2])) == 1
        if not alike or diary.stages[i] is Stage.N1 or diary.rng.random() > 1.3 / 120:
            continue
        event = PlannedEvent(
            Phenomenon.MAJOR_BODY_MOVEMENT,
            i * EPOCH_S + diary.between(0, 5),
            diary.between(17, 24),
            diary.about(500, 0.3, 330, 900),
        )
        diary.plant(event, diary.eeg, diary.eyes, diary.alpha)
        diary.moved.add(i)


def _arousals(diary: Diary) -> list[tuple[float, float]]:
    """Arousals; returns the spans in which a sign must bring N2 back after one."""
    returns = []
    for start, duration, stage in _awakenings(diary):
        _arousal(diary, start, duration, stage)
    per_hour = {Stage.N1: 10, Stage.N2: 9, Stage.N3: 2, Stage.R: 9, Stage.W: 0}
    for i in range(1, len(diary.stages) - 1):
        stage = diary.stages[i]
        alike = len(set(diary.stages[i - 1 : i + 2])) == 1
        chance = per_hour[stage] / 120 * diary.subject.fragmentation
        if not alike or diary.rng.random() > chance:
            continue
        # Late in the epoch, so that what it does to the stage concerns the next.
        start, duration = i * EPOCH_S + diary.between(15, 22), diary.between(3.2, 7.5)
        if _arousal(diary, start, duration, stage) and stage is Stage.N2:
            returns.append((start + duration + 0.8, (i + 1) * EPOCH_S + 13))
    return returns


def _awakenings(diary: Diary) -> Iterator[tuple[float, float, Stage]]:
    """Where sleep gives way to W, or to N1: from a little before the change."""
    for (_, stage), (time, next_stage) in pairwise(diary.changes):
        if stage in (*NREM, Stage.R) and next_stage in (Stage.N1, Stage.W):
            before = diary.between(2, 4)
            after = diary.between(1, 2.5 if next_stage is Stage.W else 4)
            yield time - before, before + after, stage


def _arousal(diary: Diary, start: float, duration: float, stage: Stage) -> bool:
    chin_rise = stage is Stage.R or bool(diary.rng.random() < 0.7)
    event = PlannedEvent(
        Phenomenon.AROUSAL,
        start,
        duration,
        diary.about(diary.subject.alpha_uv * 1.1, 0.15, 30, 75),
        float(np.clip(diary.rng.normal(diary.subject.alpha_hz, 0.6), 8.2, 11.8)),
        chin_rise=chin_rise,
    )
    if not diary.plant(event, diary.eeg):
        return False
    diary.alpha.take(start - 1, start + duration + 1)
    if stage is not Stage.R and diary.rng.random() < 0.3:
        complex_duration = diary.between(0.7, 1.1)
        before = diary.between(0.1, 0.6)
        k_complex(diary, start - before - complex_duration, complex_duration)
    return True


# ── artefacts ─────────────────────────────────────────────────────────────────────────────


def _disturbances(rng: Rng, settings: PhantomSettings) -> Iterator[Disturbance]:
    seconds = settings.n_epochs * EPOCH_S
    sites = (Site.F4, Site.C4, Site.O2, Site.E1, Site.E2, Site.M1)
    for _ in range(rng.poisson(settings.disturbances_per_hour * seconds / 3600)):
        start = float(rng.uniform(0, seconds))
        kind = rng.choice(
            [DisturbanceKind.ELECTRODE_POP, DisturbanceKind.MOVEMENT, DisturbanceKind.SWEAT_SWAY],
            p=[0.5, 0.4, 0.1],
        )
        site = sites[rng.integers(len(sites))]
        yield {
            DisturbanceKind.ELECTRODE_POP: Disturbance(
                DisturbanceKind.ELECTRODE_POP, start, 1.5, float(rng.uniform(100, 350)), site
            ),
            DisturbanceKind.MOVEMENT: Disturbance(
                DisturbanceKind.MOVEMENT, start, float(rng.uniform(1.5, 6)), 180.0
            ),
            DisturbanceKind.SWEAT_SWAY: Disturbance(
                DisturbanceKind.SWEAT_SWAY, start, float(rng.uniform(60, 400)), 60.0, site
            ),
        }[DisturbanceKind(kind)]
