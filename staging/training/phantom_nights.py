"""Training nights from the phantom, simulated and drawn in several processes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import active_children, get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

import numpy as np
import numpy.typing as npt

from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.phantom_seen import Seen, look_at
from staging.render import MAINS_HZ, TRACES
from staging.training.nights import EpochTruth, is_whole, write_night
from staging.training.seconds import EVENTS, STEP_S, STEPS
from staging.training.variety import VariedNight, varied_night
from staging.training.wording import true_reply


class Kind(StrEnum):
    """How a night is simulated: as training does, or as the phantom's own settings say."""

    VARIED = "varied"
    TYPICAL = "typical"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class NightOrder:
    """A night to be made.

    Attributes:
        seed: of the phantom.
        hours: its length.
        kind: how it is simulated.
        folder: where it is written.
    """

    seed: int
    hours: float
    kind: Kind
    folder: Path

    @property
    def stem(self) -> Path:
        return self.folder / f"{self.kind}-{self.seed:06d}"


def make_nights(orders: Sequence[NightOrder], processes: int) -> Generator[NightOrder, None, None]:
    """Makes those that are not there yet, and yields each when it is there."""
    wanted = []
    for order in orders:
        if is_whole(order.stem):
            yield order
        else:
            wanted.append(order)
    if wanted:
        with ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=signal, initargs=(SIGINT, SIG_IGN)
        ) as pool:
            nights = [pool.submit(make_night, order) for order in wanted]
            try:
                for night in nights:
                    yield night.result()
            except BaseException:  # Ctrl-C among them: a night would first be made to its end
                for process in active_children():
                    process.terminate()
                raise


def make_night(order: NightOrder) -> NightOrder:
    """Simulates, draws and writes a night."""
    night = simulated(order)
    montage = night.montage
    traces = frozenset(role for role in TRACES if role in montage.roles)
    seen = [look_at(night.phantom, epoch) for epoch in range(len(night.phantom.stages))]
    truth = [EpochTruth(each.stage.value, each.rules, true_reply(each, traces)) for each in seen]
    if order.kind is Kind.VARIED:
        # Cut from a longer night: the rules of its first epoch hang on one that is not there.
        truth[0] = EpochTruth(truth[0].stage)
    write_night(order.stem, montage, night.mains_hz, truth, np.stack([_steps(s) for s in seen]))
    return order


def simulated(order: NightOrder) -> VariedNight:
    if order.kind is Kind.VARIED:
        return varied_night(order.seed, order.hours)
    settings = PhantomSettings.hard if order.kind is Kind.HARD else PhantomSettings.typical
    phantom = simulate(order.seed, settings(order.hours))
    return VariedNight(phantom, choose_montage(phantom.recording), MAINS_HZ)


def _steps(seen: Seen) -> npt.NDArray[np.uint8]:
    """Share of each step that lies within events of each sort, 0 to 255."""
    edges = np.arange(STEPS + 1) * STEP_S
    share = np.zeros((STEPS, len(EVENTS)))
    for column, sort in enumerate(EVENTS):
        for event in seen.of(sort.kind):
            if sort.beginning is None or event.channel.startswith(sort.beginning):
                inside = np.minimum(edges[1:], event.end_s) - np.maximum(edges[:-1], event.start_s)
                share[:, column] += np.clip(inside, 0.0, None) / STEP_S
    return np.asarray(np.rint(255 * np.clip(share, 0.0, 1.0)), np.uint8)
