"""Epochs drawn for eyes: what is marked where, and how, read back from the images' pixels."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auditor.evidence import measure
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import (
    Channel,
    ChannelReport,
    Derivation,
    EpochEvidence,
    Event,
    Evidence,
    Measure,
    Montage,
    Phenomenon,
    Recording,
    Role,
    Samples,
    Span,
)
from connector.cli import main
from connector.edf import read_recording
from connector.plots import draw_epochs
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate, write_edf

RATE_HZ = 100.0
N_EPOCHS = 3
LABELS = {
    Role.FRONTAL: "F4-M1",
    Role.CENTRAL: "C4-M1",
    Role.OCCIPITAL: "O2-M1",
    Role.LEFT_EYE: "E1-M2",
    Role.RIGHT_EYE: "E2-M2",
    Role.CHIN: "Chin1-Chin2",
}
SECOND_PX = 48
LEFT_PX = 132
HEAD_PX = 58
INK = 150
"""The trace is darker than this, also where its line lies across two rows of pixels."""

Pixels: TypeAlias = npt.NDArray[np.int16]


def changed(one: Pixels, other: Pixels) -> npt.NDArray[np.bool_]:
    """Which pixels differ by more than the choice of 256 colours brings about."""
    return np.abs(one - other).max(axis=2) > 24


def flat() -> Samples:
    return np.zeros(round(30 * N_EPOCHS * RATE_HZ))


def at(start_s: float, end_s: float) -> slice:
    return slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))


def montage_of(
    signals: dict[Role, Samples] | None = None,
    labels: dict[Role, str] = LABELS,
    gaps: tuple[Span, ...] = (),
) -> Montage:
    """The roles that have labels, silent except for the signals given."""
    channels = {
        role: Channel.of_array(label, RATE_HZ, (signals or {}).get(role, flat()))
        for role, label in labels.items()
    }
    recording = Recording(
        "night.edf",
        datetime(2026, 1, 1, 22, 30),
        30.0 * N_EPOCHS,
        tuple(channels.values()),
        gaps=gaps,
    )
    missing = {role: f"no {role} channel" for role in Role if role not in labels}
    return Montage(recording, {r: Derivation(c) for r, c in channels.items()}, missing)


def evidence_of(
    montage: Montage,
    events: Sequence[Event] = (),
    measures: dict[str, Measure] | None = None,
    not_assessable: dict[Phenomenon, str] | None = None,
) -> Evidence:
    return Evidence(
        montage.recording.name,
        montage.recording.start,
        {role: ChannelReport(d.channel.label, "good") for role, d in montage.roles.items()},
        montage.missing,
        tuple(events),
        tuple(
            EpochEvidence(index, measures or {}, not_assessable or {}) for index in range(N_EPOCHS)
        ),
    )


def spindle(
    probability: float = 0.9, start_s: float = 42.0, end_s: float = 43.0, channel: str = "C4-M1"
) -> Event:
    return Event(Phenomenon.SLEEP_SPINDLE, channel, start_s, end_s, probability)


Draw: TypeAlias = Callable[..., Pixels]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Draws one epoch and returns its pixels, shape ``(height, width, 3)``."""

    def call(montage: Montage, evidence: Evidence, epoch: int = 1) -> Pixels:
        draw_epochs(montage, evidence, [epoch], tmp_path, lambda *_: None)
        image = Image.open(tmp_path / f"epoch-{epoch:04d}.png").convert("RGB")
        return np.asarray(image).astype(np.int16)

    return call


def traced_rows(page: Pixels, columns: slice, rows: slice) -> npt.NDArray[np.intp]:
    """The rows in which the trace's ink is, within a box."""
    inked = page[rows, columns].max(axis=2) < INK
    return np.flatnonzero(inked.any(axis=1)) + rows.start


# ── files ─────────────────────────────────────────────────────────────────────────────────


def test_one_image_for_each_epoch_asked_for_and_nothing_else(tmp_path: Path) -> None:
    montage = montage_of()
    told: list[float] = []
    folder = tmp_path / "a" / "b"
    draw_epochs(
        montage, evidence_of(montage), [0, 2], folder, lambda _name, share: told.append(share)
    )
    assert sorted(p.name for p in folder.iterdir()) == ["epoch-0000.png", "epoch-0002.png"]
    assert told == [0.0, 0.5, 1.0]
    sizes = {Image.open(path).size for path in folder.iterdir()}
    assert len(sizes) == 1


