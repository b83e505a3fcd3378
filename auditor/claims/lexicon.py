"""The words by which rationales are read: loaded from ``rules/lexicon``, checked, compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import product
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from auditor.claims.text import Token, tokens
from auditor.vocabulary import Level, Phenomenon
from auditor.yaml_file import YamlFile


class Sense(StrEnum):
    """What a word does in a sentence. Those of the file's ``words`` bear its keys."""

    NAME = "name"
    DESCRIPTION = "description"
    AFTER_NAME = "after_a_name"
    LIKENESS = "likeness"
    FREEDOM = "freedom"
    CRITERION = "criterion"
    EYES = "eyes"
    EYE_KIND = "eye_kind"
    EYE_DESCRIBED = "eye_described"
    EYE_NEUTRAL = "eye_neutral"
    MUSCLE = "muscle"
    TONE = "tone"
    AFTER_MUSCLE = "after_a_muscle"
    TONE_GONE = "tone_gone"
    LEVEL = "level"
    VAGUE = "vague"
    COMPARED = "compared"
    MOVES = "moves"

    NO = "no"
    LACK = "lack"
    WITHOUT = "without"
    INSTEAD = "instead"
    NEITHER = "neither"
    NOR = "nor"
    NOT = "not"
    ABSENT = "absent"
    PRESENT = "present"
    DECIDED = "decided"
    SHOWS = "shows"
    OCCURS = "occurs"
    LASTS = "lasts"
    MEETS = "meets"
    FALLS_SHORT = "falls_short"
    IS = "is"
    EXCLUDES = "excludes"
    EXCLUDED = "excluded"
    HEDGE = "hedge"
    DOUBTFUL = "doubtful"
    MODAL = "modal"
    INVERTED = "inverted"
    IF = "if"
    NEEDS = "needs"
    CHARACTERIZED = "characterized"
    NEEDED = "needed"
    DEFINES = "defines"
    HARDLY = "hardly"
    FADES = "fades"
    REPLACES = "replaces"
    UNCLEAR = "unclear"
    ELSEWHERE = "elsewhere"
    AS_ELSEWHERE = "as_elsewhere"
    EXCEPT = "except"
    JUST = "just"
    ACCOMPANIED = "accompanied"
    RELATES = "relates"
    UNRELATED = "unrelated"
    BREAK = "break"
    BECAUSE = "because"
    AND = "and"
    OR = "or"
    RELATIVE = "relative"
    WITH = "with"
    PREPOSITION = "preposition"
    ARTICLE = "article"
    TRANSPARENT = "transparent"
    PRESENCE = "presence"
    ECHO = "echo"
    CARRIER = "carrier"
    SIGNAL = "signal"
    SUCH = "such"
    CLEAR = "clear"
    ADVERB = "adverb"
    FILLER = "filler"
    ANAPHOR = "anaphor"
    STAGE = "stage"


_OF_WORDS = frozenset(
    sense for sense in Sense if list(Sense).index(sense) >= list(Sense).index(Sense.NO)
)

