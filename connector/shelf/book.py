"""The rulebook's book within the service: made once, rule by rule and whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from threading import Lock

from connector.rulebook_book import STYLESHEET, Book, Chapter, book_page, chapter_html, compose
from connector.rulebook_specs import specifications_folder
from connector.stored import Clock, utc_now

_ANCHOR = re.compile(r'href="#([^"]+)"')


@dataclass(frozen=True)
class MadeBook:
    """The book, and when its cases were run."""

    book: Book
    at: datetime

    @cached_property
    def chapters(self) -> Mapping[str, Chapter]:
        """Each rule's chapter, by the rule's identifier."""
        return {chapter.rule.id: chapter for chapter in self.book.chapters}

    @cached_property
    def page(self) -> str:
        """The whole book as a page."""
        return book_page(self.book, in_service=True)

    def chapter_html(self, rule: str) -> str:
        """One chapter, whose links go to other rules' pages and to places in the whole book."""

        def place(found: re.Match[str]) -> str:
            anchor = found[1]
            of_rule = anchor in self.chapters
            return f'href="/rulebook/{anchor}"' if of_rule else f'href="/rulebook/book#{anchor}"'

        return _ANCHOR.sub(place, chapter_html(self.chapters[rule], self.book))


class ServiceBook:
    """Makes the book when it is first asked for: running every case takes some seconds."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = Lock()
        self._made: MadeBook | None = None

    def made(self) -> MadeBook:
        """The book of the rulebook that this service audits by."""
        with self._lock:
            if self._made is None:
                book = compose(files("rules"), specifications_folder())
                self._made = MadeBook(book, self._clock())
            return self._made


def stylesheet() -> str:
    """Of the whole book."""
    return STYLESHEET.read_text(encoding="utf-8")


def stylesheet_within() -> str:
    """The same for a part of another page: it holds within the class ``book`` alone."""
    of_part = stylesheet().replace(":root {", "& {")
    return f".book {{\n{of_part}\n}}\n"
