"""The rulebook: rules, quantities and thresholds, read from YAML and compiled.

A rulebook is a folder: ``rulebook.yaml`` says its version, its profiles and its rules;
``quantities.yaml`` what rules can ask; ``detection.yaml`` when an event is surely there;
``claims.yaml`` how words meet measurements; ``triage.yaml`` what is put before the physician
first; and a folder a stage holds the rules, a file each with its cases beside it. Everything
is checked when it is read, so that a mistake is found before any study meets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeAlias

from auditor.claims.lexicon import Lexicon, load_lexicon, read_lexicon
from auditor.conditions import ConditionRefused, Leaf, Scope
from auditor.evidence.thresholds import Thresholds, parse_thresholds
from auditor.night import Quantity
from auditor.rule_schema import (
    FOLLOWING,
    AllDocument,
    AnyDocument,
    AtLeastDocument,
    ClaimsDocument,
    ConditionDocument,
    EpochsQuantity,
    ImpliedClaim,
    NotDocument,
    OneOf,
    QuantitiesDocument,
    RulebookDocument,
    RuleDocument,
    RuleHoldsDocument,
    Source,
    TriageDocument,
)
from auditor.vocabulary import Phenomenon, Role, RulebookIdentity, Stage
from auditor.yaml_file import Location, YamlFile

SHARED_FILES = ("rulebook.yaml", "quantities.yaml", "detection.yaml", "claims.yaml", "triage.yaml")
LEXICON_FOLDER = "lexicon"


# ── compiled conditions ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least ``n`` of the parts hold: ``all`` is as many as there are, ``any`` is one."""

    n: int
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class RuleHolds:
    """A rule holds in this epoch, or somewhere in the unbroken run of a stage around it.

    Attributes:
        id: the condition's name in findings.
        rule: the other rule.
        in_run_of: the stage; None for this epoch alone.
    """

    id: str
    rule: str
    in_run_of: Stage | None


Condition: TypeAlias = AtLeast | Not | RuleHolds | Leaf


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stage that a rule leads to, and when.

    Attributes:
        stage: None where it is the stage of the epoch that follows.
        holds_when: the condition.
    """

    stage: Stage | None
    holds_when: Condition


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: as rationales cite it ("N2.1").
        title, statement: in a few words, and whole.
        source: the standard, and whether it was checked against a licensed copy.
        outcomes: the stages it leads to.
        needs: channels without which it cannot be assessed.
        decides_alone: where it holds, no other stage may be scored.
        continues: the condition that says what it continues; None if it continues nothing.
        implies: what a scorer who applies it says about the epoch; of each group, one.
        choices: readings of the standard that a hospital may want to change.
        known_limits: where it is known to mislead.
        file: where it is written, within the rulebook.
    """

    id: str
    title: str
    statement: str
    source: Source
    outcomes: tuple[Outcome, ...]
    needs: tuple[Role, ...]
    decides_alone: bool
    continues: str | None
    implies: tuple[tuple[ImpliedClaim, ...], ...]
    choices: tuple[str, ...]
    known_limits: tuple[str, ...]
    file: str

    @property
    def conditions(self) -> tuple[Leaf | RuleHolds, ...]:
        """What it asks for, in the order in which it is written."""
        return tuple(
            part
            for outcome in self.outcomes
            for part in walk(outcome.holds_when)
            if isinstance(part, Leaf | RuleHolds)
        )

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """Its comparisons alone."""
        return tuple(part for part in self.conditions if isinstance(part, Leaf))

    def may_lead_to(self, stage: Stage) -> bool:
        """Whether it leads to a stage in some epoch; "as the one that follows" may be any."""
        return any(outcome.stage in (stage, None) for outcome in self.outcomes)

    def leads_only_to(self, stage: Stage) -> bool:
        """Whether it leads to this stage and to no other."""
        return all(outcome.stage is stage for outcome in self.outcomes)

    @property
    def follows_on(self) -> bool:
        """Whether it goes on from the stage of the epoch before."""
        return any(
            leaf.id == self.continues and any(each.offset < 0 for each in leaf.references)
            for leaf in self.leaves
        )


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything by which a scoring is audited.

    Attributes:
        identity: version and hash of all files that bear on an audit.
        title: of the book.
        profile: the variant in use.
        rules: in the book's order.
        quantities: what rules can ask, by name.
        detection: when an event is surely there, by phenomenon.
        claims: how words meet measurements.
        triage: what is put before the physician first.
        lexicon: the words by which rationales are read.
    """

    identity: RulebookIdentity
    title: str
    profile: str
    rules: tuple[Rule, ...]
    quantities: Mapping[str, Quantity]
    detection: Mapping[Phenomenon, Thresholds]
    claims: ClaimsDocument
    triage: TriageDocument
    lexicon: Lexicon

    def rule(self, rule_id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and all within it, in the order in which they are written."""
    yield condition
    if isinstance(condition, AtLeast):
        for part in condition.parts:
            yield from walk(part)
    elif isinstance(condition, Not):
        yield from walk(condition.part)


