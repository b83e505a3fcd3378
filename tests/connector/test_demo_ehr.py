"""The demo's FHIR server: starts on loopback, keeps what it stored, goes down with its owner."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.errors import ServerFailed, UsageError
from connector.demo_ehr import DemoEhr
from connector.fhir import FhirClient


def has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 30)[0])


def test_it_keeps_its_resources_when_it_is_started_again(tmp_path: Path) -> None:
    with DemoEhr(tmp_path) as ehr, FhirClient(ehr.base_url) as client:
        stored = client.create({"resourceType": "Patient"})
        process = os.pidfd_open(ehr.pid)
    assert has_ended(process)
    os.close(process)
    port = int(ehr.base_url.split(":")[2].removesuffix("/fhir"))
    with DemoEhr(tmp_path, port) as again, FhirClient(again.base_url) as client:
        assert again.base_url == ehr.base_url
        assert client.read("Patient", stored["id"]) == stored


def test_it_goes_down_when_its_owner_is_killed(tmp_path: Path) -> None:
    start_and_wait = (
        "import sys; from pathlib import Path; from connector.demo_ehr import DemoEhr\n"
        "print(DemoEhr(Path(sys.argv[1])).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start_and_wait, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        process = os.pidfd_open(int(owner.stdout.readline()))
        owner.send_signal(signal.SIGKILL)
    assert has_ended(process)
    os.close(process)


def test_without_the_extra_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sekmet", None)
    with pytest.raises(UsageError, match=r"pip install 'somnoaudit\[demo\]'"):
        DemoEhr(tmp_path)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"port {port}"):
            DemoEhr(tmp_path, port)


def test_a_server_that_cannot_start_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "sekmet.db").mkdir()
    with pytest.raises(ServerFailed, match=r"ehr\.log"):
        DemoEhr(tmp_path)
    assert (tmp_path / "ehr.log").read_bytes()
