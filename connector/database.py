"""The database of the store: SQLite or PostgreSQL by address, opened and brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InternalError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from auditor.errors import SettingsRefused

MIGRATIONS = Path(__file__).parent / "migrations"

# Advisory locks: any numbers that no other program takes on the same database.
MIGRATION_LOCK = 7_340_041
SWEEP_LOCK = 7_340_042

LEFT_OPEN_AT_MOST_S = 15.0
"""PostgreSQL ends a transaction that a process has left open and idle for so long.

A machine that stops in mid-transaction, or drops off the network, would hold its locks until TCP
gives up, which takes hours: the audit trail would be closed to all, and its work never taken over.
"""

DATABASE_AWAY = (OperationalError, InternalError)
"""What a database answers that is away, is busy, or has no room.

A transaction that was left open for too long, by a process that stood still, is the latter.
"""

READS_ONLY = "somnoaudit_reads_only"
"""Execution option of a transaction that writes nothing: no writer waits for it, nor it for one."""


class Sessions(sessionmaker[Session]):
    """``sessions()`` reads, and waits for no writer; ``sessions.begin()`` reads and writes."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._reading = engine.execution_options(**{READS_ONLY: True})

    def __call__(self, **options: Any) -> Session:
        return super().__call__(**{"bind": self._reading, **options})

    @contextmanager
    def begin(self) -> Iterator[Session]:
        with super().__call__() as session, session.begin():
            yield session


def open_database(url: str) -> Engine:
    """Connects, and brings the schema up to date.

    Raises:
        SettingsRefused: there is no database at this address, or a later version made it.
    """
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except (DatabaseError, CommandError) as error:
        engine.dispose()
        if isinstance(error, CommandError):
            problem = "the database was made by a later somnoaudit"
            remedy = "install that version, or name another database"
        else:
            problem = f"the database cannot be opened ({told_by(error)})"
            remedy = "check that it exists, that it runs, its disk, and the user's rights"
        raise SettingsRefused("SOMNOAUDIT_DATABASE_URL", problem, remedy) from None
    return engine


def told_by(error: DBAPIError) -> str:
    """What a database says is wrong, without what may be anybody's data: SQLite's sentences are
    the same for all, such as "database or disk is full"; of another's error the kind."""
    cause = error.orig
    return str(cause) if isinstance(cause, sqlite3.Error) else type(cause).__name__


def make_engine(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        engine = create_engine(
            address.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
        )
        event.listen(engine, "connect", _set_up_postgresql)
        return engine
    if address.database:
        with suppress(OSError):  # connecting fails then, and says so
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def migrate(connection: Connection, to: str = "head") -> None:
    if is_postgresql(connection):  # SQLite's writers wait for each other anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def is_postgresql(place: Connection | Engine) -> bool:
    return place.dialect.name == "postgresql"


@contextmanager
def only_worker_here(url: str) -> Iterator[bool]:
    """Holds an SQLite database for this process's worker; PostgreSQL is open to any number.

    Gives whether no other process's worker can be on this database meanwhile.

    The lock is of a second file beside the database, and the operating system drops it when
    the process ends, however that happens.

    Raises:
        SettingsRefused: another process's worker has it.
    """
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        yield False
        return
    with closing(_lock_file(address.database)) as connection:
        connection.isolation_level = None
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise SettingsRefused(
                "SOMNOAUDIT_DATABASE_URL",
                "another worker runs on this SQLite database",
                "stop that one, or let several share a PostgreSQL",
            ) from None
        yield True


def _lock_file(database: str | None) -> sqlite3.Connection:
    return sqlite3.connect(f"{database}-worker", timeout=0, check_same_thread=False)


def _set_up_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = '{LEFT_OPEN_AT_MOST_S:.0f}s'")
    connection.commit()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions, schema changes too, are begun below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get(READS_ONLY):
        connection.exec_driver_sql("BEGIN")
        return
    # A transaction that reads first and writes later fails at once when another has written
    # in between, whatever the busy timeout; one that begins as a writer waits its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
