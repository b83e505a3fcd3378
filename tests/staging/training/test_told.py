"""What tokens are to hold of a reply: the words of the events that begin where they lie."""

import numpy as np
import pytest

from auditor.vocabulary import Event, Level, Phenomenon, Role, Stage
from staging.phantom_seen import Seen
from staging.training.told import (
    END,
    HALVES,
    PRESENT,
    START,
    TRACE,
    TRACES,
    only_shown,
    rolled,
    words_held,
)
from staging.training.wording import true_reasoning

KINDS = (
    Phenomenon.SLEEP_SPINDLE,
    Phenomenon.K_COMPLEX,
    Phenomenon.VERTEX_SHARP_WAVES,
    Phenomenon.SAWTOOTH_WAVES,
    Phenomenon.AROUSAL,
    Phenomenon.RAPID_EYE_MOVEMENTS,
    Phenomenon.EYE_BLINKS,
    Phenomenon.SLOW_EYE_MOVEMENTS,
    Phenomenon.READING_EYE_MOVEMENTS,
)


def told_of(kind: Phenomenon, start_s: float, end_s: float) -> str:
    event = Event(kind, "C4-M1", start_s, end_s, 1.0, 13.0, 40.0)
    return true_reasoning(Seen(Stage.N2, (), (event,), 0.0, Level.LOW), frozenset(Role))


@pytest.mark.parametrize("kind", KINDS)
def test_every_sort_of_event_is_held_where_it_begins(kind: Phenomenon) -> None:
    held = words_held(told_of(kind, 12.0, 16.5))
    ((row, column),) = np.argwhere(held[..., PRESENT] == 1)
    assert column == int(12.0 / 30 * 16)
    assert HALVES[held[row, column, START]] == "12"


def test_end_and_trace_are_held_where_they_are_told() -> None:
    held = words_held(told_of(Phenomenon.SLEEP_SPINDLE, 12.0, 16.5))
    (spindle,) = held[held[..., PRESENT] == 1]
    assert HALVES[spindle[END]] == "16.5"
    assert TRACES[spindle[TRACE]] == "C4"
    (arousal,) = (
        each
        for each in words_held(told_of(Phenomenon.AROUSAL, 12.0, 16.5)).reshape(-1, 4)
        if each[0] == 1
    )
    assert arousal[END] == arousal[TRACE] == -1


def test_what_is_absent_is_not_held() -> None:
    assert not words_held("No sleep spindles are seen. Chin tone is low.")[..., PRESENT].any()


@pytest.mark.parametrize(("start_s", "end_s"), [(3.0, 5.0), (20.0, 22.5)])
def test_in_an_image_whose_halves_changed_places_it_begins_15_s_off(
    start_s: float, end_s: float
) -> None:
    off = 15.0 if start_s < 15.0 else -15.0
    kind = Phenomenon.SLEEP_SPINDLE
    np.testing.assert_array_equal(
        rolled(words_held(told_of(kind, start_s, end_s))),
        words_held(told_of(kind, start_s + off, end_s + off)),
    )


def test_an_event_over_the_seam_ends_with_the_image() -> None:
    held = rolled(words_held(told_of(Phenomenon.SLEEP_SPINDLE, 14.0, 16.0)))
    (spindle,) = held[held[..., PRESENT] == 1]
    assert (HALVES[spindle[START]], HALVES[spindle[END]]) == ("29", "30")


def test_what_the_image_does_not_show_well_is_not_told() -> None:
    text = (
        '{"reasoning_text": "A sleep spindle appears at 3–4 s in C4. A sleep spindle appears at '
        '20–21 s in F4. Eye blinks appear at 20–21 s. Slow eye movements appear at 10–14 s.", '
        '"sleep_stage": "N2"}'
    )
    scores = np.zeros((8, 16), np.float32)
    scores[[0, 5], 10] = 0.7  # much for a spindle, little for blinks
    assert only_shown(text, scores) == (
        '{"reasoning_text": "A sleep spindle appears at 20–21 s in F4. Slow eye movements appear '
        'at 10–14 s.", "sleep_stage": "N2"}'
    )
