"""A library of invented books: words as frequent as in real ones, and an embedder that costs next to nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random

import jieba
import numpy as np

from core.settings import PROJECT
from core.text import language_of

BOOKS, WORDS, DIMENSION = 50, 60, 384
# A chapter keeps to some words of its own, as real ones do; vectors without any neighbourhood suit no index.
SECTIONS_OF_CHAPTER, TOPIC_WORDS, TOPIC_SHARE = 40, 30, 0.4
_LATIN = re.compile(r"[A-Za-z]{2,}")


class Words:
    """Words of one language, drawn as often as real books have them."""

    def __init__(self, counts: Counter[str], join: str, stop: str) -> None:
        """join: between words. stop: after a sentence."""
        self.words = sorted(counts)
        self._weights = np.cumsum([counts[word] for word in self.words]).tolist()
        self.join, self.stop = join, stop

    def draw(self, chance: Random, count: int) -> list[str]:
        """`count` words."""
        return chance.choices(self.words, cum_weights=self._weights, k=count)


@cache
def _languages() -> list[Words]:
    """Chinese and English, counted in the bundled books."""
    counts: dict[str, Counter[str]] = {"zh": Counter(), "en": Counter()}
    for path in sorted((PROJECT / "knowledge").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if language_of(text) == "zh":
            counts["zh"].update(word for word in jieba.cut(text) if "\u4e00" <= word[0] <= "\u9fff")
        else:
            counts["en"].update(word.lower() for word in _LATIN.findall(text))
    return [Words(counts["zh"], "", "。"), Words(counts["en"], " ", ". ")]


def write_book(path: Path, number: int, sections: int, edition: int = 1) -> None:
    """A Markdown book; each section is short enough to be one passage. Another edition has other words."""
    path.write_text("".join(_book(number, sections, edition)), encoding="utf-8")


def _book(number: int, sections: int, edition: int) -> Iterator[str]:
    chance = Random(f"{number}:{edition}")
    language = _languages()[number % 2]
    topic: list[str] = []
    yield f"# Book {number}\n\n"
    for section in range(sections):
        if section % SECTIONS_OF_CHAPTER == 0:
            topic = sorted(set(chance.choices(language.words, k=TOPIC_WORDS)))
            yield f"## {language.join.join(topic[:3])}\n\n"
        yield f"### {language.join.join(chance.choices(topic, k=3))} {section}\n\n"
        yield f"{sentence(language, topic, chance, WORDS)}\n\n"


def sentence(language: Words, topic: list[str], chance: Random, count: int) -> str:
    """`count` words in sentences of twelve, some of them the chapter's own."""
    words = language.draw(chance, count)
    words = [chance.choice(topic) if chance.random() < TOPIC_SHARE else word for word in words]
    lines = [language.join.join(words[start : start + 12]) for start in range(0, count, 12)]
    return language.stop.join(lines) + language.stop.strip()


def questions(count: int) -> list[str]:
    """Questions of a few words, half of them Chinese."""
    chance = Random("questions")
    found = []
    for row in range(count):
        language = _languages()[row % 2]
        found.append(language.join.join(chance.choices(language.words, k=4)) + "?")
    return found


def save_model(folder: Path, texts: Iterable[str]) -> None:
    """A sentence-transformers model that adds up a fixed random vector for each word or Chinese character."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    alone = pre_tokenizers.Split(Regex("[\u4e00-\u9fff]|[0-9]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), alone])
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    weights = np.random.default_rng(1).standard_normal((tokenizer.get_vocab_size(), DIMENSION)).astype(np.float32)
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder))
