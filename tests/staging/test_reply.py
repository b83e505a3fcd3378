"""What models answer: whole, broken, doubled, endless, and no scoring at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.engine import audit
from auditor.rulebook import load_rulebook
from auditor.vocabulary import (
    EpochEvidence,
    Evidence,
    FlagCode,
    Hypnogram,
    Rationale,
    Stage,
    StagerIdentity,
)
from staging.reply import (
    LONGEST_REPLY,
    REPLY_SCHEMA,
    Reply,
    UnreadableReply,
    read_reply,
    scored_epoch,
)

N2 = Reply(Stage.N2, "C4-M1 shows a spindle at 12 s.", ("N2.1",))
WHOLE = (
    '{"reasoning_text": "C4-M1 shows a spindle at 12 s.", "applicable_rules": ["N2.1"], '
    '"sleep_stage": "N2"}'
)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f"```\n{WHOLE}",
        f"Here is my scoring {{as asked}}:\n\n{WHOLE}\n\nThe stage follows from the spindle.",
        f"{WHOLE}\n{WHOLE}",
        f"[{WHOLE}]",
        f'{{"answer": {WHOLE}}}',
        WHOLE.replace('["N2.1"]', '"N2.1"'),
        WHOLE.replace('["N2.1"]', '["N2.1",]'),
        WHOLE.replace('"N2"}', '"N2",}'),
        WHOLE.replace('["N2.1"]', '["N2.1"'),
        WHOLE.replace('"', "'"),
        WHOLE.replace("}", ""),
        WHOLE.replace('"}', ""),
        WHOLE.replace('"reasoning_text"', "reasoning_text").replace('"sleep_stage"', "sleep_stage"),
        WHOLE.replace('"N2"}', '"n2"}'),
        WHOLE.replace('"N2"}', '"Stage N2"}'),
        WHOLE.replace(", ", ",\n  "),
        "\ufeff" + WHOLE,
        '{"sleep_stage": "N2", "applicable_rules": ["N2.1"], '
        '"reasoning_text": "C4-M1 shows a spindle at 12 s.',
        f'{WHOLE}\n{{"reasoning_text": "C4-M1 sho',
    ],
)
def test_whole_and_slightly_broken_replies_say_the_same(text: str) -> None:
    assert read_reply(text) == N2


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a \"spindle\", then K", 'a "spindle", then K'),
        (r"amplitude \u00b5V\nnext", "amplitude µV\nnext"),
        (r"bell \u0007, half a pair \ud800", "bell  , half a pair"),
        ("not sleep_stage: W, whatever", "not sleep_stage: W, whatever"),
    ],
)
def test_the_words_of_right_json_are_read_to_the_letter(written: str, read: str) -> None:
    reply = read_reply(f'{{"reasoning_text": "{written}", "sleep_stage": "N2"}}')
    assert reply == Reply(Stage.N2, read, ())


@pytest.mark.parametrize(
    "words", ['a "spindle" at 12 s', 'the "saw", then more', "it doesn't recur", "5' and 6'"]
)
def test_quotes_that_lack_their_backslash_do_not_end_the_words(words: str) -> None:
    for quote in "\"'":
        text = (
            f"{{{quote}reasoning_text{quote}: {quote}{words}{quote}, "
            f"{quote}sleep_stage{quote}: {quote}N1{quote}}}"
        )
        assert read_reply(text) == Reply(Stage.N1, words, ())


def test_cited_rules_come_as_a_list_or_as_text_each_once() -> None:
    for cited in ('["N2.1", "N2.2", "N2.1"]', '"N2.1, N2.2"', '"N2.1,N2.2,"', "[N2.1, N2.2]"):
        reply = read_reply(f'{{"applicable_rules": {cited}, "sleep_stage": "N2"}}')
        assert reply == Reply(Stage.N2, "", ("N2.1", "N2.2"))
    reply = read_reply('{"applicable_rules": {"N2.1": 1}, "sleep_stage": "N2"}')
    assert reply == Reply(Stage.N2, "", ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("The epoch is N2.", "names no stage"),
        ("睡眠阶段是 N2", "names no stage"),
        ('{"reasoning_text": "a spindle', "names no stage"),
        ('{"sleep_stage": "N2"} {"sleep_stage": "N3"}', "names two stages"),
        ('{"sleep_stage": "N2", "sleep_stage": "N3"}', "names two stages"),
        ("{'sleep_stage': 'N2', 'sleep_stage': 'N3'", "names two stages"),
        ('{"sleep_stage": "N4"}', "names a stage that does not exist"),
        ('{"sleep_stage": "?"}', "names a stage that does not exist"),
        ('{"sleep_stage": "W|N1|N2|N3|R"}', "names a stage that does not exist"),
        ('{"sleep_stage": null}', "names a stage that does not exist"),
        ('{"sleep_stage": ["N2"]}', "names a stage that does not exist"),
        ('{"sleep_stage": {"a": "N2"}}', "names a stage that does not exist"),
    ],
)
def test_what_is_no_scoring_is_kept_and_never_guessed(text: str, problem: str) -> None:
    assert read_reply(text) == UnreadableReply(text, problem)


@pytest.mark.parametrize(
    "piece", ["{", '{"a":', '"', '[{"', '{"sleep_stage":', "sleep_stage: '", ", ", "'\\", "🛌"]
)
def test_an_endless_reply_is_kept_as_far_as_it_is_read(piece: str) -> None:
    reply = read_reply(piece * LONGEST_REPLY)
    assert isinstance(reply, UnreadableReply)
    assert len(reply.text) == LONGEST_REPLY


_PIECES = st.sampled_from(
    (
        *"{}[]:,\"'`\\ \n",
        *("```json", "“", "sleep_stage", "reasoning_text", "applicable_rules", "N2", "W", "?"),
        *("null", "\\u12", "\ud800", "\x00"),
    )
)


@given(st.one_of(st.text(), st.lists(_PIECES, max_size=40).map("".join)))
def test_it_never_raises_and_loses_nothing(text: str) -> None:
    reply = read_reply(text)
    if isinstance(reply, UnreadableReply):
        assert len(reply.text) == len(text)
        words = reply.text
    else:
        assert reply.stage in Stage
        words = " ".join((reply.reasoning_text, *reply.applicable_rules))
    words.encode()  # can be stored


@given(st.text(), st.sampled_from(["W", "N1", "N2", "N3", "R"]), st.booleans())
def test_whatever_the_words_json_keeps_its_stage(words: str, stage: str, ascii_: bool) -> None:
    row = {"reasoning_text": words, "applicable_rules": ["X"], "sleep_stage": stage}
    if len(text := json.dumps(row, ensure_ascii=ascii_)) <= LONGEST_REPLY:
        reply = read_reply(text)
        assert isinstance(reply, Reply)
        assert (reply.stage, reply.applicable_rules) == (stage, ("X",))


@given(cut=st.integers(0, len(WHOLE)))
def test_a_reply_cut_short_anywhere_is_read_as_far_as_it_says_a_stage(cut: int) -> None:
    reply = read_reply(WHOLE[:cut])
    assert isinstance(reply, UnreadableReply) or reply == N2


def test_what_the_published_model_wrote_is_read_as_it_is(shared_data: Path) -> None:
    examples = shared_data / "rationales" / "sleepvlm_examples.json"
    for item in json.loads(examples.read_text("utf-8"))["items"]:
        row = {key: item[key] for key in REPLY_SCHEMA["properties"]}
        reply = read_reply("```json\n" + json.dumps(row, ensure_ascii=False, indent=2) + "\n```")
        assert reply == Reply(
            Stage(item["sleep_stage"]), item["reasoning_text"], tuple(item["applicable_rules"])
        )


def test_an_unreadable_reply_is_flagged_with_its_words_kept_and_counts_as_an_epoch() -> None:
    epochs = (
        scored_epoch(0, WHOLE, {Stage.N2: 1.0}),
        scored_epoch(1, "I cannot help with that."),
    )
    assert epochs[0].rationale == Rationale(N2.reasoning_text, N2.applicable_rules)
    assert epochs[1].unreadable_reply == "I cannot help with that."
    evidence = Evidence("made", None, {}, {}, (), tuple(EpochEvidence(i, {}, {}) for i in range(2)))
    audited = audit(Hypnogram(StagerIdentity("vlm", "1"), epochs), evidence, load_rulebook())
    assert len(audited.epochs) == 2
    assert [flag.code for flag in audited.epochs[1].flags] == [FlagCode.REPLY_UNREADABLE]
