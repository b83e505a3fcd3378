"""Parentheses: asides of what stands before them, items of a list, or statements of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.claims.marks import Mark, Sign
from auditor.claims.pieces import OPERATORS, PREDICATES, VERBS


def without_parentheses(row: Sequence[Mark]) -> tuple[list[Mark], list[list[Mark]]]:
    """The row with each parenthesis as an aside or in line, and those that stand alone."""
    if not any(m.sign is Sign.OPEN or m.sign is Sign.CLOSE for m in row):
        return list(row), []
    main: list[Mark] = []
    apart: list[list[Mark]] = []
    i = 0
    while i < len(row):
        mark = row[i]
        if mark.sign is not Sign.OPEN:
            if mark.sign is not Sign.CLOSE:
                main.append(mark)
            i += 1
            continue
        close = _closing(row, i)
        inner = [m for m in row[i + 1 : close] if m.sign not in {Sign.OPEN, Sign.CLOSE}]
        if not any(m.term for m in inner):
            if inner:
                main.append(Mark(inner[0].start, inner[-1].end, aside=tuple(inner)))
        elif any(m.has(*OPERATORS) or m.has(*PREDICATES, *VERBS) for m in inner):
            apart.append(inner)
        else:
            slash = replace(mark, sign=Sign.SLASH)
            main += [slash] * bool(main and main[-1].term)
            main += [slash if m.sign is Sign.COMMA else m for m in inner]
        i = close + 1
    return main, apart


def _closing(row: Sequence[Mark], i: int) -> int:
    depth = 0
    for at in range(i, len(row)):
        if row[at].sign is Sign.OPEN:
            depth += 1
        elif row[at].sign is Sign.CLOSE:
            depth -= 1
            if not depth:
                return at
    return len(row)
