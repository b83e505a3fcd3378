"""How often the auditor is wrong, as measured: ``rules/error_rates.yaml``.

Benchmarks write the file, nights with known truth behind each number; the rulebook's readers see
it. No audit depends on it, so that it is no part of a rulebook's hash. Counts stand in it, not
rates: how many were tried is as much of a finding.
"""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import Field, NonNegativeInt, model_validator

from auditor.rule_schema import Document, RuleId
from auditor.vocabulary import Phenomenon
from auditor.yaml_file import YamlFile

FILE = "error_rates.yaml"


class WhenTrue(Document):
    """What became of claims, or of rules, that are true of the night."""

    n: NonNegativeInt = Field(description="how many there were")
    contradicted: NonNegativeInt
    not_assessable: NonNegativeInt = 0

    @model_validator(mode="after")
    def _parts_of_n(self) -> WhenTrue:
        if self.contradicted + self.not_assessable > self.n:
            raise ValueError("more contradicted and not assessable than there are")
        return self


class WhenFalse(Document):
    """What became of claims, or of rules, that are false of the night."""

    n: NonNegativeInt = Field(description="how many there were")
    supported: NonNegativeInt
    not_assessable: NonNegativeInt = 0

    @model_validator(mode="after")
    def _parts_of_n(self) -> WhenFalse:
        if self.supported + self.not_assessable > self.n:
            raise ValueError("more supported and not assessable than there are")
        return self


class ErrorCounts(Document):
    """How claims of one phenomenon, or one rule, came out against a known truth."""

    when_true: WhenTrue
    when_false: WhenFalse


class Measurement(Document):
    """One run of one benchmark."""

    nights: str = Field(description="which nights, as a reader understands it")
    day: date
    benchmark: str = Field(description="the file that measures it again")
    rulebook_sha256: str = Field(description="the rulebook that was measured")
    phenomena: dict[Phenomenon, ErrorCounts] = Field(default={}, description="claims of each")
    rules: dict[RuleId, ErrorCounts] = Field(default={}, description="each rule in each epoch")


class ErrorRatesDocument(Document):
    """``rules/error_rates.yaml``."""

    measurements: list[Measurement]


def read_error_rates(folder: Traversable | None = None) -> tuple[Measurement, ...]:
    """What was measured of the rulebook in a folder; nothing where there is no such file.

    Raises:
        RulebookRefused: the file does not say what it must.
    """
    file = (folder or files("rules")) / FILE
    if not file.is_file():
        return ()
    return tuple(YamlFile(file).as_model(ErrorRatesDocument).measurements)
