"""The key-value cache of what all windows of a night begin with, computed once.

SleepVLM's prompt is some 3,000 tokens and the rest of a window 400: without this, seven eighths
of the work of reading a window would be done anew 960 times a night.
"""

from __future__ import annotations

import torch
from transformers import Cache, Qwen2_5_VLForConditionalGeneration
from transformers.cache_utils import CacheLayerMixin

from staging.qwen.inputs import WindowInputs


class RoomyLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """A layer's cache with room for all that is to come, so that no step copies what was there.

    Args:
        keys, values: of the shared prefix, shape ``(1, n_heads, n_shared, head_size)``.
        n_rows: windows that go on from it.
        room: tokens in all.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, n_rows: int, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        _, n_heads, self._n_tokens, size = keys.shape
        self._keys = keys.new_empty((n_rows, n_heads, room, size))
        self._values = values.new_empty((n_rows, n_heads, room, size))
        self._keys[:, :, : self._n_tokens] = keys
        self._values[:, :, : self._n_tokens] = values
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: the prefix is there from the start."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds tokens; returns keys and values of all, as views."""
        end = self._n_tokens + key_states.shape[-2]
        self._keys[:, :, self._n_tokens : end] = key_states
        self._values[:, :, self._n_tokens : end] = value_states
        self._n_tokens = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._n_tokens + query_length, 0

    def get_seq_length(self) -> int:
        return self._n_tokens

    def get_max_length(self) -> int:
        return int(self._keys.shape[-2])

    def drop(self, n_tokens: int) -> None:
        """Forgets the last tokens."""
        self._n_tokens -= n_tokens


class RoomyCache(Cache):
    """The caches of all layers."""

    def __init__(self, layers: list[RoomyLayer]) -> None:
        super().__init__(layers=list(layers))
        self._roomy = layers

    def drop(self, n_tokens: int) -> None:
        """Forgets the last tokens."""
        for layer in self._roomy:
            layer.drop(n_tokens)


class SharedPrefix:
    """The prefix of all windows, read by the model.

    Args:
        model: the model.
        inputs: of any window.
        n_tokens: how many of its tokens are the prefix.
    """

    @torch.inference_mode()
    def __init__(
        self, model: Qwen2_5_VLForConditionalGeneration, inputs: WindowInputs, n_tokens: int
    ) -> None:
        self.n_tokens = n_tokens
        read = model.model(
            input_ids=inputs.ids[None, :n_tokens],
            position_ids=inputs.positions[:, None, :n_tokens],
            use_cache=True,
        )
        self._layers = [(layer.keys, layer.values) for layer in read.past_key_values.layers]

    def cache(self, n_rows: int, room: int) -> RoomyCache:
        """A cache from which several windows go on, with room for so many tokens each."""
        return RoomyCache([RoomyLayer(keys, values, n_rows, room) for keys, values in self._layers])
