"""What the rulebook's YAML files may say: the shape of each kind of file.

``rules/rule.schema.json`` is made from :class:`RuleDocument`, for editors and for auditors;
``python -m auditor.rule_schema > rules/rule.schema.json`` writes it anew.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from auditor.vocabulary import FlagCode, Level, Phenomenon, Polarity, Role, Severity, Stage

ScoredStage = Literal[Stage.W, Stage.N1, Stage.N2, Stage.N3, Stage.R]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
RuleId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*\.[0-9]+$")]

FOLLOWING = "following"
"""The stage of a rule that scores an epoch as the one after it."""


class Document(BaseModel):
    """The base of all: no unknown keys, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ── conditions ────────────────────────────────────────────────────────────────────────────


class Parameter(Document):
    """A named threshold."""

    value: float
    unit: str = Field(description='UCUM; "1" for a share, a ratio or a count')
    why: str = Field(default="", description="what the number means")
    source: str = Field(default="", description="where the number is from, if not the rule's own")


class LeafDocument(Document):
    """One comparison: measured value, operator, threshold."""

    id: Name
    expr: str = Field(description="CEL: quantities of rules/quantities.yaml, one comparison")
    params: dict[Name, Parameter] = {}


class AllDocument(Document):
    """All of these hold."""

    all: list[ConditionDocument] = Field(min_length=1)


class AnyDocument(Document):
    """At least one of these holds."""

    any: list[ConditionDocument] = Field(min_length=1)


class AtLeastDocument(Document):
    """At least so many of these hold."""

    at_least: int = Field(ge=1)
    of: list[ConditionDocument] = Field(min_length=1)


class NotDocument(Document):
    """This does not hold."""

    not_: ConditionDocument = Field(alias="not")


class RuleHoldsDocument(Document):
    """Another rule holds in this epoch, or somewhere in the unbroken run of a stage around it."""

    id: Name | None = None
    rule: RuleId
    in_run_of: ScoredStage | None = None


def _condition_kind(value: Any) -> str:
    """The key that tells which kind of condition is written; an unknown one reads as a leaf."""
    if isinstance(value, dict):
        for key in ("all", "any", "at_least", "not", "rule"):
            if key in value:
                return key
    return "leaf"


ConditionDocument = Annotated[
    Annotated[AllDocument, Tag("all")]
    | Annotated[AnyDocument, Tag("any")]
    | Annotated[AtLeastDocument, Tag("at_least")]
    | Annotated[NotDocument, Tag("not")]
    | Annotated[RuleHoldsDocument, Tag("rule")]
    | Annotated[LeafDocument, Tag("leaf")],
    Discriminator(_condition_kind),
]


# ── rules ─────────────────────────────────────────────────────────────────────────────────


class Source(Document):
    """Where a rule is from."""

    standard: str
    version: str
    section: str
    checked: bool = Field(description="whether it was compared with a licensed copy")


class ExtentDocument(Document):
    op: Literal[">", ">=", "<", "<=", "=="]
    fraction: Probability


class ImpliedClaim(Document):
    """What a scorer who applies the rule says about the epoch, though no words say it."""

    phenomenon: Phenomenon
    polarity: Polarity = Polarity.PRESENT
    level: Level | None = None
    extent: ExtentDocument | None = None
    spans_s: list[tuple[float, float]] = Field(
        default=[], description="seconds from the epoch's start; may reach into its neighbours"
    )


class OneOf(Document):
    """One of these claims is enough."""

    one_of: list[ImpliedClaim] = Field(min_length=2)


def _implied_kind(value: Any) -> str:
    return "one_of" if isinstance(value, dict) and "one_of" in value else "claim"


ImpliedDocument = Annotated[
    Annotated[ImpliedClaim, Tag("claim")] | Annotated[OneOf, Tag("one_of")],
    Discriminator(_implied_kind),
]


class OutcomeDocument(Document):
    """A stage that the rule leads to, and when."""

    stage: ScoredStage | Literal["following"]
    holds_when: ConditionDocument


