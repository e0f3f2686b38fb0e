"""Writing the folder of a data set, which is whole at every moment."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DatasetError
from finetune.folder import alone, fsync

_NEW, _OLD = "new", "old"


@contextmanager
def replaced_folder(target: Path, ours: Collection[str]) -> Iterator[Path]:
    """An empty folder beside `target`, which takes its place when the block ends well and goes when it fails.

    ours: names of files that may lie in `target` and be replaced; with any other there DatasetError is raised. What a
    run that was killed left beside it is removed. Raises ConfigError while another run writes.
    """
    _check(target, ours)
    scratch = target.with_name(f".{target.name}.tmp")
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with alone(scratch):
            _mend(scratch, target)
            try:
                (scratch / _NEW).mkdir()
                yield scratch / _NEW
                fsync(scratch / _NEW)
                if target.exists():
                    target.rename(scratch / _OLD)
                (scratch / _NEW).rename(target)
                fsync(target.parent)
            finally:
                _mend(scratch, target)
                scratch.rmdir()
    except OSError as error:
        raise DatasetError(
            f"{target} cannot be written: {error.strerror}", mend="free space, or name another folder with --out"
        ) from error


def _mend(scratch: Path, target: Path) -> None:
    """Put back what lay in `target` if nothing has taken its place, and remove the rest."""
    if (scratch / _OLD).exists() and not target.exists():
        (scratch / _OLD).rename(target)
    for name in (_NEW, _OLD):
        shutil.rmtree(scratch / name, ignore_errors=True)


def _check(target: Path, ours: Collection[str]) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise DatasetError(f"{target} is not a folder", mend="name another with --out")
    others = sorted(path.name for path in target.iterdir() if path.name not in ours) if target.exists() else []
    if others:
        raise DatasetError(
            f"{target} holds {others[0]}, which no data set holds",
            mend="name a new folder with --out, or empty that one",
        )
