"""An InternLM2 folder small enough to train on a processor in a minute."""

import json
from pathlib import Path
from typing import Any

from tiny_chat_models import internlm2_pieces
from tiny_internlm2 import CHAT, NORMAL, USER, random_weights, tiny_config, write_model

KNOWN = 3000


def write_trainable_internlm2(folder: Path, texts: list[str], seed: int = 0, **changes: Any) -> Path:
    """In InternLM2's own layout, about 4 million parameters; every character of `texts` is a piece."""
    pieces = [piece for piece in internlm2_pieces() if piece[2] != 5][: KNOWN + 259]
    pieces = [piece for piece in pieces if piece[0] not in CHAT]
    have = {piece[0] for piece in pieces}
    lowest = min(score for _, score, _ in pieces)
    letters = sorted({letter for text in texts for letter in text.replace(" ", "▁")} - have)
    pieces += [(letter, lowest - number, NORMAL) for number, letter in enumerate(letters, 1) if letter != "\n"]
    pieces += [(text, 0.0, USER) for text in CHAT]
    config = tiny_config(
        vocab_size=len(pieces),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        **changes,
    )
    weights = random_weights(config, seed)
    for name, weight in weights.items():
        if ".layers." in name and weight.ndim > 1:
            weight.mul_(0.3)  # for so wide a model the spread of `random_weights` is too much
    return write_model(folder, config, weights, pieces=pieces)


def conversations_of(path: Path, count: int) -> list[Any]:
    """The first `count` different rows of a file of XTuner conversations."""
    from finetune.conversations import Conversation, Exchange

    found: dict[str, Conversation] = {}
    for row in json.loads(path.read_text(encoding="utf-8")):
        turn = row["conversation"][0]
        found.setdefault(turn["input"], Conversation((Exchange(turn["input"], turn["output"]),), source=path.name))
    return list(found.values())[:count]
