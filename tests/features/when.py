"""When: the one thing that happens."""

from __future__ import annotations

from pytest_bdd import parsers, when
from story import Story


@when("the scoring is audited")
def audited(story: Story) -> None:
    story.end()


@when(parsers.parse("the scoring is audited by the profile {profile}"))
def audited_by(story: Story, profile: str) -> None:
    story.end(profile)
