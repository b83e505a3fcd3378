"""The rulebook as a book: one page to read, to link to and to print, without Python.

The same rulebook gives the same bytes, so that a book can be kept beside the audits that were
made by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment

from auditor.error_rates import ErrorCounts, Measurement, read_error_rates
from auditor.evidence.thresholds import Thresholds
from auditor.night import Quantity, phenomena_of
from auditor.rule_cases import read_cases
from auditor.rule_schema import PhenomenonDocument, RulebookDocument
from auditor.rulebook import Rule, Rulebook, RuleHolds, load_rulebook
from auditor.vocabulary import Phenomenon
from auditor.wording import spoken
from auditor.yaml_file import YamlFile
from connector.documents import write_whole
from connector.html import templates
from connector.rulebook_cases import ShownCase, shown
from connector.rulebook_specs import Specification, read_specifications, specifications_folder
from connector.rulebook_words import (
    Node,
    how_taken,
    implied,
    percent,
    phenomenon_said,
    tree,
    with_unit,
)

STYLESHEET = files("templates") / "rulebook" / "book.css"


# ── what stands in the book ───────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of so many came out wrongly.

    Attributes:
        wrong, n: of so many tried.
        low, high: the share of the wrong ones, as sure as 95 % can be; None where none was tried.
    """

    wrong: int
    n: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """One measurement of one rule, or of claims of one phenomenon.

    Attributes:
        measurement: which nights, when, and by what.
        of_this_book: whether it was this very rulebook that was measured.
        true_contradicted, false_supported: how often it was wrong.
        decided: share that was decided at all; None where nothing was tried.
    """

    measurement: Measurement
    of_this_book: bool
    true_contradicted: Rate
    false_supported: Rate
    decided: float | None


@dataclass(frozen=True, slots=True)
class Chapter:
    """One rule.

    Attributes:
        anchor: by which it is linked to.
        rule: as loaded.
        leads_to: a stage, or "following", with the conditions of each of its outcomes.
        implies: what a scorer who applies it says; of each group, one.
        leaned_on_by: the rules that ask about it.
        cases: run when the book was made.
        cases_file: where they are written.
        specification: None where there is none.
        rates: what was measured of it.
    """

    anchor: str
    rule: Rule
    leads_to: tuple[tuple[str, Node], ...]
    implies: tuple[tuple[str, ...], ...]
    leaned_on_by: tuple[str, ...]
    cases: tuple[ShownCase, ...]
    cases_file: str
    specification: Specification | None
    rates: tuple[MeasuredRates, ...]


@dataclass(frozen=True, slots=True)
class PhenomenonEntry:
    """One phenomenon: when it is there, how claims of it are checked, and who asks for it."""

    kind: Phenomenon
    document: PhenomenonDocument
    detection: Thresholds
    quantities: tuple[str, ...]
    rules: tuple[str, ...]
    rates: tuple[MeasuredRates, ...]


