"""What a simulated night is made of: the person, the electrodes, and what happens when.

A :class:`NightPlan` is the whole truth about a night before a single sample is drawn. It comes
from :func:`staging.phantom_night.plan_night`, or is written by hand: stages, and events at exact
times and amplitudes on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from auditor.vocabulary import EPOCH_S, Level, Phenomenon, Role, Stage

# ── electrodes ────────────────────────────────────────────────────────────────────────────


class Site(StrEnum):
    """Where an electrode sits: 10–20 positions, eyes, mastoids, chin."""

    FPZ = "Fpz"
    F3 = "F3"
    F4 = "F4"
    FZ = "Fz"
    C3 = "C3"
    C4 = "C4"
    CZ = "Cz"
    O1 = "O1"
    O2 = "O2"
    OZ = "Oz"
    E1 = "E1"
    E2 = "E2"
    M1 = "M1"
    M2 = "M2"
    CHIN = "chin"


@dataclass(frozen=True, slots=True)
class Lead:
    """One recorded channel.

    Attributes:
        label: as it stands in the file.
        site: the exploring electrode; the chin counts as one site, bipolar in itself.
        references: electrodes whose mean is subtracted; none for a channel that was recorded
            against an electrode far from everything simulated here.
    """

    label: str
    site: Site
    references: tuple[Site, ...] = ()


CHIN_LEAD = Lead("Chin 1-2", Site.CHIN)

RECOMMENDED_LEADS = (
    Lead("F4-M1", Site.F4, (Site.M1,)),
    Lead("C4-M1", Site.C4, (Site.M1,)),
    Lead("O2-M1", Site.O2, (Site.M1,)),
    Lead("E1-M2", Site.E1, (Site.M2,)),
    Lead("E2-M2", Site.E2, (Site.M2,)),
    CHIN_LEAD,
)
"""The derivations that the AASM scoring manual recommends (technical rules, EEG, EOG, EMG)."""

UNREFERENCED_LEADS = (
    *(Lead(s.value, s) for s in (Site.F4, Site.C4, Site.O2, Site.M1, Site.M2, Site.E1, Site.E2)),
    CHIN_LEAD,
)
"""Every electrode by itself, to be re-referenced by the reader."""

LINKED_EAR_LEADS = (
    *(Lead(f"{s}-LER", s, (Site.M1, Site.M2)) for s in (Site.F4, Site.C4, Site.O2)),
    *(Lead(f"{s}-LER", s, (Site.M1, Site.M2)) for s in (Site.E1, Site.E2)),
    CHIN_LEAD,
)


class EyePlacement(StrEnum):
    """Where the eye electrodes sit (AASM scoring manual, technical rules, EOG).

    Recommended: E1 below and E2 above the outer canthus, so that vertical movements are out of
    phase too. Alternative: both below, so that vertical movements are in phase.
    """

    RECOMMENDED = "recommended"
    ALTERNATIVE = "alternative"


FRONT = (Site.F4, Site.F3, Site.FZ, Site.FPZ)
CENTRE = (Site.C4, Site.C3, Site.CZ)
BACK = (Site.O2, Site.O1, Site.OZ)
EYES = (Site.E1, Site.E2)

FOCUS_SITES: Mapping[Role, tuple[Site, ...]] = {
    Role.FRONTAL: FRONT,
    Role.CENTRAL: CENTRE,
    Role.OCCIPITAL: BACK,
    Role.LEFT_EYE: (Site.E1,),
}
"""The electrodes over each region where an event can be largest."""


# ── settings ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PhantomSettings:
    """How a night is simulated. Amplitude factors multiply what the person drawn has.

    Attributes:
        hours: length of the recording, rounded down to whole epochs.
        sampling_rate_hz: of every channel; a whole number of at least 64.
        leads: the channels.
        eye_placement: where the eye electrodes sit.
        inverted: every EEG and eye channel is recorded upside down.
        gain: factor on everything that comes from the head.
        spindle_amplitude, k_complex_amplitude, slow_wave_amplitude: factors; a slow-wave factor
            well below 1 makes the night of an old person, with little N3.
        alpha_producer: whether closed eyes bring alpha; None draws it from the seed.
        noise_uv: amplifier and electrode noise, root mean square of each electrode.
        mains_hz, mains_uv: whole frequency and amplitude (peak) of the power line's leak.
        disturbances_per_hour: electrode pops, short movements and sweating, together.
    """

    hours: float = 8.0
    sampling_rate_hz: int = 256
    leads: tuple[Lead, ...] = RECOMMENDED_LEADS
    eye_placement: EyePlacement = EyePlacement.RECOMMENDED
    inverted: bool = False
    gain: float = 1.0
    spindle_amplitude: float = 1.0
    k_complex_amplitude: float = 1.0
    slow_wave_amplitude: float = 1.0
    alpha_producer: bool | None = None
    noise_uv: float = 0.7
    mains_hz: int = 50
    mains_uv: float = 0.5
    disturbances_per_hour: float = 4.0

    def __post_init__(self) -> None:
        if self.sampling_rate_hz < 64 or self.sampling_rate_hz != int(self.sampling_rate_hz):
            raise ValueError("a phantom's sampling rate is a whole number of at least 64 Hz")
        if self.n_epochs < 1:
            raise ValueError("a phantom lasts at least one epoch")

    @property
    def n_epochs(self) -> int:
        return int(self.hours * 3600 / EPOCH_S + 1e-6)

    @classmethod
    def typical(cls, hours: float = 8.0) -> PhantomSettings:
        """A cooperative sleeper in a well-kept laboratory."""
        return cls(hours=hours)

    @classmethod
    def hard(cls, hours: float = 8.0) -> PhantomSettings:
        """Weaker signs in a noisier recording, at another gain."""
        return cls(
            hours=hours,
            gain=0.8,
            spindle_amplitude=0.8,
            k_complex_amplitude=0.85,
            slow_wave_amplitude=1.1,
            noise_uv=2.0,
            mains_uv=3.0,
            disturbances_per_hour=12.0,
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """One person. The defaults are an average; a night from a seed draws its own.

    Attributes:
        alpha_producer: whether closed eyes bring alpha over the occiput.
        alpha_hz, alpha_uv: of that alpha; µV peak to peak.
        spindle_hz: of the fast spindles over the centre; slow ones lie 1.3 Hz below.
        spindle_uv, k_complex_uv, slow_wave_uv, rapid_eye_movement_uv: typical, peak to peak.
        spindles_per_min, k_complexes_per_min: in N2.
        background_db, delta_db, theta_db, beta_db: how this person's background differs from
            the average, over all and by band.
        chin_floor_uv: root mean square of the chin EMG at its lowest.
        chin_ratio: tone by stage, relative to that floor.
        ecg_uv: peak of the R wave's leak into the channels referenced to a mastoid.
        heart_rate_hz: beats per second.
        fragmentation: 1 on average; how often sleep is broken.
    """

    alpha_producer: bool = True
    alpha_hz: float = 9.8
    alpha_uv: float = 42.0
    spindle_hz: float = 13.3
    spindle_uv: float = 34.0
    k_complex_uv: float = 140.0
    slow_wave_uv: float = 115.0
    rapid_eye_movement_uv: float = 95.0
    spindles_per_min: float = 5.0
    k_complexes_per_min: float = 1.3
    background_db: float = 0.0
    delta_db: float = 0.0
    theta_db: float = 0.0
    beta_db: float = 0.0
    chin_floor_uv: float = 1.4
    chin_ratio: Mapping[Stage, float] = field(
        default_factory=lambda: MappingProxyType(
            {Stage.W: 6.5, Stage.N1: 3.0, Stage.N2: 2.5, Stage.N3: 2.0, Stage.R: 1.05}
        )
    )
    ecg_uv: float = 0.0
    heart_rate_hz: float = 1.05
    fragmentation: float = 1.0


# ── what happens ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One occurrence of a phenomenon, to be drawn exactly so.

    Attributes:
        kind: the phenomenon. A slow wave is one wave; alpha, slow eye movements, reading eye
            movements and sawtooth waves are runs.
        start_s: seconds from the recording's start.
        duration_s: from the first deflection to the last.
        amplitude_uv: peak to peak where it is largest; of eye movements, in the left eye's channel.
        frequency_hz: of the oscillation; None where it has none.
        focus: the region where it is largest; None for the one that is usual for its kind.
        direction: 1 or -1; of an eye movement, to the right (or up) or to the left (or down).
        vertical: whether an eye movement is vertical.
        chin_rise: whether an arousal comes with a rise of chin tone.
    """

    kind: Phenomenon
    start_s: float
    duration_s: float
    amplitude_uv: float
    frequency_hz: float | None = None
    focus: Role | None = None
    direction: int = 1
    vertical: bool = False
    chin_rise: bool = False

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    @property
    def where(self) -> Role:
        """The region where it is largest."""
        return self.focus or _USUAL_FOCUS[self.kind]

    @classmethod
    def typical(
        cls, kind: Phenomenon, start_s: float, **changes: float | bool | Role
    ) -> PlannedEvent:
        """A textbook example, changed where said: ``typical(K_COMPLEX, 95.0, amplitude_uv=90)``."""
        return replace(cls(kind, start_s, *_TYPICAL[kind]), **changes)  # type: ignore[arg-type]


