"""Sleep stages from the annotations of an EDF+ hypnogram."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil

from auditor.vocabulary import EPOCH_S, Annotation, Stage

LONGEST_HYPNOGRAM_S = 7 * 24 * 3600.0
"""What is said to last longer is cut here: it is a mistake in a time."""

_STAGE_OF_WORD = {
    **dict.fromkeys(("w", "wake", "awake", "wakefulness", "0", "s0", "n0"), Stage.W),
    **dict.fromkeys(("n1", "1", "s1", "nrem1"), Stage.N1),
    **dict.fromkeys(("n2", "2", "s2", "nrem2"), Stage.N2),
    # Stages 3 and 4 of Rechtschaffen and Kales together are N3.
    **dict.fromkeys(("n3", "3", "s3", "nrem3", "n4", "4", "s4", "nrem4"), Stage.N3),
    **dict.fromkeys(("r", "rem", "5"), Stage.R),
    **dict.fromkeys(
        ("?", "unscored", "unknown", "undefined", "mt", "m", "movement", "movement time"),
        Stage.UNSCORED,
    ),
}

_UNMISTAKABLE = re.compile(r"w|wake|n[123]|nrem[123]|r|rem|movement time")
"""What names a stage without the word "sleep" or "stage" beside it."""

_LABEL = re.compile(r"(?P<announced>(?:sleep)?[\s_:-]*(?:stage)?[\s_:-]*)(?P<word>\S+(?: time)?)")


def stages_from_annotations(annotations: Sequence[Annotation]) -> tuple[Stage, ...] | None:
    """The stage of each 30-s epoch from the recording's start; None where none is named.

    An annotation holds for its duration, or where it has none until the next one, the last
    for one epoch. An epoch takes the stage that fills most of it; one of which less than half
    is scored is unscored, and so are epochs between annotations. A last part shorter than
    30 s is no epoch.
    """
    named = [
        (annotation, stage)
        for annotation in sorted(annotations, key=lambda a: a.onset_s)
        if (stage := stage_of(annotation.text)) is not None
    ]
    if not named:
        return None
    following_s = [annotation.onset_s for annotation, _ in named[1:]]
    following_s.append(named[-1][0].onset_s + EPOCH_S)
    seconds: defaultdict[int, defaultdict[Stage, float]] = defaultdict(lambda: defaultdict(float))
    end_s = 0.0
    for (annotation, stage), next_s in zip(named, following_s, strict=True):
        onset_s = annotation.onset_s
        start_s = max(0.0, onset_s)
        stop_s = min(onset_s + (annotation.duration_s or next_s - onset_s), LONGEST_HYPNOGRAM_S)
        end_s = max(end_s, stop_s)
        for index in range(int(start_s // EPOCH_S), ceil(stop_s / EPOCH_S)):
            inside_s = min(stop_s, (index + 1) * EPOCH_S) - max(start_s, index * EPOCH_S)
            seconds[index][stage] += inside_s
    n_epochs = int(round(end_s, 3) // EPOCH_S)
    return tuple(_filling_most(seconds[index]) for index in range(n_epochs))


def stage_of(text: str) -> Stage | None:
    """The stage that an annotation names, as the field's programs write it; None for others."""
    # Some write "Stage 2 sleep|2".
    plain = text.split("|")[0].strip().casefold().removesuffix(" sleep")
    found = _LABEL.fullmatch(plain)
    if found is None or not (found["announced"] or _UNMISTAKABLE.fullmatch(plain)):
        return None
    return _STAGE_OF_WORD.get(found["word"])


def _filling_most(seconds: Mapping[Stage, float]) -> Stage:
    if sum(seconds.values()) < EPOCH_S / 2:
        return Stage.UNSCORED
    return max(seconds, key=lambda stage: seconds[stage])
