"""Eye movements on a second simulator, which shares nothing with the phantom.

    pytest -m benchmark -s tests/benchmarks/bench_evidence_eyes.py

The phantom draws an eye movement as a smooth step and a blink as a bell. Here saccades are
sigmoids from which the eye drifts back exponentially, jumps back, or goes on to the other side;
lids fall faster than they rise while the eyes turn up behind them; slow eye movements drift in
frequency and amplitude; slow waves, K complexes, alpha, heart beats and muscle reach the eyes'
electrodes as each montage lets them; and the amplifier's high-pass bends all of it. Amplitudes
run from 40 to 300 µV.

For each montage: recall and precision at probability ≥ 0.5, how many likely events there are on
one true movement, and the reliability table of ``bench_evidence_phantom.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from bench_evidence_phantom import BINS, Count, Times, overlap, times
from scipy import signal as sp

from auditor.evidence import measure
from auditor.vocabulary import (
    Channel,
    Derivation,
    Evidence,
    Montage,
    Phenomenon,
    Recording,
    Role,
    Samples,
)

MINUTES = 40
RATE_HZ = 256
HIGH_PASS_HZ = 0.3

RAPID = Phenomenon.RAPID_EYE_MOVEMENTS
SLOW = Phenomenon.SLOW_EYE_MOVEMENTS
BLINK = Phenomenon.EYE_BLINKS

LEAST: Mapping[Phenomenon, tuple[float, float]] = {
    RAPID: (0.80, 0.85),
    BLINK: (0.70, 0.80),
    SLOW: (0.60, 0.70),
}
"""Recall and precision."""

ELECTRODES = ("E1", "E2", "M1", "M2", "Fpz", "F4")
HORIZONTAL = {"E1": 1.0, "E2": -1.0}
VERTICAL_ONE_ABOVE = {"E1": -1.0, "E2": 1.0, "Fpz": 1.6, "F4": 0.3}
VERTICAL_BOTH_BELOW = {"E1": -1.0, "E2": -1.0, "Fpz": 1.6, "F4": 0.3}
FRONTAL_EEG = {"E1": 0.4, "E2": 0.6, "Fpz": 1.0, "F4": 1.0, "M1": 0.05, "M2": 0.2}
OCCIPITAL_EEG = {"E1": 0.1, "E2": 0.1, "F4": 0.25, "M1": 0.3, "M2": 0.3}
HEART = {"M1": 1.0, "M2": -0.7}


@dataclass(frozen=True, slots=True)
class Electrodes:
    """Which electrodes the eye channels join, and whether both eyes' lie below the eyes."""

    left: tuple[str, str]
    right: tuple[str, str]
    both_below: bool = False


MONTAGES: Mapping[str, Electrodes] = {
    "E1-M2, E2-M2": Electrodes(("E1", "M2"), ("E2", "M2")),
    "E1-M2, E2-M1": Electrodes(("E1", "M2"), ("E2", "M1")),
    "E1-M1, E2-M1": Electrodes(("E1", "M1"), ("E2", "M1")),
    "E1-Fpz, E2-Fpz, both below": Electrodes(("E1", "Fpz"), ("E2", "Fpz"), both_below=True),
}


