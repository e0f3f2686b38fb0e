"""What a search costs as a library grows: `python benchmarks/search.py [--sizes N ...] [--requests N]`.

Markdown tables on stdout, progress on stderr. Let nothing else run beside it: clients and server share the machine.

Libraries. 50 invented books, half Chinese and half English, of 1,000, 10,000 and 100,000 passages in all: words as
frequent as in the bundled books, 60 a passage, two in five of them a chapter's own (`ingestion.synthetic`). Each is
built by a real `keben rebuild` into a temporary folder with the settings of the environment; --sizes names other sizes,
the first of which is the baseline of all ratios ("× first").

Service. A real `keben serve` in a process of its own, asked over HTTP on a kept connection, `POST /search` with the
service's own number of passages. Questions ask for headings of the books ("什么是…？", "What is …?"), so that each has
something to find; an answer without passages fails the run. One client, then eight that each ask as soon as they have
their answer. A few questions before each measurement are not counted.

    start s     from the start of the process until it is ready: Python, models, opening
    open s      opening the knowledge base alone, in another process
    MiB ready   resident memory of the server before the first question; "after": when all are answered
    p50, p99    of the time for one question, as its client sees it
"""

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jieba
from ingestion.probe import keben_environment, measure, program, rebuild_command, say
from ingestion.synthetic import BOOKS, write_book
from searching.load import Took, ask, questions
from searching.serving import Server, served
from searching.table import Row, tables

from core.errors import KebenError

SIZES, REQUESTS = (1_000, 10_000, 100_000), 500
CLIENTS = (1, 8)
_WARM_UP = 20


def main() -> int:
    """Measure every size and print the tables; the exit code."""
    parser = argparse.ArgumentParser(description="Time and memory of searching, by size of the library.")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="N", help=f"passages ({SIZES})")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, metavar="N", help=f"questions for each measurement ({REQUESTS})"
    )
    options = parser.parse_args()
    jieba.setLogLevel(logging.WARNING)
    rows: list[Row] = []
    try:
        for size in options.sizes:
            with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as folder:
                rows.append(run(size, options.requests, Path(folder)))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    print(tables(rows))
    return 0


def run(size: int, requests: int, folder: Path) -> Row:
    """Build a library of `size` passages, serve it and ask."""
    books = folder / "books"
    books.mkdir()
    for number in range(BOOKS):
        write_book(books / f"book-{number:02}.md", number, max(size // BOOKS, 1))
    environment = keben_environment(folder, books)
    say(f"{size} passages: rebuilding")
    built = measure(rebuild_command(), environment)
    passages = json.loads(built.stdout)["chunks"]
    say(f"{size} passages: {passages} built in {built.seconds:.0f} s; opening")
    asked = questions(books, requests + _WARM_UP)
    few = folder / "questions.json"
    few.write_text(json.dumps(asked["zh"][:2]), encoding="utf-8")
    opened = json.loads(measure(program("open_and_ask.py", few), environment).stdout)["open"]
    with served(environment, folder / "serve.log") as server:
        loaded = server.resident_mb()
        took = {
            (language, clients): _asked(server, language, clients, those)
            for clients in CLIENTS
            for language, those in asked.items()
        }
        return Row(passages, built.seconds, server.seconds, opened, loaded, server.resident_mb(), took)


def _asked(server: Server, language: str, clients: int, questions: list[str]) -> Took:
    ask(server.port, questions[:_WARM_UP], clients)
    took = ask(server.port, questions[_WARM_UP:], clients)
    say(f"  {language}, {clients} at a time: p50 {took.p50:.1f} ms, p99 {took.p99:.1f} ms")
    return took


if __name__ == "__main__":
    sys.exit(main())
