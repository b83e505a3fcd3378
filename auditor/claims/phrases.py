"""Phrases of several words, found in a text by longest match."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

from auditor.claims.senses import Sense
from auditor.claims.text import Token, tokens

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
