"""Training nights on disk: images drawn once, and beside them what is true of each epoch.

Training only reads. The images of a night are one array that is mapped into memory, 301 kB an
epoch; what is true of them is JSON, and arrays for phase 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from auditor.errors import RecordingRefused
from auditor.vocabulary import Montage
from staging.render import Renderer
from staging.training.seconds import EVENTS, STEPS, second_values

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EpochTruth:
    """What is true of an epoch.

    Attributes:
        stage: as in a scoring; ``?`` where nobody scored it.
        rules: that give the stage.
        reply: the reply that is right, as JSON; empty for an epoch that is only a neighbour.
    """

    stage: str
    rules: tuple[str, ...] = ()
    reply: str = ""


@dataclass(frozen=True, slots=True)
class TrainingNight:
    """One night as training reads it.

    Attributes:
        name: of the night.
        images: ``(n_epochs, 224, 448, 3)``, mapped into memory.
        truth: of each epoch.
        seconds: band powers and amplitude, see :func:`second_values`, NaN where a trace is
            missing: ``(n_epochs, 30, n_values)``.
        events: share of each step of an epoch within events of each sort of :data:`EVENTS`,
            0 to 255: ``(n_epochs, STEPS, len(EVENTS))``. None where no events are known.
    """

    name: str
    images: Images
    truth: tuple[EpochTruth, ...]
    seconds: npt.NDArray[np.float16]
    events: npt.NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.truth)


def is_whole(stem: Path) -> bool:
    """Whether a night was written to its end: its JSON comes last."""
    return _beside(stem, ".json").exists()


def write_night(
    stem: Path,
    montage: Montage,
    mains_hz: float,
    truth: Sequence[EpochTruth],
    events: npt.NDArray[np.uint8] | None = None,
) -> None:
    """Draws and writes a night beside ``stem``."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(montage, mains_hz)
    images = np.stack([renderer.image(epoch) for epoch in range(len(truth))])
    np.save(_beside(stem, ".images.npy"), images)
    seconds = second_values(montage, mains_hz, len(truth))
    if events is None:
        np.savez_compressed(_beside(stem, ".npz"), seconds=seconds)
    else:
        np.savez_compressed(_beside(stem, ".npz"), seconds=seconds, events=events)
    rows = [[each.stage, list(each.rules), each.reply] for each in truth]
    _beside(stem, ".json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def read_night(stem: Path) -> TrainingNight:
    """A night that was written beside ``stem``.

    Raises:
        RecordingRefused: it is damaged, scores no epoch, or was written by another version.
    """
    try:
        rows = json.loads(_beside(stem, ".json").read_text(encoding="utf-8"))
        truth = tuple(EpochTruth(stage, tuple(rules), reply) for stage, rules, reply in rows)
        with np.load(_beside(stem, ".npz")) as arrays:
            seconds = arrays["seconds"]
            events = arrays["events"] if "events" in arrays.files else None
        images = np.load(_beside(stem, ".images.npy"), mmap_mode="r")
    except (OSError, EOFError, ValueError, TypeError, BadZipFile):
        raise _refused(stem, "is damaged") from None
    if events is not None and events.shape[1:] != (STEPS, len(EVENTS)):
        raise _refused(stem, "was written by another version")
    if not any(each.reply for each in truth):
        raise _refused(stem, "scores no epoch")
    return TrainingNight(stem.name, images, truth, seconds, events)


def _refused(stem: Path, problem: str) -> RecordingRefused:
    return RecordingRefused(
        _beside(stem, ".json"), problem, "delete it, and the night is made again"
    )


def _beside(stem: Path, ending: str) -> Path:
    """One of a night's files; its name may have dots of its own."""
    return stem.with_name(stem.name + ending)
