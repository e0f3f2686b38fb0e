"""API keys on disk."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.keys import expiry
from core.errors import ConfigError, KeyMissing, StorageError
from core.settings import PROJECT
from server.access import ANYONE, Limits, Role
from server.keys import KeyStore

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NONE = Limits()


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path / "state", clock)


def test_a_key_comes_in_with_its_role_scope_and_limits(store: KeyStore) -> None:
    assert not store.any() and not store.valid()
    key, record = store.create("教务", Role.manage, ["physics", "default"], limits=Limits(10, 2, 3000))
    found = store.principal(key, Limits(1, 1, 1))
    assert (found.id, found.role, found.kbs) == (record.id, Role.manage, frozenset({"physics", "default"}))
    assert found.limits == Limits(10, 2, 3000)
    assert store.principal(store.create("b", Role.ask)[0], Limits(1, 2, 3)).limits == Limits(1, 2, 3)
    assert store.any() and store.valid()


def test_only_hashes_are_kept_and_only_this_user_may_read_them(store: KeyStore, tmp_path: Path) -> None:
    key, record = store.create("a", Role.admin)
    (file,) = (tmp_path / "state").glob("keys.json")
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert key not in text and key.removeprefix(f"keben_{record.id}_") not in text and record.sha256 in text
    assert len(key) == len("keben_") + 8 + 1 + 43


@pytest.mark.parametrize("change", ["", "x", "keben_", "Bearer", "漢字", "keben_00000000_" + "a" * 43])
def test_a_wrong_key_is_nobodys(store: KeyStore, change: str) -> None:
    key, _ = store.create("a", Role.admin)
    assert store.principal(change, NONE) is ANYONE
    assert store.principal(None, NONE) is ANYONE
    assert store.principal(key + change if change else key[:-1], NONE) is ANYONE
    assert store.principal(key[:-1] + ("A" if key[-1] != "A" else "B"), NONE) is ANYONE


def test_a_key_expires_and_the_service_stays_closed(store: KeyStore, clock: Clock) -> None:
    key, record = store.create("a", Role.ask, expires_at=NOW + timedelta(hours=1))
    assert store.principal(key, NONE).role is Role.ask
    clock.now += timedelta(hours=1)
    assert store.principal(key, NONE) is ANYONE
    assert store.any() and not store.valid() and record.state(clock.now) == "expired"


def test_revocation_holds_at_once_also_in_another_process(store: KeyStore, tmp_path: Path) -> None:
    key, record = store.create("a", Role.ask)
    code = (
        "import sys; from pathlib import Path; from server.keys import KeyStore\n"
        "KeyStore(Path(sys.argv[1])).revoke(sys.argv[2])"
    )
    assert store.principal(key, NONE).role is Role.ask
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "state"), record.id], cwd=PROJECT, check=True)
    assert store.principal(key, NONE) is ANYONE
    assert store.records()[0].state(NOW) == "revoked" and store.any()
    assert store.revoke(record.id).revoked_at == store.records()[0].revoked_at
    with pytest.raises(KeyMissing, match="nothing1"):
        store.revoke("nothing1")


def test_keys_made_at_once_are_all_kept(tmp_path: Path) -> None:
    def make(number: int) -> str:
        return KeyStore(tmp_path).create(f"k{number}", Role.ask)[0]

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(make, range(40)))
    store = KeyStore(tmp_path)
    assert len(store.records()) == 40 and all(store.principal(key, NONE).role for key in keys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "", "role": Role.ask}, "name"),
        ({"name": "a\nb", "role": Role.ask}, "name"),
        ({"name": "a", "role": Role.ask, "kbs": ["Bad Name"]}, "Bad Name"),
        ({"name": "a", "role": Role.admin, "kbs": ["default"]}, "admin"),
        ({"name": "a", "role": Role.ask, "expires_at": NOW}, "expire"),
    ],
)
def test_what_cannot_be_a_key_is_refused(store: KeyStore, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        store.create(**arguments)
    assert caught.value.mend and not store.any()


def test_a_damaged_file_lets_nobody_in(store: KeyStore, tmp_path: Path) -> None:
    key, _ = store.create("a", Role.ask)
    file = tmp_path / "state" / "keys.json"
    for damaged in ("", "{", json.dumps({"keys": [{"id": "x"}]})):
        file.write_text(damaged, encoding="utf-8")
        with pytest.raises(StorageError, match=r"keys\.json"):
            store.principal(key, NONE)
        with pytest.raises(StorageError):
            store.create("b", Role.ask)
        assert file.read_text(encoding="utf-8") == damaged


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("30d", NOW + timedelta(days=30)),
        ("8w", NOW + timedelta(weeks=8)),
        ("2027-07-01", datetime(2027, 7, 1, tzinfo=UTC)),
    ],
)
def test_ends_are_written_as_people_do(text: str, end: datetime) -> None:
    assert expiry(text, NOW) == end


@pytest.mark.parametrize("text", ["", "0d", "soon", "30", "2027-13-01", "-5d", "1y"])
def test_other_ends_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expiry(text, NOW)
    assert "2027-07-01" in caught.value.mend
