"""How well events are found in simulated nights, and what their probabilities are worth.

    pytest -m benchmark -s tests/benchmarks/bench_evidence_phantom.py

For each phenomenon: recall and precision at probability ≥ 0.5, and a reliability table: of the
candidates whose probability lies within a bin, the share that is true. For the seconds of slow
waves: by how much they are over, and in how many epochs the truth lies within their bounds.
Nights differ by seed and by how they were recorded: clean, usual, noisy with weak signs, an old
sleeper, and another montage at another rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from auditor.evidence import measure
from auditor.vocabulary import Event, Evidence, Phenomenon, Role
from staging.montage import choose_montage
from staging.phantom import Phantom, simulate
from staging.phantom_plan import PhantomSettings

HOURS = 3.0
NIGHTS: Mapping[str, tuple[PhantomSettings, tuple[int, ...]]] = {
    "clean": (PhantomSettings(hours=HOURS, disturbances_per_hour=0.0), (0, 1, 2, 3, 4)),
    "usual": (PhantomSettings(hours=HOURS), (10, 11)),
    "hard": (PhantomSettings.hard(HOURS), (20, 21)),
    "old": (PhantomSettings(hours=HOURS, slow_wave_amplitude=0.6), (30, 31)),
    "128 Hz, upside down": (
        PhantomSettings(hours=HOURS, sampling_rate_hz=128, inverted=True),
        (40, 41),
    ),
}
IN_CHANNEL: Mapping[Phenomenon, Role | None] = {
    Phenomenon.ALPHA_RHYTHM: Role.OCCIPITAL,
    Phenomenon.SLEEP_SPINDLE: Role.CENTRAL,
    Phenomenon.K_COMPLEX: Role.FRONTAL,
    Phenomenon.SLOW_WAVE_ACTIVITY: Role.FRONTAL,
    Phenomenon.VERTEX_SHARP_WAVES: Role.CENTRAL,
    Phenomenon.SAWTOOTH_WAVES: Role.CENTRAL,
    Phenomenon.RAPID_EYE_MOVEMENTS: None,
    Phenomenon.SLOW_EYE_MOVEMENTS: None,
    Phenomenon.EYE_BLINKS: None,
    Phenomenon.READING_EYE_MOVEMENTS: None,
    Phenomenon.AROUSAL: None,
    Phenomenon.MAJOR_BODY_MOVEMENT: None,
}
"""In which channel each is looked at: that of a role, or, where None, any."""
BY_SECONDS = {Phenomenon.ALPHA_RHYTHM, Phenomenon.SLOW_WAVE_ACTIVITY}
"""Long or dense ones are compared by overlapped seconds, the others one by one."""
LEAST_CLEAN: Mapping[Phenomenon, tuple[float, float]] = {
    Phenomenon.SLEEP_SPINDLE: (0.85, 0.85),
    Phenomenon.K_COMPLEX: (0.75, 0.75),
    Phenomenon.SLOW_WAVE_ACTIVITY: (0.90, 0.85),
    Phenomenon.ALPHA_RHYTHM: (0.90, 0.80),
    Phenomenon.RAPID_EYE_MOVEMENTS: (0.80, 0.85),
    Phenomenon.EYE_BLINKS: (0.70, 0.80),
    Phenomenon.SLOW_EYE_MOVEMENTS: (0.60, 0.70),
}
"""Recall and precision that clean nights must reach. Waves just below 75 µV cost precision."""
LEAST_WITHIN_BOUNDS = 0.8
"""Of clean epochs with slow waves, those whose true seconds lie within the measure's bounds."""
BINS = (0.02, 0.1, 0.15, 0.3, 0.5, 0.7, 0.9, 1.0)

Times = npt.NDArray[np.float64]


@dataclass
class Count:
    """Of one phenomenon: true, found and hit (events, or seconds), and candidates by bin."""

    true: float = 0.0
    recalled: float = 0.0
    found: float = 0.0
    correct: float = 0.0
    candidates: npt.NDArray[np.int_] = field(default_factory=lambda: np.zeros(len(BINS) - 1, int))
    real: npt.NDArray[np.int_] = field(default_factory=lambda: np.zeros(len(BINS) - 1, int))

    def line(self, name: str) -> str:
        recall = self.recalled / self.true if self.true else np.nan
        precision = self.correct / self.found if self.found else np.nan
        shares = (
            f"{r / n:5.2f} ({n:5d})" if n else "    -        "
            for r, n in zip(self.real, self.candidates, strict=True)
        )
        return f"{name:24} {self.true:7.0f} {recall:6.2f} {precision:9.2f}   " + " ".join(shares)


def times(events: Iterable[Event]) -> Times:
    return np.array([(e.start_s, e.end_s) for e in events], dtype=float).reshape(-1, 2)


def events_of(evidence: Evidence, kind: Phenomenon, role: Role | None) -> list[Event]:
    """The events of a kind in the channel of a role; in all channels where that is None."""
    label = evidence.channels[role].label if role else None
    return [e for e in evidence.events if e.kind is kind and label in (None, e.channel)]


