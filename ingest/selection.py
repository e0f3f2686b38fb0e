"""Which files a rebuild looks at: all, or those named with --only, without those taken out with --remove."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from core.errors import ConfigError
from ingest.catalog import SourceFile
from ingest.previous import Previous

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """files: to be looked at. left: sources that keep what they have. removed: sources to stay out."""

    files: tuple[SourceFile, ...]
    left: frozenset[str]
    removed: frozenset[str]


def select(files: Sequence[SourceFile], previous: Previous, only: Iterable[str], remove: Iterable[str]) -> Selection:
    """Apply the names (or patterns such as `physics/*.pdf`) of --only and --remove.

    Raises ConfigError for one that fits no file of the folder or of the knowledge base.
    """
    present = {file.source for file in files}
    known = present | {book.source for book in previous.books()}
    named, gone = _matching("--only", only, known), _matching("--remove", remove, known | set(previous.removed))
    # What is named with --only comes back; what is not in the folder need not be kept out of it.
    removed = ((set(previous.removed) - named) | gone) & present
    chosen = (named or known) - removed - gone
    return Selection(
        files=tuple(file for file in files if file.source in chosen),
        left=frozenset(known - chosen - removed - gone) if named else frozenset(),
        removed=frozenset(removed),
    )


def _matching(option: str, patterns: Iterable[str], known: set[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        fitting = {source for source in known if source == pattern or fnmatchcase(source, pattern)}
        if not fitting:
            names = sorted(known)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ConfigError(f"{option} {pattern} fits no file", mend=f"there are {', '.join(names[:_SHOWN])}{more}")
        found |= fitting
    return found
