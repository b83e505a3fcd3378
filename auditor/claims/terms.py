"""Which marks of a sentence name a phenomenon: names, eye movements by kind, chin tone by level."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from auditor.claims.chin import with_chin_tone
from auditor.claims.lexicon import Lexicon
from auditor.claims.marks import Mark, Sign, Term, joins, merged
from auditor.claims.senses import Sense
from auditor.claims.text import fold
from auditor.vocabulary import Phenomenon


def with_terms(row: Sequence[Mark], lexicon: Lexicon) -> list[Mark]:
    """The row with each mention as one mark that carries its :class:`Term`."""
    return _once(with_chin_tone(_eyes(_names(row, lexicon), lexicon)))


def _once(row: list[Mark]) -> list[Mark]:
    """The row without what says the same thing twice.

    A description counts only where the sentence does not name the phenomenon as well; a second
    name counts once where it only explains the first ("alpha (posterior dominant rhythm)").
    """
    named = {m.term.phenomenon for m in row if m.term and not m.term.described}
    last: Phenomenon | None = None
    spoken_of: Phenomenon | None = None
    result: list[Mark] = []
    for mark in row:
        if mark.term and (
            (mark.term.described and mark.term.phenomenon in named) or mark.term.phenomenon is last
        ):
            mark = replace(mark, term=None)
        result.append(mark)
        if mark.term:
            last = spoken_of = mark.term.phenomenon if mark.term.level is None else None
        elif mark.has(Sense.SUCH) and mark.has(Sense.TRANSPARENT):  # "consistent with"
            last = spoken_of
        elif mark.sign not in {Sign.OPEN, Sign.SLASH} and not mark.has(Sense.SUCH):
            last = None
    return result


# ── names ─────────────────────────────────────────────────────────────────────────────────


def _names(row: Sequence[Mark], lexicon: Lexicon) -> list[Mark]:
    """Names with what belongs to them: "alpha rhythm", "spindle-like activity"."""
    result: list[Mark] = []
    i = 0
    while i < len(row):
        phenomenon = row[i].senses.get(Sense.NAME) or row[i].senses.get(Sense.DESCRIPTION)
        if phenomenon is None:
            result.append(row[i])
            i += 1
            continue
        end, likened = _after_name(row, i + 1, phenomenon)
        described = not row[i].has(Sense.NAME)
        denied = _is_freedom(row, end)
        end += 2 * denied
        term = Term(phenomenon, lexicon.groups[phenomenon], None, described, likened, denied)
        result.append(merged(row[i:end], term))
        i = end
    return result


def _after_name(row: Sequence[Mark], i: int, phenomenon: Phenomenon) -> tuple[int, bool]:
    """The index after a name and its nouns, and whether it is a mere likeness."""
    likened = False
    while i < len(row):
        at = i + 1 if row[i].sign is Sign.HYPHEN and i + 1 < len(row) else i
        if row[at].has(Sense.AFTER_NAME, Sense.CRITERION):
            i = at + 1
        elif row[at].has(Sense.CANDIDATE) or (row[at].has(Sense.LIKENESS) and row[at].tight):
            likened, i = True, at + 1
        elif _abbreviates(row, i, phenomenon):
            i += 3
        else:
            break
    return i, likened


def _is_freedom(row: Sequence[Mark], i: int) -> bool:
    """Whether "-free" stands here."""
    return i + 1 < len(row) and row[i].sign is Sign.HYPHEN and row[i + 1].has(Sense.FREEDOM)


def _abbreviates(row: Sequence[Mark], i: int, phenomenon: Phenomenon) -> bool:
    """Whether the same phenomenon's other name stands here in parentheses."""
    return (
        i + 2 < len(row)
        and row[i].sign is Sign.OPEN
        and row[i + 1].senses.get(Sense.NAME) is phenomenon
        and row[i + 2].sign is Sign.CLOSE
    )


# ── eye movements ─────────────────────────────────────────────────────────────────────────

_EYES = "eyes"
_AMONG_KINDS = (Sense.EYE_NEUTRAL, Sense.EYE_DESCRIBED, Sense.PREPOSITION, Sense.ARTICLE)


def _eyes(row: list[Mark], lexicon: Lexicon) -> list[Mark]:
    """Eye movements by the words before them ("rapid or slow eye movements") or after."""
    row = _with_bare_heads(row, lexicon)
    if not any(m.has(Sense.EYES) for m in row):
        return row
    result: list[Mark] = []
    i = 0
    while i < len(row):
        mark = row[i]
        if not mark.has(Sense.EYES):
            result.append(mark)
            i += 1
            continue
        start = _adjectives_start(result)
        adjectives = result[start:]
        kinds = _kinds(adjectives, Sense.EYE_KIND) or _kinds(adjectives, Sense.EYE_DESCRIBED)[:1]
        if not kinds:
            result.append(mark)
            i = _predicated(row, i + 1, result)
            continue
        del result[start:]
        described = Sense.EYE_KIND not in adjectives[kinds[0][0]].senses
        for n, (at, phenomenon) in enumerate(kinds[:-1]):
            result.append(merged(adjectives[at : at + 1], Term(phenomenon, _EYES)))
            result += [m for m in adjectives[at + 1 : kinds[n + 1][0]] if _contrasts(m)]
        at, phenomenon = kinds[-1] if len(kinds) > 1 else (0, kinds[0][1])
        end, likened = _after_name(row, i + 1, phenomenon)
        term = Term(phenomenon, _EYES, described=described, likened=likened)
        result.append(merged([*adjectives[at:], *row[i:end]], term))
        i = end
    return result


