"""Both phases as published for SleepVLM (arXiv:2603.26738), on any checkpoint of the family.

Phase 1 shows one image and asks for what each second of it holds, in digits; adapters learn in
the vision encoder and in the text part. Phase 2 shows three and asks for the reply; the vision
encoder is frozen. Only the reply's tokens are learnt from. After each phase the adapters are
merged, and a whole checkpoint is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from sklearn.metrics import cohen_kappa_score

from auditor.rulebook import load_rulebook
from staging.prompt import Prompt, Window, own_prompt, read_prompt, window_around
from staging.qwen.checkpoint import IMAGE_TOKEN, Checkpoint, load
from staging.qwen.folder import look_through
from staging.qwen.inputs import chat_text
from staging.qwen.night import Night
from staging.reply import Reply, read_reply
from staging.training.compact import share_weights
from staging.training.loop import Journal, Schedule, Training, training_sha256
from staging.training.nights import TrainingNight
from staging.training.presets import Published
from staging.training.sampling import Epochs
from staging.training.seconds import VALUES

WPT_PROMPT = (
    "For each second of the epoch and each trace, tell the power of delta, theta, alpha and beta "
    "in dB and the mean absolute amplitude in µV; of the chin trace, the amplitude. Reply in JSON."
)
_LINEAR_OF_TEXT = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
_LINEAR_OF_VISION = r".*visual.*\.(qkv|proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One thing to be learnt: what is shown, and the right answer.

    Attributes:
        prompt: the system prompt.
        window: the epochs that are shown, numbered as in the row of all.
        answer: the reply, word for word.
    """

    prompt: Prompt
    window: Window
    answer: str


def seconds_in_digits(night: TrainingNight, epoch: int) -> str:
    """The answer of phase 1: for each second, the values of each trace that was drawn."""
    seconds = []
    for values in night.seconds[epoch]:
        traces: dict[str, dict[str, float]] = {}
        for (role, name), value in zip(VALUES, values.tolist(), strict=True):
            if np.isfinite(value):
                traces.setdefault(role.value, {})[name] = round(value, 1)
        seconds.append(traces)
    return json.dumps(seconds, separators=(",", ":"))


def train_wpt_published(
    start: Path,
    nights: Sequence[TrainingNight],
    validation: Sequence[TrainingNight],
    folder: Path,
    preset: Published,
    *,
    seed: int = 0,
) -> Path:
    """Phase 1 from a checkpoint; returns the folder of the one that comes of it."""
    prompt = Prompt("phase 1", "1.0.0", WPT_PROMPT)
    return _train(
        start,
        folder,
        "wpt",
        preset,
        lambda epochs: [
            Lesson(
                prompt,
                Window(i, None, None),
                seconds_in_digits(epochs.nights[epochs.night[i]], epochs.index[i]),
            )
            for i in range(len(epochs))
        ],
        nights,
        validation,
        seed,
    )


def train_sft_published(
    start: Path,
    nights: Sequence[TrainingNight],
    validation: Sequence[TrainingNight],
    folder: Path,
    preset: Published,
    *,
    seed: int = 0,
    prompt_file: Path | None = None,
) -> Path:
    """Phase 2 from a checkpoint of phase 1; returns the folder of the one that comes of it."""
    prompt = read_prompt(prompt_file) if prompt_file else own_prompt(load_rulebook())

    def lessons(epochs: Epochs) -> list[Lesson]:
        return [
            Lesson(prompt, window_around(i, epochs.of_same_night(i)), epochs.truth(i).reply)
            for i in range(len(epochs))
            if epochs.truth(i).reply
        ]

    return _train(start, folder, "sft", preset, lessons, nights, validation, seed)


