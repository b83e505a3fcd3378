"""The audit trail: what breaks is found and located, on both databases and in an export."""

import base64
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scripted import Answer, ScriptedServer
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from auditor.errors import InputRefused, SettingsRefused, UsageError
from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector import trail, trail_key
from connector.audit_event import audit_events
from connector.audit_events import AuditEventWriter
from connector.cli import main
from connector.exchange import EhrWatch, Exchange, Interaction
from connector.fhir import FhirClient
from connector.kept_secret import keep_first
from connector.operations import operations
from connector.store import Store
from connector.stored import RunEnded
from connector.tables import State
from connector.trail import Action, Anchor, AnchorFile
from connector.trail_bundle import export_bundle, verify_bundle
from connector.trail_key import fingerprint, public_key, signing_key

NOW = datetime(2026, 1, 2, 7, tzinfo=UTC)
STAGER = StagerIdentity("yasa", "0.8.1", "ab" * 32)
RULEBOOK = RulebookIdentity("1", "cd" * 32)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store.open(database_url, clock=lambda: NOW)
    yield opened
    opened.close()


def _fill(store: Store) -> None:
    """Two studies in turn, nine entries."""
    store.add_study("s1", "DocumentReference/1")
    store.add_study("s2", "DocumentReference/2")
    store.advance("s1", State.SCORING)
    store.add_audit("s1", STAGER, '["N2"]', b"measured", RULEBOOK, '{"flags": 1}', "[]")
    store.fail("s2", "The recording holds no EEG channel.")
    store.tell(Action.DECIDED, "s1", {"epoch": 3, "stage": "N3"}, "Practitioner/9")
    store.reported("s1", "DiagnosticReport/7")


def _tamper(store: Store, *statements: str) -> None:
    """As someone would who may do anything with the database."""
    with store.sessions.begin() as session:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE trail DISABLE TRIGGER USER"))
        else:
            connection.execute(text("DROP TRIGGER IF EXISTS trail_no_update"))
            connection.execute(text("DROP TRIGGER IF EXISTS trail_no_delete"))
        for statement in statements:
            connection.exec_driver_sql(statement)


def _problems(store: Store, *anchors: Anchor) -> list[str]:
    return [found.problem for found in store.verify_trail(anchors).breaks]


def test_every_change_of_a_study_stands_in_the_trail(store: Store) -> None:
    _fill(store)
    entries = store.trail_of("s1")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("study", "somnoaudit"),
        ("study", "somnoaudit"),
        ("model.scored", "somnoaudit"),
        ("evidence.measured", "somnoaudit"),
        ("rules.applied", "somnoaudit"),
        ("physician.decided", "Practitioner/9"),
        ("study", "somnoaudit"),
    ]
    scored = json.loads(entries[2].details)
    assert scored["weights_sha256"] == STAGER.weights_sha256
    assert scored["document"]["sha256"] == trail.sha256('["N2"]')
    assert entries[0].at == "2026-01-02T07:00:00.000000+00:00"
    checked = store.verify_trail()
    assert (checked.entries, checked.breaks) == (9, ())
    head = store.trail_head()
    assert head is not None
    assert (head.seq, head.hash) == (9, checked.head)


def test_what_did_not_happen_is_not_told(store: Store) -> None:
    store.add_study("s1", "DocumentReference/1")
    assert not store.add_study("s1", "DocumentReference/1")
    with pytest.raises(UsageError, match="there is no study s9"):
        store.cancel("s9")
    assert store.verify_trail().entries == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET actor = 'nobody' WHERE seq = 3",
        "DELETE FROM trail WHERE seq = 3",
        "DELETE FROM trail",
    ],
)
def test_the_database_refuses_to_change_an_entry(store: Store, statement: str) -> None:
    _fill(store)
    with (
        pytest.raises(DatabaseError, match="the audit trail is append-only"),
        store.sessions.begin() as session,
    ):
        session.execute(text(statement))
    assert _problems(store) == []


