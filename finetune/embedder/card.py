"""The model card of the bundled embedder: README.md beside the model."""

from dataclasses import dataclass

CARD = "README.md"
LICENCE = "CC BY-SA 4.0"
_SOURCES = (
    ("[OI-wiki](https://github.com/OI-wiki/OI-wiki)", "documents, Chinese", "CC BY-SA 4.0"),
    ("[JavaGuide](https://github.com/Snailclimb/JavaGuide)", "documents, Chinese", "Apache-2.0"),
    (
        "[动手学深度学习](https://github.com/d2l-ai/d2l-zh)",
        "documents, Chinese; paragraphs beside their English originals",
        "Apache-2.0",
    ),
    (
        "[Computer Networks: A Systems Approach](https://github.com/SystemsApproach/book), Peterson and Davie",
        "documents, English",
        "CC BY 4.0",
    ),
    ("[Open Data Structures](https://github.com/patmorin/ods), Pat Morin", "documents, English", "CC BY 2.5 CA"),
    ("[CMRC 2018](https://github.com/ymcui/cmrc2018), Cui et al.", "questions and passages, Chinese", "CC BY-SA 4.0"),
    (
        "[DRCD](https://github.com/DRCKnowledgeTeam/DRCD), Shao et al.",
        "questions and passages, Traditional Chinese",
        "CC BY-SA 3.0",
    ),
    ("[CC-CEDICT](https://cc-cedict.org), MDBG and contributors", "Chinese words with English glosses", "CC BY-SA 4.0"),
    ("[jieba](https://github.com/fxsjy/jieba), Sun Junyi", "frequencies of Chinese words", "MIT"),
    (
        "[all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)",
        "first vectors of English words and glosses",
        "Apache-2.0",
    ),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run did. pairs: by kind. threads: the same number of them gives the same bytes."""

    command: str
    seed: int
    threads: int
    steps: int
    tokens: int
    dimension: int
    pairs: dict[str, int]
    held_out: int
    size: int


def model_card(facts: Facts) -> str:
    """The card as Markdown."""
    sources = "\n".join(f"| {name} | {use} | {licence} |" for name, use, licence in _SOURCES)
    pairs = "\n".join(f"| {kind} | {count:,} |" for kind, count in facts.pairs.items())
    return f"""---
license: cc-by-sa-4.0
language: [zh, en]
pipeline_tag: sentence-similarity
---

# keben-zh-en

A static embedder for Chinese and English: the vector of a text is the mean of its words' vectors. {facts.tokens:,}
tokens (whole Chinese words, characters, English words) of {facts.dimension} dimensions in 8 bits, {facts.size:,} bytes
of weights and tokenizer. A question in one language finds passages in the other. It runs on numpy and a tokenizer,
without a GPU and without torch.

Texts are to be normalised as `vector_db.tokenizer.normalise` does (`"normalised": true` in keben.json): lower case,
Simplified characters.

## How it was made

    {facts.command}

Seed {facts.seed}, {facts.threads} threads, {facts.steps:,} steps: the same command on the same machine gives the same
bytes. The first vector of an English word is that of all-MiniLM-L6-v2, of a Chinese word that of its glosses in
CC-CEDICT, reduced to {facts.dimension} principal components and weighted by smooth inverse frequency. Then contrastive
training with in-batch negatives on these pairs:

| Pairs | Number |
|---|---|
{pairs}

A fifth of the documents and passages, told by a hash of their content, was kept out of all of this
({facts.held_out:,} rows): the weights of Keben's retriever are fitted on it. Of a book that is there both as
documents and as translated paragraphs the two are held out apart, so a held-out document may have been seen beside its
translation.

## Data

| Source | Used as | Licence |
|---|---|---|
{sources}

The model is a work derived from these and is under {LICENCE}.

## Limits

Word order is not seen: "A calls B" and "B calls A" are one text. Formulas and program text are read as the words in
them. Languages other than Chinese and English are unknown tokens. It was made for textbooks on computing and
mathematics, and knows the words of other subjects from the dictionary and encyclopedic passages alone. Use it beside
a keyword index, not in its place.
"""
