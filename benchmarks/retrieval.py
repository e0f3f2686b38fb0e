"""Retrieval against the usual ways of doing it: `python benchmarks/retrieval.py [--data DIR] [--sets NAME ...]`.

One table of MRR@10 and R@5 for every set below DIR, with Keben's ratio to the best of the others. About ten minutes on
two cores; progress on stderr, the table on stdout as Markdown. Exit code 2 when the data are not there.

Sets. A folder with queries.jsonl and either docs/ (files; gold is a file, or a span of one) or corpus.jsonl (passages).
Of a corpus one Markdown file is made, each passage in a section of its own under its article's title; the gold passage
becomes the span of its text. Invisible characters are left out of the files, as Keben's reader does, and spans shifted.

Systems. All read the same files.

    BM25 …      Lucene's BM25 (k1 1.2, b 0.75; bm25s) by tokenizer: Chinese as character bigrams; cut by jieba in search
                mode; the same without Keben's stop words. Latin words are lower-cased, not stemmed
    dense       cosine of the packaged embedder, exact
    tutorial    windows of 500 characters, 150 of them shared with the next, cosine of the packaged embedder, exact
    Keben       a real rebuild into a temporary folder, then the real retriever, with the settings of the environment

BM25 and dense rank Keben's own passages, with title and headings as Keben indexes them, so that they differ from Keben
in ranking alone; only the tutorial cuts by itself.

Gold, one rule for all: a result is relevant when it comes from the gold file and its [start, end) overlaps the gold
span by a character or more, or, where the gold is a whole file, when it comes from it (`evaluate.gold.is_relevant`).
"""

import argparse
import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bm25s
import jieba
import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, KebenError
from core.settings import EmbeddingSettings, Settings, load_settings
from core.text import language_of, plain
from evaluate.gold import Unit, first_ranks
from evaluate.measures import measured
from evaluate.queries import Gold, PidGold, Query, SpanGold, read_queries
from evaluate.retrieval import evaluate_retrieval
from ingest.readers.text import decode
from ingest.readers.text_builder import visible
from ingest.rebuild import rebuild
from vector_db.embedder import SentenceEmbedder
from vector_db.library import open_knowledge_base
from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH
from vector_db.writer import heading_of

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "retrieval"
KB, DEPTH = "benchmark", 10
MEASURES = {"mrr@10": "MRR@10", "recall@5": "R@5"}
WINDOW, SHARED = 500, 150
CORPUS = "corpus.md"
OURS = "Keben"

Scores = dict[str, dict[str, float]]
Vectors = NDArray[np.float32]
_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Passages:
    """What a system ranks: units, and the words under which each is indexed."""

    units: list[Unit]
    words: list[str]


def main() -> int:
    """Run all sets and print the table; the exit code."""
    parser = argparse.ArgumentParser(description="Retrieval of Keben against BM25, dense and a tutorial pipeline.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the sets ({DATA})")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    options = parser.parse_args()
    try:
        folders = find_sets(options.data, options.sets)
        jieba.setLogLevel(logging.WARNING)
        embedder = SentenceEmbedder(EmbeddingSettings())
        print(table({folder.name: run_set(folder, embedder) for folder in folders}))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def find_sets(data: Path, names: Sequence[str] | None) -> list[Path]:
    """Folders of the sets, sorted; raises ConfigError (exit code 2) when there are none or a name is unknown."""
    found = sorted(path.parent for path in data.glob("*/queries.jsonl"))
    if not found:
        raise ConfigError(
            f"there are no retrieval sets in {data} (folders with queries.jsonl)",
            mend="name their folder with --data; the data are not part of the repository",
        )
    known = {folder.name: folder for folder in found}
    if unknown := sorted(set(names or ()) - set(known)):
        raise ConfigError(f"no set named {', '.join(unknown)} in {data}", mend=f"choose from {', '.join(known)}")
    return [known[name] for name in names] if names else found


