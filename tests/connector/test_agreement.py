"""Agreement of two scorings, against worked examples and scikit-learn's own kappa."""

import json
from pathlib import Path

import pytest
from audited_night import audited_night
from hypothesis import given
from hypothesis import strategies as st

from auditor.errors import ScoringRefused, UsageError
from auditor.vocabulary import SCORED_STAGES, Stage
from connector.agreement import agreement, evaluate, pair
from connector.agreement_table import agreement_summary
from connector.pages import write_report


def write(path: Path, stages: str) -> Path:
    names = [{"1": "N1", "2": "N2", "3": "N3"}.get(letter, letter) for letter in stages]
    path.write_text(json.dumps({"epoch_seconds": 30, "stages": names}))
    return path


def test_a_worked_example(tmp_path: Path) -> None:
    result = evaluate(write(tmp_path / "p.json", "WW222R"), write(tmp_path / "r.json", "WW22RR"))
    assert result["epochs"] == 6
    assert result["accuracy"] == pytest.approx(5 / 6)
    # observed 5/6; by chance (2·2 + 2·3 + 2·1) / 36 = 1/3
    assert result["kappa"] == pytest.approx((5 / 6 - 1 / 3) / (2 / 3))
    assert result["per_stage"]["N2"] == pytest.approx(
        {"f1": 0.8, "precision": 2 / 3, "recall": 1.0, "support": 2}
    )
    assert result["macro_f1"] == pytest.approx((1.0 + 0.8 + 2 / 3) / 3)
    assert result["confusion"]["R"] == {"N2": 1, "R": 1}


def test_only_what_the_reference_scores_counts(tmp_path: Path) -> None:
    result = evaluate(write(tmp_path / "p.json", "WW?2"), write(tmp_path / "r.json", "W?2"))
    assert result["epochs"] == 2
    assert result["accuracy"] == 0.5
    assert result["confusion"]["N2"] == {"?": 1}


def test_what_the_prediction_leaves_out_is_wrong(tmp_path: Path) -> None:
    result = evaluate(write(tmp_path / "p.json", "W"), write(tmp_path / "r.json", "WR"))
    assert result["epochs"] == 2
    assert result["accuracy"] == 0.5


def test_kappa_of_one_single_stage_is_undefined(tmp_path: Path) -> None:
    result = evaluate(write(tmp_path / "p.json", "WW"), write(tmp_path / "r.json", "WW"))
    assert result["accuracy"] == 1.0
    assert result["kappa"] is None


def test_folders_are_matched_by_stem(tmp_path: Path) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
    write(tmp_path / "p" / "a.json", "WW")
    write(tmp_path / "p" / "b.audit.json", "22")
    write(tmp_path / "r" / "a.stages.json", "WR")
    write(tmp_path / "r" / "b.json", "22")
    result = evaluate(tmp_path / "p", tmp_path / "r")
    assert result["epochs"] == 4
    assert result["accuracy"] == 0.75
    assert result["recordings"]["a"]["accuracy"] == 0.5
    write(tmp_path / "r" / "c.json", "W")
    with pytest.raises(ScoringRefused, match="no scoring for c"):
        evaluate(tmp_path / "p", tmp_path / "r")


def test_a_folder_against_a_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two folders"):
        evaluate(tmp_path, write(tmp_path / "r.json", "W"))


def test_what_is_not_there_is_said_of_a_file_beside_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ScoringRefused, match="nope: cannot be read"):
        evaluate(tmp_path / "nope", tmp_path)


def test_a_reference_without_stages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoringRefused, match="scores no epoch"):
        evaluate(write(tmp_path / "p.json", "W"), write(tmp_path / "r.json", "??"))


stages = st.sampled_from([*SCORED_STAGES, Stage.UNSCORED])


