"""Refusal: `python benchmarks/refusal.py [--data DIR] [--languages zh en]`.

Which questions are answered from a book and which are refused, by Keben and by the score of a search alone. A Markdown
table on stdout, progress on stderr; minutes on two cores. Exit code 2 when the data are not there.

Questions. The knowledge base is one book, retrieval/hello_algo_qa_LANGUAGE below DIR (an introduction to algorithms),
rebuilt into a temporary folder. Its own questions are to be accepted. To be refused are those of ood/questions.jsonl in
the same language: far ones on other subjects, and near ones, on databases, where there are any. Every kind has rows of
its own.

Systems. Each gives a question one score; from its threshold up the question is accepted.

    BM25 score  of the best passage: plain BM25 over Keben's passages, cut by jieba in search mode
    cosine      of the best passage, exact, by the embedder of the settings
    Keben       relevance of the best passage that the service retrieves, and the threshold that it serves with

The threshold of Keben is the one that is served, and is not fitted to these questions. The others each get the
threshold of highest F1 on the very questions that they are then measured on, found anew for each row: better than
anyone could choose beforehand, in their favour.

Figures. F1 of acceptance: the harmonic mean of precision (accepted questions that are the book's) and recall (the
book's questions that are accepted). AUC needs no threshold: the chance that a question to accept scores above one to
refuse. Intervals: 95 %, 1,000 bootstrap samples, drawn from both kinds of questions apart; thresholds stay as they are,
and the difference of F1 is paired. No language model takes part: only the decision before one would be asked.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jieba
from ranking.passages import index_set
from refusing.scores import foreign_questions, scored
from refusing.table import rows, table

from core.errors import KebenError
from core.settings import PROJECT

DATA = PROJECT.parent / "shared" / "data"
LANGUAGES = ("zh", "en")


def main() -> int:
    """Measure every language and print the table; the exit code."""
    parser = argparse.ArgumentParser(description="Questions refused and accepted by Keben and by plain scores.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the test data ({DATA})")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=LANGUAGES, help="only these")
    options = parser.parse_args()
    jieba.setLogLevel(logging.WARNING)
    try:
        print(table([row for language in options.languages for row in run(options.data, language)]))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(data: Path, language: str) -> list[list[str]]:
    """The rows of one language."""
    folder = data / "retrieval" / f"hello_algo_qa_{language}"
    foreign = foreign_questions(data / "ood" / "questions.jsonl", language)
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as scratch:
        print(f"{folder.name}: indexing", file=sys.stderr, flush=True)
        indexed = index_set(folder, Path(scratch))
        own = [query.text for query in indexed.queries]
        print(f"{folder.name}: {len(own)} questions, {len(foreign)} foreign ones", file=sys.stderr, flush=True)
        result = scored(indexed, [*own, *(question.text for question in foreign)])
    return list(rows(folder.name, result, len(own), foreign))


if __name__ == "__main__":
    sys.exit(main())
