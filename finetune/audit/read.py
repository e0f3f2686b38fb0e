"""Data sets to examine: a folder with train.jsonl and test.jsonl, or files of rows as others write them.

The readers of `finetune.dataset` leave out rows without an answer, and others that an audit is to find: here they stay.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.errors import DatasetError
from finetune.conversations import KINDS, Conversation, Exchange, Kind, read_conversations

_ASKS, _ANSWERS = {"human", "user"}, {"gpt", "assistant"}


def read_dataset(paths: Sequence[Path]) -> tuple[list[Conversation], list[Conversation]]:
    """Rows to train on, and rows to test on. A file is to train on unless its name begins with `test`.

    Raises DatasetError.
    """
    train: list[Conversation] = []
    test: list[Conversation] = []
    for path in paths:
        if path.is_dir():
            train += read_conversations(path / "train.jsonl")
            test += read_conversations(path / "test.jsonl") if (path / "test.jsonl").exists() else []
        else:
            (test if path.name.startswith("test") else train).extend(_read_file(path))
    if not train + test:
        raise DatasetError(f"no rows in {', '.join(map(str, paths))}", mend="name a data set with rows")
    return train, test


def _read_file(path: Path) -> list[Conversation]:
    """XTuner, alpaca, ShareGPT or multiple-choice rows, as a JSON array or one a line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if text.lstrip().startswith("[") else list(_lines(text))
        return [_row(row, f"{path.name}, row {number}") for number, row in enumerate(rows, 1)]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}", mend="name a file or a folder") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no JSON: {error}", mend="make rows of other files first: keben finetune dataset"
        ) from error


def _lines(text: str) -> Iterator[Any]:
    yield from (json.loads(line) for line in text.split("\n") if line.strip())


def _row(row: Any, where: str) -> Conversation:
    fault = "nothing is said in it"
    kind: Kind = "question"
    try:
        turns = tuple(_turns(row))
        kind = next((one for one in KINDS if one == row.get("kind")), kind)
        # Elsewhere it names where the whole file is from.
        source = row.get("source") if "conversation" in row else None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        turns, fault = (), repr(error)
    if not turns or not all(isinstance(part, str) for turn in turns for part in (turn.input, turn.output, turn.system)):
        raise DatasetError(f"{where}: not a conversation: {fault}", mend="write XTuner, alpaca or ShareGPT rows")
    return Conversation(turns, kind, source if isinstance(source, str) and source else where)


def _turns(row: dict[str, Any]) -> Iterator[Exchange]:
    if "conversation" in row:
        yield from (
            Exchange(one.get("input") or "", one["output"], one.get("system") or "") for one in row["conversation"]
        )
    elif said := row.get("conversations") or row.get("messages"):
        chosen = [row["chosen"]] if "chosen" in row else []
        parts = [(one.get("from") or one["role"], one["value"] if "value" in one else one["content"])
                 for one in [*said, *chosen]]  # fmt: skip
        system = next((text for role, text in parts if role == "system"), row.get("system") or "")
        asked = ""
        for role, text in parts:
            if role in _ASKS:
                asked = text
            elif role in _ANSWERS:
                yield Exchange(asked, text, system)
                asked = ""
    elif "options" in row:
        options = "\n".join(f"{letter}. {text}" for letter, text in row["options"].items())
        yield Exchange(f"{row['question']}\n{options}", row["answer"])
    else:
        asked = "\n".join(part for part in (row["instruction"], row.get("input")) if part)
        yield Exchange(asked, row["output"], row.get("system") or "")
