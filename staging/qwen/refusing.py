"""One refusal for whatever the libraries that read a checkpoint have against it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auditor.errors import CheckpointRefused
from staging.qwen.memory import ran_out, too_large


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
