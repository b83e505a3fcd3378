"""Templating: the same words or the same times epoch after epoch.

A fluent model fills in a template where it sees nothing. Sleep does not repeat itself to the
second, so rationales that do are a finding about the whole night, whatever each of them says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from auditor.rule_schema import ClaimsDocument, TemplatingDocument
from auditor.vocabulary import Claim, Phenomenon, Span

_Said = TypeVar("_Said", bound=Hashable)


def find_templating(
    rationales: Mapping[int, str],
    claims: Mapping[int, Sequence[Claim]],
    document: ClaimsDocument,
) -> Iterator[str]:
    """Sentences for the physician, each on one way in which rationales repeat themselves.

    Args:
        rationales: the words of each explained epoch.
        claims: what was read in them.
        document: from which share on a repetition is no chance, and what phenomena are called.

    Only rationales that place something in time are looked at: "no alpha rhythm" may well be
    said of every epoch of a night, "a spindle at 12 s" may not.
    """
    placed = [index for index in rationales if any(claim.spans for claim in claims[index])]
    words = _collected((rationales[index].strip(), index) for index in placed)
    for epochs in words.values():
        if _is_too_often(epochs, len(placed), document.templating):
            yield (
                f"{len(epochs)} of {len(placed)} rationales that give times are word for word "
                f"the same ({_named(epochs)})"
            )
    for phenomenon in Phenomenon:
        times = _collected(
            (claim.spans, index)
            for index in placed
            for claim in claims[index]
            if claim.phenomenon is phenomenon and claim.spans
        )
        n = len({index for epochs in times.values() for index in epochs})
        for spans, epochs in times.items():
            if _is_too_often(epochs, n, document.templating):
                said = document.phenomena[phenomenon]
                yield (
                    f"{len(epochs)} of {n} rationales that give times of {said.all or said.say} "
                    f"give the very same: {_seconds(spans)} ({_named(epochs)})"
                )


def _collected(said: Iterable[tuple[_Said, int]]) -> Mapping[_Said, Sequence[int]]:
    """The epochs in which each thing is said."""
    epochs: dict[_Said, list[int]] = defaultdict(list)
    for what, index in said:
        if index not in epochs[what]:
            epochs[what].append(index)
    return epochs


def _is_too_often(epochs: Sequence[int], n: int, limits: TemplatingDocument) -> bool:
    return len(epochs) >= limits.least_epochs.value and len(epochs) >= limits.share.value * n


def _seconds(spans: tuple[Span, ...]) -> str:
    return ", ".join(
        f"{span.start_s:g} s" + (f"–{span.end_s:g} s" if span.end_s > span.start_s else "")
        for span in spans
    )


def _named(epochs: Sequence[int], most: int = 5) -> str:
    shown = ", ".join(map(str, epochs[:most]))
    return f"epochs {shown}" + (" …" if len(epochs) > most else "")
