"""Trains a sentence-transformers model of any kind on pairs with hard negatives: gradient steps, no more."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from core.settings import EmbeddingSettings
from core.text import compatible
from finetune.embedder.books import Example
from finetune.embedder.contrastive import Training, rate_at
from finetune.embedder.progress import Progress, silent
from vector_db.embedder import model_folder
from vector_db.instructions import instructions
from vector_db.sentence_model import load_model
from vector_db.static_model import FORM, is_static, read_weights, write_static
from vector_db.token_counter import TokenCounter, load_tokenizer

# A static model is a table of which only the rows of the books' words move. A transformer is moved as little as its
# authors advise.
_STATIC_RATE, _STATIC_BATCH, _STATIC_EPOCHS = 3e-3, 256, 10
_RATE, _BATCH, _EPOCHS = 2e-5, 32, 3
_TABLE, _CONFIG = "0.embedding.weight", "config_sentence_transformers.json"
_WARM_UP = 0.1  # of all steps
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Triple:
    """An example, and a passage that does not answer it."""

    example: Example
    negative: str


@dataclass(frozen=True, slots=True)
class Trainable:
    """A model to train. form: how a text is written for it. query, passage: what is written before each."""

    folder: Path
    model: SentenceTransformer
    static: bool
    form: Callable[[str], str]
    query: str
    passage: str

    def plan(self, triples: int, epochs: int | None, steps: int | None) -> Training:
        """`steps` of them, or as many as see each triple `epochs` times; None: what suits the kind of model."""
        epochs = epochs or (_STATIC_EPOCHS if self.static else _EPOCHS)
        size = min(_STATIC_BATCH if self.static else _BATCH, max(triples // 4, 2))
        total = steps or max(epochs * triples // size, 1)
        rate = _STATIC_RATE if self.static else _RATE
        return Training(steps=total, batch=size, rate=rate, warm_up=max(int(total * _WARM_UP), 1))

    def columns(self, batch: Sequence[Triple]) -> list[dict[str, Any]]:
        """Questions, passages and counterexamples as the model takes them."""
        texts = zip(*((one.example.query, one.example.passage, one.negative) for one in batch), strict=True)
        prompts = (self.query, self.passage, self.passage)
        made = (
            self.model.preprocess([self.form(text) for text in column], prompt=prompt or None)
            for column, prompt in zip(texts, prompts, strict=True)
        )
        return [
            {
                name: value.to(self.model.device) if isinstance(value, torch.Tensor) else value
                for name, value in one.items()
            }
            for one in made
        ]

    def save(self, target: Path) -> None:
        """Write the model to the folder `target`; a static one in 8 bits."""
        # Instructions that are known by the name of the model would be lost with the name.
        self.model.prompts = {"query": self.query, "document": self.passage}
        if not self.static:
            self.model.save(str(target), create_model_card=False)
            return
        form = self.folder / FORM
        write_static(
            target,
            load_tokenizer(self.folder)[0].to_str(),
            self.model.state_dict()[_TABLE].numpy(),
            json.loads(form.read_text(encoding="utf-8")) if form.is_file() else {"normalised": False},
        )
        (target / _CONFIG).write_text(json.dumps({"prompts": self.model.prompts}, ensure_ascii=False), encoding="utf-8")


def open_trainable(base: EmbeddingSettings) -> Trainable:
    """The model that `base` names; a static one in 32 bits. Raises ModelError."""
    folder = model_folder(base)
    wanted = instructions(base, folder)
    static = is_static(folder)
    if static:
        words, _ = load_tokenizer(folder)
        module = StaticEmbedding(words, embedding_weights=read_weights(folder).copy())
        model = SentenceTransformer(modules=[module], device="cpu")
    else:
        model = load_model(base, folder)
    form = TokenCounter(folder).form if static else compatible
    return Trainable(folder, model, static, form, wanted.query, wanted.passage)


def train(
    trainable: Trainable, triples: Sequence[Triple], settings: Training, seed: int, progress: Progress = silent
) -> None:
    """Change the model's weights. On a processor the same arguments and number of threads give the same weights.

    Loss of Henderson et al. (see `contrastive`) both ways, over the passages and counterexamples of the batch.
    """
    torch.manual_seed(seed)
    model = trainable.model
    loss_of = MultipleNegativesRankingLoss(
        model, scale=settings.scale, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=0.0)
    drawn = batches(triples, settings.batch, random.Random(seed))
    model.train()
    for step in range(settings.steps):
        progress("train", step, settings.steps)
        batch = next(drawn)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, settings)
        optimizer.zero_grad()
        loss = loss_of(trainable.columns(batch), torch.arange(len(batch)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
        optimizer.step()
    model.eval()
    progress("train", settings.steps, settings.steps)


def batches(triples: Sequence[Triple], size: int, draw: random.Random) -> Iterator[list[Triple]]:
    """Batches without end, each triple once an epoch; no two of a batch are of one section or share a text.

    One would be taken for the counterexample of the other. Fewer than `size` where the sections do not suffice.
    """
    while True:
        left = draw.sample(triples, len(triples))
        while left:
            batch, left = _batch(left, size)
            yield batch


def _batch(left: Sequence[Triple], size: int) -> tuple[list[Triple], list[Triple]]:
    batch: list[Triple] = []
    rest: list[Triple] = []
    taken = set[object]()
    for triple in left:
        example = triple.example
        marks = {example.query, example.passage} | ({example.section} if example.section >= 0 else set[object]())
        if len(batch) < size and not marks & taken:
            batch.append(triple)
            taken |= marks
        else:
            rest.append(triple)
    return batch, rest
