"""Folders of questions and texts, and sets across languages made of parallel ones. Pure but for the files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from evaluate.corpus import QUERIES

CORPUS = "corpus.jsonl"
ARROW = "→"
_OTHER = {"zh": "en", "en": "zh"}


def find_sets(data: Path, names: Sequence[str] | None, scratch: Path) -> list[Path]:
    """Folders of the sets, sorted, those across languages last; they are written into `scratch`.

    Raises ConfigError (exit code 2) when there are none or a name is unknown.
    """
    found = sorted(path.parent for path in data.glob(f"*/{QUERIES}"))
    if not found:
        raise ConfigError(
            f"there are no retrieval sets in {data} (folders with {QUERIES})",
            mend="name their folder with --data; the data are not part of the repository",
        )
    known = {folder.name: folder for folder in (*found, *crossings(found, scratch))}
    wanted = [name.replace("->", ARROW) for name in names or known]
    if unknown := sorted(set(wanted) - set(known)):
        raise ConfigError(f"no set named {', '.join(unknown)} in {data}", mend=f"choose from {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)]


def is_crossing(name: str) -> bool:
    """Whether the questions of a set are in another language than its passages."""
    return ARROW in name


def crossings(folders: Sequence[Path], scratch: Path) -> list[Path]:
    """The questions of NAME_en on the passages of NAME_zh, and the other way, where both are parallel."""
    corpora = {folder.name: folder for folder in folders if (folder / CORPUS).is_file()}
    made: list[Path] = []
    for name, folder in corpora.items():
        stem, _, language = name.rpartition("_")
        passages = corpora.get(f"{stem}_{_OTHER.get(language, '')}")
        if passages is None:
            continue
        pids = {row["pid"] for row in _rows(passages / CORPUS)}
        if rows := crossed(_rows(folder / QUERIES), {f"{name}-": f"{passages.name}-"}, pids):
            target = scratch / f"{name}{ARROW}{_OTHER[language]}"
            target.mkdir()
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            (target / QUERIES).write_text("\n".join(lines) + "\n", encoding="utf-8")
            (target / CORPUS).symlink_to((passages / CORPUS).resolve())
            made.append(target)
    return made


def crossed(
    queries: Sequence[Mapping[str, Any]], renamed: Mapping[str, str], pids: frozenset[str] | set[str]
) -> list[dict[str, Any]]:
    """`queries` with the passages of the other language as gold; none when one of these is not in `pids`.

    renamed: how the ids of passages begin, and how those of the other language do.
    """
    rows: list[dict[str, Any]] = []
    for query in queries:
        gold = [_renamed(str(pid), renamed) for pid in query.get("gold_pids", ())]
        if not gold or not pids.issuperset(gold):
            return []
        rows.append({**{key: query[key] for key in ("qid", "query", "lang") if key in query}, "gold_pids": gold})
    return rows


def _renamed(pid: str, renamed: Mapping[str, str]) -> str:
    return next((new + pid.removeprefix(old) for old, new in renamed.items() if pid.startswith(old)), pid)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", mend="write one JSON object a line") from error
