"""How events are marked on drawings of an epoch, alike on images and on the desk's page.

What is clearly there is told from a mere candidate; what is clearly not there is not shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import EPOCH_S, Event, Phenomenon


@dataclass(frozen=True, slots=True)
class Look:
    """How a phenomenon is marked.

    Attributes:
        short: its name where a legend explains it.
        name: its name where none does.
        colour: that colour-blind eyes tell from the others.
    """

    short: str
    name: str
    colour: str


LOOKS: Mapping[Phenomenon, Look] = {
    Phenomenon.ALPHA_RHYTHM: Look("α", "alpha", "#009e73"),
    Phenomenon.EYE_BLINKS: Look("blink", "blink", "#b8860b"),
    Phenomenon.READING_EYE_MOVEMENTS: Look("read", "reading", "#6b8e23"),
    Phenomenon.RAPID_EYE_MOVEMENTS: Look("REM", "REM", "#cc3d8c"),
    Phenomenon.SLOW_EYE_MOVEMENTS: Look("SEM", "SEM", "#2f9fd0"),
    Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY: Look("LAMF", "LAMF", "#808080"),
    Phenomenon.THETA_ACTIVITY: Look("θ", "theta", "#808000"),
    Phenomenon.VERTEX_SHARP_WAVES: Look("V", "vertex", "#7b3fa0"),
    Phenomenon.K_COMPLEX: Look("K", "K", "#d55e00"),
    Phenomenon.SLEEP_SPINDLE: Look("SS", "spindle", "#0060c0"),
    Phenomenon.SLOW_WAVE_ACTIVITY: Look("SW", "SW", "#5f6f7f"),
    Phenomenon.SAWTOOTH_WAVES: Look("saw", "sawtooth", "#8b5a2b"),
    Phenomenon.CHIN_TONE: Look("tone", "tone", "#404040"),
    Phenomenon.AROUSAL: Look("arousal", "arousal", "#c00000"),
    Phenomenon.MAJOR_BODY_MOVEMENT: Look("movement", "movement", "#303030"),
}


def shown_by_epoch(events: Iterable[Event]) -> Mapping[int, Sequence[Event]]:
    """The events that reach into each epoch, without those that are clearly not there."""
    found: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.probability >= thresholds(event.kind).clearly_not:
            for index in range(floor(event.start_s / EPOCH_S), ceil(event.end_s / EPOCH_S)):
                found[index].append(event)
    return found


def is_clear(event: Event) -> bool:
    """Whether it is clearly there, and no mere candidate."""
    return event.probability >= thresholds(event.kind).clearly_there


def marked(name: str, event: Event) -> str:
    """``SW .93``, or ``SW? .42`` for a candidate."""
    doubt = "" if is_clear(event) else "?"
    percent = min(round(100 * event.probability), 99)
    return f"{name}{doubt} .{percent:02d}"
