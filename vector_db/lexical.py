"""The keyword index: BM25 by `bm25s`, memory-mapped, kept in the generation.

The terms of every chunk are kept beside it, so that a chunk that did not change is not cut into words again, and so is
a vector for each word, by which words of like meaning are found.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt
from core.text import plain
from vector_db.book_terms import BookTerms
from vector_db.embedder import Embedder
from vector_db.glossary import Glossary
from vector_db.tokenizer import Words, tokens

# Low `b`: sections differ in length by nature, and a long one is no worse an answer.
_K1, _B = 0.9, 0.4
_TERMS, _LENGTHS, _HEADINGS, _FREQUENCIES = "terms.npy", "lengths.npy", "headings.npy", "frequencies.npy"
_WORDS, _VECTORS = "book_terms.json", "word_vectors.npy"
_BATCH = 8192
Ids = NDArray[np.int32]
Terms = tuple[list[str], list[str]]


def index_terms(heading: str, body: str, words: Words | None = None) -> Terms:
    """The terms under which a chunk is found: its headings' and its body's."""
    words = words or Words()
    return tokens(heading, words), tokens(plain(body), words)


class TermTable:
    """The terms of all chunks, in the order of their rows, as numbers: a chunk's headings' first, then its body's."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self.books: dict[str, BookTerms] = {}
        self._ids: list[Ids] = []
        self._lengths: list[Ids] = []
        self._headings: list[Ids] = []

    def add(self, documents: Iterable[Terms]) -> None:
        """Chunks that are new, by their terms."""
        number = self.vocabulary.setdefault
        ids: list[int] = []
        lengths: list[tuple[int, int]] = []
        for heading, body in documents:
            ids += (number(term, len(self.vocabulary)) for part in (heading, body) for term in part)
            lengths.append((len(heading) + len(body), len(heading)))
        both = np.array(lengths, dtype=np.int32).reshape(-1, 2)
        self._ids.append(np.array(ids, dtype=np.int32))
        self._lengths.append(both[:, 0])
        self._headings.append(both[:, 1])

    def copy(self, base: "StoredTerms", rows: slice) -> None:
        """Chunks that another generation has in `rows`. Words that only its other chunks use stay behind."""
        ids, lengths, headings = base.terms(rows)
        used, places = np.unique(ids, return_inverse=True)
        number = self.vocabulary.setdefault
        own = np.array([number(base.words[term], len(self.vocabulary)) for term in used], dtype=np.int32)
        self._ids.append(own[places] if len(used) else ids)
        self._lengths.append(lengths)
        self._headings.append(headings)

    def arrays(self) -> tuple[Ids, Ids, Ids]:
        """The terms of all chunks end to end, how many each chunk has, and how many of these are its headings'."""
        none = np.zeros(0, dtype=np.int32)
        parts = (self._ids, self._lengths, self._headings)
        ids, lengths, headings = (np.concatenate([none, *part]) for part in parts)
        return ids, lengths, headings


class StoredTerms:
    """The terms in a finished index."""

    def __init__(self, folder: Path, vocabulary: Mapping[str, int] | None = None) -> None:
        """Map those in `folder`; raises GenerationCorrupt. vocabulary: where it is known already."""
        try:
            self._terms: Ids = np.load(folder / _TERMS, mmap_mode="r")
            self._lengths: Ids = np.load(folder / _LENGTHS)
            self._headings: Ids = np.load(folder / _HEADINGS)
            if vocabulary is None:
                vocabulary = bm25s.BM25.load(folder, mmap=True, show_progress=False).vocab_dict
            stored = json.loads((folder / _WORDS).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise _unreadable(folder, error) from error
        self._ends = np.concatenate([[0], np.cumsum(self._lengths, dtype=np.int64)])
        self._vocabulary = vocabulary
        self.books = {
            book: BookTerms(tuple(terms["words"]), tuple((chinese, english) for chinese, english in terms["glossary"]))
            for book, terms in stored.items()
        }

    @cached_property
    def words(self) -> list[str]:
        """The words by their numbers."""
        return sorted(self._vocabulary, key=self._vocabulary.__getitem__)

    def terms(self, rows: slice) -> tuple[Ids, Ids, Ids]:
        """The terms of the chunks in `rows` end to end, how many each has, and how many are its headings'."""
        stretch = self._terms[self._ends[rows.start] : self._ends[rows.stop]]
        return np.asarray(stretch), self._lengths[rows], self._headings[rows]

    def of_chunk(self, row: int) -> tuple[Ids, Ids]:
        """The terms of a chunk's headings, and of its body, in order."""
        start, end = self._ends[row], self._ends[row + 1]
        middle = start + self._headings[row]
        return np.asarray(self._terms[start:middle]), np.asarray(self._terms[middle:end])


def write_lexical(folder: Path, table: TermTable, embedder: Embedder) -> None:
    """Index the chunks of `table`; chunk 0, 1, ... is document 0, 1, ... embedder: for the vectors of words."""
    terms, lengths, headings = table.arrays()
    vocabulary = {**table.vocabulary}
    vocabulary.setdefault("", len(vocabulary))
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    frequencies, index.scores = _bm25(terms, lengths, len(vocabulary))
    index.vocab_dict, index.nonoccurrence_array = vocabulary, None
    index.save(folder, show_progress=False)
    np.save(folder / _FREQUENCIES, frequencies)
    np.save(folder / _TERMS, terms)
    np.save(folder / _LENGTHS, lengths)
    np.save(folder / _HEADINGS, headings)
    np.save(folder / _VECTORS, _word_vectors(sorted(vocabulary, key=vocabulary.__getitem__), embedder))
    books = {book: asdict(terms) for book, terms in table.books.items()}
    (folder / _WORDS).write_text(json.dumps(books, ensure_ascii=False), encoding="utf-8")


def _word_vectors(words: Sequence[str], embedder: Embedder) -> NDArray[np.int8]:
    """Unit vectors of words in 8 bits, shape (words, dimension): 127 stands for 1."""
    vectors = np.zeros((len(words), embedder.dimension), dtype=np.int8)
    for start in range(0, len(words), _BATCH):
        vectors[start : start + _BATCH] = np.rint(embedder.encode(words[start : start + _BATCH]) * 127)
    return vectors


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
            self.word_vectors: NDArray[np.int8] = np.load(folder / _VECTORS, mmap_mode="r")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise _unreadable(folder, error) from error
        self._size = size
        self._vocabulary: dict[str, int] = self._index.vocab_dict
        self.stored = StoredTerms(folder, self._vocabulary)
        terms = self.stored.books.values()
        self.words = Words(word for book in terms for word in book.words)
        self.glossary = Glossary(pair for book in terms for pair in book.glossary)

    @property
    def highest_idf(self) -> float:
        """Of a term that stands in one chunk alone."""
        return float(np.log(1 + (self._size - 0.5) / 1.5))

    def number(self, term: str) -> int | None:
        """The number of a term, as in `word_vectors`; None if no chunk has it."""
        return self._vocabulary.get(term)

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
