"""Retrieval against the usual ways of doing it: `python benchmarks/retrieval.py [--data DIR] [--sets NAME ...]`.

One table of MRR@10 and R@5 for every set below DIR, with Keben's ratio to the best of the others. About a quarter of an
hour on two cores, nearly all of it the embedder; progress on stderr, the table on stdout as Markdown. Exit code 2 when
the data are not there.

Sets. Folders as in `evaluate.corpus`: files whose gold is a file or a span of one, or a corpus of passages, which
becomes one Markdown file with a section for each; the gold passage is then the span of its text.

Systems. All read the same files.

    BM25 …      Lucene's BM25 (k1 1.2, b 0.75; bm25s) by tokenizer: Chinese as character bigrams; cut by jieba in search
                mode; the same without Keben's stop words. Latin words are lower-cased, not stemmed
    dense       cosine of the packaged embedder, exact
    tutorial    windows of 500 characters, 150 of them shared with the next, cosine of the packaged embedder, exact
    Keben       a real rebuild into a temporary folder, then the real retriever, with the settings of the environment

BM25 and dense rank Keben's own passages, with title and headings as Keben indexes them, so that they differ from Keben
in ranking alone; only the tutorial cuts by itself. Dense takes the vectors that Keben made, and makes those that Keben
did not because the embedder cannot read the book.

Gold, one rule for all: a result is relevant when it comes from the gold file and its [start, end) overlaps the gold
span by a character or more, or, where the gold is a whole file, when it comes from it (`evaluate.gold.is_relevant`).
"""

import argparse
import logging
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bm25s
import jieba
import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import ConfigError, KebenError
from core.settings import EmbeddingSettings, Settings, load_settings
from core.text import plain
from evaluate.corpus import QUERIES, prepare_set
from evaluate.gold import Unit, first_ranks
from evaluate.measures import measured
from evaluate.queries import Query
from evaluate.retrieval import evaluate_retrieval
from ingest.rebuild import rebuild
from vector_db.embedder import Embedder, open_embedder
from vector_db.files import EMBEDDINGS
from vector_db.library import open_knowledge_base
from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH
from vector_db.writer import heading_of

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "retrieval"
KB, DEPTH = "benchmark", 10
MEASURES = {"mrr@10": "MRR@10", "recall@5": "R@5"}
WINDOW, SHARED = 500, 150
OURS = "Keben"
# A process on each core, one thread in each, batches that fit its cache: twice as fast as one process on all cores.
MOST_PROCESSES, BATCH = 4, 8

Scores = dict[str, dict[str, float]]
Vectors = NDArray[np.float32]
_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Passages:
    """What a system ranks: units, the words under which each is indexed, and its vector if Keben made one."""

    units: list[Unit]
    words: list[str]
    vectors: list[Vectors | None]


def main() -> int:
    """Run all sets and print the table; the exit code."""
    parser = argparse.ArgumentParser(description="Retrieval of Keben against BM25, dense and a tutorial pipeline.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the sets ({DATA})")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    options = parser.parse_args()
    try:
        folders = find_sets(options.data, options.sets)
        print(table(run_sets(folders)))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def find_sets(data: Path, names: Sequence[str] | None) -> list[Path]:
    """Folders of the sets, sorted; raises ConfigError (exit code 2) when there are none or a name is unknown."""
    found = sorted(path.parent for path in data.glob(f"*/{QUERIES}"))
    if not found:
        raise ConfigError(
            f"there are no retrieval sets in {data} (folders with {QUERIES})",
            mend="name their folder with --data; the data are not part of the repository",
        )
    known = {folder.name: folder for folder in found}
    if unknown := sorted(set(names or ()) - set(known)):
        raise ConfigError(f"no set named {', '.join(unknown)} in {data}", mend=f"choose from {', '.join(known)}")
    return [known[name] for name in names] if names else found


