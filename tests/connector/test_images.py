"""``somnoaudit render``: the model's images as files, and what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from connector.cli import main
from connector.edf import read_recording
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate, write_edf
from staging.render import Renderer

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes, as an EDF file without occipital EEG."""
    leads = tuple(lead for lead in PhantomSettings().leads if not lead.label.startswith("O"))
    settings = PhantomSettings(hours=5 / 60, sampling_rate_hz=128, leads=leads)
    path = tmp_path_factory.mktemp("night") / "night.edf"
    write_edf(simulate(5, settings), path)
    return path


@pytest.fixture
def render(night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``somnoaudit render`` on the night: exit code and standard error."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["somnoaudit", "render", *map(str, (night, *arguments))])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert out == ""
        return int(exit_.value.code or 0), err

    return call


def test_each_epoch_is_a_file_of_what_the_model_sees(
    render: Run, night: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "images"
    code, err = render("--epochs", "3-4,8", "--out", out)
    assert code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "epoch-0003.png",
        "epoch-0004.png",
        "epoch-0008.png",
    ]
    renderer = Renderer(choose_montage(read_recording(night)))
    for epoch in (3, 4, 8):
        with Image.open(out / f"epoch-{epoch:04d}.png") as image:
            assert np.array_equal(np.asarray(image), renderer.image(epoch))
    assert "not drawn: occipital, " in err


def test_the_mains_frequency_comes_by_option_or_by_setting(
    render: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render("--epochs", "1", "--out", tmp_path / "at-50")
    render("--epochs", "1", "--out", tmp_path / "option", "--mains-hz", "60")
    monkeypatch.setenv("SOMNOAUDIT_MAINS_HZ", "60")
    render("--epochs", "1", "--out", tmp_path / "setting")
    at_50, option, setting = (
        (tmp_path / name / "epoch-0001.png").read_bytes() for name in ("at-50", "option", "setting")
    )
    assert option == setting
    assert option != at_50


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ("9-10", "the recording has no epoch 10; its last one is 9"),
        ("5-3", "runs backwards"),
        ("three", "give epochs and ranges"),
        ("", "give epochs and ranges"),
    ],
)
def test_epochs_that_are_none_are_wrong_usage(
    render: Run, tmp_path: Path, epochs: str, said: str
) -> None:
    code, err = render("--epochs", epochs, "--out", tmp_path / "out")
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_wrong_usage(render: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert render("--epochs", "0", "--out", file) == (
        2,
        f"somnoaudit: --out {file}: give a folder, not a file\n",
    )
    (tmp_path / "out" / "epoch-0000.png").mkdir(parents=True)
    code, err = render("--epochs", "0", "--out", tmp_path / "out")
    assert code == 2
    assert "cannot be written to (is a directory)" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["epoch-0000.png"]


@pytest.mark.parametrize("mains_hz", ["0", "9000", "nan"])
def test_a_mains_frequency_that_is_none_is_wrong_usage(
    render: Run, tmp_path: Path, mains_hz: str
) -> None:
    code, err = render("--epochs", "0", "--out", tmp_path, "--mains-hz", mains_hz)
    assert code == 2
    assert "Traceback" not in err


def test_a_wrong_setting_is_named(
    render: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_MAINS_HZ", "fifty")
    code, err = render("--epochs", "0", "--out", tmp_path)
    assert code == 3
    assert "environment: SOMNOAUDIT_MAINS_HZ: " in err