@dataclass
class Head:
    """The potential of each electrode, µV, and what the eyes truly did."""

    rng: np.random.Generator
    n_samples: int
    potential: dict[str, Samples]
    right_eye: float
    truth: dict[Phenomenon, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @classmethod
    def at_rest(cls, seed: int, noise_uv: float) -> Head:
        rng = np.random.default_rng(seed)
        n_samples = MINUTES * 60 * RATE_HZ
        head = cls(rng, n_samples, {}, rng.uniform(0.6, 1.2))
        for electrode in ELECTRODES:
            head.potential[electrode] = noise_uv * _pink(rng, n_samples)
        head.add(0.0, 12.0 * _pink(rng, n_samples), FRONTAL_EEG)
        return head

    def add(self, at_s: float, wave: Samples, topography: Mapping[str, float]) -> None:
        first = round(at_s * RATE_HZ)
        past = min(first + len(wave), self.n_samples)
        unlike = self.right_eye * self.between(0.85, 1.15)
        for electrode, share in topography.items():
            if electrode == "E2" and topography not in (FRONTAL_EEG, OCCIPITAL_EEG):
                share = share * unlike  # no two eyes see alike
            self.potential[electrode][first:past] += share * wave[: past - first]

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def amplitude_uv(self) -> float:
        """From 40 to 300 µV, the smaller the likelier."""
        return float(np.exp(self.between(np.log(40), np.log(300))))


def _pink(rng: np.random.Generator, n_samples: int) -> Samples:
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    phases = rng.normal(size=len(frequency_hz)) + 1j * rng.normal(size=len(frequency_hz))
    noise = np.fft.irfft(phases / np.maximum(frequency_hz, 0.5) ** 0.8, n_samples)
    pink: Samples = noise / noise.std()
    return pink


def _time(seconds: float) -> Samples:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _sigmoid(t: Samples, at: float, rise_s: float) -> Samples:
    steps: Samples = 1 / (1 + np.exp(-(t - at) / (rise_s / 8)))
    return steps


# ── what the eyes do ──────────────────────────────────────────────────────────────────────


def _saccade(head: Head, at_s: float, vertical: Mapping[str, float]) -> float:
    """One movement, or one to each side; the time at which the eye is back or rests."""
    rise_s, rest_s = head.between(0.05, 0.18), head.between(0.15, 0.7)
    drift_s = head.between(0.25, 1.2)
    t = _time(4.0)
    kind = head.rng.choice(["drifts back", "jumps back", "crosses over"])
    wave = _sigmoid(t, rise_s / 2, rise_s)
    end_s = at_s + rise_s + drift_s
    if kind == "drifts back":
        wave = wave * np.exp(-np.maximum(t - rise_s, 0) / drift_s)
    else:
        back = 1.0 if kind == "jumps back" else 2.0
        wave = wave - back * _sigmoid(t, rise_s + rest_s, rise_s)
        wave = np.where(t > 2 * rise_s + rest_s, wave * np.exp(-(t - rest_s) / drift_s), wave)
        end_s = at_s + 1.5 * rise_s + rest_s
    topography = vertical if head.rng.random() < 0.2 else HORIZONTAL
    sign = head.rng.choice([-1.0, 1.0])
    head.add(at_s, sign * head.amplitude_uv() * wave * (1 - _sigmoid(t, 3.3, 0.8)), topography)
    head.truth[RAPID].append((at_s, end_s))
    if kind == "crosses over":
        head.truth[RAPID].append((end_s, end_s + drift_s))
        end_s += drift_s
    return end_s


def _blink(head: Head, at_s: float, vertical: Mapping[str, float], size_uv: float) -> float:
    """The lid falls, and rises more slowly; the eyes turn up behind it and come back."""
    down_s, up_s = head.between(0.07, 0.12), head.between(0.14, 0.3)
    t = _time(1.2)
    lid = np.where(t < down_s, t / down_s, np.exp(-(((t - down_s) / (0.6 * up_s)) ** 2)))
    bell = -head.between(0.0, 0.25) * np.exp(-(((t - down_s - up_s) / 0.12) ** 2))
    head.add(at_s, size_uv * head.between(0.75, 1.3) * (np.sqrt(lid) * lid + bell), vertical)
    head.truth[BLINK].append((at_s, at_s + down_s + up_s))
    return at_s + down_s + up_s


def _rolling(head: Head, at_s: float, lasting_s: float) -> None:
    t = _time(lasting_s)
    steps = head.rng.normal(size=(2, len(t) // RATE_HZ + 2))
    every_s = np.arange(steps.shape[1])
    hz = np.interp(t, every_s, np.clip(0.33 + 0.06 * steps[0], 0.2, 0.5))
    size = np.interp(t, every_s, np.clip(1 + 0.3 * steps[1], 0.5, 1.6))
    edges = np.minimum(np.minimum(t, lasting_s - t) / 1.0, 1.0)
    amplitude_uv = float(np.exp(head.between(np.log(25), np.log(110))))
    wave = amplitude_uv * size * edges * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)
    head.add(at_s, wave, HORIZONTAL)
    head.truth[SLOW].append((at_s, at_s + lasting_s))


# ── what the rest of the head does ────────────────────────────────────────────────────────


def _slow_wave(head: Head, at_s: float) -> float:
    lasting_s = head.between(0.6, 1.6)
    t = _time(lasting_s)
    head.add(at_s, -head.between(40, 130) * np.sin(2 * np.pi * t / lasting_s), FRONTAL_EEG)
    return at_s + lasting_s


def _k_complex(head: Head, at_s: float) -> None:
    t = _time(1.2)
    down, up = (np.exp(-(((t - at) / width) ** 2)) for at, width in ((0.3, 0.1), (0.65, 0.2)))
    head.add(at_s, head.between(60, 160) * (0.6 * up - down), FRONTAL_EEG)


def _alpha(head: Head, at_s: float, lasting_s: float) -> None:
    t = _time(lasting_s)
    waxing = np.abs(np.sin(2 * np.pi * 0.3 * t))
    head.add(at_s, 25 * waxing * np.sin(2 * np.pi * 10 * t), OCCIPITAL_EEG)


def _muscle(head: Head, at_s: float) -> None:
    """Temples and jaw tense up; each electrode has its own muscle."""
    lasting_s = head.between(0.5, 4.0)
    n_samples = round(lasting_s * RATE_HZ)
    for electrode in ELECTRODES[:4]:
        noise = np.diff(head.rng.normal(size=n_samples + 1))
        head.add(at_s, head.between(5, 25) * noise * np.hanning(n_samples), {electrode: 1.0})


def _heart(head: Head) -> None:
    t = _time(0.6)
    beat = np.exp(-(((t - 0.05) / 0.012) ** 2)) + 0.2 * np.exp(-(((t - 0.3) / 0.05) ** 2))
    size_uv = head.between(5, 30)
    for at_s in np.cumsum(head.rng.normal(0.95, 0.05, MINUTES * 60)):
        if at_s < MINUTES * 60 - 1:
            head.add(float(at_s), size_uv * beat, HEART)


# ── a night in forty minutes ──────────────────────────────────────────────────────────────


def simulated(seed: int, electrodes: Electrodes) -> tuple[Montage, Mapping[Phenomenon, Times]]:
    """Ten minutes each of open eyes, drowsiness, NREM and REM sleep."""
    head = Head.at_rest(seed, noise_uv=3.0 + seed % 3)
    vertical = VERTICAL_BOTH_BELOW if electrodes.both_below else VERTICAL_ONE_ABOVE
    quarter_s = MINUTES * 15
    _open_eyes(head, 2.0, quarter_s, vertical)
    _drowsy(head, quarter_s, 2 * quarter_s)
    _asleep(head, 2 * quarter_s, 3 * quarter_s)
    _dreaming(head, 3 * quarter_s, 4 * quarter_s - 5, vertical)
    _heart(head)
    for _ in range(MINUTES):
        _muscle(head, head.between(0, MINUTES * 60 - 5))
    channels = {
        Role.LEFT_EYE: electrodes.left,
        Role.RIGHT_EYE: electrodes.right,
        Role.FRONTAL: ("F4", "M1"),
    }
    roles = {
        role: Derivation(Channel.of_array("-".join(pair), RATE_HZ, _amplified(head, *pair)))
        for role, pair in channels.items()
    }
    recording = Recording("eyes", None, MINUTES * 60.0, tuple(d.channel for d in roles.values()))
    missing = {role: "not recorded" for role in Role if role not in roles}
    truth = {kind: np.array(spans).reshape(-1, 2) for kind, spans in head.truth.items()}
    return Montage(recording, roles, missing), truth


def _amplified(head: Head, electrode: str, reference: str) -> Samples:
    """What a first-order high-pass leaves of the difference."""
    difference = head.potential[electrode] - head.potential[reference]
    decay = np.exp(-2 * np.pi * HIGH_PASS_HZ / RATE_HZ)
    amplified: Samples = sp.lfilter([1, -1], [1, -decay], difference)
    return amplified


def _open_eyes(head: Head, at_s: float, end_s: float, vertical: Mapping[str, float]) -> None:
    blink_uv = head.amplitude_uv()
    while at_s < end_s - 5:
        if head.rng.random() < 0.7:
            at_s = _blink(head, at_s, vertical, blink_uv)
        else:
            at_s = _saccade(head, at_s, vertical)
        at_s += head.between(0.4, 4.0)


def _drowsy(head: Head, at_s: float, end_s: float) -> None:
    while at_s < end_s - 30:
        lasting_s = head.between(5, 22)
        _rolling(head, at_s, lasting_s)
        at_s += lasting_s + head.between(2, 8)
        _alpha(head, at_s, 5.0)
        at_s += 6.0


def _asleep(head: Head, at_s: float, end_s: float) -> None:
    while at_s < end_s - 30:
        _k_complex(head, at_s)
        at_s += head.between(2, 10)
        for _ in range(head.rng.integers(0, 12)):
            at_s = _slow_wave(head, at_s)
        at_s += head.between(1, 4)


def _dreaming(head: Head, at_s: float, end_s: float, vertical: Mapping[str, float]) -> None:
    while at_s < end_s - 20:
        for _ in range(head.rng.integers(1, 8)):
            at_s = _saccade(head, at_s, vertical) + head.between(0.1, 1.5)
        at_s += head.between(2, 15)


# ── how well they are found ───────────────────────────────────────────────────────────────


def tally(truth: Mapping[Phenomenon, Times], evidence: Evidence, kind: Phenomenon) -> Count:
    """One phenomenon of one night."""
    events = [e for e in evidence.events if e.kind is kind]
    probability = np.array([e.probability for e in events])
    spans, true = times(events), truth[kind]
    likely = spans[probability >= 0.5]
    bins, real = np.digitize(probability, BINS[1:-1]), overlap(spans, true)
    size = len(BINS) - 1
    return Count(
        len(true),
        overlap(true, likely).sum(),
        len(likely),
        overlap(likely, true).sum(),
        np.bincount(bins, minlength=size),
        np.bincount(bins[real], minlength=size),
    )


def together(some: Count, more: Count) -> Count:
    return Count(
        some.true + more.true,
        some.recalled + more.recalled,
        some.found + more.found,
        some.correct + more.correct,
        some.candidates + more.candidates,
        some.real + more.real,
    )


@pytest.mark.benchmark
@pytest.mark.parametrize("name", MONTAGES)
def test_eye_movements_of_other_shapes_are_found(name: str) -> None:
    counts: dict[Phenomenon, Count] = defaultdict(Count)
    for seed in range(5):
        montage, truth = simulated(seed, MONTAGES[name])
        evidence = measure(montage)
        for kind in (RAPID, BLINK, SLOW):
            counts[kind] = together(counts[kind], tally(truth, evidence, kind))
    print(f"\n{name}")
    for kind, total in counts.items():
        marks = total.correct / max(total.recalled, 1)
        print(f"{total.line(kind.value)}   {marks:.2f} marks on each")
    for kind, (recall, precision) in LEAST.items():
        assert counts[kind].recalled >= recall * counts[kind].true, kind
        assert counts[kind].correct >= precision * counts[kind].found, kind
