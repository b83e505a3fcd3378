"""The family's vision encoder on many images of one size at once.

The library's own forward takes window after window; where all images are alike, windows are a
dimension more. The result is the same: see tests/staging/training/test_encoder.py.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index


class BatchedEncoder(nn.Module):
    """The vision encoder of a model, for images of 224 × 448, in the precision of its input.

    Args:
        model: its weights are used, not copied.
    """

    def __init__(
        self, model: Qwen2_5_VLForConditionalGeneration, height_px: int = 224, width_px: int = 448
    ) -> None:
        super().__init__()
        self.visual = model.model.visual
        config = self.visual.config
        grid = torch.tensor([[1, height_px // config.patch_size, width_px // config.patch_size]])
        window_index, window_ends = get_vision_window_index(
            grid,
            spatial_merge_size=config.spatial_merge_size,
            window_size=config.window_size,
            patch_size=config.patch_size,
        )
        sizes = set(torch.diff(torch.as_tensor(window_ends)).tolist())
        if len(sizes) != 1:
            raise ValueError("the image does not divide into windows of one size")
        self.window = sizes.pop()
        self.unit = config.spatial_merge_size**2
        self.order = torch.as_tensor(window_index)
        self.back = torch.argsort(self.order)
        positions = get_vision_position_ids(grid, config.spatial_merge_size)
        cos, sin = self.visual.rotary_pos_emb(torch.zeros(1), positions)
        self.cos, self.sin = (self._in_windows(each[None])[0] for each in (cos, sin))

    def _in_windows(self, tokens: Tensor) -> Tensor:
        n, length, width = tokens.shape
        merged = tokens.reshape(n, length // self.unit, self.unit, width)
        return merged[:, self.order].reshape(n, length, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Merged tokens ``(n, 128, out_hidden_size)`` of patches ``(n, 512, 588)``."""
        kernel = self.visual.patch_embed.proj.weight.sum(dim=2)
        hidden = F.linear(patches, kernel.flatten(1).to(patches.dtype))
        hidden = self._in_windows(hidden)
        for number, block in enumerate(self.visual.blocks):
            whole = number in self.visual.fullatt_block_indexes
            hidden = hidden + self._attend(block.attn, norm(block.norm1, hidden), whole)
            middle, mlp = norm(block.norm2, hidden), block.mlp
            gate = F.silu(linear(mlp.gate_proj, middle))
            hidden = hidden + linear(mlp.down_proj, gate * linear(mlp.up_proj, middle))
        merger = self.visual.merger
        four = norm(merger.ln_q, hidden).reshape(len(patches), -1, merger.hidden_size)
        merged = linear(merger.mlp[2], F.gelu(linear(merger.mlp[0], four)))
        return merged[:, self.back]

    def _attend(self, attention: Any, hidden: Tensor, whole: bool) -> Tensor:
        n, length, width = hidden.shape
        three = linear(attention.qkv, hidden).reshape(n, length, 3, attention.num_heads, -1)
        query, key, value = three.unbind(2)
        span = length if whole else self.window
        query, key, value = (
            each.reshape(-1, span, attention.num_heads, each.shape[-1]).transpose(1, 2)
            for each in (self._turned(query), self._turned(key), value)
        )
        mixed = attended(query, key, value)
        return linear(attention.proj, mixed.transpose(1, 2).reshape(n, length, width))

    def _turned(self, each: Tensor) -> Tensor:
        """With rotary positions, ``(n, length, heads, width)``."""
        first, second = each.chunk(2, dim=-1)
        cos, sin = (table.unsqueeze(-2).to(each.dtype) for table in (self.cos, self.sin))
        return each * cos + torch.cat((-second, first), dim=-1) * sin


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention by plain products: on processors twice as fast to train as the fused one.

    Args:
        query, key, value: ``(..., length, width)``.
        mask: added to the scores.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    mixed: Tensor = scores.softmax(-1) @ value
    return mixed


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """In the precision of what comes in, whatever that of the weights."""
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    return F.linear(x, layer.weight.to(x.dtype), bias)


def norm(layer: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), layer.weight.to(x.dtype), layer.variance_epsilon)
