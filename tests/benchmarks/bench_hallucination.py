"""How often the audit catches words that are not true, and how often it denies words that are.

Simulated nights, typical and hard, are scored by their true stages with rationales that are true
in every word; then the same rationales are broken one way at a time. Run by hand:

    python tests/benchmarks/bench_hallucination.py [SEEDS] [--write]
    pytest tests/benchmarks/bench_hallucination.py -m benchmark -s

With ``--write`` the counts go into ``rules/error_rates.yaml``, which the rulebook's book shows.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from importlib.resources import as_file, files
from typing import TypeVar

import numpy as np
import pytest
import yaml

from auditor.engine import audit
from auditor.error_rates import (
    FILE,
    ErrorCounts,
    ErrorRatesDocument,
    Measurement,
    WhenFalse,
    WhenTrue,
)
from auditor.evidence import measure
from auditor.rulebook import Rulebook, load_rulebook
from auditor.vocabulary import (
    EPOCH_S,
    Claim,
    EpochAudit,
    Event,
    Evidence,
    Hypnogram,
    Level,
    Phenomenon,
    Polarity,
    ScoredEpoch,
    Stage,
    Verdict,
)
from staging.montage import choose_montage
from staging.phantom import Phantom, PhantomSettings, simulate
from staging.phantom_plan import NightPlan, PlannedEvent
from staging.phantom_rationales import in_words, true_scoring
from staging.phantom_seen import Seen, look_at

NIGHT_HOURS = 2.0
SEEDS = (101, 102, 103, 104)
HELD_OUT = (111, 112, 113, 114)
"""Odd seeds give typical nights, even ones hard nights. The first results of those held out were
seen before the last changes."""
EVERY = 2
"""One epoch in so many is made false, so that the scoring around it stays true."""
FAR_S = 6.0
"""What is told this far from the nearest real one is told at a wrong time."""

# Held-out limits: what an auditor may do to a physician's trust, and what may slip through it.
MOST_TRUE_CONTRADICTED = 0.03
MOST_FALSE_SUPPORTED = 0.05
LEAST_DECIDED = 0.80
MOST_TRUE_EPOCHS_FLAGGED = 0.05

Rng = np.random.Generator
_Of = TypeVar("_Of", bound=str)
IsFalse = Callable[[Claim], bool]


@dataclass(frozen=True, slots=True)
class Lie:
    """An epoch told untruly.

    Attributes:
        seen: what the words say was seen, and what is concluded.
        is_false: which of the claims in those words are not true.
    """

    seen: Seen
    is_false: IsFalse


# ── ten ways to be untrue ─────────────────────────────────────────────────────────────────


def invented_event(seen: Seen, rng: Rng) -> Lie | None:
    """One event in an epoch that has none of its kind."""
    choices = [
        event
        for event in (
            _at(rng, Phenomenon.SLEEP_SPINDLE, "C4-M1", 0.8, float(rng.integers(12, 15))),
            _at(rng, Phenomenon.K_COMPLEX, "F4-M1", 0.9),
            _at(rng, Phenomenon.RAPID_EYE_MOVEMENTS, "E1-M2", 0.7),
            _at(rng, Phenomenon.VERTEX_SHARP_WAVES, "C4-M1", 0.25),
            _at(rng, Phenomenon.SLOW_EYE_MOVEMENTS, "E1-M2", 6.0),
            _at(rng, Phenomenon.AROUSAL, "C4-M1", 5.0),
        )
        if not seen.of(*_COULD_PASS[event.kind])
    ]
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT) or not choices:
        return None
    event = choices[int(rng.integers(len(choices)))]
    return Lie(_with(seen, (*seen.events, event)), _told_at(event))


def wrong_time(seen: Seen, rng: Rng) -> Lie | None:
    """One event told where there is none of its kind far and wide."""
    start = float(rng.uniform(1, 27))
    movable = [
        event
        for kind in (
            Phenomenon.SLEEP_SPINDLE,
            Phenomenon.K_COMPLEX,
            Phenomenon.VERTEX_SHARP_WAVES,
            Phenomenon.AROUSAL,
        )
        for event in seen.centred(kind)[:1]
        if not any(_near(each, start) for each in seen.of(*_COULD_PASS[kind]))
    ]
    if not movable:
        return None
    event = movable[int(rng.integers(len(movable)))]
    moved = replace(event, start_s=start, end_s=start + event.duration_s)
    return Lie(_with(seen, (*(e for e in seen.events if e is not event), moved)), _told_at(moved))


def wrong_channel(seen: Seen, rng: Rng) -> Lie | None:
    """A spindle or K complex told in a channel that cannot show it."""
    real = seen.centred(Phenomenon.SLEEP_SPINDLE)[:3] + seen.centred(Phenomenon.K_COMPLEX)[:3]
    if not real:
        return None
    event = real[int(rng.integers(len(real)))]
    elsewhere = replace(event, channel=str(rng.choice(["Chin 1-2", "E1-M2", "E2-M2"])))
    return Lie(
        _with(seen, (*(e for e in seen.events if e is not event), elsewhere)),
        lambda claim: elsewhere.channel in claim.channels and claim.phenomenon is event.kind,
    )


def flipped_polarity(seen: Seen, rng: Rng) -> Lie | None:
    """What is plainly there, denied."""
    plain = [
        kind
        for kind, least in (
            (Phenomenon.SLEEP_SPINDLE, 2),
            (Phenomenon.K_COMPLEX, 2),
            (Phenomenon.RAPID_EYE_MOVEMENTS, 4),
            (Phenomenon.SLOW_WAVE_ACTIVITY, 6),
            (Phenomenon.SLOW_EYE_MOVEMENTS, 1),
            (Phenomenon.ALPHA_RHYTHM, 1),
        )
        if len(seen.centred(kind)) >= least
    ]
    if seen.alpha_fraction < 0.5 and Phenomenon.ALPHA_RHYTHM in plain:
        plain.remove(Phenomenon.ALPHA_RHYTHM)
    if seen.stage is Stage.W and Phenomenon.RAPID_EYE_MOVEMENTS in plain:
        plain.remove(Phenomenon.RAPID_EYE_MOVEMENTS)
    if not plain or seen.of(Phenomenon.MAJOR_BODY_MOVEMENT):
        return None
    kind = plain[int(rng.integers(len(plain)))]
    denied = _with(seen, (event for event in seen.events if event.kind is not kind))
    if kind is Phenomenon.ALPHA_RHYTHM:
        denied = replace(denied, alpha_fraction=0.0)
    return Lie(denied, lambda claim: claim.phenomenon is kind and claim.polarity is Polarity.ABSENT)


def wrong_extent(seen: Seen, rng: Rng) -> Lie | None:
    """Alpha, or slow waves, for far more or less of the epoch than they fill."""
    slow = seen.of(Phenomenon.SLOW_WAVE_ACTIVITY)
    if seen.of(Phenomenon.ALPHA_RHYTHM):
        kind = Phenomenon.ALPHA_RHYTHM
        far = seen.alpha_fraction + (0.4 if seen.alpha_fraction < 0.5 else -0.4)
        told = replace(seen, alpha_fraction=far)
    elif len(slow) >= 12:
        kind = Phenomenon.SLOW_WAVE_ACTIVITY
        n_kept = 7 if len(slow) < 18 else 9
        told = _with(seen, (e for e in seen.events if e.kind is not kind or e in slow[:n_kept]))
        if told.seconds(kind) > 0.6 * seen.seconds(kind):
            return None
    else:
        return None
    del rng
    return Lie(told, lambda claim: claim.phenomenon is kind and claim.extent is not None)


def wrong_frequency(seen: Seen, rng: Rng) -> Lie | None:
    """A spindle of a frequency that it does not have."""
    del rng
    real = seen.centred(Phenomenon.SLEEP_SPINDLE)[:3]
    if not real:
        return None
    event = real[0]
    true_hz = event.frequency_hz or 13.0
    # Another spindle nearby could have the frequency told.
    others = [e for e in real[1:] if abs(e.start_s - event.start_s) < 3]
    told = replace(event, frequency_hz=true_hz + (3.0 if true_hz < 13.2 else -3.0))
    if others:
        return None
    return Lie(_with(seen, (*(e for e in seen.events if e is not event), told)), _told_at(told))


def wrong_level(seen: Seen, rng: Rng) -> Lie | None:
    """Chin tone told low where it is high or intermediate, and high where it is low."""
    del rng
    level = Level.HIGH if seen.chin_tone is Level.LOW else Level.LOW
    return Lie(
        replace(seen, chin_tone=level), lambda claim: claim.phenomenon is Phenomenon.CHIN_TONE
    )


def wrong_citation(seen: Seen, rng: Rng) -> Lie | None:
    """The right stage by a rule that does not hold."""
    del rng
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT, Phenomenon.AROUSAL):
        return None
    rule = {
        Stage.W: "N3.1",
        Stage.N1: "R.1",
        Stage.N2: "N3.1",
        Stage.N3: "W.1",
        Stage.R: "W.1",
    }[seen.stage]
    return Lie(replace(seen, rules=(rule,)), _none)


def wrong_stage(seen: Seen, rng: Rng) -> Lie | None:
    """True words, and a stage that does not follow from them."""
    if seen.of(Phenomenon.MAJOR_BODY_MOVEMENT, Phenomenon.AROUSAL):
        return None
    stage, rule = {
        Stage.W: (Stage.N1, "N1.1"),
        Stage.N1: (Stage.W, "W.1"),
        Stage.N2: (Stage.N3, "N3.1"),
        Stage.N3: (Stage.N2, "N2.1"),
        Stage.R: (Stage.N1, "N1.1") if rng.random() < 0.5 else (Stage.N2, "N2.1"),
    }[seen.stage]
    return Lie(replace(seen, stage=stage, rules=(rule,)), _none)


def arousal_k_complex(seen: Seen, rng: Rng) -> Lie | None:
    """N2 by a K complex that an arousal goes with, which counts for nothing."""
    del rng
    arousals = seen.of(Phenomenon.AROUSAL)
    complexes = seen.of(Phenomenon.K_COMPLEX)
    spoiled = complexes and all(
        any(a.start_s <= k.end_s + 1.0 and a.end_s >= k.start_s for a in arousals)
        for k in complexes
    )
    if seen.stage is not Stage.N1 or not spoiled or seen.of(Phenomenon.SLEEP_SPINDLE):
        return None
    unmentioned = (event for event in seen.events if event.kind is not Phenomenon.AROUSAL)
    return Lie(replace(_with(seen, unmentioned), stage=Stage.N2, rules=("N2.1",)), _none)


WAYS: tuple[Callable[[Seen, Rng], Lie | None], ...] = (
    invented_event,
    wrong_time,
    wrong_channel,
    flipped_polarity,
    wrong_extent,
    wrong_frequency,
    wrong_level,
    wrong_citation,
    wrong_stage,
    arousal_k_complex,
)

_COULD_PASS: dict[Phenomenon, tuple[Phenomenon, ...]] = {
    kind: (kind, *others)
    for kind, others in {
        # What an expert too could take for it.
        Phenomenon.SLEEP_SPINDLE: (Phenomenon.AROUSAL,),
        Phenomenon.K_COMPLEX: (Phenomenon.SLOW_WAVE_ACTIVITY, Phenomenon.VERTEX_SHARP_WAVES),
        Phenomenon.VERTEX_SHARP_WAVES: (Phenomenon.K_COMPLEX, Phenomenon.SLOW_WAVE_ACTIVITY),
        Phenomenon.RAPID_EYE_MOVEMENTS: (
            Phenomenon.EYE_BLINKS,
            Phenomenon.READING_EYE_MOVEMENTS,
            Phenomenon.SLOW_EYE_MOVEMENTS,
        ),
        Phenomenon.SLOW_EYE_MOVEMENTS: (
            Phenomenon.EYE_BLINKS,
            Phenomenon.RAPID_EYE_MOVEMENTS,
            Phenomenon.READING_EYE_MOVEMENTS,
        ),
        Phenomenon.AROUSAL: (Phenomenon.ALPHA_RHYTHM,),
    }.items()
}


def _at(
    rng: Rng, kind: Phenomenon, channel: str, duration_s: float, hz: float | None = None
) -> Event:
    start = float(rng.uniform(2, 29 - duration_s))
    return Event(kind, channel, start, start + duration_s, 1.0, hz)


def _with(seen: Seen, events: Iterable[Event]) -> Seen:
    return replace(seen, events=tuple(sorted(events, key=lambda event: event.start_s)))


def _near(event: Event, time_s: float) -> bool:
    return event.start_s - FAR_S < time_s < event.end_s + FAR_S


def _told_at(event: Event) -> IsFalse:
    """The claim of such an event at its time."""

    def is_false(claim: Claim) -> bool:
        return (
            claim.phenomenon is event.kind
            and claim.polarity is not Polarity.ABSENT
            and any(span.start_s - 1.0 <= event.start_s <= span.end_s + 1.0 for span in claim.spans)
        )

    return is_false


def _none(claim: Claim) -> bool:
    del claim
    return False


# ── what becomes of them ──────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Tally:
    """What became of claims of one sort, and of the epochs that they stand in."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    epochs: int = 0
    flagged: int = 0
    unread: int = 0

    def row(self, name: str) -> str:
        n = self.verdicts.total()
        shares = (
            (f"{self.verdicts[v] / n:8.1%}" for v in _ORDER) if n else ("       –" for _ in _ORDER)
        )
        flagged = f"{self.flagged / self.epochs:9.1%}" if self.epochs else ""
        return f"{name:42}{n:6}  {'  '.join(shares)}  {flagged}"


