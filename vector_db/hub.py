"""Models of the Hugging Face hub: the local cache first, then the network. Models are fetched here alone."""

import json
from pathlib import Path

from core.errors import ModelError

SAFETENSORS = "*.safetensors"
_TEXTS = ("*.json", "*.txt", "*.model")


def hub_folder(name: str, weights: str, needed: str = "modules.json") -> Path:
    """The files of the model `name` on this machine, downloaded if need be.

    weights: pattern of its large files. needed: the file that a model of its kind cannot do without.
    The cache is the library's own (HF_HOME), and HF_HUB_OFFLINE forbids the network. Raises ModelError.
    """
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import HTTPError, XetDownloadError  # type: ignore[attr-defined]

    wanted = [*_TEXTS, weights]
    cached = _cached(name, wanted, weights, needed)
    if cached is not None:
        return cached
    if is_offline_mode():
        raise _absent(name, "it is not in the local cache, and HF_HUB_OFFLINE is set")
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
    except (OSError, ValueError, RuntimeError, HTTPError, XetDownloadError) as error:
        raise _absent(name, str(error)) from error
    missing = _missing(folder, weights, needed)
    if missing:
        raise ModelError(f"{name!r} on the hub has no {missing}", mend=_mend_missing(name, missing))
    return folder


def _cached(name: str, wanted: list[str], weights: str, needed: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except ValueError as error:
        raise _absent(name, str(error)) from error
    # Other programs leave parts of a model in the cache.
    return None if _missing(folder, weights, needed) else folder


def _missing(folder: Path, weights: str, needed: str) -> str | None:
    """A file that the model cannot do without and that is not there."""
    if not (folder / needed).is_file():
        return needed
    if not any(path.is_file() for path in folder.rglob(weights)):
        return weights
    if weights != SAFETENSORS:
        return None
    shards = (shard for index in folder.rglob("*.safetensors.index.json") for shard in _shards(index))
    return next((shard.name for shard in shards if not shard.is_file()), None)


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        return [index.parent / name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{index} cannot be read: {error}", mend="delete it, so that it is downloaded again"
        ) from error


def _mend_missing(name: str, missing: str) -> str:
    if missing == "modules.json":
        return "name a sentence-transformers model"
    if missing != SAFETENSORS:
        return "name another file in KEBEN_EMBEDDING__BACKEND_FILE, or set KEBEN_EMBEDDING__BACKEND to 'torch'"
    return (
        f"load {name} once with sentence-transformers, save it to a folder, which writes safetensors, and set "
        "KEBEN_EMBEDDING__MODEL to that folder"
    )


def _absent(name: str, why: str) -> ModelError:
    return ModelError(
        f"the embedder {name!r} is neither a folder nor a model that can be had from the hub: {why}",
        mend=f"run `hf download {name}` on a machine with a network, copy the folder that it prints here and set "
        "KEBEN_EMBEDDING__MODEL to it; HF_HOME says where the local cache is",
    )
