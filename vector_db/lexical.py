"""The keyword index: BM25 by `bm25s`, memory-mapped, kept in the generation.

The terms of every chunk are kept beside it, so that a chunk that did not change is not cut into words again.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt
from core.text import plain
from vector_db.tokenizer import tokens

# Low `b`: sections differ in length by nature, and a long one is no worse an answer.
_K1, _B = 0.9, 0.4
_TERMS, _LENGTHS, _FREQUENCIES = "terms.npy", "lengths.npy", "frequencies.npy"
Ids = NDArray[np.int32]


def index_terms(heading: str, body: str) -> list[str]:
    """The terms under which a chunk is found: its headings' and its body's."""
    return tokens(heading) + tokens(plain(body))


class TermTable:
    """The terms of all chunks, in the order of their rows, as numbers."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self._ids: list[Ids] = []
        self._lengths: list[Ids] = []

    def add(self, documents: Iterable[Sequence[str]]) -> None:
        """Chunks that are new, by their terms."""
        number = self.vocabulary.setdefault
        ids = [[number(term, len(self.vocabulary)) for term in terms] for terms in documents]
        self._ids.append(np.array([term for row in ids for term in row], dtype=np.int32))
        self._lengths.append(np.array([len(row) for row in ids], dtype=np.int32))

    def copy(self, base: "StoredTerms", rows: slice) -> None:
        """Chunks that another generation has in `rows`. Words that only its other chunks use stay behind."""
        ids, lengths = base.terms(rows)
        used, places = np.unique(ids, return_inverse=True)
        number = self.vocabulary.setdefault
        own = np.array([number(base.words[term], len(self.vocabulary)) for term in used], dtype=np.int32)
        self._ids.append(own[places] if len(used) else ids)
        self._lengths.append(lengths)

    def arrays(self) -> tuple[Ids, Ids]:
        """The terms of all chunks end to end, and how many each chunk has."""
        none = np.zeros(0, dtype=np.int32)
        return np.concatenate([none, *self._ids]), np.concatenate([none, *self._lengths])


class StoredTerms:
    """The terms in a finished index."""

    def __init__(self, folder: Path) -> None:
        """Map those in `folder`; raises GenerationCorrupt."""
        try:
            self._terms: Ids = np.load(folder / _TERMS, mmap_mode="r")
            self._lengths: Ids = np.load(folder / _LENGTHS)
            vocabulary: dict[str, int] = bm25s.BM25.load(folder, mmap=True, show_progress=False).vocab_dict
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise _unreadable(folder, error) from error
        self._ends = np.concatenate([[0], np.cumsum(self._lengths, dtype=np.int64)])
        self.words = sorted(vocabulary, key=vocabulary.__getitem__)

    def terms(self, rows: slice) -> tuple[Ids, Ids]:
        """The terms of the chunks in `rows` end to end, and how many each chunk has."""
        return np.asarray(self._terms[self._ends[rows.start] : self._ends[rows.stop]]), self._lengths[rows]


def write_lexical(folder: Path, table: TermTable) -> None:
    """Index the chunks of `table`; chunk 0, 1, ... is document 0, 1, ..."""
    terms, lengths = table.arrays()
    vocabulary = {**table.vocabulary}
    vocabulary.setdefault("", len(vocabulary))
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    frequencies, index.scores = _bm25(terms, lengths, len(vocabulary))
    index.vocab_dict, index.nonoccurrence_array = vocabulary, None
    index.save(folder, show_progress=False)
    np.save(folder / _FREQUENCIES, frequencies)
    np.save(folder / _TERMS, terms)
    np.save(folder / _LENGTHS, lengths)


def _bm25(terms: Ids, lengths: Ids, words: int) -> tuple[Ids, dict[str, object]]:
    """Document frequencies, and bm25s's matrix (documents x words, by columns), all words at once.

    Lucene's form (Kamphuis et al., ECIR 2020), as `bm25s` computes it document by document, which takes
    minutes and gigabytes for 100,000 chunks.
    """
    documents = len(lengths)
    place = np.repeat(np.arange(documents, dtype=np.int64), lengths) + terms.astype(np.int64) * max(documents, 1)
    pairs, counts = np.unique(place, return_counts=True)
    columns, rows = np.divmod(pairs, max(documents, 1))
    frequencies = np.bincount(columns, minlength=words)
    idf = np.log(1 + (documents - frequencies + 0.5) / (frequencies + 0.5))
    mean = lengths.mean() if terms.size else 1.0
    saturation = counts / (counts + _K1 * (1 - _B + _B * lengths[rows] / mean))
    matrix: dict[str, object] = {
        "data": (idf[columns] * saturation).astype(np.float32),
        "indices": rows.astype(np.int32),
        "indptr": np.concatenate([[0], np.cumsum(frequencies)]).astype(np.int64),
        "num_docs": documents,
    }
    return frequencies.astype(np.int32), matrix


class LexicalIndex:
    """Read-only BM25 over the chunks of one generation; safe to share between threads."""

    def __init__(self, folder: Path, size: int) -> None:
        """Map the index of `size` chunks in `folder`; raises GenerationCorrupt."""
        try:
            self._index = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            self._frequencies = np.load(folder / _FREQUENCIES, mmap_mode="r")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise _unreadable(folder, error) from error
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


def _unreadable(folder: Path, error: Exception) -> GenerationCorrupt:
    return GenerationCorrupt(f"the keyword index in {folder} cannot be read: {error}", mend=REBUILD)
