"""How names and a rule's conditions read."""

from __future__ import annotations

import pytest

from auditor.vocabulary import ConditionFinding, Verdict
from auditor.wording import spoken, told

FAILED, HELD = Verdict.CONTRADICTED, Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("k_complex_or_spindle", "K complex or spindle"),
        ("follows_n2_or_n3", "follows N2 or N3"),
        ("contiguous_with_definite_r", "contiguous with definite R"),
        ("low_chin_tone", "low chin tone"),
    ],
)
def test_a_name_is_told_as_a_physician_writes_it(name: str, words: str) -> None:
    assert spoken(name) == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            ConditionFinding("k_complex_or_spindle", 0.0, 1.0, "1", FAILED, operator=">="),
            "K complex or spindle: measured 0, needed ≥ 1",
        ),
        (
            ConditionFinding("no_arousal", 1.0, 1.0, "1", FAILED, operator="<"),
            "no arousal: measured 1, needed < 1",
        ),
        (
            ConditionFinding("follows_n2", "N3", "N2", "", FAILED, operator="=="),
            "follows N2: measured N3, needed N2",
        ),
        (
            ConditionFinding("gap", 210.0, 180.0, "s", FAILED, operator="<"),
            "gap: measured 210 s, needed < 180 s",
        ),
        (ConditionFinding("not N3.1", HELD.value, FAILED.value, "", FAILED), "N3.1 holds"),
        (
            ConditionFinding("contiguous_with_definite_r", FAILED.value, HELD.value, "", FAILED),
            "contiguous with definite R does not hold",
        ),
    ],
)
def test_a_condition_is_told_with_what_was_measured_and_needed(
    condition: ConditionFinding, words: str
) -> None:
    assert told(condition) == words