def test_an_epoch_looks_the_same_whichever_was_drawn_before_it(tmp_path: Path) -> None:
    montage = montage_of({Role.CENTRAL: np.random.default_rng(0).normal(0, 20, len(flat()))})
    found = evidence_of(montage, [spindle(), spindle(0.3, 70.0, 71.0)])
    draw_epochs(montage, found, [1], tmp_path / "alone", lambda *_: None)
    draw_epochs(montage, found, [0, 2, 1], tmp_path / "last", lambda *_: None)
    images = [tmp_path / name / "epoch-0001.png" for name in ("alone", "last")]
    assert images[0].read_bytes() == images[1].read_bytes()


# ── events ────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_marked_at_its_time(draw: Draw) -> None:
    montage = montage_of()
    pages = (
        draw(montage, evidence_of(montage, [spindle(p, start_s=42.0, end_s=43.5)]))
        for p in (0.9, 0.0)
    )
    columns = np.flatnonzero(changed(*pages).any(axis=0))
    assert columns.min() == pytest.approx(LEFT_PX + 12 * SECOND_PX, abs=3)
    assert columns.max() == pytest.approx(LEFT_PX + 13.5 * SECOND_PX, abs=3)


def test_an_event_is_marked_on_its_own_channel_and_eye_movements_on_both_eyes(draw: Draw) -> None:
    montage = montage_of()
    events = [
        spindle(start_s=30 + 3 * i, end_s=31 + 3 * i, channel=LABELS[role])
        for i, role in enumerate(Role)
    ]
    movement = Event(Phenomenon.RAPID_EYE_MOVEMENTS, LABELS[Role.LEFT_EYE], 55.0, 56.0, 0.9)
    bare = draw(montage, evidence_of(montage, [replace(e, probability=0.0) for e in events]))
    page = draw(montage, evidence_of(montage, [*events, movement]))
    bands = [marked_rows(page, bare, second) for second in (0, 3, 6, 9, 12, 15, 25)]
    *own, of_both_eyes = bands
    assert all(above.stop <= below.start for above, below in pairwise(own))
    left_eye, right_eye = own[3], own[4]
    assert of_both_eyes.start == pytest.approx(left_eye.start, abs=1)
    assert of_both_eyes.stop == pytest.approx(right_eye.stop, abs=1)


def marked_rows(page: Pixels, bare: Pixels, second: int) -> slice:
    """Between which rows something is marked in this second, below the legend."""
    columns = slice(LEFT_PX + second * SECOND_PX + 2, LEFT_PX + (second + 1) * SECOND_PX - 2)
    rows = np.flatnonzero(changed(page, bare)[HEAD_PX:, columns].any(axis=1)) + HEAD_PX
    return slice(rows.min(), rows.max() + 1)


def test_an_event_across_a_boundary_is_marked_in_both_epochs(draw: Draw) -> None:
    montage = montage_of()
    bare = evidence_of(montage, [spindle(start_s=80.0, end_s=81.0)])
    across = evidence_of(montage, [*bare.events, spindle(start_s=29.0, end_s=31.0)])
    for epoch, first, past in ((0, 29, 30), (1, 0, 1)):
        differs = changed(draw(montage, across, epoch), draw(montage, bare, epoch))
        columns = np.flatnonzero(differs.sum(axis=0) > 50)
        assert columns.min() == pytest.approx(LEFT_PX + first * SECOND_PX, abs=3)
        assert columns.max() == pytest.approx(LEFT_PX + past * SECOND_PX, abs=3)


def test_an_event_that_ends_with_the_epoch_is_not_marked_in_the_next(draw: Draw) -> None:
    montage = montage_of()
    elsewhere = spindle(start_s=80.0, end_s=81.0)
    without = draw(montage, evidence_of(montage, [elsewhere]))
    ended = draw(montage, evidence_of(montage, [elsewhere, spindle(start_s=29.0, end_s=30.0)]))
    assert (ended == without).all()


def test_a_candidate_is_told_from_what_is_clearly_there_without_colour(draw: Draw) -> None:
    montage = montage_of()
    clear, candidate, bare = (
        draw(montage, evidence_of(montage, [spindle(probability)]))
        for probability in (0.7, 0.69, 0.1)
    )
    columns = slice(LEFT_PX + 12 * SECOND_PX + 4, LEFT_PX + 13 * SECOND_PX - 4)
    marked = np.flatnonzero(changed(clear, bare)[:, columns].all(axis=1))
    below_the_trace = slice(marked.max() - 40, marked.max() - 4)
    filled, hatched, paper = (
        page[below_the_trace, columns].mean(axis=2) for page in (clear, candidate, bare)
    )
    assert filled.std() < 1
    assert filled.mean() < paper.mean() - 20
    assert hatched.std() > 10
    assert np.median(hatched) > paper.mean() - 2


