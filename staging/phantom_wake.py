"""Wake, drowsiness and R of a simulated night: alpha, vertex waves, and what the eyes do."""

from __future__ import annotations

import numpy as np

from auditor.vocabulary import EPOCH_S, Phenomenon, Stage
from staging.phantom_diary import Diary
from staging.phantom_plan import Disturbance, DisturbanceKind, PlannedEvent


def wake(diary: Diary, start: float, end: float, falling_asleep: bool) -> None:
    """Spells of closed eyes with alpha, and of open eyes that blink, look about, or read."""
    while start < end:
        stop = start + EPOCH_S * (1 + diary.rng.geometric(0.3))
        last = end - stop < EPOCH_S
        stop = end if last else stop
        closed = diary.rng.random() < (0.9 if last and falling_asleep else 0.6)
        if closed and diary.subject.alpha_producer:
            alpha_runs(diary, start, stop, share=0.89, longest=16.0)
            if last and falling_asleep and diary.rng.random() < 0.6:
                _rolling_eyes(diary, max(start, stop - 90), stop, 0.5)
            else:
                _open_eyes(diary, start, stop, 4.0, blinks=0.9)
        elif diary.rng.random() < 0.15:
            _reading(diary, start, stop)
        else:
            _open_eyes(diary, start, stop, 1.1, blinks=float(diary.rng.choice([0.05, 0.95])))
            if diary.subject.alpha_producer:
                alpha_runs(diary, start, stop, share=0.05, longest=2.0)
        start = stop


def drowsiness(diary: Diary, start: float, end: float) -> None:
    """N1: eyes roll, vertex waves come, alpha is left in scraps after wake."""
    after_wake = start > 0 and diary.stages[int((start - 8) // EPOCH_S)] is Stage.W
    if diary.subject.alpha_producer:
        share = diary.between(0.1, 0.3) if after_wake else 0.06
        alpha_runs(diary, start, min(start + 40, end), share, longest=4.0)
        alpha_runs(diary, start + 40, end, 0.04, longest=2.5)
    _rolling_eyes(diary, start, end, diary.between(0.35, 0.8))
    for time in diary.times(start + 5, end - 1, 1.6):
        amplitude = diary.about(70, 0.2, 45, 130)
        event = PlannedEvent(
            Phenomenon.VERTEX_SHARP_WAVES, time, diary.between(0.18, 0.35), amplitude
        )
        diary.plant(event, diary.eeg, room_s=0.2)


def rem_bursts(diary: Diary, start: float, end: float) -> None:
    """Eye movements in bursts; sawtooth waves ahead of some, twitches of the chin within.

    Alpha comes in scraps, 1 to 2 Hz slower than in wake (AASM scoring manual, stage R).
    """
    if diary.subject.alpha_producer:
        alpha_runs(diary, start, end, share=0.02, longest=2.5, slower_hz=1.3)
    time = start + diary.between(1, 8)
    while time < end - 4:
        if diary.rng.random() < 0.3:
            duration = diary.between(1.5, 4)
            waves = PlannedEvent(
                Phenomenon.SAWTOOTH_WAVES,
                time,
                duration,
                diary.about(42, 0.2, 25, 70),
                diary.between(2.2, 4.5),
            )
            if diary.plant(waves, diary.eeg):
                time += duration + diary.between(0.2, 1.0)
        for _ in range(1 + diary.rng.poisson(3.5)):
            event = rapid_eye_movement(diary, time)
            if event.end_s > end - 1:
                break
            diary.plant(event, diary.eyes, room_s=0.02)
            time = event.end_s + diary.about(0.35, 0.7, 0.05, 3)
        if diary.rng.random() < 0.35:
            _twitch(diary, time - diary.between(0, 2))
        tonic = diary.rng.random() < 0.25
        time += 25 + diary.rng.exponential(40) if tonic else 2 + diary.rng.exponential(9)


def _twitch(diary: Diary, time: float) -> None:
    diary.twitches.append(
        Disturbance(
            DisturbanceKind.CHIN_TWITCH,
            time,
            diary.between(0.1, 0.5),
            diary.about(5, 0.4, 2.5, 12),
        )
    )


def alpha_runs(
    diary: Diary, start: float, end: float, share: float, longest: float, slower_hz: float = 0.0
) -> None:
    time = start + diary.between(0, 0.5) if share > 0.5 else start + diary.between(0, 15)
    while time < end - 1.0:
        duration = min(diary.between(0.25, 1.0) * longest, end - time)
        event = PlannedEvent(
            Phenomenon.ALPHA_RHYTHM,
            time,
            duration,
            diary.about(diary.subject.alpha_uv, 0.15),
            float(np.clip(diary.rng.normal(diary.subject.alpha_hz - slower_hz, 0.2), 8.0, 12.5)),
        )
        if not diary.plant(event, diary.alpha):
            time += 0.5  # an arousal that leads into wake ends in alpha of its own
            continue
        gap = diary.between(0.6, 1.4) * duration * (1 - share) / share
        time += duration + max(gap, 0.4)


def _open_eyes(diary: Diary, start: float, end: float, every_s: float, blinks: float) -> None:
    time = start + diary.between(0, every_s)
    while time < end - 1:
        if diary.rng.random() < blinks:
            event = PlannedEvent(
                Phenomenon.EYE_BLINKS,
                time,
                diary.between(0.3, 0.5),
                diary.about(1.15 * diary.subject.rapid_eye_movement_uv, 0.2, 45, 250),
                vertical=True,
            )
        else:
            event = rapid_eye_movement(diary, time)
        diary.plant(event, diary.eyes, room_s=0.05)
        time = event.end_s + diary.about(every_s - 0.4, 0.4, 0.1, 8)


def rapid_eye_movement(diary: Diary, time: float) -> PlannedEvent:
    return PlannedEvent(
        Phenomenon.RAPID_EYE_MOVEMENTS,
        time,
        diary.between(0.45, 1.1),
        diary.about(diary.subject.rapid_eye_movement_uv, 0.28, 40, 260),
        direction=1 if diary.rng.random() < 0.5 else -1,
        vertical=bool(diary.rng.random() < 0.25),
    )


def _reading(diary: Diary, start: float, end: float) -> None:
    while start < end - 6:
        event = PlannedEvent(
            Phenomenon.READING_EYE_MOVEMENTS,
            start + diary.between(0, 3),
            min(diary.about(25, 0.4, 10, 60), end - start - 3),
            diary.about(0.9 * diary.subject.rapid_eye_movement_uv, 0.2, 50, 160),
            diary.between(0.3, 0.5),
        )
        diary.plant(event, diary.eyes)
        start = event.end_s


def _rolling_eyes(diary: Diary, start: float, end: float, share: float) -> None:
    time = start + diary.between(0, 3)
    while time < end - 4:
        duration = min(diary.about(9, 0.4, 4, 25), end - time)
        event = PlannedEvent(
            Phenomenon.SLOW_EYE_MOVEMENTS,
            time,
            duration,
            diary.about(0.9 * diary.subject.rapid_eye_movement_uv, 0.25, 35, 180),
            diary.between(0.22, 0.5),
        )
        diary.plant(event, diary.eyes)
        time += duration + diary.rng.exponential(duration * (1 - share) / share)
