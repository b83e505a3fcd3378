"""A second FHIR server, stricter than the first: @medplum/fhir-router on node.

Its packages are installed at first use, as ``medplum/package-lock.json`` has them, into a cache
of this user's.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "medplum"


@contextmanager
def strict_ehr() -> Iterator[str]:
    """Runs the server while the context lasts; gives its base URL."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: the strict FHIR server cannot run")
    folder = _installed()
    process = subprocess.Popen(
        ["node", "server.mjs"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the strict FHIR server did not start"
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def _installed() -> Path:
    files = ["package.json", "package-lock.json", "server.mjs"]
    content = b"".join((HERE / name).read_bytes() for name in files)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "somnoaudit-tests" / f"medplum-{hashlib.sha256(content).hexdigest()[:16]}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        for name in files:
            shutil.copy(HERE / name, partial)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=partial, check=True)
        # Another run may have been faster; its folder is the same.
        shutil.rmtree(partial) if folder.exists() else partial.rename(folder)
    return folder
