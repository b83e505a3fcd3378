"""The rulebook at a terminal: the list of its rules, and one rule with all that it asks for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from auditor.rulebook import Outcome, Rule, Rulebook
from auditor.wording import spoken
from connector.rulebook_words import (
    Comparison,
    Denied,
    Group,
    Node,
    OtherRule,
    Term,
    Threshold,
    tree,
)
from connector.terminal import table

_WIDTH = 88


def rulebook_table(rulebook: Rulebook) -> str:
    """The rulebook, a rule a line."""
    rows = [("rule", "leads to", "says")]
    for rule in rulebook.rules:
        rows.append((rule.id, ", ".join(map(_stage, rule.outcomes)), rule.title))
    identity = rulebook.identity
    return (
        f"{rulebook.title}, version {identity.version} ({rulebook.profile}), "
        f"sha256 {identity.sha256[:16]}…\n\n{table(rows)}"
    )


def rule_explanation(rule: Rule, rulebook: Rulebook) -> str:
    """One rule with its conditions, thresholds and sources; each threshold is told once."""
    lines = [f"{rule.id}  {rule.title}", "", *_wrapped(rule.statement)]
    thresholds: dict[tuple[str, Threshold], None] = {}
    for outcome in rule.outcomes:
        asked = tree(outcome.holds_when, rulebook.quantities)
        lines += ["", f"Leads to {_stage(outcome)} where", *_condition(asked, 1)]
        thresholds |= dict.fromkeys(_thresholds(asked))
    lines += ["", "Thresholds", *(_threshold(*each) for each in thresholds)] if thresholds else []
    needs = ", ".join(spoken(role.value) for role in rule.needs)
    lines += ["", f"Needs: {needs}" if needs else "Needs no particular channel"]
    if rule.decides_alone:
        lines.append("Decides alone: where it holds, no other stage may be scored")
    for heading, texts in (("Choices", rule.choices), ("Known limits", rule.known_limits)):
        if texts:
            lines += ["", heading]
            lines += [line for text in texts for line in _wrapped(text)]
    checked = "" if rule.source.checked else " (not yet checked against a licensed copy)"
    source = f"{rule.source.standard}, version {rule.source.version}, {rule.source.section}"
    return "\n".join([*lines, "", f"Source: {source}{checked}", f"Written in rules/{rule.file}"])


def _stage(outcome: Outcome) -> str:
    return outcome.stage.value if outcome.stage else "the stage of the epoch that follows"


# ── conditions ────────────────────────────────────────────────────────────────────────────


def _condition(node: Node, depth: int) -> Iterator[str]:
    indent = "  " * depth
    match node:
        case Group(asks, parts):
            yield f"{indent}{asks[0].lower()}{asks[1:]}:"
            for part in parts:
                yield from _condition(part, depth + 1)
        case Denied(OtherRule(rule)):
            yield f"{indent}{rule} does not hold"
        case Denied(part):
            yield f"{indent}this does not hold:"
            yield from _condition(part, depth + 1)
        case OtherRule(rule, None):
            yield f"{indent}{rule} holds"
        case OtherRule(rule, stage):
            yield f"{indent}{rule} holds somewhere in the unbroken run of {stage}"
        case Comparison() as asked:
            said = f"{spoken(asked.id)}: {' '.join(map(_term, asked.terms))}"
            yield from textwrap.wrap(
                f"{said}: {asked.asks}",
                _WIDTH,
                initial_indent=indent,
                subsequent_indent=f"{indent}    ",
            )


def _term(term: Term) -> str:
    return " ".join(part for part in (term.joined, term.said, term.place) if part)


def _thresholds(node: Node) -> Iterator[tuple[str, Threshold]]:
    """Each threshold with the comparison that it stands in."""
    match node:
        case Group(_, parts):
            for part in parts:
                yield from _thresholds(part)
        case Denied(part):
            yield from _thresholds(part)
        case Comparison() as asked:
            yield from ((asked.id, each) for each in asked.thresholds)


def _threshold(condition: str, each: Threshold) -> str:
    why = f": {each.why}" if each.why else ""
    source = f" ({each.source})" if each.source else ""
    return f"  {spoken(condition)}: {spoken(each.name)} = {each.value}{why}{source}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")
