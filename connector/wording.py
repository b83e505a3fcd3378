"""How an audit document's findings are put, alike at a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector.documents import Json

_OPERATORS = {">": "more than ", ">=": "at least ", "<": "less than ", "<=": "at most ", "==": ""}


def claimed(claim: Json) -> str:
    """A claim as a person reads it: its words, and what they were taken to say.

    The words alone do not tell "no K complexes" from "K complexes".
    """
    if claim["text"] is None:
        return f"{claim['phenomenon'].replace('_', ' ')} {claim['polarity']}, as the stage implies"
    return f"“{claim['text']}” ({', '.join([claim['polarity'], *_details(claim)])})"


def _details(claim: Json) -> Iterator[str]:
    if claim["extent"]:
        yield f"{_OPERATORS[claim['extent']['op']]}{claim['extent']['fraction']:.0%} of the epoch"
    if claim["channels"]:
        yield f"in {', '.join(claim['channels'])}"
    if claim["spans_s"]:
        yield f"at {', '.join(map(_range, claim['spans_s']))} s"
    for key, unit in (("frequency_hz", "Hz"), ("duration_s", "s long"), ("amplitude_uv", "µV")):
        if claim[key]:
            yield f"{_range(claim[key])} {unit}"


def _range(ends: Sequence[float | None]) -> str:
    low, high = ends
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"
