"""What the network is given of a window, but for its images.

The tokens of a window depend only on which neighbours it has, so there are four kinds of input
in a night at most. All begin alike: that part's key-value cache is worth sharing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeAlias

import torch

from auditor.errors import CheckpointRefused
from staging.prompt import Prompt, Window, user_turn
from staging.qwen.checkpoint import IMAGE_TOKEN, Checkpoint

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""How the family writes a conversation, for a checkpoint that brings no template of its own."""

_WINDOWS = tuple(
    Window(1, preceding, subsequent) for preceding in (0, None) for subsequent in (2, None)
)

Shape: TypeAlias = tuple[bool, bool]
"""Whether a window has the preceding and the subsequent neighbour."""


def shape_of(window: Window) -> Shape:
    return window.preceding is not None, window.subsequent is not None


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """The input of windows of one shape.

    Attributes:
        ids: tokens, shape ``(n_tokens,)``.
        positions: in time, height and width, for rotary embedding, shape ``(3, n_tokens)``.
        next_position: of the first token of the reply, in all three.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    next_position: int


@dataclass(frozen=True, slots=True)
class NightInputs:
    """The inputs of all windows of a night.

    Attributes:
        by_shape: of each shape that a window can have.
        n_shared: how many tokens all of them begin with, before any image.
        n_image_tokens: for which each image stands.
    """

    by_shape: dict[Shape, WindowInputs]
    n_shared: int
    n_image_tokens: int

    @property
    def longest(self) -> int:
        return max(len(inputs.ids) for inputs in self.by_shape.values())


def night_inputs(
    checkpoint: Checkpoint, prompt: Prompt, image_grid: tuple[int, int, int]
) -> NightInputs:
    """The inputs of windows whose images are of one size.

    Args:
        checkpoint: whose tokens and positions they are.
        prompt: the system prompt.
        image_grid: patches of an image in time, height and width.

    Raises:
        CheckpointRefused: prompt and images do not fit the model's context, or the prompt holds
            the token that stands for an image.
    """
    merged = checkpoint.vision.spatial_merge_size**2
    n_image_tokens = image_grid[0] * image_grid[1] * image_grid[2] // merged
    by_shape = {
        shape_of(window): _window_inputs(checkpoint, prompt, window, image_grid, n_image_tokens)
        for window in _WINDOWS
    }
    shared = n_alike([inputs.ids.tolist() for inputs in by_shape.values()])
    return NightInputs(by_shape, shared, n_image_tokens)


def _window_inputs(
    checkpoint: Checkpoint,
    prompt: Prompt,
    window: Window,
    image_grid: tuple[int, int, int],
    n_image_tokens: int,
) -> WindowInputs:
    text = chat_text(checkpoint, prompt, window)
    text = text.replace(IMAGE_TOKEN, IMAGE_TOKEN * n_image_tokens)
    ids = torch.tensor(checkpoint.tokenizer(text)["input_ids"], device=checkpoint.device)
    is_image = ids == checkpoint.image_token_id
    n_images = len(window.epochs)
    if int(is_image.sum()) != n_images * n_image_tokens:
        raise CheckpointRefused(
            prompt.name, f"holds {IMAGE_TOKEN}, which stands for an image", "take it out"
        )
    limit = checkpoint.text.max_position_embeddings
    if len(ids) >= limit:
        raise CheckpointRefused(
            prompt.name,
            f"makes {len(ids)} tokens with the images; the model's context is {limit}",
            "give a shorter prompt or a model of longer context",
        )
    # Without the types of the tokens, images would be laid out as if they were lines of text,
    # and nothing but the times that the model names would show it.
    positions, offset = checkpoint.model.model.get_rope_index(
        ids[None],
        mm_token_type_ids=is_image[None].int(),
        image_grid_thw=torch.tensor([image_grid] * n_images, device=checkpoint.device),
    )
    return WindowInputs(ids, positions[:, 0], len(ids) + int(offset))


def chat_text(checkpoint: Checkpoint, prompt: Prompt, window: Window) -> str:
    """A window's conversation as text, with one image token for each image."""
    turn: list[dict[str, str]] = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in user_turn(window)
    ]
    conversation: list[dict[str, Any]] = [
        {"role": "system", "content": [{"type": "text", "text": prompt.text}]},
        {"role": "user", "content": turn},
    ]
    text = checkpoint.tokenizer.apply_chat_template(
        conversation,
        chat_template=checkpoint.tokenizer.chat_template or CHAT_TEMPLATE,
        add_generation_prompt=True,
        tokenize=False,
    )
    return str(text)


def n_alike(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with."""
    columns = zip(*sequences, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
