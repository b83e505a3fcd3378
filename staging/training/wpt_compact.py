"""Phase 1 of the compact model: the vision encoder learns what each second holds.

The published phase writes per-second values as digits, 3,400 tokens an image. A small model
learns the same from linear heads on its merged visual tokens: each second's values, the events in
it, the stage, and where in the image a token lies, without which no time could be told later.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 as everyone calls it
from sklearn.metrics import average_precision_score, cohen_kappa_score
from torch import Tensor, nn

from auditor.vocabulary import SCORED_STAGES
from staging.training.compact import (
    build_tokenizer,
    new_model,
    patches,
    save_checkpoint,
    text_width,
)
from staging.training.encoder import BatchedEncoder
from staging.training.loop import Journal, Schedule, Training
from staging.training.nights import TrainingNight
from staging.training.sampling import Epochs
from staging.training.seconds import EVENTS, SECONDS, STEPS, VALUES

ROWS, COLUMNS = 8, 16
"""Merged visual tokens of an image."""
_PARTS = 2
"""Pieces of a column for which values are told, before they are brought to whole seconds."""
_MICRO = 8
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
    steps: int,
    batch: int = 32,
    peak: float = 1e-3,
    seed: int = 0,
    threads: int = 2,
    save_every: int = 100,
) -> Path:
    """Trains a new compact model's vision encoder; returns the checkpoint's folder.

    Started again with the same folder, it goes on from the last save.
    """
    journal = Journal(folder / "wpt.jsonl")
    tokenizer = build_tokenizer(each.reply for night in nights for each in night.truth)
    model = new_model(tokenizer, seed)
    heads = Heads(text_width(model))
    encoder = BatchedEncoder(model)
    schedule = Schedule(steps, peak, weight_decay=0.05)
    training = Training({"model": model, "heads": heads}, schedule, folder / "wpt.state", threads)
    epochs, held_out = Epochs(nights), Epochs(validation)
    chances = epochs.weights()
    while not training.finished:
        rng = np.random.default_rng([seed, 1, training.step])
        chosen = rng.choice(len(epochs), batch, p=chances)
        loss = training.update(
            [
                partial(_loss, encoder, heads, epochs, part, len(part) / batch)
                for part in np.array_split(chosen, batch // _MICRO)
            ]
        )
        if training.step % 10 == 0:
            journal.note(phase="wpt", step=training.step, loss=round(loss, 4))
        if training.step % save_every == 0 or training.finished:
            training.save()
            journal.note(phase="wpt", step=training.step, **_check(encoder, heads, held_out))
    save_checkpoint(folder / "wpt", model, tokenizer)
    return folder / "wpt"


def _look(encoder: BatchedEncoder, epochs: Epochs, chosen: np.ndarray) -> Tensor:
    tokens: Tensor = encoder(patches(epochs.images(chosen)).bfloat16())
    return tokens.float()


def _loss(
    encoder: BatchedEncoder, heads: Heads, epochs: Epochs, chosen: np.ndarray, share: float
) -> Tensor:
    values, events, places, stages = heads(_look(encoder, epochs, chosen))
    of = [(epochs.nights[epochs.night[i]], epochs.index[i]) for i in chosen]
    true_values = torch.tensor(np.stack([night.seconds[i] for night, i in of])).float()
    told = torch.isfinite(true_values)
    scaled = torch.where(told, _scaled(true_values), 0.0)
    value_loss = (F.smooth_l1_loss(values, scaled, reduction="none") * told).sum() / told.sum()
    known = [n for n, (night, _) in enumerate(of) if night.events is not None]
    event_loss = torch.zeros(())
    if known:
        true_events = torch.tensor(np.stack([_events(*of[n]) for n in known])).float() / 255
        event_loss = F.binary_cross_entropy_with_logits(
            events[known], true_events, weight=1.0 + 3.0 * true_events
        )
    row = torch.arange(ROWS).repeat_interleave(COLUMNS).repeat(len(of))
    column = torch.arange(COLUMNS).repeat(ROWS * len(of))
    places = places.flatten(0, 1)
    place_loss = F.cross_entropy(places[:, :ROWS], row) + F.cross_entropy(places[:, ROWS:], column)
    true_stages = torch.tensor([_STAGES.index(night.truth[i].stage) for night, i in of])
    stage_loss = F.cross_entropy(stages, true_stages)
    total: Tensor = value_loss + 6.0 * event_loss + 0.1 * place_loss + 0.3 * stage_loss
    return share * total


def _events(night: TrainingNight, epoch: int) -> npt.NDArray[np.uint8]:
    assert night.events is not None  # noqa: S101 asked for only where known
    return np.asarray(night.events[epoch])


def _scaled(values: Tensor) -> Tensor:
    """Powers and amplitudes to the size of 1."""
    amplitude = torch.tensor([name == "amplitude" for _, name in VALUES])
    compressed = torch.log1p(values.clamp(min=0.0)) - 1.5
    return torch.where(amplitude, compressed, values / 10.0)


@torch.no_grad()
def _check(encoder: BatchedEncoder, heads: Heads, epochs: Epochs) -> dict[str, float]:
    """Kappa of the stage from one image, and how well events are placed."""
    chosen = np.arange(0, len(epochs), max(1, len(epochs) // 160))
    true_stages = [epochs.truth(i).stage for i in chosen.tolist()]
    told_events, told_stages = [], []
    for part in np.array_split(chosen, -(-len(chosen) // _MICRO)):
        _, events, _, stages = heads(_look(encoder, epochs, part))
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
    return result
