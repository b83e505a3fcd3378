"""A whole recording staged by random weights: what comes out, and what stops and resumes it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from random_checkpoint import write_checkpoint

from auditor.engine import audit
from auditor.errors import CheckpointRefused, RecordingRefused, SettingsRefused, UsageError
from auditor.rulebook import load_rulebook
from auditor.vocabulary import (
    Channel,
    Derivation,
    EpochEvidence,
    Evidence,
    FlagCode,
    Hypnogram,
    Montage,
    Recording,
    Role,
    Span,
    Stage,
)
from staging import kept_replies, vlm_stager
from staging.kept_replies import KEPT, KeptReplies, name_of_night
from staging.prompt import read_prompt
from staging.qwen.folder import look_through
from staging.vlm_settings import load_vlm_settings
from staging.vlm_stager import VlmStager

LONGEST = 12


def montage(n_epochs: int, gap: Span | None = None, seed: int = 7) -> Montage:
    """One EEG channel: broad-band activity of 20 µV."""
    samples = np.random.default_rng(seed).normal(0, 20, n_epochs * 3000)
    if gap:
        samples[round(gap.start_s * 100) : round(gap.end_s * 100)] = np.nan
    channel = Channel.of_array("C4-M1", 100.0, samples)
    recording = Recording("made.edf", None, n_epochs * 30, (channel,), (gap,) if gap else ())
    return Montage(recording, {Role.CENTRAL: Derivation(channel)}, {})


def silent(_name: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_checkpoint(tmp_path_factory.mktemp("vlm") / "random-vl")
    (made / "prompt.txt").write_text("Score the target epoch.")
    return made


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where replies are kept; two windows are asked at a time."""
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("staging.qwen.memory.LARGEST_BATCH", 2)
    return tmp_path / "data"


def stager(folder: Path) -> VlmStager:
    """The stager of this folder, whose replies are cut off soon."""
    checkpoint = look_through(folder)
    prompt = read_prompt(folder / "prompt.txt")
    return VlmStager(folder.name, checkpoint, prompt, load_vlm_settings(), LONGEST)


def kept_files(data: Path) -> list[Path]:
    return sorted((data / KEPT).glob("*"))


def replies(hypnogram: Hypnogram) -> list[str | None]:
    return [epoch.unreadable_reply for epoch in hypnogram.epochs]


def test_every_epoch_is_asked_about_and_its_reply_kept(folder: Path, data: Path) -> None:
    heard: list[float] = []
    hypnogram = stager(folder).stage(montage(5), lambda _name, share: heard.append(share))
    assert hypnogram.stager.name == "vlm"
    assert hypnogram.stager.version == "random-vl"
    assert hypnogram.stager.weights_sha256 == look_through(folder).weights_sha256()
    assert len(hypnogram.epochs) == 5
    # Random weights cut off after a few tokens say nothing that can be read; all of it counts.
    assert all(epoch.stage is Stage.UNSCORED for epoch in hypnogram.epochs)
    assert all(reply for reply in replies(hypnogram))
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)
    notes = "\n".join(hypnogram.notes)
    assert "prompt prompt.txt (external, SHA-256 " in notes
    assert "2 epochs were staged with one neighbour or none" in notes
    assert ": 0, 4" in notes
    assert "the model's images lack frontal" in notes
    assert "5 of the model's replies could not be read" in notes
    assert kept_files(data) == []


def test_what_cannot_be_read_is_flagged_in_each_epoch(folder: Path, data: Path) -> None:
    del data
    hypnogram = stager(folder).stage(montage(2), silent)
    epochs = tuple(EpochEvidence(i, {}, {}) for i in range(2))
    audited = audit(hypnogram, Evidence("made", None, {}, {}, (), epochs), load_rulebook())
    assert [[flag.code for flag in epoch.flags] for epoch in audited.epochs] == [
        [FlagCode.REPLY_UNREADABLE]
    ] * 2


def test_one_epoch_is_enough(folder: Path, data: Path) -> None:
    del data
    hypnogram = stager(folder).stage(montage(1), silent)
    assert len(hypnogram.epochs) == 1
    assert any("1 epoch was staged with one neighbour or none" in n for n in hypnogram.notes)


def test_epochs_in_a_gap_are_not_asked_about_nor_shown(folder: Path, data: Path) -> None:
    del data
    hypnogram = stager(folder).stage(montage(6, Span(65, 70)), silent)
    assert [epoch.index for epoch in hypnogram.epochs if epoch.unreadable_reply is None] == [2]
    assert hypnogram.epochs[2].stage is Stage.UNSCORED
    assert any("1 epoch touches a gap" in note for note in hypnogram.notes)
    assert any(note.endswith(": 0, 1, 3, 5") for note in hypnogram.notes)


def test_a_recording_that_is_all_gap_is_refused(folder: Path, data: Path) -> None:
    del data
    with pytest.raises(RecordingRefused, match="without a gap"):
        stager(folder).stage(montage(2, Span(0, 60)), silent)