def _with_bare_heads(row: list[Mark], lexicon: Lexicon) -> list[Mark]:
    """The row where "movements" and "deflections" of a kind are of the eyes, if it names those."""
    if not any(m.has(Sense.EYE_SIGNAL) or _is_at_an_eye(m, lexicon) for m in row):
        return row
    return [
        replace(mark, senses={Sense.EYES: True}) if _is_of_eyes(row, i) else mark
        for i, mark in enumerate(row)
    ]


def _is_at_an_eye(mark: Mark, lexicon: Lexicon) -> bool:
    """Whether it is the label of an eye's channel."""
    return mark.channel is not None and fold(mark.channel).split("-")[0] in lexicon.eye_leads


def _is_of_eyes(row: Sequence[Mark], i: int) -> bool:
    """Whether "movements" of a kind stands here, or "eyes" whose movements' kind follows."""
    if row[i].has(Sense.BARE_EYES):
        return _adjectives_start(row[:i]) < i
    told = row[i].has(Sense.EYE_SIGNAL) and i + 1 < len(row) and row[i + 1].sign is Sign.COLON
    return told and _is_kind(row, i + 2)


def _adjectives_start(before: Sequence[Mark]) -> int:
    """Where the adjectives begin that stand before an eye movement."""
    start = at = len(before)
    while at:
        mark = before[at - 1]
        if mark.term or mark.quantity:
            break
        if mark.has(Sense.EYE_KIND, Sense.EYE_DESCRIBED, Sense.EYE_NEUTRAL):
            start = at - 1
        elif not (_contrasts(mark) or mark.sign is Sign.HYPHEN) or at == len(before):
            break
        at -= 1
    return start


def _contrasts(mark: Mark) -> bool:
    """Whether it joins two kinds, or sets them against each other ("rapid but no slow")."""
    return joins(mark) or mark.has(Sense.BREAK, Sense.NO, Sense.NOT)


def _kinds(adjectives: Sequence[Mark], sense: Sense) -> list[tuple[int, Phenomenon]]:
    """Each kind that the adjectives name, where it is first named.

    Of two without a joint the second counts ("rapid reading eye movements").
    """
    kinds: list[tuple[int, Phenomenon]] = []
    for at, mark in enumerate(adjectives):
        phenomenon = mark.senses.get(sense)
        if phenomenon is None or phenomenon in {p for _, p in kinds}:
            continue
        if kinds and not any(map(_contrasts, adjectives[kinds[-1][0] : at])):
            kinds[-1] = (kinds[-1][0], phenomenon)
        else:
            kinds.append((at, phenomenon))
    return kinds


def _is_kind(row: Sequence[Mark], i: int) -> bool:
    return i < len(row) and row[i].has(Sense.EYE_KIND)


def _qualifies(row: Sequence[Mark], i: int) -> bool:
    """Whether the kind stands right after ("…, slow and rolling", "… of the rapid type")."""
    at = i
    while at < len(row) and (
        row[at].sign is Sign.COMMA or row[at].has(Sense.PREPOSITION, Sense.ARTICLE)
    ):
        at += 1
    return _is_kind(row, at)


def _predicated(row: Sequence[Mark], i: int, result: list[Mark]) -> int:
    """Appends what is said of eye movements ("… are slow and rolling") as their kind."""
    said = _qualifies(row, i)
    seen: set[Phenomenon] = set()
    while i < len(row):
        mark = row[i]
        phenomenon = mark.senses.get(Sense.EYE_KIND)
        if phenomenon is not None and said:
            if _is_of_another(row, i + 1):
                break
            if phenomenon not in seen:
                mark = merged([mark], Term(phenomenon, _EYES))
            seen.add(phenomenon)
        elif mark.has(Sense.IS) or mark.sign is Sign.COLON:
            said = True
        elif _names_again(row, i, seen):
            i += 3
            continue
        elif not _leads_to_kind(row, i, said):
            break
        result.append(mark)
        i += 1
    return i


def _names_again(row: Sequence[Mark], i: int, seen: Container[Phenomenon]) -> bool:
    """Whether a kind's name follows in parentheses ("are slow and rolling (SEMs)")."""
    if row[i].sign is not Sign.OPEN or i + 2 >= len(row):
        return False
    term = row[i + 1].term
    return term is not None and term.phenomenon in seen and row[i + 2].sign is Sign.CLOSE


def _is_of_another(row: Sequence[Mark], i: int) -> bool:
    """Whether a noun of its own follows an adjective ("are absent, and slow waves …")."""
    return i < len(row) and (row[i].term is not None or row[i].has(Sense.EYES))


def _leads_to_kind(row: Sequence[Mark], i: int, said: bool) -> bool:
    """Whether the mark may stand between eye movements and what is said of them."""
    mark = row[i]
    if mark.has(Sense.TOO):  # "too quick to be slow"
        return False
    if mark.has(Sense.NOT, Sense.NEITHER, Sense.NOR, Sense.ADVERB, Sense.FILLER):
        return True
    if said:
        contrasts = mark.has(Sense.BREAK) and _is_kind(row, i + 1)
        return joins(mark) or contrasts or mark.has(*_AMONG_KINDS)
    where = mark.has(Sense.PREPOSITION, Sense.ARTICLE, Sense.SIGNAL)
    return where or mark.channel is not None
