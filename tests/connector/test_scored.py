"""Scorings from elsewhere: every accepted form, and every way a file can be wrong."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.errors import ScoringRefused, UsageError
from auditor.vocabulary import Montage, Rationale, Recording, ScoredEpoch, Stage
from connector.documents import scoring_rows, write_json
from connector.scored import fit_to_recording, read_scoring
from staging.stager import make_stager

ROWS = [
    {"epoch": 0, "sleep_stage": "W"},
    {
        "epoch": 1,
        "sleep_stage": "N2",
        "reasoning_text": "A spindle.",
        "applicable_rules": "N2.1, N2.2",
        "probabilities": {"N2": 0.9, "N1": 0.1},
    },
]


def write(folder: Path, text: str) -> Path:
    path = folder / "scoring.json"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
        "\ufeff" + json.dumps(ROWS),
        "\n".join(json.dumps(row) for row in reversed(ROWS)),
    ],
    ids=["array", "lines", "byte-order mark", "out of order"],
)
def test_reads_every_json_form(tmp_path: Path, text: str) -> None:
    scoring = read_scoring(write(tmp_path, text))
    assert [scored.stage for scored in scoring.epochs] == [Stage.W, Stage.N2]
    second = scoring.epochs[1]
    assert second.rationale == Rationale("A spindle.", ("N2.1", "N2.2"))
    assert second.probabilities == {Stage.N2: 0.9, Stage.N1: 0.1}


def test_reads_bare_stages(tmp_path: Path) -> None:
    scoring = read_scoring(write(tmp_path, '{"epoch_seconds": 30, "stages": ["W", "?", "R"]}'))
    assert dict(scoring.stages) == {0: Stage.W, 1: Stage.UNSCORED, 2: Stage.R}


def test_reads_an_audit_document_with_its_stager(tmp_path: Path) -> None:
    audit = {
        "stager": {"name": "yasa", "version": "0.8", "weights_sha256": None},
        "epochs": [{"epoch": 0, "stage": "N1", "claims": []}],
    }
    scoring = read_scoring(write(tmp_path, json.dumps(audit)))
    assert scoring.stager.name == "yasa"
    assert scoring.stages[0] is Stage.N1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("[]", "scores no epoch"),
        ("42", "JSON int"),
        ("not json", "line 1 is not JSON"),
        ('{"epoch": 0, "sleep_stage": "W"}\n{"epoch": 1', "line 2 is not JSON"),
        ('[{"epoch": 0, "sleep_stage": "S4"}]', "entry 0, sleep_stage"),
        ('[{"epoch": -1, "sleep_stage": "W"}]', "entry 0, epoch"),
        ('[{"epoch": 1.5, "sleep_stage": "W"}]', "entry 0, epoch"),
        ('[{"sleep_stage": "W"}]', "entry 0, epoch"),
        ('[{"epoch": 0, "sleep_stage": "W"}, {"epoch": 0, "sleep_stage": "R"}]', "scored twice"),
        ('[{"epoch": 0, "sleep_stage": "W", "probabilities": {"W": 0.5}}]', "sum to 0.5"),
        ('[{"epoch": 0, "sleep_stage": "W", "probabilities": {"W": NaN}}]', "probabilities"),
        ('{"epoch_seconds": 20, "stages": ["W"]}', "epoch_seconds"),
        ('{"epoch_seconds": 30, "stages": ["X"]}', "stages"),
        ('{"epochs": [{"epoch": 0}]}', "stager"),
        ("[[1, 2]]", "entry 0"),
        ("[" * 100_000, "nested too deeply"),
        ('{"epoch": 0, "sleep_stage": "W", "x": ' + "[" * 50_000, "nested too deeply"),
        ('{"epoch": 0, "sleep_stage": "W"}\n' + "[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value[:40],
)
def test_refuses_with_the_place_and_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ScoringRefused, match=problem) as refusal:
        read_scoring(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_what_is_no_readable_file(tmp_path: Path) -> None:
    with pytest.raises(ScoringRefused, match="is a folder"):
        read_scoring(tmp_path)
    with pytest.raises(ScoringRefused, match="no such file"):
        read_scoring(tmp_path / "absent.json")
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'[{"epoch": 0, "sleep_stage": "W", "reasoning_text": "\xb5V"}]')
    with pytest.raises(ScoringRefused, match="UTF-8"):
        read_scoring(latin)


def test_a_wrong_key_is_not_quoted_for_it_may_be_a_name(tmp_path: Path) -> None:
    row = {"epoch": 0, "sleep_stage": "W", "probabilities": {"Erika Musterfrau": 1.0}}
    with pytest.raises(ScoringRefused, match="line 1, probabilities: ") as refusal:
        read_scoring(write(tmp_path, json.dumps(row)))
    assert "Erika" not in str(refusal.value)


def test_a_rationale_that_is_none_any_more_is_refused(tmp_path: Path) -> None:
    row = {"epoch": 0, "sleep_stage": "W", "reasoning_text": "No spindle. " * 10_000}
    with pytest.raises(ScoringRefused, match=r"reasoning_text: .*at most 100000 characters"):
        read_scoring(write(tmp_path, json.dumps(row)))


def test_refuses_what_never_ends() -> None:
    with pytest.raises(ScoringRefused, match="is longer than"):
        read_scoring(Path("/dev/zero"))


def test_control_characters_become_spaces_and_places_stay(tmp_path: Path) -> None:
    row = {
        "epoch": 0,
        "sleep_stage": "N2",
        "reasoning_text": "A\x1b[31m spindle\x9b,\nand\ud800 more.",
        "applicable_rules": ["N2.1\x07\n"],
    }
    (scored,) = read_scoring(write(tmp_path, json.dumps(row))).epochs
    assert scored.rationale == Rationale("A [31m spindle ,\nand  more.", ("N2.1  ",))


def test_lines_end_where_json_says_and_not_within_its_strings(tmp_path: Path) -> None:
    rows = [{"epoch": n, "sleep_stage": "W", "reasoning_text": "a\u2028b"} for n in (0, 1)]
    for line_end in ("\n", "\r\n", "\r"):
        text = line_end.join(json.dumps(row, ensure_ascii=False) for row in rows)
        assert len(read_scoring(write(tmp_path, text)).epochs) == 2


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "scoring.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ScoringRefused):
        assert read_scoring(path).epochs


def test_a_short_scoring_leaves_epochs_unscored_and_says_so(tmp_path: Path) -> None:
    hypnogram = fit_to_recording(read_scoring(write(tmp_path, json.dumps(ROWS))), 4)
    assert hypnogram.stages == (Stage.W, Stage.N2, Stage.UNSCORED, Stage.UNSCORED)
    assert "leaves out 2 of 4" in hypnogram.notes[0]


def test_a_long_scoring_is_cut_and_says_so(tmp_path: Path) -> None:
    hypnogram = fit_to_recording(read_scoring(write(tmp_path, json.dumps(ROWS))), 1)
    assert hypnogram.stages == (Stage.W,)
    assert "1 epochs beyond the recording's 1" in hypnogram.notes[0]


def test_a_scoring_survives_writing_and_reading(tmp_path: Path) -> None:
    epochs = (
        ScoredEpoch(0, Stage.W, {Stage.W: 0.75, Stage.N1: 0.25}, Rationale("Alpha.", ("W.1",))),
        ScoredEpoch(1, Stage.UNSCORED, unreadable_reply="{"),
    )
    path = tmp_path / "out.json"
    write_json(scoring_rows(epochs), path)
    assert read_scoring(path).epochs == epochs


def test_it_is_a_stager_like_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(ROWS))
    recording = Recording("made.edf", None, 90.0, ())
    hypnogram = make_stager("scored", str(path)).stage(
        Montage(recording, {}, {}), lambda _name, _share: None
    )
    assert hypnogram.stages == (Stage.W, Stage.N2, Stage.UNSCORED)
    with pytest.raises(UsageError, match="needs the scoring's path"):
        make_stager("scored")
