"""The audit of a scoring: every flag, what is cited, what is implied, what the night lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_nights import epoch, event, evidence_of, rulebook, scored

from auditor.engine import audit
from auditor.rule_cases import CaseEpoch
from auditor.vocabulary import (
    Audit,
    EpochAudit,
    FlagCode,
    Phenomenon,
    Polarity,
    ScoredEpoch,
    Stage,
    Verdict,
)

SPINDLE, EYES = Phenomenon.SLEEP_SPINDLE, Phenomenon.RAPID_EYE_MOVEMENTS
SLOW_WAVES, CHIN = Phenomenon.SLOW_WAVE_ACTIVITY, Phenomenon.CHIN_TONE

WAKE = epoch(measures={"alpha_fraction": 0.8, "chin_tone_level": "high"})
N2 = epoch(events=[event(SPINDLE, 4, 5)])
N3 = epoch(measures={"slow_wave_fraction": 0.4})


def audited(epochs: list[CaseEpoch], *stages: Stage | ScoredEpoch, **words: object) -> Audit:
    return audit(scored(*stages, **words), evidence_of(*epochs), rulebook())  # type: ignore[arg-type]


def codes(epoch_audit: EpochAudit) -> set[FlagCode]:
    return {flag.code for flag in epoch_audit.flags}


def message(epoch_audit: EpochAudit, code: FlagCode) -> str:
    return next(flag.message for flag in epoch_audit.flags if flag.code is code)


# ── a right scoring ───────────────────────────────────────────────────────────────────────


def test_a_right_scoring_has_no_flags() -> None:
    result = audited([WAKE, N2, N2, N3], Stage.W, Stage.N2, Stage.N2, Stage.N3)
    assert [each.flags for each in result.epochs] == [()] * 4
    assert result.rulebook == rulebook().identity


def test_a_true_rationale_is_supported() -> None:
    text = "C4-M1 shows a sleep spindle at 4 s. Slow wave activity is absent."
    result = audited([N2], Stage.N2, texts=(text,), rules=("N2.1",))
    findings = result.epochs[0].claims
    assert [each.verdict for each in findings] == [Verdict.SUPPORTED] * 2
    assert [text[each.claim.start : each.claim.end] for each in findings] == [
        each.claim.text for each in findings
    ]


# ── perception ────────────────────────────────────────────────────────────────────────────


def test_a_false_claim_is_flagged_in_its_own_words() -> None:
    text = "A sleep spindle is seen at 28-30 s in C4-M1."
    result = audited([N2], Stage.N2, texts=(text,))
    assert message(result.epochs[0], FlagCode.CLAIM_CONTRADICTED) == (
        "“sleep spindle”: a sleep spindle at 4.0 s in C4-M1, none within 2 s of 28–30 s"
    )


def test_without_words_the_rule_that_fits_implies_the_claims() -> None:
    result = audited([WAKE, N2, N3], Stage.W, Stage.N2, Stage.N3)
    implied = [[each.claim.phenomenon for each in e.claims] for e in result.epochs]
    assert implied == [[Phenomenon.ALPHA_RHYTHM], [SPINDLE], [SLOW_WAVES]]
    assert all(each.claim.text is None for e in result.epochs for each in e.claims)
    assert {each.verdict for e in result.epochs for each in e.claims} == {Verdict.SUPPORTED}


def test_a_continuation_is_not_held_to_the_rule_that_began_it() -> None:
    result = audited([N2, epoch(), epoch()], Stage.N2, Stage.N2, Stage.N2)
    assert [codes(each) for each in result.epochs[1:]] == [set(), set()]
    [implied] = result.epochs[2].claims
    assert implied.claim.phenomenon is SLOW_WAVES
    assert implied.claim.polarity is Polarity.PRESENT
    assert implied.verdict is Verdict.SUPPORTED


def test_a_stage_that_nothing_supports_contradicts_what_it_implies() -> None:
    result = audited([WAKE, epoch()], Stage.W, Stage.N3)
    assert codes(result.epochs[1]) == {FlagCode.CLAIM_CONTRADICTED, FlagCode.STAGE_NOT_PERMITTED}


# ── deduction ─────────────────────────────────────────────────────────────────────────────


def test_a_cited_rule_that_does_not_hold_shows_measured_beside_asked() -> None:
    result = audited([WAKE, N3], Stage.W, Stage.N3, rules=("W.1", "N2.1"))
    flagged = result.epochs[1]
    assert FlagCode.RULE_NOT_MET in codes(flagged)
    assert "K complex or spindle: measured 0, needed ≥ 1; N3.1 holds" in message(
        flagged, FlagCode.RULE_NOT_MET
    )
    cited = {rule.id: rule.cited for rule in flagged.rules}
    assert cited["N2.1"]
    assert not cited["N3.1"]


def test_a_cited_rule_that_leads_elsewhere() -> None:
    result = audited([WAKE, N2], Stage.W, Stage.N2, rules=("W.1", "W.1"))
    flagged = [
        flag.message for flag in result.epochs[1].flags if flag.code is FlagCode.RULE_NOT_MET
    ]
    assert "W.1 is cited, which does not lead to N2" in flagged


def test_a_rule_that_does_not_exist() -> None:
    result = audited([N2], Stage.N2, rules=("N2.9",))
    assert message(result.epochs[0], FlagCode.RULE_NOT_MET) == (
        "rule N2.9 is cited, but there is no such rule"
    )
    [unknown] = [rule for rule in result.epochs[0].rules if rule.id == "N2.9"]
    assert unknown.verdict is Verdict.NOT_ASSESSABLE


def test_a_stage_without_a_rule_names_those_that_are_permitted() -> None:
    result = audited([WAKE, WAKE], Stage.W, Stage.R)
    flagged = result.epochs[1]
    assert flagged.permitted_stages == (Stage.W,)
    assert message(flagged, FlagCode.STAGE_NOT_PERMITTED) == (
        "no rule leads to R here; the signal permits W"
    )


def test_a_rule_that_decides_alone() -> None:
    result = audited([WAKE, N3], Stage.W, Stage.N2)
    assert message(result.epochs[1], FlagCode.OTHER_STAGE_REQUIRED) == (
        "N3.1 holds and decides alone for N3: slow wave share: measured 0.4, needed ≥ 0.2"
    )


# ── sequence ──────────────────────────────────────────────────────────────────────────────


def test_a_continuation_of_an_unpermitted_epoch_is_flagged_once() -> None:
    plain = epoch(measures={"low_amplitude_mixed_frequency_fraction": 0.9})
    result = audited([WAKE, plain, plain, plain], Stage.W, Stage.N2, Stage.N2, Stage.N2)
    sequence = [FlagCode.SEQUENCE_BROKEN in codes(each) for each in result.epochs]
    assert sequence == [False, False, True, False]
    assert FlagCode.STAGE_NOT_PERMITTED in codes(result.epochs[1])


def test_a_cited_continuation_without_what_it_continues() -> None:
    result = audited([WAKE, N2], Stage.W, Stage.N2, rules=("W.1", "N2.2"))
    assert codes(result.epochs[1]) == {FlagCode.SEQUENCE_BROKEN}


# ── replies, rationales, confidence, second opinions ──────────────────────────────────────


def test_an_unreadable_reply_is_flagged_and_not_audited() -> None:
    result = audited([N2], ScoredEpoch(0, Stage.UNSCORED, unreadable_reply="N2, obviously"))
    assert codes(result.epochs[0]) == {FlagCode.REPLY_UNREADABLE}
    assert result.epochs[0].rules == ()
    assert result.epochs[0].priority > 0


def test_an_epoch_that_is_not_scored_is_not_flagged() -> None:
    result = audited([N2, N2], Stage.UNSCORED, Stage.N2)
    assert result.epochs[0].flags == ()
    assert result.epochs[0].priority == 0.0


def test_a_missing_rationale_is_flagged_only_where_others_are_there() -> None:
    text = "A sleep spindle is seen in C4-M1."
    explained = audited([N2, N2], Stage.N2, Stage.N2, texts=(text,))
    assert [codes(each) for each in explained.epochs] == [set(), {FlagCode.RATIONALE_MISSING}]


@pytest.mark.parametrize(("probability", "flagged"), [(0.4, True), (0.9, False)])
def test_low_confidence(probability: float, flagged: bool) -> None:
    result = audited([N2], ScoredEpoch(0, Stage.N2, probabilities={Stage.N2: probability}))
    assert (FlagCode.LOW_CONFIDENCE in codes(result.epochs[0])) is flagged


def test_confidence_orders_what_has_no_flags() -> None:
    made = [ScoredEpoch(i, Stage.N2, {Stage.N2: p}) for i, p in enumerate((0.95, 0.55, 0.8))]
    result = audited([N2, N2, N2], *made)
    by_risk = sorted(result.epochs, key=lambda each: -each.priority)
    assert [each.index for each in by_risk] == [1, 2, 0]


def test_a_second_opinion_that_differs() -> None:
    second = scored(Stage.N2, Stage.N3)
    first = replace(scored(Stage.N2, Stage.N2), second_opinion=second)
    result = audit(first, evidence_of(N2, N2), rulebook())
    assert [codes(each) for each in result.epochs] == [set(), {FlagCode.SECOND_OPINION_DIFFERS}]


def test_a_second_opinion_weighs_as_much_as_it_is_sure() -> None:
    told = [ScoredEpoch(i, Stage.N3, {Stage.N3: p}) for i, p in enumerate((0.45, 0.6, 0.95))]
    first = replace(scored(*[Stage.N2] * 3), second_opinion=scored(*told))
    result = audit(first, evidence_of(N2, N2, N2), rulebook())
    unsure, fairly_sure, sure = result.epochs
    assert not unsure.flags
    assert unsure.priority < fairly_sure.priority < sure.priority
    assert "another stager scored N3 here with a probability of 95%" in sure.flags[0].message


# ── what the night lacks ──────────────────────────────────────────────────────────────────


def test_what_the_whole_night_lacks_is_told_once() -> None:
    blind = epoch(not_assessable={CHIN: "no chin EMG was recorded"}, events=[event(SPINDLE, 4, 5)])
    result = audited([blind] * 4, *[Stage.N2] * 4)
    assert [each.flags for each in result.epochs] == [()] * 4
    [note] = result.not_assessable
    assert note.startswith("no chin EMG was recorded: chin tone cannot be assessed")
    assert "R.1" in note


def test_a_poor_epoch_in_a_good_night_is_flagged() -> None:
    loose = epoch(not_assessable={SLOW_WAVES: "F4-M1 came loose"})
    result = audited([N3, loose, N3, N3], *[Stage.N3] * 4)
    assert [codes(each) for each in result.epochs] == [set(), {FlagCode.SIGNAL_POOR}, set(), set()]
    assert message(result.epochs[1], FlagCode.SIGNAL_POOR) == "F4-M1 came loose"
    assert result.not_assessable == ()


def test_a_scoring_longer_than_the_recording_is_cut_and_says_so() -> None:
    result = audited([N2, N2], *[Stage.N2] * 4)
    assert len(result.epochs) == 2
    assert "2 scored epochs lie beyond the recording's end" in result.notes[-1]


# ── the words against the rule they cite ──────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stage", "rule", "text", "denied"),
    [
        (Stage.N3, "N3.1", "Slow wave activity is absent.", True),
        (Stage.N3, "N3.1", "Slow wave activity is present.", False),
        (Stage.N3, "N3.1", "Slow waves occupy less than 20 % of the epoch.", True),
        (Stage.N3, "N3.1", "Slow waves occupy more than 20 % of the epoch.", False),
        (Stage.N3, "N3.1", "Alpha rhythm is absent.", False),
        (Stage.N2, "N2.2", "Slow wave activity is absent.", False),
        (Stage.N2, "N2.2", "Slow waves occupy less than 20 % of the epoch.", False),
        (Stage.N2, "N2.2", "Slow waves occupy more than 30 % of the epoch.", True),
        (Stage.R, "R.1", "Chin EMG shows high muscle tone.", True),
        (Stage.R, "R.1", "Chin EMG shows low muscle tone.", False),
    ],
)
def test_a_rationale_that_denies_what_its_own_rule_asks_for(
    stage: Stage, rule: str, text: str, denied: bool
) -> None:
    unknown = dict.fromkeys(Phenomenon, "no signal")
    blind = [epoch(not_assessable=unknown)] * 3
    result = audited(blind, *[stage] * 3, texts=(text,) * 3, rules=(rule,) * 3)
    assert (FlagCode.RULE_NOT_MET in codes(result.epochs[1])) is denied
