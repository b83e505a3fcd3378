"""How many wrong epochs a physician finds by the audit's list, and by the stager's own doubt.

Hard simulated nights are staged by YASA, audited, and reviewed in order of priority; beside it
stands the order of YASA's lowest confidence, and the best possible order. Run by hand:

    python tests/benchmarks/bench_triage.py [SEEDS]
    pytest tests/benchmarks/bench_triage.py -m benchmark -s
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import Rulebook, load_rulebook
from auditor.triage import confidence
from auditor.vocabulary import Audit
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.phantom_rationales import true_scoring
from staging.yasa_stager import make

NIGHT_HOURS = 6.0
SEEDS = (201, 202, 203, 204)
REVIEWED = (0.05, 0.10, 0.15, 0.20, 0.30)
"""Shares of the night at which the curves are printed; the area goes up to the last."""

# Held-out limits.
LEAST_GAIN = 1.25
MOST_TRUE_EPOCHS_FLAGGED = 0.05
MOST_SECONDS = 5.0
"""Claims and engine for a night of 960 epochs, on one core."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Night:
    """One staged night.

    Attributes:
        audit: of YASA's scoring.
        wrong: which of its epochs are wrong.
        unsure: 1 − YASA's probability of its stage.
        true_flagged: share flagged of the true scoring with true rationales.
        seconds_per_epoch: of claims and engine, for that explained scoring.
    """

    audit: Audit
    wrong: npt.NDArray[np.bool_]
    unsure: Curve
    true_flagged: float
    seconds_per_epoch: float

    def caught(self, risk: Curve) -> Curve:
        """Share of the wrong epochs among the first 0, 1, 2, … reviewed by this risk."""
        order = np.argsort(-risk, kind="stable")
        found = np.cumsum(self.wrong[order]) / max(1, self.wrong.sum())
        return np.concatenate([[0.0], found])

    @property
    def curves(self) -> dict[str, Curve]:
        priority = np.array([epoch.priority for epoch in self.audit.epochs])
        return {
            "the audit's list": self.caught(priority),
            "YASA's own doubt": self.caught(self.unsure),
            "the best possible": self.caught(self.wrong.astype(float)),
        }


def staged(seed: int, rulebook: Rulebook) -> Night:
    """A hard night, staged by YASA and audited."""
    phantom = simulate(seed, PhantomSettings.hard(NIGHT_HOURS))
    montage = choose_montage(phantom.recording)
    scoring = make(None).stage(montage, lambda _work, _share: None)
    evidence = measure(montage)
    truth = true_scoring(phantom, with_rationales=True)
    begun = time.process_time()
    true_audit = audit(truth, evidence, rulebook)
    seconds = time.process_time() - begun
    return Night(
        audit(scoring, evidence, rulebook),
        np.array([a is not b for a, b in zip(scoring.stages, phantom.stages, strict=True)]),
        np.array([1.0 - (confidence(each) or 0.0) for each in scoring.epochs]),
        len(true_audit.flagged) / len(true_audit.epochs),
        seconds / len(true_audit.epochs),
    )


def area(curve: Curve, upto: float = REVIEWED[-1]) -> float:
    """Mean share caught over reviews of 0 to ``upto`` of the night."""
    return float(curve[: round(upto * (len(curve) - 1)) + 1].mean())


def report(nights: Sequence[Night]) -> float:
    """Prints the curves; returns by how much the audit's list beats YASA's own doubt."""
    print(f"\nwrong epochs: {np.mean([night.wrong.mean() for night in nights]):.1%}")
    print(f"{'caught when reviewing':24}" + "".join(f"{r:8.0%}" for r in REVIEWED) + "    area")
    areas: dict[str, float] = {}
    for name in nights[0].curves:
        curves = [night.curves[name] for night in nights]
        at = [np.mean([c[round(r * (len(c) - 1))] for c in curves]) for r in REVIEWED]
        areas[name] = float(np.mean([area(curve) for curve in curves]))
        print(f"{name:24}" + "".join(f"{share:8.1%}" for share in at) + f"{areas[name]:8.3f}")
    gain = areas["the audit's list"] / areas["YASA's own doubt"]
    print(f"gain over YASA's own doubt: {gain:.2f}")
    _report_flags(nights)
    return gain


def _report_flags(nights: Sequence[Night]) -> None:
    raised: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for night in nights:
        for epoch, is_wrong in zip(night.audit.epochs, night.wrong, strict=True):
            codes = {flag.code.value for flag in epoch.flags}
            raised.update(codes)
            right.update(codes if is_wrong else ())
    print(f"\n{'flag':28}{'epochs':>8}{'of them wrong':>16}")
    for code, n in raised.most_common():
        print(f"{code:28}{n:8}{right[code] / n:16.1%}")
    print(f"\na true scoring with true words, flagged: {_mean(nights, 'true_flagged'):.1%}")
    print(f"claims and engine, 960 epochs: {960 * _mean(nights, 'seconds_per_epoch'):.1f} s")


def _mean(nights: Sequence[Night], name: str) -> float:
    return float(np.mean([getattr(night, name) for night in nights]))


@pytest.mark.benchmark
def test_the_list_beats_the_stagers_own_doubt() -> None:
    rulebook = load_rulebook()
    nights = [staged(seed, rulebook) for seed in SEEDS]
    assert report(nights) >= LEAST_GAIN
    assert _mean(nights, "true_flagged") <= MOST_TRUE_EPOCHS_FLAGGED
    assert 960 * _mean(nights, "seconds_per_epoch") <= MOST_SECONDS


if __name__ == "__main__":
    chosen = tuple(map(int, sys.argv[1:])) or SEEDS
    book = load_rulebook()
    report([staged(seed, book) for seed in chosen])