def run_sets(folders: Sequence[Path]) -> dict[str, Scores]:
    """The measures of all sets, in order. The longest is begun first, so that no core waits at the end."""
    processes = min(len(folders), len(os.sched_getaffinity(0)), MOST_PROCESSES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        by_size = sorted(folders, key=lambda folder: -sum(path.stat().st_size for path in folder.rglob("*.*")))
        running = {folder: pool.submit(run_set, folder) for folder in by_size}
        return {folder.name: running[folder].result() for folder in folders}


def run_set(folder: Path) -> Scores:
    """The measures of every system on one set, by system and name of the measure."""
    started = time.monotonic()
    torch.set_num_threads(1)
    jieba.setLogLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as name:
        books = Path(name, "books")
        books.mkdir()
        settings = load_settings(data_dir=Path(name, "data"), source_dir=books, kb=KB)
        faster = settings.embedding.model_copy(update={"batch_size": BATCH})
        settings = settings.model_copy(update={"embedding": faster})
        queries = prepare_set(folder, books)
        _say(f"{folder.name}: {len(queries)} queries; indexing {len(list(books.iterdir()))} files")
        report = rebuild(settings, KB)
        if report.failed:
            failed = [file for file in report.files if file.status in {"failed", "stale"}]
            raise ConfigError(f"{failed[0].source} of {folder.name}: {failed[0].reason}", mend="check the set")
        result = evaluate_retrieval(settings, KB, queries, query_set=folder.name, top_k=DEPTH)
        passages, windows = keben_passages(settings), window_passages(books)
        _say(f"{folder.name}: {len(passages.units)} passages, {len(windows.units)} windows; the other systems")
        scores = baselines(queries, passages, windows)
    scores[OURS] = {name: score.mean for name, score in result.overall.scores.items()}
    found = ", ".join(f"{name} {values['mrr@10']:.3f}" for name, values in scores.items())
    _say(f"{folder.name}: done in {time.monotonic() - started:.0f} s; MRR@10: {found}")
    return scores


def keben_passages(settings: Settings) -> Passages:
    """All passages of the knowledge base, with the words that Keben indexes them by."""
    base = open_knowledge_base(settings, KB)
    passages = Passages([], [], [])
    with base.generation() as generation:
        vectors = np.load(generation.folder / EMBEDDINGS)
        packaged = generation.manifest.embedding.model == EmbeddingSettings().model
        for book in generation.books.values():
            for chunk, row in generation.store.of_book(book.id):
                passages.units.append(Unit(chunk.id, book.source, chunk.start, chunk.end, chunk.text))
                passages.words.append(f"{heading_of(book.title, chunk.heading_path)}\n{plain(chunk.reading)}")
                passages.vectors.append(vectors[row] if packaged and row is not None else None)
    base.close()
    return passages


def window_passages(books: Path) -> Passages:
    """Every file in windows of fixed length, wherever its sections and sentences end."""
    units: list[Unit] = []
    for path in sorted(books.iterdir()):
        text = path.read_text(encoding="utf-8")
        for start in range(0, max(len(text) - SHARED, 1), WINDOW - SHARED):
            end = min(start + WINDOW, len(text))
            units.append(Unit("", path.name, start, end, text[start:end]))
    return Passages(units, [unit.text for unit in units], [None] * len(units))


def baselines(queries: list[Query], passages: Passages, windows: Passages) -> Scores:
    """The measures of every system but Keben."""
    tokenizers = {
        "BM25 bigrams": bigrams,
        "BM25 jieba": jieba_words,
        "BM25 jieba, stop words": jieba_without_stop_words,
    }
    scores = {name: score(queries, passages, bm25(passages, cut, queries)) for name, cut in tokenizers.items()}
    embedder = open_embedder(EmbeddingSettings(batch_size=BATCH))
    vectors = embedder.encode_queries([query.text for query in queries])
    for name, those in (("dense", passages), ("tutorial", windows)):
        scores[name] = score(queries, those, dense(embedded(those, embedder), vectors))
    return scores


def embedded(passages: Passages, embedder: Embedder) -> Vectors:
    """The vector of every passage, shape (n, dimension)."""
    absent = [row for row, vector in enumerate(passages.vectors) if vector is None]
    made = dict(zip(absent, embedder.encode([passages.words[row] for row in absent]), strict=True)) if absent else {}
    return np.stack([made[row] if vector is None else vector for row, vector in enumerate(passages.vectors)])


def bm25(passages: Passages, cut: Callable[[str], list[str]], queries: Iterable[Query]) -> Iterable[Vectors]:
    """For each query the score of every passage; 0 where no word is shared."""
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([cut(words) for words in passages.words], show_progress=False)
    for query in queries:
        known = [word for word in cut(query.text) if word in index.vocab_dict]
        yield index.get_scores(known) if known else np.zeros(len(passages.units), dtype=np.float32)


def dense(passages: Vectors, queries: Vectors) -> Iterable[Vectors]:
    """For each query the cosine with every passage. Shapes (n, dimension), unit length."""
    return (passages @ query for query in queries)


def score(queries: list[Query], passages: Passages, rankings: Iterable[Vectors]) -> dict[str, float]:
    """Mean measures of one system; passages that score 0 are not found, ties go to the earlier one."""
    rows = []
    for query, values in zip(queries, rankings, strict=True):
        best = [row for row in np.argsort(-values, kind="stable")[:DEPTH] if values[row] > 0]
        rows.append(measured(first_ranks(query.gold, [passages.units[row] for row in best]), DEPTH))
    return {name: sum(row[name] for row in rows) / len(rows) for name in MEASURES}


def bigrams(text: str) -> list[str]:
    """Character bigrams of Chinese runs, and lower-case words of others."""
    terms: list[str] = []
    for run in _RUN.findall(text.lower()):
        chinese = "\u3400" <= run[0] <= "\u9fff" and len(run) > 1
        terms += [run[i : i + 2] for i in range(len(run) - 1)] if chinese else [run]
    return terms


def jieba_words(text: str) -> list[str]:
    """jieba's search mode, without blanks and punctuation."""
    return [word for word in jieba.cut_for_search(text.lower()) if any(map(str.isalnum, word))]


def jieba_without_stop_words(text: str) -> list[str]:
    """`jieba_words` without the question and function words of both languages."""
    return [word for word in jieba_words(text) if word not in QUESTION_WORDS_ZH and word not in ENGLISH]


def table(results: dict[str, Scores]) -> str:
    """A row for each set and measure, the mean over sets last; the best of the others is marked."""
    systems = list(next(iter(results.values())))
    rows = list(results.items())
    if len(rows) > 1:
        mean = {s: {m: sum(r[s][m] for r in results.values()) / len(rows) for m in MEASURES} for s in systems}
        rows.append(("mean", mean))
    lines = [f"| set | measure | {' | '.join(systems)} | {OURS} / best other |", "|---" * (len(systems) + 3) + "|"]
    for name, scores in rows:
        for measure, label in MEASURES.items():
            best = max((system for system in systems if system != OURS), key=lambda s: scores[s][measure])
            cells = [f"{scores[s][measure]:.3f}" + (" ←" if s == best else "") for s in systems]
            ratio = scores[OURS][measure] / scores[best][measure] if scores[best][measure] else float("inf")
            lines.append(f"| {name} | {label} | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
