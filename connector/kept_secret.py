"""A secret of our own making, in a file of the data folder: the same at each start."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from auditor.errors import SettingsRefused

_SHORTEST = 16
"""Characters, as of a secret that is set: an empty file would let everybody in."""


def kept_secret(path: Path) -> str:
    """The secret in a file; made where there is none, for its owner's eyes alone.

    Raises:
        SettingsRefused: the file cannot be read or made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        secret = path.read_text(encoding="ascii")
        if len(secret) < _SHORTEST:
            raise ValueError
        return secret
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no secret of ours"
        raise SettingsRefused(
            "SOMNOAUDIT_DATA",
            f"{path.name} in the folder cannot be used ({(reason or 'no reason given').lower()})",
            "name one in which the service may write, or delete that file, and it is made again",
        ) from None


def _make(path: Path) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.touch(0o600)
        partial.write_text(secrets.token_urlsafe(32), encoding="ascii")
        # A link appears whole or not at all, and never in place of one that is there.
        with suppress(FileExistsError):
            path.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)
