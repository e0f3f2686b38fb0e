"""Measures every system on the sets, a process for each core."""

import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jieba
from langchain_core.embeddings import Embeddings

from evaluate.gold import Unit, first_ranks
from evaluate.measures import measured
from evaluate.queries import Query
from evaluate.retrieval import evaluate_retrieval
from ranking.ensemble import ensemble
from ranking.passages import KB, Passages, asked, embedded, index_set, keben_passages, window_passages
from ranking.systems import best, bm25, dense
from ranking.table import OURS, Scores, Values, mean
from ranking.words import TOKENIZERS
from vector_db.embedder import open_embedder

DEPTH = 10
_MOST_PROCESSES = 4


def run_sets(folders: Sequence[Path], langchain: bool) -> dict[str, Scores]:
    """The scores of all sets, in order. The longest is begun first, so that no core waits at the end."""
    # One thread in each process: several that share a few cores hinder each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    processes = min(len(folders), len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        by_size = sorted(folders, key=lambda folder: -sum(path.stat().st_size for path in folder.rglob("*.*")))
        running = {folder: pool.submit(run_set, folder, langchain) for folder in by_size}
        return {folder.name: running[folder].result() for folder in folders}


def run_set(folder: Path, langchain: bool) -> Scores:
    """The scores of every system on one set."""
    started = time.monotonic()
    jieba.setLogLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as scratch:
        say(f"{folder.name}: indexing")
        indexed = index_set(folder, Path(scratch))
        queries = indexed.queries
        result = evaluate_retrieval(indexed.settings, KB, queries, query_set=folder.name, top_k=DEPTH)
        passages, windows = keben_passages(indexed), window_passages(indexed.books)
        say(f"{folder.name}: {len(queries)} queries, {len(passages.units)} passages, {len(windows.units)} windows")
        embedder = open_embedder(indexed.settings.embedding)
        scores = others(queries, passages, windows, embedder, langchain=langchain)
    scores[OURS] = {name: [query.values[name] for query in result.queries] for name in result.measures}
    found = ", ".join(f"{name} {mean(values['mrr@10']):.3f}" for name, values in scores.items())
    say(f"{folder.name}: done in {time.monotonic() - started:.0f} s; MRR@10: {found}")
    return scores


def others(
    queries: list[Query], passages: Passages, windows: Passages, embedder: Embeddings, *, langchain: bool
) -> Scores:
    """The scores of every system but Keben."""
    questions = [query.text for query in queries]
    vectors, of_questions = embedded(passages, embedder), asked(questions, embedder)
    rankings: dict[str, Iterable[list[Unit]]] = {
        name: (best(passages, scores, DEPTH) for scores in bm25(passages, cut, questions))
        for name, cut in TOKENIZERS.items()
    }
    rankings["dense"] = (best(passages, scores, DEPTH) for scores in dense(vectors, of_questions))
    of_windows = dense(embedded(windows, embedder), of_questions)
    rankings["tutorial"] = (best(windows, scores, DEPTH) for scores in of_windows)
    if langchain:
        rankings["LangChain"] = ensemble(passages, vectors, questions, of_questions, DEPTH)
    return {name: score(queries, ranking) for name, ranking in rankings.items()}


def score(queries: Sequence[Query], rankings: Iterable[list[Unit]]) -> Values:
    """The measures of one system, a value for each query."""
    values: Values = {}
    for query, ranking in zip(queries, rankings, strict=True):
        for name, value in measured(first_ranks(query.gold, ranking), DEPTH).items():
            values.setdefault(name, []).append(value)
    return values


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)
