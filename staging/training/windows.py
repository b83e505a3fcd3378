"""Which windows phase 2 of the compact model is shown.

A model that only meets true neighbours copies its stage from them, and its times from what is
usual. So in a share of the windows the neighbours are another stage's, mostly one that is easily
taken for the target's and as often as not of the same night, and in a share the target's halves
have changed places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from auditor.vocabulary import SCORED_STAGES
from staging.prompt import Window, window_around
from staging.training.blank import blank_images
from staging.training.sampling import Epochs
from staging.training.told import PRESENT, words_held

_LONE = 0.1
"""Where neighbours are left out, the share of windows that really have none."""
_FALSE = 0.6
"""Share of the windows whose neighbours are another epoch's, or blank."""
_BLANK_NEAR = 0.15
"""Of these, the share whose neighbours are blank."""
_TAKEN_FOR = 0.5
"""Of the others, the share whose neighbours are of a stage for which the target's may be taken."""
_SAME_NIGHT = 0.5
"""Of the others, the share whose neighbours are of the target's night, where it has such."""
_TURNED = 0.4
"""Share of the targets whose halves change places, where it is known what is right then."""
_BLANK_TARGET = 0.02
_MISSING = 0.05
"""Share of the windows that lack a neighbour, as a recording's first and last epochs do."""
_STAGES: Final = tuple(stage.value for stage in SCORED_STAGES)
_LIKE: Final[Mapping[str, tuple[str, ...]]] = {
    "W": ("N1",),
    "N1": ("W", "N2", "R"),
    "N2": ("R", "R", "N1", "N3"),
    "N3": ("N2",),
    "R": ("N2", "N2", "N1"),
}
"""Of each stage, those for which it may be taken."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which images a prompt has, and whether the neighbours' tokens are left out of it."""

    window: Window
    left_out: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A window as it is shown in training.

    Attributes:
        preceding, subsequent: epochs in the row of all, negative for a blank image, None for
            none.
        target: the epoch to score; negative for a blank image; with the number of all epochs
            added, the one whose halves have changed places.
        truthful: whether target and neighbours are as they were recorded, so that rules that
            hang on them can be learnt.
        left_out: whether there are neighbours that are not shown.
    """

    preceding: int | None
    target: int
    subsequent: int | None
    truthful: bool
    left_out: bool = False

    @property
    def images(self) -> tuple[int, ...]:
        return tuple(i for i in (self.preceding, self.target, self.subsequent) if i is not None)

    @property
    def layout(self) -> Layout:
        before, after = self.preceding is not None, self.subsequent is not None
        if self.left_out:
            return Layout(Window(1, 0, 2), left_out=True)
        return Layout(Window(1, 0 if before else None, 2 if after else None), left_out=False)


class Windows:
    """Draws windows.

    Args:
        epochs: all.
        can_turn: of each, whether its halves may change places.
    """

    def __init__(self, epochs: Epochs, can_turn: Sequence[bool]) -> None:
        self._epochs = epochs
        self._can_turn = can_turn
        self._chances = _chances(epochs)
        self._within: dict[tuple[int, str], list[int]] = defaultdict(list)
        for stage, inner in epochs.within.items():
            for i in inner:
                self._within[int(epochs.night[i]), stage].append(i)

    def draw(self, n: int, rng: np.random.Generator, *, alone: bool) -> list[Shown]:
        """So many windows, with the neighbours left out if ``alone``."""
        chosen = rng.choice(len(self._epochs), n, p=self._chances)
        return [self._window(int(i), alone, rng) for i in chosen]

    def _window(self, epoch: int, alone: bool, rng: np.random.Generator) -> Shown:
        """A window around an epoch: its own neighbours, others', blank ones or none."""
        if rng.random() < _BLANK_TARGET:
            near = [int(i) for i in rng.integers(len(self._epochs), size=2)]
            blank = -1 - int(rng.integers(len(blank_images())))
            if alone:
                return Shown(None, blank, None, True, left_out=True)
            return Shown(near[0], blank, near[1], True)
        turned = self._can_turn[epoch] and rng.random() < _TURNED
        target = epoch + turned * len(self._epochs)
        if alone:
            return Shown(None, target, None, not turned, left_out=rng.random() >= _LONE)
        if rng.random() < _FALSE:
            return self._among_others(epoch, target, rng)
        real = window_around(epoch, self._epochs.of_same_night(epoch))
        before, follows = real.preceding, real.subsequent
        if rng.random() < _MISSING:
            return Shown(None, target, follows, not turned)
        if rng.random() < _MISSING:
            return Shown(before, target, None, not turned)
        return Shown(before, target, follows, not turned)

    def _among_others(self, epoch: int, target: int, rng: np.random.Generator) -> Shown:
        """Between the neighbours of another epoch, or between blank ones."""
        if rng.random() < _BLANK_NEAR:
            before, follows = (-1 - int(i) for i in rng.integers(len(blank_images()), size=2))
            return Shown(before, target, follows, False)
        own = self._epochs.truth(epoch).stage
        stages = _LIKE.get(own, _STAGES) if rng.random() < _TAKEN_FOR else _STAGES
        stage = stages[int(rng.integers(len(stages)))]
        near = self._epochs.within[stage] or range(1, len(self._epochs) - 1)
        if rng.random() < _SAME_NIGHT:
            near = self._within[int(self._epochs.night[epoch]), stage] or near
        middle = near[int(rng.integers(len(near)))]
        return Shown(middle - 1, target, middle + 1, False)


def _chances(epochs: Epochs) -> npt.NDArray[np.float64]:
    """Of being the target: more for rare stages and rules, and for replies that tell of times."""
    times = [int(words_held(epochs.truth(i).reply)[..., PRESENT].sum()) for i in range(len(epochs))]
    chances = epochs.weights() * (1.0 + np.array(times)) ** 0.6
    return np.asarray(chances / chances.sum())
