"""What a scenario has told so far: a night, a scorer, and the audit of the one by the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import Rulebook, load_rulebook
from auditor.vocabulary import (
    EPOCH_S,
    Audit,
    Channel,
    EpochAudit,
    Evidence,
    Hypnogram,
    Level,
    Phenomenon,
    Rationale,
    Recording,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from staging.montage import choose_montage
from staging.phantom import render
from staging.phantom_plan import (
    RECOMMENDED_LEADS,
    Lead,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
)

SEED = 4
RATE_HZ = 128
GAIN = 0.6

NAMES = {
    "alpha rhythm": Phenomenon.ALPHA_RHYTHM,
    "eye blink": Phenomenon.EYE_BLINKS,
    "reading eye movements": Phenomenon.READING_EYE_MOVEMENTS,
    "rapid eye movement": Phenomenon.RAPID_EYE_MOVEMENTS,
    "slow eye movements": Phenomenon.SLOW_EYE_MOVEMENTS,
    "vertex sharp wave": Phenomenon.VERTEX_SHARP_WAVES,
    "K complex": Phenomenon.K_COMPLEX,
    "sleep spindle": Phenomenon.SLEEP_SPINDLE,
    "arousal": Phenomenon.AROUSAL,
    "movement": Phenomenon.MAJOR_BODY_MOVEMENT,
    "low-amplitude mixed-frequency activity": Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY,
    "theta activity": Phenomenon.THETA_ACTIVITY,
    "slow wave activity": Phenomenon.SLOW_WAVE_ACTIVITY,
    "chin tone": Phenomenon.CHIN_TONE,
}
"""Phenomena as the features call them."""

SITES = {
    "frontal EEG": (Site.F4,),
    "central EEG": (Site.C4,),
    "occipital EEG": (Site.O2,),
    "eye channels": (Site.E1, Site.E2),
    "chin EMG": (Site.CHIN,),
}


@dataclass
class Story:
    """Told by the given steps, ended by the when step, asked by the then steps."""

    stages: tuple[Stage, ...] = ()
    events: list[PlannedEvent] = field(default_factory=list)
    chin_tone: dict[int, Level] = field(default_factory=dict)
    leads: tuple[Lead, ...] = RECOMMENDED_LEADS
    loose: list[tuple[Site, int]] = field(default_factory=list)
    called: dict[int, Stage] = field(default_factory=dict)
    cited: dict[int, tuple[str, ...]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    confidence: dict[int, float] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)
    second: dict[int, ScoredEpoch] = field(default_factory=dict)
    result: Audit | None = None

    def add(self, kind: Phenomenon, epoch: int, at_s: float, **changes: float) -> None:
        start_s = epoch * EPOCH_S + at_s
        self.events.append(PlannedEvent.typical(kind, start_s, **changes))

    def without(self, sites: tuple[Site, ...]) -> None:
        self.leads = tuple(lead for lead in self.leads if lead.site not in sites)

    def hypnogram(self) -> Hypnogram:
        scored = tuple(map(self._scored, self._indices()))
        return Hypnogram(
            StagerIdentity("scorer", "1"), scored, second_opinion=self.second_hypnogram()
        )

    def second_hypnogram(self) -> Hypnogram | None:
        if not self.second:
            return None
        scored = (self.second.get(i, ScoredEpoch(i, self.stages[i])) for i in self._indices())
        return Hypnogram(StagerIdentity("second", "1"), tuple(scored))

    def _indices(self) -> range:
        return range(len(self.stages))

    def _scored(self, index: int) -> ScoredEpoch:
        if index in self.unreadable:
            return ScoredEpoch(index, Stage.UNSCORED, unreadable_reply=self.unreadable[index])
        stage = self.called.get(index, self.stages[index])
        given = self.confidence.get(index)
        text, cited = self.texts.get(index, ""), self.cited.get(index, ())
        return ScoredEpoch(
            index,
            stage,
            None if given is None else {stage: given},
            Rationale(text, cited) if text or cited else None,
        )

    def end(self, profile: str | None = None) -> None:
        evidence = measured(
            self.stages,
            tuple(self.events),
            tuple(sorted(self.chin_tone.items())),
            self.leads,
            tuple(self.loose),
        )
        book = rulebook(profile)
        self.result = audit(self.hypnogram(), evidence, book)

    @property
    def audit(self) -> Audit:
        assert self.result is not None, "the scoring has not been audited"
        return self.result

    def epoch(self, index: int) -> EpochAudit:
        return self.audit.epochs[index]


@cache
def rulebook(profile: str | None) -> Rulebook:
    return load_rulebook(profile=profile)


@cache
def measured(
    stages: tuple[Stage, ...],
    events: tuple[PlannedEvent, ...],
    chin_tone: tuple[tuple[int, Level], ...],
    leads: tuple[Lead, ...],
    loose: tuple[tuple[Site, int], ...],
) -> Evidence:
    """The evidence of a night; the same night is measured once for all scenarios."""
    plan = NightPlan.of(stages, events, chin_tone=dict(chin_tone))
    settings = PhantomSettings(sampling_rate_hz=RATE_HZ, leads=leads, gain=GAIN)
    recording = render(plan, settings, SEED).recording
    for site, epoch in loose:
        label = next(lead.label for lead in leads if lead.site is site)
        recording = _with_flat_epoch(recording, label, epoch)
    return measure(choose_montage(recording))


def _with_flat_epoch(recording: Recording, label: str, epoch: int) -> Recording:
    """The recording with a channel that shows nothing in one epoch."""
    return replace(
        recording,
        channels=tuple(
            _flat(channel, epoch) if channel.label == label else channel
            for channel in recording.channels
        ),
    )


def _flat(channel: Channel, epoch: int) -> Channel:
    samples = channel.samples().copy()
    first = round(epoch * EPOCH_S * channel.sampling_rate_hz)
    samples[first : first + round(EPOCH_S * channel.sampling_rate_hz)] = 0.0
    return Channel.of_array(channel.label, channel.sampling_rate_hz, samples)