_ORDER = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.NOT_ASSESSABLE)


@dataclass(slots=True)
class Results:
    """All that is counted."""

    true: dict[tuple[Phenomenon, Polarity], Tally] = field(
        default_factory=lambda: defaultdict(Tally)
    )
    false: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    false_by_kind: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    true_of: dict[Phenomenon, Tally] = field(default_factory=lambda: defaultdict(Tally))
    false_of: dict[Phenomenon, Tally] = field(default_factory=lambda: defaultdict(Tally))
    true_rules: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    false_rules: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    epochs: int = 0
    flagged: int = 0


def add_night(results: Results, phantom: Phantom, evidence: Evidence, rulebook: Rulebook) -> None:
    """The audits of a night told truly, and untruly in each way."""
    truth = true_scoring(phantom, with_rationales=True)
    for epoch in audit(truth, evidence, rulebook).epochs:
        _add_true(results, epoch)
    for way in WAYS:
        rng = np.random.default_rng([len(phantom.events), len(way.__name__)])
        scoring, lies = _told_untruly(phantom, truth, way, rng)
        audited = audit(scoring, evidence, rulebook).epochs
        for index, lie in lies.items():
            _add_false(results, way, audited[index], lie)


def _told_untruly(
    phantom: Phantom, truth: Hypnogram, way: Callable[[Seen, Rng], Lie | None], rng: Rng
) -> tuple[Hypnogram, dict[int, Lie]]:
    epochs = list(truth.epochs)
    lies: dict[int, Lie] = {}
    last = -EVERY
    for index in range(len(epochs)):
        if index - last < EVERY:
            continue
        lie = way(look_at(phantom, index), rng)
        if lie is not None:
            lies[index], last = lie, index
            words = in_words(lie.seen, np.random.default_rng(index))
            epochs[index] = ScoredEpoch(index, lie.seen.stage, rationale=words)
    return replace(truth, epochs=tuple(epochs)), lies


