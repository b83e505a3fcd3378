"""Steps that can be stopped and taken up again."""

import json
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from auditor.errors import CheckpointRefused, UsageError
from staging.training.loop import Journal, Schedule, Training


def small(state: Path, sha256: str = "this one") -> Training:
    torch.manual_seed(0)
    return Training({"part": nn.Linear(3, 2)}, Schedule(20, 0.1), state, sha256, threads=2)


def run(training: Training, until: int) -> None:
    part = training.parts["part"]

    def loss(seed: int) -> torch.Tensor:
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
        return part(x).square().mean()  # type: ignore[no-any-return]

    while training.step < until:
        training.update([partial(loss, 2 * training.step), partial(loss, 2 * training.step + 1)])


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    unbroken = small(tmp_path / "unbroken.state")
    run(unbroken, 20)
    broken = small(tmp_path / "broken.state")
    run(broken, 7)
    broken.save()
    run(broken, 9)  # lost
    resumed = small(tmp_path / "broken.state")
    assert resumed.step == 7
    run(resumed, 20)
    assert resumed.finished
    for ours, theirs in zip(
        resumed.parts["part"].parameters(), unbroken.parts["part"].parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_learning_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=1000, peak=1e-4, warm_up=0.03)
    rates = [schedule.rate(step) for step in range(1000)]
    assert rates[0] < 1e-5
    assert max(rates) == rates[30] == 1e-4
    assert rates == sorted(rates[:31]) + sorted(rates[31:], reverse=True)
    assert rates[-1] < 3e-6


def test_the_journal_is_json_lines(tmp_path: Path) -> None:
    Journal(tmp_path / "of" / "it.jsonl").note(step=1, loss=0.5)
    Journal(tmp_path / "of" / "it.jsonl").note(step=2, loss=0.4)
    lines = (tmp_path / "of" / "it.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_a_training_does_not_go_on_from_another(tmp_path: Path) -> None:
    state = tmp_path / "its.state"
    small(state, "another").save()
    with pytest.raises(
        CheckpointRefused, match=r"its\.state: is of another training; delete it or"
    ):
        small(state)


@pytest.mark.parametrize(
    "damage", ["empty", "cut short", "text", "a folder", "another's", "a list"]
)
def test_a_damaged_state_is_refused(damage: str, tmp_path: Path) -> None:
    state = tmp_path / "its.state"
    small(state).save()
    if damage == "a folder":
        state.unlink()
        state.mkdir()
    elif damage == "another's":
        with ZipFile(state, "w") as file:
            file.writestr("a", "text")
    elif damage == "a list":
        torch.save([1], state)
    else:
        whole = state.read_bytes()
        state.write_bytes({"empty": b"", "cut short": whole[:-9], "text": b"hello"}[damage])
    with pytest.raises(
        CheckpointRefused, match=r"its\.state: is damaged; delete it or give another"
    ):
        small(state)


def test_a_journal_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written to \(is a directory\)"):
        Journal(tmp_path)
