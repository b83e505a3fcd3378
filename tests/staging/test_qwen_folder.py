"""Checkpoint folders: whole ones are loaded, wrong, half and foreign ones refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from random_checkpoint import config, write_checkpoint

from auditor.errors import CheckpointRefused, UsageError
from staging.qwen.checkpoint import load
from staging.qwen.find import COMPACT_MODEL, find_model
from staging.qwen.folder import look_through


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In several files, as the published 3B model is."""
    return write_checkpoint(tmp_path_factory.mktemp("sharded"), max_shard_size="300KB")


def test_one_file_and_several_shards_are_the_same_model(sharded: Path, tmp_path: Path) -> None:
    one = load(look_through(write_checkpoint(tmp_path / "one")))
    folder = look_through(sharded)
    several = load(folder)
    assert len(folder.weights) > 2
    pairs = zip(one.model.parameters(), several.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert several.stop_tokens == (2, 0)
    assert several.model.dtype is torch.float32
    assert not several.model.training


def test_weights_are_known_by_their_hash(sharded: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    assert look_through(copied).weights_sha256() == look_through(sharded).weights_sha256()
    shard = look_through(copied).weights[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert look_through(copied).weights_sha256() != look_through(sharded).weights_sha256()


def test_a_checkpoint_may_hold_the_prompt_that_it_was_trained_on(
    sharded: Path, tmp_path: Path
) -> None:
    assert look_through(sharded).prompt is None
    copied = shutil.copytree(sharded, tmp_path / "copied")
    (copied / "prompt.txt").write_text("Score.")
    assert look_through(copied).prompt == copied / "prompt.txt"


def test_without_the_files_of_its_processor_the_published_sizes_hold(
    sharded: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    (copied / "preprocessor_config.json").unlink()
    processor = load(look_through(copied)).image_processor
    assert (processor.size["shortest_edge"], processor.size["longest_edge"]) == (3136, 1003520)


# ── refused ───────────────────────────────────────────────────────────────────────────────


def described(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def of_shard(folder: Path, number: int) -> Path:
    return sorted(folder.glob("model-*.safetensors"))[number]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


HALF: list[tuple[str, Callable[[Path], object], str]] = [
    ("config", lambda f: (f / "config.json").unlink(), "has no config.json"),
    ("config text", lambda f: (f / "config.json").write_text("{"), "config.json: is not JSON"),
    ("config list", lambda f: (f / "config.json").write_text("[]"), "is not a JSON object"),
    ("other", lambda f: described(f, model_type="llama"), "holds llama, not qwen2_5_vl"),
    ("shard", lambda f: of_shard(f, 1).unlink(), "lacks 1 of its . weight files, model-00002"),
    ("cut shard", lambda f: cut(of_shard(f, 0)), "is cut short, or no safetensors file"),
    ("index", lambda f: (f / "model.safetensors.index.json").unlink(), "has neither model.safet"),
    ("index text", lambda f: (f / "model.safetensors.index.json").write_text("{}"), "names no we"),
    ("tokenizer", lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
    ("half a tokenizer", lambda f: (f / "tokenizer.json").write_text('{"model": {}}'), "no token"),
    ("no tokenizer", lambda f: (f / "tokenizer.json").write_text("{}"), "describes no tokenizer"),
    (
        "quantised",
        lambda f: described(f, quantization_config={"quant_method": "compressed-tensors"}),
        "the package that reads it is not installed; pip install compressed-tensors",
    ),
    (
        "quantised otherwise",
        lambda f: described(f, quantization_config={"quant_method": "own"}),
        "is quantised by own, which is not known here",
    ),
]


@pytest.mark.parametrize(("spoil", "problem"), [h[1:] for h in HALF], ids=[h[0] for h in HALF])
def test_half_and_foreign_folders_are_refused_before_they_are_loaded(
    sharded: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    spoil(copied)
    with pytest.raises(CheckpointRefused, match=problem) as refused:
        look_through(copied)
    assert refused.value.exit_code == 3
    assert "\n" not in str(refused.value)


def grown(folder: Path) -> None:
    """The description of a wider network than the weights are of."""
    config(hidden=128).save_pretrained(folder)


def deepened(folder: Path) -> None:
    config(layers=3).save_pretrained(folder)


def of_another_model(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("<|image_pad|>", "<|other|>"))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (grown, "do not fit what its config.json describes"),
        (deepened, "lacks .* of the model's weights"),
        (
            lambda f: described(f, text_config=[]),
            "do not fit what its config.json describes",
        ),
        (
            lambda f: (f / "chat_template.jinja").write_text("{% for %}"),
            "a chat template that cannot be used",
        ),
        (
            lambda f: (f / "chat_template.jinja").write_text("{{ 'a' + messages[0].content }}"),
            "a chat template that cannot be used",
        ),
        (of_another_model, "holds the tokenizer of another model"),
        (
            lambda f: (f / "preprocessor_config.json").write_text("{"),
            "an image processor that cannot be read",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    sharded: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    spoil(copied)
    with pytest.raises(CheckpointRefused, match=problem):
        load(look_through(copied))


# ── found ─────────────────────────────────────────────────────────────────────────────────


def test_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    assert find_model(str(tmp_path)) == tmp_path
    with pytest.raises(CheckpointRefused, match="does not exist; give the folder"):
        find_model(str(tmp_path / "none"))


def test_a_file_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    with pytest.raises(CheckpointRefused, match="is not a folder"):
        look_through(find_model(str(tmp_path / "model.gguf")))


def test_a_hub_name_that_is_not_in_the_cache_is_refused_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointRefused, match="is no folder here and no model in the hub's"):
        find_model("nobody/nothing")


def test_a_hub_name_in_the_cache_needs_no_network(
    sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--someone--small"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(sharded, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    assert find_model("someone/small") == snapshot
    look_through(snapshot)


def test_without_a_name_it_is_the_compact_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("staging.qwen.find.COMPACT_MODEL", tmp_path)
    assert find_model(None) == tmp_path
    monkeypatch.setattr("staging.qwen.find.COMPACT_MODEL", tmp_path / "none")
    with pytest.raises(UsageError, match="needs --model FOLDER"):
        find_model(None)
    assert COMPACT_MODEL.parts[-2:] == ("staging", "compact_model")
