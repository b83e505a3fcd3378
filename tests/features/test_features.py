"""Runs the features of rules, audit and triage, and checks that none is missing."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_bdd import scenarios

from auditor.rulebook import load_rulebook
from auditor.vocabulary import FlagCode, Verdict

FEATURES = Path(__file__).parents[2] / "features"
RULE_FEATURES = ("W.feature", "N1.feature", "N2.feature", "N3.feature", "R.feature", "MBM.feature")

scenarios(*RULE_FEATURES, "audit.feature", "triage.feature")


def told(*names: str) -> str:
    return "\n".join((FEATURES / name).read_text("utf-8") for name in names)


def test_every_rule_has_a_spec_and_every_spec_a_rule() -> None:
    specified = re.findall(r"^\s*Rule: (\S+) (.*)$", told(*RULE_FEATURES), re.MULTILINE)
    assert specified == [(rule.id, rule.title) for rule in load_rulebook().rules]


def test_every_rule_is_told_with_all_three_verdicts() -> None:
    text = told(*RULE_FEATURES)
    for part in re.split(r"^\s*Rule: ", text, flags=re.MULTILINE)[1:]:
        for verdict in Verdict:
            assert verdict.value.replace("_", " ") in part, (part.split()[0], verdict)


def test_every_flag_has_a_scenario() -> None:
    text = told("audit.feature", "triage.feature")
    for code in FlagCode:
        assert re.search(rf"is flagged .*{code}", text), code
