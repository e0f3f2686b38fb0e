"""Training texts, a dictionary and an English encoder, so small that a model is made of them in seconds."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from finetune.embedder.bundled import Materials
from finetune.embedder.dictionary import Glosses
from finetune.embedder.vocabulary import Sizes

STACK_ZH = """# 栈

栈是一种后进先出的线性表。元素只能在栈顶插入和删除，其他位置都不能访问。入栈和出栈都只需要常数时间。

## 栈的应用

函数调用用栈保存返回地址。表达式求值用两个栈，一个放运算符，一个放操作数。括号匹配也用栈：遇到左括号就入栈，遇到右括号就出栈。
"""
QUEUE_EN = r"""\chapter{Queues}
A queue is a list in which the first element to enter is the first to leave. Elements enter at the tail and leave at the
head. Both operations take constant time in a circular array.

\section{Priority queues}
A priority queue gives back its smallest element first. A binary heap keeps its elements in an array. The parent of each
element is never larger than the element itself.
"""
QUESTIONS = [
    ("栈有什么特点？", "栈只在一端插入和删除，最后进入的元素最先离开。"),
    ("什么是隊列？", "隊列在一端插入，在另一端刪除，最先進入的元素最先離開。"),
    ("什么是哈希表？", "哈希表用函数把关键字映射到数组的位置，查找平均只需要常数时间。"),
    ("二叉树怎样遍历？", "二叉树可以先序、中序或后序遍历，也可以一层一层地遍历。"),
    ("图有哪几种存储方式？", "图可以用邻接矩阵存储，也可以用邻接表存储，稀疏图适合用邻接表。"),
    ("快速排序为什么快？", "快速排序每次用一个元素把数组分成两部分，平均时间与元素个数的对数成正比。"),
]
TRANSLATIONS = [
    ("栈是一种线性表。它后进先出。", "A stack is a list. It is last in, first out."),
    ("队列是一种线性表。它先进先出。", "A queue is a list. It is first in, first out."),
    ("堆是一棵完全二叉树。", "A heap is a complete binary tree."),
    ("函数把输入映射到输出。", "A function maps inputs to outputs."),
]
GLOSSES: Glosses = {
    "栈": ("stack",),
    "队列": ("queue",),
    "函数": ("function",),
    "元素": ("element",),
    "数组": ("array",),
    "图": ("diagram", "graph"),
    "树": ("tree",),
    "哈": ("sound of laughter",),
}
SIZES = Sizes(characters=60, words=60, english=60, pieces=20)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A JSON Lines file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_texts(folder: Path) -> Path:
    """A data folder with rows of every kind."""
    folder.mkdir()
    write_rows(folder / "documents.jsonl", [{"lang": "zh", "text": STACK_ZH}, {"lang": "en", "text": QUEUE_EN}])
    write_rows(folder / "questions.jsonl", [{"query": query, "passage": passage} for query, passage in QUESTIONS])
    write_rows(folder / "translations.jsonl", [{"zh": zh, "en": en} for zh, en in TRANSLATIONS])
    return folder


def write_encoder(folder: Path) -> Path:
    """A sentence-transformers model with random weights that knows a few English words and all letters."""
    # Imported here: torch takes seconds, also for those who run other tests.
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["the", "is", "of", "stack", "queue", "list", "element", "first", "array", "tree", "function"]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *words,
        *letters,
        *(f"##{letter}" for letter in letters),
    ]
    bert = folder.with_name(f"{folder.name}-bert")
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(bert)
    BertTokenizerFast(vocab=str(bert / "vocab.txt"), model_max_length=64).save_pretrained(bert)
    transformer = Transformer(str(bert), max_seq_length=64)
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save(str(folder))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder


def materials(encoder: Path) -> Materials:
    """What `make_bundled` needs besides the texts."""
    return Materials(dictionary=lambda: GLOSSES, teacher=lambda: encoder)