SWAPPED = [
    "UPDATE trail SET seq = 100 WHERE seq = 4",
    "UPDATE trail SET seq = 4 WHERE seq = 5",
    "UPDATE trail SET seq = 5 WHERE seq = 100",
]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE trail SET actor = 'nobody' WHERE seq = 3"], ["entry 3 was altered"]),
        (
            ['UPDATE trail SET details = \'{"state":"reported"}\' WHERE seq = 3'],
            ["entry 3 was altered"],
        ),
        (["UPDATE trail SET at = '2025' WHERE seq = 1"], ["entry 1 was altered"]),
        (["DELETE FROM trail WHERE seq = 4"], ["entry 4 is missing"]),
        (["DELETE FROM trail WHERE seq < 3"], ["entries 1 to 2 are missing"]),
        (
            SWAPPED,
            [
                "entry 4 was altered",
                "entry 4 does not follow entry 3: one of them was replaced",
                "entry 5 was altered",
                "entry 5 does not follow entry 4: one of them was replaced",
                "entry 6 does not follow entry 5: one of them was replaced",
            ],
        ),
        (
            ["DELETE FROM trail WHERE seq > 7"],
            ["entries 8 to 9 are missing, by the database's own head"],
        ),
        (["UPDATE audits SET document = hypnogram_id"], None),
        (
            ["UPDATE hypnograms SET document = '[\"N3\"]'"],
            ["the hypnogram that entry 4 binds was altered"],
        ),
        (["DELETE FROM audits"], ["the audit that entry 6 binds is missing"]),
    ],
)
def test_what_was_tampered_with_is_located(
    store: Store, statements: list[str], found: list[str] | None
) -> None:
    _fill(store)
    if found is None:  # whatever is no compressed text is as good as gone
        on_postgresql = store.address.startswith("postgresql")
        value = "'\\x00'::bytea" if on_postgresql else "x'00'"
        statements = [f"UPDATE audits SET document = {value}"]
        found = ["the audit that entry 6 binds is missing"]
    _tamper(store, *statements)
    assert _problems(store) == found


def test_an_entry_that_was_replaced_whole_is_located(store: Store) -> None:
    _fill(store)
    third = store.trail_of("s1")[1]
    content = trail.content_hash(3, third.at, "nobody", third.action, "s1", third.details)
    forged = trail.chained(third.previous, content)
    _tamper(store, f"UPDATE trail SET actor = 'nobody', hash = '{forged}' WHERE seq = 3")
    assert _problems(store) == ["entry 4 does not follow entry 3: one of them was replaced"]


def test_a_chain_that_was_written_again_is_found_by_what_was_noted_outside(
    store: Store, tmp_path: Path
) -> None:
    _fill(store)
    anchors = AnchorFile(tmp_path / "data" / "anchors.jsonl")
    head = store.trail_head()
    assert head is not None
    anchors.note(head.seq, head.hash)
    with (tmp_path / "data" / "anchors.jsonl").open("a") as file:
        file.write('{"seq": 10, "ha')  # cut short by a crash
    assert _problems(store, *anchors.anchors()) == []
    _tamper(store, "DELETE FROM trail", f"UPDATE trail_head SET seq = 0, hash = '{trail.GENESIS}'")
    assert _problems(store) == [], "the database alone cannot tell"
    assert _problems(store, *anchors.anchors()) == ["entries 1 to 9 are missing, by anchors.jsonl"]
    for number in range(9):
        store.tell(Action.VIEWED, "s1", {"page": number})
    assert _problems(store, *anchors.anchors()) == [
        "the chain up to entry 9 was rewritten, by anchors.jsonl"
    ]


def test_an_anchor_file_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_text('{"seq": "one"}\n')
    with pytest.raises(InputRefused, match="line 1 is no anchor"):
        list(AnchorFile(path).anchors())


