"""What a vision-language model answers, read as a scoring or kept as unreadable.

Models put their JSON in a fence or in the midst of prose, write it twice, forget a bracket, and
stop in mid-word. What can be read without guessing is read. What cannot, or says two things, is
kept word for word for the physician: it is never dropped and never stops a study.

The tolerant reading is our own: json-repair takes the last of two stages that contradict each
other, and 20,000 characters of opening brackets hold it up for more than a minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from auditor.vocabulary import SCORED_STAGES, Rationale, ScoredEpoch, Stage

LONGEST_REPLY_TOKENS = 1024
"""What SleepVLM is given to answer (arXiv:2603.26738)."""

LONGEST_REPLY = 1 << 15
"""Characters of a reply that are read and kept: some six times as many as those tokens make.
What is longer is endless."""

MOST_RULES = 15
"""Rules that one reply can cite; SleepVLM was trained on as many in all."""

REPLY_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reasoning_text": {"type": "string"},
        "applicable_rules": {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 16},
                    "maxItems": MOST_RULES,
                },
                {"type": "string", "maxLength": 128},
            ]
        },
        "sleep_stage": {"enum": [stage.value for stage in SCORED_STAGES]},
    },
    "required": ["reasoning_text", "applicable_rules", "sleep_stage"],
    "additionalProperties": False,
}
"""What a reply is held to while it is written, where the engine can do so. Models of this family
cite rules as a list or as text parted by commas."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that could be read.

    Attributes:
        stage: never ``?``.
        reasoning_text: the model's words; empty where it gives none.
        applicable_rules: as cited, each once.
    """

    stage: Stage
    reasoning_text: str
    applicable_rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreadableReply:
    """A reply that is no scoring.

    Attributes:
        text: what the model answered, as far as :data:`LONGEST_REPLY`.
        problem: why it could not be read, in a few words without any of its own.
    """

    text: str
    problem: str


def read_reply(text: str) -> Reply | UnreadableReply:
    """Reads what a model answered; never raises.

    Control characters become spaces, as terminals obey them and FHIR allows none.
    """
    kept = _printable(text[:LONGEST_REPLY])
    fields = list(_whole_objects(kept)) or list(_broken_object(kept))
    stages = {_stage(value) for key, value in fields if key == "sleep_stage"}
    if not stages:
        return UnreadableReply(kept, "names no stage" if kept.strip() else "is empty")
    if len(stages) > 1:
        return UnreadableReply(kept, "names two stages")
    (stage,) = stages
    if stage is None:
        return UnreadableReply(kept, "names a stage that does not exist")
    return Reply(
        stage,
        _first((_text(value) for key, value in fields if key == "reasoning_text"), ""),
        _first((_rules(value) for key, value in fields if key == "applicable_rules"), ()),
    )


def scored_epoch(
    index: int,
    text: str,
    probabilities: Mapping[Stage, float] | None = None,
    asked_sha256: str | None = None,
) -> ScoredEpoch:
    """An epoch as the model's reply to it scores it; ``?`` with the reply where unreadable."""
    reply = read_reply(text)
    if isinstance(reply, UnreadableReply):
        return ScoredEpoch(
            index, Stage.UNSCORED, unreadable_reply=reply.text, asked_sha256=asked_sha256
        )
    rationale = Rationale(reply.reasoning_text, reply.applicable_rules)
    return ScoredEpoch(index, reply.stage, probabilities, rationale, asked_sha256=asked_sha256)


_Field: TypeAlias = tuple[str, object]
"""A key of a reply with its value; a key may come more than once."""

_OBJECT_BEGINS = re.compile(r'\{\s*"')


def _whole_objects(text: str) -> Iterator[_Field]:
    """The fields of each object in the text that is right JSON and names a stage."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    end = 0
    for begins in _OBJECT_BEGINS.finditer(text):
        if begins.start() < end:
            continue
        try:
            found, end = decoder.raw_decode(text, begins.start())
        except (ValueError, RecursionError):  # broken, or nested as no scoring is
            continue
        if isinstance(found, _Pairs) and any(key == "sleep_stage" for key, _ in found):
            yield from found


class _Pairs(list[_Field]):
    """An object's keys and values as they are written, duplicates too."""


_KEY = re.compile(
    r"(?:(?<=[{,\s])|(?<=^))"
    r"(?P<quote>[\"'“‘]?)(?P<key>reasoning_text|applicable_rules|sleep_stage)[\"'”’]?\s*[:=]\s*"
)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_AFTER_VALUE = r"(?=\s*(?:$|[}\]]|```|,\s*(?:$|[}\"'“‘])))"


def _broken_object(text: str) -> Iterator[_Field]:
    """The fields of something like an object: each key, and what stands before the next."""
    keys = list(_KEY.finditer(text))
    for i, key in enumerate(keys):
        end = keys[i + 1].start() if i + 1 < len(keys) else len(text)
        value = text[key.end() : end]
        if value.startswith("["):
            yield key["key"], value[1:].partition("]")[0].split(",")
        elif value[:1] in _QUOTES:
            yield key["key"], _unquoted(value)
        else:
            yield key["key"], re.split(r"[,}\n`]", value, maxsplit=1)[0]


def _unquoted(value: str) -> str:
    """What stands between quotes, though some within it lack their backslash.

    The closing quote is the first that is followed by what may follow a value; where there is
    none, the value was cut off.
    """
    closing = _QUOTES[value[0]]
    end = re.compile(rf"(?<!\\){closing}{_AFTER_VALUE}").search(value, 1)
    inner = value[1 : end.start()] if end else value[1:].rstrip(" \t\n,}`")
    try:
        return str(json.loads(f'"{inner}"'))
    except ValueError:
        return inner.replace('\\"', '"').replace("\\n", "\n")


# ── values ────────────────────────────────────────────────────────────────────────────────

_STAGES: Mapping[str, Stage] = {
    **{stage.value.casefold(): stage for stage in SCORED_STAGES},
    "wake": Stage.W,
    "rem": Stage.R,
}


def _stage(value: object) -> Stage | None:
    """The stage that a value names; None where it names none."""
    if not isinstance(value, str):
        return None
    return _STAGES.get(value.strip(" \t\n\"'").casefold().removeprefix("stage "))


def _text(value: object) -> str:
    return _printable(value).strip() if isinstance(value, str) else ""


def _rules(value: object) -> tuple[str, ...]:
    """Rules from a list, or from text parted by commas, each once."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return ()
    cited = (part.strip(" \t\n\"'[]") for part in parts if isinstance(part, str))
    return tuple(dict.fromkeys(_printable(rule) for rule in cited if rule))[:MOST_RULES]


_V = TypeVar("_V", str, tuple[str, ...])


def _first(values: Iterable[_V], nothing: _V) -> _V:
    """The first that says anything."""
    return next((value for value in values if value), nothing)


def _printable(text: str) -> str:
    """Each character that is no letter, sign or space as a space, but for tabs and line ends."""
    return "".join(c if c.isprintable() or c in "\t\n" else " " for c in text)
