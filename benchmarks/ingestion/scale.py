"""Section `scale`: a library of 50 invented books; what rebuilds, opening and searching cost."""

import json
import statistics
from pathlib import Path

from ingestion.probe import Options, Usage, keben_environment, markdown, measure, program, rebuild_command, say
from ingestion.synthetic import BOOKS, DIMENSION, WORDS, questions, save_model, write_book

QUESTIONS = 201


def run(options: Options, folder: Path) -> str:
    """The tables."""
    books, model = folder / "books", folder / "model"
    books.mkdir()
    sections = max(options.chunks // BOOKS, 1)
    for number in range(BOOKS):
        write_book(books / f"book-{number:02}.md", number, sections)
    save_model(model, (path.read_text(encoding="utf-8") for path in books.iterdir()))
    environment = keben_environment(folder, books, KEBEN_EMBEDDING__MODEL=str(model))
    say(f"scale: {BOOKS} books of {sections} sections; first rebuild")
    rows = [_row("first rebuild", first := measure(rebuild_command(), environment))]
    say(f"scale: {first.seconds:.0f} s; rebuild without a change")
    rows.append(_row("nothing changed", measure(rebuild_command(), environment)))
    write_book(books / "book-00.md", 0, sections, edition=2)
    say("scale: rebuild after a changed book")
    rows.append(_row("one book changed", measure(rebuild_command(), environment)))
    asked = folder / "questions.json"
    asked.write_text(json.dumps(questions(QUESTIONS)), encoding="utf-8")
    say("scale: opening and searching")
    usage = measure(program("open_and_ask.py", asked), environment)
    took = json.loads(usage.stdout)
    each = took["each"]
    p50, p95 = statistics.median(each), each[int(0.95 * len(each))]
    search = [[took["open"], took["load"], took["first"], p50, p95, round(usage.peak_mb)]]
    head = ("open s", "load models s", "first search ms", "p50 ms", "p95 ms", "peak MiB")
    note = f"{BOOKS} invented books, {WORDS} words a passage, half of them Chinese; static embedder, {DIMENSION} dims."
    tables = (markdown(("rebuild", "passages", "published", "seconds", "peak MiB"), rows), markdown(head, search))
    return f"### Scale\n\n{note}\n\n" + "\n\n".join(tables)


def _row(name: str, usage: Usage) -> list[object]:
    report = json.loads(usage.stdout)
    return [name, report["chunks"], report["published"], usage.seconds, round(usage.peak_mb)]
