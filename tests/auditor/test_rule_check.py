"""Which stages may be scored: the rules together, over runs of epochs."""

from __future__ import annotations

from small_nights import epoch, event, night_of, rulebook

from auditor.rule_cases import CaseEpoch
from auditor.rule_check import RuleChecker
from auditor.vocabulary import Phenomenon, Stage, Verdict

SPINDLE, AROUSAL = Phenomenon.SLEEP_SPINDLE, Phenomenon.AROUSAL
EYES = Phenomenon.RAPID_EYE_MOVEMENTS

WAKE = {"alpha_fraction": 0.8}
DROWSY = {"low_amplitude_mixed_frequency_fraction": 0.9}
DEEP = {"slow_wave_fraction": 0.4}
R_LIKE = {"low_amplitude_mixed_frequency_fraction": 0.9, "chin_tone_level": "low"}


def permitted(*epochs: CaseEpoch, index: int) -> set[str]:
    checker = RuleChecker(rulebook(), night_of(*epochs))
    return {stage.value for stage in checker.permitted(index)}


def test_wake_then_n1_then_n2_then_n3() -> None:
    night = (
        epoch(stage="W", measures=WAKE),
        epoch(stage="N1", measures=DROWSY),
        epoch(stage="N2", measures=DROWSY, events=[event(SPINDLE, 4, 5)]),
        epoch(stage="N2", measures=DROWSY),
        epoch(stage="N3", measures=DEEP),
        epoch(stage="N2"),
    )
    assert permitted(*night, index=0) == {"W"}
    assert permitted(*night, index=1) == {"N1"}
    assert permitted(*night, index=2) == {"N2"}
    assert "N2" in permitted(*night, index=3)
    assert permitted(*night, index=4) == {"N3"}
    assert permitted(*night, index=5) == {"N2"}


def test_an_arousal_turns_n2_to_n1_until_a_spindle_returns() -> None:
    night = (
        epoch(stage="W", measures=WAKE),
        epoch(stage="N2", measures=DROWSY, events=[event(SPINDLE, 4, 5)]),
        epoch(stage="N1", measures=DROWSY, events=[event(AROUSAL, 2, 8)]),
        epoch(stage="N1", measures=DROWSY),
        epoch(stage="N2", measures=DROWSY, events=[event(SPINDLE, 4, 5)]),
    )
    assert [permitted(*night, index=i) for i in (2, 3, 4)] == [{"N1"}, {"N1"}, {"N2"}]


def test_definite_r_carries_its_neighbours_both_ways() -> None:
    plain = epoch(stage="R", measures=R_LIKE)
    definite = epoch(stage="R", measures=R_LIKE, events=[event(EYES, 5, 6, channel="E1-M2")])
    assert "R" in permitted(plain, plain, definite, plain, plain, index=0)
    assert "R" in permitted(plain, plain, definite, plain, plain, index=4)
    assert "R" not in permitted(plain, plain, plain, index=1)


def test_a_night_without_eye_channels_cannot_rule_r_out_before_chin_tone_does() -> None:
    blind = {EYES: "no eye channel was recorded"}
    low = epoch(measures=R_LIKE, not_assessable=blind)
    tense = epoch(measures=DROWSY, not_assessable=blind)
    assert "R" in permitted(low, index=0)
    assert "R" not in permitted(tense, index=0)


def test_a_body_movement_is_as_what_follows() -> None:
    moved = {"movement_fraction": 0.7}
    night = (epoch(stage="N2"), epoch(stage="N2", measures=moved), epoch(stage="N3", measures=DEEP))
    assert "N3" in permitted(*night, index=1)
    beside_wake = (epoch(stage="W"), epoch(stage="N2", measures=moved), epoch(stage="N3"))
    assert "W" in permitted(*beside_wake, index=1)
    assert "N3" not in permitted(*beside_wake, index=1)


def test_each_condition_of_a_finding_says_whether_what_the_rule_asks_is_so() -> None:
    night = night_of(epoch(), epoch(measures=DEEP, events=[event(SPINDLE, 4, 5)]), epoch())
    check = RuleChecker(rulebook(), night).check("N2.1", 1)
    assert check.verdict is Verdict.CONTRADICTED
    verdicts = {finding.id: finding.verdict for finding in check.conditions}
    assert verdicts["k_complex_or_spindle"] is Verdict.SUPPORTED
    assert verdicts["not N3.1"] is Verdict.CONTRADICTED


def test_doubt_of_another_rule_is_handed_on_with_its_reason() -> None:
    frontal = {Phenomenon.SLOW_WAVE_ACTIVITY: "no frontal EEG was recorded"}
    night = night_of(epoch(), epoch(events=[event(SPINDLE, 4, 5)], not_assessable=frontal), epoch())
    check = RuleChecker(rulebook(), night).check("N2.1", 1)
    assert check.verdict is Verdict.NOT_ASSESSABLE
    reasons = [finding.reason for finding in check.conditions if finding.reason]
    assert reasons == ["no frontal EEG was recorded"]


def test_a_rule_with_several_outcomes_tells_where_it_leads() -> None:
    night = night_of(epoch(stage="N2"), epoch(measures=DEEP), epoch())
    check = RuleChecker(rulebook(), night).check("N2.4", 1)
    assert check.leads_to(Stage.N3) is Verdict.SUPPORTED
    assert check.leads_to(Stage.N1) is Verdict.CONTRADICTED
