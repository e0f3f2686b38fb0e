"""`keben chat`: talk to a language model, without books. Heavy modules are imported inside, so that help is instant."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from cli.options import Bits, Json
from core.errors import ConfigError

if TYPE_CHECKING:
    from cli.speaker import Speaker
    from core.settings import LlmSettings

app = typer.Typer()
_SEED = 2**31 - 1


@app.command()
def chat(
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]...", help="Asked one by one, each by itself; left out: a conversation."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FOLDER", help="A chat model; that of the settings if left out.")
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option("--adapter", metavar="FOLDER", help="A training's folder, or an adapter, merged for this talk."),
    ] = None,
    bits: Annotated[Bits | None, typer.Option("--bits", help="Load the weights in so many bits.")] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="FOLDER", help="A second model, such as the base, beside it.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="System prompt; that of the training if left out."),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", min=1, max=8192, help="Longest answer.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=2, help="0 takes the likeliest token.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, max=_SEED, help="Of what is drawn at random.")] = None,
    as_json: Json = False,
) -> None:
    """Talk to a language model without books: before and after a training.

    Where stdin is no terminal, each of its lines is a question. /new begins a new conversation, /quit or Ctrl-D ends,
    Ctrl-C stops an answer.
    """
    from core.settings import load_settings

    llm = _chosen(load_settings().llm, model, bits)
    given = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    options = {name: value for name, value in given.items() if value is not None}
    with ExitStack() as stack:
        if adapter:
            llm = llm.model_copy(update={"model": stack.enter_context(_merged(llm, adapter))})
        if not as_json:
            print("loading …", file=sys.stderr, flush=True)
        speakers = [_speaker(stack, llm, system, options)]
        if compare:
            speakers.append(_speaker(stack, llm.with_model(compare), system, options))
            if speakers[0].name == speakers[1].name:
                speakers[1].name = str(compare)
        if questions or not sys.stdin.isatty() or as_json:
            _answer_each(speakers, questions or _lines(sys.stdin), as_json=as_json)
        else:
            from cli.chat_terminal import converse

            converse(speakers)


def _chosen(llm: "LlmSettings", model: Path | None, bits: Bits | None) -> "LlmSettings":
    """The settings for one who talks to a model alone."""
    changes: dict[str, Any] = {"max_running": 1}
    if model:
        changes |= {"model": model, "urls": ()}
    if bits:
        changes["bits"] = int(bits)
    return llm.model_copy(update=changes)


def _merged(llm: "LlmSettings", adapter: Path) -> AbstractContextManager[Path]:
    from finetune.adapter import merged_for_now

    if llm.model is None:
        raise ConfigError("--adapter needs the model that it was trained on", mend="name it: --model FOLDER")
    print(f"merging {adapter} …", file=sys.stderr, flush=True)
    return merged_for_now(llm.model, adapter)


def _speaker(stack: ExitStack, llm: "LlmSettings", system: str | None, options: dict[str, Any]) -> "Speaker":
    """A model, loaded; it is closed with `stack`."""
    from cli.speaker import Speaker
    from rag.build import build_chat
    from rag.trained_prompt import read_trained_prompt

    chat = build_chat(llm)
    stack.callback(chat.close)
    trained = read_trained_prompt(llm.model).system if llm.model and system is None else ""
    where = llm.model.resolve().name if llm.model else llm.served_name or llm.urls[0]
    return Speaker(where, chat, trained if system is None else system, options)


def _answer_each(speakers: Sequence["Speaker"], questions: Iterable[str], *, as_json: bool) -> None:
    """Each question by itself. Labels where an answer alone would not tell what it belongs to."""
    from cli.chat_terminal import at_once, show_beside, show_stream

    several = isinstance(questions, list) and len(questions) > 1
    for question in questions:
        for speaker in speakers:
            speaker.forget()
        if as_json:
            for _ in at_once(speakers, question):
                pass
            answers = [speaker.last.to_json() for speaker in speakers if speaker.last]
            print(json.dumps({"question": question, "answers": answers}, ensure_ascii=False), flush=True)
            continue
        if several or not isinstance(questions, list):
            print(f"> {question}")
        if len(speakers) > 1 and sys.stdout.isatty():
            show_beside(speakers, question)
            continue
        for speaker in speakers:
            if len(speakers) > 1:
                print(f"[{speaker.name}]")
            show_stream(speaker, question)


def _lines(file: TextIO) -> Iterator[str]:
    """Its lines that say something."""
    yield from filter(None, map(str.strip, file))
