"""An audited night made by hand, as the store would hold it: no signal, no detector."""

from datetime import datetime

from auditor.vocabulary import (
    Audit,
    ChannelReport,
    Claim,
    ClaimFinding,
    ConditionFinding,
    EpochAudit,
    EpochEvidence,
    Evidence,
    Flag,
    FlagCode,
    Hypnogram,
    Phenomenon,
    Polarity,
    Role,
    RulebookIdentity,
    RuleFinding,
    ScoredEpoch,
    Severity,
    Stage,
    StagerIdentity,
    Verdict,
)
from connector.documents import Json, audit_json
from connector.figures import sleep_figures
from connector.kept import keep_evidence, keep_hypnogram

STAGER = StagerIdentity("scored", "1.0", "c0ffee" + "0" * 58)
RULEBOOK = RulebookIdentity("2026.1", "feed" * 16)

_CYCLE = "W" * 6 + "1" * 4 + "2" * 40 + "3" * 50 + "2" * 30 + "R" * 20 + "2" * 10
_STAGES = {"W": Stage.W, "1": Stage.N1, "2": Stage.N2, "3": Stage.N3, "R": Stage.R}

SPINDLE = "a sleep spindle <at> 14 s & more"
"""What a model claims in epoch 12, with characters that a page must not take for its own."""


def audited_night(n_epochs: int = 960) -> Json:
    """Cycles of sleep with one unscored epoch (20); epochs 12, 57 and 130 are flagged."""
    return night_documents(n_epochs)[2]


def night_documents(n_epochs: int = 960) -> tuple[str, bytes, Json]:
    """The same night's hypnogram, evidence and audit, as the store keeps them."""
    stages = [_STAGES[_CYCLE[i % len(_CYCLE)]] for i in range(n_epochs)]
    stages[20] = Stage.UNSCORED
    hypnogram = Hypnogram(STAGER, tuple(ScoredEpoch(i, stage) for i, stage in enumerate(stages)))
    epochs = tuple(_epoch(i, stage) for i, stage in enumerate(stages))
    audit = Audit(
        STAGER,
        RULEBOOK,
        epochs,
        ("Stage W cannot be checked by alpha: no occipital EEG was recorded.",),
    )
    evidence = Evidence(
        "night.edf",
        datetime(2026, 1, 1, 22, 47, 30),
        {
            Role.FRONTAL: ChannelReport("F4-M1", "good"),
            Role.CENTRAL: ChannelReport("C3-M2", "good", "C3-M2 as no C4 was recorded"),
            Role.CHIN: ChannelReport("Chin 1-2", "flat for 4 % of the night"),
        },
        {Role.OCCIPITAL: "no channel is labelled O1, O2 or Oz"},
        (),
        tuple(EpochEvidence(i, {}, {}) for i in range(n_epochs)),
    )
    document = audit_json(audit, evidence, sleep_figures(hypnogram).document())
    return keep_hypnogram(hypnogram), keep_evidence(evidence), document


def _epoch(index: int, stage: Stage) -> EpochAudit:
    if index == 12:
        return _contradicted(index, stage)
    if index == 57:
        return _not_permitted(index, stage)
    if index == 130:
        unsure = Flag(FlagCode.LOW_CONFIDENCE, Severity.LOW, "The stager gives N2 only 41 %.")
        return EpochAudit(index, stage, (), (), (stage,), (unsure,), 0.2)
    return EpochAudit(index, stage, (), (), (stage,), (), 0.0)


def _contradicted(index: int, stage: Stage) -> EpochAudit:
    claim = Claim(Phenomenon.SLEEP_SPINDLE, Polarity.PRESENT, start=10, end=41, text=SPINDLE)
    finding = ClaimFinding(
        claim,
        Verdict.CONTRADICTED,
        "none",
        "a spindle between 13 s and 15 s",
        "No sleep spindle is there: the likeliest candidate has probability 0.03.",
    )
    flag = Flag(
        FlagCode.CLAIM_CONTRADICTED,
        Severity.HIGH,
        "The rationale names a sleep spindle that the signal does not show.",
    )
    return EpochAudit(index, stage, (finding,), (), (Stage.N1,), (flag,), 0.93)


def _not_permitted(index: int, stage: Stage) -> EpochAudit:
    condition = ConditionFinding(
        "slow_wave_share", 0.12, 0.2, "1", Verdict.CONTRADICTED, operator=">="
    )
    rule = RuleFinding("N3.1", True, Verdict.CONTRADICTED, (condition,))
    claim = Claim(Phenomenon.SLOW_WAVE_ACTIVITY, Polarity.PRESENT)
    finding = ClaimFinding(
        claim,
        Verdict.CONTRADICTED,
        0.12,
        0.2,
        "Slow waves fill 3.6 s of the epoch where 6 s are needed.",
    )
    flags = (
        Flag(FlagCode.STAGE_NOT_PERMITTED, Severity.MEDIUM, "No rule that leads to N3 holds."),
        Flag(FlagCode.RULE_NOT_MET, Severity.MEDIUM, "Rule N3.1 is cited and does not hold."),
    )
    return EpochAudit(index, stage, (finding,), (rule,), (Stage.N2,), flags, 0.61)
