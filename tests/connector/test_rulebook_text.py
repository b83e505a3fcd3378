"""A rule at a terminal: each condition with what it asks for, each threshold once."""

import pytest

from auditor.rulebook import Rulebook, load_rulebook
from connector.rulebook_text import rule_explanation, rulebook_table


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook()


def explained(book: Rulebook, rule_id: str) -> str:
    rule = book.rule(rule_id)
    assert rule is not None
    return rule_explanation(rule, book)


def test_every_rule_is_listed_and_explained_with_all_it_asks_for(book: Rulebook) -> None:
    listed = rulebook_table(book)
    for rule in book.rules:
        assert rule.id in listed
        told = explained(book, rule.id)
        assert rule.title in told
        assert f"Written in rules/{rule.file}" in told
        for leaf in rule.leaves:
            for parameter in leaf.params.values():
                assert parameter.why in told


def test_a_rule_of_several_outcomes_tells_each_threshold_once(book: Rulebook) -> None:
    told = explained(book, "N2.4")
    assert [line for line in told.splitlines() if line.startswith("Leads to")] == [
        f"Leads to {stage} where" for stage in ("N1", "W", "N3", "R")
    ]
    assert told.count("any arousal ends N2") == 1
    assert "W.1 does not hold" in told


def test_numbers_stand_with_their_unit_where_they_have_one(book: Rulebook) -> None:
    told = explained(book, "N3.1")
    assert "at least 20 % (6 s)" in told
    assert "slow wave share: minimum share = 0.2: 6 s of 30 s" in told
    assert " 1 1" not in told
    assert ">=" not in told


def test_a_rule_of_a_run_and_one_of_the_following_epoch(book: Rulebook) -> None:
    assert "R.1 holds somewhere in the unbroken run of R" in explained(book, "R.2")
    assert "Leads to the stage of the epoch that follows where" in explained(book, "MBM.2")
