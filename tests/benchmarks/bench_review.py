"""How many wrong epochs a physician finds who reviews the riskiest first.

Simulated nights, harder than those that the detectors were built on, are staged by YASA, which
explains nothing and gives probabilities. Each order of review is a curve: of the wrong epochs,
how many have been seen after so many. Ours is compared with YASA's own lowest confidence first,
and with the best that an order could be. A second table tells which flags were raised for good
reason, and a third what a second opinion adds for a scorer who gives no probabilities. Beside them
stand the share flagged of the true stages with true rationales, and the time that claims and engine
take. Run by hand:

    python tests/benchmarks/bench_review.py [SEEDS]
    pytest tests/benchmarks/bench_review.py -m benchmark -s
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import Rulebook, load_rulebook
from auditor.triage import confidence
from auditor.vocabulary import (
    SCORED_STAGES,
    Audit,
    Evidence,
    Hypnogram,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from staging.montage import choose_montage
from staging.phantom import Phantom, PhantomSettings, simulate
from staging.phantom_rationales import true_scoring
from staging.yasa_stager import YasaStager

NIGHT_HOURS = 2.0
SEEDS = (201, 202, 203, 204, 205)
REVIEWED = np.linspace(0.0, 0.3, 31)
"""Shares of the night for which there could be time."""
LEAST_RATIO = 1.25
"""What our order must find, as a multiple of what lowest confidence first finds."""
MOST_SECONDS = 5.0
"""Claims and engine for a night of 960 epochs, on one core."""
SCORER_ERRS = 0.12
"""How often the scorer without probabilities is wrong, anywhere."""

Doubles = npt.NDArray[np.float64]

OURS, CONFIDENCE, BEST = "our priority", "YASA's confidence", "best possible"
ALONE, ADVISED = "no second opinion", "second opinion"


@dataclass(frozen=True, slots=True)
class Night:
    """One night's curves, by order of review.

    Attributes:
        seed: of the phantom.
        wrong: share of its epochs that YASA staged wrongly.
        caught: share of those seen after each share of ``REVIEWED``.
        advised: the same of another scorer's wrong epochs, without YASA's second opinion and
            with it.
        raised, right: how many epochs bear each flag, and how many of them are wrong.
        true_flagged: share flagged of the true stages with true rationales.
        seconds: that the audit of 960 such epochs takes.
    """

    seed: int
    wrong: float
    caught: Mapping[str, Doubles]
    advised: Mapping[str, Doubles]
    raised: Counter[str]
    right: Counter[str]
    true_flagged: float
    seconds: float


def harder() -> PhantomSettings:
    """Smaller signs, more noise and more disturbances than any night that thresholds were set by;
    YASA is wrong in 10 to 20 % of epochs."""
    hard = PhantomSettings.hard(NIGHT_HOURS)
    return replace(hard, gain=0.68, noise_uv=2.3, disturbances_per_hour=15.0)


def review(seed: int, rulebook: Rulebook) -> Night:
    phantom = simulate(seed, harder())
    montage = choose_montage(phantom.recording)
    evidence = measure(montage)
    scoring = YasaStager().stage(montage, _silent)
    audited = audit(scoring, evidence, rulebook)
    wrong = _wrong(scoring, phantom)
    doubt = [1.0 - (confidence(epoch) or 0.0) for epoch in scoring.epochs]
    orders = {OURS: _priority(audited), CONFIDENCE: doubt, BEST: wrong.astype(float)}
    flags = [(flag.code.value, w) for e, w in zip(audited.epochs, wrong, strict=True)
             for flag in e.flags]  # fmt: skip
    begun = time.process_time()
    truly = audit(true_scoring(phantom, with_rationales=True), evidence, rulebook)
    seconds = time.process_time() - begun
    return Night(
        seed,
        float(wrong.mean()),
        {name: _caught(wrong, np.array(risk)) for name, risk in orders.items()},
        _advised(phantom, evidence, rulebook, scoring),
        Counter(code for code, _ in flags),
        Counter(code for code, is_wrong in flags if is_wrong),
        len(truly.flagged) / len(truly.epochs),
        960 * seconds / len(truly.epochs),
    )


def _advised(
    phantom: Phantom, evidence: Evidence, rulebook: Rulebook, second: Hypnogram
) -> Mapping[str, Doubles]:
    """The wrong epochs of a scorer without words and probabilities, with YASA's opinion or not."""
    rng = np.random.default_rng(len(phantom.events))
    stages = list(phantom.stages)
    for i, stage in enumerate(phantom.stages):
        if rng.random() < SCORER_ERRS:
            stages[i] = Stage(rng.choice([each for each in SCORED_STAGES if each is not stage]))
    epochs = tuple(ScoredEpoch(i, stage) for i, stage in enumerate(stages))
    scoring = Hypnogram(StagerIdentity("scorer", "1"), epochs)
    wrong = _wrong(scoring, phantom)
    return {
        name: _caught(wrong, np.array(_priority(audit(told, evidence, rulebook))))
        for name, told in (
            (ALONE, scoring),
            (ADVISED, replace(scoring, second_opinion=second)),
        )
    }