_USUAL_FOCUS: Mapping[Phenomenon, Role] = {
    Phenomenon.ALPHA_RHYTHM: Role.OCCIPITAL,
    Phenomenon.EYE_BLINKS: Role.LEFT_EYE,
    Phenomenon.READING_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.RAPID_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.SLOW_EYE_MOVEMENTS: Role.LEFT_EYE,
    Phenomenon.VERTEX_SHARP_WAVES: Role.CENTRAL,
    Phenomenon.K_COMPLEX: Role.FRONTAL,
    Phenomenon.SLEEP_SPINDLE: Role.CENTRAL,
    Phenomenon.SLOW_WAVE_ACTIVITY: Role.FRONTAL,
    Phenomenon.SAWTOOTH_WAVES: Role.CENTRAL,
    Phenomenon.AROUSAL: Role.CENTRAL,
    Phenomenon.MAJOR_BODY_MOVEMENT: Role.CENTRAL,
}

_TYPICAL: Mapping[Phenomenon, tuple[float, float, float | None]] = {
    # seconds, µV peak to peak, Hz (AASM scoring manual, definitions in the rules of each stage)
    Phenomenon.ALPHA_RHYTHM: (10.0, 45.0, 10.0),
    Phenomenon.EYE_BLINKS: (0.4, 110.0, None),
    Phenomenon.READING_EYE_MOVEMENTS: (12.0, 90.0, 0.4),
    Phenomenon.RAPID_EYE_MOVEMENTS: (0.7, 110.0, None),
    Phenomenon.SLOW_EYE_MOVEMENTS: (10.0, 90.0, 0.35),
    Phenomenon.VERTEX_SHARP_WAVES: (0.25, 75.0, None),
    Phenomenon.K_COMPLEX: (0.9, 150.0, None),
    Phenomenon.SLEEP_SPINDLE: (0.9, 40.0, 13.3),
    Phenomenon.SLOW_WAVE_ACTIVITY: (1.0, 110.0, 1.0),
    Phenomenon.SAWTOOTH_WAVES: (3.0, 35.0, 3.0),
    Phenomenon.AROUSAL: (5.0, 45.0, 9.5),
    Phenomenon.MAJOR_BODY_MOVEMENT: (20.0, 500.0, None),
}


