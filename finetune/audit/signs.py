"""Signs that do not belong into a text: tokens of chat templates, and characters that were decoded wrongly. Pure."""

import re
from collections.abc import Sequence

from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.rows import Row

# Of InternLM, Qwen, Llama, Mistral, Gemma, Phi, Command, ChatGLM, DeepSeek and GPT.
_TOKENS = re.compile(
    r"<\|[A-Za-z][\w.-]{0,40}\|>|<｜[^<>｜\n]{1,40}｜>|\[UNUSED_TOKEN_\d+\]|<TOKENS_UNUSED_\d+>|<(?:start|end)_of_turn>"
    r"|</?s>|<(?:bos|eos|pad|unk|eoa|eoh|eosys|mask)>|\[/?INST\]|<</?SYS>>|\[(?:g|s)?MASK\]|<(?:extra_id_\d+|0x[0-9A-F]{2})>"
)
# Bytes of UTF-8 read as Latin-1 or GBK, and memory that was never written.
_DECODED_WRONGLY = re.compile(
    r"\ufffd|锟斤拷|烫烫烫|ï»¿|â€[\x80-\x9f™œ“”˜¦]|(?:[åæçèéä][\x80-\xbf]{2}){2}|(?:Ã[\x80-\xbf]){2}|[\ud800-\udfff]"
)
_CONTROL = re.compile(r"[\x00-\x07\x0e-\x1f\x7f\ue000-\uf8ff]")
# Radicals and compatibility ideographs look like characters, and are other tokens.
_LOOKALIKES = re.compile("[\u2e80-\u2fd5\uf900-\ufaff]+")
_AROUND = 40


def signs(rows: Sequence[Row]) -> list[Finding]:
    """Template tokens, text that was decoded wrongly, and look-alikes of Chinese characters."""
    tokens, broken, alike = (
        _flaws(rows, _TOKENS, "the token "),
        _flaws(rows, _DECODED_WRONGLY, "decoded wrongly: ") + _flaws(rows, _CONTROL, "a sign without meaning: "),
        _flaws(rows, _LOOKALIKES, "look-alikes: "),
    )
    return [
        *finding(
            "template-token", "error", tokens, len(rows), "hold tokens of a chat template",
            "take them out: the tokenizer reads them as the end of a turn",
        ),
        *finding(
            "broken-text", "warning", broken, len(rows), "hold characters that were decoded wrongly",
            "export them anew as UTF-8", many=True,
        ),
        *finding(
            "compatibility", "note", alike, len(rows), "hold radicals that only look like characters",
            "normalise them (NFKC): the tokenizer has other tokens for them",
        ),
    ]  # fmt: skip


def template_tokens(text: str) -> list[str]:
    """Those in `text`, in order."""
    return _TOKENS.findall(text)


def _flaws(rows: Sequence[Row], pattern: re.Pattern[str], why: str) -> list[Flaw]:
    found: list[Flaw] = []
    for row in rows:
        for text in row.texts:
            if match := pattern.search(text):
                around = text[max(match.start() - _AROUND, 0) : match.end() + _AROUND]
                found.append(
                    (row, around, why + (match.group() if match.group().isprintable() else ascii(match.group())))
                )
                break
    return found
