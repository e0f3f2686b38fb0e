"""A question with its answer out of named fields: columns of a table, fields of a JSON row, parts of an exam paper."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune.conversations import Conversation, Exchange
from finetune.dataset.choice import LETTERS, answered, asked, chosen_letters, split_options
from finetune.dataset.found import LeftOut, Place
from finetune.dataset.settings import ROLES, Role, SourceSettings

_PATTERNS: dict[Role, str] = {
    "question": r"(?:题目|题干|问题|试题|提问|问|题)(?:内容|描述|正文|文本)?|questions?|stem|question ?text|prompt"
    r"|query|instruction|input|ask|q",
    "answer": r"(?:正确|参考|标准)?(?:答案|回答|答复|答)(?:内容)?|正确选项|answers?|correct[ _]?(?:answer|option)?"
    r"|(?:answer )?key|output|response|reply|label",
    "options": r"选项(?:内容)?|备选项|备选答案|options?|choices",
    "explanation": r"(?:答案|试题|题目|参考)?(?:解析|解答|讲解|解释|分析)|explanations?|rationale|analysis"
    r"|solution",
    "system": r"系统提示|system(?:[ _]prompt)?",
}
_NAMES = {role: re.compile(pattern, re.IGNORECASE) for role, pattern in _PATTERNS.items()}
_LETTER = re.compile(r"(?:选项|备选答案|备选项|答案选项|option|choice|answer)?[ _]*([A-H])(?:选项)?", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_FLAT = re.compile(r"[\s*：:]+")


@dataclass(frozen=True, slots=True)
class Question:
    """answer: as it was written, a letter or text. options: by letter, none for an open question."""

    stem: str
    answer: str
    options: Mapping[str, str] = field(default_factory=dict)
    explanation: str = ""
    system: str = ""


def from_question(question: Question, place: Place, passage: str = "") -> Conversation | LeftOut:
    """The conversation: a choice is answered with its letter and text, then why."""
    answer = question.answer or ("" if question.options else question.explanation)
    why = question.explanation if question.answer else ""
    if not question.stem:
        return place.left_out("the question is empty")
    if not answer:
        return place.left_out("the answer is empty")
    text = question.stem
    if question.options:
        letters = chosen_letters(answer, question.options)
        if letters is None:
            return place.left_out(f"the answer {answer[:40]!r} is none of the options {', '.join(question.options)}")
        text, answer = asked(question.stem, question.options), answered(letters, question.options, why)
    elif why and why != answer:
        answer = f"{answer}\n\n{why}"
    return Conversation((Exchange(text, answer, question.system),), "question", str(place), passage)


def recognised(names: Iterable[str]) -> dict[Role, str]:
    """What each column holds, by its usual names in Chinese and English; columns of other names are left out."""
    names, found = list(names), dict[Role, str]()
    for name in names:
        flat = _FLAT.sub(" ", name).strip()
        for role, pattern in _NAMES.items():
            if role not in found and flat and pattern.fullmatch(flat):
                found[role] = name
                break
    taken = set(found.values())
    for name in names:
        letter = _LETTER.fullmatch(_FLAT.sub(" ", name).strip())
        if letter and name not in taken:
            found.setdefault(letter[1].upper(), name)  # type: ignore[arg-type]
    if "answer" not in found and "question" in found and "A" in found and "B" not in found:
        found["answer"] = found.pop("A")  # the columns Q and A
    return found


def complete(columns: Mapping[Role, str], template: str | None) -> bool:
    """Whether questions can be made of them."""
    return ("question" in columns or template is not None) and ("answer" in columns or "explanation" in columns)


def placeholders(template: str | None) -> list[str]:
    """The columns that a template names."""
    return _PLACEHOLDER.findall(template or "")


def question_of(row: Mapping[str, Any], place: Place, source: SourceSettings) -> Question | None:
    """The question in a JSON row, None where its fields have no usual names and the settings name none.

    Raises DatasetError for a field that the settings name and the row has not.
    """
    columns = {**recognised(map(str, row)), **source.columns}
    for name in [*source.columns.values(), *placeholders(source.template)]:
        if name not in row:
            raise place.error(f'no "{name}"', f"the fields are {', '.join(map(str, row))}")
    if not complete(columns, source.template):
        return None
    return make_question(row, columns, source.template, place)


def make_question(row: Mapping[str, Any], columns: Mapping[Role, str], template: str | None, place: Place) -> Question:
    """The question in the fields that `columns` names; with a template, the question is made of it.

    Raises DatasetError for a field that is not text.
    """
    said = {role: _text(row, columns[role], place) for role in ROLES if role in columns and role != "options"}
    options = {letter: said[letter] for letter in LETTERS if said.get(letter)}  # type: ignore[index, call-overload]
    if "options" in columns:
        options = _options(row.get(columns["options"]), place) or options
    stem = said.get("question", "")
    if template is not None:
        values = {name: _text(row, name, place) for name in placeholders(template)}
        stem = _PLACEHOLDER.sub(lambda match: values[match[1]], template) if all(values.values()) else ""
    elif not options and columns.get("question"):
        stem, options = _inline(stem, said.get("answer", ""))
    return Question(stem, said.get("answer", ""), options, said.get("explanation", ""), said.get("system", ""))


def _inline(stem: str, answer: str) -> tuple[str, dict[str, str]]:
    """Options that stand in the question itself, where the answer is a letter."""
    bare, options = split_options(stem)
    return (bare, options) if len(answer) <= len(LETTERS) and chosen_letters(answer, options) else (stem, {})


def _options(value: Any, place: Place) -> dict[str, str]:
    """Options given as {"A": …}, as a list, or as text with letters."""
    if value is None or value == "":
        return {}
    if isinstance(value, dict) and all(isinstance(text, str | int | float) for text in value.values()):
        return {str(letter).strip().upper(): str(text).strip() for letter, text in value.items()}
    if isinstance(value, list) and all(isinstance(text, str | int | float) for text in value) and len(value) <= 8:
        return dict(zip(LETTERS, (_unmarked(str(text)) for text in value), strict=False))
    if isinstance(value, str):
        options = split_options(value)[1]
        if not options:
            lines = [line.strip() for line in re.split(r"[\n|]", value) if line.strip()]
            options = dict(zip(LETTERS, lines, strict=False)) if 1 < len(lines) <= len(LETTERS) else {}
        if options:
            return options
    raise place.error(
        f"the options {str(value)[:60]!r} cannot be told apart", 'write {"A": …, "B": …}, a list, or A. … B. …'
    )


def _unmarked(text: str) -> str:
    return re.sub(r"^\s*[(（]?[A-H]\s*[.．、:：)）]\s*", "", text)


def _text(row: Mapping[str, Any], name: str, place: Place) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return "、".join(map(str, value))
    if not isinstance(value, str | int | float):
        raise place.error(f'"{name}" is {str(value)[:60]!r}, not text', f'write text under "{name}"')
    return str(value).strip()
