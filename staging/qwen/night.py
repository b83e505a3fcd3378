"""All windows of a night, answered in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from staging.prompt import Prompt, Window
from staging.qwen.checkpoint import Checkpoint
from staging.qwen.decoding import Answer, Decoder
from staging.qwen.images import embed, image_grid
from staging.qwen.inputs import night_inputs, shape_of
from staging.qwen.memory import batch_size, give_back
from staging.qwen.refusing import ran_out, too_large
from staging.render import Image


class Night:
    """Asks a model about the windows of a night in order.

    Args:
        checkpoint: the model.
        prompt: what it is told.
        images: the epochs that are shown, each with its image, in order; drawn as they are
            needed.
        longest: tokens of a reply.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        prompt: Prompt,
        images: Iterator[tuple[int, Image]],
        longest: int,
    ) -> None:
        self._checkpoint = checkpoint
        self._images = images
        first = next(images)
        inputs = night_inputs(checkpoint, prompt, image_grid(checkpoint, first[1]))
        self._drawn = [first]
        self._embedded: dict[int, torch.Tensor] = {}
        self._decoder = Decoder(checkpoint, inputs, longest)
        self._batch_size = batch_size(checkpoint, self._decoder.room)

    def answers(
        self, windows: Sequence[Window], each_step: Callable[[], None]
    ) -> Iterator[list[tuple[Window, Answer]]]:
        """Answers to all windows, a batch at a time.

        Args:
            windows: in order.
            each_step: called after each token; what it raises ends the work.

        Raises:
            CheckpointRefused: not even one window fits into memory.
        """
        done = 0
        while done < len(windows):
            batch = _alike(windows[done : done + self._batch_size])
            answered = self._try(batch, each_step)
            if answered is None:
                self._make_room(len(batch))
                continue
            yield list(zip(batch, answered, strict=True))
            done += len(batch)
            self._let_go_before(batch[-1].target)

    def _try(self, batch: Sequence[Window], each_step: Callable[[], None]) -> list[Answer] | None:
        """The answers, or None where memory ran out."""
        try:
            self._embed_up_to(batch[-1].epochs[-1])
            shown = [[self._embedded[epoch] for epoch in window.epochs] for window in batch]
            return self._decoder.answers(shape_of(batch[0]), shown, each_step)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            return None

    def _make_room(self, tried: int) -> None:
        if tried == 1:
            raise too_large(self._checkpoint.model.name_or_path or "model")
        self._batch_size = tried // 2
        give_back(self._checkpoint.device)

    # ── images ────────────────────────────────────────────────────────────────────────────

    def _embed_up_to(self, last: int) -> None:
        """Embeds the images up to an epoch, but for those that are embedded."""
        while last not in self._embedded:
            while len(self._drawn) < self._batch_size and not self._is_drawn(last):
                self._drawn.append(next(self._images))
            epochs, images = zip(*self._drawn[: self._batch_size], strict=True)
            self._embedded.update(zip(epochs, embed(self._checkpoint, images), strict=True))
            del self._drawn[: len(epochs)]

    def _is_drawn(self, epoch: int) -> bool:
        return bool(self._drawn) and self._drawn[-1][0] >= epoch

    def _let_go_before(self, epoch: int) -> None:
        """Forgets images that no window to come shows."""
        self._embedded = {e: image for e, image in self._embedded.items() if e >= epoch}


def _alike(windows: Sequence[Window]) -> Sequence[Window]:
    """As many of the first windows as have the same shape."""
    shape = shape_of(windows[0])
    n = next((i for i, window in enumerate(windows) if shape_of(window) != shape), len(windows))
    return windows[:n]