class RuleDocument(Document):
    """One rule, one file.

    Either ``stage`` and ``holds_when``, or ``outcomes`` for a rule that leads to several stages.
    """

    id: RuleId
    title: str
    statement: str
    source: Source
    stage: ScoredStage | Literal["following"] | None = None
    holds_when: ConditionDocument | None = None
    outcomes: list[OutcomeDocument] = []
    needs: list[Role] = Field(description="channels without which it cannot be assessed")
    decides_alone: bool = Field(
        default=False, description="where it holds, no other stage may be scored"
    )
    continues: Name | None = Field(
        default=None, description="the condition that says what the rule continues"
    )
    implies: list[ImpliedDocument] = []
    choices: list[str] = Field(
        default=[], description="readings of the standard that a hospital may want to change"
    )
    known_limits: list[str] = []

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> RuleDocument:
        whole = self.stage is not None and self.holds_when is not None
        partly = self.stage is not None or self.holds_when is not None
        if partly is bool(self.outcomes) or partly is not whole:
            raise ValueError("a rule has either stage and holds_when, or outcomes")
        return self


# ── quantities ────────────────────────────────────────────────────────────────────────────


class MeasureQuantity(Document):
    """A measure of the epoch, as a number or as a word."""

    says: str
    unit: str
    measure: Name
    phenomenon: Phenomenon = Field(description="whose assessability decides")
    at_most: float | None = Field(default=None, description="the largest number it can be")
    words: list[str] | None = Field(default=None, description="all it can be, if it is a word")


class Apart(Document):
    """Leaves out what lies by another phenomenon."""

    phenomenon: Phenomenon
    within_s: float = Field(ge=0.0, description="the widest gap that still counts as beside")


class CountQuantity(Document):
    """How many events, however many channels show each of them.

    An event belongs to the epoch, and to the half of it, that holds its middle.
    """

    says: str
    unit: Literal["1"] = "1"
    count: Phenomenon
    apart_from: Apart | None = None


class ShareQuantity(Document):
    """The share of the time in which such events go on."""

    says: str
    unit: Literal["1"] = "1"
    share: tuple[Phenomenon, ...] = Field(min_length=1)
    joined_within_s: float = Field(
        default=0.0, ge=0.0, description="a shorter pause between two events is part of them"
    )


class EpochsQuantity(Document):
    """In how many epochs of the whole recording a measure reaches a value."""

    says: str
    unit: Literal["1"] = "1"
    epochs_where: Name = Field(description="the measure quantity")
    reaches: Parameter


class GapQuantity(Document):
    """The length of the time around the epoch in which no such event begins or ends."""

    says: str
    unit: Literal["s"] = "s"
    gap_between: tuple[Phenomenon, ...] = Field(min_length=1)


def _quantity_kind(value: Any) -> str:
    if isinstance(value, dict):
        for key in ("count", "share", "epochs_where", "gap_between"):
            if key in value:
                return key
    return "measure"


QuantityDocument = Annotated[
    Annotated[MeasureQuantity, Tag("measure")]
    | Annotated[CountQuantity, Tag("count")]
    | Annotated[ShareQuantity, Tag("share")]
    | Annotated[EpochsQuantity, Tag("epochs_where")]
    | Annotated[GapQuantity, Tag("gap_between")],
    Discriminator(_quantity_kind),
]


class QuantitiesDocument(Document):
    """``rules/quantities.yaml``."""

    quantities: dict[Name, QuantityDocument]


# ── the book and its other files ──────────────────────────────────────────────────────────


class ProfileDocument(Document):
    """A variant of the rulebook: rules of its own in place of those of the same identifier."""

    title: str
    why: str
    replaces: dict[RuleId, str] = Field(default={}, description="rule → file within rules/")


