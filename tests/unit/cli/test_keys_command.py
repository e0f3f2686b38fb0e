"""`keben keys`: what it prints, and what it leaves on disk."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.keys import expiry
from cli.main import main
from core.errors import ConfigError
from core.settings import Settings
from server.access import ANYONE, Limits, Role
from server.keys import KeyStore

NOW = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


class Run(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Keben = Callable[..., Run]


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(Settings(data_dir=tmp_path / "data").state_dir)


@pytest.fixture
def keben(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Keben:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEBEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["keben", "keys", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return Run(code, *capsys.readouterr())

    return run


def created(keben: Keben, *arguments: str) -> dict[str, Any]:
    done = keben("create", *arguments, "--json")
    assert (done.code, done.err) == (0, ""), done
    record: dict[str, Any] = json.loads(done.out)
    return record


def test_a_key_is_shown_once_and_works_at_once(keben: Keben, store: KeyStore) -> None:
    done = keben("create", "教务系统")
    key = done.out.split("\n")[0]
    assert done.code == 0 and "not shown again" in done.out and "Authorization: Bearer" in done.out
    principal = store.principal(key, Limits())
    assert (principal.role, principal.kbs) == (Role.ask, None)
    listed = keben("list")
    assert principal.id in listed.out and "教务系统" in listed.out and "valid" in listed.out
    assert key not in listed.out and key.rsplit("_", 1)[-1] not in keben("list", "--json").out


def test_everything_that_a_key_can_have_can_be_said(keben: Keben, store: KeyStore) -> None:
    record = created(
        keben, "tutor", "--role", "manage", "--kb", "maths", "--kb", "physics", "--expires", "30d",
        "--requests-per-minute", "60", "--concurrent", "4", "--tokens-per-day", "100000",
    )  # fmt: skip
    assert set(record) == {
        "key", "id", "name", "role", "kbs", "state", "created_at", "expires_at", "revoked_at", "requests_per_minute",
        "concurrent", "tokens_per_day",
    }  # fmt: skip
    assert (record["role"], record["kbs"], record["state"]) == ("manage", ["maths", "physics"], "valid")
    principal = store.principal(record["key"], Limits())
    assert principal.kbs == {"maths", "physics"} and principal.limits == Limits(60, 4, 100000)
    lasts = datetime.fromisoformat(record["expires_at"]) - datetime.fromisoformat(record["created_at"])
    assert timedelta(days=29, hours=23) < lasts <= timedelta(days=30)
    assert "maths, physics" in keben("list").out and "until" in keben("list").out


def test_a_revoked_key_lets_nobody_in_and_is_listed_as_such(keben: Keben, store: KeyStore) -> None:
    record = created(keben, "one")
    done = keben("revoke", record["id"])
    assert done.code == 0 and record["id"] in done.out
    assert store.principal(record["key"], Limits()) is ANYONE
    (listed,) = json.loads(keben("list", "--json").out)["keys"]
    assert listed["state"] == "revoked" and "sha256" not in listed
    assert json.loads(keben("revoke", record["id"], "--json").out)["revoked_at"] == listed["revoked_at"]


def test_without_keys_the_list_says_what_that_means(keben: Keben) -> None:
    assert "this machine alone" in keben("list").out
    assert json.loads(keben("list", "--json").out) == {"keys": []}


FAULTS: dict[str, tuple[list[str], int, str]] = {
    "blank name": (["create", "  "], 2, "name for a key"),
    "scoped admin": (["create", "x", "--role", "admin", "--kb", "a"], 2, "manage"),
    "bad scope": (["create", "x", "--kb", "../etc"], 2, "'../etc'"),
    "unknown role": (["create", "x", "--role", "root"], 2, "root"),
    "bad time": (["create", "x", "--expires", "soon"], 2, "--expires soon"),
    "past": (["create", "x", "--expires", "2001-01-01"], 2, "later time"),
    "too far": (["create", "x", "--expires", "99999w"], 0, ""),
    "beyond the calendar": (["create", "x", "--expires", "9999-12-31"], 0, ""),
    "limit of nothing": (["create", "x", "--concurrent", "0"], 2, "concurrent"),
    "huge limit": (["create", "x", "--tokens-per-day", "99999999999999999999"], 2, "tokens-per-day"),
    "no such key": (["revoke", "deadbeef"], 1, "'deadbeef'"),
}


@pytest.mark.parametrize(("arguments", "code", "telling"), FAULTS.values(), ids=FAULTS.keys())
def test_what_makes_no_sense_is_told(
    keben: Keben, store: KeyStore, arguments: list[str], code: int, telling: str
) -> None:
    done = keben(*arguments)
    assert done.code == code, done
    assert telling in done.err and "Traceback" not in done.err
    assert len(store.records()) == (code == 0)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("1d", NOW + timedelta(days=1)),
        ("8w", NOW + timedelta(weeks=8)),
        ("2027-07-01", datetime(2027, 7, 1, tzinfo=UTC)),
        ("20270701", datetime(2027, 7, 1, tzinfo=UTC)),
    ],
)
def test_the_forms_of_an_end(text: str, end: datetime) -> None:
    assert expiry(text, NOW) == end


@pytest.mark.parametrize(
    "text", ["", "0d", "-1d", "1.5d", "d", "1m", "1D", "2027-13-01", "2027-07-01T00:00", "１d", "1d ", "tomorrow"]
)
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(ConfigError, match="--expires"):
        expiry(text, NOW)
