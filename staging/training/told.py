"""What a reply tells of events, laid out as the merged visual tokens of its image are.

To write a time, the text part has to find it in the image. So phase 1 teaches each token to hold
what could be copied from it: a row of tokens belongs to a sort of event, and the token in whose
column an event of that sort begins holds the words for its trace, its start and its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from auditor.vocabulary import EPOCH_S

ROWS, COLUMNS = 8, 16
"""Merged visual tokens of an image."""
TRACES: Final = ("F4", "C4", "O2")
HALVES: Final = tuple(f"{half / 2:g}" for half in range(2 * int(EPOCH_S) + 1))
"""The words for all times that are told."""
PRESENT, START, END, TRACE = range(4)
"""What is held of an event: 1; the numbers of the words for start, end and trace, −1 for none."""

HELD_FILE: Final = "held.safetensors"
"""Beside the checkpoint of phase 1: what tells from a token whether it holds an event."""

_ROW: Final = {
    "A sleep spindle appears": 0,
    "A K complex appears": 1,
    "A vertex sharp wave appears": 2,
    "Sawtooth waves appear": 2,
    "An arousal begins": 3,
    "Rapid eye movements appear": 4,
    "Eye blinks appear": 5,
    "Slow eye movements appear": 6,
    "Reading eye movements appear": 7,
}
MENTION: Final = re.compile(
    rf"(?P<sort>{'|'.join(_ROW)}) at (?P<start>\d+(?:\.\d+)?)(?:–(?P<end>\d+(?:\.\d+)?))? s"
    rf"(?: in (?P<trace>{'|'.join(TRACES)}))?"
)
"""What is told of an event, as :mod:`staging.training.wording` tells it; without the full stop."""
_SENTENCE = re.compile(MENTION.pattern + r"\. ?")
_SHOWN: Final[Mapping[int, float]] = {0: 0.5, 1: 0.6, 2: 0.5, 5: 0.8}
"""Of rows of signs that may be faint, or pass for others (spindles, K complexes, vertex and
sawtooth waves, blinks), the least score of one that is told. Of tokens with a score from 0.2 up to
it at most one in seven holds such a sign (measured on nights that were not trained on; what is
there weighs four times in phase 1), and to be taught these is to be taught to guess, where a
reader had better say nothing."""


def words_held(text: str) -> npt.NDArray[np.int8]:
    """Of a reply in the words of :mod:`staging.training.wording`: ``(8, 16, 4)``."""
    held = np.full((ROWS, COLUMNS, 4), -1, np.int8)
    held[..., PRESENT] = 0
    for sort, start, end, trace in MENTION.findall(text):
        column = min(int(float(start) * COLUMNS / EPOCH_S), COLUMNS - 1)
        if not held[_ROW[sort], column, PRESENT]:
            held[_ROW[sort], column] = (
                1,
                HALVES.index(start),
                HALVES.index(end) if end else -1,
                TRACES.index(trace) if trace else -1,
            )
    return held


def only_shown(text: str, scores: npt.NDArray[np.float32]) -> str:
    """A reply without the sentences on signs that its image does not show well.

    Args:
        text: the reply.
        scores: how surely each token holds an event that begins in it, 0 to 1: ``(8, 16)``.
    """

    def kept(mention: re.Match[str]) -> str:
        ((row, column),) = np.argwhere(words_held(mention[0])[..., PRESENT] == 1)
        return mention[0] if scores[row, column] >= _SHOWN.get(int(row), 0.0) else ""

    return _SENTENCE.sub(kept, text).replace('. ", "', '.", "')


def rolled(held: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """What is held once the image's halves have changed places; ends stay within the image."""
    half = len(HALVES) // 2
    turned = np.roll(held, COLUMNS // 2, axis=1)
    start, end = turned[..., START], turned[..., END]
    later = np.where(start < half, half, -half)
    moved_end = np.minimum(end + later, len(HALVES) - 1)
    turned[..., END] = np.where(end >= 0, moved_end, end)
    turned[..., START] = np.where(start >= 0, start + later, start)
    return turned
