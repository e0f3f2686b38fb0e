"""Which words the embedder knows, and the tokenizer that finds them.

The pieces of a Unigram tokenizer (Kudo, "Subword Regularization", ACL 2018) are whole words here: chosen by how often
they stand in the texts, in jieba's dictionary, and in the glosses of frequent Chinese words. Words that are not
known are put together from characters, or from pieces of English words.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import ConfigError
from finetune.embedder.dictionary import Glosses
from finetune.embedder.progress import Progress, silent
from vector_db.tokenizer import cut_all, word_frequencies

UNKNOWN = "<unk>"
_HAN = "\u4e00-\u9fff"
_RUN = re.compile(rf"[{_HAN}]+|[a-z]+")
_CHINESE, _ENGLISH = re.compile(rf"[{_HAN}]{{1,5}}"), re.compile("[a-z]+")
_SYMBOLS = "+#=<>%$∑∫√≤≥→∈∞×αβγδεζηθικλμνξπρστυφχψω"
_NUMBERS = [str(number) for number in (*range(100), *range(1900, 2031))]
# Punctuation is in no run, so it is no token: it says nothing, and would count as unknown.
_SPLIT = rf"[{_HAN}]+|[a-z]+|[0-9]+|[{re.escape(_SYMBOLS)}]|[^\W\d_{_HAN}a-z]+"
# Log-probabilities of what is not counted: pieces are worse than any word, letters worse still.
_PIECE, _LETTER, _SYMBOL, _NUMBER = -16.0, -17.0, -8.0, -9.0
_WITHOUT_GLOSS = 0.4  # what a word counts for whose meaning is not known


@dataclass(frozen=True, slots=True)
class Sizes:
    """Most tokens of each kind. pieces: parts of English words."""

    characters: int = 6_500
    words: int = 16_500
    english: int = 14_400
    pieces: int = 1_500


@dataclass(frozen=True, slots=True)
class Counts:
    """How often the training texts say each Chinese word (as jieba cuts it) and each English word."""

    chinese: Counter[str]
    english: Counter[str]


def count_words(texts: Sequence[str], progress: Progress = silent) -> Counts:
    """The words of normalised texts."""
    chinese, english = Counter[str](), Counter[str]()
    for number, text in enumerate(texts):
        if number % 1000 == 0:
            progress("count words", number, len(texts))
        for run in _RUN.findall(text):
            if run.isascii():
                english[run] += 1
            else:
                chinese.update(cut_all(run))
    progress("count words", len(texts), len(texts))
    return Counts(chinese, english)


def choose(counts: Counts, glosses: Glosses, general: Sequence[str], sizes: Sizes) -> dict[str, float]:
    """Token → log-probability, the unknown token first.

    general: English words from the most to the least common, of a vocabulary made on other texts.
    """
    chinese = _chinese_scores(counts.chinese)
    english = _english_scores(counts.english, glosses, chinese, general)
    chosen = {UNKNOWN: 0.0}
    ranked = _ranked(chinese, lambda word: 1 if word in glosses or len(word) == 1 else _WITHOUT_GLOSS)
    known = [word for word in ranked if len(word) == 1 and (word in glosses or counts.chinese[word])]
    for word in known[: sizes.characters] + [word for word in ranked if len(word) > 1][: sizes.words]:
        chosen[word] = math.log(max(chinese[word] / 2, 1e-9))
    for word in [word for word in _ranked(english) if len(word) > 1][: sizes.english]:
        chosen[word] = math.log(max(english[word], 1e-8))
    unknown = sorted(word for word in english if word not in chosen)
    for token, logarithm in (
        *((piece, _PIECE) for piece in _pieces(unknown, sizes.pieces)),
        *((chr(code), _LETTER) for code in range(ord("a"), ord("z") + 1)),
        *((number, _NUMBER) for number in _NUMBERS),
        *((symbol, _SYMBOL) for symbol in _SYMBOLS),
    ):
        chosen.setdefault(token, logarithm)
    return {token: round(logarithm, 2) for token, logarithm in chosen.items()}


def tokenizer_json(vocabulary: Mapping[str, float]) -> str:
    """tokenizer.json: lower case, no accents, runs of one script, the likeliest cut of each."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    if next(iter(vocabulary), None) != UNKNOWN:
        raise ConfigError("the unknown token is not the first of the vocabulary", mend=f"put {UNKNOWN} first")
    tokenizer = Tokenizer(models.Unigram(list(vocabulary.items()), unk_id=0, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True)
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))


def _ranked(scores: Mapping[str, float], factor: Callable[[str], float] = lambda word: 1) -> list[str]:
    """The highest score first; among equals the first in the order of characters, so that runs agree."""
    return sorted(scores, key=lambda word: (-scores[word] * factor(word), word))


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    total = sum(counts.values()) or 1
    return {word: count / total for word, count in counts.items()}


def _chinese_scores(counts: Counter[str]) -> dict[str, float]:
    """Share in the texts plus share in jieba's dictionary, of words of one to five characters."""
    here, elsewhere = _shares(counts), _shares(word_frequencies())
    words = filter(_CHINESE.fullmatch, sorted({*here, *elsewhere}))
    return {word: here.get(word, 0) + elsewhere.get(word, 0) for word in words}


def _english_scores(
    counts: Counter[str], glosses: Glosses, chinese: Mapping[str, float], general: Sequence[str]
) -> dict[str, float]:
    """Half by the texts, a fifth by the glosses of frequent Chinese words, the rest by general use (Zipf's law)."""
    said: defaultdict[str, float] = defaultdict(float)
    for word, meanings in glosses.items():
        for meaning in meanings:
            for part in set(_ENGLISH.findall(meaning)):
                said[part] += chinese.get(word, 1e-8)
    common = {word: 1 / (rank + 10) for rank, word in enumerate(filter(_ENGLISH.fullmatch, general))}
    here, there, elsewhere = _shares(counts), _shares(said), _shares(common)
    return {
        word: 0.5 * here.get(word, 0) + 0.2 * there.get(word, 0) + 0.3 * elsewhere.get(word, 0)
        for word in sorted({*here, *there, *elsewhere})
    }


def _pieces(words: Iterable[str], most: int) -> list[str]:
    """The commonest stretches of two to six letters of words that are not tokens."""
    counts = Counter(
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 2, min(start + 6, len(word)) + 1)
    )
    return _ranked(counts)[:most]
