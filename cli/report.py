"""What commands print for people."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.calibrate import described
from core.text import language_of
from core.types import Answer, Chunk, Citation, Passage
from ingest.report import FileReport, RebuildReport
from rag import prompts
from vector_db.manifest import Manifest

# Where nobody looks at a terminal there is no width to keep to; 80 columns would break the tables.
_OUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def print_rebuild(report: RebuildReport) -> None:
    """One line a file, then what is served."""
    print_files(report.files)
    state = "published" if report.published else "nothing changed"
    if report.dry_run:
        state = "a dry run, nothing was changed"
    elif report.generation is None:
        state = "nothing could be indexed: no knowledge base was published"
    _OUT.print(f"{report.kb}: {state}, {report.chunks} passages, {report.seconds} s")


def print_files(files: Sequence[FileReport]) -> None:
    """A table of files, then why some of them are not as they should be."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("file", "status"):
        table.add_column(name, overflow="fold")
    for name in ("pages", "characters", "headings", "passages", "recognised", "seconds"):
        table.add_column(name, justify="right")
    for file in files:
        counts = (file.pages, file.characters, file.headings, file.chunks)
        numbers = [*(str(count) if count else "" for count in counts), _recognised(file)]
        table.add_row(Text(file.source), file.status, *numbers, str(file.seconds) if file.seconds else "")
    _OUT.print(table)
    for file in files:
        mend = f"\n  → {file.mend}" if file.mend else ""
        if file.reason:
            _OUT.print(Text(f"{file.status}: {file.source}: {file.reason}{mend}"))
        for note in file.notes:
            _OUT.print(Text(f"note: {file.source}: {note}"))


def _recognised(file: FileReport) -> str:
    """Such as `8 by rapidocr, 97 %`: pages, engine, mean confidence."""
    if not file.ocr_pages:
        return ""
    return f"{file.ocr_pages} by {file.ocr_engine}, {file.ocr_confidence or 0:.0%}"


def print_answer(answer: Answer) -> None:
    """The answer, then its citations."""
    if answer.search_query:
        _OUT.print(Text(f"{prompts.UNDERSTOOD[language_of(answer.answer)]}{answer.search_query}\n"))
    _OUT.print(Text(answer.answer))
    if answer.reason:
        _OUT.print(Text(answer.reason))
    if answer.unsupported:
        _OUT.print(Text(f"\n{prompts.UNSUPPORTED[language_of(answer.answer)]}"))
    for one in answer.unsupported:
        _OUT.print(Text(f"- {one.text}" + (f" ({', '.join(one.values)})" if one.values else "")))
    if answer.fallback:
        _OUT.print(Text(f"\n{answer.fallback}"))
    for citation in answer.citations:
        _OUT.print(Text(f"\n[{citation.id}] {_place(citation.book, citation.source, citation)}"))
    if answer.closest:
        _OUT.print(Text(f"\n{prompts.CLOSEST[language_of(answer.answer)]}"))
    for passage in answer.closest:
        place = _place(passage.book.title, passage.book.source, passage.chunk)
        _OUT.print(Text(f"- {place} (relevance {passage.relevance:.2f})"))
    timings = ", ".join(f"{name} {value:.0f} ms" for name, value in answer.timings_ms.items())
    _OUT.print(Text(f"\n({answer.model}, {answer.kb}, {timings})"))


def _place(book: str, source: str, at: Citation | Chunk) -> str:
    place = " > ".join((f"{book} ({source})", *at.heading_path))
    if at.page is None:
        return place
    printed = f", printed {at.page_label}" if at.page_label not in {None, str(at.page)} else ""
    return f"{place}, page {at.page}{printed}"


def print_passages(passages: Sequence[Passage]) -> None:
    """Each passage with its place and scores."""
    for number, passage in enumerate(passages, 1):
        chunk = passage.chunk
        place = " > ".join((passage.book.title, *chunk.heading_path))
        page = "" if chunk.page is None else f", page {chunk.page}"
        _OUT.print(Text(f"{number}. {place}{page} (score {passage.score:.4f}, relevance {passage.relevance:.2f})"))
        _OUT.print(Text(f"{chunk.text}\n"))
    if not passages:
        _OUT.print("no passage shares a term with the question")


def print_status(manifest: Manifest) -> None:
    """A knowledge base: its generation, embedder and books."""
    embedding = manifest.embedding
    _OUT.print(Text(f"{manifest.kb}: generation {manifest.id}, built {manifest.created_at} from {manifest.source_dir}"))
    dimensions = f"{embedding.dimension} dimensions" if embedding.dimension else "no book has vectors"
    _OUT.print(Text(f"  embedder {embedding.model} ({dimensions}, revision {embedding.revision})"))
    if manifest.calibration:
        _OUT.print(Text(f"  {described(manifest.calibration)}"))
    _OUT.print(Text(f"  {len(manifest.books)} books, {manifest.chunks} passages, {manifest.vectors} vectors"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("  book", "file", "status", "pages", "passages", "unknown tokens", "ranked by"):
        table.add_column(name, overflow="fold")
    for book in manifest.books:
        legs = "keywords + vectors" if book.dense else "keywords only"
        numbers = (str(book.pages), str(book.chunks), f"{book.unknown_token_rate:.1%}")
        table.add_row(Text(f"  {book.title}"), Text(book.source), book.status, *numbers, legs)
    _OUT.print(table)
    for failure in manifest.failures:
        _OUT.print(Text(f"  failed: {failure.source}: {failure.reason}\n    → {failure.mend}"))
    for book in manifest.books:
        if book.status == "stale":
            _OUT.print(Text(f"  stale: {book.source}: {book.reason}\n    → {book.mend}"))


def announcement(url: str) -> str:
    """What `keben serve` says when questions can be asked."""
    body = '{"question": "死锁的四个必要条件是什么？"}'
    return (
        f"Keben is ready at {url} (documentation: {url}/docs). Try:\n\n"
        f"  curl -s {url}/ask -H 'Content-Type: application/json' -d '{body}'\n"
    )
