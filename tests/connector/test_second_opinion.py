"""A second stager beside the first: its disagreement is flagged, its absence is told."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.engine import audit
from auditor.errors import RecordingRefused, UsageError
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import FlagCode, Hypnogram, Montage, ScoredEpoch, Stage, StagerIdentity
from connector.cli import main
from connector.kept import keep_hypnogram, kept_hypnogram
from connector.scored import ScoredStager, Scoring
from connector.second_opinion import WithSecondOpinion, with_second_opinion
from connector.settings import load_settings
from staging.montage import choose_montage
from staging.phantom import Phantom, PhantomSettings, simulate, write_edf
from staging.stager import Progress

EPOCH = 3


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(5, PhantomSettings(hours=0.2, sampling_rate_hz=128))


def scored_by(name: str, phantom: Phantom, **changed: Stage) -> ScoredStager:
    """The truth, with ``e3=Stage.R`` changed."""
    stages = [changed.get(f"e{i}", stage) for i, stage in enumerate(phantom.stages)]
    epochs = tuple(ScoredEpoch(i, stage) for i, stage in enumerate(stages))
    return ScoredStager(Scoring(StagerIdentity(name, "1"), epochs))


class Refuses:
    def stage(self, montage: Montage, _progress: Progress) -> Hypnogram:
        raise RecordingRefused(montage.recording.name, "no EEG was found", "name it")


def silent(*_: object) -> None:
    """Nobody waits for it."""


def test_a_second_opinion_is_kept_with_the_scoring_and_flags_what_differs(
    phantom: Phantom,
) -> None:
    montage = choose_montage(phantom.recording)
    first, second = scored_by("first", phantom), scored_by("second", phantom, e3=Stage.R)
    scoring = WithSecondOpinion(first, second).stage(montage, silent)
    assert scoring.stages == phantom.stages
    assert "the second opinion is by second 1" in scoring.notes
    kept = kept_hypnogram(keep_hypnogram(scoring))
    assert kept == scoring
    evidence, rulebook = measure(montage), load_rulebook()
    alone = audit(replace(kept, second_opinion=None), evidence, rulebook)
    beside = audit(kept, evidence, rulebook)
    added = {
        i: {flag.code for flag in now.flags} - {flag.code for flag in before.flags}
        for i, (before, now) in enumerate(zip(alone.epochs, beside.epochs, strict=True))
    }
    assert {i for i, codes in added.items() if codes} == {EPOCH}
    assert added[EPOCH] == {FlagCode.SECOND_OPINION_DIFFERS}
    assert beside.epochs[EPOCH].priority > alone.epochs[EPOCH].priority


def test_a_second_stager_who_cannot_score_is_told_and_no_obstacle(phantom: Phantom) -> None:
    montage = choose_montage(phantom.recording)
    scoring = WithSecondOpinion(scored_by("first", phantom), Refuses()).stage(montage, silent)
    assert scoring.second_opinion is None
    assert scoring.notes == ("there is no second opinion: no EEG was found",)


def test_a_second_stager_is_another_that_is_installed(phantom: Phantom) -> None:
    first = scored_by("first", phantom)
    assert with_second_opinion(first, "scored", None) is first
    assert isinstance(with_second_opinion(first, "scored", "yasa"), WithSecondOpinion)
    with pytest.raises(UsageError, match="there is no stager 'oracle'"):
        with_second_opinion(first, "scored", "oracle")
    with pytest.raises(UsageError, match="name another stager"):
        with_second_opinion(first, "yasa", "yasa")


def test_the_command_audits_a_foreign_scoring_with_a_second_opinion(
    phantom: Phantom,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_edf(phantom, tmp_path / "night.edf")
    wrong = ["R"] * len(phantom.stages)
    (tmp_path / "scoring.json").write_text(json.dumps({"epoch_seconds": 30, "stages": wrong}))
    monkeypatch.chdir(tmp_path)
    arguments = "audit night.edf --scoring scoring.json --second-opinion yasa --json -"
    monkeypatch.setattr(sys, "argv", ["somnoaudit", *arguments.split()])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert any("the second opinion is by yasa" in note for note in summary["notes"])
    assert summary["flags"]["second-opinion-differs"] > len(wrong) / 2


def test_the_service_is_told_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "http://127.0.0.1:9")
    assert load_settings().second_opinion is None
    monkeypatch.setenv("SOMNOAUDIT_SECOND_OPINION", "yasa")
    assert load_settings().second_opinion == "yasa"
