"""The chat template of a model folder: text in Jinja that writes the turns of a conversation as the model knows them.

Rendered here as transformers renders it (chat_template_utils.py), in a sandbox without access to Python.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from core.errors import ModelError
from rag.engine.model_files import read_json, read_text

ADD_TEMPLATE = "take chat_template from the tokenizer_config.json of the chat model"
SYSTEM, QUESTION, ANSWER = "Be brief.", "什么是死锁？", "互相等待。"
Turns = list[dict[str, str]]


def read_template(folder: Path, config: Mapping[str, Any]) -> str:
    """The template of a model whose tokenizer_config.json is `config`. Raises ModelError if there is none.

    chat_template.jinja goes first, as in transformers; chat_template.json is of older releases.
    """
    if (folder / "chat_template.jinja").is_file():
        return read_text(folder / "chat_template.jinja")
    given = config.get("chat_template")
    if not given and (folder / "chat_template.json").is_file():
        given = read_json(folder / "chat_template.json").get("chat_template")
    if isinstance(given, list):  # several, each with a name
        given = {entry.get("name"): entry.get("template") for entry in given if isinstance(entry, dict)}.get("default")
    if isinstance(given, str) and given.strip():
        return given
    if given:
        path = folder / "tokenizer_config.json"
        raise ModelError(f"{path}: chat_template is a {type(given).__name__}, not text", mend=ADD_TEMPLATE)
    raise ModelError(
        f"the tokenizer in {folder} has no chat template; a base model has none, a chat model does", mend=ADD_TEMPLATE
    )


def render(template: str, turns: Turns, tokens: Mapping[str, str], *, prompt: bool = False) -> str:
    """`turns` as the model reads them; `tokens`: bos_token, eos_token, …; with `prompt` its own turn is begun.

    Raises ValueError with the reason if the template is wrong or refuses the turns.
    """
    from jinja2 import TemplateError

    try:
        text: str = (
            _environment()
            .from_string(template)
            .render(messages=turns, tools=None, documents=None, add_generation_prompt=prompt, **tokens)
        )
    except (TemplateError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return text


def _environment() -> Any:
    import jinja2.nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} marks what an assistant wrote, for training; it changes no text."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> Sequence[jinja2.nodes.Node]:  # type: ignore[override]
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _refuse(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)


def check_template(template: str, tokens: Mapping[str, str], folder: Path) -> str:
    """A conversation of system, question, answer and another question, rendered.

    Raises ModelError if the template cannot be rendered, or leaves out what was said.
    """
    turns = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
        {"role": "user", "content": QUESTION},
    ]
    try:
        text = render(template, turns, tokens, prompt=True)
    except ValueError as error:
        raise ModelError(f"the chat template in {folder} cannot be rendered: {error}", mend=ADD_TEMPLATE) from error
    for role, said, times in (("system", SYSTEM, 1), ("user", QUESTION, 2), ("assistant", ANSWER, 1)):
        if text.count(said) < times:
            raise ModelError(f"the chat template in {folder} leaves out what the {role} says", mend=ADD_TEMPLATE)
    return text
