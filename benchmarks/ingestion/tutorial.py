"""Section `tutorial`: the pipeline of the usual tutorials against a rebuild, in time and in what is found."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.errors import ConfigError
from core.settings import Settings, load_settings
from evaluate.gold import Unit, first_ranks
from evaluate.measures import measured
from evaluate.queries import Query, SpanGold
from evaluate.retrieval import evaluate_retrieval
from ingest.readers.text import decode
from ingest.readers.text_builder import visible
from ingestion.probe import Options, keben_environment, markdown, measure, program, rebuild_command, say
from vector_db.embedder import model_folder

DEPTH, TARGET = 10, 2.0
MEASURES = ("recall@5", "mrr@10")
SHORTEST_SECTION = 80
_HEADING = re.compile(r"^#{2,6} +(.+?)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"^([一二三四五六七八九十]+、|[\d.]+\s+)")


def run(options: Options, folder: Path) -> str:
    """The table."""
    books = folder / "books"
    books.mkdir()
    copy_books(options.data / "books" / "zh" / "cs-notes", books)
    queries = heading_queries(books)
    environment = keben_environment(folder, books)
    settings = load_settings(data_dir=folder / "data", source_dir=books)
    say(f"tutorial: {len(queries)} questions; Keben indexes")
    ours = measure(rebuild_command(), environment)
    found = evaluate_retrieval(settings, settings.kb, queries, query_set="headings", top_k=DEPTH).overall.scores
    say("tutorial: the tutorial pipeline indexes")
    model = model_folder(settings.embedding)
    theirs = measure(program("tutorial_pipeline.py", "index", books, folder / "store", model))
    scores = tutorial_scores(folder, settings, queries)
    rows = [
        ["Keben", json.loads(ours.stdout)["chunks"], ours.seconds, *(f"{found[name].mean:.3f}" for name in MEASURES)],
        ["tutorial", json.loads(theirs.stdout)["chunks"], theirs.seconds, *(f"{scores[n]:.3f}" for n in MEASURES)],
    ]
    ratio = theirs.seconds / ours.seconds
    note = (
        f"CS-Notes, {len(list(books.iterdir()))} Markdown files, {len(queries)} questions made of their headings, gold "
        f"is the section; same embedder. Whole processes. Tutorial / Keben in time: {ratio:.2f} (target >= {TARGET}: "
        f"{'met' if ratio >= TARGET else 'not met'})."
    )
    head = ("pipeline", "passages", "seconds", "R@5", "MRR@10")
    return f"### Tutorial pipeline\n\n{note}\n\n{markdown(head, rows)}"


def copy_books(source: Path, target: Path) -> None:
    """Copy the Markdown files without the characters that Keben's readers drop: offsets mean the same to all."""
    for path in sorted(source.glob("*.md")):
        (target / path.name).write_text(visible(decode(path)), encoding="utf-8")
    if not any(target.iterdir()):
        raise ConfigError(f"there are no Markdown books in {source}", mend="name the folder of the data with --data")


def heading_queries(books: Path) -> list[Query]:
    """A question for every section with a heading of its own and enough text; gold is its span in the file."""
    sections: list[tuple[str, SpanGold]] = []
    for path in sorted(books.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        marks = list(_HEADING.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        for mark, end in zip(marks, ends, strict=True):
            if end - mark.end() >= SHORTEST_SECTION:
                name = _NUMBER.sub("", mark[1]).strip("*` ")
                sections.append((name, SpanGold(path.name, mark.start(), end)))
    count = Counter(name for name, _ in sections)
    unique = [(name, gold) for name, gold in sections if count[name] == 1]
    return [Query(f"h{row}", f"什么是{name}？", "zh", (gold,)) for row, (name, gold) in enumerate(unique)]


def tutorial_scores(folder: Path, settings: Settings, queries: Sequence[Query]) -> dict[str, float]:
    """Mean measures of the tutorial's own search."""
    questions = folder / "questions.json"
    questions.write_text(json.dumps([query.text for query in queries]), encoding="utf-8")
    model = model_folder(settings.embedding)
    asked = measure(program("tutorial_pipeline.py", "ask", folder / "store", model, questions, DEPTH))
    rows = []
    for query, ranking in zip(queries, json.loads(asked.stdout), strict=True):
        units = [Unit("", piece["source"], piece["start"], piece["end"], "") for piece in ranking]
        rows.append(measured(first_ranks(query.gold, units), DEPTH))
    return {name: sum(row[name] for row in rows) / len(rows) for name in MEASURES}
