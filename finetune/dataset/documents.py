"""Documents that hold questions: text files here, all others by the readers of books in their sandbox."""

from pathlib import Path

from core.errors import DatasetError
from core.settings import IngestSettings
from finetune.dataset.exam import read_exam
from finetune.dataset.found import Found, LeftOut
from finetune.dataset.pairs import looks_like_pairs, read_pairs
from ingest.readers.text import decode
from ingest.sandbox import parse_in_sandbox

PLAIN = frozenset({".txt", ".md", ".markdown"})


def read_document(path: Path, label: str, limits: IngestSettings) -> Found:
    """The questions of a document. Raises DatasetError where it holds none, UnreadableBookError where it is damaged."""
    notes: tuple[str, ...] = ()
    if path.suffix.lower() in PLAIN:
        text = decode(path).replace("\r\n", "\n")
    else:
        book = parse_in_sandbox(path, limits)
        text, notes = book.text, book.notes
    found = read_pairs(text, path, label) if looks_like_pairs(text) else read_exam(text, path, label)
    if not found.kept:
        why = f"; {found.left_out[0].where}: {found.left_out[0].reason}" if found.left_out else ""
        raise DatasetError(
            f"{path} holds no question with an answer{why}",
            mend="number the questions and write 答案： below each, or write input: and output: before them",
        )
    found.outside += [LeftOut(label, note) for note in notes]
    return found
