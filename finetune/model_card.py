"""The model card of a merged model: README.md beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.engine.folder import ModelFolder
from rag.trained_prompt import TrainedPrompt

if TYPE_CHECKING:
    from finetune.merge_proof import Proof


@dataclass(frozen=True, slots=True)
class Card:
    """What people want to know of a tuned model. settings: of the training. data: sha256 of its rows."""

    name: str
    base: str
    data: str
    rows: int
    settings: Mapping[str, object] = field(default_factory=dict)
    losses: tuple[float, float] | None = None


def model_card(card: Card, model: ModelFolder, proof: "Proof", prompt: TrainedPrompt) -> str:
    """The card as Markdown."""
    settings = "\n".join(f"| {name} | {_shown(value)} |" for name, value in card.settings.items())
    losses = f"Loss of the first and last step: {card.losses[0]:.3f}, {card.losses[1]:.3f}.\n" if card.losses else ""
    shown = "passages with the question, by Keben's rules" if prompt.form == "passages" else "the bare question"
    system = f"System prompt:\n\n```text\n{prompt.system}\n```\n" if prompt.system else "No system prompt.\n"
    return f"""---
pipeline_tag: text-generation
base_model: {card.base}
---

# {card.name}

{model.architecture}, {model.parameters:,} parameters in {model.dtype}: {card.base}, tuned on {card.rows:,} rows with
Keben and XTuner, and merged. It takes the licence of its base model and of the rows.

Serve it: `KEBEN_LLM__MODEL=<this folder> keben serve`

## Training

Rows (sha256): `{card.data}`
{losses}
| setting | value |
| --- | --- |
{settings}

## Prompt

It was trained on {shown}, and the service shows it the same. {system}
## Check of the merge

On {proof.probes} probes base with adapter (PEFT) and this folder (transformers) differ by {proof.difference:.2e}
standard deviations of the logits at most; the likeliest token is the same for {proof.same}.
"""


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