@dataclass(frozen=True, slots=True)
class QuantityEntry:
    """One quantity: what it says, how it is taken, and which rules ask for it."""

    name: str
    quantity: Quantity
    how: str
    phenomena: tuple[Phenomenon, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another profile, with the rules that it has of its own."""

    name: str
    title: str
    why: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """All of it.

    Attributes:
        rulebook: in the profile that is in use.
        profile: that profile's title.
        program: the version of somnoaudit that made the book.
        chapters: a rule each.
        specifications: those that are of no single rule; None where no features are installed.
        phenomena, quantities: in the order of their files.
        variants: the other profiles.
    """

    rulebook: Rulebook
    profile: str
    program: str
    chapters: tuple[Chapter, ...]
    specifications: tuple[Specification, ...] | None
    phenomena: tuple[PhenomenonEntry, ...]
    quantities: tuple[QuantityEntry, ...]
    variants: tuple[Variant, ...]

    @property
    def cases(self) -> tuple[ShownCase, ...]:
        every = (*self.chapters, *(c for variant in self.variants for c in variant.chapters))
        return tuple(case for chapter in every for case in chapter.cases)


# ── making it ─────────────────────────────────────────────────────────────────────────────


def write_book(
    into: Path, rules: Traversable | None = None, features: Traversable | None = None
) -> Path:
    """Writes the book as ``index.html``, which needs no other file.

    Args:
        into: the folder for it; made where there is none.
        rules: the rulebook's folder, by default the one that ships with somnoaudit.
        features: its specifications, by default those that ship with somnoaudit.

    Raises:
        RulebookRefused: a file of the rulebook does not say what it must.
        OSError: the folder cannot be made or written to.
    """
    page = book_page(compose(rules or files("rules"), features or specifications_folder()))
    path = into / "index.html"
    write_whole(page, path)
    return path


def book_page(book: Book, *, in_service: bool = False) -> str:
    """The whole book as HTML: with its style in it, or as a page of the service."""
    style = None if in_service else STYLESHEET.read_text(encoding="utf-8")
    return _templates().get_template("book.html").render(book=book, style=style)


def chapter_html(chapter: Chapter, book: Book) -> str:
    """One rule as a part of another page; its links go to anchors of the whole book."""
    return _templates().get_template("alone.html").render(each=chapter, book=book)


def compose(rules: Traversable, features: Traversable | None) -> Book:
    """Gathers what stands in the book, and runs every case.

    Raises:
        RulebookRefused: a file of the rulebook does not say what it must.
    """
    rulebook = load_rulebook(rules)
    shelf = _Shelf(
        rules,
        rulebook,
        read_error_rates(rules),
        None if features is None else read_specifications(features),
    )
    profiles = YamlFile(rules / "rulebook.yaml").as_model(RulebookDocument).profiles
    return Book(
        rulebook=rulebook,
        profile=profiles[rulebook.profile].title,
        program=version("somnoaudit"),
        chapters=tuple(shelf.chapter(rule) for rule in rulebook.rules),
        specifications=shelf.further_specifications(),
        phenomena=tuple(shelf.phenomenon(kind) for kind in rulebook.claims.phenomena),
        quantities=tuple(shelf.quantity(name) for name in rulebook.quantities),
        variants=tuple(
            Variant(name, profile.title, profile.why, tuple(shelf.variant(name, profile.replaces)))
            for name, profile in profiles.items()
            if name != rulebook.profile
        ),
    )


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Everything that the book is made from."""

    folder: Traversable
    rulebook: Rulebook
    measurements: Sequence[Measurement]
    specifications: Sequence[Specification] | None

    def chapter(self, rule: Rule, anchor: str = "", rulebook: Rulebook | None = None) -> Chapter:
        rulebook = rulebook or self.rulebook
        return Chapter(
            anchor=anchor or rule.id,
            rule=rule,
            leads_to=tuple(
                (outcome.stage or "following", tree(outcome.holds_when, rulebook.quantities))
                for outcome in rule.outcomes
            ),
            implies=tuple(
                tuple(implied(claim, rulebook) for claim in group) for group in rule.implies
            ),
            leaned_on_by=tuple(
                other.id
                for other in rulebook.rules
                if any(isinstance(c, RuleHolds) and c.rule == rule.id for c in other.conditions)
            ),
            cases=tuple(shown(case, rule, rulebook) for case in read_cases(rule, self.folder)),
            cases_file=rule.file.removesuffix(".yaml") + ".cases.yaml",
            specification=next(
                (each for each in self.specifications or () if each.subject == rule.id), None
            ),
            rates=tuple(self._rates(lambda measured: measured.rules.get(rule.id))),
        )

    def variant(self, profile: str, replaces: Iterable[str]) -> Iterator[Chapter]:
        """The chapters of the rules that a profile has of its own."""
        rulebook = load_rulebook(self.folder, profile)
        for rule in rulebook.rules:
            if rule.id in replaces:
                yield self.chapter(rule, f"{profile}-{rule.id}", rulebook)

    def further_specifications(self) -> tuple[Specification, ...] | None:
        """Those that are of no single rule."""
        if self.specifications is None:
            return None
        rules = {rule.id for rule in self.rulebook.rules}
        return tuple(each for each in self.specifications if each.subject not in rules)

    def phenomenon(self, kind: Phenomenon) -> PhenomenonEntry:
        quantities = self.rulebook.quantities
        measuring = tuple(name for name in quantities if kind in phenomena_of(quantities, name))
        return PhenomenonEntry(
            kind=kind,
            document=self.rulebook.claims.phenomena[kind],
            detection=self.rulebook.detection[kind],
            quantities=measuring,
            rules=self._rules_on(measuring),
            rates=tuple(self._rates(lambda measured: measured.phenomena.get(kind))),
        )

    def quantity(self, name: str) -> QuantityEntry:
        quantity = self.rulebook.quantities[name]
        return QuantityEntry(
            name=name,
            quantity=quantity,
            how=how_taken(quantity, self.rulebook),
            phenomena=tuple(phenomena_of(self.rulebook.quantities, name)),
            rules=self._rules_on((name,)),
        )

    def _rules_on(self, quantities: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            rule.id
            for rule in self.rulebook.rules
            if any(each.quantity in quantities for leaf in rule.leaves for each in leaf.references)
        )

    def _rates(self, of: Callable[[Measurement], ErrorCounts | None]) -> Iterator[MeasuredRates]:
        for measurement in self.measurements:
            counts = of(measurement)
            if counts is not None:
                true, false = counts.when_true, counts.when_false
                n = true.n + false.n
                undecided = true.not_assessable + false.not_assessable
                yield MeasuredRates(
                    measurement=measurement,
                    of_this_book=measurement.rulebook_sha256 == self.rulebook.identity.sha256,
                    true_contradicted=rate(true.contradicted, true.n),
                    false_supported=rate(false.supported, false.n),
                    decided=1 - undecided / n if n else None,
                )


def rate(wrong: int, n: int) -> Rate:
    """A share with its interval."""
    if n == 0:
        return Rate(wrong, n, None, None)
    from scipy.stats import binomtest

    # Wilson's interval stays within 0 and 1, and is honest for few and for none.
    interval = binomtest(wrong, n).proportion_ci(method="wilson")
    return Rate(wrong, n, float(interval.low), float(interval.high))


# ── rendering it ──────────────────────────────────────────────────────────────────────────


def _tolerance(name: str) -> str:
    """A tolerance's name without its unit, which stands beside it."""
    return spoken(name.removesuffix("_s").removesuffix("_hz"))


@cache
def _templates() -> Environment:
    return templates(
        "rulebook",
        spoken=spoken,
        percent=percent,
        with_unit=with_unit,
        said=phenomenon_said,
        tolerance=_tolerance,
    )
