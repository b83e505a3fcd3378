"""The replies that are learnt: true, and read by the auditor as they are meant."""

import json

import pytest

from auditor.claims import read_claims
from auditor.vocabulary import Event, Level, Phenomenon, Polarity, Role, Stage
from staging.phantom_seen import Seen, look_at
from staging.training.nights import EpochTruth
from staging.training.variety import varied_night
from staging.training.wording import true_reasoning, true_reply

ALL = frozenset(Role)


def seen(*events: Event, stage: Stage = Stage.N2, alpha: float = 0.0) -> Seen:
    return Seen(stage, ("N2.1",), events, alpha, Level.LOW)


def event(kind: Phenomenon, channel: str, start_s: float, end_s: float) -> Event:
    return Event(kind, channel, start_s, end_s, 1.0, 13.0, 40.0)


@pytest.mark.parametrize(
    ("kind", "channel", "named"),
    [
        (Phenomenon.SLEEP_SPINDLE, "C3-M2", "C4"),
        (Phenomenon.SLEEP_SPINDLE, "F4-LER", "F4"),
        (Phenomenon.K_COMPLEX, "F4-M1", "F4"),
        (Phenomenon.VERTEX_SHARP_WAVES, "C4-M1", "C4"),
        (Phenomenon.SAWTOOTH_WAVES, "C4", "C4"),
        (Phenomenon.RAPID_EYE_MOVEMENTS, "E1-M2", None),
        (Phenomenon.EYE_BLINKS, "E1-M2", None),
        (Phenomenon.SLOW_EYE_MOVEMENTS, "E1-M2", None),
        (Phenomenon.READING_EYE_MOVEMENTS, "E1-M2", None),
        (Phenomenon.AROUSAL, "C4-M1", None),
    ],
)
def test_every_event_is_read_where_and_when_it_is(
    kind: Phenomenon, channel: str, named: str | None
) -> None:
    text = true_reasoning(seen(event(kind, channel, 12.3, 16.1)), ALL)
    (claim,) = (c for c in read_claims(text) if c.phenomenon is kind)
    assert claim.read
    assert claim.polarity is Polarity.PRESENT
    assert claim.channels == ((named,) if named else ())
    assert claim.spans[0].start_s == pytest.approx(12.3, abs=0.25)


def test_what_is_not_there_is_denied_and_read_so() -> None:
    denied = {
        claim.phenomenon
        for claim in read_claims(true_reasoning(seen(), ALL))
        if claim.read and claim.polarity is Polarity.ABSENT
    }
    assert denied == {
        Phenomenon.ALPHA_RHYTHM,
        Phenomenon.SLOW_WAVE_ACTIVITY,
        Phenomenon.K_COMPLEX,
        Phenomenon.SLEEP_SPINDLE,
        Phenomenon.RAPID_EYE_MOVEMENTS,
        Phenomenon.SLOW_EYE_MOVEMENTS,
    }


def test_a_trace_that_was_not_recorded_is_not_spoken_of() -> None:
    spindle = event(Phenomenon.SLEEP_SPINDLE, "F4-M1", 3, 4)
    text = true_reasoning(seen(spindle), frozenset({Role.CENTRAL}))
    assert "A sleep spindle appears at 3–4 s in C4." in text
    assert "F4" not in text
    assert "eye" not in text
    assert "Chin" not in text


def test_the_same_seed_gives_the_same_night_and_all_its_words_are_read() -> None:
    night, again = varied_night(3, hours=0.25), varied_night(3, hours=0.25)
    channel = night.phantom.recording.channels[0]
    assert (channel.samples() == again.phantom.recording.channels[0].samples()).all()
    assert len(night.phantom.stages) == 30
    for epoch in range(30):
        told = json.loads(true_reply(look_at(night.phantom, epoch), ALL))
        assert told["sleep_stage"] == night.phantom.stages[epoch]
        assert all(claim.read for claim in read_claims(told["reasoning_text"]))


def test_nights_differ() -> None:
    kinds = {
        (
            tuple(lead.label for lead in night.phantom.settings.leads),
            night.phantom.settings.sampling_rate_hz,
            round(night.phantom.settings.gain, 2),
        )
        for night in (varied_night(seed, hours=0.05) for seed in range(6))
    }
    assert len(kinds) == 6
    assert EpochTruth("N2").reply == ""
