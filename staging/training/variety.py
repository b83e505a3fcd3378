"""Nights that differ as people, laboratories and simulators do: what training draws from.

A model that saw one kind of simulated night learns that kind. So each seed draws its own person,
electrodes, amplifier and artefacts, wider than :class:`PhantomSettings` alone does, and part of
the nights are drawn in other hands (:mod:`staging.training.other_hands`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from auditor.vocabulary import EPOCH_S, Montage, Phenomenon, Role
from staging.montage import choose_montage
from staging.phantom import Phantom, plan_night, render
from staging.phantom_plan import (
    CHIN_LEAD,
    LINKED_EAR_LEADS,
    RECOMMENDED_LEADS,
    UNREFERENCED_LEADS,
    EyePlacement,
    Lead,
    NightPlan,
    PhantomSettings,
    Site,
    Subject,
)
from staging.training.other_hands import draw_in_other_hands

Rng = np.random.Generator

_LEFT_LEADS = (
    Lead("F3-M2", Site.F3, (Site.M2,)),
    Lead("C3-M2", Site.C3, (Site.M2,)),
    Lead("O1-M2", Site.O1, (Site.M2,)),
    Lead("E1-M2", Site.E1, (Site.M2,)),
    Lead("E2-M1", Site.E2, (Site.M1,)),
    CHIN_LEAD,
)
_MONTAGES = (RECOMMENDED_LEADS, _LEFT_LEADS, LINKED_EAR_LEADS, UNREFERENCED_LEADS)
_EYES = frozenset({Role.LEFT_EYE, Role.RIGHT_EYE})
_LOST: tuple[frozenset[Role], ...] = (
    frozenset({Role.CHIN}),
    frozenset({Role.FRONTAL}),
    frozenset({Role.OCCIPITAL}),
    frozenset({Role.CENTRAL}),
    _EYES,
    frozenset({Role.FRONTAL, Role.OCCIPITAL}),
    frozenset({Role.FRONTAL, Role.OCCIPITAL, Role.CHIN}) | _EYES,
)
"""What recordings come without."""
_WHOLE_NIGHT_H = 7.0
_SHARE_IN_OTHER_HANDS = 0.35
_SHARE_WITH_LOSS = 0.15


@dataclass(frozen=True, slots=True)
class VariedNight:
    """A simulated night as it is shown in training.

    Attributes:
        phantom: the night and its truth.
        montage: its channels, perhaps with some missing.
        mains_hz: the notch with which it is drawn.
    """

    phantom: Phantom
    montage: Montage
    mains_hz: float


def varied_night(seed: int, hours: float) -> VariedNight:
    """A stretch of a night for training; the same seed gives the same.

    Cut from anywhere in a whole night, so that it may be all wake, or half R.
    """
    rng = np.random.default_rng([seed, 40])
    other_hands = rng.random() < _SHARE_IN_OTHER_HANDS
    settings = _settings(rng, _WHOLE_NIGHT_H)
    whole = plan_night(seed, settings)
    n_epochs = round(hours * 3600 / EPOCH_S)
    first = int(rng.integers(len(whole.stages) - n_epochs + 1))
    plan = _own_ways(part_of(whole, first, n_epochs), rng)
    phantom = render(plan, settings, seed)
    if other_hands:
        phantom = draw_in_other_hands(phantom, rng)
    montage = choose_montage(phantom.recording)
    if rng.random() < _SHARE_WITH_LOSS:
        montage = without(montage, _LOST[int(rng.integers(len(_LOST)))])
    notch_hz = float(settings.mains_hz) if rng.random() < 0.5 else 50.0
    return VariedNight(phantom, montage, notch_hz)


def part_of(plan: NightPlan, first: int, n_epochs: int) -> NightPlan:
    """A stretch of a night as a night of its own; what began before it is left out."""
    start_s, end_s = first * EPOCH_S, (first + n_epochs) * EPOCH_S
    changes = tuple((time - start_s, stage) for time, stage in plan.changes)
    before = [stage for time, stage in changes if time <= 0]
    return replace(
        plan,
        stages=plan.stages[first : first + n_epochs],
        events=tuple(
            replace(event, start_s=event.start_s - start_s)
            for event in plan.events
            if start_s <= event.start_s and event.end_s <= end_s
        ),
        changes=((0.0, before[-1]), *(each for each in changes if 0 < each[0] < end_s - start_s)),
        disturbances=tuple(
            replace(each, start_s=each.start_s - start_s)
            for each in plan.disturbances
            if start_s <= each.start_s and each.end_s <= end_s
        ),
    )


def without(montage: Montage, lost: frozenset[Role]) -> Montage:
    """The montage as if these channels had not been recorded."""
    kept = {role: each for role, each in montage.roles.items() if role not in lost}
    return Montage(montage.recording, kept, {**montage.missing, **dict.fromkeys(lost, "lost")})


def _about(rng: Rng, centre: float, spread: float, low: float, high: float) -> float:
    return float(np.clip(centre * np.exp(rng.normal(0.0, spread)), low, high))


def _settings(rng: Rng, hours: float) -> PhantomSettings:
    return PhantomSettings(
        hours=hours,
        sampling_rate_hz=int(rng.choice([100, 128, 200, 256], p=[0.1, 0.25, 0.25, 0.4])),
        leads=_MONTAGES[int(rng.choice(len(_MONTAGES), p=[0.5, 0.25, 0.15, 0.1]))],
        eye_placement=EyePlacement.ALTERNATIVE if rng.random() < 0.25 else EyePlacement.RECOMMENDED,
        gain=_about(rng, 0.95, 0.22, 0.55, 1.6),
        spindle_amplitude=_about(rng, 0.95, 0.2, 0.6, 1.6),
        k_complex_amplitude=_about(rng, 1.0, 0.18, 0.65, 1.5),
        slow_wave_amplitude=_about(rng, 1.05, 0.15, 0.75, 1.5),
        noise_uv=_about(rng, 0.9, 0.7, 0.2, 4.0),
        mains_hz=int(rng.choice([50, 60])),
        mains_uv=_about(rng, 0.8, 0.9, 0.1, 8.0),
        disturbances_per_hour=_about(rng, 6.0, 0.6, 1.0, 25.0),
    )


def _own_ways(plan: NightPlan, rng: Rng) -> NightPlan:
    """What else sets one person apart: background, muscle, eyes, where K complexes are largest."""
    eyes, alpha = _about(rng, 1.0, 0.25, 0.55, 1.8), _about(rng, 1.0, 0.2, 0.65, 1.6)
    central_share = float(rng.choice([0.0, 0.1, 0.4]))
    size: Mapping[Phenomenon, float] = {
        Phenomenon.RAPID_EYE_MOVEMENTS: eyes,
        Phenomenon.EYE_BLINKS: eyes * _about(rng, 1.0, 0.15, 0.7, 1.4),
        Phenomenon.SLOW_EYE_MOVEMENTS: eyes,
        Phenomenon.READING_EYE_MOVEMENTS: eyes,
        Phenomenon.ALPHA_RHYTHM: alpha,
    }
    events = []
    for event in plan.events:
        if event.kind is Phenomenon.K_COMPLEX and rng.random() < central_share:
            event = replace(event, focus=Role.CENTRAL)
        events.append(replace(event, amplitude_uv=event.amplitude_uv * size.get(event.kind, 1.0)))
    return replace(plan, events=tuple(events), subject=_other_background(plan.subject, rng))


def _other_background(subject: Subject, rng: Rng) -> Subject:
    steepness = rng.uniform(0.8, 1.25)
    return replace(
        subject,
        background_db=subject.background_db + float(rng.normal(0.0, 1.2)),
        delta_db=subject.delta_db + float(rng.normal(0.0, 1.0)),
        theta_db=subject.theta_db + float(rng.normal(0.0, 1.0)),
        beta_db=subject.beta_db + float(rng.normal(0.0, 1.8)),
        chin_floor_uv=subject.chin_floor_uv * _about(rng, 1.0, 0.3, 0.5, 2.0),
        chin_ratio={stage: tone**steepness for stage, tone in subject.chin_ratio.items()},
    )
