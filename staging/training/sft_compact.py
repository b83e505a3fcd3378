"""Phase 2 of the compact model: replies from the images of three epochs.

The vision encoder stays as phase 1 left it, so each image is embedded once, in half precision,
and read from there. In a first part of the steps the neighbours' tokens are left out, but every
other token keeps the position that it has among them: that is three times cheaper, and what is
learnt of finding times in the target holds when they come. Then they come, and not only true ones
(:mod:`staging.training.windows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import copyfile

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from staging.training.blank import blank_images
from staging.training.compact import patches, save_checkpoint, text_width
from staging.training.decoder import reply_states
from staging.training.encoder import BatchedEncoder, linear
from staging.training.loop import Journal, Schedule, Training, training_sha256
from staging.training.nights import TrainingNight
from staging.training.prompts import IMAGE_TOKENS, Prompts
from staging.training.replies import Replies
from staging.training.sampling import Epochs
from staging.training.sft_check import check
from staging.training.told import COLUMNS, HELD_FILE, ROWS
from staging.training.windows import Shown, Windows

_MICRO = 16
_ALONE = 0.5
"""Share of the steps in which the neighbours are left out."""


def train_sft_compact(
    start: Path,
    nights: list[TrainingNight],
    validation: list[TrainingNight],
    folder: Path,
    *,
    steps: int,
    batch: int = 32,
    peak: float = 1e-3,
    seed: int = 0,
    threads: int = 2,
    save_every: int = 200,
) -> Path:
    """Trains the text part on a checkpoint of phase 1, or further on one of phase 2; returns the
    checkpoint's folder.

    Started again with the same folder, it goes on from the last save.

    Raises:
        UsageError: the folder cannot be written to.
        CheckpointRefused: what was saved is damaged, or of another training.
    """
    journal = Journal(folder / "sft.jsonl")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    model.model.visual.requires_grad_(False)
    text = torch.nn.ModuleDict({"text": model.model.language_model})
    schedule = Schedule(steps, peak, weight_decay=0.05)
    training = Training(
        {"text": text},
        schedule,
        folder / "sft.state",
        training_sha256(start, nights, schedule, batch, seed),
        threads,
    )
    if training.finished:
        return _save(folder / "sft", model, tokenizer, start)
    epochs, held_out = Epochs(nights), Epochs(validation)
    journal.note(phase="sft", embedding=len(epochs) + len(held_out))
    images = embed(model, epochs, threads, turned=True)
    held_out_images = embed(model, held_out, threads)
    prompts = Prompts(tokenizer, model)
    replies = Replies(tokenizer, epochs, _scores(start, images[: 2 * len(epochs)]))
    shown = Windows(epochs, replies.can_turn)
    while not training.finished:
        rng = np.random.default_rng([seed, 2, training.step])
        alone = training.step < _ALONE * steps
        windows = shown.draw(batch, rng, alone=alone)
        windows.sort(key=lambda each: (len(each.images), len(replies.of(each).ids)))
        parts = [windows[i : i + _MICRO] for i in range(0, batch, _MICRO)]
        loss = training.update(
            [
                partial(_loss, model, images, prompts, replies, part, len(part) / batch)
                for part in parts
            ]
        )
        if training.step % 20 == 0:
            journal.note(phase="sft", step=training.step, alone=alone, loss=round(loss, 4))
        if training.step % save_every == 0 or training.finished:
            training.save()
            _save(folder / "sft", model, tokenizer, start)
            found = check(model, tokenizer, prompts, held_out, held_out_images, alone)
            journal.note(phase="sft", step=training.step, **found)
    return folder / "sft"


def _save(
    folder: Path,
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    start: Path,
) -> Path:
    save_checkpoint(folder, model, tokenizer)
    if (start / HELD_FILE).exists():
        copyfile(start / HELD_FILE, folder / HELD_FILE)
    return folder


def _scores(start: Path, images: Tensor) -> np.ndarray | None:
    """How surely each token of images holds an event, as phase 1 learnt to tell."""
    if not (start / HELD_FILE).exists():
        return None
    held = load_file(start / HELD_FILE)
    scores = [
        torch.sigmoid(F.linear(part.float(), held["weight"], held["bias"])[..., 0])
        for part in torch.split(images, 1024)
    ]
    return np.asarray(torch.cat(scores).reshape(-1, ROWS, COLUMNS).numpy())


@torch.no_grad()
def embed(
    model: Qwen2_5_VLForConditionalGeneration, epochs: Epochs, threads: int, *, turned: bool = False
) -> Tensor:
    """The merged tokens of every image, ``(n + blank ones, 128, width)``, half precision.

    The blank images come last, so that negative numbers find one. If ``turned``, all images with
    their halves in each other's place follow on the images as they are.
    """
    encoder = BatchedEncoder(model)
    width, n = text_width(model), len(epochs)
    blank = blank_images()
    kept = torch.empty((n * (1 + turned) + len(blank), IMAGE_TOKENS, width), dtype=torch.float16)

    def work(part: np.ndarray) -> None:
        images = epochs.images(part % n)
        if part[0] >= n:
            images = np.roll(images, images.shape[2] // 2, axis=2)
        with torch.no_grad():
            kept[torch.tensor(part)] = encoder(patches(images).bfloat16()).half()

    rows = [np.arange(first, first + n) for first in range(0, n * (1 + turned), n)]
    with ThreadPoolExecutor(threads) as pool:
        for row in rows:
            list(pool.map(work, np.array_split(row, -(-n // 16))))
    kept[-len(blank) :] = encoder(patches(blank).bfloat16()).half()
    return kept


def _loss(
    model: Qwen2_5_VLForConditionalGeneration,
    images: Tensor,
    prompts: Prompts,
    replies: Replies,
    windows: Sequence[Shown],
    share: float,
) -> Tensor:
    """Windows of the same layout run together."""
    total = torch.zeros(())
    weight = torch.zeros(())
    for layout in dict.fromkeys(shown.layout for shown in windows):
        alike = [shown for shown in windows if shown.layout == layout]
        value, weighed = _loss_alike(model, images, prompts, replies, alike)
        total, weight = total + value, weight + weighed
    return share * total / weight


def _loss_alike(
    model: Qwen2_5_VLForConditionalGeneration,
    images: Tensor,
    prompts: Prompts,
    replies: Replies,
    windows: Sequence[Shown],
) -> tuple[Tensor, Tensor]:
    """The weighted sum of what each reply's tokens cost, and the weights' sum."""
    told = [replies.of(shown) for shown in windows]
    longest = max(len(each.ids) for each in told)
    ids, weights, any_of = (
        torch.stack([F.pad(each, (0, longest - len(each)), value=value) for each in row])
        for row, value in (
            ([each.ids for each in told], 0),
            ([each.weights for each in told], 0),
            ([each.any_of for each in told], -1),
        )
    )
    shown = images[torch.tensor([each.images for each in windows])]
    before, positions = prompts.embedded(windows[0].layout, shown)
    words = model.get_input_embeddings()(ids[:, :-1])
    first = positions[0, 0, -1] + 1
    after = (first + torch.arange(longest - 1)).expand(3, len(ids), -1)
    hidden = reply_states(
        model.model.language_model,
        torch.cat([before, words], dim=1).bfloat16(),
        torch.cat([positions, after], dim=2),
        longest,
    )
    logits = linear(model.lm_head, hidden)
    cost = costs(logits.float(), ids, any_of, replies.rules)
    return (cost * weights).sum(), weights.sum()


def costs(logits: Tensor, ids: Tensor, any_of: Tensor, rules: Tensor) -> Tensor:
    """What each token of replies costs, ``(n, length)``.

    Args:
        logits: ``(n, length, vocabulary)``.
        ids: the tokens that are right.
        any_of: see :class:`Wanted`.
        rules: ``(stages, vocabulary)``: which tokens are rules that give a stage.
    """
    log_p = logits.log_softmax(-1)
    cost = F.nll_loss(log_p.flatten(0, 1), ids.flatten(), reduction="none").view_as(ids)
    free = any_of >= 0
    if not free.any():
        return cost
    others = ~rules[any_of[free]]
    right = log_p[free][:, : rules.shape[1]].masked_fill(others, -torch.inf).logsumexp(-1)
    return cost.masked_scatter(free, -right)
