"""The figures of a night that every sleep report carries.

Definitions follow the AASM scoring manual, section on the parameters to be reported for
polysomnography: lights-off and lights-on bound the time in bed; sleep latency runs to the first
epoch of any stage of sleep, REM latency from there to the first epoch of R, and all wake after
sleep onset counts until lights-on, the last awakening included.

An epoch that is not scored counts as time in bed and as neither sleep nor wake; the notes say
how many there were. A figure is None where it has no meaning: there is no latency of a sleep
that did not come.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from auditor.vocabulary import EPOCH_S, SCORED_STAGES, Hypnogram, Recording, Span, Stage

_MINUTES_PER_EPOCH = EPOCH_S / 60
_SLEEP = frozenset(SCORED_STAGES) - {Stage.W}

# Both notes are words that technicians type; these are the usual ones in English.
_LIGHTS_OFF = re.compile(r"\blights?[\s_-]*(off|out)\b", re.IGNORECASE)
_LIGHTS_ON = re.compile(r"\blights?[\s_-]*on\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SleepFigures:
    """The figures of one night.

    Attributes:
        time_in_bed_minutes: from lights-off to lights-on, in whole epochs.
        total_sleep_minutes: scored N1, N2, N3 or R; None where no epoch is scored.
        sleep_efficiency: share of the time in bed that was slept, 0 to 1.
        sleep_latency_minutes: from lights-off to sleep onset, the first epoch of sleep.
        rem_latency_minutes: from sleep onset to the first epoch of R.
        wake_after_sleep_onset_minutes: scored W from sleep onset to lights-on.
        awakenings: how often W followed sleep, epochs not scored left out.
        stage_minutes: scored in each of the five stages.
        stage_share: of N1, N2, N3 and R in the total sleep time, of W in the time in bed.
        unscored_epochs: within the time in bed.
        in_bed: from lights-off to lights-on as they are marked; None where they are not.
        notes: sentences for a physician about how far the figures can be trusted.
    """

    time_in_bed_minutes: float
    total_sleep_minutes: float | None
    sleep_efficiency: float | None
    sleep_latency_minutes: float | None
    rem_latency_minutes: float | None
    wake_after_sleep_onset_minutes: float | None
    awakenings: int | None
    stage_minutes: Mapping[Stage, float]
    stage_share: Mapping[Stage, float | None]
    unscored_epochs: int
    in_bed: Span | None
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "time_in_bed_minutes": self.time_in_bed_minutes,
            "total_sleep_minutes": self.total_sleep_minutes,
            "sleep_efficiency": self.sleep_efficiency,
            "sleep_latency_minutes": self.sleep_latency_minutes,
            "rem_latency_minutes": self.rem_latency_minutes,
            "wake_after_sleep_onset_minutes": self.wake_after_sleep_onset_minutes,
            "awakenings": self.awakenings,
            "stage_minutes": {s.value: minutes for s, minutes in self.stage_minutes.items()},
            "stage_share": {s.value: share for s, share in self.stage_share.items()},
            "unscored_epochs": self.unscored_epochs,
            "in_bed_s": self.in_bed and [self.in_bed.start_s, self.in_bed.end_s],
            "notes": list(self.notes),
        }


def lights_off_to_on(recording: Recording) -> Span | None:
    """The time in bed as the recording's annotations mark it.

    From the first lights-off to the first lights-on after it, or to the recording's end.
    None where lights-off is not marked.
    """
    off_s = next((a.onset_s for a in recording.annotations if _LIGHTS_OFF.search(a.text)), None)
    if off_s is None:
        return None
    on_s = next(
        (
            a.onset_s
            for a in recording.annotations
            if a.onset_s > off_s and _LIGHTS_ON.search(a.text)
        ),
        recording.duration_s,
    )
    return Span(off_s, on_s)


def sleep_figures(hypnogram: Hypnogram, in_bed: Span | None = None) -> SleepFigures:
    """The figures of a hypnogram.

    Args:
        hypnogram: of any stages, scored or not.
        in_bed: from lights-off to lights-on, see :func:`lights_off_to_on`; the whole recording
            where it is None or holds no epoch.
    """
    stages, notes = _in_bed(hypnogram.stages, in_bed)
    asleep = [stage in _SLEEP for stage in stages]
    n_asleep = sum(asleep)
    n_unscored = stages.count(Stage.UNSCORED)
    nothing_scored = n_unscored == len(stages)
    onset = asleep.index(True) if n_asleep else None
    first_r = stages.index(Stage.R) if Stage.R in stages else None
    # Epochs that are not scored say nothing about whether the patient woke in between.
    after_onset = [] if onset is None else [s for s in stages[onset:] if s is not Stage.UNSCORED]

    if n_unscored:
        notes.append(
            f"{n_unscored} of {len(stages)} epochs in bed are not scored; they count as neither "
            "sleep nor wake"
        )
    if onset is not None and Stage.UNSCORED in stages[:onset]:
        notes.append("sleep may have begun earlier: epochs before sleep onset are not scored")
    counts = {stage: stages.count(stage) for stage in SCORED_STAGES}
    return SleepFigures(
        time_in_bed_minutes=len(stages) * _MINUTES_PER_EPOCH,
        total_sleep_minutes=None if nothing_scored else n_asleep * _MINUTES_PER_EPOCH,
        sleep_efficiency=None if nothing_scored else n_asleep / len(stages),
        sleep_latency_minutes=None if onset is None else onset * _MINUTES_PER_EPOCH,
        rem_latency_minutes=(
            None if onset is None or first_r is None else (first_r - onset) * _MINUTES_PER_EPOCH
        ),
        wake_after_sleep_onset_minutes=(
            None if onset is None else after_onset.count(Stage.W) * _MINUTES_PER_EPOCH
        ),
        awakenings=None if onset is None else _awakenings(after_onset),
        stage_minutes={stage: n * _MINUTES_PER_EPOCH for stage, n in counts.items()},
        stage_share={
            stage: _share(n, len(stages) if stage is Stage.W else n_asleep, nothing_scored)
            for stage, n in counts.items()
        },
        unscored_epochs=n_unscored,
        in_bed=in_bed,
        notes=tuple(notes),
    )


def _in_bed(stages: tuple[Stage, ...], in_bed: Span | None) -> tuple[tuple[Stage, ...], list[str]]:
    """The stages of the epochs that lie in bed, in whole or in part, and what to say of it."""
    if in_bed is None:
        return stages, ["lights-off is not marked: the whole recording counts as time in bed"]
    first = max(0, math.floor(in_bed.start_s / EPOCH_S))
    chosen = stages[first : max(0, math.ceil(in_bed.end_s / EPOCH_S))]
    if not chosen:
        return stages, ["lights-off is marked after the recording: all of it counts as time in bed"]
    return chosen, []


def _awakenings(stages: Sequence[Stage]) -> int:
    return sum(now is Stage.W and before is not Stage.W for before, now in pairwise(stages))


def _share(n: int, of: int, nothing_scored: bool) -> float | None:
    return None if nothing_scored or of == 0 else n / of
