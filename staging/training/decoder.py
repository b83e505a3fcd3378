"""The family's text part on whole sequences in one precision, as training needs it.

The result is the library's own (tests/staging/training/test_decoder.py). What is spared: single
precision between operations, and in the last layer all positions but those of the reply.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from torch import Tensor

from staging.training.encoder import attended, linear, norm


def reply_states(language: Any, embeds: Tensor, positions: Tensor, n_reply: int) -> Tensor:
    """The last hidden states of the last positions: ``(n, n_reply, width)``.

    Args:
        language: the model's text part.
        embeds: ``(n, length, width)``; padding on the right harms nothing before it.
        positions: ``(3, n, length)``.
        n_reply: how many positions at the end are wanted.
    """
    cos, sin = (
        table.unsqueeze(1).to(embeds.dtype) for table in _tables(language, embeds, positions)
    )
    hidden = embeds
    last = len(language.layers) - 1
    for number, layer in enumerate(language.layers):
        n_wanted = n_reply if number == last else hidden.shape[1]
        hidden = _layer(layer, hidden, cos, sin, n_wanted)
    return norm(language.norm, hidden)


def _tables(language: Any, embeds: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = language.rotary_emb(embeds.float(), positions)
    return cos, sin


def _layer(layer: Any, hidden: Tensor, cos: Tensor, sin: Tensor, n_wanted: int) -> Tensor:
    """One layer; of its result only the last ``n_wanted`` positions."""
    attention = layer.self_attn
    n, length, _ = hidden.shape
    normed = norm(layer.input_layernorm, hidden)
    wanted = normed[:, length - n_wanted :]

    def heads(projection: Any, x: Tensor) -> Tensor:
        return linear(projection, x).reshape(n, x.shape[1], -1, attention.head_dim).transpose(1, 2)

    query = _turned(heads(attention.q_proj, wanted), cos[:, :, -n_wanted:], sin[:, :, -n_wanted:])
    key = _turned(heads(attention.k_proj, normed), cos, sin)
    value = heads(attention.v_proj, normed)
    groups = query.shape[1] // key.shape[1]
    key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
    later = torch.ones(n_wanted, length, dtype=torch.bool).triu(length - n_wanted + 1)
    mask = torch.zeros(n_wanted, length, dtype=query.dtype).masked_fill(later, -torch.inf)
    mixed = attended(query, key, value, mask)
    mixed = mixed.transpose(1, 2).reshape(n, n_wanted, -1)
    hidden = hidden[:, length - n_wanted :] + linear(attention.o_proj, mixed)
    middle, mlp = norm(layer.post_attention_layernorm, hidden), layer.mlp
    gate = F.silu(linear(mlp.gate_proj, middle))
    return hidden + linear(mlp.down_proj, gate * linear(mlp.up_proj, middle))


def _turned(each: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = each.chunk(2, dim=-1)
    return each * cos + torch.cat((-second, first), dim=-1) * sin
