"""Images to embeddings: each image goes through the vision tower once a night."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from staging.qwen.checkpoint import Checkpoint
from staging.render import Image


def image_grid(checkpoint: Checkpoint, image: Image) -> tuple[int, int, int]:
    """Patches of an image in time, height and width."""
    (grid,) = checkpoint.image_processor([image])["image_grid_thw"].tolist()
    return tuple(grid)


@torch.inference_mode()
def embed(checkpoint: Checkpoint, images: Sequence[Image]) -> list[torch.Tensor]:
    """Embeddings of images of one size, each of shape ``(n_image_tokens, hidden_size)``."""
    patches = checkpoint.image_processor(list(images), return_tensors="pt")
    embedded = checkpoint.model.get_image_features(
        patches["pixel_values"].to(checkpoint.device),
        patches["image_grid_thw"].to(checkpoint.device),
    )
    return list(embedded.pooler_output)
