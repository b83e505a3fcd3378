"""A real rationale of a published vision-language stager, on its epoch rebuilt.

An expert scored the epoch N1: its K complex goes with an arousal, and its spindle is not there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import (
    EPOCH_S,
    EpochAudit,
    FlagCode,
    Hypnogram,
    Phenomenon,
    Polarity,
    Rationale,
    ScoredEpoch,
    Stage,
    StagerIdentity,
    Verdict,
)
from staging.montage import choose_montage
from staging.phantom import NightPlan, PhantomSettings, PlannedEvent, simulate

STAGES = (
    *[Stage.W] * 6,
    *[Stage.N1] * 3,
    *[Stage.N2] * 10,
    *[Stage.N1] * 3,
    *[Stage.N2] * 6,
    *[Stage.R] * 6,
)
EPOCH = 19
"""The rebuilt one: the first after N2."""
SEEDS = (41, 42, 43)
QUIET = PhantomSettings(sampling_rate_hz=128, gain=0.6)
"""A background in which hardly anything resembles a spindle."""


@pytest.fixture(scope="module", params=SEEDS)
def told(request: pytest.FixtureRequest, shared_data: Path) -> EpochAudit:
    return rebuilt(request.param, shared_data)


def rebuilt(seed: int, shared_data: Path) -> EpochAudit:
    """The rationale's epoch, audited as the stager scored and explained it."""
    examples = shared_data / "rationales" / "sleepvlm_examples.json"
    said = json.loads(examples.read_text("utf-8"))["items"][-1]
    words = Rationale(said["reasoning_text"], tuple(said["applicable_rules"]))
    phantom = simulate(seed, QUIET, _night())
    scored = [ScoredEpoch(i, stage) for i, stage in enumerate(phantom.stages)]
    scored[EPOCH] = ScoredEpoch(EPOCH, Stage(said["sleep_stage"]), rationale=words)
    hypnogram = Hypnogram(StagerIdentity("sleepvlm", "1"), tuple(scored))
    evidence = measure(choose_montage(phantom.recording))
    return audit(hypnogram, evidence, load_rulebook()).epochs[EPOCH]


def _night() -> NightPlan:
    """Alpha while awake, a spindle in each first half of N2, rapid eye movements in R."""
    events = []
    for epoch, stage in enumerate(STAGES):
        start_s = epoch * EPOCH_S
        if stage is Stage.W:
            events.append(
                PlannedEvent.typical(Phenomenon.ALPHA_RHYTHM, start_s + 1, duration_s=28.0)
            )
        elif stage is Stage.N2:
            events.append(PlannedEvent.typical(Phenomenon.SLEEP_SPINDLE, start_s + 5))
            events.append(PlannedEvent.typical(Phenomenon.K_COMPLEX, start_s + 10))
        elif stage is Stage.R:
            events += [
                PlannedEvent.typical(Phenomenon.RAPID_EYE_MOVEMENTS, start_s + at_s, direction=side)
                for at_s, side in ((5, 1), (9, -1), (20, 1))
            ]
    k_complex = PlannedEvent.typical(Phenomenon.K_COMPLEX, EPOCH * EPOCH_S + 4.0)
    arousal = PlannedEvent.typical(Phenomenon.AROUSAL, k_complex.end_s + 0.2)
    return NightPlan.of(STAGES, [*events, k_complex, arousal])


def test_the_words_are_held_against_the_signal(told: EpochAudit) -> None:
    verdicts = defaultdict(set)
    for finding in told.claims:
        assert finding.claim.read
        verdicts[finding.claim.phenomenon, finding.claim.polarity].add(finding.verdict)
    assert verdicts[Phenomenon.K_COMPLEX, Polarity.PRESENT] == {Verdict.SUPPORTED}
    assert verdicts[Phenomenon.SLEEP_SPINDLE, Polarity.PRESENT] == {Verdict.CONTRADICTED}


def test_the_conclusion_is_held_against_the_rules(told: EpochAudit) -> None:
    by_rule = {rule.id: rule for rule in told.rules}
    assert by_rule["N2.1"].cited
    assert by_rule["N2.1"].verdict is Verdict.CONTRADICTED
    assert by_rule["N2.4"].verdict is Verdict.SUPPORTED
    assert Stage.N1 in told.permitted_stages
    assert Stage.N2 not in told.permitted_stages


def test_a_physician_is_told_of_both(told: EpochAudit) -> None:
    codes = {flag.code for flag in told.flags}
    assert {
        FlagCode.CLAIM_CONTRADICTED,
        FlagCode.RULE_NOT_MET,
        FlagCode.STAGE_NOT_PERMITTED,
    } <= codes
