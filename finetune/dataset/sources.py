"""The files of a source, and the reader that each needs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import DatasetError, UnreadableBookError
from core.settings import IngestSettings
from finetune.dataset.documents import PLAIN, read_document
from finetune.dataset.found import Found, LeftOut
from finetune.dataset.json_files import read_json
from finetune.dataset.settings import SourceSettings
from finetune.dataset.tables import read_table
from ingest import readers
from ingest.check import check_file

_JSON = frozenset({".json", ".jsonl", ".ndjson"})
_TABLES = frozenset({".xlsx", ".csv", ".tsv"})
SUFFIXES = _JSON | _TABLES | PLAIN | readers.SUFFIXES


def read_sources(sources: Sequence[SourceSettings], limits: IngestSettings) -> list[Found]:
    """What each file gave, in the order of the sources. Raises DatasetError naming file and row."""
    listed = [(path, source) for source in sources for path in _files(source.path)]
    names = [path.name for path, _ in listed]
    read = list[Found]()
    for path, source in listed:
        label = path.name if names.count(path.name) == 1 else path.as_posix()
        if path.suffix.lower() in SUFFIXES:
            read.append(_read(path, label, source, limits))
        else:
            read.append(Found(label, outside=[LeftOut(label, f"no reader for '{path.suffix}'")]))
    return read


def _files(path: Path) -> Iterator[Path]:
    """The file, or all files in the folder that are not hidden. Raises DatasetError."""
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and not _hidden(one.relative_to(path)))
        if not files:
            raise DatasetError(f"{path} holds no files", mend="put files of questions into it, or name another")
        yield from files
    elif not path.exists():
        raise DatasetError(f"{path} does not exist", mend="name a file of questions or a folder of them")
    elif path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            f"{path}: no reader for '{path.suffix}'", mend=f"convert it to one of {', '.join(sorted(SUFFIXES))}"
        )
    else:
        yield path


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "~$")) for part in path.parts)


def _read(path: Path, label: str, source: SourceSettings, limits: IngestSettings) -> Found:
    suffix = path.suffix.lower()
    try:
        if suffix in _JSON:
            return read_json(path, label, source)
        if suffix in _TABLES:
            check_file(path, limits.max_file_mb)
            return read_table(path, label, source)
        return read_document(path, label, limits)
    except UnreadableBookError as error:
        raise DatasetError(f"{path} cannot be read: {error.message}", mend=error.mend) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}", mend="check who may read the file") from error
