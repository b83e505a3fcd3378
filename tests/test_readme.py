"""The README names every setting, every command and every option, and none that is gone."""

import re
from pathlib import Path

import typer

from connector.cli import app
from connector.settings import PREFIX, Settings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    documented = set(re.findall(rf"^\| `({PREFIX}[A-Z_]+)`", README, re.MULTILINE))
    assert documented == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_command_and_option_is_documented_and_every_documented_one_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    documented = dict(re.findall(r"^\| `somnoaudit ([\w-]+)([^`]*)`", README, re.MULTILINE))
    assert documented.keys() == commands.keys()
    for name, usage in documented.items():
        named = set(re.findall(r"--[a-z-]+", usage))
        # A switch has two spellings, of which the README shows the one that changes something.
        spellings = [
            {*parameter.opts, *parameter.secondary_opts}
            for parameter in commands[name].params
            if parameter.param_type_name == "option"
        ]
        assert named <= set().union(*spellings), name
        assert all(spelling & named for spelling in spellings), name