def _tell_much(url: str, actor: str) -> None:
    store = Store.open(url, actor=actor)
    with ThreadPoolExecutor(4) as pool:
        for number in range(25):
            pool.submit(store.tell, Action.VIEWED, None, {"page": number})
    store.close()


def test_writers_in_several_processes_keep_one_chain(store: Store, database_url: str) -> None:
    spawn = multiprocessing.get_context("forkserver")
    processes = [
        spawn.Process(target=_tell_much, args=(database_url, f"writer {number}"))
        for number in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    checked = store.verify_trail()
    assert (checked.entries, checked.breaks) == (75, ())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_trail_tells_how_long_the_work_takes(database_url: str) -> None:
    now = NOW
    store = Store.open(database_url, clock=lambda: now)
    store.add_study("s1", "DocumentReference/1")
    store.add_study("s2", "DocumentReference/2")
    for minutes, state in ((1, State.PULLING), (3, State.SCORING), (10, State.REPORTING)):
        now = NOW + timedelta(minutes=minutes)
        store.advance("s1", state)
    before = operations(store, now=now)
    assert before.studies[State.QUEUED] == 1
    assert (before.oldest_queued_s, before.workers) == (600.0, 0)
    assert [(each.state, each.seconds) for each in before.spells] == [
        (State.QUEUED, 60.0),
        (State.PULLING, 120.0),
        (State.SCORING, 420.0),
    ]
    store.reported("s1", "DiagnosticReport/7")
    after = operations(store, before.last_seq, now)
    assert [each.state for each in after.spells] == [State.REPORTING]
    assert after.studies[State.REPORTED] == 1
    assert operations(store, after.last_seq).spells == ()
    store.close()


# ── an export ─────────────────────────────────────────────────────────────────────────────


def _exported(store: Store, path: Path) -> Path:
    _fill(store)
    path.write_text(json.dumps(export_bundle(store, "s1", KEY, NOW)))
    return path


def test_an_export_is_checked_without_the_database(store: Store, tmp_path: Path) -> None:
    path = _exported(store, tmp_path / "s1.json")
    checked = verify_bundle(path, KEY.public_key())
    assert (checked.study_id, checked.entries, checked.breaks) == ("s1", 7, ())
    assert checked.signer == fingerprint(KEY.public_key())
    assert "no EEG channel" not in path.read_text(), "another study's entries are hashes"
    kinds = [document["kind"] for document in json.loads(path.read_text())["payload"]["documents"]]
    assert kinds == ["hypnogram", "evidence", "audit"]
    other = Ed25519PrivateKey.generate().public_key()
    (found,) = verify_bundle(path, other).breaks
    assert found.problem.startswith("it was signed by another key")
    with pytest.raises(UsageError, match="has nothing of a study s9"):
        export_bundle(store, "s9", KEY, NOW)


def _altered(payload: dict, *_: object) -> str:  # type: ignore[type-arg]
    payload["chain"][2]["actor"] = "nobody"
    return "entry 3 was altered"


def _shortened(payload: dict) -> str:  # type: ignore[type-arg]
    del payload["chain"][3]
    return "entries between 3 and 5 are missing"


def _other_document(payload: dict) -> str:  # type: ignore[type-arg]
    payload["documents"][0]["content"] = '["N3"]'
    return "the hypnogram that entry 4 binds was altered"


def _other_hash(payload: dict) -> str:  # type: ignore[type-arg]
    payload["chain"][1]["content_sha256"] = "0" * 64
    return "entry 2 does not follow the one before it"


@pytest.mark.parametrize("change", [_altered, _shortened, _other_document, _other_hash])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_export_that_was_changed_is_found_out(
    store: Store, tmp_path: Path, change: Callable[[object], str]
) -> None:
    path = _exported(store, tmp_path / "s1.json")
    bundle = json.loads(path.read_text())
    problem = change(bundle["payload"])
    path.write_text(json.dumps(bundle))
    found = [each.problem for each in verify_bundle(path).breaks]
    assert "the signature does not fit: the file was altered after it was signed" in found
    assert problem in found


def test_a_file_that_is_no_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.trail_bundle._LARGEST_BYTES", 1 << 20)
    payload = {
        "format": "somnoaudit trail bundle 1",
        "study_id": "\ud800",
        "exported_at": "",
        "chain": [],
        "documents": [],
    }
    key = base64.b64encode(bytes(32)).decode()
    signature = {"algorithm": "Ed25519", "public_key": key, "value": ""}
    path = tmp_path / "s1.json"
    path.write_text(json.dumps({"payload": payload, "signature": signature}))
    for file in (path, Path("/dev/zero")):
        with pytest.raises(InputRefused, match="is no bundle of an audit trail"):
            verify_bundle(file)


def test_anchors_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"cannot be read \(is a directory\)"):
        list(AnchorFile(tmp_path).anchors())


