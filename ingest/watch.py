"""Tells when a folder of textbooks changes."""

from collections.abc import Iterator
from pathlib import Path

from watchfiles import Change, watch

# A file that is being copied changes many times a second: it is looked at once it has been quiet.
_QUIET_MS, _LONGEST_MS = 1000, 10_000


def changes(folder: Path) -> Iterator[int]:
    """Yields the number of files that changed, each time some did; ends at an interrupt."""
    for changed in watch(
        folder,
        watch_filter=_is_book,
        step=_QUIET_MS,
        debounce=_LONGEST_MS,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        yield len(changed)


def _is_book(change: Change, path: str) -> bool:
    """Hidden files and folders are no textbooks; an editor's and a download's own files are among them."""
    return not Path(path).name.startswith((".", "_", "~$"))
