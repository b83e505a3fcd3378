"""A YAML file of the rulebook, checked against its model; every complaint names its line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from auditor.errors import RulebookRefused

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[str | int]


class YamlFile:
    """The content of one file and, for each place in it, the line it stands on.

    Attributes:
        name: the file's path, for messages.
        data: plain dicts, lists and scalars; None for an empty file.
    """

    def __init__(self, file: Traversable) -> None:
        """Reads the file.

        Raises:
            RulebookRefused: it is not there, or not YAML.
        """
        self.name = str(file)
        try:
            loader = yaml.CSafeLoader(file.read_text(encoding="utf-8"))
            self._root = loader.get_single_node()
            self.data: Any = loader.construct_document(self._root) if self._root else None
        except OSError as error:
            raise RulebookRefused(self.name, "there is no such file", "restore it") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = f"line {line}: this is not YAML ({error.problem})"
            raise RulebookRefused(self.name, problem, "mend the line or the one before") from error

    def as_model(self, model: type[Model], explained_in: str = "the file's comments") -> Model:
        """The content as this model.

        Args:
            model: what the content must be.
            explained_in: where its author can read how it is written.

        Raises:
            RulebookRefused: the content is not what the model asks for.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self.refused(
                first["loc"], _problem(first), _remedy(first, explained_in)
            ) from error

    def refused(self, location: Location, problem: str, remedy: str) -> RulebookRefused:
        """The error that says what is wrong at this place."""
        key = ".".join(str(part) for part in self._known(location))
        where = f"line {self.line(location)}" + (f", {key}" if key else "")
        return RulebookRefused(self.name, f"{where}: {problem}", remedy)

    def line(self, location: Location) -> int:
        """The line, from 1, of a place given by keys and list positions.

        Parts that the file does not hold (pydantic's names for the branches of a union) are
        passed over, so that a missing key is reported at what should hold it.
        """
        node = self._root
        line = 1
        for part in location:
            child = _child(node, part)
            if child is not None:
                line, node = child
        return line

    def _known(self, location: Location) -> list[str | int]:
        """The location without the parts between that the file does not hold."""
        node, known = self._root, []
        for position, part in enumerate(location):
            child = _child(node, part)
            if child is not None:
                known.append(part)
                node = child[1]
            elif position == len(location) - 1:
                known.append(part)
        return known


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    """Line and node of a key or list position; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _problem(error: Any) -> str:
    """What pydantic found, in words for someone who writes rules."""
    if error["type"] == "missing":
        return "the key is missing"
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    return re.sub(r"^(Value error, |Input )", "", error["msg"])


def _remedy(error: Any, explained_in: str) -> str:
    if error["type"] == "missing":
        return "add it"
    if error["type"] == "extra_forbidden":
        return "take it out, or mend its spelling"
    expected = error.get("ctx", {}).get("expected")
    return f"expected is {expected}" if expected else f"see {explained_in}"
