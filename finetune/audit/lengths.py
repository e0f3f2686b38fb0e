"""How many tokens the rows have. Pure functions, given what counts them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.text import cjk_count
from finetune.audit.findings import Finding, finding
from finetune.audit.rows import Row

Count = Callable[[str], int]
# Tokens of a Chinese character and of any other, as the tokenizers of InternLM2 and Qwen have at most on textbooks.
_PER_CHINESE, _PER_OTHER = 0.75, 0.3
_AROUND_TURN = 8  # <|im_start|>user, newline, <|im_end|>, …
_BINS = 40


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of rows, in tokens. by: what counted them. over: the share of rows longer than `limit`.

    edges, counts: of a histogram, the last edge closed.
    """

    by: str
    shortest: int
    median: int
    high: int  # 95 of 100 rows are no longer
    longest: int
    limit: int
    over: float
    edges: tuple[int, ...]
    counts: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(text: str) -> int:
    """Tokens of a text by its characters."""
    chinese = cjk_count(text)
    return round(chinese * _PER_CHINESE + (len(text) - chinese) * _PER_OTHER)


def counter(folder: Path | None) -> tuple[Count, str]:
    """What counts tokens, and its name: the tokenizer of a model's folder, or an estimate. Raises ModelError."""
    if folder is None:
        return estimate, "an estimate by characters"
    from transformers import AutoTokenizer

    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder of a tokenizer", mend="name the folder of the model")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder} has no tokenizer that can be read: {error}", mend="name the model's folder"
        ) from error

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    return count, f"the tokenizer in {folder}"


def row_length(row: Row, count: Count) -> int:
    """Tokens of a row in a chat format; the system prompt stands once."""
    system = row.turns[0].system
    texts = [part for turn in row.turns for part in (turn.input, turn.output)]
    around = 0 if row.is_text else _AROUND_TURN * (len(texts) + bool(system))
    return around + sum(map(count, [system, *texts]))


def lengths(rows: Sequence[Row], limit: int, folder: Path | None = None) -> tuple[Lengths, list[Finding]]:
    """The lengths of all rows, and those that are too long."""
    count, by = counter(folder)
    found = [row_length(row, count) for row in rows]
    long = [
        (row, row.question, f"{size} tokens")
        for row, size in zip(rows, found, strict=True)
        if size > limit and not row.is_text
    ]
    summary = f"are longer than {limit} tokens ({by})"
    todo = "shorten or split them, or train with a larger max_length: the end of the answer is cut off"
    return _measured(found, by, limit), finding("too-long", "warning", long, len(rows), summary, todo, many=True)


def _measured(found: Sequence[int], by: str, limit: int) -> Lengths:
    ordered = sorted(found) or [0]
    step = max(-(-(ordered[-1] + 1) // _BINS), 1)
    edges = tuple(range(0, ordered[-1] + step + 1, step))
    counts = [0] * (len(edges) - 1)
    for size in found:
        counts[size // step] += 1
    over = sum(size > limit for size in found) / max(len(found), 1)
    return Lengths(
        by, ordered[0], _at(ordered, 0.5), _at(ordered, 0.95), ordered[-1], limit, over, edges, tuple(counts)
    )


def _at(ordered: Sequence[int], share: float) -> int:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
