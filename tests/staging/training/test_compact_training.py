"""Both phases of the compact model, from nights to checkpoint folders."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import pytest
from transformers.utils import logging

from auditor.errors import CheckpointRefused
from staging.qwen.folder import look_through
from staging.training.nights import EpochTruth, TrainingNight
from staging.training.seconds import EVENTS, STEPS, VALUES
from staging.training.sft_compact import train_sft_compact
from staging.training.told import HELD_FILE
from staging.training.wording import reply
from staging.training.wpt_compact import train_wpt_compact

N2 = reply("A sleep spindle appears at 3–4 s in C4.", ("N2.1",), "N2")
N3 = reply("Slow waves above 75 µV fill about 40 % of the epoch in F4.", ("N3.1",), "N3")


def night(*replies: str) -> TrainingNight:
    rng = np.random.default_rng(0)
    n = len(replies)
    images = rng.integers(0, 255, (n, 224, 448, 3), dtype=np.uint8)
    seconds = np.ones((n, 30, len(VALUES)), np.float16)
    events = np.zeros((n, STEPS, len(EVENTS)), np.uint8)
    truth = tuple(EpochTruth("N2", ("N2.1",), each) for each in replies)
    return TrainingNight("night", images, truth, seconds, events)


NIGHT = night(N2, N2, N2)


def wpt(folder: Path, nights: Sequence[TrainingNight] = (NIGHT,), seed: int = 0) -> Path:
    return train_wpt_compact(list(nights), [NIGHT], folder, steps=1, batch=16, seed=seed)


def sft(
    folder: Path, start: Path, nights: Sequence[TrainingNight] = (NIGHT,), steps: int = 1
) -> Path:
    return train_sft_compact(start, list(nights), [NIGHT], folder, steps=steps, batch=2)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step of each phase."""
    folder = tmp_path_factory.mktemp("out")
    sft(folder, wpt(folder))
    return folder


@pytest.fixture
def trained(out: Path, tmp_path: Path) -> Path:
    return copytree(out, tmp_path / "trained")


def test_a_finished_training_writes_its_checkpoint_again(trained: Path) -> None:
    first = look_through(trained / "sft").weights_sha256()
    rmtree(trained / "sft")
    assert look_through(sft(trained, trained / "wpt")).weights_sha256() == first
    assert (trained / "sft" / HELD_FILE).exists()


@pytest.mark.parametrize("differs", ["start", "steps", "nights"])
def test_phase_2_does_not_go_on_from_another_training(differs: str, trained: Path) -> None:
    start, steps, nights = trained / "wpt", 1, [NIGHT]
    if differs == "start":
        start = wpt(trained / "other", seed=1)
    elif differs == "steps":
        steps = 2
    else:
        nights = [night(N2, N2, N3)]
    with pytest.raises(CheckpointRefused, match=r"sft\.state: is of another training"):
        sft(trained, start, nights, steps)


@pytest.mark.parametrize("differs", ["seed", "words"])
def test_phase_1_does_not_go_on_from_another_training(differs: str, trained: Path) -> None:
    with pytest.raises(CheckpointRefused, match=r"wpt\.state: is of another training"):
        wpt(trained, [NIGHT if differs == "seed" else night(N2, N2, N3)], seed=differs == "seed")


@pytest.mark.parametrize("phase", ["wpt", "sft"])
def test_who_may_read_the_configuration_may_read_the_weights(phase: str, out: Path) -> None:
    assert len({path.stat().st_mode for path in (out / phase).iterdir()}) == 1


def test_no_progress_bars_are_drawn(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    rmtree(trained / "sft")
    sft(trained, trained / "wpt")
    assert capfd.readouterr() == ("", "")
