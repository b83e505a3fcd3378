"""Severity, priority and the review list, by the weights that ship."""

from __future__ import annotations

import pytest
from small_nights import rulebook

from auditor.triage import Signs, Triage, is_transition, review_list
from auditor.vocabulary import (
    Audit,
    EpochAudit,
    FlagCode,
    RulebookIdentity,
    ScoredEpoch,
    Severity,
    Stage,
    StagerIdentity,
)

TRIAGE = Triage(rulebook().triage)
CALM = Signs(rule_holds=True, confidence=None, transition=False)


def flags(*codes: FlagCode) -> list:  # type: ignore[type-arg]
    return [TRIAGE.flag(code, code.value) for code in codes]


def test_every_flag_code_has_a_severity_and_points() -> None:
    assert set(rulebook().triage.flags) == set(FlagCode)


def test_flags_are_ordered_worst_first_and_said_once() -> None:
    mixed = flags(
        FlagCode.LOW_CONFIDENCE,
        FlagCode.CLAIM_CONTRADICTED,
        FlagCode.OTHER_STAGE_REQUIRED,
        FlagCode.CLAIM_CONTRADICTED,
    )
    assert [flag.code for flag in TRIAGE.ordered(mixed)] == [
        FlagCode.OTHER_STAGE_REQUIRED,
        FlagCode.CLAIM_CONTRADICTED,
        FlagCode.LOW_CONFIDENCE,
    ]


def test_every_sign_raises_the_priority() -> None:
    calm = TRIAGE.priority([], CALM)
    assert 0.0 < calm < 0.1
    for code in FlagCode:
        assert TRIAGE.priority(flags(code), CALM) > calm
    assert TRIAGE.priority([], Signs(False, None, False)) > calm
    assert TRIAGE.priority([], Signs(True, None, True)) > calm
    assert TRIAGE.priority([], Signs(True, None, False, disagreement=0.6)) > calm
    assert TRIAGE.priority([], Signs(True, 0.5, False)) > TRIAGE.priority(
        [], Signs(True, 0.9, False)
    )


def test_priority_stays_a_probability() -> None:
    assert TRIAGE.priority(flags(*FlagCode), Signs(False, 0.0, True)) <= 1.0


@pytest.mark.parametrize(("probability", "unsure"), [(0.49, True), (0.5, False)])
def test_low_confidence_is_less_than_even_odds(probability: float, unsure: bool) -> None:
    scored = ScoredEpoch(0, Stage.N2, probabilities={Stage.N2: probability})
    assert TRIAGE.is_unsure(scored) is unsure
    assert not TRIAGE.is_unsure(ScoredEpoch(0, Stage.N2))


@pytest.mark.parametrize(
    ("second", "disagreement"),
    [
        (ScoredEpoch(0, Stage.N2, {Stage.N2: 0.9}), 0.0),
        (ScoredEpoch(0, Stage.N3, {Stage.N3: 0.9}), 0.9),
        (ScoredEpoch(0, Stage.N3, {Stage.N3: 0.49}), 0.0),
        (ScoredEpoch(0, Stage.N3), 1.0),
        (ScoredEpoch(0, Stage.UNSCORED), 0.0),
    ],
)
def test_a_second_opinion_differs_as_far_as_it_is_sure(
    second: ScoredEpoch, disagreement: float
) -> None:
    assert TRIAGE.disagreement(ScoredEpoch(0, Stage.N2), second) == disagreement


def test_transitions_are_where_a_neighbour_differs() -> None:
    stages = [Stage.W, Stage.W, Stage.W, Stage.N1, Stage.N1, Stage.N1]
    assert [is_transition(stages, i) for i in range(6)] == [False, False, True, True, False, False]


def test_the_review_list_is_the_riskiest_within_the_budget() -> None:
    epochs = tuple(
        EpochAudit(i, stage, (), (), (), (), priority)
        for i, (stage, priority) in enumerate(
            [(Stage.N2, 0.1), (Stage.N2, 0.9), (Stage.UNSCORED, 0.99), (Stage.N3, 0.5)]
            + [(Stage.N2, 0.0)] * 17
        )
    )
    audit = Audit(StagerIdentity("t", "1"), RulebookIdentity("1", "0"), epochs)
    budget = rulebook().triage.review_budget.value
    assert [epoch.index for epoch in review_list(audit, budget)] == [1, 3, 0]
    assert review_list(audit, 0.0) == ()


def test_severities_are_three() -> None:
    assert {document.severity for document in rulebook().triage.flags.values()} == set(Severity)
