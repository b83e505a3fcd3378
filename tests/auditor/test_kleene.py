"""Kleene's tables, whole, and the laws that follow from them."""

from __future__ import annotations

from itertools import product

import pytest

from auditor import kleene
from auditor.vocabulary import Verdict

T, F, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.NOT_ASSESSABLE
RANK = {F: 0, U: 1, T: 2}
BY_RANK = {rank: verdict for verdict, rank in RANK.items()}
PAIRS = list(product((T, F, U), repeat=2))


@pytest.mark.parametrize("pair", PAIRS)
def test_conjunction_is_the_least(pair: tuple[Verdict, Verdict]) -> None:
    assert kleene.conjunction(pair) is BY_RANK[min(RANK[each] for each in pair)]


@pytest.mark.parametrize("pair", PAIRS)
def test_disjunction_is_the_greatest(pair: tuple[Verdict, Verdict]) -> None:
    assert kleene.disjunction(pair) is BY_RANK[max(RANK[each] for each in pair)]


def test_negation_keeps_doubt() -> None:
    assert [kleene.negation(each) for each in (T, F, U)] == [F, T, U]


def test_empty_conjunction_holds_and_empty_disjunction_does_not() -> None:
    assert kleene.conjunction(()) is T
    assert kleene.disjunction(()) is F


@pytest.mark.parametrize("parts", list(product((T, F, U), repeat=3)))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_at_least_is_right_whatever_doubt_turns_out_to_be(
    n: int, parts: tuple[Verdict, ...]
) -> None:
    outcomes = {
        sum(world) >= n
        for world in product(*({T: (True,), F: (False,), U: (True, False)}[p] for p in parts))
    }
    assert kleene.at_least(n, parts) is kleene.of_possible(outcomes)


def test_both_values_possible_is_doubt() -> None:
    assert kleene.of_possible([True, False, True]) is U
    assert kleene.of_possible([True]) is T
    assert kleene.of_possible([False, False]) is F
