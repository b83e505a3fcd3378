"""Major body movements: movement and muscle artefact that hide the EEG.

AASM scoring manual, section on scoring epochs with major body movements: artefact that obscures
the EEG for more than half of an epoch. A second counts as covered as the middle one of the EEG
channels says, so that one bad electrode is no movement of the body.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import Candidates, Earlier, Measured, measures_of
from auditor.evidence.grid import Doubles, Spans, logistic
from auditor.evidence.movement import movement_probability
from auditor.evidence.quality import MOVEMENT_HIDES_S
from auditor.evidence.signals import Signals
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Phenomenon

SHOWN_UP_TO_HZ = 40.0
BRIDGED_S = 2
"""A pause this short does not end a movement."""
SHORTEST_S = 5
MAJOR_S = EPOCH_S / 2
"""Within one epoch; a run of this length is as likely as not to be that."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Runs of movement, and the share of each epoch that is covered."""
    del earlier
    obstacles = signals.obstacles_everywhere(EEG_ROLES, SHOWN_UP_TO_HZ)
    each = [
        movement_probability(signal, signals.n_epochs)
        for _, signal in signals.channels(EEG_ROLES)
        if signal.shows(SHOWN_UP_TO_HZ)
    ]
    if not each:
        return Measured(obstacles)
    probability = np.median(each, axis=0)
    label = next(s.label for _, s in signals.channels(EEG_ROLES) if s.shows(SHOWN_UP_TO_HZ))
    limits = thresholds(Phenomenon.MAJOR_BODY_MOVEMENT)
    value, low, high = (
        (probability >= at_least).reshape(signals.n_epochs, round(EPOCH_S)).mean(axis=1)
        for at_least in (0.5, limits.clearly_there, limits.clearly_not)
    )
    hidden_by_movement = value >= MOVEMENT_HIDES_S / EPOCH_S
    return Measured(
        tuple(
            "" if moved else reason
            for reason, moved in zip(obstacles, hidden_by_movement, strict=True)
        ),
        _runs(probability).events(Phenomenon.MAJOR_BODY_MOVEMENT, label),
        {"movement_fraction": measures_of(value, low, high, "1", label)},
    )


def _runs(probability: Doubles) -> Candidates:
    """Runs of covered seconds, the likelier to be major the longer they are."""
    apart = Spans.of_mask(probability < 0.5)
    pauses = apart.where((apart.past - apart.first <= BRIDGED_S) & (apart.first > 0))
    covered = Spans.of_mask(
        (probability >= 0.5) | (pauses.spread(np.ones(len(pauses)), len(probability)) > 0)
    )
    n_seconds = covered.past - covered.first
    covered, n_seconds = covered.where(n_seconds >= SHORTEST_S), n_seconds[n_seconds >= SHORTEST_S]
    nothing = np.full(len(covered), np.nan)
    return Candidates(
        covered.first.astype(np.float64),
        covered.past.astype(np.float64),
        logistic(6.0 * np.log(n_seconds / MAJOR_S)) * covered.mean(probability),
        nothing,
        nothing,
    )
