"""`keben finetune synthesise`. Heavy modules are imported inside, so that help is instant."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json

if TYPE_CHECKING:
    from finetune.dataset.synthesis import Progress

Kb = Annotated[str, typer.Option("--kb", metavar="NAME", help="Knowledge base whose books are asked about.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="JSON Lines to append to; passages done before are skipped.")
]
BooksOfKb = Annotated[
    list[str] | None,
    typer.Option("--book", metavar="NAME", help="This book alone, by title or file; may be given again."),
]
PerPassage = Annotated[int, typer.Option("--per-passage", min=1, max=20, help="Most questions about a passage.")]
Longest = Annotated[int, typer.Option("--max-characters", min=100, help="Longest passage given to the model.")]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Most tokens that this run may cost, prompts and answers.")
]
MaxQuestions = Annotated[
    int | None, typer.Option("--max-questions", min=1, help="Most questions in the file, those of earlier runs too.")
]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=256, help="Passages asked about at the same time.")]


def synthesise(
    kb: Kb,
    out: Out,
    book: BooksOfKb = None,
    per_passage: PerPassage = 3,
    max_characters: Longest = 2000,
    max_tokens: MaxTokens = None,
    max_questions: MaxQuestions = None,
    parallel: Parallel = 4,
    as_json: Json = False,
) -> None:
    """Let the language model of the settings write questions and worked answers on each section of the books.

    A question is kept when the sentence that it rests on stands in the passage and no other is nearly the same. Look
    through the file, then name it as a source of `keben finetune dataset`.
    """
    from core.settings import load_settings
    from finetune.dataset.books import read_sections
    from finetune.dataset.settings import BooksSettings
    from finetune.dataset.synthesis import Caps, pieces_of, synthesise
    from finetune.dataset.synthesis_log import SynthesisLog
    from rag.build import build_chat

    settings = load_settings()
    sections = read_sections(settings.data_dir, BooksSettings(name=kb, books=tuple(book or ())))
    log = SynthesisLog(out)
    chat = build_chat(settings.llm)
    caps = Caps(settings.llm.max_new_tokens, per_passage, max_tokens, max_questions, parallel)
    with closing(chat), _progress(quiet=as_json) as progress:
        report = synthesise(pieces_of(sections, max_characters), chat, log, caps, progress)
    if as_json:
        print_json({"file": str(out), "in_file": log.questions, **report.to_json()})
        return
    print(
        f"{report.done} of {report.pieces} passages asked about ({report.skipped} done before), {report.tokens} tokens"
    )
    for reason, count in sorted(report.dropped.items()):
        print(f"  dropped: {count}: {reason}")
    if report.stopped:
        print(f"stopped: {report.stopped}")
    print(f"{out}: {log.questions} questions, {report.questions} of them new")


@contextmanager
def _progress(*, quiet: bool) -> Iterator["Progress | None"]:
    """A bar on a terminal, a line for each batch elsewhere; on stderr."""
    from tqdm import tqdm

    if quiet:
        yield None
        return
    with tqdm(unit="passage", desc="asking", dynamic_ncols=True, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int, questions: int) -> None:
            bar.total = total
            bar.set_postfix_str(f"{questions} questions", refresh=False)
            bar.update(done - bar.n)
            if bar.disable:
                print(f"{done} of {total} passages, {questions} questions", file=sys.stderr, flush=True)

        yield show
