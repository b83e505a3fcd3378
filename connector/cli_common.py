"""What the commands of ``somnoaudit`` share: options, files in and out, the store."""

from __future__ import annotations

import errno
import getpass
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import InputRefused, ServerFailed, UsageError, os_reason
from connector.plain_text import plain_prose

if TYPE_CHECKING:
    from connector.store import Store

JsonPath = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the JSON document to FILE; - is standard output."
    ),
]


@contextmanager
def open_store() -> Iterator[Store]:
    """The store of the settings, opened by a person at a terminal.

    Raises:
        SettingsRefused: there is none.
        ServerFailed: it is away, or has no room.
    """
    from connector.database import DATABASE_AWAY, told_by
    from connector.settings import load_store_settings
    from connector.store import Store

    settings = load_store_settings()
    settings.check_there_is_a_store()
    store = Store.open(settings.store_url, actor=f"command of {_who()}")
    try:
        yield store
    except DATABASE_AWAY as error:
        raise ServerFailed(
            f"the database did not answer ({told_by(error)}); look into its log and its disk, "
            "and try again"
        ) from None
    finally:
        store.close()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container; OSError from 3.13 on
        return f"user {os.getuid()}"


def read_text(file: Path | None) -> str:
    """A rationale, from a file or from standard input.

    Raises:
        InputRefused: it cannot be read, is no UTF-8 text, or is too long.
    """
    from auditor.claims import LONGEST_RATIONALE

    name = str(file) if file else "standard input"
    most_bytes = 4 * LONGEST_RATIONALE  # UTF-8 takes four at most for a character
    try:
        with file.open("rb") if file else os.fdopen(0, "rb", closefd=False) as source:
            content = source.read(most_bytes + 1)
        text = content.decode("utf-8-sig") if len(content) <= most_bytes else ""
        if len(content) > most_bytes or len(text) > LONGEST_RATIONALE:
            problem = f"is longer than {LONGEST_RATIONALE:,} characters"
            raise InputRefused(name, problem, "give one rationale")
        return plain_prose(text)
    except UnicodeDecodeError:
        raise InputRefused(name, "is not UTF-8 text", "give a text file") from None
    except OSError as error:
        problem = f"cannot be read ({os_reason(error)})"
        raise InputRefused(name, problem, "check the name and the permissions") from None


def check_outputs(json_path: str | None, report: Path | None = None) -> None:
    """Refuses an unwritable output before minutes are spent on what would go there."""
    if json_path is not None and json_path != "-":
        check_file(f"--json {json_path}", Path(json_path))
    if report is not None:
        check_folder(f"--report {report}", report)


def check_file(place: str, file: Path) -> None:
    """Refuses a file that is a folder or lies in none that can be written to."""
    with writing_to(place):
        parent = file.absolute().parent
        if not parent.is_dir() or file.is_dir():
            raise UsageError(f"{place}: give a file in a folder that exists")
        if not os.access(parent, os.W_OK):
            raise UsageError(f"{place}: the folder cannot be written to")


def check_folder(place: str, folder: Path) -> None:
    """Refuses a folder that is none or that cannot be made or written to."""
    with writing_to(place):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise UsageError(f"{place}: give a folder, not a file")
        if not os.access(there, os.W_OK):
            raise UsageError(f"{place}: the folder cannot be written to")


@contextmanager
def writing_to(place: str) -> Iterator[None]:
    """Says what the operating system has against a place, such as ``--json FILE``."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{place}: cannot be written to ({os_reason(error)})") from None


def write(document: object, json_path: str) -> None:
    """Writes a JSON document to a file, or to standard output for ``-``."""
    from connector.documents import write_json

    if json_path == "-":
        # ASCII alone arrives as it is, whatever the encoding of standard output.
        say(json.dumps(document, allow_nan=False, indent=1))
    else:
        write_json(document, Path(json_path))


def say(text: object) -> None:
    """Prints.

    Raises:
        UsageError, SystemExit: as :func:`printing` does.
    """
    with printing():
        print(text, flush=True)


@contextmanager
def printing() -> Iterator[None]:
    """Whatever goes to standard output meanwhile.

    Raises:
        UsageError: standard output takes no more.
        SystemExit: whoever read it has left, which is told as by a shell: 128 and the signal.
    """
    with writing_to("standard output"):
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            yield
        except OSError as error:
            # Python would try to write the rest when it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(128 + signal.SIGPIPE) from None
            raise