def _wrong(scoring: Hypnogram, phantom: Phantom) -> npt.NDArray[np.bool_]:
    return np.array([a != b for a, b in zip(scoring.stages, phantom.stages, strict=True)])


def _priority(audited: Audit) -> list[float]:
    return [epoch.priority for epoch in audited.epochs]


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
    mean = _mean_curves([night.caught for night in nights])
    _print_curves(mean)
    print("\n seed  wrong  " + "  ".join(f"{name:>18}" for name in _ORDERS) + "   ratio")
    for night in nights:
        areas = [area(night.caught[name]) for name in _ORDERS]
        row = "  ".join(f"{each:18.4f}" for each in areas)
        print(f"{night.seed:5}{night.wrong:7.1%}  {row}{areas[0] / areas[1]:8.2f}")
    ratio = area(mean[OURS]) / area(mean[CONFIDENCE])
    print(f"\nratio of the mean curves' areas: {ratio:.2f}")
    _report_flags(nights)
    print(f"\na scorer wrong in {SCORER_ERRS:.0%} of epochs, by our priority")
    _print_curves(_mean_curves([night.advised for night in nights]))
    flagged = np.mean([night.true_flagged for night in nights])
    print(f"\ntrue stages with true rationales, flagged: {flagged:.1%}")
    print(f"claims and engine, 960 epochs: {np.mean([night.seconds for night in nights]):.1f} s")
    return ratio


def _mean_curves(curves: Sequence[Mapping[str, Doubles]]) -> dict[str, Doubles]:
    return {name: np.mean([each[name] for each in curves], axis=0) for name in curves[0]}


def _print_curves(curves: Mapping[str, Doubles]) -> None:
    print(f"\n{'reviewed':>20}" + "".join(f"{share:7.0%}" for share in REVIEWED[::3]) + "   area")
    for name, caught in curves.items():
        shares = "".join(f"{share:7.1%}" for share in caught[::3])
        print(f"{name:>20}{shares}{area(caught):7.4f}")


def _report_flags(nights: Sequence[Night]) -> None:
    raised: Counter[str] = sum((night.raised for night in nights), Counter())
    right: Counter[str] = sum((night.right for night in nights), Counter())
    print(f"\n{'flag':28}{'epochs':>8}{'of them wrong':>16}")
    for code, n in raised.most_common():
        print(f"{code:28}{n:8}{right[code] / n:16.1%}")


_ORDERS = (OURS, CONFIDENCE, BEST)


def reviewed(seeds: Sequence[int]) -> list[Night]:
    rulebook = load_rulebook()
    return [review(seed, rulebook) for seed in seeds]


@pytest.mark.benchmark
def test_our_order_finds_more_errors_than_lowest_confidence() -> None:
    nights = reviewed(SEEDS)
    assert report(nights) >= LEAST_RATIO
    assert np.mean([night.seconds for night in nights]) <= MOST_SECONDS


if __name__ == "__main__":
    report(reviewed([int(seed) for seed in sys.argv[1:]] or SEEDS))
