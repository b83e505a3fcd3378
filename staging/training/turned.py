"""The reply that is right for an image whose halves have changed places.

A model that is shown such targets, and told what has moved with them, has to read its times off
the image: neither what is usual nor the neighbours help.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from auditor.vocabulary import EPOCH_S, Phenomenon
from staging.training.told import MENTION
from staging.training.wording import BURST_WITHIN_S, MOST, MOST_BURSTS, SHORTEST_RUN_S

_HALF_S = EPOCH_S / 2


@dataclass(frozen=True, slots=True)
class _Sort:
    """How events of a sort are told.

    Attributes:
        most: so many are told at most; where that many are, there may be more.
        shortest_s: what is cut in two has to leave at least this on both sides; None for what
            is not cut.
        joined_s: what is nearer to one another than this is told as one.
    """

    most: int
    shortest_s: float | None = None
    joined_s: float = 0.0


_ANY: Final = 99
_SORTS: Final[Mapping[str, _Sort]] = {
    "A K complex appears": _Sort(MOST[Phenomenon.K_COMPLEX]),
    "A sleep spindle appears": _Sort(MOST[Phenomenon.SLEEP_SPINDLE]),
    "A vertex sharp wave appears": _Sort(MOST[Phenomenon.VERTEX_SHARP_WAVES]),
    "Sawtooth waves appear": _Sort(MOST[Phenomenon.SAWTOOTH_WAVES]),
    "An arousal begins": _Sort(_ANY),
    "Rapid eye movements appear": _Sort(MOST_BURSTS, shortest_s=1.0, joined_s=BURST_WITHIN_S),
    "Eye blinks appear": _Sort(MOST_BURSTS, shortest_s=1.0, joined_s=BURST_WITHIN_S),
    "Reading eye movements appear": _Sort(_ANY, shortest_s=SHORTEST_RUN_S, joined_s=0.5),
    "Slow eye movements appear": _Sort(_ANY, shortest_s=SHORTEST_RUN_S, joined_s=0.5),
}
"""As :mod:`staging.training.wording` tells them."""


@dataclass(frozen=True, slots=True)
class _Mention:
    start_s: float
    end_s: float | None
    trace: str | None

    @property
    def last_s(self) -> float:
        return self.start_s if self.end_s is None else self.end_s

    def told(self, sort: str) -> str:
        end = "" if self.end_s is None else f"–{self.end_s:g}"
        where = "" if self.trace is None else f" in {self.trace}"
        return f"{sort} at {self.start_s:g}{end} s{where}"


def turned_reply(reply: str) -> str | None:
    """A reply in the words of :mod:`staging.training.wording`, once the image's halves have
    changed places; None where that cannot be known from it.
    """
    fields = json.loads(reply)
    mentions: dict[str, list[_Mention]] = {}
    sentences = fields["reasoning_text"].removesuffix(".").split(". ")
    for sentence in sentences:
        if found := MENTION.fullmatch(sentence):
            end = float(found["end"]) if found["end"] else None
            mention = _Mention(float(found["start"]), end, found["trace"])
            mentions.setdefault(found["sort"], []).append(mention)
    moved: dict[str, list[_Mention]] = {}
    for sort, told in mentions.items():
        turned = _turned(told, _SORTS[sort])
        if turned is None:
            return None
        moved[sort] = turned
    fields["reasoning_text"] = ". ".join(_in_place(sentences, moved)) + "."
    return json.dumps(fields, ensure_ascii=False)


def _in_place(sentences: Sequence[str], moved: Mapping[str, Sequence[_Mention]]) -> Iterator[str]:
    """Each sort's mentions stand where its first one stood."""
    done: set[str] = set()
    for sentence in sentences:
        found = MENTION.fullmatch(sentence)
        if found is None:
            yield sentence
        elif found["sort"] not in done:
            done.add(found["sort"])
            yield from (mention.told(found["sort"]) for mention in moved[found["sort"]])


def _turned(mentions: Sequence[_Mention], sort: _Sort) -> list[_Mention] | None:
    parts: list[_Mention] = []
    for mention in mentions:
        over = mention.start_s < _HALF_S < mention.last_s
        if not over:
            later = _HALF_S if mention.start_s < _HALF_S else -_HALF_S
            end = None if mention.end_s is None else mention.end_s + later
            parts.append(replace(mention, start_s=mention.start_s + later, end_s=end))
        elif sort.shortest_s is None or (
            min(_HALF_S - mention.start_s, mention.last_s - _HALF_S) < sort.shortest_s
        ):
            return None
        else:
            parts.append(_Mention(0.0, mention.last_s - _HALF_S, mention.trace))
            parts.append(_Mention(mention.start_s + _HALF_S, EPOCH_S, mention.trace))
    parts.sort(key=lambda part: part.start_s)
    joined: list[_Mention] = []
    for part in parts:
        if joined and sort.joined_s and part.start_s - joined[-1].last_s < sort.joined_s:
            last = max(joined[-1].last_s, part.last_s)
            joined[-1] = replace(joined[-1], end_s=last)
        else:
            joined.append(part)
    return joined if len(mentions) < sort.most >= len(joined) else None
