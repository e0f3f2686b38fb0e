"""From sources to the folder of a data set: `train.jsonl`, `test.jsonl`, and `dataset.json`, which describes them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import DatasetError
from core.settings import Settings, load_settings
from finetune.conversations import Conversation, write_conversations
from finetune.dataset.books import running_text
from finetune.dataset.folder import replaced_folder
from finetune.dataset.found import Found
from finetune.dataset.identity import identity_rows
from finetune.dataset.settings import DatasetSettings
from finetune.dataset.sources import read_sources
from finetune.dataset.split import split
from finetune.folder import write_json

TRAIN, TEST, REPORT = "train.jsonl", "test.jsonl", "dataset.json"


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What a data set holds. fingerprint: SHA-256 of both files, by which a model says what it was trained on."""

    folder: Path
    train: int
    test: int
    kinds: dict[str, dict[str, int]]
    sources: tuple[Found, ...]
    seed: int
    test_share: float
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """The content of `dataset.json`; without the folder, so that equal data give equal bytes."""
        return {
            "train": self.train,
            "test": self.test,
            "kinds": self.kinds,
            "sources": [_source(found) for found in self.sources],
            "seed": self.seed,
            "test_share": self.test_share,
            "fingerprint": self.fingerprint,
        }


def build_dataset(settings: DatasetSettings, keben: Settings | None = None) -> DatasetReport:
    """Read all sources and write `settings.out`; a data set that lies there is replaced at the end, as a whole.

    keben: limits for reading documents, and where the knowledge bases are; by default those of the environment.
    Raises DatasetError, which names file and row; KnowledgeBaseError.
    """
    keben = keben or load_settings()
    sources = read_sources(settings.sources, keben.ingest)
    running = running_text(keben.data_dir, settings.kb) if settings.kb else None
    if running:
        sources.append(running.found)
    if settings.identity:
        sources.append(identity_rows(settings.identity))
    conversations = [one for found in sources for one in found.kept]
    if not conversations:
        raise DatasetError(
            f"no row is left of the {sum(found.rows for found in sources)} that were read{_first_reason(sources)}",
            mend="fill in the questions and answers, or name other sources",
        )
    held_back = {at for at, one in enumerate(conversations) if running and running.holds_back(one)}
    train, test = split(conversations, settings.test_share, settings.seed, settings.near, held_back)
    return _write(settings, train, test, sources)


def _write(
    settings: DatasetSettings, train: list[Conversation], test: list[Conversation], sources: Sequence[Found]
) -> DatasetReport:
    with replaced_folder(settings.out, (TRAIN, TEST, REPORT)) as folder:
        write_conversations(folder / TRAIN, train)
        write_conversations(folder / TEST, test)
        digest = hashlib.sha256()
        for name in (TRAIN, TEST):
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
        report = DatasetReport(
            settings.out,
            len(train),
            len(test),
            _kinds(train, test),
            tuple(sources),
            settings.seed,
            settings.test_share,
            digest.hexdigest(),
        )
        write_json(folder / REPORT, report.to_json())
    return report


def _kinds(train: Sequence[Conversation], test: Sequence[Conversation]) -> dict[str, dict[str, int]]:
    trained, tested = (Counter(one.kind for one in side) for side in (train, test))
    return {kind: {"train": trained[kind], "test": tested[kind]} for kind in sorted(trained | tested)}


def _source(found: Found) -> dict[str, Any]:
    return {
        "source": found.source,
        "rows": found.rows,
        "kept": len(found.kept),
        "left_out": [asdict(one) for one in found.left_out],
        "outside": [asdict(one) for one in found.outside],
    }


def _first_reason(sources: Sequence[Found]) -> str:
    reasons = [one for found in sources for one in (*found.left_out, *found.outside)]
    return f"; {reasons[0].where}: {reasons[0].reason}" if reasons else ""
