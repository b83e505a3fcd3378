"""How a rule's conditions stand on pages: what was measured, and what was needed."""

import pytest

from connector.documents import Json
from connector.html import measured, needed


def condition(value: object, threshold: object, operator: str, unit: str = "1") -> Json:
    return {"measured": value, "threshold": threshold, "unit": unit, "operator": operator}


@pytest.mark.parametrize(
    ("of", "found", "asked"),
    [
        (condition(0.1234, 0.2, ">="), "0.123", "≥ 0.2"),
        (condition(0.0, 1.0, "<"), "0", "< 1"),
        (condition(166.0, 180.0, "<", "s"), "166 s", "< 180 s"),
        (condition("intermediate", "low", "=="), "intermediate", "low"),
        (condition("W", "N2 or N3", "in", ""), "W", "N2 or N3"),
        (condition(None, 1.0, ">="), "–", "≥ 1"),
        (condition("contradicted", "supported", "", ""), "does not hold", "holds"),
        (condition("not_assessable", "contradicted", "", ""), "cannot be told", "does not hold"),
    ],
)
def test_a_condition_is_told_with_the_way_it_is_compared(of: Json, found: str, asked: str) -> None:
    assert (measured(of), needed(of)) == (found, asked)


def test_of_an_audit_that_does_not_say_how_the_threshold_is_told_alone() -> None:
    stored = condition(0.12, 0.2, ">=")
    del stored["operator"]
    assert needed(stored) == "0.2"
