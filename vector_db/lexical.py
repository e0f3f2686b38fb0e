"""The keyword index: BM25 by `bm25s`, memory-mapped, kept in the generation."""

from collections.abc import Sequence
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt
from core.text import plain
from vector_db.tokenizer import tokens

# Low `b`: sections differ in length by nature, and a long one is no worse an answer.
_K1, _B = 0.9, 0.4


def index_terms(heading: str, body: str) -> list[str]:
    """The terms under which a chunk is found: its headings' and its body's."""
    return tokens(heading) + tokens(plain(body))


def write_lexical(folder: Path, documents: Sequence[Sequence[str]]) -> None:
    """Index `documents` (terms of chunk 0, 1, ...) into `folder`."""
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms] for terms in documents]
    vocabulary.setdefault("", len(vocabulary))
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    index.index(bm25s.tokenization.Tokenized(ids=ids, vocab=vocabulary), show_progress=False)
    index.save(folder, show_progress=False)
    frequencies = np.zeros(len(vocabulary), dtype=np.int32)
    for row in ids:
        frequencies[list(set(row))] += 1
    np.save(folder / "frequencies.npy", frequencies)


class LexicalIndex:
    """Read-only BM25 over the chunks of one generation; safe to share between threads."""

    def __init__(self, folder: Path, size: int) -> None:
        """Map the index of `size` chunks in `folder`; raises GenerationCorrupt."""
        try:
            self._index = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            self._frequencies = np.load(folder / "frequencies.npy", mmap_mode="r")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise GenerationCorrupt(f"the keyword index in {folder} cannot be read: {error}", mend=REBUILD) from error
        self._size = size
        self._vocabulary: dict[str, int] = self._index.vocab_dict

    def scores(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """BM25 score of every chunk, shape (chunks,); zeros when no term is known."""
        known = [term for term in terms if term in self._vocabulary]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)

    def idf(self, term: str) -> float:
        """Inverse document frequency (Lucene's form); a term in no chunk gets the highest value."""
        row = self._vocabulary.get(term)
        frequency = int(self._frequencies[row]) if row is not None else 0
        return float(np.log(1 + (self._size - frequency + 0.5) / (frequency + 0.5)))
