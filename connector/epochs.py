"""Which epochs a command is asked for: ``3-5,12``."""

from __future__ import annotations

import re

from auditor.errors import UsageError

_PART = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def parse_epochs(text: str, n_epochs: int) -> tuple[int, ...]:
    """The epochs that a text such as ``3-5,12`` names, in order and each once.

    Args:
        text: epochs, counted from 0, and ranges of them with both ends included.
        n_epochs: how many the recording has.

    Raises:
        UsageError: the text is none of this, or names an epoch that the recording lacks.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise UsageError(
                f"--epochs {text}: give epochs and ranges of them with commas between, "
                "such as 3-5,12"
            )
        first = int(found[1])
        last = int(found[2] or found[1])
        if first > last:
            raise UsageError(f"--epochs {text}: the range {first}-{last} runs backwards")
        if last >= n_epochs:
            raise UsageError(
                f"--epochs {text}: the recording has no epoch {last}; "
                f"its last one is {n_epochs - 1}, counted from 0"
            )
        chosen.update(range(first, last + 1))
    return tuple(sorted(chosen))
