"""SQLite files that all processes of the service share."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StorageError

WAIT_SECONDS = 5.0


def open_database(path: Path, setup: str) -> sqlite3.Connection:
    """The file, made where it is not there, for this user alone and for all threads. Raises StorageError.

    setup: statements that are run first, and by each process. Transactions are begun and ended by the caller.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            database = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            database.executescript("PRAGMA journal_mode = WAL;" + setup)
            return database
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{path} cannot be opened: {error}", mend="check the folder and the disk") from error


def close_database(path: Path, database: sqlite3.Connection) -> None:
    """Let go of the file."""
    with _alone(path):
        database.close()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process opens or closes the file meanwhile: SQLite does not wait for a change of the journal's mode."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
