"""Hard negatives: passages that the keyword index takes for the answer, and that are not."""

import random
from collections.abc import Sequence

import numpy as np

from finetune.embedder.books import Books, Example
from finetune.embedder.progress import Progress, silent
from vector_db.files import LEXICAL
from vector_db.lexical import LexicalIndex
from vector_db.tokenizer import tokens

_HARDEST = 5  # one is drawn among so many: the first may be an answer too


def hard_negatives(books: Books, examples: Sequence[Example], seed: int, progress: Progress = silent) -> list[str]:
    """For each example the text of a chunk of another section, never of one that is held out.

    Xiong et al., "Approximate Nearest Neighbor Negative Contrastive Learning", ICLR 2021, section 2 (BM25 negatives).
    """
    index = LexicalIndex(books.folder / LEXICAL, len(books.bodies))
    section_of, draw = np.array(books.section_of), random.Random(seed)
    seen = ~np.array([section.held_out for section in books.sections])[section_of]
    chosen: list[str] = []
    for number, example in enumerate(examples):
        if number % 100 == 0:
            progress("find counterexamples", number, len(examples))
        scores = np.where(seen & (section_of != example.section), index.scores(tokens(example.query, index.words)), 0)
        best = [int(row) for row in np.argsort(-scores, kind="stable")[: _HARDEST + 1] if scores[row] > 0]
        best = [row for row in best if books.bodies[row] not in example.passage][:_HARDEST]
        others = best or [int(row) for row in np.flatnonzero(seen & (section_of != example.section))]
        chosen.append(books.bodies[draw.choice(others)])
    progress("find counterexamples", len(examples), len(examples))
    return chosen
