"""Settings of the vision-language stagers: what is wrong is named, and no value repeated."""

import pwd

import pytest

from auditor.errors import SettingsRefused
from staging.vlm_settings import VlmSettings, load_image_settings, load_vlm_settings


def test_nothing_need_be_set() -> None:
    settings = load_vlm_settings()
    assert settings.mains_hz == 50.0
    assert settings.vlm_prompt is None
    assert settings.vlm_token is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAINS_HZ", "16.7"),
        ("MAINS_HZ", "nan"),
        ("MAINS_HZ", "hunter2"),
        ("VLM_TOKEN", "hunter2 hunter2"),
        ("VLM_REQUESTS", "0"),
        ("VLM_REQUESTS", "1.5"),
        ("VLM_TIMEOUT_S", "-1"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SOMNOAUDIT_{name}", value)
    with pytest.raises(SettingsRefused, match=f"^environment: SOMNOAUDIT_{name}: ") as refused:
        load_vlm_settings()
    assert "hunter2" not in str(refused.value)


def test_images_are_drawn_for_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # only root can be another user
    monkeypatch.setenv("SOMNOAUDIT_MAINS_HZ", "60")
    assert load_image_settings().mains_hz == 60.0
    monkeypatch.setenv("SOMNOAUDIT_MAINS_HZ", "16.7")
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_MAINS_HZ"):
        load_image_settings()


def test_the_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMNOAUDIT_VLM_TOKEN", "hunter2")
    assert "hunter2" not in repr(load_vlm_settings())


def test_every_setting_is_described() -> None:
    assert all(field.description for field in VlmSettings.model_fields.values())
