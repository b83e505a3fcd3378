"""Scorings from elsewhere: another stager's, a model's replies, or a person's.

Read in any of their forms, and put behind the stager's protocol like every other stager.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from auditor.claims import LONGEST_RATIONALE
from auditor.errors import RecordingRefused, ScoringRefused, UsageError, os_reason
from auditor.vocabulary import (
    Hypnogram,
    Montage,
    Rationale,
    ScoredEpoch,
    Stage,
    StagerIdentity,
    Verdict,
)
from connector.plain_text import plain_label, plain_prose
from staging.stager import Progress

_M = TypeVar("_M", bound=BaseModel)

PROBABILITY_TOLERANCE = 0.02
"""How far stage probabilities may be from summing to 1: they are often rounded to 2 digits."""

LONGEST_FILE_BYTES = 1 << 28
"""A week of 30-s epochs with 10 kB said of each; what is longer is no scoring."""

_REMEDY = "give JSON Lines or an array of {epoch, sleep_stage}, or an EDF+ hypnogram"


def _as_list(value: object) -> object:
    """Cited rules also come as one comma-separated text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _short_enough(text: str) -> str:
    """Looked at once characters that are none are gone, which pydantic's own limit trips over."""
    if len(text) > LONGEST_RATIONALE:
        raise ValueError(f"it should have at most {LONGEST_RATIONALE} characters")
    return text


_Label = Annotated[str, AfterValidator(plain_label)]
_Prose = Annotated[str, AfterValidator(plain_prose)]
_Rationale = Annotated[_Prose, AfterValidator(_short_enough)]


class _Row(BaseModel):
    """One epoch of a scoring file."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    epoch: Annotated[int, Field(ge=0, strict=True)]
    sleep_stage: Stage
    reasoning_text: _Rationale | None = None
    applicable_rules: Annotated[tuple[_Label, ...], BeforeValidator(_as_list)] = ()
    probabilities: dict[Stage, Annotated[float, Field(ge=0, le=1)]] | None = None
    unreadable_reply: _Prose | None = None


class _Stages(BaseModel):
    """A bare list of stages."""

    epoch_seconds: Literal[30]
    stages: tuple[Stage, ...]


class _StagerRow(BaseModel):
    name: _Label
    version: _Label
    weights_sha256: _Label | None = None


class _AuditedRule(BaseModel):
    id: _Label
    cited: bool


class _AuditedClaim(BaseModel):
    verdict: Verdict


class _AuditRow(BaseModel):
    epoch: Annotated[int, Field(ge=0)]
    stage: Stage
    rules: tuple[_AuditedRule, ...] = ()
    claims: tuple[_AuditedClaim, ...] = ()


class _AuditDocument(BaseModel):
    """What an Audit JSON says about the scoring that it audited."""

    stager: _StagerRow
    epochs: tuple[_AuditRow, ...]


@dataclass(frozen=True, slots=True)
class Scoring:
    """A scoring as a file gives it: epochs in order, possibly with holes.

    Attributes:
        stager: who made it, where the file says.
        epochs: by index, each once.
        audited_rules: by index, the rules of the rulebook that each epoch cites; of an Audit
            JSON, which does not keep what else was said.
        claim_verdicts: what the audit made of each claim; of an Audit JSON.
    """

    stager: StagerIdentity
    epochs: tuple[ScoredEpoch, ...]
    audited_rules: Mapping[int, frozenset[str]] = field(default_factory=dict)
    claim_verdicts: tuple[Verdict, ...] = ()

    @property
    def stages(self) -> Mapping[int, Stage]:
        return {scored.index: scored.stage for scored in self.epochs}

    @property
    def cited_rules(self) -> Mapping[int, frozenset[str]]:
        """By index, the rules that each epoch cites; without those that cite none."""
        cited = {
            scored.index: frozenset(scored.rationale.applicable_rules)
            for scored in self.epochs
            if scored.rationale is not None
        }
        return {index: rules for index, rules in {**cited, **self.audited_rules}.items() if rules}


FOREIGN_STAGER = StagerIdentity("scored", "unknown")
"""A scoring from elsewhere whose maker is not named in it."""


def read_scoring(path: Path) -> Scoring:
    """Reads a scoring in any of the accepted forms.

    JSON Lines or an array of ``{"epoch", "sleep_stage", …}``, ``{"epoch_seconds": 30,
    "stages": […]}``, an Audit JSON, or an EDF+ file with stage annotations.

    Raises:
        ScoringRefused: the file cannot be read as a scoring; says where and why.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start in (b"0       ", b"\xffBIOSEMI"):
                return _read_edf_hypnogram(path)
            content = start + file.read(LONGEST_FILE_BYTES)
    except IsADirectoryError:
        raise ScoringRefused(path, "is a folder, not a scoring file", _REMEDY) from None
    except OSError as error:
        problem = f"cannot be read ({os_reason(error)})"
        raise ScoringRefused(path, problem, "check the name and the permissions") from None
    if len(content) > LONGEST_FILE_BYTES:
        raise ScoringRefused(path, f"is longer than {LONGEST_FILE_BYTES >> 20} MiB", _REMEDY)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScoringRefused(path, "is neither UTF-8 text nor EDF+", _REMEDY) from None
    if not text.strip():
        raise ScoringRefused(path, "is empty", _REMEDY)
    return _parse_scoring(path, text)


