"""The words that the whole project speaks, as frozen types.

Units stand in the names: ``_s`` seconds from the recording's start, ``_hz`` hertz, ``_uv``
microvolts. An epoch is 30 s and counts from 0 at the recording's start (AASM scoring manual,
section on general rules). Samples are float64 arrays of shape ``(n_samples,)`` in µV; NaN
marks time that was not recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float64]

EPOCH_S = 30.0


class Stage(StrEnum):
    """A sleep stage, or ``?`` for an epoch that is not scored."""

    W = "W"
    N1 = "N1"
    N2 = "N2"
    N3 = "N3"
    R = "R"
    UNSCORED = "?"


SCORED_STAGES = (Stage.W, Stage.N1, Stage.N2, Stage.N3, Stage.R)


class Role(StrEnum):
    """What a channel is for in scoring, whatever its label."""

    FRONTAL = "frontal"
    CENTRAL = "central"
    OCCIPITAL = "occipital"
    LEFT_EYE = "left_eye"
    RIGHT_EYE = "right_eye"
    CHIN = "chin"


EEG_ROLES = (Role.FRONTAL, Role.CENTRAL, Role.OCCIPITAL)


class Phenomenon(StrEnum):
    """Everything that a scoring rationale can say it saw."""

    ALPHA_RHYTHM = "alpha_rhythm"
    EYE_BLINKS = "eye_blinks"
    READING_EYE_MOVEMENTS = "reading_eye_movements"
    RAPID_EYE_MOVEMENTS = "rapid_eye_movements"
    SLOW_EYE_MOVEMENTS = "slow_eye_movements"
    LOW_AMPLITUDE_MIXED_FREQUENCY = "low_amplitude_mixed_frequency"
    THETA_ACTIVITY = "theta_activity"
    VERTEX_SHARP_WAVES = "vertex_sharp_waves"
    K_COMPLEX = "k_complex"
    SLEEP_SPINDLE = "sleep_spindle"
    SLOW_WAVE_ACTIVITY = "slow_wave_activity"
    SAWTOOTH_WAVES = "sawtooth_waves"
    CHIN_TONE = "chin_tone"
    AROUSAL = "arousal"
    MAJOR_BODY_MOVEMENT = "major_body_movement"


# ── recordings ────────────────────────────────────────────────────────────────────────────


class SampleSource(Protocol):
    """Where a channel's samples come from: a file read in pieces, or an array."""

    def read(self, start: int, stop: int) -> Samples:
        """Samples ``start`` to ``stop`` (exclusive), µV, NaN where nothing was recorded."""
        ...


