"""Phase 1 of the compact model: the vision encoder learns what each second holds.

The published phase writes per-second values as digits, 3,400 tokens an image. A small model
learns the same from linear heads on its merged visual tokens: each second's values, the events in
it, the stage, and where in the image a token lies, without which no time could be told later. And
each token learns to hold the words with which an event that begins there will be told
(:mod:`staging.training.told`), in the text part's own embedding of them: what phase 2 has to look
up, it then only has to copy.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from safetensors.torch import save
from sklearn.metrics import average_precision_score, cohen_kappa_score
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from auditor.vocabulary import SCORED_STAGES
from staging.training.compact import (
    build_tokenizer,
    new_model,
    patches,
    save_checkpoint,
    text_width,
    word_ids,
)
from staging.training.encoder import BatchedEncoder
from staging.training.loop import Journal, Schedule, Training, training_sha256
from staging.training.nights import TrainingNight
from staging.training.sampling import Epochs
from staging.training.seconds import EVENTS, SECONDS, STEPS, VALUES
from staging.training.told import (
    COLUMNS,
    END,
    HALVES,
    HELD_FILE,
    PRESENT,
    ROWS,
    START,
    TRACE,
    TRACES,
    rolled,
    words_held,
)

_PARTS = 2
"""Pieces of a column for which values are told, before they are brought to whole seconds."""
_MICRO = 8
_ROLLED = 0.3
"""Share of the images whose halves change places, and with them all that is told of them."""
_STAGES = [stage.value for stage in SCORED_STAGES]


class Heads(nn.Module):
    """Linear heads on the merged tokens of an image, ``(n, 128, width)``."""

    to_seconds: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.values = nn.Linear(width, _PARTS * len(VALUES))
        self.events = nn.Linear(width, STEPS // COLUMNS * len(EVENTS))
        self.place = nn.Linear(width, ROWS + COLUMNS)
        self.stage = nn.Linear(width, len(_STAGES))
        self.register_buffer("to_seconds", _overlaps(COLUMNS * _PARTS, SECONDS))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values ``(n, 30, …)``, event scores ``(n, 64, …)``, places ``(n, 128, 24)``, stages."""
        n, _, width = tokens.shape
        columns = tokens.reshape(n, ROWS, COLUMNS, width).mean(dim=1)
        parts = self.values(columns).reshape(n, COLUMNS * _PARTS, len(VALUES))
        events = self.events(columns).reshape(n, STEPS, len(EVENTS))
        return self.to_seconds @ parts, events, self.place(tokens), self.stage(columns.mean(1))


