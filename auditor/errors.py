"""Every error that somnoaudit raises on purpose, as one tree.

    SomnoauditError
    ├── UsageError          exit code 2   the command was called wrongly
    ├── InputRefused        exit code 3   a file is not what it must be
    │   ├── RecordingRefused              an EDF/BDF recording
    │   ├── ScoringRefused                a scoring, made by a program or a person
    │   ├── RulebookRefused               a rule, its cases, or the claim lexicon
    │   ├── CheckpointRefused             a neural network's weights and what goes with them
    │   └── SettingsRefused               a settings file or an environment variable
    └── ServerFailed        exit code 4   the EHR or another server did not do its part

A message names the file (or the setting, or the server), what is wrong with it, and what to
do, in one line. It never holds a patient's data.
"""

from __future__ import annotations

from pathlib import Path


class SomnoauditError(Exception):
    """The root: whatever is not one of these is a defect of somnoaudit itself."""

    exit_code = 1


class UsageError(SomnoauditError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = 2


class InputRefused(SomnoauditError):
    """A file was read and is not usable as it is.

    Attributes:
        path: the file as the user named it.
        problem: what is wrong with it.
        remedy: what the user can do about it.
    """

    exit_code = 3

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.path}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type[InputRefused], tuple[str, str, str]]:
        return type(self), (self.path, self.problem, self.remedy)


class RecordingRefused(InputRefused):
    """A file that was given as a recording is not one that can be scored."""


class ScoringRefused(InputRefused):
    """A file that was given as a scoring cannot be read as one."""


class RulebookRefused(InputRefused):
    """A file of the rulebook does not say what a rule must say."""


class CheckpointRefused(InputRefused):
    """A folder that was given as a model holds none that can be used, or not all of it."""


class SettingsRefused(InputRefused):
    """A setting has a value that it cannot have."""


class ServerFailed(SomnoauditError):
    """The EHR, or another server that was asked, did not answer as it must."""

    exit_code = 4


def os_reason(error: OSError) -> str:
    """What the operating system has against it, as part of a message."""
    return (error.strerror or "no reason given").lower()
