"""A secret of our own making, in a file of the data folder: the same at each start."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from auditor.errors import SettingsRefused, os_reason

_SHORTEST = 16
"""Characters, as of a secret that is set: an empty file would let everybody in."""


def kept_secret(path: Path) -> str:
    """The secret in a file; made where there is none, for its owner's eyes alone.

    Raises:
        SettingsRefused: the file cannot be read or made.
    """
    try:
        if not path.exists():
            keep_first(path, secrets.token_urlsafe(32).encode())
        secret = path.read_text(encoding="ascii")
        if len(secret) < _SHORTEST:
            raise ValueError
        return secret
    except (OSError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "it holds no secret of ours"
        raise SettingsRefused(
            "SOMNOAUDIT_DATA",
            f"{path.name} in the folder cannot be used ({reason})",
            "name one in which the service may write, or delete that file, and it is made again",
        ) from None


def keep_first(path: Path, content: bytes) -> None:
    """Makes a file for its owner's eyes alone; one that another process made first stays.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.touch(0o600)
        partial.write_bytes(content)
        # A link appears whole or not at all, and never in place of one that is there.
        with suppress(FileExistsError):
            path.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)
