"""An InternLM2 folder small enough to train on a processor in a minute."""

import json
from pathlib import Path
from typing import Any

from tiny_chat_models import internlm2_pieces
from tiny_internlm2 import CHAT, NORMAL, USER, random_weights, tiny_config, write_model

KNOWN = 3000
# Rows that such a model learns by heart in a minute, and settings for it.
ROWS = [
    ("操作系统中，进程和线程的区别是什么？", "进程是资源分配的单位，线程是调度的单位。"),
    ("什么是死锁？", "多个进程互相等待对方占有的资源。"),
    ("页面置换算法有哪些？", "FIFO、LRU、时钟算法。"),
    ("栈的特点是什么？", "后进先出。"),
    ("队列的特点是什么？", "先进先出。"),
    ("快速排序的平均时间复杂度是多少？", "$O(n\\log n)$"),
    ("What does TCP use to open a connection?", "A three-way handshake."),
    ("二叉树的中序遍历顺序是什么？", "左、根、右。"),
    ("什么是哈希冲突？", "不同的键得到相同的地址。"),
    ("TCP 和 UDP 有什么不同？", "TCP 面向连接，UDP 无连接。"),
]
QUICK = {"batch": 5, "accumulation": 1, "lr": 3e-3, "alpha": 64, "dropout": 0.0, "max_length": 128}


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