def test_a_key_is_made_once_and_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "data" / "trail-key.pem"
    first = signing_key(path, make=True)
    again = signing_key(path, make=True)
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    shown = public_key(tmp_path / "data" / "trail-key.pub.pem")
    assert shown.public_bytes_raw() == first.public_key().public_bytes_raw()
    path.write_text("no key")
    with pytest.raises(SettingsRefused, match=r"SOMNOAUDIT_TRAIL_KEY: .* is no Ed25519 key"):
        signing_key(path, make=True)
    with pytest.raises(InputRefused, match="is no Ed25519 key in PEM"):
        public_key(path)


def test_of_two_keys_made_at_once_the_public_one_is_of_that_which_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(path: Path, content: bytes) -> None:
        first.rename(path)
        keep_first(path, content)

    first = tmp_path / "first.pem"
    theirs = signing_key(first, make=True).public_key()
    monkeypatch.setattr(trail_key, "keep_first", beaten)
    assert signing_key(tmp_path / "key.pem", make=True).public_key() == theirs
    assert public_key(tmp_path / "key.pub.pem") == theirs


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_commands_tell_what_they_find(
    store: Store,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_DATABASE_URL", database_url)
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path / "data"))

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["somnoaudit", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    _fill(store)
    file = str(tmp_path / "s1.json")
    assert run("trail", "verify")[1].startswith("The audit trail holds: 9 entries, 0 anchors")
    head = store.trail_head()
    assert head is not None
    anchor = f"trail:{head.seq}:{head.hash}"
    assert ", 1 anchors; " in run("trail", "verify", "--anchor", anchor)[1]
    code, said = run("trail", "verify", "--anchor", f"12:{head.hash}")
    assert (code, "entries 10 to 12 are missing, by the anchor given" in said) == (3, True)
    assert run("trail", "verify", "--anchor", "9:none")[0] == 2
    assert run("trail", "export", "s1", file)[0] == 0
    public = str(tmp_path / "data" / "trail-key.pub.pem")
    assert run("trail", "verify", file, "--key", public)[1].startswith("The export holds: study s1")
    assert run("trail", "verify", "--key", public)[0] == 2
    assert run("studies", "retry", "s2") == (0, "study s2 is queued\n")
    assert run("studies", "retry", "s2")[0] == 2
    assert run("studies", "cancel", "s2") == (0, "study s2 is cancelled\n")
    listed = json.loads(run("studies", "list", "--state", "cancelled", "--json", "-")[1])
    assert [(study["id"], study["state"]) for study in listed] == [("s2", "cancelled")]
    assert "DiagnosticReport/7" in run("studies", "list")[1]
    assert run("studies", "list", "--state", "lost")[0] == 2
    (exported,) = [entry for entry in store.trail_of("s1") if entry.action == "trail.exported"]
    assert exported.actor.startswith("command of ")
    _tamper(store, "UPDATE trail SET actor = 'nobody' WHERE seq = 3")
    code, said = run("trail", "verify")
    assert code == 3
    assert "  entry 3 was altered\n" in said
    assert said.endswith(
        "audit trail: entry 3 was altered; find out who changed it, and restore it\n"
    )


# ── the EHR ───────────────────────────────────────────────────────────────────────────────

BASE = "https://ehr.example.org/fhir"
PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"


def _exchange(interaction: Interaction, *references: str, status: int = 200) -> Exchange:
    return Exchange(interaction, references, "identifier=x", status, NOW)


def test_reads_and_writes_become_audit_events() -> None:
    (read,) = audit_events(
        _exchange(Interaction.READ, "ServiceRequest/3"), BASE, "gpu1", "Patient/7"
    )
    assert read["meta"]["profile"] == [f"{PROFILES}.PatientRead"]
    assert (read["action"], read["subtype"][0]["code"]) == ("R", "read")
    roles = [agent["type"]["coding"][0]["code"] for agent in read["agent"]]
    assert roles == ["110152", "110153"], "what is read flows to us"
    assert [entity["what"]["reference"] for entity in read["entity"]] == [
        "ServiceRequest/3",
        "Patient/7",
    ]
    created = _exchange(Interaction.TRANSACTION, "Observation/1", "DiagnosticReport/2")
    events = list(audit_events(created, BASE, "gpu1", "Patient/7"))
    assert [event["entity"][0]["what"]["reference"] for event in events] == [
        "Observation/1",
        "DiagnosticReport/2",
    ]
    assert {event["meta"]["profile"][0] for event in events} == {f"{PROFILES}.PatientCreate"}
    (query,) = audit_events(_exchange(Interaction.SEARCH, "Task/4"), BASE, "gpu1", None)
    assert query["meta"]["profile"] == [f"{PROFILES}.Query"]
    assert query["entity"][0]["query"] == "VGFzaz9pZGVudGlmaWVyPXg="  # Task?identifier=x
    failed = _exchange(Interaction.CREATE, "Task", status=422)
    assert list(audit_events(failed, BASE, "gpu1", None)) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_ehr_that_takes_no_audit_events_is_asked_once(
    store: Store, scripted_server: Callable[[], ScriptedServer]
) -> None:
    server = scripted_server()
    server.answers(Answer(405))
    with FhirClient(server.base_url) as client:
        writer = AuditEventWriter(client, store)
        for study_id in ("s1", "s2"):
            writer.write(study_id, [_exchange(Interaction.READ, "Patient/7")], "Patient/7")
    assert len(server.requests) == 1
    (entry,) = store.trail_of("s1")
    assert (entry.action, entry.details) == (
        "ehr.audit-events-refused",
        '{"reason":"NotSupported"}',
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_asked_of_the_ehr_is_told_by_reference_and_fenced(
    store: Store, scripted_server: Callable[[], ScriptedServer]
) -> None:
    server = scripted_server()
    patient = {"resourceType": "Patient", "id": "7", "name": [{"family": "Doe"}]}
    server.answers(Answer(body=json.dumps(patient).encode()), Answer(201, b"{}"))
    watch = EhrWatch(store, server.base_url)
    store.add_study("s1", "DocumentReference/1")
    store.add_worker("w1", "here", "1")
    run = store.begin("s1", 1, "w1")
    with FhirClient(server.base_url, hooks=watch.hooks) as client:
        with watch.step(run) as exchanges:
            client.read("Patient", "7")
            store.cancel("s1")
            with pytest.raises(RunEnded):
                client.create({"resourceType": "Task"})
        assert [(each.interaction, each.references) for each in exchanges] == [
            (Interaction.READ, ("Patient/7",))
        ]
    assert [request.method for request in server.requests] == ["GET"]
    (read,) = [entry for entry in store.trail_of("s1") if entry.action == "ehr.read"]
    assert read.actor == "w1"
    assert json.loads(read.details) == {
        "interaction": "read",
        "references": ["Patient/7"],
        "status": 200,
    }