def _parse_scoring(path: Path, text: str) -> Scoring:
    try:
        document = _json(path, text)
    except ValueError:
        return _of_rows(path, list(_json_lines(path, text)))
    if isinstance(document, list):
        return _of_rows(path, [(f"entry {i}", row) for i, row in enumerate(document)])
    if isinstance(document, dict) and "stages" in document:
        bare = _validated(path, "", _Stages, document)
        epochs = tuple(ScoredEpoch(i, stage) for i, stage in enumerate(bare.stages))
        return _non_empty(path, Scoring(FOREIGN_STAGER, epochs))
    if isinstance(document, dict) and "epochs" in document:
        audit = _validated(path, "", _AuditDocument, document)
        rows = [
            (f"entry {i}", {"epoch": row.epoch, "sleep_stage": row.stage})
            for i, row in enumerate(audit.epochs)
        ]
        return Scoring(
            StagerIdentity(**audit.stager.model_dump()),
            _of_rows(path, rows).epochs,
            {
                row.epoch: frozenset(rule.id for rule in row.rules if rule.cited)
                for row in audit.epochs
            },
            tuple(claim.verdict for row in audit.epochs for claim in row.claims),
        )
    if isinstance(document, dict):
        return _of_rows(path, [("line 1", document)])
    raise ScoringRefused(path, f"holds a JSON {type(document).__name__}", _REMEDY)


def _json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ScoringRefused(path, "holds JSON nested too deeply", _REMEDY) from None


def _json_lines(path: Path, text: str) -> Iterable[tuple[str, object]]:
    # Not splitlines(), which also splits at U+2028 and others that may stand within a JSON string.
    for number, line in enumerate(re.split(r"\r\n|[\r\n]", text), start=1):
        if line.strip():
            try:
                yield f"line {number}", _json(path, line)
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "not a value"
                raise ScoringRefused(
                    path, f"line {number} is not JSON ({reason})", _REMEDY
                ) from None


def _of_rows(path: Path, rows: Sequence[tuple[str, object]]) -> Scoring:
    epochs: dict[int, ScoredEpoch] = {}
    for where, content in rows:
        row = _validated(path, where, _Row, content)
        if row.epoch in epochs:
            raise ScoringRefused(
                path, f"{where}: epoch {row.epoch} is scored twice", "keep one of the two"
            )
        epochs[row.epoch] = ScoredEpoch(
            row.epoch,
            row.sleep_stage,
            _probabilities(path, where, row.probabilities),
            _rationale(row),
            row.unreadable_reply,
        )
    return _non_empty(
        path, Scoring(FOREIGN_STAGER, tuple(epochs[index] for index in sorted(epochs)))
    )


def _non_empty(path: Path, scoring: Scoring) -> Scoring:
    if not scoring.epochs:
        raise ScoringRefused(path, "scores no epoch", _REMEDY)
    return scoring


def _rationale(row: _Row) -> Rationale | None:
    if row.reasoning_text is None and not row.applicable_rules:
        return None
    return Rationale(row.reasoning_text or "", row.applicable_rules)


def _probabilities(
    path: Path, where: str, given: dict[Stage, float] | None
) -> Mapping[Stage, float] | None:
    if not given:
        return None
    total = sum(given.values())
    if abs(total - 1) > PROBABILITY_TOLERANCE:
        raise ScoringRefused(
            path, f"{where}, probabilities: sum to {total:.3g}, not 1", "normalise them"
        )
    return {stage: value / total for stage, value in given.items()}


def _validated(path: Path, where: str, model: type[_M], content: object) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Pydantic puts a wrong key itself there, which may be anything, a name too.
        location = first["loc"][:-2] if first["loc"][-1:] == ("[key]",) else first["loc"]
        place = ", ".join([where, *(str(part) for part in location)]).strip(", ")
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise ScoringRefused(path, problem, "see the README's scoring file") from None


def _read_edf_hypnogram(path: Path) -> Scoring:
    from connector.edf import read_annotations
    from connector.stage_annotations import stages_from_annotations

    try:
        annotations = read_annotations(path)
    except RecordingRefused as refused:
        raise ScoringRefused(path, refused.problem, refused.remedy) from None
    stages = stages_from_annotations(annotations)
    if not stages:
        raise ScoringRefused(
            path, "carries no annotation that names a sleep stage", "score it in EDF+ first"
        )
    return Scoring(FOREIGN_STAGER, tuple(ScoredEpoch(i, s) for i, s in enumerate(stages)))


@dataclass(frozen=True, slots=True)
class ScoredStager:
    """Gives a scoring that already exists, fitted to the recording's epochs."""

    scoring: Scoring

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """See :class:`staging.stager.Stager`; what did not fit stands in the notes."""
        progress("stage", 1.0)
        return fit_to_recording(self.scoring, montage.recording.n_epochs)


def make(model: str | None) -> ScoredStager:
    """The stager ``scored``, whose model is the path of a scoring."""
    if model is None:
        raise UsageError("the stager 'scored' needs the scoring's path as --model")
    return ScoredStager(read_scoring(Path(model)))


def fit_to_recording(scoring: Scoring, n_epochs: int) -> Hypnogram:
    """The scoring as a hypnogram of exactly the recording's epochs; says what did not fit."""
    by_index = {scored.index: scored for scored in scoring.epochs}
    missing = [i for i in range(n_epochs) if i not in by_index]
    beyond = [i for i in by_index if i >= n_epochs]
    notes = []
    if missing:
        notes.append(f"the scoring leaves out {len(missing)} of {n_epochs} epochs")
    if beyond:
        notes.append(
            f"the scoring has {len(beyond)} epochs beyond the recording's {n_epochs}; "
            "they are not audited"
        )
    epochs = (by_index.get(i, ScoredEpoch(i, Stage.UNSCORED)) for i in range(n_epochs))
    return Hypnogram(scoring.stager, tuple(epochs), tuple(notes))
