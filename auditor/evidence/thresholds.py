"""From which probability on a phenomenon is clearly there, and below which clearly not.

The numbers are data, in ``rules/detection.yaml``: an event at or above ``clearly_there`` is
surely there, one below ``clearly_not`` surely is not, and between them lies the honest middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from auditor.errors import RulebookRefused
from auditor.vocabulary import Phenomenon

FILE = "rules/detection.yaml"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Two probabilities of one phenomenon, 0 ≤ ``clearly_not`` ≤ ``clearly_there`` ≤ 1."""

    clearly_there: float
    clearly_not: float


def thresholds(phenomenon: Phenomenon) -> Thresholds:
    """The two thresholds of a phenomenon.

    Raises:
        RulebookRefused: the file lacks it, or a value makes no sense.
    """
    return all_thresholds()[phenomenon]


@cache
def all_thresholds() -> Mapping[Phenomenon, Thresholds]:
    """The thresholds of every phenomenon.

    Raises:
        RulebookRefused: the file lacks one, names one that does not exist, or a value makes
            no sense.
    """
    text = files("rules").joinpath("detection.yaml").read_text("utf-8")
    return parse_thresholds(yaml.safe_load(text))


def parse_thresholds(table: object) -> Mapping[Phenomenon, Thresholds]:
    """The file's content, checked."""
    if not isinstance(table, dict) or set(table) != set(Phenomenon):
        raise RulebookRefused(
            FILE, "does not list exactly the known phenomena", "compare it with `rules`"
        )
    return {Phenomenon(name): _checked(name, entry) for name, entry in table.items()}


def _checked(name: str, entry: object) -> Thresholds:
    match entry:
        case {"clearly_there": float() | int() as there, "clearly_not": float() | int() as no}:
            if 0 <= no <= there <= 1:
                return Thresholds(float(there), float(no))
    raise RulebookRefused(
        FILE,
        f"{name} needs 0 ≤ clearly_not ≤ clearly_there ≤ 1",
        "give it both thresholds as probabilities",
    )
