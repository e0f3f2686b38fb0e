"""What the service costs and bears: `python benchmarks/serve.py [--only SECTION …] [--minutes N] [--keep FOLDER]`.

Markdown on stdout, progress on stderr. Needs wrk (Debian: `apt-get install wrk`). Let nothing else run beside it:
clients and server share the machine. Sentences of the books are the answers (no language model), the embedder is the
bundled one; 10,000 passages in 50 invented books, as in `benchmarks/search.py`; questions ask for their headings.

    rate      requests a second of the service, and of a bare FastAPI handler around the same retriever or answerer
              (`serving/bare.py`), under wrk, in short turns, so that what else the machine does meets both; the
              ratio is the median of those of the turns
    streams   32 clients that each ask for a stream as soon as they have their answer, for --minutes: time to the first
              event, failures, the most memory, and its growth in the second half
    many      200 clients at once, ten times: statuses, and the time of /healthz asked from another process meanwhile
    dropped   1,000 clients that cut their stream at a random moment: what the server holds before and after
    workers   two workers under load, one of which is killed: what clients see, when it is back, memory of each
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
from ingestion.probe import keben_environment, markdown, measure, rebuild_command, say
from ingestion.synthetic import BOOKS, write_book
from searching.load import questions
from searching.serving import served
from serving.clients import asking, at_once, body_of, dropping, in_turn, rate
from serving.held import Growth, Held, shares

from core.errors import KebenError

PASSAGES, ROUNDS, SECONDS = 10_000, 25, 1
HERE = Path(__file__).parent


class Bench:
    """A built knowledge base and questions for it. minutes: of the streams."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        books = folder / "books"
        # Each answer anew: what is measured is answering.
        self.environment = keben_environment(folder, books) | {"KEBEN_SERVER__CACHE_ANSWERS": "0"}
        if not books.exists():
            books.mkdir(parents=True)
            for number in range(BOOKS):
                write_book(books / f"book-{number:02}.md", number, PASSAGES // BOOKS)
        say("rebuilding")
        measure(rebuild_command(), self.environment)
        asked = questions(books, 3000)
        self.questions = list(dict.fromkeys(asked["zh"] + asked["en"]))
        self.bodies = folder / "bodies.jsonl"
        self.bodies.write_text("\n".join(map(body_of, self.questions)) + "\n", encoding="utf-8")

    def in_turn(self) -> Iterator[str]:
        """The questions, again and again."""
        return in_turn(self.questions)


def rates(bench: Bench) -> str:
    """Service and bare handler in turns."""
    bare = [sys.executable, str(HERE / "serving" / "bare.py")]
    rows: list[list[object]] = []
    with (
        served(bench.environment, bench.folder / "serve.log") as ours,
        served(bench.environment, bench.folder / "bare.log", bare) as theirs,
    ):
        for path in ("/search", "/ask"):
            for clients in (1, 8):
                found: dict[int, list[float]] = {ours.port: [], theirs.port: []}
                for port in (ours.port, theirs.port):
                    rate(port, path, bench.bodies, clients, 2)
                for _ in range(ROUNDS):
                    for port, seen in found.items():
                        seen.append(rate(port, path, bench.bodies, clients, SECONDS))
                service, plain = (statistics.median(seen) for seen in found.values())
                say(f"{path}, {clients} clients: {service:.1f} and {plain:.1f} a second")
                ratios = [a / b for a, b in zip(*found.values(), strict=True) if b]
                rows.append([path, clients, service, plain, statistics.median(ratios)])
    return markdown(("route", "clients", "service / s", "bare / s", "ratio"), rows)


def streams(bench: Bench) -> str:
    """32 streams at a time."""
    with served(bench.environment, bench.folder / "serve.log") as server:
        growth = Growth(server.pid)
        growth.start()
        outcome = asyncio.run(asking(server.port, bench.in_turn(), 32, 60 * bench.minutes, stream=True))
        most, slope = growth.stop()
    quantiles = map(float, np.quantile(outcome.first, [0.5, 0.95, 0.99]))
    failed = outcome.ends.total() - outcome.ends["done"]
    head = ("streams", "failed", "first event p50 ms", "p95", "p99", "most MiB", "MiB a minute")
    return markdown(head, [[outcome.ends.total(), failed, *quantiles, most, slope]])


def many(bench: Bench) -> str:
    """200 at once, and /healthz meanwhile."""
    ends: Counter[str] = Counter()
    with served(bench.environment, bench.folder / "serve.log") as server:
        watch = [sys.executable, str(HERE / "serving" / "health.py"), str(server.port), "15"]
        with subprocess.Popen(watch, stdout=subprocess.PIPE) as watching:
            while watching.poll() is None:
                ends += asyncio.run(at_once(server.port, bench.in_turn(), 200)).ends
            assert watching.stdout is not None
            took = json.loads(watching.stdout.read())
    quantiles = map(float, np.quantile(took, [0.5, 0.99, 1]))
    head = ("statuses", "/healthz asked", "p50 ms", "p99", "most")
    return markdown(head, [[_told(ends), len(took), *quantiles]])


def dropped(bench: Bench) -> str:
    """1,000 clients that go away."""
    rows: list[list[object]] = []
    with served(bench.environment | {"KEBEN_SERVER__MAX_RUNNING": "32"}, bench.folder / "serve.log") as server:
        asyncio.run(asking(server.port, bench.in_turn(), 16, 10, stream=True))
        for name in ("before", "after"):
            held = Held.by(server.pid)
            # As many at once as may run: with a place lost, one of them would be told to come back.
            ends = asyncio.run(at_once(server.port, bench.in_turn(), 32)).ends
            rows.append([name, _told(ends), held.descriptors, held.threads, held.resident])
            if name == "before":
                asyncio.run(dropping(server.port, bench.in_turn(), 1000, 32))
                time.sleep(2)
    return markdown(("", "32 at once, of 32 places", "descriptors", "threads", "MiB"), rows)


def workers(bench: Bench) -> str:
    """Two workers, one of which is killed."""
    with served(bench.environment | {"KEBEN_SERVER__WORKERS": "2"}, bench.folder / "serve.log") as server:
        supervisor = psutil.Process(server.pid)
        rows = [["supervisor", *shares(server.pid)]]
        rows += [["worker", *shares(worker.pid)] for worker in supervisor.children()]

        async def under_load() -> tuple[Counter[str], float]:
            load = asyncio.create_task(asking(server.port, bench.in_turn(), 16, 20, stream=False))
            await asyncio.sleep(3)
            before = {child.pid for child in supervisor.children()}
            supervisor.children()[0].kill()
            killed = time.monotonic()
            while not (new := {child.pid for child in supervisor.children()} - before):
                await asyncio.sleep(0.02)
            (pid,) = new
            while not _answers(pid, server.port):
                await asyncio.sleep(0.02)
            seconds = time.monotonic() - killed
            return (await load).ends, seconds

        ends, seconds = asyncio.run(under_load())
    table = markdown(("", "RSS MiB", "PSS MiB", "USS MiB"), rows)
    return f"{table}\n\nOne killed under 16 clients: {_told(ends)}; the next answered after {seconds:.1f} s."


def _answers(pid: int, port: int) -> bool:
    """Whether a client under way has come to this process."""
    connections = psutil.Process(pid).net_connections("tcp")
    return any(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections)


def _told(ends: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(ends.items()))


SECTIONS: dict[str, Callable[[Bench], str]] = {
    "rate": rates,
    "streams": streams,
    "many": many,
    "dropped": dropped,
    "workers": workers,
}


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description="What the service costs and bears.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="minutes of streams (10)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the knowledge base is kept for the next run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as folder:
        try:
            bench = Bench(options.keep or Path(folder), options.minutes)
            for name in options.only or SECTIONS:
                say(name)
                print(f"**{name}**\n\n{SECTIONS[name](bench)}\n", flush=True)
        except KebenError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
