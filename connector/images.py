"""The images that the vision-language model sees, as files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from auditor.vocabulary import Montage
from staging.render import Renderer, png
from staging.stager import Progress

_WORTH_PROCESSES = 240
"""Images from which on several processes draw: one takes as long to start as some eighty images
to draw (measured: see tests/benchmarks/bench_render.py)."""


def write_images(
    montage: Montage, epochs: Sequence[int], folder: Path, mains_hz: float, progress: Progress
) -> None:
    """Writes ``epoch-0003.png`` and so on, each whole or not at all.

    Args:
        montage: the signals.
        epochs: which epochs, by number from 0.
        folder: made where it does not exist; images of other epochs in it are left alone.
        mains_hz: frequency of the notch.
        progress: told the share of images written.

    Raises:
        OSError: the folder cannot be made or written to.
        RecordingRefused: the recording has no channel that could be drawn.
    """
    progress("images", 0.0)
    renderer = Renderer(montage, mains_hz)
    folder.mkdir(parents=True, exist_ok=True)
    images = renderer.images(epochs, cores() if len(epochs) >= _WORTH_PROCESSES else 1)
    for done, (epoch, image) in enumerate(zip(epochs, images, strict=True), 1):
        _write_whole(png(image), folder / f"epoch-{epoch:04d}.png")
        progress("images", done / len(epochs))


def _write_whole(content: bytes, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def cores() -> int:
    """Those that this process may use, where the system tells."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
