"""The desk's logins as they are set up: what may be, what is refused, and in which words."""

from pathlib import Path

import pytest

from auditor.errors import SettingsRefused
from connector.desk.people import DeskRole
from connector.settings import load_settings

SMART = {
    "smart_app_client_id": "somnoaudit-desk",
    "public_url": "https://desk.example.org",
}


@pytest.fixture(autouse=True)
def a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "https://ehr.example.org/fhir")
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_the_local_login_is_for_loopback(host: str) -> None:
    assert load_settings(local_login=True, host=host).local_login


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "desk.example.org"])
def test_the_local_login_refuses_to_run_anywhere_else(host: str) -> None:
    with pytest.raises(SettingsRefused, match="LOCAL_LOGIN works only where"):
        load_settings(local_login=True, host=host)


def test_nobody_logs_in_where_nothing_is_set() -> None:
    settings = load_settings()
    assert not settings.local_login
    assert settings.smart_app is None


def test_the_desk_is_known_to_the_ehr_by_its_client_and_its_people(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    people.write_text("Practitioner/3: physician\nPractitioner/4: auditor\n")
    app = load_settings(**SMART, people=people).smart_app
    assert app is not None
    assert app.issuer == "https://ehr.example.org/fhir"
    assert app.redirect_uri == "https://desk.example.org/login/done"
    assert app.roles == {"Practitioner/3": DeskRole.PHYSICIAN, "Practitioner/4": DeskRole.AUDITOR}
    assert app.default_role is DeskRole.TECHNOLOGIST


def test_a_client_without_a_way_back_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="needs SOMNOAUDIT_PUBLIC_URL"):
        load_settings(smart_app_client_id="somnoaudit-desk")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Practitioner/3: surgeon", "a role that there is not"),
        ("- Practitioner/3", "a role that there is not"),
        ("{", "cannot be read as YAML"),
        ("[" * 3000, "cannot be read as YAML"),
    ],
)
def test_a_file_of_people_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    people = tmp_path / "people.yaml"
    people.write_text(text)
    settings = load_settings(**SMART, people=people)
    with pytest.raises(SettingsRefused, match=said):
        _ = settings.smart_app
