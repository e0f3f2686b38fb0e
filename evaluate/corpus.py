"""Retrieval sets as folders of textbooks, so that the real reading and cutting take part in what is measured.

A set is a folder with queries.jsonl and either docs/ (the files) or corpus.jsonl (passages: pid, title, text).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import ConfigError, UnreadableBookError
from core.text import language_of
from evaluate.queries import Gold, PidGold, Query, SpanGold, read_queries
from ingest.readers.text import decode
from ingest.readers.text_builder import visible

QUERIES = "queries.jsonl"
CORPUS = "corpus.md"


def prepare_set(folder: Path, books: Path) -> list[Query]:
    """Write the textbooks of the set into `books`; its queries, their gold in characters of those files.

    Documents are copied without the invisible characters that Keben's readers drop, and spans are shifted to match. A
    corpus becomes one Markdown file, each passage in a section of its own under its article's title (a file a passage
    would cost a process each), and a gold passage the span of its text. Raises ConfigError.
    """
    queries = read_queries(folder / QUERIES)
    if (folder / "docs").is_dir():
        texts = _copy_documents(folder / "docs", books)
        return [replace(query, gold=tuple(_shifted(gold, texts) for gold in query.gold)) for query in queries]
    spans = _write_corpus(folder / "corpus.jsonl", books / CORPUS)
    return [replace(query, gold=tuple(_span_of(gold, spans, query) for gold in query.gold)) for query in queries]


def _copy_documents(documents: Path, books: Path) -> dict[str, str]:
    """Copy all files; their text as it was, by name."""
    try:
        texts = {path.name: decode(path) for path in sorted(documents.iterdir())}
    except (OSError, UnreadableBookError) as error:
        raise ConfigError(f"{documents} cannot be read: {error}", mend="docs/ must hold text files only") from error
    for name, text in texts.items():
        (books / name).write_text(visible(text), encoding="utf-8")
    return texts


def _shifted(gold: Gold, texts: Mapping[str, str]) -> Gold:
    """Gold without the invisible characters before it."""
    if not isinstance(gold, SpanGold) or gold.doc not in texts:
        return gold
    start, end = (len(visible(texts[gold.doc][:place])) for place in (gold.start, gold.end))
    return SpanGold(gold.doc, start, end)


def _write_corpus(corpus: Path, target: Path) -> dict[str, SpanGold]:
    """Make one Markdown file of the passages; where each stands in it, by pid."""
    passages = _passages(corpus)
    title = "阅读材料" if language_of("".join(text for _, _, text in passages)) == "zh" else "Reading passages"
    parts, length = [f"# {title}\n"], len(title) + 3
    spans: dict[str, SpanGold] = {}
    for pid, heading, text in passages:
        above = f"\n## {heading}\n\n"
        start = length + len(above)
        spans[pid] = SpanGold(target.name, start, start + len(text))
        parts += [above, text, "\n"]
        length = start + len(text) + 1
    target.write_text("".join(parts), encoding="utf-8")
    return spans


def _passages(corpus: Path) -> list[tuple[str, str, str]]:
    """pid, title and text of each row; raises ConfigError naming file and line."""
    try:
        lines = corpus.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{corpus} cannot be read: {error}", mend="a set has docs/ or corpus.jsonl") from error
    passages: list[tuple[str, str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            title, text = visible(row["title"]).replace("_", " "), visible(row["text"])
            passages.append((str(row["pid"]), " ".join(title.split()), text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{corpus}, line {number}: not a passage: {error!r}", mend='write {"pid": …, "title": …, "text": …}'
            ) from error
    return passages


def _span_of(gold: Gold, spans: Mapping[str, SpanGold], query: Query) -> Gold:
    if not isinstance(gold, PidGold) or gold.pid not in spans:
        raise ConfigError(f"query {query.qid!r}: {gold} is not in the corpus", mend="correct its gold_pids")
    return spans[gold.pid]
