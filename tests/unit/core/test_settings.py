"""Settings from arguments, environment and keben.toml; every bad value is named."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from core.errors import ConfigError
from core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without keben.toml, an environment without KEBEN_."""
    for name in [name for name in os.environ if name.upper().startswith("KEBEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_need_no_file_and_no_variable() -> None:
    settings = load_settings()
    assert settings.kb == "default"
    assert settings.chunk.target < settings.chunk.limit
    assert settings.source_dir.name == "knowledge"


def test_variables_reach_nested_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_KB", "os-2024")
    monkeypatch.setenv("KEBEN_CHUNK__TARGET", "100")
    monkeypatch.setenv("keben_chunk__limit", "150")
    settings = load_settings()
    assert (settings.kb, settings.chunk.target, settings.chunk.limit) == ("os-2024", 100, 150)


def test_arguments_beat_variables_and_variables_beat_the_file(
    empty_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_place / "keben.toml").write_text('kb = "file"\n[chunk]\ntarget = 77\n', encoding="utf-8")
    assert load_settings().kb == "file"
    assert load_settings().chunk.target == 77
    monkeypatch.setenv("KEBEN_KB", "variable")
    assert load_settings().kb == "variable"
    assert load_settings(kb="argument").kb == "argument"


@pytest.mark.parametrize("name", ["KEBEN_CHUNK_TARGET", "KEBEN_MODEL", "KEBEN_DATADIR", "keben_chunks__target"])
def test_a_misspelt_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert name in caught.value.message
    assert "KEBEN_CHUNK" in caught.value.mend


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("KEBEN_CHUNK__TARGET", "viele", "chunk.target"),
        ("KEBEN_CHUNK__TARGET", "", "chunk.target"),
        ("KEBEN_CHUNK__TARGET", "39", "chunk.target"),
        ("KEBEN_CHUNK__TARGT", "100", "chunk.targt"),
        ("KEBEN_RETRIEVAL__MIN_RELEVANCE", "nan", "retrieval.min_relevance"),
        ("KEBEN_SERVER__PORT", "65536", "server.port"),
        ("KEBEN_KB", "../etc", "kb"),
    ],
)
def test_a_bad_variable_is_named_with_its_value(
    name: str, value: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert f"{setting} = {value!r}" in caught.value.message
    assert caught.value.mend


@pytest.mark.parametrize("text", ['kbb = "x"', "[chunk]\ntargt = 50", 'kb = "Bad Name"'])
def test_a_bad_line_of_the_file_is_named(text: str, empty_place: Path) -> None:
    (empty_place / "keben.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert text.split("\n")[-1].split()[0] in caught.value.message


def test_a_file_that_is_not_toml_is_a_bad_setting(empty_place: Path) -> None:
    (empty_place / "keben.toml").write_text('kb = "open', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"keben\.toml"):
        load_settings()


def test_a_group_that_is_a_number_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_CHUNK", "240")
    with pytest.raises(ConfigError, match="chunk = 240"):
        load_settings()


def test_a_group_that_is_not_json_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_CHUNK", "large")
    with pytest.raises(ConfigError, match="chunk"):
        load_settings()


def test_settings_and_their_groups_are_frozen() -> None:
    settings = load_settings()
    groups = [value for _, value in settings if isinstance(value, BaseModel)]
    assert len(groups) >= 6
    for holder in (settings, *groups):
        field = next(iter(type(holder).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(holder, field, getattr(holder, field))


def _undescribed(model: type[BaseModel], path: str = "") -> list[str]:
    missing: list[str] = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            missing += _undescribed(kind, f"{path}{name}.")
        elif not field.description:
            missing.append(path + name)
    return missing


def test_every_setting_says_what_it_is() -> None:
    assert _undescribed(Settings) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEBEN_LLM__URLS", '["ftp://gpu1"]'),
        ("KEBEN_LLM__BITS", "7"),
        ("KEBEN_LLM__APIKEY", "sk-secret"),
        ("KEBEN_LLM", '{"api_key": ["sk-secret"]}'),
        ("KEBEN_LLM", '{"api_key": "sk-secret'),
    ],
)
def test_no_error_shows_the_key(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name != "KEBEN_LLM":
        monkeypatch.setenv("KEBEN_LLM__API_KEY", "sk-secret")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="llm") as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)
