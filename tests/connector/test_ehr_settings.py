"""How the service reaches the EHR: what goes together, and what is refused at the start."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from auditor.errors import SettingsRefused
from connector.ehr import connect
from connector.settings import load_settings

PEM = (
    ec.generate_private_key(ec.SECP384R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


@pytest.fixture(autouse=True)
def a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "https://ehr.example/fhir")
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))


def test_a_key_may_come_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_CLIENT_ID", "somnoaudit")
    monkeypatch.setenv("SOMNOAUDIT_FHIR_KEY", PEM)
    from_environment = load_settings()
    monkeypatch.delenv("SOMNOAUDIT_FHIR_KEY")
    (tmp_path / "key.pem").write_text(PEM)
    monkeypatch.setenv("SOMNOAUDIT_FHIR_KEY_FILE", str(tmp_path / "key.pem"))
    assert load_settings().signing_keys == from_environment.signing_keys
    assert "PRIVATE" not in repr(from_environment)
    connect(load_settings()).close()


def test_hosts_and_networks_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_ATTACHMENT_HOSTS", "Files.example.org, *.store.example")
    monkeypatch.setenv("SOMNOAUDIT_PRIVATE_NETWORKS", "10.20.0.0/16,fd00::/8")
    foreign = load_settings().foreign_hosts
    assert foreign.names == {"files.example.org", "*.store.example"}
    assert [str(network) for network in foreign.private_networks] == ["10.20.0.0/16", "fd00::/8"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"FHIR_CLIENT_ID": "somnoaudit"}, "FHIR_CLIENT_ID: give the private key too"),
        ({"FHIR_KEY": PEM}, "FHIR_CLIENT_ID: give the client's id"),
        ({"FHIR_KEY": "no key"}, "FHIR_KEY: give a private key"),
        ({"FHIR_KEY_FILE": "/nowhere/key.pem"}, "FHIR_KEY_FILE: give a file of text"),
        (
            {"FHIR_CLIENT_ID": "somnoaudit", "FHIR_KEY": PEM, "FHIR_TOKEN": "secret"},
            "FHIR_CLIENT_ID: give this or SOMNOAUDIT_FHIR_TOKEN",
        ),
        ({"ATTACHMENT_HOSTS": "https://files.example"}, "ATTACHMENT_HOSTS: give names of hosts"),
        ({"ATTACHMENT_HOSTS": "*"}, "ATTACHMENT_HOSTS: give names of hosts"),
        ({"PRIVATE_NETWORKS": "10.0.0.1/8"}, "PRIVATE_NETWORKS: give networks"),
        ({"LARGEST_ATTACHMENT_MB": "0"}, "LARGEST_ATTACHMENT_MB: "),
        ({"FHIR_SCOPES": "  "}, "FHIR_SCOPES: "),
    ],
)
def test_what_does_not_go_together_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"SOMNOAUDIT_{name}", value)
    with pytest.raises(SettingsRefused) as caught:
        load_settings()
    assert f"SOMNOAUDIT_{said}" in str(caught.value)
    assert "no key" not in str(caught.value)
    assert "\n" not in str(caught.value)
