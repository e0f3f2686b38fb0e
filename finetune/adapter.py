"""An adapter tried out before it is merged for good: merged into its base in a folder that goes again."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import ModelError
from core.settings import LlmSettings
from finetune.conversations import read_conversations
from finetune.folder import new_folder, write_json
from finetune.merge import ADAPTER, ADAPTER_CONFIG, Progress, copy_beside, learnt_at, write_merged
from finetune.shards import find_weights
from finetune.training.checkpoints import newest_checkpoint
from finetune.training.environment import ENVIRONMENT
from finetune.training.train import CHECKPOINTS
from rag.engine.folder import inspect_folder
from rag.trained_prompt import TRAINED_PROMPT, TrainedPrompt, read_trained_prompt

_ROWS = "data.jsonl"


@contextmanager
def merged_for_now(
    base: Path, adapter: Path, *, progress: Progress | None = None, environment: Path = ENVIRONMENT
) -> Iterator[Path]:
    """A model folder with `adapter` in it, within the block; TMPDIR says where. It is not proved as `merge` proves it.

    adapter: a folder with an adapter in PEFT's format, or the folder of a training, finished or not: its newest
    checkpoint is taken. Raises ModelError, ConfigError without room, TrainingError.
    """
    inspect_folder(base, LlmSettings())
    learnt = _learnt(adapter, environment)
    with TemporaryDirectory(prefix="keben-") as scratch:
        whole = Path(scratch) / adapter.resolve().name
        with new_folder(whole, room=find_weights(base).size) as folder:
            write_merged(base, learnt, folder, progress=progress)
            copy_beside(base, folder)
            write_json(folder / TRAINED_PROMPT, _prompt(base, adapter).to_json())
        yield whole


def _learnt(adapter: Path, environment: Path) -> Path:
    if (adapter / ADAPTER).is_file() and (adapter / ADAPTER_CONFIG).is_file():
        return adapter
    checkpoint = newest_checkpoint(adapter / CHECKPOINTS)
    if checkpoint is None:
        raise ModelError(
            f"{adapter} holds neither {ADAPTER} with {ADAPTER_CONFIG} nor a training with a checkpoint",
            mend="name the --out of `keben finetune train`, or FOLDER/train of `keben finetune run`",
        )
    return learnt_at(adapter, checkpoint, environment)


def _prompt(base: Path, adapter: Path) -> TrainedPrompt:
    """What most rows of the training had for a system prompt; that of the base where the rows are not there."""
    rows = next((folder / _ROWS for folder in (adapter, adapter.parent) if (folder / _ROWS).is_file()), None)
    if rows is None:
        return read_trained_prompt(base)
    systems = Counter(row.exchanges[0].system for row in read_conversations(rows) if row.exchanges)
    return TrainedPrompt("question", systems.most_common(1)[0][0] if systems else "")
