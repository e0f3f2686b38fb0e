"""API keys on disk: what is kept, who gets in, and several processes at once."""

import hmac
import json
import multiprocessing
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, KeyMissing, StorageError
from server import keys as module
from server.access import ANYONE, Limits, Role
from server.keys import KeyStore

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
NONE = Limits()


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path / "state", clock)


def test_a_key_lets_in_whom_it_was_made_for(store: KeyStore) -> None:
    limits = Limits(requests_per_minute=5, concurrent=2, tokens_per_day=1000)
    key, record = store.create(" 教务系统 ", Role.manage, ["physics", "maths", "physics"], limits=limits)
    assert key.startswith(f"keben_{record.id}_") and len(key) > 50
    principal = store.principal(key, NONE)
    assert (principal.id, principal.role, principal.limits) == (record.id, Role.manage, limits)
    assert principal.kbs == {"physics", "maths"} and record.name == "教务系统"
    assert principal.sees("physics") and not principal.sees("default")
    everything = store.principal(store.create("all", Role.admin)[0], NONE)
    assert everything.kbs is None and everything.sees("anything")


def test_limits_of_its_own_go_before_those_of_the_settings(store: KeyStore) -> None:
    key, _ = store.create("one", Role.ask, limits=Limits(requests_per_minute=7))
    assert store.principal(key, Limits(600, 16, None)).limits == Limits(7, 16, None)


def test_wrong_keys_let_nobody_in(store: KeyStore) -> None:
    key, record = store.create("one", Role.ask)
    other, _ = store.create("two", Role.admin)
    last = "A" if key[-1] != "A" else "B"
    stolen = f"keben_{record.id}_{other.rsplit('_', 1)[-1]}"
    wrong = ["", "x", key[:-1], key[:-1] + last, key + "A", key.upper(), f" {key}", f"{key}\n", record.sha256, stolen]
    wrong += [f"keben_{record.id}_", "keben_00000000_" + "a" * 43, "keben_" + "0" * 64, "\ud800", None]  # type: ignore[list-item]
    for attempt in wrong:
        assert store.principal(attempt, NONE) is ANYONE, attempt


def test_only_hashes_are_kept_and_nobody_else_may_read_them(store: KeyStore, tmp_path: Path) -> None:
    key, record = store.create("one", Role.ask)
    file = tmp_path / "state" / "keys.json"
    secret = key.removeprefix(f"keben_{record.id}_")
    for path in (tmp_path / "state").iterdir():
        assert secret not in path.read_text(encoding="utf-8"), path
    assert json.loads(file.read_text(encoding="utf-8"))["keys"][0]["sha256"] == record.sha256
    store.revoke(record.id)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list((tmp_path / "state").glob("*.tmp"))


