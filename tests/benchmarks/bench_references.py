"""The same night against other references: are the events the same, one by one?

    pytest -m benchmark -s tests/benchmarks/bench_references.py

A simulated night is recorded as AASM recommends it (F4-M1, C4-M1, O2-M1, E1-M2, E2-M2), and then
the same night against every other reference that laboratories use. For each phenomenon: how many
events each recording shows at probability ≥ 0.5, the ratio of both counts, and the share of events
that both show alike, of the larger count, so that it is a share either way: by their beginnings,
by both ends within 0.1 s, and by overlap. Only the last column lets a doubtful candidate count as
the same event. The eyes are looked at on the second simulator of ``bench_evidence_eyes.py``, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from bench_evidence_eyes import Electrodes, simulated
from bench_evidence_phantom import IN_CHANNEL, Times, events_of, overlap, times

from auditor.evidence import measure
from auditor.vocabulary import Event, Evidence, Phenomenon
from staging.montage import choose_montage
from staging.phantom import simulate
from staging.phantom_plan import CHIN_LEAD, RECOMMENDED_LEADS, Lead, PhantomSettings, Site

HOURS = 2.0
SEEDS = (0, 1, 2)
SAME_S = 0.1

SCALP = (Site.F3, Site.F4, Site.C3, Site.C4, Site.O1, Site.O2)
BOTH_EARS = (Site.M1, Site.M2)
RIGHT_EEG = (Site.F4, Site.C4, Site.O2)
LEFT_EEG = (Site.F3, Site.C3, Site.O1)
BOTH_EYES = (Site.E1, Site.E2)


def against(sites: Iterable[Site], references: tuple[Site, ...], name: str) -> tuple[Lead, ...]:
    """Each of these electrodes against the mean of those, which their labels call by this name."""
    return tuple(Lead(f"{site}-{name}", site, references) for site in sites)


def eeg_against(sites: Iterable[Site], *references: Site, name: str = "") -> tuple[Lead, ...]:
    """These for the EEG; the eyes as recommended."""
    eyes = against(BOTH_EYES, (Site.M2,), "M2")
    return (*against(sites, references, name or references[0]), *eyes, CHIN_LEAD)


def eyes_against(left: tuple[Site, ...], right: tuple[Site, ...]) -> tuple[Lead, ...]:
    """These for the eyes; the EEG as recommended."""
    eyes = (
        Lead(f"E1-{''.join(left)}", Site.E1, left),
        Lead(f"E2-{''.join(right)}", Site.E2, right),
    )
    return (*against(RIGHT_EEG, (Site.M1,), "M1"), *eyes, CHIN_LEAD)


REFERENCES: Mapping[str, tuple[Lead, ...]] = {
    "eyes E1-M2, E2-M1 (contralateral)": eyes_against((Site.M2,), (Site.M1,)),
    "eyes E1-M1, E2-M2 (ipsilateral)": eyes_against((Site.M1,), (Site.M2,)),
    "eyes E1-M1, E2-M1": eyes_against((Site.M1,), (Site.M1,)),
    "eyes to both mastoids": eyes_against(BOTH_EARS, BOTH_EARS),
    "EEG F3-M2, C3-M2, O1-M2 (backup)": eeg_against(LEFT_EEG, Site.M2),
    "EEG F4-M2, C4-M2, O2-M2 (ipsilateral)": eeg_against(RIGHT_EEG, Site.M2),
    "EEG Fz-Cz, C4-M1, Cz-Oz (alternative)": (
        Lead("Fz-Cz", Site.FZ, (Site.CZ,)),
        Lead("C4-M1", Site.C4, (Site.M1,)),
        Lead("Cz-Oz", Site.CZ, (Site.OZ,)),
        *against(BOTH_EYES, (Site.M2,), "M2"),
        CHIN_LEAD,
    ),
    "EEG to both mastoids": eeg_against(RIGHT_EEG, *BOTH_EARS, name="M1M2"),
    "all to both mastoids": (
        *against((*RIGHT_EEG, *BOTH_EYES), BOTH_EARS, "M1M2"),
        CHIN_LEAD,
    ),
    "all to the mean of the scalp": (
        *against((*RIGHT_EEG, *BOTH_EYES), SCALP, "AVG"),
        CHIN_LEAD,
    ),
    "all to Cz, mastoids recorded": (
        *against((Site.F4, Site.C4, Site.O2, *BOTH_EYES, *BOTH_EARS), (Site.CZ,), "Cz"),
        CHIN_LEAD,
    ),
    "all to Fpz, mastoids recorded": (
        *against((Site.F4, Site.C4, Site.O2, *BOTH_EYES, *BOTH_EARS), (Site.FPZ,), "Fpz"),
        CHIN_LEAD,
    ),
}

EYE_KINDS = (
    Phenomenon.RAPID_EYE_MOVEMENTS,
    Phenomenon.EYE_BLINKS,
    Phenomenon.SLOW_EYE_MOVEMENTS,
    Phenomenon.READING_EYE_MOVEMENTS,
)


@dataclass(slots=True)
class Agreement:
    """Of two recordings of one night, or of several: how many events each shows, and how many
    of them the other shows too."""

    ours: int = 0
    others: int = 0
    begin: int = 0
    same: int = 0
    overlap: int = 0
    candidates: int = 0

    def add(self, one: Iterable[Event], other: Iterable[Event]) -> None:
        one, other = list(one), list(other)
        ours, others = (times(likely(events)) for events in (one, other))
        self.ours += len(ours)
        self.others += len(others)
        self.begin += matched(ours[:, :1], others[:, :1])
        self.same += matched(ours, others)
        self.overlap += min(overlap(ours, others).sum(), overlap(others, ours).sum())
        self.candidates += matched(ours, times(other))

    def line(self, name: str) -> str:
        if not max(self.ours, self.others):
            return f"{name:24}       0       0"
        larger = max(self.ours, self.others)
        return (
            f"{name:24} {self.ours:7d} {self.others:7d} {self.others / max(self.ours, 1):6.2f} "
            f"{self.begin / larger:8.3f} {self.same / larger:8.3f} {self.overlap / larger:8.3f} "
            f"{self.candidates / max(self.ours, 1):10.3f}"
        )


HEADER = f"{'':24} {'planned':>7} {'here':>7}  ratio    begin     same  overlap  candidate"


def likely(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.probability >= 0.5]


def matched(some: Times, others: Times) -> int:
    """How many pairs there are, each event in one at most, all of whose times are alike."""
    free = np.ones(len(others), dtype=bool)
    pairs = 0
    for event in some:
        near = free & (np.abs(others - event) <= SAME_S + 1e-9).all(axis=1)
        if near.any():
            free[np.flatnonzero(near)[0]] = False
            pairs += 1
    return pairs


@cache
def night(seed: int, leads: tuple[Lead, ...]) -> Evidence:
    phantom = simulate(seed, PhantomSettings(hours=HOURS, leads=leads))
    return measure(choose_montage(phantom.recording))


@pytest.mark.benchmark
@pytest.mark.parametrize("name", REFERENCES)
def test_another_reference_shows_the_same_events(name: str) -> None:
    agreement: dict[Phenomenon, Agreement] = defaultdict(Agreement)
    for seed in SEEDS:
        planned, here = night(seed, RECOMMENDED_LEADS), night(seed, REFERENCES[name])
        for kind, role in IN_CHANNEL.items():
            agreement[kind].add(events_of(planned, kind, role), events_of(here, kind, role))
    channels = ", ".join(report.label for report in here.channels.values())
    print(f"\n{name}: {channels}\n{HEADER}")
    for kind, total in agreement.items():
        print(total.line(kind.value))


EYES: Mapping[str, Electrodes] = {
    "E1-M2, E2-M1": Electrodes(("E1", "M2"), ("E2", "M1")),
    "E1-M1, E2-M2": Electrodes(("E1", "M1"), ("E2", "M2")),
    "E1-M1, E2-M1": Electrodes(("E1", "M1"), ("E2", "M1")),
}


@cache
def second_night(seed: int, electrodes: Electrodes) -> Evidence:
    return measure(simulated(seed, electrodes)[0])


@pytest.mark.benchmark
@pytest.mark.parametrize("name", EYES)
def test_other_mastoids_show_the_same_movements_of_a_second_simulator(name: str) -> None:
    agreement: dict[Phenomenon, Agreement] = defaultdict(Agreement)
    for seed in range(5):
        planned = second_night(seed, Electrodes(("E1", "M2"), ("E2", "M2")))
        here = second_night(seed, EYES[name])
        for kind in EYE_KINDS:
            agreement[kind].add(events_of(planned, kind, None), events_of(here, kind, None))
    print(f"\nsecond simulator, {name}\n{HEADER}")
    for kind, total in agreement.items():
        print(total.line(kind.value))
