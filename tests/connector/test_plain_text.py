"""No text of a file may command a terminal, break a line, or fail to be written."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from connector.plain_text import one_line, plain_label, plain_prose

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_a_label_keeps_its_length_and_holds_no_control(text: str) -> None:
    plain = plain_label(text)
    assert len(plain) == len(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in plain)


@given(ANY_TEXT)
def test_prose_also_keeps_tabs_and_line_ends(text: str) -> None:
    plain = plain_prose(text)
    assert [c for c in plain if c in "\t\n\r"] == [c for c in text if c in "\t\n\r"]
    assert plain_label(plain) == plain_label(text)


@given(ANY_TEXT)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


def test_what_is_escaped_can_be_recognised_and_letters_stay() -> None:
    assert one_line("Näch\nte\x1b[31m") == "Näch\\nte\\x1b[31m"
    assert plain_label("Müller 睡眠\u202e") == "Müller 睡眠 "
