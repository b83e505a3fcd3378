"""Plans a plausible night: the course of sleep, and what a technologist would mark in it.

Stages and events agree with the scoring rules by construction: the first N2 epoch of a run has
its spindle or K complex in time, N3 is where slow waves really fill six seconds, an arousal ends
N2 unless a new sign of N2 follows, wake shows alpha or the movements of open eyes. No event
knows an epoch's edge. What is drawn, and how large it is, differs from person to person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from auditor.vocabulary import EPOCH_S, Phenomenon, Role, Samples, Stage
from staging.phantom_hypnogram import course_of_sleep
from staging.phantom_plan import (
    Disturbance,
    DisturbanceKind,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
    Subject,
)

Rng = np.random.Generator

_NREM = (Stage.N2, Stage.N3)


def plan_night(seed: int, settings: PhantomSettings) -> NightPlan:
    """A night from a seed. The same seed gives the same plan at any rate and with any leads."""
    rng = np.random.default_rng([seed, 1])
    subject = draw_subject(rng, settings)
    stages, depth = course_of_sleep(rng, settings.n_epochs, subject)
    planner = _Planner(rng, subject, stages, depth)
    planner.plan()
    return NightPlan(
        stages=tuple(planner.stages),
        events=tuple(sorted(planner.events, key=lambda event: event.start_s)),
        subject=subject,
        changes=tuple(planner.changes),
        disturbances=tuple(
            sorted(
                [*planner.twitches, *_disturbances(rng, settings)], key=lambda each: each.start_s
            )
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


class _Taken:
    """Which stretches of the night already hold something."""

    _HZ = 20

    def __init__(self, duration_s: float) -> None:
        self._taken = np.zeros(int(duration_s * self._HZ) + 1, bool)

    def _slice(self, start_s: float, end_s: float) -> slice:
        return slice(max(0, round(start_s * self._HZ)), round(end_s * self._HZ))

    def free(self, start_s: float, end_s: float) -> bool:
        return not self._taken[self._slice(start_s, end_s)].any()

    def take(self, start_s: float, end_s: float) -> None:
        self._taken[self._slice(start_s, end_s)] = True


class _Planner:
    """Plants one kind of event after the other, each where there is room for it."""

    def __init__(self, rng: Rng, subject: Subject, stages: list[Stage], depth: Samples) -> None:
        self.rng = rng
        self.subject = subject
        self.stages = stages
        self.depth = depth
        self.end_s = len(stages) * EPOCH_S
        self.events: list[PlannedEvent] = []
        self.twitches: list[Disturbance] = []
        self.changes = self._changes()
        self._moved: set[int] = set()
        self._eeg = _Taken(self.end_s)
        self._eyes = _Taken(self.end_s)
        self._alpha = _Taken(self.end_s)

    def plan(self) -> None:
        self._major_body_movements()
        returns = self._arousals()
        self._slow_waves()
        self._settle_n3()
        self._signs_of_n2(returns)
        slow_seconds = self._large_slow_seconds()
        for start, end, stage in self._bouts():
            if stage in _NREM:
                self._k_complexes(start, end, stage, slow_seconds)
                self._spindles(start, end, stage)
            elif stage is Stage.N1:
                self._drowsiness(start, end)
            elif stage is Stage.R:
                self._rem_bursts(start, end)
            else:
                after = self.stages[min(round(end / EPOCH_S), len(self.stages) - 1)]
                self._wake(start, end, falling_asleep=after is Stage.N1)

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _changes(self) -> list[tuple[float, Stage]]:
        """Sleep changes within 6 s of an epoch's edge, so the majority keeps the label.

        Wake yields less, as it needs more than half of its epoch for its rule.
        """
        changes = [(0.0, self.stages[0])]
        for i, (before, stage) in enumerate(pairwise(self.stages), start=1):
            if before is not stage:
                low = -2 if before is Stage.W else -6
                high = 2 if stage is Stage.W else 6
                changes.append((i * EPOCH_S + self._between(low, high), stage))
        return changes

    def _bouts(self) -> list[tuple[float, float, Stage]]:
        ends = [time for time, _ in self.changes[1:]] + [self.end_s]
        return [(start, end, stage) for (start, stage), end in zip(self.changes, ends, strict=True)]

    def _about(self, centre: float, spread: float, low: float = 0.0, high: float = 1e9) -> float:
        return float(np.clip(centre * np.exp(self.rng.normal(0.0, spread)), low, high))

    def _between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def _times(self, start: float, end: float, per_min: float) -> Iterator[float]:
        """Times of a Poisson process."""
        time = start + self.rng.exponential(60.0 / max(per_min, 1e-9))
        while time < end:
            yield float(time)
            time += self.rng.exponential(60.0 / per_min)

    def _plant(self, event: PlannedEvent, *taken: _Taken, room_s: float = 0.1) -> bool:
        """Adds the event if it lies in the night and there is room for it."""
        start, end = event.start_s - room_s, event.end_s + room_s
        if start < 0 or end > self.end_s or not all(each.free(start, end) for each in taken):
            return False
        for each in taken:
            each.take(event.start_s, event.end_s)
        self.events.append(event)
        return True

    # ── movements and arousals ────────────────────────────────────────────────────────────

    def _major_body_movements(self) -> None:
        """Where the stage before and after is the same, so the epoch's stage is it too."""
        for i in range(2, len(self.stages) - 2):
            alike = len(set(self.stages[i - 1 : i + 2])) == 1
            if not alike or self.stages[i] is Stage.N1 or self.rng.random() > 1.3 / 120:
                continue
            event = PlannedEvent(
                Phenomenon.MAJOR_BODY_MOVEMENT,
                i * EPOCH_S + self._between(0, 5),
                self._between(17, 24),
                self._about(500, 0.3, 330, 900),
            )
            self._plant(event, self._eeg, self._eyes, self._alpha)
            self._moved.add(i)

    def _arousals(self) -> list[tuple[float, float]]:
        """Arousals; returns the spans in which a sign must bring N2 back after one."""
        returns = []
        for start, duration, stage in self._awakenings():
            self._arousal(start, duration, stage)
        per_hour = {Stage.N1: 10, Stage.N2: 9, Stage.N3: 2, Stage.R: 9, Stage.W: 0}
        for i in range(1, len(self.stages) - 1):
            stage = self.stages[i]
            alike = len(set(self.stages[i - 1 : i + 2])) == 1
            chance = per_hour[stage] / 120 * self.subject.fragmentation
            if not alike or self.rng.random() > chance:
                continue
            # Late in the epoch, so that what it does to the stage concerns the next.
            start, duration = i * EPOCH_S + self._between(15, 22), self._between(3.2, 7.5)
            if self._arousal(start, duration, stage) and stage is Stage.N2:
                returns.append((start + duration + 0.8, (i + 1) * EPOCH_S + 13))
        return returns

    def _awakenings(self) -> Iterator[tuple[float, float, Stage]]:
        """Where sleep gives way to W, or to N1: from a little before the change."""
        for (_, stage), (time, next_stage) in pairwise(self.changes):
            if stage in (*_NREM, Stage.R) and next_stage in (Stage.N1, Stage.W):
                before = self._between(2, 4)
                after = self._between(1, 2.5 if next_stage is Stage.W else 4)
                yield time - before, before + after, stage

    def _arousal(self, start: float, duration: float, stage: Stage) -> bool:
        chin_rise = stage is Stage.R or bool(self.rng.random() < 0.7)
        event = PlannedEvent(
            Phenomenon.AROUSAL,
            start,
            duration,
            self._about(self.subject.alpha_uv * 1.1, 0.15, 30, 75),
            float(np.clip(self.rng.normal(self.subject.alpha_hz, 0.6), 8.2, 11.8)),
            chin_rise=chin_rise,
        )
        if not self._plant(event, self._eeg):
            return False
        self._alpha.take(start - 1, start + duration + 1)
        if stage is not Stage.R and self.rng.random() < 0.3:
            complex_duration = self._between(0.7, 1.1)
            before = self._between(0.1, 0.6)
            self._k_complex(start - before - complex_duration, complex_duration)
        return True

    # ── NREM sleep ────────────────────────────────────────────────────────────────────────

    def _slow_waves(self) -> None:
        centres = (np.arange(len(self.stages)) + 0.5) * EPOCH_S
        scale = self.subject.slow_wave_uv / 115.0
        for start, end, stage in self._bouts():
            time = start + self._between(0.5, 3)
            while stage in _NREM and time < end - 2:
                depth = float(np.interp(time, centres, self.depth))
                share = float(np.interp(depth, (0.1, 0.35, 0.5, 0.65, 1.0), _SLOW_SHARE))
                typical = float(np.interp(depth, (0.1, 0.35, 0.5, 0.65, 1.0), _SLOW_UV))
                began = time
                for _ in range(1 + self.rng.poisson(0.5 + 4 * depth**2)):
                    hz = float(np.clip(self.rng.normal(0.95, 0.27), 0.55, 1.9))
                    amplitude = self._about(typical * scale, 0.3, 25, 260)
                    wave = PlannedEvent(Phenomenon.SLOW_WAVE_ACTIVITY, time, 1 / hz, amplitude, hz)
                    if wave.end_s > end - 0.5:
                        break
                    self._plant(wave, self._eeg, room_s=-0.06)
                    time = wave.end_s
                time += self.rng.exponential(max(time - began, 0.8) * (1 - share) / share) + 0.01

    def _settle_n3(self) -> None:
        """N3 is where slow waves over 75 µV fill 6 s or more; the rest of NREM is N2."""
        seconds = self._large_slow_seconds()
        for i, stage in enumerate(self.stages):
            if stage in _NREM:
                self.stages[i] = Stage.N3 if seconds[i] >= 6.0 else Stage.N2
        for i in self._moved:
            self.stages[i] = self.stages[i + 1]  # rule MBM.2
        self._keep_clear_of_n3()
        old = dict(self._nearest_changes())
        self.changes = [
            (old.get(i, i * EPOCH_S), stage)
            for i, stage in enumerate(self.stages)
            if i == 0 or self.stages[i - 1] != stage
        ]

    def _keep_clear_of_n3(self) -> None:
        """In N2 epochs close to N3, small large waves are made smaller, lest noise decide."""
        close = self._large_slow_seconds(over_uv=58)
        for k, event in enumerate(self.events):
            first, last = (int(time // EPOCH_S) for time in (event.start_s, event.end_s))
            if (
                event.kind is Phenomenon.SLOW_WAVE_ACTIVITY
                and event.amplitude_uv < 88
                and first == last
                and self.stages[first] is Stage.N2
                and close[first] > 4.5
            ):
                self.events[k] = replace(event, amplitude_uv=0.65 * event.amplitude_uv)

    def _nearest_changes(self) -> Iterator[tuple[int, float]]:
        for time, _ in self.changes:
            yield round(time / EPOCH_S), time

    def _large_slow_seconds(self, over_uv: float = 75.0) -> Samples:
        """Seconds of each epoch within slow waves and K complexes of that size."""
        seconds = np.zeros(len(self.stages))
        for event in self.events:
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

    def _signs_of_n2(self, returns: list[tuple[float, float]]) -> None:
        """The spindle or K complex that rule N2.1 wants, where N2 begins or comes back."""
        begins = {time: i for i, time in self._nearest_changes()}
        spans = list(returns)
        for start, _, stage in self._bouts():
            i = begins[start]
            if stage is Stage.N2 and i > 0 and self.stages[i - 1] is not Stage.N3:
                spans.append((start + 0.5, i * EPOCH_S + 13))
        for low, high in spans:
            for _ in range(60):
                time = self._between(low, high)
                if self.rng.random() < 0.6:
                    planted = self._spindle(time)
                else:
                    planted = self._k_complex(time, self._about(0.85, 0.2, 0.6, 1.3))
                if planted:
                    break

    def _k_complexes(self, start: float, end: float, stage: Stage, slow_seconds: Samples) -> None:
        """As many as this person has, but none that would make an epoch N3."""
        rate = self.subject.k_complexes_per_min * (1.0 if stage is Stage.N2 else 0.1)
        for time in self._times(start + 1, end - 2, rate):
            epoch = int(time // EPOCH_S)
            duration = self._about(0.85, 0.2, 0.6, 1.4)
            if stage is Stage.N2 and slow_seconds[epoch] + duration > 4.8:
                continue
            if self._k_complex(time, duration):
                slow_seconds[epoch] += duration
                if self.rng.random() < 0.3:
                    self._spindle(time + duration + self._between(0.05, 0.2))

    def _k_complex(self, time: float, duration: float) -> bool:
        amplitude = self._about(self.subject.k_complex_uv, 0.22, 78, 300)
        event = PlannedEvent(Phenomenon.K_COMPLEX, time, duration, amplitude)
        return self._plant(event, self._eeg, room_s=0.05)

    def _spindles(self, start: float, end: float, stage: Stage) -> None:
        rate = self.subject.spindles_per_min * (1.0 if stage is Stage.N2 else 0.3)
        phase = self._between(0, 1)
        for time in self._times(start + 0.5, end - 2.5, 1.6 * rate):
            # Spindles come and go over some 50 s (doi:10.1126/sciadv.1602026).
            if self.rng.random() < 0.625 * (1 + 0.6 * np.sin(2 * np.pi * (time / 50 + phase))):
                self._spindle(time)

    def _spindle(self, time: float) -> bool:
        slow = self.rng.random() < 0.25
        centre = self.subject.spindle_hz - (1.3 if slow else 0.0)
        event = PlannedEvent(
            Phenomenon.SLEEP_SPINDLE,
            time,
            self._about(0.95, 0.3, 0.55, 2.0),
            self._about(self.subject.spindle_uv, 0.22, 0.62 * self.subject.spindle_uv),
            float(np.clip(self.rng.normal(centre, 0.35), 11.2, 15.6)),
            Role.FRONTAL if slow else Role.CENTRAL,
        )
        return self._plant(event, self._eeg, room_s=0.3)

    # ── N1 and wake ───────────────────────────────────────────────────────────────────────

    def _drowsiness(self, start: float, end: float) -> None:
        """N1: eyes roll, vertex waves come, alpha is left in scraps after wake."""
        after_wake = start > 0 and self.stages[int((start - 8) // EPOCH_S)] is Stage.W
        if self.subject.alpha_producer:
            share = self._between(0.1, 0.3) if after_wake else 0.06
            self._alpha_runs(start, min(start + 40, end), share, longest=4.0)
            self._alpha_runs(start + 40, end, 0.04, longest=2.5)
        self._rolling_eyes(start, end, self._between(0.35, 0.8))
        for time in self._times(start + 5, end - 1, 1.6):
            amplitude = self._about(70, 0.2, 45, 130)
            event = PlannedEvent(
                Phenomenon.VERTEX_SHARP_WAVES, time, self._between(0.18, 0.35), amplitude
            )
            self._plant(event, self._eeg, room_s=0.2)

    def _rolling_eyes(self, start: float, end: float, share: float) -> None:
        time = start + self._between(0, 3)
        while time < end - 4:
            duration = min(self._about(9, 0.4, 4, 25), end - time)
            event = PlannedEvent(
                Phenomenon.SLOW_EYE_MOVEMENTS,
                time,
                duration,
                self._about(0.9 * self.subject.rapid_eye_movement_uv, 0.25, 35, 180),
                self._between(0.22, 0.5),
            )
            self._plant(event, self._eyes)
            time += duration + self.rng.exponential(duration * (1 - share) / share)

    def _alpha_runs(
        self, start: float, end: float, share: float, longest: float, slower_hz: float = 0.0
    ) -> None:
        time = start + self._between(0, 0.5) if share > 0.5 else start + self._between(0, 15)
        while time < end - 1.0:
            duration = min(self._between(0.25, 1.0) * longest, end - time)
            event = PlannedEvent(
                Phenomenon.ALPHA_RHYTHM,
                time,
                duration,
                self._about(self.subject.alpha_uv, 0.15),
                float(np.clip(self.rng.normal(self.subject.alpha_hz - slower_hz, 0.2), 8.0, 12.5)),
            )
            self._plant(event, self._alpha)
            gap = self._between(0.6, 1.4) * duration * (1 - share) / share
            time += duration + max(gap, 0.4)

    def _wake(self, start: float, end: float, falling_asleep: bool) -> None:
        """Spells of closed eyes with alpha, and of open eyes that blink, look about, or read."""
        while start < end:
            stop = start + EPOCH_S * (1 + self.rng.geometric(0.3))
            last = end - stop < EPOCH_S
            stop = end if last else stop
            closed = self.rng.random() < (0.9 if last and falling_asleep else 0.6)
            if closed and self.subject.alpha_producer:
                self._alpha_runs(start, stop, share=0.89, longest=16.0)
                if last and falling_asleep and self.rng.random() < 0.6:
                    self._rolling_eyes(max(start, stop - 90), stop, 0.5)
                else:
                    self._open_eyes(start, stop, 4.0, blinks=0.9)
            elif self.rng.random() < 0.15:
                self._reading(start, stop)
            else:
                self._open_eyes(start, stop, 1.1, blinks=float(self.rng.choice([0.05, 0.95])))
                if self.subject.alpha_producer:
                    self._alpha_runs(start, stop, share=0.05, longest=2.0)
            start = stop

    def _open_eyes(self, start: float, end: float, every_s: float, blinks: float) -> None:
        time = start + self._between(0, every_s)
        while time < end - 1:
            if self.rng.random() < blinks:
                event = PlannedEvent(
                    Phenomenon.EYE_BLINKS,
                    time,
                    self._between(0.3, 0.5),
                    self._about(1.15 * self.subject.rapid_eye_movement_uv, 0.2, 45, 250),
                    vertical=True,
                )
            else:
                event = self._rapid_eye_movement(time)
            self._plant(event, self._eyes, room_s=0.05)
            time = event.end_s + self._about(every_s - 0.4, 0.4, 0.1, 8)

    def _reading(self, start: float, end: float) -> None:
        while start < end - 6:
            event = PlannedEvent(
                Phenomenon.READING_EYE_MOVEMENTS,
                start + self._between(0, 3),
                min(self._about(25, 0.4, 10, 60), end - start - 3),
                self._about(0.9 * self.subject.rapid_eye_movement_uv, 0.2, 50, 160),
                self._between(0.3, 0.5),
            )
            self._plant(event, self._eyes)
            start = event.end_s

    # ── stage R ───────────────────────────────────────────────────────────────────────────

    def _rapid_eye_movement(self, time: float) -> PlannedEvent:
        return PlannedEvent(
            Phenomenon.RAPID_EYE_MOVEMENTS,
            time,
            self._between(0.45, 1.1),
            self._about(self.subject.rapid_eye_movement_uv, 0.28, 40, 260),
            direction=1 if self.rng.random() < 0.5 else -1,
            vertical=bool(self.rng.random() < 0.25),
        )

    def _rem_bursts(self, start: float, end: float) -> None:
        """Eye movements in bursts; sawtooth waves ahead of some, twitches of the chin within.

        Alpha comes in scraps, 1 to 2 Hz slower than in wake (AASM scoring manual, stage R).
        """
        if self.subject.alpha_producer:
            self._alpha_runs(start, end, share=0.02, longest=2.5, slower_hz=1.3)
        time = start + self._between(1, 8)
        while time < end - 4:
            if self.rng.random() < 0.3:
                duration = self._between(1.5, 4)
                waves = PlannedEvent(
                    Phenomenon.SAWTOOTH_WAVES,
                    time,
                    duration,
                    self._about(42, 0.2, 25, 70),
                    self._between(2.2, 4.5),
                )
                if self._plant(waves, self._eeg):
                    time += duration + self._between(0.2, 1.0)
            for _ in range(1 + self.rng.poisson(3.5)):
                event = self._rapid_eye_movement(time)
                if event.end_s > end - 1:
                    break
                self._plant(event, self._eyes, room_s=0.02)
                time = event.end_s + self._about(0.35, 0.7, 0.05, 3)
            if self.rng.random() < 0.35:
                self._twitch(time - self._between(0, 2))
            tonic = self.rng.random() < 0.25
            time += 25 + self.rng.exponential(40) if tonic else 2 + self.rng.exponential(9)

    def _twitch(self, time: float) -> None:
        self.twitches.append(
            Disturbance(
                DisturbanceKind.CHIN_TWITCH,
                time,
                self._between(0.1, 0.5),
                self._about(5, 0.4, 2.5, 12),
            )
        )


# How much of the time is slow waves, and how large they are in µV, as sleep deepens: sparse and
# small in light N2, nearly unbroken and 75–200 µV in deep N3 (doi:10.1093/sleep/zsac223).
_SLOW_SHARE = (0.05, 0.15, 0.25, 0.5, 0.78)
_SLOW_UV = (38.0, 44.0, 54.0, 90.0, 122.0)


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