@dataclass(frozen=True, slots=True)
class ArraySource:
    """Samples that are already in memory."""

    samples: Samples

    def read(self, start: int, stop: int) -> Samples:
        return self.samples[start:stop]


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal at its own rate, on the recording's clock.

    Attributes:
        label: the label in the file, or of the derivation ("F4-M1").
        sampling_rate_hz: samples per second of this channel alone.
        n_samples: from the recording's start to its end, gaps included.
        source: where the samples are read from, in µV.
    """

    label: str
    sampling_rate_hz: float
    n_samples: int
    source: SampleSource = field(repr=False, compare=False)

    @classmethod
    def of_array(cls, label: str, sampling_rate_hz: float, samples: Samples) -> Channel:
        """A channel that holds its samples in memory."""
        return cls(label, sampling_rate_hz, len(samples), ArraySource(samples))

    def samples(self, start_s: float = 0.0, end_s: float | None = None) -> Samples:
        """Samples between two times, clipped to the recording; the whole channel by default."""
        start = max(0, round(start_s * self.sampling_rate_hz))
        stop = self.n_samples if end_s is None else round(end_s * self.sampling_rate_hz)
        return self.source.read(start, max(start, min(stop, self.n_samples)))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds from the recording's start."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """A note that the recording carries, such as a stage or "lights off".

    Attributes:
        onset_s: seconds from the recording's start.
        duration_s: 0 where the file gives none.
        text: the note itself. It can hold free text: never log it.
    """

    onset_s: float
    duration_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A polysomnography on one clock.

    Attributes:
        name: the file's name, without folders.
        start: local wall-clock time of the first sample; None where the file gives none.
        duration_s: from the first sample to the last, gaps included.
        channels: as in the file, each at its own rate.
        gaps: time within the recording at which nothing was recorded.
        annotations: in order of onset.
        notes: what a reader of the result must know about how the file was read.
    """

    name: str
    start: datetime | None
    duration_s: float
    channels: tuple[Channel, ...]
    gaps: tuple[Span, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_epochs(self) -> int:
        """Whole epochs; a last part shorter than 30 s is none."""
        return int((self.duration_s + 1e-6) // EPOCH_S)

    def epochs(self) -> Iterator[Epoch]:
        return map(Epoch, range(self.n_epochs))

    def in_gap(self, epoch: Epoch) -> bool:
        """Whether any part of the epoch was not recorded."""
        return any(gap.start_s < epoch.end_s and gap.end_s > epoch.start_s for gap in self.gaps)


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """One 30-s epoch, by its number from 0."""

    index: int

    @property
    def start_s(self) -> float:
        return self.index * EPOCH_S

    @property
    def end_s(self) -> float:
        return self.start_s + EPOCH_S


@dataclass(frozen=True, slots=True)
class Derivation:
    """The channel that fills a role, and how it came to.

    Attributes:
        channel: the signal, referenced as its label says.
        how: a sentence when it is not simply the recommended derivation as recorded
            ("F3-M2 as no F4 was recorded", "F4 minus M1"); empty otherwise.
        bipolar: whether it lies between two electrodes of the scalp, as Fz-Cz does.
    """

    channel: Channel
    how: str = ""
    bipolar: bool = False


@dataclass(frozen=True, slots=True)
class Montage:
    """The recording's channels by role.

    Attributes:
        recording: what the channels are from.
        roles: the roles that could be filled.
        missing: for each other role, why it could not be filled.
    """

    recording: Recording
    roles: Mapping[Role, Derivation]
    missing: Mapping[Role, str]

    def channel(self, role: Role) -> Channel | None:
        derivation = self.roles.get(role)
        return derivation.channel if derivation else None

    def role_of(self, label: str) -> Role | None:
        """The role that the channel of this label fills."""
        return next((r for r, d in self.roles.items() if d.channel.label == label), None)


# ── scorings ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rationale:
    """Why a stager says that it chose a stage.

    Attributes:
        text: its words; empty where it only cites rules.
        applicable_rules: identifiers as cited ("N2.1").
    """

    text: str
    applicable_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoredEpoch:
    """One epoch as a stager scored it.

    Attributes:
        index: the epoch's number from 0.
        stage: ``?`` where it was not scored.
        probabilities: of each stage, summing to 1; None where the stager gives none.
        rationale: None where the stager does not explain this epoch.
        unreadable_reply: what a model answered when it could not be read; None otherwise.
        asked_sha256: of what a model was shown, prompt and images, hexadecimal; None where no
            model was asked.
    """

    index: int
    stage: Stage
    probabilities: Mapping[Stage, float] | None = None
    rationale: Rationale | None = None
    unreadable_reply: str | None = None
    asked_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StagerIdentity:
    """Which program scored, down to its weights.

    Attributes:
        name: "yasa", "scored", …
        version: the stager's version, or "unknown".
        weights_sha256: hexadecimal; None where there are no weights.
    """

    name: str
    version: str
    weights_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Hypnogram:
    """A whole recording as scored: epochs 0, 1, 2, … without holes.

    Attributes:
        stager: who scored.
        epochs: one for each epoch.
        notes: how the scoring came about, as sentences.
        second_opinion: another stager's scoring of the same recording, where one was asked for.
    """

    stager: StagerIdentity
    epochs: tuple[ScoredEpoch, ...]
    notes: tuple[str, ...] = ()
    second_opinion: Hypnogram | None = None

    def __post_init__(self) -> None:
        if any(scored.index != i for i, scored in enumerate(self.epochs)):
            raise ValueError("a hypnogram's epochs count from 0 without holes")

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(scored.stage for scored in self.epochs)

    @property
    def explains(self) -> bool:
        """Whether the stager gives its reasons in words, in any epoch."""
        return any(s.rationale is not None and s.rationale.text for s in self.epochs)


# ── claims ────────────────────────────────────────────────────────────────────────────────


class Polarity(StrEnum):
    """Whether the words assert the phenomenon in this epoch, deny it, or hedge."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


class Level(StrEnum):
    """Chin tone, relative to the night's own floor."""

    LOW = "low"
    INTERMEDIATE = "intermediate"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed range of a quantity; infinite where the words leave an end open."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the epoch: a comparison (``>``, ``>=``, ``<``, ``<=``, ``==``) and a fraction."""

    op: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about one phenomenon in one epoch.

    Attributes:
        phenomenon: what is spoken of.
        polarity: asserted, denied or hedged.
        read: False where the reader could not tell what is said; then nothing is checked.
        level: of chin tone only.
        channels: labels as named in the text.
        spans: times claimed, seconds from the epoch's start; an instant has equal ends.
        frequency_hz, duration_s, amplitude_uv: ranges claimed.
        extent: share of the epoch claimed.
        start, end: character offsets of ``text`` in the rationale; None for a claim that a
            stage implies.
        text: the words quoted; None for a claim that a stage implies.
    """

    phenomenon: Phenomenon
    polarity: Polarity
    read: bool = True
    level: Level | None = None
    channels: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    frequency_hz: Interval | None = None
    duration_s: Interval | None = None
    amplitude_uv: Interval | None = None
    extent: Extent | None = None
    start: int | None = None
    end: int | None = None
    text: str | None = None


# ── evidence ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence of a phenomenon in one channel, or a candidate for one.

    Attributes:
        kind: the phenomenon.
        channel: label of the channel it was found in.
        start_s, end_s: seconds from the recording's start.
        probability: how sure the detector is that it is there, 0 to 1.
        frequency_hz: of its dominant oscillation, where it has one.
        amplitude_uv: peak to peak.
    """

    kind: Phenomenon
    channel: str
    start_s: float
    end_s: float
    probability: float
    frequency_hz: float | None = None
    amplitude_uv: float | None = None

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity of one epoch.

    Attributes:
        value: the best estimate; a word for a level.
        unit: UCUM; "1" for a share or a ratio.
        channel: label of the channel it was measured in.
        low, high: the quantity counted once with what is surely there and once with every
            candidate; equal to the value where detection leaves no doubt.
    """

    value: float | str
    unit: str
    channel: str
    low: float | str
    high: float | str

    @classmethod
    def exact(cls, value: float | str, unit: str, channel: str) -> Measure:
        """A measure that detection leaves no doubt about."""
        return cls(value, unit, channel, value, value)


@dataclass(frozen=True, slots=True)
class EpochEvidence:
    """What was measured in one epoch.

    Attributes:
        index: the epoch's number from 0.
        measures: by name ("alpha_fraction").
        not_assessable: for each phenomenon that could not be measured here, why, as a
            sentence for a physician.
    """

    index: int
    measures: Mapping[str, Measure]
    not_assessable: Mapping[Phenomenon, str]


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """Which channel fills a role and whether its signal is fit for use.

    Attributes:
        label: the channel's label.
        quality: "good", or what is wrong with it over the whole recording.
        how: as in :class:`Derivation`.
    """

    label: str
    quality: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was measured in a recording, candidates included.

    Attributes:
        recording_name, start, n_epochs: of the recording.
        channels: by role.
        missing: roles that could not be filled, and why.
        events: by start.
        epochs: one for each epoch of the recording.
        notes: how the recording was read and what is implausible in it.
    """

    recording_name: str
    start: datetime | None
    channels: Mapping[Role, ChannelReport]
    missing: Mapping[Role, str]
    events: tuple[Event, ...]
    epochs: tuple[EpochEvidence, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_epochs(self) -> int:
        return len(self.epochs)


# ── findings ──────────────────────────────────────────────────────────────────────────────


class Verdict(StrEnum):
    """Kleene's three values: doubt is one of them."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_ASSESSABLE = "not_assessable"


Scalar: TypeAlias = float | str | bool | None


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """What became of a claim when it met the evidence.

    Attributes:
        claim: the claim.
        verdict: whether it holds.
        measured: what was found that decides it, as one number or a few words.
        expected: what would have had to be found.
        reason: one sentence for the physician.
    """

    claim: Claim
    verdict: Verdict
    measured: Scalar
    expected: Scalar
    reason: str


@dataclass(frozen=True, slots=True)
class ConditionFinding:
    """One condition of a rule: measured value beside threshold.

    Attributes:
        id: the condition's name within its rule.
        measured: None where it could not be measured.
        threshold: what it is compared with.
        unit: UCUM unit of both.
        verdict: whether the condition holds.
        reason: why it is not assessable; empty otherwise.
        operator: how the two are compared (">=", "in"); empty where the condition is another
            rule, whose verdict is measured.
    """

    id: str
    measured: Scalar
    threshold: Scalar
    unit: str
    verdict: Verdict
    reason: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """Whether a rule holds in an epoch, whether it was cited, and by which conditions."""

    id: str
    cited: bool
    verdict: Verdict
    conditions: tuple[ConditionFinding, ...]


Finding: TypeAlias = ClaimFinding | RuleFinding


class FlagCode(StrEnum):
    """Why an epoch is put before the physician."""

    CLAIM_CONTRADICTED = "claim-contradicted"
    RULE_NOT_MET = "rule-not-met"
    STAGE_NOT_PERMITTED = "stage-not-permitted"
    OTHER_STAGE_REQUIRED = "other-stage-required"
    SEQUENCE_BROKEN = "sequence-broken"
    REPLY_UNREADABLE = "reply-unreadable"
    RATIONALE_MISSING = "rationale-missing"
    SIGNAL_POOR = "signal-poor"
    SECOND_OPINION_DIFFERS = "second-opinion-differs"
    LOW_CONFIDENCE = "low-confidence"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Flag:
    """One reason to look at an epoch, in a line that a physician understands."""

    code: FlagCode
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class EpochAudit:
    """The audit of one epoch.

    Attributes:
        index: the epoch's number from 0.
        stage: the stage under audit.
        claims, rules: the findings.
        permitted_stages: the stages that some rule leads to, or that could not be ruled out.
        flags: worst first.
        priority: 0 to 1; orders the physician's work list, 1 first.
    """

    index: int
    stage: Stage
    claims: tuple[ClaimFinding, ...]
    rules: tuple[RuleFinding, ...]
    permitted_stages: tuple[Stage, ...]
    flags: tuple[Flag, ...]
    priority: float


@dataclass(frozen=True, slots=True)
class RulebookIdentity:
    """Which rulebook an audit was made with."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a whole scoring.

    Attributes:
        stager: who scored.
        rulebook: by which rules it was audited.
        epochs: one for each scored epoch.
        not_assessable: what the whole recording cannot show, as sentences.
        night_findings: what is wrong with the scoring as a whole, as sentences.
        notes: how recording and scoring were read.
        review_budget: the share of the epochs that a physician has time for, 0 to 1.
    """

    stager: StagerIdentity
    rulebook: RulebookIdentity
    epochs: tuple[EpochAudit, ...]
    not_assessable: tuple[str, ...] = ()
    night_findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    review_budget: float = 1.0

    @property
    def flagged(self) -> tuple[EpochAudit, ...]:
        """The flagged epochs in review order: priority first, then time."""
        return tuple(
            sorted((e for e in self.epochs if e.flags), key=lambda e: (-e.priority, e.index))
        )