def _add_true(results: Results, epoch: EpochAudit) -> None:
    results.epochs += 1
    results.flagged += bool(epoch.flags)
    results.flags.update({flag.code.value for flag in epoch.flags})
    for rule in epoch.rules:
        if rule.cited:
            results.true_rules[rule.id].verdicts[rule.verdict] += 1
    for finding in epoch.claims:
        kind, polarity = finding.claim.phenomenon, finding.claim.polarity
        results.true[kind, polarity].verdicts[finding.verdict] += 1
        results.true_of[kind].verdicts[finding.verdict] += 1
        if finding.verdict is Verdict.CONTRADICTED:
            reason = "".join("#" if c.isdigit() else c for c in finding.reason)
            results.reasons[f"{kind} {polarity}: {reason}"] += 1


def _add_false(
    results: Results, way: Callable[[Seen, Rng], Lie | None], epoch: EpochAudit, lie: Lie
) -> None:
    name = way.__name__.replace("_", " ")
    tally = results.false[name]
    tally.epochs += 1
    tally.flagged += bool(epoch.flags)
    if way in (wrong_citation, wrong_stage, arousal_k_complex):
        tally.verdicts[_deduction(epoch, way)] += 1
        key = f"{name}: {epoch.stage} by {', '.join(lie.seen.rules)}"
        results.false_by_kind[key].verdicts[_deduction(epoch, way)] += 1
        if way is not wrong_stage:
            (cited,) = lie.seen.rules
            results.false_rules[cited].verdicts[_deduction(epoch, way)] += 1
        return
    untrue = [each for each in epoch.claims if lie.is_false(each.claim)]
    tally.unread += not untrue
    for finding in untrue:
        tally.verdicts[finding.verdict] += 1
        results.false_of[finding.claim.phenomenon].verdicts[finding.verdict] += 1
        results.false_by_kind[f"{name}: {finding.claim.phenomenon}"].verdicts[finding.verdict] += 1


