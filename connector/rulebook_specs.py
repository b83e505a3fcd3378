"""The Gherkin specifications of the rulebook, rule by rule."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

from gherkin.errors import ParserError
from gherkin.parser import Parser

from auditor.errors import RulebookRefused

Table: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scenario: keyword ("Given"), words, and what hangs on them."""

    keyword: str
    text: str
    table: Table
    quoted: str


@dataclass(frozen=True, slots=True)
class Examples:
    """The rows for which an outline holds, the first of them the header."""

    name: str
    table: Table


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, or an outline with its examples."""

    name: str
    description: str
    steps: tuple[Step, ...]
    examples: tuple[Examples, ...]


@dataclass(frozen=True, slots=True)
class Specification:
    """One ``Rule:`` of a feature.

    Attributes:
        file: where it is written ("N2.feature").
        feature: the feature's name.
        name: as written after ``Rule:``.
        description: beneath it.
        scenarios: in order; a background comes first, as one without examples.
    """

    file: str
    feature: str
    name: str
    description: str
    scenarios: tuple[Scenario, ...]

    @property
    def subject(self) -> str:
        """The first word of its name: the rule's identifier, where it is of a rule."""
        return self.name.partition(" ")[0]


def specifications_folder() -> Traversable | None:
    """Where the features are; None where they are not installed."""
    try:
        return files("features")
    except ModuleNotFoundError:
        return None


def read_specifications(folder: Traversable) -> tuple[Specification, ...]:
    """Every ``Rule:`` of every feature in a folder.

    Raises:
        RulebookRefused: a file is not Gherkin.
    """
    found = [file for file in folder.iterdir() if file.name.endswith(".feature")]
    by_name = sorted(found, key=lambda file: file.name)
    return tuple(each for file in by_name for each in _specifications(file))


def _specifications(file: Traversable) -> Iterator[Specification]:
    try:
        # As plain dicts: the library's own types leave out `rule`.
        document: Any = Parser().parse(file.read_text(encoding="utf-8"))
    except ParserError as error:
        problem = f"is not Gherkin ({str(error).splitlines()[-1]})"
        raise RulebookRefused(str(file), problem, "mend the line") from error
    feature = document["feature"]
    for child in feature["children"] if feature else ():
        if "rule" in child:
            rule = child["rule"]
            yield Specification(
                file=file.name,
                feature=feature["name"],
                name=rule["name"],
                description=_prose(rule),
                scenarios=tuple(map(_scenario, rule["children"])),
            )


def _scenario(child: Any) -> Scenario:
    scenario = child.get("scenario") or child["background"]
    return Scenario(
        name=scenario["name"] or scenario["keyword"],
        description=_prose(scenario),
        steps=tuple(map(_step, scenario["steps"])),
        examples=tuple(
            Examples(
                each["name"],
                (_cells(each["tableHeader"]), *map(_cells, each["tableBody"])),
            )
            for each in scenario.get("examples", ())
        ),
    )


def _step(step: Any) -> Step:
    return Step(
        keyword=step["keyword"].strip(),
        text=step["text"],
        table=tuple(map(_cells, step.get("dataTable", {}).get("rows", ()))),
        quoted=step.get("docString", {}).get("content", ""),
    )


def _cells(row: Any) -> tuple[str, ...]:
    return tuple(cell["value"] for cell in row["cells"])


def _prose(node: Any) -> str:
    return " ".join(textwrap.dedent(node["description"]).split())
