"""A base model with an adapter over it, for as long as it is looked at: nothing is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import ModelError
from finetune.merge import ADAPTER_CONFIG, learnt_of, write_merged
from rag.engine.model_files import read_json


@contextmanager
def adapted(base: Path | None, adapter: Path) -> Iterator[Path]:
    """A folder with both merged, which goes at the end.

    adapter: the folder of a finished training, or of an adapter in PEFT's format. base: by default what the training
    began with. Raises ModelError and TrainingError.
    """
    if (adapter / ADAPTER_CONFIG).is_file():
        learnt = adapter
    elif (adapter / "settings.json").is_file():
        learnt = learnt_of(adapter)
        base = base or Path(read_json(adapter / "settings.json")["base"])
    else:
        raise ModelError(
            f"{adapter} is neither a training nor an adapter",
            mend=f"name a folder with settings.json or {ADAPTER_CONFIG}",
        )
    if base is None:
        raise ModelError(f"{adapter} does not say what it is an adapter of", mend="name the base with --model")
    with TemporaryDirectory(prefix="keben-adapted-") as name:
        folder = Path(name) / base.name
        folder.mkdir()
        write_merged(base, learnt, folder)
        yield folder
