"""The tokenizer of a model folder: whether its ids, its special tokens and its chat template fit the model."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from rag.engine.chat_template import ANSWER, check_template, read_template
from rag.engine.model_config import ModelConfig
from rag.engine.model_files import FETCH, read_json, read_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SAME_MODEL = "take tokenizer.json, tokenizer_config.json and config.json from the same model"
# What ends a turn in the chat formats of InternLM and Qwen, Llama 3, Phi 3, Command and Gemma.
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<|END_OF_TURN_TOKEN|>", "<end_of_turn>")
_MARK = re.compile(r"<\|[^<>|\s]+\|>|<(?:start|end)_of_turn>|\[UNUSED_TOKEN_\d+\]")
_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class ChatTokenizer:
    """What the tokenizer files say."""

    chat_template: str  # Jinja
    end_ids: tuple[int, ...]  # ascending


def read_chat_tokenizer(folder: Path, config: ModelConfig) -> ChatTokenizer:
    """Raises ModelError naming what is missing or does not fit."""
    tokenizer = _load(folder)
    rows, largest = config.vocab_size, max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= rows:
        raise ModelError(
            f"{folder / 'tokenizer.json'} has {tokenizer.id_to_token(largest)!r} as id {largest}, "
            f"the model has rows for {rows} tokens (vocab_size)",
            mend=SAME_MODEL,
        )
    described = folder / "tokenizer_config.json"
    given = read_json(described) if described.is_file() else {}
    tokens = _named_tokens(folder, given)
    template = read_template(folder, given)
    text = check_template(template, tokens, folder)
    _check_marks(folder, tokenizer, text)
    ends = _end_ids(folder, config, tokenizer, tokens, text)
    if not ends:
        raise ModelError(
            f"{folder} names no token that ends a turn: neither eos_token in tokenizer_config.json nor "
            f"eos_token_id in generation_config.json, and its tokenizer has none of {', '.join(TURN_ENDS)}",
            mend="take tokenizer_config.json and generation_config.json from the chat model",
        )
    return ChatTokenizer(template, tuple(sorted(ends)))


def _load(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        slow = next((name for name in ("tokenizer.model", "vocab.json") if (folder / name).is_file()), None)
        if slow is None:
            raise ModelError(f"{folder} has no tokenizer: tokenizer.json is missing", mend=FETCH)
        raise ModelError(
            f"{folder} has only the slow tokenizer {slow}, tokenizer.json is missing",
            mend="fetch tokenizer.json too, or save a fast tokenizer into the folder with transformers: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)",
        )
    read_json(path)
    try:
        return Tokenizer.from_str(read_text(path))
    except Exception as error:  # the library raises Exception itself
        raise ModelError(f"{path} is no tokenizer: {error}", mend=FETCH) from error


def _named_tokens(folder: Path, given: dict[str, Any]) -> dict[str, str]:
    """bos_token, eos_token, … as text; older folders have them in special_tokens_map.json alone."""
    older = folder / "special_tokens_map.json"
    both = (read_json(older) if older.is_file() else {}) | {name: given[name] for name in _NAMES if given.get(name)}
    tokens = {}
    for name in _NAMES:
        token = both.get(name)
        if token := token.get("content") if isinstance(token, dict) else token:
            tokens[name] = str(token)
    return tokens


def _check_marks(folder: Path, tokenizer: "Tokenizer", text: str) -> None:
    """Each mark that the template writes must be one token, or the model never sees the end of a turn."""
    for mark in dict.fromkeys(_MARK.findall(text)):
        number = tokenizer.token_to_id(mark)
        if number is None or tokenizer.encode(mark, add_special_tokens=False).ids != [number]:
            raise ModelError(
                f"the chat template in {folder} writes {mark}, which is not one token of its tokenizer", mend=SAME_MODEL
            )


def _end_ids(folder: Path, config: ModelConfig, tokenizer: "Tokenizer", tokens: dict[str, str], text: str) -> set[int]:
    """Ids that end an answer: those that the files name, the known ones, and what the template puts after one."""
    end = tokens.get("eos_token")
    if end is not None and tokenizer.token_to_id(end) is None:
        raise ModelError(
            f"{folder / 'tokenizer_config.json'}: eos_token {end} is no token of tokenizer.json", mend=SAME_MODEL
        )
    known = [tokenizer.token_to_id(token) for token in (*TURN_ENDS, *([end] if end else []))]
    ids = {number for number in known if number is not None}
    path = folder / "generation_config.json"
    for file, values in ((config.path, config.values), (path, read_json(path) if path.is_file() else {})):
        ids |= _named_ids(file, values.get("eos_token_id"), config.vocab_size)
    after = text[text.index(ANSWER) + len(ANSWER) :].lstrip()
    first = tokenizer.encode(after, add_special_tokens=False).ids[:1]
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    return ids | ({*first} & special)


def _named_ids(file: Path, value: Any, rows: int) -> set[int]:
    ids = value if isinstance(value, list) else [] if value is None else [value]
    wrong = next((number for number in ids if not isinstance(number, int) or number >= rows), None)
    if wrong is not None:
        raise ModelError(f"{file}: eos_token_id {wrong!r} is no id below vocab_size {rows}", mend=SAME_MODEL)
    return {number for number in ids if number >= 0}  # -1 stands for none
