"""One row of a file of questions, whatever shape it has, as a conversation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from finetune.conversations import KINDS, Conversation, Exchange, Kind
from finetune.dataset.agent import ROLES_OF_MESSAGES, from_messages
from finetune.dataset.found import LeftOut, Place
from finetune.dataset.questions import from_question, question_of
from finetune.dataset.settings import SourceSettings

Row = Mapping[str, Any]
Result = Conversation | LeftOut
_SHAPES = (
    "a row is XTuner's conversation, Alpaca's instruction and output, ShareGPT's conversations, OpenAI's messages, "
    "or a question and its answer; name other fields with --column question=… --column answer=…"
)
_SHAREGPT = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "system": "system", "observation": "tool", "tool": "tool", "function_response": "tool",
    "function_call": "function_call",
}  # fmt: skip
_REJECTED = frozenset({"down", "dislike", "bad", "wrong", "negative", "-1", "false", "0"})


def read_row(row: Row, place: Place, source: SourceSettings) -> Result:
    """The conversation of `row`, or why there is none. Raises DatasetError for a row of no known shape."""
    result = _shape_of(row, place, source)(row, place, source)
    if isinstance(result, LeftOut):
        return result
    exchanges = _prompted(result.exchanges, source.system)
    for number, each in enumerate(exchanges, 1):
        named = f" of exchange {number}" if len(exchanges) > 1 else ""
        if not each.output.strip():
            return place.left_out(f"the answer{named} is empty")
        if not each.input.strip() and result.kind != "text":
            return place.left_out(f"the question{named} is empty")
    return Conversation(exchanges, result.kind, result.source, result.passage)


def _prompted(exchanges: Sequence[Exchange], system: str) -> tuple[Exchange, ...]:
    """Each system prompt where it begins to be in force: XTuner writes it wherever it stands."""
    made, before = list[Exchange](), ""
    for each in exchanges:
        prompt = each.system or before or system
        made.append(Exchange(each.input, each.output, "" if prompt == before else prompt))
        before = prompt
    return tuple(made)


def _shape_of(row: Row, place: Place, source: SourceSettings) -> Callable[[Row, Place, SourceSettings], Result]:
    if source.columns or source.template:
        return _question
    for names, shape in (
        ({"conversation"}, _xtuner), ({"conversations"}, _sharegpt), ({"messages"}, _messages),
        ({"instruction"}, _alpaca), ({"reviewed"}, _feedback), ({"corrected_answer"}, _feedback),
    ):  # fmt: skip
        if names <= row.keys():
            return shape
    if row.keys() & {"text"} and not row.keys() & {"question", "answer", "output", "label"}:
        return _text
    if question_of(row, place, source) is not None:
        return _question
    raise place.error(f"a row with {', '.join(map(str, row)) or 'nothing'} is of no known shape", _SHAPES)


def text_at(row: Row, name: str, place: Place) -> str:
    """The text under `name`, empty for none. Raises DatasetError when it is no text."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise place.error(f'"{name}" is {str(value)[:60]!r}, not text', f'write text under "{name}"')
    return str(value).strip()


def rows_at(row: Row, name: str, place: Place) -> list[Row]:
    """The objects under `name`. Raises DatasetError when there are none."""
    value = row.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        raise place.error(f'"{name}" is {str(value)[:60]!r}, not a list of objects', f'write a list under "{name}"')
    return value


def _question(row: Row, place: Place, source: SourceSettings) -> Result:
    question = question_of(row, place, source)
    if question is None:
        raise place.error("no question with an answer in it", _SHAPES)
    return from_question(question, place, text_at(row, "passage", place) or text_at(row, "gold_text", place))


def _xtuner(row: Row, place: Place, source: SourceSettings) -> Result:
    kind: Kind = row.get("kind", "question")
    if kind not in KINDS:
        raise place.error(f'"kind" is {kind!r}', f"the kinds are {', '.join(get_args(Kind))}")
    exchanges = list[Exchange]()
    for each in rows_at(row, "conversation", place):
        said = (text_at(each, name, place) for name in ("input", "output", "system"))
        exchanges.append(Exchange(*said))
    return Conversation(tuple(exchanges), kind, str(place), text_at(row, "passage", place))


def _alpaca(row: Row, place: Place, source: SourceSettings) -> Result:
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise place.error('"history" is not a list of pairs', 'write [["question", "answer"], …] under "history"')
    system = text_at(row, "system", place)
    asked = "\n".join(filter(None, (text_at(row, name, place) for name in ("instruction", "input"))))
    answer = text_at(row, "output", place) or text_at(row, "response", place) or text_at(row, "chosen", place)
    pairs = [(str(one).strip(), str(other).strip()) for one, other in history] + [(asked, answer)]
    return Conversation(tuple(Exchange(one, other, system) for one, other in pairs), "question", str(place))


def _sharegpt(row: Row, place: Place, source: SourceSettings) -> Result:
    turns = rows_at(row, "conversations", place)
    if "from" not in turns[0]:
        return _messages({**row, "messages": turns}, place, source)
    chosen = row.get("chosen")
    turns = [*turns, *([chosen] if isinstance(chosen, dict) else [{"from": "gpt", "value": chosen}] if chosen else [])]
    messages = list[Row]()
    for turn in turns:
        role = _SHAREGPT.get(str(turn.get("from")))
        if role is None:
            raise place.error(f'"from" is {turn.get("from")!r}', f"the roles are {', '.join(_SHAREGPT)}")
        messages.append({"role": role, "content": text_at(turn, "value", place)})
    system = text_at(row, "system", place)
    return from_messages(system, messages, row.get("tools"), place)


def _messages(row: Row, place: Place, source: SourceSettings) -> Result:
    messages = rows_at(row, "messages", place)
    for message in messages:
        if message.get("role") not in ROLES_OF_MESSAGES:
            raise place.error(f'"role" is {message.get("role")!r}', f"the roles are {', '.join(ROLES_OF_MESSAGES)}")
    return from_messages(text_at(row, "system", place), messages, row.get("tools"), place)


def _feedback(row: Row, place: Place, source: SourceSettings) -> Result:
    if row.get("reviewed") is not True and str(row.get("reviewed")).lower() not in {"true", "1", "yes", "是"}:
        return place.left_out("nobody has reviewed it")
    corrected = text_at(row, "corrected_answer", place)
    rating = str(row.get("rating", row.get("feedback", ""))).lower()
    if not corrected and rating in _REJECTED:
        return place.left_out(f"the answer was rated {rating} and not corrected")
    asked = text_at(row, "question", place)
    passage = text_at(row, "passage", place)
    answer = corrected or text_at(row, "answer", place)
    return Conversation((Exchange(asked, answer),), "feedback", str(place), passage)


def _text(row: Row, place: Place, source: SourceSettings) -> Result:
    return Conversation((Exchange("", text_at(row, "text", place)),), "text", str(place))
