"""Text of books, students and teachers made harmless inside a prompt. Pure functions.

Two things must not come out of it: a token of a chat template, which would open a turn of its own, and a line that
looks like one of the prompt's own labels or numbers, which would end the passages or add one. Both are told by what a
tokenizer or a model may take them for: in ordinary width, and without characters that have no width.
"""

import re
import unicodedata
from collections.abc import Iterable

# Tokens of InternLM2, Qwen, GLM, Llama 2 to 4, Mistral, Gemma, DeepSeek, Phi, Yi, Baichuan, T5 and BERT. Names between
# angle brackets are listed, since <b>, <stdio.h> and vector<int> are none.
_TOKEN = re.compile(
    r"<\|[^<>|\n]{0,80}\|>"
    r"|</?(?:s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eod|think|tools?|tool_\w{1,20}|function\w{0,20}|start_of_\w{1,20}"
    r"|end_of_\w{1,20}|fim_\w{1,20}|image_soft_token|unused_?\d{1,6}|reserved_\w{1,20}|extra_id_\d{1,6}|SPECIAL_\d{1,6})>"
    r"|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_\w{1,20}|ARGS|CALL_ID|IMG\w{0,10}|THINK|[gs]?MASK|CLS|SEP|PAD|UNK"
    r"|BOS|EOS|UNUSED_TOKEN_\d{1,6}|unused_?\d{1,6}|control_\d{1,6})\]"
)
# Whatever NFKC makes < or [ of.
_OPENING = re.compile(r"[<\[＜﹤［﹇]")
_LINE_END = re.compile(r"(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")
# What may stand before the first word of a line of Markdown.
_BEFORE = r"^[\s>#*_~|•·-]*"
_NUMBER = re.compile(_BEFORE + r"(?P<open>[\[【〔])\s*\d{1,3}\s*(?P<close>[\]】〕])")
# A marker of the book's own: after Chinese text, where a[3] and \sqrt[3]{x} cannot stand.
_MARKER = re.compile(r"(?<=[\u3400-\u9fff，。；：、！？）”」》])\[(\d{1,3})\]")
# How much of a line can be a label.
_HEAD = 80


def labels(words: Iterable[str]) -> re.Pattern[str]:
    """What `quoted` looks for: a line that begins with one of `words` and a colon."""
    return re.compile(_BEFORE + rf"(?:{'|'.join(map(re.escape, words))})[\s*_]*:", re.I)


def without_tokens(text: str) -> str:
    """`text` in which no token of a chat template is left: a blank stands inside its brackets.

    Also where it is written in full width, or with characters without width between its letters.
    """
    if not _OPENING.search(text):
        return text
    folded, places = _folded(text)
    cuts: set[int] = set()
    start = 0
    while token := _TOKEN.search(folded, start):
        start = token.start() + 1
        cuts.add(places[token.start()] + 1)
        if folded[token.start() + 1] == "|":
            cuts.add(places[token.end() - 1])
    ends = [*sorted(cuts), len(text)]
    return " ".join(text[begin:end] for begin, end in zip([0, *ends], ends, strict=False))


def one_line(text: str) -> str:
    """`text` without tokens, each run of blanks and ends of lines one blank."""
    return without_tokens(" ".join(text.split()))


def quoted(text: str, imitated: re.Pattern[str], *, first: bool = True) -> str:
    """`text` without tokens, and without lines that imitate: labels are quoted (> 问题：), [3] becomes (3).

    imitated: from `labels`. first: whether the first line begins a line of the prompt.
    """
    lines = _LINE_END.split(without_tokens(text))
    for place in range(0 if first else 2, len(lines), 2):
        lines[place] = _harmless(lines[place], imitated)
    return "".join(lines)


def without_markers(text: str) -> str:
    """`text` whose own [3] after Chinese words are (3), so that a model cannot copy them as markers."""
    return _MARKER.sub(r"(\1)", text)


def _harmless(line: str, imitated: re.Pattern[str]) -> str:
    folded, places = _folded(line[:_HEAD])
    if number := _NUMBER.match(folded):
        opened, closed = places[number.start("open")], places[number.start("close")]
        return f"{line[:opened]}({line[opened + 1 : closed]}){line[closed + 1 :]}"
    return f"> {line}" if imitated.match(folded) else line


def _folded(text: str) -> tuple[str, list[int]]:
    """`text` in ordinary width without what is not seen, and of each of its characters the place in `text`."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        if letter.isascii():
            kept = letter if letter >= " " or letter in "\t\n\r\v\f" else ""
        elif unicodedata.category(letter) in {"Cf", "Cc", "Mn", "Me"}:
            kept = ""
        else:
            kept = unicodedata.normalize("NFKC", letter)
        letters.append(kept)
        places += [place] * len(kept)
    return "".join(letters), places
