"""Tells when a folder of textbooks changes."""

from collections.abc import Iterator
from pathlib import Path

from watchfiles import Change, watch

from core.errors import SourceError

# A file that is being copied changes many times a second: it is looked at once it has been quiet.
_QUIET_MS, _LONGEST_MS = 1000, 10_000


def changes(folder: Path) -> Iterator[int]:
    """Yields once as soon as the folder is watched, then the number of changed files each time some change.

    Ends at an interrupt. Raises SourceError when there is no such folder.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}", mend="create it, or name another with --source")
    watched = False
    for changed in watch(
        folder,
        watch_filter=_is_book,
        step=_QUIET_MS,
        debounce=_LONGEST_MS,
        rust_timeout=_QUIET_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        if changed or not watched:
            yield len(changed)
        watched = True


def _is_book(change: Change, path: str) -> bool:
    """Hidden files and folders are no textbooks; an editor's and a download's own files are among them."""
    return not Path(path).name.startswith((".", "_", "~$"))
