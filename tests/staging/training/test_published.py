"""Both phases as published, on a checkpoint of the family built small."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from auditor.errors import CheckpointRefused
from staging.qwen.folder import look_through
from staging.training.compact import build_tokenizer, new_model, save_checkpoint
from staging.training.nights import EpochTruth, TrainingNight
from staging.training.presets import SLEEPVLM_3B
from staging.training.published import (
    seconds_in_digits,
    train_sft_published,
    train_wpt_published,
)
from staging.training.seconds import VALUES
from staging.training.wording import reply

PRESET = replace(SLEEPVLM_3B, wpt_epochs=1, sft_epochs=2, peak=1e-2)
REPLY = reply("C4 shows a sleep spindle at 3–4 s.", ("N2.1",), "N2")


def small_night(n_epochs: int = 2) -> TrainingNight:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n_epochs, 224, 448, 3), dtype=np.uint8)
    seconds = np.full((n_epochs, 30, len(VALUES)), np.nan, np.float16)
    seconds[:, :, -1] = 1.5  # only the chin was recorded
    truth = tuple(EpochTruth("N2", ("N2.1",), REPLY) for _ in range(n_epochs))
    return TrainingNight("night", images, truth, seconds, None)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    tokenizer = build_tokenizer([REPLY])
    save_checkpoint(folder, new_model(tokenizer, seed=3), tokenizer)
    return folder


def changed(before: Path, after: Path) -> set[str]:
    """Which parts of the network have other weights."""
    old, new = (load_file(each / "model.safetensors") for each in (before, after))
    moved = {name for name in old if not torch.equal(old[name].float(), new[name].float())}
    return {"vision" if ".visual." in f".{name}" else "text" for name in moved}


def test_the_preset_is_the_published_configuration() -> None:
    assert (SLEEPVLM_3B.lora_rank, SLEEPVLM_3B.lora_alpha, SLEEPVLM_3B.lora_dropout) == (
        16,
        32,
        0.05,
    )
    assert (SLEEPVLM_3B.peak, SLEEPVLM_3B.weight_decay) == (1e-4, 0.1)
    assert (SLEEPVLM_3B.warm_up, SLEEPVLM_3B.gradient_norm) == (0.03, 1.0)
    assert (SLEEPVLM_3B.wpt_epochs, SLEEPVLM_3B.wpt_batch) == (2, 4)
    assert (SLEEPVLM_3B.sft_epochs, SLEEPVLM_3B.sft_batch) == (15, 6)


def test_phase_1_tells_each_second_of_what_was_recorded() -> None:
    told = json.loads(seconds_in_digits(small_night(), 0))
    assert len(told) == 30
    assert told[0] == {"chin": {"amplitude": 1.5}}


def test_both_phases_give_whole_checkpoints_and_phase_2_leaves_the_eyes_alone(
    start: Path, tmp_path: Path
) -> None:
    night = small_night()
    wpt = train_wpt_published(start, [night], [night], tmp_path, PRESET)
    assert changed(start, wpt) == {"vision", "text"}
    sft = train_sft_published(
        wpt, [night], [night], tmp_path, PRESET, prompt_file=start / "prompt.txt"
    )
    assert changed(wpt, sft) == {"text"}
    assert look_through(sft).prompt == sft / "prompt.txt"
    lines = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    assert [line["epoch"] for line in lines if "kappa" in line] == [1, 2]
    for each in (wpt, sft):  # who may read the configuration may read the weights
        assert len({path.stat().st_mode for path in each.iterdir()}) == 1
    with pytest.raises(CheckpointRefused, match=r"sft\.state: is of another training"):
        train_sft_published(wpt, [night], [night], tmp_path, PRESET)  # with another prompt
