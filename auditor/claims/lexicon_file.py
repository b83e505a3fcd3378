"""The shape of a lexicon file, as ``rules/lexicon/en.yaml`` explains it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from auditor.claims.senses import OF_WORDS
from auditor.vocabulary import Level, Phenomenon

Group: TypeAlias = Literal["background", "eyes", "sleep_waves", "muscle", "movement"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _PhenomenonEntry(_Strict):
    group: Group
    names: list[str]
    descriptions: list[str] = []


class _EyesEntry(_Strict):
    heads: list[str]
    signals: list[str]
    bare_heads: list[str]
    kinds: dict[Phenomenon, list[str]]
    described: dict[Phenomenon, list[str]]
    neutral: list[str]


class _ChinEntry(_Strict):
    muscles: list[str]
    tone: list[str]
    after_a_muscle: list[str]
    gone: list[str]
    levels: dict[Level, list[str]]
    vague: list[str]
    compared: list[str]
    moves: list[str]


class _ShareEntry(_Strict):
    op: Literal[">", ">=", "<", "<=", "=="]
    fraction: float
    words: list[str]


class QuantitiesEntry(_Strict):
    seconds: dict[str, float]
    hertz: dict[str, float]
    microvolts: dict[str, float]
    percent: list[str]
    numbers: dict[str, float]
    fractions: dict[str, float]
    to: list[str]
    compare: dict[Literal[">", ">=", "<", "<=", "==", "between"], list[str]]
    shares: list[_ShareEntry]
    epoch: list[str]
    lasting: list[str]
    long: list[str]
    part: list[str]
    from_here: list[str]
    up_to_here: list[str]
    mark: list[str]
    first: list[str]
    last: list[str]


class _ChannelsEntry(_Strict):
    leads: list[str]
    references: list[str]
    eyes: list[str]
    muscles: list[str]


class LexiconFile(_Strict):
    language: str
    phenomena: dict[Phenomenon, _PhenomenonEntry]
    after_a_name: list[str]
    likeness: list[str]
    candidate: list[str]
    freedom: list[str]
    criterion: list[str]
    eyes: _EyesEntry
    chin: _ChinEntry
    words: dict[str, list[str]]
    quantities: QuantitiesEntry
    channels: _ChannelsEntry
    abbreviations: list[str]
    foreign: list[str]

    @model_validator(mode="after")
    def _is_whole(self) -> LexiconFile:
        named = {*self.phenomena, *self.eyes.kinds, Phenomenon.CHIN_TONE}
        if nameless := set(Phenomenon) - named:
            raise ValueError(f"phenomena: no names for {', '.join(sorted(nameless))}")
        if missing := {str(s) for s in OF_WORDS} - set(self.words):
            raise ValueError(f"words: the list {', '.join(sorted(missing))} is missing")
        if unknown := set(self.words) - {str(s) for s in OF_WORDS}:
            raise ValueError(f"words: there is no list {', '.join(sorted(unknown))}")
        return self