def slow_waves(
    start_s: float, seconds: float, frequency_hz: float = 1.0, amplitude_uv: float = 100.0
) -> tuple[PlannedEvent, ...]:
    """An unbroken run of whole equal frontal slow waves, as many as fit."""
    period = 1.0 / frequency_hz
    return tuple(
        PlannedEvent(
            Phenomenon.SLOW_WAVE_ACTIVITY,
            start_s + i * period,
            period,
            amplitude_uv,
            frequency_hz,
        )
        for i in range(int(seconds / period + 1e-6))
    )


class DisturbanceKind(StrEnum):
    """What is in the recording and is no sign of sleep or wake."""

    CHIN_TWITCH = "chin_twitch"
    ELECTRODE_POP = "electrode_pop"
    MOVEMENT = "movement"
    SWEAT_SWAY = "sweat_sway"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One artefact.

    Attributes:
        kind: what it is.
        start_s, duration_s: seconds from the recording's start, and how long.
        amplitude_uv: peak to peak; of a chin twitch, the rise of tone in multiples of the floor.
        site: the electrode at fault; None for all.
    """

    kind: DisturbanceKind
    start_s: float
    duration_s: float
    amplitude_uv: float
    site: Site | None = None

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class NightPlan:
    """Everything about a night but its samples.

    Attributes:
        stages: the true stage of each epoch.
        events: by start.
        subject: whose night it is.
        changes: when the brain really passes from one stage to the next, which no epoch's edge
            knows of: (seconds from the recording's start, stage from then on), by time, the
            first at 0.
        disturbances: artefacts, by start.
        chin_tone: tone in epochs where it is not what the stage brings.
    """

    stages: tuple[Stage, ...]
    events: tuple[PlannedEvent, ...]
    subject: Subject
    changes: tuple[tuple[float, Stage], ...]
    disturbances: tuple[Disturbance, ...] = ()
    chin_tone: Mapping[int, Level] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        stages: Sequence[Stage],
        events: Iterable[PlannedEvent] = (),
        *,
        subject: Subject | None = None,
        disturbances: Iterable[Disturbance] = (),
        chin_tone: Mapping[int, Level] | None = None,
    ) -> NightPlan:
        """One's own night: these stages, changing at the epochs' edges, and only these events."""
        changes = tuple(
            (i * EPOCH_S, stage)
            for i, stage in enumerate(stages)
            if i == 0 or stages[i - 1] != stage
        )
        return cls(
            tuple(stages),
            tuple(sorted(events, key=lambda event: event.start_s)),
            subject or Subject(),
            changes,
            tuple(sorted(disturbances, key=lambda disturbance: disturbance.start_s)),
            dict(chin_tone or {}),
        )

    @property
    def duration_s(self) -> float:
        return len(self.stages) * EPOCH_S
