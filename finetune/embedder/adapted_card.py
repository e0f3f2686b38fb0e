"""The model card of an embedder that was adapted to a knowledge base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetune.embedder.proof import Score, Verdict

ADVICE: dict[Verdict, str] = {
    "helped": "it finds more than its base: use it",
    "did not help": "no difference that chance does not explain: keep the base",
    "worse": "it finds less than its base: keep the base",
}


@dataclass(frozen=True, slots=True)
class AdaptFacts:
    """What a run did and measured. trained, held_out: pairs by kind."""

    command: str
    base: str
    kb: str
    seed: int
    steps: int
    trained: Mapping[str, int]
    held_out: Mapping[str, int]
    scores: Sequence[Score]
    verdict: Verdict


def adapted_card(facts: AdaptFacts) -> str:
    """The card as Markdown."""
    kinds = sorted({*facts.trained, *facts.held_out})
    pairs = "\n".join(
        f"| {kind} | {facts.trained.get(kind, 0):,} | {facts.held_out.get(kind, 0):,} |" for kind in kinds
    )
    scores = "\n".join(
        f"| {score.of} | {score.measure} | {score.units:,} | {score.before:.3f} | {score.now:.3f} | "
        f"{score.difference:+.3f} ({score.low:+.3f} to {score.high:+.3f}) |"
        for score in facts.scores
    )
    return f"""# An embedder for the knowledge base '{facts.kb}'

Adapted from `{facts.base}` to the books of one knowledge base.

**{facts.verdict.capitalize()}**: {ADVICE[facts.verdict]}.

| Asked | Measure | Number | Before | Now | Difference (95 % interval) |
|---|---|---|---|---|---|
{scores}

Held-out sections are a fifth of the books' sections, told by a hash of their text; nothing of them was trained on.
Their headings, and sentences taken out of their passages, must find their passage among those of all other sections, by
vectors alone. Each section counts once. A query set is asked of the whole retriever. The intervals are paired
bootstraps.

## How it was made

    {facts.command}

Seed {facts.seed}, {facts.steps:,} steps, multiple negatives ranking loss with hard negatives of the keyword index.

| Pairs | Trained on | Held out |
|---|---|---|
{pairs}

## Licence

That of the base model. What it learnt comes from the books of the knowledge base: mind their licences before you
pass it on.
"""