@given(st.lists(st.tuples(st.sampled_from(SCORED_STAGES), stages), min_size=1, max_size=60))
def test_kappa_is_scikit_learns(pairs: list[tuple[Stage, Stage]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    ours = agreement(pairs)["kappa"]
    if ours is not None:
        theirs = cohen_kappa_score(
            [a.value for a, _ in pairs],
            [b.value for _, b in pairs],
            labels=[s.value for s in (*SCORED_STAGES, Stage.UNSCORED)],
        )
        assert ours == pytest.approx(theirs)


def test_pairs_follow_the_reference() -> None:
    assert pair({0: Stage.W}, {0: Stage.UNSCORED, 1: Stage.R}) == [(Stage.R, Stage.UNSCORED)]


# ── rules, claims, and many recordings ────────────────────────────────────────────────────


def write_rows(path: Path, *rows: tuple[str, str | None]) -> Path:
    """Stage and cited rules of each epoch, as a scoring file."""
    lines = [
        {"epoch": i, "sleep_stage": stage} | ({"applicable_rules": rules} if rules else {})
        for i, (stage, rules) in enumerate(rows)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def write_audit(path: Path, *epochs: tuple[str, list[str], list[str]]) -> Path:
    """Stage, cited rules and verdicts on claims of each epoch, as an Audit JSON."""
    rows = [
        {
            "epoch": i,
            "stage": stage,
            "claims": [{"phenomenon": "k_complex", "verdict": verdict} for verdict in verdicts],
            "rules": [
                {"id": rule, "cited": rule in cited, "verdict": "supported", "conditions": []}
                for rule in ("W.1", "N2.1", "N2.2", "R.1")
            ],
        }
        for i, (stage, cited, verdicts) in enumerate(epochs)
    ]
    stager = {"name": "vlm", "version": "1", "weights_sha256": None}
    path.write_text(json.dumps({"stager": stager, "epochs": rows}))
    return path


def test_rules_agree_as_sets_where_both_sides_cite_any(tmp_path: Path) -> None:
    predicted = write_rows(
        tmp_path / "p.jsonl",
        ("N2", "N2.2, N2.1"),  # the same
        ("N2", "N2.1"),  # one of two: Jaccard 1/2
        ("R", "R.1"),  # another: 0
        ("R", None),
        ("W", "W.1"),
        ("W", "W.1"),  # the reference does not score this epoch
    )
    reference = write_rows(
        tmp_path / "r.jsonl",
        ("N2", "N2.1, N2.2"),
        ("N2", "N2.1,N2.2"),
        ("N2", "N2.1"),
        ("R", "R.1"),
        ("W", None),
        ("?", "W.1"),
    )
    result = evaluate(predicted, reference)
    assert result["rules"] == pytest.approx({"epochs": 3, "exact": 1 / 3, "jaccard": 0.5})
    assert result["claims"] is None


def test_scorings_without_rules_have_no_agreement_on_them(tmp_path: Path) -> None:
    result = evaluate(write(tmp_path / "p.json", "W2"), write(tmp_path / "r.json", "WR"))
    assert result["rules"] is None


def test_an_audit_tells_what_became_of_the_claims(tmp_path: Path) -> None:
    predicted = write_audit(
        tmp_path / "audit.json",
        ("N2", ["N2.1"], ["supported", "supported", "contradicted"]),
        ("W", ["W.1"], ["supported", "not_assessable"]),
        ("R", [], []),
    )
    reference = write_rows(tmp_path / "r.json", ("N2", "N2.1"), ("W", "W.1,W.2"), ("R", "R.1"))
    result = evaluate(predicted, reference)
    assert result["claims"] == pytest.approx(
        {"claims": 5, "supported": 0.6, "contradicted": 0.2, "undecided": 0.2}
    )
    assert result["rules"] == pytest.approx({"epochs": 2, "exact": 0.5, "jaccard": 0.75})
    assert result["accuracy"] == 1.0


def test_mean_and_deviation_are_over_recordings(tmp_path: Path) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
    write_audit(tmp_path / "p" / "a.json", ("W", [], ["supported"]), ("W", [], []))
    write_audit(tmp_path / "p" / "b.json", ("N2", [], ["contradicted"] * 3), ("R", [], []))
    write(tmp_path / "p" / "c.json", "2222")
    write(tmp_path / "r" / "a.json", "WR")
    write(tmp_path / "r" / "b.json", "2R")
    write(tmp_path / "r" / "c.json", "2222")
    result = evaluate(tmp_path / "p", tmp_path / "r")
    across = result["across_recordings"]
    assert across["accuracy"] == pytest.approx(
        {"recordings": 3, "mean": 2.5 / 3, "sd": (0.25 / 3) ** 0.5}
    )
    assert result["accuracy"] == 7 / 8  # over all epochs
    assert across["kappa"]["recordings"] == 2  # c has but one stage
    assert across["f1"]["N1"] is None
    assert across["f1"]["W"] == pytest.approx({"recordings": 1, "mean": 2 / 3, "sd": None})
    assert across["rules"] is None
    assert across["claims"]["supported"] == pytest.approx(
        {"recordings": 2, "mean": 0.5, "sd": 0.5**0.5}
    )
    assert result["claims"]["claims"] == 4
    assert result["claims"]["contradicted"] == 0.75

    table = agreement_summary(result).splitlines()
    assert table[0].startswith("8 epochs   accuracy 0.875")
    assert next(line for line in table if line.startswith("N1")).split()[1:] == [*"–––", "0"]
    assert any(line.split()[:3] == ["a", "2", "0.500"] for line in table)
    assert table[-3].split() == ["mean", "0.833", *table[-3].split()[2:]]
    assert table[-2].split()[:2] == ["sd", "0.289"]
    assert table[-1].split()[:3] == ["all", "epochs", "8"]


def test_folders_that_report_wrote_are_scorings(tmp_path: Path) -> None:
    document = audited_night(40)
    for folder in ("reports/a", "reports/b.night"):
        write_report(document, tmp_path / folder)
    (tmp_path / "reports" / "notes").mkdir()
    (tmp_path / "truth").mkdir()
    for stem in ("a", "b"):
        write(tmp_path / "truth" / f"{stem}.json", "W" * 10 + "2" * 30)

    alone = evaluate(tmp_path / "reports" / "a", tmp_path / "truth" / "a.json")
    assert alone["epochs"] == 40
    assert 0.0 < alone["accuracy"] < 1.0
    both = evaluate(tmp_path / "reports", tmp_path / "truth")
    assert both["recordings"].keys() == {"a", "b"}
    assert both["accuracy"] == alone["accuracy"]
    same = evaluate(tmp_path / "reports" / "a", tmp_path / "reports" / "b.night")
    assert same["kappa"] == 1.0


def test_what_lies_beside_scorings_is_left_alone(tmp_path: Path) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        write(tmp_path / side / "a.json", "W2")
        (tmp_path / side / "a.html").write_text("<html>")
        (tmp_path / side / "report.pdf").write_bytes(b"%PDF-1.7")
    assert evaluate(tmp_path / "p", tmp_path / "r")["recordings"].keys() == {"a"}


def test_one_pair_is_told_in_a_few_lines(tmp_path: Path) -> None:
    predicted = write_audit(tmp_path / "audit.json", ("N2", ["N2.1"], ["supported"]))
    reference = write_rows(tmp_path / "r.json", ("N2", "N2.1"))
    lines = agreement_summary(evaluate(predicted, reference)).splitlines()
    assert lines[:3] == [
        "1 epochs   accuracy 1.000   macro-F1 1.000   Cohen's kappa undefined",
        "cited rules, in 1 epochs where both cite any: the same 100.0%   Jaccard 1.000",
        "1 claims: supported 100.0%   contradicted 0.0%   undecided 0.0%",
    ]
