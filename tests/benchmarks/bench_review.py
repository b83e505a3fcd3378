"""How many wrong epochs a physician finds who reviews the riskiest first.

Simulated nights, harder than those that the detectors were built on, are staged by YASA, which
explains nothing and gives probabilities. Each order of review is a curve: of the wrong epochs,
how many have been seen after so many. Ours is compared with YASA's own lowest confidence first,
and with the best that an order could be. Run by hand:

    python tests/benchmarks/bench_review.py [SEEDS]
    pytest tests/benchmarks/bench_review.py -m benchmark -s
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import Rulebook, load_rulebook
from auditor.triage import confidence
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.yasa_stager import YasaStager

NIGHT_HOURS = 2.0
SEEDS = (201, 202, 203, 204, 205)
REVIEWED = np.linspace(0.0, 0.3, 31)
"""Shares of the night for which there could be time."""
LEAST_RATIO = 1.25
"""What our order must find, as a multiple of what lowest confidence first finds."""

Doubles = npt.NDArray[np.float64]

OURS, CONFIDENCE, BEST = "our priority", "YASA's confidence", "best possible"


@dataclass(frozen=True, slots=True)
class Night:
    """One night's curves, by order of review.

    Attributes:
        seed: of the phantom.
        wrong: share of its epochs that YASA staged wrongly.
        caught: share of those seen after each share of ``REVIEWED``.
    """

    seed: int
    wrong: float
    caught: Mapping[str, Doubles]


def harder() -> PhantomSettings:
    """Smaller signs, more noise and more disturbances than any night that thresholds were set by;
    YASA is wrong in 10 to 20 % of epochs."""
    hard = PhantomSettings.hard(NIGHT_HOURS)
    return replace(hard, gain=0.68, noise_uv=2.3, disturbances_per_hour=15.0)


def review(seed: int, rulebook: Rulebook) -> Night:
    phantom = simulate(seed, harder())
    montage = choose_montage(phantom.recording)
    scoring = YasaStager().stage(montage, _silent)
    audited = audit(scoring, measure(montage), rulebook)
    wrong = np.array([a != b for a, b in zip(scoring.stages, phantom.stages, strict=True)])
    doubt = [1.0 - (confidence(epoch) or 0.0) for epoch in scoring.epochs]
    orders = {
        OURS: [epoch.priority for epoch in audited.epochs],
        CONFIDENCE: doubt,
        BEST: wrong.astype(float),
    }
    return Night(
        seed,
        float(wrong.mean()),
        {name: _caught(wrong, np.array(risk)) for name, risk in orders.items()},
    )


def _silent(*_: object) -> None:
    """Nobody waits for it."""


def _caught(wrong: npt.NDArray[np.bool_], risk: Doubles) -> Doubles:
    """The share of wrong epochs among the riskiest; ties in order of time."""
    found = np.cumsum(wrong[np.argsort(-risk, kind="stable")]) / wrong.sum()
    seen = np.arange(1, len(wrong) + 1) / len(wrong)
    caught: Doubles = np.interp(REVIEWED, np.append(0.0, seen), np.append(0.0, found))
    return caught


def area(caught: Doubles) -> float:
    return float(np.trapezoid(caught, REVIEWED))


def report(nights: Sequence[Night]) -> float:
    """Prints the curves, and gives the mean ratio of our area to that of confidence."""
    mean = {name: np.mean([night.caught[name] for night in nights], axis=0) for name in _ORDERS}
    print(f"\n{'reviewed':>20}" + "".join(f"{share:7.0%}" for share in REVIEWED[::3]))
    for name in _ORDERS:
        print(f"{name:>20}" + "".join(f"{caught:7.1%}" for caught in mean[name][::3]))
    print("\n seed  wrong  " + "  ".join(f"{name:>18}" for name in _ORDERS) + "   ratio")
    for night in nights:
        areas = [area(night.caught[name]) for name in _ORDERS]
        row = "  ".join(f"{each:18.4f}" for each in areas)
        print(f"{night.seed:5}{night.wrong:7.1%}  {row}{areas[0] / areas[1]:8.2f}")
    ratio = area(mean[OURS]) / area(mean[CONFIDENCE])
    print(f"\nratio of the mean curves' areas: {ratio:.2f}")
    return ratio


_ORDERS = (OURS, CONFIDENCE, BEST)


def reviewed(seeds: Sequence[int]) -> list[Night]:
    rulebook = load_rulebook()
    return [review(seed, rulebook) for seed in seeds]


@pytest.mark.benchmark
def test_our_order_finds_more_errors_than_lowest_confidence() -> None:
    assert report(reviewed(SEEDS)) >= LEAST_RATIO


if __name__ == "__main__":
    report(reviewed([int(seed) for seed in sys.argv[1:]] or SEEDS))
