"""Rationales of a phantom: true in every word, but for what was planted."""

from __future__ import annotations

from collections import Counter

import pytest

from auditor.vocabulary import EPOCH_S, Phenomenon, Stage
from staging.phantom import NightPlan, Phantom, PlannedEvent, simulate
from staging.phantom_plan import PhantomSettings, slow_waves
from staging.phantom_rationales import (
    Falsehood,
    plant_false,
    true_rationale,
    true_scoring,
)
from staging.phantom_seen import look_at


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(3, PhantomSettings(hours=1.0, sampling_rate_hz=128))


def _night(stages: str, *events: PlannedEvent) -> Phantom:
    return simulate(1, plan=NightPlan.of([Stage(stage) for stage in stages.split()], events))


def test_the_true_scoring_is_the_truth(phantom: Phantom) -> None:
    scoring = true_scoring(phantom, with_rationales=True)

    assert scoring.stages == phantom.stages
    assert scoring.explains
    assert not true_scoring(phantom, with_rationales=False).explains


def test_no_two_epochs_of_a_stage_read_alike(phantom: Phantom) -> None:
    texts = Counter(
        epoch.rationale.text
        for epoch in true_scoring(phantom, with_rationales=True).epochs
        if epoch.rationale and epoch.stage is Stage.N2
    )

    assert max(texts.values()) <= 3


def test_what_is_there_is_named_with_its_time_channel_and_frequency() -> None:
    spindle = PlannedEvent.typical(Phenomenon.SLEEP_SPINDLE, 34.0, duration_s=0.8)
    phantom = _night("N2 N2", spindle)

    text = true_rationale(phantom, 1).text

    assert "C4-M1" in text
    assert "4.0–4.8 s" in text
    assert "13 Hz" in text


@pytest.mark.parametrize(
    ("stages", "events", "rules"),
    [
        ("N1 N2", [PlannedEvent.typical(Phenomenon.K_COMPLEX, 32.0)], ("N2.1",)),
        ("N2 N2", [PlannedEvent.typical(Phenomenon.SLEEP_SPINDLE, 50.0)], ("N2.2",)),
        ("N3 N2", [], ("N2.3",)),
        ("N2 N1", [PlannedEvent.typical(Phenomenon.AROUSAL, 25.0)], ("N2.4",)),
        ("N2 N3", slow_waves(40.0, 7.0), ("N3.1",)),
        ("R R", [PlannedEvent.typical(Phenomenon.RAPID_EYE_MOVEMENTS, 40.0)], ("R.1",)),
        ("R R", [], ("R.2",)),
        ("W W", [PlannedEvent.typical(Phenomenon.ALPHA_RHYTHM, 32.0, duration_s=20.0)], ("W.1",)),
        ("R R", [PlannedEvent.typical(Phenomenon.MAJOR_BODY_MOVEMENT, 33.0)], ("MBM.2",)),
    ],
)
def test_the_rule_cited_is_the_one_that_applies(
    stages: str, events: list[PlannedEvent], rules: tuple[str, ...]
) -> None:
    assert true_rationale(_night(stages, *events), 1).applicable_rules == rules


def test_a_k_complex_with_an_arousal_is_no_sign_of_n2() -> None:
    spoiled = (
        PlannedEvent.typical(Phenomenon.K_COMPLEX, 35.0),
        PlannedEvent.typical(Phenomenon.AROUSAL, 36.2),
    )

    assert true_rationale(_night("N2 N2", *spoiled), 1).applicable_rules == ("N2.2",)


def test_falsehoods_are_as_many_as_asked_and_false_in_what_they_say(phantom: Phantom) -> None:
    scoring, planted = plant_false(phantom, share=0.2, seed=7)

    true = true_scoring(phantom, with_rationales=True)
    changed = [a.index for a, b in zip(scoring.epochs, true.epochs, strict=True) if a != b]
    assert changed == [lie.index for lie in planted]
    assert len(planted) == round(0.2 * len(scoring.epochs))
    assert len({lie.kind for lie in planted}) >= 4
    for lie in planted:
        seen = look_at(phantom, lie.index)
        if lie.kind is Falsehood.INVENTED_EVENT:
            assert lie.what
            assert not seen.of(lie.what)
        elif lie.kind is Falsehood.FLIPPED_POLARITY:
            assert lie.what
            assert len(seen.of(lie.what)) >= 2
        elif lie.kind is Falsehood.WRONG_STAGE:
            assert scoring.epochs[lie.index].stage is not phantom.stages[lie.index]


def test_an_arousal_k_complex_is_counted_for_n2_without_a_word_of_the_arousal() -> None:
    phantom = _night(
        "N1 N1",
        PlannedEvent.typical(Phenomenon.K_COMPLEX, EPOCH_S + 5.0),
        PlannedEvent.typical(Phenomenon.AROUSAL, EPOCH_S + 6.2),
    )

    scoring, planted = plant_false(phantom, share=1.0, seed=1)

    assert (1, Falsehood.AROUSAL_K_COMPLEX) in {(lie.index, lie.kind) for lie in planted}
    rationale = scoring.epochs[1].rationale
    assert scoring.epochs[1].stage is Stage.N2
    assert rationale
    assert rationale.applicable_rules == ("N2.1",)
    assert "arousal" not in rationale.text