def _deduction(epoch: EpochAudit, way: Callable[[Seen, Rng], Lie | None]) -> Verdict:
    """Whether what is concluded stands: the cited rule, or the stage."""
    if way is wrong_stage:
        return Verdict.SUPPORTED if epoch.stage in epoch.permitted_stages else Verdict.CONTRADICTED
    return next(rule.verdict for rule in epoch.rules if rule.cited)


def nights(seeds: Sequence[int]) -> Iterator[tuple[Phantom, Evidence]]:
    """A night for each seed, and one in which every other epoch of N1 has a K complex in vain."""
    for seed in seeds:
        hard = seed % 2 == 0
        make = PhantomSettings.hard if hard else PhantomSettings.typical
        yield _measured(simulate(seed, make(hours=NIGHT_HOURS)))
    yield _measured(_night_of_spoiled_k_complexes(seeds[0]))


def _measured(phantom: Phantom) -> tuple[Phantom, Evidence]:
    return phantom, measure(choose_montage(phantom.recording))


def _night_of_spoiled_k_complexes(seed: int) -> Phantom:
    stages = [Stage.W] * 10 + [Stage.N1] * 50
    rng = np.random.default_rng(seed)
    alpha = [
        PlannedEvent.typical(Phenomenon.ALPHA_RHYTHM, 15.0 * i, duration_s=14.0) for i in range(20)
    ]
    spoiled = []
    for i in range(12, 60, 2):
        start = i * EPOCH_S + float(rng.uniform(3, 9))
        pause = float(rng.uniform(0.1, 0.6))
        k_complex = PlannedEvent.typical(Phenomenon.K_COMPLEX, start)
        arousal = PlannedEvent.typical(Phenomenon.AROUSAL, k_complex.end_s + pause)
        rolling = PlannedEvent.typical(Phenomenon.SLOW_EYE_MOVEMENTS, arousal.end_s + 1.0)
        spoiled += [k_complex, arousal, rolling]
    return simulate(seed, plan=NightPlan.of(stages, [*alpha, *spoiled]))


