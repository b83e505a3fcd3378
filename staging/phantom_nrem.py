"""N2 and N3 of a simulated night: slow waves, K complexes, spindles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from auditor.vocabulary import EPOCH_S, Phenomenon, Role, Samples, Stage
from staging.phantom_diary import Diary
from staging.phantom_plan import PlannedEvent

NREM = (Stage.N2, Stage.N3)

# As sleep deepens from 0 to 1: how much of the time is slow waves, and how large they are, µV.
# Sparse and small in light N2, nearly unbroken in deep N3, where they pass 75 µV (AASM scoring
# manual, stage N3); set so that the spectra of both stages come out as a sleeper's do: see
# tests/benchmarks/bench_phantom_realism.py.
_DEPTHS = (0.1, 0.35, 0.5, 0.65, 1.0)
_SLOW_SHARE = (0.05, 0.15, 0.25, 0.5, 0.78)
_SLOW_UV = (38.0, 44.0, 54.0, 90.0, 122.0)


def slow_waves(diary: Diary) -> None:
    """Trains of waves, each as long as its own period and as large as it happens to be."""
    centres = (np.arange(len(diary.stages)) + 0.5) * EPOCH_S
    scale = diary.subject.slow_wave_uv / 115.0
    for start, end, stage in diary.bouts():
        time = start + diary.between(0.5, 3)
        while stage in NREM and time < end - 2:
            depth = float(np.interp(time, centres, diary.depth))
            share = float(np.interp(depth, _DEPTHS, _SLOW_SHARE))
            typical = float(np.interp(depth, _DEPTHS, _SLOW_UV))
            began = time
            for _ in range(1 + diary.rng.poisson(0.5 + 4 * depth**2)):
                hz = float(np.clip(diary.rng.normal(0.95, 0.27), 0.55, 1.9))
                amplitude = diary.about(typical * scale, 0.3, 25, 260)
                wave = PlannedEvent(Phenomenon.SLOW_WAVE_ACTIVITY, time, 1 / hz, amplitude, hz)
                if wave.end_s > end - 0.5:
                    break
                diary.plant(wave, diary.eeg, room_s=-0.06)  # waves follow without a gap
                time = wave.end_s
            time += diary.rng.exponential(max(time - began, 0.8) * (1 - share) / share) + 0.01


def settle_n3(diary: Diary) -> None:
    """N3 is where slow waves over 75 µV fill 6 s or more; the rest of NREM is N2."""
    seconds = large_slow_seconds(diary)
    for i, stage in enumerate(diary.stages):
        if stage in NREM:
            diary.stages[i] = Stage.N3 if seconds[i] >= 6.0 else Stage.N2
    for i in diary.moved:
        diary.stages[i] = diary.stages[i + 1]  # rule MBM.2
    _keep_clear_of_n3(diary)
    old = dict(_nearest_changes(diary))
    diary.changes = [
        (old.get(i, i * EPOCH_S), stage)
        for i, stage in enumerate(diary.stages)
        if i == 0 or diary.stages[i - 1] != stage
    ]


def _keep_clear_of_n3(diary: Diary) -> None:
    """In N2 epochs close to N3, small large waves are made smaller, lest noise decide."""
    close = large_slow_seconds(diary, over_uv=58)
    for k, event in enumerate(diary.events):
        first, last = (int(time // EPOCH_S) for time in (event.start_s, event.end_s))
        if (
            event.kind is Phenomenon.SLOW_WAVE_ACTIVITY
            and event.amplitude_uv < 88
            and first == last
            and diary.stages[first] is Stage.N2
            and close[first] > 4.5
        ):
            diary.events[k] = replace(event, amplitude_uv=0.65 * event.amplitude_uv)


def _nearest_changes(diary: Diary) -> Iterator[tuple[int, float]]:
    for time, _ in diary.changes:
        yield round(time / EPOCH_S), time


def large_slow_seconds(diary: Diary, over_uv: float = 75.0) -> Samples:
    """Seconds of each epoch within slow waves and K complexes of that size."""
    seconds = np.zeros(len(diary.stages))
    for event in diary.events:
        if (
            event.kind in (Phenomenon.SLOW_WAVE_ACTIVITY, Phenomenon.K_COMPLEX)
            and event.amplitude_uv >= over_uv
        ):
            first = int(event.start_s // EPOCH_S)
            edge = (first + 1) * EPOCH_S
            seconds[first] += min(event.end_s, edge) - event.start_s
            if event.end_s > edge and first + 1 < len(seconds):
                seconds[first + 1] += event.end_s - edge
    return seconds


def signs_of_n2(diary: Diary, returns: list[tuple[float, float]]) -> None:
    """The spindle or K complex that rule N2.1 wants, where N2 begins or comes back."""
    begins = {time: i for i, time in _nearest_changes(diary)}
    spans = list(returns)
    for start, _, stage in diary.bouts():
        i = begins[start]
        if stage is Stage.N2 and i > 0 and diary.stages[i - 1] is not Stage.N3:
            spans.append((start + 0.5, i * EPOCH_S + 13))
    for low, high in spans:
        for _ in range(60):
            time = diary.between(low, high)
            if diary.rng.random() < 0.6:
                planted = _spindle(diary, time)
            else:
                planted = k_complex(diary, time, diary.about(0.85, 0.2, 0.6, 1.3))
            if planted:
                break


def k_complexes(
    diary: Diary, start: float, end: float, stage: Stage, slow_seconds: Samples
) -> None:
    """As many as this person has, but none that would make an epoch N3."""
    rate = diary.subject.k_complexes_per_min * (1.0 if stage is Stage.N2 else 0.1)
    for time in diary.times(start + 1, end - 2, rate):
        epoch = int(time // EPOCH_S)
        duration = diary.about(0.85, 0.2, 0.6, 1.4)
        if stage is Stage.N2 and slow_seconds[epoch] + duration > 4.8:
            continue
        if k_complex(diary, time, duration):
            slow_seconds[epoch] += duration
            if diary.rng.random() < 0.3:
                _spindle(diary, time + duration + diary.between(0.05, 0.2))


def k_complex(diary: Diary, time: float, duration: float) -> bool:
    amplitude = diary.about(diary.subject.k_complex_uv, 0.22, 78, 300)
    event = PlannedEvent(Phenomenon.K_COMPLEX, time, duration, amplitude)
    return diary.plant(event, diary.eeg, room_s=0.05)


def spindles(diary: Diary, start: float, end: float, stage: Stage) -> None:
    rate = diary.subject.spindles_per_min * (1.0 if stage is Stage.N2 else 0.3)
    phase = diary.between(0, 1)
    for time in diary.times(start + 0.5, end - 2.5, 1.6 * rate):
        # Spindles come and go over some 50 s (doi:10.1126/sciadv.1602026).
        if diary.rng.random() < 0.625 * (1 + 0.6 * np.sin(2 * np.pi * (time / 50 + phase))):
            _spindle(diary, time)


def _spindle(diary: Diary, time: float) -> bool:
    slow = diary.rng.random() < 0.25
    centre = diary.subject.spindle_hz - (1.3 if slow else 0.0)
    event = PlannedEvent(
        Phenomenon.SLEEP_SPINDLE,
        time,
        diary.about(0.95, 0.3, 0.55, 2.0),
        diary.about(diary.subject.spindle_uv, 0.22, 0.62 * diary.subject.spindle_uv),
        float(np.clip(diary.rng.normal(centre, 0.35), 11.2, 15.6)),
        Role.FRONTAL if slow else Role.CENTRAL,
    )
    return diary.plant(event, diary.eeg, room_s=0.3)
