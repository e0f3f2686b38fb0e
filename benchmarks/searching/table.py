"""The tables. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.probe import markdown

from searching.load import Took


@dataclass(frozen=True, slots=True)
class Row:
    """One knowledge base.

    build, start, opened: seconds for the rebuild, from the start of `keben serve` until it is ready, and for opening
    the knowledge base alone. loaded, used: resident MiB of the server before and after all questions. took: by
    language of the questions and number of clients.
    """

    passages: int
    build: float
    start: float
    opened: float
    loaded: float
    used: float
    took: dict[tuple[str, int], Took]


def tables(rows: Sequence[Row]) -> str:
    """Size and opening, then searching; ratios are to the first row, the baseline."""
    first = rows[0]
    sizes = [
        [
            row.passages,
            row.build,
            *_beside(row.start, first.start),
            *_beside(row.opened, first.opened),
            *_beside(row.loaded, first.loaded),
            *_beside(row.used, first.used),
        ]
        for row in rows
    ]
    head = ("passages", "rebuild s", *_pair("start s"), *_pair("open s"), *_pair("MiB ready"), *_pair("MiB after"))
    found = [
        [row.passages, language, clients, *_beside(took.p50, then.p50), *_beside(took.p99, then.p99), took.rate]
        for row in rows
        for (language, clients), took in row.took.items()
        if (then := first.took[language, clients])
    ]
    searching = ("passages", "questions", "clients", *_pair("p50 ms"), *_pair("p99 ms"), "questions / s")
    return f"{markdown(head, sizes)}\n\n{markdown(searching, found)}"


def _pair(name: str) -> tuple[str, str]:
    return name, "× first"


def _beside(value: float, first: float) -> tuple[float, float]:
    return value, value / first
