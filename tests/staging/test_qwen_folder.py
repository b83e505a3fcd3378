"""Checkpoint folders: whole ones are loaded, wrong, half and foreign ones refused by name."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from random_checkpoint import config, write_checkpoint

from auditor.errors import CheckpointRefused, UsageError
from staging.qwen.checkpoint import load
from staging.qwen.find import COMPACT_MODEL, find_model
from staging.qwen.folder import look_through
from staging.qwen.trial import try_out


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


def changed(folder: Path, name: str, part: str | None = None, **changes: object) -> None:
    """Other values in a JSON file, or in an object that is part of it."""
    path = folder / name
    content = json.loads(path.read_text())
    (content[part] if part else content).update(changes)
    path.write_text(json.dumps(content))


def described(folder: Path, **changes: object) -> None:
    changed(folder, "config.json", **changes)


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
    (
        "index of half",
        lambda f: changed(f, "model.safetensors.index.json", metadata=None),
        "has no metadata",
    ),
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


def test_what_describes_a_network_many_times_its_weights_takes_no_memory(
    sharded: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    (copied / "config.json").write_text('{"model_type": "qwen2_5_vl"}')  # of 72 billion weights
    loading = (
        "import sys; from pathlib import Path\n"
        "from staging.qwen.checkpoint import load; from staging.qwen.folder import look_through\n"
        "load(look_through(Path(sys.argv[1])))"
    )
    limit = (6 << 30, 6 << 30)
    done = subprocess.run(
        [sys.executable, "-c", loading, copied],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert "CheckpointRefused" in done.stderr
    assert "lacks a part of the model's weights" in done.stderr


def test_a_network_of_more_layers_than_there_are_tensors_is_not_built(
    sharded: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    changed(copied, "config.json", "vision_config", depth=10**9)
    with pytest.raises(CheckpointRefused, match="lacks a part of the model's weights"):
        load(look_through(copied))


def filled(folder: Path, byte: int) -> None:
    """Weights of the right length whose content is lost."""
    for path in folder.glob("*.safetensors"):
        content = path.read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        path.write_bytes(content[:start] + bytes([byte]) * (len(content) - start))


DAMAGED: list[tuple[str, Callable[[Path], object], str]] = [
    ("no heads", lambda f: changed(f, "config.json", "text_config", num_attention_heads=0), "fit"),
    ("activation", lambda f: changed(f, "config.json", "vision_config", hidden_act="foo"), "fit"),
    ("dtype", lambda f: described(f, dtype="float99"), "do not fit what its config.json"),
    ("padding", lambda f: changed(f, "config.json", "text_config", pad_token_id=99999), "fit"),
    (
        "rotary embedding",
        lambda f: changed(f, "config.json", "text_config", rope_parameters={"rope_type": "foo"}),
        "do not fit what its config.json describes",
    ),
    (
        "no sections",
        lambda f: changed(f, "config.json", "text_config", rope_parameters=None),
        "a config.json that its weights cannot be used by",
    ),
    (
        "windows of nothing",
        lambda f: changed(f, "config.json", "vision_config", window_size=0),
        "a config.json that its weights cannot be used by",
    ),
    (
        "kind of tokenizer",
        lambda f: changed(f, "tokenizer.json", "model", type="Foo"),
        "a tokenizer that cannot be read",
    ),
    (
        "merges",
        lambda f: changed(f, "tokenizer.json", "model", merges=["x y"]),
        "a tokenizer that cannot be read",
    ),
    (
        "words",
        lambda f: changed(f, "tokenizer.json", pre_tokenizer={"type": "Foo"}),
        "a tokenizer that cannot be read",
    ),
    (
        "version",
        lambda f: changed(f, "tokenizer.json", version=None),
        "a tokenizer that cannot be read",
    ),
    (
        "no token for an image",
        lambda f: changed(f, "tokenizer.json", added_tokens=[]),
        "holds the tokenizer of another model",
    ),
    (
        "no decoder",
        lambda f: changed(f, "tokenizer.json", decoder=None),
        "a tokenizer in which no reply can be written",
    ),
    (
        "end",
        lambda f: changed(f, "tokenizer_config.json", eos_token=5),
        "a tokenizer that cannot be read",
    ),
    (
        "added tokens",
        lambda f: changed(f, "tokenizer_config.json", added_tokens_decoder=[]),
        "a tokenizer that cannot be read",
    ),
    (
        "length",
        lambda f: changed(f, "tokenizer_config.json", model_max_length="x"),
        "a tokenizer in which no reply can be written",
    ),
    (
        "end of a reply",
        lambda f: changed(f, "generation_config.json", eos_token_id="x"),
        "ends a reply by what is no token",
    ),
    (
        "end beyond the vocabulary",
        lambda f: changed(f, "generation_config.json", eos_token_id=10**9),
        "a tokenizer in which no reply can be written",
    ),
    *(
        (
            f"{name} {size}",
            lambda f, name=name, size=size: changed(f, "preprocessor_config.json", **{name: size}),
            "cuts images otherwise than its config.json says",
        )
        for name, size in [
            *(("patch_size", 0), ("patch_size", 16), ("merge_size", 0), ("merge_size", 4)),
            ("temporal_patch_size", 1),
        ]
    ),
    *(
        (
            f"{name} {value}",
            lambda f, name=name, value=value: changed(
                f, "preprocessor_config.json", **{name: value}
            ),
            "an image processor that cannot be used",
        )
        for name, value in [("image_mean", [0.5]), ("image_std", [0, 0, 0]), ("resample", 99)]
    ),
    ("weights of ones", lambda f: filled(f, 0xFF), "holds weights that answer nothing"),
    ("weights of zeros", lambda f: filled(f, 0), "holds weights that answer nothing"),
]


@pytest.mark.parametrize(
    ("spoil", "problem"), [d[1:] for d in DAMAGED], ids=[d[0] for d in DAMAGED]
)
def test_damaged_parts_are_refused_before_a_night_is_asked_about(
    sharded: Path,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    spoil: Callable[[Path], object],
    problem: str,
) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    spoil(copied)
    with pytest.raises(CheckpointRefused, match=problem) as refused:
        try_out(load(look_through(copied)), copied)
    assert str(refused.value).startswith(f"{copied}: ")
    assert "\n" not in str(refused.value)
    assert not recwarn, "nothing else is told"


def test_whole_checkpoints_stand_the_trial(sharded: Path) -> None:
    try_out(load(look_through(sharded)), sharded)
    try_out(load(look_through(COMPACT_MODEL)), COMPACT_MODEL)


def test_the_flat_description_of_older_checkpoints_is_taken(sharded: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(sharded, tmp_path / "copied")
    path = copied / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content.pop("text_config"), **content}))
    try_out(load(look_through(copied)), copied)


def test_how_weights_are_used_is_known_by_its_hash(sharded: Path, tmp_path: Path) -> None:
    hashes = {look_through(sharded).description_sha256()}
    for name in ("preprocessor_config.json", "tokenizer_config.json", "chat_template.jinja"):
        copied = shutil.copytree(sharded, tmp_path / name)
        assert look_through(copied).description_sha256() in hashes
        with (copied / name).open("a") as file:
            file.write("\n")
        hashes.add(look_through(copied).description_sha256())
    assert len(hashes) == 4


# ── found ─────────────────────────────────────────────────────────────────────────────────


def test_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    assert find_model(str(tmp_path)) == tmp_path
    with pytest.raises(CheckpointRefused, match="does not exist; give the folder"):
        find_model(str(tmp_path / "none"))


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match="--model is empty"):
        find_model("")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("m" * 5000, r"cannot be reached \(file name too long\)"),
        ("~nobody-of-this-name/m", "is in the home of nobody"),
    ],
)
def test_a_name_that_can_be_no_folders_is_refused(name: str, problem: str) -> None:
    with pytest.raises(CheckpointRefused, match=problem):
        find_model(name)


@contextmanager
def bound_by_permissions(folder: Path) -> Iterator[None]:
    """In a folder as a user whom permissions bind, as they do not bind root."""
    before = Path.cwd()
    folder.chmod(0o755)
    os.chdir(folder)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chdir(before)


def test_what_may_not_be_read_is_not_called_damaged(sharded: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    shutil.copytree(sharded, tmp_path / "closed" / "copied")
    copied = shutil.copytree(sharded, tmp_path / "copied")
    shard = of_shard(copied, 0)
    copied.chmod(0o755)
    for path in copied.iterdir():
        path.chmod(0 if path == shard else 0o644)
    (tmp_path / "closed").chmod(0)
    with bound_by_permissions(tmp_path):
        with pytest.raises(CheckpointRefused, match=r"cannot be reached \(permission denied\)"):
            find_model("closed/copied")
        with pytest.raises(CheckpointRefused, match=r"cannot be read \(permission denied\)") as no:
            look_through(find_model("copied"))
    assert no.value.path == f"copied/{shard.name}"
    (tmp_path / "closed").chmod(0o700)


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