def report(results: Results) -> None:
    heads = "       n  supported  contradicted  undecided"
    print(f"\n{'what is true':36}{heads}")
    for (kind, polarity), tally in sorted(results.true.items()):
        print(tally.row(f"{kind.replace('_', ' ')}, {polarity}"))
    print(_total(results.true.values()).row("all"))
    print(f"\nepochs told truly that are flagged: {results.flagged / results.epochs:.1%}")
    for code, n in results.flags.most_common():
        print(f"  {code:24}{n / results.epochs:6.1%}")
    print("\nwhy true claims are contradicted:")
    for reason, n in results.reasons.most_common(25):
        print(f"{n:6}  {reason}")
    print(f"\n{'what is false':36}{heads}  epochs flagged")
    for name, tally in results.false.items():
        print(tally.row(name) + (f"  unread {tally.unread}" if tally.unread else ""))
    print(_total(results.false[name] for name in _PERCEIVED).row("all that was perceived"))
    print()
    for name, tally in sorted(results.false_by_kind.items()):
        print(tally.row(name))


_PERCEIVED = tuple(way.__name__.replace("_", " ") for way in WAYS[:7])


def _total(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.verdicts.update(tally.verdicts)
    return total


# ── for the README, and for the rulebook's readers ────────────────────────────────────────


def markdown(results: Results) -> str:
    """The README's table."""
    lines = [
        "| what is told | told | supported | contradicted | left open | epochs flagged |",
        "|---|--:|--:|--:|--:|--:|",
        _cells("the truth", _total(results.true.values()), results.flagged / results.epochs),
    ]
    for name, tally in results.false.items():
        lines.append(_cells(name, tally, tally.flagged / max(1, tally.epochs)))
    return "\n".join(lines)


def _cells(name: str, tally: Tally, flagged: float) -> str:
    n = tally.verdicts.total()
    shares = [f"{tally.verdicts[each] / max(1, n):.1%}" for each in _ORDER]
    return f"| {' | '.join([name, str(n), *shares, f'{flagged:.1%}'])} |"


def write_error_rates(results: Results, rulebook: Rulebook) -> None:
    """Puts the counts into the rulebook's folder, in place of those of an earlier run."""
    measurement = Measurement(
        nights=f"{len(HELD_OUT)} simulated nights of {NIGHT_HOURS:g} h kept for checking, "
        "whose first results were seen before the last changes, typical and hard",
        day=date.today(),
        benchmark="tests/benchmarks/bench_hallucination.py",
        rulebook_sha256=rulebook.identity.sha256,
        phenomena=_counts(results.true_of, results.false_of),
        rules=_counts(results.true_rules, results.false_rules),
    )
    document = ErrorRatesDocument(measurements=[measurement]).model_dump(mode="json")
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    with as_file(files("rules")) as folder:
        head = "# Written by tests/benchmarks/bench_hallucination.py --write; not by hand.\n"
        (folder / FILE).write_text(head + text, encoding="utf-8")


def _counts(true: Mapping[_Of, Tally], false: Mapping[_Of, Tally]) -> dict[_Of, ErrorCounts]:
    nothing = Tally()
    counts = {}
    for name in sorted({*true, *false}):
        so, untrue = true.get(name, nothing).verdicts, false.get(name, nothing).verdicts
        counts[name] = ErrorCounts(
            when_true=WhenTrue(
                n=so.total(),
                contradicted=so[Verdict.CONTRADICTED],
                not_assessable=so[Verdict.NOT_ASSESSABLE],
            ),
            when_false=WhenFalse(
                n=untrue.total(),
                supported=untrue[Verdict.SUPPORTED],
                not_assessable=untrue[Verdict.NOT_ASSESSABLE],
            ),
        )
    return counts


def measured(seeds: Sequence[int]) -> Results:
    results, rulebook = Results(), load_rulebook()
    for phantom, evidence in nights(seeds):
        add_night(results, phantom, evidence, rulebook)
    return results


@pytest.mark.benchmark
@pytest.mark.parametrize("seeds", [SEEDS, HELD_OUT], ids=["its own nights", "held-out nights"])
def test_true_words_stand_and_false_ones_fall(seeds: Sequence[int]) -> None:
    results = measured(seeds)
    report(results)
    true = _total(results.true.values()).verdicts
    false = _total(results.false[name] for name in _PERCEIVED).verdicts
    decided = sum(c[v] for c in (true, false) for v in (Verdict.SUPPORTED, Verdict.CONTRADICTED))
    assert true[Verdict.CONTRADICTED] <= MOST_TRUE_CONTRADICTED * true.total()
    assert false[Verdict.SUPPORTED] <= MOST_FALSE_SUPPORTED * false.total()
    assert decided >= LEAST_DECIDED * (true.total() + false.total())
    assert results.flagged <= MOST_TRUE_EPOCHS_FLAGGED * results.epochs


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", type=int, nargs="*", default=HELD_OUT)
    parser.add_argument("--write", action="store_true", help="write rules/error_rates.yaml")
    asked = parser.parse_args()
    found = measured(asked.seeds)
    report(found)
    print(f"\n{markdown(found)}")
    if asked.write:
        write_error_rates(found, load_rulebook())
