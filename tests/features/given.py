"""Given: a night, what is in its signals, and what a scorer says of it."""

from __future__ import annotations

import pytest
from pytest_bdd import given, parsers
from story import NAMES, SITES, Story

from auditor.vocabulary import EPOCH_S, Level, Phenomenon, ScoredEpoch, Stage
from staging.phantom_plan import slow_waves


@pytest.fixture
def story() -> Story:
    return Story()


# ── the night ─────────────────────────────────────────────────────────────────────────────


@given(parsers.parse("a night of {stages}"))
def a_night(story: Story, stages: str) -> None:
    """The true stages, epoch 0 first; nothing happens in them but what is told next."""
    story.stages = tuple(map(Stage, stages.split()))


@given(parsers.parse("{seconds:g} s of slow waves of {hz:g} Hz and {uv:g} µV in epoch {n:d}"))
def some_slow_waves(story: Story, seconds: float, hz: float, uv: float, n: int) -> None:
    story.events += slow_waves(n * EPOCH_S + 10.0, seconds, hz, uv)


@given(parsers.parse("{seconds:g} s of alpha rhythm in epoch {n:d}"))
def some_alpha(story: Story, seconds: float, n: int) -> None:
    middle_s = EPOCH_S / 2
    story.add(Phenomenon.ALPHA_RHYTHM, n, middle_s - seconds / 2, duration_s=seconds)


@given(parsers.parse("wakefulness with alpha rhythm in epoch {n:d}"))
def wakefulness(story: Story, n: int) -> None:
    story.add(Phenomenon.ALPHA_RHYTHM, n, 1.0, duration_s=28.0)


@given(parsers.re(r"an? (?P<name>[\w -]+) at (?P<at_s>[\d.]+) s of epoch (?P<n>\d+)"))
def an_event(story: Story, name: str, at_s: str, n: str) -> None:
    story.add(NAMES[name], int(n), float(at_s))


@given(
    parsers.re(
        r"(?P<name>[\w -]+) from (?P<start_s>[\d.]+) to (?P<end_s>[\d.]+) s of epoch (?P<n>\d+)"
    )
)
def a_run(story: Story, name: str, start_s: str, end_s: str, n: str) -> None:
    begin_s, stop_s = float(start_s), float(end_s)
    story.add(NAMES[name], int(n), begin_s, duration_s=stop_s - begin_s)


@given(
    parsers.re(
        r"(?P<name>eye blink|rapid eye movement)s every (?P<step_s>[\d.]+) s "
        r"from (?P<start_s>[\d.]+) to (?P<end_s>[\d.]+) s of epoch (?P<n>\d+)"
    )
)
def many_events(story: Story, name: str, step_s: str, start_s: str, end_s: str, n: str) -> None:
    at_s, direction = float(start_s), 1
    while at_s < float(end_s):
        story.add(NAMES[name], int(n), at_s, direction=direction)
        at_s += float(step_s)
        direction = -direction if name == "rapid eye movement" else 1


@given(parsers.parse("{level} chin tone in epoch {n:d}"))
def chin_tone(story: Story, level: str, n: int) -> None:
    story.chin_tone[n] = Level(level)


@given(parsers.parse("no {channels} was recorded"))
@given(parsers.parse("no {channels} were recorded"))
def not_recorded(story: Story, channels: str) -> None:
    story.without(SITES[channels])


@given(parsers.parse("the {channel} comes loose in epoch {n:d}"))
def comes_loose(story: Story, channel: str, n: int) -> None:
    story.loose.append((SITES[channel][0], n))


# ── the scorer ────────────────────────────────────────────────────────────────────────────


@given(parsers.parse("a scorer who calls epoch {n:d} {stage} by rule {rule}"))
def scorer_by_rule(story: Story, n: int, stage: str, rule: str) -> None:
    story.called[n] = Stage(stage)
    story.cited[n] = (rule,)


@given(parsers.re(r"a scorer who calls epoch (?P<n>\d+) (?P<stage>W|N1|N2|N3|R)"))
def scorer(story: Story, n: str, stage: str) -> None:
    story.called[int(n)] = Stage(stage)


@given(parsers.parse('who writes of epoch {n:d}: "{text}"'))
def rationale(story: Story, n: int, text: str) -> None:
    story.texts[n] = text


@given(parsers.parse("who gives the stage of epoch {n:d} a probability of {percent:d} %"))
def confidence(story: Story, n: int, percent: int) -> None:
    story.confidence[n] = percent / 100


@given(parsers.parse("whose reply for epoch {n:d} cannot be read"))
def unreadable(story: Story, n: int) -> None:
    story.unreadable[n] = "I am not sure"


@given(parsers.re(r"a second scorer who calls epoch (?P<n>\d+) (?P<stage>W|N1|N2|N3|R)"))
def second_scorer(story: Story, n: str, stage: str) -> None:
    story.second[int(n)] = ScoredEpoch(int(n), Stage(stage))


@given(
    parsers.parse("a second scorer who calls epoch {n:d} {stage} with a probability of {given:d} %")
)
def second_scorer_as_sure(story: Story, n: int, stage: str, given: int) -> None:
    story.second[n] = ScoredEpoch(n, Stage(stage), {Stage(stage): given / 100})
