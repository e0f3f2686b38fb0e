"""How fast a model embeds with torch and with each of its graphs, and how far the vectors agree.

    python benchmarks/embedding.py FOLDER [--passages 64] [--tokens 300] [--batch 16] [--rounds 3]

FOLDER is that of a sentence-transformers model, or the name of the bundled one or of one on the hub; its graphs are
what `python -m vector_db.export FOLDER` has written or the model came with. All run on the processor in one process,
by turns, so that what else the machine does falls on all alike; figures are medians over the rounds. On a machine that
others use, look at the processor time. `nearest` is the share of passages whose nearest other passage is that of torch.
Kinds whose library is absent are named on stderr.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.errors import ModelError
from core.settings import PROJECT, EmbeddingSettings
from vector_db.embedder import BUNDLED, Embedder, Vectors, model_folder, open_embedder
from vector_db.token_counter import TokenCounter

_READABLE = 0.1


class Rate(NamedTuple):
    """Passages of one round, by the clock and by the time of all threads."""

    a_second: float
    a_processor_second: float


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=BUNDLED)
    parser.add_argument("--passages", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--books", type=Path, default=PROJECT / "knowledge")
    options = parser.parse_args()
    settings = EmbeddingSettings(model=options.model, batch_size=options.batch, device="cpu")
    folder = model_folder(settings)
    texts = passages(options.books, TokenCounter(folder), options.passages, options.tokens)
    embedders = opened(settings, folder)
    rates, vectors = measured(embedders, texts, options.rounds)
    print(f"{len(texts)} passages of {options.tokens} tokens, batches of {options.batch}, {options.rounds} rounds\n")
    print(table(rates, vectors))


def passages(books: Path, counter: TokenCounter, count: int, tokens: int) -> list[str]:
    """Consecutive paragraphs of the books that the model can read, joined to `tokens` tokens."""
    parts: list[str] = []
    for path in sorted(books.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if counter.unknown_rate(text) <= _READABLE:
            parts += [part for part in text.split("\n\n") if part.strip()]
    found, lines, length = [], list[str](), 0
    for part, size in zip(parts, counter(parts), strict=True):
        lines.append(part)
        length += size
        if length >= tokens:
            found.append("\n\n".join(lines))
            lines, length = [], 0
    if not found:
        raise ModelError(f"the model can read no Markdown book in {books}", mend="name others with --books")
    return [f"{row // len(found)} {found[row % len(found)]}" for row in range(count)]


def opened(settings: EmbeddingSettings, folder: Path) -> dict[str, Embedder]:
    """The model in torch, first, and in each graph that its folder holds and that can be opened."""
    embedders = {"torch": open_embedder(settings)}
    graphs = [("onnx", path) for path in sorted(folder.rglob("*.onnx"))]
    graphs += [("openvino", path) for path in sorted([*folder.rglob("*.xml"), *folder.rglob("*.onnx")])]
    for backend, path in graphs:
        file = path.relative_to(folder).as_posix()
        try:
            embedders[f"{backend}: {file}"] = open_embedder(
                settings.model_copy(update={"backend": backend, "backend_file": file})
            )
        except ModelError as error:
            print(f"{backend}: {file}: {error}", file=sys.stderr)
    return embedders


def measured(
    embedders: dict[str, Embedder], texts: list[str], rounds: int
) -> tuple[dict[str, list[Rate]], dict[str, Vectors]]:
    """The rates of each round, and the vectors, by name of the embedder."""
    vectors = {name: embedder.encode(texts) for name, embedder in embedders.items()}
    rates: dict[str, list[Rate]] = {name: [] for name in embedders}
    for number in range(rounds):
        for name, embedder in embedders.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            started, used = time.monotonic(), time.process_time()
            embedder.encode(texts)
            elapsed, spent = time.monotonic() - started, time.process_time() - used
            rates[name].append(Rate(len(texts) / elapsed, len(texts) / spent))
    return rates, vectors


def table(rates: dict[str, list[Rate]], vectors: dict[str, Vectors]) -> str:
    """Markdown; ratios are medians over the rounds of the ratio to torch in the same round."""
    lines = ["| | passages/s | x torch | x torch in processor time | cosine mean | cosine least | nearest |"]
    lines.append("|---" * 7 + "|")
    torch = vectors["torch"]
    for name, those in rates.items():
        pairs = list(zip(those, rates["torch"], strict=True))
        wall = statistics.median(rate.a_second / base.a_second for rate, base in pairs)
        processor = statistics.median(rate.a_processor_second / base.a_processor_second for rate, base in pairs)
        speed = f"{statistics.median(rate.a_second for rate in those):.1f} | {wall:.2f} | {processor:.2f}"
        cosines = (vectors[name] * torch).sum(axis=1)
        same = np.mean(nearest(vectors[name]) == nearest(torch))
        lines.append(f"| {name} | {speed} | {cosines.mean():.5f} | {cosines.min():.5f} | {same:.2f} |")
    return "\n".join(lines)


def nearest(vectors: Vectors) -> NDArray[np.intp]:
    """The row of each row's nearest other."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    return np.asarray(cosines.argmax(axis=1))


if __name__ == "__main__":
    main()
