"""Then: what the audit must say, exactly."""

from __future__ import annotations

from pytest_bdd import parsers, then
from story import NAMES, Story

from auditor.triage import review_list
from auditor.vocabulary import FlagCode, Stage, Verdict


def _verdict(words: str) -> Verdict:
    return Verdict(words.replace(" ", "_"))


@then(parsers.parse("rule {rule} in epoch {n:d} is {verdict}"))
def rule_is(story: Story, rule: str, n: int, verdict: str) -> None:
    found = {each.id: each for each in story.epoch(n).rules}
    # A rule that is neither cited nor leads to the stage is listed only where it may hold.
    actual = found[rule].verdict if rule in found else Verdict.CONTRADICTED
    assert actual is _verdict(verdict), found.get(rule)


@then(parsers.parse("the signal permits {stages} in epoch {n:d}"))
def permits(story: Story, stages: str, n: int) -> None:
    assert set(story.epoch(n).permitted_stages) == set(map(Stage, stages.split(" or ")))


@then(parsers.parse("the signal does not permit {stage} in epoch {n:d}"))
def does_not_permit(story: Story, stage: str, n: int) -> None:
    assert Stage(stage) not in story.epoch(n).permitted_stages


@then(parsers.parse("epoch {n:d} is flagged {codes}"))
def flagged(story: Story, n: int, codes: str) -> None:
    expected = {FlagCode(code) for code in codes.split(" and ")}
    assert {flag.code for flag in story.epoch(n).flags} == expected, story.epoch(n).flags


@then(parsers.parse("epoch {n:d} is not flagged"))
def not_flagged(story: Story, n: int) -> None:
    assert story.epoch(n).flags == ()


@then(parsers.parse("no epoch is flagged {code}"))
def none_flagged(story: Story, code: str) -> None:
    assert not [e.index for e in story.audit.epochs for f in e.flags if f.code == code]


@then(parsers.parse('the flag {code} of epoch {n:d} says "{words}"'))
def flag_says(story: Story, code: str, n: int, words: str) -> None:
    messages = [flag.message for flag in story.epoch(n).flags if flag.code == code]
    assert any(words in message for message in messages), messages


@then(parsers.parse("the {name} claimed in epoch {n:d} is {verdict}"))
def claim_is(story: Story, name: str, n: int, verdict: str) -> None:
    verdicts = {
        each.verdict: each.reason
        for each in story.epoch(n).claims
        if each.claim.phenomenon is NAMES[name]
    }
    assert set(verdicts) == {_verdict(verdict)}, verdicts


@then(
    parsers.parse(
        "the study says once that {name} cannot be assessed, so that {rule} cannot be checked"
    )
)
def study_says(story: Story, name: str, rule: str) -> None:
    notes = [note for note in story.audit.not_assessable if name in note]
    assert len(notes) == 1, story.audit.not_assessable
    assert rule in notes[0]


@then(parsers.parse("the physician's list of {percent:d} % begins with epoch {n:d}"))
def list_begins(story: Story, percent: int, n: int) -> None:
    assert review_list(story.audit, percent / 100)[0].index == n


@then(parsers.parse("the physician's list of {percent:d} % has {count:d} epochs"))
def list_has(story: Story, percent: int, count: int) -> None:
    assert len(review_list(story.audit, percent / 100)) == count


@then(parsers.parse("epoch {n:d} comes before epoch {m:d} on the physician's list"))
def comes_before(story: Story, n: int, m: int) -> None:
    assert story.epoch(n).priority > story.epoch(m).priority
