"""Runs the feature on how rationales are read; its steps are here, as no others use them."""

from __future__ import annotations

from pytest_bdd import parsers, scenarios, then, when

from auditor.claims import read_claims
from auditor.vocabulary import Claim, Extent, Level, Phenomenon, Span

scenarios("reading.feature")

SIGNS = {
    "K complexes": Phenomenon.K_COMPLEX,
    "sleep spindles": Phenomenon.SLEEP_SPINDLE,
    "slow waves": Phenomenon.SLOW_WAVE_ACTIVITY,
    "rapid eye movements": Phenomenon.RAPID_EYE_MOVEMENTS,
    "chin tone": Phenomenon.CHIN_TONE,
}
OPERATORS = {"more than": ">", "at least": ">=", "less than": "<", "at most": "<=", "": "=="}


@when(parsers.parse('a rationale says "{words}"'), target_fixture="claims")
def a_rationale_says(words: str) -> tuple[Claim, ...]:
    return read_claims(words)


def of(claims: tuple[Claim, ...], sign: str) -> list[Claim]:
    return [claim for claim in claims if claim.phenomenon is SIGNS[sign]]


def reading(claim: Claim) -> str:
    return claim.polarity.value if claim.read else "unread"


@then(parsers.parse("{sign} are read as {how}"))
@then(parsers.re(r"(?P<sign>chin tone) is read as (?P<how>\w+)"))
def is_read_as(claims: tuple[Claim, ...], sign: str, how: str) -> None:
    assert [reading(claim) for claim in of(claims, sign)][-1:] == [how]


@then(parsers.parse("{sign} are not spoken of"))
def is_not_spoken_of(claims: tuple[Claim, ...], sign: str) -> None:
    assert of(claims, sign) == []


@then(parsers.re(r"(?P<level>low|intermediate|high) chin tone is read as (?P<how>\w+)"))
def chin_tone_is_read_as(claims: tuple[Claim, ...], level: str, how: str) -> None:
    assert [(c.level, reading(c)) for c in of(claims, "chin tone")] == [(Level(level), how)]


@then(parsers.re(r"(?P<sign>.+) are said to fill (?P<op>\D*?) ?(?P<share>\d+) % of the epoch"))
def are_said_to_fill(claims: tuple[Claim, ...], sign: str, op: str, share: str) -> None:
    assert [c.extent for c in of(claims, sign)] == [Extent(OPERATORS[op], int(share) / 100)]


@then(
    parsers.re(
        r"(?P<sign>.+) are claimed (in (?P<channel>\S+) )?from (?P<start>\d+) to (?P<end>\d+) s"
    )
)
def are_claimed_at(
    claims: tuple[Claim, ...], sign: str, channel: str | None, start: str, end: str
) -> None:
    (claim,) = of(claims, sign)
    assert claim.spans == (Span(float(start), float(end)),)
    assert channel is None or claim.channels == (channel,)


@then("nothing is read")
def nothing_is_read(claims: tuple[Claim, ...]) -> None:
    assert not any(claim.read for claim in claims)
