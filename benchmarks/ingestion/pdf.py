"""Section `pdf`: a long text PDF read by the sandbox, and by unstructured's fast strategy."""

import json
from pathlib import Path

from core.errors import ConfigError
from ingestion.papers import long_pdf, sources
from ingestion.probe import PROGRAMS, Options, Usage, markdown, measure, program, say


def run(options: Options, folder: Path) -> str:
    """The table."""
    path = folder / "book.pdf"
    made_of = long_pdf(path, sources(options.data), options.pdf_pages)
    say(f"pdf: {made_of}; Keben reads it")
    ours = measure(program("parse_one.py", path))
    rows = [_row("Keben, sandbox", ours)]
    note = "unstructured was not run: --baseline-python names no Python that has its PDF part"
    if options.baseline_python:
        say("pdf: unstructured reads it")
        try:
            theirs = measure([str(options.baseline_python), str(PROGRAMS / "unstructured_fast.py"), str(path)])
        except ConfigError as error:
            note = f"unstructured could not be run: {error.message}"
        else:
            rows.append(_row("unstructured, fast", theirs))
            ratios = (theirs.seconds / ours.seconds, theirs.peak_mb / ours.peak_mb)
            rows.append(["unstructured / Keben", *(f"{ratio:.1f}" for ratio in ratios), ""])
            note = "whole processes, start and imports included"
    table = markdown(("reader", "seconds", "peak MiB, all processes", "characters"), rows)
    return f"### PDF\n\n{made_of}; {note}.\n\n{table}"


def _row(name: str, usage: Usage) -> list[object]:
    return [name, usage.seconds, round(usage.peak_mb), json.loads(usage.stdout.splitlines()[-1])["characters"]]