class RulebookDocument(Document):
    """``rules/rulebook.yaml``."""

    title: str
    version: str
    profile: str = Field(description="the profile in use unless another is asked for")
    language: str = Field(default="en", description="that rationales are written in")
    profiles: dict[str, ProfileDocument]
    rules: list[RuleId] = Field(description="in the order in which they are listed and tried")

    @model_validator(mode="after")
    def _profile_exists(self) -> RulebookDocument:
        if self.profile not in self.profiles:
            raise ValueError(f"profile {self.profile} is not among profiles")
        return self


class Tolerances(Document):
    """How far words may be from measurements and still be right."""

    time_s: Parameter
    faint_time_s: Parameter = Field(description="of what is clearly not there, nearly")
    frequency_hz: Parameter
    duration_factor: Parameter
    amplitude_factor: Parameter
    extent_agrees: Parameter
    extent_differs: Parameter


class SeveralTimes(Document):
    """A claim of several times ("at 5, 10 and 15 s") is taken as a whole."""

    holds_from: Parameter = Field(description="share of its times with an event surely there")
    fails_from: Parameter = Field(description="share of its times without any candidate")


class Amount(Document):
    """A measure that tells whether, and how much of, a phenomenon an epoch shows."""

    quantity: Name
    present_from: Parameter = Field(description="less than this is not there")
    absent_below: Parameter = Field(description="words that deny it are wrong from here")


class PhenomenonDocument(Document):
    """How claims of one phenomenon are checked: by its events, by an amount, or by a level."""

    say: str = Field(description="what a physician calls one of it")
    all: str = Field(default="", description="what a physician calls all of it, if not the same")
    seen_in: list[Role] = Field(description="regions that can show it")
    has_events: bool = Field(default=True, description="whether it is found at times at all")
    amount: Amount | None = None
    extent: Name | None = Field(default=None, description="the quantity that is its extent")
    level: Name | None = Field(default=None, description="the quantity that is its level")
    band_hz: tuple[float, float] | None = Field(default=None, description="by its definition")


class TemplatingDocument(Document):
    """From when on a night's rationales repeat themselves more than sleep does."""

    least_epochs: Parameter
    share: Parameter


class ClaimsDocument(Document):
    """``rules/claims.yaml``."""

    templating: TemplatingDocument
    tolerances: Tolerances
    presence_wrong_below: Parameter = Field(description="probability of all that could be meant")
    denial_wrong_from: Parameter = Field(description="probability of the event that is denied")
    several_times: SeveralTimes
    electrodes: dict[Role, list[str]] = Field(description="what labels of each region begin with")
    beside: dict[Role, list[Role]] = Field(description="where else a doubtful event may be seen")
    phenomena: dict[Phenomenon, PhenomenonDocument]

    @model_validator(mode="after")
    def _every_phenomenon(self) -> ClaimsDocument:
        missing = [kind.value for kind in Phenomenon if kind not in self.phenomena]
        if missing:
            raise ValueError(f"phenomena has nothing for {', '.join(missing)}")
        return self


class Points(Document):
    """What one sign adds to the risk, in log-odds."""

    points: float
    why: str


class FlagDocument(Points):
    severity: Severity


class Risk(Document):
    """The sum of points of all signs in an epoch, as a probability, is its priority."""

    base: Points
    no_rule_holds: Points
    not_confident: Points = Field(description="times 1 − the probability of the stage")
    transition: Points
    disagreement: Points = Field(description="times a second stager's probability of its stage")


class TriageDocument(Document):
    """``rules/triage.yaml``."""

    review_budget: Parameter
    low_confidence_below: Parameter
    whole_recording_from: Parameter
    flags: dict[FlagCode, FlagDocument]
    risk: Risk

    @model_validator(mode="after")
    def _every_flag(self) -> TriageDocument:
        missing = [code.value for code in FlagCode if code not in self.flags]
        if missing:
            raise ValueError(f"flags has nothing for {', '.join(missing)}")
        return self


if __name__ == "__main__":
    print(json.dumps(RuleDocument.model_json_schema(), indent=2))
