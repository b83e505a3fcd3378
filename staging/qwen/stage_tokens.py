"""How likely each stage was where a reply names its own.

The model writes a stage as one or more tokens: N and 2, say. The likelihood of each stage is
that of its tokens after all that the model wrote before, whichever of them it then chose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from transformers import PreTrainedTokenizerFast

from auditor.vocabulary import SCORED_STAGES, Stage
from staging.qwen.grammar import ReplyGrammar
from staging.qwen.inputs import n_alike

Path: TypeAlias = tuple[int, ...]
"""Tokens from where a stage begins."""

_BEFORE = '{"sleep_stage": "'
_NAMED = re.compile(rb'"sleep_stage"\s*:\s*"(?=[WNR])')


class StageTokens:
    """The five stages in a tokenizer's tokens.

    Attributes:
        ids: all tokens that occur in a stage, in ascending order.
        inner: what a model may have written of a stage and not be done, but for nothing at all.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, grammar: ReplyGrammar) -> None:
        self._grammar = grammar
        written = {
            stage: _up_to_its_end(tokenizer, f"{_BEFORE}{stage}", '"}') for stage in SCORED_STAGES
        }
        alike = n_alike(list(written.values()))
        any_path = next(iter(written.values()))
        self._n_quoted = len(_BEFORE) - len(grammar.text_of(list(any_path[:alike])))
        self._paths = {stage: path[alike:] for stage, path in written.items()}
        self.ids = tuple(sorted({token for path in self._paths.values() for token in path}))
        self.inner = tuple(
            dict.fromkeys(path[:n] for path in self._paths.values() for n in range(1, len(path)))
        )

    def begins_at(self, tokens: Sequence[int]) -> int | None:
        """Before which token of a reply its stage begins; None where it names none.

        None, too, where the model cut the text into other tokens than its tokenizer does.
        """
        pieces = [self._grammar.text_of([token]) for token in tokens]
        named = list(_NAMED.finditer(b"".join(pieces)))
        if not named:
            return None
        wanted, n_bytes = named[-1].end() - self._n_quoted, 0
        for index, piece in enumerate(pieces):
            if n_bytes == wanted:
                return index
            n_bytes += len(piece)
        return None

    def probabilities(self, after: Mapping[Path, torch.Tensor]) -> Mapping[Stage, float]:
        """Of each stage, summing to 1.

        Args:
            after: natural log-likelihoods of :attr:`ids` after nothing and after each of
                :attr:`inner`.
        """
        column = {token: i for i, token in enumerate(self.ids)}
        logs = [
            sum(float(after[path[:n]][column[token]]) for n, token in enumerate(path))
            for path in self._paths.values()
        ]
        shares = torch.softmax(torch.tensor(logs, dtype=torch.float64), dim=0).tolist()
        return dict(zip(self._paths, shares, strict=True))


def _up_to_its_end(tokenizer: PreTrainedTokenizerFast, text: str, rest: str) -> Path:
    """The tokens of a text, with any of the rest that shares a token with it."""
    encoded = tokenizer(text + rest, return_offsets_mapping=True, add_special_tokens=False)
    return tuple(_starting_before(len(text), encoded["input_ids"], encoded["offset_mapping"]))


def _starting_before(
    end: int, ids: Sequence[int], offsets: Sequence[tuple[int, int]]
) -> Iterator[int]:
    for token, (start, _) in zip(ids, offsets, strict=True):
        if start < end:
            yield token
