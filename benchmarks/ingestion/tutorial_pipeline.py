"""The pipeline of the usual tutorials: read, RecursiveCharacterTextSplitter(500, 150), Chroma.from_documents, search.

    python tutorial_pipeline.py index BOOKS STORE MODEL         all Markdown files of BOOKS into a Chroma folder
    python tutorial_pipeline.py ask STORE MODEL QUESTIONS K     for each question the K best pieces, as JSON

The files are read as they are, which is quicker than the Markdown loader of unstructured. The splitter and the
loop are written out here as LangChain has them, whose packages Keben does not need; so are its defaults: batches of
32 texts, Chroma's own distance and index settings.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

SIZE, SHARED, BATCH = 500, 150, 32
MOST_AT_ONCE = 5000
SEPARATORS = ("\n\n", "\n", " ", "")


def split(text: str, separators: tuple[str, ...] = SEPARATORS) -> list[str]:
    """Pieces of at most SIZE characters, cut at the coarsest separator that will do (LangChain's algorithm)."""
    row = next(row for row, separator in enumerate(separators) if separator in text)
    separator, finer = separators[row], separators[row + 1 :]
    parts = list(text)
    if separator:
        first, *others = text.split(separator)
        parts = [part for part in (first, *(separator + other for other in others)) if part]
    pieces: list[str] = []
    short: list[str] = []
    for part in parts:
        if len(part) < SIZE:
            short.append(part)
            continue
        pieces += merged(short)
        short = []
        pieces += split(part, finer) if finer else [part]
    return pieces + merged(short)


def merged(parts: list[str]) -> list[str]:
    """Neighbours packed up to SIZE; each piece begins with up to SHARED characters of the one before."""
    pieces: list[str] = []
    window: list[str] = []
    total = 0
    for part in parts:
        if total + len(part) > SIZE and window:
            pieces.append("".join(window).strip())
            while total > SHARED or (total + len(part) > SIZE and total > 0):
                total -= len(window.pop(0))
        window.append(part)
        total += len(part)
    return [piece for piece in (*pieces, "".join(window).strip()) if piece]


def documents(books: Path) -> list[dict[str, object]]:
    """All pieces with their file and place, as `add_start_index=True` finds it."""
    found: list[dict[str, object]] = []
    for path in sorted(books.glob("*.md")):
        text, at, length = path.read_text(encoding="utf-8"), 0, 0
        for piece in split(text):
            at = text.find(piece, max(at + length - SHARED, 0))
            length = len(piece)
            found.append({"text": piece, "source": path.name, "start": at, "end": at + length})
    return found


def index(books: Path, store: Path, model: str) -> None:
    """Split, embed and store all."""
    import chromadb
    from sentence_transformers import SentenceTransformer

    embedder = SentenceTransformer(model, local_files_only=True)
    pieces = documents(books)
    collection = chromadb.PersistentClient(str(store)).create_collection("langchain", embedding_function=None)
    for start in range(0, len(pieces), MOST_AT_ONCE):
        some = pieces[start : start + MOST_AT_ONCE]
        texts = [str(piece["text"]) for piece in some]
        collection.upsert(
            ids=[str(start + row) for row in range(len(some))],
            embeddings=embedder.encode(texts, batch_size=BATCH, show_progress_bar=False),
            documents=texts,
            metadatas=[{key: piece[key] for key in ("source", "start", "end")} for piece in some],
        )
    print(json.dumps({"chunks": len(pieces)}))


def ask(store: Path, model: str, questions: Path, k: int) -> None:
    """Print a list of pieces for each question, best first."""
    import chromadb
    from sentence_transformers import SentenceTransformer

    embedder = SentenceTransformer(model, local_files_only=True)
    collection = chromadb.PersistentClient(str(store)).get_collection("langchain", embedding_function=None)
    rankings = []
    for question in json.loads(questions.read_text(encoding="utf-8")):
        found = collection.query(query_embeddings=embedder.encode([question], show_progress_bar=False), n_results=k)
        rankings.append(found["metadatas"][0])
    print(json.dumps(rankings, ensure_ascii=False))


if __name__ == "__main__":
    if sys.argv[1] == "index":
        index(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        ask(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
