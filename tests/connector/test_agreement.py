"""Agreement of two scorings, against worked examples and scikit-learn's own kappa."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.errors import ScoringRefused, UsageError
from auditor.vocabulary import SCORED_STAGES, Stage
from connector.agreement import agreement, evaluate, pair


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
