"""API keys. Only their hashes are kept, in one file that every process of the service reads.

A key is `keben_<id>_<secret>`; the secret has 256 bits from the system's random source, so a plain SHA-256 of it cannot
be searched, and no slow hash is needed for each request.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigError, KeyMissing, StorageError
from core.settings import KB_NAME, MOST
from server.access import ANYONE, Limits, Principal, Role

_FILE = "keys.json"
_KEY = re.compile(r"keben_([0-9a-f]{8})_[\w-]{43}")
_NO_HASH = "0" * 64


class KeyRecord(BaseModel):
    """One key as it is kept. sha256: hex, of the whole key. kbs: None for all. Times are in UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[0-9a-f]{8}$")
    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    role: Role
    kbs: tuple[str, ...] | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    requests_per_minute: int | None = Field(None, ge=1, le=MOST)
    concurrent: int | None = Field(None, ge=1, le=MOST)
    tokens_per_day: int | None = Field(None, ge=1, le=MOST)

    def state(self, now: datetime) -> str:
        """'valid', 'expired' or 'revoked'."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "valid"

    def principal(self, defaults: Limits) -> Principal:
        """Who sends requests with this key; `defaults` where the key has no limits of its own."""
        limits = Limits(
            self.requests_per_minute or defaults.requests_per_minute,
            self.concurrent or defaults.concurrent,
            self.tokens_per_day or defaults.tokens_per_day,
        )
        return Principal(self.id, self.role, None if self.kbs is None else frozenset(self.kbs), limits)


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[KeyRecord, ...] = ()


class KeyStore:
    """The keys of one service; safe to share between threads, and between processes."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """folder: where the service keeps its state; made when the first key is."""
        self._path = folder / _FILE
        self._now = now
        self._guard = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, KeyRecord] = {}
        self._closed = False

    def create(
        self,
        name: str,
        role: Role,
        kbs: Iterable[str] | None = None,
        expires_at: datetime | None = None,
        limits: Limits | None = None,
    ) -> tuple[str, KeyRecord]:
        """A new key, told this once, and its record. Raises ConfigError and StorageError."""
        scope = None if kbs is None else tuple(sorted(set(kbs)))
        if role is Role.admin and scope is not None:
            raise ConfigError("a key for 'admin' cannot be bound to knowledge bases", mend="give it the role 'manage'")
        for kb in scope or ():
            if not re.fullmatch(KB_NAME, kb):
                raise ConfigError(f"{kb!r} is not a name for a knowledge base", mend="use a-z, 0-9, '_' and '-'")
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise ConfigError(f"{name!r} is not a name for a key", mend="use 1 to 100 printable characters")
        if expires_at and expires_at <= self._now():
            raise ConfigError(f"the key would expire at once ({expires_at.isoformat()})", mend="name a later time")
        bounds = limits or Limits()
        with self._writing() as keys:
            while (id_ := secrets.token_hex(4)) in keys:
                pass
            key = f"keben_{id_}_{secrets.token_urlsafe(32)}"
            keys[id_] = KeyRecord(
                id=id_,
                name=name.strip(),
                sha256=_hash(key),
                role=role,
                kbs=scope,
                created_at=self._now(),
                expires_at=expires_at,
                requests_per_minute=bounds.requests_per_minute,
                concurrent=bounds.concurrent,
                tokens_per_day=bounds.tokens_per_day,
            )
        return key, keys[id_]

    def revoke(self, id_: str) -> KeyRecord:
        """Refuse the key from now on, in every process; raises KeyMissing."""
        with self._writing() as keys:
            if id_ not in keys:
                raise KeyMissing(f"there is no key '{id_}'", mend="`keben keys list` shows the keys with their ids")
            keys[id_] = keys[id_].model_copy(update={"revoked_at": keys[id_].revoked_at or self._now()})
            return keys[id_]

    def records(self) -> list[KeyRecord]:
        """All keys, also expired and revoked ones, the oldest first."""
        return sorted(self._current().values(), key=lambda record: record.created_at)

    def any(self) -> bool:
        """Whether a key was ever made; nothing that becomes of it, or of the file, opens a running service again."""
        self._closed = self._closed or bool(self._current())
        return self._closed

    def valid(self) -> bool:
        """Whether somebody could come in with a key."""
        return any(record.state(self._now()) == "valid" for record in self._current().values())

    def principal(self, key: str | None, defaults: Limits) -> Principal:
        """Whose key this is; ANYONE for none, and for one that is wrong, expired or revoked."""
        match = _KEY.fullmatch(key or "")
        record = self._current().get(match[1]) if match else None
        # Compared in any case, and in constant time, so that the time tells nothing about the key.
        same = hmac.compare_digest(_hash(key or ""), record.sha256 if record else _NO_HASH)
        return record.principal(defaults) if same and record and record.state(self._now()) == "valid" else ANYONE

    def _current(self) -> dict[str, KeyRecord]:
        """The keys in the file now; it is read again only when it has been replaced."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._guard:
            if mark != self._seen:
                self._keys, self._seen = self._read(), mark
            return self._keys

    def _read(self) -> dict[str, KeyRecord]:
        try:
            kept = _KeyFile.model_validate_json(self._path.read_bytes())
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be read: {error.strerror}", mend="check who may read it"
            ) from error
        except ValidationError as error:
            # Its own text shows values, which may be hashes.
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))} {fault['msg']}".strip() for fault in error.errors())
            raise StorageError(f"{self._path} is damaged: {faults}", mend="put back a copy of the file") from None
        return {record.id: record for record in kept.keys}

    @contextmanager
    def _writing(self) -> Iterator[dict[str, KeyRecord]]:
        """The keys, to be changed; they replace the file at the end, whole or not at all."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                keys = dict(self._read()) if self._path.exists() else {}
                yield keys
                unfinished = self._path.with_suffix(".tmp")
                text = _KeyFile(keys=tuple(keys.values())).model_dump_json(indent=1)
                # Nobody else on the machine may read it, not even for a moment.
                descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(self._path)
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be written: {error.strerror}", mend="check the folder and the disk"
            ) from error


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
