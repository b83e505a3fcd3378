"""A phenomenon spoken of, while its sentence is being read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from auditor.claims.marks import Mark, Term
from auditor.claims.quantities import Quantity


class Reading(StrEnum):
    """What the words say of one mention."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    UNREAD = "unread"
    GENERAL = "general"  # said of a stage ("spindles define N2")
    UNSAID = "unsaid"  # nothing is said of this epoch ("not associated with an arousal")


@dataclass(slots=True, eq=False)
class Mention:
    """One phenomenon spoken of.

    Attributes:
        mark: the words.
        term: what they name.
        at: index of the mark in its clause.
        reading: what is said of it.
        is_one_of_two: "or" joins it to another, so that it need not be there itself.
        by_predicate: that is told by what is said of it, not by what stands before it.
        yields: what was said gives way to a plain assertion after it ("spindles, which had been
            absent, are seen", "alpha is attenuated but present").
        quantities, channels: given to it.
    """

    mark: Mark
    term: Term
    at: int
    reading: Reading
    is_one_of_two: bool = False
    by_predicate: bool = False
    yields: bool = False
    quantities: list[Quantity] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
