"""What the compact model is worth: stages, rules, what it says it saw, and what the audit makes
of it, on simulated nights that it never saw, in two settings, and on real recordings.

    python tests/benchmarks/bench_compact_model.py [--model DIR] [--nights N] [--hours H]
    pytest tests/benchmarks/bench_compact_model.py -m benchmark -s
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from auditor.claims import read_claims
from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import (
    SCORED_STAGES,
    Audit,
    Claim,
    Event,
    Hypnogram,
    Phenomenon,
    Polarity,
    Stage,
    Verdict,
)
from connector.edf import read_recording
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.phantom_seen import Seen, look_at
from staging.vlm_stager import make

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data" / "psg"
SEEDS = (50_101, 50_102, 50_103, 50_104)
"""Training has seeds of 1000 and on, 9000 and on."""
HOURS = 2.0
NEAR_S = 1.0
"""A mention this near to a true event means it."""
FAR_S = 2.0
"""A mention with no true event of its kind within what the audit tolerates is false."""
MENTIONED = (
    Phenomenon.SLEEP_SPINDLE,
    Phenomenon.K_COMPLEX,
    Phenomenon.RAPID_EYE_MOVEMENTS,
    Phenomenon.SLOW_EYE_MOVEMENTS,
    Phenomenon.EYE_BLINKS,
    Phenomenon.VERTEX_SHARP_WAVES,
    Phenomenon.AROUSAL,
)


@dataclass
class Mentions:
    """How mentions of one phenomenon compare with the true events."""

    told: int = 0
    right: int = 0
    true: int = 0
    found: int = 0
    errors_s: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / max(self.told, 1)

    @property
    def recall(self) -> float:
        return self.found / max(self.true, 1)

    @property
    def error_s(self) -> float:
        return float(np.median(self.errors_s)) if self.errors_s else float("nan")

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.2f}  recall {self.recall:.2f}  "
            f"median time error {self.error_s:.2f} s"
        )


@dataclass
class Score:
    """Everything that is measured of one setting."""

    true: list[Stage] = field(default_factory=list)
    told: list[Stage] = field(default_factory=list)
    rules_right: list[bool] = field(default_factory=list)
    mentions: dict[Phenomenon, Mentions] = field(default_factory=lambda: defaultdict(Mentions))
    false_claims: Counter[Verdict] = field(default_factory=Counter)
    true_claims: Counter[Verdict] = field(default_factory=Counter)
    false_in_flagged: int = 0
    unreadable: int = 0
    seconds: float = 0.0

    @property
    def kappa(self) -> float:
        return float(cohen_kappa_score(self.true, self.told))

    @property
    def rules(self) -> float:
        return float(np.mean(self.rules_right))

    def lines(self) -> Iterator[str]:
        n = len(self.true)
        yield f"{n} epochs, {self.seconds:.0f} s of staging, {self.unreadable} unreadable"
        yield f"kappa {self.kappa:.3f}, cited rules exact {self.rules:.2f}"
        scores = f1_score(self.true, self.told, labels=list(SCORED_STAGES), average=None)
        yield "F1 " + ", ".join(f"{s} {f:.2f}" for s, f in zip(SCORED_STAGES, scores, strict=True))
        for kind, mentions in self.mentions.items():
            yield f"{kind.value:22} {mentions}"
        for name, claims in (("false", self.false_claims), ("true", self.true_claims)):
            total = max(claims.total(), 1)
            shares = ", ".join(f"{v.value} {claims[v] / total:.2f}" for v in Verdict)
            yield f"{claims.total()} {name} event claims: {shares}"
        false = self.false_claims.total()
        unfound = false - self.false_claims[Verdict.CONTRADICTED]
        yield (
            f"of the false ones {self.false_in_flagged / max(false, 1):.2f} in flagged epochs; "
            f"not contradicted in 100 epochs: {100 * unfound / n:.1f}"
        )


def score_phantoms(
    settings: PhantomSettings, seeds: Sequence[int], model: str | None = None
) -> Score:
    score = Score()
    stager = make(model)
    for seed in seeds:
        phantom = simulate(seed, settings)
        montage = choose_montage(phantom.recording)
        began = time.perf_counter()
        hypnogram = stager.stage(montage, _silent)
        score.seconds += time.perf_counter() - began
        audited = audit(hypnogram, measure(montage, _silent), load_rulebook())
        for epoch in range(len(phantom.stages)):
            _count(score, look_at(phantom, epoch), epoch, hypnogram, audited)
    return score


def _count(score: Score, seen: Seen, epoch: int, hypnogram: Hypnogram, audited: Audit) -> None:
    told = hypnogram.epochs[epoch]
    score.true.append(seen.stage)
    score.told.append(told.stage)
    rationale = told.rationale
    score.unreadable += rationale is None
    cited = rationale.applicable_rules if rationale else ()
    score.rules_right.append(set(cited) == set(seen.rules))
    claims = [c for c in read_claims(rationale.text) if _is_event(c)] if rationale else []
    for kind in MENTIONED:
        _compare(
            score.mentions[kind],
            [c for c in claims if c.phenomenon is kind],
            seen.of(kind),
            seen.centred(kind),
        )
    for finding in audited.epochs[epoch].claims:
        if finding.claim.text is not None and _is_event(finding.claim):
            if _is_true(finding.claim, seen):
                score.true_claims[finding.verdict] += 1
            else:
                score.false_claims[finding.verdict] += 1
                score.false_in_flagged += bool(audited.epochs[epoch].flags)


def _is_event(claim: Claim) -> bool:
    present = claim.polarity is Polarity.PRESENT and claim.phenomenon in MENTIONED
    return present and bool(claim.spans)


def _is_true(claim: Claim, seen: Seen) -> bool:
    return all(
        any(
            event.end_s >= span.start_s - FAR_S and event.start_s <= span.end_s + FAR_S
            for event in seen.of(claim.phenomenon)
        )
        for span in claim.spans
    )


def _compare(
    mentions: Mentions, claims: Sequence[Claim], near: Sequence[Event], own: Sequence[Event]
) -> None:
    """Mentions against events: any that reach into the epoch may be meant, its own must be."""
    spans = [span for claim in claims for span in claim.spans]
    mentions.told += len(spans)
    mentions.true += len(own)
    for span in spans:
        meant = [
            e for e in near if e.end_s >= span.start_s - NEAR_S and e.start_s <= span.end_s + NEAR_S
        ]
        mentions.right += bool(meant)
        if meant:
            error = min(abs(max(event.start_s, 0.0) - span.start_s) for event in meant)
            mentions.errors_s.append(error)
    mentions.found += sum(
        any(
            event.end_s >= span.start_s - NEAR_S and event.start_s <= span.end_s + NEAR_S
            for span in spans
        )
        for event in own
    )


def _silent(_: str, __: float) -> None:
    pass


# ── real recordings ───────────────────────────────────────────────────────────────────────


def real_recordings(model: str | None = None) -> Iterator[str]:
    """Nobody scored the Nox recording; of the other, one EEG channel was."""
    stager = make(model)
    for name in ("nox_a1_psg_120s", "dynamo_eeg_84min"):
        montage = choose_montage(read_recording(SHARED_DATA / f"{name}.edf"))
        hypnogram = stager.stage(montage, _silent)
        told = [epoch.stage for epoch in hypnogram.epochs]
        yield f"{name}: {dict(Counter(stage.value for stage in told))}"
        scored = SHARED_DATA / f"{name}.stages.json"
        if scored.exists():
            true = [Stage(each) for each in json.loads(scored.read_text())["stages"]]
            pairs = [(a, b) for a, b in zip(true, told, strict=False) if a in SCORED_STAGES]
            kappa = cohen_kappa_score(*zip(*pairs, strict=True))
            yield f"  kappa {kappa:.3f} against the expert's {len(pairs)} epochs"
        first = hypnogram.epochs[1].rationale
        yield f"  “{first.text if first else ''}”"


# ── by pytest, by hand ────────────────────────────────────────────────────────────────────


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "least"), [("typical", 0.90), ("hard", 0.85)], ids=["typical", "hard"]
)
def test_compact_model_on_held_out_nights(name: str, least: float) -> None:
    score = score_phantoms(getattr(PhantomSettings, name)(HOURS), SEEDS)
    print(f"\n{name}:", *score.lines(), sep="\n  ")
    assert score.kappa >= least
    assert score.unreadable <= 0.01 * len(score.true)
    assert score.rules >= 0.85


@pytest.mark.benchmark
def test_compact_model_on_real_recordings(shared_data: Path) -> None:
    assert shared_data.is_dir()
    print("", *real_recordings(), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--nights", type=int, default=len(SEEDS))
    parser.add_argument("--hours", type=float, default=HOURS)
    chosen = parser.parse_args()
    seeds = range(SEEDS[0], SEEDS[0] + chosen.nights)
    for name in ("typical", "hard"):
        settings = getattr(PhantomSettings, name)(chosen.hours)
        print(f"{name}:", *score_phantoms(settings, seeds, chosen.model).lines(), sep="\n  ")
    if SHARED_DATA.is_dir():
        print(*real_recordings(chosen.model), sep="\n")


if __name__ == "__main__":
    main()
