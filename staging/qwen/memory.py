"""How many windows are asked about at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from staging.qwen.checkpoint import Checkpoint

LARGEST_BATCH = 32
"""Beyond it a GPU is busy with one batch anyway, and the slowest reply holds up more others."""

_SHARE = 0.5
"""Of the memory that is free: the rest is for what passes through the layers."""


def batch_size(checkpoint: Checkpoint, n_tokens: int) -> int:
    """Windows whose key-value caches fit into memory together.

    Args:
        checkpoint: with its weights already in memory.
        n_tokens: of the longest window and reply.
    """
    text = checkpoint.text
    head_size = text.hidden_size // text.num_attention_heads
    n_heads = text.num_key_value_heads or text.num_attention_heads
    per_token = 2 * text.num_hidden_layers * n_heads * head_size
    per_window: int = n_tokens * per_token * checkpoint.model.dtype.itemsize
    return max(1, min(LARGEST_BATCH, int(_SHARE * _free_bytes(checkpoint.device)) // per_window))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    # What other programs use cannot be told portably: half of the machine is theirs.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def give_back(device: torch.device) -> None:
    """Returns memory that is kept for later use but is not in use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
