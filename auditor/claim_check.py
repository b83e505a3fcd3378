"""Claims against evidence: is what a rationale says it saw in the signal?

Words are rarely exact, so each attribute that they name is compared with a tolerance
(``rules/claims.yaml``). A claim of presence is supported by an event that is surely there,
contradicted where not even a candidate fits, and not assessable between.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor import kleene
from auditor.claim_events import (
    EventSearch,
    Match,
    one,
    spoken_range,
    spoken_span,
    spoken_time,
)
from auditor.night import Night, Observed, Reference
from auditor.rule_schema import Amount, ClaimsDocument, PhenomenonDocument
from auditor.vocabulary import (
    Claim,
    ClaimFinding,
    Epoch,
    Event,
    Extent,
    Interval,
    Level,
    Polarity,
    Scalar,
    Verdict,
)

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """One respect in which a claim was checked."""

    verdict: Verdict
    measured: Scalar
    expected: Scalar
    reason: str


class ClaimChecker:
    """Checks claims about one night."""

    def __init__(self, conventions: ClaimsDocument, night: Night) -> None:
        self._conventions = conventions
        self._night = night
        self._search = EventSearch(conventions, night)

    def check(self, claim: Claim, index: int) -> ClaimFinding:
        """The claim's verdict in its epoch, by the respect that decides it."""
        answers = self._answers(claim, self._conventions.phenomena[claim.phenomenon], index)
        verdict = kleene.conjunction(answer.verdict for answer in answers)
        deciding = next(answer for answer in answers if answer.verdict is verdict)
        return ClaimFinding(claim, verdict, deciding.measured, deciding.expected, deciding.reason)

    def _answers(self, claim: Claim, how: PhenomenonDocument, index: int) -> list[_Answer]:
        if not claim.read:
            return [_open("what the words say could not be read with certainty")]
        if claim.polarity is Polarity.UNCERTAIN:
            return [_open("the words leave it open")]
        obstacle = self._night.evidence.epochs[index].not_assessable.get(claim.phenomenon)
        if obstacle is not None:
            return [_open(obstacle)]
        if how.level is not None:
            return [self._level(claim, how, how.level, index)]
        stranger = self._out_of_place(claim, how)
        if stranger is not None:
            return [stranger]
        if claim.polarity is Polarity.ABSENT:
            return [self._absent(claim, how, index)]
        return self._present(claim, how, index)

    # ── presence ──────────────────────────────────────────────────────────────────────────

    def _present(self, claim: Claim, how: PhenomenonDocument, index: int) -> list[_Answer]:
        answers: list[_Answer] = []
        if claim.extent is not None and how.extent is not None:
            amount = self._observe(how.extent, index)
            answers.append(self._extent(claim, claim.extent, amount, how))
        # "For less than a tenth" holds of nothing at all, too.
        says_little = claim.extent is not None and _reaches(0.0, claim.extent, self._slack(claim))
        if how.amount is not None and not says_little:
            answers.append(self._amount_present(how.amount, how, index))
        timed = bool(claim.spans) and how.has_events
        if timed or (how.amount is None and not says_little):
            answers.append(self._events_present(claim, how, index))
        elif claim.frequency_hz is not None and how.band_hz is not None:
            answers.append(self._frequency(claim.frequency_hz, how.band_hz, how))
        return answers or [_open("the words name nothing that was measured")]

    def _amount_present(self, amount: Amount, how: PhenomenonDocument, index: int) -> _Answer:
        observed = self._observe(amount.quantity, index)
        least = amount.present_from.value
        return _amount_answer(
            kleene.of_possible(_number(each) >= least for each in observed.possible),
            observed,
            f"at least {least:.0%}",
            how.say,
        )

    def _events_present(self, claim: Claim, how: PhenomenonDocument, index: int) -> _Answer:
        epoch = Epoch(index)
        matches = self._search.matches(claim, epoch)
        sure = [each for each in matches if each.fits and self._surely(each)]
        missing = [each for each in matches if not each.fits]
        several = self._conventions.several_times
        when = ", ".join(map(spoken_span, claim.spans))
        expected = f"{how.say} at {when}" if when else how.say
        if len(sure) >= several.holds_from.value * len(matches):
            at = ", ".join(spoken_time(each.event, epoch) for each in sure if each.event)
            return _Answer(Verdict.SUPPORTED, at, expected, f"{how.say} at {at}")
        if len(missing) >= several.fails_from.value * len(matches):
            return self._missing(missing, len(matches), how, epoch, expected)
        doubtful = next(
            (e.event for e in matches if e.fits and e.event and not self._surely(e)), None
        )
        if doubtful is None:
            reason = f"{one(how.say)} was found at {len(sure)} of the {len(matches)} times named"
            return _Answer(Verdict.NOT_ASSESSABLE, len(sure), expected, reason)
        return _doubtful(doubtful, epoch, how, expected)

    def _missing(
        self,
        missing: Sequence[Match],
        n_times: int,
        how: PhenomenonDocument,
        epoch: Epoch,
        expected: str,
    ) -> _Answer:
        """Nothing fits: what there is instead, by the surest of what came near."""
        near = [
            (each.event, each.misfit)
            for each in missing
            if each.event is not None and self._search.surely(each.event)
        ]
        if not near:
            reason = f"no {expected} was found"
            if n_times > 1:
                reason = f"no {how.say} was found at {len(missing)} of the {n_times} times named"
            return _Answer(Verdict.CONTRADICTED, "none", expected, reason)
        event, misfit = max(near, key=lambda each: each[0].probability)
        at = spoken_time(event, epoch)
        return _Answer(Verdict.CONTRADICTED, at, expected, f"{one(how.say)} at {at}, {misfit}")

    def _frequency(
        self, claimed_hz: Interval, band_hz: tuple[float, float], how: PhenomenonDocument
    ) -> _Answer:
        """Without times, the frequency is compared with what the phenomenon is by definition."""
        slack_hz = self._conventions.tolerances.frequency_hz.value
        inside = (
            band_hz[0] - slack_hz <= claimed_hz.low and claimed_hz.high <= band_hz[1] + slack_hz
        )
        band, named = f"{band_hz[0]:g}–{band_hz[1]:g} Hz", f"{spoken_range(claimed_hz)} Hz"
        if inside:
            return _Answer(Verdict.SUPPORTED, band, named, f"{how.say} is activity at {band}")
        reason = f"{how.say} is activity at {band} by definition, not at {named}"
        return _Answer(Verdict.CONTRADICTED, band, named, reason)

    def _extent(
        self, claim: Claim, extent: Extent, observed: Observed, how: PhenomenonDocument
    ) -> _Answer:
        """Between agreeing and differing lies what the eye cannot tell."""
        shares = [_number(each) for each in observed.possible]
        agrees, differs = self._slack(claim), self._slack(claim, differs=True)
        verdict = Verdict.NOT_ASSESSABLE
        if all(_reaches(share, extent, agrees) for share in shares):
            verdict = Verdict.SUPPORTED
        elif not any(_reaches(share, extent, differs) for share in shares):
            verdict = Verdict.CONTRADICTED
        return _amount_answer(verdict, observed, f"{extent.op} {extent.fraction:.0%}", how.say)

    def _slack(self, claim: Claim, differs: bool = False) -> float:
        """How far an extent may be off; what a stage implies is exact."""
        if claim.text is None:
            return 0.0
        tolerances = self._conventions.tolerances
        return (tolerances.extent_differs if differs else tolerances.extent_agrees).value

    # ── absence ───────────────────────────────────────────────────────────────────────────

    def _absent(self, claim: Claim, how: PhenomenonDocument, index: int) -> _Answer:
        timed = bool(claim.spans) and how.has_events
        if how.amount is not None and not timed:
            observed = self._observe(how.amount.quantity, index)
            most = how.amount.absent_below.value
            verdict = kleene.of_possible(_number(each) < most for each in observed.possible)
            return _amount_answer(verdict, observed, f"less than {most:.0%}", how.say)
        epoch = Epoch(index)
        found = self._search.denied(claim, epoch)
        if not found:
            return _Answer(Verdict.SUPPORTED, "none", "none", f"no {how.say} was found")
        clearest = max(found, key=lambda event: event.probability)
        at = spoken_time(clearest, epoch)
        if clearest.probability >= self._conventions.denial_wrong_from.value:
            return _Answer(Verdict.CONTRADICTED, at, "none", f"there is {one(how.say)} at {at}")
        return _doubtful(clearest, epoch, how, "none")

    # ── level and place ───────────────────────────────────────────────────────────────────

    def _level(self, claim: Claim, how: PhenomenonDocument, name: str, index: int) -> _Answer:
        """A level, said or denied; a tone without a level is one that is not low."""
        observed = self._observe(name, index)
        level, present = claim.level, claim.polarity is Polarity.PRESENT
        if level is None:
            level, present = Level.LOW, not present
        expected = level.value if present else f"not {level.value}"
        verdict = kleene.of_possible((each == level) is present for each in observed.possible)
        if verdict is Verdict.CONTRADICTED and present:
            alike = {Level.INTERMEDIATE, Level.HIGH}
            if alike.issuperset((level, *observed.possible)):
                verdict = Verdict.NOT_ASSESSABLE
        reason = f"{how.say} is {observed.value}"
        if verdict is Verdict.NOT_ASSESSABLE:
            reason += ", near the border to another level"
        return _Answer(verdict, observed.value, expected, reason)

    def _out_of_place(self, claim: Claim, how: PhenomenonDocument) -> _Answer | None:
        """A claim in channels that cannot show the phenomenon, or that were not recorded."""
        named = self._search.roles(claim.channels)
        if not named:
            return None
        channels = ", ".join(claim.channels)
        if not named & set(how.seen_in):
            if claim.polarity is Polarity.ABSENT:
                return None
            reason = f"{channels} does not show {one(how.say)}"
            return _Answer(Verdict.CONTRADICTED, "none", f"{how.say} in {channels}", reason)
        missing = self._night.evidence.missing
        if all(role in missing for role in named):
            return _open(missing[min(named)])
        return None

    # ── asking the night ──────────────────────────────────────────────────────────────────

    def _observe(self, quantity: str, index: int) -> Observed:
        return self._night.observe(Reference(quantity, quantity), index)

    def _surely(self, match: Match) -> bool:
        return match.event is not None and self._search.surely(match.event)


