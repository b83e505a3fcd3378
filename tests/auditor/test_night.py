"""What rules can ask about a night, and that nothing unknown reads as nothing there."""

from __future__ import annotations

import math

import pytest
from small_nights import epoch, event, night_of

from auditor.night import Observed, Reference, Window
from auditor.vocabulary import Phenomenon

SPINDLE, K_COMPLEX, AROUSAL = Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX, Phenomenon.AROUSAL


def observe(*epochs: object, quantity: str, index: int = 0, **reference: object) -> Observed:
    return night_of(*epochs).observe(Reference(quantity, quantity, **reference), index)  # type: ignore[arg-type]


def test_an_event_in_two_channels_is_one() -> None:
    here = epoch(
        events=[event(SPINDLE, 5, 6, channel="C4-M1"), event(SPINDLE, 5.2, 6.1, channel="F4-M1")]
    )
    assert observe(here, quantity="sleep_spindles") == Observed(1.0, (1.0,))


def test_candidates_between_the_thresholds_leave_the_count_open() -> None:
    here = epoch(events=[event(SPINDLE, 5, 6), event(SPINDLE, 9, 10, probability=0.4)])
    assert observe(here, quantity="sleep_spindles").possible == (1.0, 2.0)


def test_candidates_that_are_clearly_not_there_do_not_count() -> None:
    here = epoch(events=[event(SPINDLE, 9, 10, probability=0.1)])
    assert observe(here, quantity="sleep_spindles").possible == (0.0,)


@pytest.mark.parametrize(
    ("window", "start_s", "count"),
    [
        (Window.FIRST_HALF, 14.4, 1.0),
        (Window.FIRST_HALF, 14.5, 0.0),
        (Window.LAST_HALF, 14.5, 1.0),
        (Window.LAST_HALF, 14.4, 0.0),
        (Window.WHOLE, 29.4, 1.0),
        (Window.WHOLE, 29.5, 0.0),
    ],
)
def test_an_event_belongs_to_the_half_that_holds_its_middle(
    window: Window, start_s: float, count: float
) -> None:
    here = epoch(events=[event(SPINDLE, start_s, start_s + 1)])
    assert observe(here, epoch(), quantity="sleep_spindles", window=window).value == count


def test_not_assessable_could_be_any_number() -> None:
    here = epoch(not_assessable={SPINDLE: "no EEG"})
    seen = observe(here, quantity="sleep_spindles")
    assert seen == Observed(None, (0.0, math.inf), "no EEG")


def test_a_missing_share_could_be_any_share() -> None:
    here = epoch(not_assessable={Phenomenon.ALPHA_RHYTHM: "no occipital EEG"})
    assert observe(here, quantity="alpha_fraction").possible == (0.0, 1.0)


def test_a_missing_level_could_be_any_level() -> None:
    here = epoch(not_assessable={Phenomenon.CHIN_TONE: "no chin EMG"})
    assert observe(here, quantity="chin_tone_level").possible == ("low", "intermediate", "high")


@pytest.mark.parametrize(("offset", "reason"), [(-1, "begins"), (1, "ends")])
def test_beyond_the_recording_is_unknown(offset: int, reason: str) -> None:
    seen = observe(epoch(), quantity="sleep_spindles", offset=offset)
    assert seen.value is None
    assert reason in seen.reason


def test_the_stage_of_an_unscored_neighbour_is_unknown() -> None:
    seen = observe(epoch(stage="?"), epoch(), quantity="stage", index=1, offset=-1)
    assert seen.value is None
    assert len(seen.possible) == 5


def test_a_k_complex_goes_with_an_arousal_before_it_too() -> None:
    here = epoch(events=[event(AROUSAL, 2, 6), event(K_COMPLEX, 6.9, 7.7)])
    assert observe(here, quantity="k_complexes_without_arousal").value == 0.0
    later = epoch(events=[event(AROUSAL, 2, 6), event(K_COMPLEX, 7.1, 7.9)])
    assert observe(later, quantity="k_complexes_without_arousal").value == 1.0


def test_unknown_arousals_make_k_complexes_possible_not_sure() -> None:
    here = epoch(events=[event(K_COMPLEX, 6, 7)], not_assessable={AROUSAL: "too short to know"})
    seen = observe(here, quantity="k_complexes_without_arousal")
    assert seen.possible == (0.0, 1.0)
    assert seen.reason == "too short to know"


def test_blinks_that_follow_one_another_are_one_stretch() -> None:
    blinks = [event(Phenomenon.EYE_BLINKS, t, t + 0.4) for t in (3.0, 5.0, 7.0, 20.0)]
    seen = observe(epoch(events=blinks), quantity="eye_blink_share")
    assert seen.value == pytest.approx((4.4 + 0.4) / 30)


def test_a_share_is_cut_at_the_epoch_border() -> None:
    long = epoch(events=[event(Phenomenon.READING_EYE_MOVEMENTS, 20, 40)])
    night = night_of(long, epoch())
    reference = Reference("reading_eye_movement_share", "reading_eye_movement_share")
    assert [night.observe(reference, i).value for i in (0, 1)] == pytest.approx([1 / 3, 1 / 3])


def test_epochs_with_alpha_are_counted_over_what_was_measured() -> None:
    alpha = epoch(measures={"alpha_fraction": 0.8})
    doubtful = epoch(measures={"alpha_fraction": {"value": 0.6, "low": 0.4, "high": 0.7}})
    blind = epoch(not_assessable={Phenomenon.ALPHA_RHYTHM: "no occipital EEG"})
    seen = observe(alpha, doubtful, epoch(), blind, quantity="epochs_with_alpha")
    assert seen == Observed(2.0, (1.0, 2.0))
    assert observe(alpha, blind, blind, quantity="epochs_with_alpha").value is None


def test_the_gap_reaches_from_one_event_to_the_next() -> None:
    first = epoch(events=[event(SPINDLE, 28, 29)])
    last = epoch(events=[event(K_COMPLEX, 4, 5)])
    seen = observe(first, epoch(), epoch(), last, quantity="spindle_or_k_complex_gap", index=1)
    assert seen.value == pytest.approx(65.0)
