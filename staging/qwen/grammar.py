"""The form that a reply is held to while it is written: the schema, bare or in a fence.

Fine-tuned models write the one or the other, compact or indented; which, is left to them, as
both are in the grammar. White space is bounded, since a model that has nothing to say may
otherwise write it for ever.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from staging.qwen.checkpoint import Checkpoint
from staging.reply import REPLY_SCHEMA

_WHITE_SPACE = r"[ \n]{0,12}"
"""Three levels of indentation by four at most."""


class ReplyGrammar:
    """The grammar of a reply, in a checkpoint's tokens."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        # The network has more outputs than the tokenizer has tokens, for round numbers.
        self._n_outputs = int(checkpoint.text.vocab_size)
        self._tokenizer = from_tokenizer(
            checkpoint.tokenizer, n_vocab=self._n_outputs, eos_token=list(checkpoint.stop_tokens)
        )
        schema = {**REPLY_SCHEMA, "x-guidance": {"whitespace_pattern": _WHITE_SPACE}}
        self._grammar = (
            f'start: reply | "```json\\n" reply "\\n```"\nreply: %json {json.dumps(schema)}\n'
        )

    def matcher(self) -> LLMatcher:
        """Follows one reply from its start."""
        return LLMatcher(self._tokenizer, self._grammar)

    def permitted(self, matcher: LLMatcher) -> torch.Tensor:
        """Which tokens may come next, shape ``(n_outputs,)``, true or false."""
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        return torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._n_outputs] != 0)

    def text_of(self, tokens: list[int]) -> bytes:
        """The tokens' text, to the byte."""
        return bytes(self._tokenizer.decode_bytes(tokens))
