"""The rulebook as it ships, and the complaints of a broken one: file, line, key, expectation."""

from __future__ import annotations

import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from auditor.claims.reader import read_with
from auditor.errors import RulebookRefused
from auditor.rule_cases import read_cases, run_case
from auditor.rule_schema import RuleDocument
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Phenomenon, Stage, Verdict

FIFTEEN = [
    *("W.1", "W.2", "W.3"),
    *("N1.1", "N1.2"),
    *("N2.1", "N2.2", "N2.3", "N2.4"),
    "N3.1",
    *("R.1", "R.2", "R.3"),
    *("MBM.1", "MBM.2"),
]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of the rulebook that a test may break."""
    with as_file(files("rules")) as folder:
        return shutil.copytree(folder, tmp_path / "rules")


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new, 1), "utf-8")


def refusal(book: Path, profile: str | None = None) -> str:
    with pytest.raises(RulebookRefused) as refused:
        load_rulebook(book, profile)
    return str(refused.value)


# ── as it ships ───────────────────────────────────────────────────────────────────────────


def test_all_fifteen_rules_are_there() -> None:
    assert [rule.id for rule in load_rulebook().rules] == FIFTEEN


def test_a_rule_says_where_it_leads_and_what_it_needs() -> None:
    rulebook = load_rulebook()
    n3 = next(rule for rule in rulebook.rules if rule.id == "N3.1")
    assert [outcome.stage for outcome in n3.outcomes] == [Stage.N3]
    assert n3.decides_alone
    assert n3.leaves[0].threshold == 0.2
    assert n3.leaves[0].params["minimum_share"].why


def test_every_threshold_says_what_it_means() -> None:
    for rule in load_rulebook().rules:
        for leaf in rule.leaves:
            assert all(param.why for param in leaf.params.values()), (rule.id, leaf.id)


def test_every_rule_validates_against_the_published_schema() -> None:
    folder = files("rules")
    schema = json.loads((folder / "rule.schema.json").read_text("utf-8"))
    assert schema == RuleDocument.model_json_schema(), "python -m auditor.rule_schema writes it"
    validator = Draft202012Validator(schema)
    for rule in load_rulebook().rules:
        text = folder.joinpath(*rule.file.split("/")).read_text("utf-8")
        validator.validate(yaml.safe_load(text))


def test_a_profile_replaces_rules_and_has_a_hash_of_its_own() -> None:
    default, other = load_rulebook(), load_rulebook(profile="rechtschaffen-kales")
    limited = next(rule for rule in other.rules if rule.id == "N2.2")
    assert "gap" in [leaf.id for leaf in limited.leaves]
    assert [rule.id for rule in other.rules] == FIFTEEN
    assert default.identity.sha256 != other.identity.sha256


def test_so_many_of_several_conditions(book: Path) -> None:
    rewrite(book / "R/R.1.yaml", "holds_when:\n  all:", "holds_when:\n  at_least: 2\n  of:")
    rulebook = load_rulebook(book)
    definite = next(rule for rule in rulebook.rules if rule.id == "R.1")
    verdicts = {
        case.name: run_case(case, definite, rulebook).verdict for case in read_cases(definite)
    }
    assert verdicts["all_three_together"] is Verdict.SUPPORTED
    assert verdicts["chin_tone_is_intermediate"] is Verdict.SUPPORTED
    assert verdicts["no_chin_channel"] is Verdict.SUPPORTED


# ── the hash ──────────────────────────────────────────────────────────────────────────────


def test_the_hash_is_of_the_content(book: Path) -> None:
    assert load_rulebook(book).identity == load_rulebook().identity


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("N3/N3.1.yaml", "value: 0.20", "value: 0.25"),
        ("detection.yaml", "0.7", "0.8"),
        ("claims.yaml", "value: 2.0, unit: s", "value: 3.0, unit: s"),
        ("triage.yaml", "points: -3.5", "points: -3.0"),
        ("quantities.yaml", "within_s: 1.0", "within_s: 2.0"),
    ],
)
def test_what_bears_on_an_audit_changes_the_hash(book: Path, name: str, old: str, new: str) -> None:
    before = load_rulebook(book).identity.sha256
    rewrite(book / name, old, new)
    assert load_rulebook(book).identity.sha256 != before


def test_cases_do_not_bear_on_an_audit(book: Path) -> None:
    before = load_rulebook(book).identity.sha256
    rewrite(book / "N3/N3.1.cases.yaml", "6.0_s_is_enough", "6_s_is_enough")
    assert load_rulebook(book).identity.sha256 == before


# ── complaints ────────────────────────────────────────────────────────────────────────────

N3 = "N3/N3.1.yaml"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (N3, "title:", "titel:", ["N3.1.yaml", "line 1", "title", "missing"]),
        (N3, "needs: [frontal]", "needs: [front]", ["line 14", "needs.0", "'frontal'"]),
        (N3, "decides_alone: true", "decide_alone: true", ["line 15", "decide_alone", "no such"]),
        (N3, "slow_wave_fraction >=", "slow_waves >=", ["line 11", "no quantity slow_waves"]),
        (N3, "value: 0.20", "value: many", ["line 13", "minimum_share.value", "number"]),
        (N3, 'unit: "1"', "unit: s", ["line 11", "units do not agree"]),
        (N3, "id: N3.1", "id: N3.2", ["line 1, id", "N3.2", "N3.1"]),
        (N3, "stage: N3", "outcomes: []", ["either stage and holds_when, or outcomes"]),
        (N3, "stage: N3", "stage: N4", ["line 2", "stage"]),
        (N3, "holds_when:", "holds_when: [", ["not YAML", "line"]),
        ("N2/N2.2.yaml", "continues: follows_n2", "continues: follows", ["continues", "follows"]),
        ("rulebook.yaml", "profile: aasm-v3", "profile: aasm-v4", ["aasm-v4"]),
        ("rulebook.yaml", "N3.1, ", "", ["N3.1", "not listed"]),
        ("quantities.yaml", "epochs_where: alpha_fraction", "epochs_where: alpha", ["alpha"]),
        ("claims.yaml", "quantity: theta_fraction", "quantity: theta", ["theta", "claims.yaml"]),
        ("triage.yaml", "low-confidence:", "low-confidenze:", ["triage.yaml", "flags"]),
    ],
)
def test_a_complaint_names_file_line_key_and_expectation(
    book: Path, name: str, old: str, new: str, told: list[str]
) -> None:
    rewrite(book / name, old, new)
    message = refusal(book)
    for part in told:
        assert part in message
    assert "\n" not in message


def test_rules_must_not_lean_on_one_another_in_a_circle(book: Path) -> None:
    rewrite(book / N3, "holds_when:\n  all:\n", "holds_when:\n  all:\n    - {rule: N2.1}\n")
    assert "circle" in refusal(book)


def test_a_missing_file_is_named(book: Path) -> None:
    (book / "N3/N3.1.yaml").unlink()
    assert "N3.1.yaml" in refusal(book)


def test_an_unknown_profile_is_refused_with_those_that_exist(book: Path) -> None:
    assert "aasm-v3" in refusal(book, profile="aasm-v2")


def test_a_missing_detection_threshold_is_refused(book: Path) -> None:
    rewrite(book / "detection.yaml", "sleep_spindle:", "spindle:")
    assert "detection.yaml" in refusal(book)


# ── the words that come with a rulebook ───────────────────────────────────────────────────


def test_rationales_are_read_by_the_words_of_the_rulebook_in_use(book: Path) -> None:
    text = "A wibble is seen at 12 s."
    assert not read_with(load_rulebook().lexicon, text)
    rewrite(
        book / "lexicon" / "en.yaml", "names: [k complex(es),", "names: [wibble, k complex(es),"
    )
    (claim,) = read_with(load_rulebook(book).lexicon, text)
    assert claim.phenomenon is Phenomenon.K_COMPLEX


def test_a_broken_lexicon_is_refused_with_its_own_remedy(book: Path) -> None:
    rewrite(book / "lexicon" / "en.yaml", "group: background", "group: foreground")
    told = refusal(book)
    assert "en.yaml: line" in told
    assert "rule.schema.json" not in told


def test_a_language_without_a_lexicon_is_refused(book: Path) -> None:
    rewrite(book / "rulebook.yaml", "language: en", "language: xx")
    assert "xx.yaml: there is no such file" in refusal(book)
