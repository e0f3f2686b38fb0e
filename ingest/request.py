"""What a rebuild is asked for; apart from the rebuild itself, which takes long to import."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """What a rebuild is asked for.

    source: folder of textbooks; None: that of the last rebuild. force: parse and embed unchanged files
    too. only, remove: names below the folder, or patterns; the others keep what they have.
    """

    source: Path | None = None
    force: bool = False
    only: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
