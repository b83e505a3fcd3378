"""The cases beside each rule: small nights, and what the rule must say of them.

``rules/N3/N3.1.cases.yaml`` stands beside ``rules/N3/N3.1.yaml``. A case names only what matters:
in everything else an epoch is quiet, with all measured, nothing found and chin tone in the middle.
Unless told otherwise, one quiet epoch without a stage lies before and one after.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import Field

from auditor.night import Night
from auditor.rule_check import RuleCheck, RuleChecker
from auditor.rule_schema import Document, MeasureQuantity, Name, RuleId, ScoredStage
from auditor.rulebook import Rule, Rulebook
from auditor.vocabulary import (
    ChannelReport,
    Epoch,
    EpochEvidence,
    Event,
    Evidence,
    Level,
    Measure,
    Phenomenon,
    Role,
    Stage,
    Verdict,
)
from auditor.yaml_file import YamlFile


class MeasureInDoubt(Document):
    """A measure that detection leaves open."""

    value: float | str
    low: float | str
    high: float | str


class CaseEvent(Document):
    """An event, or a candidate for one."""

    kind: Phenomenon
    at_s: tuple[float, float] = Field(description="seconds from its epoch's start")
    probability: float = 0.95
    channel: str = "C4-M1"


class CaseEpoch(Document):
    """One epoch of a case."""

    stage: Stage = Stage.UNSCORED
    measures: dict[Name, float | str | MeasureInDoubt] = Field(default={})
    events: list[CaseEvent] = Field(default=[])
    not_assessable: dict[Phenomenon, str] = Field(default={})


class Case(Document):
    """One case: epochs, and the verdict of the rule in one of them."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.]*$")
    before: list[CaseEpoch] = Field(default=[CaseEpoch()], description="oldest first")
    epoch: CaseEpoch = CaseEpoch()
    after: list[CaseEpoch] = Field(default=[CaseEpoch()])
    expect: Verdict
    leads_to: ScoredStage | None = Field(
        default=None, description="of a rule with several outcomes, the stage expected"
    )


class CasesDocument(Document):
    """``*.cases.yaml``."""

    rule: RuleId
    cases: list[Case] = Field(min_length=1)


def read_cases(rule: Rule, folder: Traversable | None = None) -> tuple[Case, ...]:
    """The cases of a rule.

    Raises:
        RulebookRefused: there is no such file, or it does not say what it must.
    """
    path = rule.file.removesuffix(".yaml") + ".cases.yaml"
    file = YamlFile((folder or files("rules")).joinpath(*path.split("/")))
    document = file.as_model(CasesDocument)
    if document.rule != rule.id:
        raise file.refused(("rule",), f"these are cases of {document.rule}", f"write {rule.id}")
    return tuple(document.cases)


def run_case(case: Case, rule: Rule, rulebook: Rulebook) -> RuleCheck:
    """What the rule says of the case's epoch."""
    epochs = [*case.before, case.epoch, *case.after]
    night = Night(
        case_evidence(epochs, rulebook),
        [epoch.stage for epoch in epochs],
        rulebook.quantities,
        rulebook.detection,
    )
    return RuleChecker(rulebook, night).check(rule.id, len(case.before))


def case_evidence(epochs: list[CaseEpoch], rulebook: Rulebook) -> Evidence:
    """The evidence that the epochs describe."""
    channels = {
        Role.FRONTAL: "F4-M1",
        Role.CENTRAL: "C4-M1",
        Role.OCCIPITAL: "O2-M1",
        Role.LEFT_EYE: "E1-M2",
        Role.RIGHT_EYE: "E2-M2",
        Role.CHIN: "Chin",
    }
    quiet = dict(_quiet_measures(rulebook))
    return Evidence(
        recording_name="case",
        start=None,
        channels={role: ChannelReport(label, "good") for role, label in channels.items()},
        missing={},
        events=tuple(event for i, epoch in enumerate(epochs) for event in _events(epoch, i)),
        epochs=tuple(
            EpochEvidence(i, quiet | dict(_measures(epoch)), epoch.not_assessable)
            for i, epoch in enumerate(epochs)
        ),
    )


def _events(epoch: CaseEpoch, index: int) -> Iterator[Event]:
    start_s = Epoch(index).start_s
    for event in epoch.events:
        begin_s, end_s = event.at_s
        yield Event(
            event.kind, event.channel, start_s + begin_s, start_s + end_s, event.probability
        )


def _quiet_measures(rulebook: Rulebook) -> Iterator[tuple[str, Measure]]:
    for quantity in rulebook.quantities.values():
        if isinstance(quantity, MeasureQuantity):
            value = 0.0 if quantity.words is None else Level.INTERMEDIATE.value
            yield quantity.measure, Measure.exact(value, quantity.unit, "C4-M1")


def _measures(epoch: CaseEpoch) -> Iterator[tuple[str, Measure]]:
    for name, value in epoch.measures.items():
        if isinstance(value, MeasureInDoubt):
            yield name, Measure(value.value, "1", "C4-M1", value.low, value.high)
        else:
            yield name, Measure.exact(value, "1", "C4-M1")