def _open(reason: str) -> _Answer:
    return _Answer(Verdict.NOT_ASSESSABLE, None, None, reason)


def _doubtful(event: Event, epoch: Epoch, how: PhenomenonDocument, expected: str) -> _Answer:
    at = spoken_time(event, epoch)
    reason = (
        f"there may be {one(how.say)} at {at}, "
        f"but it is not clear enough (probability {event.probability:.2f})"
    )
    return _Answer(Verdict.NOT_ASSESSABLE, at, expected, reason)


def _amount_answer(verdict: Verdict, observed: Observed, expected: str, say: str) -> _Answer:
    if observed.value is None:
        return _open(observed.reason)
    value = _number(observed.value)
    reason = f"{say} for {value:.0%} of the epoch"
    low, high = (_number(each) for each in (observed.possible[0], observed.possible[-1]))
    if verdict is Verdict.NOT_ASSESSABLE and low < high:
        reason = f"{say} for anything from {low:.0%} to {high:.0%} of the epoch"
    return _Answer(verdict, round(value, 3), expected, reason)


def _number(value: float | str) -> float:
    """An amount is a number: the rulebook's loader has seen to it."""
    return float(value)


def _reaches(fraction: float, extent: Extent, slack: float) -> bool:
    if extent.op == "==":
        return abs(fraction - extent.fraction) <= slack
    if extent.op in (">", ">="):
        slack = -slack
    return _COMPARE[extent.op](fraction, extent.fraction + slack)
