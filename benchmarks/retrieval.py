"""Retrieval against the usual ways of doing it: `python benchmarks/retrieval.py [--data DIR] [--sets NAME ...]`.

Markdown tables on stdout, progress on stderr. Exit code 2 when the data, or the packages of LangChain, are not there:
`pip install '.[bench]'`, or leave that system out with --without-langchain.

Sets. Folders as in `evaluate.corpus`: files whose gold is a file or a span of one, or a corpus of passages, which
becomes one Markdown file with a section for each; the gold passage is then the span of its text. Where NAME_zh and
NAME_en are parallel corpora (the ids of their passages differ in that name alone), the questions of one are asked of
the passages of the other too: the sets NAME_en→zh and NAME_zh→en ("->" will do on the command line).

Systems. All read the same files, and all embed by the embedder of the settings, the bundled one if nothing is set.

    BM25 …      Lucene's BM25 (k1 1.2, b 0.75; bm25s) by tokenizer: Chinese as character bigrams; cut by jieba in search
                mode; the same without Keben's stop words; bigrams and jieba's words together. Latin words are
                lower-cased, not stemmed
    dense       cosine, exact
    tutorial    windows of 500 characters, 150 of them shared with the next, cosine, exact
    LangChain   EnsembleRetriever with weights 0.5 and 0.5 and its own constant (60) over a BM25Retriever, jieba in
                search mode as its preprocess_func, and an InMemoryVectorStore; each is asked for 10
    Keben       a real rebuild into a temporary folder, then the real retriever, with the settings of the environment

All but the tutorial rank Keben's own passages, with title and headings as Keben indexes them, so that they differ from
Keben in ranking alone. Dense takes the vectors that Keben made, and makes those that Keben did not because the embedder
cannot read the book.

Gold, one rule for all: a result is relevant when it comes from the gold file and its [start, end) overlaps the gold
span by a character or more, or, where the gold is a whole file, when it comes from it (`evaluate.gold.is_relevant`).

Figures. MRR@10, R@1, R@5 and nDCG@10 as in `evaluate.measures`. Each row has Keben's ratio to the best of the others,
marked ←, which is picked after the fact and by that row, in their favour; the difference in points (hundredths), and
its 95 % interval: 1,000 bootstrap samples of queries, paired. In the mean over sets every set counts the same, and
queries are drawn within their set. Sets across languages are in tables of their own, the last of which has R@5 against
plain BM25 (jieba).
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ranking.ensemble import require_packages
from ranking.run import run_sets
from ranking.sets import find_sets
from ranking.table import tables

from core.errors import KebenError
from core.settings import PROJECT

DATA = PROJECT.parent / "shared" / "data" / "retrieval"


def main() -> int:
    """Run all sets and print the tables; the exit code."""
    parser = argparse.ArgumentParser(description="Retrieval of Keben against BM25, dense, a tutorial and LangChain.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the sets ({DATA})")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    parser.add_argument("--without-langchain", action="store_true", help="where its packages are not installed")
    options = parser.parse_args()
    try:
        if not options.without_langchain:
            require_packages()
        with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as scratch:
            folders = find_sets(options.data, options.sets, Path(scratch))
            print(tables(run_sets(folders, not options.without_langchain)))
    except KebenError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
