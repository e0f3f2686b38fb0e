"""Section `memory`: the most memory that a whole rebuild of a long book holds, parsers included."""

import json
from pathlib import Path

from ingestion.papers import long_pdf, sources
from ingestion.probe import Options, keben_environment, markdown, measure, rebuild_command, say

TARGET_MB = 1536


def run(options: Options, folder: Path) -> str:
    """The table."""
    books = folder / "books"
    books.mkdir()
    # The first source alone: in English where there is one, so that every passage is embedded too.
    made_of = long_pdf(books / "book.pdf", sources(options.data)[:1], options.memory_pages)
    say(f"memory: {made_of}; rebuilding")
    usage = measure(rebuild_command(), keben_environment(folder, books))
    report = json.loads(usage.stdout)
    row = (options.memory_pages, report["chunks"], report["files"][0]["dense"], usage.seconds, round(usage.peak_mb))
    head = ("pages", "passages", "embedded", "seconds", "peak MiB, all processes", "target", "met")
    table = markdown(head, [(*row, f"< {TARGET_MB}", "yes" if usage.peak_mb < TARGET_MB else "no")])
    return f"### Memory\n\nA whole `keben rebuild` of {made_of}; resident memory, sampled every 20 ms.\n\n{table}"