def run_set(folder: Path, embedder: SentenceEmbedder) -> Scores:
    """The measures of every system on one set, by system and name of the measure."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as name:
        books = Path(name, "books")
        books.mkdir()
        settings = load_settings(data_dir=Path(name, "data"), source_dir=books, kb=KB)
        queries = prepare(folder, books)
        _say(f"{folder.name}: {len(queries)} queries; indexing {len(list(books.iterdir()))} files")
        report = rebuild(settings, KB)
        if report.failed:
            failed = [file for file in report.files if file.status in {"failed", "stale"}]
            raise ConfigError(f"{failed[0].source} of {folder.name}: {failed[0].reason}", mend="check the set")
        result = evaluate_retrieval(settings, KB, queries, query_set=folder.name, top_k=DEPTH)
        passages, windows = keben_passages(settings), window_passages(books)
        _say(f"{folder.name}: {len(passages.units)} passages, {len(windows.units)} windows; the other systems")
        scores = baselines(queries, passages, windows, embedder)
    scores[OURS] = {name: score.mean for name, score in result.overall.scores.items()}
    _say(f"{folder.name}: done in {time.monotonic() - started:.0f} s")
    return scores


def prepare(folder: Path, books: Path) -> list[Query]:
    """Write the set's files into `books`; the queries, their gold in characters of those files."""
    queries = read_queries(folder / "queries.jsonl")
    if (folder / "docs").is_dir():
        texts = {path.name: decode(path) for path in sorted((folder / "docs").iterdir())}
        for name, text in texts.items():
            (books / name).write_text(visible(text), encoding="utf-8")
        return [replace(query, gold=tuple(_shifted(gold, texts) for gold in query.gold)) for query in queries]
    spans = _write_corpus(folder / "corpus.jsonl", books / CORPUS)
    return [replace(query, gold=tuple(_span_of(gold, spans, query) for gold in query.gold)) for query in queries]


def _shifted(gold: Gold, texts: dict[str, str]) -> Gold:
    if not isinstance(gold, SpanGold):
        return gold
    start, end = (len(visible(texts[gold.doc][:place])) for place in (gold.start, gold.end))
    return SpanGold(gold.doc, start, end)


def _write_corpus(corpus: Path, target: Path) -> dict[str, SpanGold]:
    """Make one Markdown file of the passages; where each stands in it, by pid."""
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    text = "# 阅读材料\n" if language_of("".join(row["text"] for row in rows)) == "zh" else "# Reading passages\n"
    spans: dict[str, SpanGold] = {}
    for row in rows:
        text += f"\n## {visible(row['title']).replace('_', ' ')}\n\n"
        start = len(text)
        text += visible(row["text"]) + "\n"
        spans[row["pid"]] = SpanGold(target.name, start, len(text) - 1)
    target.write_text(text, encoding="utf-8")
    return spans


def _span_of(gold: Gold, spans: dict[str, SpanGold], query: Query) -> Gold:
    if not isinstance(gold, PidGold) or gold.pid not in spans:
        raise ConfigError(f"query {query.qid}: {gold} is not in the corpus", mend="check the set")
    return spans[gold.pid]


def keben_passages(settings: Settings) -> Passages:
    """All passages of the knowledge base, with the words that Keben indexes them by."""
    base = open_knowledge_base(settings, KB)
    passages = Passages([], [])
    with base.generation() as generation:
        for book in generation.books.values():
            for chunk, _ in generation.store.of_book(book.id):
                passages.units.append(Unit(chunk.id, book.source, chunk.start, chunk.end, chunk.text))
                passages.words.append(f"{heading_of(book.title, chunk.heading_path)}\n{plain(chunk.text)}")
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
    return Passages(units, [unit.text for unit in units])


def baselines(queries: list[Query], passages: Passages, windows: Passages, embedder: SentenceEmbedder) -> Scores:
    """The measures of every system but Keben."""
    tokenizers = {
        "BM25 bigrams": bigrams,
        "BM25 jieba": jieba_words,
        "BM25 jieba, stop words": jieba_without_stop_words,
    }
    scores = {name: score(queries, passages, bm25(passages, cut, queries)) for name, cut in tokenizers.items()}
    vectors = embedder.encode([query.text for query in queries])
    for name, those in (("dense", passages), ("tutorial", windows)):
        scores[name] = score(queries, those, dense(embedder.encode(those.words), vectors))
    return scores


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
