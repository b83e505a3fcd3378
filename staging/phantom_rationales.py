"""Scorings of a phantom in words: rationales that are true, and some made false on purpose.

A rationale is written from what is to be seen in its epoch. A falsehood changes what is seen,
or what is concluded, and the words follow; so it is known exactly what is wrong, and where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from auditor.vocabulary import (
    EPOCH_S,
    Event,
    Hypnogram,
    Phenomenon,
    Rationale,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from staging.phantom import Phantom
from staging.phantom_seen import N3_S, Seen, look_at, spoiled

Rng = np.random.Generator

# What a careful scorer passes over: scraps of alpha, and slow waves of which nobody would say
# either that they are there or that there are none.
_WORTH_SAYING = 0.05
_FEW_S = 1.5


def true_rationale(phantom: Phantom, epoch: int) -> Rationale:
    """A rationale of this epoch that holds in every word."""
    return in_words(look_at(phantom, epoch), _rng(phantom, epoch))


def true_scoring(phantom: Phantom, *, with_rationales: bool) -> Hypnogram:
    """The true stages as a scoring, explained or not."""
    return _hypnogram(
        ScoredEpoch(i, stage, rationale=true_rationale(phantom, i) if with_rationales else None)
        for i, stage in enumerate(phantom.stages)
    )


# ── words ─────────────────────────────────────────────────────────────────────────────────


def _rng(phantom: Phantom, epoch: int) -> Rng:
    return np.random.default_rng([30, len(phantom.events), epoch])


def in_words(seen: Seen, rng: Rng) -> Rationale:
    """A rationale of what is seen, true or not; which words are chosen is left to ``rng``."""
    parts = (
        _background(seen, rng),
        _signs_of_n2(seen, rng),
        _vertex_waves(seen, rng),
        _slow_waves(seen, rng),
        _eyes(seen, rng),
        _chin(seen, rng),
        _arousal(seen, rng),
        _conclusion(seen, rng),
    )
    return Rationale(" ".join(part for part in parts if part), seen.rules)


def _one_of(rng: Rng, *sentences: str) -> str:
    return sentences[int(rng.integers(len(sentences)))]


def _background(seen: Seen, rng: Rng) -> str:
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        return _one_of(
            rng,
            "A major body movement with muscle artefact obscures most of the epoch.",
            "Movement and muscle artefact of a major body movement cover more than half of the "
            "epoch.",
        )
    if seen.seconds(Phenomenon.SLOW_WAVE_ACTIVITY) >= N3_S:
        return ""
    if seen.alpha_fraction > 0.5:
        return _alpha(seen, rng)
    mixed = _one_of(
        rng,
        "The EEG is of low amplitude and mixed frequency.",
        "Low-amplitude mixed-frequency activity makes up the EEG background.",
        "LAMF activity prevails in the EEG channels.",
    )
    if seen.alpha_fraction >= _WORTH_SAYING:
        return f"{mixed} {_alpha(seen, rng)}"
    if seen.of(Phenomenon.ALPHA_RHYTHM, Phenomenon.AROUSAL):
        return mixed
    return f"{mixed} " + _one_of(
        rng,
        "The occipital channel shows no alpha rhythm.",
        "Alpha rhythm is absent over the occipital region.",
        "There is no occipital alpha.",
    )


def _alpha(seen: Seen, rng: Rng) -> str:
    runs = seen.of(Phenomenon.ALPHA_RHYTHM)
    channel = runs[0].channel
    hz = f"{np.mean([run.frequency_hz or 0.0 for run in runs]):.0f} Hz"
    share = _percent(seen.alpha_fraction)
    if seen.alpha_fraction > 0.5:
        return _one_of(
            rng,
            f"{channel} shows alpha rhythm at about {hz} for roughly {share} of the epoch.",
            f"Alpha rhythm near {hz} is prominent in {channel} and fills about {share} of the "
            "epoch.",
            f"Posterior alpha of {hz}, largest in {channel}, is present for some {share} of the "
            "epoch.",
        )
    return _one_of(
        rng,
        f"Alpha rhythm in {channel} is limited to about {share} of the epoch.",
        f"Alpha is seen in {channel} for only about {share} of the epoch.",
    )


def _signs_of_n2(seen: Seen, rng: Rng) -> str:
    """K complexes and spindles, three of each at most; which is absent only where surely so."""
    sentences = [
        describe(event, rng)
        for kind, describe in (
            (Phenomenon.K_COMPLEX, _k_complex),
            (Phenomenon.SLEEP_SPINDLE, _spindle),
        )
        for event in seen.centred(kind)[:3]
    ]
    if not seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        # Among slow waves nobody says that there is no K complex.
        among_slow_waves = bool(seen.of(Phenomenon.SLOW_WAVE_ACTIVITY))
        no_complex = not seen.of(Phenomenon.K_COMPLEX) and not among_slow_waves
        no_spindle = not seen.of(Phenomenon.SLEEP_SPINDLE)
        sentences.append(_absent_signs(no_complex, no_spindle, rng))
    return " ".join(sentence for sentence in sentences if sentence)


def _absent_signs(no_complex: bool, no_spindle: bool, rng: Rng) -> str:
    if no_complex and no_spindle:
        return _one_of(
            rng,
            "There are no K complexes or sleep spindles.",
            "Neither K complexes nor sleep spindles are seen.",
            "K-complexes and sleep spindles are absent.",
        )
    if no_spindle:
        return _one_of(rng, "No sleep spindles are seen.", "Sleep spindles are absent.")
    if no_complex:
        return _one_of(rng, "No K complex is seen.", "There is no K-complex.")
    return ""


def _k_complex(event: Event, rng: Rng) -> str:
    at, lasting = f"{max(event.start_s, 0):.1f} s", f"{event.duration_s:.1f} s"
    return _one_of(
        rng,
        f"{event.channel} shows a K complex at {at}, a sharp negative wave followed by a positive "
        f"component, lasting {lasting}.",
        f"A K complex stands out in {event.channel} at {at} (duration {lasting}).",
        f"At {at} a K-complex appears in {event.channel}, lasting about {lasting}.",
    )


def _spindle(event: Event, rng: Rng) -> str:
    span = f"{max(event.start_s, 0):.1f}–{min(event.end_s, EPOCH_S):.1f} s"
    hz = f"{event.frequency_hz:.0f} Hz"
    return _one_of(
        rng,
        f"{event.channel} exhibits a sleep spindle of {hz} at {span}.",
        f"A sleep spindle of {hz}, lasting {event.duration_s:.1f} s, is seen in {event.channel} "
        f"at {span}.",
        f"At {span} {event.channel} shows a spindle at about {hz}.",
    )


def _vertex_waves(seen: Seen, rng: Rng) -> str:
    waves = seen.centred(Phenomenon.VERTEX_SHARP_WAVES)
    if not waves:
        return ""
    times = _listed([f"{wave.start_s:.1f} s" for wave in waves])
    if len(waves) == 1:
        return f"A vertex sharp wave occurs in {waves[0].channel} at {times}."
    return _one_of(
        rng,
        f"Vertex sharp waves occur in {waves[0].channel} at {times}.",
        f"{waves[0].channel} shows vertex sharp waves at {times}.",
    )


def _slow_waves(seen: Seen, rng: Rng) -> str:
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        return ""
    waves = seen.of(Phenomenon.SLOW_WAVE_ACTIVITY)
    seconds = seen.seconds(Phenomenon.SLOW_WAVE_ACTIVITY)
    share = _percent(seconds / EPOCH_S)
    if seconds >= N3_S:
        return _one_of(
            rng,
            f"Slow waves of 0.5–2 Hz and more than 75 µV fill about {share} of the epoch in "
            f"{waves[0].channel}.",
            f"{waves[0].channel} shows high-amplitude slow wave activity (>75 µV, 0.5–2 Hz) for "
            f"about {share} of the epoch.",
        )
    if seconds + seen.seconds(Phenomenon.K_COMPLEX) >= _FEW_S:
        return _one_of(
            rng,
            "Slow waves above 75 µV fill less than 20 % of the epoch.",
            "Slow wave activity does not reach 20 % of the epoch.",
        )
    return _one_of(
        rng,
        "Slow wave activity (0.5–2 Hz, >75 µV) is absent.",
        "There is no slow wave activity above 75 µV.",
    )


def _percent(share: float) -> str:
    return f"{5 * round(20 * share)} %"


def _eyes(seen: Seen, rng: Rng) -> str:
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        return ""
    rapid = seen.centred(Phenomenon.RAPID_EYE_MOVEMENTS)
    blinks = seen.centred(Phenomenon.EYE_BLINKS)
    slow = [run for run in seen.of(Phenomenon.SLOW_EYE_MOVEMENTS) if _is_in(run)]
    reading = seen.of(Phenomenon.READING_EYE_MOVEMENTS)
    sentences = []
    if rapid:
        sentences.append(
            _one_of(
                rng,
                f"Rapid eye movements, sharp and out of phase in both eye channels, occur at "
                f"{_bursts(rapid)}.",
                f"The EOG shows conjugate rapid eye movements at {_bursts(rapid)}.",
            )
        )
    if blinks:
        sentences.append(
            _one_of(
                rng,
                f"Eye blinks are present at {_bursts(blinks)}.",
                f"The EOG shows blinks at {_bursts(blinks)}.",
            )
        )
    if reading:
        sentences.append(f"Reading eye movements are seen at {_bursts(reading)}.")
    if slow:
        sentences.append(
            _one_of(
                rng,
                f"Slow rolling eye movements run through {_bursts(slow)}.",
                f"Slow eye movements are seen in the EOG at {_bursts(slow)}.",
            )
        )
    if seen.of(Phenomenon.RAPID_EYE_MOVEMENTS, Phenomenon.EYE_BLINKS) or reading:
        return " ".join(sentences)
    if seen.of(Phenomenon.SLOW_EYE_MOVEMENTS):
        sentences.append("Rapid eye movements are absent.")
    else:
        sentences.append(
            _one_of(
                rng,
                "The eye channels show neither rapid nor slow eye movements.",
                "No rapid or slow eye movements are seen.",
            )
        )
    return " ".join(sentences)


def _is_in(run: Event) -> bool:
    """Whether enough of a run lies within the epoch to speak of it."""
    return min(run.end_s, EPOCH_S) - max(run.start_s, 0.0) >= 2.0


def _chin(seen: Seen, rng: Rng) -> str:
    word = seen.chin_tone.value
    return _one_of(
        rng,
        f"Chin tone is {word}.",
        f"Chin EMG tone is {word}.",
        f"The chin EMG shows {word} tone.",
    )


def _arousal(seen: Seen, rng: Rng) -> str:
    return " ".join(
        _one_of(
            rng,
            f"An arousal begins at {event.start_s:.1f} s.",
            f"At {event.start_s:.1f} s there is an arousal lasting {event.duration_s:.0f} s.",
        )
        for event in seen.centred(Phenomenon.AROUSAL)
        if event.start_s >= 0
    )


def _conclusion(seen: Seen, rng: Rng) -> str:
    rules = _listed(list(seen.rules))
    if not rules:
        return f"Taken together, the epoch is scored as {seen.stage}."
    return _one_of(
        rng,
        f"By {rules} the epoch is scored as {seen.stage}.",
        f"This meets {rules}: stage {seen.stage}.",
        f"Stage {seen.stage} follows from {rules}.",
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _bursts(events: Sequence[Event]) -> str:
    """Spans of events that follow one another within 3 s: "3–8 s and 21–24 s"."""
    spans: list[tuple[float, float]] = []
    for event in events:
        start, end = max(event.start_s, 0.0), min(event.end_s, EPOCH_S)
        if spans and start - spans[-1][1] < 3.0:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return _listed([f"{int(start)}–{int(np.ceil(end))} s" for start, end in spans])


# ── falsehoods ────────────────────────────────────────────────────────────────────────────


class Falsehood(StrEnum):
    """In what way a rationale is untrue."""

    INVENTED_EVENT = "invented event"
    WRONG_TIME = "wrong time"
    FLIPPED_POLARITY = "flipped polarity"
    WRONG_STAGE = "wrong stage"
    AROUSAL_K_COMPLEX = "arousal-associated K complex counted"


@dataclass(frozen=True, slots=True)
class Planted:
    """One falsehood in a scoring.

    Attributes:
        index: of the epoch.
        kind: in what way it is untrue.
        what: the phenomenon spoken of falsely; None where only the stage is wrong.
    """

    index: int
    kind: Falsehood
    what: Phenomenon | None


def plant_false(phantom: Phantom, share: float, seed: int) -> tuple[Hypnogram, tuple[Planted, ...]]:
    """A scoring with true rationales but for a share of epochs, one falsehood in each."""
    rng = np.random.default_rng([31, seed])
    epochs = list(true_scoring(phantom, with_rationales=True).epochs)
    planted: list[Planted] = []
    for i in rng.permutation(len(epochs)).tolist():
        if len(planted) >= round(share * len(epochs)):
            break
        seen = look_at(phantom, i)
        told = Counter(each.kind for each in planted)
        for kind in sorted(_FALSIFY, key=lambda kind: (told[kind], kind)):
            changed = _FALSIFY[kind](seen, rng)
            if changed is not None:
                lie, what = changed
                epochs[i] = ScoredEpoch(i, lie.stage, rationale=in_words(lie, _rng(phantom, i)))
                planted.append(Planted(i, kind, what))
                break
    return _hypnogram(epochs), tuple(sorted(planted, key=lambda each: each.index))


_Lie = tuple[Seen, Phenomenon | None]


def _calm(seen: Seen) -> bool:
    """Whether nothing in the epoch could pass for what is not there."""
    return not seen.of(Phenomenon.AROUSAL, Phenomenon.MAJOR_BODY_MOVEMENT)


def _invent(seen: Seen, rng: Rng) -> _Lie | None:
    if seen.of(Phenomenon.SLEEP_SPINDLE) or not _calm(seen) or seen.stage is Stage.W:
        return None
    start = float(rng.uniform(2, 27))
    spindle = Event(
        Phenomenon.SLEEP_SPINDLE, "C4-M1", start, start + 0.8, 1.0, float(rng.integers(12, 15))
    )
    return _with(seen, (*seen.events, spindle)), Phenomenon.SLEEP_SPINDLE


def _misplace(seen: Seen, rng: Rng) -> _Lie | None:
    """One spindle or K complex told where there is none far and wide."""
    kinds = [Phenomenon.SLEEP_SPINDLE]
    if not seen.of(Phenomenon.SLOW_WAVE_ACTIVITY):
        kinds.append(Phenomenon.K_COMPLEX)  # else a slow wave could pass for it
    for kind in kinds:
        real = seen.centred(kind)
        start = float(rng.uniform(1, 27))
        if not real or not _calm(seen) or any(abs(start - e.start_s) < 6 for e in seen.of(kind)):
            continue
        moved = replace(real[0], start_s=start, end_s=start + real[0].duration_s)
        return _with(seen, (*(e for e in seen.events if e is not real[0]), moved)), kind
    return None


def _flip(seen: Seen, rng: Rng) -> _Lie | None:
    # Eyes that move in wake are not denied: among blinks nobody would look for them.
    deniable = [Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX]
    if seen.stage is Stage.R:
        deniable.append(Phenomenon.RAPID_EYE_MOVEMENTS)
    present = [kind for kind in deniable if len(seen.of(kind)) >= 2]
    if not present or not _calm(seen):
        return None
    kind = present[int(rng.integers(len(present)))]
    return _with(seen, (e for e in seen.events if e.kind is not kind)), kind


def _misjudge(seen: Seen, rng: Rng) -> _Lie | None:
    wrong = {
        Stage.W: (Stage.N1, "N1.1"),
        Stage.N1: (Stage.W, "W.1"),
        Stage.N2: (Stage.N3, "N3.1"),
        Stage.N3: (Stage.N2, "N2.2"),
        Stage.R: (Stage.N1, "N1.1") if rng.random() < 0.5 else (Stage.N2, "N2.1"),
    }
    if not _calm(seen):
        return None
    stage, rule = wrong[seen.stage]
    return replace(seen, stage=stage, rules=(rule,)), None


def _count_spoiled(seen: Seen, _: Rng) -> _Lie | None:
    arousals = seen.of(Phenomenon.AROUSAL)
    complexes = seen.of(Phenomenon.K_COMPLEX)
    all_spoiled = bool(complexes) and all(spoiled(event, arousals) for event in complexes)
    if seen.stage is not Stage.N1 or not all_spoiled:
        return None
    unmentioned = (event for event in seen.events if event.kind is not Phenomenon.AROUSAL)
    return replace(_with(seen, unmentioned), stage=Stage.N2, rules=("N2.1",)), Phenomenon.K_COMPLEX


def _with(seen: Seen, events: Iterable[Event]) -> Seen:
    return replace(seen, events=tuple(sorted(events, key=lambda event: event.start_s)))


_FALSIFY: dict[Falsehood, Callable[[Seen, Rng], _Lie | None]] = {
    Falsehood.INVENTED_EVENT: _invent,
    Falsehood.WRONG_TIME: _misplace,
    Falsehood.FLIPPED_POLARITY: _flip,
    Falsehood.WRONG_STAGE: _misjudge,
    Falsehood.AROUSAL_K_COMPLEX: _count_spoiled,
}


def _hypnogram(epochs: Iterable[ScoredEpoch]) -> Hypnogram:
    return Hypnogram(StagerIdentity("phantom", "1"), tuple(epochs))
