"""What phase 2 of the compact model is worth on the way, on nights that it is not trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import cohen_kappa_score
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from staging.prompt import Window, window_around
from staging.reply import Reply, read_reply
from staging.training.compact import END, token_id
from staging.training.prompts import Prompts
from staging.training.sampling import Epochs
from staging.training.told import PRESENT, START, words_held
from staging.training.windows import Shown


@torch.no_grad()
def answer(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Prompts,
    images: Tensor,
    windows: Sequence[Shown],
    longest: int = 256,
) -> list[str]:
    """The replies to windows of one layout, greedily, in the weights' own precision."""
    end = token_id(tokenizer, END)
    shown = images[torch.tensor([each.images for each in windows])].to(model.dtype)
    embeds, positions = prompts.embedded(windows[0].layout, shown)
    place = int(positions[0, 0, -1])
    cache = None
    written: list[Tensor] = []
    done = torch.zeros(len(windows), dtype=torch.bool)
    for _ in range(longest):
        out = model.model.language_model(
            inputs_embeds=embeds, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = out.past_key_values
        ids = model.lm_head(out.last_hidden_state[:, -1]).argmax(-1)
        written.append(torch.where(done, end, ids))
        done |= ids == end
        if bool(done.all()):
            break
        place += 1
        embeds = model.get_input_embeddings()(ids)[:, None]
        positions = torch.full((3, len(windows), 1), place)
    return tokenizer.batch_decode(torch.stack(written, dim=1), skip_special_tokens=True)


def check(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Prompts,
    held_out: Epochs,
    images: Tensor,
    alone: bool,
) -> dict[str, float | str]:
    """Kappa, rules and readable replies on some of the nights that are not trained on."""
    inner = [
        i
        for i in range(len(held_out))
        if held_out.truth(i).reply and len(_around(held_out, i).epochs) == 3
    ]
    inner = inner[:: max(1, len(inner) // 96)]
    windows = [
        Shown(None, i, None, True, left_out=True) if alone else Shown(i - 1, i, i + 1, True)
        for i in inner
    ]
    replies = [
        text
        for part in range(0, len(windows), 64)
        for text in answer(model, tokenizer, prompts, images, windows[part : part + 64])
    ]
    readings = [read_reply(text) for text in replies]
    stages = [held_out.truth(i).stage for i in inner]
    rules = [held_out.truth(i).rules for i in inner]
    told = [each.stage.value if isinstance(each, Reply) else "?" for each in readings]
    cited = [each.applicable_rules if isinstance(each, Reply) else None for each in readings]
    times = _times_told([held_out.truth(i).reply for i in inner], replies)
    return {
        "kappa": round(float(cohen_kappa_score(stages, told)), 3),
        "rules_exact": round(
            float(np.mean([a == b for a, b in zip(rules, cited, strict=True)])), 3
        ),
        "readable": round(float(np.mean([_is_json(text) for text in replies])), 3),
        **times,
        "example": replies[0],
    }


def _times_told(true: Sequence[str], replies: Sequence[str]) -> dict[str, str]:
    """Of each sort of event, precision and recall of starts told within 1 s."""
    found = {}
    for row, name in ((0, "spindles"), (1, "k_complexes"), (4, "rapid"), (5, "blinks")):
        pairs = [(_starts(a, row), _starts(b, row)) for a, b in zip(true, replies, strict=True)]
        right = sum(any(abs(t - s) <= 2 for s in a) for a, b in pairs for t in b)
        met = sum(any(abs(t - s) <= 2 for t in b) for a, b in pairs for s in a)
        told, there = sum(len(b) for _, b in pairs), sum(len(a) for a, _ in pairs)
        found[name] = f"{right / max(told, 1):.2f} {met / max(there, 1):.2f}"
    return found


def _starts(reply: str, row: int) -> list[int]:
    """In half seconds."""
    held = words_held(reply)[row]
    return [int(i) for i in held[held[:, PRESENT] == 1, START]]


def _around(epochs: Epochs, i: int) -> Window:
    return window_around(i, epochs.of_same_night(i))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