class Words(nn.Module):
    """What a token holds of an event that begins in its column, in the text part's words."""

    def __init__(
        self, model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        super().__init__()
        width = text_width(model)
        self.present = nn.Linear(width, 1)
        self.projections = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))
        self._embedding = model.get_input_embeddings()
        self._words = {
            START: word_ids(tokenizer, HALVES),
            END: word_ids(tokenizer, HALVES),
            TRACE: word_ids(tokenizer, TRACES),
        }

    def loss(self, tokens: Tensor, held: Tensor) -> Tensor:
        """Of tokens ``(n, 128, width)`` that are to hold ``(n, 8, 16, 4)``."""
        held = held.flatten(1, 2).long()
        is_there = held[..., PRESENT].float()
        total = 3.0 * F.binary_cross_entropy_with_logits(
            self.present(tokens)[..., 0], is_there, weight=1.0 + 3.0 * is_there
        )
        for share, part, projection in zip(
            (0.3, 0.2, 0.1), (START, END, TRACE), self.projections, strict=True
        ):
            known = held[..., part] >= 0
            if known.any():
                scores = self._scores(projection(tokens[known]), part)
                total = total + share * F.cross_entropy(scores, held[..., part][known])
        return total

    def starts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Scores that an event begins in each token, ``(n, 128)``, and the start it would have."""
        scores = self._scores(self.projections[0](tokens), START)
        return self.present(tokens)[..., 0], scores.argmax(-1)

    def _scores(self, projected: Tensor, part: int) -> Tensor:
        embedded = self._embedding(self._words[part])
        scores: Tensor = F.rms_norm(projected, projected.shape[-1:]) @ embedded.T
        return scores


def _overlaps(n_from: int, n_to: int) -> Tensor:
    """The matrix that brings means over equal pieces to means over other equal pieces."""
    ours, theirs = np.linspace(0, 1, n_from + 1), np.linspace(0, 1, n_to + 1)
    low = np.maximum(theirs[:-1, None], ours[None, :-1])
    high = np.minimum(theirs[1:, None], ours[None, 1:])
    return torch.tensor(np.clip(high - low, 0, None) * n_to, dtype=torch.float32)


def train_wpt_compact(
    nights: list[TrainingNight],
    validation: list[TrainingNight],
    folder: Path,
    *,
    start: Path | None = None,
    steps: int,
    batch: int = 32,
    peak: float = 1e-3,
    seed: int = 0,
    threads: int = 2,
    save_every: int = 100,
) -> Path:
    """Trains a compact model's vision encoder, a new one's or that of ``start``; returns the
    checkpoint's folder.

    Started again with the same folder, it goes on from the last save.

    Raises:
        UsageError: the folder cannot be written to.
        CheckpointRefused: what was saved is damaged, or of another training.
    """
    journal = Journal(folder / "wpt.jsonl")
    if start is None:
        tokenizer = build_tokenizer(each.reply for night in nights for each in night.truth)
        model = new_model(tokenizer, seed)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
        torch.manual_seed(seed)
    heads = Heads(text_width(model))
    words = Words(model, tokenizer)
    encoder = BatchedEncoder(model)
    schedule = Schedule(steps, peak, weight_decay=0.05)
    training = Training(
        {"model": model, "heads": heads, "words": words},
        schedule,
        folder / "wpt.state",
        training_sha256(start, nights, schedule, batch, seed),
        threads,
    )
    epochs, held_out = Epochs(nights), Epochs(validation)
    chances = epochs.weights()
    while not training.finished:
        rng = np.random.default_rng([seed, 1, training.step])
        chosen = rng.choice(len(epochs), batch, p=chances)
        turned = rng.random(batch) < _ROLLED
        loss = training.update(
            [
                partial(
                    _loss,
                    encoder,
                    heads,
                    words,
                    epochs,
                    chosen[part],
                    turned[part],
                    len(part) / batch,
                )
                for part in np.array_split(np.arange(batch), batch // _MICRO)
            ],
        )
        if training.step % 10 == 0:
            journal.note(phase="wpt", step=training.step, loss=round(loss, 4))
        if training.step % save_every == 0 or training.finished:
            training.save()
            journal.note(phase="wpt", step=training.step, **_check(encoder, heads, words, held_out))
    save_checkpoint(folder / "wpt", model, tokenizer)
    (folder / "wpt" / HELD_FILE).write_bytes(save(words.present.state_dict()))
    return folder / "wpt"


def _look(encoder: BatchedEncoder, images: np.ndarray) -> Tensor:
    tokens: Tensor = encoder(patches(images).bfloat16())
    return tokens.float()


def _loss(
    encoder: BatchedEncoder,
    heads: Heads,
    words: Words,
    epochs: Epochs,
    chosen: np.ndarray,
    turned: npt.NDArray[np.bool_],
    share: float,
) -> Tensor:
    """The mean over these epochs, as their share of a batch; those ``turned`` are shown with their
    halves changed."""
    of = [(epochs.nights[epochs.night[i]], epochs.index[i]) for i in chosen]
    tokens = _look(encoder, _halves_changed(epochs.images(chosen), turned, axis=2))
    values, events, places, stages = heads(tokens)
    seconds = np.stack([night.seconds[i] for night, i in of])
    true_values = torch.tensor(_halves_changed(seconds, turned)).float()
    told = torch.isfinite(true_values)
    scaled = torch.where(told, _scaled(true_values), 0.0)
    value_loss = (F.smooth_l1_loss(values, scaled, reduction="none") * told).sum() / told.sum()
    known = [n for n, (night, _) in enumerate(of) if night.events is not None]
    event_loss = word_loss = torch.zeros(())
    if known:
        shares = np.stack([_events(*of[n]) for n in known])
        true_events = torch.tensor(_halves_changed(shares, turned[known])).float() / 255
        event_loss = F.binary_cross_entropy_with_logits(
            events[known], true_events, weight=1.0 + 3.0 * true_events
        )
        held = [words_held(night.truth[i].reply) for night, i in (of[n] for n in known)]
        held = [
            rolled(each) if turn else each for each, turn in zip(held, turned[known], strict=True)
        ]
        word_loss = words.loss(tokens[known], torch.tensor(np.stack(held)))
    row = torch.arange(ROWS).repeat_interleave(COLUMNS).repeat(len(of))
    column = torch.arange(COLUMNS).repeat(ROWS * len(of))
    places = places.flatten(0, 1)
    place_loss = F.cross_entropy(places[:, :ROWS], row) + F.cross_entropy(places[:, ROWS:], column)
    true_stages = torch.tensor([_STAGES.index(night.truth[i].stage) for night, i in of])
    stage_loss = F.cross_entropy(stages, true_stages)
    total: Tensor = value_loss + 6.0 * event_loss + word_loss + 0.1 * place_loss + 0.3 * stage_loss
    return share * total


def _halves_changed(whole: np.ndarray, turned: npt.NDArray[np.bool_], axis: int = 1) -> np.ndarray:
    """With the halves along an axis in each other's place, where ``turned``."""
    half = whole.shape[axis] // 2
    return np.stack(
        [
            np.roll(each, half, axis - 1) if turn else each
            for each, turn in zip(whole, turned, strict=True)
        ]
    )


