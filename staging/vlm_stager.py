"""Stages by a vision-language model in this process: any Qwen2.5-VL checkpoint, such as SleepVLM.

Each epoch is shown with its neighbours, and the model answers with a stage, the rules that it
cites and its reasons (arXiv:2603.26738). The prompt is read once a night, and each image once for
the three windows that it is in. Replies are kept on disk as they come, so that a night that was
cut short goes on where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.errors import os_reason
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Hypnogram, Montage, ScoredEpoch, StagerIdentity
from staging.kept_replies import KEPT, KeptReplies, name_of_night
from staging.prompt import Prompt, Window, own_prompt, read_prompt
from staging.qwen.find import find_model
from staging.qwen.folder import CheckpointFolder, look_through
from staging.render import Image, Renderer
from staging.reply import LONGEST_REPLY_TOKENS, scored_epoch
from staging.stager import Progress
from staging.vlm_hypnogram import asked_sha256, hypnogram, windows_of
from staging.vlm_settings import VlmSettings, load_vlm_settings

if TYPE_CHECKING:
    from staging.qwen.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory, the hash of its weights, and that of how they are used."""

    checkpoint: Checkpoint
    sha256: str
    description_sha256: str


class VlmStager:
    """Stages with one checkpoint, which is loaded when it is first needed.

    Args:
        name: of the model, for the record.
        folder: the checkpoint.
        prompt: what it is told.
        settings: frequency of the mains, and the data folder.
        longest: tokens of a reply; what goes on is cut off.
    """

    def __init__(
        self,
        name: str,
        folder: CheckpointFolder,
        prompt: Prompt,
        settings: VlmSettings,
        longest: int = LONGEST_REPLY_TOKENS,
    ) -> None:
        self.name = name
        self._folder = folder
        self.prompt = prompt
        self._settings = settings
        self._longest = longest
        self._loaded: _Loaded | None = None
        self._loading = threading.Lock()

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """See :class:`staging.stager.Stager`.

        What ``progress`` raises ends the work; the epochs that were answered by then are kept
        for another try.

        Raises:
            RecordingRefused: no channel that could be drawn, or no epoch without a gap.
            CheckpointRefused: the checkpoint cannot be loaded, or not in this machine's memory,
                or answers nothing.
        """
        windows = windows_of(montage)
        renderer = Renderer(montage, self._settings.mains_hz)
        progress("stage", 0.0)
        loaded = self._load()
        kept = KeptReplies(
            self._settings.data / KEPT,
            name_of_night(
                montage,
                loaded.sha256,
                loaded.description_sha256,
                self.prompt.sha256,
                str(self._settings.mains_hz),
            ),
        )
        scored = dict(kept.read())
        remaining = [window for window in windows if window.target not in scored]
        notes = [f"staged by the model {self.name} with {self.prompt}"]

        def tell() -> None:
            progress("stage", len(scored) / len(windows))

        for epochs in self._ask(loaded.checkpoint, renderer, remaining, tell):
            scored.update((epoch.index, epoch) for epoch in epochs)
            try:
                kept.add(epochs)
            except OSError as error:  # the night can do without
                notes[1:] = [f"replies could not be kept for another try ({os_reason(error)})"]
            tell()
        kept.forget()
        stager = StagerIdentity("vlm", self.name, loaded.sha256)
        return hypnogram(stager, montage, renderer, windows, scored, notes)

    def _load(self) -> _Loaded:
        from staging.qwen.checkpoint import load
        from staging.qwen.trial import try_out

        with self._loading:
            if self._loaded is None:
                checkpoint = load(self._folder)
                try_out(checkpoint, self._folder.path)
                self._loaded = _Loaded(
                    checkpoint, self._folder.weights_sha256(), self._folder.description_sha256()
                )
            return self._loaded

    def _ask(
        self,
        checkpoint: Checkpoint,
        renderer: Renderer,
        windows: Sequence[Window],
        each_step: Callable[[], None],
    ) -> Iterator[Sequence[ScoredEpoch]]:
        """The epochs of the windows in order, as many at a time as memory holds."""
        from staging.qwen.night import Night

        if not windows:
            return
        epochs = sorted({epoch for window in windows for epoch in window.epochs})
        shown: dict[int, Image] = {}
        with closing(_drawn(renderer, epochs, shown)) as images:
            night = Night(checkpoint, self.prompt, images, self._longest)
            for answered in night.answers(windows, each_step):
                yield [
                    scored_epoch(
                        window.target,
                        answer.text,
                        answer.probabilities,
                        asked_sha256(self.prompt, (shown[epoch] for epoch in window.epochs)),
                    )
                    for window, answer in answered
                ]
                done = max(window.target for window, _ in answered)
                for epoch in [epoch for epoch in shown if epoch < done]:
                    del shown[epoch]


def _drawn(
    renderer: Renderer, epochs: Sequence[int], shown: dict[int, Image]
) -> Generator[tuple[int, Image]]:
    """Each epoch with its image, drawn as it is needed, and noted."""
    for epoch, image in zip(epochs, renderer.images(epochs), strict=True):
        shown[epoch] = image
        yield epoch, image


def make(model: str | None) -> VlmStager:
    """The stager for ``--model``: a checkpoint's folder or hub name, or the compact model.

    Raises:
        UsageError: no model was named, and none ships with this installation.
        CheckpointRefused: the folder holds no whole Qwen2.5-VL checkpoint.
        SettingsRefused: a setting is wrong, or the prompt's file cannot be read.
    """
    settings = load_vlm_settings()
    path = find_model(model)
    folder = look_through(path)
    return VlmStager(_name(model, path), folder, _prompt(folder, settings), settings)


def _name(model: str | None, path: Path) -> str:
    """Of a model for the record: where it is on this machine says nothing to others."""
    if model is None:
        return f"compact {version('somnoaudit')}"
    return path.resolve().name if Path(model).expanduser() == path else model


def _prompt(folder: CheckpointFolder, settings: VlmSettings) -> Prompt:
    """The one that is set, or else the checkpoint's own, or else ours."""
    path = settings.vlm_prompt or folder.prompt
    return read_prompt(path) if path else own_prompt(load_rulebook())
