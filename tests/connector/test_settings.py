"""Settings: every problem at once, nothing secret repeated."""

import os
import pwd
from pathlib import Path

import pytest

from auditor.errors import SettingsRefused
from connector.settings import PREFIX, Settings, load_settings, load_store_settings
from connector.store import Store
from staging.vlm_settings import load_vlm_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_an_address_of_the_ehr_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "https://ehr.example/fhir/")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings()
    assert settings.fhir_url == "https://ehr.example/fhir"
    assert settings.stager == "yasa"
    assert settings.host == "127.0.0.1"
    assert settings.store_url == f"sqlite:///{tmp_path}/.somnoaudit/somnoaudit.db"


def test_what_was_kept_is_found_without_an_ehr(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))
    assert load_store_settings().store_url == f"sqlite:///{tmp_path}/somnoaudit.db"


def test_given_values_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "https://ehr.example/fhir")
    monkeypatch.setenv("SOMNOAUDIT_PORT", "9000")
    assert load_settings(port=0).port == 0


def test_all_problems_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_PORT", "70000")
    monkeypatch.setenv("SOMNOAUDIT_STAGER", "tarot")
    monkeypatch.setenv("SOMNOAUDIT_PUBLIC_URL", "ftp://somewhere")
    monkeypatch.setenv("SOMNOAUDIT_DATABSE_URL", "sqlite:///x.db")
    with pytest.raises(SettingsRefused) as refused:
        load_settings()
    message = str(refused.value)
    assert "\n" not in message
    assert "SOMNOAUDIT_FHIR_URL is not set" in message
    assert "SOMNOAUDIT_PORT: " in message
    assert "SOMNOAUDIT_STAGER: " in message
    assert "SOMNOAUDIT_PUBLIC_URL: give an address that begins with http://" in message
    assert (
        "SOMNOAUDIT_DATABSE_URL is not a setting, did you mean SOMNOAUDIT_DATABASE_URL" in message
    )


def test_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_FHIR_URL", "https://user:hunter2@[ehr/fhir")
    monkeypatch.setenv("SOMNOAUDIT_WEBHOOK_SECRET", "hunter2")
    monkeypatch.setenv("SOMNOAUDIT_DATABASE_URL", "mysql://user:hunter2@db/x")
    monkeypatch.setenv("SOMNOAUDIT_FHIR_TOKEN", "hunter2")
    with pytest.raises(SettingsRefused) as refused:
        load_settings()
    assert "SOMNOAUDIT_WEBHOOK_SECRET: give 16 characters or more" in str(refused.value)
    assert "SOMNOAUDIT_DATABASE_URL: give an address" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    given = {"fhir_url": "http://h", "webhook_secret": "x" * 16, "database_url": "sqlite:///x"}
    assert "hunter2" not in repr(load_settings(**given))


def test_the_data_folder_is_not_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATA: give a folder"):
        load_settings(fhir_url="http://h", data=file)


@pytest.mark.parametrize("folder", ["x" * 300, "~nobody-at-all/x"])
def test_a_data_folder_out_of_reach_is_said(folder: str) -> None:
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATA: give a folder that can be"):
        load_settings(fhir_url="http://h", data=folder)


def test_a_user_without_a_home_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # only root can be another user
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATA: give a folder that can be"):
        load_store_settings()
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_DATA: give a folder that can be"):
        load_vlm_settings()
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))
    assert load_store_settings().data == load_vlm_settings().data == tmp_path


def test_a_data_folder_of_any_name_holds_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "what? 100%20 #1"
    Store.open(load_settings(fhir_url="http://h", data=folder).store_url).close()
    assert (folder / "somnoaudit.db").exists()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://", "give a file"),
        ("sqlite:///:memory:", "give a file"),
        ("sqlite+pysqlcipher://:hunter2@/x", "begins with"),
        ("postgresql+asyncpg://user:hunter2@db/x", "begins with"),
        ("postgresql://user:hunter2/x", "begins with"),
    ],
)
def test_a_database_that_cannot_serve_is_refused(url: str, problem: str) -> None:
    with pytest.raises(SettingsRefused, match=problem) as refused:
        load_settings(fhir_url="http://h", database_url=url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["fhir_token", "webhook_secret"])
@pytest.mark.parametrize("secret", ["two words of secrecy", "größer-als-sechzehn", "a\n" * 16])
def test_a_secret_that_no_header_takes_is_refused(name: str, secret: str) -> None:
    with pytest.raises(SettingsRefused, match="signs of ASCII") as refused:
        load_settings(fhir_url="http://h", **{name: secret})
    assert secret not in str(refused.value)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
