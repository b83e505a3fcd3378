"""Every rule's cases, and that every rule has them."""

from __future__ import annotations

from importlib.resources import files

import pytest

from auditor.rule_cases import Case, read_cases, run_case
from auditor.rulebook import Rule, Rulebook, load_rulebook
from auditor.vocabulary import Verdict

BOOKS = [load_rulebook(profile=profile) for profile in ("aasm-v3", "rechtschaffen-kales")]
BOOK_OF = {rule.file: (book, rule) for book in reversed(BOOKS) for rule in book.rules}
RULES = [pytest.param(rule, id=file) for file, (_, rule) in BOOK_OF.items()]
CASES = [
    pytest.param(book, rule, case, id=f"{file}-{case.name}")
    for file, (book, rule) in BOOK_OF.items()
    for case in read_cases(rule)
]


@pytest.mark.parametrize(("book", "rule", "case"), CASES)
def test_case(book: Rulebook, rule: Rule, case: Case) -> None:
    check = run_case(case, rule, book)
    assert check.verdict is case.expect
    if case.leads_to is not None:
        assert check.leads_to(case.leads_to) is case.expect


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_cases_of_all_three_verdicts(rule: Rule) -> None:
    assert {case.expect for case in read_cases(rule)} == set(Verdict)


def test_each_cases_file_belongs_to_a_rule() -> None:
    folder = files("rules")
    written = {file.removesuffix(".yaml") for file in BOOK_OF}
    found = {
        str(path.relative_to(str(folder))).removesuffix(".cases.yaml")
        for path in folder.rglob("*.cases.yaml")  # type: ignore[attr-defined]
    }
    assert found == written


@pytest.mark.parametrize("rule", RULES)
def test_every_stage_a_rule_leads_to_has_a_case(rule: Rule) -> None:
    if len(rule.outcomes) > 1:
        told = {case.leads_to for case in read_cases(rule)}
        assert {outcome.stage for outcome in rule.outcomes} <= told
