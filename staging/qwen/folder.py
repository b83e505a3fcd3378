"""A checkpoint's folder, looked through before minutes are spent on loading it.

What is wanted is the layout in which the family is published: ``config.json``, the weights as
safetensors in one file or in shards with their index, ``tokenizer.json``; a prompt file where the
model was trained on a prompt of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from auditor.errors import CheckpointRefused, os_reason
from staging.prompt import PROMPT_FILE

MODEL_TYPE = "qwen2_5_vl"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"

_PACKAGE_OF: Mapping[str, tuple[str, str]] = {
    # How weights are quantised: the module that reads them, and the package that brings it.
    "compressed-tensors": ("compressed_tensors", "compressed-tensors"),
    "bitsandbytes": ("bitsandbytes", "bitsandbytes"),
    "gptq": ("gptqmodel", "gptqmodel"),
    "awq": ("gptqmodel", "gptqmodel"),
    "fp8": ("kernels", "kernels"),
}
_DESCRIPTIONS = ("*.json", "*.jinja")
_REMEDY = "give the folder of a Qwen2.5-VL checkpoint"


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """A folder that holds all that a checkpoint needs.

    Attributes:
        path: of the folder.
        config: what ``config.json`` says.
        weights: the files that hold them, in the order of their names.
        prompt: the file with the prompt that it was trained on; None without one.
    """

    path: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    prompt: Path | None

    @property
    def is_quantised(self) -> bool:
        return "quantization_config" in self.config

    def weights_sha256(self) -> str:
        """Over the contents of all weight files, hexadecimal."""
        return _sha256(self.weights)

    def description_sha256(self) -> str:
        """Over all that says how the weights are used: configuration, tokenizer, images, template.

        Raises:
            CheckpointRefused: a file may not be read.
        """
        files = [path for kind in _DESCRIPTIONS for path in sorted(self.path.glob(kind))]
        try:
            each = [f"{path.name} {_sha256([path])}\n" for path in files if path.is_file()]
        except OSError as error:
            raise _unreadable(Path(error.filename), error) from None
        return hashlib.sha256("".join(each).encode()).hexdigest()

    def tensor_sizes(self) -> tuple[int, ...]:
        """How many numbers each tensor of the weights has, from the heads of the files."""
        from safetensors import safe_open

        sizes: list[int] = []
        for path in self.weights:
            with safe_open(path, framework="numpy") as file:
                names = file.keys()
                sizes += [math.prod(file.get_slice(name).get_shape()) for name in names]
        return tuple(sizes)


def look_through(path: Path) -> CheckpointFolder:
    """The folder of a checkpoint, if it holds one whole.

    Raises:
        CheckpointRefused: it is another architecture, or a part is missing, cut short, or may
            not be read.
    """
    if not path.is_dir():
        raise CheckpointRefused(path, "is not a folder", _REMEDY)
    config = _json(path / CONFIG)
    if config.get("model_type") != MODEL_TYPE:
        named = config.get("model_type", "a model of no named type")
        raise CheckpointRefused(path, f"holds {named}, not {MODEL_TYPE}", _REMEDY)
    _check_quantisation(path, config)
    weights = _weights(path)
    _check_tokenizer(path / TOKENIZER)
    prompt = path / PROMPT_FILE
    return CheckpointFolder(path, config, weights, prompt if prompt.is_file() else None)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointRefused(path.parent, f"has no {path.name}", _REMEDY) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, RecursionError):
        raise CheckpointRefused(path, "is not JSON", "copy it again") from None
    if not isinstance(content, dict):
        raise CheckpointRefused(path, "is not a JSON object", "copy it again")
    return content


def _check_tokenizer(path: Path) -> None:
    """Looks for the parts, since the library that reads them tells no error of its own kind."""
    content = _json(path)
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not isinstance(content.get("added_tokens"), list):
        raise CheckpointRefused(path, "describes no tokenizer", "copy it again")


def _check_quantisation(path: Path, config: Mapping[str, Any]) -> None:
    quantisation = config.get("quantization_config")
    if quantisation is None:
        return
    method = quantisation.get("quant_method") if isinstance(quantisation, dict) else None
    if not isinstance(method, str) or method not in _PACKAGE_OF:
        raise CheckpointRefused(
            path,
            f"is quantised by {method}, which is not known here",
            f"give one that is quantised by {', '.join(_PACKAGE_OF)}, or not at all",
        )
    module, package = _PACKAGE_OF[method]
    if find_spec(module) is None:
        raise CheckpointRefused(
            path,
            f"is quantised by {method}, and the package that reads it is not installed",
            f"pip install {package}",
        )


def _weights(path: Path) -> tuple[Path, ...]:
    files: Sequence[str]
    if (path / WEIGHTS).is_file():
        files = [WEIGHTS]
    elif (path / INDEX).is_file():
        index = _json(path / INDEX)
        named = index.get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(n, str) for n in named.values()):
            raise CheckpointRefused(path / INDEX, "names no weight files", "copy it again")
        if not isinstance(index.get("metadata"), dict):  # what reads it cannot do without
            raise CheckpointRefused(path / INDEX, "has no metadata", "copy it again")
        files = sorted(set(named.values()))
    else:
        raise CheckpointRefused(
            path, f"has neither {WEIGHTS} nor {INDEX}", "give weights as safetensors"
        )
    missing = [name for name in files if not (path / name).is_file()]
    if missing:
        raise CheckpointRefused(
            path,
            f"lacks {len(missing)} of its {len(files)} weight files, {missing[0]} first",
            "copy them again",
        )
    weights = tuple(path / name for name in files)
    for each in weights:
        _check_whole(each)
    return weights


def _check_whole(path: Path) -> None:
    """Opens a weight file, which compares what its header promises with its length."""
    from safetensors import SafetensorError, safe_open

    try:
        path.open("rb").close()  # tells why it cannot be read, which safetensors does not
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise CheckpointRefused(
            path, "is cut short, or no safetensors file", "copy it again"
        ) from error


def _unreadable(path: Path, error: OSError) -> CheckpointRefused:
    return CheckpointRefused(path, f"cannot be read ({os_reason(error)})", "check it")


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
