"""How well the citation check knows which passage supports a sentence: `python benchmarks/citations.py [--data DIR]`.

Markdown tables on stdout. The first: precision, recall and F1 of "this passage supports this sentence", by kind and
pair of languages (`citing/pairs.py` says what they are made of), for the score of `rag.support` at the thresholds that
it is served with and for baselines, each at the threshold whose F1 is best on the other half:

    terms     share of the sentence's terms that the passage has, with the tokenizer of the keyword index
    ROUGE-L   longest common subsequence over the sentence's length, Chinese by character (Lin, "ROUGE", 2004)
    cosine    of the sentence and the nearest sentence of the passage, with the bundled embedder

The second: sentences of which one number was changed. The third: statements beside five passages, one of which supports
them, with the marker of another passage or with none: what markers they have after the check. `--choose` prints what
the first half says of the thresholds.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from citing.mended import mended
from citing.numbers import numbers_found
from citing.pairs import LANGUAGES, Pair, pairs
from ranking.table import markdown

from core.settings import PROJECT
from evaluate.decisions import Curve, at_threshold, best_threshold, curve, roc_auc
from evaluate.intervals import Array
from evaluate.overlap import answer_tokens
from rag.support import ACROSS_LANGUAGES, SAME_LANGUAGE, Evidence
from vector_db.embedder import bundled_embedder
from vector_db.tokenizer import tokens

DATA = PROJECT.parent / "shared" / "data" / "retrieval"
OURS = "Keben"
# The least precision of markers that are added, in the same language and across.
CLEAR = (0.97, 0.90)
Group = tuple[str, str, str, int]
Scored = dict[str, tuple[list[float], list[float]]]


def main() -> int:
    """Score all pairs and print the tables; the exit code."""
    parser = argparse.ArgumentParser(description="How well the citation check knows what supports a sentence.")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the sets ({DATA})")
    parser.add_argument("--limit", type=int, default=200, help="of each kind, pair of languages and half (200)")
    parser.add_argument("--choose", action="store_true", help="print thresholds chosen on the first half")
    options = parser.parse_args()
    scored = scores_of(pairs(options.data, options.limit))
    print(table(scored))
    print("\n" + number_table(options.data))
    print("\n" + mended_table(options.data, options.limit))
    if options.choose:
        print("\n" + chosen(scored))
    return 0


def scores_of(found: list[Pair]) -> dict[Group, Scored]:
    """By group and system, the scores of passages that support and of those that do not."""
    scored: dict[Group, Scored] = defaultdict(lambda: defaultdict(lambda: ([], [])))
    for number, pair in enumerate(found):
        print(f"\r{number + 1} of {len(found)}", end="", file=sys.stderr)
        for wrong, passages in ((0, pair.right), *((1, some) for some in pair.wrong)):
            for system, score in systems(pair.text, passages).items():
                scored[pair.kind, pair.said, pair.read, pair.half][system][wrong].append(score)
    print(file=sys.stderr)
    return scored


def systems(text: str, passages: tuple[str, ...]) -> dict[str, float]:
    """What each system says of the best of some passages, 0 to 1."""
    scores = Evidence(passages, "", bundled_embedder().encode).scores(text)
    assert scores is not None
    best: dict[str, Callable[[str], float]] = {
        "terms": lambda one: shared(text, one),
        "ROUGE-L": lambda one: rouge(text, one),
    }
    return {
        OURS: float(scores.total.max()),
        **{name: max(map(score, passages)) for name, score in best.items()},
        "cosine": float(scores.cosines.max()),
    }


def shared(text: str, passage: str) -> float:
    """Share of the terms of `text` that the passage has."""
    terms, there = set(tokens(text)), set(tokens(passage))
    return len(terms & there) / len(terms)


def rouge(text: str, passage: str) -> float:
    """The recall of ROUGE-L."""
    said, read = answer_tokens(text), answer_tokens(passage)
    row = [0] * (len(read) + 1)
    for token in said:
        before = 0
        for at, other in enumerate(read, 1):
            above = row[at]
            row[at] = before + 1 if token == other else max(above, row[at - 1])
            before = above
    return row[-1] / max(len(said), 1)


def table(scored: dict[Group, Scored]) -> str:
    """A row for each kind, pair of languages and system, on the second half."""
    rows: list[list[str]] = []
    for kind, said, read, half in sorted(scored):
        for system in scored[kind, said, read, half] if half else ():
            accept, reject = arrays(scored[kind, said, read, 1][system])
            limits = SAME_LANGUAGE if said == read else ACROSS_LANGUAGES
            best = best_threshold(*pooled(scored, system, same=said == read))
            figures = at_threshold(accept, reject, limits.supports if system == OURS else best)
            cells = [f"{value:.2f}" for value in (*figures.values(), roc_auc(accept, reject))]
            rows.append([kind, f"{said} → {read}", f"{len(accept)} + {len(reject)}", system, *cells])
    return markdown(("kind", "languages", "pairs", "system", "precision", "recall", "F1", "AUC"), rows)


def number_table(data: Path) -> str:
    """How many changed numbers are found, and how many true sentences are flagged."""
    rows: list[list[str]] = []
    for said in LANGUAGES:
        for read in LANGUAGES:
            found = numbers_found(data, said, read)
            precision = found.flagged / max(found.flagged + found.wrongly, 1)
            recall = found.flagged / found.changed
            rows.append(
                [f"{said} → {read}", str(found.changed), f"{precision:.2f}", f"{recall:.2f}", str(found.wrongly)]
            )
    head = ("languages", "sentences, true and changed", "precision", "recall", "true ones flagged")
    return markdown(head, rows)


def mended_table(data: Path, limit: int) -> str:
    """What becomes of wrong markers and of sentences without one."""
    rows: list[list[str]] = []
    for marker in (True, False):
        for said in LANGUAGES:
            for read in LANGUAGES:
                found = mended(data, said, read, limit, marker=marker)
                shares = (f"{count / found.total:.2f}" for count in (found.right, found.none, found.wrong))
                rows.append([f"{said} → {read}", "a wrong one" if marker else "none", str(found.total), *shares])
    return markdown(("languages", "marker", "statements", "right after", "none after", "wrong after"), rows)


def chosen(scored: dict[Group, Scored]) -> str:
    """The thresholds with the best F1, and with the precision of markers that are added, on the first half."""
    lines: list[str] = []
    for name, same, least in (("same language", True, CLEAR[0]), ("across", False, CLEAR[1])):
        accept, reject = pooled(scored, OURS, same=same)
        lines.append(
            f"{name}: supports {best_threshold(accept, reject):.3f}, clear {precise(curve(accept, reject), least):.3f}"
        )
    return "\n".join(lines)


def precise(found: Curve, least: float) -> float:
    """The lowest threshold from which on up the precision is at least `least`."""
    enough = np.flatnonzero(found.precision >= least)
    return float(found.thresholds[enough[-1]]) if len(enough) else 1.0


def pooled(scored: dict[Group, Scored], system: str, *, same: bool) -> tuple[Array, Array]:
    """All scores of the first half, in the same language or across."""
    parts = [
        arrays(some[system]) for (_, said, read, half), some in scored.items() if not half and (said == read) == same
    ]
    accept, reject = zip(*parts, strict=True)
    return np.concatenate(accept), np.concatenate(reject)


def arrays(scores: tuple[list[float], list[float]]) -> tuple[Array, Array]:
    """The scores of passages that support, and of those that do not."""
    return np.array(scores[0]), np.array(scores[1])


if __name__ == "__main__":
    raise SystemExit(main())
