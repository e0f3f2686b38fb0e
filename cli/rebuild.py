"""`keben rebuild`, `report`, `verify` and `rollback`: making a knowledge base. Heavy modules are imported inside."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Kb, print_json
from core.errors import ConfigError, KebenError

if TYPE_CHECKING:
    from core.settings import Settings
    from ingest.report import RebuildReport
    from ingest.request import Request

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rebuild(
    kb: Kb = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="DIR", help="Folder of textbooks; last time's if left out."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="FILE", help="Look at this file (or pattern) alone; may be given again."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="FILE", help="Take this book out, and keep it out until --only names it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Parse and embed unchanged books again too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and rebuild whenever the folder changes.")] = False,
    as_json: Json = False,
) -> None:
    """Index a folder of textbooks and serve it. Unchanged books cost nothing; a bad file stops no other.

    Exit code 0: all well, 1: nothing could be done, 2: wrong usage, 3: some books failed, the rest is served.
    """
    from core.settings import load_settings
    from ingest.request import Request

    if watch and dry_run:
        raise ConfigError("--watch and --dry-run exclude each other", mend="leave one of them out")
    settings = load_settings()
    name, request = kb or settings.kb, Request(source, force, tuple(only or ()), tuple(remove or ()))
    if dry_run:
        from ingest.plan import plan

        _print(plan(settings, name, request), as_json)
        return
    if watch:
        _follow(settings, name, request, as_json)
        return
    raise typer.Exit(_run(settings, name, request, as_json).exit_code)


def _run(settings: "Settings", kb: str, request: "Request", as_json: bool) -> "RebuildReport":
    from cli.progress import TerminalProgress
    from ingest.rebuild import rebuild as run

    with TerminalProgress(quiet=as_json) as progress:
        report = run(settings, kb, request, progress)
    _print(report, as_json)
    return report


def _follow(settings: "Settings", kb: str, request: "Request", as_json: bool) -> None:
    """Rebuild now and at every change, until interrupted. What fails is told, and tried again at the next change."""
    from ingest.previous import previous_generations
    from ingest.rebuild import source_folder
    from ingest.request import Request
    from ingest.watch import changes
    from vector_db.layout import KnowledgeBaseFolder

    previous = next(iter(previous_generations(KnowledgeBaseFolder(settings.data_dir, kb))))
    folder = source_folder(settings, kb, request.source, previous)
    print(f"watching {folder} (Ctrl-C ends)", file=sys.stderr, flush=True)
    for _ in changes(folder):
        try:
            _run(settings, kb, request, as_json)
        except KebenError as error:
            print(f"keben: {error}", file=sys.stderr, flush=True)
        request = Request(request.source, only=request.only)


def _print(report: "RebuildReport", as_json: bool) -> None:
    from cli.report import print_rebuild

    if as_json:
        print_json(report.to_json())
    else:
        print_rebuild(report)


@app.command()
def report(kb: Kb = None, as_json: Json = False) -> None:
    """Show what the rebuild of the served generation did with each file."""
    from cli.report import print_files
    from core.settings import load_settings
    from ingest.report import read_report
    from vector_db.layout import KnowledgeBaseFolder

    settings = load_settings()
    files = read_report(KnowledgeBaseFolder(settings.data_dir, kb or settings.kb).current())
    if as_json:
        print_json([asdict(file) for file in files])
    else:
        print_files(files)


@app.command()
def verify(kb: Kb = None, as_json: Json = False) -> None:
    """Check what is served: files, passages against pages, and the vector index against brute force."""
    from core.settings import load_settings
    from vector_db.layout import KnowledgeBaseFolder
    from vector_db.manifest import read_manifest
    from vector_db.verify import verify_in_new_process

    settings = load_settings()
    folder = KnowledgeBaseFolder(settings.data_dir, kb or settings.kb).current()
    verify_in_new_process(folder, mend="run `keben rebuild --force`, or go back with `keben rollback`")
    manifest = read_manifest(folder)
    found = {"kb": manifest.kb, "generation": manifest.id, "books": len(manifest.books)}
    found |= {"passages": manifest.chunks, "vectors": manifest.vectors}
    if as_json:
        print_json(found)
    else:
        print(
            f"{manifest.kb}: generation {manifest.id} is whole "
            f"({len(manifest.books)} books, {manifest.chunks} passages, {manifest.vectors} vectors)"
        )


@app.command()
def rollback(
    kb: Kb = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="Generation to serve; the one before if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve the generation from before the last rebuild again. A running server follows by itself.

    The next rebuild takes in the files as they are then.
    """
    from core.settings import load_settings
    from vector_db.layout import KnowledgeBaseFolder
    from vector_db.rollback import rollback as run

    settings = load_settings()
    target = KnowledgeBaseFolder(settings.data_dir, kb or settings.kb)
    before = target.current_id()
    manifest = run(target, to)
    if as_json:
        print_json({"kb": manifest.kb, "generation": manifest.id, "instead_of": before})
    else:
        print(
            f"{manifest.kb}: generation {manifest.id} of {manifest.created_at} is served now\n"
            f"the next rebuild takes in the files as they are then\n"
            f"to undo: keben rollback --kb {manifest.kb} --to {before}"
        )