def overlap(some: Times, others: Times, margin_s: float = 0.0) -> npt.NDArray[np.bool_]:
    """For each of some, whether it overlaps any of the others."""
    if not len(others):
        return np.zeros(len(some), dtype=bool)
    order = np.argsort(others[:, 0])
    starts, ends = others[order, 0] - margin_s, np.maximum.accumulate(others[order, 1]) + margin_s
    last = np.searchsorted(starts, some[:, 1]) - 1
    return (last >= 0) & (ends[np.maximum(last, 0)] > some[:, 0])


def seconds(spans: Times, duration_s: float) -> npt.NDArray[np.bool_]:
    """A mask of hundredths of a second."""
    mask = np.zeros(round(duration_s * 100), dtype=bool)
    for start, end in (spans * 100).round().astype(int):
        mask[max(start, 0) : end] = True
    return mask


def count(phantom: Phantom, evidence: Evidence, into: dict[Phenomenon, Count]) -> None:
    """Adds one night.

    K complexes within slow waves, slow waves at K complexes, and alpha at arousals (which are
    shifts to it) are not counted: they are one thing by two names.
    """
    truth = {kind: times(e for e in phantom.events if e.kind is kind) for kind in IN_CHANNEL}
    aside = {
        Phenomenon.K_COMPLEX: truth[Phenomenon.SLOW_WAVE_ACTIVITY],
        Phenomenon.SLOW_WAVE_ACTIVITY: truth[Phenomenon.K_COMPLEX],
        Phenomenon.ALPHA_RHYTHM: truth[Phenomenon.AROUSAL],
    }
    for kind, role in IN_CHANNEL.items():
        events = events_of(evidence, kind, role)
        probability = np.array([e.probability for e in events])
        spans, true = times(events), truth[kind]
        if kind in aside:
            other = aside[kind]
            keep = overlap(spans, true) | ~overlap(spans, other, 0.5)
            spans, probability = spans[keep], probability[keep]
            if kind not in BY_SECONDS:
                true = true[~overlap(true, other)]
                inside = overlap(spans, other, 0.5)
                spans, probability = spans[~inside], probability[~inside]
        likely = spans[probability >= 0.5]
        total = into[kind]
        if kind in BY_SECONDS:
            duration_s = phantom.recording.duration_s
            is_true, is_found = seconds(true, duration_s), seconds(likely, duration_s)
            total.true += is_true.sum() / 100
            total.found += is_found.sum() / 100
            total.recalled += (is_true & is_found).sum() / 100
            total.correct += (is_true & is_found).sum() / 100
        else:
            total.true += len(true)
            total.found += len(likely)
            total.recalled += overlap(true, likely).sum()
            total.correct += overlap(likely, true).sum()
        bins = np.digitize(probability, BINS[1:-1])
        total.candidates += np.bincount(bins, minlength=len(BINS) - 1)
        total.real += np.bincount(bins[overlap(spans, true)], minlength=len(BINS) - 1)


@dataclass
class SlowWaveSeconds:
    """Of epochs that hold slow waves: seconds too many or too few, and whether the bounds hold."""

    over_s: list[float] = field(default_factory=list)
    within: list[bool] = field(default_factory=list)

    def add(self, phantom: Phantom, evidence: Evidence) -> None:
        for truth, epoch in zip(phantom.epochs, evidence.epochs, strict=True):
            seconds = epoch.measures.get("slow_wave_seconds")
            if seconds is not None and truth.slow_wave_seconds > 0:
                self.over_s.append(float(seconds.value) - truth.slow_wave_seconds)
                self.within.append(
                    float(seconds.low) <= truth.slow_wave_seconds <= float(seconds.high)
                )

    def __str__(self) -> str:
        return (
            f"slow-wave seconds over by {np.mean(self.over_s):.2f} ± {np.std(self.over_s):.2f} s, "
            f"truth within bounds in {np.mean(self.within):.2f} of {len(self.within)} epochs"
        )


def measured_nights(name: str) -> tuple[dict[Phenomenon, Count], SlowWaveSeconds]:
    settings, seeds = NIGHTS[name]
    counts: dict[Phenomenon, Count] = defaultdict(Count)
    slow_waves = SlowWaveSeconds()
    for seed in seeds:
        phantom = simulate(seed, settings)
        evidence = measure(choose_montage(phantom.recording))
        count(phantom, evidence, counts)
        slow_waves.add(phantom, evidence)
    return counts, slow_waves


@pytest.mark.benchmark
@pytest.mark.parametrize("name", NIGHTS)
def test_events_are_found_and_probabilities_mean_something(name: str) -> None:
    counts, slow_waves = measured_nights(name)
    bins = " ".join(f"{low:4.2f}-{high:4.2f}   " for low, high in pairwise(BINS))
    print(f"\n{name}\n{'':24} {'true':>7} recall precision   {bins}")
    for kind, total in counts.items():
        print(total.line(kind.value))
    print(slow_waves)
    if name == "clean":
        for kind, (recall, precision) in LEAST_CLEAN.items():
            assert counts[kind].recalled >= recall * counts[kind].true, kind
            assert counts[kind].correct >= precision * counts[kind].found, kind
        assert np.mean(slow_waves.within) >= LEAST_WITHIN_BOUNDS
