"""Rationales that repeat themselves, at the limits of what chance allows."""

import pytest

from auditor.claims import read_claims
from auditor.rulebook import load_rulebook
from auditor.templating import find_templating

CLAIMS = load_rulebook().claims


def found(texts: list[str]) -> list[str]:
    rationales = dict(enumerate(texts))
    claims = {index: read_claims(text) for index, text in rationales.items()}
    return list(find_templating(rationales, claims, CLAIMS))


def blinks(start_s: int) -> str:
    return f"Eye blinks are seen at {start_s} s, {start_s + 5} s and {start_s + 10} s."


def test_the_same_times_in_every_epoch_are_a_finding() -> None:
    texts = [f"{blinks(5)} Chin tone is {level}." for level in ("low", "high", "moderate") * 2]
    (finding,) = found(texts)
    assert finding == (
        "6 of 6 rationales that give times of eye blinks give the very same: "
        "5 s, 10 s, 15 s (epochs 0, 1, 2, 3, 4 …)"
    )


def test_the_same_words_are_a_finding_beside_the_same_times() -> None:
    findings = found([blinks(5)] * 5)
    assert len(findings) == 2
    assert "5 of 5 rationales that give times are word for word the same" in findings[0]


@pytest.mark.parametrize(("alike", "n_findings"), [(4, 0), (5, 2)])
def test_five_epochs_are_the_least(alike: int, n_findings: int) -> None:
    assert len(found([blinks(5)] * alike + [blinks(7)])) == n_findings


@pytest.mark.parametrize(("different", "n_findings"), [(20, 2), (21, 0)])
def test_a_fifth_of_the_epochs_is_the_least(different: int, n_findings: int) -> None:
    others = [f"A sleep spindle is seen at {5 + i / 10:.1f} s." for i in range(different)]
    assert len(found(["A sleep spindle is seen at 4 s."] * 5 + others)) == n_findings


def test_what_names_no_time_may_be_said_of_every_epoch() -> None:
    assert found(["No alpha rhythm. Slow waves are absent."] * 50) == []
