"""Messages as OpenAI's API and ShareGPT keep them; calls of tools in the words of InternLM2's chat format.

    system      the prompt, then `<|im_start|>system name=<|plugin|>` with the tools as JSON
    assistant   its words, then `<|action_start|><|plugin|>` with the call as JSON, then `<|action_end|>`
    environment a tool's result, after `<|im_start|>environment name=<|plugin|>`

Source: InternLM's chat/chat_format.md. In a conversation, which knows only questions and answers, a tool's result
is the question that follows a call.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.conversations import Conversation, Exchange
from finetune.dataset.found import LeftOut, Place

ROLES_OF_MESSAGES = ("system", "developer", "user", "assistant", "tool", "function", "function_call")
ENVIRONMENT = "<|im_start|>environment name=<|plugin|>\n"
_TOOLS = "<|im_end|>\n<|im_start|>system name=<|plugin|>\n"
_CALL, _END = "<|action_start|><|plugin|>\n", "<|action_end|>"
_ASKS, _ANSWERS = frozenset({"user", "tool", "function"}), frozenset({"assistant", "function_call"})
Message = Mapping[str, Any]


def from_messages(system: str, messages: Sequence[Message], tools: Any, place: Place) -> Conversation | LeftOut:
    """The exchanges, of kind `agent` where a tool is called. Raises DatasetError for turns out of order."""
    prompts = [system] if system else []
    turns: list[tuple[bool, str]] = []
    agent = False
    for message in messages:
        role = str(message["role"])
        if role in {"system", "developer"}:
            prompts.append(_content(message, place))
            continue
        asks = role in _ASKS
        agent = agent or role in {"tool", "function", "function_call"} or bool(message.get("tool_calls"))
        said = _asked(message, role, place) if asks else _answered(message, role, place)
        if turns and turns[-1][0] == asks:
            turns[-1] = (asks, f"{turns[-1][1]}\n{said}".strip())
        else:
            turns.append((asks, said))
    if not turns or not turns[0][0]:
        raise place.error("the first turn is not the user's", "begin with the user's message")
    if turns[-1][0]:
        return place.left_out("the last turn has no answer")
    prompt = "\n".join(filter(None, prompts)) + (_listed(tools, place) if agent else "")
    pairs = zip(turns[::2], turns[1::2], strict=True)
    exchanges = tuple(Exchange(asked, answer, prompt) for (_, asked), (_, answer) in pairs)
    return Conversation(exchanges, "agent" if agent else "question", str(place))


def _listed(tools: Any, place: Place) -> str:
    """What the system prompt says of the tools."""
    if not tools:
        return ""
    if isinstance(tools, str):
        tools = _parsed(tools, "tools", place)
    if not isinstance(tools, list):
        raise place.error(f'"tools" is {str(tools)[:60]!r}, not a list', 'write a list under "tools"')
    named = [tool["function"] if isinstance(tool, dict) and "function" in tool else tool for tool in tools]
    return _TOOLS + json.dumps(named, ensure_ascii=False)


def _asked(message: Message, role: str, place: Place) -> str:
    said = _content(message, place)
    return said if role == "user" else ENVIRONMENT + said


def _answered(message: Message, role: str, place: Place) -> str:
    said = _content(message, place)
    if role == "function_call":
        return _call(_parsed(said, "function_call", place), place)
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise place.error(f'"tool_calls" is {str(calls)[:60]!r}, not a list of objects', "write a list of calls")
    return said + "".join(_call(call.get("function", call), place) for call in calls)


def _call(call: Any, place: Place) -> str:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise place.error(f"a call without a name: {str(call)[:60]!r}", 'write {"name": …, "arguments": {…}}')
    given = call.get("arguments", call.get("parameters", {}))
    if isinstance(given, str):
        given = _parsed(given, "arguments", place)
    return _CALL + json.dumps({"name": call["name"], "parameters": given}, ensure_ascii=False) + _END


def _parsed(text: str, name: str, place: Place) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise place.error(f'"{name}" is not JSON: {error}', "write it as JSON") from error


def _content(message: Message, place: Place) -> str:
    """The text of a message, whole or in parts. Raises DatasetError for a part that is no text."""
    content = message.get("content")
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "\n".join(str(part.get("text", "")) for part in content)
    if content is not None and not isinstance(content, str):
        raise place.error(f'"content" is {str(content)[:60]!r}, not text', "leave out images and sounds")
    return (content or "").strip()
