"""The rulebook and the templates are found from any directory, installed either way, and what is
declared to be needed is enough."""

import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from staging.phantom import PhantomSettings, simulate, write_edf

ROOT = Path(__file__).parents[1]

FIND = """
from importlib.resources import files
from auditor.rulebook import load_rulebook
print(files("rules"))
print(files("templates"))
print(len(load_rulebook().rules))
"""


def find(folder: Path, python_path: Path | None = None) -> list[str]:
    """Where an interpreter that is started in the folder finds the data."""
    found = subprocess.run(
        [sys.executable, "-c", FIND],
        cwd=folder,
        env={"PYTHONPATH": str(python_path) if python_path else ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return target


def test_an_editable_install_finds_its_data_from_another_directory(tmp_path: Path) -> None:
    rules, templates, n_rules = find(tmp_path)
    assert (Path(rules), Path(templates)) == (ROOT / "rules", ROOT / "templates")
    assert int(n_rules) > 0


def test_a_wheel_finds_its_data_from_another_directory(
    tmp_path: Path, unpacked_wheel: Path
) -> None:
    rules, templates, n_rules = find(tmp_path, unpacked_wheel)
    assert (Path(rules), Path(templates)) == (
        unpacked_wheel / "rules",
        unpacked_wheel / "templates",
    )
    assert int(n_rules) > 0


def test_a_folder_called_rules_where_one_stands_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    assert Path(find(tmp_path)[0]) == ROOT / "rules"


def test_the_wheel_holds_all_data_and_no_tests(unpacked_wheel: Path) -> None:
    for folder in ("rules", "templates", "features"):
        ours = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.suffix != ".pyc"}
        shipped = {p.relative_to(unpacked_wheel) for p in (unpacked_wheel / folder).rglob("*")}
        assert {p for p in ours if "__pycache__" not in p.parts} <= shipped
    assert not (unpacked_wheel / "tests").exists()


def declared(extras: frozenset[str]) -> dict[str, Distribution]:
    """The distributions that an installation with these extras brings, by name."""
    found: dict[str, Distribution] = {}
    wanted = [("somnoaudit", extras)]
    done = set()
    while wanted:
        name, with_extras = wanted.pop()
        if (name, with_extras) in done:
            continue
        done.add((name, with_extras))
        found[name] = distribution(name)
        for line in found[name].requires or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in with_extras or {""}]
            if needed.marker is None or any(map(needed.marker.evaluate, environments)):
                wanted.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return found


def test_what_is_declared_is_enough_to_stage_by_the_model(tmp_path: Path) -> None:
    # The tests' own environment has more: peft, for one, brings what loading a model needs.
    site = tmp_path / "site"
    site.mkdir()
    for each in declared(frozenset()).values():
        for top in {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(each.locate_file(top)))
    write_edf(simulate(1, PhantomSettings.typical(0.1)), tmp_path / "night.edf")
    run = (
        "import sys; sys.path += sys.argv.pop(1).split(':'); from connector.cli import main; main()"
    )
    score = ["score", str(tmp_path / "night.edf"), "--stager", "vlm"]
    scored = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run, f"{ROOT}:{site}", *score],
        capture_output=True,
        text=True,
        check=False,
    )
    assert scored.returncode == 0, scored.stderr
    assert "compact" in scored.stdout
