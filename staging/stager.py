"""What a stager is, and where stagers are found.

A stager is any callable object of the shape :class:`Stager`. Packages offer theirs under the
entry-point group ``somnoaudit.stagers``; each entry is a factory that takes the value of
``--model`` (or None) and returns a stager.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias

from auditor.errors import UsageError
from auditor.vocabulary import Hypnogram, Montage

ENTRY_POINT_GROUP = "somnoaudit.stagers"

Progress: TypeAlias = Callable[[str, float], None]
"""Told the name of a piece of work and the share of it that is done, 0 to 1."""


class Stager(Protocol):
    """Scores a recording."""

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """One scored epoch for each whole epoch of the recording.

        Epochs within a gap of the recording are unscored.

        Raises:
            RecordingRefused: the montage lacks what this stager cannot do without.
        """
        ...


StagerFactory: TypeAlias = Callable[[str | None], Stager]


def stager_names() -> tuple[str, ...]:
    """The stagers that installed packages offer."""
    return tuple(sorted(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)))


def make_stager(name: str, model: str | None = None) -> Stager:
    """The stager of this name, set up with ``--model``.

    Raises:
        UsageError: no installed package offers it.
    """
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        factory: StagerFactory = entry.load()
        return factory(model)
    known = ", ".join(stager_names())
    raise UsageError(f"there is no stager {name!r}; installed are: {known}")
