"""What stands before a reply, as the text part of the compact model takes it."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from staging.training.compact import IMAGE_PAD, chat_text, token_id
from staging.training.windows import Layout

IMAGE_TOKENS = 128


class Prompts:
    """The token ids of what stands before a reply, by its layout."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, model: Qwen2_5_VLForConditionalGeneration
    ) -> None:
        self._image_pad = token_id(tokenizer, IMAGE_PAD)
        self._tokenizer, self._model = tokenizer, model
        self._kept: dict[Layout, tuple[Tensor, Tensor]] = {}

    def of(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """Ids ``(length,)`` and positions ``(3, length)``."""
        if layout not in self._kept:
            window = layout.window
            text = chat_text(self._tokenizer, window, IMAGE_TOKENS)
            ids = torch.tensor([self._tokenizer(text, add_special_tokens=False)["input_ids"]])
            grids = torch.tensor([[1, 16, 32]] * len(window.epochs))
            is_image = torch.eq(ids, self._image_pad)
            positions, _ = self._model.model.get_rope_index(
                ids, is_image.int(), image_grid_thw=grids
            )
            stays = torch.ones_like(ids[0], dtype=torch.bool)
            if layout.left_out:
                tokens = is_image[0].nonzero()[:, 0]
                stays[tokens[:IMAGE_TOKENS]] = False
                stays[tokens[-IMAGE_TOKENS:]] = False
            self._kept[layout] = (ids[0, stays], positions[:, 0, stays])
        return self._kept[layout]

    def embedded(self, layout: Layout, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings ``(n, length, width)`` and positions ``(3, n, length)`` of one layout, with
        these images ``(n, images, 128, width)`` in it."""
        ids, positions = self.of(layout)
        words = self._model.get_input_embeddings()(ids)
        n, width = len(images), words.shape[-1]
        at = torch.eq(ids, self._image_pad).nonzero()[:, 0]
        told = words.expand(n, -1, -1).clone()
        told = told.index_copy(1, at, images.reshape(n, -1, width).to(words.dtype))
        return told, positions[:, None].expand(3, n, -1)
