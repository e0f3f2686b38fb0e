"""One outcome of a check."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from core.errors import KebenError

Status = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """name: of what was looked at. what: what was found. mend: what to do; empty where all is well."""

    name: str
    status: Status
    what: str
    mend: str = ""


def findings(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What `look` finds; where it cannot look, that is a fault of its own."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except KebenError as error:
        found.append(Finding(check, "fault", error.message, error.mend))
    except OSError as error:
        found.append(Finding(check, "fault", str(error), "check the folder, its rights and the disk"))
    return found
