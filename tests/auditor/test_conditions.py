"""Leaves: type-checked when loaded, and decided only where every possible value agrees."""

from __future__ import annotations

import math

import pytest
from small_nights import rulebook

from auditor.conditions import ConditionRefused, Leaf, Scope
from auditor.night import Observed
from auditor.rule_schema import LeafDocument
from auditor.vocabulary import Verdict


def leaf(expr: str, **params: tuple[float, str]) -> Leaf:
    document = {
        "id": "tested",
        "expr": expr,
        "params": {name: {"value": value, "unit": unit} for name, (value, unit) in params.items()},
    }
    return Scope(rulebook().quantities).compile(LeafDocument.model_validate(document))


SHARE = ("alpha_fraction > half", {"half": (0.5, "1")})


@pytest.mark.parametrize(
    ("observed", "verdict"),
    [
        (Observed.of(0.51), Verdict.SUPPORTED),
        (Observed.of(0.5), Verdict.CONTRADICTED),
        (Observed.of(0.6, 0.51, 0.7), Verdict.SUPPORTED),
        (Observed.of(0.6, 0.5, 0.7), Verdict.NOT_ASSESSABLE),
        (Observed.unknown((0.0, 1.0), "no occipital EEG"), Verdict.NOT_ASSESSABLE),
    ],
)
def test_one_verdict_only_where_all_possible_values_agree(
    observed: Observed, verdict: Verdict
) -> None:
    expr, params = SHARE
    assert leaf(expr, **params).finding((observed,)).verdict is verdict


def test_a_finding_shows_measured_beside_threshold_with_its_unit() -> None:
    finding = leaf("spindle_or_k_complex_gap < longest", longest=(180.0, "s")).finding(
        (Observed.of(200.0),)
    )
    assert (finding.measured, finding.threshold, finding.unit) == (200.0, 180.0, "s")


def test_what_could_not_be_measured_shows_no_value_but_its_reason() -> None:
    expr, params = SHARE
    finding = leaf(expr, **params).finding((Observed.unknown((0.0, 1.0), "no occipital EEG"),))
    assert finding.measured is None
    assert finding.reason == "no occipital EEG"


def test_doubt_in_detection_says_between_which_values() -> None:
    expr, params = SHARE
    finding = leaf(expr, **params).finding((Observed.of(0.6, 0.45, 0.7),))
    assert finding.measured == 0.6
    assert "0.45" in finding.reason
    assert "0.7" in finding.reason


def test_a_known_part_can_decide_a_sum_whose_other_part_is_unknown() -> None:
    either = leaf("sleep_spindles + arousals >= one", one=(1.0, "1"))
    unknown = Observed.unknown((0.0, math.inf), "no arousals")
    assert either.finding((Observed.of(1.0), unknown)).verdict is Verdict.SUPPORTED
    assert either.finding((Observed.of(0.0), unknown)).verdict is Verdict.NOT_ASSESSABLE


def test_differences_are_tried_in_both_directions() -> None:
    more = leaf("sleep_spindles - arousals > none", none=(0.0, "1"))
    assert more.finding((Observed.of(2.0, 1.0, 3.0), Observed.of(2.0, 1.0, 3.0))).verdict is (
        Verdict.NOT_ASSESSABLE
    )


def test_words_in_doubt_between_others() -> None:
    not_low = leaf('chin_tone_level in ["intermediate", "high"]')
    assert not_low.threshold == "intermediate or high"
    assert not_low.finding((Observed.of("high", "intermediate"),)).verdict is Verdict.SUPPORTED
    assert not_low.finding((Observed.of("low", "intermediate"),)).verdict is (
        Verdict.NOT_ASSESSABLE
    )


@pytest.mark.parametrize(
    ("expr", "params", "problem"),
    [
        ("alpha_fractoin > half", {"half": (0.5, "1")}, "no quantity alpha_fractoin"),
        ("first_half.alpha_fraction > half", {"half": (0.5, "1")}, "no quantity first_half"),
        ("stage == 'N2'", {}, "no quantity stage"),
        ("alpha_fraction", {}, "one comparison"),
        ("0.2 < alpha_fraction < 0.4", {}, "one comparison"),
        ("alpha_fraction > hlaf", {"half": (0.5, "1")}, "half is not used"),
        ("alpha_fraction > half", {}, "undeclared reference to 'half'"),
        ("alpha_fraction > half", {"half": (0.5, "s")}, "units do not agree"),
        ("chin_tone_level > half", {"half": (0.5, "")}, "no matching overload"),
        ("alpha_fraction > 'half'", {}, "no matching overload"),
        ("alpha_fraction + > half", {"half": (0.5, "1")}, "Syntax error"),
        ("1.0 > half", {"half": (0.5, "1")}, "measures nothing"),
    ],
)
def test_a_bad_leaf_is_refused_with_what_is_wrong(
    expr: str, params: dict[str, tuple[float, str]], problem: str
) -> None:
    with pytest.raises(ConditionRefused, match=problem):
        leaf(expr, **params)
