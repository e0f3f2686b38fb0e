"""What of a model folder would be published, and what speaks against it: files, leaks of this machine, the gate."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from core.errors import ConfigError, ModelError
from core.settings import LlmSettings
from finetune.shards import find_weights, tensor_shapes
from finetune.steps import Steps
from rag.engine.folder import inspect_folder
from rag.engine.model_files import read_json

CARD = "README.md"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# What training leaves: it is large, pickled, or tells of the machine.
_LEFT_BY_TRAINING = re.compile(
    r".*\.(pth|pt|bin|ckpt|pkl|pickle|log|jsonl|tmp)|(optimizer|scheduler|rng_state|events\.out).*"
    r"|(trainer_state|training_args|adapter_config|progress)\..*|(checkpoint|iter_|global_step|mp_rank_|zero_pp_).*",
    re.I,
)
_READ = (".json", ".md", ".jinja", ".txt")
# Vocabularies: any word may be in them, and no path of ours.
_VOCABULARY = {"tokenizer.json", "vocab.json", "merges.txt", "model.safetensors.index.json"}
_ABSOLUTE = re.compile(
    r"(?<![\w.:/-])(?:/(?:home|root|Users|mnt|media|srv|opt|tmp|var|work|workspace|data)/[^\s\"'`|,;)<>\]]+"
    r"|[A-Za-z]:\\+(?:Users|Documents)[^\s\"'`|,;)<>\]]+)"
)
_SECRET = re.compile(r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|ms-[0-9a-f]{8}-[0-9a-f-]{20,}|ghp_\w{30,})")


@dataclass(frozen=True, slots=True)
class File:
    """name: inside the folder. size: bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. gate: what is known of its exam, in words. faults: why it must not be done."""

    model: str
    repo: str
    files: tuple[File, ...]
    gate: str
    faults: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"size": self.size}

    def require(self) -> None:
        """Raises ModelError with all faults."""
        if self.faults:
            raise ModelError(f"{self.model} is not published: {'; '.join(self.faults)}", mend="mend that, then again")


def plan(model: Path, repo: str, *, ungated: str = "") -> Plan:
    """Look through the folder. ungated: why a model is published that has not passed the gate.

    Raises ConfigError for a name that is none, ModelError for a folder that is none.
    """
    if not _REPO.fullmatch(repo):
        raise ConfigError(f"--repo {repo!r} is no repository", mend="write OWNER/NAME, as myschool/os-7b")
    if not model.is_dir():
        raise ModelError(f"{model} is not a folder", mend="name the folder of a merged model")
    paths = sorted(path for path in model.rglob("*") if path.is_symlink() or not path.is_dir())
    files = tuple(File(str(path.relative_to(model)), path.stat().st_size if path.exists() else 0) for path in paths)
    said, fault = _gate(model, ungated)
    faults = [*_weights(model), *_card(model), *(found for path in paths for found in _leaks(model, path))]
    return Plan(str(model), repo, files, said, (*faults, *([fault] if fault else [])))


def _weights(model: Path) -> list[str]:
    """A folder that nobody could load."""
    try:
        config = read_json(model / "config.json")
        if "quantization_config" not in config:
            inspect_folder(model, LlmSettings())
            return []
        # Not for Keben's own engine: that the files are whole is all that can be told.
        for path in find_weights(model).files:
            tensor_shapes(path)
    except ModelError as error:
        return [error.message]
    return []


def _card(model: Path) -> list[str]:
    if (model / CARD).is_file() and (model / CARD).read_text(encoding="utf-8", errors="replace").strip():
        return []
    return [f"it has no model card, {CARD}; `keben finetune merge` writes one"]


def _leaks(model: Path, path: Path) -> list[str]:
    """What must not leave this machine."""
    name = str(path.relative_to(model))
    if path.is_symlink():
        return [f"{name} is a link"]
    if any(part.startswith(".") for part in path.relative_to(model).parts):
        return [f"{name} is hidden"]
    if any(_LEFT_BY_TRAINING.fullmatch(part) for part in path.relative_to(model).parts):
        return [f"{name} is of a training, not of a model"]
    if path.suffix not in _READ or path.name in _VOCABULARY:
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    faults = [f"{name} names a place on this machine: {place}" for place in _places(model, text)]
    # Not shown: it may be a real one.
    return [*faults, *([f"{name} holds what looks like an access token"] if _SECRET.search(text) else [])]


def _places(model: Path, text: str) -> list[str]:
    found = [match[0] for match in _ABSOLUTE.finditer(text)]
    ours = {str(Path.home()), str(Path.cwd()), str(model.resolve().parent), gettempdir()} - {"/"}
    found += [place for place in sorted(ours) if place in text and not any(place in one for one in found)]
    return list(dict.fromkeys(found))[:3]


def _gate(model: Path, ungated: str) -> tuple[str, str]:
    """What steps.json beside the folder tells of the gate; and why the model must not go out, empty if it may."""
    folder = model.resolve()
    known = (folder.parent / "steps.json").is_file() and folder.name == "model"
    steps = Steps(folder.parent) if known else None
    gate, published = (steps.said("gate"), steps.said("published")) if steps else ({}, {})
    if gate.get("made_from") and gate["made_from"] == published.get("made_from"):
        falls = gate.get("falls", [])
        if not falls:
            return "passed", ""
        said = f"fell: {'; '.join(falls)}"
    else:
        said = "not examined: no steps.json of `keben finetune run` beside it says that it passed"
    if ungated:
        return f"{said}; published all the same: {ungated}", ""
    return said, f"the gate: {said}; --ungated REASON publishes it all the same"
