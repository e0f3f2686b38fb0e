"""Pairs of texts that mean the same or belong together: what a contrastive training learns from."""

import random
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.text import plain
from finetune.embedder.data import Document, TrainingData, Translation
from finetune.embedder.progress import Progress, silent
from finetune.embedder.sections import passages, sections, sentences
from vector_db.tokenizer import normalise

Pair = tuple[str, str]
# How often a batch is drawn from each kind of pair.
MIXTURE = {
    "zh heading": 2.0,
    "zh headings": 1.0,
    "zh sentence": 2.0,
    "en heading": 0.6,
    "en headings": 0.4,
    "en sentence": 1.0,
    "question": 2.5,
    "translation": 2.0,
    "gloss": 1.5,
}
GLOSSES = 3  # of a word, taken as pairs
_SHORTEST_PASSAGE = 40
_PASSAGE = {"zh": 600, "en": 1500}  # characters
_SENTENCE = {"zh": (12, 120), "en": (12, 300)}
_SENTENCES = 3  # of a passage, at most
_STOP_ZH, _STOP_EN = re.compile(r"(?<=[。！？])"), re.compile(r"(?<=[.!?])\s+")


@dataclass(slots=True)
class PairSet:
    """pairs: by kind, as in MIXTURE. texts: each text once, without the variants that pairs make of it."""

    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)

    def add(self, kind: str, left: str, right: str) -> None:
        """A pair, if neither side is empty."""
        if left and right:
            self.pairs.setdefault(kind, []).append((left, right))


def clean(text: str) -> str:
    """A text as the embedder will see it: without markup, in lower case and Simplified characters."""
    return normalise(plain(text))


def make_pairs(data: TrainingData, seed: int, progress: Progress = silent) -> PairSet:
    """Pairs of all kinds but glosses. The same data and seed give the same pairs."""
    draw, made = random.Random(seed), PairSet()
    total = len(data.documents) + len(data.questions) + len(data.translations)
    for number, document in enumerate(data.documents):
        progress("pairs", number, total)
        _add_document(made, document, draw)
    for question, passage in data.questions:
        left, right = clean(question), clean(passage)
        made.add("question", left, right)
        made.texts |= {left: None, right: None}
    for number, translation in enumerate(data.translations, total - len(data.translations)):
        progress("pairs", number, total)
        for left, right in _translated(translation, draw):
            made.add("translation", left, right)
            made.texts |= {left: None, right: None}
    if "translation" in made.pairs:
        made.pairs["translation"] = sorted(set(made.pairs["translation"]))
    progress("pairs", total, total)
    return made


def gloss_pairs(glosses: Mapping[str, Sequence[str]], words: Container[str]) -> list[Pair]:
    """Each word of the vocabulary `words` beside its first glosses."""
    return [(word, gloss) for word, said in glosses.items() if word in words for gloss in said[:GLOSSES]]


def _add_document(made: PairSet, document: Document, draw: random.Random) -> None:
    language = document.language
    for section in sections(document.text):
        headings = clean(" ".join(section.path))
        for passage in passages(section.body, _PASSAGE[language]):
            right = clean(passage)
            if len(right) < _SHORTEST_PASSAGE:
                continue
            made.texts |= {headings: None, right: None}
            if section.path:
                made.add(f"{language} heading", clean(section.path[-1]), right)
            if len(section.path) > 1:
                made.add(f"{language} headings", headings, right)
            for sentence, rest in cloze(passage, section.path, language, draw):
                made.add(f"{language} sentence", clean(sentence), clean(rest))


def cloze(passage: str, path: Sequence[str], language: str, draw: random.Random) -> Iterator[Pair]:
    """Up to three sentences of a passage, each with the rest of it, half of the time under its headings.

    Lee et al., "Latent Retrieval for Weakly Supervised Open Domain Question Answering", ACL 2019 (inverse cloze task).
    """
    found = sentences(passage, *_SENTENCE[language])
    if len(found) < _SENTENCES:
        return
    for sentence in draw.sample(found, min(_SENTENCES, len(found) // 2)):
        heading = " > ".join(path) + "\n" if draw.random() < 0.5 else ""
        yield sentence, heading + passage.replace(sentence, " ")


def _translated(translation: Translation, draw: random.Random) -> Iterator[Pair]:
    """Paragraph, heading, and sentence by sentence where both sides have as many; else one with the other side."""
    chinese, english = translation.chinese, translation.english
    yield clean(chinese), clean(english)
    if translation.headings:
        yield clean(translation.headings[0]), clean(translation.headings[1])
    left = [part for part in _STOP_ZH.split(chinese) if part.strip()]
    right = [part for part in _STOP_EN.split(english) if part.strip()]
    if len(left) == len(right) > 1:
        yield from ((clean(one), clean(other)) for one, other in zip(left, right, strict=True))
    elif len(right) > 2:
        yield clean(chinese), clean(draw.choice(right))
        yield clean(english), clean(draw.choice(left))