# ── reading ───────────────────────────────────────────────────────────────────────────────


def load_rulebook(folder: Traversable | None = None, profile: str | None = None) -> Rulebook:
    """The rulebook in a folder, by default the one that ships with somnoaudit.

    Raises:
        RulebookRefused: a file is missing or does not say what it must; the message names the
            file, the line, the key and what was expected.
    """
    folder = folder or files("rules")
    book_file = YamlFile(folder / "rulebook.yaml")
    book = book_file.as_model(RulebookDocument)
    chosen = profile or book.profile
    if chosen not in book.profiles:
        raise book_file.refused(
            ("profiles",),
            f"there is no profile {chosen}",
            f"choose from {', '.join(book.profiles)}",
        )
    quantities = _read_quantities(YamlFile(folder / "quantities.yaml"))
    scope = Scope(quantities)
    paths = {rule_id: _path(rule_id, book.profiles[chosen].replaces) for rule_id in book.rules}
    rules = tuple(
        _read_rule(YamlFile(folder.joinpath(*path.split("/"))), rule_id, path, scope)
        for rule_id, path in paths.items()
    )
    _refuse_bad_references(book_file, rules)
    return Rulebook(
        identity=_identity(folder, book.version, chosen, paths.values()),
        title=book.title,
        profile=chosen,
        rules=rules,
        quantities=quantities,
        detection=parse_thresholds(YamlFile(folder / "detection.yaml").data),
        claims=_read_claims(YamlFile(folder / "claims.yaml"), quantities),
        triage=YamlFile(folder / "triage.yaml").as_model(TriageDocument),
        lexicon=_lexicon(folder, book.language),
    )


def _lexicon(folder: Traversable, language: str) -> Lexicon:
    """The folder's own lexicon; of a folder without any, the one that ships."""
    if (folder / LEXICON_FOLDER).is_dir() and folder != files("rules"):
        return read_lexicon(folder / LEXICON_FOLDER / f"{language}.yaml")
    return load_lexicon(language)


def _path(rule_id: str, replaced: Mapping[str, str]) -> str:
    """Where a rule is written: the folder of its stage, unless the profile has its own."""
    return replaced.get(rule_id, f"{rule_id.partition('.')[0]}/{rule_id}.yaml")


def _read_quantities(file: YamlFile) -> Mapping[str, Quantity]:
    quantities: Mapping[str, Quantity] = file.as_model(QuantitiesDocument).quantities
    for name, quantity in quantities.items():
        if isinstance(quantity, EpochsQuantity) and quantity.epochs_where not in quantities:
            raise file.refused(
                ("quantities", name, "epochs_where"),
                f"there is no quantity {quantity.epochs_where}",
                "name one of this file",
            )
    return quantities


def _read_claims(file: YamlFile, quantities: Mapping[str, Quantity]) -> ClaimsDocument:
    document = file.as_model(ClaimsDocument)
    for kind, how in document.phenomena.items():
        asked = {
            ("extent",): how.extent,
            ("level",): how.level,
            ("amount", "quantity"): how.amount.quantity if how.amount is not None else None,
        }
        for place, name in asked.items():
            if name is not None and name not in quantities:
                raise file.refused(
                    ("phenomena", kind.value, *place),
                    f"there is no quantity {name}",
                    "name one of quantities.yaml",
                )
    return document


