"""Which epochs are shown: rare stages and rules more often than they occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from staging.training.phantom_nights import TrainingNight


class Epochs:
    """All epochs of some nights, in one row.

    Attributes:
        nights: where they are from.
        night, index: of each, the night's number and its own number in that night.
    """

    def __init__(self, nights: Sequence[TrainingNight]) -> None:
        self.nights = nights
        self.night = np.concatenate([np.full(len(n), i) for i, n in enumerate(nights)])
        self.index = np.concatenate([np.arange(len(n)) for n in nights])
        self._starts = np.cumsum([0, *(len(n) for n in nights)])

    def __len__(self) -> int:
        return len(self.night)

    def images(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """``(n, 224, 448, 3)``."""
        return np.stack([self.nights[self.night[i]].images[self.index[i]] for i in chosen])

    def weights(self) -> npt.NDArray[np.float64]:
        """Chances of being shown: by the inverse root of how frequent stage and rules are.

        Epochs whose rules are not sure are not shown as targets.
        """
        kinds = [
            (self.nights[n].stages[i], self.nights[n].rules[i])
            for n, i in zip(self.night, self.index, strict=True)
        ]
        counts = Counter(kinds)
        stages = Counter(stage for stage, _ in kinds)
        chance = np.array(
            [(stages[stage] ** -0.5) * (counts[stage, rules] ** -0.3) for stage, rules in kinds]
        )
        first_known = np.array([self.nights[n].first_known for n in self.night])
        chance[self.index < first_known] = 0.0
        return np.asarray(chance / chance.sum())
