"""The file that questions are appended to, so that a run which was stopped goes on where it ended."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.errors import DatasetError
from finetune.conversations import Conversation
from finetune.near_duplicates import grams

_NEAR = 0.7


class SynthesisLog:
    """Rows as data sets have them, each with the id of its passage; beside it, in `FILE.done`, the ids of all passages.

    The rows of a passage are written first, then its id: rows without it are of a run that was killed between them, and
    are cut off, so that the passage is asked about again.

    done: ids of passages that have been asked about. questions: how many the file holds.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; a line that a killed run left unfinished is cut off. Raises DatasetError."""
        self._path, self._ids = path, path.with_name(f"{path.name}.done")
        self._known: list[int] = []  # how many runs of three characters each question has
        self._having: dict[int, list[int]] = {}
        self.questions = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lost = path.exists() and not self._ids.exists()
            self._ids.touch()
            self.done = {line for line in _whole_lines(self._ids) if line}
            end = 0
            for number, line in enumerate(_whole_lines(path), 1):
                if not self._add(line, number, lost):
                    os.truncate(path, end)
                    break
                end += len(line.encode("utf-8")) + 1
            if lost:
                _append(self._ids, sorted(self.done))
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror}", mend="name another file") from error

    def takes(self, question: str) -> bool:
        """Whether no question before is nearly the same; then it counts as one from now on."""
        mine = grams(question)
        shared = Counter(other for gram in mine for other in self._having.get(gram, ()))
        alike = any(common >= _NEAR * (len(mine) + self._known[other] - common) for other, common in shared.items())
        if not alike:
            for gram in mine:
                self._having.setdefault(gram, []).append(len(self._known))
            self._known.append(len(mine))
        return not alike

    def append(self, passage_id: str, conversations: Sequence[Conversation]) -> None:
        """Write the questions of a passage, then that it is done. Raises DatasetError."""
        rows = [json.dumps({**one.to_json(), "passage_id": passage_id}, ensure_ascii=False) for one in conversations]
        try:
            _append(self._path, rows)
            _append(self._ids, [passage_id])
        except OSError as error:
            raise DatasetError(
                f"{self._path} cannot be written: {error.strerror}", mend="free space; the next run goes on from here"
            ) from error
        self.done.add(passage_id)
        self.questions += len(rows)

    def _add(self, line: str, number: int, lost: bool) -> bool:
        """Count a row of a passage that is done. lost: `FILE.done` is, so that every row counts as one."""
        try:
            row = json.loads(line)
            question, passage_id = row["conversation"][0]["input"], row["passage_id"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise DatasetError(
                f"{self._path}, line {number}: not a row of this command: {error}", mend="name a new file with --out"
            ) from error
        if lost:
            self.done.add(passage_id)
        elif passage_id not in self.done:
            return False
        self.takes(question)
        self.questions += 1
        return True


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
    return data[:end].decode("utf-8", errors="replace").split("\n")[:-1] if end else []


def _append(path: Path, lines: Sequence[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
