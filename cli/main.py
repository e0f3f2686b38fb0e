"""The `keben` command: one function a command. Heavy modules are imported inside, so that help is instant.

Exit codes: 0 all well, 1 nothing could be done, 2 wrong usage, 3 some books failed but the rest is served.
"""

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.calibrate import app as calibrate_app
from cli.chat import app as chat_app
from cli.doctor import app as doctor_app
from cli.evaluate import app as evaluate_app
from cli.feedback import app as feedback_app
from cli.feedback import gaps_app
from cli.finetune import app as finetune_app
from cli.keys import app as keys_app
from cli.mcp import app as mcp_app
from cli.options import AnswerMode, Books, Json, Kb, Subjects, print_json
from cli.rebuild import app as rebuild_app
from core.errors import KebenError

if TYPE_CHECKING:
    from core.settings import Settings

app = typer.Typer(
    name="keben",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keben (课本) answers questions from textbooks and shows where in the book each answer stands.",
)
app.add_typer(rebuild_app)
app.add_typer(calibrate_app)
app.add_typer(chat_app)
app.add_typer(doctor_app)
app.add_typer(evaluate_app, name="eval")
app.add_typer(finetune_app, name="finetune")
app.add_typer(keys_app, name="keys")
app.add_typer(feedback_app, name="feedback")
app.add_typer(gaps_app)
app.add_typer(mcp_app)

TopK = Annotated[int | None, typer.Option("--top-k", min=1, max=50, help="Passages to look at.")]
Asked = Annotated[str, typer.Argument(metavar="QUESTION", help="The question, in Chinese or English.")]


@app.command()
def ask(
    question: Asked,
    after: Annotated[
        list[str] | None,
        typer.Option("--after", metavar="QUESTION", help="A question asked before this one; may be given again."),
    ] = None,
    mode: Annotated[
        AnswerMode, typer.Option("--mode", help="How a language model answers: with hints alone, or letter first.")
    ] = AnswerMode.grounded,
    books: Books = None,
    subjects: Subjects = None,
    kb: Kb = None,
    top_k: TopK = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the textbooks, with citations."""
    from cli.report import print_answer
    from core.types import Scope, Turn
    from rag.answer import Question
    from rag.build import build_answerer, build_embedder, build_writing
    from server.schemas.answers import AnswerBody
    from vector_db.library import open_knowledge_base

    settings = _settings()
    scope = Scope(tuple(books or ()), tuple(subjects or ()))
    asked = Question(
        question, top_k, tuple(Turn("user", before) for before in after or ()), scope=scope, mode=mode.value
    )
    with closing(open_knowledge_base(settings, kb or settings.kb)) as base, closing(build_writing(settings)) as writing:
        answer = build_answerer(settings, build_embedder(settings, [base]), writing).ask(base, asked)
    if as_json:
        print_json(AnswerBody.of(answer).model_dump())
    else:
        print_answer(answer)


@app.command()
def search(
    question: Asked,
    books: Books = None,
    subjects: Subjects = None,
    kb: Kb = None,
    top_k: TopK = None,
    as_json: Json = False,
) -> None:
    """Find the passages that fit a question, without an answer."""
    from cli.report import print_passages
    from core.types import Scope
    from rag.build import build_answerer, build_embedder
    from server.schemas.answers import SearchResponse
    from vector_db.library import open_knowledge_base

    settings, scope = _settings(), Scope(tuple(books or ()), tuple(subjects or ()))
    with closing(open_knowledge_base(settings, kb or settings.kb)) as base:
        passages = build_answerer(settings, build_embedder(settings, [base])).search(base, question, top_k, scope)
    if as_json:
        print_json(SearchResponse.of(passages).model_dump())
    else:
        print_passages(passages)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; 127.0.0.1 if left out.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; 8000 if left out, 0 for a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="Processes that answer; 1 if left out.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="On any address, let everybody do everything without an API key.")
    ] = False,
    kb: Kb = None,
    as_json: Json = False,
) -> None:
    """Serve the HTTP API until interrupted. Other addresses than 127.0.0.1 need an API key: `keben keys create`."""
    from cli.report import announcement
    from server.serve import serve as run

    given = {"host": host, "port": port, "workers": workers, "insecure": insecure or None}
    changes = {name: value for name, value in given.items() if value is not None}
    settings = _settings(**({"kb": kb} if kb else {}), **({"server": changes} if changes else {}))

    def announce(url: str) -> None:
        print(json.dumps({"url": url}) if as_json else announcement(url), flush=True)

    if not as_json:
        print("loading models …", file=sys.stderr, flush=True)
    run(settings, announce)


@app.command()
def status(kb: Kb = None, as_json: Json = False) -> None:
    """Show the knowledge bases: books, passages, the embedder, what could not be read."""
    from cli.report import print_status
    from core.errors import KnowledgeBaseMissing
    from vector_db.layout import KnowledgeBaseFolder, knowledge_bases
    from vector_db.manifest import read_manifest

    settings = _settings()
    names = [kb] if kb else knowledge_bases(settings.data_dir)
    if not names:
        raise KnowledgeBaseMissing(
            f"there is no knowledge base in {settings.data_dir}", mend="build one: `keben rebuild`"
        )
    manifests = [read_manifest(KnowledgeBaseFolder(settings.data_dir, name).current()) for name in names]
    if as_json:
        print_json({"kbs": [manifest.model_dump(mode="json") for manifest in manifests]})
    else:
        for manifest in manifests:
            print_status(manifest)


def _settings(**overrides: Any) -> "Settings":
    from core.settings import load_settings

    return load_settings(**overrides)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KebenError as error:
        if "--json" in sys.argv:
            print_json({"error": error.code, "message": error.message, "mend": error.mend})
        else:
            print(f"keben: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
