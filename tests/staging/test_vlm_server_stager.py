"""Staging by a model's server: a real socket, vLLM's shapes, and all that can go wrong there."""

import io
import json
import logging
import re
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina
from model_server import Asked, ModelServer, Reply, Script, completion, error, model_server, scoring
from PIL import Image as PngImage
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from auditor.errors import RecordingRefused, ServerFailed, SettingsRefused, UsageError
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Channel, Derivation, Hypnogram, Montage, Recording, Role, Span, Stage
from staging.kept_replies import KEPT
from staging.prompt import own_prompt
from staging.render import Image, Renderer
from staging.reply import LONGEST_REPLY
from staging.vlm_server_stager import make

N_EPOCHS = 8
Start = Callable[[Script], ModelServer]


@pytest.fixture(scope="module")
def night() -> Montage:
    """Eight epochs of noise at C4."""
    return a_night()


@pytest.fixture(autouse=True)
def _short_prompt(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Read in no time; our own is of the test that unsets this."""
    path = tmp_path_factory.mktemp("prompt") / "prompt.md"
    path.write_text("You are a sleep technologist.")
    monkeypatch.setenv("SOMNOAUDIT_VLM_PROMPT", str(path))


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where replies are kept."""
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def a_night(gaps: tuple[Span, ...] = (), n_epochs: int = N_EPOCHS) -> Montage:
    samples = np.random.default_rng(3).normal(0.0, 15.0, n_epochs * 30 * 100)
    for gap in gaps:
        samples[round(gap.start_s * 100) : round(gap.end_s * 100)] = np.nan
    channel = Channel.of_array("C4-M1", 100.0, samples)
    recording = Recording("night.edf", None, n_epochs * 30.0, (channel,), gaps)
    return Montage(recording, {Role.CENTRAL: Derivation(channel)}, {})


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda script: running.enter_context(model_server(script))


@pytest.fixture
def _no_backoff() -> Iterator[None]:
    """Retries happen, at once."""
    with stamina.set_testing(True, attempts=6):
        yield


def stage(montage: Montage, *addresses: str) -> Hypnogram:
    return make(",".join(addresses)).stage(montage, lambda _piece, _done: None)


def always_n2(_: Asked) -> Reply:
    return completion(scoring("N2"))


# ── the usual night ───────────────────────────────────────────────────────────────────────


def test_every_epoch_is_asked_about_once_as_published(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOMNOAUDIT_VLM_PROMPT")
    server = start(always_n2)
    hypnogram = stage(night, server.address)
    assert hypnogram.stages == (Stage.N2,) * N_EPOCHS
    first = hypnogram.epochs[0].rationale
    assert first is not None
    assert (first.text, first.applicable_rules) == ("Spindle.", ("N2.1",))
    assert hypnogram.stager.name == "vlm-server"
    assert hypnogram.stager.version == "sleepvlm"

    drawn = list(Renderer(night).images(range(N_EPOCHS)))
    shown = sorted(tuple(epoch_of(url, drawn) for url in asked.images) for asked in server.asked)
    assert shown == sorted([(0, 1), *((i - 1, i, i + 1) for i in range(1, 7)), (6, 7)])
    middle = next(asked for asked in server.asked if len(asked.images) == 3)
    assert middle.texts == [
        "Preceding epoch N\N{NON-BREAKING HYPHEN}1: ",
        "**Target epoch N**: ",
        "Subsequent epoch N+1: ",
    ]
    payload = middle.payload
    assert payload["model"] == "sleepvlm"
    system = {"role": "system", "content": own_prompt(load_rulebook()).text}
    assert payload["messages"][0] == system
    assert (payload["temperature"], payload["top_p"], payload["max_tokens"]) == (1e-6, 0.8, 1024)
    assert payload["response_format"]["type"] == "json_schema"
    schema = payload["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["sleep_stage"]["enum"] == ["W", "N1", "N2", "N3", "R"]
    assert (payload["logprobs"], payload["top_logprobs"]) == (True, 20)
    assert "Authorization" not in middle.headers


def epoch_of(url: str, drawn: list[Image]) -> int:
    """Which epoch an image shows, by its pixels."""
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    with PngImage.open(io.BytesIO(b64decode(data))) as opened:
        pixels = np.asarray(opened)
    return next(i for i, image in enumerate(drawn) if np.array_equal(pixels, image))


def test_probabilities_are_those_of_the_stages_token(start: Start, night: Montage) -> None:
    text = '{"reasoning_text": "", "applicable_rules": [], "sleep_stage": "R"}'
    tokens = [
        (text[:-3], {text[:-3]: 1.0}),
        ("R", {"R": 0.8, "W": 0.1, "N": 0.06, "\n": 0.04}),
        ('"}', {'"}': 1.0}),
    ]
    server = start(lambda _: completion(text, tokens))
    found = stage(night, server.address).epochs[3].probabilities
    assert found is not None
    assert found[Stage.R] == pytest.approx(0.8 / 0.96)
    assert found[Stage.N3] == pytest.approx(0.02 / 0.96)


LIKELIHOODS: tuple[object, ...] = (
    "foo",
    [1, 2],
    {"content": "foo"},
    {"content": [{"token": '"sleep_stage": "', "logprob": None}]},
    {
        "content": [
            {"token": "N", "logprob": 0.0, "top_logprobs": [{"token": "W", "logprob": None}]}
        ]
    },
    {"content": [{"token": '"sleep_stage": "N2"', "logprob": float("nan")}]},
)


def test_likelihoods_that_cannot_be_read_do_not_cost_the_reply(
    start: Start, night: Montage
) -> None:
    said = (*LIKELIHOODS, None, None)
    server = start(lambda asked: changed(always_n2(asked), logprobs=said[asked.number]))
    hypnogram = stage(night, server.address)
    assert hypnogram.stages == (Stage.N2,) * N_EPOCHS
    assert {epoch.probabilities for epoch in hypnogram.epochs} == {None}
    assert len(server.asked) == N_EPOCHS


def test_an_impossible_alternative_may_be_as_unlikely_as_json_cannot_say(
    start: Start, night: Montage
) -> None:
    top = [{"token": "N2", "logprob": 0.0}, {"token": "W", "logprob": float("-inf")}]
    tokens = [
        {"token": '"sleep_stage": "', "logprob": 0.0},
        {"token": "N2", "logprob": 0.0, "top_logprobs": top},
    ]
    server = start(lambda asked: changed(always_n2(asked), logprobs={"content": tokens}))
    found = stage(night, server.address).epochs[3].probabilities
    assert found is not None
    assert (found[Stage.N2], found[Stage.W]) == (1.0, 0.0)


def test_a_reply_in_parts_is_one_text(start: Start, night: Montage) -> None:
    reply = scoring()
    parts = [{"type": "text", "text": reply[:20]}, {"type": "audio"}, {"text": reply[20:]}]
    server = start(lambda asked: changed(always_n2(asked), message={"content": parts}))
    assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    assert len(server.asked) == N_EPOCHS


def changed(reply: Reply, **fields: Any) -> Reply:
    """A completion whose choice says something else."""
    body = json.loads(reply.body)
    body["choices"][0] |= fields
    return Reply(json.dumps(body).encode())


def test_epochs_in_a_gap_are_neither_asked_about_nor_shown(start: Start) -> None:
    server = start(always_n2)
    hypnogram = stage(a_night((Span(95.0, 100.0),)), server.address)
    assert hypnogram.stages == tuple(
        Stage.UNSCORED if i == 3 else Stage.N2 for i in range(N_EPOCHS)
    )
    assert all(epoch.unreadable_reply is None for epoch in hypnogram.epochs)
    assert len(server.asked) == N_EPOCHS - 1
    alone = [asked.texts for asked in server.asked if "Subsequent epoch N+1: " not in asked.texts]
    assert len(alone) == 2  # before the gap, and at the end of the night
    assert "1 epoch touches a gap in the recording and is not scored" in hypnogram.notes
    assert any(
        "4 epochs were staged with one neighbour or none" in note and "0, 2, 4, 7" in note
        for note in hypnogram.notes
    )


def test_a_recording_that_is_all_gap_is_refused() -> None:
    with pytest.raises(RecordingRefused, match="without a gap"):
        stage(a_night((Span(0.0, 240.0),)), "http://127.0.0.1:9/v1")


def test_as_many_requests_are_under_way_as_the_setting_says(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "3")
    several = threading.Barrier(3)

    def together(asked: Asked) -> Reply:
        if 1 <= asked.number <= 6:  # the first asks alone what the server can do
            several.wait(20)
        return always_n2(asked)

    server = start(together)
    assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    assert server.most_at_a_time == 3


def test_the_key_and_a_prompt_of_the_models_own_come_by_settings(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_TOKEN", "sk-hunter2")
    server = start(always_n2)
    stager = make(server.address)
    hypnogram = stager.stage(night, lambda _piece, _done: None)
    assert {asked.headers["Authorization"] for asked in server.asked} == {"Bearer sk-hunter2"}
    assert server.asked[0].payload["messages"][0]["content"] == "You are a sleep technologist."
    assert any("prompt prompt.md (external, SHA-256 " in note for note in hypnogram.notes)
    assert "hunter2" not in repr(stager) + repr(hypnogram)


def test_progress_ends_at_one(start: Start, night: Montage) -> None:
    told: list[float] = []
    make(start(always_n2).address).stage(night, lambda _piece, done: told.append(done))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


# ── what a model says instead ─────────────────────────────────────────────────────────────


NONSENSE = (
    "",
    "I cannot help with that.",
    "这是 N2 期睡眠。",
    "{" * 40_000,
    "spindle " * 20_000,
    '{"sleep_stage": "N4"}',
    '{"reasoning_text": "A spindle at 12 s and then ano',
)


def test_an_unreadable_reply_is_kept_and_stops_nothing(start: Start, night: Montage) -> None:
    said = [*NONSENSE, scoring("R")]
    assert len(said) == N_EPOCHS
    server = start(lambda asked: completion(said[asked.number]))
    hypnogram = stage(night, server.address)
    assert sorted(hypnogram.stages) == sorted([Stage.R, *[Stage.UNSCORED] * len(NONSENSE)])
    kept = [epoch.unreadable_reply for epoch in hypnogram.epochs if epoch.rationale is None]
    assert sorted(map(str, kept)) == sorted(text[:LONGEST_REPLY] for text in NONSENSE)
    assert f"{len(NONSENSE)} of the model's replies could not be read" in hypnogram.notes


@pytest.mark.usefixtures("_no_backoff")
def test_an_answer_that_is_no_completion_is_kept_too(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "1")
    bodies = (b"", b"<html>busy</html>", b'{"choices": []}', b"\xff\xfe", b"{")
    turns: dict[str, int] = {}

    def always_the_same(asked: Asked) -> Reply:
        turn = turns.setdefault("".join(asked.images), len(turns))
        return Reply(bodies[turn]) if turn < len(bodies) else always_n2(asked)

    hypnogram = stage(night, start(always_the_same).address)
    kept = [epoch.unreadable_reply for epoch in hypnogram.epochs[: len(bodies)]]
    assert kept == ["", "<html>busy</html>", '{"choices": []}', "\ufffd\ufffd", "{"]
    assert hypnogram.stages[len(bodies) :] == (Stage.N2,) * (N_EPOCHS - len(bodies))


@pytest.mark.usefixtures("_no_backoff")
@pytest.mark.parametrize("body", [b"{", b'{"choices": []}', b"\xff\xfe", b" " * ((1 << 24) + 1)])
def test_a_server_that_never_gives_a_completion_has_failed(
    start: Start, data: Path, body: bytes
) -> None:
    server = start(lambda _: Reply(body))
    with pytest.raises(ServerFailed, match=r"^model server 127\.0\.0\.1:\d+: .*answer.*; give a"):
        stage(a_night(n_epochs=1), server.address)
    assert not list(data.rglob("*.jsonl")), "it is to be asked again"


@pytest.mark.usefixtures("_no_backoff")
def test_a_long_night_ends_early_where_no_completion_comes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "1")
    server = start(lambda _: Reply(b"{"))
    with pytest.raises(ServerFailed, match="is not the OpenAI API's"):
        stage(a_night(n_epochs=12), server.address)
    assert len({"".join(asked.images) for asked in server.asked}) == N_EPOCHS


def test_a_refusal_without_content_is_unreadable(start: Start, night: Montage) -> None:
    silent = completion("").body.replace(b'"content": ""', b'"content": null')
    hypnogram = stage(night, start(lambda _: Reply(silent)).address)
    assert {epoch.unreadable_reply for epoch in hypnogram.epochs} == {""}


# ── what happens to servers ───────────────────────────────────────────────────────────────

TROUBLE = (
    error(500),
    Reply(b"<html>Bad Gateway</html>", 502),
    error(503),
    error(408),
    error(429),
    error(429, Retry_After="0"),
    error(429, Retry_After="Thu, 01 Jan 2026 00:00:00 GMT"),
    error(429, Retry_After="soon"),
    Reply(completion(scoring()).body, cut_after=40),
    Reply(b"OK"),
    Reply(completion(scoring()).body[:50]),
)


@pytest.mark.usefixtures("_no_backoff")
def test_trouble_that_passes_leaves_no_trace(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "1")
    troubles = list(TROUBLE)

    def two_of_three_times(asked: Asked) -> Reply:
        return troubles.pop() if troubles and asked.number % 3 < 2 else always_n2(asked)

    server = start(two_of_three_times)
    assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    assert not troubles
    assert len(server.asked) == N_EPOCHS + len(TROUBLE)


@pytest.mark.usefixtures("_no_backoff")
def test_a_server_that_hangs_is_asked_again(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_TIMEOUT_S", "2")
    server = start(lambda asked: Reply(hangs=True) if asked.number == 3 else always_n2(asked))
    assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    assert len(server.asked) > N_EPOCHS


def test_a_server_is_left_alone_as_long_as_it_asks(start: Start, night: Montage) -> None:
    waits: list[float] = []

    def note(details: RetryDetails) -> None:
        waits.append(details.wait_for)

    throttled = error(429, Retry_After="1")
    server = start(lambda asked: throttled if asked.number == 2 else always_n2(asked))
    hooks = get_on_retry_hooks()
    set_on_retry_hooks([note])
    try:
        assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    finally:
        set_on_retry_hooks(hooks)
    assert waits == [1.0]


def nobody_there() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_a_server_that_dies_hands_over_to_another(start: Start, night: Montage) -> None:
    dying = start(lambda asked: always_n2(asked) if asked.number < 2 else Reply(cut_after=0))
    other = start(always_n2)
    assert stage(night, dying.address, other.address).stages == (Stage.N2,) * N_EPOCHS
    assert len(other.asked) >= N_EPOCHS - 2


def test_a_server_that_was_never_there_is_done_without(start: Start, night: Montage) -> None:
    server = start(always_n2)
    assert stage(night, nobody_there(), server.address).stages == (Stage.N2,) * N_EPOCHS
    assert len(server.asked) == N_EPOCHS


def test_servers_share_the_work(start: Start, night: Montage) -> None:
    both = threading.Barrier(2)

    def with_the_other(asked: Asked) -> Reply:
        if len(asked.images) == 3:
            both.wait(20)
        return always_n2(asked)

    one, other = start(with_the_other), start(with_the_other)
    stage(night, one.address, other.address)
    assert one.asked
    assert other.asked


@pytest.mark.usefixtures("_no_backoff")
def test_no_server_at_all_ends_in_one_line(
    start: Start, night: Montage, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ServerFailed, match=r"^model server 127\.0\.0\.1:\d+: no answer .*running"):
        stage(night, nobody_there(), nobody_there())
    assert not caplog.records, "it would be told twice"
    broken = start(lambda asked: always_n2(asked) if asked.number < 3 else error(500))
    with pytest.raises(ServerFailed, match="answered 500") as failed:
        stage(night, broken.address)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "said"), [(401, "set SOMNOAUDIT_VLM_TOKEN"), (404, "check the address")]
)
def test_what_no_retry_can_mend_ends_at_once(
    start: Start, night: Montage, status: int, said: str
) -> None:
    server = start(lambda _: error(status))
    with pytest.raises(ServerFailed, match=said):
        stage(night, server.address)
    assert len(server.asked) == 1


@pytest.mark.usefixtures("_no_backoff")
def test_each_line_about_a_retry_says_what_is_wrong(
    start: Start, night: Montage, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = get_on_retry_hooks()
    set_on_retry_hooks(None)  # as in a process that asks no FHIR server
    try:
        server = start(lambda asked: error(500) if asked.number == 2 else always_n2(asked))
        stage(night, server.address)
    finally:
        set_on_retry_hooks(hooks)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert re.fullmatch(r"model server 127\.0\.0\.1:\d+: answered 500; look into its log", said[0])


# ── cut short ─────────────────────────────────────────────────────────────────────────────


def test_a_night_that_was_cut_short_goes_on_where_it_was(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "1")
    whole = stage(night, start(always_n2).address)
    first_half = start(lambda asked: always_n2(asked) if asked.number < 5 else error(401))
    with pytest.raises(ServerFailed, match="answered 401"):
        stage(night, first_half.address)
    (kept,) = (data / KEPT).iterdir()
    assert kept.stat().st_mode & 0o077 == 0, "for its owner alone"
    second_half = start(always_n2)
    shares: list[float] = []
    again = make(second_half.address).stage(night, lambda _piece, done: shares.append(done))
    assert again == whole
    assert len(second_half.asked) == N_EPOCHS - 5
    assert shares[:2] == [0.0, 6 / N_EPOCHS]
    assert not list((data / KEPT).iterdir())


def test_epochs_between_those_that_were_answered_are_asked_about(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_REQUESTS", "2")
    third_waits = threading.Event()

    def all_but_one(asked: Asked) -> Reply:
        if asked.number == 2:
            third_waits.wait(20)
        if asked.number == 5:
            third_waits.set()
        return error(401) if asked.number in (2, 5) else always_n2(asked)

    with pytest.raises(ServerFailed):
        stage(night, start(all_but_one).address)
    server = start(always_n2)
    hypnogram = stage(night, server.address)
    assert hypnogram.stages == (Stage.N2,) * N_EPOCHS
    drawn = list(Renderer(night).images(range(N_EPOCHS)))
    shown = sorted(tuple(epoch_of(url, drawn) for url in asked.images) for asked in server.asked)
    assert len(shown) < N_EPOCHS
    assert all(len(epochs) == 3 or epochs in ((0, 1), (6, 7)) for epochs in shown)
    assert len({epoch.asked_sha256 for epoch in hypnogram.epochs}) == N_EPOCHS


def test_a_night_of_which_all_is_answered_asks_nothing(
    start: Start, night: Montage, data: Path
) -> None:
    class Cancelled(Exception):
        pass

    def cancel_at_the_end(_piece: str, done: float) -> None:
        if done == 1.0:
            raise Cancelled

    server = start(always_n2)
    with pytest.raises(Cancelled):
        make(server.address).stage(night, cancel_at_the_end)
    assert list((data / KEPT).iterdir())
    assert stage(night, server.address).stages == (Stage.N2,) * N_EPOCHS
    assert len(server.asked) == N_EPOCHS


def test_another_model_or_prompt_begins_anew(
    start: Start, night: Montage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cut = start(lambda asked: always_n2(asked) if asked.number < 5 else error(401))
    with pytest.raises(ServerFailed):
        stage(night, cut.address)
    other = start(always_n2)
    other.models = ["another"]
    stage(night, other.address)
    assert len(other.asked) == N_EPOCHS
    (tmp_path / "other.md").write_text("Score this.")
    monkeypatch.setenv("SOMNOAUDIT_VLM_PROMPT", str(tmp_path / "other.md"))
    server = start(always_n2)
    stage(night, server.address)
    assert len(server.asked) == N_EPOCHS


def test_where_replies_cannot_be_kept_the_night_is_staged_all_the_same(
    start: Start, night: Montage, data: Path
) -> None:
    data.mkdir()
    (data / KEPT).write_text("a file where the folder should be")
    hypnogram = stage(night, start(always_n2).address)
    assert hypnogram.stages == (Stage.N2,) * N_EPOCHS
    assert sum("replies could not be kept" in note for note in hypnogram.notes) == 1


# ── servers that can do less, and models by name ──────────────────────────────────────────


@pytest.mark.parametrize(
    ("unknown", "note"),
    [
        ({"response_format"}, "the model's server does not hold replies to a schema"),
        ({"response_format", "logprobs"}, "there are no stage probabilities"),
    ],
)
def test_a_server_that_can_do_less_is_asked_for_less(
    start: Start, night: Montage, unknown: set[str], note: str
) -> None:
    server = start(lambda asked: error(422) if unknown & asked.payload.keys() else always_n2(asked))
    hypnogram = stage(night, server.address)
    assert hypnogram.stages == (Stage.N2,) * N_EPOCHS
    assert any(note in said for said in hypnogram.notes)
    assert len(server.asked) == N_EPOCHS + len(unknown)


def test_a_server_that_takes_no_request_is_said(start: Start, night: Montage) -> None:
    server = start(lambda _: error(400))
    with pytest.raises(ServerFailed, match=r"refused the request \(400\)"):
        stage(night, server.address)
    assert len(server.asked) == 3


def test_one_of_several_models_is_named_behind_the_address(start: Start, night: Montage) -> None:
    names = ["base", "sleepvlm-lora"]
    server = start(lambda a: always_n2(a) if a.payload["model"] in names else error(404))
    server.models = names
    with pytest.raises(ServerFailed, match="serves 2 models; name one"):
        stage(night, server.address)
    with pytest.raises(ServerFailed, match="the model's name"):
        stage(night, f"{server.address}#other")
    hypnogram = stage(night, f"{server.address}#sleepvlm-lora")
    assert hypnogram.stager.version == "sleepvlm-lora"
    assert server.asked[-1].payload["model"] == "sleepvlm-lora"


@pytest.mark.parametrize(
    ("named", "recorded"),
    [("\x1b[31mEvil\nname" * 50, ("[31mEvilname" * 50)[:200]), ("\x1b\n", "unnamed")],
)
def test_the_models_name_is_recorded_without_what_a_terminal_obeys(
    start: Start, night: Montage, named: str, recorded: str
) -> None:
    server = start(always_n2)
    server.models = [named]
    hypnogram = stage(night, server.address)
    assert hypnogram.stager.version == recorded
    assert hypnogram.notes[0].startswith(f"staged by the model {recorded} with prompt")
    assert {asked.payload["model"] for asked in server.asked} == {named}


def test_servers_of_different_models_are_not_mixed(start: Start, night: Montage) -> None:
    one, other = start(always_n2), start(always_n2)
    other.models = ["another"]
    with pytest.raises(ServerFailed, match="serve different models"):
        stage(night, one.address, other.address)
    assert not one.asked + other.asked


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (None, "needs --model ADDRESS"),
        ("", "needs --model ADDRESS"),
        ("gpu1:8000", "give addresses such as"),
        ("ftp://gpu1/v1", "give addresses such as"),
        ("http://", "give addresses such as"),
        ("http://[::1", "give addresses such as"),
        ("http://a/v1,", "give addresses such as"),
        ("http://a:99999/v1", "give addresses such as"),
        ("http://a/v1?key=hunter2", "give addresses such as"),
        ("http://user:hunter2@a/v1", "leave the key out"),
        ("http://a/v1#x,http://b/v1#y", "several models, x, y"),
    ],
)
def test_a_model_that_is_no_address_is_wrong_usage(model: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said) as wrong:
        make(model)
    assert "hunter2" not in str(wrong.value)


def test_an_address_may_leave_out_its_path(start: Start, night: Montage) -> None:
    server = start(always_n2)
    short = server.address.removesuffix("/v1")
    assert stage(night, short, f"{server.address}/").stages == (Stage.N2,) * N_EPOCHS


def test_a_prompt_that_cannot_be_read_is_refused(
    night: Montage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_PROMPT", str(tmp_path / "none.md"))
    with pytest.raises(SettingsRefused, match=r"none\.md: cannot be read"):
        stage(night, "http://127.0.0.1:9/v1")
