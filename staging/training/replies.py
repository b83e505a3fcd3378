"""What phase 2 of the compact model is to reply, and how much each of its words weighs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from auditor.vocabulary import SCORED_STAGES
from staging.training.compact import END, token_id, word_ids
from staging.training.sampling import Epochs
from staging.training.told import only_shown
from staging.training.turned import turned_reply
from staging.training.windows import Shown
from staging.training.wording import BLANK_REASON, reply

_BLANK_REPLY = reply(BLANK_REASON, (), "?")
_STAGES = tuple(stage.value for stage in SCORED_STAGES)
_BEGINS = 6.0
"""The weight of the second at which an event begins: all else of it hangs on that."""
_WEIGHTY = frozenset(
    [
        "No",
        "or",
        "low",
        "intermediate",
        "high",
        "Slow",
        "Alpha",
        "Low-amplitude",
        "F4",
        "C4",
        "O2",
        "Rapid",
        "Eye",
        "Chin",
        "A",
        "An",
        "K",
        "sleep",
        "vertex",
    ]
)
"""Words with which a sentence, or what it is about, is decided."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reply as tokens, each ``(length,)``.

    Attributes:
        ids: of the tokens.
        weights: how much each counts.
        any_of: at a rule, the number of the stage any of whose rules is as right, for which one
            applies hangs on what is not shown as it was; −1 elsewhere.
    """

    ids: Tensor
    weights: Tensor
    any_of: Tensor


class Replies:
    """Every epoch's reply, and what is right once its halves have changed places.

    Attributes:
        can_turn: of each epoch, whether that is known.
        rules: see :func:`_rules_cited`.

    Args:
        tokenizer: of the model.
        epochs: all.
        scores: see :func:`only_shown`, of every epoch and then of every one whose halves have
            changed places; None to have everything told.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, epochs: Epochs, scores: np.ndarray | None
    ) -> None:
        turned = _turned(epochs)
        self.can_turn = [bool(each) for each in turned]
        texts = [epochs.truth(i).reply for i in range(len(epochs))] + turned
        if scores is not None:
            texts = [only_shown(text, each) for text, each in zip(texts, scores, strict=True)]
        end = token_id(tokenizer, END)
        ids = tokenizer([*texts, _BLANK_REPLY], add_special_tokens=False)["input_ids"]
        self._ids = [torch.tensor([*each, end]) for each in ids]
        self._weights = _token_weights(tokenizer)
        self.rules = _rules_cited(tokenizer, epochs)
        self._stages = [_number(epochs.truth(i).stage) for i in range(len(epochs))] * 2 + [-1]
        (self._at,) = word_ids(tokenizer, ["at "])

    def of(self, shown: Shown) -> Wanted:
        i = max(shown.target, -1)
        ids, stage = self._ids[i], self._stages[i]
        weights = self._weights[ids]
        weights[1:][ids[:-1] == self._at] = _BEGINS
        any_of = torch.full_like(ids, -1)
        if not shown.truthful and stage >= 0:
            any_of[self.rules[stage, ids]] = stage
        return Wanted(ids, weights, any_of)


def _number(stage: str) -> int:
    return _STAGES.index(stage) if stage in _STAGES else -1


def _rules_cited(tokenizer: PreTrainedTokenizerFast, epochs: Epochs) -> Tensor:
    """Of each stage, which tokens are rules that give it: ``(stages, vocabulary)``."""
    cited = torch.zeros(len(_STAGES), len(tokenizer), dtype=torch.bool)
    for each in map(epochs.truth, range(len(epochs))):
        if each.stage in _STAGES:
            for rule in each.rules:
                cited[_STAGES.index(each.stage), token_id(tokenizer, rule)] = True
    return cited


def _turned(epochs: Epochs) -> list[str]:
    """What is right once halves have changed places; empty where that is not known.

    At a change of stages the stage itself may hang on the half in which a sign lies, so only
    epochs between two of their own stage are turned; and only simulated ones, for nobody knows
    where people put their times.
    """
    replies = [""] * len(epochs)
    for inner in epochs.within.values():
        for i in inner:
            if epochs.truth(i).reply and epochs.nights[int(epochs.night[i])].events is not None:
                replies[i] = turned_reply(epochs.truth(i).reply) or ""
    return replies


def _token_weights(tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """What is decided weighs more than what follows of itself."""
    weights = torch.full((len(tokenizer),), 0.5)
    for token, i in tokenizer.get_vocab().items():
        word = token.strip("Ġ")
        if word in _STAGES:
            weights[i] = 8.0
        elif _is_rule(word):
            weights[i] = 4.0
        elif word in _WEIGHTY or word.replace(".", "").isdigit():
            weights[i] = 2.0
    return weights


def _is_rule(word: str) -> bool:
    return word[-2:-1] == "." and word[0] in "WNRM"
