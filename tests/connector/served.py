"""The service as a program of its own, as a hospital starts it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(
    fhir_url: str, folder: Path, scoring: Path, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """`somnoaudit serve` on an EHR, by a scoring made elsewhere; further settings by name."""
    settings = {
        "fhir_url": fhir_url,
        "data": str(folder),
        "stager": "scored",
        "model": str(scoring),
        "port": "0",
        **more,
    }
    variables = {f"SOMNOAUDIT_{name.upper()}": value for name, value in settings.items()}
    with subprocess.Popen(
        [sys.executable, "-c", "from connector.cli import main; main()", "serve"],
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        yield serving
