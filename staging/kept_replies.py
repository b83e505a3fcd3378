"""Replies to the epochs of a night that is not done, kept on disk.

A vision-language model takes minutes to hours over a night. Killed in between, it goes on with
the epochs that it has not yet answered: same recording, same weights, same prompt. The file is
gone when the night is done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from auditor.vocabulary import Montage, ScoredEpoch

KEPT = "staging"
"""Where, in the data folder, the replies to nights that are not done are kept."""

_EPOCH: TypeAdapter[ScoredEpoch] = TypeAdapter(ScoredEpoch)


class KeptReplies:
    """The epochs of one night that have been answered.

    Args:
        folder: where such files are; made when it is first needed.
        night: names what was asked of whom, as :func:`name_of_night` does.
    """

    def __init__(self, folder: Path, night: str) -> None:
        self._path = folder / f"{night}.jsonl"

    def read(self) -> Mapping[int, ScoredEpoch]:
        """What was answered before, by the number of the epoch."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return {}
        return {epoch.index: epoch for line in lines for epoch in _of_line(line)}

    def add(self, epochs: Iterable[ScoredEpoch]) -> None:
        """Keeps answers, so that they outlast this process.

        Raises:
            OSError: they cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A line begins each write: one that was cut short before does not spoil it.
        content = b"".join(b"\n" + _line(epoch) for epoch in epochs)
        # Words about a patient's night are for its owner alone.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(file, "ab") as kept:
            kept.write(content)
            kept.flush()
            os.fsync(kept.fileno())

    def forget(self) -> None:
        """The night is done."""
        if self._path.exists():
            self._path.unlink()


def name_of_night(montage: Montage, *asked: str) -> str:
    """A name for a night as it is shown to a model by this version of somnoaudit.

    Args:
        montage: each of its signals counts, and not the recording's name.
        asked: what else the replies depend on: model, prompt, frequency of the mains.
    """
    digest = hashlib.sha256("\0".join((version("somnoaudit"), *asked)).encode())
    for role, derivation in sorted(montage.roles.items()):
        channel = derivation.channel
        digest.update(f"\0{role} {channel.sampling_rate_hz} {channel.n_samples}\0".encode())
        digest.update(channel.samples().tobytes())
    return digest.hexdigest()[:32]


def _line(epoch: ScoredEpoch) -> bytes:
    plain = _EPOCH.dump_python(epoch, mode="json")
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def _of_line(line: bytes) -> Iterable[ScoredEpoch]:
    """The epoch of a line, but for one that was cut short."""
    try:
        yield _EPOCH.validate_json(line)
    except ValidationError:
        return
