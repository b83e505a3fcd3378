"""The replies that the compact model learns: true, short, and of what an image can show.

Fifteen pixels a second show that there is a spindle and when, not its frequency; so rationales
name events with their times and the trace in which each is largest, and no hertz. Each event is
a sentence of its own, so that the audit can tell a true one from a false one; it says first what,
then when, then where, so that a model decides on one thing at a time. Everything said is
read by :func:`auditor.claims.read_claims` as it was meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set

from auditor.vocabulary import EPOCH_S, Event, Phenomenon, Role, Stage
from staging.phantom_seen import N3_S, Seen

TRACE_NAMES: Mapping[Role, str] = {
    Role.FRONTAL: "F4",
    Role.CENTRAL: "C4",
    Role.OCCIPITAL: "O2",
}
"""As the prompt calls the traces, whatever electrodes the recording really has."""

BLANK_REASON = "The target epoch shows no signal."

_EYES = frozenset({Role.LEFT_EYE, Role.RIGHT_EYE})
_NEAREST: Mapping[Role, tuple[Role, ...]] = {
    Role.FRONTAL: (Role.FRONTAL, Role.CENTRAL, Role.OCCIPITAL),
    Role.CENTRAL: (Role.CENTRAL, Role.FRONTAL, Role.OCCIPITAL),
    Role.OCCIPITAL: (Role.OCCIPITAL, Role.CENTRAL, Role.FRONTAL),
}
MOST: Mapping[Phenomenon, int] = {
    Phenomenon.K_COMPLEX: 4,
    Phenomenon.SLEEP_SPINDLE: 6,
    Phenomenon.VERTEX_SHARP_WAVES: 3,
    Phenomenon.SAWTOOTH_WAVES: 3,
}
MOST_BURSTS = 5
"""So many of a sort are told of an epoch at most."""
BURST_WITHIN_S = 2.0
"""Eye movements that follow one another within it are one burst."""
SHORTEST_RUN_S = 2.0
"""What of a run of eye movements lies within the epoch is told from here on."""
_STEP_S = 0.5
_WORTH_SAYING = 0.05
_FEW_S = 1.5


def reply(reasoning: str, rules: Sequence[str], stage: str) -> str:
    """The reply's JSON, keys in the published order."""
    return json.dumps(
        {"reasoning_text": reasoning, "applicable_rules": list(rules), "sleep_stage": stage},
        ensure_ascii=False,
    )


def short_reply(rules: Sequence[str], stage: str) -> str:
    """A reply without reasons, for epochs that nobody gave any for."""
    return json.dumps({"applicable_rules": list(rules), "sleep_stage": stage}, ensure_ascii=False)


def true_reply(seen: Seen, roles: Set[Role]) -> str:
    """The reply that holds in every word for what these traces show of an epoch."""
    return reply(true_reasoning(seen, roles), seen.rules, seen.stage)


def true_reasoning(seen: Seen, roles: Set[Role]) -> str:
    return " ".join((*_eeg(seen, roles), *_eyes(seen, roles), *_chin(seen, roles)))


# ── EEG ───────────────────────────────────────────────────────────────────────────────────


def _eeg(seen: Seen, roles: Set[Role]) -> Iterator[str]:
    if not roles & set(TRACE_NAMES):
        return
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        yield "A major body movement covers most of the epoch."
        return
    yield from _background(seen, roles)
    for kind, named in (
        (Phenomenon.K_COMPLEX, "K complex"),
        (Phenomenon.SLEEP_SPINDLE, "sleep spindle"),
    ):
        for event in seen.centred(kind)[: MOST[kind]]:
            yield f"A {named} appears at {_span(event)} in {_trace(event, roles)}."
    yield from _no_signs_of_n2(seen)
    for event in seen.centred(Phenomenon.VERTEX_SHARP_WAVES)[: MOST[Phenomenon.VERTEX_SHARP_WAVES]]:
        start = _rounded(event.start_s)
        yield f"A vertex sharp wave appears at {start} s in {_trace(event, roles)}."
    for event in seen.centred(Phenomenon.SAWTOOTH_WAVES)[: MOST[Phenomenon.SAWTOOTH_WAVES]]:
        yield f"Sawtooth waves appear at {_span(event)} in {_trace(event, roles)}."
    for event in seen.centred(Phenomenon.AROUSAL):
        if event.start_s >= 0.0:
            yield f"An arousal begins at {_rounded(event.start_s)} s."


