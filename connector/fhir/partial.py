"""A file as it arrives: on disk, counted, hashed, and begun again or gone on with."""

from __future__ import annotations

import base64
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from auditor.errors import SettingsRefused
from connector.fhir.attachment_hash import attachment_hasher

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TooLong(ValueError):
    """More arrives than may."""


class Partial:
    """What came so far of a file, beside the place where the whole one will stand.

    Attributes:
        n_bytes: that came so far.
        validator: of the version that they are of (RFC 9110, If-Range); empty where the server
            gave none.
        resumable: whether they are the bytes that the server counts, so that it can go on.
        pieced: whether they came in several answers.

    Args:
        path: where the whole file will stand.
        limit: bytes; more are not taken.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._whole = path
        self._path = path.with_name(path.name + ".part")
        self._limit = limit
        self.begin()

    def begin(self, validator: str = "", *, resumable: bool = False) -> None:
        """Forgets what came, for the first byte is to come again."""
        self.n_bytes = 0
        self.validator = validator
        self.resumable = resumable
        self.pieced = False
        self._sha1 = attachment_hasher()

    def append(self, pieces: Iterable[bytes]) -> None:
        """Writes what arrives behind what came so far.

        Raises:
            TooLong: it goes on beyond the limit.
            SettingsRefused: the disk is full.
        """
        mode = "ab" if self.n_bytes else "wb"
        with telling_of_a_full_disk(self._path.parent), self._path.open(mode) as file:
            for piece in pieces:
                if self.n_bytes + len(piece) > self._limit:
                    raise TooLong
                file.write(piece)
                # Counted once it is written: a server may be asked to go on from here.
                self.n_bytes += len(piece)
                self._sha1.update(piece)
            file.flush()
            os.fsync(file.fileno())

    def difference(self, size: int | None, sha1_base64: str | None) -> str | None:
        return difference(self.n_bytes, self._sha1.digest(), size, sha1_base64)

    def finish(self) -> None:
        """Puts the whole file in its place."""
        self._path.replace(self._whole)

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)


def check_room(folder: Path, n_bytes: int) -> None:
    """Refuses to begin what cannot end.

    Raises:
        SettingsRefused: the disk has less room than that.
    """
    if shutil.disk_usage(folder).free < n_bytes:
        raise _full(folder)


@contextmanager
def telling_of_a_full_disk(folder: Path) -> Iterator[None]:
    """Turns what the operating system says of a full disk into a sentence.

    Raises:
        SettingsRefused: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(folder) from error
        raise


def _full(folder: Path) -> SettingsRefused:
    return SettingsRefused(
        folder, "the disk has no room for the recording", "free some, or move SOMNOAUDIT_DATA"
    )


def difference(
    found_size: int, found_sha1: bytes, size: int | None, sha1_base64: str | None
) -> str | None:
    """In what bytes differ from what an attachment says of them; None if in nothing."""
    if size is not None and found_size != size:
        return f"sent {found_size} bytes where the attachment says {size}"
    if sha1_base64 is not None:
        try:
            expected = base64.b64decode(sha1_base64, validate=True)
        except ValueError:  # binascii.Error, or characters that are not ASCII
            return "the attachment's hash is not base64"
        if expected != found_sha1:
            return "sent bytes whose SHA-1 is not the attachment's hash"
    return None