def test_secrets_are_compared_in_constant_time_and_also_without_a_record(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record = store.create("one", Role.ask)
    compared: list[tuple[Any, Any]] = []
    real: Callable[[Any, Any], bool] = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", watched)
    for attempt in (key, "keben_00000000_" + "a" * 43, "nonsense", None):
        store.principal(attempt, NONE)
    assert len(compared) == 4 and compared[0] == (record.sha256, record.sha256)
    assert all(len(one) == len(other) == 64 for one, other in compared)


def test_a_key_expires(store: KeyStore, clock: Clock) -> None:
    key, record = store.create("one", Role.ask, expires_at=START + timedelta(hours=1))
    clock.now = START + timedelta(minutes=59, seconds=59)
    assert store.principal(key, NONE).id == record.id and store.valid()
    clock.now = START + timedelta(hours=1)
    assert store.principal(key, NONE) is ANYONE
    assert store.any() and not store.valid()
    assert store.records()[0].state(clock.now) == "expired"


def test_a_revoked_key_is_refused_at_once_by_whoever_has_read_the_file_before(store: KeyStore, tmp_path: Path) -> None:
    key, record = store.create("one", Role.ask)
    elsewhere = KeyStore(tmp_path / "state")
    assert elsewhere.principal(key, NONE).id == record.id
    store.revoke(record.id)
    assert elsewhere.principal(key, NONE) is ANYONE
    assert elsewhere.any() and not elsewhere.valid()


def test_revoking_again_keeps_the_first_time(store: KeyStore, clock: Clock) -> None:
    _, record = store.create("one", Role.ask)
    first = store.revoke(record.id)
    clock.now += timedelta(days=1)
    assert store.revoke(record.id).revoked_at == first.revoked_at == START
    with pytest.raises(KeyMissing, match="'deadbeef'"):
        store.revoke("deadbeef")


def test_a_file_that_goes_away_opens_nothing(store: KeyStore, tmp_path: Path) -> None:
    assert not store.any()
    key, _ = store.create("one", Role.ask)
    assert store.any()
    (tmp_path / "state" / "keys.json").unlink()
    assert store.any() and store.principal(key, NONE) is ANYONE


def spoilt(text: str) -> dict[str, str]:
    record = json.loads(text)["keys"][0]

    def with_value(**changes: Any) -> str:
        return json.dumps({"keys": [{**record, **changes}]})

    return {
        "cut": text[: len(text) // 2],
        "empty": "",
        "no object": "[]",
        "unknown field": with_value(surprise=1),
        "no hash": with_value(sha256="鎖" * 64),
        "no role": with_value(role="root"),
        "time without a zone": with_value(expires_at="2030-01-01T00:00:00"),
        "huge limit": with_value(concurrent=10**30),
    }


@pytest.mark.parametrize("how", spoilt('{"keys": [{}]}').keys())
def test_a_damaged_file_is_told_without_what_is_in_it(store: KeyStore, tmp_path: Path, how: str) -> None:
    key, record = store.create("one", Role.ask)
    file = tmp_path / "state" / "keys.json"
    text = spoilt(file.read_text(encoding="utf-8"))[how]
    file.write_text(text, encoding="utf-8")
    for act in (lambda: store.principal(key, NONE), store.records, lambda: store.create("two", Role.ask)):
        with pytest.raises(StorageError, match=r"keys\.json is damaged") as raised:
            act()
        assert record.sha256 not in str(raised.value) and "鎖" not in str(raised.value)
    assert file.read_text(encoding="utf-8") == text, "the damaged file was overwritten"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "blank name": ({"name": " "}, "name for a key"),
    "long name": ({"name": "x" * 101}, "name for a key"),
    "name that turns round": ({"name": "ab\u202ecd"}, "name for a key"),
    "name with an escape": ({"name": "a\x1b[2J"}, "name for a key"),
    "scoped admin": ({"name": "x", "role": Role.admin, "kbs": ["a"]}, "'admin' cannot be bound"),
    "path for a scope": ({"name": "x", "kbs": ["../a"]}, "'../a'"),
    "capitals in a scope": ({"name": "x", "kbs": ["A"]}, "'A'"),
    "end of line in a scope": ({"name": "x", "kbs": ["a\n"]}, "is not a name"),
    "past": ({"name": "x", "expires_at": START}, "expire at once"),
}


@pytest.mark.parametrize(("values", "telling"), BAD.values(), ids=BAD.keys())
def test_a_key_that_makes_no_sense_is_refused(store: KeyStore, values: dict[str, Any], telling: str) -> None:
    with pytest.raises(ConfigError, match=telling):
        store.create(**{"role": Role.ask, **values})
    assert store.records() == [] and not store.any()


def test_an_id_that_is_taken_is_not_given_again(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key, first = store.create("one", Role.ask)
    drawn = iter([first.id, "0badcafe"])
    monkeypatch.setattr(module.secrets, "token_hex", lambda size: next(drawn))
    _, second = store.create("two", Role.ask)
    assert second.id == "0badcafe" and store.principal(key, NONE).id == first.id


def create_many(folder: Path, name: str, count: int) -> None:
    store = KeyStore(folder)
    for number in range(count):
        store.create(f"{name} {number}", Role.ask)


def test_processes_that_create_at_once_lose_no_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=create_many, args=(tmp_path, name, 15)) for name in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    names = {record.name for record in KeyStore(tmp_path).records()}
    assert names == {f"{name} {number}" for name in "ab" for number in range(15)}
