"""The pages on which a simulated night is planned."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from auditor.vocabulary import EPOCH_S, Samples, Stage
from staging.phantom_plan import Disturbance, PlannedEvent, Subject

Rng = np.random.Generator


class Taken:
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


class Diary:
    """A night while it is being planned: what is decided, and where there is still room.

    Attributes:
        rng: what everything is drawn from, in the order of planning.
        subject, depth: whose night it is, and how deep NREM sleep is in each epoch, 0 to 1.
        stages, changes, events, twitches: as in the plan that comes of it.
        moved: the epochs of major body movements.
        eeg, eyes, alpha: where waves, eye movements and alpha have been put already.
    """

    def __init__(self, rng: Rng, subject: Subject, stages: list[Stage], depth: Samples) -> None:
        self.rng = rng
        self.subject = subject
        self.stages = stages
        self.depth = depth
        self.end_s = len(stages) * EPOCH_S
        self.events: list[PlannedEvent] = []
        self.twitches: list[Disturbance] = []
        self.moved: set[int] = set()
        self.eeg = Taken(self.end_s)
        self.eyes = Taken(self.end_s)
        self.alpha = Taken(self.end_s)
        self.changes = self._changes()

    def _changes(self) -> list[tuple[float, Stage]]:
        """Sleep changes within 6 s of an epoch's edge, so the majority keeps the label.

        Wake yields less, as it needs more than half of its epoch for its rule.
        """
        changes = [(0.0, self.stages[0])]
        for i, (before, stage) in enumerate(pairwise(self.stages), start=1):
            if before is not stage:
                low = -2 if before is Stage.W else -6
                high = 2 if stage is Stage.W else 6
                changes.append((i * EPOCH_S + self.between(low, high), stage))
        return changes

    def bouts(self) -> list[tuple[float, float, Stage]]:
        ends = [time for time, _ in self.changes[1:]] + [self.end_s]
        return [(start, end, stage) for (start, stage), end in zip(self.changes, ends, strict=True)]

    def about(self, centre: float, spread: float, low: float = 0.0, high: float = 1e9) -> float:
        return float(np.clip(centre * np.exp(self.rng.normal(0.0, spread)), low, high))

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def times(self, start: float, end: float, per_min: float) -> Iterator[float]:
        """Times of a Poisson process."""
        time = start + self.rng.exponential(60.0 / max(per_min, 1e-9))
        while time < end:
            yield float(time)
            time += self.rng.exponential(60.0 / per_min)

    def plant(self, event: PlannedEvent, *taken: Taken, room_s: float = 0.1) -> bool:
        """Adds the event if it lies in the night and there is room for it."""
        start, end = event.start_s - room_s, event.end_s + room_s
        if start < 0 or end > self.end_s or not all(each.free(start, end) for each in taken):
            return False
        for each in taken:
            each.take(event.start_s, event.end_s)
        self.events.append(event)
        return True
