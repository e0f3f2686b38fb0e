"""The files of a generation, and their checksums."""

import hashlib
from pathlib import Path

from core.errors import REBUILD, GenerationCorrupt
from vector_db.manifest import Manifest

CHUNKS, EMBEDDINGS, LEXICAL, CHROMA, REPORT = "chunks.sqlite", "embeddings.npy", "lexical", "chroma", "report.json"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 by name, of all but the parts of Chroma's folder that its own client writes to when it opens it.

    Its graph is among them: a damaged one crashes the process that asks it, so it must not be opened.
    """
    files = [folder / name for name in (CHUNKS, EMBEDDINGS, REPORT)]
    files += sorted((folder / LEXICAL).rglob("*"))
    for graph in sorted((folder / CHROMA).glob("*/index_metadata.pickle")):
        files += sorted(graph.parent.iterdir())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files if path.is_file()}


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise GenerationCorrupt naming the first file that is not as it was written."""
    for name, digest in manifest.files.items():
        try:
            same = sha256(folder / name) == digest
        except OSError:
            same = False
        if not same:
            raise GenerationCorrupt(f"{name} is missing or was changed", mend=REBUILD)
