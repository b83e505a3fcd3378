"""A stager with a second one beside it, whose disagreement is flagged."""

from __future__ import annotations

from dataclasses import replace

from auditor.errors import RecordingRefused, UsageError
from auditor.vocabulary import Hypnogram, Montage
from staging.stager import Progress, Stager, make_stager


class WithSecondOpinion:
    """Scores as the first stager does, and keeps the other's scoring with it.

    Args:
        first: whose scoring is audited and reported.
        second: whose scoring is held against it.
    """

    def __init__(self, first: Stager, second: Stager) -> None:
        self._first = first
        self._second = second

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """The first stager's scoring, with the second's; a second who cannot score is noted.

        Raises:
            RecordingRefused: the first stager cannot do with the montage.
        """
        scoring = self._first.stage(montage, progress)
        try:
            other = self._second.stage(montage, lambda _, done: progress("second", done))
        except RecordingRefused as refused:
            note = f"there is no second opinion: {refused.problem}"
            return replace(scoring, notes=(*scoring.notes, note))
        note = f"the second opinion is by {other.stager.name} {other.stager.version}"
        return replace(scoring, notes=(*scoring.notes, note), second_opinion=other)


def with_second_opinion(stager: Stager, first: str, second: str | None) -> Stager:
    """The stager as it is, or with a second one beside it.

    Args:
        stager: who scores.
        first: the name that it goes by.
        second: the name of the stager to be asked too; None for none.

    Raises:
        UsageError: no installed package offers the second, or it is the first.
    """
    if second is None:
        return stager
    if second == first:
        raise UsageError(f"{second} scores already: name another stager for a second opinion")
    return WithSecondOpinion(stager, make_stager(second))
