"""The demo, whole: a real FHIR server, a real process, killed in the middle and started again."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyedflib
import pytest

from auditor.errors import UsageError
from connector.demo import FINISHED, LOCK, demo_folder
from connector.demo_ehr import DemoEhr
from staging.phantom import simulate, write_edf
from staging.phantom_plan import PhantomSettings

COMMAND = [sys.executable, "-c", "from connector.cli import main; main()", "demo", "--no-serve"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quarter of an hour, so that a run takes seconds."""
    path = tmp_path_factory.mktemp("demo") / "short.edf"
    write_edf(simulate(3, PhantomSettings(hours=0.25)), path)
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getFileDuration() == 900
    return path


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def test_killed_in_mid_study_and_started_again_it_reports_once(
    recording: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    command = [*COMMAND, "--recording", str(recording), "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reached = any("  stage" in line for line in lines_of(process))
        process.send_signal(signal.SIGKILL)
    assert reached
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"DiagnosticReport/\S+", again.stdout)
    assert "http://" not in again.stdout.split("The EHR has the report")[1], "no server is left"
    assert "AI-generated" in (folder / "report.html").read_text()
    assert "Traceback" not in again.stderr
    with DemoEhr(folder / "ehr") as ehr:
        for resource_type in ("DiagnosticReport", "Task", "DocumentReference"):
            found = httpx.get(f"{ehr.base_url}/{resource_type}").json()
            assert len(found["entry"]) == 1, resource_type


def test_without_keep_nothing_is_left(tmp_path: Path) -> None:
    with demo_folder(tmp_path / "demo", keep=False) as folder:
        (folder / "phantom.edf").touch()
    assert not (tmp_path / "demo").exists()


def test_a_finished_demo_is_begun_anew(tmp_path: Path) -> None:
    with demo_folder(tmp_path, keep=True) as folder:
        (folder / "somnoaudit").mkdir()
        (folder / FINISHED).touch()
    with demo_folder(tmp_path, keep=True) as folder:
        assert [path.name for path in folder.iterdir()] == [LOCK]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not a demo"), demo_folder(tmp_path, keep=False):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="name another"), demo_folder(tmp_path / "file/d", True):
        pass


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        demo_folder(tmp_path, keep=True),
        pytest.raises(UsageError, match="another demo"),
        demo_folder(tmp_path, keep=True),
    ):
        pass
