"""Ways to put the two legs together: `python benchmarks/fusion.py [--data DIR] [--sets NAME ...]`.

A Markdown table of MRR@10 on stdout: a row for each way to order the candidates that Keben finds, a column for each
set, the mean last; in brackets the ratio to the first row, which is what Keben serves. Sets and gold are those of
`benchmarks/retrieval.py`; every way orders the same candidates, so that they differ in the order alone.

    served          the weighted sum of features that `rag.relevance.RANK` has
    without …       the same without one feature
    RRF …           reciprocal rank fusion (constant 60) of keywords and cosine, the latter with a weight
    keywords        BM25 alone; cosine: the embeddings alone; + cosine: their sum with the served weights
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from ranking.passages import Indexed, index_set
from ranking.run import say
from ranking.sets import find_sets
from ranking.table import markdown

from core.errors import KebenError
from core.settings import PROJECT
from evaluate.gold import Unit, first_ranks
from evaluate.measures import measured
from rag.candidates import FEATURES, CandidateFinder, Features
from rag.relevance import RANK
from vector_db.embedder import open_embedder
from vector_db.reader import Generation

DATA = PROJECT.parent / "shared" / "data" / "retrieval"
DEPTH, CONSTANT = 10, 60
Order = Callable[[Features], NDArray[np.float64]]


def weighted(**changes: float) -> Order:
    """The served weights with some of them changed."""
    weights = np.array([{**RANK, **changes}.get(name, 0.0) for name in FEATURES])
    return lambda features: np.asarray(features @ weights)


def alone(*names: str) -> Order:
    """The served weights of some features alone."""
    return weighted(**{name: 0.0 for name in RANK if name not in names})


def reciprocal(weight: float) -> Order:
    """Reciprocal rank fusion of keywords with weight 1 and cosine with `weight`."""

    def order(features: Features) -> NDArray[np.float64]:
        ranks = [np.argsort(np.argsort(-features[:, FEATURES.index(name)], kind="stable")) for name in WAYS_OF_RRF]
        return np.asarray(1 / (CONSTANT + 1 + ranks[0]) + weight / (CONSTANT + 1 + ranks[1]))

    return order


WAYS_OF_RRF = ("keywords", "cosine")
WAYS: dict[str, Order] = {
    "served": weighted(),
    **{f"without {name}": weighted(**{name: 0.0}) for name in RANK},
    "with evidence 0.1": weighted(evidence=0.1),
    "keywords": alone("keywords"),
    "cosine": alone("cosine"),
    "keywords + cosine": alone("keywords", "cosine"),
    **{f"RRF {weight}": reciprocal(weight) for weight in (0.3, 0.5, 1.0)},
}


def main() -> int:
    """Order the candidates of all sets in every way and print the table; the exit code."""
    parser = argparse.ArgumentParser(description="Ways to put keyword search and embeddings together.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the sets ({DATA})")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    options = parser.parse_args()
    columns: dict[str, dict[str, float]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as scratch:
            for folder in find_sets(options.data, options.sets, Path(scratch)):
                say(f"{folder.name}: indexing")
                work = Path(scratch, "work", folder.name)
                work.mkdir(parents=True)
                columns[folder.name] = measure(index_set(folder, work))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    print(table(columns))
    return 0


def measure(indexed: Indexed) -> dict[str, float]:
    """MRR@10 of every way on one set."""
    settings = indexed.settings
    embedder = open_embedder(settings.embedding)
    finder = CandidateFinder(embedder, settings.retrieval.candidates, settings.embedding.max_unknown_rate)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with indexed.opened() as base, base.generation() as generation:
        units, calibration = all_units(generation), generation.manifest.calibration
        assert calibration is not None
        for query in indexed.queries:
            candidates = finder.find(generation, query.text, calibration.cosine)
            for way, order in WAYS.items():
                best = np.argsort(-order(candidates.features), kind="stable")[:DEPTH]
                ranks = first_ranks(query.gold, [units[candidates.rows[at]] for at in best])
                found[way].append(measured(ranks, DEPTH)[f"mrr@{DEPTH}"])
    return {way: float(np.mean(values)) for way, values in found.items()}


def all_units(generation: Generation) -> list[Unit]:
    """Every passage, by row."""
    return [
        Unit(chunk.id, book.source, chunk.start, chunk.end, chunk.text)
        for book in generation.books.values()
        for chunk, _ in generation.store.of_book(book.id)
    ]


def table(columns: dict[str, dict[str, float]]) -> str:
    """A row for each way, the mean over sets last."""
    served = [values["served"] for values in columns.values()]
    rows = []
    for way in WAYS:
        values = [column[way] for column in columns.values()]
        pairs = zip([*values, np.mean(values)], [*served, np.mean(served)], strict=True)
        rows.append([way, *(f"{value:.3f} ({value / base:.2f})" for value, base in pairs)])
    return markdown(["order", *columns, "mean"], rows)


if __name__ == "__main__":
    sys.exit(main())
