"""The store on real databases: SQLite always, PostgreSQL where its programs are installed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text, update

from auditor.errors import SettingsRefused
from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector.database import make_engine, migrate
from connector.store import Store
from connector.tables import Base, State, StudyRow

YASA = StagerIdentity("yasa", "0.8.1", None)
RULEBOOK = RulebookIdentity("1", "ab" * 32)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


def test_migrations_make_what_the_tables_say(store: Store) -> None:
    # Their tables are the store's too.
    import connector.desk.review_store
    import connector.desk.sessions
    import connector.event_numbers
    import connector.shelf.finding_index
    import connector.used_tokens  # noqa: F401

    with store.sessions() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"version_table": "somnoaudit_schema"}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_a_store_opened_by_many_at_once_is_migrated_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store.open, [url] * 4))
    added = [store.add_study("s1", "DocumentReference/1") for store in stores]
    assert added == [True, False, False, False]
    for store in stores:
        store.close()


def test_what_was_stored_outlives_the_process_that_stored_it(url: str) -> None:
    first = Store.open(url)
    first.add_study("s1", "DocumentReference/1")
    first.close()
    again = Store.open(url)
    study = again.study("s1")
    assert study is not None
    assert study.source == "DocumentReference/1"
    again.close()


def test_who_reads_does_not_wait_for_who_writes(store: Store) -> None:
    store.add_study("s1", "DocumentReference/1")
    with store.sessions.begin() as session:
        session.execute(update(StudyRow).values(reason="being written"))
        (study,) = store.studies()
    assert study.reason == "", "as it was before"


def test_a_study_goes_from_queued_to_reported(url: str) -> None:
    here = timezone(timedelta(hours=2))
    now = datetime(2026, 1, 1, 23, 30, tzinfo=here)
    store = Store.open(url, clock=lambda: now)
    assert store.add_study("s1", "DocumentReference/1")
    now = datetime(2026, 1, 2, 0, 30, tzinfo=here)
    store.advance("s1", State.SCORING)
    scoring = store.study("s1")
    store.reported("s1", "DiagnosticReport/7")
    reported = store.study("s1")
    store.close()
    assert scoring is not None
    assert scoring.state is State.SCORING
    assert scoring.created_at == datetime(2026, 1, 1, 21, 30, tzinfo=UTC)
    assert scoring.created_at.tzinfo is UTC
    assert scoring.updated_at == datetime(2026, 1, 1, 22, 30, tzinfo=UTC)
    assert reported is not None
    assert (reported.state, reported.report) == (State.REPORTED, "DiagnosticReport/7")


def test_a_failed_study_keeps_its_reason_until_it_goes_on(store: Store) -> None:
    store.add_study("s1", "DocumentReference/1")
    store.fail("s1", "The recording holds no EEG channel.")
    failed = store.study("s1")
    assert failed is not None
    assert (failed.state, failed.reason) == (State.FAILED, "The recording holds no EEG channel.")
    store.advance("s1", State.PULLING)
    going = store.study("s1")
    assert going is not None
    assert going.reason == ""


def test_the_latest_audit_is_shown_and_earlier_ones_are_kept(store: Store) -> None:
    store.add_study("s1", "DocumentReference/1")
    store.add_study("s2", "DocumentReference/2")
    assert store.audit("s1") is None
    assert store.hypnogram("s1") is None
    store.add_audit("s1", YASA, '["µ"]', b"1", RULEBOOK, '{"first": 1}', "[]")
    store.add_audit("s1", YASA, '["µV"]', b"2", RULEBOOK, '{"second": 2}', "[2]")
    audit, hypnogram = store.audit("s1"), store.hypnogram("s1")
    assert audit is not None
    assert hypnogram is not None
    assert (audit.document, audit.report) == ('{"second": 2}', "[2]")
    assert audit.rulebook_sha256 == "ab" * 32
    assert (hypnogram.document, hypnogram.stager_name) == ('["µV"]', "yasa")
    assert audit.hypnogram_id == hypnogram.id
    assert store.audit("s2") is None


def test_a_further_audit_is_of_the_same_hypnogram_and_evidence(store: Store) -> None:
    store.add_study("s1", "DocumentReference/1")
    assert store.audited_study("s1") is None
    store.add_audit("s1", YASA, "scored", b"measured", RULEBOOK, "{}", "[1]")
    first = store.audited_study("s1")
    assert first is not None
    store.add_further_audit(first.audit, RulebookIdentity("2", "cd" * 32), '{"again": 1}', 3)
    second = store.audited_study("s1")
    assert second is not None
    assert (second.hypnogram, second.evidence) == ("scored", b"measured")
    assert (second.audit.document, second.audit.rulebook_version) == ('{"again": 1}', "2")
    assert second.audit.report == "[]"
    assert second.audit.id != first.audit.id


def test_an_audit_from_before_evidence_was_kept_outlives_the_migration(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        migrate(connection, to="0001")
        for insert in (
            "INSERT INTO studies VALUES ('s1', 'D/1', 'reported', '', 'R/1', :now, :now)",
            "INSERT INTO hypnograms VALUES (1, 's1', 'yasa', '0.8.1', NULL, 'scored', :now)",
            "INSERT INTO audits VALUES (1, 1, '1', 'abab', '{\"old\": 1}', '[]', :now)",
        ):
            connection.execute(text(insert), {"now": "2026-01-01 00:00:00"})
    engine.dispose()
    store = Store.open(url)
    old = store.audited_study("s1")
    store.close()
    assert old is not None
    assert (old.hypnogram, old.evidence) == ("scored", None)
    assert (old.audit.document, old.audit.rulebook_sha256) == ('{"old": 1}', "abab")


def test_reported_studies_come_oldest_first_and_since_a_day(url: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = Store.open(url, clock=lambda: now)
    for number in range(4):
        now += timedelta(days=1)
        store.add_study(f"s{number}", f"DocumentReference/{number}")
    for number in (3, 1, 0):
        store.reported(f"s{number}", f"DiagnosticReport/{number}")
    assert store.reported_studies() == ("s0", "s1", "s3")
    assert store.reported_studies(datetime(2026, 1, 3, tzinfo=UTC)) == ("s1", "s3")
    store.close()


def test_an_audit_of_an_unknown_study_is_refused_whole(store: Store) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError):
        store.add_audit("nobody", YASA, "[]", b"", RULEBOOK, "{}", "[]")
    assert store.hypnogram("nobody") is None


def test_studies_come_newest_first(url: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = Store.open(url, clock=lambda: now)
    for number in range(5):
        now += timedelta(seconds=1)
        store.add_study(f"s{number}", f"DocumentReference/{number}")
    assert [study.id for study in store.studies(most=3)] == ["s4", "s3", "s2"]
    store.close()


def test_many_writers_wait_for_each_other(store: Store) -> None:
    def work(number: int) -> None:
        store.add_study(f"s{number}", f"DocumentReference/{number}")
        for state in (State.PULLING, State.SCORING, State.REPORTING):
            store.advance(f"s{number}", state)
            store.study(f"s{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert [study.state for study in store.studies()] == [State.REPORTING] * 40


def test_a_database_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    missing = f"postgresql://u:hunter2@/x?host={tmp_path}"
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATABASE_URL") as refused:
        Store.open(missing)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path) -> None:
    recording = tmp_path / "night.edf"
    recording.write_bytes(b"0       " * 1000)
    for url in (f"sqlite:///{recording}", f"sqlite:///{recording}/below/x.db"):
        with pytest.raises(SettingsRefused, match="the database cannot be opened"):
            Store.open(url)
    assert recording.read_bytes() == b"0       " * 1000


def test_a_database_of_a_later_version_is_left_alone(url: str) -> None:
    store = Store.open(url)
    with store.sessions.begin() as session:
        session.execute(text("UPDATE somnoaudit_schema SET version_num = '9999'"))
    store.close()
    with pytest.raises(SettingsRefused, match="made by a later somnoaudit; install that version"):
        Store.open(url)
