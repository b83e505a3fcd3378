"""Claims against evidence, attribute by attribute, and the honest middle."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_nights import at, check_claim, epoch, event, evidence_of, rulebook

from auditor.claim_check import ClaimChecker
from auditor.night import Night
from auditor.vocabulary import (
    Claim,
    Extent,
    Interval,
    Level,
    Phenomenon,
    Polarity,
    Stage,
    Verdict,
)

SPINDLE, K_COMPLEX = Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX
ALPHA, SLOW_WAVES = Phenomenon.ALPHA_RHYTHM, Phenomenon.SLOW_WAVE_ACTIVITY
EYES, CHIN = Phenomenon.RAPID_EYE_MOVEMENTS, Phenomenon.CHIN_TONE
T, F, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.NOT_ASSESSABLE


def claim(kind: Phenomenon, polarity: Polarity = Polarity.PRESENT, **attributes: object) -> Claim:
    return Claim(kind, polarity, start=0, end=5, text="words", **attributes)  # type: ignore[arg-type]


def absent(kind: Phenomenon, **attributes: object) -> Claim:
    return claim(kind, Polarity.ABSENT, **attributes)


WITH_SPINDLE = epoch(events=[event(SPINDLE, 21.3, 22.1)])


# ── presence and absence ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("probability", "present", "absent_"),
    [
        (0.85, T, F),
        (0.84, T, U),
        (0.7, T, U),
        (0.69, U, U),
        (0.15, U, U),
        (0.14, U, T),
        (0.035, U, T),
        (0.034, F, T),
    ],
)
def test_two_thresholds_and_the_middle_between_them(
    probability: float, present: Verdict, absent_: Verdict
) -> None:
    here = epoch(events=[event(SPINDLE, 5, 6, probability=probability)])
    assert check_claim(claim(SPINDLE), here).verdict is present
    assert check_claim(absent(SPINDLE), here).verdict is absent_


def test_nothing_at_all() -> None:
    finding = check_claim(claim(SPINDLE), epoch())
    assert finding.verdict is F
    assert finding.reason == "no sleep spindle was found"
    assert check_claim(absent(SPINDLE), epoch()).verdict is T


def test_an_event_of_the_next_epoch_is_none_of_this_one() -> None:
    later = epoch(events=[event(SPINDLE, 3, 4)])
    assert check_claim(claim(SPINDLE), epoch(), later).verdict is F


def test_hedged_and_unread_words_are_not_assessable() -> None:
    assert check_claim(claim(SPINDLE, Polarity.UNCERTAIN), WITH_SPINDLE).verdict is U
    assert check_claim(claim(SPINDLE, read=False), WITH_SPINDLE).verdict is U


def test_what_could_not_be_measured_is_not_assessable_with_its_reason() -> None:
    blind = epoch(not_assessable={SPINDLE: "C4-M1 came loose"})
    for each in (claim(SPINDLE), absent(SPINDLE)):
        finding = check_claim(each, blind)
        assert finding.verdict is U
        assert finding.reason == "C4-M1 came loose"


# ── time ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("start_s", "end_s", "verdict"),
    [(21, 22, T), (23, 25, T), (24.1, 24.1, T), (24.2, 26, F), (15, 19.3, T), (15, 19.2, F)],
)
def test_times_have_a_tolerance_of_two_seconds(
    start_s: float, end_s: float, verdict: Verdict
) -> None:
    finding = check_claim(claim(SPINDLE, spans=at(start_s, end_s)), WITH_SPINDLE)
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("probability", "start_s", "verdict"),
    [(0.14, 23.6, U), (0.14, 23.7, F), (0.15, 24.1, U), (0.15, 24.2, F), (0.7, 24.1, T)],
)
def test_what_is_hardly_there_is_meant_less_far_off(
    probability: float, start_s: float, verdict: Verdict
) -> None:
    here = epoch(events=[event(SPINDLE, 21.3, 22.1, probability=probability)])
    assert check_claim(claim(SPINDLE, spans=at(start_s)), here).verdict is verdict


def test_what_is_hardly_there_and_elsewhere_is_not_named() -> None:
    here = epoch(events=[event(SPINDLE, 21.3, 22.1, probability=0.1)])
    assert check_claim(claim(SPINDLE, spans=at(5, 6)), here).reason == (
        "no sleep spindle at 5–6 s was found"
    )


def test_the_right_event_at_the_wrong_time_says_so() -> None:
    finding = check_claim(claim(SPINDLE, spans=at(28, 30)), WITH_SPINDLE)
    assert finding.reason == ("a sleep spindle at 21.3 s in C4-M1, none within 2 s of 28–30 s")


def test_of_two_events_the_one_at_the_time_named_tells_what_else_is_wrong() -> None:
    here = epoch(
        events=[event(SPINDLE, 2.1, 2.7, probability=0.9), event(SPINDLE, 20.4, 21.4)],
    )
    told = claim(SPINDLE, spans=at(1.9, 3.9), duration_s=Interval(2.0, 2.0))
    finding = check_claim(told, here)
    assert finding.verdict is F
    assert finding.reason == "a sleep spindle at 2.1 s in C4-M1, lasting 0.6 s, not 2 s"


def test_a_run_of_minutes_is_found_in_every_epoch_that_it_fills() -> None:
    reading = Phenomenon.READING_EYE_MOVEMENTS
    run = epoch(events=[event(reading, 20, 110, channel="E1-M2")])
    for index, verdict in enumerate((T, T, T, T, F)):
        found = check_claim(claim(reading), run, *[epoch()] * 4, index=index)
        assert found.verdict is verdict, index
    for index, verdict in enumerate((T, F, F, F, T)):
        found = check_claim(absent(reading), run, *[epoch()] * 4, index=index)
        assert found.verdict is verdict, index


def test_several_times_are_taken_as_a_whole() -> None:
    blinks = [event(Phenomenon.EYE_BLINKS, t, t + 0.4, channel="E1-M2") for t in (5, 10, 15, 20)]
    five = tuple(span for t in (5, 10, 15, 20, 25) for span in at(t))
    claimed = claim(Phenomenon.EYE_BLINKS, spans=five)
    assert check_claim(claimed, epoch(events=blinks)).verdict is T
    assert check_claim(claimed, epoch(events=blinks[:2])).verdict is F


def test_words_about_a_border_may_reach_over_it() -> None:
    first = epoch(events=[event(SPINDLE, 29.2, 30.4)])
    assert check_claim(claim(SPINDLE, spans=at(0)), first, epoch(), index=1).verdict is T


def test_absence_at_a_time_is_checked_there() -> None:
    assert check_claim(absent(SPINDLE, spans=at(0, 10)), WITH_SPINDLE).verdict is T
    assert check_claim(absent(SPINDLE, spans=at(20, 25)), WITH_SPINDLE).verdict is F


# ── channels ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("label", ["C4-M1", "C3-M2", "c4", "EEG C4-A1", "Cz"])
def test_channels_are_compared_by_region(label: str) -> None:
    assert check_claim(claim(SPINDLE, channels=(label,)), WITH_SPINDLE).verdict is T


def test_another_region_that_was_searched_contradicts() -> None:
    elsewhere = epoch(events=[event(SPINDLE, 2, 3, channel="F4-M1")])
    claimed = claim(SPINDLE, channels=("F4-M1",))
    finding = check_claim(claimed, WITH_SPINDLE, elsewhere)
    assert finding.verdict is F
    assert finding.reason == "a sleep spindle at 21.3 s in C4-M1, none in F4-M1"


def test_a_region_that_was_not_searched_does_not_narrow() -> None:
    assert check_claim(claim(SPINDLE, channels=("F4-M1",)), WITH_SPINDLE).verdict is T


def test_a_channel_that_cannot_show_it_contradicts() -> None:
    finding = check_claim(claim(SPINDLE, channels=("Chin 1-2",)), WITH_SPINDLE)
    assert finding.verdict is F
    assert "does not show" in finding.reason


def test_both_eyes_are_one_place() -> None:
    here = epoch(events=[event(EYES, 5, 6, channel="E1-M2")])
    assert check_claim(claim(EYES, channels=("ROC",)), here).verdict is T
    assert check_claim(claim(EYES, channels=("LOC", "ROC")), here).verdict is T


# ── frequency, duration, amplitude ────────────────────────────────────────────────────────


def spindle_at(frequency_hz: float | None) -> Verdict:
    evidence = evidence_of(WITH_SPINDLE)
    events = tuple(replace(each, frequency_hz=frequency_hz) for each in evidence.events)
    night = Night(
        replace(evidence, events=events),
        [Stage.N2],
        rulebook().quantities,
        rulebook().detection,
    )
    claimed = claim(SPINDLE, frequency_hz=Interval(12, 14))
    return ClaimChecker(rulebook().claims, night).check(claimed, 0).verdict


@pytest.mark.parametrize(
    ("frequency_hz", "verdict"), [(13.0, T), (10.0, T), (9.9, F), (16.0, T), (16.1, F), (None, T)]
)
def test_frequency_has_a_tolerance_of_two_hertz(
    frequency_hz: float | None, verdict: Verdict
) -> None:
    assert spindle_at(frequency_hz) is verdict


@pytest.mark.parametrize(("seconds", "verdict"), [(0.8, T), (1.6, T), (1.7, F), (0.4, T), (0.3, F)])
def test_duration_may_be_half_to_twice(seconds: float, verdict: Verdict) -> None:
    claimed = claim(SPINDLE, duration_s=Interval(seconds, seconds))
    assert check_claim(claimed, WITH_SPINDLE).verdict is verdict


def test_without_an_event_to_compare_the_definition_decides_the_frequency() -> None:
    here = epoch(measures={"theta_fraction": 0.6})
    theta = Phenomenon.THETA_ACTIVITY
    assert check_claim(claim(theta, frequency_hz=Interval(4, 7)), here).verdict is T
    assert check_claim(claim(theta, frequency_hz=Interval(12, 14)), here).verdict is F


# ── amounts ───────────────────────────────────────────────────────────────────────────────


def alpha(share: float, low: float | None = None, high: float | None = None) -> dict[str, object]:
    return {"value": share, "low": low or share, "high": high or share}


@pytest.mark.parametrize(
    ("share", "op", "fraction", "verdict"),
    [
        (0.55, ">", 0.5, T),
        (0.41, ">", 0.5, T),
        (0.39, ">", 0.5, U),
        (0.26, ">", 0.5, U),
        (0.24, ">", 0.5, F),
        (0.15, "<", 0.1, T),
        (0.36, "<", 0.1, F),
        (0.0, "<", 0.1, T),
        (0.0, "==", 0.05, T),
        (0.8, "==", 0.9, T),
        (0.7, "==", 0.9, U),
        (0.6, "==", 0.9, F),
    ],
)
def test_extents_agree_within_a_tenth_and_differ_from_a_quarter(
    share: float, op: str, fraction: float, verdict: Verdict
) -> None:
    here = epoch(measures={"alpha_fraction": share})
    assert check_claim(claim(ALPHA, extent=Extent(op, fraction)), here).verdict is verdict


def test_an_amount_in_doubt_on_both_sides() -> None:
    here = epoch(measures={"alpha_fraction": alpha(0.4, 0.2, 0.5)})
    finding = check_claim(claim(ALPHA, extent=Extent(">", 0.5)), here)
    assert finding.verdict is U
    assert "from 20% to 50%" in finding.reason


def test_what_a_stage_implies_is_exact() -> None:
    implied = Claim(ALPHA, Polarity.PRESENT, extent=Extent(">=", 0.5))
    assert check_claim(implied, epoch(measures={"alpha_fraction": 0.5})).verdict is T
    assert check_claim(implied, epoch(measures={"alpha_fraction": 0.49})).verdict is F


@pytest.mark.parametrize(
    ("share", "present", "absent_"), [(0.0, F, T), (0.05, T, T), (0.0999, T, T), (0.1, T, F)]
)
def test_slow_waves_are_denied_up_to_a_tenth(
    share: float, present: Verdict, absent_: Verdict
) -> None:
    here = epoch(measures={"slow_wave_fraction": share})
    assert check_claim(claim(SLOW_WAVES), here).verdict is present
    assert check_claim(absent(SLOW_WAVES), here).verdict is absent_


def test_measured_stands_beside_expected() -> None:
    here = epoch(measures={"alpha_fraction": 0.12})
    finding = check_claim(claim(ALPHA, extent=Extent(">", 0.5)), here)
    assert (finding.measured, finding.expected) == (0.12, "> 50%")
    assert finding.reason == "alpha rhythm for 12% of the epoch"


def test_a_timed_amount_is_checked_at_its_time() -> None:
    here = epoch(measures={"alpha_fraction": 0.3}, events=[event(ALPHA, 2, 11, channel="O2-M1")])
    assert check_claim(claim(ALPHA, spans=at(3, 10)), here).verdict is T
    assert check_claim(claim(ALPHA, spans=at(20, 30)), here).verdict is F


# ── chin tone ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("measured", "level", "polarity", "verdict"),
    [
        ("low", Level.LOW, Polarity.PRESENT, T),
        ("low", Level.LOW, Polarity.ABSENT, F),
        ("high", Level.LOW, Polarity.ABSENT, T),
        ("high", Level.LOW, Polarity.PRESENT, F),
        ("low", Level.HIGH, Polarity.PRESENT, F),
        ("high", Level.INTERMEDIATE, Polarity.PRESENT, U),
        ("low", None, Polarity.ABSENT, T),
        ("high", None, Polarity.PRESENT, T),
    ],
)
def test_chin_tone(
    measured: str, level: Level | None, polarity: Polarity, verdict: Verdict
) -> None:
    here = epoch(measures={"chin_tone_level": measured})
    assert check_claim(claim(CHIN, polarity, level=level), here).verdict is verdict


def test_chin_tone_near_a_border_is_not_assessable() -> None:
    here = epoch(
        measures={"chin_tone_level": {"value": "low", "low": "low", "high": "intermediate"}}
    )
    finding = check_claim(claim(CHIN, level=Level.LOW), here)
    assert finding.verdict is U
    assert "border" in finding.reason


# ── what a stage implies ──────────────────────────────────────────────────────────────────


def test_an_implied_time_has_no_tolerance() -> None:
    implied = Claim(SPINDLE, Polarity.PRESENT, spans=at(-15, 15))
    before = epoch(events=[event(SPINDLE, 16, 17)])
    assert check_claim(implied, before, epoch(), index=1).verdict is T
    early = epoch(events=[event(SPINDLE, 13.2, 14.2)])
    assert check_claim(implied, early, epoch(), index=1).verdict is F