def _events(night: TrainingNight, epoch: int) -> npt.NDArray[np.uint8]:
    assert night.events is not None  # noqa: S101 asked for only where known
    return np.asarray(night.events[epoch])


def _scaled(values: Tensor) -> Tensor:
    """Powers and amplitudes to the size of 1."""
    amplitude = torch.tensor([name == "amplitude" for _, name in VALUES])
    compressed = torch.log1p(values.clamp(min=0.0)) - 1.5
    return torch.where(amplitude, compressed, values / 10.0)


@torch.no_grad()
def _check(encoder: BatchedEncoder, heads: Heads, words: Words, epochs: Epochs) -> dict[str, float]:
    """Kappa of the stage from one image, how well events are placed, and what is held of them."""
    chosen = np.arange(0, len(epochs), max(1, len(epochs) // 160))
    true_stages = [epochs.truth(i).stage for i in chosen.tolist()]
    told_events, told_stages = [], []
    scores_held: list[np.ndarray] = []
    starts_held: list[np.ndarray] = []
    for part in np.array_split(chosen, -(-len(chosen) // _MICRO)):
        tokens = _look(encoder, epochs.images(part))
        _, events, _, stages = heads(tokens)
        for kept, each in zip((scores_held, starts_held), words.starts(tokens), strict=True):
            kept.append(each.numpy().reshape(-1, ROWS, COLUMNS))
        told_events.append(events.numpy())
        told_stages += [_STAGES[i] for i in stages.argmax(1).tolist()]
    result = {"kappa": round(float(cohen_kappa_score(true_stages, told_stages)), 3)}
    if any(night.events is None for night in epochs.nights):
        return result
    true_events = np.stack(
        [_events(epochs.nights[epochs.night[i]], epochs.index[i]) for i in chosen]
    )
    scores = np.concatenate(told_events)
    for column, sort in enumerate(EVENTS):
        truth = true_events[..., column].ravel() > 127
        if truth.any():
            name = f"{sort.kind.value}{'_' + sort.beginning if sort.beginning else ''}"
            precision = average_precision_score(truth, scores[..., column].ravel())
            result[name] = round(float(precision), 3)
    held = np.stack([words_held(epochs.truth(i).reply) for i in chosen.tolist()])
    scores, starts = np.concatenate(scores_held), np.concatenate(starts_held)
    for row in range(ROWS):
        there = held[:, row, :, PRESENT] == 1
        if there.any():
            precision = average_precision_score(there.ravel(), scores[:, row].ravel())
            far = np.abs(held[:, row, :, START] - starts[:, row])[there] / 2
            result[f"held_{row}"] = round(float(precision), 3)
            result[f"start_{row}"] = round(float(np.mean(far <= 0.5)), 3)
    return result
