"""The words by which rationales are read: loaded from ``rules/lexicon``, checked, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from auditor.claims.lexicon_file import Group, LexiconFile, QuantitiesEntry
from auditor.claims.phrases import Phrases, expanded
from auditor.claims.senses import Sense
from auditor.vocabulary import Phenomenon
from auditor.yaml_file import YamlFile


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
        eye_leads: those of the leads that are at the eyes.
        muscles: what stands before a pair of chin electrodes ("Chin 1-2").
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
    eye_leads: frozenset[str]
    muscles: frozenset[str]
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
    explained_in = "how an entry is written, at the head of the file"
    return _compiled(YamlFile(file).as_model(LexiconFile, explained_in))


def _compiled(file: LexiconFile) -> Lexicon:
    phrases = Phrases()
    for sense, entries, value in _entries(file):
        for entry in entries:
            phrases.add(entry, sense, value)
    quantities = file.quantities
    cues = {
        cue: frozenset(getattr(quantities, cue))
        for cue in ("lasting", "long", "part", "from_here", "up_to_here", "mark", "first", "last")
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
        eye_leads=frozenset(file.channels.eyes),
        muscles=frozenset(file.channels.muscles),
        abbreviations=frozenset(file.abbreviations),
        unfinished=_unfinished(phrases),
        known=frozenset(known | set(compare.words())),
        foreign=frozenset(file.foreign),
    )


def _quantity_starts(quantities: QuantitiesEntry) -> frozenset[str]:
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


def _entries(file: LexiconFile) -> Iterator[tuple[Sense, Iterable[str], Any]]:
    """Each list of the file with its sense and what it stands for."""
    for phenomenon, entry in file.phenomena.items():
        yield Sense.NAME, entry.names, phenomenon
        yield Sense.DESCRIPTION, entry.descriptions, phenomenon
    yield Sense.AFTER_NAME, file.after_a_name, True
    yield Sense.LIKENESS, file.likeness, True
    yield Sense.CANDIDATE, file.candidate, True
    yield Sense.FREEDOM, file.freedom, True
    yield Sense.CRITERION, file.criterion, True
    yield Sense.EYES, file.eyes.heads, True
    yield Sense.EYE_SIGNAL, file.eyes.signals, True
    yield Sense.BARE_EYES, file.eyes.bare_heads, True
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
