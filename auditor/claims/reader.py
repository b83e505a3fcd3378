"""Claims out of a rationale's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.claims.attach import attach
from auditor.claims.claim import claim
from auditor.claims.clauses import Clause, Link, clauses
from auditor.claims.lexicon import Lexicon, load_lexicon
from auditor.claims.marks import Mark, marks
from auditor.claims.mentions import Mention, Reading
from auditor.claims.senses import Sense
from auditor.claims.statement import read_clause
from auditor.claims.terms import with_terms
from auditor.claims.text import Sentence, sentences
from auditor.vocabulary import Claim, Phenomenon

# A sentence of which more words than this share are unknown is in another language, or is none;
# fewer words than this tell nothing.
_UNKNOWN_SHARE = 0.6
_TELLING_WORDS = 4


LONGEST_RATIONALE = 100_000
"""Characters; no stager says so much of 30 s, and reading it takes seconds."""


def read_claims(text: str, language: str = "en") -> tuple[Claim, ...]:
    """The claims that a rationale makes, in order of mention.

    Args:
        text: the rationale as the stager wrote it.
        language: which lexicon to read it by.

    Returns:
        One claim for each mention of a phenomenon, its words quoted by offset. A claim whose
        sense the reader cannot tell has ``read`` False.

    Raises:
        RulebookRefused: there is no lexicon for the language, or it is not whole.
    """
    return read_with(load_lexicon(language), text)


def read_with(lexicon: Lexicon, text: str) -> tuple[Claim, ...]:
    """The claims that a rationale makes, read by a lexicon of one's own."""
    found: list[Mention] = []
    before: Sequence[Mention] = ()
    asked = False
    for sentence in sentences(text, lexicon.abbreviations, lexicon.unfinished):
        row = with_terms(marks(sentence.tokens, text, lexicon), lexicon)
        if asked and row[0].has(Sense.PRESENT):
            _affirm(before)
        mentions, before = _read_sentence(row, before)
        asked = sentence.is_question
        _recapitulate(mentions, found)
        if not (sentence.is_whole and _in_language(sentence, lexicon)):
            _reread(mentions, Reading.UNREAD)
        elif asked:
            _reread(mentions, Reading.UNCERTAIN)
        found += _said_once(mentions)
    return tuple(claim(mention, text) for mention in found)


def _read_sentence(
    row: Sequence[Mark], before: Sequence[Mention]
) -> tuple[list[Mention], Sequence[Mention]]:
    """The sentence's mentions, and those that the next sentence's pronouns may stand for."""
    found: list[Mention] = []
    for clause in clauses(row):
        state = read_clause(clause, before if _goes_on(clause, found) else ())
        attach(state)
        found += state.mentions
        before = state.subject or before
    found.sort(key=lambda mention: mention.mark.start)
    return found, before


def _goes_on(clause: Clause, found: Sequence[Mention]) -> bool:
    """Whether the clause may speak of mentions before it, that it does not name again."""
    if clause.link in {Link.EXPLAINS, Link.OTHERWISE}:
        return clause.link is Link.EXPLAINS
    elliptic = any(m.has(Sense.TOO, Sense.NOT) for m in clause.marks[-1:])
    return (bool(found) and (elliptic or clause.link is Link.SAME_SUBJECT)) or _refers_back(clause)


def _refers_back(clause: Clause) -> bool:
    """Whether the clause speaks of what stands before it ("these", "none is seen")."""
    for mark in clause.marks:
        if mark.has(Sense.ANAPHOR, Sense.NEITHER, Sense.NO, Sense.ECHO):
            return True
        if not mark.has(Sense.FILLER, Sense.ADVERB, Sense.PREPOSITION, Sense.AND):
            return False
    return False


def _recapitulate(mentions: Sequence[Mention], found: Sequence[Mention]) -> None:
    """What defines a stage is there where the text has said so before."""
    asserted = {m.term.phenomenon for m in found if m.reading is Reading.PRESENT}
    for mention in mentions:
        if mention.reading is Reading.GENERAL and mention.term.phenomenon in asserted:
            mention.reading = Reading.PRESENT


def _affirm(asked: Sequence[Mention]) -> None:
    """The answer to "K-complexes?" is yes."""
    _reread(asked, Reading.PRESENT)


def _reread(mentions: Sequence[Mention], reading: Reading) -> None:
    for mention in mentions:
        if mention.reading is not Reading.UNSAID:
            mention.reading = reading


def _in_language(sentence: Sentence, lexicon: Lexicon) -> bool:
    """Whether a sentence is in the lexicon's language, as far as words can tell."""
    words = sentence.words
    if any(w in lexicon.foreign or not w.replace("μ", "").isascii() for w in words):
        return False
    unknown = sum(w not in lexicon.known for w in words)
    return len(words) < _TELLING_WORDS or unknown <= _UNKNOWN_SHARE * len(words)


def _said_once(mentions: Sequence[Mention]) -> Iterator[Mention]:
    """Without what one sentence says twice of the chin's tone, and what it leaves unsaid."""
    last: Mention | None = None
    levels = {m.term.level for m in mentions if m.term.phenomenon is Phenomenon.CHIN_TONE}
    for mention in mentions:
        if mention.reading is Reading.UNSAID:
            continue
        if mention.term.phenomenon is Phenomenon.CHIN_TONE:
            if mention.term.level is None and len(levels) > 1:
                continue
            if last is not None and _says_the_same(last, mention):
                last.quantities += mention.quantities
                continue
        yield mention
        last = mention


def _says_the_same(first: Mention, second: Mention) -> bool:
    return (
        first.term.phenomenon is second.term.phenomenon
        and first.term.level is second.term.level
        and first.reading is second.reading
    )
