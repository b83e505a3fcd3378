"""Real databases for tests: SQLite always, PostgreSQL where its programs are installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL of our own on a socket in a folder of its own, without any TCP port."""
    with running_postgresql() as server:
        yield server


class running_postgresql:  # noqa: N801 used like a function
    def __enter__(self) -> str:
        # PostgreSQL refuses to run as root, and pytest's own folders are closed to other users.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._temporary = TemporaryDirectory(prefix="somnoaudit-pg-")
        self._folder = Path(self._temporary.name)
        self._data = str(self._folder / "data")
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", self._data, "-U", "somnoaudit", "-A", "trust", "-N")
        # A worker takes about ten connections, and a test runs sixteen at once.
        options = (
            f"-k {self._folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off "
            "-c max_connections=400"
        )
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")
        return f"postgresql://somnoaudit@/postgres?host={self._folder}"

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")
        self._temporary.cleanup()

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL
        )


def new_database(server: str) -> str:
    """The address of an empty database on a PostgreSQL server."""
    name = f"t{uuid4().hex}"
    admin = create_engine(
        server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?")


NEEDS_POSTGRESQL = pytest.mark.skipif(
    shutil.which("initdb") is None, reason="PostgreSQL's initdb is not on the PATH"
)
DATABASES = ["sqlite", pytest.param("postgresql", marks=NEEDS_POSTGRESQL)]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: SQLite and PostgreSQL in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'somnoaudit.db'}"
    return new_database(request.getfixturevalue("postgresql"))