Group: TypeAlias = Literal["background", "eyes", "sleep_waves", "muscle", "movement"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _PhenomenonEntry(_Strict):
    group: Group
    names: list[str]
    descriptions: list[str] = []


class _EyesEntry(_Strict):
    heads: list[str]
    kinds: dict[Phenomenon, list[str]]
    described: dict[Phenomenon, list[str]]
    neutral: list[str]


class _ChinEntry(_Strict):
    muscles: list[str]
    tone: list[str]
    after_a_muscle: list[str]
    gone: list[str]
    levels: dict[Level, list[str]]
    vague: list[str]
    compared: list[str]
    moves: list[str]


class _ShareEntry(_Strict):
    op: Literal[">", ">=", "<", "<=", "=="]
    fraction: float
    words: list[str]


class _QuantitiesEntry(_Strict):
    seconds: dict[str, float]
    hertz: dict[str, float]
    microvolts: dict[str, float]
    percent: list[str]
    numbers: dict[str, float]
    fractions: dict[str, float]
    to: list[str]
    compare: dict[Literal[">", ">=", "<", "<=", "==", "between"], list[str]]
    shares: list[_ShareEntry]
    epoch: list[str]
    lasting: list[str]
    long: list[str]
    part: list[str]
    from_here: list[str]
    up_to_here: list[str]
    first: list[str]
    last: list[str]


class _ChannelsEntry(_Strict):
    leads: list[str]
    references: list[str]


class _File(_Strict):
    language: str
    phenomena: dict[Phenomenon, _PhenomenonEntry]
    after_a_name: list[str]
    likeness: list[str]
    freedom: list[str]
    criterion: list[str]
    eyes: _EyesEntry
    chin: _ChinEntry
    words: dict[str, list[str]]
    quantities: _QuantitiesEntry
    channels: _ChannelsEntry
    abbreviations: list[str]
    foreign: list[str]

    @model_validator(mode="after")
    def _is_whole(self) -> _File:
        named = {*self.phenomena, *self.eyes.kinds, Phenomenon.CHIN_TONE}
        if nameless := set(Phenomenon) - named:
            raise ValueError(f"phenomena: no names for {', '.join(sorted(nameless))}")
        if missing := {str(s) for s in _OF_WORDS} - set(self.words):
            raise ValueError(f"words: the list {', '.join(sorted(missing))} is missing")
        if unknown := set(self.words) - {str(s) for s in _OF_WORDS}:
            raise ValueError(f"words: there is no list {', '.join(sorted(unknown))}")
        return self


Senses: TypeAlias = Mapping[Sense, Any]
_Node: TypeAlias = dict[str, Any]
_END = ""


class Phrases:
    """Phrases of several words, each with a value, found by longest match.

    A hyphen in the text counts as the space between two words.
    """

    def __init__(self) -> None:
        self._root: _Node = {}

    def add(self, entry: str, sense: Sense | str, value: Any = True) -> None:
        """Adds every phrase that an entry of the file stands for."""
        for words in expanded(entry):
            node = self._root
            for word in words:
                node = node.setdefault(word, {})
            node.setdefault(_END, {})[sense] = value

    def longest(self, found: Sequence[Token], at: int) -> tuple[int, Mapping[Any, Any]] | None:
        """Where the longest phrase that begins here ends, and its senses; None for none."""
        node = self._root
        best = None
        i = at
        n = len(found)
        while i < n:
            child = node.get(found[i].text)
            if child is None:
                if found[i].text != "-" or i == at or not found[i].tight:
                    break
                i += 1
                continue
            node = child
            i += 1
            senses = node.get(_END)
            if senses is not None:
                best = (i, senses)
        return best

    def single_words(self) -> Iterator[tuple[str, Senses]]:
        """The phrases of one word, with their senses."""
        for word, child in self._root.items():
            if _END in child:
                yield word, child[_END]

    def words(self) -> Iterator[str]:
        """Every word of every phrase."""
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            for word, child in node.items():
                if word != _END:
                    yield word
                    nodes.append(child)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's words, compiled.

    Attributes:
        phrases: everything but numbers and units.
        groups: the kind that each phenomenon's name is listed with.
        quantity_starts: words and signs that a quantity without a number can begin with.
        seconds, hertz, microvolts: factor of each unit's name.
        percent: what stands for a hundredth.
        numbers: numbers in words.
        fractions: shares in words.
        compare: comparisons before a number.
        shares: shares of the epoch that words give without a number.
        cues: single words around a quantity that say what it is of, by the file's key.
        epoch: what the epoch is called.
        leads, references: the parts of a channel's label.
        abbreviations: words whose full stop ends no sentence.
        unfinished: words that cannot end a sentence.
        known, foreign: words that a sentence of this language has, or cannot have.
    """

    phrases: Phrases
    groups: Mapping[Phenomenon, Group]
    quantity_starts: frozenset[str]
    seconds: Mapping[str, float]
    hertz: Mapping[str, float]
    microvolts: Mapping[str, float]
    percent: frozenset[str]
    numbers: Mapping[str, float]
    fractions: Phrases
    compare: Phrases
    to: frozenset[str]
    shares: Phrases
    cues: Mapping[str, frozenset[str]]
    epoch: Phrases
    leads: frozenset[str]
    references: frozenset[str]
    abbreviations: frozenset[str]
    unfinished: frozenset[str]
    known: frozenset[str]
    foreign: frozenset[str]


@cache
def load_lexicon(language: str) -> Lexicon:
    """The lexicon of a language.

    Raises:
        RulebookRefused: there is none, or it is not whole.
    """
    return read_lexicon(files("rules") / "lexicon" / f"{language}.yaml")


def read_lexicon(file: Traversable) -> Lexicon:
    """The lexicon in a file.

    Raises:
        RulebookRefused: it is not there, or not whole; names the file and the key.
    """
    return _compiled(YamlFile(file).as_model(_File))


def expanded(entry: str) -> Iterator[tuple[str, ...]]:
    """The phrases that an entry stands for, as tokens: ``(s)``, ``(word)`` and ``|`` spelt out."""
    choices = [list(_alternatives(part)) for part in entry.split()]
    for choice in product(*choices):
        yield tuple(t.text for t in tokens(" ".join(choice)) if t.text != "-")


def _alternatives(part: str) -> Iterator[str]:
    if optional := re.fullmatch(r"\((.+)\)", part):
        yield ""
        part = optional[1]
    for word in part.split("|"):
        stem, _, ending = word.partition("(") if word.endswith(")") else (word, "", "")
        yield stem
        if ending:
            yield stem + ending.removesuffix(")")


def _compiled(file: _File) -> Lexicon:
    phrases = Phrases()
    for sense, entries, value in _entries(file):
        for entry in entries:
            phrases.add(entry, sense, value)
    quantities = file.quantities
    cues = {
        cue: frozenset(getattr(quantities, cue))
        for cue in ("lasting", "long", "part", "from_here", "up_to_here", "first", "last")
    }
    known = {
        *file.channels.leads,
        *file.channels.references,
        *phrases.words(),
        *quantities.numbers,
        *quantities.seconds,
        *quantities.hertz,
    }
    known = known.union(*cues.values())
    compare = _valued({entry: op for op, es in quantities.compare.items() for entry in es})
    return Lexicon(
        phrases=phrases,
        groups={p: entry.group for p, entry in file.phenomena.items()},
        quantity_starts=_quantity_starts(quantities),
        seconds=quantities.seconds,
        hertz=quantities.hertz,
        microvolts=quantities.microvolts,
        percent=frozenset(quantities.percent),
        numbers=quantities.numbers,
        fractions=_valued(quantities.fractions),
        compare=compare,
        to=frozenset(quantities.to),
        shares=_valued({w: (s.op, s.fraction) for s in quantities.shares for w in s.words}),
        cues=cues,
        epoch=_valued(dict.fromkeys(quantities.epoch, True)),
        leads=frozenset(file.channels.leads),
        references=frozenset(file.channels.references),
        abbreviations=frozenset(file.abbreviations),
        unfinished=_unfinished(phrases),
        known=frozenset(known | set(compare.words())),
        foreign=frozenset(file.foreign),
    )


def _quantity_starts(quantities: _QuantitiesEntry) -> frozenset[str]:
    """The words with which a quantity can begin."""
    entries = [
        *(entry for entries in quantities.compare.values() for entry in entries),
        *(entry for share in quantities.shares for entry in share.words),
        *quantities.numbers,
        *quantities.fractions,
        *quantities.first,
        *quantities.last,
    ]
    return frozenset(phrase[0] for entry in entries for phrase in expanded(entry))


def _entries(file: _File) -> Iterator[tuple[Sense, Iterable[str], Any]]:
    """Each list of the file with its sense and what it stands for."""
    for phenomenon, entry in file.phenomena.items():
        yield Sense.NAME, entry.names, phenomenon
        yield Sense.DESCRIPTION, entry.descriptions, phenomenon
    yield Sense.AFTER_NAME, file.after_a_name, True
    yield Sense.LIKENESS, file.likeness, True
    yield Sense.FREEDOM, file.freedom, True
    yield Sense.CRITERION, file.criterion, True
    yield Sense.EYES, file.eyes.heads, True
    for phenomenon, words in file.eyes.kinds.items():
        yield Sense.EYE_KIND, words, phenomenon
    for phenomenon, words in file.eyes.described.items():
        yield Sense.EYE_DESCRIBED, words, phenomenon
    yield Sense.EYE_NEUTRAL, file.eyes.neutral, True
    chin = file.chin
    yield Sense.MUSCLE, chin.muscles, True
    yield Sense.TONE, chin.tone, True
    yield Sense.AFTER_MUSCLE, chin.after_a_muscle, True
    yield Sense.TONE_GONE, chin.gone, True
    for level, words in chin.levels.items():
        yield Sense.LEVEL, words, level
    yield Sense.VAGUE, chin.vague, True
    yield Sense.COMPARED, chin.compared, True
    yield Sense.MOVES, chin.moves, True
    for key, words in file.words.items():
        yield Sense(key), words, True


def _valued(entries: Mapping[str, Any]) -> Phrases:
    phrases = Phrases()
    for entry, value in entries.items():
        phrases.add(entry, "value", value)
    return phrases


_UNFINISHED_SENSES = frozenset(
    {Sense.NO, Sense.WITHOUT, Sense.NOT, Sense.NEITHER, Sense.NOR, Sense.AND, Sense.OR}
    | {Sense.ARTICLE, Sense.PREPOSITION, Sense.CLEAR, Sense.WITH, Sense.SHOWS, Sense.HEDGE}
    | {Sense.EYE_KIND, Sense.IS, Sense.MODAL, Sense.RELATIVE, Sense.BREAK, Sense.BECAUSE}
    | {Sense.LACK}
)


def _unfinished(phrases: Phrases) -> frozenset[str]:
    """Words after which a line break can only be a wrapped line."""
    return frozenset(
        word for word, senses in phrases.single_words() if senses.keys() & _UNFINISHED_SENSES
    )
