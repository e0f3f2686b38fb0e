"""Makes the bundled embedder from scratch: pairs, vocabulary, first vectors, training, 8 bits, model card."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import ModelError
from finetune.embedder.card import CARD, Facts, model_card
from finetune.embedder.contrastive import Training, train
from finetune.embedder.data import read_training_data
from finetune.embedder.dictionary import Glosses, read_dictionary
from finetune.embedder.initial import first_vectors, general_words, open_teacher, teacher_folder
from finetune.embedder.pairs import MIXTURE, gloss_pairs, make_pairs
from finetune.embedder.progress import Progress, silent
from finetune.embedder.vocabulary import Sizes, choose, count_words, tokenizer_json
from finetune.folder import new_folder
from vector_db.static_model import write_static

MOST_BYTES = 12_000_000
_ROOM = 2 * MOST_BYTES
_BESIDE = 10_000  # bytes of the card and the small files
_FORM = {"normalised": True}


@dataclass(frozen=True, slots=True)
class Materials:
    """What is not in the data folder. dictionary: read when needed. teacher: folder of the English encoder."""

    dictionary: Callable[[], Glosses]
    teacher: Callable[[], Path]


INSTALLED = Materials(read_dictionary, teacher_folder)
TRAINING, SIZES = Training(), Sizes()


@dataclass(frozen=True, slots=True)
class BundledReport:
    """What was made. size: bytes of all files. pairs: by kind. held_out: rows not trained on."""

    folder: str
    tokens: int
    dimension: int
    size: int
    held_out: int
    pairs: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def make_bundled(
    data: Path,
    target: Path,
    *,
    command: str,
    seed: int = 0,
    dimension: int = 256,
    training: Training = TRAINING,
    sizes: Sizes = SIZES,
    materials: Materials = INSTALLED,
    progress: Progress = silent,
) -> BundledReport:
    """Train on the texts in `data` and write the model to the new folder `target`; minutes. command: for the card.

    Raises ConfigError for unusable folders, texts or options, ModelError when a package is missing or the model would
    be larger than 12 MB.
    """
    with new_folder(target, room=_ROOM) as folder:
        glosses, teacher = materials.dictionary(), materials.teacher()
        texts = read_training_data(data)
        made = make_pairs(texts, seed, progress)
        vocabulary = choose(count_words(list(made.texts), progress), glosses, general_words(teacher), sizes)
        tokenizer = tokenizer_json(vocabulary)
        _require_size(len(vocabulary) * (dimension + 2) + len(tokenizer.encode()) + _BESIDE)
        first = first_vectors(vocabulary, glosses, open_teacher(teacher), dimension, progress)
        pairs = {**made.pairs, "gloss": gloss_pairs(glosses, vocabulary)}
        weights = train(first, tokenizer, pairs, MIXTURE, training, seed, progress)
        write_static(folder, tokenizer, weights, _FORM)
        facts = Facts(
            command=command,
            seed=seed,
            threads=torch.get_num_threads(),
            steps=training.steps,
            tokens=len(vocabulary),
            dimension=dimension,
            pairs={kind: len(pairs[kind]) for kind in MIXTURE if kind in pairs},
            held_out=texts.held_out,
            size=_size(folder),
        )
        (folder / CARD).write_text(model_card(facts), encoding="utf-8")
        _require_size(size := _size(folder))
    return BundledReport(str(target), facts.tokens, dimension, size, texts.held_out, facts.pairs)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _require_size(size: int) -> None:
    if size > MOST_BYTES:
        raise ModelError(
            f"the model takes {size:,} bytes, the package has room for {MOST_BYTES:,}",
            mend="name a smaller --dimension",
        )
