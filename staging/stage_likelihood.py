"""How likely a model found each stage, from the tokens that it wrote and could have written.

A reply ends in ``"sleep_stage": "N2"``. Where the value begins, the alternatives of the token
there say how likely each stage was. Tokens of Qwen2.5 part ``N2`` into ``N`` and ``2``, so that
the value may take several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from auditor.vocabulary import SCORED_STAGES, Stage

_LEAST_SHARE = 0.5
"""Of the likelihood must lie on stages; chosen: below it the model was about to write something
else, and what is left says little."""

_VALUE_BEGINS = re.compile(r'"sleep_stage"\s*:\s*"')


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was written.

    Attributes:
        text: of the token.
        alternatives: probability of each token that could have stood here, itself too; those
            that are unlikely may be left out.
    """

    text: str
    alternatives: Mapping[str, float]


def stage_probabilities(tokens: Sequence[Token]) -> dict[Stage, float] | None:
    """The probability of each stage, summing to 1.

    Where the model went another way than ``N``, which of N1, N2 and N3 it would have meant is
    not known: they get equal parts.

    Returns:
        None where the tokens name no stage, or name it with alternatives that are none.
    """
    starts = [0, *accumulate(len(token.text) for token in tokens)]
    text = "".join(token.text for token in tokens)
    places = list(_VALUE_BEGINS.finditer(text))
    if not places:
        return None
    value = places[-1].end()
    found = dict.fromkeys(SCORED_STAGES, 0.0)
    reached = 1.0
    for start, end, token in zip(starts, starts[1:], tokens, strict=False):
        if end <= value:
            continue
        before = text[value:start] if start > value else ""
        lead = token.text[: max(0, value - start)]
        onwards = 0.0
        for alternative, probability in token.alternatives.items():
            if not alternative.startswith(lead):
                continue
            meant = _could_become(before + alternative[len(lead) :])
            if alternative == token.text and len(meant) > 1:
                onwards = probability
                continue
            for stage in meant:
                found[stage] += reached * probability / len(meant)
        if not onwards:
            break
        reached *= onwards
    total = sum(found.values())
    if total < _LEAST_SHARE:
        return None
    return {stage: probability / total for stage, probability in found.items()}


def _could_become(begun: str) -> tuple[Stage, ...]:
    """The stages that a value which begins so can be; words such as "Wake" and "REM" too."""
    value = begun.partition('"')[0]
    if not value:
        return ()
    return tuple(
        stage
        for stage in SCORED_STAGES
        if stage.value.startswith(value) or value.startswith(stage.value)
    )
