"""Which epochs are shown: rare stages and rules more often than they occur."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from staging.training.nights import EpochTruth, TrainingNight


class Epochs:
    """All epochs of some nights, in one row.

    Attributes:
        nights: where they are from.
        night, index: of each, the night's number and its own number in that night.
        within: of each stage, the epochs between two others of it.
    """

    def __init__(self, nights: Sequence[TrainingNight]) -> None:
        self.nights = nights
        self.night = np.concatenate([np.full(len(n), i) for i, n in enumerate(nights)])
        self.index = np.concatenate([np.arange(len(n)) for n in nights])
        self._starts = np.cumsum([0, *(len(n) for n in nights)])
        self.within: dict[str, list[int]] = defaultdict(list)
        for i in range(1, len(self) - 1):
            before, own, after = (self.truth(j).stage for j in (i - 1, i, i + 1))
            if before == own == after and self.night[i - 1] == self.night[i + 1]:
                self.within[own].append(i)

    def __len__(self) -> int:
        return len(self.night)

    def images(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """``(n, 224, 448, 3)``."""
        return np.stack([self.nights[self.night[i]].images[self.index[i]] for i in chosen])

    def of_same_night(self, i: int) -> range:
        """The epochs of an epoch's night."""
        night = self.night[i]
        return range(int(self._starts[night]), int(self._starts[night + 1]))

    def truth(self, i: int) -> EpochTruth:
        return self.nights[int(self.night[i])].truth[int(self.index[i])]

    def weights(self) -> npt.NDArray[np.float64]:
        """Chances of being shown: by how rare stage and rules are, roots of their inverse.

        Epochs without a reply are not shown as targets.
        """
        truth = [self.truth(i) for i in range(len(self))]
        kinds = Counter((each.stage, each.rules) for each in truth)
        stages = Counter(each.stage for each in truth)
        chance = np.array(
            [
                bool(each.reply)
                * stages[each.stage] ** -0.5
                * kinds[each.stage, each.rules] ** -0.3
                for each in truth
            ]
        )
        return np.asarray(chance / chance.sum())
