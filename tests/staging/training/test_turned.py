"""What is right for an image whose halves have changed places."""

import json

import pytest

from staging.training.told import rolled, words_held
from staging.training.turned import turned_reply
from staging.training.wording import reply

BACKGROUND = "Low-amplitude mixed-frequency activity prevails."
CHIN = "Chin tone is low."


def of(*mentions: str) -> str:
    return reply(" ".join((BACKGROUND, *mentions, CHIN)), ("N2.1",), "N2")


def turned(*mentions: str) -> str | None:
    return turned_reply(of(*mentions))


def test_times_are_15_s_off_and_in_order() -> None:
    assert turned(
        "A K complex appears at 25–26 s in F4.",
        "A sleep spindle appears at 3–4.5 s in C4.",
        "A sleep spindle appears at 20–21 s in F4.",
        "An arousal begins at 8 s.",
    ) == of(
        "A K complex appears at 10–11 s in F4.",
        "A sleep spindle appears at 5–6 s in F4.",
        "A sleep spindle appears at 18–19.5 s in C4.",
        "An arousal begins at 23 s.",
    )


def test_the_same_is_told_as_is_held() -> None:
    text = of(
        "A vertex sharp wave appears at 12 s in C4.", "Sawtooth waves appear at 16–20 s in F4."
    )
    after = turned_reply(text)
    assert after is not None
    assert (words_held(after) == rolled(words_held(text))).all()


def test_bursts_are_cut_at_the_middle_and_joined_at_the_ends() -> None:
    assert turned(
        "Rapid eye movements appear at 0–3 s.",
        "Rapid eye movements appear at 12–17.5 s.",
        "Rapid eye movements appear at 28.5–30 s.",
    ) == of(
        "Rapid eye movements appear at 0–2.5 s.",
        "Rapid eye movements appear at 13.5–18 s.",
        "Rapid eye movements appear at 27–30 s.",
    )


@pytest.mark.parametrize(
    "mentions",
    [
        ["A sleep spindle appears at 14.5–15.5 s in C4."],
        ["Slow eye movements appear at 14–22 s."],
        [f"A K complex appears at {at}–{at + 1} s in F4." for at in (2, 8, 20, 25)],
        [f"Eye blinks appear at {at}–{at + 1} s." for at in (1, 6, 11, 18, 24)],
    ],
    ids=["cut in two", "a short piece", "perhaps more complexes", "perhaps more bursts"],
)
def test_what_cannot_be_known_is_not_told(mentions: list[str]) -> None:
    assert turned(*mentions) is None


def test_rules_and_stage_stay() -> None:
    before, after = of(), turned()
    assert after is not None
    assert json.loads(after) == json.loads(before)
