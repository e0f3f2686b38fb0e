"""`keben chat`: a model on the terminal, by itself. Heavy modules are imported inside, so that help is instant."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.settings import LlmSettings
    from rag.llm import InternLM2Chat
    from rag.remote import RemoteChat

_ANEW, _QUIT = "/new", ("/quit", "/exit")


def chat(
    questions: Annotated[
        list[str] | None, typer.Argument(metavar="[QUESTION]…", help="Answer these and end; else a conversation.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FOLDER", help="A chat model; that of the settings if left out.")
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option("--adapter", metavar="FOLDER", help="A finished training, or an adapter, over the model."),
    ] = None,
    bits: Annotated[int | None, typer.Option("--bits", min=4, max=8, help="Load the weights in 4 or 8 bits.")] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="FOLDER", help="Another model, whose answers stand beside.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="System prompt; that of the training if left out."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, max=8192, help="Longest answer.")] = 512,
    temperature: Annotated[float, typer.Option("--temperature", min=0, max=2, help="0 is the likeliest token.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="With a temperature: the same seed, the same answer.")] = 0,
    as_json: Json = False,
) -> None:
    """Talk to a model, without the books: before and after a tuning, side by side.

    /new begins anew, /quit or Ctrl-D ends, Ctrl-C stops an answer. Without a terminal, each line is a question.
    """
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    with ExitStack() as stack:
        sides = _sides(stack, model, adapter, compare, bits, system, options)
        if questions or not sys.stdin.isatty():
            for question in questions or map(str.strip, sys.stdin):
                if question:
                    _answer_once(sides, question, as_json)
            return
        _converse(sides)


@dataclass(slots=True)
class Side:
    """A model, and the conversation with it so far."""

    name: str
    chat: "InternLM2Chat | RemoteChat"
    system: str
    options: dict[str, Any]
    turns: list[tuple[str, str]] = field(default_factory=list)

    def stream(self, question: str) -> Iterator[str]:
        """Pieces of the answer; the turn is kept as far as it came."""
        from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

        said: list[BaseMessage] = [SystemMessage(self.system)] if self.system else []
        for asked, told in self.turns:
            said += [HumanMessage(asked), AIMessage(told)]
        written = ""
        try:
            for chunk in self.chat.stream([*said, HumanMessage(question)], **self.options):
                written += str(chunk.text)
                yield str(chunk.text)
        finally:
            if written:
                self.turns.append((question, written))


def _sides(
    stack: ExitStack,
    model: Path | None,
    adapter: Path | None,
    compare: Path | None,
    bits: int | None,
    system: str | None,
    options: dict[str, Any],
) -> list[Side]:
    from core.settings import load_settings
    from rag.build import build_chat
    from rag.trained_prompt import KEBENS_OWN, read_trained_prompt

    if bits not in (None, 4, 8):
        raise ConfigError(f"--bits {bits} is neither 4 nor 8", mend="name one of them, or leave it out")
    llm = load_settings().llm
    shown: list[tuple[str, LlmSettings]] = []
    if adapter:
        from finetune.adapted import adapted

        joined = stack.enter_context(adapted(model or llm.model, adapter))
        shown.append((f"{joined.name} + {adapter.name}", _with(llm, joined, bits)))
    else:
        folder = model or llm.model
        name = folder.name if folder else (llm.served_name or "the served model")
        shown.append((name, _with(llm, folder, bits) if folder else llm))
    if compare:
        name = compare.name if compare.name != shown[0][0] else str(compare)
        shown.append((name, _with(llm, compare, bits)))
    sides = []
    for name, settings in shown:
        trained = read_trained_prompt(settings.model) if settings.model else KEBENS_OWN
        opened = build_chat(settings)
        stack.callback(opened.close)
        sides.append(Side(name, opened, trained.system if system is None else system, options))
    return sides


def _with(llm: "LlmSettings", folder: Path, bits: int | None) -> "LlmSettings":
    changes = {"model": folder, "urls": (), "max_running": 1, "bits": bits or llm.bits}
    return llm.model_copy(update=changes)


def _answer_once(sides: list[Side], question: str, as_json: bool) -> None:
    """Each question by itself."""
    import json

    for side in sides:
        side.turns.clear()
    answers = {side.name: "".join(side.stream(question)).strip() for side in sides}
    if as_json:
        print(json.dumps({"question": question, "answers": answers}, ensure_ascii=False), flush=True)
    else:
        print(f"? {question}")
        _show(sides, answers)


def _converse(sides: list[Side]) -> None:
    print(f"{' and '.join(side.name for side in sides)}; {_ANEW} begins anew, {_QUIT[0]} ends", file=sys.stderr)
    while True:
        try:
            question = input("\n? ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if question in _QUIT:
            return
        if question == _ANEW:
            for side in sides:
                side.turns.clear()
        elif question and len(sides) == 1:
            _print_stream(sides[0].stream(question))
        elif question:
            _show(sides, {side.name: _stopped(side.stream(question)) for side in sides})


def _print_stream(pieces: Iterable[str]) -> None:
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(" …", end="")
    print(flush=True)


def _stopped(pieces: Iterable[str]) -> str:
    """The answer, or as much as there was before Ctrl-C."""
    written: list[str] = []
    try:
        written.extend(pieces)
    except KeyboardInterrupt:
        written.append(" …")
    return "".join(written).strip()


def _show(sides: list[Side], answers: dict[str, str]) -> None:
    """Side by side on a terminal, one after the other elsewhere."""
    if len(sides) == 1:
        print(answers[sides[0].name], flush=True)
    elif not sys.stdout.isatty():
        for name, answer in answers.items():
            print(f"{name}:\n{answer}", flush=True)
    else:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE, expand=True)
        for name in answers:
            table.add_column(name, ratio=1, overflow="fold")
        table.add_row(*answers.values())
        Console().print(table, markup=False)
