"""Refusals of a checkpoint for whatever the libraries that run it have against it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from auditor.errors import CheckpointRefused


@contextmanager
def refusing(path: Path, problem: str, remedy: str) -> Iterator[None]:
    """Around work with one part of a checkpoint, whose errors may be of any kind.

    What the libraries warn of is left out: a refusal is one line.

    Args:
        path: of the checkpoint.
        problem, remedy: what is wrong if the work cannot be done, and what to do.

    Raises:
        CheckpointRefused: the work cannot be done, or not in this machine's memory.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except CheckpointRefused:
        raise
    except Exception as error:
        if ran_out(error):
            raise too_large(path) from error
        raise CheckpointRefused(path, problem, remedy) from error


def ran_out(error: Exception) -> bool:
    """Whether an error says that memory ran out; only CUDA has a type of its own for it."""
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        said in words for said in ("out of memory", "not enough memory", "can't allocate memory")
    )


def too_large(path: Path | str) -> CheckpointRefused:
    """The refusal of a model for which this machine has not the memory."""
    return CheckpointRefused(
        path,
        "does not fit into this machine's memory with even one epoch",
        "give a smaller or a quantised model, or have a server run it (vlm-server)",
    )
