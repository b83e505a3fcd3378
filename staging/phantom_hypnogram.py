"""The course of a simulated night's sleep: cycles, their depth, and what breaks them off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import numpy as np

from auditor.vocabulary import Samples, Stage
from staging.phantom_plan import Subject

Rng = np.random.Generator

_CYCLE_EPOCHS = 180  # 90 min (doi:10.1016/0013-4694(57)90088-3)
# Shares of deep sleep and of R in one cycle after the other: deep sleep early, R late
# (doi:10.1093/sleep/27.7.1255 for the shares of a whole night).
_DEEP_SHARE = (0.36, 0.28, 0.14, 0.06, 0.03)
_R_SHARE = (0.10, 0.20, 0.26, 0.32, 0.36)


def course_of_sleep(rng: Rng, n_epochs: int, subject: Subject) -> tuple[list[Stage], Samples]:
    """Stages and, for NREM sleep, how deep each epoch is, 0 to 1: ``(n_epochs,)``.

    A recording shorter than a cycle and a half gets shorter cycles, so that it still holds
    every stage.
    """
    stretch = min(1.0, n_epochs / (1.25 * _CYCLE_EPOCHS))
    course = list(islice(_epochs_of_sleep(rng, subject, stretch), n_epochs))
    last_wake = int(rng.integers(3, 25)) if n_epochs > 2 * _CYCLE_EPOCHS else 0
    course[n_epochs - last_wake :] = [(Stage.W, 0.0)] * last_wake
    depth = np.array([deep for _, deep in course])
    wobble = np.convolve(rng.normal(0.0, 0.12, n_epochs + 2), np.ones(3) / 3, mode="valid")
    return [stage for stage, _ in course], np.clip(depth + wobble, 0.05, 1.0)


def _epochs_of_sleep(rng: Rng, subject: Subject, stretch: float) -> Iterator[tuple[Stage, float]]:
    latency = int(np.clip(26 * np.exp(rng.normal(0.0, 0.5)) * stretch, 3, 80))
    yield from [(Stage.W, 0.0)] * latency
    for cycle in count():
        length = int(rng.normal(_CYCLE_EPOCHS, 18) * stretch)
        late = min(cycle, len(_R_SHARE) - 1)
        deep = int(length * _DEEP_SHARE[late] * rng.uniform(0.75, 1.25))
        rem = int(length * _R_SHARE[late] * rng.uniform(0.75, 1.25))
        light = max(length - deep - rem, 8)
        into, out_of = int(0.45 * light), int(0.55 * light)
        yield from [(Stage.N1, 0.0)] * int(rng.integers(3, 9) if cycle == 0 else rng.integers(1, 4))
        yield from _broken(rng, Stage.N2, np.linspace(0.2, 0.5, into), subject)
        yield from _broken(rng, Stage.N3, 0.7 + 0.28 * np.sin(np.linspace(0.3, 2.9, deep)), subject)
        yield from _broken(rng, Stage.N2, np.linspace(0.45, 0.15, out_of), subject)
        yield from _broken(rng, Stage.R, np.zeros(max(rem, 4)), subject)
        if rng.random() < 0.6 * subject.fragmentation:
            yield from [(Stage.W, 0.0)] * (1 + int(rng.exponential(9) * stretch))


def _broken(
    rng: Rng, stage: Stage, depths: Samples, subject: Subject
) -> Iterator[tuple[Stage, float]]:
    """A stretch of one stage, broken off now and then and taken up again."""
    mean_run = {Stage.N2: 28, Stage.N3: 60, Stage.R: 20}[stage] / subject.fragmentation
    left = max(4, int(rng.exponential(mean_run)))
    for i, deep in enumerate(depths):
        yield stage, float(deep)
        left -= 1
        if left > 0 or i > len(depths) - 4:
            continue
        left = max(4, int(rng.exponential(mean_run)))
        if rng.random() < 0.4:
            yield from [(Stage.W, 0.0)] * (1 + int(rng.exponential(3)))
        if stage is Stage.R and rng.random() < 0.25:
            yield from [(Stage.N2, 0.2)] * int(rng.integers(1, 4))
        else:
            yield from [(Stage.N1, 0.0)] * int(rng.integers(1, 4))
        if stage is Stage.N3:
            yield from [(Stage.N2, 0.4)] * int(rng.integers(2, 6))
