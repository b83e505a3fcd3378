"""Log lines: plain for people, JSON for machines; each says of which study it is, none of whom.

A study's lines bear its id and its trace's, whichever module or library they come from, and
whichever process works on it. The message of an exception may quote a resource of the EHR: of
exceptions, lines tell the kind and the place.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum

from connector.plain_text import one_line


class LogFormat(StrEnum):
    """How log lines are written."""

    PLAIN = "plain"
    JSON = "json"


_about: ContextVar[tuple[str, str] | None] = ContextVar("somnoaudit_study", default=None)


@contextmanager
def about(study_id: str, trace_id: str) -> Iterator[None]:
    """What this thread logs meanwhile is of one study."""
    token = _about.set((study_id, trace_id))
    try:
        yield
    finally:
        _about.reset(token)


def configure_logs(log_format: LogFormat) -> None:
    """Sends the lines of this process to standard error, those of libraries too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format is LogFormat.JSON else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("somnoaudit").setLevel(logging.INFO)
    # DBOS would write lines of its own form unless its logger has a handler.
    dbos = logging.getLogger("dbos")
    dbos.handlers[:] = [logging.NullHandler()]
    dbos.propagate = True


def where(error: BaseException) -> str:
    """The kind of an exception and the calls that led to it, the last one first."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(frames))
    return f"{type(error).__name__} in " + " < ".join(places)


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        message = f"{message}: {where(record.exc_info[1])}"
    return one_line(message)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonLines(logging.Formatter):
    """An object a line: at, level, logger, message; study and trace where it is of a study."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if (of := _about.get()) is not None:
            line["study"], line["trace"] = of
        return json.dumps(line)


class PlainLines(logging.Formatter):
    """The same as text."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_at(record)} {record.levelname.lower()} {_message(record)}"
        of = _about.get()
        return line if of is None else f"{line} [study {of[0]}, trace {of[1]}]"