def test_what_is_clearly_not_there_is_left_out(draw: Draw) -> None:
    montage = montage_of()
    elsewhere = spindle(start_s=80.0, end_s=81.0)
    limit = thresholds(Phenomenon.SLEEP_SPINDLE).clearly_not
    without, denied, doubtful = (
        draw(montage, evidence_of(montage, [elsewhere, *more]))
        for more in ((), (spindle(limit - 0.001),), (spindle(limit),))
    )
    assert (denied == without).all()
    assert (doubtful != without).any()


def test_every_phenomenon_has_a_look(draw: Draw) -> None:
    montage = montage_of()
    events = [
        Event(kind, "C4-M1", 30.0 + 2 * i, 31.0 + 2 * i, 0.9) for i, kind in enumerate(Phenomenon)
    ]
    bare, page = (draw(montage, evidence_of(montage, e)) for e in ((), events))
    for i in range(len(events)):
        assert marked_rows(page, bare, 2 * i).stop - HEAD_PX > 100


# ── traces ────────────────────────────────────────────────────────────────────────────────


def test_negative_is_up(draw: Draw) -> None:
    wave = flat()
    wave[at(40.0, 40.2)] = -60.0
    wave[at(50.0, 50.2)] = 60.0
    montage = montage_of({Role.OCCIPITAL: wave})
    still = montage_of()
    central, occipital = resting_rows(draw(still, evidence_of(still)))[1:3]
    page = draw(montage, evidence_of(montage))
    box = slice(central + 40, occipital + 80)
    negative, positive = (
        traced_rows(page, slice(x, x + SECOND_PX // 4), box)
        for x in (LEFT_PX + 10 * SECOND_PX, LEFT_PX + 20 * SECOND_PX)
    )
    assert negative.min() < occipital - 25
    assert positive.max() > occipital + 25


def resting_rows(page: Pixels) -> list[int]:
    """Where the silent traces run: rows that are ink from end to end."""
    ink = page[:, LEFT_PX + 2 : LEFT_PX + 4 * SECOND_PX].max(axis=2) < INK
    rows = np.flatnonzero(ink.mean(axis=1) > 0.9)
    return [int(rows[0]), *(int(b) for a, b in pairwise(rows) if b - a > 5)]


@pytest.mark.parametrize("roles", [tuple(Role), (Role.CENTRAL,)], ids=["six channels", "one"])
def test_a_wave_of_75_microvolts_touches_both_guides(roles: tuple[Role, ...], draw: Draw) -> None:
    wave = flat()
    t = np.arange(len(wave)) / RATE_HZ
    wave[at(45.0, 60.0)] = 37.5 * np.sin(2 * np.pi * 2.0 * t[at(45.0, 60.0)])
    labels = {role: LABELS[role] for role in roles}
    montage = montage_of({roles[0]: wave}, labels)
    page = draw(montage, evidence_of(montage))
    quiet, moved = slice(LEFT_PX + 2, LEFT_PX + 600), slice(LEFT_PX + 960, LEFT_PX + 1200)
    red = (page[:, quiet, 0] - page[:, quiet, 1] > 60).sum(axis=1)
    guides = np.flatnonzero(red > 100)
    box = slice(int(guides.min()) - 20, int(guides.max()) + 20)
    extent = traced_rows(page, moved, box)
    assert extent.min() == pytest.approx(guides.min(), abs=2)
    assert extent.max() == pytest.approx(guides.max(), abs=2)


def test_what_was_not_recorded_is_blank_and_says_so(draw: Draw) -> None:
    signals = {role: flat() for role in Role}
    for samples in signals.values():
        samples[at(40.0, 45.0)] = np.nan
    montage = montage_of(signals, gaps=(Span(40.0, 45.0),))
    page = draw(montage, evidence_of(montage))
    rest = resting_rows(page)[0]
    columns = np.s_[LEFT_PX + 10 * SECOND_PX + 3 : LEFT_PX + 15 * SECOND_PX - 3]
    assert page[rest, columns].min() > INK
    assert page[rest + 10, columns].max() < 230  # grey paper
    assert page[rest + 10, LEFT_PX + 20 * SECOND_PX + 5].min() > 230


def test_a_channel_too_slow_to_show_is_named_all_the_same(draw: Draw) -> None:
    slow = Channel.of_array("Chin", 1.0, np.zeros(30 * N_EPOCHS))
    montage = montage_of()
    montage = replace(montage, roles={**montage.roles, Role.CHIN: Derivation(slow)})
    page = draw(montage, evidence_of(montage))
    assert len(resting_rows(page)) == 5


def test_one_channel_in_two_roles_has_one_band(draw: Draw) -> None:
    montage = montage_of(labels={Role.FRONTAL: "EEG", Role.CENTRAL: "EEG"})
    assert len(resting_rows(draw(montage, evidence_of(montage)))) == 1


def test_a_label_is_written_as_it_is(draw: Draw) -> None:
    montage = montage_of(labels={Role.CENTRAL: r"$\frac{C4}-M1$"})
    assert len(resting_rows(draw(montage, evidence_of(montage)))) == 1


# ── the foot ──────────────────────────────────────────────────────────────────────────────


def test_measures_and_what_is_not_assessable_stand_at_the_foot(draw: Draw) -> None:
    montage = montage_of()
    plain = draw(montage, evidence_of(montage))
    measures = {
        "alpha_fraction": Measure(0.12, "1", "O2-M1", 0.05, 0.2),
        "slow_wave_seconds": Measure.exact(3.0, "s", "F4-M1"),
        "chin_tone_level": Measure.exact("low", "1", "Chin1-Chin2"),
    }
    reasons = {Phenomenon.CHIN_TONE: "the chin electrode is loose " * 30}
    page = draw(montage, evidence_of(montage, (), measures, reasons))
    assert len(page) > len(plain)
    foot = page[len(plain) :]
    left, right = foot[:, : page.shape[1] // 2], foot[:, page.shape[1] // 2 :]
    assert (left.max(axis=2) < INK).any()
    assert (right.max(axis=2) < INK).any()
    assert (page[-4:] > 230).all()  # no line is cut off
    assert (page[:, -8:] > 230).all()


# ── the command ───────────────────────────────────────────────────────────────────────────

Run: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``somnoaudit evidence`` in this process: exit code, standard output and error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["somnoaudit", "evidence", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    return call


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of a simulated night."""
    path = tmp_path_factory.mktemp("night") / "night.edf"
    write_edf(simulate(1, PhantomSettings.typical(hours=120 / 3600)), path)
    return path


def test_all_epochs_are_drawn_unless_some_are_named(night: Path, tmp_path: Path, run: Run) -> None:
    code, out, err = run(night, "--plot", tmp_path / "all")
    assert code == 0
    assert len(list((tmp_path / "all").iterdir())) == 4
    assert "4 epochs" in out
    assert "plots" in err
    code, out, _ = run(night, "--plot", tmp_path / "some", "--epochs", "1-2", "--json", "-")
    assert code == 0
    assert json.loads(out)["recording"]["epochs"] == 4
    assert sorted(p.name for p in (tmp_path / "some").iterdir()) == [
        "epoch-0001.png",
        "epoch-0002.png",
    ]


def test_wrong_usage_is_told_before_anything_is_measured(
    night: Path, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "file"
    file.touch()
    for arguments, complaint in (
        (["--plot", file], "give a folder, not a file"),
        (["--plot", file / "below"], "give a folder, not a file"),
        (["--epochs", "1"], "give --plot DIR too"),
        (["--plot", tmp_path / "new", "--epochs", "2-4"], "its last one is 3"),
        (["--plot", tmp_path / "new", "--epochs", "x"], "such as 3-5,12"),
    ):
        code, out, err = run(night, *arguments)
        assert (code, out) == (2, "")
        assert complaint in err
        assert "signals" not in err
    assert list(tmp_path.iterdir()) == [file]


# ── real recordings ───────────────────────────────────────────────────────────────────────


def test_a_real_recording_is_drawn(shared_data: Path, draw: Draw) -> None:
    montage = choose_montage(read_recording(shared_data / "psg" / "nox_a1_psg_120s.edf"))
    evidence = measure(montage)
    page = draw(montage, evidence, epoch=1)
    bare = draw(montage, replace(evidence, events=()), epoch=1)
    assert changed(page, bare).mean() > 0.01
