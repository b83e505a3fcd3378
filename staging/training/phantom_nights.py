"""Training nights on disk: images drawn once, and beside them what is true of each epoch.

A night is simulated, drawn and written in a process of its own; training then only reads. The
images of a night are one array that is mapped into memory, 301 kB an epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auditor.vocabulary import Montage
from staging.phantom import Phantom, PhantomSettings, simulate
from staging.phantom_seen import Seen, look_at
from staging.render import TRACES, Renderer
from staging.training.seconds import EVENTS, STEP_S, STEPS, second_values
from staging.training.variety import varied_night
from staging.training.wording import true_reply

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TrainingNight:
    """One night as training reads it.

    Attributes:
        name: of the night.
        images: ``(n_epochs, 224, 448, 3)``, mapped into memory.
        replies: the true reply to each epoch, as JSON.
        stages: of each epoch.
        rules: that give the stage of each epoch.
        seconds: band powers and amplitude, see :func:`second_values`, NaN where a trace is
            missing: ``(n_epochs, 30, n_values)``.
        events: share of each step of :data:`STEP_S` within events of each of :data:`EVENTS`:
            ``(n_epochs, STEPS, len(EVENTS))``, 0 to 255.
        first_known: the first epoch whose rules are sure: those of a night that was cut from a
            longer one hang on an epoch that is not there.
    """

    name: str
    images: Images
    replies: tuple[str, ...]
    stages: tuple[str, ...]
    rules: tuple[tuple[str, ...], ...]
    seconds: npt.NDArray[np.float16]
    events: npt.NDArray[np.uint8]
    first_known: int = 1

    def __len__(self) -> int:
        return len(self.stages)


@dataclass(frozen=True, slots=True)
class NightOrder:
    """A night to be made.

    Attributes:
        seed: of the phantom.
        hours: its length.
        kind: ``varied``, or the phantom's settings ``typical`` or ``hard``.
        folder: where it is written.
    """

    seed: int
    hours: float
    kind: str
    folder: Path

    @property
    def stem(self) -> Path:
        return self.folder / f"{self.kind}-{self.seed:06d}"


def make_nights(orders: Sequence[NightOrder], processes: int) -> Iterator[NightOrder]:
    """Makes those that are not there yet, and yields each when it is."""
    wanted = [order for order in orders if not order.stem.with_suffix(".json").exists()]
    yield from (order for order in orders if order not in wanted)
    if not wanted:
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(make_night, wanted)


def make_night(order: NightOrder) -> NightOrder:
    """Simulates, draws and writes a night; its JSON comes last, and says that it is whole."""
    if order.kind == "varied":
        night = varied_night(order.seed, order.hours)
        phantom, montage, mains_hz = night.phantom, night.montage, night.mains_hz
    else:
        from staging.montage import choose_montage

        phantom = simulate(order.seed, getattr(PhantomSettings, order.kind)(order.hours))
        montage, mains_hz = choose_montage(phantom.recording), 50.0
    order.folder.mkdir(parents=True, exist_ok=True)
    write_night(order.stem, phantom, montage, mains_hz)
    return order


def write_night(stem: Path, phantom: Phantom, montage: Montage, mains_hz: float) -> None:
    renderer = Renderer(montage, mains_hz)
    seen = [look_at(phantom, epoch) for epoch in range(len(phantom.stages))]
    images = np.stack([renderer.image(epoch) for epoch in range(len(seen))])
    np.save(stem.with_suffix(".images.npy"), images)
    np.savez_compressed(
        stem.with_suffix(".npz"),
        seconds=second_values(montage, mains_hz, len(seen)),
        events=np.stack([_steps(each) for each in seen]),
    )
    truth = {
        "replies": [true_reply(each, frozenset(renderer.roles)) for each in seen],
        "stages": [each.stage.value for each in seen],
        "rules": [each.rules for each in seen],
        "traces": [role.value for role in TRACES if role in renderer.roles],
    }
    stem.with_suffix(".json").write_text(json.dumps(truth, ensure_ascii=False), encoding="utf-8")


def read_night(order: NightOrder) -> TrainingNight:
    truth = json.loads(order.stem.with_suffix(".json").read_text(encoding="utf-8"))
    with np.load(order.stem.with_suffix(".npz")) as arrays:
        seconds, events = arrays["seconds"], arrays["events"]
    return TrainingNight(
        name=order.stem.name,
        images=np.load(order.stem.with_suffix(".images.npy"), mmap_mode="r"),
        replies=tuple(truth["replies"]),
        stages=tuple(truth["stages"]),
        rules=tuple(tuple(rules) for rules in truth["rules"]),
        seconds=seconds,
        events=events,
    )


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