def _read_rule(file: YamlFile, rule_id: str, path: str, scope: Scope) -> Rule:
    document = file.as_model(RuleDocument, "rules/rule.schema.json")
    if document.id != rule_id:
        raise file.refused(("id",), f"this is {document.id}", f"write {rule_id}, as rulebook.yaml")
    if document.stage is not None and document.holds_when is not None:
        written: list[tuple[str, ConditionDocument, Location]] = [
            (document.stage, document.holds_when, ("holds_when",))
        ]
    else:
        written = [
            (each.stage, each.holds_when, ("outcomes", i, "holds_when"))
            for i, each in enumerate(document.outcomes)
        ]
    outcomes = tuple(
        Outcome(
            None if stage == FOLLOWING else Stage(stage), _compile(holds_when, scope, file, place)
        )
        for stage, holds_when, place in written
    )
    rule = Rule(
        id=document.id,
        title=document.title,
        statement=document.statement,
        source=document.source,
        outcomes=outcomes,
        needs=tuple(document.needs),
        decides_alone=document.decides_alone,
        continues=document.continues,
        implies=tuple(
            tuple(each.one_of) if isinstance(each, OneOf) else (each,) for each in document.implies
        ),
        choices=tuple(document.choices),
        known_limits=tuple(document.known_limits),
        file=path,
    )
    if rule.continues is not None and rule.continues not in {each.id for each in rule.conditions}:
        raise file.refused(
            ("continues",), f"there is no condition {rule.continues}", "name one of this rule"
        )
    return rule


def _compile(
    document: ConditionDocument, scope: Scope, file: YamlFile, place: Location
) -> Condition:
    """The condition and all within it, each leaf type-checked where it stands."""
    if isinstance(document, NotDocument):
        return Not(_compile(document.not_, scope, file, (*place, "not")))
    if isinstance(document, RuleHoldsDocument):
        run = document.in_run_of
        return RuleHolds(
            document.id or document.rule, document.rule, None if run is None else Stage(run)
        )
    if isinstance(document, AllDocument | AnyDocument | AtLeastDocument):
        key, n, parts = _parts(document)
        return AtLeast(
            n, tuple(_compile(part, scope, file, (*place, key, i)) for i, part in enumerate(parts))
        )
    try:
        return scope.compile(document)
    except ConditionRefused as error:
        raise file.refused((*place, "expr"), str(error), "mend the expression") from error


def _parts(
    document: AllDocument | AnyDocument | AtLeastDocument,
) -> tuple[str, int, list[ConditionDocument]]:
    """The key under which the parts are written, how many must hold, and the parts."""
    if isinstance(document, AllDocument):
        return "all", len(document.all), document.all
    if isinstance(document, AnyDocument):
        return "any", 1, document.any
    return "of", document.at_least, document.of


def _refuse_bad_references(file: YamlFile, rules: tuple[Rule, ...]) -> None:
    """Rules may lean on one another, but only on those that exist, and never in a circle."""
    leans_on = {
        rule.id: {each.rule for each in rule.conditions if isinstance(each, RuleHolds)}
        for rule in rules
    }
    for rule_id, others in leans_on.items():
        for unknown in sorted(others - leans_on.keys()):
            raise file.refused(
                ("rules",), f"{rule_id} leans on {unknown}, which is not listed", "list it"
            )
    try:
        TopologicalSorter(leans_on).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise file.refused(
            ("rules",), f"rules lean on one another in a circle: {circle}", "break it"
        ) from error


def _identity(
    folder: Traversable, version: str, profile: str, rule_paths: Iterable[str]
) -> RulebookIdentity:
    """The hash of all that bears on an audit: the profile, shared files, rules and lexicon."""
    paths = sorted([*SHARED_FILES, *rule_paths, *_lexicon_paths(folder)])
    digest = hashlib.sha256(profile.encode())
    for path in paths:
        content = folder.joinpath(*path.split("/")).read_bytes()
        digest.update(f"\n{path} {len(content)}\n".encode() + content)
    return RulebookIdentity(version, digest.hexdigest())


def _lexicon_paths(folder: Traversable) -> list[str]:
    lexicon = folder / LEXICON_FOLDER
    if not lexicon.is_dir():
        return []
    return [f"{LEXICON_FOLDER}/{f.name}" for f in lexicon.iterdir() if f.name.endswith(".yaml")]
