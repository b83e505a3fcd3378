"""Phase 2 of the compact model: replies from the images of three epochs.

The vision encoder stays as phase 1 left it, so each image is embedded once, in half precision,
and read from there. In a first part of the steps the neighbours' tokens are left out, but every
other token keeps the position that it has among them: that is three times cheaper, and what is
learnt of finding times in the target holds when they come. Then they come, and in a share of the
windows they are false: another epoch's, or blank. A model that never meets false neighbours
copies its stage from true ones and does not look at the target.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from safetensors.torch import load_file
from sklearn.metrics import cohen_kappa_score
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from auditor.vocabulary import SCORED_STAGES
from staging.prompt import Window, window_around
from staging.reply import Reply, read_reply
from staging.training.blank import blank_images
from staging.training.compact import (
    END,
    IMAGE_PAD,
    chat_text,
    patches,
    save_checkpoint,
    text_width,
    token_id,
    word_ids,
)
from staging.training.decoder import reply_states
from staging.training.encoder import BatchedEncoder, linear
from staging.training.loop import Journal, Schedule, Training
from staging.training.nights import TrainingNight
from staging.training.sampling import Epochs
from staging.training.told import (
    COLUMNS,
    HELD_FILE,
    PRESENT,
    ROWS,
    START,
    only_shown,
    words_held,
)
from staging.training.wording import BLANK_REASON, reply

IMAGE_TOKENS = 128
_MICRO = 16
_ALONE = 0.6
"""Share of the steps in which the neighbours are left out."""
_LONE = 0.1
"""Of these, the share of windows that really have no neighbours."""
_FALSE = 0.6
"""Share of the windows whose neighbours are another epoch's, or blank."""
_BLANK_NEAR = 0.2
"""Of these, the share whose neighbours are blank."""
_BLANK_TARGET = 0.02
_MISSING = 0.05
"""Share of the windows that lack a neighbour, as a recording's first and last epochs do."""
_BLANK_REPLY = reply(BLANK_REASON, (), "?")
_STAGES = tuple(stage.value for stage in SCORED_STAGES)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which images a prompt has, and whether the neighbours' tokens are left out of it."""

    window: Window
    left_out: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A window as it is shown in training.

    Attributes:
        preceding, subsequent: epochs in the row of all, negative for a blank image, None for
            none.
        target: the epoch to score; negative for a blank image.
        truthful: whether the neighbours are the target's own, so that rules that hang on them
            can be learnt.
        left_out: whether there are neighbours that are not shown.
    """

    preceding: int | None
    target: int
    subsequent: int | None
    truthful: bool
    left_out: bool = False

    @property
    def images(self) -> tuple[int, ...]:
        return tuple(i for i in (self.preceding, self.target, self.subsequent) if i is not None)

    @property
    def layout(self) -> Layout:
        before, after = self.preceding is not None, self.subsequent is not None
        if self.left_out:
            return Layout(Window(1, 0, 2), left_out=True)
        return Layout(Window(1, 0 if before else None, 2 if after else None), left_out=False)


class Prompts:
    """The token ids of what stands before a reply, by its layout."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, model: Qwen2_5_VLForConditionalGeneration
    ) -> None:
        self._image_pad = token_id(tokenizer, IMAGE_PAD)
        self._tokenizer, self._model = tokenizer, model
        self._kept: dict[Layout, tuple[Tensor, Tensor]] = {}

    def of(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """Ids ``(length,)`` and positions ``(3, length)``."""
        if layout not in self._kept:
            window = layout.window
            text = chat_text(self._tokenizer, window, IMAGE_TOKENS)
            ids = torch.tensor([self._tokenizer(text, add_special_tokens=False)["input_ids"]])
            grids = torch.tensor([[1, 16, 32]] * len(window.epochs))
            is_image = torch.eq(ids, self._image_pad)
            positions, _ = self._model.model.get_rope_index(
                ids, is_image.int(), image_grid_thw=grids
            )
            stays = torch.ones_like(ids[0], dtype=torch.bool)
            if layout.left_out:
                tokens = is_image[0].nonzero()[:, 0]
                stays[tokens[:IMAGE_TOKENS]] = False
                stays[tokens[-IMAGE_TOKENS:]] = False
            self._kept[layout] = (ids[0, stays], positions[:, 0, stays])
        return self._kept[layout]

    def embedded(self, layout: Layout, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings ``(n, length, width)`` and positions ``(3, n, length)`` of one layout, with
        these images ``(n, images, 128, width)`` in it."""
        ids, positions = self.of(layout)
        words = self._model.get_input_embeddings()(ids)
        n, width = len(images), words.shape[-1]
        at = torch.eq(ids, self._image_pad).nonzero()[:, 0]
        told = words.expand(n, -1, -1).clone()
        told = told.index_copy(1, at, images.reshape(n, -1, width).to(words.dtype))
        return told, positions[:, None].expand(3, n, -1)


class Replies:
    """Every epoch's reply as tokens, and how much each token weighs.

    Args:
        tokenizer: of the model.
        epochs: all.
        scores: see :func:`only_shown`, of every epoch; None to have everything told.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, epochs: Epochs, scores: np.ndarray | None
    ) -> None:
        texts = [epochs.truth(i).reply for i in range(len(epochs))]
        if scores is not None:
            texts = [only_shown(text, each) for text, each in zip(texts, scores, strict=True)]
        end = token_id(tokenizer, END)
        ids = tokenizer([*texts, _BLANK_REPLY], add_special_tokens=False)["input_ids"]
        self._ids = [torch.tensor([*each, end]) for each in ids]
        self._weights = _token_weights(tokenizer)
        self._about_rules = _tokens_of_rules(tokenizer)
        (self._at,) = word_ids(tokenizer, ["at "])

    def of(self, shown: Shown) -> tuple[Tensor, Tensor]:
        """Ids and weights, each ``(length,)``."""
        ids = self._ids[shown.target if shown.target >= 0 else -1]
        weights = self._weights[ids]
        weights[1:][ids[:-1] == self._at] = _BEGINS
        if not shown.truthful:
            weights = weights * ~self._about_rules[ids]
        return ids, weights


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


def _tokens_of_rules(tokenizer: PreTrainedTokenizerFast) -> Tensor:
    about = torch.zeros(len(tokenizer), dtype=torch.bool)
    for token, i in tokenizer.get_vocab().items():
        about[i] = _is_rule(token)
    return about


def _is_rule(word: str) -> bool:
    return word[-2:-1] == "." and word[0] in "WNRM"


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
    """Trains the text part on a checkpoint of phase 1; returns the checkpoint's folder.

    Started again with the same folder, it goes on from the last save.
    """
    journal = Journal(folder / "sft.jsonl")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    model.model.visual.requires_grad_(False)
    epochs, held_out = Epochs(nights), Epochs(validation)
    journal.note(phase="sft", embedding=len(epochs) + len(held_out))
    images = embed(model, epochs, threads)
    held_out_images = embed(model, held_out, threads)
    text = torch.nn.ModuleDict({"text": model.model.language_model})
    schedule = Schedule(steps, peak, weight_decay=0.05)
    training = Training({"text": text}, schedule, folder / "sft.state", threads)
    prompts, replies = (
        Prompts(tokenizer, model),
        Replies(tokenizer, epochs, _scores(start, images, len(epochs))),
    )
    chances = _chances(epochs)
    while not training.finished:
        rng = np.random.default_rng([seed, 2, training.step])
        alone = training.step < _ALONE * steps
        chosen = rng.choice(len(epochs), batch, p=chances)
        windows = [_window(epochs, int(i), alone, rng) for i in chosen]
        windows.sort(key=lambda shown: (len(shown.images), len(replies.of(shown)[0])))
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
            save_checkpoint(folder / "sft", model, tokenizer)
            found = _check(model, tokenizer, prompts, held_out, held_out_images, alone)
            journal.note(phase="sft", step=training.step, **found)
    return folder / "sft"


def _chances(epochs: Epochs) -> np.ndarray:
    """Of being the target: more for rare stages and rules, and for replies that tell of times."""
    times = [int(words_held(epochs.truth(i).reply)[..., PRESENT].sum()) for i in range(len(epochs))]
    chances = epochs.weights() * (1.0 + np.array(times)) ** 0.6
    return np.asarray(chances / chances.sum())


def _window(epochs: Epochs, target: int, alone: bool, rng: np.random.Generator) -> Shown:
    """A window around an epoch: its own neighbours, others', blank ones or none."""
    if rng.random() < _BLANK_TARGET:
        near = [int(i) for i in rng.integers(len(epochs), size=2)]
        blank = -1 - int(rng.integers(len(blank_images())))
        if alone:
            return Shown(None, blank, None, True, left_out=True)
        return Shown(near[0], blank, near[1], True)
    if alone:
        return Shown(None, target, None, True, left_out=rng.random() >= _LONE)
    real = _around(epochs, target)
    before, follows = real.preceding, real.subsequent
    if rng.random() < _FALSE:
        return _among_others(epochs, target, rng)
    if rng.random() < _MISSING:
        return Shown(None, target, follows, True)
    if rng.random() < _MISSING:
        return Shown(before, target, None, True)
    return Shown(before, target, follows, True)


def _among_others(epochs: Epochs, target: int, rng: np.random.Generator) -> Shown:
    """Between the neighbours of another epoch, mostly of another stage, or between blank ones."""
    if rng.random() < _BLANK_NEAR:
        before, follows = (-1 - int(i) for i in rng.integers(len(blank_images()), size=2))
        return Shown(before, target, follows, False)
    stage = _STAGES[int(rng.integers(len(_STAGES)))]
    near = epochs.within[stage] or range(1, len(epochs) - 1)
    middle = near[int(rng.integers(len(near)))]
    return Shown(middle - 1, target, middle + 1, False)


def _scores(start: Path, images: Tensor, n: int) -> np.ndarray | None:
    """How surely each token of the first images holds an event, as phase 1 learnt to tell."""
    if not (start / HELD_FILE).exists():
        return None
    held = load_file(start / HELD_FILE)
    scores = [
        torch.sigmoid(F.linear(images[part].float(), held["weight"], held["bias"])[..., 0])
        for part in np.array_split(np.arange(n), -(-n // 1024))
    ]
    return np.asarray(torch.cat(scores).reshape(n, ROWS, COLUMNS).numpy())


@torch.no_grad()
def embed(model: Qwen2_5_VLForConditionalGeneration, epochs: Epochs, threads: int) -> Tensor:
    """The merged tokens of every image, ``(n + blank ones, 128, width)``, half precision.

    The blank images come last, so that negative numbers find one.
    """
    encoder = BatchedEncoder(model)
    width = text_width(model)
    blank = blank_images()
    kept = torch.empty((len(epochs) + len(blank), IMAGE_TOKENS, width), dtype=torch.float16)

    def work(part: np.ndarray) -> None:
        with torch.no_grad():
            kept[torch.tensor(part)] = encoder(patches(epochs.images(part)).bfloat16()).half()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, np.array_split(np.arange(len(epochs)), -(-len(epochs) // 16))))
    kept[len(epochs) :] = encoder(patches(blank).bfloat16()).half()
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
    longest = max(len(ids) for ids, _ in told)
    ids = torch.stack([F.pad(each, (0, longest - len(each))) for each, _ in told])
    weights = torch.stack([F.pad(each, (0, longest - len(each))) for _, each in told])
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
    cost = F.cross_entropy(logits.float().flatten(0, 1), ids.flatten(), reduction="none")
    return (cost * weights.flatten()).sum(), weights.sum()


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


def _check(
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
