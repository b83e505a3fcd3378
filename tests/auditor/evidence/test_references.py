"""The same eyes recorded against other electrodes move at the same times.

Ten minutes of potentials, electrode by electrode: the eyes jump, drift, blink and roll, slow waves
of the scalp reach them, the mastoids see some EEG and the heart, each in its own measure. How far
the same holds for whole nights, and for other phenomena: tests/benchmarks/bench_references.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest
from simulated_eeg import RATE_HZ, add, background, montage, tone
from simulated_eyes import found, rolling, saccade

from auditor.evidence import measure
from auditor.vocabulary import Event, Evidence, Phenomenon, Role, Samples

RAPID = Phenomenon.RAPID_EYE_MOVEMENTS
SLOW = Phenomenon.SLOW_EYE_MOVEMENTS
BLINKS = Phenomenon.EYE_BLINKS

SECONDS = 600
SAME_S = 0.1
LEAST: Mapping[Phenomenon, float] = {RAPID: 0.9, BLINKS: 0.95, SLOW: 0.9}
"""Share of events that begin and end alike. What another mastoid brings in moves the end of a
drift, and the first or last swing of some 30 µV."""

EEG = {"F4": 1.0, "F3": 0.9, "Fz": 1.0, "C4": 0.7, "C3": 0.65, "Cz": 0.72, "M1": 0.05, "M2": 0.2}
EYES = {"E1": 0.4, "E2": 0.5}
HORIZONTAL = {"E1": 1.0, "E2": -0.85}
VERTICAL = {"E1": -1.0, "E2": 0.9, "F4": 0.35, "F3": 0.35, "Fz": 0.35, "C4": 0.08, "Cz": 0.08}
SLOW_WAVE = {**EEG, "E1": 0.55, "E2": 0.6, "M2": 0.05}
HEART = {"M1": 1.0, "M2": -0.7}

PLANNED = ("F4-M1", "C4-M1", "E1-M2", "E2-M2")


@cache
def potentials() -> Mapping[str, Samples]:
    """Of every electrode, µV."""
    rng = np.random.default_rng(5)
    brain = background(SECONDS, 1)
    head = {
        electrode: share * brain + background(SECONDS, seed, 2.5)
        for seed, (electrode, share) in enumerate({**EEG, **EYES}.items(), 10)
    }

    def draw(at_s: float, wave: Samples, topography: Mapping[str, float]) -> None:
        for electrode, share in topography.items():
            add(head[electrode], at_s, share * wave)

    drift = np.arange(0.0, 3.0, 1 / RATE_HZ)
    for i, at_s in enumerate(np.arange(5.0, 195.0, 3.7)):
        side = (-1) ** int(rng.integers(2))
        wave = saccade(45.0 + 7 * (i % 15), 0.09, 0.35)
        if i % 3 == 0:
            wave = 60.0 * np.minimum(drift / 0.08, 1.0) * np.exp(-drift / 0.5)
        draw(at_s, side * wave, HORIZONTAL)
    for at_s in np.arange(202.0, 295.0, 2.9):
        draw(at_s, 110.0 * np.hanning(round(0.33 * RATE_HZ)), VERTICAL)
    for i, at_s in enumerate(np.arange(302.0, 485.0, 15.0)):
        draw(at_s, rolling(8.0, 0.3 + 0.05 * (i % 4), 28.0 + 6 * (i % 5)), HORIZONTAL)
    for at_s in np.arange(502.0, 595.0, 2.6):
        draw(at_s, tone(1.0, 1.0, 180.0), SLOW_WAVE)
    for at_s in np.arange(1.0, SECONDS - 1, 0.95):
        draw(at_s, 20.0 * np.hanning(round(0.06 * RATE_HZ)), HEART)
    return head


@cache
def recorded(*labels: str) -> Evidence:
    """The night by these derivations: frontal, central and both eyes'; "LE" is both mastoids."""
    head = {**potentials(), "LE": (potentials()["M1"] + potentials()["M2"]) / 2}
    roles = (Role.FRONTAL, Role.CENTRAL, Role.LEFT_EYE, Role.RIGHT_EYE)
    pairs = (label.split("-") for label in labels)
    return measure(montage({r: head[a] - head[b] for r, (a, b) in zip(roles, pairs, strict=True)}))


def share_alike(some: Sequence[Event], others: Sequence[Event]) -> float:
    """Of the events of the recording that has more, those with both ends alike."""
    here, there = (np.array([(e.start_s, e.end_s) for e in events]) for events in (some, others))
    gaps = np.abs(here[:, None] - there[None]).max(axis=2)
    return float((gaps.min(axis=1) <= SAME_S + 1e-9).sum()) / max(len(here), len(there))


def test_all_that_the_eyes_do_is_found_as_recommended() -> None:
    evidence = recorded(*PLANNED)
    assert len(found(evidence, RAPID)) == pytest.approx(52, abs=2)
    assert len(found(evidence, BLINKS)) == pytest.approx(33, abs=1)
    assert len(found(evidence, SLOW)) == pytest.approx(13, abs=1)


@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize(
    "derivations",
    [
        pytest.param(("F4-M1", "C4-M1", "E1-M2", "E2-M1"), id="contralateral"),
        pytest.param(("F4-M1", "C4-M1", "E1-M1", "E2-M2"), id="ipsilateral"),
        pytest.param(("F4-M1", "C4-M1", "E1-M1", "E2-M1"), id="both eyes to M1"),
        pytest.param(("F4-LE", "C4-LE", "E1-LE", "E2-LE"), id="linked mastoids"),
        pytest.param(("F3-M2", "C3-M2", "E1-M2", "E2-M2"), id="backup EEG"),
        pytest.param(("Fz-Cz", "C4-M1", "E1-M2", "E2-M2"), id="alternative EEG"),
    ],
)
def test_another_reference_shows_the_same(derivations: tuple[str, ...], kind: Phenomenon) -> None:
    planned, here = (found(recorded(*labels), kind) for labels in (PLANNED, derivations))
    assert len(here) == pytest.approx(len(planned), rel=0.05)
    assert share_alike(here, planned) >= LEAST[kind]
