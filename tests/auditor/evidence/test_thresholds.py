"""The two thresholds of each phenomenon are data, and bad data is refused by name."""

from __future__ import annotations

import pytest

from auditor.errors import RulebookRefused
from auditor.evidence.thresholds import all_thresholds, parse_thresholds
from auditor.vocabulary import Phenomenon

GOOD = {p.value: {"clearly_there": 0.7, "clearly_not": 0.2} for p in Phenomenon}


def test_every_phenomenon_has_two_in_order() -> None:
    table = all_thresholds()
    assert set(table) == set(Phenomenon)
    assert all(0 <= t.clearly_not <= 0.5 <= t.clearly_there <= 1 for t in table.values())


def test_a_missing_phenomenon_is_refused() -> None:
    table = {name: entry for name, entry in GOOD.items() if name != "arousal"}
    with pytest.raises(RulebookRefused, match="known phenomena"):
        parse_thresholds(table)


@pytest.mark.parametrize(
    "entry",
    [
        {"clearly_there": 0.2, "clearly_not": 0.7},
        {"clearly_there": 1.2, "clearly_not": 0.7},
        {"clearly_there": 0.7},
        {"clearly_there": "high", "clearly_not": 0.2},
        0.5,
    ],
)
def test_thresholds_that_make_no_sense_are_refused(entry: object) -> None:
    with pytest.raises(RulebookRefused, match="arousal"):
        parse_thresholds({**GOOD, "arousal": entry})