def _background(seen: Seen, roles: Set[Role]) -> Iterator[str]:
    slow_s = seen.seconds(Phenomenon.SLOW_WAVE_ACTIVITY) + seen.seconds(Phenomenon.K_COMPLEX)
    alpha = f"{_percent(seen.alpha_fraction)} of the epoch"
    back = TRACE_NAMES[_nearest(Role.OCCIPITAL, roles)]
    if seen.stage is Stage.N3:
        front = TRACE_NAMES[_nearest(Role.FRONTAL, roles)]
        share = _percent(max(slow_s, N3_S) / EPOCH_S)
        yield f"Slow waves above 75 µV fill about {share} of the epoch in {front}."
        return
    if seen.alpha_fraction > 0.5:
        yield f"Alpha rhythm in {back} fills about {alpha}."
    else:
        yield "Low-amplitude mixed-frequency activity prevails."
        if seen.alpha_fraction >= _WORTH_SAYING:
            yield f"Alpha rhythm in {back} is limited to about {alpha}."
        elif not seen.of(Phenomenon.ALPHA_RHYTHM, Phenomenon.AROUSAL):
            yield "No alpha rhythm is seen."
    if slow_s >= _FEW_S:
        yield "Slow waves fill less than 20 % of the epoch."
    elif not slow_s:
        yield "No slow wave activity is seen."


def _no_signs_of_n2(seen: Seen) -> Iterator[str]:
    """Which is absent; among slow waves nobody says that there is no K complex."""
    among_slow_waves = bool(seen.of(Phenomenon.SLOW_WAVE_ACTIVITY))
    no_complex = not seen.of(Phenomenon.K_COMPLEX) and not among_slow_waves
    no_spindle = not seen.of(Phenomenon.SLEEP_SPINDLE)
    if no_complex and no_spindle:
        yield "No K complexes or sleep spindles are seen."
    elif no_complex:
        yield "No K complexes are seen."
    elif no_spindle:
        yield "No sleep spindles are seen."


# ── eyes and chin ─────────────────────────────────────────────────────────────────────────


def _eyes(seen: Seen, roles: Set[Role]) -> Iterator[str]:
    if not roles & _EYES or seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        return
    for kind, named in (
        (Phenomenon.RAPID_EYE_MOVEMENTS, "Rapid eye movements"),
        (Phenomenon.EYE_BLINKS, "Eye blinks"),
    ):
        for span in _bursts(seen.centred(kind))[:MOST_BURSTS]:
            yield f"{named} appear at {span}."
    for kind, named in (
        (Phenomenon.READING_EYE_MOVEMENTS, "Reading eye movements"),
        (Phenomenon.SLOW_EYE_MOVEMENTS, "Slow eye movements"),
    ):
        for run in seen.of(kind):
            if min(run.end_s, EPOCH_S) - max(run.start_s, 0.0) >= SHORTEST_RUN_S:
                yield f"{named} appear at {_span(run)}."
    moves = seen.of(
        Phenomenon.RAPID_EYE_MOVEMENTS,
        Phenomenon.EYE_BLINKS,
        Phenomenon.READING_EYE_MOVEMENTS,
    )
    if not moves:
        slow = seen.of(Phenomenon.SLOW_EYE_MOVEMENTS)
        yield f"No rapid {'' if slow else 'or slow '}eye movements are seen."


def _bursts(events: Sequence[Event]) -> list[str]:
    spans: list[list[float]] = []
    for event in events:
        if spans and event.start_s - spans[-1][1] < BURST_WITHIN_S:
            spans[-1][1] = max(spans[-1][1], event.end_s)
        else:
            spans.append([event.start_s, event.end_s])
    return [_from_to(start, end) for start, end in spans]


def _chin(seen: Seen, roles: Set[Role]) -> Iterator[str]:
    if Role.CHIN in roles:
        yield f"Chin tone is {seen.chin_tone.value}."


# ── words ─────────────────────────────────────────────────────────────────────────────────


def _trace(event: Event, roles: Set[Role]) -> str:
    where = {"F": Role.FRONTAL, "O": Role.OCCIPITAL}.get(event.channel[0], Role.CENTRAL)
    return TRACE_NAMES[_nearest(where, roles)]


def _nearest(role: Role, roles: Set[Role]) -> Role:
    return next(each for each in _NEAREST[role] if each in roles)


def _span(event: Event) -> str:
    return _from_to(event.start_s, event.end_s)


def _from_to(start_s: float, end_s: float) -> str:
    """At least one step long, so that it has a start and an end."""
    start_s = min(start_s, EPOCH_S - _STEP_S)
    return f"{_rounded(start_s)}–{_rounded(max(end_s, _in_steps(start_s) + _STEP_S))} s"


def _rounded(second: float) -> str:
    """To the half second: what 15 pixels a second show for sure."""
    return f"{_in_steps(second):g}"


def _in_steps(second: float) -> float:
    return round(min(max(second, 0.0), EPOCH_S) / _STEP_S) * _STEP_S


def _percent(share: float) -> str:
    return f"{5 * round(20 * share)} %"
