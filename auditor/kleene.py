"""Kleene's strong three-valued logic over verdicts.

``not_assessable`` stands for "could be either": a conjunction with one part contradicted is
contradicted whatever the doubtful parts are, and doubt remains only where it decides.
"""

from __future__ import annotations

from collections.abc import Iterable

from auditor.vocabulary import Verdict

SUPPORTED = Verdict.SUPPORTED
CONTRADICTED = Verdict.CONTRADICTED
NOT_ASSESSABLE = Verdict.NOT_ASSESSABLE

_OPPOSITE = {
    SUPPORTED: CONTRADICTED,
    CONTRADICTED: SUPPORTED,
    NOT_ASSESSABLE: NOT_ASSESSABLE,
}


def of_possible(values: Iterable[bool]) -> Verdict:
    """The verdict where each of these truth values is possible; at least one must be."""
    possible = set(values)
    if len(possible) == 2:
        return NOT_ASSESSABLE
    return SUPPORTED if possible.pop() else CONTRADICTED


def negation(verdict: Verdict) -> Verdict:
    return _OPPOSITE[verdict]


def conjunction(verdicts: Iterable[Verdict]) -> Verdict:
    """Whether all hold; none at all counts as all."""
    found = SUPPORTED
    for verdict in verdicts:
        if verdict is CONTRADICTED:
            return CONTRADICTED
        if verdict is NOT_ASSESSABLE:
            found = NOT_ASSESSABLE
    return found


def disjunction(verdicts: Iterable[Verdict]) -> Verdict:
    """Whether any holds; none at all counts as none."""
    return negation(conjunction(map(negation, verdicts)))


def at_least(n: int, verdicts: Iterable[Verdict]) -> Verdict:
    """Whether ``n`` or more hold."""
    parts = tuple(verdicts)
    if parts.count(SUPPORTED) >= n:
        return SUPPORTED
    return CONTRADICTED if len(parts) - parts.count(CONTRADICTED) < n else NOT_ASSESSABLE