def _train(
    start: Path,
    folder: Path,
    phase: str,
    preset: Published,
    lessons_of: Callable[[Epochs], list[Lesson]],
    nights: Sequence[TrainingNight],
    validation: Sequence[TrainingNight],
    seed: int,
) -> Path:
    journal = Journal(folder / f"{phase}.jsonl")
    checkpoint = load(look_through(start))
    epochs = Epochs(nights)
    lessons = lessons_of(epochs)
    n_rounds = preset.wpt_epochs if phase == "wpt" else preset.sft_epochs
    batch = preset.wpt_batch if phase == "wpt" else preset.sft_batch
    per_round = -(-len(lessons) // batch)
    targets = _LINEAR_OF_TEXT if phase == "sft" else f"({_LINEAR_OF_TEXT})|({_LINEAR_OF_VISION})"
    adapted: Any = get_peft_model(
        checkpoint.model,
        LoraConfig(
            r=preset.lora_rank,
            lora_alpha=preset.lora_alpha,
            lora_dropout=preset.lora_dropout,
            target_modules=targets,
        ),
    )
    schedule = Schedule(
        n_rounds * per_round,
        preset.peak,
        preset.warm_up,
        preset.weight_decay,
        preset.gradient_norm,
    )
    torch.manual_seed(seed)
    training = Training(
        {"model": adapted},
        schedule,
        folder / f"{phase}.state",
        training_sha256(start, nights, schedule, preset, lessons[0].prompt, seed),
        threads=1,
    )
    while not training.finished:
        adapted.train()
        turn, place = divmod(training.step, per_round)
        order = np.random.default_rng([seed, turn]).permutation(len(lessons))
        chosen = order[place * batch : (place + 1) * batch]
        loss = training.update(
            [partial(_loss, checkpoint, epochs, lessons[i], 1 / len(chosen)) for i in chosen]
        )
        journal.note(phase=phase, step=training.step, loss=round(loss, 4))
        if training.step % per_round == 0:
            training.save()
            if phase == "sft":
                adapted.eval()
                kappa = _kappa(checkpoint, Epochs(validation), lessons[0].prompt)
                journal.note(phase=phase, epoch=turn + 1, kappa=kappa)
    merged = adapted.merge_and_unload()
    out = folder / phase
    merged.save_pretrained(out)
    share_weights(out)
    checkpoint.tokenizer.save_pretrained(out)
    checkpoint.image_processor.save_pretrained(out)
    if phase == "sft":
        (out / "prompt.txt").write_text(lessons[0].prompt.text + "\n", encoding="utf-8")
    return out


def _loss(checkpoint: Checkpoint, epochs: Epochs, lesson: Lesson, share: float) -> torch.Tensor:
    """What the answer's tokens cost; those of prompt and images are not learnt from."""
    images = epochs.images(np.array(lesson.window.epochs))
    looked = checkpoint.image_processor(images=list(images), return_tensors="pt")
    grid = looked["image_grid_thw"]
    merge = checkpoint.vision.spatial_merge_size**2
    text = chat_text(checkpoint, lesson.prompt, lesson.window)
    text = text.replace(IMAGE_TOKEN, IMAGE_TOKEN * int(grid[0].prod() // merge))
    before = checkpoint.tokenizer(text)["input_ids"]
    answer = checkpoint.tokenizer(lesson.answer, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*before, *answer, checkpoint.stop_tokens[0]]], device=checkpoint.device)
    labels = ids.clone()
    labels[:, : len(before)] = -100
    result = checkpoint.model(
        input_ids=ids,
        labels=labels,
        pixel_values=looked["pixel_values"].to(checkpoint.device),
        image_grid_thw=grid.to(checkpoint.device),
        mm_token_type_ids=(ids == checkpoint.image_token_id).int(),
    )
    loss: torch.Tensor = share * result.loss
    return loss


def _kappa(checkpoint: Checkpoint, epochs: Epochs, prompt: Prompt) -> float:
    """Of what the model answers on nights that it is not trained on.

    An answer twice as long as any that is right is cut off.
    """
    told, true = [], []
    right = [epochs.truth(i).reply for i in range(len(epochs))]
    longest = 2 * max(len(ids) for ids in checkpoint.tokenizer(right)["input_ids"])
    for number, night in enumerate(epochs.nights):
        scored = [i for i in range(len(night)) if night.truth[i].reply]
        windows = [window_around(i, range(len(night))) for i in scored]
        shown = Night(checkpoint, prompt, _images(night), longest)
        for answered in shown.answers(windows, lambda: None):
            for window, answer in answered:
                reply = read_reply(answer.text)
                told.append(reply.stage.value if isinstance(reply, Reply) else "?")
                true.append(epochs.nights[number].truth[window.target].stage)
    return round(float(cohen_kappa_score(true, told)), 3)


def _images(night: TrainingNight) -> Iterator[tuple[int, Any]]:
    yield from enumerate(night.images)
