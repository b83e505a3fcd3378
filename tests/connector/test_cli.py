"""The command line as a user meets it: exit codes, one line for what is refused, no traces."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from connector.cli import main
from connector.store import Store
from staging.qwen.find import COMPACT_MODEL

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["somnoaudit", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        code = exit_.value.code
        return (code if isinstance(code, int) else int(code is not None)), out, err

    return call


def header(n_records: int, n_signals: int) -> bytes:
    """The fixed part of an EDF header."""
    return (
        b"0".ljust(8)
        + b"X X X X".ljust(80)
        + b"Startdate X X X X".ljust(80)
        + b"01.01.26"
        + b"22.30.00"
        + str(256 * (n_signals + 1)).encode().ljust(8)
        + b"".ljust(44)
        + str(n_records).encode().ljust(8)
        + b"1".ljust(8)
        + str(n_signals).encode().ljust(4)
    )


def signal_header(label: bytes, unit: bytes) -> bytes:
    fields = [(label, 16), (b"", 80), (unit, 8), (b"-100", 8), (b"100", 8)]
    fields += [(b"-32768", 8), (b"32767", 8), (b"", 80), (b"100", 8), (b"", 32)]
    return b"".join(value.ljust(width) for value, width in fields)


@pytest.fixture(
    params=["junk", "text", "empty", "no records", "no usable channel", "folder", "missing"]
)
def broken_recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "study.edf"
    match request.param:
        case "junk":
            path.write_bytes(bytes(range(100)))
        case "text":
            path.write_text("This is a letter, not a recording.\n" * 20)
        case "empty":
            path.touch()
        case "no records":
            path.write_bytes(header(0, 1) + signal_header(b"EEG C4-M1", b"uV"))
        case "no usable channel":
            samples = b"\x10\x00" * 100 * 60
            path.write_bytes(header(60, 1) + signal_header(b"SpO2", b"%") + samples)
        case "folder":
            path.mkdir()
    return path


@pytest.mark.parametrize("command", ["score", "evidence", "audit"])
def test_a_broken_recording_is_refused_in_one_line(
    command: str, broken_recording: Path, tmp_path: Path, run: Run
) -> None:
    scoring = tmp_path / "scoring.json"
    scoring.write_text('{"epoch_seconds": 30, "stages": ["W"]}')
    extra = ["--scoring", scoring] if command == "audit" else []
    before = sorted(tmp_path.iterdir())
    code, out, err = run(command, broken_recording, "--json", tmp_path / "out.json", *extra)
    complaint = [line for line in err.splitlines() if not line.endswith("…")]
    assert code == 3
    assert out == ""
    assert len(complaint) == 1
    assert broken_recording.name in complaint[0]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["score", "evidence", "audit"])
def test_a_recording_without_an_epoch_is_refused(command: str, tmp_path: Path, run: Run) -> None:
    recording, scoring = tmp_path / "study.edf", tmp_path / "scoring.json"
    scoring.write_text('{"epoch_seconds": 30, "stages": ["W"]}')
    recording.write_bytes(header(29, 1) + signal_header(b"C4-M1", b"uV") + bytes(29 * 200))
    extra = ["--scoring", scoring] if command == "audit" else []
    code, out, err = run(command, recording, *extra)
    assert (code, out) == (3, "")
    assert "shorter than an epoch" in err


def test_a_name_cannot_break_the_line_or_command_the_terminal(tmp_path: Path, run: Run) -> None:
    code, _, err = run("evidence", tmp_path / "a\nb\x1b[31m.edf")
    assert code == 3
    assert r"a\nb\x1b[31m.edf: there is no such file" in err
    assert "\x1b" not in err


def test_json_is_written_through_a_link_and_into_a_device(tmp_path: Path, run: Run) -> None:
    scoring, file, link = tmp_path / "s.json", tmp_path / "out.json", tmp_path / "link.json"
    scoring.write_text('{"epoch_seconds": 30, "stages": ["W"]}')
    link.symlink_to(file)
    device = tmp_path / "device"
    device.symlink_to("/dev/null")
    for target in (link, device):
        code, _, err = run("evaluate", scoring, scoring, "--json", target)
        assert (code, err) == (0, "")
        assert target.is_symlink()
    assert json.loads(file.read_text())["accuracy"] == 1.0
    assert Path("/dev/null").is_char_device()


def test_output_that_cannot_be_encoded_or_written_is_no_defect() -> None:
    command = [sys.executable, "-c", "from connector.cli import main; main()", "claims"]
    text = "A sleep spindle, 睡眠, at\x1b[31m 12 s in C4-M1.".encode()
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    said = subprocess.run(command, input=text, env=ascii_only, capture_output=True, check=True)
    assert b"sleep spindle" in said.stdout
    as_json = [*command, "--json", "-"]
    said = subprocess.run(as_json, input=text, env=ascii_only, capture_output=True, check=True)
    assert json.loads(said.stdout)[0]["phenomenon"] == "sleep_spindle"
    for closed in ("<&-", ">&-"):
        failed = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *command], input=text, capture_output=True
        )
        assert failed.returncode == (3 if closed == "<&-" else 2)
        assert b"(bad file descriptor)" in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
    unheard = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command[:-1], "rules", "N9.9"], capture_output=True
    )
    assert (unheard.returncode, unheard.stdout) == (2, b""), "only results go to standard output"
    for arguments in ([*command], [*command, "--help"], [*command[:-1], "--help"], command[:-1]):
        with Path("/dev/full").open("wb") as full:
            failed = subprocess.run(arguments, input=text, stdout=full, stderr=subprocess.PIPE)
        assert failed.returncode == 2
        assert failed.stderr == (
            b"somnoaudit: standard output: cannot be written to (no space left on device)\n"
        )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["score", "x.edf", "--stager", "nobody"], "there is no stager 'nobody'"),
        (["score", "x.edf", "--model", "weights"], "takes no --model"),
        (["rules", "N9.9"], "there is no rule 'N9.9'"),
        (["evidence", "x.edf", "--json", "/no/such/folder/out.json"], "a folder that exists"),
        (["score", "x.edf", "--report", "/dev/null/r"], "--report /dev/null/r"),
        (["evidence", "x.edf", "--json", f"/{'x' * 5000}/out.json"], "file name too long"),
        (["evidence", "x.edf", "--plot", "x" * 5000], "file name too long"),
        (["score", "x.edf", "--report", "x" * 5000], "file name too long"),
        (["reaudit", "--since", "0001-01-01"], "name a later day"),
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str], complaint: str, run: Run) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_claims_reads_a_file_and_writes_json_only(tmp_path: Path, run: Run) -> None:
    text = tmp_path / "rationale.txt"
    text.write_text("A sleep spindle is seen at 12 s in C4-M1.", encoding="utf-8")
    code, out, err = run("claims", text, "--json", "-")
    assert (code, err) == (0, "")
    (claim,) = json.loads(out)
    assert claim["phenomenon"] == "sleep_spindle"
    assert claim["spans_s"] == [[12, 12]]
    assert text.read_text()[claim["start"] : claim["end"]] == claim["text"]


def test_a_number_without_end_is_no_number(tmp_path: Path, run: Run) -> None:
    text = tmp_path / "rationale.txt"
    text.write_text(f"A sleep spindle of {'9' * 400} Hz at {'9' * 5000} s in C4-M1.")
    code, out, err = run("claims", text, "--json", "-")
    assert (code, err) == (0, "")
    (claim,) = json.loads(out)
    assert (claim["frequency_hz"], claim["spans_s"]) == (None, [])


def test_claims_of_a_missing_file_is_refused(tmp_path: Path, run: Run) -> None:
    code, out, err = run("claims", tmp_path / "absent.txt")
    assert (code, out) == (3, "")
    assert "absent.txt: cannot be read (no such file or directory)" in err


def test_claims_does_not_read_what_never_ends(run: Run) -> None:
    code, out, err = run("claims", "/dev/zero")
    assert (code, out) == (3, "")
    assert "/dev/zero: is longer than" in err


def test_claims_of_what_is_no_rationale_any_more_is_refused(tmp_path: Path, run: Run) -> None:
    book = tmp_path / "book.txt"
    book.write_text("No spindle. " * 10_000)
    code, out, err = run("claims", book)
    assert (code, out) == (3, "")
    assert "book.txt: is longer than 100,000 characters; give one rationale" in err


def test_evaluate_prints_a_table_or_json(tmp_path: Path, run: Run) -> None:
    scoring = tmp_path / "scoring.json"
    scoring.write_text('{"epoch_seconds": 30, "stages": ["W", "N2", "N2"]}')
    code, out, _ = run("evaluate", scoring, scoring)
    assert code == 0
    assert "Cohen's kappa 1.000" in out
    code, out, _ = run("evaluate", scoring, scoring, "--json", "-")
    assert json.loads(out)["kappa"] == 1.0


def test_rules_lists_and_explains(run: Run) -> None:
    code, out, _ = run("rules")
    assert code == 0
    assert "N3.1" in out
    code, out, _ = run("rules", "n3.1")
    assert code == 0
    assert "0.2" in out
    assert "AASM" in out


def test_help_answers_without_the_scientific_stack() -> None:
    program = (
        "import sys\n"
        "from connector.cli import main\n"
        "sys.argv = ['somnoaudit', '--help']\n"
        "try:\n    main()\n"
        "finally:\n"
        "    heavy = {'numpy', 'scipy', 'mne', 'yasa', 'sklearn', 'sqlalchemy', 'dbos'}\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "somnoaudit demo" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "command", [["trail", "verify"], ["studies", "list"], ["reaudit"]], ids=" ".join
)
def test_a_folder_without_a_service_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, command: list[str]
) -> None:
    folder = tmp_path / "mistyped"
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(folder))
    code, _, said = run(*command)
    assert code == 3
    assert "there is no database in this folder" in said
    assert len(said.splitlines()) == 1
    assert not folder.exists()


def test_a_database_that_takes_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/somnoaudit.db")
    store.add_study("s1", "DocumentReference/1")
    with store.sessions.begin() as session:
        # As on a disk that is full, for whoever writes.
        session.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON trail BEGIN SELECT missing(); END")
        )
    store.close()
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))
    code, _, said = run("studies", "cancel", "s1")
    assert code == 4
    assert said.startswith("somnoaudit: the database did not answer (no such function: missing)")
    assert len(said.splitlines()) == 1


def test_a_user_without_a_name_may_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    Store.open(f"sqlite:///{tmp_path}/somnoaudit.db").close()
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # only root can be another user
    code, _, said = run("studies", "list")
    assert (code, said) == (0, "")


@pytest.mark.parametrize("phase", ["wpt", "sft"])
def test_training_into_a_file_is_refused_before_it_begins(
    phase: str, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "file"
    file.touch()
    code, _, said = run("train", phase, "--out", file, "--start", COMPACT_MODEL)
    assert code == 2
    assert said == f"somnoaudit: --out {file}: give a folder, not a file\n"


@pytest.mark.parametrize("phase", ["wpt", "sft"])
def test_training_does_not_start_from_what_is_no_checkpoint(
    phase: str, tmp_path: Path, run: Run
) -> None:
    code, _, said = run("train", phase, "--out", tmp_path / "out", "--start", tmp_path)
    assert code == 3
    assert said.startswith(f"somnoaudit: {tmp_path}: has no config.json")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("phase", ["wpt", "sft"])
def test_training_takes_no_seed_below_0(phase: str, tmp_path: Path, run: Run) -> None:
    code, _, said = run("train", phase, "--out", tmp_path, "--seed", -1)
    assert code == 2
    assert "'--seed'" in said