# ── cut short ─────────────────────────────────────────────────────────────────────────────


class Cancelled(Exception):
    pass


def until(share: float) -> Callable[[str, float], None]:
    """Cancels once so much is done."""

    def look(_name: str, done: float) -> None:
        if done >= share:
            raise Cancelled

    return look


def test_a_night_that_was_cut_short_goes_on_where_it_was(folder: Path, data: Path) -> None:
    whole = stager(folder).stage(montage(7), silent)
    with pytest.raises(Cancelled):
        stager(folder).stage(montage(7), until(0.4))
    (kept,) = kept_files(data)
    assert kept.stat().st_mode & 0o077 == 0, "for its owner alone"
    n_kept = len([line for line in kept.read_bytes().splitlines() if line])
    assert 3 <= n_kept < 7
    shares: list[float] = []
    again = stager(folder).stage(montage(7), lambda _, share: shares.append(share))
    assert again == whole
    assert min(share for share in shares if share) == pytest.approx(n_kept / 7)
    assert kept_files(data) == []


def test_a_line_that_was_cut_short_is_asked_again(folder: Path, data: Path) -> None:
    whole = stager(folder).stage(montage(5), silent)
    with pytest.raises(Cancelled):
        stager(folder).stage(montage(5), until(0.6))
    (kept,) = kept_files(data)
    kept.write_bytes(kept.read_bytes()[:-20])
    assert stager(folder).stage(montage(5), silent) == whole


def test_what_another_checkpoint_said_with_the_same_weights_is_not_taken_over(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(folder, tmp_path / folder.name)
    images = json.loads((other / "preprocessor_config.json").read_text())
    changed = json.dumps({**images, "image_mean": [0.1, 0.1, 0.1]})
    (other / "preprocessor_config.json").write_text(changed)
    for asked in (folder, other):
        with pytest.raises(Cancelled):
            stager(asked).stage(montage(7), until(0.4))
    assert len(kept_files(data)) == 2
    monkeypatch.setattr(kept_replies, "version", lambda _: "0.0.0")
    with pytest.raises(Cancelled):
        stager(folder).stage(montage(7), until(0.4))
    assert len(kept_files(data)) == 3


def test_another_night_another_prompt_or_other_mains_begin_anew() -> None:
    names = {
        name_of_night(montage(2), "weights", "prompt", "50.0"),
        name_of_night(montage(2, seed=8), "weights", "prompt", "50.0"),
        name_of_night(montage(2), "weights", "another", "50.0"),
        name_of_night(montage(2), "weights", "prompt", "60.0"),
    }
    assert len(names) == 4
    assert name_of_night(montage(2), "weights", "prompt", "50.0") in names


def test_where_replies_cannot_be_kept_the_night_is_staged_all_the_same(
    folder: Path, data: Path
) -> None:
    data.mkdir(exist_ok=True)
    (data / KEPT).write_text("a file where the folder should be")
    hypnogram = stager(folder).stage(montage(2), silent)
    assert all(reply for reply in replies(hypnogram))
    assert any("replies could not be kept" in note for note in hypnogram.notes)


def test_kept_replies_come_back_as_they_were(folder: Path, data: Path) -> None:
    hypnogram = stager(folder).stage(montage(3), silent)
    kept = KeptReplies(data / "replies", "night")
    assert kept.read() == {}
    kept.add(hypnogram.epochs[:1])
    kept.add(hypnogram.epochs[1:])
    assert tuple(kept.read().values()) == hypnogram.epochs


# ── chosen ────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_that_is_set_goes_before_the_checkpoints(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del data
    (tmp_path / "phase2.md").write_text("Score this.")
    monkeypatch.setenv("SOMNOAUDIT_VLM_PROMPT", str(tmp_path / "phase2.md"))
    chosen = vlm_stager.make(str(folder))
    assert (chosen.name, chosen.prompt.name) == ("random-vl", "phase2.md")
    monkeypatch.setenv("SOMNOAUDIT_VLM_PROMPT", str(tmp_path / "none.md"))
    with pytest.raises(SettingsRefused, match=r"none\.md: cannot be read"):
        vlm_stager.make(str(folder))


def test_it_is_refused_at_once_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointRefused, match="holds bert, not qwen2_5_vl"):
        vlm_stager.make(str(tmp_path))


def test_damaged_weights_do_not_stage_a_night(folder: Path, data: Path, tmp_path: Path) -> None:
    del data
    copied = shutil.copytree(folder, tmp_path / "copied")
    weights = copied / "model.safetensors"
    size = weights.stat().st_size
    with weights.open("r+b") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        file.seek(start)
        file.write(b"\xff" * (size - start))
    with pytest.raises(CheckpointRefused, match="holds weights that answer nothing"):
        stager(copied).stage(montage(1), silent)


def test_without_a_model_it_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("staging.qwen.find.COMPACT_MODEL", tmp_path / "none")
    with pytest.raises(UsageError, match="needs --model FOLDER"):
        vlm_stager.make(None)
