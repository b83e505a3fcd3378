"""Where a model is: a folder, a model of the hub, or the one that ships with somnoaudit."""

from __future__ import annotations

import re
from pathlib import Path

from auditor.errors import CheckpointRefused, UsageError, os_reason

COMPACT_MODEL = Path(__file__).parents[1] / "compact_model"
"""Trained on simulated recordings, by the commands of :mod:`staging.training`."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_NEEDED = ("*.json", "*.safetensors", "*.jinja", "prompt.txt")


def find_model(model: str | None) -> Path:
    """The folder of a model.

    Args:
        model: a folder or the name of a model on the hub, ``owner/name``; None is the compact
            model that ships with somnoaudit.

    Raises:
        UsageError: None was given, and this installation has no compact model; or nothing was.
        CheckpointRefused: there is no such folder, or none that can be reached, and no such
            model in the hub's cache or on the hub.
    """
    if model is None:
        if not COMPACT_MODEL.is_dir():
            raise UsageError(
                "the stager 'vlm' needs --model FOLDER: its compact model is not in this "
                "installation"
            )
        return COMPACT_MODEL
    if not model:
        raise UsageError("--model is empty: give the folder of a checkpoint, or leave it out")
    try:
        path = Path(model).expanduser()
        is_here = path.exists()
    except OSError as error:
        raise CheckpointRefused(
            model, f"cannot be reached ({os_reason(error)})", "check it"
        ) from None
    except RuntimeError:
        raise CheckpointRefused(model, "is in the home of nobody", "check it") from None
    if is_here:
        return path
    if not _HUB_NAME.fullmatch(model):
        raise CheckpointRefused(
            model, "does not exist", "give the folder of a checkpoint, or OWNER/NAME on the hub"
        )
    return _from_hub(model)


def _from_hub(name: str) -> Path:
    """A model of the hub, from this machine's cache or over the network."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = list(_NEEDED)
    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError):
        raise CheckpointRefused(
            name,
            "is no folder here and no model in the hub's cache, and the hub did not give it over "
            "the network",
            "fetch it where there is a network, and give its folder",
        ) from None
